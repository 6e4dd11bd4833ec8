/* The files at the top of /proc. */

#include <arch/smp.h>
#include <kernel/clock.h>
#include <kernel/cmdline.h>
#include <kernel/credentials.h>
#include <kernel/device.h>
#include <kernel/errno.h>
#include <kernel/file_lock.h>
#include <kernel/format.h>
#include <kernel/kmsg.h>
#include <kernel/loadavg.h>
#include <kernel/mount.h>
#include <kernel/string.h>
#include <kernel/version.h>
#include <linux/eventpoll.h>
#include <mm/frame.h>
#include <mm/slab.h>
#include <proc/id.h>
#include <sched/read.h>

#include "procfs.h"
#include "tables.h"

/* ---- Links ---------------------------------------------------------------------------------- */

static PROCFS_READLINK(readlink_self)
{
    char text[16];

    (void)node;
    snprintf(text, sizeof(text), "%d", process_current()->pid);
    return procfs_copy_target(target, nr_bytes, text);
}

static PROCFS_READLINK(readlink_thread_self)
{
    char text[40];

    (void)node;
    snprintf(text, sizeof(text), "%d/task/%d", process_current()->pid, user_lwp_current()->tid);
    return procfs_copy_target(target, nr_bytes, text);
}

static PROCFS_READLINK(readlink_mounts)
{
    (void)node;
    return procfs_copy_target(target, nr_bytes, "self/mounts");
}

/* ---- Time and load -------------------------------------------------------------------------- */

static PROCFS_SHOW(show_uptime)
{
    uint64_t up = procfs_ticks(clock_now_ns()), idle = 0;
    struct thrum_sched_cpu record;

    (void)node;
    for (uint64_t cpu = 0; sched_read_cpu(cpu, &record); cpu++)
        idle += procfs_ticks(record.idle_ns);
    procfs_print(text, "%lu.%02lu %lu.%02lu\n", up / 100, up % 100, idle / 100, idle % 100);
    return 0;
}

static PROCFS_SHOW(show_loadavg)
{
    uint64_t average[3];

    (void)node;
    load_average(average);
    for (unsigned i = 0; i < 3; i++) {
        uint64_t hundredths = (average[i] * 100 + LOAD_ONE / 2) >> LOAD_SHIFT;

        procfs_print(text, "%lu.%02lu ", hundredths / 100, hundredths % 100);
    }
    procfs_print(text, "%u/%u %d\n", load_nr_runnable(), atomic_load(&nr_user_lwps),
                 (int)id_last());
    return 0;
}

/* ---- Memory --------------------------------------------------------------------------------- */

static void show_kib(struct procfs_text *text, const char *name, uint64_t nr_frames)
{
    procfs_print(text, "%-15s %8lu kB\n", name, (uint64_t)(nr_frames * PAGE_SIZE / 1024));
}

/* What the heap keeps for reuse counts as available. Nothing is ever written out. */
static PROCFS_SHOW(show_meminfo)
{
    struct frame_stats frames = frame_get_stats();
    struct slab_stats heap = slab_get_stats();
    uint64_t nr_files = tmpfs_nr_frames();
    uint64_t nr_user_free = frames.nr_user_max - MIN(frames.nr_user, frames.nr_user_max);

    (void)node;
    show_kib(text, "MemTotal:", frames.nr_total);
    show_kib(text, "MemFree:", frames.nr_free);
    show_kib(text, "MemAvailable:", MIN(frames.nr_free, nr_user_free));
    show_kib(text, "Buffers:", 0);
    show_kib(text, "Cached:", nr_files);
    show_kib(text, "SwapCached:", 0);
    show_kib(text, "SwapTotal:", 0);
    show_kib(text, "SwapFree:", 0);
    show_kib(text, "Shmem:", nr_files);
    show_kib(text, "Slab:", heap.nr_frames);
    show_kib(text, "SReclaimable:", 0);
    show_kib(text, "SUnreclaim:", heap.nr_frames);
    return 0;
}

static PROCFS_SHOW(show_vmstat)
{
    struct frame_stats frames = frame_get_stats();

    (void)node;
    procfs_print(text, "nr_free_pages %lu\nnr_shmem %lu\nnr_slab_unreclaimable %lu\n",
                 frames.nr_free, tmpfs_nr_frames(), slab_get_stats().nr_frames);
    return 0;
}

static PROCFS_SHOW(show_swaps)
{
    (void)node;
    procfs_print(text, "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n");
    return 0;
}

/* ---- What there is -------------------------------------------------------------------------- */

static PROCFS_SHOW(show_version)
{
    (void)node;
    procfs_print(text, "%s version %s (" __VERSION__ ") %s\n", KERNEL_SYSNAME, KERNEL_RELEASE,
                 KERNEL_BUILD);
    return 0;
}

/* The options as the kernel has understood them: the boot loader's, and QEMU's. */
static PROCFS_SHOW(show_cmdline)
{
    const struct cmdline_option *option;

    (void)node;
    for (size_t i = 0; (option = cmdline_option(i)) != NULL; i++) {
        const char *quote = option->value != NULL && strchr(option->value, ' ') != NULL ? "\"" : "";

        procfs_print(text, "%s%s", i > 0 ? " " : "", option->key);
        if (option->value != NULL)
            procfs_print(text, "=%s%s%s", quote, option->value, quote);
    }
    procfs_print(text, "\n");
    return 0;
}

static PROCFS_SHOW(show_filesystems)
{
    const struct file_system *type = NULL;

    (void)node;
    while ((type = file_system_next(type)) != NULL)
        procfs_print(text, "%s\t%s\n", type->has_device ? "" : "nodev", type->name);
    return 0;
}

/* Whether an earlier range has this major number and name. */
static bool was_told(size_t n, uint32_t first, const struct device_driver *driver)
{
    const struct device_driver *other;
    uint32_t other_first;
    unsigned nr;

    for (size_t i = 0; i < n && device_range_at(i, &other_first, &nr, &other); i++) {
        if (device_major(other_first) == device_major(first) &&
            strcmp(other->name, driver->name) == 0)
            return true;
    }
    return false;
}

static PROCFS_SHOW(show_devices)
{
    const struct device_driver *driver;
    uint32_t first;
    unsigned nr;

    (void)node;
    procfs_print(text, "Character devices:\n");
    for (size_t i = 0; device_range_at(i, &first, &nr, &driver); i++) {
        if (!was_told(i, first, driver))
            procfs_print(text, "%3u %s\n", device_major(first), driver->name);
    }
    procfs_print(text, "\nBlock devices:\n");
    return 0;
}

/* Locks that come and go meanwhile may be left out, or told twice. */
static PROCFS_SHOW(show_locks)
{
    static const char *const kinds[] = {
        [FILE_LOCK_PROCESS] = "POSIX ", [FILE_LOCK_OPEN] = "OFDLCK", [FILE_LOCK_WHOLE] = "FLOCK "};
    struct file_lock_request lock;
    uint64_t device, inode;

    (void)node;
    for (size_t i = 0; !text->is_full && file_lock_at(i, &lock, &device, &inode); i++) {
        procfs_print(text, "%lu: %s ADVISORY  %s %d %02x:%02x:%lu %lu ", i + 1, kinds[lock.kind],
                     lock.type == FILE_LOCK_SHARED ? "READ " : "WRITE", lock.pid,
                     device_major((uint32_t)device), device_minor((uint32_t)device), inode,
                     lock.range.first);
        if (lock.range.last == INT64_MAX)
            procfs_print(text, "EOF\n");
        else
            procfs_print(text, "%lu\n", lock.range.last);
    }
    return 0;
}

static PROCFS_SHOW(show_partitions)
{
    (void)node;
    procfs_print(text, "major minor  #blocks  name\n\n");
    return 0;
}

/* There are none. */
static PROCFS_SHOW(show_modules)
{
    (void)text, (void)node;
    return 0;
}

/* ---- kmsg: what syslog(2) reads -------------------------------------------------------------- */

static int64_t kmsg_read(struct file *file, vaddr_t to, size_t nr_bytes, uint64_t *offset)
{
    (void)offset;
    if ((atomic_load(&file->flags) & O_NONBLOCK) && kmsg_nr_unread_bytes() == 0)
        return -EAGAIN;
    return kmsg_read_new(to, nr_bytes);
}

static unsigned kmsg_poll(struct file *file, struct poll_watcher *watcher)
{
    (void)file;
    kmsg_watch(watcher);
    return kmsg_nr_unread_bytes() > 0 ? EPOLLIN | EPOLLRDNORM : 0;
}

static const struct file_ops kmsg_ops = {.read = kmsg_read, .poll = kmsg_poll};

/* ---- The table ------------------------------------------------------------------------------ */

static int next_process(const struct procfs_node *dir, int from)
{
    int pid = process_next(MAX(from, 1));

    (void)dir;
    return pid > 0 ? pid : -1;
}

static const struct procfs_entry entries[] = {
    {.name = "cmdline", .permissions = 0444, .show = show_cmdline},
    {.name = "cpuinfo", .permissions = 0444, .show = procfs_show_cpuinfo},
    {.name = "devices", .permissions = 0444, .show = show_devices},
    {.name = "filesystems", .permissions = 0444, .show = show_filesystems},
    {.name = "interrupts", .permissions = 0444, .show = procfs_show_interrupts},
    {.name = "kmsg", .permissions = 0400, .file_ops = &kmsg_ops},
    {.name = "loadavg", .permissions = 0444, .show = show_loadavg},
    {.name = "locks", .permissions = 0444, .show = show_locks},
    {.name = "meminfo", .permissions = 0444, .show = show_meminfo},
    {.name = "modules", .permissions = 0444, .show = show_modules},
    {.name = "mounts", .permissions = 0777, .readlink = readlink_mounts},
    {.name = "partitions", .permissions = 0444, .show = show_partitions},
    {.name = "sched", .permissions = 0444, .show = procfs_show_sched},
    {.name = "self", .permissions = 0777, .readlink = readlink_self},
    {.name = "stat", .permissions = 0444, .show = procfs_show_system_stat},
    {.name = "swaps", .permissions = 0444, .show = show_swaps},
    {.name = "sys", .permissions = 0555, .dir = &procfs_sys_dir},
    {.name = "thread-self", .permissions = 0777, .readlink = readlink_thread_self},
    {.name = "trace",
     .permissions = 0400,
     .file_ops = &procfs_trace_ops,
     .open = procfs_open_trace},
    {.name = "uptime", .permissions = 0444, .show = show_uptime},
    {.name = "version", .permissions = 0444, .show = show_version},
    {.name = "vmstat", .permissions = 0444, .show = show_vmstat},
};

static const struct procfs_dir root_dir = {
    .entries = entries,
    .nr_entries = ARRAY_LEN(entries),
    .numbered = &procfs_pid_entry,
    .number_is = PROCFS_PID,
    .next_number = next_process,
};

const struct procfs_entry procfs_root_entry = {.name = "", .permissions = 0555, .dir = &root_dir};
