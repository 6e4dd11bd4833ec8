/* What CPUs ask of each other. */

#include <arch/irq.h>
#include <mm/reclaim.h>
#include <mm/tlb.h>
#include <sched/sched.h>

void irq_ipi_received(enum ipi kind)
{
    switch (kind) {
    case IPI_TLB:
        tlb_serve_requests();
        break;
    case IPI_RECLAIM:
        reclaim_serve_request();
        break;
    default:
        sched_asked_to_look();
        break;
    }
}
