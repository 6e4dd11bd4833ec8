/* Calls that open, close and duplicate, and flags of descriptors. */

#define _GNU_SOURCE

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "as_linux.h"

void tell_fd(int fd)
{
    int flags = fcntl(fd, F_GETFL), on_exec = fcntl(fd, F_GETFD);

    if (flags != -1)
        tell(" flags 0%o", flags & ~0100000);
    tell(" fd flags %d", on_exec);
}

void do_open(void)
{
    static const struct {
        int flag;
        unsigned percent;
    } choices[] = {
        {O_CREAT, 45},   {O_EXCL, 10}, {O_TRUNC, 12},  {O_APPEND, 12},   {O_DIRECTORY, 8},
        {O_NOFOLLOW, 8}, {O_PATH, 5},  {O_TMPFILE, 4}, {O_CLOEXEC, 10},  {O_NOCTTY, 3},
        {O_SYNC, 3},     {O_DSYNC, 3}, {O_NOATIME, 3}, {O_LARGEFILE, 3},
    };
    int flags = chance(60) ? O_RDWR : (int)any(3), fd;

    for (unsigned i = 0; i < LEN(choices); i++)
        if (chance(choices[i].percent))
            flags |= choices[i].flag;
    flags |= O_NONBLOCK;
    bool has_dir = chance(30), is_creat = chance(2);
    tell("%s(", is_creat ? "creat" : has_dir ? "openat" : "open");
    int dir = has_dir && !is_creat ? any_dir() : AT_FDCWD;
    const char *path = any_path();
    if (!is_creat)
        tell(", 0%o, ", flags);
    mode_t mode = any_mode();
    tell(")");
    if (is_creat) {
        struct stat st;
        if (is_readable(path) && stat(path, &st) == 0 && S_ISFIFO(st.st_mode)) {
            tell(" left out: a FIFO");
            return;
        }
        fd = (int)CALL(SYS_creat, path, mode);
    } else if (has_dir) {
        fd = (int)CALL(SYS_openat, dir, path, flags, mode);
    } else {
        fd = (int)CALL(SYS_open, path, flags, mode);
    }
    if (fd >= 0)
        tell_fd(fd);
}

void do_close(void)
{
    tell("close(");
    int fd = any_fd();
    tell(")");
    CALL(SYS_close, fd);
}

void do_close_range(void)
{
    unsigned first = 3 + any(12), last = first + any(3) - (chance(10) ? 2 : 0);

    tell("close_range(%u, %u, ", first, last);
    unsigned flags = FLAGS(20, 4 /* CLOSE_RANGE_CLOEXEC */);
    tell(")");
    CALL(SYS_close_range, first, last, flags);
}

void do_dup(void)
{
    int from, to;

    switch (any(3)) {
    case 0:
        tell("dup(");
        from = any_fd();
        tell(")");
        CALL(SYS_dup, from);
        break;
    case 1:
        tell("dup2(");
        from = any_fd();
        tell(", ");
        to = any_fd();
        tell(")");
        CALL(SYS_dup2, from, to);
        break;
    default:
        tell("dup3(");
        from = any_fd();
        tell(", ");
        to = any_fd();
        tell(", ");
        unsigned flags = FLAGS(30, O_CLOEXEC);
        tell(")");
        CALL(SYS_dup3, from, to, flags);
    }
}

void do_fcntl(void)
{
    tell("fcntl(");
    int fd = any_fd();
    tell(", ");
    switch (any(6)) {
    case 0:
        tell("F_GETFL)");
        CALL(SYS_fcntl, fd, F_GETFL, 0);
        return;
    case 1: {
        tell("F_SETFL, ");
        unsigned flags = FLAGS(15, O_APPEND, O_NOATIME, O_SYNC, O_TRUNC, O_RDWR, O_CREAT);
        tell(")");
        CALL(SYS_fcntl, fd, F_SETFL, flags | O_NONBLOCK);
        if (fcntl(fd, F_GETFL) != -1)
            tell_fd(fd);
        return;
    }
    case 2: {
        unsigned flags = any(4);
        tell("F_SETFD, %u)", flags);
        CALL(SYS_fcntl, fd, F_SETFD, flags);
        return;
    }
    case 3:
        tell("F_GETFD)");
        CALL(SYS_fcntl, fd, F_GETFD, 0);
        return;
    case 4: {
        int least = (int)any(28) - 1, command = chance(50) ? F_DUPFD : F_DUPFD_CLOEXEC;
        tell("F_DUPFD %d, %d)", command, least);
        CALL(SYS_fcntl, fd, command, least);
        return;
    }
    default: {
        const int command = 99; /* there is none */

        tell("%d)", command);
        CALL(SYS_fcntl, fd, command, 0);
    }
    }
}
