/*
 * Memory allocation by segregated free lists (Wilson et al., "Dynamic Storage Allocation: A Survey
 * and Critical Review", 1995, section 3.6).
 *
 * Every block starts with a header, and what the program gets comes after it. A small block belongs
 * to a size class; the classes are 32, 48, 64, 96, 128, 192 ... 48 Ki bytes, header included, so at
 * most a third of a block is lost. A class has a list of free blocks; where it is empty, a block is
 * cut from the current chunk, which comes from mmap(). A freed block goes back to its class's list,
 * and is never joined with a neighbour. A large block is a mapping of its own, and freeing it gives
 * the memory back.
 *
 * One lock covers the lists and the chunk. The header's magic number tells a live block from a free
 * one and from a wild pointer: a program that frees twice is stopped at once.
 */

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <thread.h>

#include <sys/mman.h>

#include "runtime.h"

#define NR_CLASSES  22
#define CLASS_LARGE NR_CLASSES /* not a class: a mapping of its own */
#define CHUNK_BYTES (256ul << 10)
#define PAGE_BYTES  4096ul
#define REQUEST_MAX (SIZE_MAX / 2)
#define MAGIC_LIVE  0xa110ca7eu
#define MAGIC_FREE  0xf4eeb10cu

struct header {
    size_t block_bytes; /* with this header */
    uint32_t class;
    uint32_t magic;
};

struct free_block {
    struct header header;
    struct free_block *next;
};

_Static_assert(sizeof(struct header) == 16, "blocks are aligned to 16 bytes");

/* Covers all that follow. */
static thread_mutex_t lock;
static struct free_block *free_lists[NR_CLASSES];
static char *chunk;
static size_t chunk_bytes_left;

void malloc_lock(void)
{
    runtime_lock(&lock);
}

void malloc_unlock(void)
{
    runtime_unlock(&lock);
}

static size_t class_bytes(unsigned class)
{
    return (2ul + (class & 1)) << (4 + class / 2);
}

/* The smallest class whose blocks have nr_bytes; CLASS_LARGE when there is none. */
static unsigned class_for(size_t nr_bytes)
{
    unsigned class = 0;

    while (class < NR_CLASSES && class_bytes(class) < nr_bytes)
        class ++;
    return class;
}

/* Fresh zeroed memory; NULL when there is none. */
static void *map_memory(size_t nr_bytes)
{
    void *memory = mmap(NULL, nr_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return memory == MAP_FAILED ? NULL : memory;
}

/* Cuts a block from the chunk; what is left of a chunk that is too short is not used. */
static struct header *chunk_cut(size_t nr_bytes)
{
    if (chunk_bytes_left < nr_bytes) {
        char *fresh = map_memory(CHUNK_BYTES);
        if (!fresh)
            return NULL;
        chunk = fresh;
        chunk_bytes_left = CHUNK_BYTES;
    }
    struct header *header = (struct header *)chunk;
    chunk += nr_bytes;
    chunk_bytes_left -= nr_bytes;
    return header;
}

static struct header *small_take(unsigned class)
{
    runtime_lock(&lock);
    struct header *header;
    struct free_block *block = free_lists[class];
    if (block) {
        free_lists[class] = block->next;
        header = &block->header;
    } else {
        header = chunk_cut(class_bytes(class));
    }
    runtime_unlock(&lock);

    if (header)
        header->block_bytes = class_bytes(class);
    return header;
}

static struct header *large_take(size_t nr_bytes)
{
    size_t block_bytes = (nr_bytes + PAGE_BYTES - 1) & -PAGE_BYTES;
    struct header *header = map_memory(block_bytes);

    if (header)
        header->block_bytes = block_bytes;
    return header;
}

void *malloc(size_t nr_bytes)
{
    struct header *header = NULL;

    if (nr_bytes <= REQUEST_MAX) {
        size_t needed = nr_bytes + sizeof(*header);
        unsigned class = class_for(needed);
        header = class == CLASS_LARGE ? large_take(needed) : small_take(class);
        if (header)
            header->class = class;
    }
    if (!header) {
        errno = ENOMEM;
        return NULL;
    }
    header->magic = MAGIC_LIVE;
    return header + 1;
}

static struct header *header_of(void *block, const char *caller)
{
    struct header *header = (struct header *)block - 1;

    if (header->magic == MAGIC_LIVE)
        return header;
    fprintf(stderr, "%s(%p): %s\n", caller, block,
            header->magic == MAGIC_FREE ? "freed already" : "not a block of malloc()");
    abort();
}

void free(void *block)
{
    if (!block)
        return;

    struct header *header = header_of(block, "free");
    header->magic = MAGIC_FREE;
    if (header->class == CLASS_LARGE) {
        munmap(header, header->block_bytes);
        return;
    }

    struct free_block *freed = (struct free_block *)header;
    runtime_lock(&lock);
    freed->next = free_lists[header->class];
    free_lists[header->class] = freed;
    runtime_unlock(&lock);
}

void *calloc(size_t count, size_t size)
{
    size_t nr_bytes;

    if (__builtin_mul_overflow(count, size, &nr_bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    void *block = malloc(nr_bytes);
    /* A mapping is zeroed already. */
    if (block && ((struct header *)block - 1)->class != CLASS_LARGE)
        memset(block, 0, nr_bytes);
    return block;
}

void *realloc(void *block, size_t nr_bytes)
{
    if (!block)
        return malloc(nr_bytes);

    size_t old_bytes = header_of(block, "realloc")->block_bytes - sizeof(struct header);
    if (nr_bytes <= old_bytes && nr_bytes >= old_bytes / 4)
        return block;

    void *moved = malloc(nr_bytes);
    if (!moved)
        return NULL;
    memcpy(moved, block, old_bytes < nr_bytes ? old_bytes : nr_bytes);
    free(block);
    return moved;
}
