#ifndef RUNTIME_H
#define RUNTIME_H

/* What the parts of the runtime know of each other. */

#include <stddef.h>
#include <stdint.h>
#include <thread.h>

#include <abi/thrum.h>

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

/* syscall.asm: the beginning of the calling LWP's thread-local storage, which the kernel knows too.
 */
struct thrum_block *thread_block(void);

/*
 * lock.c: the runtime's own locks. An LWP that is cancelled while it holds one leaves when it lets
 * go of the last: what the lock covers is whole then.
 */
void runtime_lock(thread_mutex_t *lock);
bool runtime_trylock(thread_mutex_t *lock); /* whether the caller has it now */
void runtime_unlock(thread_mutex_t *lock);

/*
 * For fork(): each part takes and gives back its locks, so that what they cover is whole in the
 * child, and nobody holds them who is not there.
 */
void exit_lock(void);
void exit_unlock(void);
void malloc_lock(void);
void malloc_unlock(void);
void stdio_lock(void);
void stdio_unlock(void);
void sbrk_lock(void);
void sbrk_unlock(void);

/* stdio.c: runs at exit(). */
void stdio_flush_all(void);

/* vdso.c: a function of the vDSO; NULL: there is none of that name. */
void *vdso_find(const char *name);

/* thread_entry.asm */
void thread_entry(void);

#endif
