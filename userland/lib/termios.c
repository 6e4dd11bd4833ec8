/* Terminals: ioctl() under its names of POSIX. */

#include <errno.h>
#include <stdarg.h>
#include <termios.h>
#include <unistd.h>

#include <sys/ioctl.h>
#include <sys/syscall.h>

int ioctl(int fd, unsigned long request, ...)
{
    va_list args;
    long arg;

    va_start(args, request);
    arg = va_arg(args, long);
    va_end(args);
    return (int)syscall(__NR_ioctl, fd, request, arg);
}

int tcgetattr(int fd, struct termios *settings)
{
    return ioctl(fd, TCGETS, settings);
}

int tcsetattr(int fd, int when, const struct termios *settings)
{
    if (when < TCSANOW || when > TCSAFLUSH) {
        errno = EINVAL;
        return -1;
    }
    return ioctl(fd, TCSETS + (unsigned long)when, settings);
}

int tcdrain(int fd)
{
    return ioctl(fd, TCSBRK, 1);
}

int tcflush(int fd, int which)
{
    return ioctl(fd, TCFLSH, which);
}

int tcflow(int fd, int action)
{
    return ioctl(fd, TCXONC, action);
}

int tcsendbreak(int fd, int duration)
{
    (void)duration; /* POSIX leaves open what it means */
    return ioctl(fd, TCSBRK, 0);
}

void cfmakeraw(struct termios *settings)
{
    settings->c_iflag &=
        ~(tcflag_t)(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
    settings->c_oflag &= ~(tcflag_t)OPOST;
    settings->c_lflag &= ~(tcflag_t)(ECHO | ECHONL | ICANON | ISIG | IEXTEN);
    settings->c_cflag = (settings->c_cflag & ~(tcflag_t)(CSIZE | PARENB)) | CS8;
    settings->c_cc[VMIN] = 1;
    settings->c_cc[VTIME] = 0;
}

/* What a request for a number says; -1. */
static pid_t ask(int fd, unsigned long request)
{
    int number;

    return ioctl(fd, request, &number) == 0 ? number : -1;
}

pid_t tcgetpgrp(int fd)
{
    return ask(fd, TIOCGPGRP);
}

int tcsetpgrp(int fd, pid_t group)
{
    return ioctl(fd, TIOCSPGRP, &group);
}

pid_t tcgetsid(int fd)
{
    return ask(fd, TIOCGSID);
}
