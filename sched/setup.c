/* Making the run queues, from what the command line says. */

#include <arch/cpu.h>
#include <arch/smp.h>
#include <kernel/cmdline.h>
#include <kernel/format.h>
#include <kernel/log.h>
#include <kernel/panic.h>
#include <kernel/string.h>
#include <mm/kstack.h>
#include <mm/slab.h>
#include <sched/sched.h>
#include <sched/timer.h>
#include <sched/runqueue_impl.h>

/* Prepares CPU `cpu`'s queues and idle LWP. False: out of memory. */
static bool init_cpu(unsigned cpu)
{
    struct runqueue *rq = cpu_ptr(runqueue, cpu);

    spin_init(&rq->lock, "run queue", LOCK_RANK_RUNQUEUE);
    rq->cpu = cpu;
    if (!group_init_cpu(rq))
        return false;
    rq->look_ns = SCHED_TIME_NEVER;
    rq->slice_end_ns = SCHED_TIME_NEVER;
    rq->current = &rq->idle;
    rq->idle.state = LWP_RUNNING;
    unit_init(&rq->idle.own, NULL);
    atomic_init(&rq->idle.own.cpu, cpu);
    atomic_init(&rq->idle.unit, &rq->idle.own);
    rq->idle.last_cpu = cpu;
    snprintf(rq->idle.name, sizeof(rq->idle.name), "idle/%u", cpu);
    *cpu_ptr(current_lwp, cpu) = &rq->idle;
    return true;
}

void sched_init(const char *class_name)
{
    if (!group_init(class_name)) {
        log_warn("sched: there is no class '%s' for everybody; taking mlfq", class_name);
        if (!group_init("mlfq"))
            panic("sched: there is no class mlfq");
    }
    if (!init_cpu(0))
        panic("sched: no memory for the first run queue");
    timer_init_cpu();
    log_info("sched: default class %s", sched_class_of_group(SCHED_GROUP_DEFAULT)->name);
}

uint64_t smp_prepare_cpu(unsigned cpu)
{
    return init_cpu(cpu) ? kstack_alloc() : 0;
}

void smp_cpu_main(void)
{
    timer_init_cpu();
    atomic_fetch_or(&idle_cpus, 1ull << cpu_id());
    this_cpu_write(need_resched, 1);
    sched_idle();
}
