/*
 * The native runtime: text, numbers, memory, output, and what threads wait with. All but the tests
 * with threads also run on Linux, whose ABI is ours.
 */

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <thread.h>
#include <thrum.h>
#include <unistd.h>

#include "ktap.h"

enum { NR_LWPS = 4 };

/* Text. */

static bool is_text(const char *seen, const char *want)
{
    if (strcmp(seen, want) == 0)
        return true;
    ktap_diag("\"%s\", not \"%s\"", seen, want);
    return false;
}

static bool formats_are_right(void)
{
    char text[128];

    snprintf(text, sizeof(text), "%d|%5d|%-5d|%05d|%+d|%x|%#x|%lu|%zu|%c|%s|%.2s|%%", -1, 42, 42,
             42, 42, 255, 255, ULONG_MAX, (size_t)7, 'c', "text", "text");
    return is_text(text, "-1|   42|42   |00042|+42|ff|0xff|18446744073709551615|7|c|text|te|%");
}

static bool long_output_is_cut(void)
{
    char text[8];
    int length = snprintf(text, sizeof(text), "0123456789");

    return KTAP_EQUAL(length, 10) && is_text(text, "0123456");
}

static bool copies_are_right(void)
{
    char from[300], to[300];
    long nr_wrong = 0;

    for (size_t i = 0; i < sizeof(from); i++)
        from[i] = (char)(i * 7);
    for (size_t length = 0; length < 130; length++)
        for (size_t offset = 0; offset < 17; offset++) {
            memset(to, 0x55, sizeof(to));
            memcpy(to + offset, from + 3, length);
            nr_wrong += memcmp(to + offset, from + 3, length) != 0;
            nr_wrong += to[offset + length] != 0x55 || (offset > 0 && to[offset - 1] != 0x55);
        }
    return KTAP_EQUAL(nr_wrong, 0);
}

static bool overlapping_moves_are_right(void)
{
    char seen[200], want[200];
    long nr_wrong = 0;

    for (size_t from = 40; from < 60; from++)
        for (size_t to = 30; to < 70; to++) {
            for (size_t i = 0; i < sizeof(seen); i++)
                seen[i] = want[i] = (char)i;
            for (size_t i = 0; i < 100; i++)
                want[to + i] = (char)(from + i);
            memmove(seen + to, seen + from, 100);
            nr_wrong += memcmp(seen, want, sizeof(seen)) != 0;
        }
    return KTAP_EQUAL(nr_wrong, 0);
}

static bool searches_are_right(void)
{
    const char *s = "a needle in a haystack";

    return KTAP_TRUE(strchr(s, 'n') == s + 2) && KTAP_TRUE(strrchr(s, 'a') == s + 19) &&
           KTAP_TRUE(strstr(s, "in a") == s + 9) && KTAP_TRUE(strstr(s, "pin") == NULL) &&
           KTAP_TRUE(strchr(s, '\0') == s + strlen(s)) && KTAP_TRUE(strstr("", "") != NULL) &&
           KTAP_EQUAL((long)strcspn(s, " "), 1) && KTAP_EQUAL((long)strspn(s, "a ndle"), 9);
}

static bool comparisons_are_right(void)
{
    return KTAP_TRUE(strcmp("a", "b") < 0) && KTAP_TRUE(strcmp("\xff", "a") > 0) &&
           KTAP_TRUE(strcmp("ab", "a") > 0) && KTAP_EQUAL(strncmp("abc", "abd", 2), 0) &&
           KTAP_TRUE(memcmp("\x80", "\x7f", 1) > 0);
}

static bool numbers_are_read(void)
{
    char *end;

    return KTAP_EQUAL(strtol("  -42x", &end, 10), -42) && KTAP_TRUE(*end == 'x') &&
           KTAP_EQUAL(strtol("0x1F", NULL, 0), 31) && KTAP_EQUAL(strtol("017", NULL, 0), 15) &&
           KTAP_EQUAL(strtol("0x", &end, 16), 0) && KTAP_TRUE(*end == 'x') &&
           KTAP_EQUAL(strtol("zz", NULL, 36), 35 * 36 + 35) && KTAP_EQUAL(atoi("123"), 123) &&
           KTAP_EQUAL(strtol("-9223372036854775808", NULL, 10), LONG_MIN);
}

static bool numbers_out_of_range_are_erange(void)
{
    errno = 0;
    return KTAP_EQUAL(strtol("9223372036854775808", NULL, 10), LONG_MAX) &&
           KTAP_EQUAL(errno, ERANGE) &&
           KTAP_EQUAL(strtol("-99999999999999999999", NULL, 10), LONG_MIN) &&
           KTAP_TRUE(strtoul("99999999999999999999", NULL, 10) == ULONG_MAX);
}

static bool text_that_is_no_number_is_left(void)
{
    const char *text = "  +x";
    char *end;

    return KTAP_EQUAL(strtol(text, &end, 10), 0) && KTAP_TRUE(end == text);
}

static bool characters_are_classified(void)
{
    int nr_digits = 0, nr_letters = 0, nr_spaces = 0;

    for (int c = 0; c < 256; c++) {
        nr_digits += isdigit(c);
        nr_letters += isalpha(c);
        nr_spaces += isspace(c);
    }
    return KTAP_EQUAL(nr_digits, 10) && KTAP_EQUAL(nr_letters, 52) && KTAP_EQUAL(nr_spaces, 6) &&
           KTAP_EQUAL(toupper('q'), 'Q') && KTAP_EQUAL(tolower('!'), '!');
}

static bool errors_have_texts(void)
{
    return KTAP_TRUE(strlen(strerror(ENOMEM)) > 0) && is_text(strerror(12345), "unknown error") &&
           is_text(strerror(-1), "unknown error");
}

/* Memory. */

struct piece {
    unsigned char *bytes;
    size_t nr_bytes;
};

static bool is_piece_intact(const struct piece *piece, unsigned char mark)
{
    for (size_t i = 0; i < piece->nr_bytes; i++)
        if (piece->bytes[i] != mark)
            return false;
    return true;
}

/* Allocates, resizes and frees by chance; returns how many pieces were found damaged. */
static long use_heap(uint32_t seed, size_t nr_steps)
{
    enum { NR_PIECES = 100 };
    struct piece pieces[NR_PIECES] = {0};
    long nr_damaged = 0;

    for (size_t step = 0; step < nr_steps; step++) {
        seed = seed * 1664525 + 1013904223; /* Numerical Recipes' generator */
        size_t index = (seed >> 8) % NR_PIECES;
        struct piece *piece = &pieces[index];
        size_t nr_bytes = (seed >> 16) % ((seed & 0x70) == 0 ? 100000 : 300);

        nr_damaged += !is_piece_intact(piece, (unsigned char)index);
        if (seed & 0x80000000) {
            free(piece->bytes);
            *piece = (struct piece){0};
            continue;
        }
        unsigned char *bytes = realloc(piece->bytes, nr_bytes);
        if (!bytes)
            return -1;
        size_t nr_kept = piece->nr_bytes < nr_bytes ? piece->nr_bytes : nr_bytes;
        *piece = (struct piece){bytes, nr_kept};
        nr_damaged += !is_piece_intact(piece, (unsigned char)index);
        nr_damaged += (uintptr_t)bytes % 16 != 0;
        piece->nr_bytes = nr_bytes;
        memset(bytes, (int)index, nr_bytes);
    }
    for (size_t i = 0; i < NR_PIECES; i++)
        free(pieces[i].bytes);
    return nr_damaged;
}

static bool heap_keeps_its_pieces_apart(void)
{
    return KTAP_EQUAL(use_heap(1, 5000), 0);
}

static bool calloc_zeroes(void)
{
    unsigned char *dirty = malloc(1000);

    memset(dirty, 0xff, 1000);
    free(dirty);
    struct piece piece = {calloc(10, 100), 1000};
    bool is_zeroed = is_piece_intact(&piece, 0);
    free(piece.bytes);
    return KTAP_TRUE(is_zeroed);
}

static bool impossible_allocations_are_enomem(void)
{
    errno = 0;
    volatile size_t huge = SIZE_MAX;
    return KTAP_TRUE(malloc(huge) == NULL) && KTAP_EQUAL(errno, ENOMEM) &&
           KTAP_TRUE(malloc(huge / 2) == NULL) && KTAP_TRUE(calloc(huge / 2, 3) == NULL);
}

static bool empty_allocations_are_distinct(void)
{
    void *a = malloc(0), *b = malloc(0);
    bool is_right = KTAP_TRUE(a && b && a != b);

    free(a);
    free(b);
    free(NULL);
    return is_right;
}

static bool resizing_keeps_contents(void)
{
    char *text = strdup("kept");
    bool is_right = true;

    for (size_t size = 8; size < 1000000; size *= 3) {
        text = realloc(text, size);
        is_right = is_right && text && strcmp(text, "kept") == 0;
    }
    text = realloc(text, 8);
    is_right = is_right && text && strcmp(text, "kept") == 0;
    free(text);
    return KTAP_TRUE(is_right);
}

/* Start and environment. */

static int constructor_ran_at_argc;

__attribute__((constructor)) static void note_constructor(int argc)
{
    constructor_ran_at_argc = argc;
}

static bool constructors_run(void)
{
    return KTAP_TRUE(constructor_ran_at_argc >= 1);
}

static bool environment_is_searched(void)
{
    char *variables[] = {"LONGER=1", "LONG=2", NULL};
    char **saved = environ;

    environ = variables;
    bool is_right = is_text(getenv("LONG"), "2") && KTAP_TRUE(getenv("LON") == NULL);
    environ = saved;
    return is_right;
}

static _Thread_local int thread_local_data = 77;
static _Thread_local char thread_local_zero[1000] __attribute__((aligned(256)));

static bool first_lwp_has_thread_locals(void)
{
    return KTAP_EQUAL(thread_local_data, 77) && KTAP_EQUAL(thread_local_zero[999], 0) &&
           KTAP_EQUAL((long)((uintptr_t)thread_local_zero % 256), 0);
}

static void one(void)
{
}

static bool atexit_is_limited(void)
{
    int nr_accepted = 0;

    while (nr_accepted < 1000 && atexit(one) == 0)
        nr_accepted++;
    return KTAP_TRUE(nr_accepted >= 32 && nr_accepted < 1000);
}

/* Threads. */

static bool no_threads;

static bool run_all(void *(*function)(void *), long *sum)
{
    thread_t lwp[NR_LWPS];

    *sum = 0;
    for (intptr_t i = 0; i < NR_LWPS; i++)
        if (thread_create(&lwp[i], function, (void *)i) != 0) {
            no_threads = errno == ENOSYS;
            return false;
        }
    for (int i = 0; i < NR_LWPS; i++) {
        void *value = NULL;
        thread_join(lwp[i], &value);
        *sum += (long)value;
    }
    return true;
}

/* Runs `function` in NR_LWPS threads; the sum of what they return has to be `want`. */
static bool all_return(void *(*function)(void *), long want)
{
    long sum;

    if (!run_all(function, &sum))
        return no_threads ? ktap_skip("no threads") : KTAP_EQUAL(errno, 0);
    return KTAP_EQUAL(sum, want);
}

static thread_mutex_t counter_lock;
static volatile long counter;

static void *count_with_lock(void *arg)
{
    size_t nr_rounds = ktap_times(20000);

    (void)arg;
    for (size_t i = 0; i < nr_rounds; i++) {
        thread_mutex_lock(&counter_lock);
        counter = counter + 1;
        if (i % 64 == 0)
            yield();
        thread_mutex_unlock(&counter_lock);
    }
    return NULL;
}

static bool mutex_excludes(void)
{
    counter = 0;
    return all_return(count_with_lock, 0) &&
           (no_threads || KTAP_EQUAL(counter, NR_LWPS * (long)ktap_times(20000)));
}

static bool trylock_does_not_wait(void)
{
    thread_mutex_t mutex = THREAD_MUTEX_INIT;
    bool is_right =
        KTAP_TRUE(thread_mutex_trylock(&mutex)) && KTAP_TRUE(!thread_mutex_trylock(&mutex));

    thread_mutex_unlock(&mutex);
    return is_right && KTAP_TRUE(thread_mutex_trylock(&mutex));
}

/* A buffer of one number: two threads put, two take. */
static thread_mutex_t slot_lock;
static thread_cond_t slot_changed;
static long slot;

static void *put_or_take(void *arg)
{
    size_t nr_rounds = ktap_times(2000);
    bool puts = (intptr_t)arg % 2 == 0;
    long sum = 0;

    for (size_t i = 1; i <= nr_rounds; i++) {
        thread_mutex_lock(&slot_lock);
        while ((slot != 0) == puts)
            thread_cond_wait(&slot_changed, &slot_lock);
        sum += puts ? -(long)i : slot;
        slot = puts ? (long)i : 0;
        thread_cond_broadcast(&slot_changed);
        thread_mutex_unlock(&slot_lock);
    }
    return (void *)sum;
}

static bool condition_variable_loses_nothing(void)
{
    return all_return(put_or_take, 0);
}

static thread_mutex_t turn_lock;
static thread_cond_t turn_came[NR_LWPS];
static size_t turn;

static void *take_turns(void *arg)
{
    size_t self = (size_t)arg, nr_rounds = ktap_times(1000);

    for (size_t i = 0; i < nr_rounds; i++) {
        thread_mutex_lock(&turn_lock);
        while (turn != self)
            thread_cond_wait(&turn_came[self], &turn_lock);
        turn = (turn + 1) % NR_LWPS;
        thread_cond_signal(&turn_came[turn]);
        thread_mutex_unlock(&turn_lock);
    }
    return (void *)nr_rounds;
}

static bool signal_wakes_the_one_that_waits(void)
{
    return all_return(take_turns, NR_LWPS * (long)ktap_times(1000));
}

static thread_sem_t two_places = THREAD_SEM_INIT(2);
static _Atomic int nr_inside;

static void *enter_and_leave(void *arg)
{
    size_t nr_rounds = ktap_times(2000);
    long nr_crowded = 0;

    (void)arg;
    for (size_t i = 0; i < nr_rounds; i++) {
        thread_sem_wait(&two_places);
        nr_crowded += atomic_fetch_add(&nr_inside, 1) >= 2;
        yield();
        atomic_fetch_sub(&nr_inside, 1);
        thread_sem_post(&two_places);
    }
    return (void *)nr_crowded;
}

static bool semaphore_counts(void)
{
    return all_return(enter_and_leave, 0) && KTAP_TRUE(thread_sem_trywait(&two_places)) &&
           KTAP_TRUE(thread_sem_trywait(&two_places)) &&
           KTAP_TRUE(!thread_sem_trywait(&two_places));
}

static thread_barrier_t barrier = THREAD_BARRIER_INIT(NR_LWPS);
static _Atomic long nr_arrived;

static void *meet(void *arg)
{
    size_t nr_rounds = ktap_times(500);
    long nr_wrong = 0;

    (void)arg;
    for (size_t i = 0; i < nr_rounds; i++) {
        atomic_fetch_add(&nr_arrived, 1);
        thread_barrier_wait(&barrier);
        nr_wrong += atomic_load(&nr_arrived) < (long)(i + 1) * NR_LWPS;
        thread_barrier_wait(&barrier);
    }
    return (void *)nr_wrong;
}

static bool barrier_holds_all_back(void)
{
    return all_return(meet, 0);
}

static void *count_last_arrivals(void *arg)
{
    size_t nr_rounds = ktap_times(500);
    long nr_last = 0;

    (void)arg;
    for (size_t i = 0; i < nr_rounds; i++)
        nr_last += thread_barrier_wait(&barrier);
    return (void *)nr_last;
}

static bool one_arrives_last(void)
{
    return all_return(count_last_arrivals, (long)ktap_times(500));
}

static thread_once_t once;
static _Atomic int nr_initialised;

static void initialise(void)
{
    yield();
    atomic_fetch_add(&nr_initialised, 1);
}

static void *initialise_once(void *arg)
{
    (void)arg;
    thread_once(&once, initialise);
    return (void *)(intptr_t)nr_initialised;
}

static bool once_is_once(void)
{
    return all_return(initialise_once, NR_LWPS);
}

static void *use_heap_with_others(void *arg)
{
    return (void *)use_heap((uint32_t)(uintptr_t)arg + 10, ktap_times(4000));
}

static bool heap_is_thread_safe(void)
{
    return all_return(use_heap_with_others, 0);
}

/* Blocks that one thread allocates and another one frees. */
static thread_mutex_t exchange_lock;
static struct piece exchange[16];

static void *exchange_pieces(void *arg)
{
    size_t nr_rounds = ktap_times(4000);
    long nr_damaged = 0;

    for (size_t i = 0; i < nr_rounds; i++) {
        size_t place = (i * 7 + (size_t)arg) % KTAP_LEN(exchange);
        struct piece mine = {malloc(i % 200 + 1), i % 200 + 1};
        memset(mine.bytes, (int)place, mine.nr_bytes);

        thread_mutex_lock(&exchange_lock);
        struct piece other = exchange[place];
        exchange[place] = mine;
        thread_mutex_unlock(&exchange_lock);

        nr_damaged += !is_piece_intact(&other, (unsigned char)place);
        free(other.bytes);
    }
    return (void *)nr_damaged;
}

static bool any_thread_may_free(void)
{
    return all_return(exchange_pieces, 0);
}

static void *leave_with_own_number(void *arg)
{
    if ((intptr_t)arg % 2 == 0)
        thread_exit((void *)(long)gettid());
    return (void *)(long)gettid();
}

static bool joiner_gets_the_value(void)
{
    bool is_right = true;

    for (intptr_t i = 0; i < NR_LWPS && is_right && !no_threads; i++) {
        thread_t lwp;
        void *value = NULL;
        is_right = KTAP_EQUAL(thread_create(&lwp, leave_with_own_number, (void *)i), 0) &&
                   KTAP_EQUAL(thread_join(lwp, &value), 0) && KTAP_EQUAL((long)value, lwp) &&
                   KTAP_TRUE(lwp != gettid());
    }
    return no_threads ? ktap_skip("no threads") : is_right;
}

static void *sleep_for_ever(void *arg)
{
    (void)arg;
    for (;;)
        sleep(1000);
}

static bool target_ends(void)
{
    thread_t lwp;
    void *value = NULL;

    if (no_threads)
        return ktap_skip("no threads");
    return KTAP_EQUAL(thread_create(&lwp, sleep_for_ever, NULL), 0) &&
           KTAP_EQUAL(thread_exit_target(lwp), 0) && KTAP_EQUAL(thread_join(lwp, &value), 0) &&
           KTAP_TRUE(value == THREAD_CANCELED) && KTAP_EQUAL(thread_exit_target(lwp), -1) &&
           KTAP_EQUAL(errno, ESRCH);
}

static bool share_is_taken_and_given_back(void)
{
    if (no_threads)
        return ktap_skip("no threads");

    int level = getlev();
    bool is_right = KTAP_EQUAL(set_cpu_share(-1), -1) && KTAP_EQUAL(errno, EINVAL) &&
                    KTAP_EQUAL(set_cpu_share(101), -1) && KTAP_EQUAL(errno, EINVAL) &&
                    KTAP_EQUAL(set_cpu_share(10), 0) && KTAP_EQUAL(getlev(), -1);
    return KTAP_EQUAL(set_cpu_share(0), 0) && KTAP_TRUE((getlev() < 0) == (level < 0)) && is_right;
}

static void *use_thread_locals(void *arg)
{
    long nr_wrong = thread_local_data != 77 || thread_local_zero[999] != 0 || errno != 0;

    for (size_t i = 0; i < ktap_times(500); i++) {
        thread_local_data = thread_local_zero[999] = (char)(intptr_t)arg;
        errno = (int)(intptr_t)arg;
        yield();
        nr_wrong += thread_local_data != (intptr_t)arg || errno != (intptr_t)arg;
        nr_wrong += thread_local_zero[999] != (intptr_t)arg;
    }
    return (void *)nr_wrong;
}

static bool every_thread_has_thread_locals(void)
{
    return all_return(use_thread_locals, 0) && (no_threads || KTAP_EQUAL(thread_local_data, 77));
}

#define LINES_PATH "/tmp/runtime.lines"

/* A line of up to 100 times the thread's letter, in several pieces of the format. */
static void *print_lines(void *arg)
{
    char text[101];

    memset(text, 'a' + (char)(intptr_t)arg, sizeof(text));
    for (int i = 0; i < 100; i++)
        if (printf("%.*s%c%.*s\n", i, text, text[0], 100 - i, text) != 102)
            return (void *)1;
    return NULL;
}

/* How many lines of the file are whole; -1: one is not. */
static long count_whole_lines(int fd)
{
    char line[102];
    long nr_lines = 0;

    while (read(fd, line, sizeof(line)) == sizeof(line)) {
        for (size_t i = 1; i < sizeof(line) - 1; i++)
            if (line[i] != line[0])
                return -1;
        if (line[sizeof(line) - 1] != '\n')
            return -1;
        nr_lines++;
    }
    return nr_lines;
}

static bool lines_stay_together(void)
{
    if (no_threads)
        return ktap_skip("no threads");
    fflush(stdout);
    int saved = dup(STDOUT_FILENO), fd = open(LINES_PATH, O_CREAT | O_TRUNC | O_RDWR, 0600);
    dup2(fd, STDOUT_FILENO);
    bool is_right = all_return(print_lines, 0);
    fflush(stdout);
    dup2(saved, STDOUT_FILENO);
    close(saved);

    lseek(fd, 0, SEEK_SET);
    long nr_lines = count_whole_lines(fd);
    close(fd);
    unlink(LINES_PATH);
    return KTAP_EQUAL(nr_lines, NR_LWPS * 100) && is_right;
}

static const struct ktap_test tests[] = {
    {"numbers and text are formatted", formats_are_right},
    {"output that does not fit is cut", long_output_is_cut},
    {"memcpy copies what it should and no more", copies_are_right},
    {"memmove copies overlapping memory", overlapping_moves_are_right},
    {"searches find the right place", searches_are_right},
    {"comparisons order by unsigned characters", comparisons_are_right},
    {"numbers of any base are read", numbers_are_read},
    {"numbers out of range are ERANGE", numbers_out_of_range_are_erange},
    {"text that is no number is left alone", text_that_is_no_number_is_left},
    {"characters are classified", characters_are_classified},
    {"errors have texts", errors_have_texts},
    {"the heap keeps its pieces apart", heap_keeps_its_pieces_apart},
    {"calloc zeroes memory that was used", calloc_zeroes},
    {"impossible allocations are ENOMEM", impossible_allocations_are_enomem},
    {"empty allocations are distinct", empty_allocations_are_distinct},
    {"resizing keeps the contents", resizing_keeps_contents},
    {"constructors run before main", constructors_run},
    {"getenv finds whole names only", environment_is_searched},
    {"the first LWP has its thread-local variables", first_lwp_has_thread_locals},
    {"atexit says when there are too many functions", atexit_is_limited},
    {"a mutex excludes", mutex_excludes},
    {"trylock does not wait", trylock_does_not_wait},
    {"a condition variable loses nothing", condition_variable_loses_nothing},
    {"a signal wakes the thread that waits", signal_wakes_the_one_that_waits},
    {"a semaphore lets in as many as it counts", semaphore_counts},
    {"a barrier holds all back until the last one comes", barrier_holds_all_back},
    {"one thread in a round is the last one at the barrier", one_arrives_last},
    {"once is once, and all wait for it", once_is_once},
    {"the heap serves many threads", heap_is_thread_safe},
    {"any thread may free what another one allocated", any_thread_may_free},
    {"the joiner gets what a thread returns or exits with", joiner_gets_the_value},
    {"thread_exit_target ends a thread", target_ends},
    {"a CPU share is taken and given back, and is outside the levels",
     share_is_taken_and_given_back},
    {"every thread has its own thread-local variables and errno", every_thread_has_thread_locals},
    {"what one printf prints stays together", lines_stay_together},
};

int main(void)
{
    return ktap_main(tests, KTAP_LEN(tests));
}
