/*
 * The frame allocator.
 *
 * Which frames are free is a bitmap, one bit a frame, over the whole span of physical memory from
 * address 0 to the end of the last range. Over it lie summaries: a bit of level k + 1 says that a
 * word of level k is not zero, up to a level of one word. Finding the next free frame climbs until
 * a word has a bit at or after the place, and descends again: two words a level, whatever the size
 * (six levels make 256 TiB). Holes cost nothing but their bits, 32 KiB for each GiB, and are never
 * looked at, because their summaries are zero. The search goes on where the last one ended
 * (next-fit), so freed memory has time to grow together before it is cut up again.
 *
 * A frame that is not free in the bitmap is in one of these states, kept in its descriptor:
 *
 *     state 0                      in a CPU's cache; or never ours (hole, table, device)
 *     refs >= 1                    handed out by frame_alloc(), shared if refs > 1
 *     refs == 1, HEAD or BODY      handed out by frame_alloc_contig(): the first, a further one
 *
 * Descriptors come in sections of 16 MiB of memory; a section that is all hole has none. They are
 * cleared when the first frame of their section leaves the bitmap, so that booting a machine of
 * 1 TiB does not touch 2 GiB of them. All tables lie at the end of the largest range.
 *
 * In front of the bitmap each CPU has a cache of a few frames, refilled and drained in batches.
 * Each has a lock that its CPU finds free and in its own cache line, except when memory is so short
 * that other CPUs come stealing.
 *
 * Allocation is in two steps. First the count of free frames goes down: frames are *promised*, or
 * refused, without looking for them. Then they are found. A freed frame goes the other way: first
 * into cache or bitmap, then into the count. So this holds at any moment:
 *
 *     frames in caches and bitmap  >=  nr_free + promised and not yet found
 *
 * and who was promised one frame finds it, at the latest in another CPU's cache. (Several in a row
 * may still not be found, and the promise is taken back.) No frame is out of reach for lying in the
 * wrong cache, and the pools need no memory of their own: the user pool's rule is that a promise to
 * it leaves the kernel's reserve in the count.
 */

#include <stdatomic.h>

#include <arch/mmu.h>
#include <arch/percpu.h>
#include <kernel/log.h>
#include <kernel/panic.h>
#include <kernel/spinlock.h>
#include <kernel/string.h>
#include <mm/frame.h>

#define WORD_BITS      64
#define LEVELS_MAX     6
#define SECTION_FRAMES (MIB(16) / PAGE_SIZE)
#define FRAME_NONE     SIZE_MAX

/* A cache is refilled and drained by CACHE_BATCH frames. */
#define CACHE_BATCH 16
#define CACHE_MAX   (2 * CACHE_BATCH)

/* The kernel's reserve: a sixteenth of all memory within these bounds, at most half of it. */
#define RESERVE_FRACTION   16
#define RESERVE_MIN_FRAMES (MIB(1) / PAGE_SIZE)
#define RESERVE_MAX_FRAMES (MIB(64) / PAGE_SIZE)

/* frame_desc.state: flags, and the number of references in the other bits */
#define STATE_USER 0x80000000u /* charged to the user pool */
#define STATE_HEAD 0x40000000u
#define STATE_BODY 0x20000000u
#define STATE_REFS 0x1fffffffu

struct frame_desc {
    atomic_uint state;
    uint32_t tag;
};

_Static_assert(sizeof(struct frame_desc) == 8, "a 1/512 of memory is enough");

struct section {
    struct frame_desc *descs; /* NULL: a hole */
    atomic_bool is_ready;     /* the descriptors are cleared */
};

struct frame_cache {
    struct spinlock lock;
    bool is_ready; /* its CPU has been here */
    unsigned nr_frames;
    size_t frames[CACHE_MAX]; /* the last one was freed last, and is handed out first */
};

static PERCPU(struct frame_cache, frame_cache);

/* The CPUs whose cache is ready, a bit each. */
static atomic_uint_least64_t cpus_seen;

_Static_assert(CPUS_MAX <= 64, "cpus_seen has a bit for each");

/*
 * L: under `lock`. A: atomic. B: set by frame_init() only.
 */
static struct {
    struct spinlock lock;
    uint64_t *level[LEVELS_MAX]; /* B; the words: L */
    size_t nr_words[LEVELS_MAX]; /* B */
    unsigned nr_levels;          /* B */
    size_t nr_span;              /* B: frames 0 ... nr_span - 1 have a bit */
    size_t next;                 /* L: where the next search begins */
    struct section *sections;    /* B; a section's `descs`: L, and never NULL again */
    size_t nr_total;             /* L */
    atomic_size_t nr_reserve;    /* A */
    atomic_size_t nr_free;       /* A: in bitmap and caches, and not promised */
    atomic_size_t nr_user;       /* A: promised to the user pool, or handed out from it */
} pool;

/* The bitmap. All of it is called with the lock held. */

static uint64_t bit_mask(size_t first_bit, size_t nr_bits)
{
    return (nr_bits == WORD_BITS ? ~0ull : (1ull << nr_bits) - 1) << first_bit;
}

/* Word `index` of level 0 is not zero any more. */
static void summaries_set(size_t index)
{
    for (unsigned level = 1; level < pool.nr_levels; level++) {
        uint64_t *word = &pool.level[level][index / WORD_BITS];
        uint64_t before = *word;

        *word |= 1ull << index % WORD_BITS;
        if (before)
            return;
        index /= WORD_BITS;
    }
}

/* Word `index` of level 0 has become zero. */
static void summaries_clear(size_t index)
{
    for (unsigned level = 1; level < pool.nr_levels; level++) {
        uint64_t *word = &pool.level[level][index / WORD_BITS];

        *word &= ~(1ull << index % WORD_BITS);
        if (*word)
            return;
        index /= WORD_BITS;
    }
}

static void bitmap_mark(size_t first, size_t nr_frames, bool is_free)
{
    while (nr_frames > 0) {
        size_t index = first / WORD_BITS;
        size_t bit = first % WORD_BITS;
        size_t nr_bits = MIN(nr_frames, WORD_BITS - bit);
        uint64_t *word = &pool.level[0][index];
        uint64_t before = *word;

        if (is_free)
            *word |= bit_mask(bit, nr_bits);
        else
            *word &= ~bit_mask(bit, nr_bits);
        if (!before && *word)
            summaries_set(index);
        else if (before && !*word)
            summaries_clear(index);
        first += nr_bits;
        nr_frames -= nr_bits;
    }
}

/* The first free frame at or after `from`, or FRAME_NONE. */
static size_t bitmap_find(size_t from)
{
    unsigned level = 0;
    size_t index = from;

    for (;; level++) {
        uint64_t word;

        if (level == pool.nr_levels || index / WORD_BITS >= pool.nr_words[level])
            return FRAME_NONE;
        word = pool.level[level][index / WORD_BITS] & ~0ull << index % WORD_BITS;
        if (word) {
            index = ROUND_DOWN(index, WORD_BITS) + (size_t)__builtin_ctzll(word);
            break;
        }
        index = index / WORD_BITS + 1;
    }
    for (; level > 0; level--)
        index = index * WORD_BITS + (size_t)__builtin_ctzll(pool.level[level - 1][index]);
    return index;
}

/* How many frames from `first` on are free, counting no further than `max`. */
static size_t bitmap_run(size_t first, size_t max)
{
    size_t nr_frames = 0;

    while (nr_frames < max && (first + nr_frames) / WORD_BITS < pool.nr_words[0]) {
        size_t bit = (first + nr_frames) % WORD_BITS;
        uint64_t taken = ~pool.level[0][(first + nr_frames) / WORD_BITS] >> bit;

        if (taken)
            return MIN(nr_frames + (size_t)__builtin_ctzll(taken), max);
        nr_frames += WORD_BITS - bit;
    }
    return MIN(nr_frames, max);
}

/* A free run that begins in [from, to) at a multiple of align_frames, or FRAME_NONE. */
static size_t bitmap_find_run(size_t from, size_t to, size_t nr_frames, size_t align_frames)
{
    for (;;) {
        size_t first = bitmap_find(from);
        size_t nr_run;

        if (first == FRAME_NONE)
            return FRAME_NONE;
        first = ROUND_UP(first, align_frames);
        if (first >= to)
            return FRAME_NONE;
        nr_run = bitmap_run(first, nr_frames);
        if (nr_run == nr_frames)
            return first;
        from = first + nr_run + 1;
    }
}

static struct frame_desc *desc_of(size_t frame)
{
    return &pool.sections[frame / SECTION_FRAMES].descs[frame % SECTION_FRAMES];
}

/* The last section may end early. */
static size_t section_nr_frames(size_t section)
{
    return MIN(SECTION_FRAMES, pool.nr_span - section * SECTION_FRAMES);
}

/* Takes frames out of the bitmap: from here on their descriptors count. */
static void bitmap_take(size_t first, size_t nr_frames)
{
    bitmap_mark(first, nr_frames, false);
    pool.next = first + nr_frames;
    for (size_t i = first / SECTION_FRAMES; i <= (first + nr_frames - 1) / SECTION_FRAMES; i++) {
        struct section *section = &pool.sections[i];

        if (section->is_ready)
            continue;
        memset(section->descs, 0, section_nr_frames(i) * sizeof(struct frame_desc));
        section->is_ready = true;
    }
}

/* Finds and takes a run; FRAME_NONE when there is none in the bitmap. */
static size_t take_run(size_t nr_frames, size_t align_frames)
{
    irq_state_t irq = spin_lock_irq(&pool.lock);
    size_t first = bitmap_find_run(pool.next, pool.nr_span, nr_frames, align_frames);

    if (first == FRAME_NONE)
        first = bitmap_find_run(0, pool.next, nr_frames, align_frames);
    if (first != FRAME_NONE)
        bitmap_take(first, nr_frames);
    spin_unlock_irq(&pool.lock, irq);
    return first;
}

/* The caches: interrupts are off, and `cache->lock` is held where the comment says so. */

static struct frame_cache *cache_of_this_cpu(void)
{
    struct frame_cache *cache = this_cpu_ptr(frame_cache);

    if (unlikely(!cache->is_ready)) {
        spin_init(&cache->lock, "frame cache", LOCK_RANK_FRAME_CACHE);
        cache->is_ready = true;
        atomic_fetch_or(&cpus_seen, 1ull << cpu_id());
    }
    return cache;
}

/* From the bitmap into an empty cache; locked. */
static RARELY_CALLED void cache_refill(struct frame_cache *cache)
{
    spin_lock(&pool.lock);
    while (cache->nr_frames < CACHE_BATCH) {
        size_t frame = bitmap_find(pool.next);

        if (frame == FRAME_NONE)
            frame = bitmap_find(0);
        if (frame == FRAME_NONE)
            break;
        bitmap_take(frame, 1);
        cache->frames[cache->nr_frames++] = frame;
    }
    spin_unlock(&pool.lock);
}

/* The frames that have lain in the cache longest go back to the bitmap; locked. */
static RARELY_CALLED void cache_drain(struct frame_cache *cache, unsigned nr_frames)
{
    spin_lock(&pool.lock);
    for (unsigned i = 0; i < nr_frames; i++)
        bitmap_mark(cache->frames[i], 1, true);
    spin_unlock(&pool.lock);
    cache->nr_frames -= nr_frames;
    memmove(cache->frames, cache->frames + nr_frames, cache->nr_frames * sizeof(size_t));
}

static size_t cache_pop(struct frame_cache *cache)
{
    return cache->nr_frames > 0 ? cache->frames[--cache->nr_frames] : FRAME_NONE;
}

static size_t take_from_own_cache(void)
{
    struct frame_cache *cache = cache_of_this_cpu();
    size_t frame;

    spin_lock(&cache->lock);
    if (cache->nr_frames == 0)
        cache_refill(cache);
    frame = cache_pop(cache);
    spin_unlock(&cache->lock);
    return frame;
}

static size_t steal_from_other_caches(void)
{
    uint64_t cpus = atomic_load(&cpus_seen);
    size_t frame = FRAME_NONE;

    for (; cpus && frame == FRAME_NONE; cpus &= cpus - 1) {
        struct frame_cache *cache = cpu_ptr(frame_cache, __builtin_ctzll(cpus));

        spin_lock(&cache->lock);
        frame = cache_pop(cache);
        spin_unlock(&cache->lock);
    }
    return frame;
}

/*
 * A promised frame that this CPU does not have. It can be missed in one round, while another CPU
 * moves it between the places that are searched, so there may be another.
 */
static size_t search_promised_frame(void)
{
    size_t frame = steal_from_other_caches();

    while (frame == FRAME_NONE) {
        cpu_relax();
        frame = take_from_own_cache();
        if (frame == FRAME_NONE)
            frame = steal_from_other_caches();
    }
    return frame;
}

/* Finds the frame that the caller was promised. */
static size_t take_promised_frame(void)
{
    irq_state_t irq = irq_save();
    size_t frame = take_from_own_cache();

    if (unlikely(frame == FRAME_NONE))
        frame = search_promised_frame();
    irq_restore(irq);
    return frame;
}

static void put_frame(size_t frame)
{
    irq_state_t irq = irq_save();
    struct frame_cache *cache = cache_of_this_cpu();

    spin_lock(&cache->lock);
    if (cache->nr_frames == CACHE_MAX)
        cache_drain(cache, CACHE_BATCH);
    cache->frames[cache->nr_frames++] = frame;
    spin_unlock(&cache->lock);
    irq_restore(irq);
}

/* Makes all caches empty: what lies in them may be what is missing in a run. */
static void drain_all_caches(void)
{
    uint64_t cpus = atomic_load(&cpus_seen);

    for (; cpus; cpus &= cpus - 1) {
        struct frame_cache *cache = cpu_ptr(frame_cache, __builtin_ctzll(cpus));
        irq_state_t irq = spin_lock_irq(&cache->lock);

        cache_drain(cache, cache->nr_frames);
        spin_unlock_irq(&cache->lock, irq);
    }
}

/* The counts. */

static bool promise(size_t nr_frames, unsigned flags)
{
    size_t nr_kept = flags & FRAME_USER ? pool.nr_reserve : 0;
    size_t nr_free = pool.nr_free;

    do {
        if (nr_frames > nr_free || nr_free - nr_frames < nr_kept)
            return false;
    } while (!atomic_compare_exchange_weak(&pool.nr_free, &nr_free, nr_free - nr_frames));
    if (flags & FRAME_USER)
        atomic_fetch_add(&pool.nr_user, nr_frames);
    return true;
}

/* The frames are where they can be found, or were never found. */
static void count_free(size_t nr_frames, bool is_user)
{
    if (is_user)
        atomic_fetch_sub(&pool.nr_user, nr_frames);
    atomic_fetch_add(&pool.nr_free, nr_frames);
}

static paddr_t out_of_frames(size_t nr_frames, unsigned flags)
{
    if (flags & FRAME_ASSERT)
        panic("frame: out of memory: %zu frames wanted, %zu of %zu are free", nr_frames,
              (size_t)pool.nr_free, pool.nr_total);
    return PADDR_NONE;
}

static void set_state(size_t frame, unsigned state, unsigned flags)
{
    struct frame_desc *desc = desc_of(frame);

    assert(desc->state == 0);
    desc->tag = 0;
    atomic_store_explicit(&desc->state, 1 | state | (flags & FRAME_USER ? STATE_USER : 0),
                          memory_order_relaxed);
}

static paddr_t hand_over(size_t first, size_t nr_frames, unsigned flags)
{
    paddr_t paddr = (paddr_t)first << PAGE_SHIFT;

    if (flags & FRAME_ZERO)
        mmu_clear_pages(phys_to_virt(paddr), nr_frames);
    return paddr;
}

paddr_t frame_alloc(unsigned flags)
{
    size_t frame;

    if (!promise(1, flags))
        return out_of_frames(1, flags);
    frame = take_promised_frame();
    set_state(frame, 0, flags);
    return hand_over(frame, 1, flags);
}

paddr_t frame_alloc_contig(size_t nr_frames, size_t align_frames, unsigned flags)
{
    size_t first;

    assert(nr_frames > 0 && __builtin_popcountll(align_frames) == 1);
    if (!promise(nr_frames, flags))
        return out_of_frames(nr_frames, flags);
    first = take_run(nr_frames, align_frames);
    if (first == FRAME_NONE) {
        drain_all_caches();
        first = take_run(nr_frames, align_frames);
    }
    if (first == FRAME_NONE) {
        count_free(nr_frames, flags & FRAME_USER);
        return out_of_frames(nr_frames, flags);
    }
    set_state(first, STATE_HEAD, flags);
    for (size_t i = 1; i < nr_frames; i++)
        set_state(first + i, STATE_BODY, flags);
    return hand_over(first, nr_frames, flags);
}

/* The descriptor of a frame that somebody claims to have; `verb` says what is being done to it. */
static struct frame_desc *claimed_desc(paddr_t paddr, const char *verb)
{
    size_t frame = paddr >> PAGE_SHIFT;
    const struct section *section = &pool.sections[frame / SECTION_FRAMES];
    struct frame_desc *desc;

    if (!IS_ALIGNED(paddr, PAGE_SIZE))
        panic("frame: cannot %s %#lx: not aligned", verb, paddr);
    if (frame >= pool.nr_span || !section->is_ready)
        panic("frame: cannot %s %#lx: not managed, or never handed out", verb, paddr);
    desc = &section->descs[frame % SECTION_FRAMES];
    if (!(desc->state & STATE_REFS))
        panic("frame: cannot %s %#lx: not handed out (freed twice?)", verb, paddr);
    return desc;
}

/* As above, of a frame by itself. */
static ALWAYS_INLINE struct frame_desc *claimed_single(paddr_t paddr, const char *verb)
{
    struct frame_desc *desc = claimed_desc(paddr, verb);

    if (desc->state & (STATE_HEAD | STATE_BODY))
        panic("frame: cannot %s %#lx: part of a contiguous allocation", verb, paddr);
    return desc;
}

void frame_free(paddr_t frame)
{
    struct frame_desc *desc = claimed_single(frame, "free");
    unsigned state = desc->state;

    if ((state & STATE_REFS) != 1)
        panic("frame: cannot free %#lx: %u references", frame, state & STATE_REFS);
    if (!atomic_compare_exchange_strong(&desc->state, &state, 0))
        panic("frame: cannot free %#lx: in use by another CPU", frame);
    put_frame(frame >> PAGE_SHIFT);
    count_free(1, state & STATE_USER);
}

void frame_free_contig(paddr_t first, size_t nr_frames)
{
    size_t frame = first >> PAGE_SHIFT;
    unsigned head = claimed_desc(first, "free")->state;
    irq_state_t irq;

    if (!(head & STATE_HEAD))
        panic("frame: cannot free %#lx: not the first of a contiguous allocation", first);
    for (size_t i = 1; i < nr_frames; i++) {
        if (!(claimed_desc(first + i * PAGE_SIZE, "free")->state & STATE_BODY))
            panic("frame: cannot free %zu frames at %#lx: only %zu belong", nr_frames, first, i);
    }
    /* A body that follows belongs to this head: the number is too small. */
    if (nr_frames == 0 || (frame + nr_frames < pool.nr_span &&
                           pool.sections[(frame + nr_frames) / SECTION_FRAMES].is_ready &&
                           desc_of(frame + nr_frames)->state & STATE_BODY))
        panic("frame: cannot free %zu frames at %#lx: more belong", nr_frames, first);

    for (size_t i = 0; i < nr_frames; i++)
        desc_of(frame + i)->state = 0;
    irq = spin_lock_irq(&pool.lock);
    bitmap_mark(frame, nr_frames, true);
    spin_unlock_irq(&pool.lock, irq);
    count_free(nr_frames, head & STATE_USER);
}

void frame_ref(paddr_t frame)
{
    struct frame_desc *desc = claimed_single(frame, "share");

    if ((desc->state & STATE_REFS) == STATE_REFS)
        panic("frame: cannot share %#lx: too many references", frame);
    atomic_fetch_add_explicit(&desc->state, 1, memory_order_relaxed);
}

void frame_unref(paddr_t frame)
{
    struct frame_desc *desc = claimed_single(frame, "release");
    unsigned before = atomic_fetch_sub_explicit(&desc->state, 1, memory_order_acq_rel);

    if ((before & STATE_REFS) > 1)
        return;
    desc->state = 0;
    put_frame(frame >> PAGE_SHIFT);
    count_free(1, before & STATE_USER);
}

unsigned frame_refs(paddr_t frame)
{
    return claimed_desc(frame, "count")->state & STATE_REFS;
}

void frame_set_tag(paddr_t frame, uint32_t tag)
{
    claimed_desc(frame, "tag")->tag = tag;
}

uint32_t frame_get_tag(paddr_t frame)
{
    return claimed_desc(frame, "look up")->tag;
}

struct frame_stats frame_get_stats(void)
{
    irq_state_t irq = spin_lock_irq(&pool.lock);
    size_t nr_total = pool.nr_total;
    size_t nr_reserve = pool.nr_reserve;

    spin_unlock_irq(&pool.lock, irq);
    return (struct frame_stats){
        .nr_total = nr_total,
        .nr_free = pool.nr_free,
        .nr_user = pool.nr_user,
        .nr_user_max = nr_total - nr_reserve,
        .nr_kernel_reserve = nr_reserve,
    };
}

/* Start-up. */

/* Adds frames that have descriptors; locked. */
static void add_frames(size_t first, size_t nr_frames)
{
    size_t nr_reserve;

    bitmap_mark(first, nr_frames, true);
    pool.nr_total += nr_frames;
    nr_reserve = MIN(MAX(pool.nr_total / RESERVE_FRACTION, RESERVE_MIN_FRAMES), RESERVE_MAX_FRAMES);
    pool.nr_reserve = MIN(nr_reserve, pool.nr_total / 2);
    count_free(nr_frames, false);
}

/* Sections that hold a piece of the range: [first, end). */
static size_t first_section(const struct frame_range *range)
{
    return (range->start >> PAGE_SHIFT) / SECTION_FRAMES;
}

static size_t end_section(const struct frame_range *range)
{
    return ((range->end - 1) >> PAGE_SHIFT) / SECTION_FRAMES + 1;
}

/* Decides the sizes of all tables; returns their sum in bytes. */
static size_t plan_tables(const struct frame_range *ranges, size_t nr_ranges)
{
    size_t nr_bytes = 0;
    size_t nr_words, section;

    pool.nr_span = ranges[nr_ranges - 1].end >> PAGE_SHIFT;
    nr_words = pool.nr_span;
    do {
        assert(pool.nr_levels < LEVELS_MAX);
        nr_words = ROUND_UP(nr_words, WORD_BITS) / WORD_BITS;
        pool.nr_words[pool.nr_levels++] = nr_words;
        nr_bytes += nr_words * sizeof(uint64_t);
    } while (nr_words > 1);

    nr_bytes += end_section(&ranges[nr_ranges - 1]) * sizeof(struct section);
    section = 0;
    for (size_t i = 0; i < nr_ranges; i++) {
        section = MAX(section, first_section(&ranges[i]));
        for (; section < end_section(&ranges[i]); section++)
            nr_bytes += section_nr_frames(section) * sizeof(struct frame_desc);
    }
    return nr_bytes;
}

/* Cuts nr_bytes off the memory at *from. */
static void *cut_table(char **from, size_t nr_bytes)
{
    void *table = *from;

    *from += nr_bytes;
    return table;
}

/* Lays the tables out from `start` on. Descriptors are not cleared: bitmap_take() does that. */
static void make_tables(char *start, const struct frame_range *ranges, size_t nr_ranges)
{
    size_t nr_sections = end_section(&ranges[nr_ranges - 1]);

    for (unsigned level = 0; level < pool.nr_levels; level++) {
        size_t nr_bytes = pool.nr_words[level] * sizeof(uint64_t);

        pool.level[level] = cut_table(&start, nr_bytes);
        memset(pool.level[level], 0, nr_bytes);
    }
    pool.sections = cut_table(&start, nr_sections * sizeof(struct section));
    memset(pool.sections, 0, nr_sections * sizeof(struct section));
    for (size_t i = 0; i < nr_ranges; i++) {
        for (size_t s = first_section(&ranges[i]); s < end_section(&ranges[i]); s++) {
            if (!pool.sections[s].descs)
                pool.sections[s].descs =
                    cut_table(&start, section_nr_frames(s) * sizeof(struct frame_desc));
        }
    }
}

void frame_init(const struct frame_range *ranges, size_t nr_ranges)
{
    const struct frame_range *largest = ranges;
    size_t nr_bytes;
    paddr_t tables;

    assert(nr_ranges > 0);
    for (size_t i = 0; i < nr_ranges; i++) {
        assert(IS_ALIGNED(ranges[i].start | ranges[i].end, PAGE_SIZE));
        assert(ranges[i].start < ranges[i].end);
        assert(i == 0 || ranges[i - 1].end <= ranges[i].start);
        if (ranges[i].end - ranges[i].start > largest->end - largest->start)
            largest = &ranges[i];
    }
    memset(&pool, 0, sizeof(pool));
    cpus_seen = 0;
    spin_init(&pool.lock, "frame", LOCK_RANK_FRAME);

    nr_bytes = ROUND_UP(plan_tables(ranges, nr_ranges), PAGE_SIZE);
    if (nr_bytes >= largest->end - largest->start)
        panic("frame: no memory range holds tables of %zu bytes", nr_bytes);
    tables = largest->end - nr_bytes;
    make_tables(phys_to_virt(tables), ranges, nr_ranges);

    for (size_t i = 0; i < nr_ranges; i++) {
        paddr_t end = &ranges[i] == largest ? tables : ranges[i].end;

        add_frames(ranges[i].start >> PAGE_SHIFT, (end - ranges[i].start) >> PAGE_SHIFT);
    }
    log_info("frame: %zu KiB free, %zu KiB of them the kernel's reserve, %zu KiB of tables",
             pool.nr_total << (PAGE_SHIFT - 10), pool.nr_reserve << (PAGE_SHIFT - 10),
             nr_bytes >> 10);
}

/* Descriptors for a section that was all hole; false when there is no memory for them. */
static bool section_fill_hole(size_t index)
{
    size_t nr_bytes = ROUND_UP(section_nr_frames(index) * sizeof(struct frame_desc), PAGE_SIZE);
    paddr_t descs = frame_alloc_contig(nr_bytes / PAGE_SIZE, 1, 0);
    irq_state_t irq;

    if (descs == PADDR_NONE)
        return false;
    irq = spin_lock_irq(&pool.lock);
    pool.sections[index].descs = phys_to_virt(descs);
    spin_unlock_irq(&pool.lock, irq);
    return true;
}

/* Nothing in [first, end) is ours yet; locked. */
static bool is_unknown(size_t first, size_t end)
{
    if (bitmap_find(first) < end)
        return false;
    for (size_t frame = first; frame < end; frame++) {
        if (pool.sections[frame / SECTION_FRAMES].is_ready && desc_of(frame)->state != 0)
            return false;
    }
    return true;
}

void frame_add_range(paddr_t start, paddr_t end)
{
    assert(IS_ALIGNED(start | end, PAGE_SIZE));
    assert(start <= end && end >> PAGE_SHIFT <= pool.nr_span);

    for (size_t first = start >> PAGE_SHIFT, next; first < end >> PAGE_SHIFT; first = next) {
        size_t index = first / SECTION_FRAMES;
        irq_state_t irq;

        next = MIN((index + 1) * SECTION_FRAMES, end >> PAGE_SHIFT);
        if (!pool.sections[index].descs && !section_fill_hole(index)) {
            log_warn("frame: no memory for descriptors, %zu frames are lost", next - first);
            continue;
        }
        irq = spin_lock_irq(&pool.lock);
        if (!is_unknown(first, next))
            panic("frame: memory added twice: %#zx ... %#zx", first << PAGE_SHIFT,
                  next << PAGE_SHIFT);
        add_frames(first, next - first);
        spin_unlock_irq(&pool.lock, irq);
    }
}

paddr_t frame_span_end(void)
{
    return (paddr_t)pool.nr_span << PAGE_SHIFT;
}
