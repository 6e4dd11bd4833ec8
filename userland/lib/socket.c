/* Sockets (sys/socket.h). */

#include <sys/socket.h>
#include <sys/syscall.h>

#include "runtime.h"

#define CALL(number, a1, a2, a3, a4, a5, a6)                                                       \
    syscall_result(                                                                                \
        syscall6(number, (long)(a1), (long)(a2), (long)(a3), (long)(a4), (long)(a5), (long)(a6)))

int socket(int domain, int type, int protocol)
{
    return (int)CALL(__NR_socket, domain, type, protocol, 0, 0, 0);
}

int socketpair(int domain, int type, int protocol, int fds[2])
{
    return (int)CALL(__NR_socketpair, domain, type, protocol, fds, 0, 0);
}

int bind(int fd, const void *address, socklen_t nr_bytes)
{
    return (int)CALL(__NR_bind, fd, address, nr_bytes, 0, 0, 0);
}

int listen(int fd, int backlog)
{
    return (int)CALL(__NR_listen, fd, backlog, 0, 0, 0, 0);
}

int accept(int fd, void *address, socklen_t *nr_bytes)
{
    return (int)CALL(__NR_accept, fd, address, nr_bytes, 0, 0, 0);
}

int accept4(int fd, void *address, socklen_t *nr_bytes, int flags)
{
    return (int)CALL(__NR_accept4, fd, address, nr_bytes, flags, 0, 0);
}

int connect(int fd, const void *address, socklen_t nr_bytes)
{
    return (int)CALL(__NR_connect, fd, address, nr_bytes, 0, 0, 0);
}

int shutdown(int fd, int how)
{
    return (int)CALL(__NR_shutdown, fd, how, 0, 0, 0, 0);
}

int getsockname(int fd, void *address, socklen_t *nr_bytes)
{
    return (int)CALL(__NR_getsockname, fd, address, nr_bytes, 0, 0, 0);
}

int getpeername(int fd, void *address, socklen_t *nr_bytes)
{
    return (int)CALL(__NR_getpeername, fd, address, nr_bytes, 0, 0, 0);
}

int setsockopt(int fd, int level, int option, const void *value, socklen_t nr_bytes)
{
    return (int)CALL(__NR_setsockopt, fd, level, option, value, nr_bytes, 0);
}

int getsockopt(int fd, int level, int option, void *value, socklen_t *nr_bytes)
{
    return (int)CALL(__NR_getsockopt, fd, level, option, value, nr_bytes, 0);
}

ssize_t send(int fd, const void *from, size_t nr_bytes, int flags)
{
    return CALL(__NR_sendto, fd, from, nr_bytes, flags, 0, 0);
}

ssize_t recv(int fd, void *to, size_t nr_bytes, int flags)
{
    return CALL(__NR_recvfrom, fd, to, nr_bytes, flags, 0, 0);
}

ssize_t sendto(int fd, const void *from, size_t nr_bytes, int flags, const void *address,
               socklen_t address_bytes)
{
    return CALL(__NR_sendto, fd, from, nr_bytes, flags, address, address_bytes);
}

ssize_t recvfrom(int fd, void *to, size_t nr_bytes, int flags, void *address,
                 socklen_t *address_bytes)
{
    return CALL(__NR_recvfrom, fd, to, nr_bytes, flags, address, address_bytes);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    return CALL(__NR_sendmsg, fd, message, flags, 0, 0, 0);
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
    return CALL(__NR_recvmsg, fd, message, flags, 0, 0, 0);
}

int sendmmsg(int fd, struct mmsghdr *messages, unsigned nr, int flags)
{
    return (int)CALL(__NR_sendmmsg, fd, messages, nr, flags, 0, 0);
}

int recvmmsg(int fd, struct mmsghdr *messages, unsigned nr, int flags, void *timeout)
{
    return (int)CALL(__NR_recvmmsg, fd, messages, nr, flags, timeout, 0);
}
