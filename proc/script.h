#ifndef PROC_SCRIPT_H
#define PROC_SCRIPT_H

/* Files that name the program which is to run them: proc/script.c. */

#include <proc/process.h>

/* How much of a file is looked at (Linux: BINPRM_BUF_SIZE), and how many scripts may run each
 * other before there is a program (Linux: exec_binprm()). */
#define SCRIPT_HEAD_BYTES 256
#define SCRIPT_DEPTH_MAX  5

struct script {
    char head[SCRIPT_HEAD_BYTES + 1];
    const char *interpreter; /* in `head` */
    const char *argument;    /* in `head`; NULL: none */
};

/*
 * Reads a script's first line: nr_bytes of it are in script->head. 0; 1: it is no script; -ENOEXEC:
 * the line names nothing, or is cut.
 */
int script_parse(struct script *script, size_t nr_bytes) MUST_CHECK;

/*
 * The interpreter's arguments: its own name, the script's argument, `path`, which is the script,
 * and those of `args` but the first. made->strings is to be freed. 0 or -ENOMEM.
 */
int script_make_args(const struct script *script, const char *path, const struct program_args *args,
                     struct program_args *made) MUST_CHECK;

#endif
