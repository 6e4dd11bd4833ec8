/*
 * The frame allocator against a simple model: random machines (ranges, holes, memory that is added
 * late), random requests by several CPUs. The model knows of each frame whether it is handed out;
 * so it knows what must succeed, what must fail, and what the statistics are.
 */

#include "host_test.h"

#include <arch/mmu.h>
#include <arch/percpu.h>
#include <mm/frame.h>

#define SPAN_FRAMES   ((size_t)(MIB(96) / PAGE_SIZE))
#define RANGES_MAX    6
#define HOLDINGS_MAX  600
#define CPUS_IN_MODEL 4

/* What the model knows of a frame. */
enum { ABSENT, LATE, FREE, OUT };

struct holding {
    paddr_t first;
    size_t nr_frames; /* 0: a single frame */
    unsigned refs;
    uint32_t tag;
    bool is_user;
};

struct model {
    struct rng rng;
    unsigned char frames[SPAN_FRAMES];
    struct frame_range ranges[RANGES_MAX];
    size_t nr_ranges;
    struct frame_range late;
    size_t nr_total, nr_free, nr_user;
    struct holding holdings[HOLDINGS_MAX];
    size_t nr_holdings;
};

static struct model model;

static size_t number(paddr_t frame)
{
    return frame / PAGE_SIZE;
}

static void boot(const struct frame_range *ranges, size_t nr_ranges)
{
    host_reset();
    frame_init(ranges, nr_ranges);
}

static size_t nr_frames_of(const struct frame_range *ranges, size_t nr_ranges)
{
    size_t nr_frames = 0;

    for (size_t i = 0; i < nr_ranges; i++)
        nr_frames += number(ranges[i].end - ranges[i].start);
    return nr_frames;
}

/* Sorted ranges with gaps of all sizes, one of them large enough for the tables. */
static void make_ranges(void)
{
    struct rng *rng = &model.rng;
    size_t at = rng_below(rng, 40);
    size_t large;

    model.nr_ranges = rng_between(rng, 1, RANGES_MAX);
    large = rng_below(rng, model.nr_ranges);
    for (size_t i = 0; i < model.nr_ranges; i++) {
        size_t nr_frames = i == large ? rng_between(rng, 120, 500) : rng_between(rng, 1, 60);

        model.ranges[i] = (struct frame_range){at * PAGE_SIZE, (at + nr_frames) * PAGE_SIZE};
        at += nr_frames + (rng_one_in(rng, 3) ? rng_below(rng, 3) : rng_below(rng, 3000));
    }
}

/* A piece of a hole, or a piece of the first range held back, is added later. */
static void choose_late_range(void)
{
    struct frame_range *first = &model.ranges[0];
    size_t nr_frames;

    model.late = (struct frame_range){0, 0};
    if (model.nr_ranges > 1 && model.ranges[1].start > first->end && rng_one_in(&model.rng, 2)) {
        nr_frames = MIN(number(model.ranges[1].start - first->end), 50u);
        model.late = (struct frame_range){first->end, first->end + nr_frames * PAGE_SIZE};
    } else if (first->start > 0) {
        model.late = (struct frame_range){0, first->start};
    }
    for (paddr_t p = model.late.start; p < model.late.end; p += PAGE_SIZE)
        model.frames[number(p)] = LATE;
}

/* Which frames the allocator kept for its tables shows when it hands out all others. */
static void learn_frames(void)
{
    static paddr_t all[SPAN_FRAMES];
    size_t nr = 0;

    for (paddr_t frame; (frame = frame_alloc(0)) != PADDR_NONE; nr++) {
        bool is_inside = false;

        assert_true(frame < SPAN_FRAMES * PAGE_SIZE);
        for (size_t i = 0; i < model.nr_ranges; i++)
            is_inside |= frame >= model.ranges[i].start && frame < model.ranges[i].end;
        assert_true(is_inside);
        assert_int_equal(model.frames[number(frame)], ABSENT);
        model.frames[number(frame)] = FREE;
        all[nr] = frame;
    }
    assert_int_equal(nr, frame_get_stats().nr_total);
    assert_true(nr <= nr_frames_of(model.ranges, model.nr_ranges));
    model.nr_total = model.nr_free = nr;
    while (nr > 0) {
        host_set_cpu((unsigned)rng_below(&model.rng, CPUS_IN_MODEL));
        frame_free(all[--nr]);
    }
}

static void model_start(uint64_t seed)
{
    memset(&model, 0, sizeof(model));
    model.rng = (struct rng){seed};
    make_ranges();
    boot(model.ranges, model.nr_ranges);
    learn_frames();
    choose_late_range();
}

static void assert_stats(void)
{
    struct frame_stats stats = frame_get_stats();

    assert_int_equal(stats.nr_total, model.nr_total);
    assert_int_equal(stats.nr_free, model.nr_free);
    assert_int_equal(stats.nr_user, model.nr_user);
    assert_int_equal(stats.nr_user_max + stats.nr_kernel_reserve, stats.nr_total);
    assert_true(stats.nr_user <= stats.nr_user_max);
}

static bool model_may_have(size_t nr_frames, unsigned flags)
{
    size_t nr_kept = flags & FRAME_USER ? frame_get_stats().nr_kernel_reserve : 0;

    return model.nr_free >= nr_frames + nr_kept;
}

static bool model_has_run(size_t nr_frames, size_t align_frames)
{
    for (size_t first = 0; first + nr_frames <= SPAN_FRAMES; first += align_frames) {
        size_t n = 0;

        while (n < nr_frames && model.frames[first + n] == FREE)
            n++;
        if (n == nr_frames)
            return true;
    }
    return false;
}

static bool is_all_zero(paddr_t first, size_t nr_bytes)
{
    const char *bytes = phys_to_virt(first);

    return bytes[0] == 0 && memcmp(bytes, bytes + 1, nr_bytes - 1) == 0;
}

static void note_allocated(paddr_t first, size_t nr_frames, bool is_contig, unsigned flags)
{
    struct holding *holding = &model.holdings[model.nr_holdings++];

    *holding = (struct holding){.first = first,
                                .nr_frames = is_contig ? nr_frames : 0,
                                .refs = 1,
                                .is_user = flags & FRAME_USER};
    for (size_t i = 0; i < nr_frames; i++) {
        assert_int_equal(model.frames[number(first) + i], FREE);
        model.frames[number(first) + i] = OUT;
    }
    model.nr_free -= nr_frames;
    model.nr_user += holding->is_user ? nr_frames : 0;
    assert_int_equal(frame_refs(first), 1);
    assert_int_equal(frame_get_tag(first), 0);
    if (flags & FRAME_ZERO)
        assert_true(is_all_zero(first, nr_frames * PAGE_SIZE));
    memset(phys_to_virt(first), 0xa5, 64);
}

static void try_alloc(void)
{
    unsigned flags = (unsigned)rng_below(&model.rng, 4); /* FRAME_ZERO, FRAME_USER */
    paddr_t frame = frame_alloc(flags);

    assert_int_equal(frame != PADDR_NONE, model_may_have(1, flags));
    if (frame != PADDR_NONE)
        note_allocated(frame, 1, false, flags);
}

static void try_alloc_contig(void)
{
    unsigned flags = (unsigned)rng_below(&model.rng, 4);
    size_t nr_frames = rng_between(&model.rng, 1, rng_one_in(&model.rng, 5) ? 150 : 12);
    size_t align_frames = 1ull << rng_below(&model.rng, 6);
    paddr_t first = frame_alloc_contig(nr_frames, align_frames, flags);

    assert_int_equal(first != PADDR_NONE,
                     model_may_have(nr_frames, flags) && model_has_run(nr_frames, align_frames));
    if (first == PADDR_NONE)
        return;
    assert_int_equal(number(first) % align_frames, 0);
    note_allocated(first, nr_frames, true, flags);
}

static void note_freed(struct holding *holding)
{
    size_t nr_frames = MAX(holding->nr_frames, 1u);

    for (size_t i = 0; i < nr_frames; i++)
        model.frames[number(holding->first) + i] = FREE;
    model.nr_free += nr_frames;
    model.nr_user -= holding->is_user ? nr_frames : 0;
    *holding = model.holdings[--model.nr_holdings];
}

static void free_holding(struct holding *holding)
{
    if (holding->nr_frames > 0) {
        frame_free_contig(holding->first, holding->nr_frames);
    } else if (holding->refs > 1 || rng_one_in(&model.rng, 2)) {
        for (; holding->refs > 0; holding->refs--)
            frame_unref(holding->first);
    } else {
        frame_free(holding->first);
    }
    note_freed(holding);
}

/* Shares, unshares and tags a frame. */
static void use_holding(struct holding *holding)
{
    assert_int_equal(frame_get_tag(holding->first), holding->tag);
    holding->tag = (uint32_t)rng_next(&model.rng);
    frame_set_tag(holding->first, holding->tag);
    if (holding->nr_frames > 0)
        return;
    if (holding->refs > 1 && rng_one_in(&model.rng, 2)) {
        frame_unref(holding->first);
        holding->refs--;
    } else {
        frame_ref(holding->first);
        holding->refs++;
    }
    assert_int_equal(frame_refs(holding->first), holding->refs);
}

/* Mistakes with a frame that is out panic, and change nothing. */
static void misuse_holding(struct holding *holding)
{
    paddr_t first = holding->first;

    assert_panics_with("not aligned", frame_free(first + 1 + rng_below(&model.rng, 4095)));
    if (holding->nr_frames > 0) {
        assert_panics_with("part of a contiguous", frame_free(first));
        assert_panics_with("part of a contiguous", frame_ref(first));
        assert_panics(frame_free_contig(first, holding->nr_frames + 1));
        assert_panics_with("more belong", frame_free_contig(first, holding->nr_frames - 1));
        if (holding->nr_frames > 1)
            assert_panics_with("not the first",
                               frame_free_contig(first + PAGE_SIZE, holding->nr_frames - 1));
    } else {
        assert_panics_with("not the first", frame_free_contig(first, 1));
        if (holding->refs > 1)
            assert_panics_with("references", frame_free(first));
    }
}

/* Any frame of the span that is not out, also of holes and tables. */
static void misuse_stranger(void)
{
    size_t frame = rng_below(&model.rng, SPAN_FRAMES);

    if (model.frames[frame] == OUT)
        return;
    assert_panics_with("handed out", frame_free(frame * PAGE_SIZE));
    assert_panics_with("handed out", frame_unref(frame * PAGE_SIZE));
    assert_panics_with("handed out", frame_ref(frame * PAGE_SIZE));
    assert_panics_with("handed out", frame_free_contig(frame * PAGE_SIZE, 1));
}

/*
 * When the late range needs descriptors, the allocator takes frames for them: then the model cannot
 * follow any more. So this is done only where the section has some memory.
 */
static void add_late_range(void)
{
    const size_t section_bytes = MIB(16);
    struct frame_range late = model.late;
    bool is_covered = late.start / section_bytes == (late.end - 1) / section_bytes;
    bool has_neighbour = false;

    model.late = (struct frame_range){0, 0};
    for (size_t i = 0; i < model.nr_ranges; i++) {
        has_neighbour |= model.ranges[i].start / section_bytes <= late.start / section_bytes &&
                         (model.ranges[i].end - 1) / section_bytes >= late.start / section_bytes;
    }
    if (late.end == 0 || !is_covered || !has_neighbour)
        return;
    frame_add_range(late.start, late.end);
    for (paddr_t p = late.start; p < late.end; p += PAGE_SIZE)
        model.frames[number(p)] = FREE;
    model.nr_total += number(late.end - late.start);
    model.nr_free += number(late.end - late.start);
}

static void model_step(unsigned alloc_percent)
{
    struct rng *rng = &model.rng;
    struct holding *holding = NULL;

    host_set_cpu((unsigned)rng_below(rng, CPUS_IN_MODEL));
    if (model.nr_holdings > 0)
        holding = &model.holdings[rng_below(rng, model.nr_holdings)];

    if (rng_below(rng, 100) < alloc_percent && model.nr_holdings < HOLDINGS_MAX) {
        if (rng_one_in(rng, 8))
            try_alloc_contig();
        else
            try_alloc();
    } else if (rng_one_in(rng, 100)) {
        add_late_range();
    } else if (rng_one_in(rng, 50)) {
        misuse_stranger();
    } else if (holding && rng_one_in(rng, 30)) {
        misuse_holding(holding);
    } else if (holding && rng_one_in(rng, 5)) {
        use_holding(holding);
    } else if (holding) {
        free_holding(holding);
    }
    assert_stats();
}

static void random_requests_agree_with_the_model(void **state)
{
    for (uint64_t seed = 0; seed < 3000; seed++) {
        unsigned alloc_percent = 50;

        model_start(seed);
        for (int i = 0; i < 800; i++) {
            if (i % 100 == 0)
                alloc_percent = (unsigned)rng_between(&model.rng, 20, 95);
            model_step(alloc_percent);
        }
        while (model.nr_holdings > 0)
            free_holding(&model.holdings[0]);
        assert_stats();
        assert_int_equal(model.nr_free, model.nr_total);
    }
}

static const struct frame_range small_machine[] = {
    {0x1000, 0x9f000},
    {MIB(3), MIB(24) - 0x20000},
};

static size_t alloc_all(unsigned flags, paddr_t *frames)
{
    size_t nr = 0;

    for (paddr_t frame; (frame = frame_alloc(flags)) != PADDR_NONE; nr++)
        frames[nr] = frame;
    return nr;
}

static paddr_t frames_taken[16384];

static void user_frames_leave_the_reserve_on_a_24_mib_machine(void **state)
{
    struct frame_stats stats;
    size_t nr_user;

    boot(small_machine, ARRAY_LEN(small_machine));
    stats = frame_get_stats();
    assert_true(stats.nr_total > number(MIB(21)));
    assert_true(stats.nr_kernel_reserve >= number(MIB(1)));
    assert_true(stats.nr_user_max > stats.nr_total * 9 / 10);

    nr_user = alloc_all(FRAME_USER, frames_taken);
    assert_int_equal(nr_user, stats.nr_user_max);
    assert_int_equal(frame_alloc_contig(2, 1, FRAME_USER), PADDR_NONE);
    assert_int_equal(alloc_all(0, frames_taken + nr_user), stats.nr_kernel_reserve);
}

/* What the kernel uses does not come out of its reserve while users could still take that. */
static void the_reserve_is_what_users_leave_free(void **state)
{
    struct frame_stats stats;

    boot(small_machine, ARRAY_LEN(small_machine));
    for (int i = 0; i < 2000; i++)
        frame_alloc(0);
    alloc_all(FRAME_USER, frames_taken);
    stats = frame_get_stats();
    assert_int_equal(stats.nr_free, stats.nr_kernel_reserve);
}

static void the_last_frames_are_found_in_other_cpus_caches(void **state)
{
    size_t nr_total;

    boot(small_machine, ARRAY_LEN(small_machine));
    nr_total = frame_get_stats().nr_total;
    for (unsigned cpu = 0; cpu < CPUS_MAX; cpu++) {
        host_set_cpu(cpu);
        frame_free(frame_alloc(0));
    }
    host_set_cpu(5);
    assert_int_equal(alloc_all(0, frames_taken), nr_total);
}

static void a_run_is_put_together_from_all_caches(void **state)
{
    const struct frame_range range = {MIB(16), MIB(17)};
    size_t nr_total;
    paddr_t first;

    boot(&range, 1);
    nr_total = frame_get_stats().nr_total;
    alloc_all(0, frames_taken);
    for (size_t i = 0; i < nr_total; i++) {
        host_set_cpu((unsigned)(i % 7));
        frame_free(frames_taken[i]);
    }
    first = frame_alloc_contig(nr_total, 1, FRAME_ZERO);
    assert_int_equal(first, range.start);
    frame_free_contig(first, nr_total);
    assert_int_equal(frame_get_stats().nr_free, nr_total);
}

static void a_failed_run_takes_nothing(void **state)
{
    struct frame_stats before;

    boot(small_machine, ARRAY_LEN(small_machine));
    before = frame_get_stats();
    assert_int_equal(frame_alloc_contig(number(MIB(22)), 1, 0), PADDR_NONE);
    assert_int_equal(frame_alloc_contig(before.nr_total, 1, 0), PADDR_NONE);
    assert_int_equal(frame_alloc_contig(SIZE_MAX, 1, FRAME_USER), PADDR_NONE);
    assert_int_equal(frame_alloc_contig(1, 1ull << 40, 0), PADDR_NONE);
    assert_int_equal(frame_alloc_contig(1, 1ull << 63, 0), PADDR_NONE);
    assert_int_equal(frame_get_stats().nr_free, before.nr_free);
    assert_int_equal(frame_get_stats().nr_user, 0);
}

static void frame_assert_panics_instead_of_failing(void **state)
{
    boot(small_machine, ARRAY_LEN(small_machine));
    alloc_all(0, frames_taken);
    assert_panics_with("out of memory", frame_alloc(FRAME_ASSERT));
    assert_panics_with("out of memory", frame_alloc_contig(3, 1, FRAME_ASSERT | FRAME_ZERO));
}

static void frees_of_what_was_not_given_panic(void **state)
{
    paddr_t frame;

    boot(small_machine, ARRAY_LEN(small_machine));
    frame = frame_alloc(0);
    assert_panics_with("not aligned", frame_free(frame + 8));
    assert_panics_with("not managed", frame_free(MIB(24)));
    assert_panics_with("not managed", frame_free(GIB(100)));
    assert_panics_with("not managed", frame_free(PADDR_NONE - (PAGE_SIZE - 1)));
    assert_panics_with("not handed out", frame_free(0xa0000));
    assert_panics_with("handed out", frame_free(MIB(24) - 0x21000)); /* a table */
    frame_free(frame);
    assert_panics_with("freed twice", frame_free(frame));
    assert_panics_with("freed twice", frame_unref(frame));
    assert_panics(frame_alloc_contig(1, 3, 0));
    assert_panics(frame_alloc_contig(0, 1, 0));
}

static void freed_memory_is_not_handed_out_again_at_once(void **state)
{
    paddr_t first, second;

    boot(small_machine, ARRAY_LEN(small_machine));
    first = frame_alloc_contig(4, 1, 0);
    frame_free_contig(first, 4);
    second = frame_alloc_contig(4, 1, 0);
    assert_int_equal(second, first + 4 * PAGE_SIZE);
}

/* The fraction of memory that the tables take, in thousandths, rounded up. */
static size_t tables_permille(const struct frame_range *ranges, size_t nr_ranges)
{
    size_t nr_frames = nr_frames_of(ranges, nr_ranges);

    return (nr_frames - frame_get_stats().nr_total) * 1000 / nr_frames + 1;
}

static void a_hole_below_4_gib_costs_next_to_nothing(void **state)
{
    const struct frame_range ranges[] = {{0, 0xbfff0000}, {GIB(4), GIB(7)}};
    bool is_above = false;

    boot(ranges, ARRAY_LEN(ranges));
    assert_true(tables_permille(ranges, ARRAY_LEN(ranges)) <= 3);
    for (size_t i = 0; i < number(GIB(5)); i += 512) {
        paddr_t first = frame_alloc_contig(512, 512, 0);

        assert_true(IS_ALIGNED(first, MIB(2)));
        assert_true(first + MIB(2) <= 0xbfff0000 || first >= GIB(4));
        is_above |= first >= GIB(4);
    }
    assert_true(is_above);
    host_memory_clear();
}

static void a_tebibyte_works(void **state)
{
    const struct frame_range ranges[] = {{0x1000, 0x9f000}, {MIB(2), GIB(3)}, {GIB(4), GIB(1023)}};
    struct frame_stats stats;
    paddr_t huge;

    boot(ranges, ARRAY_LEN(ranges));
    stats = frame_get_stats();
    assert_true(tables_permille(ranges, ARRAY_LEN(ranges)) <= 3);
    assert_int_equal(stats.nr_kernel_reserve, number(MIB(64)));
    huge = frame_alloc_contig(number(GIB(90)), number(GIB(1)), FRAME_USER);
    assert_int_equal(huge, GIB(4));
    frame_free_contig(huge, number(GIB(90)));
    assert_int_equal(frame_get_stats().nr_free, stats.nr_total);
    host_memory_clear();
}

static void memory_added_late_is_used(void **state)
{
    const struct frame_range ranges[] = {{MIB(1), MIB(4)}, {MIB(120), MIB(121)}};
    size_t nr_before, nr_after, nr_taken;

    boot(ranges, ARRAY_LEN(ranges));
    nr_before = frame_get_stats().nr_total;
    frame_add_range(MIB(4), MIB(6));   /* beside a range */
    frame_add_range(MIB(40), MIB(70)); /* in the middle of nowhere */
    frame_add_range(0, 0x3000);        /* below the first */
    nr_after = frame_get_stats().nr_total;
    assert_int_equal(nr_after, nr_before + number(MIB(2)) + number(MIB(30)) + 3);
    assert_true(frame_get_stats().nr_kernel_reserve >= nr_after / 16);
    nr_taken = nr_after - frame_get_stats().nr_free; /* descriptors of what was a hole */
    assert_true(nr_taken <= 3 * 8);
    assert_int_equal(alloc_all(0, frames_taken), nr_after - nr_taken);
}

static void memory_added_twice_panics(void **state)
{
    boot(small_machine, ARRAY_LEN(small_machine));
    assert_panics_with("twice", frame_add_range(MIB(3), MIB(3) + PAGE_SIZE));
    boot(small_machine, ARRAY_LEN(small_machine));
    frame_add_range(0x9f000, 0xa0000);
    assert_panics_with("twice", frame_add_range(0x9f000, 0xa0000));
    boot(small_machine, ARRAY_LEN(small_machine));
    assert_panics(frame_add_range(MIB(24), MIB(25)));
    assert_panics(frame_add_range(0x9f001, 0xa0000));
}

static void the_smallest_machine_works(void **state)
{
    const struct frame_range range = {0x5000, 0x7000};
    const struct frame_range too_small = {0x5000, 0x6000};
    struct frame_stats stats;

    boot(&range, 1);
    stats = frame_get_stats();
    assert_int_equal(stats.nr_total, 1);
    assert_int_equal(frame_alloc(0), 0x5000);
    assert_int_equal(frame_alloc(0), PADDR_NONE);
    frame_free(0x5000);
    assert_int_equal(frame_alloc(FRAME_ZERO), 0x5000);
    host_reset();
    assert_panics_with("no memory range", frame_init(&too_small, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(user_frames_leave_the_reserve_on_a_24_mib_machine),
        cmocka_unit_test(the_reserve_is_what_users_leave_free),
        cmocka_unit_test(the_last_frames_are_found_in_other_cpus_caches),
        cmocka_unit_test(a_run_is_put_together_from_all_caches),
        cmocka_unit_test(a_failed_run_takes_nothing),
        cmocka_unit_test(frame_assert_panics_instead_of_failing),
        cmocka_unit_test(frees_of_what_was_not_given_panic),
        cmocka_unit_test(freed_memory_is_not_handed_out_again_at_once),
        cmocka_unit_test(a_hole_below_4_gib_costs_next_to_nothing),
        cmocka_unit_test(a_tebibyte_works),
        cmocka_unit_test(memory_added_late_is_used),
        cmocka_unit_test(memory_added_twice_panics),
        cmocka_unit_test(the_smallest_machine_works),
        cmocka_unit_test(random_requests_agree_with_the_model),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
