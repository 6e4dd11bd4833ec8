/* What sockets within the machine carry beside bytes: descriptors and credentials. */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <linux/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "common.h"
#include "ktap.h"
#include "unix_sockets.h"

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

#define FILES_MAX 40 /* of a process, and, as far as it goes, on their way */
#define NR_SENT   20

static bool send_many(int fd)
{
    int fds[NR_SENT];

    for (int i = 0; i < NR_SENT; i++)
        fds[i] = fd;
    return send_fds(pair[0], fds, NR_SENT, "x") == 1;
}

/* As on Linux, the message that comes to more is the last. */
static bool check_files_on_their_way(void)
{
    struct rlimit limit = {FILES_MAX, FILES_MAX};
    int fds[NR_SENT];
    struct msghdr got;
    bool is_right = KTAP_EQUAL(syscall(__NR_setrlimit, RLIMIT_NOFILE, &limit), 0);

    make_pair(SOCK_DGRAM);
    for (int i = 0; i < 5; i++)
        is_right = KTAP_TRUE(send_many(0)) && is_right; /* root's are counted, not bounded */
    is_right = KTAP_EQUAL(syscall(__NR_setresuid, 4711, 4711, 4711), 0) && is_right;
    for (int i = 0; i < 3; i++)
        is_right = KTAP_TRUE(send_many(0)) && is_right;
    is_right = KTAP_TRUE(!send_many(0)) && KTAP_EQUAL(errno, ETOOMANYREFS) &&
               KTAP_EQUAL(send(pair[0], "x", 1, 0), 1) && is_right;
    for (int i = 0; i < 6; i++) {
        is_right = KTAP_EQUAL(receive_fds(pair[1], fds, NR_SENT, 0, &got), NR_SENT) && is_right;
        for (int j = 0; j < NR_SENT; j++)
            close(fds[j]);
    }
    is_right = KTAP_TRUE(send_many(0)) && KTAP_TRUE(!send_many(0)) &&
               KTAP_EQUAL(errno, ETOOMANYREFS) && is_right;
    close_pair(); /* which ends them all */
    make_pair(SOCK_DGRAM);
    for (int i = 0; i < 3; i++)
        is_right = KTAP_TRUE(send_many(0)) && is_right;
    return KTAP_TRUE(!send_many(0)) && is_right;
}

static bool files_on_their_way_are_bounded(void)
{
    return holds_in_child(check_files_on_their_way);
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

static void send_descriptors(void)
{
    descriptors_can_be_sent();
    circles_are_refused();
    pending_connections_hold_their_listener();
    files_on_their_way_are_bounded();
}

static bool memory_comes_back(void)
{
    return ktap_leaves_nothing(send_descriptors);
}

static const struct ktap_test tests[] = {
    {"descriptors can be sent", descriptors_can_be_sent},
    {"looking at a message leaves its descriptors", looking_leaves_descriptors},
    {"sockets in a circle are ETOOMANYREFS", circles_are_refused},
    {"a listener cannot be sent into its own connections", pending_connections_hold_their_listener},
    {"a user's descriptors on their way are bounded", files_on_their_way_are_bounded},
    {"credentials are told", credentials_are_told},
    {"memory comes back", memory_comes_back},
};

int main(void)
{
    return ktap_main(tests, KTAP_LEN(tests));
}
