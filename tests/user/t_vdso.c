/*
 * The vDSO (vdso(7)): functions that the kernel puts into every program, so that it knows the time
 * without a system call. What they say has to be what the calls say.
 */

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <thread.h>
#include <time.h>
#include <unistd.h>

#include <linux/elf.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "common.h"
#include "ktap.h"

#define SEC_NS      1000000000l
#define NR_READERS  4
#define SLACK_NS    (1000 * SEC_NS) /* for CPUs whose host is busy */
#define VERSION_ALL 0x7fff          /* vd_ndx without the bit that hides a symbol */

struct time_us {
    long seconds, us;
};

static struct {
    int (*clock_gettime)(int clock, struct timespec *now);
    int (*gettimeofday)(struct time_us *now, void *zone);
    long (*time)(long *now);
    int (*getcpu)(unsigned *cpu, unsigned *node, void *unused);
} vdso;

/* ---- Finding them --------------------------------------------------------------------------- */

/* Where a table of the dynamic section is; NULL: it has none. */
static const void *table(const char *base, long tag)
{
    const Elf64_Ehdr *header = (const Elf64_Ehdr *)base;
    const Elf64_Phdr *segments = (const Elf64_Phdr *)(base + header->e_phoff);

    for (int i = 0; i < header->e_phnum; i++) {
        if (segments[i].p_type != PT_DYNAMIC)
            continue;
        for (const Elf64_Dyn *entry = (const Elf64_Dyn *)(base + segments[i].p_vaddr);
             entry->d_tag != DT_NULL; entry++) {
            if (entry->d_tag == tag)
                return base + entry->d_un.d_ptr;
        }
    }
    return NULL;
}

/* The hash of symbol names (System V ABI, figure 5-13). */
static uint32_t hash_of(const char *name)
{
    uint32_t hash = 0;

    for (; *name != '\0'; name++) {
        hash = (hash << 4) + (unsigned char)*name;
        hash = (hash ^ (hash >> 28) << 4) & 0x0fffffff;
    }
    return hash;
}

/* The name of the version with that number. */
static const char *version_name(const char *base, uint16_t number)
{
    struct verdef {
        uint16_t version, flags, number, nr_names;
        uint32_t hash, names_at, next_at;
    };
    const char *at = table(base, DT_VERDEF), *strings = table(base, DT_STRTAB);

    for (;;) {
        const struct verdef *def = (const struct verdef *)at;

        if (def->number == (number & VERSION_ALL))
            return strings + *(const uint32_t *)(at + def->names_at);
        if (def->next_at == 0)
            return "";
        at += def->next_at;
    }
}

/* The function of that name in version LINUX_2.6, by the hash table, as dynamic linkers do it. */
static void *find(const char *name)
{
    char *base = (char *)getauxval(AT_SYSINFO_EHDR);
    const uint32_t *hash = table(base, DT_HASH);
    const Elf64_Sym *symbols = table(base, DT_SYMTAB);
    const char *strings = table(base, DT_STRTAB);
    const uint16_t *versions = table(base, DT_VERSYM);

    for (uint32_t i = hash[2 + hash_of(name) % hash[0]]; i != 0; i = hash[2 + hash[0] + i]) {
        if (strcmp(strings + symbols[i].st_name, name) == 0 &&
            ELF_ST_TYPE(symbols[i].st_info) == STT_FUNC &&
            strcmp(version_name(base, versions[i]), "LINUX_2.6") == 0)
            return base + symbols[i].st_value;
    }
    return NULL;
}

static bool functions_are_there(void)
{
    const char *base = (const char *)getauxval(AT_SYSINFO_EHDR);

    if (base == NULL || !KTAP_EQUAL(memcmp(base, ELFMAG, SELFMAG), 0) ||
        !KTAP_EQUAL(((const Elf64_Ehdr *)base)->e_type, ET_DYN))
        exit(1); /* nothing of the rest makes sense */
    vdso.clock_gettime = find("__vdso_clock_gettime");
    vdso.gettimeofday = find("__vdso_gettimeofday");
    vdso.time = find("__vdso_time");
    vdso.getcpu = find("__vdso_getcpu");
    if (!KTAP_TRUE(vdso.clock_gettime != NULL) || !KTAP_TRUE(vdso.gettimeofday != NULL) ||
        !KTAP_TRUE(vdso.time != NULL) || !KTAP_TRUE(vdso.getcpu != NULL))
        exit(1);
    return KTAP_TRUE(find("__vdso_nothing") == NULL);
}

/* ---- The time ------------------------------------------------------------------------------- */

static long ns_of(const struct timespec *t)
{
    return t->tv_sec * SEC_NS + t->tv_nsec;
}

static long call_ns(int clock)
{
    struct timespec now;

    return syscall(__NR_clock_gettime, clock, &now) == 0 ? ns_of(&now) : -1;
}

static long vdso_ns(int clock)
{
    struct timespec now = {-1, -1};

    if (vdso.clock_gettime(clock, &now) != 0 || now.tv_nsec < 0 || now.tv_nsec >= SEC_NS)
        return -1;
    return ns_of(&now);
}

static const int all_clocks[] = {CLOCK_REALTIME,
                                 CLOCK_MONOTONIC,
                                 CLOCK_PROCESS_CPUTIME_ID,
                                 CLOCK_THREAD_CPUTIME_ID,
                                 CLOCK_MONOTONIC_RAW,
                                 CLOCK_REALTIME_COARSE,
                                 CLOCK_MONOTONIC_COARSE,
                                 CLOCK_BOOTTIME,
                                 CLOCK_REALTIME_ALARM,
                                 CLOCK_BOOTTIME_ALARM,
                                 CLOCK_TAI};

static bool time_is_that_of_the_calls(void)
{
    for (size_t i = 0; i < KTAP_LEN(all_clocks); i++) {
        for (int round = 0; round < 100; round++) {
            long before = call_ns(all_clocks[i]), now = vdso_ns(all_clocks[i]);

            if (!KTAP_TRUE(before > 0) || !KTAP_TRUE(now >= before) ||
                !KTAP_TRUE(call_ns(all_clocks[i]) >= now)) {
                ktap_diag("clock %d", all_clocks[i]);
                return false;
            }
        }
    }
    return true;
}

static bool other_clocks_are_refused(void)
{
    static const int clocks[] = {10, 12, 31, 32, 33, 1000, -1, INT32_MIN, INT32_MAX};
    struct timespec now;
    bool ok = true;

    for (size_t i = 0; i < KTAP_LEN(clocks); i++)
        ok = KTAP_EQUAL(vdso.clock_gettime(clocks[i], &now), -EINVAL) && ok;
    /* The CPU clock of a process, which the call knows. */
    return KTAP_EQUAL(vdso.clock_gettime(~getpid() * 8 + 2, &now), 0) && ok;
}

static bool calendar_time_is_the_same_everywhere(void)
{
    struct time_us now = {0, -1};
    int zone[2] = {7, 7};
    long before = call_ns(CLOCK_REALTIME), seconds, stored = -1;
    bool ok = KTAP_EQUAL(vdso.gettimeofday(&now, zone), 0) &&
              KTAP_TRUE(now.us >= 0 && now.us < 1000000) &&
              KTAP_TRUE((now.seconds * 1000000 + now.us + 1) * 1000 > before) &&
              KTAP_TRUE((now.seconds * 1000000 + now.us) * 1000 <= call_ns(CLOCK_REALTIME)) &&
              KTAP_EQUAL(zone[0], 0) && KTAP_EQUAL(zone[1], 0) &&
              KTAP_EQUAL(vdso.gettimeofday(NULL, NULL), 0);

    before = call_ns(CLOCK_REALTIME);
    seconds = vdso.time(&stored);
    return KTAP_TRUE(seconds >= before / SEC_NS && seconds <= call_ns(CLOCK_REALTIME) / SEC_NS) &&
           KTAP_EQUAL(stored, seconds) && KTAP_TRUE(vdso.time(NULL) >= seconds) && ok;
}

static void allow_cpus(unsigned long mask)
{
    syscall(__NR_sched_setaffinity, 0, sizeof(mask), &mask);
}

static bool time_goes_on_when_the_cpu_changes(void)
{
    long last = 0;
    bool ok = true;

    for (size_t i = 0; i < 20 * ktap_cpus() && ok; i++) {
        unsigned cpu = 99, node = 99;
        long now;

        allow_cpus(1ul << i % ktap_cpus());
        now = vdso_ns(CLOCK_MONOTONIC);
        ok = KTAP_TRUE(now >= last) && KTAP_EQUAL(vdso.getcpu(&cpu, &node, NULL), 0) &&
             KTAP_EQUAL(cpu, (long)(i % ktap_cpus())) && KTAP_EQUAL(node, 0) &&
             KTAP_EQUAL(vdso.getcpu(NULL, NULL, NULL), 0);
        last = now;
    }
    allow_cpus(~0ul);
    return ok;
}

static atomic_long latest_ns;
static atomic_bool is_over;

/* Whether every time is at or after one that somebody had read before. */
static void *read_after_others(void *arg)
{
    size_t nr = ktap_times(200000);

    (void)arg;
    for (size_t i = 0; i < nr; i++) {
        long seen = atomic_load(&latest_ns);
        long now = i % 8 == 0 ? call_ns(CLOCK_MONOTONIC) : vdso_ns(CLOCK_MONOTONIC);

        if (now < seen)
            return (void *)(seen - now);
        while (seen < now && !atomic_compare_exchange_weak(&latest_ns, &seen, now))
            ;
    }
    return NULL;
}

static bool in_readers(void *(*function)(void *))
{
    thread_t readers[NR_READERS];
    bool ok = true;

    for (int i = 0; i < NR_READERS; i++)
        ok = KTAP_EQUAL(thread_create(&readers[i], function, NULL), 0) && ok;
    for (int i = 0; i < NR_READERS && ok; i++) {
        void *result = &result;

        ok = KTAP_EQUAL(thread_join(readers[i], &result), 0) && KTAP_EQUAL((long)result, 0);
    }
    return ok;
}

static bool time_never_goes_back_between_cpus(void)
{
    return in_readers(read_after_others);
}

static void set_realtime(long ns)
{
    struct timespec t = {ns / SEC_NS, ns % SEC_NS};

    if (syscall(__NR_clock_settime, CLOCK_REALTIME, &t) != 0)
        ktap_diag("clock_settime: %d", errno);
}

/* ns: how far the clock has been set forward in all; it is counted before the clock is set. */
static atomic_long about_to_ns, done_ns;

/* arg: what the calendar's clock was ahead of the monotonic one by, before it was set. */
static void *read_while_it_is_set(void *arg)
{
    long base = *(const long *)arg;

    while (!atomic_load(&is_over)) {
        long least = atomic_load(&done_ns);
        long mono = vdso_ns(CLOCK_MONOTONIC), now = vdso_ns(CLOCK_REALTIME);
        long after = vdso_ns(CLOCK_MONOTONIC);

        /* At least what was set before, at most what was being set, and never half of a word. */
        if (now < base + mono + least - SLACK_NS ||
            now > base + after + atomic_load(&about_to_ns) + SLACK_NS)
            return (void *)now;
    }
    return NULL;
}

static bool time_that_is_set_is_seen(void)
{
    const long step_ns = 100000 * SEC_NS + 1;
    long offset = call_ns(CLOCK_REALTIME) - call_ns(CLOCK_MONOTONIC);
    thread_t reader;
    void *result = NULL;
    bool ok = KTAP_EQUAL(thread_create(&reader, read_while_it_is_set, &offset), 0);

    yield();
    for (int i = 1; i <= 50 && ok; i++) {
        long before = vdso_ns(CLOCK_REALTIME), mono = vdso_ns(CLOCK_MONOTONIC);

        atomic_store(&about_to_ns, i * step_ns);
        set_realtime(offset + mono + i * step_ns);
        atomic_store(&done_ns, i * step_ns);
        ok = KTAP_TRUE(vdso_ns(CLOCK_REALTIME) - before >= step_ns - SLACK_NS) &&
             KTAP_TRUE(vdso_ns(CLOCK_MONOTONIC) - mono < SLACK_NS);
    }
    atomic_store(&is_over, true);
    ok = KTAP_EQUAL(thread_join(reader, &result), 0) && KTAP_EQUAL((long)result, 0) && ok;
    set_realtime(offset + call_ns(CLOCK_MONOTONIC));
    return ok;
}

/* ---- The page ------------------------------------------------------------------------------- */

static void write_to_page(void *arg)
{
    *(volatile char *)arg = 0;
}

static void read_time(void *arg)
{
    long before = call_ns(CLOCK_REALTIME);

    (void)arg;
    exit(vdso_ns(CLOCK_REALTIME) >= before ? CHILD_IS_WELL : 1);
}

static bool page_cannot_be_written(void)
{
    char *base = (char *)getauxval(AT_SYSINFO_EHDR);
    bool ok = true;

    for (int i = 0; i < 4096; i += 1365) {
        int status = 0;
        pid_t child = start_child(write_to_page, base + i);

        ok = KTAP_EQUAL(waitpid(child, &status, 0), child) && KTAP_TRUE(WIFSIGNALED(status)) &&
             KTAP_EQUAL(WTERMSIG(status), SIGSEGV) && ok;
    }
    return ok;
}

static bool child_has_it_too(void)
{
    int status = 0;
    pid_t child = start_child(read_time, NULL);

    return KTAP_EQUAL(waitpid(child, &status, 0), child) && KTAP_TRUE(WIFEXITED(status)) &&
           KTAP_EQUAL(WEXITSTATUS(status), CHILD_IS_WELL);
}

static const struct ktap_test tests[] = {
    {"the functions are there, in version LINUX_2.6", functions_are_there},
    {"the time is that of the system call, of every clock", time_is_that_of_the_calls},
    {"clocks that there are not are refused", other_clocks_are_refused},
    {"the calendar time is the same everywhere", calendar_time_is_the_same_everywhere},
    {"the time goes on when the CPU changes, which is known", time_goes_on_when_the_cpu_changes},
    {"the time never goes back between CPUs", time_never_goes_back_between_cpus},
    {"calendar time that is set is seen", time_that_is_set_is_seen},
    {"the page cannot be written", page_cannot_be_written},
    {"a child has it, too", child_has_it_too},
};

int main(void)
{
    ktap_need_thrum();
    return ktap_main(tests, KTAP_LEN(tests));
}
