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
 */

#include <kernel/errno.h>
#include <kernel/file.h>

#include "socket_impl.h"

#define DEPTH_MAX 4

static struct spinlock rights_lock = SPINLOCK_INIT("flying descriptors", LOCK_RANK_WAIT);

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

int rights_take_off(struct message *message, struct socket *receiver)
{
    irq_state_t irq = spin_lock_irq(&rights_lock);
    unsigned nr_sockets = 0, depth = receiver->depth + 1;
    bool may;

    if (receiver->holder != NULL)
        depth = receiver->holder->depth + 2;
    may = may_fly(message, receiver, depth, &nr_sockets);
    for (unsigned i = 0; may && i < message->nr_files; i++) {
        struct socket *socket = socket_at(message, i);

        if (socket == NULL)
            continue;
        socket->nr_flying++;
        socket->depth = MAX(socket->depth, depth);
    }
    if (may)
        count_held(receiver, nr_sockets);
    spin_unlock_irq(&rights_lock, irq);
    return may ? 0 : -ETOOMANYREFS;
}

void rights_land(struct message *message, struct socket *receiver)
{
    irq_state_t irq = spin_lock_irq(&rights_lock);
    unsigned nr_sockets = 0;

    for (unsigned i = 0; i < message->nr_files; i++) {
        struct socket *socket = socket_at(message, i);

        if (socket == NULL)
            continue;
        nr_sockets++;
        if (--socket->nr_flying == 0)
            socket->depth = 0;
    }
    count_held(receiver, -nr_sockets);
    spin_unlock_irq(&rights_lock, irq);
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
