/* Calls about names: folders, links, and where a process is. */

#define _GNU_SOURCE

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "as_linux.h"

void do_mkdir(void)
{
    if (chance(70)) {
        tell("mkdir(");
        const char *path = any_path();
        tell(", ");
        mode_t mode = any_mode();
        tell(")");
        CALL(SYS_mkdir, path, mode);
    } else {
        tell("mkdirat(");
        int dir = any_dir();
        tell(" ");
        const char *path = any_path();
        tell(", ");
        mode_t mode = any_mode();
        tell(")");
        CALL(SYS_mkdirat, dir, path, mode);
    }
}

void do_remove(void)
{
    const char *path;

    switch (any(4)) {
    case 0:
        tell("rmdir(");
        path = any_path();
        tell(")");
        CALL(SYS_rmdir, path);
        break;
    case 1:
        tell("unlink(");
        path = any_path();
        tell(")");
        CALL(SYS_unlink, path);
        break;
    default:
        tell("unlinkat(");
        int dir = any_dir();
        tell(" ");
        path = any_path();
        tell(", ");
        unsigned flags = FLAGS(40, AT_REMOVEDIR);
        tell(")");
        CALL(SYS_unlinkat, dir, path, flags);
    }
}

void do_rename(void)
{
    tell("renameat2(");
    int from_dir = any_dir();
    tell(" ");
    const char *from = any_path();
    tell(", ");
    int to_dir = any_dir();
    tell(" ");
    const char *to = any_path();
    tell(", ");
    unsigned flags = FLAGS(20, 1 /* RENAME_NOREPLACE */, 2 /* RENAME_EXCHANGE */);
    tell(")");
    /* Whether another error comes first depends on when names are looked at. */
    if (has_long_name(from) || has_long_name(to))
        tell(" left out");
    else if (flags == 0 && chance(30))
        CALL(SYS_renameat, from_dir, from, to_dir, to);
    else
        CALL(SYS_renameat2, from_dir, from, to_dir, to, flags);
}

void do_link(void)
{
    const char *from, *to;
    unsigned kind = any(4);

    /* Whether one may make links to what others own is a setting. */
    if (play->is_root && geteuid() != 0)
        kind = 3;
    switch (kind) {
    case 0:
        tell("link(");
        from = any_path();
        tell(", ");
        to = any_path();
        tell(")");
        CALL(SYS_link, from, to);
        break;
    case 1: {
        tell("linkat(");
        int from_dir = any_dir();
        tell(" ");
        from = any_path();
        tell(", ");
        int to_dir = any_dir();
        tell(" ");
        to = any_path();
        tell(", ");
        unsigned flags = FLAGS(30, AT_SYMLINK_FOLLOW);
        tell(")");
        CALL(SYS_linkat, from_dir, from, to_dir, to, flags);
        break;
    }
    case 2: {
        if (geteuid() != 0)
            break; /* whether everybody may do that has changed */
        tell("linkat(");
        int fd = any_fd();
        tell(" \"\", cwd ");
        to = any_path();
        tell(", AT_EMPTY_PATH)");
        CALL(SYS_linkat, fd, "", AT_FDCWD, to, AT_EMPTY_PATH);
        break;
    }
    default:
        tell("symlink(");
        from = any_path();
        tell(", ");
        to = any_path();
        tell(")");
        CALL(SYS_symlink, from, to);
    }
}

void do_readlink(void)
{
    static const int sizes[] = {DATA_MAX, DATA_MAX, DATA_MAX, 0, 1, 3, -1};
    int size = sizes[any(LEN(sizes))];

    tell("readlinkat(");
    int dir = any_dir();
    tell(" ");
    const char *path = any_path();
    tell(", %d", size);
    uint8_t *to = any_memory(3);
    tell(")");
    long got = CALL(SYS_readlinkat, dir, path, to, size);
    if (got > 0)
        tell(" hash %08x", hash(to, (size_t)got, 0));
}

void do_mknod(void)
{
    static const mode_t types[] = {S_IFIFO, S_IFIFO, S_IFIFO,  S_IFREG, 0,
                                   S_IFDIR, S_IFLNK, S_IFSOCK, S_IFCHR, 0170000};
    mode_t type = types[any(LEN(types))];

    tell("mknodat(");
    int dir = any_dir();
    tell(" ");
    const char *path = any_path();
    tell(", 0%o ", type);
    mode_t mode = any_mode() & 07777;
    tell(")");
    CALL(SYS_mknodat, dir, path, type | mode, makedev(77, 3));
}

void do_chdir(void)
{
    if (chance(50)) {
        tell("chdir(");
        const char *path = any_path();
        tell(")");
        CALL(SYS_chdir, path);
    } else if (chance(40)) {
        tell("fchdir(");
        int fd = any_fd();
        tell(")");
        CALL(SYS_fchdir, fd);
    } else {
        tell("chdir(\"/\")");
        CALL(SYS_chdir, "/");
    }
}

void do_getcwd(void)
{
    size_t size = chance(60) ? DATA_MAX : any(8);

    tell("getcwd(%zu", size);
    uint8_t *to = any_memory(size);
    tell(")");
    long got = CALL(SYS_getcwd, to, size);
    if (got > 0 && to != NULL) {
        tell(" ");
        tell_path((const char *)to);
    }
}

void do_umask(void)
{
    static const unsigned masks[] = {022, 022, 0, 077, 027, 0777777};
    unsigned mask = masks[any(LEN(masks))];

    if (mask > 0777 && chance(90))
        mask = 0;
    tell("umask(0%o)", mask);
    CALL(SYS_umask, mask);
}
