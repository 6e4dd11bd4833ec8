/*
 * Names of sockets: a path, at which there is an inode that stands for the socket, or an abstract
 * name, which only this table knows. (Linux has an abstract name once for each type, so does this.)
 *
 * A name is shared by the socket that bound it, those that it accepts and the messages that they
 * send. The table finds a socket by its name while it is open. That holds no reference: the
 * socket's release takes it off the table first.
 */

#include <kernel/errno.h>
#include <kernel/format.h>
#include <kernel/string.h>
#include <kernel/vnode.h>
#include <linux/stat.h>
#include <mm/slab.h>

#include "socket_impl.h"

#define PATH_AT offsetof(struct sockaddr_un, sun_path)

static struct spinlock names_lock = SPINLOCK_INIT("socket names", LOCK_RANK_WAIT);
static struct list names = LIST_INIT(names); /* names_lock */
static uint32_t next_number;                 /* names_lock: for sockets that want any name */

void socket_name_put(struct socket_name *name)
{
    if (name == NULL || atomic_fetch_sub(&name->nr_refs, 1) != 1)
        return;
    inode_put(name->inode);
    kfree(name);
}

void socket_name_forget(struct socket *socket)
{
    struct socket_name *name = atomic_load(&socket->name);
    irq_state_t irq;

    if (name == NULL)
        return;
    irq = spin_lock_irq(&names_lock);
    if (name->socket == socket) {
        list_remove(&name->link);
        name->socket = NULL;
    }
    spin_unlock_irq(&names_lock, irq);
}

/* Locked. */
static struct socket_name *find_abstract(const struct socket_address *address, int type)
{
    struct socket_name *name;

    list_for_each_entry (name, &names, link) {
        if (name->inode == NULL && name->type == type &&
            name->address.nr_bytes == address->nr_bytes &&
            memcmp(&name->address.un, &address->un, address->nr_bytes) == 0)
            return name;
    }
    return NULL;
}

/* Locked. */
static struct socket_name *find_inode(const struct inode *inode)
{
    struct socket_name *name;

    list_for_each_entry (name, &names, link) {
        if (name->inode == inode)
            return name;
    }
    return NULL;
}

static struct socket_name *make_name(struct socket *socket, const struct socket_address *address)
{
    struct socket_name *name = kzalloc_user(sizeof(*name));

    if (name == NULL)
        return NULL;
    atomic_init(&name->nr_refs, 1);
    name->socket = socket;
    name->type = socket->type;
    name->address = *address;
    return name;
}

/* Gives the socket the name, and enters it. 0 or -EADDRINUSE. */
static int enter(struct socket *socket, struct socket_name *name)
{
    irq_state_t irq = spin_lock_irq(&names_lock);
    int error = 0;

    if (name->inode == NULL && find_abstract(&name->address, name->type) != NULL) {
        error = -EADDRINUSE;
    } else {
        list_push_back(&names, &name->link);
        atomic_store(&socket->name, name);
    }
    spin_unlock_irq(&names_lock, irq);
    return error;
}

static bool is_path(const struct socket_address *address)
{
    return address->un.sun_path[0] != '\0';
}

/* Makes the inode of a name that is a path. */
static int make_inode(struct socket_name *name, struct inode *start)
{
    const char *path = name->address.un.sun_path;
    int error = path_make(start, path, S_IFSOCK | 0777, 0);

    if (error == 0)
        error = path_find(start, path, &name->inode);
    return error == -EEXIST ? -EADDRINUSE : error;
}

/* As socket_name_any(). `reading` is held. */
static int bind_any(struct socket *socket)
{
    struct socket_address address = {.un.sun_family = AF_UNIX, .nr_bytes = PATH_AT + 6};
    struct socket_name *name;
    int error;

    if (atomic_load(&socket->name) != NULL)
        return 0;
    name = make_name(socket, &address);
    if (name == NULL)
        return -ENOMEM;
    do {
        irq_state_t irq = spin_lock_irq(&names_lock);
        uint32_t number = next_number++ & 0xfffff;

        spin_unlock_irq(&names_lock, irq);
        /* Its NUL is behind the name. */
        snprintf(name->address.un.sun_path + 1, 6, "%05x", number);
        error = enter(socket, name);
    } while (error == -EADDRINUSE);
    if (error != 0)
        socket_name_put(name);
    return error;
}

int socket_name_any(struct socket *socket)
{
    int error;

    mutex_lock(&socket->reading);
    error = bind_any(socket);
    mutex_unlock(&socket->reading);
    return error;
}

/* `reading` is held: nobody else gives the socket a name meanwhile. */
static int bind(struct socket *socket, const struct socket_address *address, struct inode *start)
{
    struct socket_name *name;
    int error = 0;

    if (address->nr_bytes == PATH_AT)
        return bind_any(socket);
    if (atomic_load(&socket->name) != NULL)
        return -EINVAL;
    name = make_name(socket, address);
    if (name == NULL)
        return -ENOMEM;
    if (is_path(address)) {
        name->address.nr_bytes = PATH_AT + strlen(address->un.sun_path) + 1;
        error = make_inode(name, start);
    }
    if (error == 0)
        error = enter(socket, name);
    if (error != 0)
        socket_name_put(name);
    return error;
}

int socket_bind(struct file *file, const struct socket_address *address, struct inode *start)
{
    struct socket *socket = socket_of(file);
    int error;

    mutex_lock(&socket->reading);
    error = bind(socket, address, start);
    mutex_unlock(&socket->reading);
    return error;
}

int socket_find(const struct socket_address *address, struct inode *start, int type,
                struct socket **found)
{
    struct inode *inode = NULL;
    struct socket_name *name;
    irq_state_t irq;
    int error = 0;

    if (address->nr_bytes == PATH_AT)
        return -EINVAL;
    if (is_path(address)) {
        error = path_find(start, address->un.sun_path, &inode);
        if (error != 0)
            return error;
        error = inode_may(inode, MAY_WRITE);
    }
    irq = spin_lock_irq(&names_lock);
    name = inode != NULL ? find_inode(inode) : find_abstract(address, type);
    if (error == 0 && name == NULL)
        error = -ECONNREFUSED;
    if (error == 0 && name->type != type)
        error = -EPROTOTYPE;
    if (error == 0)
        *found = socket_get(name->socket);
    spin_unlock_irq(&names_lock, irq);
    inode_put(inode);
    return error;
}
