/* A world of its own: a tmpfs, and no more privilege than is wanted. */

#define _GNU_SOURCE

#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "as_linux.h"

bool is_thrum(void)
{
    struct utsname name;

    return uname(&name) == 0 && strstr(name.version, "Thrum") != NULL;
}

/* Whether this is a Linux as old as the one that this program was made with, or newer. */
static bool is_known_linux(void)
{
    struct utsname name;
    int major = 0, minor = 0;

    return uname(&name) == 0 && sscanf(name.release, "%d.%d", &major, &minor) == 2 &&
           major * 100 + minor >= 618;
}

static bool write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY);
    bool is_written = fd >= 0 && write(fd, text, strlen(text)) == (long)strlen(text);

    close(fd);
    return is_written;
}

/* Privilege within a namespace of the caller's own, where it has none. */
static bool become_root_of_nothing(void)
{
    unsigned uid = getuid(), gid = getgid();
    char map[64];

    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
        return false;
    snprintf(map, sizeof(map), "%u %u 1", uid, uid);
    if (!write_file("/proc/self/setgroups", "deny") || !write_file("/proc/self/uid_map", map))
        return false;
    snprintf(map, sizeof(map), "%u %u 1", gid, gid);
    return write_file("/proc/self/gid_map", map);
}

static bool drop_privilege(void)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct none[2] = {{0}};

    if (getuid() != 0)
        return syscall(SYS_capset, &header, none) == 0;
    return syscall(SYS_setgroups, 0, NULL) == 0 && syscall(SYS_setresgid, 1000, 1000, 1000) == 0 &&
           syscall(SYS_setresuid, 1000, 1000, 1000) == 0;
}

const char *enter_world(const char *folder, bool is_root)
{
    const char *options = "size=8m,nr_inodes=4096,mode=777,huge=never";

    if (!is_thrum()) {
        if (!is_known_linux())
            return "Linux is older than 6.18, which this was made with";
        if (getuid() == 0 ? unshare(CLONE_NEWNS) != 0 : is_root || !become_root_of_nothing())
            return "this needs root, or user namespaces";
        if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
            return "no mount namespace";
    }
    if (mount("none", folder, "tmpfs", 0, options) != 0 &&
        mount("none", folder, "tmpfs", 0, "size=8m,nr_inodes=4096,mode=777") != 0)
        return "tmpfs cannot be mounted";
    if (chdir(folder) != 0 || mkdir("world", 0777) != 0 || chmod("world", 0777) != 0)
        return "no folder";
    if (!is_root && getuid() == 0 && chown("world", 1000, 1000) != 0)
        return "no chown";
    if (chdir("world") != 0 || chroot(".") != 0)
        return "no chroot";
    if (!is_root && !drop_privilege())
        return "privilege cannot be dropped";
    return NULL;
}
