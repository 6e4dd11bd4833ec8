/*
 * Scripts: a file that begins with "#!" is run by the program that its first line names, which gets
 * at most one argument from the line (all the rest of it), and the script's path (execve(2)). Pure,
 * but for memory.
 */

#include <kernel/errno.h>
#include <kernel/string.h>
#include <mm/slab.h>

#include "script.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static char *skip_blanks(char *at)
{
    while (is_blank(*at))
        at++;
    return at;
}

static char *skip_word(char *at)
{
    while (*at != '\0' && !is_blank(*at))
        at++;
    return at;
}

int script_parse(struct script *script, size_t nr_bytes)
{
    char *end, *at;

    if (nr_bytes < 2 || script->head[0] != '#' || script->head[1] != '!')
        return 1;
    script->head[nr_bytes] = '\0';
    end = strchr(script->head, '\n');
    if (end == NULL)
        end = script->head + strlen(script->head);
    *end = '\0';
    /* The line goes on behind what was read: no matter in an argument, but not in the name. */
    at = skip_blanks(script->head + 2);
    if (end == script->head + SCRIPT_HEAD_BYTES && skip_word(at) == end)
        return -ENOEXEC;
    while (end > at && is_blank(end[-1]))
        *--end = '\0';
    if (at >= end)
        return -ENOEXEC;
    script->interpreter = at;
    at = skip_word(at);
    script->argument = NULL;
    if (*at != '\0') {
        *at = '\0';
        script->argument = skip_blanks(at + 1);
    }
    return 0;
}

static void append(struct program_args *args, const char *string)
{
    size_t nr_bytes = strlen(string) + 1;

    memcpy(args->strings + args->nr_bytes, string, nr_bytes);
    args->nr_bytes += nr_bytes;
    args->argc++;
}

int script_make_args(const struct script *script, const char *path, const struct program_args *args,
                     struct program_args *made)
{
    size_t nr_first = args->argc > 0 ? strlen(args->strings) + 1 : 0;
    size_t nr_rest = args->nr_bytes - nr_first;
    size_t nr_new = strlen(script->interpreter) + 1 + strlen(path) + 1 +
                    (script->argument != NULL ? strlen(script->argument) + 1 : 0);

    *made = (struct program_args){.strings = kmalloc_user(nr_new + nr_rest), .envc = args->envc};
    if (made->strings == NULL)
        return -ENOMEM;
    append(made, script->interpreter);
    if (script->argument != NULL)
        append(made, script->argument);
    append(made, path);
    memcpy(made->strings + made->nr_bytes, args->strings + nr_first, nr_rest);
    made->nr_bytes += nr_rest;
    made->argc += args->argc > 0 ? args->argc - 1 : 0;
    return 0;
}
