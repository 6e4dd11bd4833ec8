/* The kernel log: /dev/kmsg, and syslog(2). */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <thread.h>
#include <thrum.h>
#include <unistd.h>

#include <linux/fs.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "common.h"
#include "ktap.h"

enum {
    READ = 2,
    READ_ALL,
    READ_CLEAR,
    CLEAR,
    CONSOLE_OFF,
    CONSOLE_ON,
    CONSOLE_LEVEL,
    UNREAD,
    SIZE
};

#define RING_BYTES 65536
#define NR_WRITERS 4
#define NR_LINES   40

static char text[2 * RING_BYTES];

static long klog(int action, void *to, long nr_bytes)
{
    return syscall(__NR_syslog, action, to, nr_bytes);
}

static bool say(const char *line)
{
    int fd = open("/dev/kmsg", O_WRONLY);
    bool is_ok = KTAP_EQUAL(write(fd, line, strlen(line)), strlen(line));

    close(fd);
    return is_ok;
}

/* A reader of all that is said from now on. */
static int open_at_end(int flags)
{
    int fd = open("/dev/kmsg", O_RDONLY | flags);

    lseek(fd, 0, SEEK_END);
    return fd;
}

/* One record, as a string; its length, or -1. */
static long read_record(int fd)
{
    long nr = read(fd, text, sizeof(text) - 1);

    text[nr > 0 ? nr : 0] = '\0';
    return nr;
}

/* Splits what was read last: "priority,sequence,time,-;". Where the text starts, or NULL. */
static char *parse_record(long *priority, long *sequence, long *time_us)
{
    char *at = text;

    *priority = strtol(at, &at, 10);
    if (*at++ != ',')
        return NULL;
    *sequence = strtol(at, &at, 10);
    if (*at++ != ',')
        return NULL;
    *time_us = strtol(at, &at, 10);
    return strncmp(at, ",-;", 3) == 0 ? at + 3 : NULL;
}

/* Whether the next record says so. */
static bool record_is(int fd, long want_priority, const char *want)
{
    long priority, sequence, time_us;
    char *said;

    if (!KTAP_TRUE(read_record(fd) > 0))
        return false;
    said = parse_record(&priority, &sequence, &time_us);
    if (KTAP_TRUE(said != NULL) && KTAP_EQUAL(priority, want_priority) && KTAP_TRUE(time_us > 0) &&
        strcmp(said, want) == 0)
        return true;
    ktap_diag("the record is %s", text);
    return false;
}

static bool records_have_the_format(void)
{
    struct stat stat_of;
    int fd = open_at_end(O_NONBLOCK);

    return KTAP_TRUE(fd >= 0) && KTAP_EQUAL(fstat(fd, &stat_of), 0) &&
           KTAP_EQUAL(stat_of.st_rdev, 0x10b) && FAILS(read(fd, text, 100), EAGAIN) &&
           say("plain") && record_is(fd, 12, "plain\n") && say("<6>level only\n") &&
           record_is(fd, 14, "level only\n") && say("<30>daemon\n\n") &&
           record_is(fd, 30, "daemon\n") && say("<0>not the kernel's") &&
           record_is(fd, 8, "not the kernel's\n") && say("<x>as it is") &&
           record_is(fd, 12, "<x>as it is\n") && say("back\\slash \xe4") &&
           record_is(fd, 12, "back\\x5cslash \\xe4\n") && FAILS(read(fd, text, 100), EAGAIN) &&
           KTAP_EQUAL(close(fd), 0);
}

static bool sequence_goes_up_by_one(void)
{
    long priority, previous = -1, sequence, time_us, previous_us = 0, nr = 0;
    int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);

    for (; read_record(fd) > 0; nr++) {
        if (!KTAP_TRUE(parse_record(&priority, &sequence, &time_us) != NULL) ||
            !KTAP_TRUE(time_us >= previous_us) ||
            (previous >= 0 && !KTAP_EQUAL(sequence, previous + 1)))
            return false;
        previous = sequence;
        previous_us = time_us;
    }
    return KTAP_EQUAL(errno, EAGAIN) && KTAP_TRUE(nr > 5) && KTAP_EQUAL(close(fd), 0);
}

static bool seeking_works(void)
{
    int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);
    long first = read_record(fd);
    bool is_ok = KTAP_TRUE(first > 0) && KTAP_EQUAL(lseek(fd, 0, SEEK_END), 0) &&
                 FAILS(read(fd, text, 100), EAGAIN) && KTAP_EQUAL(lseek(fd, 0, SEEK_SET), 0) &&
                 KTAP_EQUAL(read_record(fd), first) && KTAP_EQUAL(klog(CLEAR, NULL, 0), 0) &&
                 KTAP_EQUAL(lseek(fd, 0, SEEK_DATA), 0) && FAILS(read(fd, text, 100), EAGAIN) &&
                 say("after the clear") && record_is(fd, 12, "after the clear\n") &&
                 FAILS(lseek(fd, 1, SEEK_SET), ESPIPE) && FAILS(lseek(fd, 0, SEEK_CUR), EINVAL) &&
                 FAILS(lseek(fd, 0, 77), EINVAL) && FAILS(pread(fd, text, 100, 0), ESPIPE);

    return is_ok && KTAP_EQUAL(close(fd), 0);
}

static bool what_does_not_fit_is_refused(void)
{
    int fd = open_at_end(O_NONBLOCK), to = open("/dev/kmsg", O_WRONLY);

    memset(text, 'x', 5000);
    return say("long enough") && FAILS(read(fd, text, 5), EINVAL) &&
           FAILS(write(to, text, 5000), EINVAL) && FAILS(write(to, text, 241), EINVAL) &&
           KTAP_EQUAL(write(to, text, 240), 240) && KTAP_TRUE(read_record(fd) > 240) &&
           FAILS(write(to, (void *)8, 5), EFAULT) && KTAP_EQUAL(close(fd), 0) &&
           KTAP_EQUAL(close(to), 0);
}

static bool slow_reader_is_told(void)
{
    int fd = open_at_end(O_NONBLOCK), to = open("/dev/kmsg", O_WRONLY);
    bool is_ok = say("<7>will be lost");

    memset(text, 'x', 240);
    memcpy(text, "<7>", 3);
    for (int i = 0; i < RING_BYTES / 230; i++)
        write(to, text, 240);
    close(to);
    return is_ok && FAILS(read(fd, text, sizeof(text)), EPIPE) && KTAP_TRUE(read_record(fd) > 0) &&
           KTAP_TRUE(strchr(text, 'x') != NULL) && KTAP_EQUAL(close(fd), 0);
}

/* ---- Waiting -------------------------------------------------------------------------------- */

static void *read_one(void *fd_at)
{
    return (void *)read_record(*(int *)fd_at);
}

static bool reader_waits(void)
{
    int fd = open_at_end(0);
    thread_t reader;
    void *nr;

    thread_create(&reader, read_one, &fd);
    if (!KTAP_TRUE(comes_to_wait((pid_t)reader)) || !say("woken"))
        return false;
    thread_join(reader, &nr);
    return KTAP_TRUE((long)nr > 0) && KTAP_TRUE(strstr(text, ";woken\n") != NULL) &&
           KTAP_EQUAL(close(fd), 0);
}

static void *poll_one(void *fd_at)
{
    struct pollfd wanted = {.fd = *(int *)fd_at, .events = POLLIN};

    return (void *)(long)(poll(&wanted, 1, -1) == 1 ? wanted.revents : -1);
}

static bool poll_waits(void)
{
    int fd = open_at_end(O_NONBLOCK);
    struct pollfd wanted = {.fd = fd, .events = POLLIN};
    thread_t poller;
    void *events;

    thread_create(&poller, poll_one, &fd);
    if (!KTAP_EQUAL(poll(&wanted, 1, 0), 0) || !KTAP_TRUE(comes_to_wait((pid_t)poller)) ||
        !say("polled"))
        return false;
    thread_join(poller, &events);
    return KTAP_EQUAL((long)events, POLLIN) && KTAP_EQUAL(poll(&wanted, 1, 0), 1) &&
           record_is(fd, 12, "polled\n") && KTAP_EQUAL(poll(&wanted, 1, 0), 0) &&
           KTAP_EQUAL(close(fd), 0);
}

static void wait_for_ever(void *unused)
{
    int fd = open_at_end(0);

    (void)unused;
    for (;;)
        read(fd, text, sizeof(text));
}

static bool waiting_reader_can_be_killed(void)
{
    int status;
    pid_t pid = start_child(wait_for_ever, NULL);

    return KTAP_TRUE(comes_to_wait(pid)) && KTAP_EQUAL(kill(pid, SIGKILL), 0) &&
           KTAP_EQUAL(waitpid(pid, &status, 0), pid) && KTAP_EQUAL(WTERMSIG(status), SIGKILL);
}

static void *write_lines(void *name)
{
    char line[32];

    for (int i = 0; i < NR_LINES; i++) {
        snprintf(line, sizeof(line), "<7>writer %c %d", *(char *)name, i);
        if (!say(line))
            return NULL;
    }
    return name;
}

/* Whether the record in `text` is the next line of a writer, or no writer's. */
static bool is_in_order(int next[NR_WRITERS])
{
    const char *said = strstr(text, ";writer ");
    int writer;

    if (said == NULL)
        return true;
    writer = said[8] - 'a';
    return KTAP_TRUE(writer >= 0 && writer < NR_WRITERS) &&
           KTAP_EQUAL(strtol(said + 10, NULL, 10), next[writer]++);
}

static bool writers_are_heard_in_order(void)
{
    static char names[NR_WRITERS] = "abcd";
    int fd = open_at_end(O_NONBLOCK), next[NR_WRITERS] = {0};
    thread_t writers[NR_WRITERS];
    void *value;

    for (int i = 0; i < NR_WRITERS; i++)
        thread_create(&writers[i], write_lines, &names[i]);
    for (int i = 0; i < NR_WRITERS; i++) {
        thread_join(writers[i], &value);
        if (!KTAP_TRUE(value == &names[i]))
            return false;
    }
    while (read_record(fd) > 0) {
        if (!is_in_order(next))
            return false;
    }
    for (int i = 0; i < NR_WRITERS; i++) {
        if (!KTAP_EQUAL(next[i], NR_LINES))
            return false;
    }
    return KTAP_EQUAL(close(fd), 0);
}

/* ---- syslog(2) ------------------------------------------------------------------------------ */

/* Whether each line is "<N>[seconds.microseconds] text". */
static bool lines_have_the_format(long nr_bytes)
{
    for (char *line = text; line < text + nr_bytes; line = strchr(line, '\n') + 1) {
        char *at = line + 1;

        strtol(at, &at, 10);
        if (line[0] != '<' || strncmp(at, ">[", 2) != 0 || at[7] != '.' ||
            strncmp(at + 14, "] ", 2) != 0 || strchr(line, '\n') == NULL) {
            ktap_diag("the line is %.60s", line);
            return false;
        }
    }
    return true;
}

static bool all_is_read(void)
{
    long nr, nr_part;

    if (!KTAP_EQUAL(klog(CLEAR, NULL, 0), 0) || !KTAP_EQUAL(klog(READ_ALL, text, 1000), 0) ||
        !say("<6>first") || !say("<4>second"))
        return false;
    nr = klog(READ_ALL, text, sizeof(text));
    text[nr] = '\0';
    if (!lines_have_the_format(nr) || !KTAP_TRUE(strncmp(text, "<14>[", 5) == 0) ||
        !KTAP_TRUE(strstr(text, "] first\n<12>[") != NULL) ||
        !KTAP_TRUE(strcmp(text + nr - 9, "] second\n") == 0))
        return false;
    /* The last whole lines that fit. */
    nr_part = klog(READ_ALL, text, nr - 1);
    text[nr_part > 0 ? nr_part : 0] = '\0';
    return KTAP_TRUE(nr_part < nr - 1) && KTAP_TRUE(strncmp(text, "<12>[", 5) == 0) &&
           KTAP_EQUAL(klog(READ_ALL, text, 3), 0) &&
           KTAP_EQUAL(klog(READ_CLEAR, text, sizeof(text)), nr) &&
           KTAP_EQUAL(klog(READ_ALL, text, sizeof(text)), 0);
}

static bool new_ones_are_read_once(void)
{
    long nr_unread, nr = 0, nr_first;

    while (klog(UNREAD, NULL, 0) > 0)
        klog(READ, text, sizeof(text));
    if (!say("<6>read me in parts") || !say("<6>and me"))
        return false;
    nr_unread = klog(UNREAD, NULL, 0);
    nr_first = klog(READ, text, 10);
    if (!KTAP_EQUAL(nr_first, 10) || !KTAP_EQUAL(klog(UNREAD, NULL, 0), nr_unread - 10))
        return false;
    while (nr < nr_unread - 10)
        nr += klog(READ, text + 10 + nr, 15);
    text[10 + nr] = '\0';
    return KTAP_EQUAL(nr, nr_unread - 10) && KTAP_TRUE(lines_have_the_format(nr + 10)) &&
           KTAP_TRUE(strstr(text, "] read me in parts\n<14>[") != NULL) &&
           KTAP_TRUE(strstr(text, "] and me\n") != NULL) && KTAP_EQUAL(klog(UNREAD, NULL, 0), 0);
}

static bool actions_are_checked(void)
{
    return KTAP_EQUAL(klog(0, NULL, 0), 0) && KTAP_EQUAL(klog(1, NULL, 0), 0) &&
           FAILS(klog(READ, NULL, 10), EINVAL) && FAILS(klog(READ_ALL, text, -1), EINVAL) &&
           KTAP_EQUAL(klog(READ_ALL, text, 0), 0) && FAILS(klog(11, text, 0), EINVAL) &&
           FAILS(klog(-1, text, 0), EINVAL) && FAILS(klog(CONSOLE_LEVEL, NULL, 0), EINVAL) &&
           FAILS(klog(CONSOLE_LEVEL, NULL, 9), EINVAL) &&
           KTAP_EQUAL(klog(SIZE, NULL, 0), RING_BYTES) &&
           KTAP_EQUAL(klog(CONSOLE_OFF, NULL, 0), 0) && say("<1>nobody may see this") &&
           KTAP_EQUAL(klog(CONSOLE_ON, NULL, 0), 0) &&
           KTAP_EQUAL(klog(CONSOLE_LEVEL, NULL, 4), 0) && say("<4>nor this") &&
           KTAP_EQUAL(klog(CONSOLE_LEVEL, NULL, 7), 0);
}

static int nobody_role(int argc, char **argv)
{
    bool is_ok;

    (void)argc, (void)argv;
    syscall(__NR_setuid, 1234);
    is_ok =
        FAILS(klog(CLEAR, NULL, 0), EPERM) && FAILS(klog(READ_CLEAR, text, 99), EPERM) &&
        FAILS(klog(READ, text, 99), EPERM) && FAILS(klog(CONSOLE_LEVEL, NULL, 5), EPERM) &&
        KTAP_TRUE(klog(READ_ALL, text, 1000) >= 0) && KTAP_EQUAL(klog(SIZE, NULL, 0), RING_BYTES) &&
        KTAP_TRUE(open("/dev/kmsg", O_RDONLY) >= 0) && FAILS(open("/dev/kmsg", O_WRONLY), EACCES);
    return is_ok ? CHILD_IS_WELL : 1;
}

static bool users_only_read(void)
{
    return KTAP_ROLE_EXITS("nobody", CHILD_IS_WELL);
}

static const struct ktap_role roles[] = {{"nobody", nobody_role}};

static const struct ktap_test tests[] = {
    {"records of /dev/kmsg have Linux's format", records_have_the_format},
    {"the numbers of records go up by one", sequence_goes_up_by_one},
    {"a reader may go to the start, the end, and the last clear", seeking_works},
    {"what does not fit is refused", what_does_not_fit_is_refused},
    {"a reader waits for the next record", reader_waits},
    {"poll() waits for the next record", poll_waits},
    {"a reader that waits can be killed", waiting_reader_can_be_killed},
    {"what several writers say is heard whole and in order", writers_are_heard_in_order},
    {"syslog() reads the last messages that fit", all_is_read},
    {"syslog() reads new messages once, and in parts", new_ones_are_read_once},
    {"syslog() checks what it is told", actions_are_checked},
    {"a user may read what is there, and no more", users_only_read},
    {"a reader that is too slow is told", slow_reader_is_told},
};

int main(int argc, char **argv)
{
    if (argc > 1)
        return ktap_play_role(roles, KTAP_LEN(roles), argc, argv);
    return ktap_main(tests, KTAP_LEN(tests));
}
