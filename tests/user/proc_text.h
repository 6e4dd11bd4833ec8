#ifndef PROC_TEXT_H
#define PROC_TEXT_H

/* Reading files of /proc, for suites. */

#include <stdbool.h>
#include <stddef.h>

#include <sys/types.h>

#define PROC_TEXT_MAX 65536

/* The whole file as a string, in a buffer of the calling suite's that the next call overwrites;
 * NULL with errno set. For one LWP. */
char *proc_read(const char *path);
char *proc_read_of(pid_t pid, const char *name); /* /proc/PID/NAME */

/* What follows "name:" and blanks in a text; NULL: there is no such line. */
const char *proc_value(const char *text, const char *name);

/* The same, as a number; -1: there is none. */
long proc_number(const char *text, const char *name);

/* The n-th word of a text, from 0; "" behind the last. In a buffer that the next call overwrites.
 */
const char *proc_word(const char *text, unsigned n);

/* How many lines a text has; whether one of them begins with `start`. */
unsigned proc_nr_lines(const char *text);
bool proc_has_line(const char *text, const char *start);

/* Whether /proc/PID is there. */
bool proc_is_there(pid_t pid);

#endif
