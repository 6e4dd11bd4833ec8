/* /proc/sys: the settings of which sysctl(8) and programs read; and /sys, for who counts CPUs. */

#include <abi/thrum.h>
#include <arch/smp.h>
#include <kernel/credentials.h>
#include <kernel/errno.h>
#include <kernel/file.h>
#include <kernel/pipe.h>
#include <kernel/random.h>
#include <kernel/string.h>
#include <kernel/utsname.h>
#include <kernel/version.h>
#include <proc/id.h>

#include "procfs.h"
#include "tables.h"

/* ---- sys/kernel/random ------------------------------------------------------------------------
 */

/* RFC 9562, section 5.4: a random UUID. */
static void show_uuid(struct procfs_text *text, const uint8_t bytes[16])
{
    for (unsigned i = 0; i < 16; i++) {
        unsigned byte = bytes[i];

        if (i == 6)
            byte = (byte & 0x0f) | 0x40;
        if (i == 8)
            byte = (byte & 0x3f) | 0x80;
        procfs_print(text, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", byte);
    }
    procfs_print(text, "\n");
}

static PROCFS_SHOW(show_new_uuid)
{
    uint8_t bytes[16];

    (void)node;
    random_bytes(bytes, sizeof(bytes));
    show_uuid(text, bytes);
    return 0;
}

/* Made when it is first asked for. */
static PROCFS_SHOW(show_boot_id)
{
    static _Atomic uint64_t id[2];

    (void)node;
    for (unsigned i = 0; i < 2; i++) {
        uint64_t unset = 0, made;

        random_bytes(&made, sizeof(made));
        atomic_compare_exchange_strong(&id[i], &unset, made | 1);
    }
    show_uuid(text, (const uint8_t *)id);
    return 0;
}

/* Bits: what the generator's key has. */
static PROCFS_SHOW(show_entropy)
{
    (void)node;
    procfs_print(text, "%u\n", 8 * CHACHA20_KEY_BYTES);
    return 0;
}

static const struct procfs_entry random_entries[] = {
    {.name = "boot_id", .permissions = 0444, .show = show_boot_id},
    {.name = "entropy_avail", .permissions = 0444, .show = show_entropy},
    {.name = "poolsize", .permissions = 0444, .show = show_entropy},
    {.name = "uuid", .permissions = 0444, .show = show_new_uuid},
};
static const struct procfs_dir random_dir = {
    .entries = random_entries,
    .nr_entries = ARRAY_LEN(random_entries),
};

/* ---- sys ------------------------------------------------------------------------------------ */

static PROCFS_SHOW(show_ostype)
{
    (void)node;
    procfs_print(text, KERNEL_SYSNAME "\n");
    return 0;
}

static PROCFS_SHOW(show_osrelease)
{
    (void)node;
    procfs_print(text, KERNEL_RELEASE "\n");
    return 0;
}

static PROCFS_SHOW(show_version)
{
    (void)node;
    procfs_print(text, KERNEL_BUILD "\n");
    return 0;
}

/* ---- Names that root may change -------------------------------------------------------------- */

static PROCFS_SHOW(show_hostname)
{
    struct new_utsname name;

    (void)node;
    utsname_get(&name);
    procfs_print(text, "%s\n", name.nodename);
    return 0;
}

static PROCFS_SHOW(show_domainname)
{
    struct new_utsname name;

    (void)node;
    utsname_get(&name);
    procfs_print(text, "%s\n", name.domainname);
    return 0;
}

static int set_name(void (*set)(const char *name), const char *name)
{
    if (!credentials_are_root(credentials_current()))
        return -EPERM;
    if (strlen(name) > __NEW_UTS_LEN)
        return -EINVAL;
    set(name);
    return 0;
}

static int write_hostname(const struct procfs_node *node, const char *name)
{
    (void)node;
    return set_name(utsname_set_host, name);
}

static int write_domainname(const struct procfs_node *node, const char *name)
{
    (void)node;
    return set_name(utsname_set_domain, name);
}

/* ---- Limits ---------------------------------------------------------------------------------- */

static PROCFS_SHOW(show_pid_max)
{
    (void)node;
    procfs_print(text, "%u\n", id_max() + 1);
    return 0;
}

static PROCFS_SHOW(show_threads_max)
{
    (void)node;
    procfs_print(text, "%u\n", id_max());
    return 0;
}

/* 1: memory is promised without a look at what there is. */
static PROCFS_SHOW(show_overcommit)
{
    (void)node;
    procfs_print(text, "1\n");
    return 0;
}

/* There is no limit of the system but memory, so this is what Linux says where there is none. */
static PROCFS_SHOW(show_file_max)
{
    (void)node;
    procfs_print(text, "%ld\n", INT64_MAX);
    return 0;
}

static PROCFS_SHOW(show_nr_open)
{
    (void)node;
    procfs_print(text, "%u\n", FDS_MAX);
    return 0;
}

static PROCFS_SHOW(show_pipe_max_size)
{
    (void)node;
    procfs_print(text, "%u\n", (unsigned)PIPE_BYTES);
    return 0;
}

static const struct procfs_entry fs_entries[] = {
    {.name = "file-max", .permissions = 0444, .show = show_file_max},
    {.name = "nr_open", .permissions = 0444, .show = show_nr_open},
    {.name = "pipe-max-size", .permissions = 0444, .show = show_pipe_max_size},
};
static const struct procfs_dir fs_dir = {
    .entries = fs_entries,
    .nr_entries = ARRAY_LEN(fs_entries),
};

static const struct procfs_entry kernel_entries[] = {
    {.name = "domainname", .permissions = 0644, .show = show_domainname, .write = write_domainname},
    {.name = "hostname", .permissions = 0644, .show = show_hostname, .write = write_hostname},
    {.name = "osrelease", .permissions = 0444, .show = show_osrelease},
    {.name = "ostype", .permissions = 0444, .show = show_ostype},
    {.name = "pid_max", .permissions = 0444, .show = show_pid_max},
    {.name = "random", .permissions = 0555, .dir = &random_dir},
    {.name = "threads-max", .permissions = 0444, .show = show_threads_max},
    {.name = "version", .permissions = 0444, .show = show_version},
};
static const struct procfs_dir kernel_dir = {
    .entries = kernel_entries,
    .nr_entries = ARRAY_LEN(kernel_entries),
};

static const struct procfs_entry vm_entries[] = {
    {.name = "overcommit_memory", .permissions = 0444, .show = show_overcommit},
};
static const struct procfs_dir vm_dir = {
    .entries = vm_entries,
    .nr_entries = ARRAY_LEN(vm_entries),
};

static const struct procfs_entry sys_entries[] = {
    {.name = "fs", .permissions = 0555, .dir = &fs_dir},
    {.name = "kernel", .permissions = 0555, .dir = &kernel_dir},
    {.name = "vm", .permissions = 0555, .dir = &vm_dir},
};
const struct procfs_dir procfs_sys_dir = {
    .entries = sys_entries,
    .nr_entries = ARRAY_LEN(sys_entries),
};

/* ---- /sys ------------------------------------------------------------------------------------ */

/* CPUs are never added or taken away. */
static PROCFS_SHOW(show_cpus)
{
    (void)node;
    procfs_print_list(text, cpus_online());
    procfs_print(text, "\n");
    return 0;
}

static PROCFS_SHOW(show_no_cpus)
{
    (void)node;
    procfs_print(text, "\n");
    return 0;
}

static PROCFS_SHOW(show_kernel_max)
{
    (void)node;
    procfs_print(text, "%u\n", CPUS_MAX - 1);
    return 0;
}

static int next_cpu(const struct procfs_node *dir, int from)
{
    (void)dir;
    return from < (int)nr_cpus_online ? from : -1;
}

static const struct procfs_dir cpu_n_dir = {.nr_entries = 0};
static const struct procfs_entry cpu_n_entry = {
    .name = "cpu",
    .permissions = 0555,
    .dir = &cpu_n_dir,
};

static const struct procfs_entry cpu_entries[] = {
    {.name = "kernel_max", .permissions = 0444, .show = show_kernel_max},
    {.name = "offline", .permissions = 0444, .show = show_no_cpus},
    {.name = "online", .permissions = 0444, .show = show_cpus},
    {.name = "possible", .permissions = 0444, .show = show_cpus},
    {.name = "present", .permissions = 0444, .show = show_cpus},
};
static const struct procfs_dir cpu_dir = {
    .entries = cpu_entries,
    .nr_entries = ARRAY_LEN(cpu_entries),
    .numbered = &cpu_n_entry,
    .number_is = PROCFS_CPU,
    .next_number = next_cpu,
};

static const struct procfs_entry system_entries[] = {
    {.name = "cpu", .permissions = 0555, .dir = &cpu_dir},
};
static const struct procfs_dir system_dir = {
    .entries = system_entries,
    .nr_entries = ARRAY_LEN(system_entries),
};

static const struct procfs_entry devices_entries[] = {
    {.name = "system", .permissions = 0555, .dir = &system_dir},
};
static const struct procfs_dir devices_dir = {
    .entries = devices_entries,
    .nr_entries = ARRAY_LEN(devices_entries),
};

static const struct procfs_entry sysfs_entries[] = {
    {.name = "devices", .permissions = 0555, .dir = &devices_dir},
};
static const struct procfs_dir sysfs_dir = {
    .entries = sysfs_entries,
    .nr_entries = ARRAY_LEN(sysfs_entries),
};

const struct procfs_entry sysfs_root_entry = {.name = "", .permissions = 0555, .dir = &sysfs_dir};
