#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <sys/ioctl.h>

#include "ktap.h"
#include "pty.h"

#define PATIENCE_MS ((int)(KTAP_PATIENCE_NS / 1000000))

const char *pty_path(int number)
{
    static char path[32];

    snprintf(path, sizeof(path), "/dev/pts/%d", number);
    return path;
}

bool pty_open(struct pty *pty)
{
    int unlocked = 0;

    pty->slave = -1;
    pty->master = open("/dev/ptmx", O_RDWR | O_NOCTTY);
    if (!KTAP_TRUE(pty->master >= 0))
        return false;
    if (KTAP_EQUAL(ioctl(pty->master, TIOCGPTN, &pty->number), 0) &&
        KTAP_EQUAL(ioctl(pty->master, TIOCSPTLCK, &unlocked), 0))
        pty->slave = open(pty_path(pty->number), O_RDWR | O_NOCTTY);
    if (KTAP_TRUE(pty->slave >= 0))
        return true;
    close(pty->master);
    return false;
}

void pty_close(struct pty *pty)
{
    close(pty->master);
    close(pty->slave);
}

bool pty_input_flags(struct pty *pty, tcflag_t off, tcflag_t on)
{
    struct termios settings;

    if (tcgetattr(pty->slave, &settings) != 0)
        return false;
    settings.c_iflag = (settings.c_iflag & ~off) | on;
    return KTAP_EQUAL(tcsetattr(pty->slave, TCSANOW, &settings), 0);
}

bool pty_output_flags(struct pty *pty, tcflag_t off, tcflag_t on)
{
    struct termios settings;

    if (tcgetattr(pty->slave, &settings) != 0)
        return false;
    settings.c_oflag = (settings.c_oflag & ~off) | on;
    return KTAP_EQUAL(tcsetattr(pty->slave, TCSANOW, &settings), 0);
}

bool pty_local_flags(struct pty *pty, tcflag_t off, tcflag_t on)
{
    struct termios settings;

    if (tcgetattr(pty->slave, &settings) != 0)
        return false;
    settings.c_lflag = (settings.c_lflag & ~off) | on;
    return KTAP_EQUAL(tcsetattr(pty->slave, TCSANOW, &settings), 0);
}

bool pty_raw(struct pty *pty, unsigned char least, unsigned char tenths)
{
    struct termios settings;

    if (tcgetattr(pty->slave, &settings) != 0)
        return false;
    cfmakeraw(&settings);
    settings.c_cc[VMIN] = least;
    settings.c_cc[VTIME] = tenths;
    return KTAP_EQUAL(tcsetattr(pty->slave, TCSANOW, &settings), 0);
}

bool pty_type(struct pty *pty, const char *text)
{
    return KTAP_EQUAL(write(pty->master, text, strlen(text)), (long)strlen(text));
}

bool pty_polls(int fd, short events)
{
    struct pollfd polled = {.fd = fd, .events = POLLIN | POLLOUT | POLLPRI};

    poll(&polled, 1, 0);
    return ktap_check_equal(polled.revents, events, "what poll() says", __FILE__, __LINE__);
}

bool pty_is_silent(int fd)
{
    struct pollfd polled = {.fd = fd, .events = POLLIN};

    return poll(&polled, 1, 0) == 0;
}

bool pty_gives(int fd, const char *text)
{
    size_t nr_bytes = strlen(text), done = 0;
    char got[512];

    while (done < nr_bytes) {
        struct pollfd polled = {.fd = fd, .events = POLLIN};
        ssize_t nr;

        if (poll(&polled, 1, PATIENCE_MS) != 1)
            break;
        nr = read(fd, got + done, nr_bytes - done);
        if (nr <= 0)
            break;
        done += (size_t)nr;
    }
    got[done] = '\0';
    if (done == nr_bytes && memcmp(got, text, nr_bytes) == 0)
        return true;
    ktap_diag("got %zu bytes: \"%s\"", done, got);
    return false;
}

void pty_skip_output(struct pty *pty)
{
    char text[512];

    while (!pty_is_silent(pty->master) && read(pty->master, text, sizeof(text)) > 0)
        continue;
}
