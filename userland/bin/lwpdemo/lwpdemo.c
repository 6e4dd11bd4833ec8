/*
 * lwpdemo [n]: one process, n LWPs on all CPUs.
 *
 * The LWPs share the work of counting the primes below a million: each takes its slice of the range
 * and divides every number in it by the small primes, which the first LWP has put into memory that
 * all of them share. It is known how many there are (OEIS A006880: 78,498), so that a lost or
 * doubled result would show.
 */

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <thread.h>
#include <thrum.h>
#include <unistd.h>

#define RANGE            1000000u /* numbers 0 ... RANGE - 1 */
#define PRIMES_EXPECTED  78498u
#define SMALL_PRIMES     168 /* below 1000, the square root of RANGE */
#define LWPS_MAX         100000u
#define LWPS_PER_CPU     4u
#define ROWS_MAX         24u /* of the table; of more LWPs than that, only these are shown: */
#define ROWS_FIRST       6u
#define ROWS_LAST        3u
#define STATUS_BAD_USAGE 2
#define NSEC_PER_USEC    1000u

struct slice {
    uint32_t first, end; /* the numbers first ... end - 1 */
    thread_t tid;
    uint32_t nr_primes;
    uint32_t cpu;    /* where it ended */
    uint64_t ran_ns; /* from its first instruction to its last, waiting included */
    bool is_joined;
};

static uint32_t small_primes[SMALL_PRIMES];

static const char *bold = "\033[1m", *green = "\033[32m", *red = "\033[31m", *cyan = "\033[36m",
                  *plain = "\033[0m";

static void choose_colours(void)
{
    const char *term = getenv("TERM");

    if (getenv("nocolor") || getenv("NO_COLOR") || (term && strcmp(term, "dumb") == 0))
        bold = green = red = cyan = plain = "";
}

/* Of a number below RANGE; all small primes up to its square root must have been found. */
static bool is_prime(uint32_t number)
{
    if (number < 2)
        return false;
    for (size_t i = 0; i < SMALL_PRIMES; i++) {
        uint32_t divisor = small_primes[i];
        if (divisor == 0 || divisor * divisor > number)
            break;
        if (number % divisor == 0)
            return false;
    }
    return true;
}

static void find_small_primes(void)
{
    size_t nr_found = 0;

    for (uint32_t number = 2; nr_found < SMALL_PRIMES; number++)
        if (is_prime(number))
            small_primes[nr_found++] = number;
}

/* What each LWP runs. Its value is the slice that it was given. */
static void *count_primes(void *arg)
{
    struct slice *slice = arg;
    uint64_t start_ns = monotonic_ns();
    struct thrum_stat stat = {0};

    for (uint32_t number = slice->first; number < slice->end; number++)
        slice->nr_primes += is_prime(number);

    thrum_stat(&stat);
    slice->cpu = (uint32_t)stat.cpu;
    slice->ran_ns = monotonic_ns() - start_ns;
    return slice;
}

/* Creates the LWPs; returns how many there are in the end. */
static uint32_t create_all(struct slice *slices, uint32_t nr_lwps)
{
    for (uint32_t i = 0; i < nr_lwps; i++) {
        slices[i].first = (uint32_t)((uint64_t)RANGE * i / nr_lwps);
        slices[i].end = (uint32_t)((uint64_t)RANGE * (i + 1) / nr_lwps);
        if (thread_create(&slices[i].tid, count_primes, &slices[i]) != 0) {
            fprintf(stderr, "lwpdemo: cannot create LWP %u of %u: %s\n", i + 1, nr_lwps,
                    strerror(errno));
            return i;
        }
    }
    return nr_lwps;
}

/* Joins the LWPs; returns how many of them came back with what they were given. */
static uint32_t join_all(struct slice *slices, uint32_t nr_lwps)
{
    uint32_t nr_joined = 0;

    for (uint32_t i = 0; i < nr_lwps; i++) {
        void *value = NULL;
        if (thread_join(slices[i].tid, &value) != 0)
            fprintf(stderr, "lwpdemo: cannot join LWP %d: %s\n", slices[i].tid, strerror(errno));
        else if (value != &slices[i])
            fprintf(stderr, "lwpdemo: LWP %d left with a wrong value\n", slices[i].tid);
        else
            slices[i].is_joined = true;
        nr_joined += slices[i].is_joined;
    }
    return nr_joined;
}

static void print_ms(int width, uint64_t ns)
{
    uint64_t us = ns / NSEC_PER_USEC;

    printf("%*lu.%03lu", width - 4, (unsigned long)(us / 1000), (unsigned long)(us % 1000));
}

static void print_row(const struct slice *slice)
{
    printf("%8d  %3u  %7u ... %6u  %6u  ", slice->tid, slice->cpu, slice->first, slice->end - 1,
           slice->nr_primes);
    print_ms(10, slice->ran_ns);
    putchar('\n');
}

static void print_table(const struct slice *slices, uint32_t nr_lwps)
{
    printf("%s     LWP  CPU              range  primes   time (ms)%s\n", bold, plain);
    for (uint32_t i = 0; i < nr_lwps; i++) {
        if (nr_lwps > ROWS_MAX && i == ROWS_FIRST) {
            i = nr_lwps - ROWS_LAST;
            printf("     ...  ...                ...     ...         ...\n");
        }
        print_row(&slices[i]);
    }
}

static void print_cpus(const struct slice *slices, uint32_t nr_lwps, uint32_t nr_cpus)
{
    printf("\n%s     CPU    LWPs  primes%s\n", bold, plain);
    for (uint32_t cpu = 0; cpu < nr_cpus; cpu++) {
        uint32_t nr_here = 0, nr_primes = 0;
        for (uint32_t i = 0; i < nr_lwps; i++) {
            if (slices[i].cpu == cpu) {
                nr_here++;
                nr_primes += slices[i].nr_primes;
            }
        }
        printf("%8u  %6u  %6u\n", cpu, nr_here, nr_primes);
    }
}

/* Whether the sum of what the LWPs found is right; says so. */
static bool print_total(const struct slice *slices, uint32_t nr_lwps)
{
    uint32_t nr_primes = 0;

    for (uint32_t i = 0; i < nr_lwps; i++)
        nr_primes += slices[i].nr_primes;

    bool is_right = nr_primes == PRIMES_EXPECTED;
    printf("\n%sTotal: %u primes below %u, %s%s\n", is_right ? green : red, nr_primes, RANGE,
           is_right ? "verified" : "which is wrong", plain);
    return is_right;
}

/* The number of LWPs that the command line asks for; exits when it makes no sense. */
static uint32_t parse_arguments(int argc, char **argv, uint32_t nr_cpus)
{
    if (argc < 2)
        return nr_cpus * LWPS_PER_CPU;

    char *end;
    long nr_lwps = strtol(argv[1], &end, 10);
    if (argc == 2 && end != argv[1] && !*end && nr_lwps >= 1 && nr_lwps <= (long)LWPS_MAX)
        return (uint32_t)nr_lwps;

    if (argc > 2)
        fprintf(stderr, "lwpdemo: too many arguments\n");
    else
        fprintf(stderr, "lwpdemo: %s: not a number from 1 to %u\n", argv[1], LWPS_MAX);
    fprintf(stderr, "usage: lwpdemo [number of LWPs]\n");
    exit(STATUS_BAD_USAGE);
}

int main(int argc, char **argv)
{
    struct thrum_stat stat;

    if (thrum_stat(&stat) != 0) {
        perror("lwpdemo: cannot ask for the number of CPUs");
        return EXIT_FAILURE;
    }
    uint32_t nr_cpus = (uint32_t)stat.nr_cpus;
    uint32_t nr_lwps = parse_arguments(argc, argv, nr_cpus);
    struct slice *slices = calloc(nr_lwps, sizeof(*slices));
    if (!slices) {
        perror("lwpdemo");
        return EXIT_FAILURE;
    }
    choose_colours();
    find_small_primes();

    printf("%sOne process (%d), %u LWPs, %u CPU%s: how many primes are below %u?%s\n\n", cyan,
           getpid(), nr_lwps, nr_cpus, nr_cpus == 1 ? "" : "s", RANGE, plain);

    uint64_t start_ns = monotonic_ns();
    uint32_t nr_created = create_all(slices, nr_lwps);
    uint32_t nr_joined = join_all(slices, nr_created);
    uint64_t total_ns = monotonic_ns() - start_ns;

    print_table(slices, nr_created);
    if (nr_created > ROWS_MAX)
        print_cpus(slices, nr_created, nr_cpus);
    bool is_right = print_total(slices, nr_created);
    printf("%u LWPs created, %u joined, in ", nr_created, nr_joined);
    print_ms(4, total_ns);
    printf(" ms\n");

    free(slices);
    return is_right && nr_joined == nr_lwps ? EXIT_SUCCESS : EXIT_FAILURE;
}
