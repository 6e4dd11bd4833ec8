/* Users, groups, and what they may do to files. */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <linux/capability.h>

#include "common.h"
#include "ktap.h"

#define DIR "/tmp/perm"

enum { ALICE = 1000, BOB = 1001, STAFF = 50 };

static struct stat st;

/* ---- Becoming somebody else ----------------------------------------------------------------- */

struct act {
    unsigned uid, gid, group;
    bool (*check)(void);
};

static void act(void *arg)
{
    const struct act *who = arg;

    if (KTAP_EQUAL(syscall(__NR_setgroups, 1, &who->group), 0) &&
        KTAP_EQUAL(syscall(__NR_setresgid, who->gid, who->gid, who->gid), 0) &&
        KTAP_EQUAL(syscall(__NR_setresuid, who->uid, who->uid, who->uid), 0) && who->check())
        exit(CHILD_IS_WELL);
    exit(1);
}

/* Whether check() is true for that user, in that group and in the supplementary group. */
static bool is_true_for(unsigned uid, unsigned gid, unsigned group, bool (*check)(void))
{
    struct act who = {uid, gid, group, check};
    pid_t child = start_child(act, &who);
    int status = 0;

    return KTAP_EQUAL(waitpid(child, &status, 0), child) &&
           KTAP_EQUAL(WEXITSTATUS(status), CHILD_IS_WELL);
}

static bool new_file(const char *path, mode_t mode)
{
    int fd = open(path, O_CREAT | O_EXCL | O_RDWR, 0600);

    return KTAP_TRUE(fd >= 0) && KTAP_EQUAL(fchmod(fd, mode), 0) && KTAP_EQUAL(close(fd), 0);
}

/* Whether a file can be opened so; errno is what is said. */
static bool opens(const char *path, int flags)
{
    int fd = open(path, flags);

    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

/* ---- The numbers ---------------------------------------------------------------------------- */

static bool ids_are(unsigned uid, unsigned euid, unsigned suid)
{
    unsigned ids[3];

    return KTAP_EQUAL(syscall(__NR_getresuid, &ids[0], &ids[1], &ids[2]), 0) &&
           KTAP_EQUAL(ids[0], uid) && KTAP_EQUAL(ids[1], euid) && KTAP_EQUAL(ids[2], suid) &&
           KTAP_EQUAL(syscall(__NR_getuid), uid) && KTAP_EQUAL(syscall(__NR_geteuid), euid);
}

static bool user_is_bound(void)
{
    return ids_are(ALICE, ALICE, ALICE) && FAILS(syscall(__NR_setuid, 0), EPERM) &&
           FAILS(syscall(__NR_setuid, BOB), EPERM) && FAILS(syscall(__NR_setreuid, -1, 0), EPERM) &&
           FAILS(syscall(__NR_setresuid, -1, -1, 0), EPERM) &&
           FAILS(syscall(__NR_setgid, 0), EPERM) &&
           FAILS(syscall(__NR_setgroups, 0, NULL), EPERM) &&
           KTAP_EQUAL(syscall(__NR_setuid, ALICE), 0) &&
           KTAP_EQUAL(syscall(__NR_setfsuid, 0), ALICE) &&
           KTAP_EQUAL(syscall(__NR_setfsuid, -1), ALICE) && ids_are(ALICE, ALICE, ALICE);
}

static void change_back_and_forth(void *unused)
{
    (void)unused;
    if (KTAP_EQUAL(syscall(__NR_setresuid, -1, ALICE, -1), 0) && ids_are(0, ALICE, 0) &&
        FAILS(syscall(__NR_setgid, 5), EPERM) && KTAP_EQUAL(syscall(__NR_setreuid, -1, 0), 0) &&
        ids_are(0, 0, 0) && KTAP_EQUAL(syscall(__NR_setreuid, ALICE, BOB), 0) &&
        ids_are(ALICE, BOB, BOB) && KTAP_EQUAL(syscall(__NR_setuid, ALICE), 0) &&
        ids_are(ALICE, ALICE, BOB) && KTAP_EQUAL(syscall(__NR_setuid, BOB), 0) &&
        FAILS(syscall(__NR_setuid, 0), EPERM) && FAILS(syscall(__NR_setuid, -1), EINVAL))
        exit(CHILD_IS_WELL);
    exit(1);
}

static bool numbers_change_as_posix_says(void)
{
    int status = 0;
    pid_t child = start_child(change_back_and_forth, NULL);

    return KTAP_EQUAL(waitpid(child, &status, 0), child) &&
           KTAP_EQUAL(WEXITSTATUS(status), CHILD_IS_WELL) && ids_are(0, 0, 0);
}

static bool user_has_no_way_up(void)
{
    return is_true_for(ALICE, ALICE, STAFF, user_is_bound);
}

static bool groups_are_alices(void)
{
    unsigned groups[40] = {0};

    return KTAP_EQUAL(syscall(__NR_getgroups, 0, NULL), 1) &&
           KTAP_EQUAL(syscall(__NR_getgroups, 40, groups), 1) && KTAP_EQUAL(groups[0], STAFF) &&
           FAILS(syscall(__NR_getgroups, -1, groups), EINVAL) &&
           KTAP_EQUAL(syscall(__NR_getgid), ALICE) && KTAP_EQUAL(syscall(__NR_getegid), ALICE);
}

static bool groups_are_inherited(void)
{
    static unsigned groups[33];

    return is_true_for(ALICE, ALICE, STAFF, groups_are_alices) &&
           FAILS(syscall(__NR_setgroups, 33, groups), EINVAL);
}

static bool has_capabilities(unsigned low)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2];

    return KTAP_EQUAL(syscall(__NR_capget, &header, data), 0) &&
           KTAP_EQUAL(data[0].effective, low) &&
           KTAP_EQUAL(syscall(__NR_capset, &header, data), 0) &&
           (data[0].effective ^= 1, FAILS(syscall(__NR_capset, &header, data), EPERM));
}

static bool alice_has_none(void)
{
    return has_capabilities(0);
}

static bool capabilities_follow_the_user(void)
{
    struct __user_cap_header_struct header = {1, 0};

    return has_capabilities(UINT32_MAX) && is_true_for(ALICE, ALICE, STAFF, alice_has_none) &&
           FAILS(syscall(__NR_capget, &header, &header), EINVAL) &&
           KTAP_EQUAL(header.version, _LINUX_CAPABILITY_VERSION_3);
}

/* ---- Modes ---------------------------------------------------------------------------------- */

static bool alice_reads_her_own(void)
{
    return KTAP_TRUE(opens(DIR "/u", O_RDONLY)) && FAILS(open(DIR "/u", O_RDWR), EACCES) &&
           FAILS(open(DIR "/none", O_RDONLY), EACCES) && KTAP_TRUE(opens(DIR "/g", O_RDWR)) &&
           FAILS(open(DIR "/o", O_WRONLY), EACCES) && KTAP_TRUE(opens(DIR "/o", O_RDONLY)) &&
           FAILS(truncate(DIR "/u", 0), EACCES) && KTAP_EQUAL(access(DIR "/u", R_OK), 0) &&
           FAILS(access(DIR "/u", W_OK), EACCES) && FAILS(access(DIR "/u", X_OK), EACCES) &&
           KTAP_EQUAL(access(DIR "/none", F_OK), 0) && FAILS(access(DIR "/u", 8), EINVAL);
}

static bool classes_are_exclusive(void)
{
    return new_file(DIR "/u", 0477) && new_file(DIR "/none", 0077) && new_file(DIR "/g", 0060) &&
           new_file(DIR "/o", 0004) && KTAP_EQUAL(chown(DIR "/u", ALICE, STAFF), 0) &&
           KTAP_EQUAL(chown(DIR "/none", ALICE, STAFF), 0) &&
           KTAP_EQUAL(chown(DIR "/g", BOB, STAFF), 0) &&
           is_true_for(ALICE, ALICE, STAFF, alice_reads_her_own) &&
           KTAP_TRUE(opens(DIR "/none", O_RDWR)) && FAILS(access(DIR "/o", X_OK), EACCES) &&
           KTAP_EQUAL(unlink(DIR "/u"), 0) && KTAP_EQUAL(unlink(DIR "/none"), 0) &&
           KTAP_EQUAL(unlink(DIR "/g"), 0) && KTAP_EQUAL(unlink(DIR "/o"), 0);
}

static bool alice_cannot_pass(void)
{
    return FAILS(stat(DIR "/closed/file", &st), EACCES) && FAILS(chdir(DIR "/closed"), EACCES) &&
           FAILS(open(DIR "/closed/file", O_RDONLY), EACCES) &&
           FAILS(open(DIR "/closed", O_RDONLY), EACCES) &&
           KTAP_EQUAL(stat(DIR "/closed", &st), 0) &&
           FAILS(open(DIR "/plain/new", O_CREAT | O_WRONLY, 0600), EACCES) &&
           FAILS(mkdir(DIR "/plain/new", 0700), EACCES) &&
           FAILS(unlink(DIR "/plain/file"), EACCES) && FAILS(unlink(DIR "/plain/none"), ENOENT) &&
           FAILS(mkdir(DIR "/plain/file", 0700), EEXIST) &&
           FAILS(rename(DIR "/plain/file", DIR "/plain/x"), EACCES) &&
           FAILS(link(DIR "/plain/file", DIR "/plain/x"), EACCES) &&
           FAILS(symlink("x", DIR "/plain/x"), EACCES) &&
           KTAP_EQUAL(stat(DIR "/search/file", &st), 0) &&
           FAILS(open(DIR "/search", O_RDONLY), EACCES);
}

static bool folders_need_search(void)
{
    return KTAP_EQUAL(mkdir(DIR "/closed", 0700), 0) && new_file(DIR "/closed/file", 0666) &&
           KTAP_EQUAL(mkdir(DIR "/plain", 0755), 0) && new_file(DIR "/plain/file", 0666) &&
           KTAP_EQUAL(mkdir(DIR "/search", 0711), 0) && new_file(DIR "/search/file", 0666) &&
           is_true_for(ALICE, ALICE, STAFF, alice_cannot_pass) &&
           KTAP_EQUAL(unlink(DIR "/closed/file"), 0) && KTAP_EQUAL(rmdir(DIR "/closed"), 0) &&
           KTAP_EQUAL(unlink(DIR "/plain/file"), 0) && KTAP_EQUAL(rmdir(DIR "/plain"), 0) &&
           KTAP_EQUAL(unlink(DIR "/search/file"), 0) && KTAP_EQUAL(rmdir(DIR "/search"), 0);
}

static bool bob_in_the_sticky_folder(void)
{
    return FAILS(unlink(DIR "/t/alices"), EPERM) &&
           FAILS(rename(DIR "/t/alices", DIR "/t/mine"), EPERM) && new_file(DIR "/t/bobs", 0600) &&
           FAILS(rename(DIR "/t/bobs", DIR "/t/alices"), EPERM) &&
           KTAP_EQUAL(unlink(DIR "/t/bobs"), 0);
}

static bool alice_in_the_sticky_folder(void)
{
    return new_file(DIR "/t/x", 0600) && KTAP_EQUAL(stat(DIR "/t/x", &st), 0) &&
           KTAP_EQUAL(st.st_uid, ALICE) && KTAP_EQUAL(rename(DIR "/t/x", DIR "/t/alices"), 0);
}

static bool sticky_folders(void)
{
    return KTAP_EQUAL(mkdir(DIR "/t", 0777), 0) && KTAP_EQUAL(chmod(DIR "/t", 01777), 0) &&
           is_true_for(ALICE, ALICE, STAFF, alice_in_the_sticky_folder) &&
           is_true_for(BOB, BOB, STAFF, bob_in_the_sticky_folder) &&
           KTAP_EQUAL(unlink(DIR "/t/alices"), 0) && KTAP_EQUAL(rmdir(DIR "/t"), 0);
}

static bool alice_changes_attributes(void)
{
    return KTAP_EQUAL(chmod(DIR "/mine", 0640), 0) && FAILS(chmod(DIR "/bobs", 0777), EPERM) &&
           FAILS(chown(DIR "/mine", BOB, -1), EPERM) && FAILS(chown(DIR "/mine", -1, 7), EPERM) &&
           FAILS(chown(DIR "/bobs", -1, STAFF), EPERM) &&
           KTAP_EQUAL(chown(DIR "/mine", -1, STAFF), 0) && KTAP_EQUAL(stat(DIR "/mine", &st), 0) &&
           KTAP_EQUAL(st.st_gid, STAFF) && KTAP_EQUAL(chmod(DIR "/mine", 06755), 0) &&
           KTAP_EQUAL(chown(DIR "/mine", -1, ALICE), 0) && KTAP_EQUAL(stat(DIR "/mine", &st), 0) &&
           KTAP_EQUAL(st.st_mode & 07777, 0755) && KTAP_EQUAL(chown(DIR "/mine", -1, -1), 0) &&
           FAILS(utimensat(AT_FDCWD, DIR "/bobs", NULL, 0), EACCES) &&
           FAILS(mknod(DIR "/dev", S_IFCHR | 0600, 0x103), EPERM) && FAILS(chroot("/"), EPERM) &&
           FAILS(mount("x", "/tmp", "tmpfs", 0, NULL), EPERM) && FAILS(umount("/tmp"), EPERM);
}

static bool owners_change_attributes(void)
{
    return new_file(DIR "/mine", 0600) && new_file(DIR "/bobs", 0600) &&
           KTAP_EQUAL(chown(DIR "/mine", ALICE, ALICE), 0) &&
           KTAP_EQUAL(chown(DIR "/bobs", BOB, BOB), 0) &&
           is_true_for(ALICE, ALICE, STAFF, alice_changes_attributes) &&
           KTAP_EQUAL(unlink(DIR "/mine"), 0) && KTAP_EQUAL(unlink(DIR "/bobs"), 0);
}

static bool alice_writes(void)
{
    int fd = open(DIR "/suid", O_WRONLY);

    return KTAP_EQUAL(write(fd, "x", 1), 1) && KTAP_EQUAL(fstat(fd, &st), 0) &&
           KTAP_EQUAL(st.st_mode & 07777, 0777) && KTAP_EQUAL(close(fd), 0);
}

static bool writing_drops_set_bits(void)
{
    return new_file(DIR "/suid", 06777) && is_true_for(ALICE, ALICE, STAFF, alice_writes) &&
           KTAP_EQUAL(unlink(DIR "/suid"), 0);
}

static bool umask_takes_away(void)
{
    mode_t old = umask(027);
    bool is_ok = KTAP_EQUAL(mkdir(DIR "/d", 0777), 0) && KTAP_EQUAL(stat(DIR "/d", &st), 0) &&
                 KTAP_EQUAL(st.st_mode & 07777, 0750) && KTAP_EQUAL(umask(old), 027) &&
                 KTAP_EQUAL(rmdir(DIR "/d"), 0);

    return is_ok;
}

static bool group_is_the_folders(void)
{
    return KTAP_EQUAL(mkdir(DIR "/sg", 0755), 0) && KTAP_EQUAL(chown(DIR "/sg", -1, STAFF), 0) &&
           KTAP_EQUAL(chmod(DIR "/sg", 02755), 0) && KTAP_EQUAL(mkdir(DIR "/sg/d", 0755), 0) &&
           KTAP_EQUAL(stat(DIR "/sg/d", &st), 0) && KTAP_EQUAL(st.st_gid, STAFF) &&
           KTAP_EQUAL(st.st_mode & 07777, 02755) && KTAP_EQUAL(rmdir(DIR "/sg/d"), 0) &&
           KTAP_EQUAL(rmdir(DIR "/sg"), 0);
}

/* ---- exec ----------------------------------------------------------------------------------- */

static bool copy_program(const char *path, mode_t mode)
{
    static char buffer[65536];
    int from = open(ktap_program(), O_RDONLY), to = open(path, O_CREAT | O_WRONLY, 0600);
    ssize_t nr;

    while ((nr = read(from, buffer, sizeof(buffer))) > 0) {
        if (!KTAP_EQUAL(write(to, buffer, (size_t)nr), nr))
            return false;
    }
    return KTAP_EQUAL(fchmod(to, mode), 0) && KTAP_EQUAL(close(from), 0) &&
           KTAP_EQUAL(close(to), 0);
}

static int tell_ids(int argc, char **argv)
{
    (void)argc, (void)argv;
    return ids_are(ALICE, BOB, BOB) && KTAP_EQUAL(syscall(__NR_getegid), STAFF) ? CHILD_IS_WELL : 1;
}

static bool alice_runs_bobs(void)
{
    char *argv[] = {(char *)DIR "/bobs", (char *)"tell_ids", NULL}, *none[] = {NULL};

    if (!FAILS(execve(DIR "/noexec", argv, none), EACCES))
        return false;
    execve(DIR "/bobs", argv, none);
    return KTAP_EQUAL(errno, 0);
}

static bool set_bits_count_on_exec(void)
{
    return copy_program(DIR "/bobs", 0755) && KTAP_EQUAL(chown(DIR "/bobs", BOB, STAFF), 0) &&
           KTAP_EQUAL(chmod(DIR "/bobs", 06755), 0) && new_file(DIR "/noexec", 0644) &&
           is_true_for(ALICE, ALICE, ALICE, alice_runs_bobs) &&
           KTAP_EQUAL(unlink(DIR "/bobs"), 0) && KTAP_EQUAL(unlink(DIR "/noexec"), 0);
}

/* ---- chroot --------------------------------------------------------------------------------- */

static void live_in_a_jail(void *unused)
{
    char text[100];

    (void)unused;
    if (KTAP_EQUAL(chroot(DIR "/jail"), 0) && KTAP_EQUAL(chdir("/"), 0) &&
        KTAP_TRUE(getcwd(text, sizeof(text)) != NULL) && KTAP_EQUAL(strcmp(text, "/"), 0) &&
        FAILS(stat("/tmp", &st), ENOENT) && KTAP_EQUAL(stat("/../../inner", &st), 0) &&
        KTAP_EQUAL(stat("/link", &st), 0) && KTAP_EQUAL(chdir("inner/.."), 0) &&
        KTAP_EQUAL(mkdir("/made", 0755), 0))
        exit(CHILD_IS_WELL);
    exit(1);
}

static bool chroot_holds(void)
{
    int status = 0;
    pid_t child;

    if (mkdir(DIR "/jail", 0755) != 0 || mkdir(DIR "/jail/inner", 0755) != 0 ||
        symlink("/inner", DIR "/jail/link") != 0)
        return false;
    child = start_child(live_in_a_jail, NULL);
    return KTAP_EQUAL(waitpid(child, &status, 0), child) &&
           KTAP_EQUAL(WEXITSTATUS(status), CHILD_IS_WELL) &&
           KTAP_EQUAL(rmdir(DIR "/jail/made"), 0) && KTAP_EQUAL(rmdir(DIR "/jail/inner"), 0) &&
           KTAP_EQUAL(unlink(DIR "/jail/link"), 0) && KTAP_EQUAL(rmdir(DIR "/jail"), 0);
}

/* ---- Times ---------------------------------------------------------------------------------- */

static bool times_can_be_set(void)
{
    struct timespec times[2] = {{12, 34}, {56, 78}};

    if (!new_file(DIR "/f", 0600) || !KTAP_EQUAL(utimensat(AT_FDCWD, DIR "/f", times, 0), 0) ||
        !KTAP_EQUAL(stat(DIR "/f", &st), 0))
        return false;
    if (!KTAP_EQUAL((long)st.st_atime, 12) || !KTAP_EQUAL((long)st.st_atime_nsec, 34) ||
        !KTAP_EQUAL((long)st.st_mtime, 56) || !KTAP_EQUAL((long)st.st_mtime_nsec, 78) ||
        !KTAP_TRUE(st.st_ctime > 1000))
        return false;
    times[0].tv_nsec = UTIME_OMIT;
    times[1].tv_nsec = UTIME_NOW;
    if (!KTAP_EQUAL(utimensat(AT_FDCWD, DIR "/f", times, 0), 0) ||
        !KTAP_EQUAL(stat(DIR "/f", &st), 0) || !KTAP_EQUAL((long)st.st_atime, 12) ||
        !KTAP_TRUE(st.st_mtime > 1000))
        return false;
    times[1].tv_nsec = UTIME_OMIT; /* nothing is set, and nothing looked for */
    if (!KTAP_EQUAL(utimensat(AT_FDCWD, DIR "/none", times, 0), 0))
        return false;
    times[0].tv_nsec = 1000000000;
    return FAILS(utimensat(AT_FDCWD, DIR "/f", times, 0), EINVAL) &&
           FAILS(utimensat(AT_FDCWD, DIR "/none", NULL, 0), ENOENT) &&
           FAILS(utimensat(AT_FDCWD, DIR "/f", NULL, 1), EINVAL) && KTAP_EQUAL(unlink(DIR "/f"), 0);
}

static bool times_are_kept(void)
{
    struct timespec old[2] = {{12, 0}, {12, 0}};
    char byte;
    int fd = open(DIR "/f", O_CREAT | O_RDWR, 0600);
    bool is_ok = KTAP_EQUAL(write(fd, "x", 1), 1) && KTAP_EQUAL(futimens(fd, old), 0) &&
                 KTAP_EQUAL(pread(fd, &byte, 1, 0), 1) && KTAP_EQUAL(fstat(fd, &st), 0) &&
                 KTAP_TRUE(st.st_atime > 12) && KTAP_EQUAL((long)st.st_mtime, 12) &&
                 KTAP_EQUAL(write(fd, "x", 1), 1) && KTAP_EQUAL(fstat(fd, &st), 0) &&
                 KTAP_TRUE(st.st_mtime > 12);

    close(fd);
    return is_ok && KTAP_EQUAL(unlink(DIR "/f"), 0);
}

static bool reading_folders_and_links_sets_times(void)
{
    struct timespec old[2] = {{12, 0}, {12, 0}};
    char entries[1000];
    int fd;

    if (mkdir(DIR "/d", 0755) != 0 || symlink("target", DIR "/l") != 0)
        return false;
    fd = open(DIR "/d", O_RDONLY);
    return KTAP_EQUAL(futimens(fd, old), 0) &&
           KTAP_EQUAL(utimensat(AT_FDCWD, DIR "/l", old, AT_SYMLINK_NOFOLLOW), 0) &&
           KTAP_TRUE(syscall(__NR_getdents64, fd, entries, sizeof(entries)) > 0) &&
           KTAP_EQUAL(readlink(DIR "/l", entries, sizeof(entries)), 6) &&
           KTAP_EQUAL(fstat(fd, &st), 0) && KTAP_TRUE(st.st_atime > 12) &&
           KTAP_EQUAL(lstat(DIR "/l", &st), 0) && KTAP_TRUE(st.st_atime > 12) &&
           KTAP_EQUAL((long)st.st_mtime, 12) && KTAP_EQUAL(close(fd), 0) &&
           KTAP_EQUAL(unlink(DIR "/l"), 0) && KTAP_EQUAL(rmdir(DIR "/d"), 0);
}

/* "/" names nothing in a folder, so nobody has to search one for it. */
static bool root_is_found(void)
{
    bool is_ok = KTAP_EQUAL(stat("/", &st), 0) && FAILS(stat("/.", &st), EACCES) &&
                 FAILS(stat("/x", &st), EACCES);

    return is_ok && FAILS(chdir("/"), EACCES);
}

static bool root_needs_no_search(void)
{
    bool is_ok = KTAP_EQUAL(chmod("/", 0700), 0) && is_true_for(ALICE, ALICE, STAFF, root_is_found);

    return KTAP_EQUAL(chmod("/", 0755), 0) && is_ok;
}

/* S_ISGID goes with a write by who is not in the group, whether or not x is set. */
static bool writes(void)
{
    int fd = open(DIR "/file", O_WRONLY);

    return KTAP_TRUE(fd >= 0) && KTAP_EQUAL(write(fd, "x", 1), 1) && KTAP_EQUAL(close(fd), 0);
}

static bool mode_is_after_write(unsigned group, unsigned mode)
{
    return KTAP_EQUAL(chmod(DIR "/file", 02666), 0) && is_true_for(ALICE, ALICE, group, writes) &&
           KTAP_EQUAL(stat(DIR "/file", &st), 0) && KTAP_EQUAL(st.st_mode & 07777, mode);
}

static bool a_write_drops_a_strange_group(void)
{
    bool is_ok = new_file(DIR "/file", 0666) && KTAP_EQUAL(chown(DIR "/file", 0, STAFF), 0) &&
                 mode_is_after_write(STAFF, 02666) && mode_is_after_write(ALICE, 0666);

    return KTAP_EQUAL(unlink(DIR "/file"), 0) && is_ok;
}

/* chown() that changes nothing. */
static bool may_keep_owner(void)
{
    return KTAP_EQUAL(chown(DIR "/file", -1, -1), 0) && FAILS(chown(DIR "/file", 0, -1), EPERM);
}

static bool keeping_the_owner_is_for_all(void)
{
    bool is_ok = new_file(DIR "/file", 0666) && is_true_for(ALICE, ALICE, STAFF, may_keep_owner);

    return KTAP_EQUAL(unlink(DIR "/file"), 0) && is_ok;
}

static const struct ktap_test tests[] = {
    {"setreuid, setresuid and setuid change what POSIX says", numbers_change_as_posix_says},
    {"a user stays the user that it is", user_has_no_way_up},
    {"groups are set, asked and inherited", groups_are_inherited},
    {"root has all capabilities, others none, and capset changes nothing",
     capabilities_follow_the_user},
    {"the owner's bits, the group's or the others' count, never two of them",
     classes_are_exclusive},
    {"folders want search and write permission", folders_need_search},
    {"in a sticky folder only owners remove and rename", sticky_folders},
    {"only the owner changes mode, owner and times", owners_change_attributes},
    {"a write by another takes set-user-ID away", writing_drops_set_bits},
    {"umask takes permissions away", umask_takes_away},
    {"the root folder is found by who may not search it", root_needs_no_search},
    {"a write by who is not in the group takes set-group-ID away", a_write_drops_a_strange_group},
    {"chown that changes nothing is for everybody", keeping_the_owner_is_for_all},
    {"a folder with S_ISGID hands its group on", group_is_the_folders},
    {"set-user-ID and set-group-ID count on exec, and x is needed", set_bits_count_on_exec},
    {"chroot is where paths begin and .. ends", chroot_holds},
    {"utimensat sets what it is told to", times_can_be_set},
    {"reading and writing set the times", times_are_kept},
    {"so does reading folders and links", reading_folders_and_links_sets_times},
};

static const struct ktap_role roles[] = {{"tell_ids", tell_ids}};

int main(int argc, char **argv)
{
    if (argc > 1)
        return ktap_play_role(roles, KTAP_LEN(roles), argc, argv);
    umask(0);
    mkdir(DIR, 0777);
    ktap_start(KTAP_LEN(tests));
    ktap_run(tests, KTAP_LEN(tests));
    rmdir(DIR);
    return ktap_finish();
}
