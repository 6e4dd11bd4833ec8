#ifndef DIRENT_H
#define DIRENT_H

#include <sys/types.h>

/* An entry of a folder, as the kernel gives it. */
struct dirent {
    uint64_t d_ino;
    int64_t d_off;
    uint16_t d_reclen; /* bytes from here to the next entry */
    uint8_t d_type;    /* DT_* */
    char d_name[];
};

#define DT_CHR 2
#define DT_DIR 4
#define DT_REG 8

/* As many entries of an open folder as fit, one after the other: bytes; 0 at the end; -1. */
ssize_t getdents64(int fd, void *entries, size_t nr_bytes);

#endif
