#ifndef KERNEL_KMSG_H
#define KERNEL_KMSG_H

/* The kernel log for programs: /dev/kmsg, and what syslog(2) does (kernel/fs/kmsg.c). */

#include <kernel/types.h>

/* Registers the device and starts the thread that wakes readers. Once, while booting. */
void kmsg_init(void);

/*
 * The actions of syslog(2). Reading gives the number of bytes; it waits for a message if `is_new`
 * (each message is read once by all who do so), or gives the last ones that fit. May sleep.
 */
int64_t kmsg_read_new(vaddr_t to, size_t nr_bytes) MUST_CHECK;
int64_t kmsg_read_last(vaddr_t to, size_t nr_bytes) MUST_CHECK;

/* kmsg_read_last() and SEEK_DATA start here from now on. */
void kmsg_clear(void);

/* What kmsg_read_new() would give at once, in bytes. */
size_t kmsg_nr_unread_bytes(void);

/* Puts a watcher (NULL: nothing to do) where it learns of new messages. */
struct poll_watcher;
void kmsg_watch(struct poll_watcher *watcher);

#endif
