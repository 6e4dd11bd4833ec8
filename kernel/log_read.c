/* The kernel log for readers, and for messages that are not the kernel's. */

#include <kernel/log_impl.h>
#include <kernel/string.h>

bool log_read(struct log_cursor *cursor, struct log_message *message)
{
    struct log_locked locked = log_lock();
    bool is_there;

    if (cursor->sequence < log_ring.first_sequence)
        *cursor = (struct log_cursor){log_ring.first_sequence, log_ring.first};
    is_there = cursor->sequence < log_ring.next_sequence;
    if (is_there) {
        cursor->position = log_get_message(cursor->position, message);
        cursor->sequence++;
    }
    log_unlock(locked);
    return is_there;
}

struct log_cursor log_end(void)
{
    struct log_locked locked = log_lock();
    struct log_cursor end = {log_ring.next_sequence, log_ring.next};

    log_unlock(locked);
    return end;
}

uint64_t log_oldest(void)
{
    struct log_locked locked = log_lock();
    uint64_t sequence = log_ring.first_sequence;

    log_unlock(locked);
    return sequence;
}

void log_write_program(unsigned priority, const char *text, size_t nr_bytes)
{
    struct log_message message = {.priority = (uint16_t)priority};

    message.text_bytes = (uint8_t)MIN(nr_bytes, LOG_LINE_MAX);
    memcpy(message.text, text, message.text_bytes);
    log_append(&message);
}
