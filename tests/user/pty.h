#ifndef PTY_H
#define PTY_H

/* Pseudo-terminals for suites: both ends in one program. */

#include <stdbool.h>
#include <stddef.h>
#include <termios.h>

#include <sys/types.h>

struct pty {
    int master, slave;
    int number; /* of /dev/pts/NUMBER */
};

/* Opens both ends; the slave is nobody's controlling terminal. Master reads never block for ever:
 * see pty_shows(). False: a line has said why not. */
bool pty_open(struct pty *pty);
void pty_close(struct pty *pty);

/* The path of the slave. */
const char *pty_path(int number);

/* Changes the slave's c_iflag, c_oflag and c_lflag: first `off`, then `on`. */
bool pty_input_flags(struct pty *pty, tcflag_t off, tcflag_t on);
bool pty_output_flags(struct pty *pty, tcflag_t off, tcflag_t on);
bool pty_local_flags(struct pty *pty, tcflag_t off, tcflag_t on);

/* Every byte passes unchanged; VMIN and VTIME as given. */
bool pty_raw(struct pty *pty, unsigned char least, unsigned char tenths);

/* Types a text: writes it to the master. */
bool pty_type(struct pty *pty, const char *text);

/* Whether the descriptor gives exactly this text next, within KTAP_PATIENCE_NS. */
bool pty_gives(int fd, const char *text);
#define pty_shows(pty, text) KTAP_TRUE(pty_gives((pty)->master, (text)))
#define pty_reads(pty, text) KTAP_TRUE(pty_gives((pty)->slave, (text)))

/* Whether poll() says exactly these events now. */
bool pty_polls(int fd, short events);

/* Whether there is nothing to read now. */
bool pty_is_silent(int fd);

/* Throws away what the master has to read. */
void pty_skip_output(struct pty *pty);

#endif
