/* How the kernel starts, on one page. */

#include <arch/clock.h>
#include <arch/context.h>
#include <arch/cpu.h>
#include <arch/irq.h>
#include <arch/platform.h>
#include <arch/smp.h>
#include <arch/vdso.h>
#include <drivers/acpi.h>
#include <drivers/console.h>
#include <drivers/fw_cfg.h>
#include <kernel/bootinfo.h>
#include <kernel/clock.h>
#include <kernel/cmdline.h>
#include <kernel/epoll.h>
#include <kernel/devfs.h>
#include <kernel/device.h>
#include <kernel/errno.h>
#include <kernel/file.h>
#include <kernel/futex.h>
#include <kernel/init.h>
#include <kernel/initrd.h>
#include <kernel/kmsg.h>
#include <kernel/log.h>
#include <kernel/mount.h>
#include <kernel/panic.h>
#include <kernel/perturb.h>
#include <kernel/loadavg.h>
#include <kernel/pipe.h>
#include <kernel/procfs.h>
#include <kernel/random.h>
#include <kernel/realtime.h>
#include <kernel/socket.h>
#include <kernel/string.h>
#include <kernel/test.h>
#include <kernel/tty.h>
#include <kernel/vnode.h>
#include <mm/frame.h>
#include <mm/init.h>
#include <mm/slab.h>
#include <proc/process.h>
#include <sched/kthread.h>
#include <sched/sched.h>

#define TID_MAX_DEFAULT 4194303 /* Linux's largest on 64-bit machines, less one */

/* QEMU's addition to the command line: one ISO serves every test. */
static void read_fw_cfg_cmdline(void)
{
    static char text[CMDLINE_TEXT_MAX];
    uint16_t selector;
    uint32_t nr_bytes;

    if (fw_cfg_find("opt/thrum/cmdline", &selector, &nr_bytes) != 0)
        return;
    if (nr_bytes >= sizeof(text)) {
        log_warn("cmdline: opt/thrum/cmdline has %u bytes, of which %lu are used", nr_bytes,
                 sizeof(text) - 1);
        nr_bytes = sizeof(text) - 1;
    }
    if (fw_cfg_read(selector, 0, text, nr_bytes) == 0)
        cmdline_append(text);
}

static void apply_log_option(void)
{
    static const struct {
        const char *name;
        enum log_level level;
    } levels[] = {
        {"error", LOG_ERROR}, {"warn", LOG_WARN}, {"info", LOG_INFO}, {"debug", LOG_DEBUG}};
    const char *wanted = cmdline_get("log");

    if (wanted == NULL)
        return;
    for (unsigned i = 0; i < ARRAY_LEN(levels); i++) {
        if (strcmp(levels[i].name, wanted) == 0) {
            log_set_level(levels[i].level);
            return;
        }
    }
    log_warn("cmdline: log=%s: there are error, warn, info and debug", wanted);
}

/* ---- Tests inside the kernel ----------------------------------------------------------------- */

/* Does nothing but run the suite of that name (kernel/test.h), and switches off. */
static NORETURN void run_kernel_test(const char *name)
{
    const struct kernel_test_suite *const *suite = __start_kernel_tests;
    bool is_passed;

    while (suite < __stop_kernel_tests && strcmp((*suite)->name, name) != 0)
        suite++;
    if (suite == __stop_kernel_tests)
        panic("init: this kernel has no test '%s'", name);
    is_passed = (*suite)->run();
    console_marker("exit", is_passed ? "0" : "1");
    irq_disable();
    irq_stop_others(false);
    acpi_poweroff();
    cpu_halt_forever();
}

/* ---- The first process ---------------------------------------------------------------------- */

struct first_program {
    struct program_args args;
    char strings[CMDLINE_TEXT_MAX + 256];
};

static void add_string(struct program_args *args, const char *a, const char *b)
{
    size_t a_bytes = strlen(a), b_bytes = strlen(b);

    memcpy(args->strings + args->nr_bytes, a, a_bytes);
    memcpy(args->strings + args->nr_bytes + a_bytes, b, b_bytes + 1);
    args->nr_bytes += a_bytes + b_bytes + 1;
}

/* Options that nobody in the kernel asked for are the first program's environment (as Linux does).
 */
static void add_environment(struct first_program *first)
{
    const struct cmdline_option *option;

    for (size_t i = 0; (option = cmdline_option(i)) != NULL; i++) {
        if (option->is_known)
            continue;
        memcpy(first->strings + first->args.nr_bytes, option->key, strlen(option->key));
        first->args.nr_bytes += strlen(option->key);
        add_string(&first->args, "=", option->value != NULL ? option->value : "");
        first->args.envc++;
        log_info("cmdline: %s is not for the kernel: passed to init", option->key);
    }
}

static uint64_t start_first_process(void *unused)
{
    static struct first_program first = {.args = {.strings = first.strings}};
    const char *path = cmdline_get("init"), *test = cmdline_get("test");
    int pid;

    (void)unused;
    if (test != NULL)
        run_kernel_test(test);
    devfs_init();
    initrd_unpack();
#ifdef THRUM_PROCFS
    procfs_init();
#endif
    if (path == NULL)
        path = "/bin/init";
    add_string(&first.args, path, "");
    first.args.argc = 1;
    add_environment(&first);
    pid = process_spawn(NULL, path, &first.args);
    if (pid < 0)
        panic("init: %s cannot be started (%s)", path,
              pid == -ENOENT    ? "no such file in the initrd"
              : pid == -ENOEXEC ? "not a program that Thrum can run"
              : pid == -EACCES  ? "not an executable file"
              : pid == -ENOTDIR ? "a part of the path is no folder"
              : pid == -ENOMEM  ? "out of memory"
                                : "error");
    return 0;
}

/* ---- The order ------------------------------------------------------------------------------ */

void kernel_main(void)
{
    uint64_t max_cpus = CPUS_MAX, tid_max = TID_MAX_DEFAULT;
    const char *class_name;
    struct kthread *init;

    cmdline_init(boot_info.cmdline);
    mm_init();
    screen_init(&boot_info.framebuffer);
    if (fw_cfg_init() == 0)
        read_fw_cfg_cmdline();
    apply_log_option();

    acpi_init();
    platform_init();
    clock_init();
    arch_vdso_init(frame_alloc(FRAME_ASSERT));
    realtime_init();
    random_init();

    class_name = cmdline_get("sched");
    sched_init(class_name != NULL ? class_name : "mlfq");
    perturb_init();
    context_setup();
    cmdline_u64("cpus", 1, CPUS_MAX, &max_cpus);
    smp_start((unsigned)max_cpus);
    log_info("smp: %u CPU%s", nr_cpus_online, nr_cpus_online == 1 ? "" : "s");
    trace_apply_options();
    load_init();

    cmdline_u64("tid_max", 2, TID_MAX_DEFAULT, &tid_max);
    if (process_init((unsigned)tid_max) != 0)
        panic("init: no memory for the table of processes");
    futex_init();
    memory_devices_init();
    random_devices_init();
    kmsg_init();
    mount_init();
    file_init();
    pipe_init();
    epoll_init();
#ifdef THRUM_SOCKETS
    socket_init();
#endif
    tty_init();
    init = kthread_create("init", KTHREAD_PRIORITY_DEFAULT, start_first_process, NULL);
    if (init == NULL)
        panic("init: no memory for the first kernel thread");
    kthread_detach(init);
    sched_idle();
}
