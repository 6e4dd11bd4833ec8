#ifndef FUZZ_H
#define FUZZ_H

/* What the parts of t_fuzz share. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ktap.h"

#define PAGE 4096ul

/* The memory that calls use; after it nothing is mapped. */
#define ARENA       0x20000000ul
#define NR_PAGES    64ul
#define ARENA_END   (ARENA + NR_PAGES * PAGE)
#define READ_ONLY   (ARENA + (NR_PAGES - 8) * PAGE) /* one page */
#define BLOCK_BYTES 256ul

#define NR_FDS 52 /* that a process may have */

/* ---- The calls (fuzz_list.c) ----------------------------------------------------------------- */

#define NR_ARGUMENTS 6

/* What is given for an argument. */
enum kind {
    KIND_NONE,
    KIND_FD,
    KIND_DIR_FD,
    KIND_PATH,
    KIND_POINTER,
    KIND_SIZE,
    KIND_PAGES, /* an address for mmap and its kin */
    KIND_PID,
    KIND_SIGNAL,
    KIND_TIME, /* milliseconds or seconds */
    KIND_FLAGS,
    KIND_SET_BYTES, /* of a signal mask */
    KIND_ZERO,
    KIND_ONE,
    KIND_NUMBER,
};

struct call {
    long number;
    const char *name;
    const char *parameters; /* as in the list: "(int fd, vaddr_t to)" */
    enum kind kinds[NR_ARGUMENTS];
    char parameter_names[NR_ARGUMENTS][32];
    unsigned one_in; /* how rarely it is made, when chance takes it; 0: never */
};

extern struct call calls[];
extern const size_t nr_calls;

/* Prepares the list; with `only` other calls than those with this in their names are never made. */
void read_list(const char *only);

/* ---- Arguments (fuzz_argument.c) ------------------------------------------------------------- */

struct chance {
    uint64_t state;
};

uint64_t random_below(struct chance *chance, uint64_t limit);
bool one_in(struct chance *chance, uint64_t limit);

#define PICK(chance, array) ((array)[random_below((chance), KTAP_LEN(array))])

/* Descriptors by what they are, which are likelier for some calls. */
enum favour {
    FAVOUR_SOCKETS,
    FAVOUR_EPOLLS,
    FAVOUR_TIMERS,
    FAVOUR_TERMINALS,
    FAVOUR_FILES,
    FAVOUR_FOLDERS,
};

void favour(enum favour what, int first, int last);

extern _Atomic int children[8]; /* processes and LWPs that this process has made; 0: none */

uint64_t any_number(struct chance *chance);
uint64_t any_pid(struct chance *chance);
uint64_t any_wild_pointer(struct chance *chance);
uint64_t any_argument(struct chance *chance, const struct call *call, size_t nr);

/* ---- Calling (fuzz_call.c) ------------------------------------------------------------------- */

#define NR_COUNTED_MAX 400

/* In memory that all processes share: calls, and how many of each kind failed and succeeded. */
struct counters {
    _Atomic uint64_t nr_calls;
    _Atomic uint32_t nr_of[NR_COUNTED_MAX][2];
};
extern struct counters *counters;

/* Makes calls; a child process that has nobody to end it stops soon. */
void live(struct chance *chance);

#endif
