/*
 * Every system call: SYSCALL(number, name, parameters, what it does). The list makes the
 * declarations, the dispatch tables and the names. It is included several times, each time with
 * another meaning of SYSCALL, so it has no include guard.
 *
 * Numbers below 1024 are Linux's for x86-64. A function returns its result or -errno. Pointers are
 * user addresses (vaddr_t), checked by the user_copy_* functions.
 */
SYSCALL(__NR_write, write, (int fd, vaddr_t from, size_t nr_bytes), "write to a descriptor")
SYSCALL(__NR_mmap, mmap, (vaddr_t va, size_t nr_bytes, int prot, int flags, int fd, uint64_t offset),
        "map memory")
SYSCALL(__NR_mprotect, mprotect, (vaddr_t va, size_t nr_bytes, int prot),
        "change the permissions of mapped memory")
SYSCALL(__NR_munmap, munmap, (vaddr_t va, size_t nr_bytes), "unmap memory")
SYSCALL(__NR_brk, brk, (vaddr_t end), "move the end of the heap")
SYSCALL(__NR_sched_yield, sched_yield, (void), "let other LWPs run")
SYSCALL(__NR_nanosleep, nanosleep, (vaddr_t request_at, vaddr_t rest_at), "sleep for a time")
SYSCALL(__NR_getpid, getpid, (void), "the process's number")
SYSCALL(__NR_getppid, getppid, (void), "the parent process's number")
SYSCALL(__NR_fork, fork, (void), "make a copy of the process")
SYSCALL(__NR_vfork, vfork, (void), "as fork, and wait until the child calls exec or ends")
SYSCALL(__NR_execve, execve, (vaddr_t path_at, vaddr_t argv_at, vaddr_t envp_at),
        "run another program in this process")
SYSCALL(__NR_kill, kill, (int pid, int signal), "send a signal to processes")
SYSCALL(__NR_tkill, tkill, (int tid, int signal), "send a signal to an LWP")
SYSCALL(__NR_tgkill, tgkill, (int pid, int tid, int signal), "send a signal to an LWP of a process")
SYSCALL(__NR_setpgid, setpgid, (int pid, int group), "put a process into a process group")
SYSCALL(__NR_getpgid, getpgid, (int pid), "a process's group")
SYSCALL(__NR_getpgrp, getpgrp, (void), "the caller's process group")
SYSCALL(__NR_setsid, setsid, (void), "begin a session")
SYSCALL(__NR_getsid, getsid, (int pid), "a process's session")
SYSCALL(__NR_exit, exit, (int code), "end the calling LWP")
SYSCALL(__NR_wait4, wait4, (int pid, vaddr_t status_at, int options, vaddr_t usage_at),
        "wait for a child process to end")
SYSCALL(__NR_waitid, waitid, (int which, int id, vaddr_t info_at, int options, vaddr_t usage_at),
        "wait for a child process to end, and perhaps leave it")
SYSCALL(__NR_arch_prctl, arch_prctl, (int code, vaddr_t address), "set or get the FS base")
SYSCALL(__NR_reboot, reboot, (unsigned magic1, unsigned magic2, unsigned command),
        "switch the machine off, or restart it")
SYSCALL(__NR_gettid, gettid, (void), "the calling LWP's number")
SYSCALL(__NR_futex, futex, (vaddr_t word_at, int operation, uint32_t value, vaddr_t timeout_at),
        "wait for a word of memory to change, and wake who waits")
SYSCALL(__NR_set_tid_address, set_tid_address, (vaddr_t address),
        "a word to be cleared at the LWP's end")
SYSCALL(__NR_clock_gettime, clock_gettime, (int clock, vaddr_t time_at), "read a clock")
SYSCALL(__NR_exit_group, exit_group, (int code), "end the process")

SYSCALL(THRUM_SYS_lwp_create, lwp_create, (vaddr_t entry, uint64_t arg, vaddr_t attr_at),
        "start an LWP in the calling process")
SYSCALL(THRUM_SYS_lwp_exit, lwp_exit, (uint64_t value), "end the calling LWP with a value")
SYSCALL(THRUM_SYS_lwp_join, lwp_join, (int tid, vaddr_t value_at),
        "wait for an LWP's end and take its value")
SYSCALL(THRUM_SYS_lwp_detach, lwp_detach, (int tid), "let an LWP go away by itself at its end")
SYSCALL(THRUM_SYS_lwp_cancel, lwp_cancel, (int tid), "make an LWP end")
SYSCALL(THRUM_SYS_lwp_testcancel, lwp_testcancel, (void), "end here if cancelled")
SYSCALL(THRUM_SYS_spawn, spawn, (vaddr_t path_at, vaddr_t argv_at, vaddr_t envp_at),
        "start a program as a child process")
SYSCALL(THRUM_SYS_stat, stat, (vaddr_t stat_at, size_t nr_bytes), "what the kernel has handed out")
SYSCALL(THRUM_SYS_sched_set_share, sched_set_share, (int percent),
        "guarantee the caller a share of a CPU")
SYSCALL(THRUM_SYS_sched_getlev, sched_getlev, (void), "the caller's level in its scheduling class")
