#ifndef KERNEL_CONSOLE_IMPL_H
#define KERNEL_CONSOLE_IMPL_H

/* Between log.c and console.c only. Interrupts are off in all of these but log_show_pending(). */

#include <kernel/log.h>
#include <kernel/spinlock.h>

/* Takes a lock unless a panic has broken them; what it returns says whether it is to be released.
 */
bool log_lock_unless_broken(struct spinlock *spinlock);
bool console_lock_take(void);
void console_lock_release(bool was_taken);

/* With the console locked: whether a line may be shown without tearing what programs write. */
bool console_is_for_log(void);

/* With the console locked: a line with its end, on a line of its own. */
void console_write_line(const char *line, size_t nr_bytes);
void console_list_sink(struct console_sink *sink);

/* No byte of the text may start an escape sequence or a line of its own. */
void log_replace_controls(char *text, size_t nr_bytes);

#endif
