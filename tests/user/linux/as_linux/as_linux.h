#ifndef AS_LINUX_H
#define AS_LINUX_H

/* What the parts of as_linux share; main.c says what it is. */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <unistd.h>

struct stat;

#define PAGE         4096
#define TEXT_MAX     ((size_t)16 << 20)
#define NR_PROCESSES 3
#define DATA_MAX     ((size_t)64 << 10)
#define LEN(array)   (sizeof(array) / sizeof((array)[0]))

/* What the processes share. Only the one whose turn it is touches it, but for `turn` and `left`. */
struct play {
    uint64_t random;
    _Atomic int turn;
    _Atomic int left; /* calls to be made */
    int line, era;
    bool is_alive[NR_PROCESSES];
    pid_t pid[NR_PROCESSES];
    pid_t ended; /* process 0 has to wait for it */
    bool is_root;
    size_t text_bytes;
    char text[TEXT_MAX];
};

extern struct play *play;

/* ---- A play, and comparing (main.c, compare.c) ----------------------------------------------- */

/* Makes the calls of one seed in a child, which tells them in play->text; or why it cannot. */
void tell_seed(bool is_root, uint64_t seed, int nr_calls);

/* Compares a recorded file with what is told here, in KTAP; returns the exit status. */
int check(const char *path);

/* ---- Random numbers, and lines (tell.c) ------------------------------------------------------ */

uint64_t next_random(void);

/* A number below `nr`. */
unsigned any(unsigned nr);

bool chance(unsigned percent);

/* Adds to the text. */
__attribute__((format(printf, 1, 2))) void tell(const char *format, ...);

/* Tells the ends only of a long one. */
void tell_path(const char *path);

/* `start`: 0, or the hash of what comes before. */
uint32_t hash(const void *at, size_t nr_bytes, uint32_t start);

/* A call, its result told as a number or as an error. */
#define CALL(number, ...) told_result(syscall(number, __VA_ARGS__))

long told_result(long result);

/* As CALL, where only success is of interest. */
#define CALL_OK(number, ...) told_success(syscall(number, __VA_ARGS__))

bool told_success(long result);

/* ---- Arguments (arguments.c) ----------------------------------------------------------------- */

extern uint8_t *data;    /* DATA_MAX bytes, and behind them nothing is mapped */
extern uint8_t *outside; /* there */

/* Each process has its memory and its names from the first one, which calls this. */
void prepare_arguments(void);

/* A path, told. Four can be in use at once. */
const char *any_path(void);

/* Whether a path of any_path() is a string. */
bool is_readable(const char *path);

/* Whether a name in a path of any_path() is longer than a name may be. */
bool has_long_name(const char *path);

/* A descriptor, told; mostly an open one. */
int any_fd(void);

/* A folder to start from, told. */
int any_dir(void);

/* At most DATA_MAX; the caller tells it. */
size_t any_length(void);

/* An offset, told. */
int64_t any_offset(void);

/* Where to read to or write from, for `nr_bytes` of at most DATA_MAX. */
uint8_t *any_memory(size_t nr_bytes);

/* Puts random bytes, none of them 0, into `data`. */
void fill(size_t nr_bytes);

/* Permissions, told. */
mode_t any_mode(void);

/* A user or a group for chown(), told; -1: none. */
int any_id(void);

/* Flags of a call, told: each of `known` in `percent` of all cases; seldom others. */
unsigned any_flags(const unsigned *known, unsigned nr, unsigned percent);

#define FLAGS(percent, ...)                                                                        \
    any_flags((const unsigned[]){__VA_ARGS__}, LEN(((const unsigned[]){__VA_ARGS__})), percent)

bool is_dir(int fd);
bool is_fifo(int fd);

/* How much fits into a pipe depends on how it was filled: only an empty one is written to. */
bool is_filled_pipe(int fd);

/*
 * Whether a write of so many bytes stays within the file. Where it does not, and the memory that
 * they are in cannot be read, some versions of Linux make the file longer all the same.
 */
bool has_bytes(int fd, size_t nr_bytes);

/* ---- What is so (calls_fd.c, calls_io.c, calls_attribute.c) ---------------------------------- */

/* Flags of a file and of its descriptor. */
void tell_fd(int fd);

/* Where a regular file is at, and its size. */
void tell_position(int fd);

void tell_stat(const struct stat *st);

/* ---- Mapping (calls_map.c) ------------------------------------------------------------------- */

/* From here on a fault in touching a map is told, and ends nothing. */
void catch_faults(void);

void unmap_all(void);

/* ---- Listings (list.c) ----------------------------------------------------------------------- */

/* Tells all files, and all descriptors of the process. */
void list_all(void);

/* The first process of an era removes all names. */
void remove_all(void);

/* ---- The processes (turns.c) ----------------------------------------------------------------- */

/*
 * Which pages of a file are there is told in every second era only: without mapping files, and
 * without asking for pages, for then it is left open.
 */
bool are_pages_told(void);

/* Makes calls when it is this process's turn, until none is left. */
void play_turns(void);

/* ---- A world of its own (world.c) ------------------------------------------------------------ */

bool is_thrum(void);

/* NULL, or what is not possible here. */
const char *enter_world(const char *folder, bool is_root);

/* ---- The calls ------------------------------------------------------------------------------- */

/* Each chooses its arguments, makes a call, and tells all in one line. */

/* calls_fd.c */
void do_open(void);
void do_close(void);
void do_close_range(void);
void do_dup(void);
void do_fcntl(void);

/* calls_io.c */
void do_read(void);
void do_write(void);
void do_seek(void);
void do_truncate(void);
void do_fallocate(void);
void do_copy(void);
void do_splice(void);
void do_sync(void);

/* calls_name.c */
void do_mkdir(void);
void do_remove(void);
void do_rename(void);
void do_link(void);
void do_readlink(void);
void do_mknod(void);
void do_chdir(void);
void do_getcwd(void);
void do_umask(void);

/* calls_attribute.c */
void do_stat(void);
void do_chmod(void);
void do_chown(void);
void do_access(void);
void do_utimens(void);
void do_statfs(void);
void do_setuid(void);
void do_times(void);

/* calls_lock.c, calls_map.c, list.c */
void do_lock(void);
void do_map(void);
void do_getdents(void);

#endif
