/* Sockets within the machine: names, messages, what closing does, why calls fail. */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "common.h"
#include "ktap.h"
#include "unix_sockets.h"

#define BAD_POINTER ((void *)0xffffffff80000000ul)
#define PATH        "/t_unix.socket"
#define MSEC        1000000l

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
           close_pair() && make_pair(SOCK_SEQPACKET) && KTAP_EQUAL(write(pair[0], "abc", 3), 3) &&
           KTAP_EQUAL(write(pair[0], "de", 2), 2) && KTAP_EQUAL(bytes_to_read(pair[1]), 5) &&
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
    bool is_right = KTAP_TRUE(listener >= 0) &&
                    FAILS(listener_at("@t_unix", SOCK_SEQPACKET, 5), EADDRINUSE) &&
                    FAILS(connect_to(other, "@t_unix"), ECONNREFUSED) &&
                    KTAP_EQUAL(bind(client, &un, 2), 0) && KTAP_EQUAL(bind(client, &un, 2), 0) &&
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

static bool who_is_left_loses_what_was_sent(void)
{
    struct sockaddr_un none = {.sun_family = AF_UNSPEC};
    int a = socket(AF_UNIX, SOCK_DGRAM, 0), b = socket(AF_UNIX, SOCK_DGRAM, 0);

    bool is_right = KTAP_EQUAL(bind_to(a, "@a"), 0) && KTAP_EQUAL(bind_to(b, "@b"), 0) &&
                    KTAP_EQUAL(connect_to(a, "@b"), 0) && KTAP_EQUAL(connect_to(b, "@a"), 0) &&
                    KTAP_EQUAL(send(b, "x", 1, 0), 1) && KTAP_EQUAL(send(a, "y", 1, 0), 1) &&
                    KTAP_EQUAL(connect(a, &none, 2), 0) && KTAP_EQUAL(events_of(a), POLLOUT) &&
                    KTAP_EQUAL(events_of(b), POLLIN | POLLOUT | POLLERR) &&
                    FAILS((int)read(b, buffer, 9), ECONNRESET) && KTAP_EQUAL(read(b, buffer, 9), 1);
    close(a);
    close(b);
    /* The same when the peer is gone, which the sender learns when it sends. */
    is_right = make_pair(SOCK_DGRAM) && KTAP_EQUAL(write(pair[1], "x", 1), 1) && is_right;
    close(pair[1]);
    is_right = KTAP_EQUAL(events_of(pair[0]), POLLIN | POLLOUT) &&
               FAILS((int)write(pair[0], "y", 1), ECONNREFUSED) &&
               KTAP_EQUAL(events_of(pair[0]), POLLOUT) && is_right;
    close(pair[0]);
    return is_right;
}

static bool the_sender_is_called_what_he_is_now(void)
{
    struct sockaddr_un un;
    socklen_t nr_bytes = sizeof(un);

    bool is_right = make_pair(SOCK_DGRAM) && KTAP_EQUAL(write(pair[0], "x", 1), 1) &&
                    KTAP_EQUAL(bind_to(pair[0], "@late"), 0) && KTAP_EQUAL(close(pair[0]), 0) &&
                    KTAP_EQUAL(recvfrom(pair[1], buffer, 9, 0, &un, &nr_bytes), 1) &&
                    KTAP_EQUAL(nr_bytes, 7) && KTAP_EQUAL(un.sun_path[1], 'l');

    close(pair[1]);
    return is_right;
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
                    FAILS((int)send(pair[1], "x", 1, MSG_NOSIGNAL), EPIPE) &&
                    FAILS((int)send(pair[1], "", 0, MSG_NOSIGNAL), EPIPE);
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
    write(pair[0], "ab", 2);
    write(pair[1], "cd", 2);
    close(pair[1]);
    is_right = FAILS((int)send(pair[0], "x", 1, 0), ECONNRESET) &&
               FAILS((int)send(pair[0], "x", 1, 0), EPIPE) &&
               KTAP_EQUAL(recv(pair[0], buffer, 2, 0), 2) &&
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

static void name_send_and_close(void)
{
    abstract_names_are_found();
    datagrams_have_senders();
    closing_is_seen();
}

static bool memory_comes_back(void)
{
    return ktap_leaves_nothing(name_send_and_close);
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
    {"who gets another peer loses what was sent before", who_is_left_loses_what_was_sent},
    {"a sender is called what he is now", the_sender_is_called_what_he_is_now},
    {"closing is seen at the other side", closing_is_seen},
    {"who writes to a closed stream gets SIGPIPE", writing_to_nobody_is_sigpipe},
    {"each direction can be shut down", directions_can_be_shut},
    {"options can be set and asked", options_can_be_asked},
    {"waits have time-outs", waits_have_timeouts},
    {"memory comes back", memory_comes_back},
};

int main(void)
{
    return ktap_main(tests, KTAP_LEN(tests));
}
