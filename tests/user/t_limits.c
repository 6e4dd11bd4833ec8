/*
 * What the system says of itself and of what a process has used, what a process may use, and
 * clocks.
 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <thread.h>
#include <thrum.h>
#include <time.h>
#include <unistd.h>

#include <linux/mman.h>
#include <linux/prctl.h>
#include <linux/timex.h>
#include <linux/reboot.h>
#include <linux/resource.h>
#include <linux/sysinfo.h>
#include <linux/times.h>
#include <linux/utsname.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "common.h"
#include "ktap.h"

#define PAGE    4096ul
#define MSEC_NS 1000000l
#define SEC_NS  1000000000l

static long clock_ns(int clock)
{
    struct timespec now;

    return syscall(__NR_clock_gettime, clock, &now) == 0 ? now.tv_sec * SEC_NS + now.tv_nsec : -1;
}

/* Uses up CPU time. */
static void work_for(long ns)
{
    for (long start = clock_ns(CLOCK_THREAD_CPUTIME_ID);
         clock_ns(CLOCK_THREAD_CPUTIME_ID) - start < ns;)
        ;
}

static long user_us(const struct rusage *usage)
{
    return usage->ru_utime.tv_sec * 1000000 + usage->ru_utime.tv_usec;
}

static long used_us(int who)
{
    struct rusage usage;

    return syscall(__NR_getrusage, who, &usage) == 0 ? user_us(&usage) : -1;
}

/* ---- The system ----------------------------------------------------------------------------- */

static bool system_has_names(void)
{
    struct new_utsname name;

    return KTAP_EQUAL(syscall(__NR_uname, &name), 0) &&
           KTAP_EQUAL(strcmp(name.sysname, "Linux"), 0) &&
           KTAP_EQUAL(strcmp(name.machine, "x86_64"), 0) &&
           KTAP_TRUE(strtol(name.release, NULL, 10) >= 3) &&
           KTAP_EQUAL(strncmp(name.version, "#1 SMP Thrum ", 13), 0);
}

static bool machine_can_be_renamed(void)
{
    struct new_utsname before, name;
    bool ok = KTAP_EQUAL(syscall(__NR_uname, &before), 0) &&
              KTAP_EQUAL(syscall(__NR_sethostname, "loom and more", 4), 0) &&
              KTAP_EQUAL(syscall(__NR_setdomainname, "example", 7), 0) &&
              KTAP_EQUAL(syscall(__NR_uname, &name), 0) &&
              KTAP_EQUAL(strcmp(name.nodename, "loom"), 0) &&
              KTAP_EQUAL(strcmp(name.domainname, "example"), 0);

    return KTAP_EQUAL(syscall(__NR_sethostname, before.nodename, strlen(before.nodename)), 0) && ok;
}

static bool system_tells_its_memory(void)
{
    struct sysinfo info;

    return KTAP_EQUAL(syscall(__NR_sysinfo, &info), 0) && KTAP_TRUE(info.uptime >= 0) &&
           KTAP_TRUE(info.totalram > 16 << 20) && KTAP_TRUE(info.freeram < info.totalram) &&
           KTAP_TRUE(info.freeram > 0) && KTAP_TRUE(info.procs >= 2) &&
           KTAP_EQUAL(info.mem_unit, 1);
}

static bool check_reboot(void)
{
    return KTAP_EQUAL(syscall(__NR_setresuid, 7, 7, 7), 0) &&
           FAILS(syscall(__NR_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2,
                         LINUX_REBOOT_CMD_HALT),
                 EPERM);
}

static bool machine_is_roots_to_stop(void)
{
    return holds_in_child(check_reboot);
}

static bool lwp_has_a_name(void)
{
    char name[16] = "";
    bool ok = KTAP_EQUAL(syscall(__NR_prctl, PR_SET_NAME, "a name that is too long"), 0) &&
              KTAP_EQUAL(syscall(__NR_prctl, PR_GET_NAME, name), 0) &&
              KTAP_EQUAL(strcmp(name, "a name that is "), 0);

    return ok && KTAP_EQUAL(syscall(__NR_prctl, PR_SET_NAME, "t_limits"), 0);
}

static bool cpu_is_one_of_those_allowed(void)
{
    unsigned long all, one;
    unsigned cpu = 99, node = 99;
    bool ok = true;

    syscall(__NR_sched_getaffinity, 0, sizeof(all), &all);
    for (size_t i = 0; i < ktap_cpus() && ok; i++) {
        one = 1ul << i;
        ok = KTAP_EQUAL(syscall(__NR_sched_setaffinity, 0, sizeof(one), &one), 0) &&
             KTAP_EQUAL(syscall(__NR_getcpu, &cpu, &node), 0) && KTAP_EQUAL(cpu, (long)i) &&
             KTAP_EQUAL(node, 0);
    }
    syscall(__NR_sched_setaffinity, 0, sizeof(all), &all);
    return ok;
}

/* ---- Usage ---------------------------------------------------------------------------------- */

static bool work_is_counted(void)
{
    long self = used_us(RUSAGE_SELF), lwp = used_us(RUSAGE_THREAD);
    long cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);

    work_for(30 * MSEC_NS);
    return KTAP_TRUE(used_us(RUSAGE_SELF) - self >= 29999) &&
           KTAP_TRUE(used_us(RUSAGE_THREAD) - lwp >= 29999) &&
           KTAP_TRUE(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu_ns >= 30 * MSEC_NS);
}

static void *work_in_thread(void *unused)
{
    work_for(30 * MSEC_NS);
    return unused;
}

static bool work_of_lwps_is_the_processs(void)
{
    long self = used_us(RUSAGE_SELF), own = used_us(RUSAGE_THREAD);
    thread_t thread;
    bool ok = KTAP_EQUAL(thread_create(&thread, work_in_thread, NULL), 0) &&
              KTAP_EQUAL(thread_join(thread, NULL), 0);

    /* How much this LWP uses for that is for the host to say. */
    own = used_us(RUSAGE_THREAD) - own;
    self = used_us(RUSAGE_SELF) - self;
    return ok && KTAP_TRUE(self - own >= 29998);
}

static bool work_of_children_is_counted_when_they_ended(void)
{
    long before = used_us(RUSAGE_CHILDREN);
    struct tms times;
    pid_t child = fork();

    if (child == 0) {
        work_for(50 * MSEC_NS);
        _exit(0);
    }
    struct rusage usage;
    bool ok = KTAP_EQUAL(syscall(__NR_wait4, child, NULL, 0, &usage), child) &&
              KTAP_TRUE(user_us(&usage) >= 49999) && KTAP_TRUE(usage.ru_minflt > 0) &&
              KTAP_TRUE(used_us(RUSAGE_CHILDREN) - before >= 49999);
    long now = syscall(__NR_times, &times);
    return ok && KTAP_TRUE(now >= 0) && KTAP_TRUE(times.tms_cutime >= 5) &&
           KTAP_TRUE(times.tms_utime >= 3) && KTAP_TRUE(syscall(__NR_times, NULL) >= now);
}

static bool faults_and_waits_are_counted(void)
{
    struct rusage before, after;
    struct timespec moment = {0, MSEC_NS};

    syscall(__NR_getrusage, RUSAGE_SELF, &before);
    char *m = mmap(NULL, 64 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (size_t i = 0; i < 64; i++)
        m[i * PAGE] = 1;
    for (int i = 0; i < 5; i++)
        syscall(__NR_nanosleep, &moment, NULL);
    syscall(__NR_getrusage, RUSAGE_SELF, &after);
    munmap(m, 64 * PAGE);
    return KTAP_TRUE(after.ru_minflt - before.ru_minflt >= 64) &&
           KTAP_TRUE(after.ru_nvcsw - before.ru_nvcsw >= 5);
}

static long resident_max_kib(int who)
{
    struct rusage usage;

    return syscall(__NR_getrusage, who, &usage) == 0 ? usage.ru_maxrss : -1;
}

/* Touches so much memory, and gives it back. */
static void use_mib(size_t nr)
{
    char *m = mmap(NULL, nr << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    for (size_t i = 0; i < nr << 20; i += PAGE)
        m[i] = 1;
    munmap(m, nr << 20);
}

static bool most_memory_is_remembered(void)
{
    long before = resident_max_kib(RUSAGE_SELF), after;

    use_mib(4);
    after = resident_max_kib(RUSAGE_SELF);
    use_mib(2);
    return KTAP_TRUE(before > 0 && before < 4096) &&
           KTAP_TRUE(after >= 4096 && after < before + 4096 + 64) &&
           KTAP_EQUAL(resident_max_kib(RUSAGE_SELF), after) &&
           KTAP_EQUAL(resident_max_kib(RUSAGE_THREAD), after);
}

/* Of children the largest counts, and theirs are among them; exec forgets nothing. */
static bool most_memory_of_children_is_told(void)
{
    static char *const args[] = {"t_limits", "end", NULL}, *const environment[] = {NULL};
    struct rusage usage;
    pid_t child = fork();

    if (child == 0) {
        use_mib(8);
        if (fork() == 0) {
            use_mib(12);
            execve("/proc/self/exe", args, environment);
            _exit(1);
        }
        wait(NULL);
        _exit(0);
    }
    return KTAP_EQUAL(syscall(__NR_wait4, child, NULL, 0, &usage), child) &&
           KTAP_TRUE(usage.ru_maxrss >= 12 << 10 && usage.ru_maxrss < 14 << 10) &&
           KTAP_EQUAL(resident_max_kib(RUSAGE_CHILDREN), usage.ru_maxrss);
}

/* ---- Limits --------------------------------------------------------------------------------- */

static long set_limit(unsigned resource, unsigned long soft, unsigned long hard)
{
    struct rlimit limit = {soft, hard};

    return syscall(__NR_prlimit64, 0, resource, &limit, NULL);
}

static bool check_limits_are_kept(void)
{
    struct rlimit old, now;
    bool ok = KTAP_EQUAL(syscall(__NR_getrlimit, RLIMIT_CORE, &old), 0) &&
              KTAP_EQUAL(set_limit(RLIMIT_CORE, 5, 10), 0) &&
              FAILS(set_limit(RLIMIT_CORE, 6, 5), EINVAL) &&
              KTAP_EQUAL(syscall(__NR_prlimit64, getpid(), RLIMIT_CORE, NULL, &now), 0) &&
              KTAP_EQUAL((long)now.rlim_cur, 5) && KTAP_EQUAL((long)now.rlim_max, 10) &&
              FAILS(set_limit(RLIMIT_NOFILE, 10, 1ul << 40), EPERM);
    pid_t child = fork();
    int status = -1;

    if (child == 0) {
        syscall(__NR_getrlimit, RLIMIT_CORE, &now);
        _exit(now.rlim_cur == 5 ? CHILD_IS_WELL : 1);
    }
    return KTAP_EQUAL(waitpid(child, &status, 0), child) &&
           ktap_check_exits(status, CHILD_IS_WELL, __FILE__, __LINE__) && ok;
}

static bool limits_are_kept_and_inherited(void)
{
    return holds_in_child(check_limits_are_kept);
}

static bool check_files(void)
{
    return KTAP_EQUAL(set_limit(RLIMIT_NOFILE, 10, 10), 0) && KTAP_EQUAL(dup2(0, 9), 9) &&
           FAILS(dup2(0, 10), EBADF);
}

static bool descriptors_are_bounded(void)
{
    return holds_in_child(check_files);
}

static bool check_memory(void)
{
    size_t size = 64 << 20;
    char *m = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    bool ok = KTAP_TRUE(m != MAP_FAILED) && KTAP_EQUAL(munmap(m, size), 0) &&
              KTAP_EQUAL(set_limit(RLIMIT_AS, 48 << 20, 48 << 20), 0);

    m = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return ok && KTAP_TRUE(m == MAP_FAILED && errno == ENOMEM) &&
           KTAP_TRUE(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
}

static bool memory_is_bounded(void)
{
    return holds_in_child(check_memory);
}

static bool check_data(void)
{
    bool ok = KTAP_EQUAL(set_limit(RLIMIT_DATA, 4 << 20, 4 << 20), 0) &&
              KTAP_TRUE(sbrk(1 << 20) != (void *)-1) && KTAP_TRUE(sbrk(8 << 20) == (void *)-1);
    void *data = mmap(NULL, 8 << 20, PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    void *constant = mmap(NULL, 8 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return ok && KTAP_TRUE(data == MAP_FAILED) && KTAP_TRUE(constant != MAP_FAILED);
}

static bool data_is_bounded(void)
{
    return holds_in_child(check_data);
}

static void *end_at_once(void *arg)
{
    return arg;
}

static void wait_in_child(void *arg)
{
    (void)arg;
    for (;;)
        syscall(__NR_pause);
}

/* Of a user who has nothing else: the child, one of its own, and a third LWP. */
static bool check_lwps(void)
{
    pid_t first, second;
    thread_t thread;
    bool ok = KTAP_EQUAL(set_limit(RLIMIT_NPROC, 2, 3), 0);

    first = start_child(wait_in_child, NULL); /* root has no limit */
    second = start_child(wait_in_child, NULL);
    ok = KTAP_TRUE(first > 0 && second > 0) && KTAP_EQUAL(kill(first, SIGKILL), 0) &&
         KTAP_EQUAL(kill(second, SIGKILL), 0) && KTAP_EQUAL(waitpid(first, NULL, 0), first) &&
         KTAP_EQUAL(waitpid(second, NULL, 0), second) && ok;
    ok = KTAP_EQUAL(syscall(__NR_setresuid, 4711, 4711, 4711), 0) && ok;
    first = start_child(wait_in_child, NULL);
    ok = KTAP_TRUE(first > 0) && FAILS(fork(), EAGAIN) && FAILS(vfork(), EAGAIN) &&
         FAILS(ktap_spawn_role("end", NULL), EAGAIN) &&
         KTAP_TRUE(thread_create(&thread, end_at_once, NULL) != 0) &&
         KTAP_EQUAL(set_limit(RLIMIT_NPROC, 3, 3), 0) &&
         KTAP_EQUAL(thread_create(&thread, end_at_once, NULL), 0) &&
         KTAP_EQUAL(thread_join(thread, NULL), 0) && ok;
    return KTAP_EQUAL(kill(first, SIGKILL), 0) && KTAP_EQUAL(waitpid(first, NULL, 0), first) && ok;
}

static bool lwps_of_a_user_are_bounded(void)
{
    return holds_in_child(check_lwps);
}

#define OTHER_USER 4712

/* The user has two others already. What comes of exec by a child that becomes his; -1: no child. */
static int exec_of_new_user(unsigned long limit, unsigned long limit_at_exec, int euid)
{
    static char *const args[] = {"t_limits", "end", NULL}, *const environment[] = {NULL};
    int status = -1;
    pid_t child = fork();

    if (child == 0) {
        if (set_limit(RLIMIT_NPROC, limit, 9) != 0 ||
            syscall(__NR_setresuid, OTHER_USER, euid, OTHER_USER) != 0 ||
            set_limit(RLIMIT_NPROC, limit_at_exec, 9) != 0)
            _exit(1);
        execve("/proc/self/exe", args, environment);
        _exit(errno);
    }
    return waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void wait_as_other_user(void *pipe_end)
{
    if (syscall(__NR_setresuid, OTHER_USER, OTHER_USER, OTHER_USER) == 0 &&
        write(*(int *)pipe_end, "x", 1) == 1)
        wait_in_child(NULL);
}

/* As on Linux, those two count when the number is changed, and all three at exec. */
static bool who_becomes_a_user_with_too_many_cannot_exec(void)
{
    int ends[2] = {-1, -1};
    char bytes[2];
    pid_t others[2];
    bool ok;

    pipe(ends);
    for (int i = 0; i < 2; i++)
        others[i] = start_child(wait_as_other_user, &ends[1]);
    ok = KTAP_EQUAL(read(ends[0], &bytes[0], 1), 1) && KTAP_EQUAL(read(ends[0], &bytes[1], 1), 1);
    ok = KTAP_EQUAL(exec_of_new_user(1, 1, OTHER_USER), EAGAIN) &&
         KTAP_EQUAL(exec_of_new_user(1, 2, OTHER_USER), EAGAIN) &&
         KTAP_EQUAL(exec_of_new_user(1, 1, 0), EAGAIN) &&
         KTAP_EQUAL(exec_of_new_user(1, 3, OTHER_USER), 0) &&
         KTAP_EQUAL(exec_of_new_user(2, 2, OTHER_USER), 0) &&
         KTAP_EQUAL(exec_of_new_user(2, 1, OTHER_USER), 0) && ok;
    for (int i = 0; i < 2; i++)
        ok = KTAP_EQUAL(kill(others[i], SIGKILL), 0) &&
             KTAP_EQUAL(waitpid(others[i], NULL, 0), others[i]) && ok;
    close(ends[0]);
    close(ends[1]);
    return ok;
}

static bool check_locks(void)
{
    char *m = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    bool ok = KTAP_EQUAL(set_limit(RLIMIT_MEMLOCK, 2 * PAGE, 2 * PAGE), 0) &&
              KTAP_EQUAL(syscall(__NR_mlock, m, 4 * PAGE), 0) &&
              KTAP_EQUAL(syscall(__NR_setresuid, 4711, 4711, 4711), 0) &&
              FAILS(syscall(__NR_mlock, m, 2 * PAGE), ENOMEM) &&
              KTAP_EQUAL(syscall(__NR_munlock, m, 4 * PAGE), 0) &&
              KTAP_EQUAL(syscall(__NR_mlock, m, 2 * PAGE), 0) &&
              FAILS(syscall(__NR_mlock, m + 1, 2 * PAGE), ENOMEM) &&
              FAILS(syscall(__NR_mlock2, m, 3 * PAGE, 1), ENOMEM) &&
              FAILS(syscall(__NR_mlockall, 1), ENOMEM) &&
              KTAP_EQUAL(syscall(__NR_mlockall, 2), 0) &&
              KTAP_EQUAL(syscall(__NR_munlock, m, 4 * PAGE), 0);

    ok = KTAP_EQUAL(syscall(__NR_munlockall), 0) && ok;
    return ok && KTAP_EQUAL(set_limit(RLIMIT_MEMLOCK, 0, 0), 0) &&
           FAILS(syscall(__NR_mlock, m, PAGE), EPERM) && FAILS(syscall(__NR_mlockall, 2), EPERM) &&
           KTAP_EQUAL(syscall(__NR_munlock, m, PAGE), 0);
}

#define PRIVATE (MAP_PRIVATE | MAP_ANONYMOUS)

/* mmap() of so many pages: 0, or errno. */
static int map_error(char **m, size_t nr_pages, int flags)
{
    *m = mmap(NULL, nr_pages * PAGE, PROT_READ | PROT_WRITE, PRIVATE | flags, -1, 0);
    return *m != MAP_FAILED ? 0 : errno;
}

static bool become_user_with_locks(size_t nr_pages)
{
    return KTAP_EQUAL(set_limit(RLIMIT_MEMLOCK, nr_pages * PAGE, 100 * PAGE), 0) &&
           KTAP_EQUAL(syscall(__NR_setresuid, 4711, 4711, 4711), 0);
}

/* Whether the pages are all there. */
static bool is_present(const char *m, size_t nr_pages)
{
    unsigned char present[8] = {0};
    bool ok = KTAP_EQUAL(syscall(__NR_mincore, m, nr_pages * PAGE, present), 0);

    for (size_t i = 0; i < nr_pages; i++)
        ok = KTAP_EQUAL(present[i] & 1, 1) && ok;
    return ok;
}

/* Of 6 pages. What is locked already counts once, and what is unlocked or unmapped no more. */
static bool check_sum_of_locks(void)
{
    char *m = NULL, *other = NULL;
    bool ok =
        become_user_with_locks(6) && KTAP_EQUAL(map_error(&m, 8, 0), 0) &&
        KTAP_EQUAL(syscall(__NR_mlock, m, 4 * PAGE), 0) && is_present(m, 4) &&
        FAILS(syscall(__NR_mlock, m + 4 * PAGE, 3 * PAGE), ENOMEM) &&
        KTAP_EQUAL(syscall(__NR_mlock, m + 2 * PAGE, 4 * PAGE), 0) &&
        FAILS(syscall(__NR_mlock, m, 7 * PAGE), ENOMEM) &&
        KTAP_EQUAL(syscall(__NR_mlock, m, 6 * PAGE), 0) &&
        KTAP_EQUAL(map_error(&other, 1, MAP_LOCKED), EAGAIN) &&
        KTAP_EQUAL(syscall(__NR_munlock, m, PAGE), 0) &&
        KTAP_EQUAL(map_error(&other, 1, MAP_LOCKED), 0) && is_present(other, 1) &&
        FAILS(syscall(__NR_mlock2, m, PAGE, 1), ENOMEM) && KTAP_EQUAL(munmap(other, PAGE), 0) &&
        KTAP_EQUAL(syscall(__NR_mlock2, m, PAGE, 1), 0) &&
        KTAP_EQUAL(munmap(m + 4 * PAGE, 4 * PAGE), 0) &&
        KTAP_EQUAL(map_error(&other, 2, MAP_LOCKED), 0) && KTAP_EQUAL(munmap(other, 2 * PAGE), 0);

    /* Growing counts, too. */
    other = (char *)syscall(__NR_mremap, m + PAGE, 3 * PAGE, 6 * PAGE, MREMAP_MAYMOVE);
    ok = KTAP_TRUE(other == MAP_FAILED) && KTAP_EQUAL(errno, EAGAIN) && ok;
    other = (char *)syscall(__NR_mremap, m + PAGE, 3 * PAGE, 5 * PAGE, MREMAP_MAYMOVE);
    return KTAP_TRUE(other != MAP_FAILED) && is_present(other, 5) &&
           KTAP_EQUAL(map_error(&m, 1, MAP_LOCKED), EAGAIN) && ok;
}

static bool all_that_is_locked_counts(void)
{
    return holds_in_child(check_sum_of_locks);
}

static bool check_child_has_no_locks(void)
{
    char *m = NULL;

    return KTAP_EQUAL(map_error(&m, 2, MAP_LOCKED), 0);
}

static bool check_locks_of_child(void)
{
    char *m = NULL;

    return become_user_with_locks(2) && KTAP_EQUAL(map_error(&m, 2, MAP_LOCKED), 0) &&
           KTAP_EQUAL(syscall(__NR_mlockall, 2), 0) && holds_in_child(check_child_has_no_locks) &&
           KTAP_EQUAL(map_error(&m, 1, 0), EAGAIN);
}

static bool locks_are_not_inherited(void)
{
    return holds_in_child(check_locks_of_child);
}

/* MCL_CURRENT, _FUTURE, _ONFAULT: 1, 2, 4. */
static bool check_locks_to_come(void)
{
    char *m = NULL, *later = NULL, *heap;
    bool ok = become_user_with_locks(10) && KTAP_EQUAL(map_error(&m, 8, 0), 0) &&
              KTAP_EQUAL(syscall(__NR_mlockall, 2), 0) && KTAP_EQUAL(map_error(&later, 4, 0), 0) &&
              is_present(later, 4) && KTAP_EQUAL(map_error(&m, 7, 0), EAGAIN);

    heap = sbrk(2 * PAGE);
    ok = KTAP_TRUE(heap != (void *)-1) &&
         is_present((char *)(((long)heap + PAGE - 1) & -(long)PAGE), 2) &&
         KTAP_TRUE(sbrk(5 * PAGE) == (void *)-1) && ok;
    /* What is there already is another matter. */
    ok = FAILS(syscall(__NR_mlockall, 1), ENOMEM) && KTAP_EQUAL(map_error(&m, 5, 0), EAGAIN) &&
         KTAP_EQUAL(syscall(__NR_munlockall), 0) && KTAP_EQUAL(map_error(&m, 9, 0), 0) &&
         KTAP_EQUAL(syscall(__NR_mlock, m, 9 * PAGE), 0) && KTAP_EQUAL(munmap(m, 9 * PAGE), 0) &&
         ok;
    return KTAP_EQUAL(syscall(__NR_mlockall, 2 | 4), 0) && KTAP_EQUAL(map_error(&m, 8, 0), 0) &&
           KTAP_EQUAL(map_error(&later, 3, 0), EAGAIN) && ok;
}

static bool locks_to_come_count(void)
{
    return holds_in_child(check_locks_to_come);
}

static void stay(void)
{
    for (;;)
        syscall(__NR_pause);
}

/*
 * The stack of an LWP is the kernel's doing: nobody asked whether it may be locked. It is of a size
 * of which none is kept.
 */
static bool check_stacks_to_come(void)
{
    struct thrum_lwp_attr attr = {.size_bytes = sizeof(attr), .stack_bytes = 8 * PAGE};
    char *m = NULL;

    return become_user_with_locks(4) && KTAP_EQUAL(syscall(__NR_mlockall, 2), 0) &&
           KTAP_TRUE(syscall(THRUM_SYS_lwp_create, stay, 0, &attr) > 0) &&
           KTAP_EQUAL(map_error(&m, 4, 0), 0) && KTAP_EQUAL(map_error(&m, 1, 0), EAGAIN);
}

static bool stacks_to_come_do_not_count(void)
{
    return holds_in_child(check_stacks_to_come);
}

static bool check_all_is_locked(void)
{
    char *m = NULL;
    bool ok = KTAP_EQUAL(map_error(&m, 4, 0), 0) && KTAP_EQUAL(syscall(__NR_mlockall, 1), 0) &&
              is_present(m, 4) && FAILS(syscall(__NR_madvise, m, PAGE, 4), EINVAL) &&
              FAILS(syscall(__NR_madvise, m, PAGE, 8), EINVAL) &&
              KTAP_EQUAL(syscall(__NR_madvise, m, PAGE, 24), 0);

    return ok && become_user_with_locks(100) && FAILS(syscall(__NR_mlock, m, PAGE), ENOMEM) &&
           KTAP_EQUAL(syscall(__NR_munlockall), 0) && KTAP_EQUAL(syscall(__NR_mlock, m, PAGE), 0) &&
           KTAP_EQUAL(set_limit(RLIMIT_MEMLOCK, 0, 0), 0) &&
           KTAP_EQUAL(map_error(&m, 1, MAP_LOCKED), EPERM);
}

static bool all_can_be_locked(void)
{
    return holds_in_child(check_all_is_locked);
}

static bool locked_memory_is_bounded(void)
{
    return holds_in_child(check_locks);
}

/* ---- The stack ------------------------------------------------------------------------------- */

#define MIB_BYTES 1048576ul

/* Touches what is so many MiB further down; where that is. */
static __attribute__((noinline)) uintptr_t touch_below(unsigned long nr_mib)
{
    char here;
    uintptr_t at = (uintptr_t)&here - nr_mib * MIB_BYTES;

    *(volatile char *)at = 1;
    return at;
}

static void touch_in_child(void *nr_mib)
{
    touch_below((unsigned long)nr_mib);
    _exit(CHILD_IS_WELL);
}

static bool can_touch(unsigned long nr_mib)
{
    return exits(start_child(touch_in_child, (void *)nr_mib), CHILD_IS_WELL);
}

static bool cannot_touch(unsigned long nr_mib)
{
    return dies(start_child(touch_in_child, (void *)nr_mib), SIGSEGV);
}

static bool check_stack_limit(void)
{
    return can_touch(7) && cannot_touch(9) &&
           KTAP_EQUAL(set_limit(RLIMIT_STACK, 3 * MIB_BYTES, RLIM_INFINITY), 0) && can_touch(2) &&
           cannot_touch(4) &&
           KTAP_EQUAL(set_limit(RLIMIT_STACK, 32 * MIB_BYTES, RLIM_INFINITY), 0) && can_touch(31) &&
           cannot_touch(33) && KTAP_TRUE(touch_below(31) != 0) &&
           KTAP_EQUAL(set_limit(RLIMIT_STACK, MIB_BYTES, RLIM_INFINITY), 0) &&
           can_touch(20) && /* what is there stays */
           cannot_touch(32);
}

static bool stack_is_bounded(void)
{
    return holds_in_child(check_stack_limit);
}

/* After exec, so that the address space is made for the limit. Other memory is further down. */
static int reach(int argc, char **argv)
{
    uintptr_t lowest = touch_below((unsigned long)strtol(argv[argc - 1], NULL, 10));
    char *m = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return m != MAP_FAILED && (uintptr_t)m < lowest ? CHILD_IS_WELL : 1;
}

/* A child that reaches so far with a limit. */
static pid_t start_reaching(unsigned long limit, const char *nr_mib)
{
    char *const args[] = {"t_limits", "reach", (char *)nr_mib, NULL};
    static char *const environment[] = {NULL};
    pid_t child = fork();

    if (child == 0) {
        if (set_limit(RLIMIT_STACK, limit, RLIM_INFINITY) == 0)
            execve("/proc/self/exe", args, environment);
        _exit(1);
    }
    return child;
}

static bool stack_has_the_room_that_it_may_have(void)
{
    return exits(start_reaching(8 * MIB_BYTES, "7"), CHILD_IS_WELL) &&
           exits(start_reaching(16 * PAGE, "0"), CHILD_IS_WELL) &&
           dies(start_reaching(16 * PAGE, "1"), SIGSEGV) &&
           exits(start_reaching(1000 * MIB_BYTES, "998"), CHILD_IS_WELL) &&
           dies(start_reaching(1000 * MIB_BYTES, "1001"), SIGSEGV) &&
           exits(start_reaching(RLIM_INFINITY, "60000"), CHILD_IS_WELL) &&
           exits(start_reaching(RLIM_INFINITY - 1, "60000"), CHILD_IS_WELL);
}

static bool check_stack_within_memory(void)
{
    return can_touch(6) && KTAP_EQUAL(set_limit(RLIMIT_AS, 6 * MIB_BYTES, RLIM_INFINITY), 0) &&
           cannot_touch(6);
}

static void touch_with_locks(void *nr_mib)
{
    if (syscall(__NR_mlockall, 1) == 0 && become_user_with_locks(100))
        touch_in_child(nr_mib);
}

static bool stack_is_bounded_as_other_memory(void)
{
    return holds_in_child(check_stack_within_memory) &&
           dies(start_child(touch_with_locks, (void *)1), SIGSEGV) &&
           exits(start_child(touch_with_locks, (void *)0), CHILD_IS_WELL);
}

/* A second in all: SIGXCPU comes when the child has used it up, and comes again; then it is killed.
 */
static volatile int nr_warnings;

static void note_warning(int signal)
{
    nr_warnings += signal == SIGXCPU;
}

static _Noreturn void use_up(bool handles)
{
    struct sigaction action = {.sa_handler = note_warning};

    if (set_limit(RLIMIT_CPU, 1, handles ? 3 : RLIM_INFINITY) != 0 ||
        (handles && sigaction(SIGXCPU, &action, NULL) != 0))
        _exit(1);
    if (fork() == 0) {
        work_for(SEC_NS / 2); /* which is the child's own */
        _exit(0);
    }
    while (nr_warnings < 2)
        work_for(MSEC_NS);
    if (clock_ns(CLOCK_PROCESS_CPUTIME_ID) < 2 * SEC_NS)
        _exit(2);
    for (;;)
        work_for(MSEC_NS);
}

static bool cpu_time_is_bounded(void)
{
    int expected[] = {SIGXCPU, SIGKILL};
    bool ok = true;

    for (int i = 0; i < 2 && ok; i++) {
        int status = -1;
        pid_t child = fork();

        if (child == 0)
            use_up(i == 1);
        ok = KTAP_EQUAL(waitpid(child, &status, 0), child) && KTAP_TRUE(WIFSIGNALED(status)) &&
             KTAP_EQUAL(WTERMSIG(status), expected[i]);
    }
    return ok;
}

static bool check_cpu_time_of_child(void)
{
    int status = -1;
    pid_t child;

    if (!KTAP_EQUAL(set_limit(RLIMIT_CPU, 1, 1), 0))
        return false;
    child = fork();
    if (child == 0)
        work_for(10 * SEC_NS);
    return KTAP_EQUAL(waitpid(child, &status, 0), child) && KTAP_TRUE(WIFSIGNALED(status)) &&
           KTAP_EQUAL(WTERMSIG(status), SIGKILL);
}

static bool cpu_time_of_a_child_is_bounded(void)
{
    return holds_in_child(check_cpu_time_of_child);
}

/* ---- Clocks --------------------------------------------------------------------------------- */

/* The time of day by adjtimex(), to microseconds; -1: it fails. */
static long ask_timex(struct __kernel_timex *t, unsigned modes, long seconds)
{
    memset(t, 0, sizeof(*t));
    t->modes = modes;
    t->time.tv_sec = seconds;
    return syscall(__NR_adjtimex, t) == TIME_ERROR
               ? t->time.tv_sec * SEC_NS + t->time.tv_usec * (SEC_NS / 1000000)
               : -1;
}

static bool check_timex_of_user(void)
{
    struct __kernel_timex t;

    return KTAP_EQUAL(syscall(__NR_setresuid, 7, 7, 7), 0) && KTAP_TRUE(ask_timex(&t, 0, 0) > 0) &&
           KTAP_EQUAL(ask_timex(&t, ADJ_SETOFFSET, 0), -1) && KTAP_EQUAL(errno, EPERM);
}

static bool clock_can_be_stepped(void)
{
    struct __kernel_timex t;
    long before = clock_ns(CLOCK_REALTIME), now = ask_timex(&t, 0, 0), later;
    bool ok = KTAP_TRUE(now / 1000 >= before / 1000 && now <= clock_ns(CLOCK_REALTIME)) &&
              KTAP_EQUAL(t.status, STA_UNSYNC) && KTAP_EQUAL(t.tick, 10000) &&
              KTAP_EQUAL(t.freq, 0);

    later = ask_timex(&t, ADJ_SETOFFSET | ADJ_NANO, 1000);
    ok = ok && KTAP_TRUE(later >= now + 1000 * SEC_NS && later < now + 1100 * SEC_NS) &&
         KTAP_TRUE(ask_timex(&t, ADJ_SETOFFSET, -1000) > 0) &&
         KTAP_TRUE(clock_ns(CLOCK_REALTIME) < now + 900 * SEC_NS) &&
         KTAP_EQUAL(ask_timex(&t, ADJ_FREQUENCY, 0), -1) && KTAP_EQUAL(errno, EINVAL) &&
         KTAP_EQUAL(ask_timex(&t, ADJ_SETOFFSET, -(1l << 33)), -1) && KTAP_EQUAL(errno, EINVAL) &&
         KTAP_EQUAL(ask_timex(&t, ADJ_SETOFFSET, -(1l << 62)), -1) && KTAP_EQUAL(errno, EINVAL);
    memset(&t, 0, sizeof(t));
    return ok && KTAP_EQUAL(syscall(__NR_clock_adjtime, CLOCK_REALTIME, &t), TIME_ERROR) &&
           holds_in_child(check_timex_of_user);
}

static bool every_clock_runs(void)
{
    static const int clocks[] = {CLOCK_REALTIME,
                                 CLOCK_MONOTONIC,
                                 CLOCK_MONOTONIC_RAW,
                                 CLOCK_REALTIME_COARSE,
                                 CLOCK_MONOTONIC_COARSE,
                                 CLOCK_BOOTTIME,
                                 CLOCK_TAI,
                                 CLOCK_REALTIME_ALARM,
                                 CLOCK_BOOTTIME_ALARM,
                                 CLOCK_THREAD_CPUTIME_ID,
                                 CLOCK_PROCESS_CPUTIME_ID};
    struct timespec resolution;
    bool ok = true;

    for (size_t i = 0; i < KTAP_LEN(clocks); i++) {
        long before = clock_ns(clocks[i]);

        work_for(MSEC_NS);
        ok = KTAP_TRUE(before >= 0 && clock_ns(clocks[i]) >= before + MSEC_NS) &&
             KTAP_EQUAL(syscall(__NR_clock_getres, clocks[i], &resolution), 0) &&
             KTAP_TRUE(resolution.tv_sec == 0 && resolution.tv_nsec > 0) && ok;
    }
    return ok;
}

static bool cpu_clocks_have_numbers(void)
{
    int process = ~getpid() * 8 + 2, lwp = ~gettid() * 8 + 6;
    long p = clock_ns(process), l = clock_ns(lwp);

    work_for(2 * MSEC_NS);
    return KTAP_TRUE(p > 0 && clock_ns(process) >= p + 2 * MSEC_NS) &&
           KTAP_TRUE(l > 0 && clock_ns(lwp) > l) && KTAP_EQUAL(clock_ns(~0x0ffffffe * 8 + 2), -1);
}

static bool calendar_time_is_the_same_everywhere(void)
{
    struct {
        long seconds, us;
    } tv;
    long before = clock_ns(CLOCK_REALTIME), seconds, from_pointer = -1;
    bool ok = KTAP_EQUAL(syscall(__NR_gettimeofday, &tv, NULL), 0) &&
              KTAP_TRUE(tv.us >= 0 && tv.us < 1000000) &&
              KTAP_TRUE((tv.seconds * 1000000 + tv.us + 1) * 1000 >= before);

    seconds = syscall(__NR_time, &from_pointer);
    return ok && KTAP_EQUAL(from_pointer, seconds) && KTAP_TRUE(seconds >= before / SEC_NS) &&
           KTAP_TRUE(seconds <= clock_ns(CLOCK_REALTIME) / SEC_NS);
}

static bool calendar_time_can_be_set(void)
{
    long before = clock_ns(CLOCK_REALTIME), mono = clock_ns(CLOCK_MONOTONIC);
    struct timespec later = {before / SEC_NS + 1000, 0};
    bool ok = KTAP_EQUAL(syscall(__NR_clock_settime, CLOCK_REALTIME, &later), 0) &&
              KTAP_TRUE(clock_ns(CLOCK_REALTIME) >= before + 999 * SEC_NS) &&
              KTAP_TRUE(clock_ns(CLOCK_MONOTONIC) < mono + 900 * SEC_NS) &&
              FAILS(syscall(__NR_clock_settime, CLOCK_MONOTONIC, &later), EINVAL);
    struct {
        long seconds, us;
    } tv = {before / SEC_NS, 0};

    return KTAP_EQUAL(syscall(__NR_settimeofday, &tv, NULL), 0) &&
           KTAP_TRUE(clock_ns(CLOCK_REALTIME) < before + 900 * SEC_NS) && ok;
}

static void shift_calendar(long seconds)
{
    long now = clock_ns(CLOCK_REALTIME);
    struct timespec time = {now / SEC_NS + seconds, now % SEC_NS};

    syscall(__NR_clock_settime, CLOCK_REALTIME, &time);
}

static struct timespec sleep_until;

static void *sleep_by_calendar(void *unused)
{
    (void)unused;
    return (void *)syscall(__NR_clock_nanosleep, CLOCK_REALTIME, TIMER_ABSTIME, &sleep_until, NULL);
}

/* Clocks are set twice; in the end they are right again. */
static bool sleep_ends_when_the_calendar_says_so(void)
{
    long until = clock_ns(CLOCK_REALTIME) + 1000 * SEC_NS;
    thread_t thread;
    void *result = NULL;

    sleep_until = (struct timespec){until / SEC_NS, until % SEC_NS};
    if (!KTAP_EQUAL(thread_create(&thread, sleep_by_calendar, NULL), 0))
        return false;
    comes_to_wait(thread);
    shift_calendar(-2000); /* later than it was ... */
    shift_calendar(2900);
    comes_to_wait(thread);
    shift_calendar(1100); /* ... and now it is over */
    thread_join(thread, &result);
    bool ok = KTAP_EQUAL((long)result, 0) && KTAP_TRUE(clock_ns(CLOCK_REALTIME) >= until);
    shift_calendar(-2000);
    return ok;
}

/* An LWP that sleeps, or has slept. */
static bool is_through_or_sleeps(void *tid)
{
    return is_in_wait(*(pid_t *)tid) || is_in_state(*(pid_t *)tid, THRUM_LWP_STATE_ZOMBIE);
}

/* Sleeps for so long, and as long again. *was_in_time: the calendar was set back before the end. */
static bool sleeps_twice_as_long(long seconds, bool *was_in_time)
{
    long start = clock_ns(CLOCK_MONOTONIC), until = clock_ns(CLOCK_REALTIME) + seconds * SEC_NS;
    thread_t thread;
    void *result = NULL;

    sleep_until = (struct timespec){until / SEC_NS, until % SEC_NS};
    if (!KTAP_EQUAL(thread_create(&thread, sleep_by_calendar, NULL), 0) ||
        !KTAP_TRUE(ktap_wait_for(is_through_or_sleeps, &thread)))
        return false;
    shift_calendar(-seconds);
    *was_in_time = clock_ns(CLOCK_MONOTONIC) - start < seconds * SEC_NS;
    thread_join(thread, &result);
    shift_calendar(seconds);
    return KTAP_EQUAL((long)result, 0) &&
           (!*was_in_time ||
            KTAP_TRUE(clock_ns(CLOCK_MONOTONIC) - start >= 2 * seconds * SEC_NS - 10 * MSEC_NS));
}

static bool sleep_goes_on_when_the_calendar_is_set_back(void)
{
    bool was_in_time = false, ok = true;

    for (long seconds = 1; ok && !was_in_time && seconds <= 16; seconds *= 2)
        ok = sleeps_twice_as_long(seconds, &was_in_time);
    return KTAP_TRUE(was_in_time) && ok;
}

static bool sleep_lasts_as_asked(void)
{
    static const int clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME};
    struct timespec rest = {7, 7};
    bool ok = true;

    for (size_t i = 0; i < KTAP_LEN(clocks); i++) {
        long start = clock_ns(clocks[i]), end = start + 20 * MSEC_NS;
        struct timespec until = {end / SEC_NS, end % SEC_NS}, duration = {0, 20 * MSEC_NS};

        ok =
            KTAP_EQUAL(syscall(__NR_clock_nanosleep, clocks[i], TIMER_ABSTIME, &until, &rest), 0) &&
            KTAP_TRUE(clock_ns(clocks[i]) >= end) &&
            KTAP_EQUAL(syscall(__NR_clock_nanosleep, clocks[i], TIMER_ABSTIME, &until, NULL), 0) &&
            KTAP_EQUAL(syscall(__NR_clock_nanosleep, clocks[i], 0, &duration, NULL), 0) &&
            KTAP_TRUE(clock_ns(clocks[i]) >= end + 20 * MSEC_NS) && ok;
    }
    return KTAP_EQUAL(rest.tv_sec, 7) && ok;
}

static const struct ktap_test tests[] = {
    {"the system has names", system_has_names},
    {"the machine can be given another name", machine_can_be_renamed},
    {"the system tells how much memory it has", system_tells_its_memory},
    {"only root may stop the machine", machine_is_roots_to_stop},
    {"an LWP has a name", lwp_has_a_name},
    {"the CPU is one of those allowed", cpu_is_one_of_those_allowed},
    {"work is counted", work_is_counted},
    {"work of an LWP is its process's", work_of_lwps_is_the_processs},
    {"work of a child is counted when it has ended", work_of_children_is_counted_when_they_ended},
    {"faults and waits are counted", faults_and_waits_are_counted},
    {"the most memory that was used at once is remembered", most_memory_is_remembered},
    {"of children, the most that one used is told", most_memory_of_children_is_told},
    {"limits are kept, and inherited", limits_are_kept_and_inherited},
    {"descriptors are bounded", descriptors_are_bounded},
    {"memory is bounded", memory_is_bounded},
    {"data is bounded", data_is_bounded},
    {"LWPs of a user are bounded, but not root's", lwps_of_a_user_are_bounded},
    {"who becomes a user with too many LWPs cannot exec",
     who_becomes_a_user_with_too_many_cannot_exec},
    {"locked memory is bounded", locked_memory_is_bounded},
    {"all that is locked counts", all_that_is_locked_counts},
    {"locks are not inherited", locks_are_not_inherited},
    {"memory that will be locked counts", locks_to_come_count},
    {"stacks that the kernel makes are not locked", stacks_to_come_do_not_count},
    {"all of a process's memory can be locked", all_can_be_locked},
    {"the first stack is bounded, as the limit is when it grows", stack_is_bounded},
    {"there is room for as large a stack as exec finds the limit",
     stack_has_the_room_that_it_may_have},
    {"RLIMIT_AS and RLIMIT_MEMLOCK bound a stack, too", stack_is_bounded_as_other_memory},
    {"used-up CPU time is SIGXCPU, each second, and then SIGKILL", cpu_time_is_bounded},
    {"a child's CPU time is bounded as its parent's", cpu_time_of_a_child_is_bounded},
    {"adjtimex tells of the clock, and moves it", clock_can_be_stepped},
    {"every clock runs", every_clock_runs},
    {"CPU clocks have numbers", cpu_clocks_have_numbers},
    {"the calendar time is the same everywhere", calendar_time_is_the_same_everywhere},
    {"the calendar time can be set", calendar_time_can_be_set},
    {"a sleep lasts as long as asked", sleep_lasts_as_asked},
    {"a sleep ends when the calendar says so", sleep_ends_when_the_calendar_says_so},
    {"a sleep goes on when the calendar is set back", sleep_goes_on_when_the_calendar_is_set_back},
};

static int end(int argc, char **argv)
{
    (void)argc, (void)argv;
    return 0;
}

static const struct ktap_role roles[] = {{"end", end}, {"reach", reach}};

int main(int argc, char **argv)
{
    if (argc > 1)
        return ktap_play_role(roles, KTAP_LEN(roles), argc, argv);
    ktap_need_thrum();
    return ktap_main(tests, KTAP_LEN(tests));
}
