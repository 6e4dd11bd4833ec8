#ifndef KERNEL_LOG_IMPL_H
#define KERNEL_LOG_IMPL_H

/* Between log.c and log_read.c only. */

#include <arch/cpu.h>
#include <kernel/log.h>

/* All guarded by the log's lock. */
struct log_ring {
    uint64_t first;          /* where the oldest message starts */
    uint64_t next;           /* where the next one goes */
    uint64_t unshown;        /* where the first starts that is to be shown */
    uint64_t first_sequence; /* of the oldest message */
    uint64_t next_sequence;
};

extern struct log_ring log_ring;

/* What log_lock() sets, log_unlock() needs. */
struct log_locked {
    irq_state_t irq;
    bool was_taken;
};

struct log_locked log_lock(void);
void log_unlock(struct log_locked locked);

/* The message that starts at `position`; returns where the next one does. Locked. */
uint64_t log_get_message(uint64_t position, struct log_message *message);

/* Gives a message its time and number, replaces its control characters, keeps and shows it. */
void log_append(struct log_message *message);

#endif
