/*
 * Messages: sending and receiving.
 *
 * A message is copied from the sender's memory into chunks of its own, put on the receiver's list,
 * and copied from there. Of a stream it is a piece of any size, from which readers take what they
 * want; of the other types it is what one call has sent, and one call receives.
 *
 * What a socket may have on the way is limited (SO_SNDBUF). The sender *books* what a message costs
 * before it is made, the descriptors in it included, and whoever receives or drops the message
 * takes that back. So a receiver's memory is bounded by its senders' limits.
 *
 * User memory is touched without spinlocks: a sender has the message to itself until it is on the
 * list; a receiver has the socket's mutex, and the message stays on the list until it is done.
 * Sleeping for a message is done without the mutex.
 */

#include <asm/ioctls.h>
#include <kernel/errno.h>
#include <kernel/file.h>
#include <kernel/string.h>
#include <linux/eventpoll.h>
#include <linux/signal.h>
#include <mm/slab.h>
#include <mm/user_copy.h>
#include <proc/signal.h>

#include "socket_impl.h"

#define STREAM_BYTES_MAX KIB(16) /* in one message of a stream */
#define MESSAGE_COST     256     /* that much more than its bytes */
#define FILE_COST        512     /* of a descriptor: at least 253 can be on the way */

/* ---- Messages ------------------------------------------------------------------------------- */

static void free_message(struct message *message)
{
    for (unsigned i = 0; i < message->nr_files; i++)
        file_put(message->files[i]);
    kfree(message->files);
    for (size_t i = 0; i < message->nr_chunks; i++)
        kfree(message->chunks[i]);
    socket_put(message->sender);
    kfree(message);
}

static struct message *make_message(struct socket *sender, size_t nr_bytes)
{
    size_t nr_chunks = ROUND_UP(nr_bytes, (size_t)CHUNK_BYTES) / CHUNK_BYTES;
    struct message *message = kzalloc_user(sizeof(*message) + nr_chunks * sizeof(char *));

    if (message == NULL)
        return NULL;
    message->sender = socket_get(sender);
    message->nr_bytes = nr_bytes;
    for (size_t done = 0; done < nr_bytes; done += CHUNK_BYTES) {
        char *chunk = kmalloc_user(MIN(nr_bytes - done, (size_t)CHUNK_BYTES));

        if (chunk == NULL) {
            free_message(message);
            return NULL;
        }
        message->chunks[message->nr_chunks++] = chunk;
    }
    return message;
}

static int copy_files(struct message *message, const struct socket_transfer *transfer)
{
    size_t nr_bytes = transfer->nr_files * sizeof(struct file *);

    if (transfer->nr_files == 0)
        return 0;
    message->files = kmalloc_user(nr_bytes);
    if (message->files == NULL)
        return -ENOMEM;
    for (unsigned i = 0; i < transfer->nr_files; i++)
        message->files[i] = file_get(transfer->files[i]);
    message->nr_files = transfer->nr_files;
    return 0;
}

/* Copies between bytes at..at+nr_bytes of a message and user memory, which it moves on in. */
static int copy(struct message *message, size_t at, size_t nr_bytes, struct user_pieces *user,
                bool to_user)
{
    while (nr_bytes > 0) {
        char *chunk = message->chunks[at / CHUNK_BYTES] + at % CHUNK_BYTES;
        size_t nr = MIN(nr_bytes, CHUNK_BYTES - at % CHUNK_BYTES);
        vaddr_t va = user->pieces->at + user->done_bytes;

        if (user->done_bytes == user->pieces->nr_bytes) {
            user->pieces++;
            user->nr_pieces--;
            user->done_bytes = 0;
            continue;
        }
        nr = MIN(nr, user->pieces->nr_bytes - user->done_bytes);
        if ((to_user ? user_copy_to(va, chunk, nr) : user_copy_from(chunk, va, nr)) != 0)
            return -EFAULT;
        user->done_bytes += nr;
        at += nr;
        nr_bytes -= nr;
    }
    return 0;
}

/* ---- Booking -------------------------------------------------------------------------------- */

bool socket_is_writable(const struct socket *socket)
{
    return socket->nr_sent <= socket->send_bytes / 4;
}

/* Books the cost of a message when there is room. 0 or -errno. */
static int book(struct socket *socket, size_t cost, uint64_t deadline_ns)
{
    irq_state_t irq = spin_lock_irq(&socket->lock);
    int error = 0;

    while (error == 0) {
        if (socket->error != 0 && !(socket->no_more_out && socket_is_stream(socket)))
            error = socket_take_error(socket);
        else if (socket->no_more_out)
            error = -EPIPE;
        else if (socket->nr_sent == 0 || socket->nr_sent + cost <= socket->send_bytes)
            break;
        else
            error = socket_sleep(socket, &socket->writers, deadline_ns);
    }
    if (error == 0)
        socket->nr_sent += cost;
    spin_unlock_irq(&socket->lock, irq);
    return error;
}

static void unbook(struct socket *socket, size_t cost)
{
    irq_state_t irq = spin_lock_irq(&socket->lock);

    socket->nr_sent -= cost;
    waitq_wake_all(&socket->writers);
    if (socket_is_writable(socket))
        poll_notify_events(&socket->polled, EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND);
    spin_unlock_irq(&socket->lock, irq);
}

/* A message that has flown ends. */
static void end_message(struct message *message, struct socket *receiver)
{
    rights_land(message, receiver);
    unbook(message->sender, message->cost);
    free_message(message);
}

bool socket_drop_messages(struct socket *socket)
{
    struct list dropped = LIST_INIT(dropped);
    struct list_node *node;
    bool had_any = false;
    irq_state_t irq = spin_lock_irq(&socket->lock);

    list_splice_back(&dropped, &socket->received);
    spin_unlock_irq(&socket->lock, irq);
    while ((node = list_pop_front(&dropped)) != NULL) {
        end_message(list_entry(node, struct message, link), socket);
        had_any = true;
    }
    return had_any;
}

/* ---- Sending -------------------------------------------------------------------------------- */

/* Puts a message on the receiver's list. 0, -EPIPE, -ECONNREFUSED: it is closed. */
static int deliver(struct message *message, struct socket *receiver)
{
    irq_state_t irq = spin_lock_irq(&receiver->lock);
    int error = 0;

    if (receiver->is_dead && !socket_has_connections(receiver))
        error = -ECONNREFUSED;
    else if (receiver->is_dead || receiver->no_more_in)
        error = -EPIPE;
    if (error == 0) {
        list_push_back(&receiver->received, &message->link);
        waitq_wake_first(&receiver->readers);
        poll_notify_events(&receiver->polled, EPOLLIN | EPOLLRDNORM);
    }
    spin_unlock_irq(&receiver->lock, irq);
    return error;
}

/* Sends the next nr_bytes as one message, with the files and credentials if it is the first. */
static int send_message(struct socket *socket, struct socket *receiver,
                        struct socket_transfer *transfer, size_t nr_bytes, bool is_first,
                        uint64_t deadline_ns)
{
    size_t cost = nr_bytes + MESSAGE_COST + (is_first ? transfer->nr_files * FILE_COST : 0);
    struct message *message;
    int error = book(socket, cost, deadline_ns);

    if (error != 0)
        return error;
    message = make_message(socket, nr_bytes);
    if (message == NULL) {
        unbook(socket, cost);
        return -ENOMEM;
    }
    message->cost = cost;
    message->credentials = transfer->has_credentials ? transfer->credentials : socket_caller();
    error = copy(message, 0, nr_bytes, &transfer->data, false);
    if (error == 0 && is_first)
        error = copy_files(message, transfer);
    if (error == 0)
        error = rights_take_off(message, receiver);
    if (error != 0) {
        unbook(socket, cost);
        free_message(message);
        return error;
    }
    error = deliver(message, receiver);
    if (error != 0)
        end_message(message, receiver);
    return error;
}

/* Whether the socket is shut down for sending. */
static bool cannot_send(struct socket *socket)
{
    irq_state_t irq = spin_lock_irq(&socket->lock);
    bool no_more_out = socket->no_more_out;

    spin_unlock_irq(&socket->lock, irq);
    return no_more_out;
}

static int64_t send_stream(struct socket *socket, struct socket *peer,
                           struct socket_transfer *transfer, uint64_t deadline_ns)
{
    size_t done = 0, most = MIN(STREAM_BYTES_MAX, socket->send_bytes / 2);
    int error = transfer->nr_bytes == 0 && cannot_send(socket) ? -EPIPE : 0;

    while (error == 0 && done < transfer->nr_bytes) {
        size_t nr = MIN(transfer->nr_bytes - done, most);

        error = send_message(socket, peer, transfer, nr, done == 0, deadline_ns);
        if (error == 0)
            done += nr;
    }
    if (error == -EPIPE && done == 0 && !(transfer->flags & MSG_NOSIGNAL))
        signal_send_self(SIGPIPE);
    return done > 0 ? (int64_t)done : error;
}

/* Whom a datagram is for, with a reference. */
static int find_receiver(struct socket *socket, const struct socket_transfer *transfer,
                         struct socket **receiver)
{
    struct socket *back;
    int error;

    if (transfer->address.nr_bytes == 0 || socket_has_connections(socket)) {
        *receiver = socket_get_peer(socket);
        return *receiver != NULL ? 0 : -ENOTCONN;
    }
    error = socket_find(&transfer->address, transfer->start, socket->type, receiver);
    if (error != 0)
        return error;
    back = socket_get_peer(*receiver);
    if (back != NULL && back != socket) {
        socket_put(*receiver);
        error = -EPERM; /* it is connected to somebody else */
    }
    socket_put(back);
    return error;
}

int64_t socket_send(struct file *file, struct socket_transfer *transfer)
{
    struct socket *socket = socket_of(file), *receiver;
    uint64_t deadline_ns = socket_deadline(file, transfer->flags, socket->send_timeout_ns);
    bool is_stream = socket_is_stream(socket);
    int64_t result = 0;

    if (transfer->flags & MSG_OOB)
        return -EOPNOTSUPP;
    if (socket->wants_credentials && !is_stream &&
        (!socket_has_connections(socket) || socket_get_state(socket) == CONNECTED))
        result = socket_name_any(socket);
    if (result == 0)
        result = find_receiver(socket, transfer, &receiver);
    if (is_stream && transfer->address.nr_bytes > 0) {
        if (result == 0)
            socket_put(receiver);
        return result == 0 ? -EISCONN : -EOPNOTSUPP;
    }
    if (result != 0)
        return result;
    if (is_stream) {
        result = send_stream(socket, receiver, transfer, deadline_ns);
    } else if (transfer->nr_bytes + MESSAGE_COST > socket->send_bytes) {
        result = -EMSGSIZE;
    } else {
        result = send_message(socket, receiver, transfer, transfer->nr_bytes, true, deadline_ns);
        if (result == 0)
            result = (int64_t)transfer->nr_bytes;
        else if (result == -ECONNREFUSED && transfer->address.nr_bytes == 0)
            socket_change_peer(socket, NULL);
    }
    socket_put(receiver);
    return result;
}

/* ---- Receiving ------------------------------------------------------------------------------ */

/* The message after `message` (NULL: the first); NULL: there is none. The mutex is held. */
static struct message *next_message(struct socket *socket, struct message *message)
{
    irq_state_t irq = spin_lock_irq(&socket->lock);
    struct list_node *node = message != NULL ? &message->link : &socket->received.head;

    node = node->next;
    spin_unlock_irq(&socket->lock, irq);
    return node != &socket->received.head ? list_entry(node, struct message, link) : NULL;
}

/*
 * Waits for a message, giving up the mutex meanwhile. 1: there is one; 0: there never will be; or
 * -errno.
 */
static int wait_for_message(struct socket *socket, uint64_t deadline_ns)
{
    int error = 0, result = 1;
    irq_state_t irq;

    mutex_unlock(&socket->reading);
    irq = spin_lock_irq(&socket->lock);
    while (error == 0 && list_is_empty(&socket->received) && !socket->no_more_in &&
           socket->error == 0)
        error = socket_sleep(socket, &socket->readers, deadline_ns);
    if (list_is_empty(&socket->received))
        result = socket->error != 0 ? socket_take_error(socket) : error;
    spin_unlock_irq(&socket->lock, irq);
    mutex_lock(&socket->reading);
    return result;
}

/* Takes a message that has been received off the list. The mutex is held. */
static void finish(struct socket *socket, struct message *message)
{
    irq_state_t irq = spin_lock_irq(&socket->lock);

    list_remove(&message->link);
    spin_unlock_irq(&socket->lock, irq);
    end_message(message, socket);
}

/* Gives the reader the message's files, or, to look at, more references to them. 0 or -ENOMEM. */
static int take_files(struct socket *socket, struct message *message,
                      struct socket_transfer *transfer)
{
    size_t nr_bytes = message->nr_files * sizeof(struct file *);

    if (message->nr_files == 0)
        return 0;
    if (transfer->flags & MSG_PEEK) {
        transfer->files = kmalloc_user(nr_bytes);
        if (transfer->files == NULL)
            return -ENOMEM;
        for (unsigned i = 0; i < message->nr_files; i++)
            transfer->files[i] = file_get(message->files[i]);
        transfer->nr_files = message->nr_files;
        return 0;
    }
    rights_land(message, socket);
    transfer->files = message->files;
    transfer->nr_files = message->nr_files;
    message->files = NULL;
    message->nr_files = 0;
    return 0;
}

/* From whom it is, by the name that he has now: told with the first message of a call. */
static void take_sender(struct socket *socket, const struct message *message,
                        struct socket_transfer *transfer)
{
    const struct socket_name *from = atomic_load(&message->sender->name);

    transfer->has_credentials = socket->wants_credentials;
    transfer->credentials = message->credentials;
    if (from != NULL)
        transfer->address = from->address;
}

static bool is_of_same(const struct message *message, const struct socket_transfer *transfer)
{
    return memcmp(&message->credentials, &transfer->credentials, sizeof(struct ucred)) == 0;
}

/*
 * The message after `seen` (NULL: the first) of a stream; waits for one if `may_wait`. 1; 0: there
 * is none, or -errno.
 */
static int find_next(struct socket *socket, struct message *seen, bool may_wait,
                     uint64_t deadline_ns, struct message **message)
{
    int result;

    while ((*message = next_message(socket, seen)) == NULL) {
        if (!may_wait)
            return 0;
        result = wait_for_message(socket, deadline_ns);
        if (result <= 0)
            return result;
    }
    return 1;
}

/* Reads what there is room for of a stream's message. Bytes or -errno. */
static int64_t read_part(struct socket *socket, struct message *message,
                         struct socket_transfer *transfer, size_t nr_room)
{
    size_t nr = MIN(message->nr_bytes - message->nr_read, nr_room);
    int error = copy(message, message->nr_read, nr, &transfer->data, true);

    if (error == 0)
        error = take_files(socket, message, transfer);
    if (error != 0)
        return error;
    if (!(transfer->flags & MSG_PEEK)) {
        message->nr_read += nr;
        if (message->nr_read == message->nr_bytes)
            finish(socket, message);
    }
    return (int64_t)nr;
}

/* Reads a stream; the mutex is held. Bytes or -errno. */
static int64_t read_stream(struct socket *socket, struct socket_transfer *transfer,
                           uint64_t deadline_ns)
{
    size_t done = 0, wanted = MAX(transfer->flags & MSG_WAITALL ? transfer->nr_bytes : 1, 1u);
    struct message *message, *seen = NULL;
    int64_t result;

    do {
        result = find_next(socket, seen, done < wanted && seen == NULL, deadline_ns, &message);
        if (result <= 0)
            break;
        if (done == 0)
            take_sender(socket, message, transfer);
        else if (transfer->has_credentials && !is_of_same(message, transfer))
            break;
        result = read_part(socket, message, transfer, transfer->nr_bytes - done);
        if (result < 0)
            break;
        done += (size_t)result;
        seen = transfer->flags & MSG_PEEK ? message : NULL;
    } while (done < transfer->nr_bytes && transfer->nr_files == 0);
    return done > 0 || result > 0 ? (int64_t)done : result;
}

static int take_error(struct socket *socket)
{
    irq_state_t irq = spin_lock_irq(&socket->lock);
    int error = socket_take_error(socket);

    spin_unlock_irq(&socket->lock, irq);
    return error;
}

/* Reads one message, or the socket's error, which comes first; the mutex is held. */
static int64_t read_message(struct socket *socket, struct socket_transfer *transfer,
                            uint64_t deadline_ns)
{
    struct message *message;
    int64_t result = take_error(socket);
    size_t nr;

    if (result != 0)
        return result;
    while ((message = next_message(socket, NULL)) == NULL) {
        result = wait_for_message(socket, deadline_ns);
        if (result <= 0)
            return result;
    }
    nr = MIN(message->nr_bytes, transfer->nr_bytes);
    result = copy(message, 0, nr, &transfer->data, true);
    if (result == 0)
        result = take_files(socket, message, transfer);
    if (result != 0)
        return result;
    take_sender(socket, message, transfer);
    if (nr < message->nr_bytes)
        transfer->got_flags |= MSG_TRUNC;
    result = (int64_t)(transfer->flags & MSG_TRUNC ? message->nr_bytes : nr);
    if (!(transfer->flags & MSG_PEEK))
        finish(socket, message);
    return result;
}

/* What is left is for another reader. */
static void wake_next_reader(struct socket *socket)
{
    irq_state_t irq = spin_lock_irq(&socket->lock);

    if (!list_is_empty(&socket->received))
        waitq_wake_first(&socket->readers);
    spin_unlock_irq(&socket->lock, irq);
}

int64_t socket_receive(struct file *file, struct socket_transfer *transfer)
{
    struct socket *socket = socket_of(file);
    uint64_t deadline_ns = socket_deadline(file, transfer->flags, socket->receive_timeout_ns);
    int64_t result;

    if (transfer->flags & MSG_OOB)
        return -EOPNOTSUPP;
    if (socket_has_connections(socket) && socket_get_state(socket) != CONNECTED)
        return socket_is_stream(socket) ? -EINVAL : -ENOTCONN;
    mutex_lock(&socket->reading);
    if (socket_is_stream(socket))
        result = read_stream(socket, transfer, deadline_ns);
    else
        result = read_message(socket, transfer, deadline_ns);
    mutex_unlock(&socket->reading);
    wake_next_reader(socket);
    return result;
}

/* ---- How much there is ---------------------------------------------------------------------- */

/* All that there is of a connection; otherwise the first message. */
static size_t nr_unread(struct socket *socket)
{
    struct message *message;
    size_t nr_bytes = 0;
    irq_state_t irq;

    mutex_lock(&socket->reading);
    irq = spin_lock_irq(&socket->lock);
    list_for_each_entry (message, &socket->received, link) {
        nr_bytes += message->nr_bytes - message->nr_read;
        if (!socket_has_connections(socket))
            break;
    }
    spin_unlock_irq(&socket->lock, irq);
    mutex_unlock(&socket->reading);
    return nr_bytes;
}

static size_t nr_on_the_way(struct socket *socket)
{
    irq_state_t irq = spin_lock_irq(&socket->lock);
    size_t nr_bytes = socket->nr_sent;

    spin_unlock_irq(&socket->lock, irq);
    return nr_bytes;
}

int64_t socket_ioctl(struct file *file, unsigned request, uint64_t arg)
{
    struct socket *socket = socket_of(file);
    int nr_bytes;

    if (request != FIONREAD && request != TIOCOUTQ)
        return -ENOTTY;
    if (socket_get_state(socket) == LISTENING)
        return -EINVAL;
    nr_bytes = (int)(request == FIONREAD ? nr_unread(socket) : nr_on_the_way(socket));
    return user_copy_to(arg, &nr_bytes, sizeof(nr_bytes));
}
