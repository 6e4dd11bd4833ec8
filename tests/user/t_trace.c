/*
 * The trace as programs see it: known things are done, and have to be in the records. On several
 * CPUs, records of one event may be on any of them; what has an order has it on each CPU.
 */

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <thread.h>
#include <thrum.h>
#include <time.h>
#include <unistd.h>

#include <sys/mman.h>
#include <sys/syscall.h>

#include "common.h"
#include "ktap.h"

#define NSEC_PER_MSEC 1000000ull
#define BIT(kind)     (1u << (kind))
#define CPUS_MAX      64
#define RECORDS_MAX   4096 /* in a ring of the usual size */
#define NR_TRIES      20   /* of what a busy host may upset */
#define CLOSED_FD     99
#define USER_END      0x7ffffffff000ul

/* What has been recorded between begin() and end(). */
static struct {
    struct thrum_trace_cursor cursor;
    struct thrum_trace_record *records;
    size_t nr_records;
} cpus[CPUS_MAX];

static long control(long operation, long events)
{
    return syscall6(THRUM_SYS_trace_control, operation, events, 0, 0, 0, 0);
}

static long read_trace(long cpu, struct thrum_trace_cursor *cursor,
                       struct thrum_trace_record *records, long nr_max)
{
    return syscall6(THRUM_SYS_trace_read, cpu, (long)cursor, (long)records, nr_max, 0, 0);
}

static void begin(unsigned events)
{
    for (size_t cpu = 0; cpu < ktap_cpus(); cpu++) {
        cpus[cpu].cursor = (struct thrum_trace_cursor){.next = THRUM_TRACE_NOW};
        cpus[cpu].nr_records = 0;
        read_trace((long)cpu, &cpus[cpu].cursor, NULL, 0);
    }
    control(THRUM_TRACE_SET, events);
}

/* Reads everything; whether the records of each CPU make sense. */
static bool end(void)
{
    bool is_ok = true;

    control(THRUM_TRACE_SET, 0);
    for (size_t cpu = 0; cpu < ktap_cpus(); cpu++) {
        uint64_t first = cpus[cpu].cursor.next, time_ns = 0;
        long nr;

        if (cpus[cpu].records == NULL)
            cpus[cpu].records = malloc(RECORDS_MAX * sizeof(struct thrum_trace_record));
        do {
            nr = read_trace((long)cpu, &cpus[cpu].cursor, cpus[cpu].records + cpus[cpu].nr_records,
                            (long)(RECORDS_MAX - cpus[cpu].nr_records));
            if (!KTAP_TRUE(nr >= 0))
                return false;
            cpus[cpu].nr_records += (size_t)nr;
        } while (nr > 0);
        is_ok = is_ok && KTAP_EQUAL((long)(cpus[cpu].cursor.next - first),
                                    (long)(cpus[cpu].nr_records + cpus[cpu].cursor.nr_lost));
        for (size_t i = 0; i < cpus[cpu].nr_records && is_ok; i++) {
            const struct thrum_trace_record *record = &cpus[cpu].records[i];

            is_ok = KTAP_EQUAL(record->cpu, (long)cpu) && KTAP_TRUE(record->time_ns >= time_ns) &&
                    KTAP_TRUE(record->kind < THRUM_TRACE_NR_KINDS);
            time_ns = record->time_ns;
        }
    }
    return is_ok;
}

/* What a record is to be like; -1: anything. */
struct wanted {
    int kind;
    long tid;
    long argument[3];
};

static bool is_wanted(const struct thrum_trace_record *record, const struct wanted *wanted)
{
    if (record->kind != wanted->kind || (wanted->tid != -1 && record->tid != wanted->tid))
        return false;
    for (int i = 0; i < 3; i++)
        if (wanted->argument[i] != -1 && (long)record->argument[i] != wanted->argument[i])
            return false;
    return true;
}

/* How many there are on all CPUs; *first: the one with the least time. */
static long count(struct wanted wanted, const struct thrum_trace_record **first)
{
    long nr = 0;

    *first = NULL;
    for (size_t cpu = 0; cpu < ktap_cpus(); cpu++) {
        for (size_t i = 0; i < cpus[cpu].nr_records; i++) {
            const struct thrum_trace_record *record = &cpus[cpu].records[i];

            if (!is_wanted(record, &wanted))
                continue;
            nr++;
            if (*first == NULL || record->time_ns < (*first)->time_ns)
                *first = record;
        }
    }
    return nr;
}

static bool check_is_there(const char *text, struct wanted wanted)
{
    const struct thrum_trace_record *first;

    if (count(wanted, &first) > 0)
        return true;
    ktap_diag("no record of: %s", text);
    return false;
}

#define IS_THERE(...) check_is_there(#__VA_ARGS__, (struct wanted){__VA_ARGS__})

/* ---- Control and reading -------------------------------------------------------------------- */

static bool nothing_is_recorded_unasked(void)
{
    struct thrum_trace_cursor cursor = {0};
    struct thrum_trace_record record;

    return KTAP_EQUAL(control(THRUM_TRACE_GET, 0), 0) &&
           KTAP_EQUAL(read_trace(0, &cursor, &record, 1), 0) && KTAP_EQUAL((long)cursor.next, 0);
}

static bool control_tells_what_was_recorded(void)
{
    long events = BIT(THRUM_TRACE_CREATE) | BIT(THRUM_TRACE_EXIT);

    return KTAP_EQUAL(control(THRUM_TRACE_SET, events), 0) &&
           KTAP_EQUAL(control(THRUM_TRACE_GET, 0), events) &&
           KTAP_EQUAL(control(THRUM_TRACE_SET, 0), events) &&
           KTAP_EQUAL(control(THRUM_TRACE_GET, 0), 0);
}

static bool impossible_events_are_einval(void)
{
    control(THRUM_TRACE_SET, BIT(THRUM_TRACE_EXIT));
    bool are_refused = KTAP_EQUAL(control(THRUM_TRACE_SET, THRUM_TRACE_ALL + 1), -EINVAL) &&
                       KTAP_EQUAL(control(THRUM_TRACE_SET, 1l << 40), -EINVAL) &&
                       KTAP_EQUAL(control(THRUM_TRACE_SET, -1), -EINVAL) &&
                       KTAP_EQUAL(control(2, 0), -EINVAL) && KTAP_EQUAL(control(-1, 0), -EINVAL);

    return KTAP_EQUAL(control(THRUM_TRACE_SET, 0), BIT(THRUM_TRACE_EXIT)) && are_refused;
}

static bool reading_checks_its_arguments(void)
{
    struct thrum_trace_cursor ahead = {.next = 1ull << 60}, last;
    struct thrum_trace_record record;
    long cpu = 0;

    begin(BIT(THRUM_TRACE_SYSCALL));
    getppid();
    if (!end())
        return false;
    while (cpus[cpu].nr_records == 0)
        cpu++;
    last = cpus[cpu].cursor;
    last.next--;
    return KTAP_EQUAL(read_trace((long)ktap_cpus(), &last, &record, 1), -EINVAL) &&
           KTAP_EQUAL(read_trace(-1, &last, &record, 1), -EINVAL) &&
           KTAP_EQUAL(read_trace(cpu, &ahead, &record, 1), -EINVAL) &&
           KTAP_EQUAL(read_trace(cpu, NULL, &record, 1), -EFAULT) &&
           KTAP_EQUAL(read_trace(cpu, &last, NULL, 1), -EFAULT) &&
           KTAP_EQUAL(read_trace(cpu, &last, (void *)(USER_END - 8), 1), -EFAULT) &&
           KTAP_EQUAL((long)last.next, (long)cpus[cpu].cursor.next - 1) &&
           KTAP_EQUAL(read_trace(cpu, &last, &record, 1), 1) &&
           KTAP_EQUAL((long)last.next, (long)cpus[cpu].cursor.next);
}

static bool what_is_overwritten_is_counted(void)
{
    const struct thrum_trace_record *first;
    size_t nr_calls = (RECORDS_MAX + 100) * ktap_cpus();
    uint64_t nr_lost = 0;

    begin(BIT(THRUM_TRACE_SYSCALL));
    for (size_t i = 0; i < nr_calls; i++)
        getppid();
    if (!end())
        return false;
    for (size_t cpu = 0; cpu < ktap_cpus(); cpu++)
        nr_lost += cpus[cpu].cursor.nr_lost;
    return KTAP_TRUE(nr_lost >= 100) &&
           KTAP_TRUE(count((struct wanted){THRUM_TRACE_SYSCALL, gettid(), {__NR_getppid, -1, -1}},
                           &first) > RECORDS_MAX / 2);
}

/* Whether nothing is recorded of this and that. */
static bool is_off(void)
{
    for (size_t cpu = 0; cpu < ktap_cpus(); cpu++) {
        cpus[cpu].cursor.next = THRUM_TRACE_NOW;
        read_trace((long)cpu, &cpus[cpu].cursor, NULL, 0);
        cpus[cpu].nr_records = 0;
    }
    getppid();
    yield();
    sleep_ns(NSEC_PER_MSEC);
    end();
    for (size_t cpu = 0; cpu < ktap_cpus(); cpu++)
        if (cpus[cpu].nr_records != 0)
            return false;
    return true;
}

/* An event of another CPU may be on its way to its ring while tracing is switched off, and come
 * late; but not again and again. */
static bool nothing_is_recorded_when_off(void)
{
    bool is_right = false;

    begin(THRUM_TRACE_ALL);
    end();
    for (int i = 0; i < NR_TRIES && !is_right; i++)
        is_right = is_off();
    return KTAP_TRUE(is_right);
}

/* ---- The life of an LWP --------------------------------------------------------------------- */

static void *leave_with(void *value)
{
    return value;
}

static bool creation_and_end_are_recorded(void)
{
    begin(BIT(THRUM_TRACE_CREATE) | BIT(THRUM_TRACE_EXIT) | BIT(THRUM_TRACE_WAKE) |
          BIT(THRUM_TRACE_SWITCH));
    thread_t lwp = start_lwp(leave_with, (void *)4711);
    thread_join(lwp, NULL);
    return end() && IS_THERE(THRUM_TRACE_CREATE, lwp, {gettid(), getpid(), -1}) &&
           IS_THERE(THRUM_TRACE_WAKE, lwp, {-1, THRUM_WAKE_NEW, gettid()}) &&
           IS_THERE(THRUM_TRACE_SWITCH, -1, {lwp, -1, -1}) &&
           IS_THERE(THRUM_TRACE_EXIT, lwp, {getpid(), 4711, -1}) &&
           IS_THERE(THRUM_TRACE_SWITCH, lwp, {-1, THRUM_SWITCH_EXIT, -1});
}

/* On one CPU, the records of one LWP's life are in its order. */
static bool a_life_is_in_order(void)
{
    if (ktap_cpus() > 1)
        return ktap_skip("the records are on several CPUs");
    begin(BIT(THRUM_TRACE_CREATE) | BIT(THRUM_TRACE_EXIT) | BIT(THRUM_TRACE_WAKE) |
          BIT(THRUM_TRACE_SWITCH));
    thread_t lwp = start_lwp(leave_with, NULL);
    thread_join(lwp, NULL);
    if (!end())
        return false;

    const struct wanted wanted[] = {
        {THRUM_TRACE_CREATE, lwp, {-1, -1, -1}},
        {THRUM_TRACE_WAKE, lwp, {0, THRUM_WAKE_NEW, -1}},
        {THRUM_TRACE_SWITCH, -1, {lwp, -1, -1}},
        {THRUM_TRACE_EXIT, lwp, {-1, -1, -1}},
        {THRUM_TRACE_SWITCH, lwp, {-1, THRUM_SWITCH_EXIT, -1}},
    };
    size_t nr_found = 0;

    for (size_t i = 0; i < cpus[0].nr_records && nr_found < KTAP_LEN(wanted); i++)
        nr_found += is_wanted(&cpus[0].records[i], &wanted[nr_found]);
    return KTAP_EQUAL((long)nr_found, (long)KTAP_LEN(wanted));
}

/* Whom a CPU goes to is who leaves it next. */
static bool switches_are_a_chain(void)
{
    for (size_t cpu = 0; cpu < ktap_cpus(); cpu++) {
        const struct thrum_trace_record *last = NULL;

        for (size_t i = 0; i < cpus[cpu].nr_records; i++) {
            const struct thrum_trace_record *record = &cpus[cpu].records[i];

            if (record->kind != THRUM_TRACE_SWITCH)
                continue;
            if (last != NULL && !KTAP_EQUAL(record->tid, (long)last->argument[0]))
                return false;
            last = record;
        }
    }
    return true;
}

static void *yield_until_zero(void *arg)
{
    _Atomic size_t *nr_to_come = arg;

    atomic_fetch_sub(nr_to_come, 1);
    while (atomic_load(nr_to_come) > 0)
        yield();
    for (int i = 0; i < 50; i++)
        yield();
    return NULL;
}

static bool yields_are_recorded_without_a_gap(void)
{
    const struct thrum_trace_record *first;
    size_t nr_lwps = 2 * ktap_cpus() + 1;
    _Atomic size_t nr_to_come = nr_lwps;
    thread_t *lwp = calloc(nr_lwps, sizeof(*lwp));

    begin(BIT(THRUM_TRACE_SWITCH));
    for (size_t i = 0; i < nr_lwps; i++)
        lwp[i] = start_lwp(yield_until_zero, &nr_to_come);
    for (size_t i = 0; i < nr_lwps; i++)
        thread_join(lwp[i], NULL);
    free(lwp);
    return end() && switches_are_a_chain() &&
           KTAP_TRUE(count((struct wanted){THRUM_TRACE_SWITCH, -1, {-1, THRUM_SWITCH_YIELD, -1}},
                           &first) > 0);
}

static void *spin_until_set(void *arg)
{
    while (!atomic_load((_Atomic int *)arg))
        __builtin_ia32_pause();
    return NULL;
}

/* More LWPs that compute than CPUs: whether the ends of their slices were seen. In any case the
 * records have to make sense. */
static bool slices_end(bool *is_right)
{
    const struct thrum_trace_record *first;
    struct wanted wanted = {THRUM_TRACE_SWITCH, -1, {-1, THRUM_SWITCH_SLICE, -1}};
    size_t nr_lwps = 2 * ktap_cpus() + 1;
    thread_t *lwp = calloc(nr_lwps, sizeof(*lwp));
    _Atomic int stop = 0;

    begin(BIT(THRUM_TRACE_SWITCH));
    for (size_t i = 0; i < nr_lwps; i++)
        lwp[i] = start_lwp(spin_until_set, &stop);
    sleep_ns(100 * NSEC_PER_MSEC);
    atomic_store(&stop, 1);
    for (size_t i = 0; i < nr_lwps; i++)
        thread_join(lwp[i], NULL);
    free(lwp);
    *is_right = end() && switches_are_a_chain() && *is_right;
    return count(wanted, &first) > 0;
}

static bool ends_of_slices_are_recorded(void)
{
    bool is_right = true, have_ended = false;

    for (int i = 0; i < NR_TRIES && !have_ended; i++)
        have_ended = slices_end(&is_right);
    return KTAP_TRUE(have_ended) && is_right;
}

/* ---- Waiting -------------------------------------------------------------------------------- */

static thread_sem_t gate;

static void *wait_at_gate(void *unused)
{
    thread_sem_wait(&gate);
    return unused;
}

/* The gate is all that it may wait for once it is counted there. */
static bool is_waiting(void *tid)
{
    return atomic_load(&gate.nr_waiting) > 0 && is_in_wait(*(thread_t *)tid);
}

static bool waiting_and_waking_are_recorded(void)
{
    begin(BIT(THRUM_TRACE_SWITCH) | BIT(THRUM_TRACE_WAKE));
    thread_sem_init(&gate, 0);
    thread_t lwp = start_lwp(wait_at_gate, NULL);
    ktap_wait_for(is_waiting, &lwp);
    sleep_ns(NSEC_PER_MSEC);
    thread_sem_post(&gate);
    thread_join(lwp, NULL);
    return end() && IS_THERE(THRUM_TRACE_SWITCH, lwp, {-1, THRUM_SWITCH_BLOCKED, -1}) &&
           IS_THERE(THRUM_TRACE_WAKE, lwp, {-1, THRUM_WAKE_EVENT, gettid()}) &&
           IS_THERE(THRUM_TRACE_WAKE, gettid(), {-1, THRUM_WAKE_TIMEOUT, -1});
}

static bool a_wait_cut_short_is_recorded(void)
{
    begin(BIT(THRUM_TRACE_WAKE));
    thread_sem_init(&gate, 0);
    thread_t lwp = start_lwp(wait_at_gate, NULL);
    ktap_wait_for(is_waiting, &lwp);
    thread_exit_target(lwp);
    thread_join(lwp, NULL);
    return end() && IS_THERE(THRUM_TRACE_WAKE, lwp, {-1, THRUM_WAKE_INTERRUPT, gettid()});
}

static void *compute_for(void *duration_ns)
{
    struct timespec now;
    uint64_t ran_ns;

    do {
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
        ran_ns = (uint64_t)now.tv_sec * 1000 * NSEC_PER_MSEC + (uint64_t)now.tv_nsec;
    } while (ran_ns < (uintptr_t)duration_ns);
    return NULL;
}

/* A record of a move that makes no sense. */
static bool is_impossible_move(const struct thrum_trace_record *record)
{
    return record->kind == THRUM_TRACE_MIGRATE &&
           (record->argument[0] >= ktap_cpus() || record->argument[1] >= ktap_cpus() ||
            record->argument[0] == record->argument[1]);
}

/*
 * One more LWP than CPUs, all with the same work: while two share a CPU, the others come to their
 * end, and an idle CPU takes one of the two. Returns how many moves were recorded; -1: nonsense.
 */
static long count_moves(void)
{
    const struct thrum_trace_record *first;
    size_t nr_lwps = ktap_cpus() + 1;
    thread_t *lwp = calloc(nr_lwps, sizeof(*lwp));
    long nr_moves = 0;

    begin(BIT(THRUM_TRACE_MIGRATE));
    for (size_t i = 0; i < nr_lwps; i++)
        lwp[i] = start_lwp(compute_for, (void *)(50 * NSEC_PER_MSEC));
    for (size_t i = 0; i < nr_lwps; i++)
        thread_join(lwp[i], NULL);
    if (!end())
        return -1;
    for (size_t i = 0; i < nr_lwps; i++)
        nr_moves += count((struct wanted){THRUM_TRACE_MIGRATE, lwp[i], {-1, -1, -1}}, &first);
    for (size_t cpu = 0; cpu < ktap_cpus(); cpu++)
        for (size_t i = 0; i < cpus[cpu].nr_records; i++)
            if (is_impossible_move(&cpus[cpu].records[i]))
                return -1;
    free(lwp);
    return nr_moves;
}

/* Where a CPU has to wait for its host, the others may have done the work by then: try again. */
static bool moves_are_recorded(void)
{
    long nr_moves = 0;

    if (ktap_cpus() == 1)
        return ktap_skip("there is one CPU");
    for (int i = 0; i < NR_TRIES && nr_moves == 0; i++)
        nr_moves = count_moves();
    return KTAP_TRUE(nr_moves > 0);
}

/* ---- System calls and faults ---------------------------------------------------------------- */

static bool system_calls_are_recorded(void)
{
    begin(BIT(THRUM_TRACE_SYSCALL) | BIT(THRUM_TRACE_RETURN));
    pid_t parent = getppid();
    close(CLOSED_FD);
    return end() && IS_THERE(THRUM_TRACE_SYSCALL, gettid(), {__NR_getppid, -1, -1}) &&
           IS_THERE(THRUM_TRACE_RETURN, gettid(), {__NR_getppid, parent, -1}) &&
           IS_THERE(THRUM_TRACE_SYSCALL, gettid(), {__NR_close, CLOSED_FD, -1}) &&
           IS_THERE(THRUM_TRACE_RETURN, gettid(), {__NR_close, -EBADF, -1}) &&
           IS_THERE(THRUM_TRACE_SYSCALL, gettid(), {THRUM_SYS_trace_control, THRUM_TRACE_SET, 0});
}

static bool page_faults_are_recorded(void)
{
    enum { PAGE = 4096 };
    char *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    const struct thrum_trace_record *first;
    struct wanted wanted = {THRUM_TRACE_FAULT, gettid(), {(long)page + 123, -1, THRUM_FAULT_WRITE}};

    begin(BIT(THRUM_TRACE_FAULT));
    ((volatile char *)page)[123] = 1;
    ((volatile char *)page)[124] = 1;
    bool is_ok = end();
    munmap(page, PAGE);
    return is_ok && KTAP_EQUAL(count(wanted, &first), 1) &&
           KTAP_TRUE(first->argument[1] > 0 && first->argument[1] < USER_END);
}

/* ---- What classes do ------------------------------------------------------------------------ */

static bool sinks_below_0(void)
{
    uint64_t deadline_ns = monotonic_ns() + KTAP_PATIENCE_NS;

    while (getlev() <= 0 && monotonic_ns() < deadline_ns)
        continue;
    return KTAP_TRUE(getlev() > 0);
}

static bool rises_to_0(void)
{
    uint64_t deadline_ns = monotonic_ns() + KTAP_PATIENCE_NS;

    while (getlev() != 0 && monotonic_ns() < deadline_ns)
        continue;
    return KTAP_EQUAL(getlev(), 0);
}

/* From level 0 down and up again, seen at each. */
static bool go_down_and_up(void)
{
    const struct thrum_trace_record *first;

    begin(BIT(THRUM_TRACE_LEVEL) | BIT(THRUM_TRACE_BOOST));
    bool is_ok = rises_to_0();
    yield();
    is_ok = is_ok && sinks_below_0();
    yield();
    is_ok = is_ok && rises_to_0();
    yield();
    return end() && is_ok &&
           count((struct wanted){THRUM_TRACE_LEVEL, gettid(), {0, -1, -1}}, &first) > 0 &&
           count((struct wanted){THRUM_TRACE_BOOST, gettid(), {-1, 0, -1}}, &first) > 0;
}

/* An emulator that has to wait for its host may be charged for an allotment at any moment. */
static bool levels_and_boosts_are_recorded(void)
{
    bool is_ok = false;

    if (getlev() < 0)
        return ktap_skip("the class has no levels");
    for (int i = 0; i < 10 && !is_ok; i++)
        is_ok = go_down_and_up();
    return KTAP_TRUE(is_ok);
}

static long first_bytes(const char *name)
{
    long bytes = 0;

    memcpy(&bytes, name, strnlen(name, sizeof(bytes)));
    return bytes;
}

/* An LWP with a guaranteed share is in the root, which is a stride queue. */
static bool changes_of_class_are_recorded(void)
{
    begin(BIT(THRUM_TRACE_CLASS));
    sleep_ns(NSEC_PER_MSEC);
    bool is_ok = KTAP_EQUAL(set_cpu_share(10), 0);
    sleep_ns(NSEC_PER_MSEC);
    is_ok = KTAP_EQUAL(set_cpu_share(0), 0) && is_ok;
    return end() && is_ok && IS_THERE(THRUM_TRACE_CLASS, gettid(), {first_bytes("stride"), 0, -1});
}

static const struct ktap_test tests[] = {
    {"nothing is recorded unless asked for", nothing_is_recorded_unasked},
    {"trace_control tells what is, and what was recorded", control_tells_what_was_recorded},
    {"impossible events are EINVAL and change nothing", impossible_events_are_einval},
    {"trace_read checks its arguments", reading_checks_its_arguments},
    {"records that were overwritten are counted", what_is_overwritten_is_counted},
    {"switched off, nothing is recorded", nothing_is_recorded_when_off},
    {"an LWP's creation and end are recorded", creation_and_end_are_recorded},
    {"an LWP's life is recorded in its order", a_life_is_in_order},
    {"yields are recorded, and switches without a gap", yields_are_recorded_without_a_gap},
    {"ends of slices are recorded", ends_of_slices_are_recorded},
    {"waiting, waking and time-outs are recorded", waiting_and_waking_are_recorded},
    {"a wait that is cut short is recorded", a_wait_cut_short_is_recorded},
    {"moves to another CPU are recorded", moves_are_recorded},
    {"system calls and what they return are recorded", system_calls_are_recorded},
    {"page faults are recorded", page_faults_are_recorded},
    {"changes of level and boosts are recorded", levels_and_boosts_are_recorded},
    {"changes of class are recorded", changes_of_class_are_recorded},
};

int main(void)
{
    ktap_need_thrum();
    return ktap_main(tests, KTAP_LEN(tests));
}
