/* Options of sockets: getsockopt() and setsockopt() of SOL_SOCKET. */

#include <kernel/errno.h>
#include <kernel/file.h>
#include <kernel/string.h>
#include <linux/eventpoll.h>
#include <mm/user_copy.h>

#include "socket_impl.h"

/* The least that a buffer can be set to, and the most, as Linux: 2 * 2304, 2 * wmem_max. */
#define BUFFER_BYTES_MIN 4608
#define BUFFER_BYTES_MAX 425984

/* Options that mean nothing to a local socket: they can be set, and are remembered. */
#define REMEMBERED                                                                                 \
    (1ull << SO_REUSEADDR | 1ull << SO_DONTROUTE | 1ull << SO_BROADCAST | 1ull << SO_KEEPALIVE |   \
     1ull << SO_OOBINLINE)

static bool is_remembered(int option)
{
    return option >= 0 && option < 64 && (REMEMBERED & 1ull << option);
}

/* Linux doubles what it is given, to have room for what it keeps beside the bytes. */
static size_t buffer_bytes(int value)
{
    size_t nr_bytes = value > 0 ? (size_t)value * 2 : value == 0 ? 0 : BUFFER_BYTES_MAX;

    return MIN(MAX(nr_bytes, (size_t)BUFFER_BYTES_MIN), (size_t)BUFFER_BYTES_MAX);
}

static int set_timeout(vaddr_t at, size_t nr_bytes, _Atomic uint64_t *timeout_ns)
{
    struct __kernel_sock_timeval t;
    const int64_t sec_max = (int64_t)(UINT64_MAX / NSEC_PER_SEC / 8);

    if (nr_bytes < sizeof(t))
        return -EINVAL;
    if (user_copy_from(&t, at, sizeof(t)) != 0)
        return -EFAULT;
    if (t.tv_usec < 0 || t.tv_usec >= 1000000)
        return -EDOM;
    if (t.tv_sec < 0)
        *timeout_ns = 0;
    else if ((t.tv_sec == 0 && t.tv_usec == 0) || t.tv_sec > sec_max)
        *timeout_ns = WAITQ_FOREVER;
    else
        *timeout_ns = (uint64_t)t.tv_sec * NSEC_PER_SEC + (uint64_t)t.tv_usec * NSEC_PER_USEC;
    return 0;
}

/* Writers that wait may have room now. */
static void set_send_bytes(struct socket *socket, size_t nr_bytes)
{
    irq_state_t irq = spin_lock_irq(&socket->lock);

    atomic_store(&socket->send_bytes, nr_bytes);
    waitq_wake_all(&socket->writers);
    poll_notify_events(&socket->polled, EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND);
    spin_unlock_irq(&socket->lock, irq);
}

static int set_int(struct socket *socket, int option, int value)
{
    switch (option) {
    case SO_PASSCRED:
        atomic_store(&socket->wants_credentials, value != 0);
        return 0;
    case SO_SNDBUF:
    case SO_SNDBUFFORCE:
        set_send_bytes(socket, buffer_bytes(value));
        return 0;
    case SO_RCVBUF:
    case SO_RCVBUFFORCE:
        atomic_store(&socket->receive_bytes, buffer_bytes(value));
        return 0;
    default:
        if (!is_remembered(option))
            return -ENOPROTOOPT;
        if (value != 0)
            atomic_fetch_or(&socket->option_bits, 1ull << option);
        else
            atomic_fetch_and(&socket->option_bits, ~(1ull << option));
        return 0;
    }
}

int socket_set_option(struct file *file, int option, vaddr_t at, size_t nr_bytes)
{
    struct socket *socket = socket_of(file);
    int value;

    switch (option) {
    case SO_RCVTIMEO_OLD:
    case SO_RCVTIMEO_NEW:
        return set_timeout(at, nr_bytes, &socket->receive_timeout_ns);
    case SO_SNDTIMEO_OLD:
    case SO_SNDTIMEO_NEW:
        return set_timeout(at, nr_bytes, &socket->send_timeout_ns);
    }
    if (nr_bytes < sizeof(value))
        return -EINVAL;
    if (user_copy_from(&value, at, sizeof(value)) != 0)
        return -EFAULT;
    return set_int(socket, option, value);
}

static int get_error(struct socket *socket)
{
    irq_state_t irq = spin_lock_irq(&socket->lock);
    int error = -socket_take_error(socket);

    spin_unlock_irq(&socket->lock, irq);
    return error;
}

/* An option that is a number. 0 or -ENOPROTOOPT. */
static int get_int(struct socket *socket, int option, int *value)
{
    switch (option) {
    case SO_TYPE:
        *value = socket->type;
        return 0;
    case SO_DOMAIN:
        *value = AF_UNIX;
        return 0;
    case SO_PROTOCOL:
        *value = 0;
        return 0;
    case SO_ERROR:
        *value = get_error(socket);
        return 0;
    case SO_ACCEPTCONN:
        *value = socket_get_state(socket) == LISTENING;
        return 0;
    case SO_PASSCRED:
        *value = atomic_load(&socket->wants_credentials);
        return 0;
    case SO_SNDBUF:
        *value = (int)atomic_load(&socket->send_bytes);
        return 0;
    case SO_RCVBUF:
        *value = (int)atomic_load(&socket->receive_bytes);
        return 0;
    default:
        if (!is_remembered(option))
            return -ENOPROTOOPT;
        *value = atomic_load(&socket->option_bits) >> option & 1;
        return 0;
    }
}

static struct __kernel_sock_timeval timeval_of(uint64_t ns)
{
    struct __kernel_sock_timeval t = {0};

    if (ns != WAITQ_FOREVER) {
        t.tv_sec = (int64_t)(ns / NSEC_PER_SEC);
        t.tv_usec = (int64_t)(ns % NSEC_PER_SEC / NSEC_PER_USEC);
    }
    return t;
}

/* Nobody: what SO_PEERCRED says of a socket that is not connected. */
static const struct ucred nobody = {.pid = 0, .uid = UINT32_MAX, .gid = UINT32_MAX};

static struct ucred peer_credentials(struct socket *socket)
{
    irq_state_t irq = spin_lock_irq(&socket->lock);
    struct ucred credentials = nobody;

    if (socket->peer_credentials.pid != 0)
        credentials = socket->peer_credentials;
    else if (socket->state == LISTENING)
        credentials = socket->own;
    spin_unlock_irq(&socket->lock, irq);
    return credentials;
}

int64_t socket_get_option(struct file *file, int option, uint8_t value[SOCKET_OPTION_BYTES_MAX])
{
    struct socket *socket = socket_of(file);
    struct __kernel_sock_timeval t;
    struct ucred credentials;
    int number, error;

    switch (option) {
    case SO_RCVTIMEO_OLD:
    case SO_RCVTIMEO_NEW:
        t = timeval_of(socket->receive_timeout_ns);
        memcpy(value, &t, sizeof(t));
        return sizeof(t);
    case SO_SNDTIMEO_OLD:
    case SO_SNDTIMEO_NEW:
        t = timeval_of(socket->send_timeout_ns);
        memcpy(value, &t, sizeof(t));
        return sizeof(t);
    case SO_PEERCRED:
        credentials = peer_credentials(socket);
        memcpy(value, &credentials, sizeof(credentials));
        return sizeof(credentials);
    }
    error = get_int(socket, option, &number);
    memcpy(value, &number, sizeof(number));
    return error != 0 ? error : (int64_t)sizeof(number);
}
