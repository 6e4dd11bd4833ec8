/*
 * Every system call: SYSCALL(number, name, parameters, what it does). The list makes the
 * declarations, the dispatch tables and the names. It is included several times, each time with
 * another meaning of SYSCALL, so it has no include guard.
 *
 * Numbers below 1024 are Linux's for x86-64. A function returns its result or -errno. Pointers are
 * user addresses (vaddr_t), checked by the user_copy_* functions.
 *
 * SYSCALL_WHOLE is for one that looks at all of the caller's registers. To who does not define it,
 * it is the same.
 */
#ifndef SYSCALL_WHOLE
#define SYSCALL_WHOLE SYSCALL
#define SYSCALL_WHOLE_IS_DEFAULT
#endif

SYSCALL(__NR_read, read, (int fd, vaddr_t to, size_t nr_bytes), "read from a descriptor")
SYSCALL(__NR_write, write, (int fd, vaddr_t from, size_t nr_bytes), "write to a descriptor")
SYSCALL(__NR_open, open, (vaddr_t path_at, unsigned flags, uint32_t mode), "open a file")
SYSCALL(__NR_openat, openat, (int dir_fd, vaddr_t path_at, unsigned flags, uint32_t mode),
        "open a file, seen from a folder")
SYSCALL(__NR_creat, creat, (vaddr_t path_at, uint32_t mode), "make or empty a file, and open it")
SYSCALL(__NR_close, close, (int fd), "close a descriptor")
SYSCALL(__NR_readv, readv, (int fd, vaddr_t pieces_at, int nr_pieces), "read into several buffers")
SYSCALL(__NR_writev, writev, (int fd, vaddr_t pieces_at, int nr_pieces),
        "write from several buffers")
SYSCALL(__NR_pread64, pread64, (int fd, vaddr_t to, size_t nr_bytes, int64_t offset),
        "read at an offset")
SYSCALL(__NR_pwrite64, pwrite64, (int fd, vaddr_t from, size_t nr_bytes, int64_t offset),
        "write at an offset")
SYSCALL(__NR_lseek, lseek, (int fd, int64_t offset, int whence), "move a file's offset")
SYSCALL(__NR_stat, stat, (vaddr_t path_at, vaddr_t stat_at), "what is known about a file")
SYSCALL(__NR_lstat, lstat, (vaddr_t path_at, vaddr_t stat_at), "as stat")
SYSCALL(__NR_fstat, fstat, (int fd, vaddr_t stat_at), "what is known about an open file")
SYSCALL(__NR_newfstatat, newfstatat, (int dir_fd, vaddr_t path_at, vaddr_t stat_at, int flags),
        "what is known about a file, seen from a folder")
SYSCALL(__NR_ioctl, ioctl, (int fd, unsigned request, uint64_t arg),
        "what only some kinds of files can do")
SYSCALL(__NR_dup, dup, (int fd), "another number for an open file")
SYSCALL(__NR_dup2, dup2, (int fd, int new_fd), "make a number refer to an open file")
SYSCALL(__NR_dup3, dup3, (int fd, int new_fd, unsigned flags), "as dup2, with O_CLOEXEC")
SYSCALL(__NR_fcntl, fcntl, (int fd, int command, uint64_t arg), "what a descriptor is like")
SYSCALL(__NR_pipe, pipe, (vaddr_t fds_at), "make a pipe")
SYSCALL(__NR_pipe2, pipe2, (vaddr_t fds_at, unsigned flags), "make a pipe, with flags")
SYSCALL(__NR_poll, poll, (vaddr_t polled_at, unsigned nr, int timeout_ms),
        "wait until one of several descriptors is ready")
SYSCALL(__NR_ppoll, ppoll,
        (vaddr_t polled_at, unsigned nr, vaddr_t timeout_at, vaddr_t mask_at, size_t mask_bytes),
        "as poll, with a signal mask")
SYSCALL(__NR_select, select,
        (int nr_fds, vaddr_t read_at, vaddr_t write_at, vaddr_t except_at, vaddr_t timeout_at),
        "as poll, with sets of descriptors")
SYSCALL(__NR_pselect6, pselect6,
        (int nr_fds, vaddr_t read_at, vaddr_t write_at, vaddr_t except_at, vaddr_t timeout_at,
         vaddr_t mask_at),
        "as select, with a signal mask")
#ifdef THRUM_SOCKETS
SYSCALL(__NR_socket, socket, (int domain, int type, int protocol), "make a socket")
SYSCALL(__NR_socketpair, socketpair, (int domain, int type, int protocol, vaddr_t fds_at),
        "make two sockets that are connected")
SYSCALL(__NR_bind, bind, (int fd, vaddr_t address_at, int nr_bytes), "give a socket a name")
SYSCALL(__NR_listen, listen, (int fd, int backlog), "let others connect to a socket")
SYSCALL(__NR_accept, accept, (int fd, vaddr_t address_at, vaddr_t nr_bytes_at),
        "take a connection that was made")
SYSCALL(__NR_accept4, accept4, (int fd, vaddr_t address_at, vaddr_t nr_bytes_at, unsigned flags),
        "as accept, with flags")
SYSCALL(__NR_connect, connect, (int fd, vaddr_t address_at, int nr_bytes),
        "connect a socket to one that has a name")
SYSCALL(__NR_shutdown, shutdown, (int fd, int how), "end one direction of a connection, or both")
SYSCALL(__NR_getsockname, getsockname, (int fd, vaddr_t address_at, vaddr_t nr_bytes_at),
        "a socket's name")
SYSCALL(__NR_getpeername, getpeername, (int fd, vaddr_t address_at, vaddr_t nr_bytes_at),
        "the name of the socket at the other side")
SYSCALL(__NR_setsockopt, setsockopt, (int fd, int level, int option, vaddr_t at, int nr_bytes),
        "change how a socket behaves")
SYSCALL(__NR_getsockopt, getsockopt,
        (int fd, int level, int option, vaddr_t at, vaddr_t nr_bytes_at), "how a socket behaves")
SYSCALL(__NR_sendto, sendto,
        (int fd, vaddr_t from, size_t nr_bytes, int flags, vaddr_t address_at, int address_bytes),
        "send to a socket")
SYSCALL(__NR_recvfrom, recvfrom,
        (int fd, vaddr_t to, size_t nr_bytes, int flags, vaddr_t address_at,
         vaddr_t address_bytes_at),
        "receive from a socket")
SYSCALL(__NR_sendmsg, sendmsg, (int fd, vaddr_t header_at, int flags),
        "send from several buffers, and descriptors")
SYSCALL(__NR_recvmsg, recvmsg, (int fd, vaddr_t header_at, int flags),
        "receive into several buffers, and descriptors")
SYSCALL(__NR_sendmmsg, sendmmsg, (int fd, vaddr_t messages_at, unsigned nr, int flags),
        "send several messages")
SYSCALL(__NR_recvmmsg, recvmmsg,
        (int fd, vaddr_t messages_at, unsigned nr, int flags, vaddr_t timeout_at),
        "receive several messages")
#endif
SYSCALL(__NR_epoll_create, epoll_create, (int size), "make an epoll, a set of files to wait for")
SYSCALL(__NR_epoll_create1, epoll_create1, (unsigned flags), "as epoll_create, with flags")
SYSCALL(__NR_epoll_ctl, epoll_ctl, (int epoll_fd, int operation, int fd, vaddr_t event_at),
        "change what is in an epoll")
SYSCALL(__NR_epoll_wait, epoll_wait, (int fd, vaddr_t events_at, int nr_max, int timeout_ms),
        "wait for the events of an epoll")
SYSCALL(__NR_epoll_pwait, epoll_pwait,
        (int fd, vaddr_t events_at, int nr_max, int timeout_ms, vaddr_t mask_at, size_t mask_bytes),
        "as epoll_wait, with a signal mask")
SYSCALL(__NR_epoll_pwait2, epoll_pwait2,
        (int fd, vaddr_t events_at, int nr_max, vaddr_t timeout_at, vaddr_t mask_at,
         size_t mask_bytes),
        "as epoll_pwait, with a struct timespec")
SYSCALL(__NR_eventfd, eventfd, (unsigned count), "make a counter that is a file")
SYSCALL(__NR_eventfd2, eventfd2, (unsigned count, unsigned flags), "as eventfd, with flags")
SYSCALL(__NR_timerfd_create, timerfd_create, (int clock, unsigned flags),
        "make a timer that is a file")
SYSCALL(__NR_timerfd_settime, timerfd_settime,
        (int fd, unsigned flags, vaddr_t time_at, vaddr_t old_at), "set such a timer")
SYSCALL(__NR_timerfd_gettime, timerfd_gettime, (int fd, vaddr_t time_at),
        "how much is left of such a timer")
SYSCALL(__NR_inotify_init, inotify_init, (void), "make a file that tells what happens to others")
SYSCALL(__NR_inotify_init1, inotify_init1, (unsigned flags), "as inotify_init, with flags")
SYSCALL(__NR_inotify_add_watch, inotify_add_watch, (int fd, vaddr_t path_at, uint32_t mask),
        "watch a file or a folder")
SYSCALL(__NR_inotify_rm_watch, inotify_rm_watch, (int fd, int watch), "stop watching it")
SYSCALL(__NR_ftruncate, ftruncate, (int fd, int64_t nr_bytes), "set a file's size")
SYSCALL(__NR_getdents64, getdents64, (int fd, vaddr_t to, unsigned nr_bytes), "list a folder")
SYSCALL(__NR_getcwd, getcwd, (vaddr_t to, size_t nr_bytes), "the path of the current folder")
SYSCALL(__NR_chroot, chroot, (vaddr_t path_at), "set the folder where paths begin")
SYSCALL(__NR_umask, umask, (uint32_t mask), "set which permissions new files do not get")
SYSCALL(__NR_mknod, mknod, (vaddr_t path_at, uint32_t mode, unsigned device),
        "make a FIFO, a device, a socket or a file")
SYSCALL(__NR_mknodat, mknodat, (int dir_fd, vaddr_t path_at, uint32_t mode, unsigned device),
        "the same, seen from a folder")
SYSCALL(__NR_symlink, symlink, (vaddr_t target_at, vaddr_t path_at), "make a symbolic link")
SYSCALL(__NR_symlinkat, symlinkat, (vaddr_t target_at, int dir_fd, vaddr_t path_at),
        "make a symbolic link, seen from a folder")
SYSCALL(__NR_readlink, readlink, (vaddr_t path_at, vaddr_t to, int nr_bytes),
        "where a symbolic link leads")
SYSCALL(__NR_readlinkat, readlinkat, (int dir_fd, vaddr_t path_at, vaddr_t to, int nr_bytes),
        "where a symbolic link leads, seen from a folder")
SYSCALL(__NR_link, link, (vaddr_t from_at, vaddr_t to_at), "give a file a further name")
SYSCALL(__NR_linkat, linkat, (int from_fd, vaddr_t from_at, int to_fd, vaddr_t to_at, int flags),
        "the same, seen from folders")
SYSCALL(__NR_rename, rename, (vaddr_t from_at, vaddr_t to_at), "change a name")
SYSCALL(__NR_renameat, renameat, (int from_fd, vaddr_t from_at, int to_fd, vaddr_t to_at),
        "change a name, seen from folders")
SYSCALL(__NR_renameat2, renameat2,
        (int from_fd, vaddr_t from_at, int to_fd, vaddr_t to_at, unsigned flags),
        "change a name, unless it is there, or exchange two")
SYSCALL(__NR_preadv, preadv,
        (int fd, vaddr_t pieces_at, int nr_pieces, int64_t offset, uint64_t unused),
        "read into several buffers at an offset")
SYSCALL(__NR_pwritev, pwritev,
        (int fd, vaddr_t pieces_at, int nr_pieces, int64_t offset, uint64_t unused),
        "write from several buffers at an offset")
SYSCALL(__NR_preadv2, preadv2,
        (int fd, vaddr_t pieces_at, int nr_pieces, int64_t offset, uint64_t unused, int flags),
        "the same, with flags")
SYSCALL(__NR_pwritev2, pwritev2,
        (int fd, vaddr_t pieces_at, int nr_pieces, int64_t offset, uint64_t unused, int flags),
        "the same, with flags")
SYSCALL(__NR_sendfile, sendfile, (int to_fd, int from_fd, vaddr_t offset_at, size_t nr_bytes),
        "copy from a file to a descriptor")
SYSCALL(__NR_copy_file_range, copy_file_range,
        (int from_fd, vaddr_t from_offset_at, int to_fd, vaddr_t to_offset_at, size_t nr_bytes,
         unsigned flags),
        "copy from a file to another")
SYSCALL(__NR_splice, splice,
        (int from_fd, vaddr_t from_offset_at, int to_fd, vaddr_t to_offset_at, size_t nr_bytes,
         unsigned flags),
        "move bytes into a pipe or out of it")
SYSCALL(__NR_tee, tee, (int from_fd, int to_fd, size_t nr_bytes, unsigned flags),
        "copy what is in a pipe to another")
SYSCALL(__NR_vmsplice, vmsplice, (int fd, vaddr_t pieces_at, size_t nr_pieces, unsigned flags),
        "as readv or writev of a pipe")
SYSCALL(__NR_fallocate, fallocate, (int fd, int mode, int64_t offset, int64_t nr_bytes),
        "make sure that a file has room, or make a hole in it")
SYSCALL(__NR_sync, sync, (void), "nothing: files are in memory")
SYSCALL(__NR_fsync, fsync, (int fd), "nothing, if the descriptor is open on a file")
SYSCALL(__NR_fdatasync, fdatasync, (int fd), "as fsync")
SYSCALL(__NR_syncfs, syncfs, (int fd), "as fsync")
SYSCALL(__NR_sync_file_range, sync_file_range,
        (int fd, int64_t offset, int64_t nr_bytes, unsigned flags), "as fsync")
SYSCALL(__NR_fadvise64, fadvise64, (int fd, int64_t offset, int64_t nr_bytes, int advice),
        "say how a file will be used")
SYSCALL(__NR_readahead, readahead, (int fd, int64_t offset, size_t nr_bytes),
        "say that a file will be read")
SYSCALL(__NR_close_range, close_range, (unsigned first, unsigned last, unsigned flags),
        "close descriptors")
SYSCALL(__NR_flock, flock, (int fd, int operation), "lock an open file, or unlock it")
SYSCALL(__NR_mount, mount,
        (vaddr_t source_at, vaddr_t path_at, vaddr_t type_at, uint64_t flags, vaddr_t options_at),
        "put a file system on a folder")
SYSCALL(__NR_umount2, umount2, (vaddr_t path_at, unsigned flags), "take a file system away")
SYSCALL(__NR_statfs, statfs, (vaddr_t path_at, vaddr_t statfs_at),
        "how large a file system is, and how full")
SYSCALL(__NR_fstatfs, fstatfs, (int fd, vaddr_t statfs_at), "the same of an open file's")
SYSCALL(__NR_statx, statx,
        (int dir_fd, vaddr_t path_at, int flags, unsigned mask, vaddr_t statx_at),
        "what is known about a file")
SYSCALL(__NR_access, access, (vaddr_t path_at, int mode), "may the real user do that to a file?")
SYSCALL(__NR_faccessat, faccessat, (int dir_fd, vaddr_t path_at, int mode),
        "the same, seen from a folder")
SYSCALL(__NR_faccessat2, faccessat2, (int dir_fd, vaddr_t path_at, int mode, int flags),
        "the same, for the real or the effective user")
SYSCALL(__NR_chmod, chmod, (vaddr_t path_at, uint32_t mode), "change who may do what to a file")
SYSCALL(__NR_fchmod, fchmod, (int fd, uint32_t mode), "the same to an open file")
SYSCALL(__NR_fchmodat, fchmodat, (int dir_fd, vaddr_t path_at, uint32_t mode),
        "the same, seen from a folder")
SYSCALL(452 /* fchmodat2 */, fchmodat2,
        (int dir_fd, vaddr_t path_at, uint32_t mode, unsigned flags), "the same, with flags")
SYSCALL(__NR_chown, chown, (vaddr_t path_at, uint32_t uid, uint32_t gid), "change a file's owner")
SYSCALL(__NR_lchown, lchown, (vaddr_t path_at, uint32_t uid, uint32_t gid),
        "change the owner, not following a link")
SYSCALL(__NR_fchown, fchown, (int fd, uint32_t uid, uint32_t gid), "change an open file's owner")
SYSCALL(__NR_fchownat, fchownat,
        (int dir_fd, vaddr_t path_at, uint32_t uid, uint32_t gid, int flags),
        "change a file's owner, seen from a folder")
SYSCALL(__NR_utimensat, utimensat, (int dir_fd, vaddr_t path_at, vaddr_t times_at, int flags),
        "set a file's times")
SYSCALL(__NR_futimesat, futimesat, (int dir_fd, vaddr_t path_at, vaddr_t times_at),
        "set a file's times, in microseconds")
SYSCALL(__NR_utimes, utimes, (vaddr_t path_at, vaddr_t times_at),
        "set a file's times, in microseconds")
SYSCALL(__NR_utime, utime, (vaddr_t path_at, vaddr_t times_at), "set a file's times, in seconds")
SYSCALL(__NR_truncate, truncate, (vaddr_t path_at, int64_t nr_bytes), "set a file's size")
SYSCALL(__NR_chdir, chdir, (vaddr_t path_at), "change the current folder")
SYSCALL(__NR_fchdir, fchdir, (int fd), "change the current folder to an open one")
SYSCALL(__NR_mkdir, mkdir, (vaddr_t path_at, uint32_t mode), "make a folder")
SYSCALL(__NR_mkdirat, mkdirat, (int dir_fd, vaddr_t path_at, uint32_t mode),
        "make a folder, seen from a folder")
SYSCALL(__NR_rmdir, rmdir, (vaddr_t path_at), "remove an empty folder")
SYSCALL(__NR_unlink, unlink, (vaddr_t path_at), "remove a file")
SYSCALL(__NR_unlinkat, unlinkat, (int dir_fd, vaddr_t path_at, int flags),
        "remove a file or a folder, seen from a folder")
SYSCALL(__NR_mmap, mmap,
        (vaddr_t va, size_t nr_bytes, int prot, int flags, int fd, uint64_t offset), "map memory")
SYSCALL(__NR_mprotect, mprotect, (vaddr_t va, size_t nr_bytes, int prot),
        "change the permissions of mapped memory")
SYSCALL(__NR_munmap, munmap, (vaddr_t va, size_t nr_bytes), "unmap memory")
SYSCALL(__NR_mremap, mremap,
        (vaddr_t va, size_t old_bytes, size_t new_bytes, unsigned flags, vaddr_t new_va),
        "move memory, or change its size")
SYSCALL(__NR_msync, msync, (vaddr_t va, size_t nr_bytes, int flags), "write mapped files back")
SYSCALL(__NR_madvise, madvise, (vaddr_t va, size_t nr_bytes, int advice), "how memory is used")
SYSCALL(__NR_mincore, mincore, (vaddr_t va, size_t nr_bytes, vaddr_t present_at),
        "which pages are there")
SYSCALL(__NR_mlock, mlock, (vaddr_t va, size_t nr_bytes), "have memory present")
SYSCALL(__NR_mlock2, mlock2, (vaddr_t va, size_t nr_bytes, int flags), "as mlock")
SYSCALL(__NR_munlock, munlock, (vaddr_t va, size_t nr_bytes), "undo mlock")
SYSCALL(__NR_mlockall, mlockall, (int flags), "have all memory present")
SYSCALL(__NR_munlockall, munlockall, (void), "undo mlockall")
SYSCALL(__NR_membarrier, membarrier, (int command, unsigned flags, int cpu),
        "a memory barrier on all CPUs")
SYSCALL(__NR_memfd_create, memfd_create, (vaddr_t name_at, unsigned flags),
        "a file that is only memory")
SYSCALL(__NR_pkey_mprotect, pkey_mprotect, (vaddr_t va, size_t nr_bytes, int prot, int key),
        "as mprotect")
SYSCALL(__NR_pkey_alloc, pkey_alloc, (unsigned flags, unsigned rights), "ENOSPC: there are none")
SYSCALL(__NR_pkey_free, pkey_free, (int key), "EINVAL: there are none")
SYSCALL(__NR_brk, brk, (vaddr_t end), "move the end of the heap")
SYSCALL(__NR_sched_yield, sched_yield, (void), "let other LWPs run")
SYSCALL(__NR_sched_setscheduler, sched_setscheduler, (int tid, int policy, vaddr_t param_at),
        "set an LWP's policy and priority")
SYSCALL(__NR_sched_getscheduler, sched_getscheduler, (int tid), "an LWP's policy")
SYSCALL(__NR_sched_setparam, sched_setparam, (int tid, vaddr_t param_at), "set an LWP's priority")
SYSCALL(__NR_sched_getparam, sched_getparam, (int tid, vaddr_t param_at), "an LWP's priority")
SYSCALL(__NR_sched_get_priority_max, sched_get_priority_max, (int policy),
        "the highest priority of a policy")
SYSCALL(__NR_sched_get_priority_min, sched_get_priority_min, (int policy),
        "the lowest priority of a policy")
SYSCALL(__NR_sched_rr_get_interval, sched_rr_get_interval, (int tid, vaddr_t interval_at),
        "how long an LWP's turn is")
SYSCALL(__NR_sched_setattr, sched_setattr, (int tid, vaddr_t attr_at, unsigned flags),
        "set an LWP's policy and all that belongs to it")
SYSCALL(__NR_sched_getattr, sched_getattr,
        (int tid, vaddr_t attr_at, unsigned nr_bytes, unsigned flags),
        "an LWP's policy and all that belongs to it")
SYSCALL(__NR_sched_setaffinity, sched_setaffinity, (int tid, unsigned nr_bytes, vaddr_t cpus_at),
        "set the CPUs that an LWP may run on")
SYSCALL(__NR_sched_getaffinity, sched_getaffinity, (int tid, unsigned nr_bytes, vaddr_t cpus_at),
        "the CPUs that an LWP may run on")
SYSCALL(__NR_getpriority, getpriority, (int which, int who), "20 less the least niceness")
SYSCALL(__NR_setpriority, setpriority, (int which, int who, int nice), "set niceness")
SYSCALL(__NR_nanosleep, nanosleep, (vaddr_t request_at, vaddr_t rest_at), "sleep for a time")
SYSCALL(__NR_alarm, alarm, (unsigned seconds), "get SIGALRM after a time")
SYSCALL(__NR_setitimer, setitimer, (int which, vaddr_t value_at, vaddr_t old_at),
        "get a signal after a time, or regularly")
SYSCALL(__NR_getitimer, getitimer, (int which, vaddr_t value_at), "how long until that signal")
SYSCALL(__NR_timer_create, timer_create, (int clock, vaddr_t event_at, vaddr_t id_at),
        "make a timer")
SYSCALL(__NR_timer_settime, timer_settime, (int id, int flags, vaddr_t value_at, vaddr_t old_at),
        "set a timer")
SYSCALL(__NR_timer_gettime, timer_gettime, (int id, vaddr_t value_at),
        "how long until a timer expires")
SYSCALL(__NR_timer_getoverrun, timer_getoverrun, (int id),
        "how often it has expired without a signal of its own")
SYSCALL(__NR_timer_delete, timer_delete, (int id), "remove a timer")
SYSCALL(__NR_getpid, getpid, (void), "the process's number")
SYSCALL(__NR_getppid, getppid, (void), "the parent process's number")
SYSCALL(__NR_getuid, getuid, (void), "the real user")
SYSCALL(__NR_geteuid, geteuid, (void), "the effective user")
SYSCALL(__NR_getgid, getgid, (void), "the real group")
SYSCALL(__NR_getegid, getegid, (void), "the effective group")
SYSCALL(__NR_getresuid, getresuid, (vaddr_t uid_at, vaddr_t euid_at, vaddr_t suid_at),
        "real, effective and saved user")
SYSCALL(__NR_getresgid, getresgid, (vaddr_t gid_at, vaddr_t egid_at, vaddr_t sgid_at),
        "real, effective and saved group")
SYSCALL(__NR_setuid, setuid, (uint32_t uid), "become another user")
SYSCALL(__NR_setgid, setgid, (uint32_t gid), "become of another group")
SYSCALL(__NR_setreuid, setreuid, (uint32_t uid, uint32_t euid), "set real and effective user")
SYSCALL(__NR_setregid, setregid, (uint32_t gid, uint32_t egid), "set real and effective group")
SYSCALL(__NR_setresuid, setresuid, (uint32_t uid, uint32_t euid, uint32_t suid),
        "set real, effective and saved user")
SYSCALL(__NR_setresgid, setresgid, (uint32_t gid, uint32_t egid, uint32_t sgid),
        "set real, effective and saved group")
SYSCALL(__NR_setfsuid, setfsuid, (uint32_t uid), "set the user that files see")
SYSCALL(__NR_setfsgid, setfsgid, (uint32_t gid), "set the group that files see")
SYSCALL(__NR_getgroups, getgroups, (int nr_max, vaddr_t groups_at), "the supplementary groups")
SYSCALL(__NR_setgroups, setgroups, (int nr, vaddr_t groups_at), "set the supplementary groups")
SYSCALL(__NR_capget, capget, (vaddr_t header_at, vaddr_t data_at), "what a process may do")
SYSCALL(__NR_capset, capset, (vaddr_t header_at, vaddr_t data_at), "set what the caller may do")
SYSCALL_WHOLE(__NR_clone, clone,
              (uint64_t flags, vaddr_t sp, vaddr_t parent_tid_at, vaddr_t child_tid_at,
               uint64_t tls),
              "make an LWP or a process that goes on like the caller")
SYSCALL_WHOLE(__NR_clone3, clone3, (vaddr_t args_at, size_t nr_bytes), "as clone")
SYSCALL(__NR_unshare, unshare, (uint64_t flags), "EINVAL, for what is shared with others")
SYSCALL_WHOLE(__NR_fork, fork, (void), "make a copy of the process")
SYSCALL_WHOLE(__NR_vfork, vfork, (void), "as fork, and wait until the child calls exec or ends")
SYSCALL(__NR_execve, execve, (vaddr_t path_at, vaddr_t argv_at, vaddr_t envp_at),
        "run another program in this process")
SYSCALL(__NR_kill, kill, (int pid, int signal), "send a signal to processes")
SYSCALL(__NR_tkill, tkill, (int tid, int signal), "send a signal to an LWP")
SYSCALL(__NR_tgkill, tgkill, (int pid, int tid, int signal), "send a signal to an LWP of a process")
SYSCALL(__NR_rt_sigqueueinfo, rt_sigqueueinfo, (int pid, int signal, vaddr_t info_at),
        "send a signal with a value to a process")
SYSCALL(__NR_rt_tgsigqueueinfo, rt_tgsigqueueinfo, (int pid, int tid, int signal, vaddr_t info_at),
        "send a signal with a value to an LWP of a process")
SYSCALL(__NR_rt_sigaction, rt_sigaction,
        (int signal, vaddr_t action_at, vaddr_t old_at, size_t nr_set_bytes),
        "what the process does on a signal")
SYSCALL(__NR_rt_sigprocmask, rt_sigprocmask,
        (int how, vaddr_t set_at, vaddr_t old_at, size_t nr_set_bytes),
        "which signals the LWP blocks")
SYSCALL(__NR_rt_sigpending, rt_sigpending, (vaddr_t set_at, size_t nr_set_bytes),
        "which blocked signals have come")
SYSCALL(__NR_rt_sigsuspend, rt_sigsuspend, (vaddr_t set_at, size_t nr_set_bytes),
        "wait for a signal with another mask")
SYSCALL(__NR_rt_sigtimedwait, rt_sigtimedwait,
        (vaddr_t set_at, vaddr_t info_at, vaddr_t timeout_at, size_t nr_set_bytes),
        "take a blocked signal when one comes")
SYSCALL(__NR_rt_sigreturn, rt_sigreturn, (void), "go on where a signal handler interrupted")
SYSCALL(__NR_signalfd, signalfd, (int fd, vaddr_t mask_at, size_t nr_set_bytes),
        "a file from which signals are read")
SYSCALL(__NR_signalfd4, signalfd4, (int fd, vaddr_t mask_at, size_t nr_set_bytes, unsigned flags),
        "as signalfd, with flags")
SYSCALL(__NR_sigaltstack, sigaltstack, (vaddr_t stack_at, vaddr_t old_at),
        "the stack for signal handlers")
SYSCALL(__NR_pause, pause, (void), "wait for a signal")
SYSCALL(__NR_restart_syscall, restart_syscall, (void), "go on with a call that was interrupted")
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
SYSCALL(__NR_syslog, syslog, (int action, vaddr_t to, int nr_bytes),
        "read or control the kernel log")
SYSCALL(__NR_getrandom, getrandom, (vaddr_t to, size_t nr_bytes, unsigned flags), "random bytes")
SYSCALL(__NR_reboot, reboot, (unsigned magic1, unsigned magic2, unsigned command),
        "switch the machine off, or restart it")
SYSCALL(__NR_gettid, gettid, (void), "the calling LWP's number")
SYSCALL(__NR_futex, futex,
        (vaddr_t word_at, int operation, uint32_t value, uint64_t timeout_at_or_value2,
         vaddr_t word2_at, uint32_t value3),
        "wait for a word of memory to change, and wake who waits")
SYSCALL(__NR_set_tid_address, set_tid_address, (vaddr_t address),
        "a word to be cleared at the LWP's end")
SYSCALL(__NR_clock_gettime, clock_gettime, (int clock, vaddr_t time_at), "read a clock")
SYSCALL(__NR_clock_settime, clock_settime, (int clock, vaddr_t time_at), "set a clock")
SYSCALL(__NR_adjtimex, adjtimex, (vaddr_t timex_at), "how the clock is kept right; move it")
SYSCALL(__NR_clock_adjtime, clock_adjtime, (int clock, vaddr_t timex_at), "as adjtimex")
SYSCALL(__NR_clock_getres, clock_getres, (int clock, vaddr_t resolution_at), "how fine a clock is")
SYSCALL(__NR_clock_nanosleep, clock_nanosleep,
        (int clock, int flags, vaddr_t request_at, vaddr_t rest_at), "sleep by a clock")
SYSCALL(__NR_gettimeofday, gettimeofday, (vaddr_t time_at, vaddr_t zone_at), "the calendar time")
SYSCALL(__NR_settimeofday, settimeofday, (vaddr_t time_at, vaddr_t zone_at),
        "set the calendar time")
SYSCALL(__NR_time, time, (vaddr_t time_at), "the calendar time in seconds")
SYSCALL(__NR_times, times, (vaddr_t times_at), "CPU time that was used")
SYSCALL(__NR_getrusage, getrusage, (int who, vaddr_t usage_at), "what was used")
SYSCALL(__NR_getrlimit, getrlimit, (unsigned resource, vaddr_t limit_at), "what may be used")
SYSCALL(__NR_setrlimit, setrlimit, (unsigned resource, vaddr_t limit_at), "bound what is used")
SYSCALL(__NR_prlimit64, prlimit64, (int pid, unsigned resource, vaddr_t new_at, vaddr_t old_at),
        "what a process may use")
SYSCALL(__NR_uname, uname, (vaddr_t name_at), "the system's names")
SYSCALL(__NR_sethostname, sethostname, (vaddr_t name_at, int nr_bytes), "name the machine")
SYSCALL(__NR_setdomainname, setdomainname, (vaddr_t name_at, int nr_bytes), "name its domain")
SYSCALL(__NR_sysinfo, sysinfo, (vaddr_t info_at), "what the system has")
SYSCALL(__NR_getcpu, getcpu, (vaddr_t cpu_at, vaddr_t node_at), "which CPU the caller is on")
SYSCALL(__NR_rseq, rseq, (void), "ENOSYS: there are no restartable sequences")
SYSCALL(__NR_ioprio_get, ioprio_get, (int which, int who), "what ioprio_set has set")
SYSCALL(__NR_ioprio_set, ioprio_set, (int which, int who, int priority),
        "remember a priority for disks")
SYSCALL(__NR_personality, personality, (unsigned personality), "how programs are treated")
SYSCALL(__NR_prctl, prctl, (int option, uint64_t a, uint64_t b, uint64_t c, uint64_t d),
        "what an LWP is like")
SYSCALL(__NR_set_robust_list, set_robust_list, (vaddr_t head_at, size_t nr_bytes),
        "name the locks that are to be marked at the LWP's end")
SYSCALL(__NR_get_robust_list, get_robust_list, (int tid, vaddr_t head_at, vaddr_t nr_bytes_at),
        "what set_robust_list named")
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
SYSCALL(THRUM_SYS_stat, thrum_stat, (vaddr_t stat_at, size_t nr_bytes),
        "what the kernel has handed out")
SYSCALL(THRUM_SYS_sched_set_share, sched_set_share, (int percent),
        "guarantee the caller a share of a CPU")
SYSCALL(THRUM_SYS_sched_getlev, sched_getlev, (void), "the caller's level in its scheduling class")
SYSCALL(THRUM_SYS_trace_control, trace_control, (int operation, uint64_t events),
        "say which events are recorded")
SYSCALL(THRUM_SYS_trace_read, trace_read,
        (unsigned cpu, vaddr_t cursor_at, vaddr_t records_at, size_t nr_max),
        "read one CPU's records of events")
SYSCALL(THRUM_SYS_sched_group_create, sched_group_create, (vaddr_t class_at, int percent),
        "make a group of LWPs under a class")
SYSCALL(THRUM_SYS_sched_group_destroy, sched_group_destroy, (int group), "remove an empty group")
SYSCALL(THRUM_SYS_sched_join_group, sched_join_group, (int group, int tid),
        "move an LWP into a group")
SYSCALL(THRUM_SYS_sched_set_params, sched_set_params, (int tid, vaddr_t params_at),
        "set what an LWP asks of its class")
SYSCALL(THRUM_SYS_sched_get_params, sched_get_params, (int tid, vaddr_t params_at),
        "what an LWP asks of its class")
SYSCALL(THRUM_SYS_sched_set_share_of, sched_set_share_of, (int tid, int percent),
        "guarantee an LWP a share of a CPU")
SYSCALL(THRUM_SYS_sched_set_scope, sched_set_scope, (int pid, int scope),
        "schedule a process's LWPs each, or as one")
SYSCALL(THRUM_SYS_sched_set_class, sched_set_class, (vaddr_t class_at),
        "give the default group another class")
SYSCALL(THRUM_SYS_sched_tune, sched_tune, (int group, vaddr_t name_at, uint64_t value),
        "set a tunable of a group's class")
SYSCALL(THRUM_SYS_sched_use_preset, sched_use_preset, (int group, vaddr_t name_at),
        "set all tunables of a group's class")
SYSCALL(THRUM_SYS_sched_list, sched_list,
        (unsigned what, uint64_t first, vaddr_t records_at, unsigned nr_max, size_t record_bytes),
        "what there is to know about scheduling")

#ifdef SYSCALL_WHOLE_IS_DEFAULT
#undef SYSCALL_WHOLE
#undef SYSCALL_WHOLE_IS_DEFAULT
#endif
