#ifndef KERNEL_CHACHA20_H
#define KERNEL_CHACHA20_H

#include <kernel/types.h>

#define CHACHA20_KEY_BYTES   32
#define CHACHA20_BLOCK_BYTES 64

/*
 * ChaCha20's block function (RFC 8439, section 2.3): `block` becomes the bytes that belong to the
 * key, the counter, and the nonce, three words. Any context; its time does not depend on the key.
 */
void chacha20_block(const uint8_t key[CHACHA20_KEY_BYTES], uint32_t counter,
                    const uint32_t nonce[3], uint8_t block[CHACHA20_BLOCK_BYTES]);

#endif
