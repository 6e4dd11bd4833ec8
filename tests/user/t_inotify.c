/* Watching files: which events come of what, in which order, and what is refused. */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <thread.h>
#include <unistd.h>

#include <linux/inotify.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "common.h"
#include "ktap.h"

#define DIR "/tmp/ino"
#define IN_CHANGES                                                                                 \
    (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF)

static int fd;

static int watch(const char *path, uint32_t mask)
{
    return (int)syscall(__NR_inotify_add_watch, fd, path, mask);
}

static int unwatch(int number)
{
    return (int)syscall(__NR_inotify_rm_watch, fd, number);
}

static bool begin(void)
{
    fd = (int)syscall(__NR_inotify_init1, IN_NONBLOCK | IN_CLOEXEC);
    return KTAP_TRUE(fd >= 0);
}

static const struct {
    uint32_t bit;
    const char *name;
} names[] = {
    {IN_ACCESS, "access"},       {IN_MODIFY, "modify"},       {IN_ATTRIB, "attrib"},
    {IN_CLOSE_WRITE, "written"}, {IN_CLOSE_NOWRITE, "close"}, {IN_OPEN, "open"},
    {IN_MOVED_FROM, "from"},     {IN_MOVED_TO, "to"},         {IN_CREATE, "create"},
    {IN_DELETE, "delete"},       {IN_DELETE_SELF, "gone"},    {IN_MOVE_SELF, "moved"},
    {IN_UNMOUNT, "unmount"},     {IN_Q_OVERFLOW, "overflow"}, {IN_IGNORED, "ignored"},
    {IN_ISDIR, "dir"},
};

static char seen[2000];
static uint32_t cookies[16];

/* Appends "watch bits name; " of an event. */
static void note(const struct inotify_event *event)
{
    size_t at = strlen(seen);

    at += (size_t)snprintf(seen + at, sizeof(seen) - at, "%d", event->wd);
    for (size_t i = 0; i < KTAP_LEN(names); i++) {
        if (event->mask & names[i].bit)
            at += (size_t)snprintf(seen + at, sizeof(seen) - at, " %s", names[i].name);
    }
    if (event->len > 0)
        at += (size_t)snprintf(seen + at, sizeof(seen) - at, " %s", event->name);
    snprintf(seen + at, sizeof(seen) - at, "; ");
}

static bool have_come(const char *expected)
{
    static char buffer[4096] __attribute__((aligned(8)));
    size_t nr_events = 0;
    long nr;

    seen[0] = '\0';
    memset(cookies, 0, sizeof(cookies));
    while ((nr = read(fd, buffer, sizeof(buffer))) > 0) {
        for (long at = 0; at < nr;) {
            const struct inotify_event *event = (const struct inotify_event *)(buffer + at);

            if (nr_events < KTAP_LEN(cookies))
                cookies[nr_events++] = event->cookie;
            note(event);
            at += (long)sizeof(*event) + event->len;
        }
    }
    if (errno == EAGAIN && strcmp(seen, expected) == 0)
        return true;
    ktap_diag("events: %s", seen);
    ktap_diag("wanted: %s", expected);
    return false;
}

static bool new_file(const char *path)
{
    int file = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0644);

    return KTAP_TRUE(file >= 0) && KTAP_EQUAL(write(file, path, 4), 4) &&
           KTAP_EQUAL(close(file), 0);
}

/* ---- What is told ---------------------------------------------------------------------------- */

static bool a_folder_tells_of_its_files(void)
{
    bool ok = begin() && KTAP_EQUAL(watch(DIR, IN_ALL_EVENTS), 1) && new_file(DIR "/a") &&
              have_come("1 create a; 1 open a; 1 modify a; 1 written a; ");
    int file = open(DIR "/a", O_RDONLY);
    char text[8];

    ok = ok && KTAP_EQUAL(read(file, text, 8), 4) && KTAP_EQUAL(read(file, text, 8), 0) &&
         KTAP_EQUAL(close(file), 0) && have_come("1 open a; 1 access a; 1 close a; ") &&
         KTAP_EQUAL(chmod(DIR "/a", 0600), 0) && KTAP_EQUAL(link(DIR "/a", DIR "/b"), 0) &&
         KTAP_EQUAL(symlink("a", DIR "/s"), 0) && KTAP_EQUAL(mkdir(DIR "/d", 0755), 0) &&
         have_come("1 attrib a; 1 create b; 1 create s; 1 create dir d; ") &&
         KTAP_EQUAL(unlink(DIR "/b"), 0) && KTAP_EQUAL(unlink(DIR "/s"), 0) &&
         KTAP_EQUAL(rmdir(DIR "/d"), 0) && KTAP_EQUAL(unlink(DIR "/a"), 0) &&
         have_come("1 delete b; 1 delete s; 1 delete dir d; 1 delete a; ");
    return KTAP_EQUAL(close(fd), 0) && ok;
}

static bool a_file_tells_of_itself(void)
{
    bool ok = begin() && new_file(DIR "/a") && KTAP_EQUAL(watch(DIR "/a", IN_ALL_EVENTS), 1);
    int file = open(DIR "/a", O_RDWR | O_TRUNC);

    ok = ok && KTAP_EQUAL(pwrite(file, "x", 1, 0), 1) && KTAP_EQUAL(ftruncate(file, 0), 0) &&
         KTAP_EQUAL(link(DIR "/a", DIR "/b"), 0) && KTAP_EQUAL(rename(DIR "/a", DIR "/c"), 0) &&
         have_come("1 modify; 1 open; 1 modify; 1 attrib; 1 moved; ") &&
         KTAP_EQUAL(unlink(DIR "/b"), 0) && KTAP_EQUAL(unlink(DIR "/c"), 0) &&
         have_come("1 attrib; ") && KTAP_EQUAL(close(file), 0) &&
         have_come("1 written; 1 gone; 1 ignored; ") && FAILS(unwatch(1), EINVAL);
    return KTAP_EQUAL(close(fd), 0) && ok;
}

static bool a_folder_tells_of_itself(void)
{
    bool ok = begin() && KTAP_EQUAL(mkdir(DIR "/d", 0755), 0) &&
              KTAP_EQUAL(watch(DIR "/d", IN_ALL_EVENTS), 1);
    int dir = open(DIR "/d", O_RDONLY | O_DIRECTORY);
    char entries[256];

    ok = ok && KTAP_TRUE(syscall(__NR_getdents64, dir, entries, sizeof(entries)) > 0) &&
         KTAP_EQUAL(close(dir), 0) && have_come("1 open dir; 1 access dir; 1 close dir; ") &&
         KTAP_EQUAL(rename(DIR "/d", DIR "/e"), 0) && KTAP_EQUAL(chmod(DIR "/e", 0700), 0) &&
         KTAP_EQUAL(rmdir(DIR "/e"), 0) && have_come("1 moved; 1 attrib dir; 1 gone; 1 ignored; ");
    return KTAP_EQUAL(close(fd), 0) && ok;
}

static bool both_ends_of_a_move_are_told(void)
{
    bool ok = begin() && KTAP_EQUAL(mkdir(DIR "/d", 0755), 0) && new_file(DIR "/a") &&
              new_file(DIR "/d/b") && KTAP_EQUAL(watch(DIR, IN_CHANGES), 1) &&
              KTAP_EQUAL(watch(DIR "/d", IN_CHANGES), 2) &&
              KTAP_EQUAL(watch(DIR "/d/b", IN_ALL_EVENTS), 3) &&
              KTAP_EQUAL(rename(DIR "/a", DIR "/d/b"), 0) &&
              have_come("1 from a; 2 to b; 3 attrib; 3 gone; 3 ignored; ") &&
              KTAP_TRUE(cookies[0] != 0) && KTAP_EQUAL(cookies[1], cookies[0]);
    uint32_t first = cookies[0];

    ok = ok && KTAP_EQUAL(rename(DIR "/d", DIR "/e"), 0) &&
         have_come("1 from dir d; 1 to dir e; 2 moved; ") && KTAP_TRUE(cookies[0] != first) &&
         KTAP_EQUAL(cookies[1], cookies[0]) && KTAP_EQUAL(cookies[2], 0) &&
         KTAP_EQUAL(unlink(DIR "/e/b"), 0) && KTAP_EQUAL(rmdir(DIR "/e"), 0) &&
         have_come("2 delete b; 1 delete dir e; 2 gone; 2 ignored; ");
    return KTAP_EQUAL(close(fd), 0) && ok;
}

static bool exchanged_names_are_two_moves(void)
{
    bool ok = begin() && new_file(DIR "/a") && new_file(DIR "/b") &&
              KTAP_EQUAL(watch(DIR, IN_CHANGES), 1) &&
              KTAP_EQUAL(syscall(__NR_renameat2, AT_FDCWD, DIR "/a", AT_FDCWD, DIR "/b",
                                 2 /* RENAME_EXCHANGE */),
                         0) &&
              have_come("1 from a; 1 to b; 1 from b; 1 to a; ") &&
              KTAP_EQUAL(unlink(DIR "/a"), 0) && KTAP_EQUAL(unlink(DIR "/b"), 0);
    return KTAP_EQUAL(close(fd), 0) && ok;
}

static bool times_say_what_was_set(void)
{
    struct timespec now[] = {{5, 0}, {6, 0}}, read[] = {{5, 0}, {0, UTIME_OMIT}},
                    written[] = {{0, UTIME_OMIT}, {6, 0}};
    bool ok = begin() && new_file(DIR "/a") && KTAP_EQUAL(watch(DIR "/a", IN_ALL_EVENTS), 1) &&
              KTAP_EQUAL(syscall(__NR_utimensat, AT_FDCWD, DIR "/a", now, 0), 0) &&
              KTAP_EQUAL(syscall(__NR_utimensat, AT_FDCWD, DIR "/a", read, 0), 0) &&
              KTAP_EQUAL(syscall(__NR_utimensat, AT_FDCWD, DIR "/a", written, 0), 0) &&
              KTAP_EQUAL(chown(DIR "/a", 0, 0), 0) &&
              have_come("1 attrib; 1 access; 1 modify; 1 attrib; ") &&
              KTAP_EQUAL(unlink(DIR "/a"), 0);
    return KTAP_EQUAL(close(fd), 0) && ok;
}

static bool what_ends_with_its_file_system_is_told(void)
{
    bool ok = begin() && KTAP_EQUAL(mkdir(DIR "/m", 0755), 0) &&
              KTAP_EQUAL(mount("none", DIR "/m", "tmpfs", 0, NULL), 0) && new_file(DIR "/m/a") &&
              KTAP_EQUAL(watch(DIR "/m", IN_CREATE), 1) &&
              KTAP_EQUAL(watch(DIR "/m/a", IN_MODIFY), 2) && KTAP_EQUAL(umount(DIR "/m"), 0) &&
              have_come("2 unmount; 2 ignored; 1 unmount; 1 ignored; ");
    return KTAP_EQUAL(rmdir(DIR "/m"), 0) && KTAP_EQUAL(close(fd), 0) && ok;
}

static bool proc_can_be_watched(void)
{
    bool ok = begin() && KTAP_EQUAL(watch("/proc/self/status", IN_ALL_EVENTS), 1) &&
              KTAP_EQUAL(watch("/proc", IN_ALL_EVENTS), 2) && KTAP_EQUAL(unwatch(1), 0) &&
              have_come("1 ignored; ");
    return KTAP_EQUAL(close(fd), 0) && ok;
}

static bool devices_can_be_watched(void)
{
    bool ok = begin() && KTAP_EQUAL(watch("/dev/null", IN_OPEN | IN_CLOSE), 1);
    int file = open("/dev/null", O_RDWR);

    ok = ok && KTAP_EQUAL(close(file), 0) && have_come("1 open; 1 written; ");
    return KTAP_EQUAL(close(fd), 0) && ok;
}

/* ---- Watches --------------------------------------------------------------------------------- */

static bool a_mask_chooses(void)
{
    bool ok = begin() && new_file(DIR "/a") && KTAP_EQUAL(watch(DIR, IN_DELETE), 1) &&
              KTAP_EQUAL(watch(DIR "/a", IN_MODIFY), 2) &&
              KTAP_EQUAL(watch(DIR "/a", IN_OPEN | IN_MASK_ADD), 2) && new_file(DIR "/a") &&
              have_come("2 modify; 2 open; 2 modify; ") &&
              KTAP_EQUAL(watch(DIR "/a", IN_OPEN), 2) &&
              FAILS(watch(DIR "/a", IN_OPEN | IN_MASK_CREATE), EEXIST) && new_file(DIR "/a") &&
              have_come("2 open; ") && KTAP_EQUAL(unlink(DIR "/a"), 0) &&
              have_come("1 delete a; 2 ignored; ");
    return KTAP_EQUAL(close(fd), 0) && ok;
}

static bool one_shot_is_one(void)
{
    bool ok = begin() && KTAP_EQUAL(watch(DIR, IN_CREATE | IN_ONESHOT), 1) && new_file(DIR "/a") &&
              new_file(DIR "/b") && have_come("1 create a; 1 ignored; ") &&
              FAILS(unwatch(1), EINVAL) && KTAP_EQUAL(watch(DIR, IN_CREATE), 2) &&
              KTAP_EQUAL(unlink(DIR "/a"), 0) && KTAP_EQUAL(unlink(DIR "/b"), 0);
    return KTAP_EQUAL(close(fd), 0) && ok;
}

static bool links_can_be_watched_themselves(void)
{
    bool ok = begin() && new_file(DIR "/a") && KTAP_EQUAL(symlink("a", DIR "/s"), 0) &&
              KTAP_EQUAL(watch(DIR "/s", IN_DELETE_SELF | IN_DONT_FOLLOW), 1) &&
              KTAP_EQUAL(watch(DIR "/s", IN_DELETE_SELF), 2) &&
              FAILS(watch(DIR "/s", IN_OPEN | IN_ONLYDIR), ENOTDIR) &&
              KTAP_EQUAL(unlink(DIR "/s"), 0) && have_come("1 gone; 1 ignored; ") &&
              KTAP_EQUAL(unlink(DIR "/a"), 0) && have_come("2 gone; 2 ignored; ");
    return KTAP_EQUAL(close(fd), 0) && ok;
}

static bool wrong_is_refused(void)
{
    int other = open(DIR, O_RDONLY);
    bool ok = begin() && FAILS(syscall(__NR_inotify_init1, 1), EINVAL) &&
              FAILS(watch(DIR, 0), EINVAL) && FAILS(watch(DIR, 0x00800000 | IN_OPEN), EINVAL) &&
              FAILS(watch(DIR, IN_OPEN | IN_MASK_ADD | IN_MASK_CREATE), EINVAL) &&
              FAILS(watch(DIR "/none", IN_OPEN), ENOENT) && FAILS(watch("", IN_OPEN), ENOENT) &&
              FAILS(syscall(__NR_inotify_add_watch, fd, -4096l, IN_OPEN), EFAULT) &&
              FAILS(syscall(__NR_inotify_add_watch, 99, DIR, IN_OPEN), EBADF) &&
              FAILS(syscall(__NR_inotify_add_watch, other, DIR, IN_OPEN), EINVAL) &&
              FAILS(syscall(__NR_inotify_rm_watch, 99, 1), EBADF) &&
              FAILS(syscall(__NR_inotify_rm_watch, other, 1), EINVAL) &&
              FAILS(unwatch(1), EINVAL) && FAILS(unwatch(-1), EINVAL) &&
              FAILS(write(fd, "x", 1), EBADF) && KTAP_EQUAL(watch(DIR, IN_CREATE), 1) &&
              KTAP_EQUAL(fcntl(fd, F_GETFD, 0l), FD_CLOEXEC) && KTAP_EQUAL(close(other), 0);
    return KTAP_EQUAL(close(fd), 0) && ok;
}

static void watch_a_secret(void *arg)
{
    (void)arg;
    if (syscall(__NR_setresuid, 1000, 1000, 1000) == 0 && watch(DIR "/a", IN_OPEN) < 0 &&
        errno == EACCES)
        _exit(CHILD_IS_WELL);
}

static bool secrets_cannot_be_watched(void)
{
    int status = -1;
    bool ok = begin() && new_file(DIR "/a") && KTAP_EQUAL(chmod(DIR "/a", 0600), 0);
    pid_t child = start_child(watch_a_secret, NULL);

    ok = ok && KTAP_EQUAL(waitpid(child, &status, 0), child) &&
         ktap_check_exits(status, CHILD_IS_WELL, __FILE__, __LINE__) &&
         KTAP_EQUAL(unlink(DIR "/a"), 0);
    return KTAP_EQUAL(close(fd), 0) && ok;
}

static bool instances_are_limited(void)
{
    int made[200], nr = 0;

    while (nr < 200 && (made[nr] = (int)syscall(__NR_inotify_init)) >= 0)
        nr++;
    bool ok = KTAP_EQUAL(nr, 128) && KTAP_EQUAL(errno, EMFILE);
    while (nr > 0)
        close(made[--nr]);
    return begin() && KTAP_EQUAL(close(fd), 0) && ok;
}

/* ---- Reading --------------------------------------------------------------------------------- */

static bool what_is_the_same_comes_once(void)
{
    int file = open(DIR "/a", O_CREAT | O_WRONLY, 0644);
    bool ok = begin() && KTAP_EQUAL(watch(DIR, IN_MODIFY | IN_ATTRIB), 1);

    for (int i = 0; i < 10; i++)
        ok = KTAP_EQUAL(write(file, "x", 1), 1) && ok;
    ok = ok && KTAP_EQUAL(chmod(DIR "/a", 0600), 0) && KTAP_EQUAL(write(file, "x", 1), 1) &&
         have_come("1 modify a; 1 attrib a; 1 modify a; ") && KTAP_EQUAL(close(file), 0) &&
         KTAP_EQUAL(unlink(DIR "/a"), 0);
    return KTAP_EQUAL(close(fd), 0) && ok;
}

static bool only_whole_records_are_read(void)
{
    char buffer[64];
    int waiting = -1;
    bool ok = begin() && KTAP_EQUAL(watch(DIR, IN_CHANGES), 1) &&
              FAILS(read(fd, buffer, sizeof(buffer)), EAGAIN) && new_file(DIR "/a") &&
              KTAP_EQUAL(unlink(DIR "/a"), 0) && KTAP_EQUAL(ioctl(fd, FIONREAD, &waiting), 0) &&
              KTAP_EQUAL(waiting, 64) && FAILS(read(fd, buffer, 31), EINVAL) &&
              KTAP_EQUAL(read(fd, buffer, 63), 32) && FAILS(read(fd, (void *)-4096l, 32), EFAULT) &&
              FAILS(ioctl(fd, FIONREAD, (void *)-4096l), EFAULT) && have_come("");
    return KTAP_EQUAL(close(fd), 0) && ok;
}

static void *read_one(void *arg)
{
    char buffer[64];

    (void)arg;
    return (void *)read(fd, buffer, sizeof(buffer));
}

static bool readers_wait_and_pollers_are_told(void)
{
    struct pollfd polled = {.events = POLLIN};
    void *result = NULL;
    thread_t lwp;
    bool ok =
        begin() && KTAP_EQUAL(fcntl(fd, F_SETFL, 0l), 0) && KTAP_EQUAL(watch(DIR, IN_CREATE), 1);

    polled.fd = fd;
    ok = ok && KTAP_EQUAL(poll(&polled, 1, 0), 0);
    thread_create(&lwp, read_one, NULL);
    comes_to_wait(lwp);
    ok = new_file(DIR "/a") && ok;
    thread_join(lwp, &result);
    ok = KTAP_EQUAL((long)result, 32) && new_file(DIR "/b") &&
         KTAP_EQUAL(poll(&polled, 1, -1), 1) && KTAP_EQUAL(polled.revents, POLLIN) && ok;
    return KTAP_EQUAL(unlink(DIR "/a"), 0) && KTAP_EQUAL(unlink(DIR "/b"), 0) &&
           KTAP_EQUAL(close(fd), 0) && ok;
}

static bool too_many_events_are_told_as_such(void)
{
    static char buffer[65536] __attribute__((aligned(8)));
    const struct inotify_event *last = NULL;
    bool ok = begin() && KTAP_EQUAL(watch(DIR, IN_CHANGES), 1);
    long nr, nr_events = 0;

    for (int i = 0; i < 1200 && ok; i++)
        ok = KTAP_EQUAL(mkdir(DIR "/d", 0755), 0) && KTAP_EQUAL(rmdir(DIR "/d"), 0);
    nr = read(fd, buffer, sizeof(buffer));
    for (long at = 0; at < nr; at += (long)sizeof(*last) + last->len) {
        last = (const struct inotify_event *)(buffer + at);
        nr_events++;
    }
    ok = ok && KTAP_TRUE(nr_events > 1000) && KTAP_EQUAL(last->mask, IN_Q_OVERFLOW) &&
         KTAP_EQUAL(last->wd, -1) && KTAP_EQUAL(mkdir(DIR "/d", 0755), 0) &&
         have_come("1 create dir d; ") && KTAP_EQUAL(rmdir(DIR "/d"), 0);
    return KTAP_EQUAL(close(fd), 0) && ok;
}

/* Watches come and go while what they are of changes. */
static atomic_int is_over;

static void *change_names(void *arg)
{
    const char *name = arg;
    char other[64];

    snprintf(other, sizeof(other), "%s2", name);
    while (!is_over) {
        close(open(name, O_CREAT | O_RDWR, 0644));
        rename(name, other);
        unlink(other);
    }
    return NULL;
}

static bool watches_come_and_go(void)
{
    thread_t lwp[2];
    bool ok = begin();
    size_t nr_times = ktap_times(3000);
    char buffer[512];

    is_over = 0;
    thread_create(&lwp[0], change_names, DIR "/a");
    thread_create(&lwp[1], change_names, DIR "/b");
    for (size_t i = 0; i < nr_times && ok; i++) {
        int dir = watch(DIR, IN_ALL_EVENTS), file = watch(DIR "/a", IN_ALL_EVENTS);

        ok = KTAP_TRUE(dir > 0) && KTAP_TRUE(file > 0 || errno == ENOENT);
        while (read(fd, buffer, sizeof(buffer)) > 0 && i % 4 == 0)
            ;
        if (file > 0)
            unwatch(file);
        if (i % 2 == 0)
            ok = KTAP_EQUAL(unwatch(dir), 0) && ok;
        if (i % 64 == 0)
            ok = KTAP_EQUAL(close(fd), 0) && begin() && ok;
    }
    is_over = 1;
    thread_join(lwp[0], NULL);
    thread_join(lwp[1], NULL);
    return KTAP_EQUAL(close(fd), 0) && ok;
}

static const struct ktap_test tests[] = {
    {"a folder tells what happens to its files", a_folder_tells_of_its_files},
    {"a file tells what happens to itself, to the last close", a_file_tells_of_itself},
    {"a folder tells what happens to itself", a_folder_tells_of_itself},
    {"both ends of a move are told, with one cookie", both_ends_of_a_move_are_told},
    {"names that are exchanged are two moves", exchanged_names_are_two_moves},
    {"setting times says which", times_say_what_was_set},
    {"what ends with its file system is told", what_ends_with_its_file_system_is_told},
    {"/proc can be watched, and nothing happens", proc_can_be_watched},
    {"devices can be watched", devices_can_be_watched},
    {"a mask chooses, and can be changed", a_mask_chooses},
    {"IN_ONESHOT tells once", one_shot_is_one},
    {"a link can be watched itself", links_can_be_watched_themselves},
    {"what makes no sense is refused", wrong_is_refused},
    {"what cannot be read cannot be watched", secrets_cannot_be_watched},
    {"a user has 128 instances at most", instances_are_limited},
    {"what is the same comes once", what_is_the_same_comes_once},
    {"only whole records are read", only_whole_records_are_read},
    {"readers wait, and pollers are told", readers_wait_and_pollers_are_told},
    {"too many events are told as such", too_many_events_are_told_as_such},
    {"watches come and go while names change", watches_come_and_go},
};

int main(void)
{
    ktap_need_thrum();
    mkdir(DIR, 0755);
    ktap_start(KTAP_LEN(tests));
    ktap_run(tests, KTAP_LEN(tests));
    rmdir(DIR);
    return ktap_finish();
}
