#ifndef SCHEDCTL_H
#define SCHEDCTL_H

/* Between the parts of schedctl. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <thrum/sched.h>

#define STATUS_FAILED    1
#define STATUS_BAD_USAGE 2

/* "schedctl: ..." on standard error, and the end. */
_Noreturn void fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void fail_usage(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* ---- values.c: what people write, and how it is printed ------------------------------------- */

/* A whole number from `min` to `max`; `what` names it in the message. */
int64_t parse_number(const char *text, const char *what, int64_t min, int64_t max);

/* "5ms", "200us", "1s", "700ns", "0": in nanoseconds. */
uint64_t parse_time_ns(const char *text, const char *what);

/* "0,2-3", or "all": bit n is CPU n. */
uint64_t parse_cpus(const char *text);

#define CPUS_TEXT_BYTES 256

/* The reverse. `to` is CPUS_TEXT_BYTES long. */
void format_cpus(char *to, uint64_t cpus);

#define TIME_TEXT_BYTES 32

void format_time(char *to, uint64_t ns);

/* ---- settings.c: KEY=VALUE ------------------------------------------------------------------ */

/* Whether `text` is a setting, by its form. */
bool is_setting(const char *text);

/* Does what the settings say to an LWP (0: the caller itself). Ends the program when one is wrong.
 */
void apply_settings(pid_t tid, char *const settings[], size_t nr);

/* One of them each; they say in words what is wrong. */
void set_share(pid_t tid, int percent);
void join_group(pid_t tid, int group);

/* ---- list.c --------------------------------------------------------------------------------- */

/* The whole list, which is never freed; *nr records. Ends the program if that fails. */
void *read_list(unsigned what, size_t record_bytes, size_t *nr);

/* Prints "lwps", "cpus" ... */
void print_list(const char *name);

void print_lwp(pid_t tid);

/* "rr, mlfq, stride": for messages. */
const char *class_names(void);

/* ---- help.c --------------------------------------------------------------------------------- */

/* NULL: what there is. False: no such topic. */
bool print_help(const char *topic);

#endif
