#ifndef MM_SLAB_H
#define MM_SLAB_H

/*
 * The kernel heap: caches of equal objects, and size classes over them (mm/slab.c has the theory).
 * Any context; nothing sleeps. NULL when memory is out.
 */

#include <kernel/types.h>

struct slab_cache;

enum slab_flags {
    SLAB_USER = 1, /* objects belong to processes: frames are charged to the user pool */
};

/*
 * A cache of objects of `bytes` (1 ... 4096) at multiples of `align` (a power of two, up to 64; 0:
 * the natural one). `name` is not copied. While booting only: never fails, never destroyed.
 */
struct slab_cache *slab_cache_create(const char *name, size_t bytes, size_t align, unsigned flags);

/* An object, not initialised, or NULL. */
void *slab_alloc(struct slab_cache *cache);

/* Any CPU may free what another allocated. Debug builds panic on double frees and overruns. */
void slab_free(struct slab_cache *cache, void *object);

/*
 * Memory of any size, aligned to 16 bytes, or to a page when bytes >= 4096; kzalloc: zeroed. NULL
 * when out of memory, or bytes is 0. kmalloc_user() charges the user pool: for what a process can
 * make the kernel allocate.
 */
void *kmalloc(size_t bytes);
void *kzalloc(size_t bytes);
void *kmalloc_user(size_t bytes);
void *kzalloc_user(size_t bytes);
void kfree(void *p); /* NULL is allowed */

struct slab_stats {
    size_t nr_objects; /* handed out and not yet freed, of all caches and sizes */
    size_t nr_frames;  /* frames that the heap holds */
};

/*
 * Drains the magazines of the calling CPU and the depots, and gives empty slabs back; the heap does
 * so by itself before an allocation fails. Called on every CPU in turn, the last time on each after
 * the last object was freed, it leaves no frame in the heap but those of live objects.
 */
void slab_reclaim(void);

/* Exact while no other CPU allocates or frees. */
struct slab_stats slab_get_stats(void);

/* Once, after frame_init(). */
void slab_init(void);

#endif
