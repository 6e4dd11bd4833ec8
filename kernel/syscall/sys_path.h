#ifndef KERNEL_SYSCALL_SYS_PATH_H
#define KERNEL_SYSCALL_SYS_PATH_H

/* Paths that programs name (kernel/syscall/sys_path.c). */

#include <kernel/file.h>
#include <kernel/vnode.h>

/* A path from user memory, and the folder from which it is seen. */
struct user_path {
    char *text;          /* short_text, or memory of its own */
    struct inode *start; /* a reference; NULL: the path begins with a slash */
    char short_text[160];
};

/* 0, -EFAULT, -ENAMETOOLONG, -ENOMEM, -EBADF, -ENOTDIR; then nothing is held. */
int user_path_get(int dir_fd, vaddr_t path_at, struct user_path *path) MUST_CHECK;

/* The same; if the path is empty, and so may be, `dir_fd` need not be a folder. */
int user_path_get_or_empty(int dir_fd, vaddr_t path_at, bool may_be_empty,
                           struct user_path *path) MUST_CHECK;

/* Whether there is a path of no characters. */
bool user_path_is_empty(vaddr_t path_at);

void user_path_put(struct user_path *path);

/*
 * What a path stands for: AT_SYMLINK_NOFOLLOW and AT_EMPTY_PATH are looked at, and other bits of
 * `flags` are the caller's.
 */
int user_path_find(int dir_fd, vaddr_t path_at, unsigned flags, struct inode **found) MUST_CHECK;

#endif
