#ifndef KERNEL_SPINLOCK_H
#define KERNEL_SPINLOCK_H

/*
 * Spinlocks: test-and-test-and-set with PAUSE. (FIFO locks would convoy where a hypervisor takes
 * the CPU away from whoever is next.)
 *
 * A spinlock is held with interrupts off, so an interrupt handler may take any of them; nothing
 * sleeps while holding one. Every lock has a rank, and a CPU takes locks in rising order of rank
 * only: the order is written here, once. Debug builds check it, and who owns a lock, and panic with
 * both places named.
 */

#include <stdatomic.h>

#include <arch/cpu.h>
#include <kernel/panic.h>
#include <kernel/perturb.h>
#include <kernel/types.h>

/* The lock order: a lock may be taken while locks of smaller rank are held, never the other way. */
enum lock_rank {
    LOCK_RANK_FAMILY = 10,        /* proc/: parents, children, zombies */
    LOCK_RANK_PROCESS = 20,       /* struct process: its LWPs */
    LOCK_RANK_ACTIONS = 22,       /* proc/signal/: what processes do on signals */
    LOCK_RANK_TTY_CONTROL = 24,   /* kernel/tty: sessions' terminals */
    LOCK_RANK_ID_TABLE = 25,      /* proc/id.c: pid and tid numbers */
    LOCK_RANK_CREDENTIALS = 26,   /* a process's users and groups */
    LOCK_RANK_FILES = 27,         /* a process's descriptors */
    LOCK_RANK_MOUNT = 28,         /* what is mounted where */
    LOCK_RANK_NAMES = 29,         /* tmpfs: which folder an inode is in */
    LOCK_RANK_WAIT = 30,          /* wait queues, mutexes, futex buckets */
    LOCK_RANK_POLL = 32,          /* what waits for files: taken under their guards */
    LOCK_RANK_SERIAL = 34,        /* a serial port: taken under its terminal's */
    LOCK_RANK_TIMER = 40,         /* a CPU's timers */
    LOCK_RANK_SCHED_CONTROL = 45, /* scheduling attributes */
    LOCK_RANK_DONATION = 47,      /* who lends whom its priority */
    LOCK_RANK_RUNQUEUE = 50,      /* a CPU's run queue; two of them: lower CPU number first */
    LOCK_RANK_KSTACK = 60,        /* kernel stacks */
    LOCK_RANK_KMAP = 65,          /* kernel mappings */
    LOCK_RANK_SOURCES = 67,       /* which memory shows a file */
    LOCK_RANK_SLAB = 70,          /* a slab cache */
    LOCK_RANK_FRAME_CACHE = 78,   /* a CPU's cache of free frames */
    LOCK_RANK_FRAME = 80,         /* the frame allocator */
    LOCK_RANK_UTSNAME = 84,       /* the machine's names */
    LOCK_RANK_RANDOM = 85,        /* the generator of random numbers */
    LOCK_RANK_LOG = 90,           /* log ring */
    LOCK_RANK_CONSOLE = 91,       /* console sinks */
};

struct spinlock {
    atomic_uint owner; /* 0: free; CPU number + 1 */
    uint16_t rank;
    const char *name;
#ifdef THRUM_DEBUG
    const void *taken_at;        /* return address of the last acquisition */
    struct spinlock *held_below; /* the lock that this CPU took before this one */
#endif
};

#define SPINLOCK_INIT(lock_name, lock_rank)                                                        \
    {                                                                                              \
        .rank = (lock_rank), .name = (lock_name)                                                   \
    }

static inline void spin_init(struct spinlock *lock, const char *name, enum lock_rank rank)
{
    *lock = (struct spinlock)SPINLOCK_INIT(name, rank);
}

static inline bool spin_is_held(const struct spinlock *lock)
{
    return atomic_load_explicit(&lock->owner, memory_order_relaxed) == cpu_id() + 1;
}

#ifdef THRUM_DEBUG
/* kernel/sync/spinlock.c: order and ownership. */
void spin_debug_before(struct spinlock *lock, const void *where, bool may_equal);
void spin_debug_taken(struct spinlock *lock, const void *where);
void spin_debug_release(struct spinlock *lock);
#else
static inline void spin_debug_before(struct spinlock *lock, const void *where, bool may_equal)
{
    (void)lock;
    (void)where;
    (void)may_equal;
}
static inline void spin_debug_taken(struct spinlock *lock, const void *where)
{
    (void)lock;
    (void)where;
}
static inline void spin_debug_release(struct spinlock *lock)
{
    (void)lock;
}
#endif

/* Waits until the lock is free and takes it. kernel/sync/spinlock.c */
void spin_lock_contended(struct spinlock *lock);

static inline bool spin_acquire(struct spinlock *lock)
{
    unsigned expected = 0;

    return atomic_compare_exchange_strong_explicit(&lock->owner, &expected, cpu_id() + 1,
                                                   memory_order_acquire, memory_order_relaxed);
}

/* Takes the lock; interrupts are off already. */
static inline void spin_lock(struct spinlock *lock)
{
    spin_debug_before(lock, __builtin_return_address(0), false);
    if (unlikely(!spin_acquire(lock)))
        spin_lock_contended(lock);
    spin_debug_taken(lock, __builtin_return_address(0));
}

/* As spin_lock(), while a lock of the same rank is held that comes first by the rank's own rule. */
static inline void spin_lock_nested(struct spinlock *lock)
{
    spin_debug_before(lock, __builtin_return_address(0), true);
    if (unlikely(!spin_acquire(lock)))
        spin_lock_contended(lock);
    spin_debug_taken(lock, __builtin_return_address(0));
}

/* Takes the lock if it is free; never waits, so the order of locks does not matter. */
static inline bool spin_try_lock(struct spinlock *lock)
{
    if (!spin_acquire(lock))
        return false;
    spin_debug_taken(lock, __builtin_return_address(0));
    return true;
}

static inline void spin_unlock(struct spinlock *lock)
{
    spin_debug_release(lock);
    atomic_store_explicit(&lock->owner, 0, memory_order_release);
}

/* As above, turning interrupts off first and back afterwards. */
static inline irq_state_t spin_lock_irq(struct spinlock *lock)
{
    irq_state_t irq = irq_save();

    spin_lock(lock);
    return irq;
}

static inline void spin_unlock_irq(struct spinlock *lock, irq_state_t irq)
{
    spin_unlock(lock);
    irq_restore(irq);
    perturb_point();
}

#endif
