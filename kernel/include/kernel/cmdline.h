#ifndef KERNEL_CMDLINE_H
#define KERNEL_CMDLINE_H

/*
 * The kernel command line: words `key=value` and `flag`, separated by blanks. Double quotes may
 * stand anywhere in a word and keep its blanks: key="a b" and "key=a b" are the same. A backslash
 * before a quote or a backslash takes its meaning away (GRUB writes them).
 *
 * Changed while booting on one CPU only; read-only afterwards, but for is_known, which only ever
 * becomes true: any context may look options up.
 */

#include <kernel/types.h>

#define CMDLINE_TEXT_MAX    4096
#define CMDLINE_OPTIONS_MAX 128

struct cmdline_option {
    const char *key;
    const char *value; /* NULL: a flag, with no "=" */
    bool is_known;     /* somebody in the kernel asked for it */
};

/*
 * Begins with the words of a text: the boot loader's. Words that make no sense or find no room are
 * left out, each with a warning; it never fails.
 */
void cmdline_init(const char *from);

/* Adds the words of another text, as above: fw_cfg's. */
void cmdline_append(const char *from);

/*
 * The value of an option: "" for a flag, NULL when it was not given. The last one counts. All of
 * that key are known from then on.
 */
const char *cmdline_get(const char *key);

/*
 * A whole number, decimal or 0x..., in min ... max. True when it was given and makes sense; *out
 * stays as it is otherwise, with a warning if it was given.
 */
bool cmdline_u64(const char *key, uint64_t min, uint64_t max, uint64_t *out);

/* Option number `index` in the order given, or NULL behind the last one. */
const struct cmdline_option *cmdline_option(size_t index);

#endif
