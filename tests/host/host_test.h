#ifndef HOST_TEST_H
#define HOST_TEST_H

/*
 * What a host test includes first: cmocka, the fake machine's controls, and a random generator
 * whose runs repeat. A test file ends with
 *
 *     int main(void)
 *     {
 *         const struct CMUnitTest tests[] = {
 *             cmocka_unit_test(what_it_shows),
 *         };
 *         return cmocka_run_group_tests(tests, NULL, NULL);
 *     }
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <kernel/types.h>

/* The machine as at power-on: CPU 0, interrupts on, no lock held, per-CPU variables zero. */
void host_reset(void);

/* From here on the calling thread acts as CPU number `cpu`. */
void host_set_cpu(unsigned cpu);

/* Gives the fake physical memory's contents back to the host; it reads as zeroes afterwards. */
void host_memory_clear(void);

/* Messages of log_write() go to stderr when the environment variable HOST_TEST_LOG is set. */

/*
 * Passes when `statement` panics; the message is in host_panic_message() afterwards. What the
 * statement had locked or changed until then stays so: call host_reset() and the subsystem's init
 * before anything else is asked of it, unless it panics before it takes a lock.
 */
#define assert_panics(statement)                                                                   \
    do {                                                                                           \
        host_panic_expect();                                                                       \
        if (setjmp(host_panic_jump) == 0) {                                                        \
            statement;                                                                             \
            host_panic_unexpect();                                                                 \
            fail_msg("did not panic: %s", #statement);                                             \
        }                                                                                          \
    } while (0)

/* As above, and the message contains `part`. */
#define assert_panics_with(part, statement)                                                        \
    do {                                                                                           \
        assert_panics(statement);                                                                  \
        if (!strstr(host_panic_message(), part))                                                   \
            fail_msg("panic says \"%s\", not \"%s\"", host_panic_message(), part);                 \
    } while (0)

extern jmp_buf host_panic_jump;
void host_panic_expect(void);
void host_panic_unexpect(void);
const char *host_panic_message(void);

/* SplitMix64 (Steele, Lea, Flood 2014): any seed will do, also consecutive ones. */
struct rng {
    uint64_t state;
};

static inline uint64_t rng_next(struct rng *rng)
{
    uint64_t z = (rng->state += 0x9e3779b97f4a7c15u);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* 0 ... n - 1, for n > 0. */
static inline uint64_t rng_below(struct rng *rng, uint64_t n)
{
    return rng_next(rng) % n;
}

/* low ... high, both included. */
static inline uint64_t rng_between(struct rng *rng, uint64_t low, uint64_t high)
{
    return low + rng_below(rng, high - low + 1);
}

/* True once in n times. */
static inline bool rng_one_in(struct rng *rng, uint64_t n)
{
    return rng_below(rng, n) == 0;
}

#endif
