#ifndef ARCH_IO_H
#define ARCH_IO_H

/*
 * Port I/O, for the drivers of PC hardware: io_in8/16/32(port), io_out8/16/32(port, value), and
 * io_delay(), about a microsecond for old devices.
 */

#include <kernel/types.h>

#include <arch_impl/io.h>

#endif
