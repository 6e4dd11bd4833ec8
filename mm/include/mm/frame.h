#ifndef MM_FRAME_H
#define MM_FRAME_H

/*
 * Physical memory in frames of 4 KiB: who has which (mm/frame.c opens with the theory).
 *
 * There are two pools over all frames, by accounting only. An allocation for the user pool fails
 * when it would leave fewer frames free than the kernel's reserve; one for the kernel fails when no
 * frame is left.
 *
 * All functions may be called in any context, also with interrupts off and with spinlocks held;
 * none sleeps.
 */

#include <kernel/types.h>

/* Where a frame may come from, and how it is handed over (the meaning is that of Pintos). */
enum frame_flags {
    FRAME_ZERO = 1,   /* filled with zeroes */
    FRAME_USER = 2,   /* charged to the user pool: fails while only the kernel's reserve is left */
    FRAME_ASSERT = 4, /* panic instead of PADDR_NONE; while booting only */
};

/* Usable memory, page-aligned: [start, end). */
struct frame_range {
    paddr_t start, end;
};

struct frame_stats {
    size_t nr_total;          /* frames that the allocator manages, its own tables not included */
    size_t nr_free;           /* of these, not handed out (those in per-CPU caches count as free) */
    size_t nr_user;           /* handed out and charged to the user pool */
    size_t nr_user_max;       /* the most that nr_user can become */
    size_t nr_kernel_reserve; /* nr_total - nr_user_max */
};

/*
 * Takes over usable memory; the ranges are sorted, do not overlap, and lie in the direct map. The
 * allocator's own tables come out of them. Once, on the boot CPU, before any other call.
 */
void frame_init(const struct frame_range *ranges, size_t nr_ranges);

/*
 * Hands in memory that was in use while booting (modules, init code) and lay below the end of the
 * last range of frame_init(); page-aligned. At any time; no frame of it may be managed already.
 */
void frame_add_range(paddr_t start, paddr_t end);

/* The end of the last range of frame_init(). */
paddr_t frame_span_end(void);

/* One frame with one reference, or PADDR_NONE. */
paddr_t frame_alloc(unsigned flags);

/*
 * nr_frames frames in a row, the first at a multiple of align_frames (a power of two), or
 * PADDR_NONE. Freed by frame_free_contig() with the same numbers, as one.
 */
paddr_t frame_alloc_contig(size_t nr_frames, size_t align_frames, unsigned flags);
void frame_free_contig(paddr_t first, size_t nr_frames);

/*
 * Gives a frame of frame_alloc() back; it must have one reference. Freeing what is free, not
 * aligned, not managed or still shared is a kernel bug and panics.
 */
void frame_free(paddr_t frame);

/* Shared frames: one more reference; one less, and the last one frees; the number of them. */
void frame_ref(paddr_t frame);
void frame_unref(paddr_t frame);
unsigned frame_refs(paddr_t frame);

struct frame_stats frame_get_stats(void);

/*
 * For the slab heap: a word that belongs to a frame that is handed out, 0 after frame_alloc*().
 * Whoever has the frame serialises. Panics when the frame is not handed out.
 */
void frame_set_tag(paddr_t frame, uint32_t tag);
uint32_t frame_get_tag(paddr_t frame);

#endif
