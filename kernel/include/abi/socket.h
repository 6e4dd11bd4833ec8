#ifndef ABI_SOCKET_H
#define ABI_SOCKET_H

/* Sockets: what Linux's own ABI headers leave to the C library. Numbers and layouts are Linux's. */

#include <asm/socket.h>
#include <linux/time_types.h>
#include <linux/types.h>
#include <linux/un.h>

#define AF_UNSPEC 0
#define AF_UNIX   1
#define AF_LOCAL  AF_UNIX
#define AF_INET   2
#define PF_UNIX   AF_UNIX

#define SOCK_STREAM    1
#define SOCK_DGRAM     2
#define SOCK_RAW       3
#define SOCK_SEQPACKET 5
#define SOCK_NONBLOCK  04000 /* both in socket()'s type */
#define SOCK_CLOEXEC   02000000

#define SHUT_RD   0
#define SHUT_WR   1
#define SHUT_RDWR 2

#define MSG_OOB          0x1
#define MSG_PEEK         0x2
#define MSG_DONTROUTE    0x4
#define MSG_CTRUNC       0x8
#define MSG_TRUNC        0x20
#define MSG_DONTWAIT     0x40
#define MSG_EOR          0x80
#define MSG_WAITALL      0x100
#define MSG_NOSIGNAL     0x4000
#define MSG_WAITFORONE   0x10000
#define MSG_CMSG_CLOEXEC 0x40000000

#define SCM_RIGHTS      1
#define SCM_CREDENTIALS 2

#define SCM_RIGHTS_MAX 253 /* descriptors in one message */

#define SOMAXCONN 4096

struct msghdr {
    void *msg_name;
    __s32 msg_namelen;
    __s32 msg_padding_;
    void *msg_iov; /* struct iovec[] */
    __u64 msg_iovlen;
    void *msg_control;
    __u64 msg_controllen;
    __s32 msg_flags;
    __s32 msg_padding2_;
};

struct mmsghdr {
    struct msghdr msg_hdr;
    __u32 msg_len;
    __u32 msg_padding_;
};

struct cmsghdr {
    __u64 cmsg_len; /* with this header */
    __s32 cmsg_level;
    __s32 cmsg_type;
};

#define CMSG_ALIGN(nr_bytes) (((nr_bytes) + 7ul) & ~7ul)
#define CMSG_SPACE(nr_bytes) (CMSG_ALIGN(nr_bytes) + sizeof(struct cmsghdr))
#define CMSG_LEN(nr_bytes)   ((nr_bytes) + sizeof(struct cmsghdr))

struct ucred {
    __s32 pid;
    __u32 uid;
    __u32 gid;
};

#endif
