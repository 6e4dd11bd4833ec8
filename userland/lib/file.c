/* Files: the system calls under their POSIX names. */

#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <unistd.h>

#include <sys/stat.h>
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
