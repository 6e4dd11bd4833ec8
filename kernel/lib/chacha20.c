/*
 * ChaCha20 (D. J. Bernstein, "ChaCha, a variant of Salsa20", 2008), as RFC 8439 fixes it: sixteen
 * words, of which four are constant ("expand 32-byte k"), eight the key, one a counter and three a
 * nonce, go through ten double rounds, and are added to what they were.
 */

#include <kernel/bytes.h>
#include <kernel/chacha20.h>
#include <kernel/string.h>

#define NR_WORDS         16
#define NR_DOUBLE_ROUNDS 10

static uint32_t rotate_left(uint32_t word, unsigned by)
{
    return word << by | word >> (32 - by);
}

static void quarter_round(uint32_t *a, uint32_t *b, uint32_t *c, uint32_t *d)
{
    *a += *b;
    *d = rotate_left(*d ^ *a, 16);
    *c += *d;
    *b = rotate_left(*b ^ *c, 12);
    *a += *b;
    *d = rotate_left(*d ^ *a, 8);
    *c += *d;
    *b = rotate_left(*b ^ *c, 7);
}

void chacha20_block(const uint8_t key[CHACHA20_KEY_BYTES], uint32_t counter,
                    const uint32_t nonce[3], uint8_t block[CHACHA20_BLOCK_BYTES])
{
    uint32_t start[NR_WORDS] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574}, w[NR_WORDS];

    for (unsigned i = 0; i < 8; i++)
        start[4 + i] = load_le32(key + sizeof(uint32_t) * i);
    start[12] = counter;
    memcpy(&start[13], nonce, 3 * sizeof(*nonce));
    memcpy(w, start, sizeof(w));
    for (unsigned i = 0; i < NR_DOUBLE_ROUNDS; i++) {
        for (unsigned column = 0; column < 4; column++)
            quarter_round(&w[column], &w[4 + column], &w[8 + column], &w[12 + column]);
        for (unsigned at = 0; at < 4; at++)
            quarter_round(&w[at], &w[4 + (at + 1) % 4], &w[8 + (at + 2) % 4],
                          &w[12 + (at + 3) % 4]);
    }
    for (unsigned i = 0; i < NR_WORDS; i++)
        store_le32(block + sizeof(uint32_t) * i, w[i] + start[i]);
}
