/*
 * Sockets of this machine: what they are, and how two become connected.
 *
 * A socket has a reference from its file, from each peer and from each message that it has sent.
 * It never looks into another one: what it has to know of the other side is told to it, and kept
 * under its own lock. So no two sockets' locks are ever held together.
 *
 *     no_more_in     nothing will be received any more: shut down for reading here, or for writing
 *                    there
 *     no_more_out    nothing can be sent: shut down for writing here, or for reading there
 *
 * Streams and sequenced packets are connected for good:
 *
 *     UNCONNECTED -- listen() --> LISTENING
 *     UNCONNECTED -- connect() --> CONNECTING -- (a listener was there) --> CONNECTED
 *
 * connect() makes the other end itself, with the connecting socket as its peer, and puts it into
 * the listener's list; accept() gives it a file. Data may be sent before that. A datagram socket's
 * peer is only where it sends what has no address.
 *
 * The last file_put() of a socket tells the peer, which stays connected to what is left, and drops
 * what has not been received; if anything was, the peer's next call fails with ECONNRESET.
 *
 * Locks: a socket's `reading` (messages, names), then its spinlock.
 */

#include <kernel/clock.h>
#include <kernel/credentials.h>
#include <kernel/errno.h>
#include <kernel/file.h>
#include <kernel/string.h>
#include <linux/eventpoll.h>
#include <linux/fcntl.h>
#include <linux/stat.h>
#include <mm/slab.h>
#include <proc/process.h>

#include "socket_impl.h"

#define BUFFER_BYTES 212992 /* as Linux's net.core.wmem_default */

static struct slab_cache *socket_cache;
static const struct file_ops socket_ops;

void socket_init(void)
{
    socket_cache = slab_cache_create("socket", sizeof(struct socket), 0, SLAB_USER);
}

bool socket_is(const struct file *file)
{
    return file->ops == &socket_ops;
}

struct socket *socket_of(const struct file *file)
{
    return file->private;
}

struct socket *socket_get(struct socket *socket)
{
    atomic_fetch_add(&socket->nr_refs, 1);
    return socket;
}

void socket_put(struct socket *socket)
{
    if (socket == NULL || atomic_fetch_sub(&socket->nr_refs, 1) != 1)
        return;
    socket_name_put(atomic_load(&socket->name));
    slab_free(socket_cache, socket);
}

struct ucred socket_caller(void)
{
    struct credentials *credentials = credentials_current();

    return (struct ucred){
        .pid = process_current()->pid,
        .uid = atomic_load(&credentials->euid),
        .gid = atomic_load(&credentials->egid),
    };
}

static struct socket *make_socket(int type)
{
    struct socket *socket = slab_alloc(socket_cache);

    if (socket == NULL)
        return NULL;
    memset(socket, 0, sizeof(*socket));
    atomic_init(&socket->nr_refs, 1);
    socket->type = type;
    spin_init(&socket->lock, "socket", LOCK_RANK_WAIT);
    mutex_init(&socket->reading, "socket");
    list_init(&socket->received);
    list_init(&socket->pending);
    list_node_init(&socket->pending_link);
    waitq_init(&socket->readers);
    waitq_init(&socket->writers);
    poll_queue_init(&socket->polled, &socket->lock);
    socket->own = socket_caller();
    atomic_init(&socket->send_bytes, BUFFER_BYTES);
    atomic_init(&socket->receive_bytes, BUFFER_BYTES);
    atomic_init(&socket->send_timeout_ns, WAITQ_FOREVER);
    atomic_init(&socket->receive_timeout_ns, WAITQ_FOREVER);
    return socket;
}

int socket_create(int type, unsigned flags, struct file **file)
{
    struct socket *socket = make_socket(type);

    if (socket == NULL)
        return -ENOMEM;
    *file = file_create(&socket_ops, O_RDWR | flags, NULL, socket);
    if (*file == NULL) {
        socket_put(socket);
        return -ENOMEM;
    }
    return 0;
}

int socket_create_pair(int type, unsigned flags, struct file *files[2])
{
    struct socket *sockets[2];
    int error = socket_create(type, flags, &files[0]);

    if (error != 0)
        return error;
    error = socket_create(type, flags, &files[1]);
    if (error != 0) {
        file_put(files[0]);
        return error;
    }
    for (int i = 0; i < 2; i++)
        sockets[i] = socket_of(files[i]);
    for (int i = 0; i < 2; i++) {
        sockets[i]->state = CONNECTED;
        sockets[i]->peer = socket_get(sockets[1 - i]);
        sockets[i]->peer_credentials = sockets[1 - i]->own;
    }
    return 0;
}

/* ---- Waiting -------------------------------------------------------------------------------- */

uint64_t socket_deadline(const struct file *file, int flags, uint64_t timeout_ns)
{
    if ((flags & MSG_DONTWAIT) || (atomic_load(&file->flags) & O_NONBLOCK))
        return 0;
    return timeout_ns == WAITQ_FOREVER ? WAITQ_FOREVER : clock_now_ns() + timeout_ns;
}

int socket_sleep(struct socket *socket, struct waitq *q, uint64_t deadline_ns)
{
    int error = -ETIMEDOUT;

    if (deadline_ns != 0)
        error = waitq_sleep(q, &socket->lock, deadline_ns, true);
    if (error == -ETIMEDOUT)
        return -EAGAIN;
    return error != 0 && deadline_ns != WAITQ_FOREVER ? -EINTR : error;
}

int socket_take_error(struct socket *socket)
{
    int error = socket->error;

    socket->error = 0;
    return -error;
}

/* Everybody who waits for anything of the socket looks again. Locked. */
static void wake_all(struct socket *socket)
{
    waitq_wake_all(&socket->readers);
    waitq_wake_all(&socket->writers);
    poll_notify(&socket->polled);
}

enum socket_state socket_get_state(struct socket *socket)
{
    irq_state_t irq = spin_lock_irq(&socket->lock);
    enum socket_state state = socket->state;

    spin_unlock_irq(&socket->lock, irq);
    return state;
}

static unsigned socket_poll(struct file *file, struct poll_watcher *watcher)
{
    struct socket *socket = socket_of(file);
    irq_state_t irq = spin_lock_irq(&socket->lock);
    unsigned events = 0;

    poll_watch(&socket->polled, watcher);
    if (socket->error != 0)
        events |= EPOLLERR;
    if (socket->no_more_in)
        events |= EPOLLRDHUP | EPOLLIN | EPOLLRDNORM;
    if ((socket->no_more_in && socket->no_more_out) ||
        (socket_has_connections(socket) && socket->state < CONNECTED))
        events |= EPOLLHUP;
    if (!list_is_empty(&socket->received) || socket->nr_pending > 0)
        events |= EPOLLIN | EPOLLRDNORM;
    if (socket->state != LISTENING && socket_is_writable(socket))
        events |= EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND;
    spin_unlock_irq(&socket->lock, irq);
    return events;
}

/* ---- Peers ---------------------------------------------------------------------------------- */

struct socket *socket_get_peer(struct socket *socket)
{
    irq_state_t irq = spin_lock_irq(&socket->lock);
    struct socket *peer = socket->peer != NULL ? socket_get(socket->peer) : NULL;

    spin_unlock_irq(&socket->lock, irq);
    return peer;
}

static void set_peer(struct socket *socket, struct socket *peer)
{
    irq_state_t irq = spin_lock_irq(&socket->lock);
    struct socket *old = socket->peer;

    socket->peer = peer != NULL ? socket_get(peer) : NULL;
    socket->state = peer != NULL ? CONNECTED : UNCONNECTED;
    poll_notify(&socket->polled);
    spin_unlock_irq(&socket->lock, irq);
    socket_put(old);
}

static void set_state(struct socket *socket, enum socket_state state)
{
    irq_state_t irq = spin_lock_irq(&socket->lock);

    socket->state = state;
    wake_all(socket);
    spin_unlock_irq(&socket->lock, irq);
}

/* No more comes in, or goes out; `error`: why not, for the next call, or 0. */
static void shut(struct socket *socket, bool in, bool out, int error)
{
    irq_state_t irq = spin_lock_irq(&socket->lock);

    socket->no_more_in |= in;
    socket->no_more_out |= out;
    if (error != 0)
        socket->error = error;
    wake_all(socket);
    spin_unlock_irq(&socket->lock, irq);
}

void socket_change_peer(struct socket *socket, struct socket *peer)
{
    struct socket *old = socket_get_peer(socket), *back = NULL;
    bool had_any = false;

    set_peer(socket, peer);
    if (old != NULL && old != peer) {
        mutex_lock(&socket->reading);
        had_any = socket_drop_messages(socket);
        mutex_unlock(&socket->reading);
        back = socket_get_peer(old);
    }
    if (had_any && back == socket)
        shut(old, false, false, ECONNRESET);
    socket_put(back);
    socket_put(old);
}

int socket_shutdown(struct file *file, int how)
{
    struct socket *socket = socket_of(file), *peer;
    bool in = how == SHUT_RD || how == SHUT_RDWR, out = how == SHUT_WR || how == SHUT_RDWR;

    if (!in && !out)
        return -EINVAL;
    shut(socket, in, out, 0);
    peer = socket_has_connections(socket) ? socket_get_peer(socket) : NULL;
    if (peer != NULL)
        shut(peer, out, in, 0);
    socket_put(peer);
    return 0;
}

/*
 * Ends a socket that has no file and no pending connections (any more). `error`: what its peer is
 * told. Gives up a reference.
 */
static void end_socket(struct socket *socket, int error)
{
    irq_state_t irq = spin_lock_irq(&socket->lock);
    struct socket *peer = socket->peer;

    socket->is_dead = socket->no_more_in = socket->no_more_out = true;
    socket->peer = NULL;
    wake_all(socket);
    spin_unlock_irq(&socket->lock, irq);
    if (socket_drop_messages(socket))
        error = ECONNRESET;
    if (peer != NULL && socket_has_connections(socket))
        shut(peer, true, true, error);
    socket_put(peer);
    socket_put(socket);
}

/* Ends the connections that nobody has accepted, and lets no more come. */
static void end_pending(struct socket *listener)
{
    struct list pending = LIST_INIT(pending);
    struct list_node *node;
    irq_state_t irq = spin_lock_irq(&listener->lock);

    listener->no_more_in = true;
    list_splice_back(&pending, &listener->pending);
    listener->nr_pending = 0;
    spin_unlock_irq(&listener->lock, irq);
    while ((node = list_pop_front(&pending)) != NULL) {
        struct socket *other = list_entry(node, struct socket, pending_link);

        rights_unhold(other);
        end_socket(other, ECONNRESET);
    }
}

static void socket_release(struct file *file)
{
    struct socket *socket = socket_of(file);

    if (socket == NULL)
        return; /* accept() has found nobody for it */
    socket_name_forget(socket);
    end_pending(socket);
    end_socket(socket, 0);
}

/* ---- Connecting ----------------------------------------------------------------------------- */

int socket_listen(struct file *file, int backlog)
{
    struct socket *socket = socket_of(file);
    irq_state_t irq;
    int error = 0;

    if (!socket_has_connections(socket))
        return -EOPNOTSUPP;
    if (atomic_load(&socket->name) == NULL)
        return -EINVAL;
    irq = spin_lock_irq(&socket->lock);
    if (socket->state == UNCONNECTED || socket->state == LISTENING) {
        socket->state = LISTENING;
        socket->backlog = MIN((unsigned)backlog, (unsigned)SOMAXCONN);
        socket->own = socket_caller();
        wake_all(socket);
    } else {
        error = -EINVAL;
    }
    spin_unlock_irq(&socket->lock, irq);
    return error;
}

/*
 * Waits for room among the listener's pending connections, and puts `other` there. 0, -EAGAIN,
 * -ECONNREFUSED: it does not listen (any more)...
 */
static int put_pending(struct socket *listener, struct socket *other, uint64_t deadline_ns)
{
    irq_state_t irq = spin_lock_irq(&listener->lock);
    int error = 0;

    while (error == 0) {
        if (listener->state != LISTENING || listener->no_more_in)
            error = -ECONNREFUSED;
        else if (listener->nr_pending <= listener->backlog)
            break;
        else
            error = socket_sleep(listener, &listener->writers, deadline_ns);
    }
    if (error == 0) {
        other->own = listener->own;
        list_push_back(&listener->pending, &socket_get(other)->pending_link);
        listener->nr_pending++;
        waitq_wake_first(&listener->readers);
        poll_notify_events(&listener->polled, EPOLLIN | EPOLLRDNORM);
    }
    spin_unlock_irq(&listener->lock, irq);
    return error;
}

/* Makes the other end of a connection, and has it pend. The socket is CONNECTING. */
static int connect_to(struct socket *socket, struct socket *listener, uint64_t deadline_ns)
{
    struct socket *other = make_socket(socket->type);
    irq_state_t irq;
    int error;

    if (other == NULL)
        return -ENOMEM;
    other->state = CONNECTED;
    other->peer = socket_get(socket);
    other->peer_credentials = socket_caller();
    atomic_init(&other->wants_credentials, atomic_load(&listener->wants_credentials));
    atomic_init(&other->name, atomic_load(&listener->name));
    atomic_fetch_add(&atomic_load(&other->name)->nr_refs, 1);
    rights_hold(other, listener);
    error = put_pending(listener, other, deadline_ns);
    if (error != 0) {
        rights_unhold(other);
        socket_put(other->peer);
        socket_put(other);
        return error;
    }
    irq = spin_lock_irq(&socket->lock);
    socket->peer_credentials = other->own;
    spin_unlock_irq(&socket->lock, irq);
    set_peer(socket, other);
    socket_put(other);
    return 0;
}

/* From UNCONNECTED to CONNECTING. 0 or -errno. */
static int begin_connect(struct socket *socket)
{
    irq_state_t irq = spin_lock_irq(&socket->lock);
    enum socket_state state = socket->state;

    if (state == UNCONNECTED)
        socket->state = CONNECTING;
    spin_unlock_irq(&socket->lock, irq);
    switch (state) {
    case UNCONNECTED:
        return 0;
    case CONNECTING:
        return -EALREADY;
    case CONNECTED:
        return -EISCONN;
    default:
        return -EINVAL;
    }
}

static int connect_stream(struct file *file, const struct socket_address *address,
                          struct inode *start)
{
    struct socket *socket = socket_of(file), *listener;
    int error = begin_connect(socket);

    if (error != 0)
        return error;
    error = socket_find(address, start, socket->type, &listener);
    if (error == 0) {
        error = connect_to(socket, listener, socket_deadline(file, 0, socket->send_timeout_ns));
        socket_put(listener);
    }
    if (error != 0)
        set_state(socket, UNCONNECTED);
    return error;
}

static int connect_datagram(struct socket *socket, const struct socket_address *address,
                            struct inode *start)
{
    struct socket *peer, *back;
    int error;

    if (address->un.sun_family == AF_UNSPEC) {
        socket_change_peer(socket, NULL);
        return 0;
    }
    error = socket_find(address, start, socket->type, &peer);
    if (error != 0)
        return error;
    back = socket_get_peer(peer);
    if (back == NULL || back == socket)
        socket_change_peer(socket, peer);
    else
        error = -EPERM; /* it is connected to somebody else */
    socket_put(back);
    socket_put(peer);
    return error;
}

int socket_connect(struct file *file, const struct socket_address *address, struct inode *start)
{
    struct socket *socket = socket_of(file);

    if (socket->wants_credentials) {
        int error = socket_name_any(socket);

        if (error != 0)
            return error;
    }
    if (!socket_has_connections(socket))
        return connect_datagram(socket, address, start);
    return address->un.sun_family == AF_UNIX ? connect_stream(file, address, start) : -EINVAL;
}

/* Waits for a pending connection. It, with a reference, or an error. */
static int take_pending(struct socket *listener, uint64_t deadline_ns, struct socket **other)
{
    irq_state_t irq = spin_lock_irq(&listener->lock);
    int error = 0;

    while (error == 0 && listener->nr_pending == 0) {
        if (listener->state != LISTENING || listener->no_more_in)
            error = -EINVAL;
        else
            error = socket_sleep(listener, &listener->readers, deadline_ns);
    }
    if (error == 0) {
        *other = list_entry(list_pop_front(&listener->pending), struct socket, pending_link);
        listener->nr_pending--;
        waitq_wake_first(&listener->writers);
        if (listener->nr_pending > 0)
            waitq_wake_first(&listener->readers);
    }
    spin_unlock_irq(&listener->lock, irq);
    return error;
}

int socket_accept(struct file *file, unsigned flags, struct file **accepted)
{
    struct socket *listener = socket_of(file), *other;
    int error;

    if (!socket_has_connections(listener))
        return -EOPNOTSUPP;
    *accepted = file_create(&socket_ops, O_RDWR | flags, NULL, NULL);
    if (*accepted == NULL)
        return -ENOMEM;
    error = take_pending(listener, socket_deadline(file, 0, listener->receive_timeout_ns), &other);
    if (error != 0) {
        file_put(*accepted);
        return error;
    }
    rights_unhold(other);
    (*accepted)->private = other;
    return 0;
}

int socket_get_name(struct file *file, bool is_peer, struct socket_address *address)
{
    struct socket *socket = socket_of(file), *of = socket;
    struct socket_name *name;

    if (is_peer)
        of = socket_get_peer(socket);
    if (of == NULL)
        return -ENOTCONN;
    name = atomic_load(&of->name);
    if (name != NULL)
        *address = name->address;
    else
        *address = (struct socket_address){.un.sun_family = AF_UNIX, .nr_bytes = 2};
    if (is_peer)
        socket_put(of);
    return 0;
}

/* ---- The file ------------------------------------------------------------------------------- */

static int64_t socket_transfer(struct file *file, const struct io_piece *pieces, size_t nr_pieces,
                               bool is_write)
{
    struct socket_transfer transfer = {.data = {.pieces = pieces, .nr_pieces = nr_pieces}};
    int64_t result;

    for (size_t i = 0; i < nr_pieces; i++) {
        if (__builtin_add_overflow(transfer.nr_bytes, pieces[i].nr_bytes, &transfer.nr_bytes) ||
            transfer.nr_bytes > INT64_MAX)
            return -EINVAL;
    }
    if (is_write)
        return socket_send(file, &transfer);
    if (transfer.nr_bytes == 0)
        return 0;
    result = socket_receive(file, &transfer);
    for (unsigned i = 0; i < transfer.nr_files; i++)
        file_put(transfer.files[i]); /* there is no room for them */
    kfree(transfer.files);
    return result;
}

static int64_t socket_read_pieces(struct file *file, const struct io_piece *pieces, unsigned nr,
                                  uint64_t *offset)
{
    (void)offset;
    return socket_transfer(file, pieces, nr, false);
}

static int64_t socket_write_pieces(struct file *file, const struct io_piece *pieces, unsigned nr,
                                   uint64_t *offset)
{
    (void)offset;
    return socket_transfer(file, pieces, nr, true);
}

static int64_t socket_read(struct file *file, vaddr_t to, size_t nr_bytes, uint64_t *offset)
{
    return socket_read_pieces(file, &(struct io_piece){to, nr_bytes}, 1, offset);
}

static int64_t socket_write(struct file *file, vaddr_t from, size_t nr_bytes, uint64_t *offset)
{
    return socket_write_pieces(file, &(struct io_piece){from, nr_bytes}, 1, offset);
}

static void socket_stat(struct file *file, struct stat *stat)
{
    (void)file;
    file_stat_anonymous(stat, S_IFSOCK | 0777);
}

static const struct file_ops socket_ops = {
    .read = socket_read,
    .write = socket_write,
    .read_pieces = socket_read_pieces,
    .write_pieces = socket_write_pieces,
    .poll = socket_poll,
    .ioctl = socket_ioctl,
    .stat = socket_stat,
    .release = socket_release,
};
