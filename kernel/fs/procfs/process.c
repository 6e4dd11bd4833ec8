/* The folders of a process, and of an LWP: which files there are. */

#include <kernel/string.h>

#include "procfs.h"

static int next_lwp(const struct procfs_node *dir, int from)
{
    int tid = process_next_lwp(procfs_pid(dir), from);

    return tid > 0 ? tid : -1;
}

/* What a process and each of its LWPs have. */
#define COMMON_ENTRIES                                                                             \
    {.name = "auxv", .permissions = 0400, .is_private = true, .show = procfs_show_auxv},           \
        {.name = "cmdline", .permissions = 0444, .show = procfs_show_cmdline},                     \
        {.name = "comm",                                                                           \
         .permissions = 0644,                                                                      \
         .show = procfs_show_comm,                                                                 \
         .write = procfs_write_comm},                                                              \
        {.name = "cwd",                                                                            \
         .permissions = 0777,                                                                      \
         .is_private = true,                                                                       \
         .readlink = procfs_readlink_cwd,                                                          \
         .follow = procfs_follow_cwd},                                                             \
        {.name = "environ", .permissions = 0400, .is_private = true, .show = procfs_show_environ}, \
        {.name = "exe",                                                                            \
         .permissions = 0777,                                                                      \
         .is_private = true,                                                                       \
         .readlink = procfs_readlink_exe,                                                          \
         .follow = procfs_follow_exe},                                                             \
        {.name = "fd", .permissions = 0500, .dir = &procfs_fd_dir},                                \
        {.name = "fdinfo", .permissions = 0555, .is_private = true, .dir = &procfs_fdinfo_dir},    \
        {.name = "limits", .permissions = 0444, .show = procfs_show_limits},                       \
        {.name = "maps", .permissions = 0444, .is_private = true, .show = procfs_show_maps},       \
        {.name = "mountinfo", .permissions = 0444, .show = procfs_show_mountinfo},                 \
        {.name = "mounts", .permissions = 0444, .show = procfs_show_mounts},                       \
        {.name = "oom_score", .permissions = 0444, .show = procfs_show_oom_score},                 \
        {.name = "oom_score_adj",                                                                  \
         .permissions = 0644,                                                                      \
         .show = procfs_show_oom_score_adj,                                                        \
         .write = procfs_write_oom_score_adj},                                                     \
        {.name = "personality",                                                                    \
         .permissions = 0400,                                                                      \
         .is_private = true,                                                                       \
         .show = procfs_show_personality},                                                         \
        {.name = "root",                                                                           \
         .permissions = 0777,                                                                      \
         .is_private = true,                                                                       \
         .readlink = procfs_readlink_root,                                                         \
         .follow = procfs_follow_root},                                                            \
        {.name = "sched", .permissions = 0444, .show = procfs_show_lwp_sched},                     \
        {.name = "schedstat", .permissions = 0444, .show = procfs_show_schedstat},                 \
        {.name = "stat", .permissions = 0444, .show = procfs_show_stat},                           \
        {.name = "statm", .permissions = 0444, .show = procfs_show_statm},                         \
        {.name = "status", .permissions = 0444, .show = procfs_show_status},                       \
    {                                                                                              \
        .name = "wchan", .permissions = 0444, .show = procfs_show_wchan                            \
    }

static const struct procfs_entry lwp_entries[] = {COMMON_ENTRIES};
static const struct procfs_dir lwp_dir = {
    .entries = lwp_entries,
    .nr_entries = ARRAY_LEN(lwp_entries),
};

static const struct procfs_entry lwp_entry = {.name = "", .permissions = 0555, .dir = &lwp_dir};
static const struct procfs_dir task_dir = {
    .numbered = &lwp_entry,
    .number_is = PROCFS_TID,
    .next_number = next_lwp,
};

static const struct procfs_entry process_entries[] = {
    COMMON_ENTRIES,
    {.name = "task", .permissions = 0555, .dir = &task_dir},
};
static const struct procfs_dir process_dir = {
    .entries = process_entries,
    .nr_entries = ARRAY_LEN(process_entries),
};

const struct procfs_entry procfs_pid_entry = {
    .name = "",
    .permissions = 0555,
    .dir = &process_dir,
};
