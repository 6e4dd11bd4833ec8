/* What the suites about sockets do (unix_sockets.h). */

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <sys/socket.h>

#include "ktap.h"
#include "unix_sockets.h"

int pair[2];
char buffer[BUFFER_BYTES];

socklen_t address_of(struct sockaddr_un *un, const char *path)
{
    memset(un, 0, sizeof(*un));
    un->sun_family = AF_UNIX;
    snprintf(un->sun_path, sizeof(un->sun_path), "%s", path);
    if (path[0] != '@')
        return (socklen_t)sizeof(*un);
    un->sun_path[0] = '\0';
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
}

int bind_to(int fd, const char *path)
{
    struct sockaddr_un un;
    socklen_t nr_bytes = address_of(&un, path);

    return bind(fd, &un, nr_bytes);
}

int connect_to(int fd, const char *path)
{
    struct sockaddr_un un;
    socklen_t nr_bytes = address_of(&un, path);

    return connect(fd, &un, nr_bytes);
}

ssize_t send_to(int fd, const char *path, const char *text)
{
    struct sockaddr_un un;
    socklen_t nr_bytes = address_of(&un, path);

    return sendto(fd, text, strlen(text), 0, &un, nr_bytes);
}

int listener_at(const char *path, int type, int backlog)
{
    int fd = socket(AF_UNIX, type, 0);

    if (bind_to(fd, path) == 0 && listen(fd, backlog) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

bool make_pair(int type)
{
    return KTAP_EQUAL(socketpair(AF_UNIX, type, 0, pair), 0);
}

bool close_pair(void)
{
    return KTAP_EQUAL(close(pair[0]), 0) && KTAP_EQUAL(close(pair[1]), 0);
}

int option_of(int fd, int option)
{
    int value = -1;
    socklen_t nr_bytes = sizeof(value);

    return getsockopt(fd, SOL_SOCKET, option, &value, &nr_bytes) == 0 && nr_bytes == 4 ? value
                                                                                       : -errno;
}

int events_of(int fd)
{
    struct pollfd polled = {.fd = fd, .events = POLLIN | POLLOUT | POLLRDHUP};

    return poll(&polled, 1, 0) < 0 ? -1 : polled.revents;
}

ssize_t send_fds(int to, const int *fds, size_t nr, const char *text)
{
    union control control;
    struct iovec piece = {(void *)text, strlen(text)};
    struct msghdr message = {.msg_iov = &piece,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = CMSG_LEN(nr * sizeof(int))};

    control.header = (struct cmsghdr){CMSG_LEN(nr * sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
    memcpy(CMSG_DATA(&control), fds, nr * sizeof(int));
    return sendmsg(to, &message, 0);
}
