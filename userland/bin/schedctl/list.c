/* What there is: lists, and all about one LWP. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "schedctl.h"

#define NSEC_PER_USEC 1000u

static const char *const state_names[] = {
    [THRUM_LWP_STATE_NEW] = "new",         [THRUM_LWP_STATE_READY] = "ready",
    [THRUM_LWP_STATE_RUNNING] = "running", [THRUM_LWP_STATE_BLOCKED] = "blocked",
    [THRUM_LWP_STATE_ZOMBIE] = "zombie",
};

static const char *state_name(uint32_t state)
{
    return state < sizeof(state_names) / sizeof(state_names[0]) ? state_names[state] : "?";
}

void *read_list(unsigned what, size_t record_bytes, size_t *nr)
{
    void *records = sched_list_all(what, record_bytes, nr);

    if (!records)
        fail("cannot read the list: %s", strerror(errno));
    return records;
}

static void print_ms(int width, uint64_t ns)
{
    uint64_t us = ns / NSEC_PER_USEC;

    printf("%*lu.%03lu", width - 4, (unsigned long)(us / 1000), (unsigned long)(us % 1000));
}

/* A number of which 0, or -1, means that there is none. */
static void print_or_dash(int width, int64_t number, int64_t none)
{
    if (number == none)
        printf("%*s", width, "-");
    else
        printf("%*ld", width, (long)number);
}

static void print_lwps(void)
{
    size_t nr;
    const struct thrum_sched_lwp *lwps = read_list(THRUM_LIST_LWPS, sizeof(*lwps), &nr);
    char cpus[CPUS_TEXT_BYTES];

    printf("  TID   PID NAME         STATE   CPU CLASS   GRP LVL SHARE NICE CPUS       RUN ms\n");
    for (size_t i = 0; i < nr; i++) {
        const struct thrum_sched_lwp *l = &lwps[i];

        format_cpus(cpus, l->affinity);
        printf("%5d %5d %-12.12s %-7s %3u %-7.7s", l->tid, l->pid, l->name, state_name(l->state),
               l->cpu, l->class[0] ? l->class : "-");
        if (l->share_percent > 0)
            printf("   -");
        else
            printf("%4u", l->group);
        print_or_dash(4, l->level, -1);
        print_or_dash(6, l->share_percent, 0);
        printf("%5d %-7s", l->params.nice, cpus);
        print_ms(10, l->run_ns);
        putchar('\n');
    }
}

static void print_cpus(void)
{
    size_t nr;
    const struct thrum_sched_cpu *cpus = read_list(THRUM_LIST_CPUS, sizeof(*cpus), &nr);

    printf("  CPU   LWP RUNNABLE PROMISED      IDLE ms   SWITCHES\n");
    for (size_t i = 0; i < nr; i++) {
        printf("%5u", cpus[i].cpu);
        print_or_dash(6, cpus[i].tid, 0);
        printf("%9u %6u %% ", cpus[i].nr_runnable, cpus[i].promised_percent);
        print_ms(12, cpus[i].idle_ns);
        printf("%11lu\n", (unsigned long)cpus[i].nr_switches);
    }
}

static void print_groups(void)
{
    size_t nr;
    const struct thrum_sched_group *groups = read_list(THRUM_LIST_GROUPS, sizeof(*groups), &nr);

    printf("GROUP CLASS      SHARE MEMBERS\n");
    for (size_t i = 0; i < nr; i++)
        printf("%5u %-9s %3u %%%8u%s%s\n", groups[i].group, groups[i].class,
               groups[i].share_percent, groups[i].nr_members,
               groups[i].group == 0 ? "  the default group" : "",
               groups[i].was_replaced ? "  its class broke its promises: rr took over" : "");
}

static void print_classes(void)
{
    size_t nr, nr_presets;
    const struct thrum_sched_class *classes = read_list(THRUM_LIST_CLASSES, sizeof(*classes), &nr);
    const struct thrum_sched_preset *presets =
        read_list(THRUM_LIST_PRESETS, sizeof(*presets), &nr_presets);

    for (size_t i = 0; i < nr; i++) {
        printf("%-9s %s%s\n", classes[i].name, classes[i].help,
               classes[i].can_be_default ? "" : " (only in groups of its own)");
        for (size_t j = 0; j < nr_presets; j++)
            if (strcmp(presets[j].class, classes[i].name) == 0)
                printf("%-9s   preset %s%s%s\n", "", presets[j].name,
                       presets[j].help[0] ? ": " : "", presets[j].help);
    }
}

static void print_tunables(void)
{
    size_t nr;
    const struct thrum_sched_tunable *t = read_list(THRUM_LIST_TUNABLES, sizeof(*t), &nr);

    printf("GROUP CLASS   NAME                VALUE    INITIAL  RANGE\n");
    for (size_t i = 0; i < nr; i++)
        printf("%5u %-7s %-15s %9lu  %9lu  %lu ... %lu: %s\n", t[i].group, t[i].class, t[i].name,
               (unsigned long)t[i].value, (unsigned long)t[i].initial, (unsigned long)t[i].min,
               (unsigned long)t[i].max, t[i].help);
}

static const struct {
    const char *name;
    void (*print)(void);
} lists[] = {
    {"lwps", print_lwps},       {"cpus", print_cpus},         {"groups", print_groups},
    {"classes", print_classes}, {"tunables", print_tunables},
};

void print_list(const char *name)
{
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        if (strcmp(lists[i].name, name) == 0) {
            lists[i].print();
            return;
        }
    }
    fail_usage("there is no list '%s'; there are lwps, cpus, groups, classes and tunables", name);
}

const char *class_names(void)
{
    static char names[512];
    size_t nr, length = 0;
    const struct thrum_sched_class *classes = read_list(THRUM_LIST_CLASSES, sizeof(*classes), &nr);

    for (size_t i = 0; i < nr && length < sizeof(names); i++)
        length += (size_t)snprintf(names + length, sizeof(names) - length, "%s%s",
                                   i > 0 ? ", " : "", classes[i].name);
    return names;
}

static void print_params(const struct thrum_sched_params *params)
{
    char runtime[TIME_TEXT_BYTES], deadline[TIME_TEXT_BYTES], period[TIME_TEXT_BYTES];

    printf("nice       %d\n", params->nice);
    printf("priority   %u\n", params->priority);
    printf("tickets    %u\n", params->tickets);
    if (params->runtime_ns == 0)
        return;
    format_time(runtime, params->runtime_ns);
    format_time(deadline, params->deadline_ns);
    format_time(period, params->period_ns);
    printf("runtime    %s in every period of %s, within %s of its start\n", runtime, period,
           deadline);
}

void print_lwp(pid_t tid)
{
    struct thrum_sched_lwp l;
    char cpus[CPUS_TEXT_BYTES];
    int nr = sched_list(THRUM_LIST_LWPS, (uint64_t)tid, &l, 1, sizeof(l));

    if (nr < 0)
        fail("cannot read about LWP %d: %s", tid, strerror(errno));
    if (nr == 0 || l.tid != tid)
        fail("there is no LWP %d (any more)", tid);
    format_cpus(cpus, l.affinity);
    printf("LWP        %d of process %d, %s\n", l.tid, l.pid, l.name);
    printf("state      %s, on CPU %u; it may run on %s\n", state_name(l.state), l.cpu, cpus);
    if (l.share_percent > 0)
        printf("share      %u %% of a CPU, guaranteed\n", l.share_percent);
    else
        printf("group      %u, class %s\n", l.group, l.class);
    printf("scope      %s\n", l.scope == THRUM_SCOPE_PROCESS ? "process" : "system");
    if (l.level >= 0)
        printf("level      %d\n", l.level);
    if (l.pass > 0)
        printf("pass       %lu\n", (unsigned long)l.pass);
    print_params(&l.params);
    if (l.donated_priority > 0)
        printf("donated    priority %u, by who waits for it\n", l.donated_priority);
    printf("ran        ");
    print_ms(5, l.run_ns);
    printf(" ms, and waited for a CPU for ");
    print_ms(5, l.wait_ns);
    printf(" ms\nswitches   %lu, %lu of them to another CPU than before\n",
           (unsigned long)l.nr_switches, (unsigned long)l.nr_migrations);
}
