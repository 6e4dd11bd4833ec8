/*
 * Priority donation, against a model that knows nothing of how it is done: who waits for what, who
 * owns what, and that an LWP's priority is the highest of its own and of those who wait for it,
 * computed anew, in rounds, until nothing changes.
 */

#include "host_test.h"

#include <errno.h>

#include <kernel/donation.h>
#include <kernel/spinlock.h>
#include <sched/control.h>

#define NR_LWPS  12u
#define NR_LOCKS 10u
#define NOBODY   NR_LWPS
#define NOTHING  NR_LOCKS

static struct lwp lwps[DONATION_CHAIN_MAX + 2];
static struct donation_waiter waiters[DONATION_CHAIN_MAX + 2]; /* of the LWP of the same number */
static struct donation_lock locks[DONATION_CHAIN_MAX + 2];

/* The model. */
static unsigned owner_of[NR_LOCKS];       /* NOBODY: it is free */
static unsigned waits_for[NR_LWPS];       /* NOTHING: it runs */
static unsigned priority_of[NR_LWPS];     /* while it is right */
static uint64_t arrived_at[NR_LWPS], now; /* when it came to its place among equals */

/* What the scheduler would be told. */
void sched_set_boost(struct lwp *lwp, uint8_t priority)
{
    lwp->own.entity.params.boost_priority = priority;
}

static void start(unsigned nr)
{
    host_reset();
    memset(lwps, 0, sizeof(lwps));
    memset(waiters, 0, sizeof(waiters));
    for (unsigned i = 0; i < nr; i++) {
        donation_lock_init(&locks[i]);
        waiters[i].lwp = &lwps[i];
    }
    for (unsigned i = 0; i < NR_LOCKS; i++)
        owner_of[i] = NOBODY;
    for (unsigned i = 0; i < NR_LWPS; i++) {
        waits_for[i] = NOTHING;
        priority_of[i] = 0;
    }
}

/* ---- The model ------------------------------------------------------------------------------ */

static void model_priorities(unsigned *priority)
{
    bool has_changed = true;

    for (unsigned i = 0; i < NR_LWPS; i++)
        priority[i] = lwps[i].own.entity.params.priority;
    while (has_changed) {
        has_changed = false;
        for (unsigned i = 0; i < NR_LWPS; i++) {
            unsigned owner = waits_for[i] == NOTHING ? NOBODY : owner_of[waits_for[i]];

            if (owner != NOBODY && priority[owner] < priority[i]) {
                priority[owner] = priority[i];
                has_changed = true;
            }
        }
    }
}

static bool model_has_circle(unsigned lwp, unsigned lock)
{
    for (unsigned owner = owner_of[lock]; owner != NOBODY;) {
        if (owner == lwp)
            return true;
        owner = waits_for[owner] == NOTHING ? NOBODY : owner_of[waits_for[owner]];
    }
    return false;
}

static unsigned model_first(unsigned lock)
{
    unsigned first = NOBODY;

    for (unsigned i = 0; i < NR_LWPS; i++) {
        if (waits_for[i] == lock &&
            (first == NOBODY || priority_of[i] > priority_of[first] ||
             (priority_of[i] == priority_of[first] && arrived_at[i] < arrived_at[first])))
            first = i;
    }
    return first;
}

static unsigned model_lent(unsigned lwp)
{
    unsigned lent = 0;

    for (unsigned i = 0; i < NR_LWPS; i++) {
        if (waits_for[i] != NOTHING && owner_of[waits_for[i]] == lwp)
            lent = MAX(lent, priority_of[i]);
    }
    return lent;
}

/* A waiter whose priority has changed is behind its new equals. */
static void check(void)
{
    unsigned priority[NR_LWPS];

    now++;
    model_priorities(priority);
    for (unsigned i = 0; i < NR_LWPS; i++) {
        if (priority[i] != priority_of[i])
            arrived_at[i] = now;
        priority_of[i] = priority[i];
    }
    for (unsigned i = 0; i < NR_LWPS; i++) {
        assert_int_equal(lwp_priority(&lwps[i]), priority_of[i]);
        assert_int_equal(lwps[i].donation.lent, model_lent(i));
        assert_int_equal(lwps[i].own.entity.params.boost_priority, model_lent(i));
        assert_int_equal(lwps[i].donation.waiting != NULL, waits_for[i] != NOTHING);
    }
    for (unsigned i = 0; i < NR_LOCKS; i++)
        assert_int_equal(donation_is_waited_for(&locks[i]), model_first(i) != NOBODY);
}

/* ---- What LWPs do --------------------------------------------------------------------------- */

static void do_wait(unsigned lwp, unsigned lock)
{
    struct lwp *owner = owner_of[lock] == NOBODY ? NULL : &lwps[owner_of[lock]];
    int error = donation_wait(&waiters[lwp], &locks[lock], owner);

    assert_int_equal(error, model_has_circle(lwp, lock) ? -EDEADLK : 0);
    if (error == 0) {
        waits_for[lwp] = lock;
        arrived_at[lwp] = now + 1;
    }
}

static void do_take(unsigned lwp, unsigned lock)
{
    owner_of[lock] = lwp;
    donation_take(&locks[lock], &lwps[lwp]);
}

static void do_release(unsigned lock, bool is_handed_over)
{
    unsigned first = model_first(lock);
    struct donation_waiter *seen = donation_release(&locks[lock], is_handed_over);

    if (first == NOBODY)
        assert_null(seen);
    else
        assert_ptr_equal(seen, &waiters[first]);
    owner_of[lock] = is_handed_over ? first : NOBODY;
    if (first != NOBODY)
        waits_for[first] = NOTHING;
}

static void do_give_up(unsigned lwp)
{
    donation_give_up(&waiters[lwp]);
    waits_for[lwp] = NOTHING;
}

static void do_set_priority(unsigned lwp, uint8_t priority)
{
    lwps[lwp].own.entity.params.priority = priority;
    donation_priority_changed(&lwps[lwp]);
}

/* Everything that it has goes to the next. */
static void do_die(unsigned lwp)
{
    for (unsigned i = 0; i < NR_LOCKS; i++) {
        if (owner_of[i] == lwp) {
            do_release(i, true);
            check();
        }
    }
    assert_int_equal(lwps[lwp].donation.lent, 0);
    assert_null(lwps[lwp].donation.held);
}

static void do_something(struct rng *rng)
{
    unsigned lwp = (unsigned)rng_below(rng, NR_LWPS), lock = (unsigned)rng_below(rng, NR_LOCKS);
    bool runs = waits_for[lwp] == NOTHING;

    switch (rng_below(rng, 10)) {
    case 0:
        do_set_priority(lwp, (uint8_t)rng_below(rng, 64));
        break;
    case 1:
        if (!runs)
            do_give_up(lwp);
        break;
    case 2:
        if (owner_of[lock] != NOBODY && waits_for[owner_of[lock]] == NOTHING)
            do_release(lock, rng_below(rng, 2) == 0);
        break;
    case 3:
        if (runs && rng_below(rng, 4) == 0)
            do_die(lwp);
        break;
    default:
        if (runs && owner_of[lock] == NOBODY)
            do_take(lwp, lock);
        else if (runs)
            do_wait(lwp, lock);
    }
    check();
}

/* Those that run leave what they have, and so on, until nobody has anything. */
static void end_all(void)
{
    for (unsigned round = 0; round < NR_LWPS; round++) {
        for (unsigned i = 0; i < NR_LOCKS; i++) {
            while (owner_of[i] == NOBODY && model_first(i) != NOBODY)
                do_release(i, true);
            if (owner_of[i] != NOBODY && waits_for[owner_of[i]] == NOTHING)
                do_release(i, true);
            check();
        }
    }
}

static void no_sequence_leaves_a_residue(void **state)
{
    unsigned nr_lent = 0;

    for (uint64_t seed = 0; seed < 3000; seed++) {
        struct rng rng = {seed};

        start(NR_LWPS);
        for (unsigned i = 0; i < NR_LWPS; i++)
            do_set_priority(i, (uint8_t)rng_below(&rng, 64));
        for (unsigned step = 0; step < 200; step++) {
            do_something(&rng);
            for (unsigned i = 0; i < NR_LWPS; i++)
                nr_lent += lwps[i].donation.lent > lwps[i].own.entity.params.priority;
        }
        end_all();
        for (unsigned i = 0; i < NR_LWPS; i++) {
            assert_int_equal(lwps[i].donation.lent, 0);
            assert_null(lwps[i].donation.held);
            assert_null(lwps[i].donation.waiting);
        }
    }
    assert_true(nr_lent > 100000);
}

/* ---- One after the other -------------------------------------------------------------------- */

static void set_priorities(unsigned nr, uint8_t first, uint8_t step)
{
    start(nr);
    for (unsigned i = 0; i < nr; i++)
        lwps[i].own.entity.params.priority = (uint8_t)(first + i * step);
}

static void a_wait_lends_and_its_end_takes_back(void **state)
{
    set_priorities(2, 10, 10);
    assert_int_equal(donation_wait(&waiters[1], &locks[0], &lwps[0]), 0);
    assert_int_equal(lwp_priority(&lwps[0]), 20);
    donation_give_up(&waiters[1]);
    assert_int_equal(lwp_priority(&lwps[0]), 10);
    assert_int_equal(lwps[0].own.entity.params.boost_priority, 0);
}

static void the_highest_of_several_counts(void **state)
{
    set_priorities(4, 10, 10);
    assert_int_equal(donation_wait(&waiters[2], &locks[0], &lwps[0]), 0);
    assert_int_equal(donation_wait(&waiters[3], &locks[1], &lwps[0]), 0);
    assert_int_equal(donation_wait(&waiters[1], &locks[1], &lwps[0]), 0);
    assert_int_equal(lwp_priority(&lwps[0]), 40);
    assert_ptr_equal(donation_release(&locks[1], true), &waiters[3]);
    assert_int_equal(lwp_priority(&lwps[0]), 30);
    assert_int_equal(lwps[3].donation.lent, 20);
    assert_ptr_equal(donation_release(&locks[0], true), &waiters[2]);
    assert_int_equal(lwp_priority(&lwps[0]), 10);
}

static void a_chain_of_eight_lends_to_its_end(void **state)
{
    set_priorities(9, 1, 7);
    for (unsigned i = 1; i < 9; i++) {
        assert_int_equal(donation_wait(&waiters[i], &locks[i - 1], &lwps[i - 1]), 0);
        for (unsigned k = 0; k < i; k++)
            assert_int_equal(lwp_priority(&lwps[k]), 1 + 7 * i);
    }
    for (unsigned i = 0; i < 8; i++) {
        assert_ptr_equal(donation_release(&locks[i], true), &waiters[i + 1]);
        assert_int_equal(lwps[i].donation.lent, 0);
        assert_int_equal(lwp_priority(&lwps[i + 1]), 57);
    }
}

static void a_lowered_priority_waits_for_the_end_of_the_donation(void **state)
{
    set_priorities(2, 10, 10);
    assert_int_equal(donation_wait(&waiters[1], &locks[0], &lwps[0]), 0);
    do_set_priority(0, 5);
    assert_int_equal(lwp_priority(&lwps[0]), 20);
    assert_ptr_equal(donation_release(&locks[0], true), &waiters[1]);
    assert_int_equal(lwp_priority(&lwps[0]), 5);
}

static void what_is_lent_follows_the_lender(void **state)
{
    set_priorities(3, 10, 10);
    assert_int_equal(donation_wait(&waiters[1], &locks[0], &lwps[0]), 0);
    assert_int_equal(donation_wait(&waiters[2], &locks[1], &lwps[1]), 0);
    assert_int_equal(lwp_priority(&lwps[0]), 30);
    do_set_priority(2, 15);
    assert_int_equal(lwp_priority(&lwps[0]), 20);
    do_set_priority(2, 63);
    assert_int_equal(lwp_priority(&lwps[0]), 63);
}

static void equals_are_served_in_order(void **state)
{
    set_priorities(4, 10, 0);
    for (unsigned i = 1; i < 4; i++)
        assert_int_equal(donation_wait(&waiters[i], &locks[0], &lwps[0]), 0);
    for (unsigned i = 1; i < 4; i++)
        assert_ptr_equal(donation_release(&locks[0], true), &waiters[i]);
    assert_null(donation_release(&locks[0], true));
}

static void a_circle_is_refused(void **state)
{
    set_priorities(3, 10, 10);
    assert_int_equal(donation_wait(&waiters[0], &locks[0], &lwps[0]), -EDEADLK);
    assert_int_equal(donation_wait(&waiters[0], &locks[1], &lwps[1]), 0);
    assert_int_equal(donation_wait(&waiters[1], &locks[2], &lwps[2]), 0);
    assert_int_equal(donation_wait(&waiters[2], &locks[0], &lwps[0]), -EDEADLK);
    assert_null(lwps[2].donation.waiting);
    assert_int_equal(lwps[0].donation.lent, 0);
}

static void a_chain_has_a_limit(void **state)
{
    set_priorities(DONATION_CHAIN_MAX + 2, 10, 0);
    for (unsigned i = 1; i <= DONATION_CHAIN_MAX; i++)
        assert_int_equal(donation_wait(&waiters[i], &locks[i - 1], &lwps[i - 1]), 0);
    assert_int_equal(donation_wait(&waiters[DONATION_CHAIN_MAX + 1], &locks[DONATION_CHAIN_MAX],
                                   &lwps[DONATION_CHAIN_MAX]),
                     -EDEADLK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wait_lends_and_its_end_takes_back),
        cmocka_unit_test(the_highest_of_several_counts),
        cmocka_unit_test(a_chain_of_eight_lends_to_its_end),
        cmocka_unit_test(a_lowered_priority_waits_for_the_end_of_the_donation),
        cmocka_unit_test(what_is_lent_follows_the_lender),
        cmocka_unit_test(equals_are_served_in_order),
        cmocka_unit_test(a_circle_is_refused),
        cmocka_unit_test(a_chain_has_a_limit),
        cmocka_unit_test(no_sequence_leaves_a_residue),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
