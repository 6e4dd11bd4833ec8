/*
 * The kernel heap, after Bonwick, "The Slab Allocator" (USENIX 1994), and Bonwick and Adams,
 * "Magazines and Vmem" (USENIX 2001).
 *
 * A *cache* hands out objects of one size. It has three layers, each asked only when the one above
 * cannot help:
 *
 *   magazines   Each CPU has two magazines a cache, arrays of pointers to free objects. Allocating
 *               and freeing is popping and pushing on the *loaded* one, with interrupts off and no
 *               lock. The *previous* one is always full or empty: when the loaded one runs empty or
 *               full, swapping the two helps, unless both are. So a CPU goes to the depot at most
 *               once in MAGAZINE_ROUNDS operations, however it allocates and frees.
 *   depot       Full and empty magazines that CPUs exchange, under the cache's lock. It keeps at
 *               most DEPOT_FULL_MAX full ones: what comes over goes back to the slabs.
 *   slabs       A slab is 1, 2, 4 or 8 frames in a row with a header and as many objects as fit.
 *               It is full (on no list), partial (on the cache's list) or empty; a cache keeps one
 *               empty slab, more go back to the frame allocator. Free objects of a slab are linked
 *               through their first word; those behind the last one ever used are not linked yet.
 *
 * The tag of a frame of the heap says whose it is: that is how kfree() finds the cache, and an
 * object its slab.
 *
 * kmalloc() is a row of caches, twice: for the kernel and for what is charged to users. From half a
 * frame up it hands out whole frames.
 *
 * Debug builds keep a guard word behind each object, which tells live objects from free ones and
 * from overrun ones, and fill free objects with a pattern that must still be there when they are
 * handed out again.
 */

#include <stdatomic.h>

#include <arch/mmu.h>
#include <arch/percpu.h>
#include <kernel/list.h>
#include <kernel/panic.h>
#include <kernel/spinlock.h>
#include <kernel/string.h>
#include <mm/frame.h>
#include <mm/slab.h>

#define CACHES_MAX      64
#define MAGAZINE_ROUNDS 15
#define DEPOT_FULL_MAX  4

#define OBJECT_BYTES_MAX PAGE_SIZE
#define OBJECT_ALIGN_MAX 64
#define NATURAL_ALIGN    16

/* A slab has the fewest frames of which at most 1/SLAB_WASTE_FRACTION is lost at the end. */
#define SLAB_FRAMES_MAX     8
#define SLAB_WASTE_FRACTION 8

/* From the largest size class up, kmalloc() hands out frames. */
#define CLASS_BYTES_MAX 2048

/*
 * Tags of frames. A slab's: which cache, and which frame of the slab it is. A large allocation's
 * first frame: how many frames. (0 is a frame that is not the heap's.)
 */
#define TAG_SLAB             0x01000000u
#define TAG_LARGE            0x02000000u
#define TAG_KIND             0xff000000u
#define TAG_NUMBER           0x00ffffffu
#define TAG_SLAB_CACHE_SHIFT 8
#define TAG_SLAB_FRAME       0xffu

struct magazine {
    struct magazine *next; /* in the depot */
    void *rounds[MAGAZINE_ROUNDS];
};

/* A CPU's part of a cache. Only that CPU touches it, with interrupts off. */
struct cpu_cache {
    struct magazine *loaded, *previous; /* NULL: none yet */
    unsigned nr_loaded, nr_previous;    /* rounds in them */
    unsigned max_loaded;                /* 0: no magazine is loaded */
    int64_t nr_live;                    /* objects allocated here minus those freed here */
};

struct cpu_caches {
    struct cpu_cache of[CACHES_MAX];
};

static PERCPU(struct cpu_caches, cpu_caches);

/* The CPUs that have used the heap, a bit each. */
static atomic_uint_least64_t cpus_seen;

_Static_assert(CPUS_MAX <= 64, "cpus_seen has a bit for each");

/* At the start of each slab; what is not constant is under the cache's lock. */
struct slab {
    struct list_node link; /* on cache->partial; on no list when full or empty */
    struct slab_cache *cache;
    void *free;         /* objects that were freed, linked through their first word */
    unsigned nr_linked; /* objects that were handed out at least once */
    unsigned nr_used;
};

#define SLAB_HEADER_BYTES 64

_Static_assert(sizeof(struct slab) <= SLAB_HEADER_BYTES, "the header fits in its place");
_Static_assert(SLAB_HEADER_BYTES % OBJECT_ALIGN_MAX == 0, "the first object is aligned");

/*
 * B: set when the cache is made. L: under `lock`.
 */
struct slab_cache {
    const char *name;      /* B */
    size_t object_bytes;   /* B: as asked for, and at least a pointer */
    size_t stride_bytes;   /* B: from one object to the next */
    unsigned slab_objects; /* B: objects in a slab */
    unsigned slab_frames;  /* B */
    unsigned frame_flags;  /* B */
    unsigned index;        /* B: in caches[] */
    struct spinlock lock;
    struct list partial;                       /* L */
    struct slab *empty;                        /* L: NULL or the one empty slab */
    size_t nr_slabs;                           /* L */
    struct magazine *depot_full, *depot_empty; /* L */
    atomic_uint nr_depot_full;                 /* written under `lock`, read as a hint without */
};

/* The first is the cache of magazines, which has no magazines itself. */
static struct slab_cache caches[CACHES_MAX];
static unsigned nr_caches;
static struct slab_cache *const magazine_cache = &caches[0];

/* kmalloc()'s sizes, each with a cache for the kernel and one that is charged to users. */
static struct size_class {
    size_t bytes;
    const char *names[2];
    struct slab_cache *caches[2];
} size_classes[] = {
    {.bytes = 16, .names = {"kmalloc-16", "user-16"}},
    {.bytes = 32, .names = {"kmalloc-32", "user-32"}},
    {.bytes = 48, .names = {"kmalloc-48", "user-48"}},
    {.bytes = 64, .names = {"kmalloc-64", "user-64"}},
    {.bytes = 96, .names = {"kmalloc-96", "user-96"}},
    {.bytes = 128, .names = {"kmalloc-128", "user-128"}},
    {.bytes = 192, .names = {"kmalloc-192", "user-192"}},
    {.bytes = 256, .names = {"kmalloc-256", "user-256"}},
    {.bytes = 384, .names = {"kmalloc-384", "user-384"}},
    {.bytes = 512, .names = {"kmalloc-512", "user-512"}},
    {.bytes = 768, .names = {"kmalloc-768", "user-768"}},
    {.bytes = 1024, .names = {"kmalloc-1024", "user-1024"}},
    {.bytes = 1536, .names = {"kmalloc-1536", "user-1536"}},
    {.bytes = CLASS_BYTES_MAX, .names = {"kmalloc-2048", "user-2048"}},
};

/* The class of an allocation of up to 16 * index bytes. */
static uint8_t class_of[CLASS_BYTES_MAX / NATURAL_ALIGN + 1];

static atomic_size_t nr_large, nr_large_frames;

/* What debug builds check. */

#ifdef THRUM_DEBUG

#define GUARD_BYTES  16 /* a word, and what keeps the alignment */
#define GUARD_LIVE   0x4c4956454c495645ull
#define GUARD_FREE   0x4652454546524545ull
#define POISON_FREE  0x6b
#define POISON_FRESH 0xa5

/* The guard is mixed with the address, so that copying one object over another breaks it. */
static uint64_t *guard_of(const struct slab_cache *cache, void *object)
{
    return (uint64_t *)((char *)object + ROUND_UP(cache->object_bytes, sizeof(uint64_t)));
}

static void set_guard(const struct slab_cache *cache, void *object, uint64_t guard)
{
    *guard_of(cache, object) = guard ^ (uintptr_t)object;
}

static uint64_t get_guard(const struct slab_cache *cache, void *object)
{
    return *guard_of(cache, object) ^ (uintptr_t)object;
}

static void debug_make_free(const struct slab_cache *cache, void *object)
{
    memset(object, POISON_FREE, cache->object_bytes);
    set_guard(cache, object, GUARD_FREE);
}

static void debug_alloc(const struct slab_cache *cache, void *object)
{
    const unsigned char *bytes = object;

    if (get_guard(cache, object) != GUARD_FREE)
        panic("slab: %s: guard of free object %p was overwritten", cache->name, object);
    /* The first word has linked the object in its slab. */
    for (size_t i = sizeof(void *); i < cache->object_bytes; i++) {
        if (bytes[i] != POISON_FREE)
            panic("slab: %s: object %p was written to at byte %zu after it was freed", cache->name,
                  object, i);
    }
    memset(object, POISON_FRESH, cache->object_bytes);
    set_guard(cache, object, GUARD_LIVE);
}

static void debug_free(const struct slab_cache *cache, void *object)
{
    uint64_t guard;
    uint32_t tag = frame_get_tag(virt_to_phys(object) & ~(PAGE_SIZE - 1));

    if ((tag & TAG_KIND) != TAG_SLAB || (tag & TAG_NUMBER) >> TAG_SLAB_CACHE_SHIFT != cache->index)
        panic("slab: %s: object %p of something else is freed", cache->name, object);
    guard = get_guard(cache, object);
    if (guard == GUARD_FREE)
        panic("slab: %s: object %p is freed twice", cache->name, object);
    if (guard != GUARD_LIVE)
        panic("slab: %s: object %p is freed: no object, or overrun", cache->name, object);
    debug_make_free(cache, object);
}

#else

#define GUARD_BYTES 0

static void debug_make_free(const struct slab_cache *cache, void *object)
{
    (void)cache;
    (void)object;
}

static void debug_alloc(const struct slab_cache *cache, void *object)
{
    (void)cache;
    (void)object;
}

static void debug_free(const struct slab_cache *cache, void *object)
{
    (void)cache;
    (void)object;
}

#endif

/* Slabs: the cache's lock is held. */

static struct slab *slab_create(struct slab_cache *cache)
{
    paddr_t first = cache->slab_frames == 1
                        ? frame_alloc(cache->frame_flags)
                        : frame_alloc_contig(cache->slab_frames, 1, cache->frame_flags);
    struct slab *slab;

    if (first == PADDR_NONE)
        return NULL;
    for (unsigned i = 0; i < cache->slab_frames; i++)
        frame_set_tag(first + i * PAGE_SIZE, TAG_SLAB | cache->index << TAG_SLAB_CACHE_SHIFT | i);
    slab = phys_to_virt(first);
    *slab = (struct slab){.cache = cache};
    list_node_init(&slab->link);
    cache->nr_slabs++;
    return slab;
}

static void slab_destroy(struct slab *slab)
{
    struct slab_cache *cache = slab->cache;
    paddr_t first = virt_to_phys(slab);

    cache->nr_slabs--;
    if (cache->slab_frames == 1)
        frame_free(first);
    else
        frame_free_contig(first, cache->slab_frames);
}

static struct slab *slab_of(const void *object)
{
    paddr_t frame = ROUND_DOWN(virt_to_phys(object), PAGE_SIZE);
    uint32_t tag = frame_get_tag(frame);

    if ((tag & TAG_KIND) != TAG_SLAB)
        panic("slab: %p is no object of the heap", object);
    return phys_to_virt(frame - (tag & TAG_SLAB_FRAME) * PAGE_SIZE);
}

static void *slab_take(struct slab *slab)
{
    struct slab_cache *cache = slab->cache;
    void *object = slab->free;

    if (object) {
        slab->free = *(void **)object;
    } else {
        object = (char *)slab + SLAB_HEADER_BYTES + slab->nr_linked++ * cache->stride_bytes;
        debug_make_free(cache, object);
    }
    slab->nr_used++;
    return object;
}

static void *take_object(struct slab_cache *cache)
{
    struct slab *slab = list_first_entry(&cache->partial, struct slab, link);
    void *object;

    if (!slab) {
        slab = cache->empty ? cache->empty : slab_create(cache);
        if (!slab)
            return NULL;
        cache->empty = NULL;
        list_push_front(&cache->partial, &slab->link);
    }
    object = slab_take(slab);
    if (slab->nr_used == cache->slab_objects)
        list_remove(&slab->link);
    return object;
}

static void put_object(struct slab_cache *cache, void *object)
{
    struct slab *slab = slab_of(object);

    if (slab->cache != cache)
        panic("slab: object %p of cache %s was freed to cache %s", object, slab->cache->name,
              cache->name);
    *(void **)object = slab->free;
    slab->free = object;
    if (slab->nr_used-- == cache->slab_objects)
        list_push_front(&cache->partial, &slab->link);
    if (slab->nr_used > 0)
        return;
    list_remove(&slab->link);
    if (cache->empty)
        slab_destroy(slab);
    else
        cache->empty = slab;
}

static void *take_object_locked(struct slab_cache *cache)
{
    irq_state_t irq = spin_lock_irq(&cache->lock);
    void *object = take_object(cache);

    spin_unlock_irq(&cache->lock, irq);
    return object;
}

static void put_object_locked(struct slab_cache *cache, void *object)
{
    irq_state_t irq = spin_lock_irq(&cache->lock);

    put_object(cache, object);
    spin_unlock_irq(&cache->lock, irq);
}

/* Magazines and the depot: interrupts are off. */

static void magazine_push(struct magazine **list, struct magazine *magazine)
{
    magazine->next = *list;
    *list = magazine;
}

static struct magazine *magazine_pop(struct magazine **list)
{
    struct magazine *magazine = *list;

    if (magazine)
        *list = magazine->next;
    return magazine;
}

/* Takes a magazine's rounds back to their slabs. */
static void magazine_unload(struct slab_cache *cache, struct magazine *magazine, unsigned nr_rounds)
{
    spin_lock(&cache->lock);
    for (unsigned i = 0; i < nr_rounds; i++)
        put_object(cache, magazine->rounds[i]);
    spin_unlock(&cache->lock);
}

static void swap_magazines(struct cpu_cache *cpu)
{
    struct magazine *loaded = cpu->loaded;
    unsigned nr_loaded = cpu->nr_loaded;

    cpu->loaded = cpu->previous;
    cpu->nr_loaded = cpu->nr_previous;
    cpu->previous = loaded;
    cpu->nr_previous = nr_loaded;
}

/* Loads `magazine`; the one that was loaded becomes the previous one. */
static void load_magazine(struct cpu_cache *cpu, struct magazine *magazine, unsigned nr_rounds)
{
    cpu->previous = cpu->loaded;
    cpu->nr_previous = cpu->nr_loaded;
    cpu->loaded = magazine;
    cpu->nr_loaded = nr_rounds;
    cpu->max_loaded = MAGAZINE_ROUNDS;
}

/* The loaded magazine is empty: makes it one with rounds, or returns false. */
static bool load_rounds(struct slab_cache *cache, struct cpu_cache *cpu)
{
    struct magazine *full;

    if (cpu->nr_previous > 0) {
        swap_magazines(cpu);
        return true;
    }
    spin_lock(&cache->lock);
    full = magazine_pop(&cache->depot_full);
    if (full) {
        cache->nr_depot_full--;
        if (cpu->previous)
            magazine_push(&cache->depot_empty, cpu->previous);
    }
    spin_unlock(&cache->lock);
    if (!full)
        return false;
    load_magazine(cpu, full, MAGAZINE_ROUNDS);
    return true;
}

/* A magazine for a CPU whose two are full; its previous one goes to the depot. NULL: none. */
static struct magazine *exchange_full(struct slab_cache *cache, struct cpu_cache *cpu)
{
    struct magazine *empty;

    spin_lock(&cache->lock);
    empty = magazine_pop(&cache->depot_empty);
    spin_unlock(&cache->lock);
    if (!empty)
        empty = take_object_locked(magazine_cache);
    if (!empty || !cpu->previous)
        return empty;
    spin_lock(&cache->lock);
    magazine_push(&cache->depot_full, cpu->previous);
    cache->nr_depot_full++;
    spin_unlock(&cache->lock);
    return empty;
}

/* The loaded magazine is full, or there is none: makes it one with room, or returns false. */
static bool load_room(struct slab_cache *cache, struct cpu_cache *cpu)
{
    struct magazine *empty;

    if (cpu->previous && cpu->nr_previous > 0 && cache->nr_depot_full >= DEPOT_FULL_MAX) {
        magazine_unload(cache, cpu->previous, cpu->nr_previous);
        cpu->nr_previous = 0;
    }
    if (cpu->previous && cpu->nr_previous == 0) {
        swap_magazines(cpu);
        return true;
    }
    empty = exchange_full(cache, cpu);
    if (empty)
        load_magazine(cpu, empty, 0);
    return empty;
}

static void note_cpu(void)
{
    uint64_t self = 1ull << cpu_id();

    if (!(atomic_load_explicit(&cpus_seen, memory_order_relaxed) & self))
        atomic_fetch_or(&cpus_seen, self);
}

static void *alloc_slowly(struct slab_cache *cache, struct cpu_cache *cpu)
{
    void *object;

    note_cpu();
    if (load_rounds(cache, cpu))
        return cpu->loaded->rounds[--cpu->nr_loaded];
    object = take_object_locked(cache);
    if (!object) {
        slab_reclaim();
        object = take_object_locked(cache);
    }
    return object;
}

static void free_slowly(struct slab_cache *cache, struct cpu_cache *cpu, void *object)
{
    note_cpu();
    if (load_room(cache, cpu))
        cpu->loaded->rounds[cpu->nr_loaded++] = object;
    else
        put_object_locked(cache, object);
}

void *slab_alloc(struct slab_cache *cache)
{
    irq_state_t irq = irq_save();
    struct cpu_cache *cpu = &this_cpu_ptr(cpu_caches)->of[cache->index];
    void *object;

    if (likely(cpu->nr_loaded > 0))
        object = cpu->loaded->rounds[--cpu->nr_loaded];
    else
        object = alloc_slowly(cache, cpu);
    cpu->nr_live += object != NULL;
    irq_restore(irq);
    if (object)
        debug_alloc(cache, object);
    return object;
}

void slab_free(struct slab_cache *cache, void *object)
{
    struct cpu_cache *cpu;
    irq_state_t irq;

    debug_free(cache, object);
    irq = irq_save();
    cpu = &this_cpu_ptr(cpu_caches)->of[cache->index];
    if (likely(cpu->nr_loaded < cpu->max_loaded))
        cpu->loaded->rounds[cpu->nr_loaded++] = object;
    else
        free_slowly(cache, cpu, object);
    cpu->nr_live--;
    irq_restore(irq);
}

/* Sizes. */

/* Whole frames; NULL when out of memory. */
static void *alloc_large(size_t bytes, unsigned frame_flags)
{
    size_t nr_frames = bytes / PAGE_SIZE + (bytes % PAGE_SIZE != 0);
    paddr_t first;

    if (nr_frames > TAG_NUMBER)
        return NULL;
    first =
        nr_frames == 1 ? frame_alloc(frame_flags) : frame_alloc_contig(nr_frames, 1, frame_flags);
    if (first == PADDR_NONE)
        return NULL;
    frame_set_tag(first, TAG_LARGE | (uint32_t)nr_frames);
    atomic_fetch_add(&nr_large, 1);
    atomic_fetch_add(&nr_large_frames, nr_frames);
    return phys_to_virt(first);
}

static void free_large(void *p, size_t nr_frames)
{
    atomic_fetch_sub(&nr_large, 1);
    atomic_fetch_sub(&nr_large_frames, nr_frames);
    if (nr_frames == 1)
        frame_free(virt_to_phys(p));
    else
        frame_free_contig(virt_to_phys(p), nr_frames);
}

static void *alloc_bytes(size_t bytes, unsigned frame_flags)
{
    bool is_user = frame_flags & FRAME_USER;
    void *p;

    if (bytes == 0)
        return NULL;
    if (bytes <= CLASS_BYTES_MAX) {
        size_t index = (bytes + NATURAL_ALIGN - 1) / NATURAL_ALIGN;

        p = slab_alloc(size_classes[class_of[index]].caches[is_user]);
        if (p && frame_flags & FRAME_ZERO)
            memset(p, 0, bytes);
        return p;
    }
    p = alloc_large(bytes, frame_flags);
    if (!p) {
        slab_reclaim();
        p = alloc_large(bytes, frame_flags);
    }
    return p;
}

void *kmalloc(size_t bytes)
{
    return alloc_bytes(bytes, 0);
}

void *kzalloc(size_t bytes)
{
    return alloc_bytes(bytes, FRAME_ZERO);
}

void *kmalloc_user(size_t bytes)
{
    return alloc_bytes(bytes, FRAME_USER);
}

void *kzalloc_user(size_t bytes)
{
    return alloc_bytes(bytes, FRAME_USER | FRAME_ZERO);
}

void kfree(void *p)
{
    uint32_t tag;

    if (!p)
        return;
    tag = frame_get_tag(ROUND_DOWN(virt_to_phys(p), PAGE_SIZE));
    switch (tag & TAG_KIND) {
    case TAG_SLAB:
        slab_free(&caches[(tag & TAG_NUMBER) >> TAG_SLAB_CACHE_SHIFT], p);
        break;
    case TAG_LARGE:
        free_large(p, tag & TAG_NUMBER);
        break;
    default:
        panic("slab: %p is not memory of the heap", p);
    }
}

/* Reclaiming and counting. */

static void magazine_delete(struct slab_cache *cache, struct magazine *magazine, unsigned nr_rounds)
{
    if (!magazine)
        return;
    magazine_unload(cache, magazine, nr_rounds);
    put_object_locked(magazine_cache, magazine);
}

/* Takes everything out of the depot. */
static void depot_empty(struct slab_cache *cache)
{
    struct magazine *full, *empty, *magazine;

    spin_lock(&cache->lock);
    full = cache->depot_full;
    empty = cache->depot_empty;
    cache->depot_full = NULL;
    cache->depot_empty = NULL;
    cache->nr_depot_full = 0;
    spin_unlock(&cache->lock);
    while ((magazine = magazine_pop(&full)))
        magazine_delete(cache, magazine, MAGAZINE_ROUNDS);
    while ((magazine = magazine_pop(&empty)))
        magazine_delete(cache, magazine, 0);
}

static void cache_reclaim(struct slab_cache *cache)
{
    struct cpu_cache *cpu = &this_cpu_ptr(cpu_caches)->of[cache->index];
    struct cpu_cache before = *cpu;

    *cpu = (struct cpu_cache){.nr_live = before.nr_live};
    magazine_delete(cache, before.loaded, before.nr_loaded);
    magazine_delete(cache, before.previous, before.nr_previous);
    depot_empty(cache);
    spin_lock(&cache->lock);
    if (cache->empty)
        slab_destroy(cache->empty);
    cache->empty = NULL;
    spin_unlock(&cache->lock);
}

void slab_reclaim(void)
{
    irq_state_t irq = irq_save();

    /* The cache of magazines is the first, and comes last. */
    for (unsigned i = nr_caches; i > 0; i--)
        cache_reclaim(&caches[i - 1]);
    irq_restore(irq);
}

struct slab_stats slab_get_stats(void)
{
    struct slab_stats stats = {.nr_objects = nr_large, .nr_frames = nr_large_frames};

    for (unsigned i = 0; i < nr_caches; i++) {
        irq_state_t irq = spin_lock_irq(&caches[i].lock);

        stats.nr_frames += caches[i].nr_slabs * caches[i].slab_frames;
        spin_unlock_irq(&caches[i].lock, irq);
        for (uint64_t cpus = atomic_load(&cpus_seen); cpus; cpus &= cpus - 1)
            stats.nr_objects += (size_t)cpu_ptr(cpu_caches, __builtin_ctzll(cpus))->of[i].nr_live;
    }
    return stats;
}

/* Start-up. */

/* A C type's size is a multiple of its alignment, so the size's own is enough. */
static size_t natural_align(size_t bytes)
{
    return MIN(MAX(bytes & -bytes, sizeof(void *)), (size_t)NATURAL_ALIGN);
}

static unsigned choose_slab_frames(size_t stride_bytes)
{
    unsigned nr_frames = 1;

    for (; nr_frames < SLAB_FRAMES_MAX; nr_frames *= 2) {
        size_t usable_bytes = nr_frames * PAGE_SIZE - SLAB_HEADER_BYTES;

        if (usable_bytes % stride_bytes <= nr_frames * PAGE_SIZE / SLAB_WASTE_FRACTION &&
            usable_bytes >= stride_bytes)
            break;
    }
    return nr_frames;
}

struct slab_cache *slab_cache_create(const char *name, size_t bytes, size_t align, unsigned flags)
{
    struct slab_cache *cache = &caches[nr_caches];

    assert(bytes > 0 && bytes <= OBJECT_BYTES_MAX);
    assert(align <= OBJECT_ALIGN_MAX && (align & (align - 1)) == 0);
    assert(nr_caches < CACHES_MAX);
    if (align == 0)
        align = natural_align(bytes);
    bytes = MAX(bytes, sizeof(void *));
    align = MAX(align, sizeof(void *));
    *cache = (struct slab_cache){
        .name = name,
        .object_bytes = bytes,
        .stride_bytes = ROUND_UP(ROUND_UP(bytes, sizeof(void *)) + GUARD_BYTES, align),
        .frame_flags = flags & SLAB_USER ? FRAME_USER : 0,
        .index = nr_caches,
    };
    cache->slab_frames = choose_slab_frames(cache->stride_bytes);
    cache->slab_objects =
        (unsigned)((cache->slab_frames * PAGE_SIZE - SLAB_HEADER_BYTES) / cache->stride_bytes);
    spin_init(&cache->lock, name, LOCK_RANK_SLAB);
    list_init(&cache->partial);
    nr_caches++;
    return cache;
}

void slab_init(void)
{
    size_t class = 0;

    nr_caches = 0;
    cpus_seen = 0;
    nr_large = 0;
    nr_large_frames = 0;
    slab_cache_create("magazine", sizeof(struct magazine), 0, 0);
    for (size_t i = 0; i < ARRAY_LEN(size_classes); i++) {
        struct size_class *size = &size_classes[i];

        size->caches[0] = slab_cache_create(size->names[0], size->bytes, NATURAL_ALIGN, 0);
        size->caches[1] = slab_cache_create(size->names[1], size->bytes, NATURAL_ALIGN, SLAB_USER);
    }
    for (size_t i = 0; i < ARRAY_LEN(class_of); i++) {
        if (i * NATURAL_ALIGN > size_classes[class].bytes)
            class ++;
        class_of[i] = (uint8_t) class;
    }
}
