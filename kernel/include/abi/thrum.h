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

#define THRUM_SYS_sched_group_create  1042
#define THRUM_SYS_sched_group_destroy 1043
#define THRUM_SYS_sched_join_group    1044
#define THRUM_SYS_sched_set_params    1045
#define THRUM_SYS_sched_get_params    1046
#define THRUM_SYS_sched_set_share_of  1047
#define THRUM_SYS_sched_set_scope     1048
#define THRUM_SYS_sched_set_class     1049
#define THRUM_SYS_sched_tune          1050
#define THRUM_SYS_sched_use_preset    1051
#define THRUM_SYS_sched_list          1052
#define THRUM_SYS_trace_control       1053
#define THRUM_SYS_trace_read          1054

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
 * Scheduling. Names of classes, tunables and presets are strings that end with a NUL; a `tid` of 0
 * is the caller's, a `pid` of 0 its process's. Who may control an LWP: its own process, an ancestor
 * of it, and whoever is in the same session; others get EPERM, and ESRCH when it does not exist or
 * ends meanwhile. What fails has changed nothing.
 *
 * sched_set_share(percent): a guaranteed share of one CPU for the caller; 0 gives it back. EINVAL
 *     outside 0 ... 100, EAGAIN when the sum of shares would leave the default group less than 20
 *     %.
 * sched_getlev(): the caller's MLFQ level, -1 outside MLFQ.
 * sched_set_share_of(tid, percent): as sched_set_share(), for another LWP.
 *
 * group = sched_group_create(class, percent): a group under that class, with a share of every CPU
 *     of 1 ... 80 percent. EINVAL: no such class or share, EAGAIN: not to be had on every CPU,
 *     ENOSPC: THRUM_SCHED_GROUPS_MAX exist, ENOMEM.
 * sched_group_destroy(group): EINVAL: no such group, or the default group, which is number 0;
 *     EBUSY: it has members.
 * sched_join_group(group, tid): the LWP leaves its group, or its share. EINVAL: no such group, or
 *     the LWP's parameters make no sense there; EBUSY: the class cannot promise what they ask for.
 *
 * sched_set_params(tid, const struct thrum_sched_params *), sched_get_params(tid, struct
 *     thrum_sched_params *): EINVAL: out of range; EBUSY as above.
 * sched_set_scope(pid, scope): THRUM_SCOPE_*, for all LWPs of the process, now and later. Shares
 *     and promises that they had are given back. EINVAL, ENOMEM.
 *
 * sched_set_class(class): the default group goes over to that class, with everything in it. EINVAL:
 *     no such class, or one that is not for everybody; ENOMEM.
 * sched_tune(group, name, value): sets a tunable of the group's class. EINVAL: no such group, name
 *     or value. sched_use_preset(group, name): all of them.
 *
 * nr = sched_list(what, first, records, nr_max, record_bytes): copies records number `first` and
 *     later of the list THRUM_LIST_*, at most nr_max; 0: there are no more. `record_bytes` is the
 *     size of a record as the program knows it. LWPs are numbered by tid: `first` is the least tid
 *     that is wanted, so that a list that changes meanwhile is read without doublings. EINVAL.
 */

#define THRUM_SCHED_GROUPS_MAX 16
#define THRUM_SCHED_NAME_MAX   16
#define THRUM_SCHED_HELP_MAX   96

#define THRUM_SCOPE_SYSTEM  0 /* every LWP of the process is scheduled on its own */
#define THRUM_SCOPE_PROCESS 1 /* they share one entity, and take turns in it */

/* What an LWP asks for. A class uses what it understands of it. */
struct thrum_sched_params {
    uint32_t tickets;     /* proportional classes: weight, 1 ... 65536 */
    int32_t nice;         /* -20 (favoured) ... 19 */
    uint32_t priority;    /* fixed-priority classes: 0 (lowest) ... 63 */
    uint32_t reserved;    /* 0 */
    uint64_t runtime_ns;  /* deadline classes: runtime_ns in every period_ns, */
    uint64_t deadline_ns; /* done deadline_ns after the period's start; all three 0: none */
    uint64_t period_ns;
};

#define THRUM_LIST_LWPS     0 /* struct thrum_sched_lwp: of all user processes */
#define THRUM_LIST_CPUS     1 /* struct thrum_sched_cpu */
#define THRUM_LIST_GROUPS   2 /* struct thrum_sched_group */
#define THRUM_LIST_CLASSES  3 /* struct thrum_sched_class */
#define THRUM_LIST_TUNABLES 4 /* struct thrum_sched_tunable: of all groups */
#define THRUM_LIST_PRESETS  5 /* struct thrum_sched_preset: of all classes */

struct thrum_sched_lwp {
    int32_t tid, pid;
    char name[THRUM_SCHED_NAME_MAX];
    char class[THRUM_SCHED_NAME_MAX]; /* of the queue that it is in */
    uint32_t state;                   /* THRUM_LWP_STATE_* */
    uint32_t cpu;
    uint32_t group;
    uint32_t scope;
    uint32_t share_percent; /* of its CPU, guaranteed; 0: none */
    int32_t level;          /* -1: its class has none */
    uint64_t pass;          /* virtual time; 0: its class has none */
    uint64_t affinity;      /* bit n: CPU n */
    struct thrum_sched_params params;
    uint32_t donated_priority; /* the highest one that waiters lend it; 0: none */
    uint32_t is_interruptible; /* while it is blocked: whether a signal ends that */
    uint64_t run_ns;
    uint64_t wait_ns; /* ready, and not running */
    uint64_t nr_switches;
    uint64_t nr_migrations;
};

#define THRUM_LWP_STATE_NEW     0
#define THRUM_LWP_STATE_READY   1
#define THRUM_LWP_STATE_RUNNING 2
#define THRUM_LWP_STATE_BLOCKED 3
#define THRUM_LWP_STATE_ZOMBIE  4

struct thrum_sched_cpu {
    uint32_t cpu;
    uint32_t nr_runnable; /* running and ready */
    uint32_t promised_percent;
    int32_t tid; /* who runs; 0: nobody, or a kernel thread */
    uint64_t now_ns;
    uint64_t idle_ns;
    uint64_t nr_switches;
};

struct thrum_sched_group {
    uint32_t group;
    uint32_t share_percent; /* of the default group: what it has at least on every CPU */
    char class[THRUM_SCHED_NAME_MAX];
    uint32_t nr_members;
    uint32_t was_replaced; /* its class broke its promises, and gave way to rr */
};

struct thrum_sched_class {
    char name[THRUM_SCHED_NAME_MAX];
    char help[THRUM_SCHED_HELP_MAX];
    uint32_t is_work_conserving;
    uint32_t can_be_default;
};

struct thrum_sched_tunable {
    uint32_t group;
    uint32_t reserved;
    char class[THRUM_SCHED_NAME_MAX];
    char name[THRUM_SCHED_NAME_MAX];
    char help[THRUM_SCHED_HELP_MAX];
    uint64_t value, initial, min, max;
};

struct thrum_sched_preset {
    char class[THRUM_SCHED_NAME_MAX];
    char name[THRUM_SCHED_NAME_MAX];
    char help[THRUM_SCHED_HELP_MAX];
};

/*
 * The trace: what every CPU did, and when (docs/tracing.md). Each CPU writes into a ring of its
 * own; the oldest records give way to new ones.
 *
 * events = trace_control(THRUM_TRACE_GET, 0): the set of events that are recorded; bit n: kind n.
 * before = trace_control(THRUM_TRACE_SET, events): records these from now on, and no others; 0:
 *     none. EINVAL: no such operation or event; ENOMEM: no memory for the rings, which are made
 *     when something is recorded for the first time, and then kept.
 *
 * nr = trace_read(cpu, struct thrum_trace_cursor *, struct thrum_trace_record *, nr_max): copies
 *     the records of one CPU from cursor->next on, oldest first, and moves the cursor behind them;
 *     0: there are no more yet. Big reads may be cut short. Reading takes nothing away: every
 * reader has cursors of its own, one a CPU. EINVAL: no such CPU, or a cursor that is ahead of it;
 * EFAULT: the cursor is where it was.
 */
struct thrum_trace_cursor {
    uint64_t next;    /* number of the record to be read next; 0: the oldest that is still there */
    uint64_t nr_lost; /* raised by the number of records that were gone before they were read */
};

#define THRUM_TRACE_GET 0
#define THRUM_TRACE_SET 1

/* Of a cursor: what comes from now on. */
#define THRUM_TRACE_NOW UINT64_MAX

/* `tid` is whom it is about: an LWP's number; 0: an idle CPU; below 0: a kernel thread. */
struct thrum_trace_record {
    uint64_t time_ns; /* CLOCK_MONOTONIC; never falls within a CPU's records */
    int32_t tid;
    uint16_t kind; /* THRUM_TRACE_* */
    uint16_t cpu;  /* where it happened */
    uint64_t argument[3];
};

/*
 * Every kind of event: KIND(number, SYMBOL, name). Their arguments:
 *
 *   SWITCH   whom the CPU goes to; why `tid` leaves it, THRUM_SWITCH_*
 *   WAKE     on which CPU it will run; why, THRUM_WAKE_*; who ran where it was woken
 *   MIGRATE  from which CPU; to which
 *   CREATE   who made it; its pid, 0 for a kernel thread
 *   EXIT     its pid; the value that it leaves with
 *   LEVEL    from which level down; to which
 *   BOOST    from which level up; to which
 *   CLASS    first and second eight bytes of the name of the class that it is under from now on
 *   SYSCALL  number; first and second argument
 *   RETURN   number; result or -errno
 *   FAULT    address; program counter; THRUM_FAULT_*
 */
#define THRUM_TRACE_KINDS(KIND)                                                                    \
    KIND(0, SWITCH, "switch")                                                                      \
    KIND(1, WAKE, "wake")                                                                          \
    KIND(2, MIGRATE, "migrate")                                                                    \
    KIND(3, CREATE, "create")                                                                      \
    KIND(4, EXIT, "exit")                                                                          \
    KIND(5, LEVEL, "level")                                                                        \
    KIND(6, BOOST, "boost")                                                                        \
    KIND(7, CLASS, "class")                                                                        \
    KIND(8, SYSCALL, "syscall")                                                                    \
    KIND(9, RETURN, "return")                                                                      \
    KIND(10, FAULT, "fault")

#define THRUM_TRACE_KIND(number, symbol, name) THRUM_TRACE_##symbol = (number),
enum thrum_trace_kind { THRUM_TRACE_KINDS(THRUM_TRACE_KIND) THRUM_TRACE_NR_KINDS };
#undef THRUM_TRACE_KIND

#define THRUM_TRACE_ALL ((1u << THRUM_TRACE_NR_KINDS) - 1)

#define THRUM_SWITCH_IDLE      0 /* the CPU was idle */
#define THRUM_SWITCH_PREEMPTED 1 /* somebody else was to run at once */
#define THRUM_SWITCH_SLICE     2 /* its slice was over */
#define THRUM_SWITCH_YIELD     3
#define THRUM_SWITCH_BLOCKED   4
#define THRUM_SWITCH_EXIT      5

#define THRUM_WAKE_EVENT     0 /* what it waited for has happened */
#define THRUM_WAKE_TIMEOUT   1
#define THRUM_WAKE_INTERRUPT 2 /* its wait was cut short: a signal, a cancellation */
#define THRUM_WAKE_NEW       3 /* it starts */

#define THRUM_FAULT_PRESENT 1u /* the page was there: it lacks the permission */
#define THRUM_FAULT_WRITE   2u
#define THRUM_FAULT_EXEC    16u

#endif
