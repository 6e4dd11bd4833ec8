/* Sockets within the machine that are full or empty: who waits, and many at once. */

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <thread.h>
#include <unistd.h>

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "common.h"
#include "ktap.h"
#include "unix_sockets.h"

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

static void wait_and_be_woken(void)
{
    fullness_is_told();
    who_waits_is_woken();
    accept_and_connect_wait();
}

static bool memory_comes_back(void)
{
    return ktap_leaves_nothing(wait_and_be_woken);
}

static const struct ktap_test tests[] = {
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
    return ktap_main(tests, KTAP_LEN(tests));
}
