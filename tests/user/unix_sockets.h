#ifndef UNIX_SOCKETS_H
#define UNIX_SOCKETS_H

/* What the suites about sockets within the machine do. */

#include <stdbool.h>

#include <sys/socket.h>
#include <sys/types.h>

#define BUFFER_BYTES 300000

extern int pair[2];
extern char buffer[BUFFER_BYTES];

/* An address; a path that begins with '@' is an abstract name. */
socklen_t address_of(struct sockaddr_un *un, const char *path);

/* bind(), connect() and sendto() with such a path. */
int bind_to(int fd, const char *path);
int connect_to(int fd, const char *path);
ssize_t send_to(int fd, const char *path, const char *text);

/* A socket that listens there; -1 with errno. */
int listener_at(const char *path, int type, int backlog);

/* Opens `pair`, and closes it; whether that has worked. */
bool make_pair(int type);
bool close_pair(void);

/* What is sent or received beside bytes: one header, and what it says is there. */
union control {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(256 * sizeof(int))];
};

/* Sends descriptors with `text`. As sendmsg(). */
ssize_t send_fds(int to, const int *fds, size_t nr, const char *text);

/* getsockopt() of SOL_SOCKET: the value, or -errno. */
int option_of(int fd, int option);

/* What poll() says now, of POLLIN, POLLOUT and POLLRDHUP and what is always told. */
int events_of(int fd);

#endif
