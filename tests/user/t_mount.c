/* File systems on folders: mount(), umount2(), and paths across them. */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/wait.h>

#include "common.h"
#include "ktap.h"

#define MNT "/tmp/mnt"

static char text[4096];

/* A new tmpfs on MNT, which is made. */
static bool mount_one(const char *options)
{
    return (mkdir(MNT, 0755) == 0 || errno == EEXIST) &&
           KTAP_EQUAL(mount("some", MNT, "tmpfs", 0, options), 0);
}

static bool unmount_one(void)
{
    return KTAP_EQUAL(umount(MNT), 0) && KTAP_EQUAL(rmdir(MNT), 0);
}

static bool new_file(const char *path)
{
    int fd = open(path, O_CREAT | O_WRONLY | O_EXCL, 0644);

    return KTAP_TRUE(fd >= 0) && KTAP_EQUAL(close(fd), 0);
}

static bool is_there(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0;
}

static bool hides_and_uncovers(void)
{
    mkdir(MNT, 0755);
    return new_file(MNT "/below") && mount_one("") && KTAP_TRUE(!is_there(MNT "/below")) &&
           new_file(MNT "/above") && KTAP_EQUAL(umount(MNT), 0) &&
           KTAP_TRUE(is_there(MNT "/below")) && KTAP_TRUE(!is_there(MNT "/above")) &&
           KTAP_EQUAL(unlink(MNT "/below"), 0) && KTAP_EQUAL(rmdir(MNT), 0);
}

static bool has_its_own_device(void)
{
    struct stat root, st, parent;

    return mount_one("") && KTAP_EQUAL(stat("/tmp", &root), 0) && KTAP_EQUAL(stat(MNT, &st), 0) &&
           KTAP_EQUAL(stat(MNT "/..", &parent), 0) && KTAP_TRUE(st.st_dev != root.st_dev) &&
           KTAP_EQUAL((long)parent.st_dev, (long)root.st_dev) &&
           KTAP_EQUAL((long)parent.st_ino, (long)root.st_ino) && unmount_one();
}

static bool getcwd_crosses(void)
{
    return mount_one("") && KTAP_EQUAL(mkdir(MNT "/a", 0755), 0) &&
           KTAP_EQUAL(mkdir(MNT "/a/b", 0755), 0) && KTAP_EQUAL(chdir(MNT "/a/b"), 0) &&
           KTAP_TRUE(getcwd(text, sizeof(text)) != NULL) &&
           KTAP_EQUAL(strcmp(text, MNT "/a/b"), 0) && KTAP_EQUAL(chdir("../.."), 0) &&
           KTAP_TRUE(getcwd(text, sizeof(text)) != NULL) && KTAP_EQUAL(strcmp(text, MNT), 0) &&
           KTAP_EQUAL(chdir(".."), 0) && KTAP_TRUE(getcwd(text, sizeof(text)) != NULL) &&
           KTAP_EQUAL(strcmp(text, "/tmp"), 0) && KTAP_EQUAL(chdir("/"), 0) && unmount_one();
}

static bool busy_while_open(void)
{
    int fd;

    if (!mount_one("") || !new_file(MNT "/file"))
        return false;
    fd = open(MNT "/file", O_RDONLY);
    return FAILS(umount(MNT), EBUSY) && KTAP_EQUAL(unlink(MNT "/file"), 0) &&
           FAILS(umount(MNT), EBUSY) && KTAP_EQUAL(close(fd), 0) && unmount_one();
}

static bool busy_while_in(void)
{
    return mount_one("") && KTAP_EQUAL(mkdir(MNT "/deep", 0755), 0) &&
           KTAP_EQUAL(mkdir(MNT "/deep/er", 0755), 0) && KTAP_EQUAL(chdir(MNT "/deep/er"), 0) &&
           FAILS(umount(MNT), EBUSY) && KTAP_EQUAL(chdir("/"), 0) && unmount_one();
}

static bool busy_with_mounts_in_it(void)
{
    return mount_one("") && KTAP_EQUAL(mkdir(MNT "/in", 0755), 0) &&
           KTAP_EQUAL(mount("other", MNT "/in", "tmpfs", 0, NULL), 0) &&
           FAILS(umount(MNT), EBUSY) && FAILS(rmdir(MNT "/in"), EBUSY) &&
           FAILS(rename(MNT "/in", MNT "/out"), EBUSY) && KTAP_EQUAL(umount(MNT "/in"), 0) &&
           unmount_one();
}

/* What stands for a pipe in a /proc is of that file system. */
static bool busy_while_a_link_of_proc_is_open(void)
{
    char path[64];
    struct statfs statfs;
    int ends[2], fd;

    if (!KTAP_EQUAL(mkdir(MNT, 0755), 0) || !KTAP_EQUAL(pipe(ends), 0) ||
        !KTAP_EQUAL(mount("proc", MNT, "proc", 0, NULL), 0))
        return false;
    snprintf(path, sizeof(path), MNT "/self/fd/%d", ends[0]);
    fd = open(path, O_PATH);
    bool is_right = KTAP_TRUE(fd >= 0) && FAILS(umount(MNT), EBUSY) &&
                    KTAP_EQUAL(fstatfs(fd, &statfs), 0) && KTAP_EQUAL(statfs.f_type, 0x9fa0);
    close(fd);
    /* Opened for real, it is only the pipe, and nobody writes to the file system. */
    snprintf(path, sizeof(path), MNT "/self/fd/%d", ends[1]);
    fd = open(path, O_WRONLY);
    is_right = KTAP_TRUE(fd >= 0) && KTAP_EQUAL(close(fd), 0) &&
               KTAP_EQUAL(mount("proc", MNT, "proc", MS_REMOUNT | MS_RDONLY, NULL), 0) && is_right;
    close(ends[0]);
    close(ends[1]);
    return unmount_one() && is_right;
}

static bool hard_links_do_not_confuse(void)
{
    return mount_one("") && new_file(MNT "/one") && KTAP_EQUAL(link(MNT "/one", MNT "/two"), 0) &&
           KTAP_EQUAL(link(MNT "/one", MNT "/three"), 0) && KTAP_EQUAL(unlink(MNT "/one"), 0) &&
           unmount_one();
}

/* Two MiB. */
static int fill(int fd)
{
    for (int i = 0; i < 512; i++) {
        if (write(fd, text, sizeof(text)) != sizeof(text))
            return -1;
    }
    return 0;
}

static bool lazy_goes_when_unused(void)
{
    struct thrum_stat before, after;
    char byte = 0;
    int fd;

    thrum_stat(&before);
    if (!mount_one("") || !new_file(MNT "/file"))
        return false;
    fd = open(MNT "/file", O_RDWR);
    if (!KTAP_EQUAL(fill(fd), 0))
        return false;
    return KTAP_EQUAL(umount2(MNT, MNT_DETACH), 0) && KTAP_TRUE(!is_there(MNT "/file")) &&
           KTAP_EQUAL(pwrite(fd, "x", 1, 0), 1) && KTAP_EQUAL(pread(fd, &byte, 1, 0), 1) &&
           KTAP_EQUAL(byte, 'x') && KTAP_EQUAL(close(fd), 0) && mount_one("") && unmount_one() &&
           KTAP_EQUAL(thrum_stat(&after), 0) &&
           KTAP_TRUE(after.frames_free + 256 > before.frames_free);
}

static bool several_are_apart(void)
{
    return mount_one("") && KTAP_EQUAL(mkdir("/tmp/mnt2", 0755), 0) &&
           KTAP_EQUAL(mount("x", "/tmp/mnt2", "tmpfs", 0, NULL), 0) && new_file(MNT "/file") &&
           KTAP_TRUE(!is_there("/tmp/mnt2/file")) &&
           FAILS(rename(MNT "/file", "/tmp/mnt2/file"), EXDEV) &&
           FAILS(link(MNT "/file", "/tmp/mnt2/file"), EXDEV) &&
           KTAP_EQUAL(umount("/tmp/mnt2"), 0) && KTAP_EQUAL(rmdir("/tmp/mnt2"), 0) && unmount_one();
}

static bool stack_up(void)
{
    return mount_one("") && new_file(MNT "/first") && mount_one("") &&
           KTAP_TRUE(!is_there(MNT "/first")) && KTAP_EQUAL(umount(MNT), 0) &&
           KTAP_TRUE(is_there(MNT "/first")) && unmount_one();
}

static bool size_is_a_limit(void)
{
    static char page[4096];
    struct statfs st;
    int fd, nr = 0;

    if (!mount_one("size=16k,nr_inodes=3,mode=700"))
        return false;
    fd = open(MNT "/file", O_CREAT | O_RDWR, 0644);
    while (nr < 8 && write(fd, page, sizeof(page)) == sizeof(page))
        nr++;
    return KTAP_EQUAL(nr, 4) && KTAP_EQUAL(errno, ENOSPC) && KTAP_EQUAL(statfs(MNT, &st), 0) &&
           KTAP_EQUAL(st.f_blocks, 4) && KTAP_EQUAL(st.f_bfree, 0) && KTAP_EQUAL(st.f_files, 3) &&
           KTAP_EQUAL(st.f_ffree, 1) && KTAP_EQUAL(close(fd), 0) && new_file(MNT "/third") &&
           FAILS(mkdir(MNT "/fourth", 0755), ENOSPC) && KTAP_EQUAL(unlink(MNT "/file"), 0) &&
           KTAP_EQUAL(mkdir(MNT "/fourth", 0755), 0) && KTAP_EQUAL(statfs(MNT, &st), 0) &&
           KTAP_EQUAL(st.f_bfree, 4) && unmount_one();
}

static bool read_only_is_erofs(void)
{
    int fd;

    if (!mount_one("") || !new_file(MNT "/file"))
        return false;
    fd = open(MNT "/file", O_RDWR);
    if (!FAILS(mount("x", MNT, "tmpfs", MS_REMOUNT | MS_RDONLY, NULL), EBUSY))
        return false;
    close(fd);
    return KTAP_EQUAL(mount("x", MNT, "tmpfs", MS_REMOUNT | MS_RDONLY, NULL), 0) &&
           FAILS(open(MNT "/file", O_RDWR), EROFS) && FAILS(unlink(MNT "/file"), EROFS) &&
           FAILS(mkdir(MNT "/dir", 0755), EROFS) && FAILS(chmod(MNT "/file", 0600), EROFS) &&
           FAILS(truncate(MNT "/file", 0), EROFS) && FAILS(access(MNT "/file", W_OK), EROFS) &&
           FAILS(open(MNT "/new", O_CREAT | O_WRONLY, 0600), EROFS) &&
           KTAP_EQUAL(mount("x", MNT, "tmpfs", MS_REMOUNT, NULL), 0) &&
           KTAP_EQUAL(unlink(MNT "/file"), 0) && unmount_one();
}

static bool moves(void)
{
    return mount_one("") && new_file(MNT "/file") && KTAP_EQUAL(mkdir("/tmp/mnt2", 0755), 0) &&
           FAILS(mount(MNT, MNT "/file", NULL, MS_MOVE, NULL), ENOTDIR) &&
           FAILS(mount(MNT, MNT, NULL, MS_MOVE, NULL), ELOOP) &&
           KTAP_EQUAL(mount(MNT, "/tmp/mnt2", NULL, MS_MOVE, NULL), 0) &&
           KTAP_TRUE(is_there("/tmp/mnt2/file")) && KTAP_TRUE(!is_there(MNT "/file")) &&
           KTAP_EQUAL(umount("/tmp/mnt2"), 0) && KTAP_EQUAL(rmdir("/tmp/mnt2"), 0) &&
           KTAP_EQUAL(rmdir(MNT), 0);
}

static bool wrong_ones_are_refused(void)
{
    mkdir(MNT, 0755);
    return FAILS(mount("x", MNT, "nosuchfs", 0, NULL), ENODEV) &&
           FAILS(mount("x", "/tmp/none", "tmpfs", 0, NULL), ENOENT) &&
           FAILS(mount("x", "/bin/init", "tmpfs", 0, NULL), ENOTDIR) &&
           FAILS(mount("x", MNT, "tmpfs", 0, "size=x"), EINVAL) &&
           FAILS(mount("x", MNT, "tmpfs", 0, "nosuch=1"), EINVAL) &&
           FAILS(mount("/bin", MNT, NULL, MS_BIND, NULL), EINVAL) &&
           FAILS(mount("x", MNT, NULL, 0, NULL), EINVAL) && FAILS(umount(MNT), EINVAL) &&
           FAILS(umount("/"), EINVAL) && FAILS(umount2(MNT, 0x100), EINVAL) &&
           FAILS(umount("/tmp/none"), ENOENT) && KTAP_EQUAL(rmdir(MNT), 0);
}

/* Mounts and unmounts while others walk in and out. */
static void walk_for_ever(void *arg)
{
    (void)arg;
    for (;;) {
        struct stat st;
        int fd = open(MNT "/sub/file", O_CREAT | O_RDWR, 0644);

        if (fd >= 0)
            close(fd);
        stat(MNT "/sub/../..", &st);
        if (chdir(MNT "/sub") == 0) {
            getcwd(text, sizeof(text));
            chdir("/");
        }
        unlink(MNT "/sub/file");
    }
}

static bool storm(void)
{
    pid_t walkers[2];
    bool is_ok = true;
    int status;

    mkdir(MNT, 0755);
    for (int i = 0; i < 2; i++)
        walkers[i] = start_child(walk_for_ever, NULL);
    for (unsigned i = 0; i < ktap_times(200) && is_ok; i++) {
        is_ok = KTAP_EQUAL(mount("x", MNT, "tmpfs", 0, NULL), 0);
        mkdir(MNT "/sub", 0755);
        if (umount(MNT) != 0)
            is_ok = is_ok && KTAP_EQUAL(errno, EBUSY) && KTAP_EQUAL(umount2(MNT, MNT_DETACH), 0);
    }
    for (int i = 0; i < 2; i++) {
        kill(walkers[i], SIGKILL);
        waitpid(walkers[i], &status, 0);
    }
    unlink(MNT "/sub/file");
    rmdir(MNT "/sub");
    return is_ok && KTAP_EQUAL(rmdir(MNT), 0);
}

static const struct ktap_test tests[] = {
    {"a mount hides what is below, and umount uncovers it", hides_and_uncovers},
    {"a mount has a device number of its own, and .. leads out of it", has_its_own_device},
    {"getcwd and chdir .. cross mounts", getcwd_crosses},
    {"umount with an open file is EBUSY, also an unlinked one", busy_while_open},
    {"umount with somebody in it is EBUSY", busy_while_in},
    {"umount with a stand-in of a pipe open is EBUSY", busy_while_a_link_of_proc_is_open},
    {"umount, rmdir and rename where something is mounted are EBUSY", busy_with_mounts_in_it},
    {"umount of files with several names works", hard_links_do_not_confuse},
    {"a lazy umount leaves open files usable", lazy_goes_when_unused},
    {"two mounts of tmpfs are apart, and EXDEV between them", several_are_apart},
    {"a mount on a mount hides it", stack_up},
    {"size= and nr_inodes= are limits, which statfs tells", size_is_a_limit},
    {"a read-only file system is EROFS, and EBUSY while files are open for writing",
     read_only_is_erofs},
    {"MS_MOVE moves", moves},
    {"what cannot be mounted or unmounted is refused", wrong_ones_are_refused},
    {"mounts come and go while others use them", storm},
};

int main(void)
{
    return ktap_main(tests, KTAP_LEN(tests));
}
