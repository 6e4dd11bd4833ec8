#ifndef KERNEL_BYTES_H
#define KERNEL_BYTES_H

/*
 * Integers inside formats that other people made (firmware tables, archives, fonts): little-endian
 * or big-endian, at any alignment.
 */

#include <kernel/types.h>

static inline uint16_t load_le16(const void *from)
{
    const uint8_t *bytes = from;

    return (uint16_t)(bytes[0] | bytes[1] << 8);
}

static inline uint32_t load_le32(const void *from)
{
    const uint8_t *bytes = from;

    return load_le16(bytes) | (uint32_t)load_le16(bytes + 2) << 16;
}

static inline uint64_t load_le64(const void *from)
{
    const uint8_t *bytes = from;

    return load_le32(bytes) | (uint64_t)load_le32(bytes + 4) << 32;
}

static inline void store_le32(void *to, uint32_t value)
{
    uint8_t *bytes = to;

    for (unsigned i = 0; i < 4; i++)
        bytes[i] = (uint8_t)(value >> 8 * i);
}

static inline uint16_t load_be16(const void *from)
{
    const uint8_t *bytes = from;

    return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static inline uint32_t load_be32(const void *from)
{
    const uint8_t *bytes = from;

    return (uint32_t)load_be16(bytes) << 16 | load_be16(bytes + 2);
}

#endif
