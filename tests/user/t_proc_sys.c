/* /proc: what the system is; readers of everything while processes come and go; and users. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <thread.h>
#include <thrum.h>
#include <unistd.h>

#include <linux/utsname.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "common.h"
#include "ktap.h"
#include "proc_text.h"

#define NOBODY_UID  1234
#define NR_WALKERS  3
#define NR_COMERS   2
#define PATH_BYTES  256
#define DEPTH_MAX   6
#define CHURN_TIMES 2000

/* ---- Files about the system -------------------------------------------------------------------
 */

/* "seconds.hundredths" as hundredths; -1: it is not that. */
static long hundredths(const char *word)
{
    char *at;
    long seconds = strtol(word, &at, 10);

    return *at == '.' && strspn(at + 1, "0123456789") == 2
               ? 100 * seconds + strtol(at + 1, NULL, 10)
               : -1;
}

static bool uptime_goes_on(void)
{
    const char *text = proc_read("/proc/uptime");
    long first = hundredths(proc_word(text, 0)), clock = (long)(monotonic_ns() / 10000000), second;

    if (!KTAP_TRUE(first > 0 && first <= clock + 1) ||
        !KTAP_TRUE(hundredths(proc_word(text, 1)) >= 0) ||
        !KTAP_TRUE(strcmp(proc_word(text, 2), "") == 0))
        return false;
    sleep_ns(100000000);
    second = hundredths(proc_word(proc_read("/proc/uptime"), 0));
    return KTAP_TRUE(second >= first + 9);
}

static bool load_has_five_words(void)
{
    const char *text = proc_read("/proc/loadavg"), *slash;

    for (unsigned i = 0; i < 3; i++) {
        if (!KTAP_TRUE(hundredths(proc_word(text, i)) >= 0))
            return false;
    }
    slash = strchr(text, '/');
    return KTAP_TRUE(slash != NULL) && KTAP_TRUE(strtol(proc_word(text, 3), NULL, 10) >= 1) &&
           KTAP_TRUE(strtol(slash + 1, NULL, 10) >= 2) &&
           KTAP_TRUE(strtol(proc_word(text, 4), NULL, 10) >= getpid()) &&
           KTAP_EQUAL(proc_nr_lines(text), 1);
}

static bool meminfo_adds_up(void)
{
    const char *text = proc_read("/proc/meminfo");
    long total = proc_number(text, "MemTotal"), available = proc_number(text, "MemAvailable");
    struct thrum_stat stat;

    thrum_stat(&stat);
    return KTAP_EQUAL(total, stat.frames_total * 4) &&
           KTAP_TRUE(proc_number(text, "MemFree") < total) &&
           KTAP_TRUE(available > 0 && available <= proc_number(text, "MemFree")) &&
           KTAP_TRUE(proc_number(text, "Cached") > 0) &&
           KTAP_EQUAL(proc_number(text, "Buffers"), 0) &&
           KTAP_EQUAL(proc_number(text, "SwapTotal"), 0);
}

/* The sum of a line's numbers from word 1 on. */
static long sum_of_words(const char *line)
{
    long sum = 0;

    for (unsigned i = 1; i <= 10; i++)
        sum += strtol(proc_word(line, i), NULL, 10);
    return sum;
}

static bool stat_has_every_cpu(void)
{
    const char *text = proc_read("/proc/stat"), *line = text;
    long total = sum_of_words(text), sum = 0;
    char name[16];

    for (size_t cpu = 0; cpu < ktap_cpus(); cpu++) {
        line = strchr(line, '\n') + 1;
        snprintf(name, sizeof(name), "cpu%u", (unsigned)cpu);
        if (!KTAP_TRUE(strcmp(proc_word(line, 0), name) == 0))
            return false;
        sum += sum_of_words(line);
    }
    return KTAP_TRUE(abs((int)(total - sum)) <= 4 * (int)ktap_cpus()) && KTAP_TRUE(total > 0) &&
           KTAP_TRUE(proc_has_line(text, "intr ")) && KTAP_TRUE(proc_has_line(text, "ctxt ")) &&
           KTAP_TRUE(proc_has_line(text, "btime 1")) &&
           KTAP_TRUE(proc_has_line(text, "processes ")) &&
           KTAP_TRUE(proc_has_line(text, "procs_running ")) &&
           KTAP_TRUE(proc_has_line(text, "procs_blocked "));
}

static unsigned count(const char *text, const char *what)
{
    unsigned nr = 0;

    for (; (text = strstr(text, what)) != NULL; text++)
        nr++;
    return nr;
}

static bool cpus_are_listed(void)
{
    char want[16];

    snprintf(want, sizeof(want), ktap_cpus() > 1 ? "0-%u\n" : "%u\n", (unsigned)ktap_cpus() - 1);
    return KTAP_EQUAL(count(proc_read("/proc/cpuinfo"), "processor\t: "), ktap_cpus()) &&
           KTAP_EQUAL(count(proc_read("/proc/cpuinfo"), " tsc "), ktap_cpus()) &&
           KTAP_EQUAL(count(proc_read("/proc/interrupts"), "CPU"), ktap_cpus()) &&
           KTAP_TRUE(strcmp(proc_read("/sys/devices/system/cpu/online"), want) == 0) &&
           KTAP_TRUE(strcmp(proc_read("/sys/devices/system/cpu/possible"), want) == 0) &&
           KTAP_TRUE(strcmp(proc_read("/sys/devices/system/cpu/offline"), "\n") == 0);
}

static bool kinds_are_listed(void)
{
    return KTAP_TRUE(proc_has_line(proc_read("/proc/filesystems"), "nodev\ttmpfs\n")) &&
           KTAP_TRUE(proc_has_line(proc_read("/proc/filesystems"), "nodev\tproc\n")) &&
           KTAP_TRUE(proc_has_line(proc_read("/proc/devices"), "  1 mem\n")) &&
           KTAP_EQUAL(count(proc_read("/proc/devices"), "  1 mem\n"), 1) &&
           KTAP_TRUE(proc_has_line(proc_read("/proc/mounts"), "proc /proc proc rw,")) &&
           KTAP_TRUE(proc_has_line(proc_read("/proc/mounts"), "devtmpfs /dev devtmpfs rw,")) &&
           KTAP_EQUAL(count(proc_read("/proc/self/mountinfo"), "\n"),
                      proc_nr_lines(proc_read("/proc/mounts"))) &&
           KTAP_TRUE(strcmp(proc_read("/proc/partitions"), "major minor  #blocks  name\n\n") ==
                     0) &&
           KTAP_TRUE(strcmp(proc_read("/proc/modules"), "") == 0) &&
           KTAP_EQUAL(proc_nr_lines(proc_read("/proc/swaps")), 1);
}

static bool settings_are_there(void)
{
    char first[64], boot_id[64];

    strcpy(first, proc_read("/proc/sys/kernel/random/uuid"));
    strcpy(boot_id, proc_read("/proc/sys/kernel/random/boot_id"));
    return KTAP_EQUAL(strlen(first), 37) && KTAP_EQUAL(first[14], '4') &&
           KTAP_TRUE(strchr("89ab", first[19]) != NULL) && KTAP_EQUAL(first[8], '-') &&
           KTAP_TRUE(strcmp(proc_read("/proc/sys/kernel/random/uuid"), first) != 0) &&
           KTAP_TRUE(strcmp(proc_read("/proc/sys/kernel/random/boot_id"), boot_id) == 0) &&
           KTAP_TRUE(strcmp(proc_read("/proc/sys/kernel/random/entropy_avail"), "256\n") == 0) &&
           KTAP_TRUE(strcmp(proc_read("/proc/sys/kernel/ostype"), "Linux\n") == 0) &&
           KTAP_TRUE(strtol(proc_read("/proc/sys/kernel/pid_max"), NULL, 10) > getpid()) &&
           KTAP_TRUE(strtol(proc_read("/proc/sys/fs/file-max"), NULL, 10) >= 4096) &&
           KTAP_TRUE(strcmp(proc_read("/proc/sys/fs/nr_open"), "4096\n") == 0) &&
           KTAP_TRUE(strcmp(proc_read("/proc/sys/fs/pipe-max-size"), "65536\n") == 0) &&
           KTAP_TRUE(strcmp(proc_read("/proc/sys/vm/overcommit_memory"), "1\n") == 0);
}

static bool host_can_be_named(void)
{
    char old[80], long_name[80];
    int fd = open("/proc/sys/kernel/hostname", O_RDWR | O_TRUNC);
    struct new_utsname name;
    bool is_ok;

    strcpy(old, proc_read("/proc/sys/kernel/hostname"));
    memset(long_name, 'x', sizeof(long_name));
    is_ok = KTAP_TRUE(fd >= 0) && KTAP_EQUAL(write(fd, "loom\n", 5), 5) &&
            KTAP_EQUAL(syscall(__NR_uname, &name), 0) &&
            KTAP_TRUE(strcmp(name.nodename, "loom") == 0) &&
            KTAP_TRUE(strcmp(proc_read("/proc/sys/kernel/hostname"), "loom\n") == 0) &&
            FAILS(write(fd, long_name, 65), EINVAL) &&
            KTAP_EQUAL(write(fd, old, strlen(old)), strlen(old));
    return KTAP_EQUAL(close(fd), 0) && is_ok;
}

static bool sched_has_the_caller(void)
{
    char line[32];
    const char *text = proc_read("/proc/sched");

    snprintf(line, sizeof(line), "%7d %7d %-15s running ", gettid(), getpid(), "t_proc_sys");
    return KTAP_TRUE(proc_has_line(text, line)) && KTAP_TRUE(proc_has_line(text, "CPU RUNNABLE")) &&
           KTAP_TRUE(proc_has_line(text, "GROUP CLASS")) &&
           KTAP_TRUE(proc_has_line(text, "    0 "));
}

/* ---- The trace ------------------------------------------------------------------------------- */

/* Lines of a trace: in order on each CPU, and with the caller's own calls. */
static bool trace_is_right(char *text, bool *has_caller)
{
    uint64_t last_ns = 0;
    long last_cpu = 0;

    for (char *line = text, *next; *line != '\0'; line = next + 1) {
        char *at;
        uint64_t time_ns = strtoul(line, &at, 10);
        long cpu = strtol(at, &at, 10), tid = strtol(at, &at, 10);

        next = strchr(line, '\n');
        if (next == NULL)
            break; /* the buffer ends here */
        if (line[0] == '#')
            continue;
        if (cpu < last_cpu || cpu >= (long)ktap_cpus() || (cpu == last_cpu && time_ns < last_ns)) {
            ktap_diag("the line is %.60s", line);
            return false;
        }
        last_ns = time_ns;
        last_cpu = cpu;
        *has_caller |= tid == gettid() && strncmp(at, " syscall ", 9) == 0;
    }
    return true;
}

static bool trace_is_a_text(void)
{
    bool has_caller = false, is_ok;
    char *text;

    syscall(THRUM_SYS_trace_control, THRUM_TRACE_SET, 1ul << THRUM_TRACE_SYSCALL);
    for (int i = 0; i < 20; i++)
        getppid();
    text = proc_read("/proc/trace");
    syscall(THRUM_SYS_trace_control, THRUM_TRACE_SET, 0ul);
    is_ok = KTAP_TRUE(text != NULL) && trace_is_right(text, &has_caller);
    return is_ok && KTAP_TRUE(has_caller);
}

/* ---- Walking ----------------------------------------------------------------------------------
 */

/* What a walk has met; errors that a process which goes away may cause are none. */
struct walk {
    unsigned long nr_files, nr_bytes, nr_folders, nr_wrong;
    char buffer[4096];
};

static bool may_go_away(int error)
{
    return error == ENOENT || error == ESRCH;
}

static void wrong(struct walk *walk, const char *path)
{
    if (may_go_away(errno))
        return;
    ktap_diag("%s: errno %d", path, errno);
    walk->nr_wrong++;
}

static void walk_file(struct walk *walk, const char *path)
{
    int fd = open(path, O_RDONLY | O_NONBLOCK);
    ssize_t nr;

    if (fd < 0) {
        wrong(walk, path);
        return;
    }
    while ((nr = read(fd, walk->buffer, sizeof(walk->buffer))) > 0)
        walk->nr_bytes += (unsigned long)nr;
    if (nr < 0 && errno != EAGAIN)
        wrong(walk, path);
    walk->nr_files++;
    close(fd);
}

static void walk_link(struct walk *walk, const char *path)
{
    char target[PATH_BYTES];
    struct stat stat_of;

    if (readlink(path, target, sizeof(target)) < 0)
        wrong(walk, path);
    if (stat(path, &stat_of) < 0)
        wrong(walk, path);
    walk->nr_files++;
}

static void walk_folder(struct walk *walk, const char *path, int depth);

static void walk_entry(struct walk *walk, const char *folder, const struct dirent *entry, int depth)
{
    char path[PATH_BYTES];

    snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
        return;
    if (entry->d_type == DT_DIR)
        walk_folder(walk, path, depth + 1);
    else if (entry->d_type == DT_REG)
        walk_file(walk, path);
    else
        walk_link(walk, path);
}

static void walk_folder(struct walk *walk, const char *path, int depth)
{
    _Alignas(8) char entries[1024];
    int fd = open(path, O_RDONLY | O_DIRECTORY);
    ssize_t nr;

    if (fd < 0 || depth > DEPTH_MAX) {
        wrong(walk, path);
        return;
    }
    walk->nr_folders++;
    while ((nr = getdents64(fd, entries, sizeof(entries))) > 0) {
        for (ssize_t at = 0; at < nr;) {
            const struct dirent *entry = (const void *)(entries + at);

            walk_entry(walk, path, entry, depth);
            at += entry->d_reclen;
        }
    }
    if (nr < 0)
        wrong(walk, path);
    close(fd);
}

static bool all_can_be_read(void)
{
    static struct walk walk;

    walk_folder(&walk, "/proc", 0);
    walk_folder(&walk, "/sys", 0);
    return KTAP_EQUAL(walk.nr_wrong, 0) && KTAP_TRUE(walk.nr_files > 80) &&
           KTAP_TRUE(walk.nr_folders > 20) && KTAP_TRUE(walk.nr_bytes > 5000);
}

static atomic_bool is_over;

/* In a child: makes LWPs, files and memory, and leaves. */
static void live_and_leave(void *unused)
{
    thread_t thread;
    int ends[2];

    (void)unused;
    pipe(ends);
    thread_create(&thread, return_argument, NULL);
    sbrk(8192);
    thread_join(thread, NULL);
    _exit(0);
}

static void *come_and_go(void *unused)
{
    for (size_t i = 0; i < ktap_times(CHURN_TIMES); i++) {
        pid_t pid = start_child(live_and_leave, NULL);

        if (pid > 0)
            waitpid(pid, NULL, 0);
    }
    return unused;
}

static void *walk_on(void *walk_at)
{
    struct walk *walk = walk_at;

    do
        walk_folder(walk, "/proc", 0);
    while (!atomic_load(&is_over));
    return NULL;
}

static bool readers_stand_that_processes_go(void)
{
    static struct walk walks[NR_WALKERS];
    thread_t walkers[NR_WALKERS], comers[NR_COMERS];
    bool is_ok = true;

    atomic_store(&is_over, false);
    for (int i = 0; i < NR_WALKERS; i++)
        thread_create(&walkers[i], walk_on, &walks[i]);
    for (int i = 0; i < NR_COMERS; i++)
        thread_create(&comers[i], come_and_go, NULL);
    for (int i = 0; i < NR_COMERS; i++)
        thread_join(comers[i], NULL);
    atomic_store(&is_over, true);
    for (int i = 0; i < NR_WALKERS; i++) {
        thread_join(walkers[i], NULL);
        is_ok &= KTAP_EQUAL(walks[i].nr_wrong, 0) && KTAP_TRUE(walks[i].nr_files > 50);
    }
    return is_ok;
}

static void read_all_of_proc(void)
{
    static struct walk walk;

    walk_folder(&walk, "/proc", 0);
}

static bool nothing_is_left_by_readers(void)
{
    return ktap_leaves_nothing(read_all_of_proc);
}

/* ---- Users ----------------------------------------------------------------------------------- */

static bool is_denied(const char *path)
{
    return FAILS(open(path, O_RDONLY), EACCES);
}

static int nobody_role(int argc, char **argv)
{
    char target[64];
    bool is_ok;

    (void)argc, (void)argv;
    syscall(__NR_setgid, NOBODY_UID);
    syscall(__NR_setuid, NOBODY_UID);
    is_ok = is_denied("/proc/1/environ") && is_denied("/proc/1/maps") && is_denied("/proc/1/fd") &&
            FAILS(readlink("/proc/1/exe", target, sizeof(target)), EACCES) &&
            FAILS(readlink("/proc/1/cwd", target, sizeof(target)), EACCES) &&
            is_denied("/proc/1/exe") && is_denied("/proc/1/fd/0") && is_denied("/proc/kmsg") &&
            is_denied("/proc/trace") && is_denied("/proc/1/fdinfo/0") &&
            FAILS(open("/proc/1/comm", O_WRONLY), EACCES) &&
            FAILS(open("/proc/uptime", O_WRONLY), EACCES) &&
            FAILS(open("/proc/sys/kernel/hostname", O_WRONLY), EACCES);
    is_ok = is_ok && KTAP_TRUE(proc_read("/proc/1/stat") != NULL) &&
            KTAP_TRUE(proc_read("/proc/1/cmdline") != NULL) &&
            KTAP_TRUE(proc_read("/proc/1/status") != NULL) &&
            KTAP_TRUE(proc_read("/proc/self/environ") != NULL) &&
            KTAP_TRUE(proc_read("/proc/self/maps") != NULL) &&
            KTAP_TRUE(readlink("/proc/self/exe", target, sizeof(target)) > 0) &&
            KTAP_TRUE(readlink("/proc/self/fd/0", target, sizeof(target)) > 0) &&
            KTAP_TRUE(strncmp(proc_value(proc_read("/proc/self/status"), "Uid"),
                              "1234\t1234\t1234\t1234\n", 20) == 0) &&
            KTAP_TRUE(proc_read("/proc/sched") != NULL);
    return is_ok ? CHILD_IS_WELL : 1;
}

static bool users_see_their_own(void)
{
    return KTAP_ROLE_EXITS("nobody", CHILD_IS_WELL);
}

static const struct ktap_role roles[] = {{"nobody", nobody_role}};

static const struct ktap_test tests[] = {
    {"uptime goes on as the clock does", uptime_goes_on},
    {"loadavg has the words of proc(5)", load_has_five_words},
    {"meminfo adds up", meminfo_adds_up},
    {"stat has a line for every CPU", stat_has_every_cpu},
    {"cpuinfo, interrupts and /sys have every CPU", cpus_are_listed},
    {"file systems, devices and mounts are listed", kinds_are_listed},
    {"the settings are there", settings_are_there},
    {"the host can be named", host_can_be_named},
    {"sched has the caller, running", sched_has_the_caller},
    {"trace has what the caller did, in order", trace_is_a_text},
    {"all of /proc and /sys can be read", all_can_be_read},
    {"readers of all stand that processes come and go", readers_stand_that_processes_go},
    {"nothing is left by readers", nothing_is_left_by_readers},
    {"a user may look into his own processes only", users_see_their_own},
};

int main(int argc, char **argv)
{
    if (argc > 1)
        return ktap_play_role(roles, KTAP_LEN(roles), argc, argv);
    return ktap_main(tests, KTAP_LEN(tests));
}
