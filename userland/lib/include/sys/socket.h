#ifndef SYS_SOCKET_H
#define SYS_SOCKET_H

#include <abi/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

typedef unsigned socklen_t;

struct sockaddr {
    unsigned short sa_family;
    char sa_data[14];
};

/* As POSIX and Linux: -1 with `errno` set on an error. */
int socket(int domain, int type, int protocol);
int socketpair(int domain, int type, int protocol, int fds[2]);
int bind(int fd, const void *address, socklen_t nr_bytes);
int listen(int fd, int backlog);
int accept(int fd, void *address, socklen_t *nr_bytes);
int accept4(int fd, void *address, socklen_t *nr_bytes, int flags);
int connect(int fd, const void *address, socklen_t nr_bytes);
int shutdown(int fd, int how);
int getsockname(int fd, void *address, socklen_t *nr_bytes);
int getpeername(int fd, void *address, socklen_t *nr_bytes);
int setsockopt(int fd, int level, int option, const void *value, socklen_t nr_bytes);
int getsockopt(int fd, int level, int option, void *value, socklen_t *nr_bytes);
ssize_t send(int fd, const void *from, size_t nr_bytes, int flags);
ssize_t recv(int fd, void *to, size_t nr_bytes, int flags);
ssize_t sendto(int fd, const void *from, size_t nr_bytes, int flags, const void *address,
               socklen_t address_bytes);
ssize_t recvfrom(int fd, void *to, size_t nr_bytes, int flags, void *address,
                 socklen_t *address_bytes);
ssize_t sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t recvmsg(int fd, struct msghdr *message, int flags);
int sendmmsg(int fd, struct mmsghdr *messages, unsigned nr, int flags);
int recvmmsg(int fd, struct mmsghdr *messages, unsigned nr, int flags, void *timeout);

#define CMSG_FIRSTHDR(message)                                                                     \
    ((message)->msg_controllen >= sizeof(struct cmsghdr)                                           \
         ? (struct cmsghdr *)(message)->msg_control                                                \
         : (struct cmsghdr *)0)
#define CMSG_DATA(header) ((unsigned char *)((struct cmsghdr *)(header) + 1))

#endif
