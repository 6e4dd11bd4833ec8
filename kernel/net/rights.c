/*
 * Descriptors that fly: files in messages that nobody has received yet (SCM_RIGHTS).
 *
 * A message has references to its files, and a socket has its messages. So sockets that fly to each
 * other in a circle would keep each other for ever once nobody has a descriptor of them, and a long
 * chain of them, one inside the other, would be closed by a deep recursion. Neither comes about:
 *
 *     A socket that has sockets in its messages cannot be sent, and none can be sent into itself.
 *
 * What would close a circle is always a socket that has something inside already, or itself. What
 * is inside a pending connection is inside its listener as well, who owns it. For the chains, a
 * socket knows how deep it is at most: what it is put into cannot get deeper afterwards, because it
 * is not sent any more.
 *
 * The rule also refuses what would do no harm: a socket must have received the sockets that were
 * sent to it before it is sent itself.
 *
 * Files that fly are in nobody's table. So they are counted for the user who has sent them, who may
 * not send more while more than RLIMIT_NOFILE of his fly (unix(7)).
 */

#include <kernel/credentials.h>
#include <kernel/errno.h>
#include <kernel/file.h>
#include <mm/slab.h>

#include "socket_impl.h"

#define DEPTH_MAX 4

static struct spinlock rights_lock = SPINLOCK_INIT("flying descriptors", LOCK_RANK_WAIT);

/* Whose files fly; under rights_lock. */
struct rights_user {
    struct list_node link;
    uint32_t uid;
    uint64_t nr_files; /* not 0 */
};

static struct list users = LIST_INIT(users);

/* The user's record, made of `spare` if there is none. Locked. */
static struct rights_user *find_user(uint32_t uid, struct rights_user *spare)
{
    struct rights_user *user;

    list_for_each_entry (user, &users, link) {
        if (user->uid == uid)
            return user;
    }
    *spare = (struct rights_user){.uid = uid};
    list_push_back(&users, &spare->link);
    return spare;
}

/* If none of the user's files fly any more: what is to be freed; else NULL. Locked. */
static struct rights_user *forget_user(struct rights_user *user)
{
    if (user->nr_files > 0)
        return NULL;
    list_remove(&user->link);
    return user;
}

static struct socket *socket_at(const struct message *message, unsigned i)
{
    return socket_is(message->files[i]) ? socket_of(message->files[i]) : NULL;
}

static void count_held(struct socket *receiver, unsigned nr_more)
{
    receiver->nr_held += nr_more;
    if (receiver->holder != NULL)
        receiver->holder->nr_held += nr_more;
}

/* Whether the message may fly; and if so how many of its files are sockets. Locked. */
static bool may_fly(const struct message *message, struct socket *receiver, unsigned depth,
                    unsigned *nr_sockets)
{
    struct socket *top = receiver->holder != NULL ? receiver->holder : receiver;

    for (unsigned i = 0; i < message->nr_files; i++) {
        struct socket *socket = socket_at(message, i);

        if (socket == NULL)
            continue;
        if (socket->nr_held > 0 || socket == top || depth > DEPTH_MAX)
            return false;
        ++*nr_sockets;
    }
    return true;
}

/* Notes that the message's files fly, nr_sockets of them sockets. Locked. */
static void count_flying(struct message *message, struct socket *receiver, unsigned nr_sockets,
                         unsigned depth)
{
    for (unsigned i = 0; i < message->nr_files; i++) {
        struct socket *socket = socket_at(message, i);

        if (socket == NULL)
            continue;
        socket->nr_flying++;
        socket->depth = MAX(socket->depth, depth);
    }
    count_held(receiver, nr_sockets);
    message->user->nr_files += message->nr_files;
}

int rights_take_off(struct message *message, struct socket *receiver)
{
    const struct credentials *caller = credentials_current();
    struct rights_user *spare, *unused = NULL;
    unsigned nr_sockets = 0, depth;
    irq_state_t irq;
    bool may;

    if (message->nr_files == 0)
        return 0;
    spare = kmalloc_user(sizeof(*spare));
    if (spare == NULL)
        return -ENOMEM;
    irq = spin_lock_irq(&rights_lock);
    message->user = find_user(caller->uid, spare);
    if (message->user != spare)
        unused = spare;
    depth = receiver->holder != NULL ? receiver->holder->depth + 2 : receiver->depth + 1;
    may = (message->user->nr_files <= fd_limit() || credentials_are_root(caller)) &&
          may_fly(message, receiver, depth, &nr_sockets);
    if (may)
        count_flying(message, receiver, nr_sockets, depth);
    else if (unused == NULL)
        unused = forget_user(spare);
    spin_unlock_irq(&rights_lock, irq);
    kfree(unused);
    return may ? 0 : -ETOOMANYREFS;
}

void rights_land(struct message *message, struct socket *receiver)
{
    struct rights_user *unused;
    unsigned nr_sockets = 0;
    irq_state_t irq;

    if (message->nr_files == 0)
        return;
    irq = spin_lock_irq(&rights_lock);
    for (unsigned i = 0; i < message->nr_files; i++) {
        struct socket *socket = socket_at(message, i);

        if (socket == NULL)
            continue;
        nr_sockets++;
        if (--socket->nr_flying == 0)
            socket->depth = 0;
    }
    count_held(receiver, -nr_sockets);
    message->user->nr_files -= message->nr_files;
    unused = forget_user(message->user);
    spin_unlock_irq(&rights_lock, irq);
    kfree(unused);
}

void rights_hold(struct socket *pending, struct socket *listener)
{
    irq_state_t irq = spin_lock_irq(&rights_lock);

    pending->holder = listener;
    spin_unlock_irq(&rights_lock, irq);
}

void rights_unhold(struct socket *pending)
{
    irq_state_t irq = spin_lock_irq(&rights_lock);

    pending->holder->nr_held -= pending->nr_held;
    pending->holder = NULL;
    spin_unlock_irq(&rights_lock, irq);
}
