#ifndef PROC_IMAGE_H
#define PROC_IMAGE_H

/* Making an address space out of a program. */

#include <kernel/vnode.h>
#include <mm/space.h>
#include <proc/process.h>

struct image_start {
    vaddr_t pc, sp;
    /* Which of S_ISUID and S_ISGID count, and whose the file is: for credentials_exec(). */
    uint32_t set_bits, uid, gid;
    struct process_image image;
};

/*
 * Loads the program at `path`, seen from folder `cwd`, into the empty `space`, with the stack that
 * a new program finds. Without success start->image.file is NULL. 0, -ENOENT, -ENOTDIR, -EACCES,
 * -ENOEXEC (logged with the reason), -ENOMEM; of a script, what its interpreter says, or -ELOOP.
 * May sleep.
 */
int image_load(struct space *space, struct inode *cwd, const char *path,
               const struct program_args *args, struct image_start *start) MUST_CHECK;

/* Gives back what image_load() has put into image.file; NULL is allowed. May sleep. */
void image_put_file(struct inode *file);

#endif
