/*
 * Setting the calendar's clock, and who has to know.
 *
 * The kernel's timers go by clock_now_ns(), which nobody sets. What waits for a calendar time
 * waits for what that is on the kernel's clock, and is told when it is another: timers, and waits
 * for futexes, are *followers*, which set themselves anew; sleepers wake and sleep on.
 *
 * A follower remembers what it has reckoned with. So it does not matter whether one that is set
 * while the clock is, has seen the old time or the new one.
 */

#include <stdatomic.h>

#include <arch/vdso.h>
#include <drivers/cmos.h>
#include <kernel/clock.h>
#include <kernel/errno.h>
#include <kernel/mutex.h>
#include <kernel/realtime.h>
#include <kernel/spinlock.h>
#include <kernel/waitq.h>

static struct mutex setting;
static struct list followers; /* setting */

static struct spinlock sleepers_lock = SPINLOCK_INIT("calendar time", LOCK_RANK_WAIT);
static struct waitq sleepers; /* sleepers_lock */

uint64_t realtime_at_boot_ns(void)
{
    return atomic_load_explicit(arch_vdso_realtime(), memory_order_relaxed);
}

static void set_at_boot(uint64_t ns)
{
    atomic_store_explicit(arch_vdso_realtime(), ns, memory_order_relaxed);
}

void realtime_init(void)
{
    mutex_init(&setting, "calendar time");
    list_init(&followers);
    waitq_init(&sleepers);
    set_at_boot(cmos_time_ns() - clock_now_ns());
}

void realtime_follow(struct realtime_follower *follower,
                     void (*moved)(struct realtime_follower *follower))
{
    follower->moved = moved;
    mutex_lock(&setting);
    list_push_back(&followers, &follower->link);
    mutex_unlock(&setting);
}

void realtime_unfollow(struct realtime_follower *follower)
{
    mutex_lock(&setting);
    list_remove(&follower->link);
    mutex_unlock(&setting);
}

void realtime_set(uint64_t time_ns)
{
    struct realtime_follower *follower;
    irq_state_t irq;

    mutex_lock(&setting);
    irq = spin_lock_irq(&sleepers_lock);
    set_at_boot(time_ns - clock_now_ns());
    waitq_wake_all(&sleepers);
    spin_unlock_irq(&sleepers_lock, irq);
    list_for_each_entry (follower, &followers, link)
        follower->moved(follower);
    mutex_unlock(&setting);
}

int realtime_sleep_until(uint64_t time_ns)
{
    irq_state_t irq = spin_lock_irq(&sleepers_lock);
    int error = 0;

    while (error != -ERESTARTSYS) {
        uint64_t deadline_ns = realtime_to_clock_ns(time_ns, realtime_at_boot_ns());

        if (clock_now_ns() >= deadline_ns)
            break;
        error = waitq_sleep(&sleepers, &sleepers_lock, deadline_ns, true);
    }
    spin_unlock_irq(&sleepers_lock, irq);
    return error == -ERESTARTSYS ? error : 0;
}
