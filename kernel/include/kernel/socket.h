#ifndef KERNEL_SOCKET_H
#define KERNEL_SOCKET_H

/*
 * Sockets between processes of this machine: AF_UNIX (kernel/net/). Everything here may sleep.
 * Functions that take a socket's file have been told that it is one (socket_is()).
 */

#include <abi/socket.h>
#include <kernel/types.h>
#include <kernel/file.h>

struct file;
struct inode;

/* Once, while booting. */
void socket_init(void);

bool socket_is(const struct file *file);

/* Of type SOCK_STREAM, SOCK_DGRAM or SOCK_SEQPACKET; `flags`: O_NONBLOCK or 0. 0 or -ENOMEM. */
int socket_create(int type, unsigned flags, struct file **file) MUST_CHECK;
int socket_create_pair(int type, unsigned flags, struct file *files[2]) MUST_CHECK;

/* An address in the kernel, checked: nr_bytes of it are meant, and a NUL follows. */
struct socket_address {
    struct sockaddr_un un;
    char nul;
    size_t nr_bytes; /* 0: none */
};

/* `start`: the folder from which a path is seen. As the system calls of these names. */
int socket_bind(struct file *file, const struct socket_address *address,
                struct inode *start) MUST_CHECK;
int socket_listen(struct file *file, int backlog) MUST_CHECK;
int socket_connect(struct file *file, const struct socket_address *address,
                   struct inode *start) MUST_CHECK;
int socket_accept(struct file *file, unsigned flags, struct file **accepted) MUST_CHECK;
int socket_shutdown(struct file *file, int how) MUST_CHECK;

/* The socket's own address, or its peer's. 0 or -ENOTCONN. */
int socket_get_name(struct file *file, bool is_peer, struct socket_address *address) MUST_CHECK;

/* Sets an option of SOL_SOCKET from the user's bytes; gets one into `value`: bytes, or -errno. */
#define SOCKET_OPTION_BYTES_MAX 16
int socket_set_option(struct file *file, int option, vaddr_t at, size_t nr_bytes) MUST_CHECK;
int64_t socket_get_option(struct file *file, int option,
                          uint8_t value[SOCKET_OPTION_BYTES_MAX]) MUST_CHECK;

/* One place after the other in user memory. */
struct user_pieces {
    const struct io_piece *pieces;
    size_t nr_pieces;
    size_t done_bytes; /* of the first */
};

/* What one call sends, or has received. */
struct socket_transfer {
    struct user_pieces data;
    size_t nr_bytes; /* of data */
    int flags;       /* MSG_... */
    struct socket_address address;
    struct inode *start;      /* as for socket_connect() */
    struct file **files;      /* SCM_RIGHTS: references; NULL: none */
    unsigned nr_files;        /* at most SCM_RIGHTS_MAX */
    bool has_credentials;     /* to be sent; or received, and wanted */
    struct ucred credentials; /* SCM_CREDENTIALS */
    int got_flags;            /* received: MSG_TRUNC, MSG_EOR */
};

/*
 * As sendmsg(); the files' references stay the caller's. And as recvmsg(): the caller frees `files`
 * with kfree() and has their references. Bytes or -errno.
 */
int64_t socket_send(struct file *file, struct socket_transfer *transfer) MUST_CHECK;
int64_t socket_receive(struct file *file, struct socket_transfer *transfer) MUST_CHECK;

#endif
