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

#include "runqueue.h"

static const struct sched_class *default_class;

const struct sched_class *sched_class_find(const char *name)
{
    for (const struct sched_class *const *c = __start_sched_classes; c < __stop_sched_classes;
         c++) {
        if (strcmp((*c)->name, name) == 0)
            return *c;
    }
    return NULL;
}

static void *queue_state(const struct sched_class *class)
{
    return class->queue_bytes == 0 ? NULL : kzalloc(class->queue_bytes);
}

/* `CLASS.TUNABLE=VALUE` and `CLASS.preset=NAME` of the command line. */
static void apply_cmdline(struct sched_queue *q)
{
    const struct sched_class *class = q->class;
    char key[64];
    const char *preset;

    snprintf(key, sizeof(key), "%s.preset", class->name);
    preset = cmdline_get(key);
    for (const struct sched_preset *p = class->presets; preset != NULL; p++) {
        if (p == NULL || p->name == NULL) {
            log_warn("sched: %s has no preset '%s'", class->name, preset);
            break;
        }
        if (strcmp(p->name, preset) == 0) {
            memcpy(q->tunable, p->value, sizeof(q->tunable));
            break;
        }
    }
    for (unsigned i = 0; i < class->nr_tunables; i++) {
        snprintf(key, sizeof(key), "%s.%s", class->name, class->tunables[i].name);
        cmdline_u64(key, class->tunables[i].min, class->tunables[i].max, &q->tunable[i]);
    }
    if (class->retuned != NULL)
        class->retuned(q, 0);
}

/* Prepares CPU `cpu`'s queues and idle LWP. False: out of memory. */
static bool init_cpu(unsigned cpu)
{
    struct runqueue *rq = cpu_ptr(runqueue, cpu);
    const struct sched_class *stride = sched_class_find("stride");
    void *root_state = queue_state(stride), *default_state = queue_state(default_class);

    if (root_state == NULL || (default_state == NULL && default_class->queue_bytes > 0)) {
        kfree(root_state);
        kfree(default_state);
        return false;
    }
    spin_init(&rq->lock, "run queue", LOCK_RANK_RUNQUEUE);
    rq->cpu = cpu;
    sched_queue_init(&rq->root, stride, NULL, root_state, 0);
    rq->default_entity.params.tickets = 100 * SCHED_TICKETS_PER_PERCENT;
    tree_join(&rq->root, &rq->default_entity);
    sched_queue_init(&rq->default_queue, default_class, &rq->default_entity, default_state, 0);
    apply_cmdline(&rq->default_queue);

    rq->slice_end_ns = SCHED_TIME_NEVER;
    rq->current = &rq->idle;
    rq->idle.state = LWP_RUNNING;
    rq->idle.cpu = cpu;
    rq->idle.move_to = LWP_CPU_NOWHERE;
    rq->idle.affinity = UINT64_MAX;
    rq->idle.entity.params.tickets = SCHED_TICKETS_DEFAULT;
    snprintf(rq->idle.name, sizeof(rq->idle.name), "idle/%u", cpu);
    *cpu_ptr(current_lwp, cpu) = &rq->idle;
    return true;
}

void sched_init(const char *class_name)
{
    default_class = sched_class_find(class_name);
    if (default_class == NULL) {
        log_warn("sched: there is no class '%s'; taking mlfq", class_name);
        default_class = sched_class_find("mlfq");
    }
    if (!init_cpu(0))
        panic("sched: no memory for the first run queue");
    timer_init_cpu();
    log_info("sched: default class %s", default_class->name);
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
