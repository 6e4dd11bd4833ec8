#ifndef NET_SOCKET_IMPL_H
#define NET_SOCKET_IMPL_H

/* The inside of a socket, for the files of kernel/net only. socket.c has the theory. */

#include <stdatomic.h>

#include <kernel/list.h>
#include <kernel/mutex.h>
#include <kernel/poll.h>
#include <kernel/socket.h>
#include <kernel/spinlock.h>
#include <kernel/waitq.h>

enum socket_state {
    UNCONNECTED,
    CONNECTING, /* an LWP is in connect() */
    CONNECTED,
    LISTENING,
};

/* What a socket is bound to (name.c). Constant but for the first three. */
struct socket_name {
    atomic_uint nr_refs;
    struct list_node link; /* names_lock */
    struct socket *socket; /* names_lock; NULL: it is gone; no reference */
    struct inode *inode;   /* of a path: a reference; NULL: an abstract name */
    int type;
    struct socket_address address;
};

/* Locks: c constant, l lock, r the lock of rights.c, a atomic. */
struct socket {
    atomic_uint nr_refs; /* a */
    int type;            /* c */
    struct spinlock lock;
    enum socket_state state;          /* l */
    struct socket *peer;              /* l: a reference; to whom is sent what has no address */
    struct socket_name *_Atomic name; /* a: set once, with `reading` held; a reference */
    bool is_dead;                     /* l: no file any more */
    bool no_more_in, no_more_out;     /* l: shut down here, or at the other side */
    int error;                        /* l: SO_ERROR, positive */

    struct mutex reading;     /* held while messages are being read, and while it is named */
    struct list received;     /* l: messages */
    struct waitq readers;     /* l: for messages, or connections to accept */
    struct waitq writers;     /* l: for room in nr_sent, or among the pending */
    size_t nr_sent;           /* l: what its messages that nobody has read cost */
    struct poll_queue polled; /* l */

    struct list pending;           /* l: sockets to accept, by pending_link */
    struct list_node pending_link; /* the listener's lock */
    unsigned nr_pending, backlog;  /* l */

    struct ucred own, peer_credentials; /* l: whose it is, as connect() and listen() found it */
    atomic_bool wants_credentials;      /* a: SO_PASSCRED */
    _Atomic uint64_t option_bits;       /* a: options that are only remembered, by number */
    _Atomic size_t send_bytes, receive_bytes; /* a: SO_SNDBUF; SO_RCVBUF, only remembered */
    _Atomic uint64_t send_timeout_ns, receive_timeout_ns; /* a: WAITQ_FOREVER: none */

    struct socket *holder; /* r: while it is pending, the listener; no reference */
    unsigned nr_held;      /* r: sockets in its messages, and those of its pending ones */
    unsigned nr_flying;    /* r: messages that it is in */
    unsigned depth;        /* r: how many sockets it may be inside of, one in the other */
};

/* What is sent at once. Constant, but that a reader takes from it. */
struct message {
    struct list_node link; /* the receiver's lock */
    struct socket *sender; /* a reference: where the cost is booked */
    struct ucred credentials;
    struct file **files; /* SCM_RIGHTS, with references */
    unsigned nr_files;
    struct rights_user *user; /* of rights.c: for whom they are counted */
    size_t nr_bytes;
    size_t nr_read; /* the receiver's mutex: of a stream, what has been read */
    size_t cost;    /* what is booked */
    size_t nr_chunks;
    char *chunks[]; /* CHUNK_BYTES each, but the last */
};

#define CHUNK_BYTES 4096

struct socket *socket_of(const struct file *file);
struct socket *socket_get(struct socket *socket);
void socket_put(struct socket *socket); /* NULL is allowed */

static inline bool socket_is_stream(const struct socket *socket)
{
    return socket->type == SOCK_STREAM;
}

/* Whether it has to be connected before anything is sent. */
static inline bool socket_has_connections(const struct socket *socket)
{
    return socket->type != SOCK_DGRAM;
}

/* When a wait that begins now ends; 0: at once, for one that does not wait. */
uint64_t socket_deadline(const struct file *file, int flags, uint64_t timeout_ns);

/*
 * Sleeps on one of the socket's queues, its lock held. 0, -EAGAIN: the time is over, -ERESTARTSYS,
 * or, where there is a time-out, -EINTR.
 */
int socket_sleep(struct socket *socket, struct waitq *q, uint64_t deadline_ns) MUST_CHECK;

/* Takes and clears SO_ERROR. 0 or -errno. Locked. */
int socket_take_error(struct socket *socket);

/* The credentials of the caller. */
struct ucred socket_caller(void);

enum socket_state socket_get_state(struct socket *socket);

/* The peer, with a reference; NULL: none. */
struct socket *socket_get_peer(struct socket *socket);

/*
 * A datagram socket gets another peer, or none (NULL). What it has received is dropped if it had
 * one, which gets ECONNRESET if it sends to this one. No lock is held.
 */
void socket_change_peer(struct socket *socket, struct socket *peer);

/* ---- name.c --------------------------------------------------------------------------------- */

void socket_name_put(struct socket_name *name); /* NULL is allowed */

/* The socket is no more to be found by its name. */
void socket_name_forget(struct socket *socket);

/* Gives it an abstract name of its own, unless it has a name. 0 or -errno. */
int socket_name_any(struct socket *socket) MUST_CHECK;

/* The socket that an address stands for, with a reference. 0, -ECONNREFUSED, -EPROTOTYPE... */
int socket_find(const struct socket_address *address, struct inode *start, int type,
                struct socket **found) MUST_CHECK;

/* ---- message.c ------------------------------------------------------------------------------ */

/*
 * Throws away everything that has been received. Whether there was anything. `reading` is held, or
 * no file is left; no spinlock is held.
 */
bool socket_drop_messages(struct socket *socket);

/* Whether it may send: a quarter of what it may have on the way is used at most. Locked. */
bool socket_is_writable(const struct socket *socket);

/* FIONREAD: bytes to read; TIOCOUTQ: what is booked. 0 or -errno. */
int64_t socket_ioctl(struct file *file, unsigned request, uint64_t arg);

/* ---- rights.c ------------------------------------------------------------------------------- */

/*
 * The message's files fly to the receiver; and they have come down, or the message is lost. 0, or
 * -ETOOMANYREFS: too many of the user's fly already, or sockets would be inside each other in a
 * circle, or too deeply; -ENOMEM.
 */
int rights_take_off(struct message *message, struct socket *receiver) MUST_CHECK;
void rights_land(struct message *message, struct socket *receiver);

/* A pending socket belongs to its listener; and no longer, being accepted or dropped. */
void rights_hold(struct socket *pending, struct socket *listener);
void rights_unhold(struct socket *pending);

#endif
