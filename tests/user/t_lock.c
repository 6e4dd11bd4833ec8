/* Locks on files: fcntl() of processes and of open files, flock(). */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "common.h"
#include "ktap.h"

#define FILE_PATH "/tmp/locked"

#define flock(fd, operation) syscall(__NR_flock, (fd), (operation))

static int fd;

static long set(int file, int command, short type, long start, long length)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length};

    return fcntl(file, command, &lock);
}

/* ---- A child that does what it is told ------------------------------------------------------- */

struct order {
    int command;
    short type;
    long start, length;
};

static int orders[2], answers[2];

static void obey(void *unused)
{
    int file = open(FILE_PATH, O_RDWR);
    struct order order;

    (void)unused;
    close(orders[1]);
    while (read(orders[0], &order, sizeof(order)) == sizeof(order)) {
        int answer =
            set(file, order.command, order.type, order.start, order.length) < 0 ? errno : 0;

        write(answers[1], &answer, sizeof(answer));
    }
    _exit(0);
}

static pid_t start_other(void)
{
    pipe(orders);
    pipe(answers);
    return start_child(obey, NULL);
}

static void tell(int command, short type, long start, long length)
{
    struct order order = {command, type, start, length};

    write(orders[1], &order, sizeof(order));
}

static int answer(void)
{
    int error = -1;

    read(answers[0], &error, sizeof(error));
    return error;
}

/* What the other process is told when it does that. */
static int other(int command, short type, long start, long length)
{
    tell(command, type, start, length);
    return answer();
}

static bool stop_other(pid_t pid)
{
    int status = 0;

    close(orders[1]);
    waitpid(pid, &status, 0);
    close(orders[0]);
    close(answers[0]);
    close(answers[1]);
    return KTAP_EQUAL(status, 0) && KTAP_EQUAL(set(fd, F_SETLK, F_UNLCK, 0, 0), 0);
}

/* ---- Ranges --------------------------------------------------------------------------------- */

static bool shared_and_exclusive(void)
{
    pid_t pid = start_other();

    return KTAP_EQUAL(set(fd, F_SETLK, F_RDLCK, 0, 10), 0) &&
           KTAP_EQUAL(other(F_SETLK, F_RDLCK, 5, 10), 0) &&
           KTAP_EQUAL(other(F_SETLK, F_WRLCK, 9, 1), EAGAIN) &&
           KTAP_EQUAL(other(F_SETLK, F_WRLCK, 10, 1), 0) &&
           FAILS(set(fd, F_SETLK, F_RDLCK, 0, 0), EAGAIN) &&
           KTAP_EQUAL(other(F_SETLK, F_UNLCK, 0, 0), 0) &&
           KTAP_EQUAL(set(fd, F_SETLK, F_WRLCK, 0, 0), 0) &&
           KTAP_EQUAL(other(F_SETLK, F_RDLCK, 1000000, 1), EAGAIN) && stop_other(pid);
}

static bool ranges_are_cut_and_joined(void)
{
    pid_t pid = start_other();
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 0};
    bool is_ok = KTAP_EQUAL(other(F_SETLK, F_WRLCK, 0, 100), 0) &&
                 KTAP_EQUAL(other(F_SETLK, F_UNLCK, 40, 20), 0) &&
                 KTAP_EQUAL(other(F_SETLK, F_RDLCK, 10, 10), 0) &&
                 KTAP_EQUAL(set(fd, F_SETLK, F_WRLCK, 40, 20), 0) &&
                 FAILS(set(fd, F_SETLK, F_WRLCK, 39, 1), EAGAIN) &&
                 FAILS(set(fd, F_SETLK, F_WRLCK, 60, 1), EAGAIN) &&
                 KTAP_EQUAL(set(fd, F_SETLK, F_RDLCK, 10, 10), 0) &&
                 FAILS(set(fd, F_SETLK, F_RDLCK, 9, 2), EAGAIN) &&
                 KTAP_EQUAL(set(fd, F_SETLK, F_UNLCK, 0, 0), 0) &&
                 KTAP_EQUAL(other(F_SETLK, F_WRLCK, 10, 60), 0) &&
                 KTAP_EQUAL(fcntl(fd, F_GETLK, &lock), 0) && KTAP_EQUAL(lock.l_type, F_WRLCK) &&
                 KTAP_EQUAL(lock.l_start, 0) && KTAP_EQUAL(lock.l_len, 100) &&
                 KTAP_EQUAL(lock.l_pid, pid);

    lock.l_start = 100;
    lock.l_type = F_RDLCK;
    return is_ok && KTAP_EQUAL(fcntl(fd, F_GETLK, &lock), 0) && KTAP_EQUAL(lock.l_type, F_UNLCK) &&
           stop_other(pid);
}

static bool close_of_any_descriptor_unlocks(void)
{
    pid_t pid = start_other();
    int second = open(FILE_PATH, O_RDONLY);

    return KTAP_EQUAL(set(fd, F_SETLK, F_WRLCK, 0, 0), 0) &&
           KTAP_EQUAL(other(F_SETLK, F_WRLCK, 0, 1), EAGAIN) && KTAP_EQUAL(close(second), 0) &&
           KTAP_EQUAL(other(F_SETLK, F_WRLCK, 0, 1), 0) && stop_other(pid);
}

static bool fork_does_not_inherit(void)
{
    pid_t pid;

    if (!KTAP_EQUAL(set(fd, F_SETLK, F_WRLCK, 0, 0), 0))
        return false;
    pid = start_other();
    return KTAP_EQUAL(other(F_SETLK, F_RDLCK, 0, 1), EAGAIN) && stop_other(pid);
}

static bool waits_until_unlocked(void)
{
    pid_t pid = start_other();

    if (!KTAP_EQUAL(set(fd, F_SETLK, F_WRLCK, 0, 0), 0))
        return false;
    tell(F_SETLKW, F_WRLCK, 5, 1);
    return KTAP_TRUE(comes_to_wait(pid)) && KTAP_EQUAL(set(fd, F_SETLK, F_UNLCK, 6, 0), 0) &&
           KTAP_EQUAL(set(fd, F_SETLK, F_UNLCK, 0, 0), 0) && KTAP_EQUAL(answer(), 0) &&
           FAILS(set(fd, F_SETLK, F_RDLCK, 5, 1), EAGAIN) && stop_other(pid);
}

static bool end_of_process_unlocks(void)
{
    pid_t pid = start_other();
    int status;

    if (!KTAP_EQUAL(other(F_SETLK, F_WRLCK, 0, 0), 0) ||
        !FAILS(set(fd, F_SETLK, F_WRLCK, 0, 1), EAGAIN))
        return false;
    kill(pid, SIGKILL);
    return KTAP_EQUAL(set(fd, F_SETLKW, F_WRLCK, 0, 1), 0) &&
           KTAP_EQUAL(waitpid(pid, &status, 0), pid) &&
           KTAP_EQUAL(set(fd, F_SETLK, F_UNLCK, 0, 0), 0) && KTAP_EQUAL(close(orders[0]), 0) &&
           KTAP_EQUAL(close(orders[1]), 0) && KTAP_EQUAL(close(answers[0]), 0) &&
           KTAP_EQUAL(close(answers[1]), 0);
}

static bool circle_is_edeadlk(void)
{
    pid_t pid = start_other();

    if (!KTAP_EQUAL(set(fd, F_SETLK, F_WRLCK, 0, 1), 0) ||
        !KTAP_EQUAL(other(F_SETLK, F_WRLCK, 1, 1), 0))
        return false;
    tell(F_SETLKW, F_WRLCK, 0, 1);
    return KTAP_TRUE(comes_to_wait(pid)) && FAILS(set(fd, F_SETLKW, F_WRLCK, 1, 1), EDEADLK) &&
           KTAP_EQUAL(set(fd, F_SETLK, F_UNLCK, 0, 1), 0) && KTAP_EQUAL(answer(), 0) &&
           stop_other(pid);
}

static bool open_file_locks(void)
{
    int second = open(FILE_PATH, O_RDWR);
    struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};

    return KTAP_EQUAL(set(fd, F_OFD_SETLK, F_WRLCK, 0, 0), 0) &&
           FAILS(set(second, F_OFD_SETLK, F_RDLCK, 5, 1), EAGAIN) &&
           FAILS(set(second, F_SETLK, F_RDLCK, 5, 1), EAGAIN) &&
           KTAP_EQUAL(fcntl(second, F_OFD_GETLK, &lock), 0) && KTAP_EQUAL(lock.l_pid, -1) &&
           KTAP_EQUAL(lock.l_type, F_WRLCK) && KTAP_EQUAL(set(fd, F_OFD_SETLK, F_UNLCK, 0, 0), 0) &&
           KTAP_EQUAL(set(second, F_OFD_SETLK, F_RDLCK, 5, 1), 0) && KTAP_EQUAL(close(second), 0) &&
           KTAP_EQUAL(set(fd, F_OFD_SETLK, F_WRLCK, 0, 0), 0) &&
           KTAP_EQUAL(set(fd, F_OFD_SETLK, F_UNLCK, 0, 0), 0);
}

static bool wrong_ones_are_refused(void)
{
    int reader = open(FILE_PATH, O_RDONLY), writer = open(FILE_PATH, O_WRONLY);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = 9};

    return FAILS(set(reader, F_SETLK, F_WRLCK, 0, 1), EBADF) &&
           FAILS(set(writer, F_SETLK, F_RDLCK, 0, 1), EBADF) &&
           FAILS(set(fd, F_SETLK, 77, 0, 1), EINVAL) &&
           FAILS(set(fd, F_SETLK, F_RDLCK, -1, 1), EINVAL) &&
           FAILS(set(fd, F_SETLK, F_RDLCK, 5, -6), EINVAL) &&
           FAILS(set(fd, F_SETLK, F_RDLCK, INT64_MAX, 2), EOVERFLOW) &&
           KTAP_EQUAL(set(fd, F_SETLK, F_RDLCK, INT64_MAX, 1), 0) &&
           KTAP_EQUAL(set(fd, F_SETLK, F_RDLCK, 5, -5), 0) &&
           FAILS(fcntl(fd, F_SETLK, &lock), EINVAL) && FAILS(fcntl(fd, F_SETLK, NULL), EFAULT) &&
           FAILS(set(99, F_SETLK, F_RDLCK, 0, 1), EBADF) && FAILS(flock(99, 1), EBADF) &&
           FAILS(flock(fd, 3), EINVAL) && KTAP_EQUAL(close(reader), 0) &&
           KTAP_EQUAL(close(writer), 0);
}

/* ---- flock ---------------------------------------------------------------------------------- */

static bool whole_files(void)
{
    int second = open(FILE_PATH, O_RDONLY), copy = dup(fd);

    return KTAP_EQUAL(flock(fd, LOCK_SH), 0) && KTAP_EQUAL(flock(second, LOCK_SH | LOCK_NB), 0) &&
           FAILS(flock(second, LOCK_EX | LOCK_NB), EAGAIN) &&
           KTAP_EQUAL(flock(copy, LOCK_EX | LOCK_NB), 0) &&
           FAILS(flock(second, LOCK_SH | LOCK_NB), EAGAIN) &&
           KTAP_EQUAL(set(second, F_SETLK, F_RDLCK, 0, 0), 0) && KTAP_EQUAL(close(copy), 0) &&
           FAILS(flock(second, LOCK_SH | LOCK_NB), EAGAIN) && KTAP_EQUAL(flock(fd, LOCK_UN), 0) &&
           KTAP_EQUAL(flock(second, LOCK_EX), 0) && KTAP_EQUAL(close(second), 0) &&
           KTAP_EQUAL(flock(fd, LOCK_EX | LOCK_NB), 0) && KTAP_EQUAL(flock(fd, LOCK_UN), 0);
}

/* Adds to a number in the file, with the lock held. */
static void count(void *how)
{
    bool is_whole = how != NULL;
    int file = open(FILE_PATH, O_RDWR);

    for (unsigned i = 0; i < ktap_times(200); i++) {
        long number = 0;

        if ((is_whole ? flock(file, LOCK_EX) : set(file, F_SETLKW, F_WRLCK, 0, 8)) != 0)
            _exit(1);
        pread(file, &number, sizeof(number), 0);
        number++;
        pwrite(file, &number, sizeof(number), 0);
        if (is_whole)
            flock(file, LOCK_UN);
        else
            set(file, F_SETLK, F_UNLCK, 0, 8);
    }
    _exit(CHILD_IS_WELL);
}

static bool is_counted_right(void *how)
{
    pid_t children[4];
    long number = 0;
    bool is_ok = KTAP_EQUAL(pwrite(fd, &number, sizeof(number), 0), sizeof(number));

    for (int i = 0; i < 4; i++)
        children[i] = start_child(count, how);
    for (int i = 0; i < 4; i++) {
        int status = 0;

        waitpid(children[i], &status, 0);
        is_ok = KTAP_EQUAL(WEXITSTATUS(status), CHILD_IS_WELL) && is_ok;
    }
    pread(fd, &number, sizeof(number), 0);
    return is_ok && KTAP_EQUAL(number, 4 * (long)ktap_times(200));
}

static bool many_with_ranges(void)
{
    return is_counted_right(NULL);
}

static bool many_with_flock(void)
{
    return is_counted_right(&fd);
}

static const struct ktap_test tests[] = {
    {"shared locks go together, exclusive ones do not", shared_and_exclusive},
    {"ranges are cut and joined, and F_GETLK tells them", ranges_are_cut_and_joined},
    {"closing any descriptor of the file unlocks", close_of_any_descriptor_unlocks},
    {"a child of fork has no locks", fork_does_not_inherit},
    {"F_SETLKW waits", waits_until_unlocked},
    {"a process's end unlocks", end_of_process_unlocks},
    {"a circle of waiting processes is EDEADLK", circle_is_edeadlk},
    {"locks of open files are apart, in one process too", open_file_locks},
    {"what makes no sense is refused", wrong_ones_are_refused},
    {"flock locks open files, and lets go with the last", whole_files},
    {"four processes count with ranges locked", many_with_ranges},
    {"four processes count with flock", many_with_flock},
};

int main(void)
{
    fd = open(FILE_PATH, O_CREAT | O_RDWR, 0600);
    ktap_start(KTAP_LEN(tests));
    ktap_run(tests, KTAP_LEN(tests));
    unlink(FILE_PATH);
    return ktap_finish();
}
