#ifndef ARCH_IMPL_IO_H
#define ARCH_IMPL_IO_H

/*
 * Port I/O of a machine that has no device at all: reads give ones, writes go nowhere. A test that
 * defines HOST_HAS_PORTS plays the devices that have ports of bytes.
 */

#ifdef HOST_HAS_PORTS
uint8_t host_port_read(uint16_t port);
void host_port_write(uint16_t port, uint8_t value);
#endif

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

#ifdef HOST_HAS_PORTS
static inline uint8_t io_in8(uint16_t port)
{
    return host_port_read(port);
}

static inline void io_out8(uint16_t port, uint8_t value)
{
    host_port_write(port, value);
}
#else
FAKE_PORT(8)
#endif
FAKE_PORT(16)
FAKE_PORT(32)

#undef FAKE_PORT

static inline void io_delay(void)
{
}

#endif
