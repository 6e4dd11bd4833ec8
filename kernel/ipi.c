/* What CPUs ask of each other. */

#include <arch/irq.h>
#include <mm/tlb.h>
#include <sched/sched.h>

void irq_ipi_received(enum ipi kind)
{
    if (kind == IPI_TLB)
        tlb_serve_requests();
    else
        sched_asked_to_look();
}
