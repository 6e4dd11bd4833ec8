#ifndef KERNEL_RANDOM_H
#define KERNEL_RANDOM_H

/* Random numbers that cannot be foretold (kernel/random.c). Any context. */

#include <kernel/chacha20.h>
#include <kernel/types.h>

/* Once, while booting; memory, the clocks and the command line are up. */
void random_init(void);

/* `nr_bytes` random bytes, up to a few hundred: for more there are streams. */
void random_bytes(void *to, size_t nr_bytes);

/* For as many bytes as one likes, without a lock. random_stream_end() forgets its key. */
struct random_stream {
    uint8_t key[CHACHA20_KEY_BYTES];
    uint32_t nonce[3];
    uint32_t counter;
};

void random_stream_start(struct random_stream *stream);
void random_stream_next(struct random_stream *stream, uint8_t block[CHACHA20_BLOCK_BYTES]);
void random_stream_end(struct random_stream *stream);

/* Whatever may help to make later numbers harder to foretell; it never harms. */
void random_stir(const void *from, size_t nr_bytes);

/* Stirs in what there is to be had by itself, which otherwise happens from time to time. */
void random_reseed(void);

/* An interrupt has come just now, at a moment that may be hard to foretell. Interrupts are off. */
void random_note_interrupt(void);

/* Whether the CPU's own generator contributes. */
bool random_has_hardware(void);

#endif
