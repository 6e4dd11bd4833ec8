/* Pseudo-terminals: making, finding, locking and losing them; packet mode; /dev/pts. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "common.h"
#include "pty.h"

static struct pty pty;

static bool a_slave_is_locked_at_first(void)
{
    int master = open("/dev/ptmx", O_RDWR | O_NOCTTY), number = -1, is_locked = 0, slave;
    bool is_ok = KTAP_EQUAL(ioctl(master, TIOCGPTN, &number), 0) &&
                 KTAP_EQUAL(ioctl(master, TIOCGPTLCK, &is_locked), 0) && KTAP_EQUAL(is_locked, 1) &&
                 FAILS(open(pty_path(number), O_RDWR | O_NOCTTY), EIO);

    is_locked = 0;
    ioctl(master, TIOCSPTLCK, &is_locked);
    slave = open(pty_path(number), O_RDWR | O_NOCTTY);
    is_ok = is_ok && KTAP_TRUE(slave >= 0);
    close(slave);
    close(master);
    return is_ok && FAILS(open(pty_path(number), O_RDWR | O_NOCTTY), ENOENT);
}

static bool numbers_are_used_again(void)
{
    struct pty second;
    int number;

    if (!pty_open(&pty))
        return false;
    number = pty.number;
    if (!pty_open(&second))
        return false;
    pty_close(&pty);
    if (!KTAP_TRUE(second.number != number) || !pty_open(&pty))
        return false;
    pty_close(&pty);
    pty_close(&second);
    return KTAP_EQUAL(pty.number, number);
}

static bool the_folder_shows_those_that_are_open(void)
{
    struct stat status;
    char name[16];
    bool is_listed = false;
    char entries[4096];
    ssize_t nr_bytes;
    int dir;

    if (!pty_open(&pty))
        return false;
    snprintf(name, sizeof(name), "%d", pty.number);
    dir = open("/dev/pts", O_RDONLY | O_DIRECTORY);
    nr_bytes = getdents64(dir, entries, sizeof(entries));
    close(dir);
    for (ssize_t at = 0; at < nr_bytes;) {
        const struct dirent *entry = (const void *)(entries + at);

        is_listed |= strcmp(entry->d_name, name) == 0;
        at += entry->d_reclen;
    }
    if (!KTAP_TRUE(is_listed) || !KTAP_EQUAL(stat(pty_path(pty.number), &status), 0) ||
        !KTAP_EQUAL(status.st_mode, S_IFCHR | 0620) ||
        !KTAP_EQUAL(status.st_rdev, 136 << 8 | pty.number) ||
        !FAILS(unlink(pty_path(pty.number)), EPERM) ||
        !FAILS(open("/dev/pts/00", O_RDWR), ENOENT) ||
        !FAILS(open("/dev/pts/256", O_RDWR), ENOENT) ||
        !FAILS(open("/dev/pts/x", O_RDWR | O_CREAT, 0600), EPERM))
        return false;
    pty_close(&pty);
    return FAILS(stat(pty_path(pty.number), &status), ENOENT);
}

static bool it_has_a_ptmx_of_its_own(void)
{
    int master = open("/dev/pts/ptmx", O_RDWR | O_NOCTTY), number = -1;
    bool is_ok = KTAP_TRUE(master >= 0) && KTAP_EQUAL(ioctl(master, TIOCGPTN, &number), 0);

    close(master);
    return is_ok && KTAP_TRUE(number >= 0);
}

static bool it_can_be_mounted_elsewhere(void)
{
    struct stat status;
    bool is_ok;

    mkdir("/tmp/pts", 0700);
    if (!FAILS(mount("devpts", "/tmp/pts", "devpts", 0, "color=red"), EINVAL) ||
        !FAILS(mount("devpts", "/tmp/pts", "devpts", 0, "mode=999"), EINVAL) ||
        !FAILS(mount("devpts", "/tmp/pts", "devpts", 0, "mode=1777"), EINVAL) ||
        !KTAP_EQUAL(mount("devpts", "/tmp/pts", "devpts", 0, "mode=600,gid=7"), 0) ||
        !pty_open(&pty))
        return false;
    chdir("/tmp/pts");
    is_ok = KTAP_EQUAL(stat(pty_path(pty.number) + sizeof("/dev/pts/") - 1, &status), 0) &&
            KTAP_EQUAL(status.st_mode, S_IFCHR | 0600) && KTAP_EQUAL(status.st_gid, 7);
    chdir("/");
    pty_close(&pty);
    return is_ok && KTAP_EQUAL(umount2("/tmp/pts", 0), 0) && KTAP_EQUAL(rmdir("/tmp/pts"), 0);
}

#define USER 4711

static bool has_attributes(const char *path, unsigned mode, unsigned uid, unsigned gid)
{
    struct stat status = {0};

    return KTAP_EQUAL(stat(path, &status), 0) && KTAP_EQUAL(status.st_mode, S_IFCHR | mode) &&
           KTAP_EQUAL(status.st_uid, uid) && KTAP_EQUAL(status.st_gid, gid);
}

/* The slave is the user's, and was root's when it was opened. */
static bool check_slave_of_user(void)
{
    const char *path = pty_path(pty.number);
    int fd;

    if (!KTAP_EQUAL(syscall(__NR_setresuid, USER, USER, USER), 0))
        return false;
    fd = open(path, O_RDWR | O_NOCTTY);
    return KTAP_TRUE(fd >= 0) && KTAP_EQUAL(chmod(path, 0), 0) &&
           has_attributes(path, 0, USER, 5) && FAILS(open(path, O_RDWR | O_NOCTTY), EACCES) &&
           KTAP_EQUAL(syscall(__NR_fchmod, pty.slave, 0400), 0) &&
           FAILS(chown(path, USER + 1, -1), EPERM) && FAILS(chown(path, -1, 6), EPERM);
}

static bool check_slave_of_root(void)
{
    const char *path = pty_path(pty.number);

    return KTAP_EQUAL(syscall(__NR_setresuid, USER, USER, USER), 0) &&
           FAILS(open(path, O_RDWR | O_NOCTTY), EACCES) && FAILS(chmod(path, 0666), EPERM) &&
           FAILS(syscall(__NR_fchmod, pty.slave, 0666), EPERM) &&
           FAILS(chown(path, USER, -1), EPERM) &&
           FAILS(syscall(__NR_fchown, pty.slave, USER, -1), EPERM);
}

static int path_fd; /* O_PATH, of when the slave was the user's */

static bool check_path_fd(int open_error, int chmod_error)
{
    char path[32];

    snprintf(path, sizeof(path), "/proc/self/fd/%d", path_fd);
    return KTAP_EQUAL(syscall(__NR_setresuid, USER, USER, USER), 0) &&
           FAILS(open(path, O_RDWR | O_NOCTTY), open_error) &&
           KTAP_EQUAL(chmod(path, 0666) == 0 ? 0 : errno, chmod_error);
}

static bool check_slave_is_users_no_more(void)
{
    return check_path_fd(EACCES, EPERM);
}

/* What is his is the inode of one that is gone, and nothing else. */
static bool check_slave_is_gone(void)
{
    return check_path_fd(EIO, 0);
}

/* What a user may do with a file that he kept depends on whose the slave is now. */
static bool a_slave_can_be_taken_away(void)
{
    struct stat status = {0};
    const char *path;
    int number;
    bool is_ok;

    if (!pty_open(&pty))
        return false;
    path = pty_path(number = pty.number);
    is_ok = KTAP_EQUAL(chown(path, USER, 5), 0) && KTAP_EQUAL(chmod(path, 0600), 0);
    path_fd = open(path, O_PATH);
    is_ok = KTAP_EQUAL(chown(path, 0, 0), 0) && holds_in_child(check_slave_is_users_no_more) &&
            KTAP_EQUAL(chown(path, USER, 5), 0) && is_ok;
    close(path_fd);
    path_fd = open(path, O_PATH);
    pty_close(&pty);
    /* Nor is another one his that has the same number. */
    is_ok = holds_in_child(check_slave_is_gone) && pty_open(&pty) &&
            KTAP_EQUAL(pty.number, number) && holds_in_child(check_slave_is_gone) &&
            KTAP_EQUAL(stat(path, &status), 0) && KTAP_EQUAL(status.st_uid, 0) &&
            KTAP_EQUAL(status.st_mode & 0006, 0) && is_ok;
    pty_close(&pty);
    close(path_fd);
    return is_ok;
}

static bool a_slave_can_be_given_away(void)
{
    const char *path;
    struct stat status = {0};
    bool is_ok;

    if (!pty_open(&pty))
        return false;
    path = pty_path(pty.number);
    is_ok = KTAP_EQUAL(fstat(pty.slave, &status), 0);
    is_ok = KTAP_EQUAL(chmod(path, 0620), 0) &&
            has_attributes(path, 0620, status.st_uid, status.st_gid) &&
            holds_in_child(check_slave_of_root) && KTAP_EQUAL(chown(path, USER, 5), 0) &&
            has_attributes(path, 0620, USER, 5) && KTAP_EQUAL(fstat(pty.slave, &status), 0) &&
            KTAP_EQUAL(status.st_mode, S_IFCHR | 0620) && KTAP_EQUAL(status.st_uid, USER) &&
            holds_in_child(check_slave_of_user) && has_attributes(path, 0400, USER, 5) &&
            KTAP_EQUAL(syscall(__NR_fchown, pty.slave, 0, 0), 0) &&
            holds_in_child(check_slave_of_root) && has_attributes(path, 0400, 0, 0) && is_ok;
    pty_close(&pty);
    if (!pty_open(&pty))
        return false;
    is_ok = KTAP_EQUAL(stat(pty_path(pty.number), &status), 0) &&
            KTAP_TRUE((status.st_mode & 0777) != 0400) && is_ok;
    pty_close(&pty);
    return FAILS(chmod("/dev/pts/ptmx", 0666), EPERM) && is_ok;
}

/* What nobody has changed is as each mount says. */
static bool only_what_is_changed_is_kept(void)
{
    const char *path;
    char elsewhere[32];
    bool is_ok;

    mkdir("/tmp/pts", 0700);
    if (!KTAP_EQUAL(mount("devpts", "/tmp/pts", "devpts", 0, "mode=600,gid=7"), 0) ||
        !pty_open(&pty))
        return false;
    path = pty_path(pty.number);
    snprintf(elsewhere, sizeof(elsewhere), "/tmp/pts/%d", pty.number);
    is_ok = KTAP_EQUAL(chown(path, USER, -1), 0) && has_attributes(elsewhere, 0600, USER, 7) &&
            KTAP_EQUAL(chmod(path, 0640), 0) && has_attributes(elsewhere, 0640, USER, 7) &&
            KTAP_EQUAL(chown(path, -1, 8), 0) && has_attributes(elsewhere, 0640, USER, 8) &&
            KTAP_EQUAL(chown(elsewhere, 0, -1), 0) && has_attributes(path, 0640, 0, 8);
    pty_close(&pty);
    return KTAP_EQUAL(umount2("/tmp/pts", 0), 0) && KTAP_EQUAL(rmdir("/tmp/pts"), 0) && is_ok;
}

static volatile bool *is_enough; /* shared with the child */

static void change_owner_often(void *unused)
{
    const char *path = pty_path(pty.number);

    (void)unused;
    for (unsigned i = 0; !*is_enough; i++)
        chown(path, i % 2 ? USER : 0, -1);
    _exit(CHILD_IS_WELL);
}

/* Who changes the owner does not undo what somebody else says of the mode. */
static bool changes_at_once_are_all_kept(void)
{
    struct stat status = {0};
    bool is_ok = true;
    const char *path;
    pid_t child;

    if (!pty_open(&pty))
        return false;
    path = pty_path(pty.number);
    is_enough = mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    child = start_child(change_owner_often, NULL);
    for (unsigned i = 0; is_ok && i < ktap_times(5000); i++) {
        unsigned mode = i % 2 ? 0600 : 0620;

        is_ok = KTAP_EQUAL(chmod(path, mode), 0) && KTAP_EQUAL(stat(path, &status), 0) &&
                KTAP_EQUAL(status.st_mode, S_IFCHR | mode);
    }
    *is_enough = true;
    is_ok &= exits(child, CHILD_IS_WELL);
    munmap((void *)is_enough, 1);
    pty_close(&pty);
    return is_ok;
}

static bool the_master_can_open_the_slave(void)
{
    int master = open("/dev/ptmx", O_RDWR | O_NOCTTY), unlocked = 0, peer;
    struct statfs statfs = {0};
    bool is_ok = FAILS(ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY), EIO) &&
                 KTAP_EQUAL(ioctl(master, TIOCSPTLCK, &unlocked), 0);

    peer = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    is_ok = is_ok && KTAP_TRUE(peer >= 0) && KTAP_EQUAL(fcntl(peer, F_GETFD), FD_CLOEXEC) &&
            KTAP_EQUAL(write(peer, "hi", 2), 2) && KTAP_TRUE(pty_gives(master, "hi")) &&
            KTAP_EQUAL(fstatfs(peer, &statfs), 0) &&
            KTAP_EQUAL(statfs.f_type, DEVPTS_SUPER_MAGIC) &&
            FAILS(ioctl(master, TIOCGPTPEER, O_CREAT), EINVAL);
    close(peer);
    close(master);
    return is_ok;
}

/* It is in no path, but all that can be asked of a file can be asked of it. */
static bool a_slave_without_a_path_can_be_looked_at(void)
{
    int master = open("/dev/ptmx", O_RDWR | O_NOCTTY), unlocked = 0, peer, again;
    struct statfs statfs;
    struct stat stat;
    char path[64], target[64];
    bool is_ok = KTAP_EQUAL(ioctl(master, TIOCSPTLCK, &unlocked), 0);

    peer = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", peer);
    is_ok = is_ok && KTAP_EQUAL(fstatfs(peer, &statfs), 0) && KTAP_EQUAL(statfs.f_type, 0x1cd1) &&
            KTAP_EQUAL(fstat(peer, &stat), 0) && KTAP_TRUE(S_ISCHR(stat.st_mode));
    readlink(path, target, sizeof(target));
    again = open(path, O_RDWR | O_NOCTTY);
    is_ok = is_ok && KTAP_TRUE(again >= 0) && KTAP_EQUAL(write(again, "hi", 2), 2) &&
            KTAP_TRUE(pty_gives(master, "hi"));
    close(again);
    close(peer);
    close(master);
    return is_ok;
}

static bool closing_the_master_hangs_up(void)
{
    char text[8];
    bool is_ok;
    int number = 0;

    if (!pty_open(&pty) || !pty_type(&pty, "never read\n"))
        return false;
    close(pty.master);
    is_ok = KTAP_EQUAL(read(pty.slave, text, sizeof(text)), 0) &&
            FAILS(write(pty.slave, "x", 1), EIO) &&
            pty_polls(pty.slave, POLLIN | POLLOUT | POLLERR | POLLHUP) &&
            FAILS(ioctl(pty.slave, TCGETS, text), EIO) &&
            FAILS(ioctl(pty.slave, TIOCSPGRP, &number), ENOTTY);
    close(pty.slave);
    return is_ok;
}

static bool closing_the_slave_ends_the_masters_reads(void)
{
    char text[8];
    bool is_ok;

    if (!pty_open(&pty) || !KTAP_EQUAL(write(pty.slave, "last", 4), 4))
        return false;
    close(pty.slave);
    is_ok = pty_polls(pty.master, POLLIN | POLLOUT | POLLHUP) && pty_shows(&pty, "last") &&
            FAILS(read(pty.master, text, sizeof(text)), EIO) &&
            pty_polls(pty.master, POLLOUT | POLLHUP);
    pty.slave = open(pty_path(pty.number), O_RDWR | O_NOCTTY);
    is_ok = is_ok && KTAP_TRUE(pty.slave >= 0) && pty_polls(pty.master, POLLOUT) &&
            KTAP_EQUAL(write(pty.slave, "again", 5), 5) && pty_shows(&pty, "again");
    pty_close(&pty);
    return is_ok;
}

/* Children that block, and how the close of the other side ends that. */

static void read_slave(void *unused)
{
    char text[8];

    (void)unused;
    close(pty.master);
    _exit(read(pty.slave, text, sizeof(text)) == 0 ? CHILD_IS_WELL : 1);
}

static void write_slave(void *unused)
{
    static char text[40000];
    ssize_t nr;

    (void)unused;
    close(pty.master);
    while ((nr = write(pty.slave, text, sizeof(text))) > 0)
        continue;
    _exit(nr < 0 && errno == EIO ? CHILD_IS_WELL : 1);
}

static void poll_slave(void *unused)
{
    struct pollfd polled = {.fd = pty.slave, .events = POLLIN};

    (void)unused;
    close(pty.master);
    _exit(poll(&polled, 1, -1) == 1 && (polled.revents & POLLHUP) ? CHILD_IS_WELL : 1);
}

static void read_master(void *unused)
{
    char text[8];

    (void)unused;
    close(pty.slave);
    _exit(read(pty.master, text, sizeof(text)) < 0 && errno == EIO ? CHILD_IS_WELL : 1);
}

static bool who_waits_learns_of_a_close(void)
{
    static void (*const children[])(void *) = {read_slave, write_slave, poll_slave, read_master};
    pid_t pids[KTAP_LEN(children)];
    struct pty second;
    bool is_ok = true;

    if (!pty_open(&pty))
        return false;
    for (size_t i = 0; i < 3; i++)
        pids[i] = start_child(children[i], NULL);
    for (size_t i = 0; i < 3; i++)
        is_ok &= KTAP_TRUE(comes_to_wait(pids[i]));
    pty_close(&pty);
    for (size_t i = 0; i < 3; i++)
        is_ok &= exits(pids[i], CHILD_IS_WELL);
    if (!pty_open(&second))
        return false;
    pty = second;
    pids[3] = start_child(read_master, NULL);
    is_ok &= KTAP_TRUE(comes_to_wait(pids[3]));
    close(pty.slave);
    is_ok &= exits(pids[3], CHILD_IS_WELL);
    close(pty.master);
    return is_ok;
}

static bool packet_mode_tells_what_happens(void)
{
    char text[16];
    int is_on = 1;
    bool is_ok;

    if (!pty_open(&pty) || !pty_local_flags(&pty, ECHO, 0) ||
        !KTAP_EQUAL(ioctl(pty.master, TIOCPKT, &is_on), 0) ||
        !KTAP_EQUAL(write(pty.slave, "ab", 2), 2))
        return false;
    is_ok = KTAP_EQUAL(read(pty.master, text, sizeof(text)), 3) && KTAP_EQUAL(text[0], 0) &&
            KTAP_EQUAL(text[2], 'b') && KTAP_EQUAL(tcflush(pty.slave, TCIOFLUSH), 0) &&
            pty_polls(pty.master, POLLIN | POLLPRI | POLLOUT) &&
            KTAP_EQUAL(read(pty.master, text, sizeof(text)), 1) &&
            KTAP_EQUAL(text[0], TIOCPKT_FLUSHREAD | TIOCPKT_FLUSHWRITE) &&
            KTAP_EQUAL(tcflow(pty.slave, TCOOFF), 0) &&
            KTAP_EQUAL(read(pty.master, text, sizeof(text)), 1) &&
            KTAP_EQUAL(text[0], TIOCPKT_STOP) && KTAP_EQUAL(tcflow(pty.slave, TCOON), 0) &&
            KTAP_EQUAL(read(pty.master, text, sizeof(text)), 1) &&
            KTAP_EQUAL(text[0], TIOCPKT_START) && pty_input_flags(&pty, IXON, 0) &&
            KTAP_EQUAL(read(pty.master, text, sizeof(text)), 1) &&
            KTAP_EQUAL(text[0], TIOCPKT_NOSTOP) && pty_input_flags(&pty, IXANY, 0) &&
            KTAP_EQUAL(tcflush(pty.master, TCIOFLUSH), 0) && pty_polls(pty.master, POLLOUT);
    is_on = 0;
    is_ok = is_ok && KTAP_EQUAL(ioctl(pty.master, TIOCPKT, &is_on), 0) &&
            KTAP_EQUAL(write(pty.slave, "cd", 2), 2) && pty_shows(&pty, "cd");
    pty_close(&pty);
    return is_ok;
}

static bool exclusive_use_is_told(void)
{
    int is_exclusive = -1;
    bool is_ok;

    if (!pty_open(&pty))
        return false;
    is_ok = KTAP_EQUAL(ioctl(pty.slave, TIOCEXCL, 0), 0) &&
            KTAP_EQUAL(ioctl(pty.slave, TIOCGEXCL, &is_exclusive), 0) &&
            KTAP_EQUAL(is_exclusive, 1) && KTAP_EQUAL(ioctl(pty.slave, TIOCNXCL, 0), 0) &&
            KTAP_EQUAL(ioctl(pty.slave, TIOCGEXCL, &is_exclusive), 0) &&
            KTAP_EQUAL(is_exclusive, 0);
    pty_close(&pty);
    return is_ok;
}

static void open_without_rights(void *unused)
{
    int fd;

    (void)unused;
    ioctl(pty.slave, TIOCEXCL, 0);
    syscall(__NR_setuid, 1000);
    fd = (int)ioctl(pty.master, TIOCGPTPEER, O_RDWR | O_NOCTTY);
    _exit(fd < 0 && errno == EBUSY ? CHILD_IS_WELL : 1);
}

static bool exclusive_use_keeps_others_out(void)
{
    bool is_ok = pty_open(&pty);

    is_ok = is_ok && exits(start_child(open_without_rights, NULL), CHILD_IS_WELL);
    pty_close(&pty);
    return is_ok;
}

/* As many as there can be, and one more. */
static bool there_is_an_end_to_their_number(void)
{
    static int masters[300];
    int nr = 0, error;

    while (nr < 300 && (masters[nr] = open("/dev/ptmx", O_RDWR | O_NOCTTY)) >= 0)
        nr++;
    error = errno;
    while (nr > 0)
        close(masters[--nr]);
    return KTAP_TRUE(error == ENOSPC || error == ENOMEM) && pty_open(&pty) &&
           (pty_close(&pty), true);
}

static void open_and_close(void *unused)
{
    (void)unused;
    for (size_t i = 0; i < ktap_times(2000); i++) {
        struct pty own;

        own.master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK);
        if (own.master < 0)
            _exit(1);
        own.number = 0;
        ioctl(own.master, TIOCSPTLCK, &own.number);
        own.slave = (int)ioctl(own.master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_NONBLOCK);
        write(own.master, "abc\n\x03", 5);
        write(own.slave, "def", 3);
        /* Somebody else's, perhaps just going away. */
        int other = open(pty_path((int)(i % 4)), O_RDWR | O_NOCTTY | O_NONBLOCK);
        if (other >= 0) {
            write(other, "x", 1);
            close(other);
        }
        close(i % 2 ? own.master : own.slave);
        close(i % 2 ? own.slave : own.master);
    }
    _exit(CHILD_IS_WELL);
}

static bool several_open_and_close_at_once(void)
{
    pid_t children[4];
    bool is_ok = true;

    for (size_t i = 0; i < KTAP_LEN(children); i++)
        children[i] = start_child(open_and_close, NULL);
    for (size_t i = 0; i < KTAP_LEN(children); i++)
        is_ok &= exits(children[i], CHILD_IS_WELL);
    return is_ok;
}

static void open_type_and_close_often(void)
{
    for (int i = 0; i < 50 && pty_open(&pty); i++) {
        pty_type(&pty, "x\n");
        pty_close(&pty);
    }
}

static bool memory_comes_back(void)
{
    return ktap_leaves_nothing(open_type_and_close_often);
}

int main(void)
{
    static const struct ktap_test tests[] = {
        {"a slave is locked at first", a_slave_is_locked_at_first},
        {"numbers are used again", numbers_are_used_again},
        {"/dev/pts shows those that are open", the_folder_shows_those_that_are_open},
        {"/dev/pts has a ptmx of its own", it_has_a_ptmx_of_its_own},
        {"devpts can be mounted elsewhere", it_can_be_mounted_elsewhere},
        {"a slave can be given away", a_slave_can_be_given_away},
        {"and be taken away again", a_slave_can_be_taken_away},
        {"of which is kept what was said, and no more", only_what_is_changed_is_kept},
        {"also when several say something at once", changes_at_once_are_all_kept},
        {"the master can open the slave", the_master_can_open_the_slave},
        {"which can be looked at, though it is in no path",
         a_slave_without_a_path_can_be_looked_at},
        {"closing the master hangs up", closing_the_master_hangs_up},
        {"closing the slave ends the master's reads", closing_the_slave_ends_the_masters_reads},
        {"who waits learns of a close", who_waits_learns_of_a_close},
        {"packet mode tells what happens", packet_mode_tells_what_happens},
        {"exclusive use is told", exclusive_use_is_told},
        {"exclusive use keeps others out", exclusive_use_keeps_others_out},
        {"there is an end to their number", there_is_an_end_to_their_number},
        {"several open and close them at once", several_open_and_close_at_once},
        {"memory comes back", memory_comes_back},
    };

    return ktap_main(tests, KTAP_LEN(tests));
}
