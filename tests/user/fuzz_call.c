/* Random calls: those that make a process or an LWP, and those whose arguments have to fit. */

#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <thrum.h>

#include <asm/ioctls.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "fuzz.h"

#define NR_FORKS_MAX      4 /* of each process */
#define DEPTH_MAX         2 /* of the tree of processes */
#define NR_CALLS_OF_CHILD 2000

static _Atomic int nr_forks;
static int depth;

/* A child of any kind begins here, or after fork(). */
static void begin_child(struct chance *chance)
{
    chance->state += 0x1234567;
    depth++;
    atomic_store(&nr_forks, 0);
    for (size_t i = 0; i < KTAP_LEN(children); i++)
        atomic_store(&children[i], 0);
    live(chance);
    for (;;)
        syscall6(__NR_exit_group, 0, 0, 0, 0, 0, 0);
}

static _Atomic uint64_t nr_clones;

/* Where an LWP or process with a stack of its own begins. */
static void begin_clone(void)
{
    struct chance chance = {atomic_fetch_add(&nr_clones, 1) * 77};

    live(&chance);
    for (;;)
        syscall6(__NR_exit, 0, 0, 0, 0, 0, 0);
}

/* The address to which syscall6() returns is all that has to be on a new stack. */
static uint64_t new_stack(struct chance *chance)
{
    char *stack = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint64_t top = (uint64_t)stack + 4 * PAGE - 64;

    if (stack == MAP_FAILED)
        return any_wild_pointer(chance);
    for (size_t i = 0; i < 7; i++)
        ((uint64_t *)top)[i] = (uint64_t)begin_clone;
    return top + 8;
}

#define CLONE_LWP 0x00010f00ul /* VM, FS, FILES, SIGHAND, THREAD */

static bool prepare_clone(struct chance *chance, const char *name, uint64_t *argument)
{
    uint64_t flags = one_in(chance, 3) ? CLONE_LWP : one_in(chance, 2) ? 0x4100ul : SIGCHLD;

    if (one_in(chance, 2))
        flags |= 1ul << random_below(chance, 32);
    bool shares_memory = (flags & 0x100) != 0;
    uint64_t sp = shares_memory ? new_stack(chance) : 0;

    if (strcmp(name, "clone") == 0) {
        argument[0] = flags;
        argument[1] = sp;
        return true;
    }
    if (argument[0] < ARENA || argument[0] >= READ_ONLY)
        return true;
    volatile uint64_t *words = (volatile uint64_t *)argument[0];

    argument[1] = one_in(chance, 4) ? argument[1] : 88;
    words[0] = flags & ~0xfful;
    words[4] = one_in(chance, 2) ? SIGCHLD : 0;
    words[5] = sp == 0 ? 0 : sp - 2048;
    words[6] = sp == 0 ? 0 : 2048;
    words[8] = words[9] = words[10] = 0;
    return true;
}

static const unsigned requests[] = {
    TCGETS,     TCSETS,     TCSETSW,    TCSETSF,    TCGETA,    TCSETA,      TCSBRK,   TCXONC,
    TCFLSH,     TIOCEXCL,   TIOCNXCL,   TIOCSCTTY,  TIOCGPGRP, TIOCSPGRP,   TIOCOUTQ, TIOCSTI,
    TIOCGWINSZ, TIOCSWINSZ, FIONREAD,   FIONBIO,    FIOCLEX,   FIONCLEX,    FIOASYNC, TIOCNOTTY,
    TIOCGSID,   TIOCGPTN,   TIOCSPTLCK, TIOCGPTLCK, TIOCPKT,   TIOCGPTPEER, TIOCSIG,  TIOCSETD,
};

static bool is_one_of(const char *name, const char *const *names, size_t nr)
{
    for (size_t i = 0; i < nr; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

static bool is_fork(const char *name)
{
    static const char *const forks[] = {"fork", "vfork", "clone", "clone3", "spawn", "lwp_create"};

    return is_one_of(name, forks, KTAP_LEN(forks));
}

static const char *const mount_points[] = {"/d", "/d/d", "/proc", "/dev/pts", "/dev", "d", "c"};
static const char *const types[] = {"tmpfs", "proc", "sysfs", "devpts", "nothing"};
static const char *const arguments[] = {"t_fuzz", "nothing", NULL};

/* Makes the arguments of some calls likelier to be right, or harmless; whether to call at all. */
static bool adjust(struct chance *chance, const char *name, uint64_t *argument)
{
    if (is_fork(name) && (depth >= DEPTH_MAX || atomic_fetch_add(&nr_forks, 1) >= NR_FORKS_MAX))
        return false;
    if (strncmp(name, "clone", 5) == 0)
        return prepare_clone(chance, name, argument);
    if (strcmp(name, "mmap") == 0) {
        argument[1] = one_in(chance, 16) ? argument[1] : PAGE * random_below(chance, 24);
        argument[2] &= 7;
        argument[3] = one_in(chance, 8) ? argument[3] : 1 + random_below(chance, 2);
        argument[3] |= one_in(chance, 2) ? MAP_ANONYMOUS : 0;
        argument[3] |= one_in(chance, 4) ? MAP_FIXED : 0;
        argument[5] = one_in(chance, 8) ? argument[5] : PAGE * random_below(chance, 4);
    } else if (strcmp(name, "lwp_create") == 0) {
        argument[0] = (uint64_t)begin_clone;
        argument[2] = one_in(chance, 2) ? 0 : argument[2];
    } else if (strcmp(name, "ioctl") == 0) {
        argument[1] = PICK(chance, requests);
        argument[2] = one_in(chance, 3) ? random_below(chance, 3) : argument[2];
    } else if (strcmp(name, "epoll_ctl") == 0) {
        argument[1] = 1 + random_below(chance, 3);
    } else if (strcmp(name, "mount") == 0 && !one_in(chance, 4)) {
        argument[1] = (uint64_t)PICK(chance, mount_points);
        argument[2] = (uint64_t)PICK(chance, types);
        argument[3] = one_in(chance, 3) ? argument[3] : 0;
        argument[4] = one_in(chance, 3) ? argument[4] : 0;
    } else if (strcmp(name, "umount2") == 0) {
        argument[0] = (uint64_t)PICK(chance, mount_points);
        argument[1] = one_in(chance, 4) ? argument[1] : 2 * random_below(chance, 2);
    } else if (strcmp(name, "execve") == 0 || strcmp(name, "spawn") == 0) {
        argument[0] = one_in(chance, 3) ? argument[0] : (uint64_t) "/proc/self/exe";
        argument[1] = one_in(chance, 3) ? argument[1] : (uint64_t)arguments;
        argument[2] = one_in(chance, 3) ? argument[2] : (uint64_t)(arguments + 2);
    } else if (strcmp(name, "wait4") == 0) {
        argument[2] = one_in(chance, 3) ? argument[2] : 1 /* WNOHANG */;
    } else if (strcmp(name, "waitid") == 0) {
        argument[1] = any_pid(chance);
    } else if (strcmp(name, "timer_settime") == 0 || strcmp(name, "timer_gettime") == 0) {
        argument[0] = random_below(chance, 5);
    } else if (strcmp(name, "timer_create") == 0) {
        argument[1] = one_in(chance, 2) ? 0 : argument[1];
    } else if (strcmp(name, "fcntl") == 0) {
        argument[1] = one_in(chance, 3) ? 1024 + random_below(chance, 16) : argument[1];
        argument[2] = one_in(chance, 2) ? any_number(chance) : argument[2];
        if (argument[1] == F_SETOWN || argument[1] == 15)
            argument[2] = any_pid(chance);
    } else if (strcmp(name, "chroot") == 0) {
        argument[0] = one_in(chance, 2) ? any_wild_pointer(chance) : (uint64_t) "/";
    } else if (strcmp(name, "open") == 0 || strcmp(name, "openat") == 0) {
        unsigned i = strcmp(name, "openat") == 0 ? 2 : 1;
        argument[i] = random_below(chance, 4) | (argument[i] & ~(uint64_t)O_TRUNC);
        argument[i] |= one_in(chance, 2) ? O_CREAT | O_NONBLOCK : 0;
    } else if (strcmp(name, "kill") == 0 && (int)argument[0] <= 1 && (int)argument[0] >= -2) {
        argument[0] = 0;
    }
    return true;
}

struct counters *counters;

static void make_call(struct chance *chance)
{
    size_t nr = random_below(chance, nr_calls);
    const struct call *call = &calls[nr];
    uint64_t argument[NR_ARGUMENTS];

    if (call->one_in == 0 || !one_in(chance, call->one_in))
        return;
    for (size_t i = 0; i < NR_ARGUMENTS; i++)
        argument[i] = any_argument(chance, call, i);
    if (!adjust(chance, call->name, argument))
        return;
    long result = syscall6(call->number, (long)argument[0], (long)argument[1], (long)argument[2],
                           (long)argument[3], (long)argument[4], (long)argument[5]);
    atomic_fetch_add(&counters->nr_calls, 1);
    if (nr < NR_COUNTED_MAX)
        atomic_fetch_add(&counters->nr_of[nr][result >= 0], 1);
    if (!is_fork(call->name))
        return;
    if (result == 0)
        begin_child(chance);
    if (result > 0)
        atomic_store(&PICK(chance, children), (int)result);
}

void live(struct chance *chance)
{
    for (size_t i = 0; depth == 0 || i < NR_CALLS_OF_CHILD; i++)
        make_call(chance);
}
