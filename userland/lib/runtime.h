#ifndef RUNTIME_H
#define RUNTIME_H

/* What the parts of the runtime know of each other. */

#include <stddef.h>
#include <stdint.h>

/* -1 with `errno` set for an answer of syscall6() that is an error; the answer itself otherwise. */
long syscall_result(long answer);

/* syscall.asm: sets the FS base. Only where start_has_fsgsbase. */
void fs_base_write(uint64_t base);

/* start.c: whether the kernel allows user programs to set the FS base themselves. */
extern int start_has_fsgsbase;

/* tls.c: `template` is the initial image in the program file. Once, before any other use. */
void tls_set_template(const void *template, size_t file_bytes, size_t memory_bytes, size_t align);

/* How much of its stack an LWP gives for thread-local storage; a multiple of 16. */
extern size_t tls_area_bytes;

/* Makes tls_area_bytes at `area` the calling LWP's thread-local storage. */
void tls_init(void *area);

/* stdio.c: runs at exit(). */
void stdio_flush_all(void);

/* thread_entry.asm */
void thread_entry(void);

#endif
