#ifndef TERMIOS_H
#define TERMIOS_H

#include <asm/termbits.h>
#include <sys/types.h>

/* As POSIX has them, of the terminal that `fd` is open on. -1 with `errno`. */
int tcgetattr(int fd, struct termios *settings);
int tcsetattr(int fd, int when, const struct termios *settings); /* TCSANOW, ... */
int tcdrain(int fd);
int tcflush(int fd, int which);
int tcflow(int fd, int action);
int tcsendbreak(int fd, int duration);

/* Settings with which every byte passes unchanged and at once. */
void cfmakeraw(struct termios *settings);

/* The foreground process group, and the session, of the caller's terminal. */
pid_t tcgetpgrp(int fd);
int tcsetpgrp(int fd, pid_t group);
pid_t tcgetsid(int fd);

#endif
