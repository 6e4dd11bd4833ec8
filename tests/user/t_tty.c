/*
 * Terminals as programs see them, over pseudo-terminals with both ends in this program: the line
 * discipline, termios, ioctl(), poll(), and hostile input. What the line discipline does byte by
 * byte is tested on the host (tests/host/test_tty.c).
 */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "common.h"
#include "pty.h"

static struct pty pty;

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Each test has a pseudo-terminal of its own. */
static bool with_pty(bool (*test)(void))
{
    bool is_ok = pty_open(&pty);

    if (!is_ok)
        return false;
    is_ok = test();
    pty_close(&pty);
    return is_ok;
}

#define TEST(name)                                                                                 \
    static bool name##_test(void);                                                                 \
    static bool name(void)                                                                         \
    {                                                                                              \
        return with_pty(name##_test);                                                              \
    }                                                                                              \
    static bool name##_test(void)

TEST(a_line_is_edited_echoed_and_read)
{
    return pty_type(&pty, "lx\x7fs -") && pty_polls(pty.slave, POLLOUT) && pty_type(&pty, "a\r") &&
           pty_shows(&pty, "lx\b \bs -a\r\n") && pty_reads(&pty, "ls -a\n") &&
           KTAP_TRUE(pty_is_silent(pty.slave));
}

TEST(a_read_ends_with_the_line)
{
    char text[32];

    return pty_type(&pty, "one\ntwo\n") && KTAP_EQUAL(read(pty.slave, text, sizeof(text)), 4) &&
           KTAP_EQUAL(read(pty.slave, text, 2), 2) &&
           KTAP_EQUAL(read(pty.slave, text, sizeof(text)), 2);
}

TEST(ctrl_d_is_the_end_of_the_file_once)
{
    char text[8];

    return pty_type(&pty, "\x04") && KTAP_EQUAL(read(pty.slave, text, sizeof(text)), 0) &&
           pty_type(&pty, "ab\x04") && pty_reads(&pty, "ab") && KTAP_TRUE(pty_is_silent(pty.slave));
}

TEST(output_gets_carriage_returns_unless_raw)
{
    return KTAP_EQUAL(write(pty.slave, "a\nb\n", 4), 4) && pty_shows(&pty, "a\r\nb\r\n") &&
           pty_output_flags(&pty, OPOST, 0) && KTAP_EQUAL(write(pty.slave, "a\nb\n", 4), 4) &&
           pty_shows(&pty, "a\nb\n");
}

TEST(vmin_says_how_many_bytes_a_read_waits_for)
{
    char text[8];

    return pty_raw(&pty, 3, 0) && pty_type(&pty, "ab") && KTAP_TRUE(pty_is_silent(pty.slave)) &&
           pty_type(&pty, "c") && KTAP_EQUAL(read(pty.slave, text, sizeof(text)), 3) &&
           pty_type(&pty, "de") && KTAP_EQUAL(read(pty.slave, text, 2), 2);
}

TEST(without_vmin_and_vtime_a_read_never_waits)
{
    char text[8];

    return pty_raw(&pty, 0, 0) && KTAP_EQUAL(read(pty.slave, text, sizeof(text)), 0) &&
           pty_type(&pty, "x") && KTAP_EQUAL(read(pty.slave, text, sizeof(text)), 1);
}

TEST(vtime_alone_is_the_time_of_the_whole_read)
{
    uint64_t start = now_ns(), length;
    char text[8];

    if (!pty_raw(&pty, 0, 2) || !KTAP_EQUAL(read(pty.slave, text, sizeof(text)), 0))
        return false;
    length = now_ns() - start;
    return KTAP_TRUE(length >= 200000000) && pty_type(&pty, "x") &&
           KTAP_EQUAL(read(pty.slave, text, sizeof(text)), 1);
}

TEST(vtime_with_vmin_is_the_time_between_bytes)
{
    char text[8];

    return pty_raw(&pty, 5, 1) && pty_type(&pty, "ab") &&
           KTAP_EQUAL(read(pty.slave, text, sizeof(text)), 2);
}

TEST(a_read_that_may_not_wait_says_eagain)
{
    char text[8];
    int flags = fcntl(pty.slave, F_GETFL);

    return KTAP_EQUAL(fcntl(pty.slave, F_SETFL, flags | O_NONBLOCK), 0) &&
           FAILS(read(pty.slave, text, sizeof(text)), EAGAIN) && pty_type(&pty, "x") &&
           FAILS(read(pty.slave, text, sizeof(text)), EAGAIN) && pty_type(&pty, "\n") &&
           KTAP_EQUAL(read(pty.slave, text, sizeof(text)), 2) && pty_raw(&pty, 1, 0) &&
           FAILS(read(pty.slave, text, sizeof(text)), EAGAIN) &&
           KTAP_EQUAL(read(pty.slave, text, 0), 0);
}

TEST(all_kinds_of_termios_say_the_same)
{
    struct termios settings;
    struct termios2 settings2;
    struct termio old;

    if (!KTAP_EQUAL(ioctl(pty.slave, TCGETS, &settings), 0) ||
        !KTAP_EQUAL(ioctl(pty.slave, TCGETS2, &settings2), 0) ||
        !KTAP_EQUAL(ioctl(pty.slave, TCGETA, &old), 0))
        return false;
    return KTAP_TRUE(memcmp(&settings, &settings2, sizeof(settings)) == 0) &&
           KTAP_EQUAL(old.c_lflag, settings.c_lflag & 0xffff) &&
           KTAP_EQUAL(old.c_cc[VINTR], settings.c_cc[VINTR]) &&
           KTAP_EQUAL(settings2.c_ospeed, 38400) && KTAP_TRUE(settings.c_lflag & ICANON);
}

TEST(settings_are_read_back_as_they_were_set)
{
    struct termios settings, read_back;
    struct termios2 settings2;
    struct termio old;

    tcgetattr(pty.slave, &settings);
    settings.c_iflag ^= IXANY;
    settings.c_lflag ^= ECHO;
    settings.c_cc[VEOL2] = '!';
    settings.c_cflag = (settings.c_cflag & ~(tcflag_t)CBAUD) | B9600;
    if (!KTAP_EQUAL(tcsetattr(pty.slave, TCSADRAIN, &settings), 0) ||
        !KTAP_EQUAL(tcgetattr(pty.master, &read_back), 0) || /* the master shows the slave's */
        !KTAP_TRUE(memcmp(&settings, &read_back, sizeof(settings)) == 0) ||
        !KTAP_EQUAL(ioctl(pty.slave, TCGETS2, &settings2), 0) ||
        !KTAP_EQUAL(settings2.c_ospeed, 9600))
        return false;
    settings2.c_cflag = (settings2.c_cflag & ~(tcflag_t)CBAUD) | BOTHER;
    settings2.c_ospeed = 12345;
    if (!KTAP_EQUAL(ioctl(pty.slave, TCSETS2, &settings2), 0) ||
        !KTAP_EQUAL(ioctl(pty.slave, TCGETS2, &settings2), 0) ||
        !KTAP_EQUAL(settings2.c_ospeed, 12345))
        return false;
    ioctl(pty.slave, TCGETA, &old);
    old.c_cc[VEOF] = 'q';
    return KTAP_EQUAL(ioctl(pty.slave, TCSETA, &old), 0) &&
           KTAP_EQUAL(tcgetattr(pty.slave, &read_back), 0) &&
           KTAP_EQUAL(read_back.c_cc[VEOF], 'q') && KTAP_EQUAL(read_back.c_cc[VEOL2], '!');
}

TEST(tcsetattr_can_throw_away_what_was_typed)
{
    struct termios settings;

    tcgetattr(pty.slave, &settings);
    return pty_type(&pty, "abc\n") && KTAP_EQUAL(tcsetattr(pty.slave, TCSANOW, &settings), 0) &&
           KTAP_TRUE(!pty_is_silent(pty.slave)) &&
           KTAP_EQUAL(tcsetattr(pty.slave, TCSAFLUSH, &settings), 0) &&
           KTAP_TRUE(pty_is_silent(pty.slave));
}

TEST(queues_are_flushed_one_by_one)
{
    if (!pty_type(&pty, "abc\n") || !pty_shows(&pty, "abc\r\n") ||
        !KTAP_EQUAL(write(pty.slave, "xyz", 3), 3))
        return false;
    return KTAP_EQUAL(tcflush(pty.slave, TCIFLUSH), 0) && KTAP_TRUE(pty_is_silent(pty.slave)) &&
           KTAP_TRUE(!pty_is_silent(pty.master)) && KTAP_EQUAL(tcflush(pty.slave, TCOFLUSH), 0) &&
           KTAP_TRUE(pty_is_silent(pty.master)) && FAILS(tcflush(pty.slave, 3), EINVAL);
}

TEST(the_numbers_of_waiting_bytes)
{
    int nr = -1;

    return pty_local_flags(&pty, ECHO, 0) && pty_type(&pty, "abc") &&
           KTAP_EQUAL(ioctl(pty.slave, FIONREAD, &nr), 0) && KTAP_EQUAL(nr, 0) &&
           pty_type(&pty, "\n") && KTAP_EQUAL(ioctl(pty.slave, FIONREAD, &nr), 0) &&
           KTAP_EQUAL(nr, 4) && KTAP_EQUAL(write(pty.slave, "12", 2), 2) &&
           KTAP_EQUAL(ioctl(pty.slave, TIOCOUTQ, &nr), 0) && KTAP_EQUAL(nr, 2) &&
           KTAP_EQUAL(ioctl(pty.master, FIONREAD, &nr), 0) && KTAP_EQUAL(nr, 2);
}

TEST(ctrl_s_holds_output_and_ctrl_q_lets_it_go)
{
    return pty_type(&pty, "\x13") && KTAP_EQUAL(write(pty.slave, "held", 4), 4) &&
           KTAP_TRUE(pty_is_silent(pty.master)) && pty_type(&pty, "\x11") &&
           pty_shows(&pty, "held") && KTAP_EQUAL(tcflow(pty.slave, TCOOFF), 0) &&
           KTAP_EQUAL(write(pty.slave, "x", 1), 1) && KTAP_TRUE(pty_is_silent(pty.master)) &&
           KTAP_EQUAL(tcflow(pty.slave, TCOON), 0) && pty_shows(&pty, "x") &&
           KTAP_EQUAL(tcflow(pty.slave, TCIOFF), 0) && pty_shows(&pty, "\x13") &&
           FAILS(tcflow(pty.slave, 4), EINVAL);
}

TEST(the_window_size_is_what_either_side_says)
{
    struct winsize size = {1, 2, 3, 4};

    if (!KTAP_EQUAL(ioctl(pty.slave, TIOCGWINSZ, &size), 0) || !KTAP_EQUAL(size.ws_row, 0))
        return false;
    size = (struct winsize){24, 80, 0, 0};
    if (!KTAP_EQUAL(ioctl(pty.master, TIOCSWINSZ, &size), 0))
        return false;
    memset(&size, 0, sizeof(size));
    return KTAP_EQUAL(ioctl(pty.slave, TIOCGWINSZ, &size), 0) && KTAP_EQUAL(size.ws_row, 24) &&
           KTAP_EQUAL(size.ws_col, 80);
}

TEST(poll_says_what_can_be_done)
{
    return pty_polls(pty.slave, POLLOUT) && pty_polls(pty.master, POLLOUT) &&
           pty_type(&pty, "a\n") && pty_polls(pty.slave, POLLIN | POLLOUT) &&
           pty_polls(pty.master, POLLIN | POLLOUT);
}

static void type_when_the_parent_waits(void *unused)
{
    (void)unused;
    _exit(comes_to_wait(getppid()) && write(pty.master, "x\n", 2) == 2 ? 0 : 1);
}

TEST(poll_and_read_wait_for_a_line)
{
    struct pollfd polled = {.fd = pty.slave, .events = POLLIN};
    pid_t child = start_child(type_when_the_parent_waits, NULL);
    char text[8];

    if (!KTAP_TRUE(child > 0) || !KTAP_EQUAL(poll(&polled, 1, -1), 1) || !pty_reads(&pty, "x\n") ||
        !exits(child, 0))
        return false;
    child = start_child(type_when_the_parent_waits, NULL);
    return KTAP_TRUE(child > 0) && KTAP_EQUAL(read(pty.slave, text, sizeof(text)), 2) &&
           exits(child, 0);
}

TEST(a_line_too_long_is_cut_at_4095_bytes)
{
    static char line[5000];
    ssize_t nr;

    if (!pty_local_flags(&pty, ECHO, 0))
        return false;
    memset(line, 'x', sizeof(line));
    return KTAP_EQUAL(write(pty.master, line, sizeof(line)), sizeof(line)) &&
           pty_shows(&pty, "\a\a\a") && pty_type(&pty, "\n") &&
           KTAP_EQUAL(nr = read(pty.slave, line, sizeof(line)), 4096) &&
           KTAP_EQUAL(line[nr - 1], '\n');
}

TEST(nothing_is_lost_while_nobody_reads)
{
    static char out[1000], in[1000];
    size_t written = 0, got = 0;
    ssize_t nr;

    if (!pty_raw(&pty, 1, 0) || fcntl(pty.master, F_SETFL, O_RDWR | O_NONBLOCK) != 0)
        return false;
    for (size_t i = 0; i < sizeof(out); i++)
        out[i] = (char)i;
    while ((nr = write(pty.master, out + written % sizeof(out),
                       sizeof(out) - written % sizeof(out))) > 0)
        written += (size_t)nr;
    if (!FAILS(write(pty.master, out, 1), EAGAIN) || !KTAP_TRUE(written >= 4000) ||
        !pty_polls(pty.master, 0))
        return false;
    while (got < written && (nr = read(pty.slave, in, sizeof(in))) > 0) {
        for (ssize_t i = 0; i < nr; i++, got++) {
            if ((unsigned char)in[i] != (unsigned char)out[got % sizeof(out)])
                return KTAP_EQUAL(got, written);
        }
    }
    return KTAP_EQUAL(got, written) && pty_polls(pty.master, POLLOUT);
}

/* Writes until the far end has it all. */
static void write_much(void *unused)
{
    static char text[30000];

    (void)unused;
    memset(text, 'w', sizeof(text));
    _exit(write(pty.slave, text, sizeof(text)) == sizeof(text) ? 0 : 1);
}

TEST(a_writer_waits_for_the_master_to_read)
{
    static char text[1000];
    size_t got = 0;

    if (!pty_raw(&pty, 1, 0) || !KTAP_TRUE(start_child(write_much, NULL) > 0))
        return false;
    while (got < 30000) {
        struct pollfd polled = {.fd = pty.master, .events = POLLIN};
        ssize_t nr;

        if (poll(&polled, 1, (int)(KTAP_PATIENCE_NS / 1000000)) != 1)
            break;
        nr = read(pty.master, text, sizeof(text));
        if (nr <= 0)
            break;
        got += (size_t)nr;
    }
    return KTAP_EQUAL(got, 30000);
}

TEST(writes_of_several_do_not_mix)
{
    static char text[20000];
    size_t got = 0, nr_changes = 0;

    pty_raw(&pty, 1, 0);
    for (int i = 0; i < 4; i++) {
        if (fork() == 0) {
            memset(text, 'a' + i, 5000);
            _exit(write(pty.slave, text, 5000) == 5000 ? 0 : 1);
        }
    }
    while (got < sizeof(text)) {
        ssize_t nr = read(pty.master, text + got, sizeof(text) - got);

        if (nr <= 0)
            break;
        got += (size_t)nr;
    }
    for (size_t i = 1; i < got; i++)
        nr_changes += text[i] != text[i - 1];
    return KTAP_EQUAL(got, sizeof(text)) && KTAP_EQUAL(nr_changes, 3);
}

TEST(an_ioctl_that_it_has_not_is_enotty)
{
    int fds[2], number = 0;
    bool is_ok = FAILS(ioctl(pty.slave, 0x12345678), ENOTTY) &&
                 FAILS(ioctl(pty.slave, TIOCGPTN, &number), ENOTTY) &&
                 FAILS(ioctl(pty.slave, TCGETS, 8), EFAULT) &&
                 FAILS(ioctl(pty.slave, TCSETS, 8), EFAULT) &&
                 FAILS(ioctl(pty.slave, TIOCSWINSZ, 8), EFAULT) &&
                 FAILS(ioctl(pty.slave, TIOCSETD, 8), EFAULT);

    number = 5;
    is_ok = is_ok && FAILS(ioctl(pty.slave, TIOCSETD, &number), EINVAL);
    if (!is_ok || pipe(fds) != 0)
        return false;
    is_ok = FAILS(ioctl(fds[0], TCGETS, &number), ENOTTY);
    close(fds[0]);
    close(fds[1]);
    return is_ok;
}

TEST(what_every_file_has)
{
    int is_on = 1;
    char text[1];

    return KTAP_EQUAL(ioctl(pty.slave, FIONBIO, &is_on), 0) &&
           FAILS(read(pty.slave, text, 1), EAGAIN) && KTAP_EQUAL(ioctl(pty.slave, FIOCLEX, 0), 0) &&
           KTAP_EQUAL(fcntl(pty.slave, F_GETFD), FD_CLOEXEC) &&
           KTAP_EQUAL(ioctl(pty.slave, FIONCLEX, 0), 0) &&
           KTAP_EQUAL(fcntl(pty.slave, F_GETFD), 0) && FAILS(ioctl(-1, FIOCLEX, 0), EBADF);
}

TEST(a_program_can_type)
{
    return pty_local_flags(&pty, ECHO, 0) && KTAP_EQUAL(ioctl(pty.slave, TIOCSTI, "k"), 0) &&
           KTAP_EQUAL(ioctl(pty.slave, TIOCSTI, "\n"), 0) && pty_reads(&pty, "k\n");
}

/* A multiplicative generator: the same bytes in each run. */
static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525 + 1013904223;
    return *state >> 8;
}

TEST(any_bytes_in_any_mode_do_no_harm)
{
    uint32_t state = 1;
    struct termios settings;
    char bytes[200];
    size_t nr_rounds = ktap_times(3000);

    fcntl(pty.master, F_SETFL, O_RDWR | O_NONBLOCK);
    fcntl(pty.slave, F_SETFL, O_RDWR | O_NONBLOCK);
    for (size_t round = 0; round < nr_rounds; round++) {
        size_t nr = 1 + next_random(&state) % sizeof(bytes);

        for (size_t i = 0; i < nr; i++)
            bytes[i] = (char)(next_random(&state) % (next_random(&state) % 2 ? 32 : 256));
        switch (next_random(&state) % 6) {
        case 0:
            settings.c_iflag = next_random(&state);
            settings.c_oflag = next_random(&state);
            settings.c_cflag = next_random(&state);
            settings.c_lflag = next_random(&state) & ~(tcflag_t)TOSTOP;
            for (size_t i = 0; i < NCCS; i++)
                settings.c_cc[i] = (cc_t)next_random(&state);
            tcsetattr(pty.slave, (int)(next_random(&state) % 3), &settings);
            break;
        case 1:
            read(pty.slave, bytes, nr);
            break;
        case 2:
            read(pty.master, bytes, nr);
            break;
        case 3:
            write(pty.slave, bytes, nr);
            break;
        default:
            write(pty.master, bytes, nr);
            break;
        }
    }
    tcflow(pty.slave, TCOON);
    tcflush(pty.slave, TCIOFLUSH);
    return pty_raw(&pty, 1, 0) && KTAP_EQUAL(write(pty.slave, "still here", 10), 10) &&
           pty_shows(&pty, "still here");
}

static bool the_console_is_a_terminal(void)
{
    struct termios settings = {0}, changed;
    int console = open("/dev/console", O_RDWR | O_NOCTTY);
    bool is_ok = KTAP_TRUE(console >= 0) && KTAP_EQUAL(tcgetattr(console, &settings), 0) &&
                 KTAP_EQUAL(tcdrain(console), 0);

    /* Its line is the kernel's log's, too. */
    changed = settings;
    changed.c_cflag = (changed.c_cflag & ~(tcflag_t)(CBAUD | CSIZE)) | B300 | CS5;
    is_ok = is_ok && KTAP_EQUAL(tcsetattr(console, TCSADRAIN, &changed), 0) &&
            KTAP_EQUAL(tcgetattr(console, &changed), 0) &&
            KTAP_EQUAL(changed.c_cflag, settings.c_cflag);
    close(console);
    return is_ok;
}

/* ---- Typed by the test of the shell ---------------------------------------------------------- */

#define INPUT_BYTES_MAX 4095 /* that nobody has read */

/* Whether the terminal is full. */
static bool is_full(void *unused)
{
    int nr = 0;

    (void)unused;
    return ioctl(0, FIONREAD, &nr) == 0 && nr == INPUT_BYTES_MAX;
}

/*
 * More is typed than the terminal takes, so that some is left in the port; then all is thrown away.
 * Prints the line that comes next.
 */
static int flush(int argc, char **argv)
{
    struct termios old, raw;
    struct timespec moment = {1, 0};
    char line[100];
    size_t nr = 0;

    (void)argc, (void)argv;
    tcgetattr(0, &old);
    raw = old;
    cfmakeraw(&raw);
    tcsetattr(0, TCSANOW, &raw);
    printf("type\r\n");
    fflush(stdout);
    bool is_flushed =
        ktap_wait_for(is_full, NULL) && nanosleep(&moment, NULL) == 0 && tcflush(0, TCIFLUSH) == 0;
    printf("%s\r\n", is_flushed ? "flushed" : "not full");
    fflush(stdout);
    while (nr < sizeof(line) - 1 && read(0, line + nr, 1) == 1 && line[nr] != '.')
        nr++;
    line[nr] = '\0';
    tcsetattr(0, TCSANOW, &old);
    printf("got %s\n", line);
    return 0;
}

static const struct ktap_role roles[] = {{"flush", flush}};

int main(int argc, char **argv)
{
    static const struct ktap_test tests[] = {
        {"a line is edited, echoed and read", a_line_is_edited_echoed_and_read},
        {"a read ends with the line", a_read_ends_with_the_line},
        {"Ctrl-D is the end of the file, once", ctrl_d_is_the_end_of_the_file_once},
        {"output gets carriage returns unless raw", output_gets_carriage_returns_unless_raw},
        {"VMIN says how many bytes a read waits for", vmin_says_how_many_bytes_a_read_waits_for},
        {"without VMIN and VTIME a read never waits", without_vmin_and_vtime_a_read_never_waits},
        {"VTIME alone is the time of the whole read", vtime_alone_is_the_time_of_the_whole_read},
        {"VTIME with VMIN is the time between bytes", vtime_with_vmin_is_the_time_between_bytes},
        {"a read that may not wait says EAGAIN", a_read_that_may_not_wait_says_eagain},
        {"all kinds of termios say the same", all_kinds_of_termios_say_the_same},
        {"settings are read back as they were set", settings_are_read_back_as_they_were_set},
        {"tcsetattr can throw away what was typed", tcsetattr_can_throw_away_what_was_typed},
        {"queues are flushed one by one", queues_are_flushed_one_by_one},
        {"the numbers of waiting bytes are told", the_numbers_of_waiting_bytes},
        {"Ctrl-S holds output and Ctrl-Q lets it go", ctrl_s_holds_output_and_ctrl_q_lets_it_go},
        {"the window size is what either side says", the_window_size_is_what_either_side_says},
        {"poll says what can be done", poll_says_what_can_be_done},
        {"poll and read wait for a line", poll_and_read_wait_for_a_line},
        {"a line too long is cut at 4095 bytes", a_line_too_long_is_cut_at_4095_bytes},
        {"nothing is lost while nobody reads", nothing_is_lost_while_nobody_reads},
        {"a writer waits for the master to read", a_writer_waits_for_the_master_to_read},
        {"writes of several do not mix", writes_of_several_do_not_mix},
        {"an ioctl that it has not is ENOTTY", an_ioctl_that_it_has_not_is_enotty},
        {"FIONBIO, FIOCLEX and FIONCLEX are for every file", what_every_file_has},
        {"a program can type", a_program_can_type},
        {"any bytes in any mode do no harm", any_bytes_in_any_mode_do_no_harm},
        {"the console is a terminal", the_console_is_a_terminal},
    };

    if (argc > 1)
        return ktap_play_role(roles, KTAP_LEN(roles), argc, argv);
    return ktap_main(tests, KTAP_LEN(tests));
}
