/*
 * ioprio_get() and ioprio_set(): what ionice(1) sets. There are no disks to wait for, so it is
 * remembered, for the process and its children, and nothing else.
 */

#include <kernel/credentials.h>
#include <kernel/errno.h>
#include <linux/ioprio.h>
#include <proc/process.h>

#include "sys.h"

struct ioprio_request {
    int which, who;
    int priority; /* to set; or the best of those that were found, by its number, -1: none */
    bool is_set;
};

static int visit_one(struct user_lwp *lwp, void *arg)
{
    struct ioprio_request *request = arg;
    struct process *process = lwp->process;
    const struct credentials *caller = credentials_current();
    int priority = process->settings.io_priority;

    if (!request->is_set) {
        if (request->priority < 0 || priority < request->priority)
            request->priority = priority;
        return 0;
    }
    if (!credentials_are_root(caller) && process->credentials.uid != caller->euid &&
        process->credentials.uid != caller->uid)
        return -EPERM;
    process->settings.io_priority = (uint16_t)request->priority;
    return 0;
}

static int visit_all(struct ioprio_request *request)
{
    int error = -ESRCH, group = request->who;

    switch (request->which) {
    case IOPRIO_WHO_PROCESS:
        return user_lwp_visit(request->who, 0, visit_one, request);
    case IOPRIO_WHO_PGRP:
        if (group == 0)
            group = process_get_group(0);
        if (group > 0)
            user_lwp_visit_group(group, visit_one, request, &error);
        return error;
    case IOPRIO_WHO_USER:
        user_lwp_visit_user(request->who != 0 ? (uint32_t)request->who : credentials_current()->uid,
                            visit_one, request, &error);
        return error;
    default:
        return -EINVAL;
    }
}

int64_t sys_ioprio_get(int which, int who)
{
    struct ioprio_request request = {.which = which, .who = who, .priority = -1};
    int error = visit_all(&request);

    return error != 0 ? error : request.priority;
}

#define LEVELS 8

int64_t sys_ioprio_set(int which, int who, int priority)
{
    struct ioprio_request request = {
        .which = which, .who = who, .priority = priority, .is_set = true};
    int class = priority >> IOPRIO_CLASS_SHIFT, level = priority & ((1 << IOPRIO_CLASS_SHIFT) - 1);

    switch (class) {
    case IOPRIO_CLASS_RT:
        if (!credentials_are_root(credentials_current()))
            return -EPERM;
        if (level >= LEVELS)
            return -EINVAL;
        break;
    case IOPRIO_CLASS_BE:
        if (level >= LEVELS)
            return -EINVAL;
        break;
    case IOPRIO_CLASS_IDLE:
        break;
    case IOPRIO_CLASS_NONE:
        if (level != 0)
            return -EINVAL;
        break;
    default:
        return -EINVAL;
    }
    return visit_all(&request);
}
