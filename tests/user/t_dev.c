/* The devices in /dev: what reading, writing and seeking do, and what they are. */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <sys/mman.h>
#include <sys/stat.h>

#include "common.h"
#include "ktap.h"

#define BAD_POINTER ((void *)0xffffffff80000000ul)

static unsigned char buffer[300000];

static bool all_are(size_t nr_bytes, unsigned char value)
{
    for (size_t i = 0; i < nr_bytes; i++) {
        if (buffer[i] != value)
            return false;
    }
    return true;
}

/* Whether `path` is the character device of that number, with these permissions. */
static bool is_device(const char *path, unsigned mode, unsigned device)
{
    struct stat stat_of;

    return KTAP_EQUAL(stat(path, &stat_of), 0) && KTAP_EQUAL(stat_of.st_mode, S_IFCHR | mode) &&
           KTAP_EQUAL(stat_of.st_rdev, device) && KTAP_EQUAL(stat_of.st_size, 0);
}

static bool nodes_are_there(void)
{
    return is_device("/dev/null", 0666, 0x103) && is_device("/dev/zero", 0666, 0x105) &&
           is_device("/dev/full", 0666, 0x107) && is_device("/dev/random", 0666, 0x108) &&
           is_device("/dev/urandom", 0666, 0x109) && is_device("/dev/kmsg", 0644, 0x10b);
}

static bool null_is_at(const char *path)
{
    int fd = open(path, O_RDWR);

    return KTAP_TRUE(fd >= 0) && KTAP_EQUAL(read(fd, buffer, 5), 0) &&
           KTAP_EQUAL(write(fd, buffer, sizeof(buffer)), sizeof(buffer)) &&
           KTAP_EQUAL(pread(fd, buffer, 5, 100), 0) && KTAP_EQUAL(lseek(fd, 77, SEEK_SET), 0) &&
           KTAP_EQUAL(lseek(fd, -5, SEEK_CUR), 0) && FAILS(ftruncate(fd, 10), EINVAL) &&
           KTAP_EQUAL(close(fd), 0);
}

static bool null_swallows(void)
{
    return null_is_at("/dev/null");
}

static bool zero_has_no_end(void)
{
    int fd = open("/dev/zero", O_RDWR);

    memset(buffer, 7, sizeof(buffer));
    return KTAP_TRUE(fd >= 0) && KTAP_EQUAL(read(fd, buffer, sizeof(buffer)), sizeof(buffer)) &&
           KTAP_TRUE(all_are(sizeof(buffer), 0)) && KTAP_EQUAL(write(fd, "abc", 3), 3) &&
           KTAP_EQUAL(lseek(fd, 1000, SEEK_SET), 0) && KTAP_EQUAL(pread(fd, buffer, 9, 1), 9) &&
           FAILS(read(fd, BAD_POINTER, 9), EFAULT) && KTAP_EQUAL(close(fd), 0);
}

static bool full_is_full(void)
{
    int fd = open("/dev/full", O_RDWR);

    memset(buffer, 7, 100);
    return KTAP_TRUE(fd >= 0) && FAILS(write(fd, "abc", 3), ENOSPC) &&
           FAILS(pwrite(fd, "abc", 3, 9), ENOSPC) && KTAP_EQUAL(read(fd, buffer, 100), 100) &&
           KTAP_TRUE(all_are(100, 0)) && KTAP_EQUAL(lseek(fd, 9, SEEK_END), 0) &&
           KTAP_EQUAL(close(fd), 0);
}

static bool modes_are_kept(void)
{
    int to = open("/dev/null", O_WRONLY), from = open("/dev/zero", O_RDONLY);

    return KTAP_TRUE(to >= 0 && from >= 0) && FAILS(read(to, buffer, 1), EBADF) &&
           FAILS(write(from, buffer, 1), EBADF) && KTAP_EQUAL(close(to), 0) &&
           KTAP_EQUAL(close(from), 0) &&
           FAILS(open("/dev/null", O_RDONLY | O_DIRECTORY), ENOTDIR) &&
           FAILS(open("/dev/null/x", O_RDONLY), ENOTDIR);
}

/* /dev is a file system of its own, in which names come and go as elsewhere. */
static bool names_come_and_go(void)
{
    struct stat root, dev, node;
    char target[32] = "";

    return KTAP_EQUAL(stat("/", &root), 0) && KTAP_EQUAL(stat("/dev", &dev), 0) &&
           KTAP_TRUE(root.st_dev != dev.st_dev) &&
           KTAP_EQUAL(mknod("/dev/nil", S_IFCHR | 0640, 0x103), 0) &&
           KTAP_EQUAL(stat("/dev/nil", &node), 0) && KTAP_EQUAL(node.st_rdev, 0x103) &&
           KTAP_EQUAL(unlink("/dev/nil"), 0) && FAILS(stat("/dev/nil", &node), ENOENT) &&
           FAILS(mknod("/dev/null", S_IFCHR | 0666, 0x103), EEXIST) &&
           KTAP_EQUAL(stat("/dev/shm", &node), 0) && KTAP_EQUAL(node.st_mode, S_IFDIR | 01777) &&
           KTAP_EQUAL(stat("/dev/pts", &node), 0) && KTAP_EQUAL(node.st_mode, S_IFDIR | 0755) &&
           KTAP_EQUAL(readlink("/dev/fd", target, sizeof(target)), 13) &&
           KTAP_TRUE(strcmp(target, "/proc/self/fd") == 0);
}

static bool devices_of_nobody_are_enxio(void)
{
    return KTAP_EQUAL(mknod("/tmp/nobody", S_IFCHR | 0666, 0x6363), 0) &&
           FAILS(open("/tmp/nobody", O_RDWR), ENXIO) && KTAP_EQUAL(unlink("/tmp/nobody"), 0) &&
           KTAP_EQUAL(mknod("/tmp/nil", S_IFCHR | 0666, 0x103), 0) && null_is_at("/tmp/nil") &&
           KTAP_EQUAL(unlink("/tmp/nil"), 0);
}

/* What a shell does at every `> /dev/null`. */
static bool null_may_be_truncated(void)
{
    int fd = open("/dev/null", O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0666);

    return KTAP_TRUE(fd >= 0) && KTAP_EQUAL(write(fd, "x", 1), 1) && KTAP_EQUAL(close(fd), 0);
}

static const struct ktap_test tests[] = {
    {"null, zero, full and random are the devices that they are on Linux", nodes_are_there},
    {"null is always at its end, and takes everything", null_swallows},
    {"zero gives zeroes for ever", zero_has_no_end},
    {"full takes nothing", full_is_full},
    {"a device is used as it was opened", modes_are_kept},
    {"/dev is a tmpfs that begins with the devices", names_come_and_go},
    {"a node is the device of its number, wherever it is", devices_of_nobody_are_enxio},
    {"null may be opened as a file that is to be written anew", null_may_be_truncated},
};

int main(void)
{
    return ktap_main(tests, KTAP_LEN(tests));
}
