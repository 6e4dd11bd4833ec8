#ifndef SIGNALS_H
#define SIGNALS_H

/* What suites of signals do. */

#include <signal.h>
#include <stdatomic.h>

#include <sys/types.h>

#define NR_ORDER 32

/* What note() has seen: how often it was called, the last signal, and which came when. */
extern atomic_int nr_calls;
extern siginfo_t last;
extern sigset_t mask_in_handler;
extern int order[NR_ORDER];

/* A handler. */
void note(int signal, siginfo_t *info, void *context);

/* Makes note() the handler, and forgets what it has seen. */
void handle(int signal, unsigned long flags);

/* SIG_DFL or SIG_IGN. */
void set_default(int signal, __sighandler_t what);

void block(int signal);
void unblock(int signal);
sigset_t pending(void);
long tgkill(pid_t pid, pid_t tid, int signal);

#endif
