#ifndef ARCH_IMPL_IO_H
#define ARCH_IMPL_IO_H

/* Port I/O of a machine that has no device at all: reads give ones, writes go nowhere. */

#define FAKE_PORT(bits)                                                                            \
    static inline uint##bits##_t io_in##bits(uint16_t port)                                        \
    {                                                                                              \
        (void)port;                                                                                \
        return (uint##bits##_t) - 1;                                                               \
    }                                                                                              \
    static inline void io_out##bits(uint16_t port, uint##bits##_t value)                           \
    {                                                                                              \
        (void)port;                                                                                \
        (void)value;                                                                               \
    }

FAKE_PORT(8)
FAKE_PORT(16)
FAKE_PORT(32)

#undef FAKE_PORT

static inline void io_delay(void)
{
}

#endif
