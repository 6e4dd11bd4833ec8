/*
 * Giving back what is kept for later.
 *
 * Each CPU's magazines and stacks can be touched by that CPU only, so each is asked to empty its
 * own. `nr_asked` counts the answers that are still to come; several CPUs may ask at once, then
 * each waits for the answers to all.
 */

#include <stdatomic.h>

#include <arch/cpu.h>
#include <arch/irq.h>
#include <arch/smp.h>
#include <mm/kstack.h>
#include <mm/reclaim.h>
#include <mm/slab.h>

static atomic_uint nr_asked;
static _Atomic uint64_t was_asked; /* bit n: CPU n has not answered yet */

static void empty_own(void)
{
    irq_state_t irq = irq_save();

    kstack_release_kept();
    slab_reclaim();
    irq_restore(irq);
}

void reclaim_serve_request(void)
{
    if (!(atomic_fetch_and(&was_asked, ~(1ull << cpu_id())) >> cpu_id() & 1))
        return;
    empty_own();
    atomic_fetch_sub(&nr_asked, 1);
}

void reclaim_all(void)
{
    for (unsigned cpu = 0; cpu < nr_cpus_online; cpu++) {
        /* Counted first: the CPU may answer as soon as its bit is set. */
        atomic_fetch_add(&nr_asked, 1);
        if (atomic_fetch_or(&was_asked, 1ull << cpu) >> cpu & 1)
            atomic_fetch_sub(&nr_asked, 1);
        else
            irq_send_ipi(cpu, IPI_RECLAIM);
    }
    while (atomic_load(&nr_asked) != 0) {
        irq_disable();
        reclaim_serve_request();
        irq_enable();
        cpu_relax();
    }
    kstack_reclaim();
}
