#ifndef DRIVERS_FW_CFG_H
#define DRIVERS_FW_CFG_H

/*
 * QEMU's firmware configuration device: named files that whoever started the virtual machine passes
 * in (`-fw_cfg name=opt/...,file=...`). All functions: while booting, on one CPU.
 */

#include <kernel/types.h>

/*
 * Looks for the device and sets it up. Needs frame_alloc(). 0, or -ENODEV on any other machine,
 * where the functions below say so too.
 */
int fw_cfg_init(void);

/* Finds a file. 0, -ENOENT, or -ENODEV. */
int fw_cfg_find(const char *name, uint16_t *selector, uint32_t *nr_bytes) MUST_CHECK;

/*
 * Reads nr_bytes from `offset` on into `to`, which may be any kernel memory. What lies behind the
 * file's end reads as zeroes. 0, -ENODEV, or -EIO when the device does not answer.
 */
int fw_cfg_read(uint16_t selector, uint32_t offset, void *to, size_t nr_bytes) MUST_CHECK;

#endif
