#ifndef XV6_PARAM_H
#define XV6_PARAM_H

/* xv6's limits, for programs that name them. Thrum's own are wider. */
#define NPROC  64
#define NCPU   8
#define NOFILE 16
#define MAXARG 32

#endif
