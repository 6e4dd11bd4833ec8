/* syslog(2), which C libraries call klogctl(). */

#include <stdatomic.h>

#include <kernel/credentials.h>
#include <kernel/errno.h>
#include <kernel/kmsg.h>
#include <kernel/log.h>

#include "sys.h"

/* The numbers are those of syslog(2). */
enum {
    ACTION_CLOSE,
    ACTION_OPEN,
    ACTION_READ,
    ACTION_READ_ALL,
    ACTION_READ_CLEAR,
    ACTION_CLEAR,
    ACTION_CONSOLE_OFF,
    ACTION_CONSOLE_ON,
    ACTION_CONSOLE_LEVEL,
    ACTION_SIZE_UNREAD,
    ACTION_SIZE_BUFFER,
};

/* Levels *below* it are shown on the console: 1 to 8. */
#define CONSOLE_LEVEL_MIN 1
#define CONSOLE_LEVEL_MAX 8

#define NOT_OFF INT32_MIN

static _Atomic int level_when_off = NOT_OFF; /* what CONSOLE_ON goes back to */

static int64_t set_console_level(int level)
{
    if (level < CONSOLE_LEVEL_MIN || level > CONSOLE_LEVEL_MAX)
        return -EINVAL;
    atomic_store(&level_when_off, NOT_OFF);
    log_set_level(level - 1);
    return 0;
}

static int64_t console_off(void)
{
    int none = NOT_OFF, old = log_set_level(CONSOLE_LEVEL_MIN - 1);

    atomic_compare_exchange_strong(&level_when_off, &none, old);
    return 0;
}

static int64_t console_on(void)
{
    int level = atomic_exchange(&level_when_off, NOT_OFF);

    if (level != NOT_OFF)
        log_set_level(level);
    return 0;
}

static int64_t read_log(int action, vaddr_t to, int nr_bytes)
{
    int64_t result;

    if (to == 0 || nr_bytes < 0)
        return -EINVAL;
    if (nr_bytes == 0)
        return 0;
    if (action == ACTION_READ)
        return kmsg_read_new(to, (size_t)nr_bytes);
    result = kmsg_read_last(to, (size_t)nr_bytes);
    if (result >= 0 && action == ACTION_READ_CLEAR)
        kmsg_clear();
    return result;
}

/* Everybody may read what is there; the rest changes it for others. */
int64_t sys_syslog(int action, vaddr_t to, int nr_bytes)
{
    if (action != ACTION_READ_ALL && action != ACTION_SIZE_BUFFER &&
        !credentials_are_root(credentials_current()))
        return -EPERM;
    switch (action) {
    case ACTION_CLOSE:
    case ACTION_OPEN:
        return 0;
    case ACTION_READ:
    case ACTION_READ_ALL:
    case ACTION_READ_CLEAR:
        return read_log(action, to, nr_bytes);
    case ACTION_CLEAR:
        kmsg_clear();
        return 0;
    case ACTION_CONSOLE_OFF:
        return console_off();
    case ACTION_CONSOLE_ON:
        return console_on();
    case ACTION_CONSOLE_LEVEL:
        return set_console_level(nr_bytes);
    case ACTION_SIZE_UNREAD:
        return (int64_t)kmsg_nr_unread_bytes();
    case ACTION_SIZE_BUFFER:
        return LOG_RING_BYTES;
    default:
        return -EINVAL;
    }
}
