/* Files: the system calls under their POSIX names. */

#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "runtime.h"

#define CALL(...) CALL_(__VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define CALL_(number, a1, a2, a3, a4, a5, ...)                                                     \
    syscall_result(syscall6(number, a1, a2, a3, a4, a5, 0))

int openat(int dir_fd, const char *path, int flags, ...)
{
    va_list args;

    va_start(args, flags);
    mode_t mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
    va_end(args);
    return (int)CALL(__NR_openat, dir_fd, (long)path, flags, mode);
}

int open(const char *path, int flags, ...)
{
    va_list args;

    va_start(args, flags);
    mode_t mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
    va_end(args);
    return openat(AT_FDCWD, path, flags, mode);
}

int creat(const char *path, mode_t mode)
{
    return open(path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

int fcntl(int fd, int command, ...)
{
    va_list args;

    va_start(args, command);
    long arg = va_arg(args, long);
    va_end(args);
    return (int)CALL(__NR_fcntl, fd, command, arg);
}

int close(int fd)
{
    return (int)CALL(__NR_close, fd);
}

ssize_t read(int fd, void *to, size_t nr_bytes)
{
    return CALL(__NR_read, fd, (long)to, (long)nr_bytes);
}

ssize_t pread(int fd, void *to, size_t nr_bytes, off_t offset)
{
    return CALL(__NR_pread64, fd, (long)to, (long)nr_bytes, offset);
}

ssize_t pwrite(int fd, const void *from, size_t nr_bytes, off_t offset)
{
    return CALL(__NR_pwrite64, fd, (long)from, (long)nr_bytes, offset);
}

ssize_t readv(int fd, const struct iovec *pieces, int nr_pieces)
{
    return CALL(__NR_readv, fd, (long)pieces, nr_pieces);
}

ssize_t writev(int fd, const struct iovec *pieces, int nr_pieces)
{
    return CALL(__NR_writev, fd, (long)pieces, nr_pieces);
}

off_t lseek(int fd, off_t offset, int whence)
{
    return CALL(__NR_lseek, fd, offset, whence);
}

int ftruncate(int fd, off_t nr_bytes)
{
    return (int)CALL(__NR_ftruncate, fd, nr_bytes);
}

int dup(int fd)
{
    return (int)CALL(__NR_dup, fd);
}

int dup2(int fd, int new_fd)
{
    return (int)CALL(__NR_dup2, fd, new_fd);
}

int dup3(int fd, int new_fd, int flags)
{
    return (int)CALL(__NR_dup3, fd, new_fd, flags);
}

int pipe(int fds[2])
{
    return pipe2(fds, 0);
}

int pipe2(int fds[2], int flags)
{
    return (int)CALL(__NR_pipe2, (long)fds, flags);
}

int stat(const char *path, struct stat *out)
{
    return fstatat(AT_FDCWD, path, out, 0);
}

int fstat(int fd, struct stat *out)
{
    return (int)CALL(__NR_fstat, fd, (long)out);
}

int fstatat(int dir_fd, const char *path, struct stat *out, int flags)
{
    return (int)CALL(__NR_newfstatat, dir_fd, (long)path, (long)out, flags);
}

int mkdir(const char *path, mode_t mode)
{
    return mkdirat(AT_FDCWD, path, mode);
}

int mkdirat(int dir_fd, const char *path, mode_t mode)
{
    return (int)CALL(__NR_mkdirat, dir_fd, (long)path, mode);
}

int rmdir(const char *path)
{
    return unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
}

int unlink(const char *path)
{
    return unlinkat(AT_FDCWD, path, 0);
}

int unlinkat(int dir_fd, const char *path, int flags)
{
    return (int)CALL(__NR_unlinkat, dir_fd, (long)path, flags);
}

/* ---- Names ---------------------------------------------------------------------------------- */

int link(const char *from, const char *to)
{
    return (int)CALL(__NR_link, (long)from, (long)to);
}

int linkat(int from_fd, const char *from, int to_fd, const char *to, int flags)
{
    return (int)CALL(__NR_linkat, from_fd, (long)from, to_fd, (long)to, flags);
}

int symlink(const char *target, const char *path)
{
    return (int)CALL(__NR_symlink, (long)target, (long)path);
}

int symlinkat(const char *target, int dir_fd, const char *path)
{
    return (int)CALL(__NR_symlinkat, (long)target, dir_fd, (long)path);
}

ssize_t readlink(const char *path, char *to, size_t nr_bytes)
{
    return CALL(__NR_readlink, (long)path, (long)to, (long)nr_bytes);
}

ssize_t readlinkat(int dir_fd, const char *path, char *to, size_t nr_bytes)
{
    return CALL(__NR_readlinkat, dir_fd, (long)path, (long)to, (long)nr_bytes);
}

int rename(const char *from, const char *to)
{
    return (int)CALL(__NR_rename, (long)from, (long)to);
}

int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
    return (int)CALL(__NR_renameat, from_fd, (long)from, to_fd, (long)to);
}

int renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
    return (int)CALL(__NR_renameat2, from_fd, (long)from, to_fd, (long)to, flags);
}

int mknod(const char *path, mode_t mode, dev_t device)
{
    return (int)CALL(__NR_mknod, (long)path, mode, (long)device);
}

int mkfifo(const char *path, mode_t mode)
{
    return mknod(path, S_IFIFO | (mode & 07777), 0);
}

/* ---- What is known about files, and changes of it -------------------------------------------- */

int lstat(const char *path, struct stat *out)
{
    return fstatat(AT_FDCWD, path, out, AT_SYMLINK_NOFOLLOW);
}

int chmod(const char *path, mode_t mode)
{
    return (int)CALL(__NR_chmod, (long)path, mode);
}

int fchmod(int fd, mode_t mode)
{
    return (int)CALL(__NR_fchmod, fd, mode);
}

int chown(const char *path, uid_t uid, gid_t gid)
{
    return (int)CALL(__NR_chown, (long)path, uid, gid);
}

int lchown(const char *path, uid_t uid, gid_t gid)
{
    return (int)CALL(__NR_lchown, (long)path, uid, gid);
}

int fchown(int fd, uid_t uid, gid_t gid)
{
    return (int)CALL(__NR_fchown, fd, uid, gid);
}

int utimensat(int dir_fd, const char *path, const struct timespec times[2], int flags)
{
    return (int)CALL(__NR_utimensat, dir_fd, (long)path, (long)times, flags);
}

int futimens(int fd, const struct timespec times[2])
{
    return utimensat(fd, NULL, times, 0);
}

int access(const char *path, int mode)
{
    return (int)CALL(__NR_access, (long)path, mode);
}

int faccessat(int dir_fd, const char *path, int mode, int flags)
{
    return (int)CALL(__NR_faccessat2, dir_fd, (long)path, mode, flags);
}

int truncate(const char *path, off_t nr_bytes)
{
    return (int)CALL(__NR_truncate, (long)path, nr_bytes);
}

mode_t umask(mode_t mask)
{
    return (mode_t)CALL(__NR_umask, mask);
}

/* ---- File systems --------------------------------------------------------------------------- */

int mount(const char *source, const char *path, const char *type, unsigned long flags,
          const void *options)
{
    return (int)CALL(__NR_mount, (long)source, (long)path, (long)type, (long)flags, (long)options);
}

int umount(const char *path)
{
    return umount2(path, 0);
}

int umount2(const char *path, int flags)
{
    return (int)CALL(__NR_umount2, (long)path, flags);
}

int statfs(const char *path, struct statfs *out)
{
    return (int)CALL(__NR_statfs, (long)path, (long)out);
}

int fstatfs(int fd, struct statfs *out)
{
    return (int)CALL(__NR_fstatfs, fd, (long)out);
}

/* ---- Where the process is ------------------------------------------------------------------- */

int chroot(const char *path)
{
    return (int)CALL(__NR_chroot, (long)path);
}

int chdir(const char *path)
{
    return (int)CALL(__NR_chdir, (long)path);
}

int fchdir(int fd)
{
    return (int)CALL(__NR_fchdir, fd);
}

char *getcwd(char *to, size_t nr_bytes)
{
    return CALL(__NR_getcwd, (long)to, (long)nr_bytes) < 0 ? NULL : to;
}

ssize_t getdents64(int fd, void *entries, size_t nr_bytes)
{
    return CALL(__NR_getdents64, fd, (long)entries, (long)nr_bytes);
}
