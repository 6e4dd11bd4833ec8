/* Calls about what is known of a file, whose it is, and its times. */

#define _GNU_SOURCE

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "as_linux.h"

static void tell_id(unsigned id)
{
    if (!play->is_root && id == getuid())
        tell(" own");
    else
        tell(" %u", id);
}

void tell_stat(const struct stat *st)
{
    tell(" 0%o links %lu owner", st->st_mode, (unsigned long)st->st_nlink);
    tell_id(st->st_uid);
    if (play->is_root)
        tell(" %u", st->st_gid);
    if (!S_ISDIR(st->st_mode))
        tell(" size %ld", (long)st->st_size);
    if (S_ISREG(st->st_mode) && are_pages_told())
        tell(" blocks %ld", (long)st->st_blocks);
    if (st->st_rdev != 0)
        tell(" device %lx", (unsigned long)st->st_rdev);
}

void do_stat(void)
{
    struct stat st;
    uint32_t statx_at[64];
    const char *path;

    switch (any(5)) {
    case 0:
        tell("stat(");
        path = any_path();
        tell(")");
        if (CALL_OK(SYS_stat, path, &st))
            tell_stat(&st);
        break;
    case 1:
        tell("lstat(");
        path = any_path();
        tell(")");
        if (CALL_OK(SYS_lstat, path, &st))
            tell_stat(&st);
        break;
    case 2: {
        tell("fstat(");
        int fd = any_fd();
        tell(")");
        if (CALL_OK(SYS_fstat, fd, &st))
            tell_stat(&st);
        break;
    }
    case 3: {
        tell("newfstatat(");
        int dir = any_dir();
        tell(" ");
        path = any_path();
        tell(", ");
        unsigned flags = FLAGS(25, AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH, AT_NO_AUTOMOUNT);
        tell(")");
        if (path == NULL)
            flags &= ~(unsigned)AT_EMPTY_PATH; /* is allowed since Linux 6.11 */
        if (CALL_OK(SYS_newfstatat, dir, path, &st, flags))
            tell_stat(&st);
        break;
    }
    default: {
        tell("statx(");
        int dir = any_dir();
        tell(" ");
        path = any_path();
        tell(", ");
        unsigned flags = FLAGS(20, AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH,
                               0x2000 /* AT_STATX_FORCE_SYNC */, 0x4000 /* AT_STATX_DONT_SYNC */);
        tell(")");
        if (path == NULL)
            flags &= ~(unsigned)AT_EMPTY_PATH;
        if (CALL_OK(SYS_statx, dir, path, flags, chance(3) ? 0x80000000 : 0x7ff, statx_at))
            tell(" mask %x block %u links %u mode 0%o", statx_at[0] & 0x7ff, statx_at[1],
                 statx_at[4], statx_at[7] & 0xffff);
    }
    }
}

void do_chmod(void)
{
    if (chance(40)) {
        tell("fchmod(");
        int fd = any_fd();
        tell(", ");
        mode_t mode = any_mode();
        tell(")");
        CALL(SYS_fchmod, fd, mode);
    } else {
        tell("fchmodat(");
        int dir = any_dir();
        tell(" ");
        const char *path = any_path();
        tell(", ");
        mode_t mode = any_mode();
        tell(")");
        if (chance(50))
            CALL(SYS_fchmodat, dir, path, mode);
        else
            CALL(452 /* fchmodat2 */, dir, path, mode, chance(20) ? AT_SYMLINK_NOFOLLOW : 0);
    }
}

void do_chown(void)
{
    if (chance(40)) {
        tell("fchown(");
        int fd = any_fd();
        tell(", ");
        int uid = any_id();
        tell(", ");
        int gid = any_id();
        tell(")");
        CALL(SYS_fchown, fd, uid, gid);
    } else {
        tell("fchownat(");
        int dir = any_dir();
        tell(" ");
        const char *path = any_path();
        tell(", ");
        int uid = any_id();
        tell(", ");
        int gid = any_id();
        tell(", ");
        unsigned flags = FLAGS(20, AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH);
        tell(")");
        CALL(SYS_fchownat, dir, path, uid, gid, flags);
    }
}

void do_access(void)
{
    tell("faccessat2(");
    int dir = any_dir();
    tell(" ");
    const char *path = any_path();
    int mode = (int)any(chance(5) ? 20 : 8);
    tell(", %d, ", mode);
    unsigned flags = FLAGS(20, AT_SYMLINK_NOFOLLOW, AT_EACCESS, AT_EMPTY_PATH);
    tell(")");
    if (flags == 0 && chance(50))
        CALL(SYS_faccessat, dir, path, mode);
    else
        CALL(439 /* faccessat2 */, dir, path, mode, flags);
}

void do_utimens(void)
{
    struct timespec times[2];
    static const long nanoseconds[] = {0, 0, 5, UTIME_OMIT, UTIME_NOW, 999999999, 1000000000, -1};

    tell("utimensat(");
    int dir = any_dir();
    tell(" ");
    const char *path = chance(15) ? NULL : any_path();
    for (int i = 0; i < 2; i++) {
        times[i].tv_sec = any(2000000000);
        times[i].tv_nsec = nanoseconds[any(LEN(nanoseconds))];
        tell(", %ld.%ld", (long)times[i].tv_sec, times[i].tv_nsec);
    }
    tell(", ");
    unsigned flags = FLAGS(20, AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH);
    bool is_now = chance(20), is_bad = chance(3);
    tell(" %d %d)", is_now, is_bad);
    CALL(SYS_utimensat, dir, path, is_bad ? (void *)outside : is_now ? NULL : (void *)times, flags);
    struct stat st;
    if (is_readable(path) && stat(path, &st) == 0) {
        for (int i = 0; i < 2; i++) {
            const struct timespec *t = i == 0 ? &st.st_atim : &st.st_mtim;
            if (t->tv_sec == times[i].tv_sec)
                tell(" set %ld", t->tv_nsec);
        }
    }
}

void do_statfs(void)
{
    struct {
        long type, block, blocks, free, available, files, free_files, id, name, fragment, flags,
            spare[4];
    } fs;

    tell("statfs(");
    const char *path = any_path();
    tell(")");
    if (CALL_OK(SYS_statfs, path, &fs))
        tell(" %lx %ld %ld %ld %ld", fs.type, fs.block, fs.blocks, fs.name, fs.fragment);
}

void do_setuid(void)
{
    static const int ids[] = {0, 0, 1000, 1001};
    int uid = ids[any(LEN(ids))], gid = ids[any(LEN(ids))];

    if (!play->is_root || !chance(40)) {
        do_umask();
        return;
    }
    syscall(SYS_setresuid, -1, 0, -1);
    tell("be user %d of %d", uid, gid);
    CALL(SYS_setresgid, -1, gid, -1);
    CALL(SYS_setresuid, -1, uid, -1);
}

/* Which times change, of a file, its folder, and another. */
void do_times(void)
{
    static const char *const what[] = {
        "read",          "write",    "truncate",     "chmod",           "link",
        "rename",        "unlink",   "readdir",      "nothing written", "open",
        "open trunc",    "symlink",  "mkdir",        "rmdir",           "chown",
        "rename over",   "punch",    "read nothing", "readlink",        "truncate same",
        "append splice", "exchange", "unlink other", "sendfile",        "copy",
        "mknod"};
    static const char *const names[] = {"", "t", "t/x", "t/y", "t/d", "t/s"};
    const struct timespec old[2] = {{1000000000, 7}, {1000000000, 7}},
                          read[2] = {{0, UTIME_NOW}, {1000000000, 7}};
    struct stat before[LEN(names)], after;
    const struct timespec delay = {0, 12000000};
    unsigned kind = any(LEN(what));
    bool is_read = chance(25);
    int cwd = open(".", O_RDONLY), base, fd;

    tell("times of %s%s", what[kind], is_read ? ", read before" : "");
    if (cwd < 0 || chdir("/") != 0) {
        tell(" not possible");
        close(cwd);
        return;
    }
    syscall(SYS_setresuid, -1, getuid(), -1);
    mode_t mask = umask(0);
    base = open("/", O_RDONLY);
    mkdir("t", 0777);
    mkdir("t/d", 0777);
    symlink("x", "t/s");
    fd = open("t/x", O_RDWR | O_CREAT, 0666);
    ftruncate(fd, 0);
    pwrite(fd, "0123456789", 10, 0);
    close(open("t/y", O_RDWR | O_CREAT, 0666));
    for (unsigned i = 1; i < LEN(names); i++)
        utimensat(base, names[i], is_read ? read : old, AT_SYMLINK_NOFOLLOW);
    for (unsigned i = 0; i < LEN(names); i++)
        fstatat(base, names[i], &before[i], AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW);
    int pinned[LEN(names)];
    for (unsigned i = 0; i < LEN(names); i++)
        pinned[i] = i == 0 ? base : openat(base, names[i], O_PATH | O_NOFOLLOW);
    nanosleep(&delay, NULL);
    switch (kind) {
    case 0:
        syscall(SYS_pread64, fd, data, 5, 0);
        break;
    case 1:
        write(fd, "x", 1);
        break;
    case 2:
        ftruncate(fd, 3);
        break;
    case 3:
        fchmod(fd, 0600);
        break;
    case 4:
        link("t/x", "t/z");
        break;
    case 5:
        rename("t/x", "t/z");
        break;
    case 6:
        unlink("t/x");
        break;
    case 7: {
        int dir = open("t", O_RDONLY);
        syscall(SYS_getdents64, dir, data, 4096);
        close(dir);
        break;
    }
    case 8:
        write(fd, "x", 0);
        break;
    case 9:
        close(open("t/x", O_RDWR | O_CREAT, 0666));
        break;
    case 10:
        close(open("t/x", O_RDWR | O_TRUNC));
        break;
    case 11:
        symlink("q", "t/z");
        break;
    case 12:
        mkdir("t/z", 0777);
        break;
    case 13:
        rmdir("t/d");
        break;
    case 14:
        chown("t/x", getuid(), (gid_t)-1);
        break;
    case 15:
        rename("t/y", "t/x");
        break;
    case 16:
        syscall(SYS_fallocate, fd, 3, 0, 4096);
        break;
    case 17:
        pread(fd, data, 5, 100);
        break;
    case 18:
        readlink("t/s", (char *)data, 10);
        break;
    case 19:
        ftruncate(fd, 10);
        break;
    case 20: {
        int p[2];
        pipe(p);
        write(p[1], "abc", 3);
        syscall(SYS_splice, p[0], NULL, fd, NULL, 3, 0);
        close(p[0]);
        close(p[1]);
        break;
    }
    case 21:
        syscall(SYS_renameat2, AT_FDCWD, "t/x", AT_FDCWD, "t/d", 2);
        break;
    case 22:
        link("t/x", "t/z");
        for (unsigned i = 0; i < LEN(names); i++)
            fstat(pinned[i], &before[i]);
        nanosleep(&delay, NULL);
        unlink("t/z");
        break;
    case 23: {
        int to = open("t/y", O_RDWR);
        lseek(fd, 0, SEEK_SET);
        syscall(SYS_sendfile, to, fd, NULL, 5);
        close(to);
        break;
    }
    case 24: {
        int to = open("t/y", O_RDWR);
        int64_t zero = 0;
        syscall(SYS_copy_file_range, fd, &zero, to, NULL, 5, 0);
        close(to);
        break;
    }
    default:
        mknod("t/z", S_IFIFO | 0600, 0);
    }
    for (unsigned i = 1; i < LEN(names); i++) {
        if (fstat(pinned[i], &after) != 0)
            continue;
        tell(" %s", names[i]);
        if (memcmp(&after.st_atim, &before[i].st_atim, sizeof(after.st_atim)) != 0)
            tell(":atime");
        if (memcmp(&after.st_mtim, &before[i].st_mtim, sizeof(after.st_mtim)) != 0)
            tell(":mtime");
        if (memcmp(&after.st_ctim, &before[i].st_ctim, sizeof(after.st_ctim)) != 0)
            tell(":ctime");
    }
    close(fd);
    for (unsigned i = 0; i < LEN(names); i++)
        close(pinned[i]);
    unlink("t/z");
    rmdir("t/z");
    umask(mask);
    fchdir(cwd);
    close(cwd);
}
