#ifndef SYS_IOCTL_H
#define SYS_IOCTL_H

#include <asm/ioctls.h>
#include <asm/termios.h>

/* What `request` is about, with one argument, a number or a pointer. -1 with `errno`. */
int ioctl(int fd, unsigned long request, ...);

#endif
