/* Sockets within the machine: connecting, sending, what closing does, and many at once. */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <thread.h>
#include <thrum.h>
#include <time.h>
#include <unistd.h>

#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "common.h"
#include "ktap.h"

#define BAD_POINTER ((void *)0xffffffff80000000ul)
#define PATH        "/t_unix.socket"
#define MSEC        1000000l

static int pair[2];
static char buffer[300000];

/* An address; a path that begins with '@' is an abstract name. */
static socklen_t address_of(struct sockaddr_un *un, const char *path)
{
    memset(un, 0, sizeof(*un));
    un->sun_family = AF_UNIX;
    snprintf(un->sun_path, sizeof(un->sun_path), "%s", path);
    if (path[0] != '@')
        return (socklen_t)sizeof(*un);
    un->sun_path[0] = '\0';
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
}

static int bind_to(int fd, const char *path)
{
    struct sockaddr_un un;
    socklen_t nr_bytes = address_of(&un, path);

    return bind(fd, &un, nr_bytes);
}

static int connect_to(int fd, const char *path)
{
    struct sockaddr_un un;
    socklen_t nr_bytes = address_of(&un, path);

    return connect(fd, &un, nr_bytes);
}

static ssize_t send_to(int fd, const char *path, const char *text)
{
    struct sockaddr_un un;
    socklen_t nr_bytes = address_of(&un, path);

    return sendto(fd, text, strlen(text), 0, &un, nr_bytes);
}

static int listener_at(const char *path, int type, int backlog)
{
    int fd = socket(AF_UNIX, type, 0);

    if (bind_to(fd, path) == 0 && listen(fd, backlog) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

static bool make_pair(int type)
{
    return KTAP_EQUAL(socketpair(AF_UNIX, type, 0, pair), 0);
}

static bool close_pair(void)
{
    return KTAP_EQUAL(close(pair[0]), 0) && KTAP_EQUAL(close(pair[1]), 0);
}

static int option_of(int fd, int option)
{
    int value = -1;
    socklen_t nr_bytes = sizeof(value);

    return getsockopt(fd, SOL_SOCKET, option, &value, &nr_bytes) == 0 && nr_bytes == 4 ? value
                                                                                       : -errno;
}

static int events_of(int fd)
{
    struct pollfd polled = {.fd = fd, .events = POLLIN | POLLOUT | POLLRDHUP};

    return poll(&polled, 1, 0) < 0 ? -1 : polled.revents;
}

static bool streams_carry_bytes(void)
{
    return make_pair(SOCK_STREAM) && KTAP_EQUAL(write(pair[0], "hello", 5), 5) &&
           KTAP_EQUAL(write(pair[0], "world", 5), 5) && KTAP_EQUAL(read(pair[1], buffer, 7), 7) &&
           KTAP_TRUE(memcmp(buffer, "hellowo", 7) == 0) &&
           KTAP_EQUAL(recv(pair[1], buffer, 99, MSG_PEEK), 3) &&
           KTAP_EQUAL(read(pair[1], buffer, 99), 3) && KTAP_TRUE(memcmp(buffer, "rld", 3) == 0) &&
           FAILS((int)recv(pair[1], buffer, 1, MSG_DONTWAIT), EAGAIN) &&
           KTAP_EQUAL(send(pair[1], "x", 1, 0), 1) && KTAP_EQUAL(read(pair[0], buffer, 9), 1) &&
           KTAP_EQUAL(read(pair[0], buffer, 0), 0) && close_pair();
}

/* FIONREAD */
static int bytes_to_read(int fd)
{
    int nr_bytes = -1;

    return ioctl(fd, FIONREAD, &nr_bytes) == 0 ? nr_bytes : -errno;
}

static bool what_there_is_is_told(void)
{
    bool is_right = make_pair(SOCK_STREAM) && KTAP_EQUAL(bytes_to_read(pair[1]), 0) &&
                    KTAP_EQUAL(write(pair[0], "abc", 3), 3) &&
                    KTAP_EQUAL(write(pair[0], "de", 2), 2) &&
                    KTAP_EQUAL(read(pair[1], buffer, 1), 1) &&
                    KTAP_EQUAL(bytes_to_read(pair[1]), 4) && close_pair();

    return is_right && make_pair(SOCK_DGRAM) && KTAP_EQUAL(write(pair[0], "abc", 3), 3) &&
           KTAP_EQUAL(write(pair[0], "de", 2), 2) && KTAP_EQUAL(bytes_to_read(pair[1]), 3) &&
           close_pair() && KTAP_EQUAL(pipe(pair), 0) && KTAP_EQUAL(write(pair[1], "abc", 3), 3) &&
           KTAP_EQUAL(bytes_to_read(pair[0]), 3) && KTAP_EQUAL(bytes_to_read(pair[1]), 3) &&
           close_pair();
}

static bool datagrams_stay_whole(void)
{
    for (int i = 0; i < 2; i++) {
        if (!make_pair(i == 0 ? SOCK_DGRAM : SOCK_SEQPACKET) ||
            !KTAP_EQUAL(write(pair[0], "hello", 5), 5) || !KTAP_EQUAL(write(pair[0], "", 0), 0) ||
            !KTAP_EQUAL(write(pair[0], "world", 5), 5) ||
            !KTAP_EQUAL(recv(pair[1], buffer, 2, MSG_PEEK | MSG_TRUNC), 5) ||
            !KTAP_EQUAL(recv(pair[1], buffer, 99, 0), 5) ||
            !KTAP_EQUAL(recv(pair[1], buffer, 99, 0), 0) ||
            !KTAP_EQUAL(recv(pair[1], buffer, 2, 0), 2) ||
            !FAILS((int)recv(pair[1], buffer, 1, MSG_DONTWAIT), EAGAIN) ||
            !FAILS((int)send(pair[0], buffer, 299999, 0), EMSGSIZE) || !close_pair())
            return false;
    }
    return true;
}

static bool several_buffers_are_one_message(void)
{
    struct iovec pieces[3] = {{"ab", 2}, {NULL, 0}, {"cde", 3}},
                 into[2] = {{buffer, 1}, {buffer + 10, 9}};
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = 3};
    struct msghdr got = {.msg_iov = into, .msg_iovlen = 2};

    return make_pair(SOCK_DGRAM) && KTAP_EQUAL(sendmsg(pair[0], &message, 0), 5) &&
           KTAP_EQUAL(writev(pair[0], pieces, 3), 5) && KTAP_EQUAL(recvmsg(pair[1], &got, 0), 5) &&
           KTAP_TRUE(buffer[0] == 'a' && memcmp(buffer + 10, "bcde", 4) == 0) &&
           KTAP_EQUAL(got.msg_flags, 0) && KTAP_EQUAL(got.msg_namelen, 0) &&
           KTAP_EQUAL(readv(pair[1], into, 2), 5) && close_pair();
}

static bool several_messages_go_at_once(void)
{
    struct iovec pieces[2] = {{"ab", 2}, {"cde", 3}}, into[2] = {{buffer, 10}, {buffer + 10, 2}};
    struct mmsghdr out[2] = {{.msg_hdr = {.msg_iov = &pieces[0], .msg_iovlen = 1}},
                             {.msg_hdr = {.msg_iov = &pieces[1], .msg_iovlen = 1}}};
    struct mmsghdr in[3] = {{.msg_hdr = {.msg_iov = &into[0], .msg_iovlen = 1}},
                            {.msg_hdr = {.msg_iov = &into[1], .msg_iovlen = 1}},
                            {.msg_hdr = {.msg_iov = &into[1], .msg_iovlen = 1}}};

    return make_pair(SOCK_DGRAM) && KTAP_EQUAL(sendmmsg(pair[0], out, 2, 0), 2) &&
           KTAP_EQUAL(out[1].msg_len, 3) &&
           KTAP_EQUAL(recvmmsg(pair[1], in, 3, MSG_WAITFORONE, NULL), 2) &&
           KTAP_EQUAL(in[0].msg_len, 2) && KTAP_EQUAL(in[1].msg_len, 2) &&
           KTAP_EQUAL(in[1].msg_hdr.msg_flags, MSG_TRUNC) && close_pair();
}

static bool calls_say_why(void)
{
    struct sockaddr_un un;
    socklen_t nr_bytes = address_of(&un, PATH);
    int stream = socket(AF_UNIX, SOCK_STREAM, 0), datagram = socket(AF_UNIX, SOCK_DGRAM, 0);

    bool is_right =
        FAILS(socket(AF_INET, SOCK_STREAM, 0), EAFNOSUPPORT) &&
        FAILS(socket(-1, SOCK_STREAM, 0), EAFNOSUPPORT) &&
        FAILS(socket(AF_UNIX, 4, 0), ESOCKTNOSUPPORT) &&
        FAILS(socket(AF_UNIX, SOCK_STREAM, 6), EPROTONOSUPPORT) &&
        FAILS(socket(AF_UNIX, SOCK_STREAM | 16, 0), EINVAL) &&
        FAILS(socketpair(AF_UNIX, SOCK_STREAM, 0, BAD_POINTER), EFAULT) &&
        FAILS(bind(stream, &un, 1), EINVAL) && FAILS(bind(stream, &un, 111), EINVAL) &&
        FAILS(bind(stream, BAD_POINTER, nr_bytes), EFAULT) &&
        FAILS(bind(99, &un, nr_bytes), EBADF) && FAILS(bind(1, &un, nr_bytes), ENOTSOCK) &&
        FAILS(bind_to(stream, "/no/such"), ENOENT) && FAILS(listen(stream, 1), EINVAL) &&
        FAILS(listen(datagram, 1), EOPNOTSUPP) && FAILS(accept(stream, NULL, NULL), EINVAL) &&
        FAILS(accept(datagram, NULL, NULL), EOPNOTSUPP) &&
        FAILS(accept4(stream, NULL, NULL, 1), EINVAL) && FAILS(shutdown(stream, 3), EINVAL);
    close(datagram);
    return is_right && KTAP_EQUAL(close(stream), 0);
}

static bool unconnected_sockets_say_why(void)
{
    struct sockaddr_un un;
    socklen_t nr_bytes = address_of(&un, PATH);
    int stream = socket(AF_UNIX, SOCK_STREAM, 0), datagram = socket(AF_UNIX, SOCK_DGRAM, 0);

    bool is_right = FAILS((int)send(stream, "x", 1, 0), ENOTCONN) &&
                    FAILS((int)send(datagram, "x", 1, 0), ENOTCONN) &&
                    FAILS((int)recv(stream, buffer, 1, 0), EINVAL) &&
                    FAILS((int)send_to(stream, "@nobody", "x"), EOPNOTSUPP) &&
                    FAILS((int)send_to(datagram, "@nobody", "x"), ECONNREFUSED) &&
                    FAILS((int)send_to(datagram, "/nobody", "x"), ENOENT) &&
                    FAILS(getpeername(stream, &un, &nr_bytes), ENOTCONN) &&
                    FAILS(connect_to(stream, "/nobody"), ENOENT) &&
                    FAILS(connect_to(stream, "@nobody"), ECONNREFUSED) &&
                    FAILS(connect_to(stream, "/"), ECONNREFUSED) &&
                    FAILS(connect(stream, &un, 2), EINVAL) &&
                    FAILS((int)recv(datagram, buffer, 1, MSG_DONTWAIT), EAGAIN) &&
                    FAILS((int)recv(datagram, buffer, 1, MSG_OOB), EOPNOTSUPP);
    close(datagram);
    return is_right && KTAP_EQUAL(close(stream), 0);
}

static bool options_say_why(void)
{
    int stream = socket(AF_UNIX, SOCK_STREAM, 0), zero = 0;
    struct stat stat;

    bool is_right = FAILS(setsockopt(stream, 6, 1, &zero, 4), EOPNOTSUPP) &&
                    FAILS(setsockopt(stream, SOL_SOCKET, 999, &zero, 4), ENOPROTOOPT) &&
                    FAILS(setsockopt(stream, SOL_SOCKET, SO_PASSCRED, &zero, 3), EINVAL) &&
                    FAILS(setsockopt(stream, SOL_SOCKET, SO_PASSCRED, BAD_POINTER, 4), EFAULT) &&
                    FAILS((int)lseek(stream, 0, SEEK_SET), ESPIPE) &&
                    KTAP_EQUAL(fstat(stream, &stat), 0) &&
                    KTAP_TRUE((stat.st_mode & S_IFMT) == S_IFSOCK);
    return is_right && KTAP_EQUAL(close(stream), 0);
}

static bool paths_are_names(void)
{
    struct sockaddr_un un;
    socklen_t nr_bytes = sizeof(un);
    struct stat stat_;
    int listener, client, server, other;

    unlink(PATH);
    listener = listener_at(PATH, SOCK_STREAM, 5);
    other = socket(AF_UNIX, SOCK_STREAM, 0);
    client = socket(AF_UNIX, SOCK_STREAM, 0);
    bool is_right =
        KTAP_TRUE(listener >= 0) && KTAP_EQUAL(stat(PATH, &stat_), 0) &&
        KTAP_TRUE((stat_.st_mode & S_IFMT) == S_IFSOCK) &&
        FAILS(bind_to(other, PATH), EADDRINUSE) && FAILS(bind_to(listener, "/another"), EINVAL) &&
        FAILS(open(PATH, O_RDWR), ENXIO) && KTAP_EQUAL(connect_to(client, PATH), 0) &&
        FAILS(connect_to(client, PATH), EISCONN) && FAILS(connect_to(listener, PATH), EINVAL);
    server = accept(listener, &un, &nr_bytes);
    is_right = KTAP_TRUE(server >= 0) && KTAP_EQUAL(nr_bytes, 2) && is_right;
    nr_bytes = sizeof(un);
    is_right = KTAP_EQUAL(getpeername(client, &un, &nr_bytes), 0) &&
               KTAP_EQUAL(nr_bytes, 2 + strlen(PATH) + 1) &&
               KTAP_TRUE(strcmp(un.sun_path, PATH) == 0) && is_right;
    nr_bytes = 4;
    is_right = KTAP_EQUAL(getsockname(server, &un, &nr_bytes), 0) &&
               KTAP_EQUAL(nr_bytes, 2 + strlen(PATH) + 1) && KTAP_EQUAL(write(client, "x", 1), 1) &&
               KTAP_EQUAL(read(server, buffer, 9), 1) && is_right;
    close(listener);
    is_right = FAILS(connect_to(other, PATH), ECONNREFUSED) && KTAP_EQUAL(unlink(PATH), 0) &&
               FAILS(connect_to(other, PATH), ENOENT) && is_right;
    close(client);
    close(other);
    return KTAP_EQUAL(close(server), 0) && is_right;
}

static bool abstract_names_are_found(void)
{
    struct sockaddr_un un;
    socklen_t nr_bytes = sizeof(un);
    int listener = listener_at("@t_unix", SOCK_SEQPACKET, 5);
    int client = socket(AF_UNIX, SOCK_SEQPACKET, 0), other = socket(AF_UNIX, SOCK_STREAM, 0);

    un.sun_family = AF_UNIX;
    bool is_right =
        KTAP_TRUE(listener >= 0) && FAILS(listener_at("@t_unix", SOCK_SEQPACKET, 5), EADDRINUSE) &&
        FAILS(connect_to(other, "@t_unix"), ECONNREFUSED) && KTAP_EQUAL(bind(client, &un, 2), 0) &&
        KTAP_EQUAL(getsockname(client, &un, &nr_bytes), 0) && KTAP_EQUAL(nr_bytes, 8) &&
        KTAP_EQUAL(un.sun_path[0], 0) && KTAP_EQUAL(connect_to(client, "@t_unix"), 0);
    int server = accept4(listener, &un, &nr_bytes, SOCK_CLOEXEC | SOCK_NONBLOCK);
    is_right = KTAP_EQUAL(nr_bytes, 8) && KTAP_EQUAL(fcntl(server, F_GETFD, 0l), FD_CLOEXEC) &&
               FAILS((int)read(server, buffer, 1), EAGAIN) &&
               FAILS(accept4(server, NULL, NULL, 0), EINVAL) && is_right;
    close(listener);
    close(client);
    close(other);
    return KTAP_EQUAL(close(server), 0) && is_right;
}

static bool datagrams_have_senders(void)
{
    struct sockaddr_un un;
    socklen_t nr_bytes = sizeof(un);
    int a = socket(AF_UNIX, SOCK_DGRAM, 0), b = socket(AF_UNIX, SOCK_DGRAM, 0);
    int c = socket(AF_UNIX, SOCK_DGRAM, 0);

    bool is_right = KTAP_EQUAL(bind_to(a, "@a"), 0) && KTAP_EQUAL(bind_to(b, "@bb"), 0) &&
                    KTAP_EQUAL(send_to(a, "@bb", "from a"), 6) &&
                    KTAP_EQUAL(send_to(c, "@bb", "c"), 1) &&
                    KTAP_EQUAL(recvfrom(b, buffer, 99, 0, &un, &nr_bytes), 6) &&
                    KTAP_EQUAL(nr_bytes, 4) && KTAP_EQUAL(un.sun_path[1], 'a');
    nr_bytes = sizeof(un);
    is_right = KTAP_EQUAL(recvfrom(b, buffer, 99, 0, &un, &nr_bytes), 1) &&
               KTAP_EQUAL(nr_bytes, 0) && KTAP_EQUAL(connect_to(b, "@a"), 0) &&
               KTAP_EQUAL(send(b, "to a", 4, 0), 4) && KTAP_EQUAL(read(a, buffer, 99), 4) &&
               FAILS((int)send_to(c, "@bb", "c"), EPERM) && FAILS(connect_to(c, "@bb"), EPERM) &&
               KTAP_EQUAL(send_to(a, "@bb", "x"), 1) && is_right;
    un.sun_family = AF_UNSPEC;
    is_right = KTAP_EQUAL(connect(b, &un, 2), 0) && FAILS((int)send(b, "x", 1, 0), ENOTCONN) &&
               KTAP_EQUAL(connect_to(b, "@a"), 0) && is_right;
    close(a);
    is_right = FAILS((int)send(b, "x", 1, 0), ECONNREFUSED) &&
               FAILS((int)send(b, "x", 1, 0), ENOTCONN) && is_right;
    close(c);
    return KTAP_EQUAL(close(b), 0) && is_right;
}

/* ---- Ends ----------------------------------------------------------------------------------- */

static bool closing_is_seen(void)
{
    if (!make_pair(SOCK_STREAM) || !KTAP_EQUAL(write(pair[0], "ab", 2), 2))
        return false;
    close(pair[0]);
    bool is_right = KTAP_EQUAL(events_of(pair[1]), POLLIN | POLLOUT | POLLHUP | POLLRDHUP) &&
                    KTAP_EQUAL(read(pair[1], buffer, 9), 2) &&
                    KTAP_EQUAL(read(pair[1], buffer, 9), 0) &&
                    FAILS((int)send(pair[1], "x", 1, MSG_NOSIGNAL), EPIPE);
    close(pair[1]);
    /* What was not read is lost, which the other side is told. */
    make_pair(SOCK_STREAM);
    write(pair[0], "ab", 2);
    close(pair[1]);
    is_right = KTAP_EQUAL(events_of(pair[0]), POLLIN | POLLOUT | POLLHUP | POLLRDHUP | POLLERR) &&
               FAILS((int)read(pair[0], buffer, 1), ECONNRESET) &&
               KTAP_EQUAL(read(pair[0], buffer, 1), 0) && is_right;
    close(pair[0]);
    make_pair(SOCK_SEQPACKET);
    close(pair[1]);
    is_right = FAILS((int)send(pair[0], "x", 1, 0), EPIPE) &&
               KTAP_EQUAL(recv(pair[0], buffer, 1, 0), 0) && is_right;
    return KTAP_EQUAL(close(pair[0]), 0) && is_right;
}

static void write_to_nobody(void *arg)
{
    (void)arg;
    make_pair(SOCK_STREAM);
    close(pair[1]);
    write(pair[0], "x", 1);
}

static bool writing_to_nobody_is_sigpipe(void)
{
    int status = -1;
    pid_t child = start_child(write_to_nobody, NULL);

    return KTAP_EQUAL(waitpid(child, &status, 0), child) && KTAP_EQUAL(status, SIGPIPE);
}

static bool directions_can_be_shut(void)
{
    if (!make_pair(SOCK_STREAM) || !KTAP_EQUAL(write(pair[0], "a", 1), 1) ||
        !KTAP_EQUAL(shutdown(pair[0], SHUT_WR), 0))
        return false;
    bool is_right =
        FAILS((int)send(pair[0], "x", 1, MSG_NOSIGNAL), EPIPE) &&
        KTAP_EQUAL(events_of(pair[1]), POLLIN | POLLOUT | POLLRDHUP) &&
        KTAP_EQUAL(read(pair[1], buffer, 9), 1) && KTAP_EQUAL(read(pair[1], buffer, 9), 0) &&
        KTAP_EQUAL(write(pair[1], "b", 1), 1) && KTAP_EQUAL(read(pair[0], buffer, 9), 1) &&
        KTAP_EQUAL(shutdown(pair[0], SHUT_RD), 0) && KTAP_EQUAL(read(pair[0], buffer, 9), 0) &&
        FAILS((int)send(pair[1], "x", 1, MSG_NOSIGNAL), EPIPE) &&
        KTAP_EQUAL(events_of(pair[1]), POLLIN | POLLOUT | POLLRDHUP | POLLHUP);
    return close_pair() && is_right;
}

static bool options_can_be_asked(void)
{
    struct timeval time = {1, 500000}, got;
    socklen_t nr_bytes = sizeof(got);
    int listener = listener_at("@options", SOCK_STREAM, 1), one = 1, small = 1000;

    make_pair(SOCK_SEQPACKET);
    bool is_right =
        KTAP_EQUAL(option_of(pair[0], SO_TYPE), SOCK_SEQPACKET) &&
        KTAP_EQUAL(option_of(pair[0], SO_DOMAIN), AF_UNIX) &&
        KTAP_EQUAL(option_of(pair[0], SO_PROTOCOL), 0) &&
        KTAP_EQUAL(option_of(pair[0], SO_ERROR), 0) &&
        KTAP_EQUAL(option_of(pair[0], SO_ACCEPTCONN), 0) &&
        KTAP_EQUAL(option_of(listener, SO_ACCEPTCONN), 1) &&
        KTAP_EQUAL(option_of(pair[0], SO_SNDBUF), 212992) &&
        KTAP_EQUAL(setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &small, 4), 0) &&
        KTAP_EQUAL(option_of(pair[0], SO_SNDBUF), 4608) &&
        KTAP_EQUAL(setsockopt(pair[0], SOL_SOCKET, SO_REUSEADDR, &one, 4), 0) &&
        KTAP_EQUAL(option_of(pair[0], SO_REUSEADDR), 1) &&
        KTAP_EQUAL(option_of(pair[0], SO_KEEPALIVE), 0) &&
        KTAP_EQUAL(setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time)), 0) &&
        KTAP_EQUAL(getsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &got, &nr_bytes), 0) &&
        KTAP_EQUAL(got.tv_sec, 1) && KTAP_EQUAL(got.tv_usec, 500000);
    time.tv_usec = 1000000;
    is_right =
        FAILS(setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time)), EDOM) && is_right;
    close(listener);
    return close_pair() && is_right;
}

static long now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 * MSEC + now.tv_nsec;
}

static bool waits_have_timeouts(void)
{
    struct timeval time = {0, 20000};
    long since = now_ns();

    if (!make_pair(SOCK_STREAM))
        return false;
    setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time));
    setsockopt(pair[0], SOL_SOCKET, SO_SNDTIMEO, &time, sizeof(time));
    bool is_right =
        FAILS((int)read(pair[0], buffer, 1), EAGAIN) && KTAP_TRUE(now_ns() - since >= 20 * MSEC);
    since = now_ns();
    is_right = KTAP_TRUE(write(pair[0], buffer, 300000) < 300000) &&
               KTAP_TRUE(now_ns() - since >= 20 * MSEC) && is_right;
    return close_pair() && is_right;
}

/* ---- Descriptors and credentials ------------------------------------------------------------ */

union control {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(256 * sizeof(int))];
};

static ssize_t send_fds(int to, const int *fds, size_t nr, const char *text)
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

/* How many descriptors have come; what of the message there was is in msg_flags. */
static int receive_fds(int from, int *fds, size_t nr_max, int flags, struct msghdr *message)
{
    static union control control;
    static struct iovec piece;

    piece = (struct iovec){buffer, 100};
    *message = (struct msghdr){.msg_iov = &piece,
                               .msg_iovlen = 1,
                               .msg_control = &control,
                               .msg_controllen = CMSG_LEN(nr_max * sizeof(int))};
    if (recvmsg(from, message, flags) < 0)
        return -errno;
    if (message->msg_controllen == 0)
        return 0;
    if (control.header.cmsg_type != SCM_RIGHTS || control.header.cmsg_level != SOL_SOCKET)
        return -1000;
    size_t nr = (control.header.cmsg_len - sizeof(control.header)) / sizeof(int);
    memcpy(fds, CMSG_DATA(&control), nr * sizeof(int));
    return (int)nr;
}

static bool descriptors_can_be_sent(void)
{
    int ends[2] = {-1, -1}, fds[4] = {-1, -1, -1, -1}, many[254] = {0}, nr;
    struct msghdr got;

    make_pair(SOCK_STREAM);
    pipe(ends);
    bool is_right = KTAP_EQUAL(send_fds(pair[0], ends, 2, "hello"), 5);
    close(ends[0]);
    close(ends[1]);
    is_right = KTAP_EQUAL(receive_fds(pair[1], fds, 4, MSG_CMSG_CLOEXEC, &got), 2) &&
               KTAP_EQUAL(fcntl(fds[0], F_GETFD, 0l), FD_CLOEXEC) &&
               KTAP_EQUAL(write(fds[1], "x", 1), 1) && KTAP_EQUAL(read(fds[0], buffer, 9), 1) &&
               is_right;
    close(fds[1]);
    /* One that does not fit is closed. */
    many[0] = many[1] = fds[0];
    is_right = KTAP_EQUAL(send_fds(pair[0], many, 2, "x"), 1) &&
               KTAP_EQUAL(receive_fds(pair[1], fds + 1, 1, 0, &got), 1) &&
               KTAP_EQUAL(got.msg_flags, MSG_CTRUNC) && is_right;
    close(fds[1]);
    is_right = KTAP_EQUAL(send_fds(pair[0], many, 1, "yz"), 2) &&
               KTAP_EQUAL(receive_fds(pair[1], fds + 1, 0, 0, &got), 0) &&
               KTAP_EQUAL(got.msg_flags, MSG_CTRUNC) && is_right;
    for (nr = 0; nr < 254; nr++)
        many[nr] = fds[0];
    is_right = FAILS((int)send_fds(pair[0], many, 254, "x"), EINVAL) &&
               KTAP_EQUAL(send_fds(pair[0], many, 253, "x"), 1) &&
               KTAP_EQUAL(receive_fds(pair[1], many, 253, 0, &got), 253) && is_right;
    for (nr = 0; nr < 253; nr++)
        close(many[nr]);
    many[0] = 999;
    is_right = FAILS((int)send_fds(pair[0], many, 1, "x"), EBADF) &&
               FAILS((int)recv(pair[1], buffer, 1, MSG_DONTWAIT), EAGAIN) && is_right;
    close(fds[0]);
    return close_pair() && is_right;
}

static bool looking_leaves_descriptors(void)
{
    int fds[2] = {-1, -1}, ends[2] = {-1, -1};
    struct msghdr got;

    make_pair(SOCK_DGRAM);
    pipe(ends);
    bool is_right = KTAP_EQUAL(send_fds(pair[0], ends, 1, "hello"), 5) &&
                    KTAP_EQUAL(receive_fds(pair[1], fds, 1, MSG_PEEK, &got), 1) &&
                    KTAP_EQUAL(receive_fds(pair[1], fds + 1, 1, 0, &got), 1);
    close(fds[0]);
    close(fds[1]);
    close(ends[0]);
    close(ends[1]);
    return close_pair() && is_right;
}

/*
 * Sockets that keep each other would never be freed: such a message is refused. That they are freed
 * is seen by memory_comes_back().
 */
static bool circles_are_refused(void)
{
    int other[2] = {-1, -1}, chain[8][2], fds[2] = {-1, -1};
    bool is_right = true;
    struct msghdr got;

    make_pair(SOCK_STREAM);
    socketpair(AF_UNIX, SOCK_STREAM, 0, other);
    is_right = FAILS((int)send_fds(pair[0], &pair[1], 1, "x"), ETOOMANYREFS) &&
               KTAP_EQUAL(send_fds(pair[0], &pair[0], 1, "x"), 1) &&
               FAILS((int)send_fds(other[0], &pair[1], 1, "x"), ETOOMANYREFS) &&
               KTAP_EQUAL(send_fds(other[0], &pair[0], 1, "x"), 1) &&
               FAILS((int)send_fds(pair[1], &other[1], 1, "x"), ETOOMANYREFS) &&
               KTAP_EQUAL(receive_fds(pair[1], fds, 1, 0, &got), 1) &&
               KTAP_EQUAL(send_fds(other[0], &pair[1], 1, "x"), 1) && is_right;
    close(fds[0]);
    close(pair[0]);
    close(pair[1]);
    close(other[0]);
    close(other[1]);
    for (int i = 0; i < 8; i++)
        socketpair(AF_UNIX, SOCK_STREAM, 0, chain[i]);
    for (int i = 0; i < 4; i++)
        is_right = KTAP_EQUAL(send_fds(chain[i][0], &chain[i + 1][1], 1, "x"), 1) && is_right;
    is_right = FAILS((int)send_fds(chain[4][0], &chain[5][1], 1, "x"), ETOOMANYREFS) && is_right;
    for (int i = 0; i < 8; i++) {
        close(chain[i][1]);
        close(chain[i][0]);
    }
    return is_right;
}

/* Here, too: memory_comes_back() sees that all are freed. */
static bool pending_connections_hold_their_listener(void)
{
    int listener = listener_at("@circle", SOCK_STREAM, 3);
    int client = socket(AF_UNIX, SOCK_STREAM, 0);
    bool is_right = KTAP_EQUAL(connect_to(client, "@circle"), 0) &&
                    FAILS((int)send_fds(client, &listener, 1, "x"), ETOOMANYREFS) &&
                    KTAP_EQUAL(send_fds(client, &client, 1, "x"), 1);

    close(listener);
    close(client);
    return is_right;
}

static bool credentials_are_told(void)
{
    union control control;
    struct iovec piece = {buffer, 100};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1, .msg_control = &control};
    struct ucred *told = (struct ucred *)CMSG_DATA(&control), peer;
    socklen_t nr_bytes = sizeof(peer);
    int one = 1;

    make_pair(SOCK_STREAM);
    setsockopt(pair[1], SOL_SOCKET, SO_PASSCRED, &one, sizeof(one));
    write(pair[0], "x", 1);
    message.msg_controllen = sizeof(control);
    bool is_right = KTAP_EQUAL(recvmsg(pair[1], &message, 0), 1) &&
                    KTAP_EQUAL(message.msg_controllen, CMSG_SPACE(sizeof(struct ucred))) &&
                    KTAP_EQUAL(control.header.cmsg_type, SCM_CREDENTIALS) &&
                    KTAP_EQUAL(told->pid, getpid()) && KTAP_EQUAL(told->uid, 0) &&
                    KTAP_EQUAL(getsockopt(pair[0], SOL_SOCKET, SO_PEERCRED, &peer, &nr_bytes), 0) &&
                    KTAP_EQUAL(nr_bytes, sizeof(peer)) && KTAP_EQUAL(peer.pid, getpid());
    control.header = (struct cmsghdr){CMSG_LEN(sizeof(struct ucred)), SOL_SOCKET, SCM_CREDENTIALS};
    *told = (struct ucred){.pid = 1, .uid = 5, .gid = 6};
    piece.iov_len = 2;
    message.msg_controllen = control.header.cmsg_len;
    is_right = KTAP_EQUAL(sendmsg(pair[0], &message, 0), 2) && is_right;
    told->pid = NOBODY;
    is_right = FAILS((int)sendmsg(pair[0], &message, 0), ESRCH) && is_right;
    control.header.cmsg_len--;
    is_right = FAILS((int)sendmsg(pair[0], &message, 0), EINVAL) && is_right;
    message.msg_controllen = sizeof(control);
    is_right = KTAP_EQUAL(recvmsg(pair[1], &message, 0), 2) && KTAP_EQUAL(told->pid, 1) &&
               KTAP_EQUAL(told->uid, 5) && KTAP_EQUAL(told->gid, 6) && is_right;
    return close_pair() && is_right;
}

/* ---- Waiting, and many at once -------------------------------------------------------------- */

static bool fullness_is_told(void)
{
    long nr = 0, result;
    int epoll = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLOUT | EPOLLET};

    if (!KTAP_EQUAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0) ||
        !KTAP_EQUAL(events_of(pair[0]), POLLOUT))
        return false;
    while ((result = write(pair[0], buffer, 5000)) > 0)
        nr += result;
    epoll_ctl(epoll, EPOLL_CTL_ADD, pair[0], &event);
    bool is_right = KTAP_EQUAL(errno, EAGAIN) && KTAP_TRUE(nr > 100000 && nr < 212992) &&
                    KTAP_EQUAL(events_of(pair[0]), 0) &&
                    KTAP_EQUAL(events_of(pair[1]), POLLIN | POLLOUT) &&
                    KTAP_EQUAL(epoll_wait(epoll, &event, 1, 0), 0);
    while ((result = read(pair[1], buffer, sizeof(buffer))) > 0)
        nr -= result;
    close(epoll);
    return KTAP_EQUAL(nr, 0) && KTAP_EQUAL(events_of(pair[0]), POLLOUT) && close_pair() && is_right;
}

static int served;

static void *accept_one(void *arg)
{
    return (void *)(long)accept((int)(long)arg, NULL, NULL);
}

static void *connect_one(void *arg)
{
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    (void)arg;
    return (void *)(long)(connect_to(fd, "@wait") == 0 ? fd : -errno);
}

static bool accept_and_connect_wait(void)
{
    thread_t lwp[3];
    void *fd, *first, *second;
    int listener = listener_at("@wait", SOCK_STREAM, 0);
    int nonblocking = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

    thread_create(&lwp[0], accept_one, (void *)(long)listener);
    comes_to_wait(lwp[0]);
    connect_one(NULL);
    thread_join(lwp[0], &fd);
    if (!KTAP_TRUE((long)fd >= 0))
        return false;
    /* One may be pending, the next waits. */
    connect_one(NULL);
    thread_create(&lwp[1], connect_one, NULL);
    comes_to_wait(lwp[1]);
    bool is_right =
        FAILS(connect_to(nonblocking, "@wait"), EAGAIN) && KTAP_EQUAL(events_of(listener), POLLIN);
    served = accept(listener, NULL, NULL);
    thread_join(lwp[1], &first);
    is_right = KTAP_TRUE(served >= 0) && KTAP_TRUE((long)first >= 0) && is_right;
    thread_create(&lwp[2], connect_one, NULL);
    comes_to_wait(lwp[2]);
    close(listener);
    thread_join(lwp[2], &second);
    is_right = KTAP_EQUAL((long)second, -ECONNREFUSED) &&
               FAILS((int)read((int)(long)first, buffer, 1), ECONNRESET) && is_right;
    for (int i = 3; i < 40; i++)
        close(i);
    return is_right;
}

static void *read_one(void *arg)
{
    char byte;

    return (void *)recv((int)(long)arg, &byte, 1, 0);
}

static bool who_waits_is_woken(void)
{
    thread_t lwp[3];
    void *result;
    bool is_right = true;

    make_pair(SOCK_STREAM);
    for (int i = 0; i < 3; i++) {
        thread_create(&lwp[i], read_one, (void *)(long)pair[0]);
        comes_to_wait(lwp[i]);
    }
    write(pair[1], "ab", 2);
    write(pair[1], "c", 1);
    for (int i = 0; i < 3; i++) {
        thread_join(lwp[i], &result);
        is_right = KTAP_EQUAL((long)result, 1) && is_right;
    }
    for (int i = 0; i < 3; i++) {
        thread_create(&lwp[i], read_one, (void *)(long)pair[0]);
        comes_to_wait(lwp[i]);
    }
    close(pair[1]);
    for (int i = 0; i < 3; i++) {
        thread_join(lwp[i], &result);
        is_right = KTAP_EQUAL((long)result, 0) && is_right;
    }
    return KTAP_EQUAL(close(pair[0]), 0) && is_right;
}

static size_t nr_rounds;
static _Atomic long nr_wrong, sums[2];

/* Pieces of all sizes; every byte is known from its place. */
static void *write_stream(void *arg)
{
    static unsigned char bytes[40000];
    size_t at = 0;

    for (size_t round = 0; round < nr_rounds; round++) {
        size_t nr = 1 + round * 7919 % sizeof(bytes);

        for (size_t i = 0; i < nr; i++)
            bytes[i] = (unsigned char)((at + i) * 31 >> 3);
        if (write((int)(long)arg, bytes, nr) != (ssize_t)nr)
            nr_wrong++;
        at += nr;
    }
    shutdown((int)(long)arg, SHUT_WR);
    return (void *)at;
}

static bool streams_are_exact(void)
{
    thread_t lwp;
    void *total;
    size_t at = 0;
    ssize_t nr;

    make_pair(SOCK_STREAM);
    nr_rounds = ktap_times(200);
    nr_wrong = 0;
    thread_create(&lwp, write_stream, (void *)(long)pair[0]);
    for (size_t round = 0;
         (nr = recv(pair[1], buffer, 1 + round * 613 % 9000, round % 5 == 0 ? MSG_WAITALL : 0)) > 0;
         round++) {
        for (ssize_t i = 0; i < nr; i++)
            nr_wrong += (unsigned char)buffer[i] != (unsigned char)((at + (size_t)i) * 31 >> 3);
        at += (size_t)nr;
    }
    thread_join(lwp, &total);
    return KTAP_EQUAL(nr, 0) && KTAP_EQUAL(at, (long)total) && KTAP_EQUAL(nr_wrong, 0) &&
           close_pair();
}

static void *send_numbers(void *arg)
{
    for (size_t round = 0; round < nr_rounds; round++) {
        long number[1 + 20] = {(long)round};

        if (send((int)(long)arg, number, 8 + round % 20 * 8, 0) < 0)
            nr_wrong++;
        atomic_fetch_add(&sums[0], (long)round);
    }
    return NULL;
}

static void *receive_numbers(void *arg)
{
    long number[30];
    ssize_t nr;

    while ((nr = recv((int)(long)arg, number, sizeof(number), 0)) > 0) {
        if (number[0] < 0)
            break;
        nr_wrong += nr != 8 + number[0] % 20 * 8;
        atomic_fetch_add(&sums[1], number[0]);
    }
    return NULL;
}

static bool datagrams_are_exact(void)
{
    thread_t sender[3], receiver[3];
    long stop = -1;

    make_pair(SOCK_DGRAM);
    nr_rounds = ktap_times(3000);
    nr_wrong = sums[0] = sums[1] = 0;
    for (int i = 0; i < 3; i++) {
        thread_create(&receiver[i], receive_numbers, (void *)(long)pair[1]);
        thread_create(&sender[i], send_numbers, (void *)(long)pair[0]);
    }
    for (int i = 0; i < 3; i++)
        thread_join(sender[i], NULL);
    for (int i = 0; i < 3; i++)
        send(pair[0], &stop, sizeof(stop), 0);
    for (int i = 0; i < 3; i++)
        thread_join(receiver[i], NULL);
    return KTAP_EQUAL(sums[0], sums[1]) && KTAP_EQUAL(nr_wrong, 0) && close_pair();
}

static void *call_server(void *arg)
{
    for (size_t round = 0; round < nr_rounds; round++) {
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);
        char byte = (char)round;

        if (connect_to(fd, "@server") != 0 || (round % 3 != 0 && send(fd, &byte, 1, 0) != 1) ||
            (round % 3 == 1 && recv(fd, &byte, 1, 0) != 1))
            nr_wrong++;
        close(fd);
    }
    return arg;
}

static void *serve(void *arg)
{
    char byte;
    int fd;

    while ((fd = accept((int)(long)arg, NULL, NULL)) >= 0) {
        if (recv(fd, &byte, 1, 0) == 1)
            send(fd, &byte, 1, MSG_NOSIGNAL);
        close(fd);
    }
    return arg;
}

static bool connections_come_and_go(void)
{
    thread_t client[4], server[3];
    int listener = listener_at("@server", SOCK_STREAM, 2);

    nr_rounds = ktap_times(500);
    nr_wrong = 0;
    for (int i = 0; i < 3; i++)
        thread_create(&server[i], serve, (void *)(long)listener);
    for (int i = 0; i < 4; i++)
        thread_create(&client[i], call_server, NULL);
    for (int i = 0; i < 4; i++)
        thread_join(client[i], NULL);
    shutdown(listener, SHUT_RD);
    for (int i = 0; i < 3; i++)
        thread_join(server[i], NULL);
    return KTAP_EQUAL(nr_wrong, 0) && KTAP_EQUAL(close(listener), 0);
}

static int exit_while_waiting(int argc, char **argv)
{
    thread_t lwp;

    (void)argc, (void)argv;
    make_pair(SOCK_STREAM);
    send_fds(pair[0], pair, 1, "x");
    thread_create(&lwp, read_one, (void *)(long)pair[0]);
    comes_to_wait(lwp);
    thread_create(&lwp, accept_one, (void *)(long)listener_at("@exit", SOCK_STREAM, 3));
    comes_to_wait(lwp);
    return 3;
}

static bool who_waits_ends_with_the_process(void)
{
    return KTAP_ROLE_EXITS("exit-while-waiting", 3);
}

static void send_and_close(void)
{
    descriptors_can_be_sent();
    circles_are_refused();
    pending_connections_hold_their_listener();
    abstract_names_are_found();
    datagrams_have_senders();
    closing_is_seen();
    fullness_is_told();
}

static bool memory_comes_back(void)
{
    return ktap_leaves_nothing(send_and_close);
}

static const struct ktap_test tests[] = {
    {"a stream carries bytes", streams_carry_bytes},
    {"what there is to read is told", what_there_is_is_told},
    {"datagrams and packets stay whole", datagrams_stay_whole},
    {"several buffers are one message", several_buffers_are_one_message},
    {"several messages go with one call", several_messages_go_at_once},
    {"the calls say why they fail", calls_say_why},
    {"sockets that are not connected say why they fail", unconnected_sockets_say_why},
    {"options say why they fail", options_say_why},
    {"a path can be a socket's name", paths_are_names},
    {"abstract names are found", abstract_names_are_found},
    {"datagrams tell who has sent them", datagrams_have_senders},
    {"closing is seen at the other side", closing_is_seen},
    {"who writes to a closed stream gets SIGPIPE", writing_to_nobody_is_sigpipe},
    {"each direction can be shut down", directions_can_be_shut},
    {"options can be set and asked", options_can_be_asked},
    {"waits have time-outs", waits_have_timeouts},
    {"descriptors can be sent", descriptors_can_be_sent},
    {"looking at a message leaves its descriptors", looking_leaves_descriptors},
    {"sockets in a circle are ETOOMANYREFS", circles_are_refused},
    {"a listener cannot be sent into its own connections", pending_connections_hold_their_listener},
    {"credentials are told", credentials_are_told},
    {"a full socket is told, and one that is empty again", fullness_is_told},
    {"accept and connect wait for each other", accept_and_connect_wait},
    {"who waits is woken by bytes and by the end", who_waits_is_woken},
    {"a stream of 4 MB is exact", streams_are_exact},
    {"datagrams of three senders reach three receivers", datagrams_are_exact},
    {"connections come and go", connections_come_and_go},
    {"LWPs that wait end with their process", who_waits_ends_with_the_process},
    {"memory comes back", memory_comes_back},
};

static const struct ktap_role roles[] = {{"exit-while-waiting", exit_while_waiting}};

int main(int argc, char **argv)
{
    if (argc > 1)
        return ktap_play_role(roles, KTAP_LEN(roles), argc, argv);
    ktap_start(KTAP_LEN(tests));
    ktap_run(tests, KTAP_LEN(tests));
    return ktap_finish();
}
