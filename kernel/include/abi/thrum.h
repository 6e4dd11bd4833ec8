#ifndef ABI_THRUM_H
#define ABI_THRUM_H

/*
 * Thrum's own system calls: numbers and structures, shared by the kernel and user programs.
 *
 * Everything else in the user ABI is Linux's for x86-64 (numbers, structures, errno values, the
 * `syscall` convention, ELF start-up), from the distribution's kernel headers.
 */

#include <stdint.h>

#define THRUM_SYS_lwp_create      1024
#define THRUM_SYS_lwp_exit        1025
#define THRUM_SYS_lwp_join        1026
#define THRUM_SYS_lwp_detach      1027
#define THRUM_SYS_lwp_cancel      1028
#define THRUM_SYS_lwp_testcancel  1029
#define THRUM_SYS_spawn           1030
#define THRUM_SYS_stat            1031
#define THRUM_SYS_sched_set_share 1040
#define THRUM_SYS_sched_getlev    1041

/*
 * tid = lwp_create(entry, arg, attr): starts entry(arg, attr->arg2) as a new LWP of the calling
 * process. Returning from entry is lwp_exit(value). `attr` may be NULL: all defaults, arg2 is 0.
 */
struct thrum_lwp_attr {
    uint32_t size_bytes; /* of this structure, as the program knows it */
    uint32_t flags;      /* THRUM_LWP_* */
    uint64_t
        stack_low; /* lowest address of a stack of the program's own; 0: the kernel makes one */
    uint64_t stack_bytes; /* 0: THRUM_LWP_STACK_BYTES */
    uint64_t tls;         /* first value of the FS base */
    uint64_t arg2;        /* second argument of entry: the runtime's trampoline needs two */
};

#define THRUM_LWP_DETACHED 1u

/* Stack that the kernel makes: lazily backed, an unmapped guard page below. */
#define THRUM_LWP_STACK_BYTES     (256u << 10)
#define THRUM_LWP_STACK_BYTES_MIN (16u << 10)
#define THRUM_LWP_STACK_BYTES_MAX (1ull << 30)

/*
 * What is at an LWP's FS base, if its first word is its own address: the beginning of its TLS
 * block. While nr_no_cancel is not 0, a cancelled LWP does not leave; is_cancel_pending is then
 * set, and the LWP calls lwp_testcancel() when it lets go.
 */
struct thrum_block {
    uint64_t self;
    uint32_t nr_no_cancel;
    uint32_t is_cancel_pending;
};

/* What lwp_join() gives for an LWP that was cancelled. */
#define THRUM_LWP_CANCELED UINT64_MAX

/*
 * lwp_exit(value): ends the calling LWP; does not return.
 * lwp_join(tid, uint64_t *value): waits for the end of tid; `value` may be NULL. 0 or ESRCH (no
 * such LWP in this process), EINVAL (detached, or being joined already), EDEADLK (itself, or a
 *     cycle), EFAULT (bad `value`; the LWP stays joinable).
 * lwp_detach(tid): 0, ESRCH, EINVAL (detached already, or being joined).
 *
 * lwp_cancel(tid): the LWP leaves at its next return to user mode; out of a wait at once. 0, or
 * ESRCH. lwp_testcancel(): does not return if the caller has been cancelled.
 *
 * pid = spawn(path, argv, envp): starts a program as a child process of the caller.
 */

/* stat(struct thrum_stat *, size_bytes): what the kernel has handed out at this moment. */
struct thrum_stat {
    uint64_t nr_cpus;
    uint64_t frames_total;
    uint64_t frames_free;  /* or held by the kernel heap, whose objects are counted below */
    uint64_t heap_objects; /* of the kernel heap, handed out */
    uint64_t processes;    /* including zombies */
    uint64_t lwps;         /* of user processes, including zombies */
    uint64_t kernel_threads;
    uint64_t cpu;             /* number of the CPU that answers */
    uint64_t boot_to_user_ns; /* from the first kernel instruction to the first user instruction */
    uint64_t heap_frames;     /* that the kernel heap holds, for objects and for caches of them */
};

/*
 * sched_set_share(percent): a guaranteed share of one CPU for the caller; 0 gives it back. EINVAL
 *     outside 0 ... 100, EAGAIN when the sum of shares would leave the default group less than 20
 * %. sched_getlev(): the caller's MLFQ level, -1 outside MLFQ.
 */

#endif
