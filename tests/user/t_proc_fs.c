/* /proc: what processes are, in the formats of proc(5). */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <thread.h>
#include <thrum.h>
#include <time.h>
#include <unistd.h>

#include <linux/prctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "common.h"
#include "ktap.h"
#include "proc_text.h"

#define PAGE     4096
#define NR_LWPS  3
#define BUSY_NS  100000000ull /* of CPU time */
#define NR_TICKS 9            /* of BUSY_NS, at the least: a tick is 10 ms */

static atomic_int stop;

static void *wait_for_stop(void *unused)
{
    while (!stop)
        sleep_ns(1000000);
    return unused;
}

/* What follows "pid (comm) " in a stat file. */
static const char *behind_name(const char *text)
{
    const char *at = strrchr(text, ')');

    return at != NULL ? at + 2 : "";
}

/* Field `n` of stat, as proc(5) numbers them from 1; 3 is the state. */
static long stat_field(pid_t pid, unsigned n)
{
    return strtol(proc_word(behind_name(proc_read_of(pid, "stat")), n - 3), NULL, 10);
}

static bool stat_has_52_fields(void)
{
    char start[40];
    const char *text = proc_read("/proc/self/stat");
    size_t nr = 0;

    if (!KTAP_TRUE(text != NULL))
        return false;
    snprintf(start, sizeof(start), "%d (t_proc_fs) R %d ", getpid(), getppid());
    for (const char *at = behind_name(text); *at != '\0' && at[1] != '\0'; nr++)
        at = strchr(at, ' ') != NULL ? strchr(at, ' ') + 1 : "";
    return KTAP_TRUE(strncmp(text, start, strlen(start)) == 0) && KTAP_EQUAL(nr, 50) &&
           KTAP_EQUAL(proc_nr_lines(text), 1) && KTAP_EQUAL(stat_field(getpid(), 5), getpgrp()) &&
           KTAP_EQUAL(stat_field(getpid(), 6), getsid(0)) &&
           KTAP_EQUAL(stat_field(getpid(), 20), 1) && KTAP_EQUAL(stat_field(getpid(), 18), 20) &&
           KTAP_TRUE(stat_field(getpid(), 23) > 128 << 10) && /* the stack alone is that large */
           KTAP_TRUE(stat_field(getpid(), 24) > 10) &&
           KTAP_TRUE(stat_field(getpid(), 39) < (long)ktap_cpus());
}

static uint64_t used_ns(void)
{
    struct timespec used;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (uint64_t)used.tv_sec * 1000000000 + (uint64_t)used.tv_nsec;
}

static void compute_for_a_while(void)
{
    uint64_t end_ns = used_ns() + BUSY_NS;

    while (used_ns() < end_ns)
        ;
}

static bool times_and_faults_are_counted(void)
{
    long ticks = stat_field(getpid(), 14), faults = stat_field(getpid(), 10), more;
    char *memory =
        mmap(NULL, 50 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    for (int i = 0; i < 50; i++)
        memory[i * PAGE] = 1;
    more = stat_field(getpid(), 10) - faults;
    munmap(memory, 50 * PAGE);
    compute_for_a_while();
    return KTAP_TRUE(more >= 50) && KTAP_TRUE(stat_field(getpid(), 14) >= ticks + NR_TICKS);
}

static int compute_role(int argc, char **argv)
{
    (void)argc, (void)argv;
    compute_for_a_while();
    return CHILD_IS_WELL;
}

static bool childrens_times_are_kept(void)
{
    long ticks = stat_field(getpid(), 16);

    return KTAP_ROLE_EXITS("compute", CHILD_IS_WELL) &&
           KTAP_TRUE(stat_field(getpid(), 16) >= ticks + NR_TICKS);
}

static bool status_tells_the_same(void)
{
    const char *text = proc_read("/proc/self/status");

    return KTAP_TRUE(text != NULL) && KTAP_TRUE(strncmp(text, "Name:\tt_proc_fs\n", 16) == 0) &&
           KTAP_TRUE(strncmp(proc_value(text, "State"), "R (running)\n", 12) == 0) &&
           KTAP_EQUAL(proc_number(text, "Pid"), getpid()) &&
           KTAP_EQUAL(proc_number(text, "Tgid"), getpid()) &&
           KTAP_EQUAL(proc_number(text, "PPid"), getppid()) &&
           KTAP_EQUAL(proc_number(text, "Threads"), 1) &&
           KTAP_TRUE(strncmp(proc_value(text, "Uid"), "0\t0\t0\t0\n", 8) == 0) &&
           KTAP_TRUE(strncmp(proc_value(text, "Gid"), "0\t0\t0\t0\n", 8) == 0) &&
           KTAP_TRUE(proc_number(text, "VmRSS") > 0) &&
           KTAP_TRUE(proc_number(text, "VmHWM") >= proc_number(text, "VmRSS")) &&
           KTAP_TRUE(proc_number(text, "VmStk") > 0) &&
           KTAP_TRUE(proc_number(text, "VmSize") > proc_number(text, "VmRSS")) &&
           KTAP_TRUE(strtol(proc_value(text, "Umask"), NULL, 8) <= 0777) &&
           KTAP_TRUE(proc_number(text, "voluntary_ctxt_switches") >= 0);
}

static bool statm_agrees(void)
{
    const char *text = proc_read("/proc/self/statm");
    long size = strtol(proc_word(text, 0), NULL, 10),
         resident = strtol(proc_word(text, 1), NULL, 10);

    return KTAP_TRUE(resident > 10 && resident < size) &&
           KTAP_EQUAL(size * PAGE, stat_field(getpid(), 23));
}

/* ---- Another process ------------------------------------------------------------------------- */

static bool sleep_a_little(void)
{
    sleep_ns(1000000);
    return true;
}

static int wait_role(int argc, char **argv)
{
    (void)argc, (void)argv;
    sleep_for_ever(NULL); /* and is not seen awake now and then */
    return 1;
}

static bool strings_of_a_child_are_seen(void)
{
    pid_t pid = ktap_spawn_role("wait", "one argument");
    char want[128], *text;
    size_t length = (size_t)snprintf(want, sizeof(want), "%s", ktap_program()) + 1;
    bool is_ok;

    length += (size_t)snprintf(want + length, sizeof(want) - length, "wait") + 1;
    length += (size_t)snprintf(want + length, sizeof(want) - length, "one argument") + 1;
    /* Between fork and exec it is a copy of this one. */
    do {
        text = proc_read_of(pid, "cmdline");
    } while (text != NULL && strlen(text) + 1 < length && memcmp(text, want, length) != 0 &&
             sleep_a_little());
    is_ok = KTAP_TRUE(text != NULL) && KTAP_TRUE(memcmp(text, want, length) == 0) &&
            KTAP_TRUE(comes_to_wait(pid)) &&
            KTAP_TRUE(strncmp(behind_name(proc_read_of(pid, "stat")), "S ", 2) == 0) &&
            KTAP_TRUE(strcmp(proc_read_of(pid, "comm"), "t_proc_fs\n") == 0) &&
            KTAP_TRUE(proc_read_of(pid, "environ") != NULL);
    kill(pid, SIGKILL);
    return is_ok && KTAP_EQUAL(waitpid(pid, NULL, 0), pid) && KTAP_TRUE(!proc_is_there(pid));
}

static void wait_and_wait(void *unused)
{
    sleep_for_ever(unused);
}

static void end_at_once(void *unused)
{
    (void)unused;
    _exit(5);
}

static bool is_zombie(void *pid_at)
{
    return behind_name(proc_read_of(*(pid_t *)pid_at, "stat"))[0] == 'Z';
}

static bool zombies_are_seen(void)
{
    pid_t pid = start_child(end_at_once, NULL);
    char link[64], path[32];
    bool is_ok;

    snprintf(path, sizeof(path), "/proc/%d/exe", pid);
    is_ok = KTAP_TRUE(ktap_wait_for(is_zombie, &pid)) &&
            KTAP_TRUE(strcmp(proc_read_of(pid, "cmdline"), "") == 0) &&
            KTAP_TRUE(strcmp(proc_read_of(pid, "maps"), "") == 0) &&
            FAILS(readlink(path, link, sizeof(link)), ENOENT) &&
            KTAP_EQUAL(stat_field(pid, 52), 5 << 8) && KTAP_EQUAL(stat_field(pid, 24), 0);
    return is_ok && KTAP_EQUAL(waitpid(pid, NULL, 0), pid) && KTAP_TRUE(!proc_is_there(pid));
}

/* Also while the CPU that it ended on is held up on its way. */
static bool zombies_can_be_waited_for(void)
{
    bool is_ok = true;

    for (size_t i = 0; is_ok && i < ktap_times(500) + 200; i++) {
        uint64_t give_up_ns = monotonic_ns() + KTAP_PATIENCE_NS;
        pid_t pid = start_child(end_at_once, NULL);

        while (!is_zombie(&pid) && monotonic_ns() < give_up_ns)
            yield();
        is_ok = KTAP_EQUAL(waitpid(pid, NULL, WNOHANG), pid);
    }
    return is_ok;
}

static bool stopped_ones_are_seen(void)
{
    pid_t pid = start_child(wait_and_wait, NULL);
    bool is_ok;

    kill(pid, SIGSTOP);
    waitpid(pid, NULL, WUNTRACED);
    is_ok = KTAP_TRUE(strncmp(behind_name(proc_read_of(pid, "stat")), "T ", 2) == 0) &&
            KTAP_TRUE(
                strncmp(proc_value(proc_read_of(pid, "status"), "State"), "T (stopped)", 11) == 0);
    kill(pid, SIGKILL);
    return KTAP_EQUAL(waitpid(pid, NULL, 0), pid) && is_ok;
}

/* ---- LWPs ----------------------------------------------------------------------------------- */

static bool task_lists_the_lwps(void)
{
    thread_t threads[NR_LWPS];
    char path[64];
    bool is_ok = true;

    stop = 0;
    for (int i = 0; i < NR_LWPS; i++)
        thread_create(&threads[i], wait_for_stop, NULL);
    is_ok = KTAP_EQUAL(stat_field(getpid(), 20), NR_LWPS + 1);
    for (int i = 0; i < NR_LWPS && is_ok; i++) {
        const char *text;

        snprintf(path, sizeof(path), "/proc/self/task/%d/status", (int)threads[i]);
        text = proc_read(path);
        is_ok = KTAP_TRUE(text != NULL) && KTAP_EQUAL(proc_number(text, "Pid"), (long)threads[i]) &&
                KTAP_EQUAL(proc_number(text, "Tgid"), getpid());
    }
    stop = 1;
    for (int i = 0; i < NR_LWPS; i++)
        thread_join(threads[i], NULL);
    return is_ok && FAILS(open(path, O_RDONLY), ENOENT) && KTAP_EQUAL(stat_field(getpid(), 20), 1);
}

static bool comm_can_be_changed(void)
{
    int fd = open("/proc/self/comm", O_RDWR), other = open("/proc/1/comm", O_WRONLY);
    bool is_ok = KTAP_TRUE(fd >= 0) &&
                 KTAP_EQUAL(write(fd, "another name that is long\n", 26), 26) &&
                 KTAP_TRUE(strcmp(proc_read("/proc/self/comm"), "another name th\n") == 0) &&
                 KTAP_TRUE(strstr(proc_read("/proc/self/stat"), " (another name th) R ") != NULL) &&
                 FAILS(write(other, "x", 1), EINVAL) && KTAP_EQUAL(write(fd, "t_proc_fs", 9), 9);

    close(other);
    return KTAP_EQUAL(close(fd), 0) && is_ok;
}

static bool odd_names_stay_on_a_line(void)
{
    return KTAP_EQUAL(syscall(__NR_prctl, PR_SET_NAME, "a) Z\n\\", 0, 0, 0), 0) &&
           KTAP_TRUE(strstr(proc_read("/proc/self/stat"), " (a) Z\\n\\\\) R ") != NULL) &&
           KTAP_EQUAL(proc_nr_lines(proc_read("/proc/self/stat")), 1) &&
           KTAP_TRUE(strncmp(proc_read("/proc/self/status"), "Name:\ta) Z\\n\\\\\nUmask:", 21) ==
                     0) &&
           KTAP_EQUAL(syscall(__NR_prctl, PR_SET_NAME, "t_proc_fs", 0, 0, 0), 0);
}

static bool self_is_the_caller(void)
{
    char want[64], target[64] = "";

    snprintf(want, sizeof(want), "%d", getpid());
    if (!KTAP_EQUAL(readlink("/proc/self", target, sizeof(target)), strlen(want)) ||
        !KTAP_TRUE(strncmp(target, want, strlen(want)) == 0))
        return false;
    snprintf(want, sizeof(want), "%d/task/%d", getpid(), gettid());
    return KTAP_EQUAL(readlink("/proc/thread-self", target, sizeof(target)), strlen(want)) &&
           KTAP_TRUE(strncmp(target, want, strlen(want)) == 0);
}

/* ---- Files ---------------------------------------------------------------------------------- */

static bool link_is(const char *path, const char *want)
{
    char target[128] = "";

    readlink(path, target, sizeof(target) - 1);
    if (strcmp(target, want) == 0)
        return true;
    ktap_diag("%s is %s", path, target);
    return false;
}

static bool links_lead_there(void)
{
    struct stat through, direct;

    return KTAP_TRUE(link_is("/proc/self/exe", ktap_program())) &&
           KTAP_EQUAL(stat("/proc/self/exe", &through), 0) &&
           KTAP_EQUAL(stat(ktap_program(), &direct), 0) &&
           KTAP_EQUAL(through.st_ino, direct.st_ino) && KTAP_EQUAL(chdir("/tmp"), 0) &&
           KTAP_TRUE(link_is("/proc/self/cwd", "/tmp")) &&
           KTAP_EQUAL(chdir("/proc/self/cwd/.."), 0) && KTAP_TRUE(link_is("/proc/self/cwd", "/")) &&
           KTAP_TRUE(link_is("/proc/self/root", "/"));
}

/* As `cat /dev/stdin` in a pipeline. Afterwards all is closed. */
static bool pipe_opens_again(int ends[2], const char *path_of_reader)
{
    int again = open(path_of_reader, O_RDONLY), writer = open(path_of_reader, O_WRONLY);
    struct pollfd wanted = {.events = POLLOUT};
    struct stat direct, through;
    char bytes[8];
    bool is_ok = KTAP_TRUE(again >= 0 && writer >= 0) && KTAP_EQUAL(fstat(ends[0], &direct), 0) &&
                 KTAP_EQUAL(stat(path_of_reader, &through), 0) &&
                 KTAP_TRUE(S_ISFIFO(through.st_mode)) &&
                 KTAP_EQUAL(through.st_ino, direct.st_ino) &&
                 KTAP_EQUAL(write(ends[1], "abc", 3), 3) && KTAP_EQUAL(write(writer, "de", 2), 2) &&
                 KTAP_EQUAL(read(again, bytes, 8), 5) && KTAP_EQUAL(close(ends[1]), 0) &&
                 KTAP_EQUAL(write(writer, "f", 1), 1) && KTAP_EQUAL(read(ends[0], bytes, 8), 1) &&
                 KTAP_EQUAL(close(ends[0]), 0) && KTAP_EQUAL(write(writer, "g", 1), 1) &&
                 KTAP_EQUAL(read(again, bytes, 8), 1) && KTAP_EQUAL(close(again), 0);

    wanted.fd = writer;
    return is_ok && KTAP_EQUAL(poll(&wanted, 1, 0), 1) &&
           KTAP_EQUAL(wanted.revents & POLLERR, POLLERR) && KTAP_EQUAL(close(writer), 0);
}

static bool descriptors_are_links(void)
{
    int fd = open("/tmp/proc_fs", O_RDWR | O_CREAT | O_APPEND, 0600), again, ends[2];
    char path[64], want[64];
    struct stat stat_of;
    bool is_ok;

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    again = open(path, O_RDONLY);
    is_ok = KTAP_TRUE(link_is(path, "/tmp/proc_fs")) && KTAP_EQUAL(write(fd, "hello", 5), 5) &&
            KTAP_EQUAL(read(again, want, 9), 5) && KTAP_EQUAL(unlink("/tmp/proc_fs"), 0);
    snprintf(want, sizeof(want), "/proc/self/fdinfo/%d", fd);
    is_ok = is_ok && KTAP_EQUAL(proc_number(proc_read(want), "pos"), 5) &&
            KTAP_EQUAL(strtol(proc_value(proc_read(want), "flags"), NULL, 8) & O_APPEND, O_APPEND);
    close(again);
    close(fd);
    pipe(ends);
    fstat(ends[0], &stat_of);
    snprintf(want, sizeof(want), "pipe:[%lu]", (unsigned long)stat_of.st_ino);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", ends[0]);
    is_ok = is_ok && KTAP_TRUE(link_is(path, want));
    snprintf(want, sizeof(want), "/proc/self/fd/%d", ends[1]);
    again = open(want, O_WRONLY | O_TRUNC);
    is_ok = is_ok && KTAP_TRUE(again >= 0) && KTAP_EQUAL(close(again), 0);
    is_ok = is_ok && pipe_opens_again(ends, path);
    return is_ok && FAILS(readlink(path, want, sizeof(want)), ENOENT);
}

/* "start-end rwxp offset major:minor inode", and a name. */
static bool map_lines_are_right(const char *text)
{
    unsigned long last_end = 0;

    while (*text != '\0') {
        char *at;
        unsigned long start = strtoul(text, &at, 16),
                      end = *at == '-' ? strtoul(at + 1, &at, 16) : 0;

        if (start < last_end || end <= start || strspn(at, " ") != 1 ||
            strspn(at + 1, "rwxps-") != 4 || at[5] != ' ') {
            ktap_diag("the line is %.60s", text);
            return false;
        }
        last_end = end;
        text = strchr(text, '\n');
        if (!KTAP_TRUE(text != NULL))
            return false;
        text++;
    }
    return true;
}

static bool maps_show_areas(void)
{
    char *memory = mmap(NULL, 3 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), start[64];
    const char *text = proc_read("/proc/self/maps");
    bool is_ok;

    is_ok = KTAP_TRUE(map_lines_are_right(text)) && KTAP_TRUE(strstr(text, "[stack]\n") != NULL) &&
            KTAP_TRUE(strstr(text, "[vdso]\n") != NULL) &&
            KTAP_TRUE(strstr(text, " r-xp ") != NULL) && KTAP_TRUE(strstr(text, " rwxp ") == NULL);
    mprotect(memory, PAGE, PROT_NONE);
    snprintf(start, sizeof(start), "%08lx-%08lx ---p ", (unsigned long)memory,
             (unsigned long)memory + PAGE);
    is_ok = is_ok && KTAP_TRUE(proc_has_line(proc_read("/proc/self/maps"), start));
    munmap(memory, 3 * PAGE);
    return is_ok && KTAP_TRUE(!proc_has_line(proc_read("/proc/self/maps"), start));
}

static bool text_is_read_in_pieces(void)
{
    static char whole[8192];
    int fd = open("/proc/self/limits", O_RDONLY);
    long nr = read(fd, whole, sizeof(whole));
    char c;

    if (!KTAP_TRUE(nr > 500) || !KTAP_EQUAL(read(fd, &c, 1), 0) ||
        !KTAP_EQUAL(lseek(fd, 0, SEEK_SET), 0))
        return false;
    for (long i = 0; i < nr; i++) {
        if (read(fd, &c, 1) != 1 || c != whole[i])
            return KTAP_EQUAL(i, nr);
    }
    return KTAP_EQUAL(pread(fd, &c, 1, 1), 1) && KTAP_EQUAL(c, whole[1]) &&
           KTAP_EQUAL(pread(fd, &c, 1, nr), 0) && KTAP_EQUAL(lseek(fd, 0, SEEK_SET), 0) &&
           FAILS(read(fd, (void *)8, 1), EFAULT) && KTAP_EQUAL(close(fd), 0);
}

/* ---- What is not there, and not allowed --------------------------------------------------------
 */

static bool wrong_names_are_refused(void)
{
    static const char *const paths[] = {"/proc/0",          "/proc/01",        "/proc/-1",
                                        "/proc/4000000",    "/proc/1x",        "/proc/99999999999",
                                        "/proc/none",       "/proc/self/none", "/proc/self/task/1",
                                        "/proc/self/fd/77", "/proc/self/fd/-1"};

    for (size_t i = 0; i < KTAP_LEN(paths); i++) {
        if (!FAILS(open(paths[i], O_RDONLY), ENOENT))
            return false;
    }
    return FAILS(open("/proc/uptime/x", O_RDONLY), ENOTDIR) &&
           FAILS(open("/proc", O_WRONLY), EISDIR);
}

static bool nothing_is_made_or_removed(void)
{
    int fd = open("/proc/uptime", O_WRONLY);
    bool is_ok = fd < 0 || FAILS(write(fd, "x", 1), EIO);

    close(fd);
    return is_ok && FAILS(open("/proc/new", O_WRONLY | O_CREAT, 0644), EPERM) &&
           FAILS(mkdir("/proc/new", 0755), EPERM) && FAILS(unlink("/proc/uptime"), EPERM) &&
           FAILS(rmdir("/proc/1"), EPERM) && FAILS(chmod("/proc/uptime", 0777), EPERM) &&
           FAILS(link("/proc/uptime", "/proc/x"), EPERM) && FAILS(symlink("x", "/proc/x"), EPERM);
}

static const struct ktap_role roles[] = {{"wait", wait_role}, {"compute", compute_role}};

static const struct ktap_test tests[] = {
    {"stat has the fields of proc(5)", stat_has_52_fields},
    {"stat counts time and page faults", times_and_faults_are_counted},
    {"stat has the time of children that were waited for", childrens_times_are_kept},
    {"status tells the same for people", status_tells_the_same},
    {"statm agrees with stat", statm_agrees},
    {"a child's command line, name and state are seen", strings_of_a_child_are_seen},
    {"a zombie is there until it is waited for", zombies_are_seen},
    {"who is told to be a zombie can be waited for", zombies_can_be_waited_for},
    {"a stopped process says so", stopped_ones_are_seen},
    {"task lists the LWPs of a process", task_lists_the_lwps},
    {"comm renames the caller's, and only its own", comm_can_be_changed},
    {"a name does not end its line", odd_names_stay_on_a_line},
    {"self and thread-self are the caller", self_is_the_caller},
    {"exe, cwd and root lead there", links_lead_there},
    {"descriptors are links to what they are open on", descriptors_are_links},
    {"maps shows areas as they come and go", maps_show_areas},
    {"a text that is read in pieces is one text", text_is_read_in_pieces},
    {"names that stand for nothing are not there", wrong_names_are_refused},
    {"nobody makes or removes anything", nothing_is_made_or_removed},
};

int main(int argc, char **argv)
{
    if (argc > 1)
        return ktap_play_role(roles, KTAP_LEN(roles), argc, argv);
    return ktap_main(tests, KTAP_LEN(tests));
}
