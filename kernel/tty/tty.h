#ifndef KERNEL_TTY_TTY_H
#define KERNEL_TTY_TTY_H

/* Between the files of kernel/tty/ only. tty.c has the theory. */

#include <stdatomic.h>

#include <asm/termios.h>
#include <kernel/file.h>
#include <kernel/list.h>
#include <kernel/poll.h>
#include <kernel/spinlock.h>
#include <kernel/waitq.h>

#include "ldisc.h"

struct tty;

/* What is at the other end of the line. The terminal is locked, but for `free`. */
struct tty_ops {
    /* There may be something for ldisc_take(), or more room for input: go on. */
    void (*start)(struct tty *tty);
    /* Throws away what has come and is not in the line discipline yet. NULL: there never is any. */
    void (*drop_input)(struct tty *tty);
    /* What a pseudo-terminal's master is told in packet mode: TIOCPKT_... NULL: nothing. */
    void (*note)(struct tty *tty, unsigned bits);
    /* Begins or ends a break. NULL: there is none. */
    void (*set_break)(struct tty *tty, bool is_sent);
    /* The last file has been closed. NULL: nothing to do. */
    void (*closed)(struct tty *tty);
    /* The last reference is gone. NULL: it never is. */
    void (*free)(struct tty *tty);
    /* The flags of c_cflag that cannot be changed. */
    tcflag_t fixed_cflags;
    /* Output goes by itself, so that one can wait for it (tcdrain()). */
    bool sends_by_itself;
};

/* Locks: c constant, t the terminal's lock, j control_lock (jobs.c). */
struct tty {
    const struct tty_ops *ops; /* c */
    uint32_t device;           /* c */
    atomic_uint nr_refs;
    struct spinlock lock;
    struct ldisc ldisc;  /* t */
    struct winsize size; /* t */

    unsigned nr_files;       /* t  that are open */
    unsigned nr_hang_ups;    /* t  files from before the last one are of no use */
    bool is_gone;            /* t  hung up for good */
    bool is_exclusive;       /* t  TIOCEXCL */
    bool is_reading;         /* t  somebody has the turn to read, */
    bool is_writing;         /* t  or to write */
    struct waitq readable;   /* t  readers wait here */
    struct waitq writable;   /* t  writers, and who waits for the output's end */
    struct poll_queue polls; /* t */

    int session;                   /* j  whose controlling terminal it is; 0: of none */
    int foreground;                /* j  a process group of that session; 0: none */
    struct list_node session_link; /* j  on the list of those that have a session */
};

/* What a file of a terminal has as `private`; `tty` is first. */
struct tty_file {
    struct tty *tty;      /* a reference */
    unsigned nr_hang_ups; /* as they were when it was opened */
    bool is_immune;       /* /dev/console: hang-ups are not for it */
    bool is_master;       /* of a pseudo-terminal */
};

/* ---- tty.c ---------------------------------------------------------------------------------- */

/* One reference, the caller's. */
void tty_setup(struct tty *tty, const struct tty_ops *ops, uint32_t device);

struct tty *tty_get(struct tty *tty);
bool tty_try_get(struct tty *tty); /* false: the last reference has gone */
void tty_put(struct tty *tty);     /* no lock is held */

/*
 * Bytes from the line. Any context, with no lock held that comes before the terminal's. How many
 * were taken: all of them, unless is_patient, when those are left for which there is no room.
 */
size_t tty_receive(struct tty *tty, const unsigned char *bytes, size_t nr_bytes, bool is_patient);

/* The same, patiently, with the terminal locked; events->signals is for tty_signal_foreground(). */
size_t tty_take_in(struct tty *tty, const unsigned char *bytes, size_t nr_bytes,
                   struct ldisc_events *events);

void tty_receive_event(struct tty *tty, unsigned char byte, enum ldisc_line_event what);

/* Whoever waits looks again. Locked. */
void tty_wake(struct tty *tty);

/* The line is gone: reads say end of file, writes -EIO; for good, or for files open now. */
void tty_hang_up(struct tty *tty, bool is_for_good);

/* What nobody has read is thrown away. Locked. */
void tty_flush_input(struct tty *tty);

/* Does what came of ldisc functions; *signals is for tty_signal_foreground(). Locked. */
void tty_handle(struct tty *tty, const struct ldisc_events *events);

/* ---- file.c --------------------------------------------------------------------------------- */

extern const struct file_ops tty_file_ops;

/*
 * `file` is open on the terminal from now on, and takes over the caller's reference to it, unless
 * it fails: -EIO, -EBUSY, -ENOMEM. May sleep.
 */
int tty_open(struct tty *tty, struct file *file, bool is_immune) MUST_CHECK;

/* Whether the terminal has been hung up since the file was opened. Locked. */
bool tty_is_hung_up(const struct file *file);

/* Of some functions behind tty_ioctl(): the request is none of theirs. Programs never see it. */
#define ENOIOCTLCMD 515

/* ---- ioctl.c -------------------------------------------------------------------------------- */

int64_t tty_ioctl(struct file *file, unsigned request, uint64_t arg);

/* Waits until all output has been sent. 0 or -errno. */
int tty_drain(struct tty *tty, uint64_t deadline_ns) MUST_CHECK;

/* ---- jobs.c --------------------------------------------------------------------------------- */

/* The caller's controlling terminal with a reference; NULL: none. */
struct tty *tty_of_caller(void);

/*
 * If the terminal is the caller's controlling one and the caller is in the background: stops its
 * group by `signal` (SIGTTIN, SIGTTOU) and says -ERESTARTSYS; or what POSIX says if that cannot be:
 * 0 or -EIO.
 */
int tty_check_background(struct tty *tty, int signal) MUST_CHECK;

/* The terminal becomes the caller's, a session leader's. 0, -EPERM or -EIO. */
int tty_make_controlling(struct tty *tty, bool is_stolen) MUST_CHECK;

/* As ioctl() with TIOCNOTTY, TIOCGPGRP, TIOCSPGRP and TIOCGSID. */
int tty_give_up_controlling(struct tty *tty) MUST_CHECK;
int tty_get_foreground(struct tty *tty, bool is_master) MUST_CHECK;
int tty_set_foreground(struct tty *tty, int group) MUST_CHECK;
int tty_get_session(struct tty *tty, bool is_master) MUST_CHECK;

/* Sends the signals, one bit each, to the foreground group. No lock is held. */
void tty_signal_foreground(struct tty *tty, uint32_t signals);

/* The terminal is nobody's controlling one any more; SIGHUP and SIGCONT to the leader whose it was,
 * or if that is ending SIGHUP to the foreground. */
void tty_leave_session(struct tty *tty);

/* ---- console.c, pty.c ----------------------------------------------------------------------- */

void tty_console_init(void);
void pty_init(void);

/* ioctl() requests of a master only. -ENOIOCTLCMD: another one. */
int64_t pty_master_ioctl(struct file *file, unsigned request, uint64_t arg);

#define PTMX_MAJOR  5
#define PTMX_MINOR  2
#define SLAVE_MAJOR 136
#define PTYS_MAX    256

/* Which pseudo-terminal it is, and whose, as chown() and chmod() have said last. */
struct pty_attributes {
    uint64_t id;       /* its own: others may have its number later */
    uint32_t uid, gid; /* of who opened the master, until it is changed */
    bool has_own_gid;  /* gid has been changed: what mounts say of it does not count any more */
    uint32_t mode;     /* with the type; 0: has not been changed */
};

/* The number of a pseudo-terminal whose master is open, at or after `number`; -1: there is none.
 * And whose that is. Any context. */
int pty_next(int number, struct pty_attributes *attributes);

/* The one with that id gets those that `changed` says, as enum inode_attribute. Any context. */
void pty_set_attributes(int number, const struct pty_attributes *attributes, unsigned changed);

/* ---- devpts.c ------------------------------------------------------------------------------- */

void devpts_init(void);

/* Whether the inode, if it is of devpts, is of the pseudo-terminal with that id. */
bool devpts_is_of(const struct inode *inode, uint64_t id);

/* As open() of /dev/pts/NUMBER, wherever that is mounted. 0 or -errno. */
int devpts_open(int number, unsigned flags, struct file **file) MUST_CHECK;

#endif
