/* Pipes that have a name. */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <thread.h>
#include <unistd.h>

#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "common.h"
#include "ktap.h"

#define FIFO "/tmp/fifo"

static char text[100];

static bool is_a_fifo(void)
{
    struct stat st;
    int fd = open(FIFO, O_RDWR);

    return KTAP_TRUE(fd >= 0) && KTAP_EQUAL(fstat(fd, &st), 0) && KTAP_TRUE(S_ISFIFO(st.st_mode)) &&
           KTAP_EQUAL((long)st.st_nlink, 1) && KTAP_EQUAL(write(fd, "hello", 5), 5) &&
           KTAP_EQUAL(read(fd, text, 3), 3) && KTAP_EQUAL(read(fd, text + 3, 10), 2) &&
           KTAP_EQUAL(memcmp(text, "hello", 5), 0) && FAILS(lseek(fd, 0, SEEK_SET), ESPIPE) &&
           FAILS(ftruncate(fd, 0), EINVAL) && KTAP_EQUAL(close(fd), 0);
}

static bool nobody_there(void)
{
    int reader = open(FIFO, O_RDONLY | O_NONBLOCK), writer;

    if (!KTAP_TRUE(reader >= 0) || !KTAP_EQUAL(read(reader, text, 1), 0))
        return false;
    writer = open(FIFO, O_WRONLY | O_NONBLOCK);
    if (!KTAP_TRUE(writer >= 0) || !FAILS(read(reader, text, 1), EAGAIN) ||
        !KTAP_EQUAL(write(writer, "ab", 2), 2) || !KTAP_EQUAL(close(writer), 0))
        return false;
    return KTAP_EQUAL(read(reader, text, 10), 2) && KTAP_EQUAL(read(reader, text, 10), 0) &&
           KTAP_EQUAL(close(reader), 0) && FAILS(open(FIFO, O_WRONLY | O_NONBLOCK), ENXIO);
}

static _Atomic int opener_tid;

static void *open_end(void *flags)
{
    opener_tid = gettid();
    return (void *)(long)open(FIFO, (int)(long)flags);
}

/* Whether opening one end waits for somebody to open the other. */
static bool waits_for_other(int own, int other)
{
    thread_t thread;
    void *value;
    int fd;

    opener_tid = 0;
    if (thread_create(&thread, open_end, (void *)(long)own) != 0)
        return false;
    while (opener_tid == 0)
        usleep(1000);
    if (!KTAP_TRUE(comes_to_wait(opener_tid)))
        return false;
    fd = open(FIFO, other);
    thread_join(thread, &value);
    return KTAP_TRUE(fd >= 0) && KTAP_TRUE((long)value >= 0) && KTAP_EQUAL(close(fd), 0) &&
           KTAP_EQUAL(close((int)(long)value), 0);
}

static bool ends_wait_for_each_other(void)
{
    return waits_for_other(O_RDONLY, O_WRONLY) && waits_for_other(O_WRONLY, O_RDONLY) &&
           waits_for_other(O_WRONLY, O_RDONLY | O_NONBLOCK) && waits_for_other(O_RDONLY, O_RDWR);
}

static void open_reader(void *unused)
{
    (void)unused;
    open(FIFO, O_RDONLY);
}

static bool a_kill_ends_the_wait(void)
{
    pid_t child = start_child(open_reader, NULL);
    int status = 0;

    return KTAP_TRUE(comes_to_wait(child)) && KTAP_EQUAL(kill(child, SIGKILL), 0) &&
           KTAP_EQUAL(waitpid(child, &status, 0), child) && KTAP_EQUAL(WTERMSIG(status), SIGKILL) &&
           FAILS(open(FIFO, O_WRONLY | O_NONBLOCK), ENXIO);
}

static bool several_of_each(void)
{
    int readers[2], writers[2];

    for (int i = 0; i < 2; i++)
        readers[i] = open(FIFO, O_RDONLY | O_NONBLOCK);
    for (int i = 0; i < 2; i++)
        writers[i] = open(FIFO, O_WRONLY);
    return KTAP_EQUAL(write(writers[0], "a", 1), 1) && KTAP_EQUAL(close(writers[0]), 0) &&
           KTAP_EQUAL(read(readers[1], text, 1), 1) && FAILS(read(readers[0], text, 1), EAGAIN) &&
           KTAP_EQUAL(close(readers[0]), 0) && KTAP_EQUAL(write(writers[1], "b", 1), 1) &&
           KTAP_EQUAL(close(writers[1]), 0) && KTAP_EQUAL(read(readers[1], text, 5), 1) &&
           KTAP_EQUAL(read(readers[1], text, 5), 0) && KTAP_EQUAL(close(readers[1]), 0);
}

static bool contents_go_with_the_last(void)
{
    int fd = open(FIFO, O_RDWR);

    if (!KTAP_EQUAL(write(fd, "old", 3), 3) || !KTAP_EQUAL(close(fd), 0))
        return false;
    fd = open(FIFO, O_RDONLY | O_NONBLOCK);
    return KTAP_EQUAL(read(fd, text, 3), 0) && KTAP_EQUAL(close(fd), 0);
}

static bool poll_sees_both(void)
{
    int fd = open(FIFO, O_RDWR);
    struct pollfd wanted = {.fd = fd, .events = POLLIN | POLLOUT};

    return KTAP_EQUAL(poll(&wanted, 1, 0), 1) && KTAP_EQUAL(wanted.revents, POLLOUT) &&
           KTAP_EQUAL(write(fd, "x", 1), 1) && KTAP_EQUAL(poll(&wanted, 1, 0), 1) &&
           KTAP_EQUAL(wanted.revents, POLLIN | POLLOUT) && KTAP_EQUAL(close(fd), 0);
}

static short events_of(int fd)
{
    struct pollfd wanted = {.fd = fd, .events = POLLIN};

    return poll(&wanted, 1, 0) < 0 ? -1 : wanted.revents;
}

/* No writer has come yet, or the last has gone: that is not the same. */
static bool poll_waits_for_the_first_writer(void)
{
    int early = open(FIFO, O_RDONLY | O_NONBLOCK), late, writer;
    bool is_right = KTAP_EQUAL(events_of(early), 0);

    writer = open(FIFO, O_WRONLY);
    is_right = is_right && KTAP_EQUAL(events_of(early), 0) &&
               KTAP_EQUAL(write(writer, "x", 1), 1) && KTAP_EQUAL(events_of(early), POLLIN) &&
               KTAP_EQUAL(close(writer), 0) && KTAP_EQUAL(events_of(early), POLLIN | POLLHUP);
    late = open(FIFO, O_RDONLY | O_NONBLOCK);
    is_right = is_right && KTAP_EQUAL(events_of(late), POLLIN) &&
               KTAP_EQUAL(read(late, text, 3), 1) && KTAP_EQUAL(events_of(late), 0) &&
               KTAP_EQUAL(events_of(early), POLLHUP);
    writer = open(FIFO, O_WRONLY);
    is_right = is_right && KTAP_EQUAL(events_of(early), 0) && KTAP_EQUAL(close(writer), 0) &&
               KTAP_EQUAL(events_of(late), POLLHUP);
    return KTAP_EQUAL(close(early), 0) && KTAP_EQUAL(close(late), 0) && is_right;
}

static bool unlinked_goes_on(void)
{
    int fd = open(FIFO, O_RDWR);
    bool is_ok = KTAP_EQUAL(unlink(FIFO), 0) && KTAP_EQUAL(write(fd, "x", 1), 1) &&
                 KTAP_EQUAL(read(fd, text, 1), 1) && KTAP_EQUAL(close(fd), 0);

    return is_ok && KTAP_EQUAL(mkfifo(FIFO, 0600), 0) && FAILS(mkfifo(FIFO, 0600), EEXIST) &&
           FAILS(mkfifo("/tmp/none/fifo", 0600), ENOENT);
}

static void open_and_close_for_ever(void *unused)
{
    (void)unused;
    for (;;) {
        int reader = open(FIFO, O_RDONLY | O_NONBLOCK), writer = open(FIFO, O_WRONLY | O_NONBLOCK);

        if (writer >= 0)
            write(writer, text, sizeof(text));
        close(writer);
        read(reader, text, sizeof(text));
        close(reader);
    }
}

static bool storm(void)
{
    pid_t children[3];
    int status;
    bool is_ok = true;

    for (int i = 0; i < 3; i++)
        children[i] = start_child(open_and_close_for_ever, NULL);
    for (unsigned i = 0; i < ktap_times(300) && is_ok; i++) {
        int fd = open(FIFO, O_RDWR | O_NONBLOCK);

        is_ok = KTAP_TRUE(fd >= 0) && KTAP_EQUAL(close(fd), 0);
    }
    for (int i = 0; i < 3; i++) {
        kill(children[i], SIGKILL);
        waitpid(children[i], &status, 0);
    }
    return is_ok && FAILS(open(FIFO, O_WRONLY | O_NONBLOCK), ENXIO);
}

static const struct ktap_test tests[] = {
    {"a FIFO open for both is a pipe to oneself", is_a_fifo},
    {"without a writer there is an end, without a reader ENXIO", nobody_there},
    {"who opens one end waits for the other", ends_wait_for_each_other},
    {"a kill ends that wait, and leaves no reader", a_kill_ends_the_wait},
    {"either end may be open several times", several_of_each},
    {"what nobody has read goes with the last file", contents_go_with_the_last},
    {"poll sees both ends", poll_sees_both},
    {"poll knows a writer that has gone from one to come", poll_waits_for_the_first_writer},
    {"an unlinked FIFO goes on", unlinked_goes_on},
    {"opening and closing by many leaves nobody behind", storm},
};

int main(void)
{
    unlink(FIFO);
    mkfifo(FIFO, 0600);
    ktap_start(KTAP_LEN(tests));
    ktap_run(tests, KTAP_LEN(tests));
    unlink(FIFO);
    return ktap_finish();
}
