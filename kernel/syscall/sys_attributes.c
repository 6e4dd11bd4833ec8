/* System calls about what is known of files, and changes of it: stat(), chmod() and their kin. */

#include <asm/statfs.h>
#include <kernel/credentials.h>
#include <kernel/errno.h>
#include <kernel/file.h>
#include <kernel/mount.h>
#include <linux/fcntl.h>
#include <linux/stat.h>
#include <linux/time.h>
#include <linux/utime.h>
#include <mm/user_copy.h>
#include <proc/process.h>

#include "sys.h"
#include "sys_path.h"

#define UTIME_NOW  ((1l << 30) - 1l) /* include/linux/stat.h of Linux; not in its uapi */
#define UTIME_OMIT ((1l << 30) - 2l)

static struct fd_table *files(void)
{
    return process_current()->files;
}

/* ---- stat ----------------------------------------------------------------------------------- */

int64_t sys_fstat(int fd, vaddr_t stat_at)
{
    struct file *file = fd_get_any(files(), fd);
    struct stat stat;

    if (file == NULL)
        return -EBADF;
    file_stat(file, &stat);
    file_put(file);
    return user_copy_to(stat_at, &stat, sizeof(stat));
}

/* As newfstatat(), whose flags have been checked. */
static int find_stat(int dir_fd, vaddr_t path_at, unsigned flags, struct stat *stat)
{
    struct inode *inode;
    struct file *file;
    int error;

    if ((flags & AT_EMPTY_PATH) && dir_fd != AT_FDCWD && user_path_is_empty(path_at)) {
        file = fd_get_any(files(), dir_fd);
        if (file == NULL)
            return -EBADF;
        file_stat(file, stat);
        file_put(file);
        return 0;
    }
    error = user_path_find(dir_fd, path_at, flags, &inode);
    if (error != 0)
        return error;
    inode_stat(inode, stat);
    inode_put(inode);
    return 0;
}

int64_t sys_newfstatat(int dir_fd, vaddr_t path_at, vaddr_t stat_at, int flags)
{
    struct stat stat;
    int error;

    if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH))
        return -EINVAL;
    error = find_stat(dir_fd, path_at, (unsigned)flags, &stat);
    return error != 0 ? error : user_copy_to(stat_at, &stat, sizeof(stat));
}

int64_t sys_stat(vaddr_t path_at, vaddr_t stat_at)
{
    return sys_newfstatat(AT_FDCWD, path_at, stat_at, 0);
}

int64_t sys_lstat(vaddr_t path_at, vaddr_t stat_at)
{
    return sys_newfstatat(AT_FDCWD, path_at, stat_at, AT_SYMLINK_NOFOLLOW);
}

static struct statx_timestamp timestamp(uint64_t seconds, uint64_t ns)
{
    return (struct statx_timestamp){.tv_sec = (int64_t)seconds, .tv_nsec = (uint32_t)ns};
}

/* Linux splits st_dev and st_rdev for statx() as makedev() puts them together. */
static uint32_t major_of(uint64_t device)
{
    return (uint32_t)(device >> 8 & 0xfff);
}

static uint32_t minor_of(uint64_t device)
{
    return (uint32_t)((device & 0xff) | (device >> 12 & 0xfff00));
}

int64_t sys_statx(int dir_fd, vaddr_t path_at, int flags, unsigned mask, vaddr_t statx_at)
{
    struct stat stat;
    struct statx statx;
    int error;

    if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE))
        return -EINVAL;
    if ((flags & AT_STATX_SYNC_TYPE) == AT_STATX_SYNC_TYPE || (mask & STATX__RESERVED))
        return -EINVAL;
    error = find_stat(dir_fd, path_at, (unsigned)flags, &stat);
    if (error != 0)
        return error;
    statx = (struct statx){
        .stx_mask = STATX_BASIC_STATS,
        .stx_blksize = (uint32_t)stat.st_blksize,
        .stx_nlink = (uint32_t)stat.st_nlink,
        .stx_uid = stat.st_uid,
        .stx_gid = stat.st_gid,
        .stx_mode = (uint16_t)stat.st_mode,
        .stx_ino = stat.st_ino,
        .stx_size = (uint64_t)stat.st_size,
        .stx_blocks = (uint64_t)stat.st_blocks,
        .stx_atime = timestamp(stat.st_atime, stat.st_atime_nsec),
        .stx_mtime = timestamp(stat.st_mtime, stat.st_mtime_nsec),
        .stx_ctime = timestamp(stat.st_ctime, stat.st_ctime_nsec),
        .stx_rdev_major = major_of(stat.st_rdev),
        .stx_rdev_minor = minor_of(stat.st_rdev),
        .stx_dev_major = major_of(stat.st_dev),
        .stx_dev_minor = minor_of(stat.st_dev),
    };
    return user_copy_to(statx_at, &statx, sizeof(statx));
}

/* ---- statfs --------------------------------------------------------------------------------- */

int64_t sys_statfs(vaddr_t path_at, vaddr_t statfs_at)
{
    struct statfs statfs;
    struct inode *inode;
    int error = user_path_find(AT_FDCWD, path_at, 0, &inode);

    if (error != 0)
        return error;
    mount_statfs(inode->mount, &statfs);
    inode_put(inode);
    return user_copy_to(statfs_at, &statfs, sizeof(statfs));
}

int64_t sys_fstatfs(int fd, vaddr_t statfs_at)
{
    struct file *file = fd_get_any(files(), fd);
    struct statfs statfs;

    if (file == NULL)
        return -EBADF;
    if (file->inode != NULL)
        mount_statfs(file->inode->mount, &statfs);
    else
        statfs = (struct statfs){.f_type = 0x50495045, .f_bsize = PAGE_SIZE, .f_namelen = 255};
    file_put(file);
    return user_copy_to(statfs_at, &statfs, sizeof(statfs));
}

/* ---- access --------------------------------------------------------------------------------- */

int64_t sys_faccessat2(int dir_fd, vaddr_t path_at, int mode, int flags)
{
    bool is_effective = flags & AT_EACCESS;
    struct user_path path;
    struct inode *inode;
    int error;

    if ((mode & ~7) || (flags & ~(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)))
        return -EINVAL;
    error = user_path_get_or_empty(dir_fd, path_at, flags & AT_EMPTY_PATH, &path);
    if (error != 0)
        return error;
    error = path_lookup(path.start, path.text,
                        (flags & AT_SYMLINK_NOFOLLOW ? PATH_NO_FOLLOW : 0) |
                            (flags & AT_EMPTY_PATH ? PATH_EMPTY_IS_START : 0) |
                            (is_effective ? 0 : PATH_AS_REAL),
                        &inode);
    user_path_put(&path);
    if (error != 0)
        return error;
    /* F_OK is 0; R_OK, W_OK and X_OK are MAY_READ, MAY_WRITE and MAY_EXEC. */
    error = inode_may(inode, (unsigned)mode | (is_effective ? 0 : MAY_AS_REAL));
    inode_put(inode);
    return error;
}

int64_t sys_faccessat(int dir_fd, vaddr_t path_at, int mode)
{
    return sys_faccessat2(dir_fd, path_at, mode, 0);
}

int64_t sys_access(vaddr_t path_at, int mode)
{
    return sys_faccessat2(AT_FDCWD, path_at, mode, 0);
}

/* ---- Mode and owner ------------------------------------------------------------------------- */

int64_t sys_fchmod(int fd, uint32_t mode)
{
    struct file *file = fd_get(files(), fd);
    int error;

    if (file == NULL)
        return -EBADF;
    error = file->inode != NULL ? inode_change_mode(file->inode, mode) : -EINVAL;
    file_put(file);
    return error;
}

int64_t sys_fchmodat2(int dir_fd, vaddr_t path_at, uint32_t mode, unsigned flags)
{
    struct inode *inode;
    int error;

    if (flags & ~(unsigned)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
        return -EINVAL;
    error = user_path_find(dir_fd, path_at, flags, &inode);
    if (error != 0)
        return error;
    error = inode_is_link(inode) ? -EOPNOTSUPP : inode_change_mode(inode, mode);
    inode_put(inode);
    return error;
}

int64_t sys_fchmodat(int dir_fd, vaddr_t path_at, uint32_t mode)
{
    return sys_fchmodat2(dir_fd, path_at, mode, 0);
}

int64_t sys_chmod(vaddr_t path_at, uint32_t mode)
{
    return sys_fchmodat2(AT_FDCWD, path_at, mode, 0);
}

int64_t sys_fchown(int fd, uint32_t uid, uint32_t gid)
{
    struct file *file = fd_get(files(), fd);
    int error;

    if (file == NULL)
        return -EBADF;
    error = file->inode != NULL ? inode_change_owner(file->inode, uid, gid) : -EINVAL;
    file_put(file);
    return error;
}

int64_t sys_fchownat(int dir_fd, vaddr_t path_at, uint32_t uid, uint32_t gid, int flags)
{
    struct inode *inode;
    int error;

    if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
        return -EINVAL;
    error = user_path_find(dir_fd, path_at, (unsigned)flags, &inode);
    if (error != 0)
        return error;
    error = inode_change_owner(inode, uid, gid);
    inode_put(inode);
    return error;
}

int64_t sys_chown(vaddr_t path_at, uint32_t uid, uint32_t gid)
{
    return sys_fchownat(AT_FDCWD, path_at, uid, gid, 0);
}

int64_t sys_lchown(vaddr_t path_at, uint32_t uid, uint32_t gid)
{
    return sys_fchownat(AT_FDCWD, path_at, uid, gid, AT_SYMLINK_NOFOLLOW);
}

/* ---- Times ---------------------------------------------------------------------------------- */

/* What is to be set: inode_change_times(). */
struct times {
    int error; /* -EINVAL: they are no times; told when the file has been found */
    unsigned which;
    uint64_t ns[2];
};

/* Times before 1970 become its beginning. */
static uint64_t to_ns(const struct timespec *time)
{
    if (time->tv_sec < 0)
        return 0;
    if ((uint64_t)time->tv_sec > INT64_MAX / NSEC_PER_SEC - 1)
        return INT64_MAX;
    return (uint64_t)time->tv_sec * NSEC_PER_SEC + (uint64_t)time->tv_nsec;
}

/* `given`: access and modification; NULL: both are now. */
static struct times find_times(const struct timespec given[2])
{
    static const struct timespec now[2] = {{0, UTIME_NOW}, {0, UTIME_NOW}};
    struct times times = {0};
    bool are_all_now = true;

    if (given == NULL)
        given = now;
    for (unsigned i = 0; i < 2; i++) {
        long ns = given[i].tv_nsec;

        if (ns != UTIME_NOW && ns != UTIME_OMIT && (ns < 0 || ns >= (long)NSEC_PER_SEC))
            times.error = -EINVAL;
        if (ns != UTIME_OMIT)
            times.which |= i == 0 ? SET_ACCESSED : SET_MODIFIED;
        are_all_now = are_all_now && ns == UTIME_NOW;
        times.ns[i] = ns == UTIME_NOW ? inode_time_ns() : to_ns(&given[i]);
    }
    if (are_all_now)
        times.which |= SET_TO_NOW;
    return times;
}

static int set_times_of(struct inode *inode, const struct times *times)
{
    if (times->error != 0)
        return times->error;
    return inode_change_times(inode, times->which, times->ns[0], times->ns[1]);
}

/* Where nothing is to be set, nothing is looked for: as on Linux. */
static int set_times(int dir_fd, vaddr_t path_at, const struct times *times, unsigned flags)
{
    struct inode *inode;
    struct file *file;
    int error = 0;

    if (times->which == 0)
        return 0;
    if (flags & ~(unsigned)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
        return -EINVAL;

    if (path_at == 0 && dir_fd != AT_FDCWD) {
        if (flags != 0)
            return -EINVAL;
        file = fd_get(files(), dir_fd);
        if (file == NULL)
            return -EBADF;
        if (file->inode != NULL)
            error = set_times_of(file->inode, times);
        file_put(file);
        return error;
    }
    error = user_path_find(dir_fd, path_at, flags, &inode);
    if (error != 0)
        return error;
    error = set_times_of(inode, times);
    inode_put(inode);
    return error;
}

int64_t sys_utimensat(int dir_fd, vaddr_t path_at, vaddr_t times_at, int flags)
{
    struct timespec given[2];
    struct times times;

    if (times_at != 0 && user_copy_from(given, times_at, sizeof(given)) != 0)
        return -EFAULT;
    times = find_times(times_at != 0 ? given : NULL);
    return set_times(dir_fd, path_at, &times, (unsigned)flags);
}

int64_t sys_futimesat(int dir_fd, vaddr_t path_at, vaddr_t times_at)
{
    struct timeval in_us[2];
    struct timespec given[2];
    struct times times;

    if (times_at != 0 && user_copy_from(in_us, times_at, sizeof(in_us)) != 0)
        return -EFAULT;
    for (unsigned i = 0; times_at != 0 && i < 2; i++) {
        if (in_us[i].tv_usec < 0 || in_us[i].tv_usec >= 1000000)
            return -EINVAL;
        given[i] = (struct timespec){in_us[i].tv_sec, in_us[i].tv_usec * 1000};
    }
    times = find_times(times_at != 0 ? given : NULL);
    return set_times(dir_fd, path_at, &times, 0);
}

int64_t sys_utimes(vaddr_t path_at, vaddr_t times_at)
{
    return path_at == 0 ? -EFAULT : sys_futimesat(AT_FDCWD, path_at, times_at);
}

int64_t sys_utime(vaddr_t path_at, vaddr_t times_at)
{
    struct utimbuf seconds;
    struct timespec given[2];
    struct times times;

    if (path_at == 0 || (times_at != 0 && user_copy_from(&seconds, times_at, sizeof(seconds)) != 0))
        return -EFAULT;
    if (times_at != 0) {
        given[0] = (struct timespec){seconds.actime, 0};
        given[1] = (struct timespec){seconds.modtime, 0};
    }
    times = find_times(times_at != 0 ? given : NULL);
    return set_times(AT_FDCWD, path_at, &times, 0);
}

/* ---- Sizes ---------------------------------------------------------------------------------- */

int64_t sys_truncate(vaddr_t path_at, int64_t nr_bytes)
{
    struct inode *inode;
    int error;

    if (nr_bytes < 0)
        return -EINVAL;
    error = user_path_find(AT_FDCWD, path_at, 0, &inode);
    if (error != 0)
        return error;
    if (inode_is_dir(inode))
        error = -EISDIR;
    else if (!inode_is_regular(inode))
        error = -EINVAL;
    else
        error = inode_may(inode, MAY_WRITE);
    if (error == 0)
        error = inode_truncate(inode, (uint64_t)nr_bytes);
    inode_put(inode);
    return error;
}

int64_t sys_ftruncate(int fd, int64_t nr_bytes)
{
    struct file *file;
    int64_t result;

    if (nr_bytes < 0)
        return -EINVAL;
    file = fd_get(files(), fd);
    if (file == NULL)
        return -EBADF;
    if (file->inode == NULL || !file_writes(file))
        result = -EINVAL;
    else
        result = inode_truncate(file->inode, (uint64_t)nr_bytes);
    file_put(file);
    return result;
}
