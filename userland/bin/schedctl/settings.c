/* KEY=VALUE: what an LWP can be told. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "schedctl.h"

#define PARAM_NICE_MIN     (-20)
#define PARAM_NICE_MAX     19
#define PARAM_PRIORITY_MAX 63
#define PARAM_TICKETS_MAX  65536
#define SHARE_MAX          80
#define GROUP_LAST         (THRUM_SCHED_GROUPS_MAX - 1)

/* What all settings of one command come to. */
struct wanted {
    struct thrum_sched_params params;
    bool has_params, has_cpus, has_scope, has_group, has_share;
    uint64_t cpus;
    int scope, group, share;
};

static const char *const keys[] = {"nice",   "priority", "tickets", "runtime", "deadline",
                                   "period", "affinity", "scope",   "group",   "share"};

enum key {
    KEY_NICE,
    KEY_PRIORITY,
    KEY_TICKETS,
    KEY_RUNTIME,
    KEY_DEADLINE,
    KEY_PERIOD,
    KEY_AFFINITY,
    KEY_SCOPE,
    KEY_GROUP,
    KEY_SHARE,
    NR_KEYS,
};

bool is_setting(const char *text)
{
    const char *equals = strchr(text, '=');

    /* A path may have a '=' in it. */
    return equals && equals > text && !memchr(text, '/', (size_t)(equals - text));
}

static enum key find_key(const char *text, size_t length)
{
    for (size_t i = 0; i < NR_KEYS; i++)
        if (strlen(keys[i]) == length && strncmp(keys[i], text, length) == 0)
            return (enum key)i;
    fail_usage("there is no setting '%.*s'; there are nice, priority, tickets, runtime, deadline, "
               "period, affinity, scope, group and share",
               (int)length, text);
}

static int parse_scope(const char *text)
{
    if (strcmp(text, "system") == 0)
        return THRUM_SCOPE_SYSTEM;
    if (strcmp(text, "process") == 0)
        return THRUM_SCOPE_PROCESS;
    fail_usage("scope: '%s' is neither system nor process", text);
}

static void parse_setting(struct wanted *wanted, const char *setting)
{
    const char *equals = strchr(setting, '=');

    if (!equals)
        fail_usage("'%s' is no setting; write it like nice=10", setting);
    enum key key = find_key(setting, (size_t)(equals - setting));
    const char *value = equals + 1;

    wanted->has_params = wanted->has_params || key <= KEY_PERIOD;
    switch (key) {
    case KEY_NICE:
        wanted->params.nice = (int32_t)parse_number(value, "nice", PARAM_NICE_MIN, PARAM_NICE_MAX);
        break;
    case KEY_PRIORITY:
        wanted->params.priority = (uint32_t)parse_number(value, "priority", 0, PARAM_PRIORITY_MAX);
        break;
    case KEY_TICKETS:
        wanted->params.tickets = (uint32_t)parse_number(value, "tickets", 1, PARAM_TICKETS_MAX);
        break;
    case KEY_RUNTIME:
        wanted->params.runtime_ns = parse_time_ns(value, "runtime");
        break;
    case KEY_DEADLINE:
        wanted->params.deadline_ns = parse_time_ns(value, "deadline");
        break;
    case KEY_PERIOD:
        wanted->params.period_ns = parse_time_ns(value, "period");
        break;
    case KEY_AFFINITY:
        wanted->cpus = parse_cpus(value);
        wanted->has_cpus = true;
        break;
    case KEY_SCOPE:
        wanted->scope = parse_scope(value);
        wanted->has_scope = true;
        break;
    case KEY_GROUP:
        wanted->group = (int)parse_number(value, "group", 0, GROUP_LAST);
        wanted->has_group = true;
        break;
    case KEY_SHARE:
        wanted->share = (int)parse_number(value, "share", 0, 100);
        wanted->has_share = true;
        break;
    case NR_KEYS:
        break;
    }
}

/* Ends the program for what can go wrong with any LWP; returns for what is special. */
static void fail_for_lwp(pid_t tid)
{
    if (errno == ESRCH)
        fail("there is no LWP %d (any more)", tid);
    if (errno == EPERM)
        fail("LWP %d is of another session, and none of your descendants: you may not change it",
             tid);
}

static _Noreturn void fail_to(const char *what, pid_t tid)
{
    fail("cannot %s of LWP %d: %s", what, tid, strerror(errno));
}

void set_share(pid_t tid, int percent)
{
    if (sched_set_share_of(tid, percent) == 0)
        return;
    fail_for_lwp(tid);
    if (errno == EAGAIN)
        fail("no CPU that LWP %d may run on has %d %% left: of each CPU %d %% can be promised "
             "(schedctl list cpus)",
             tid, percent, SHARE_MAX);
    fail_to("set the share", tid);
}

void join_group(pid_t tid, int group)
{
    if (sched_join_group(group, tid) == 0)
        return;
    fail_for_lwp(tid);
    if (errno == EINVAL)
        fail("there is no group %d, or its class cannot take LWP %d as it is: one under edf wants "
             "runtime, deadline and period (schedctl list groups)",
             group, tid);
    if (errno == EBUSY)
        fail("group %d has promised too much already to take LWP %d with its runtime and period",
             group, tid);
    fail_to("change the group", tid);
}

static void set_params(pid_t tid, const struct thrum_sched_params *params)
{
    if (sched_set_params(tid, params) == 0)
        return;
    fail_for_lwp(tid);
    if (errno == EINVAL)
        fail("runtime, deadline and period make no sense: runtime <= deadline <= period, or all 0");
    if (errno == EBUSY)
        fail("the group of LWP %d has promised too much already for that runtime and period", tid);
    fail_to("change the parameters", tid);
}

static void set_cpus(pid_t tid, uint64_t cpus)
{
    if (sched_set_cpus(tid, cpus) == 0)
        return;
    fail_for_lwp(tid);
    if (errno == EINVAL)
        fail("none of those CPUs exists (schedctl list cpus)");
    if (errno == EAGAIN || errno == EBUSY)
        fail("none of those CPUs can give LWP %d what it has been promised", tid);
    fail_to("change the affinity", tid);
}

static void set_scope(pid_t tid, int scope)
{
    if (sched_set_scope(tid, scope) == 0)
        return;
    fail_for_lwp(tid);
    fail_to("change the scope", tid);
}

/* All is read before anything is changed. Parameters come before the group that asks for them. */
void apply_settings(pid_t tid, char *const settings[], size_t nr)
{
    struct wanted wanted = {0};

    if (sched_get_params(tid, &wanted.params) != 0) {
        fail_for_lwp(tid);
        fail_to("read the parameters", tid);
    }
    for (size_t i = 0; i < nr; i++)
        parse_setting(&wanted, settings[i]);
    if (wanted.has_params)
        set_params(tid, &wanted.params);
    if (wanted.has_cpus)
        set_cpus(tid, wanted.cpus);
    if (wanted.has_scope)
        set_scope(tid, wanted.scope);
    if (wanted.has_group)
        join_group(tid, wanted.group);
    if (wanted.has_share)
        set_share(tid, wanted.share);
}
