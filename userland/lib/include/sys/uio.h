#ifndef SYS_UIO_H
#define SYS_UIO_H

#include <linux/uio.h>
#include <sys/types.h>

/* As POSIX: read() and write() with several buffers in a row. */
ssize_t readv(int fd, const struct iovec *pieces, int nr_pieces);
ssize_t writev(int fd, const struct iovec *pieces, int nr_pieces);

#endif
