/*
 * What system calls leave in the registers: the result, the return address and the flags where
 * SYSCALL puts them, all else as it was, and nothing of the kernel's. So it is in the handler of a
 * signal that comes at a call, and in children.
 */

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <thread.h>
#include <thrum.h>
#include <unistd.h>

#include <asm/sigcontext.h>

#include <asm/ucontext.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "common.h"
#include "entry_asm.h"
#include "ktap.h"

#define KERNEL_HALF 0xffff800000000000ul
#define PATTERN     0x5a00000000000000ul /* of no address */

/* Sets the registers, arguments aside to values that are known. */
static void prepare(long number, long a, long b, long c, long d)
{
    uint64_t *words = (uint64_t *)&entry_state.before;

    for (size_t i = 0; i < sizeof(entry_state.before) / 8; i++)
        words[i] = PATTERN + 0x0101 * i;
    memset(&entry_state.after, 0xee, sizeof(entry_state.after));
    entry_state.before.rax = (uint64_t)number;
    entry_state.before.rdi = (uint64_t)a;
    entry_state.before.rsi = (uint64_t)b;
    entry_state.before.rdx = (uint64_t)c;
    entry_state.before.r10 = (uint64_t)d;
}

/* Whether all registers are as they have to be after a call that returned `result`. */
static bool are_kept(long result)
{
    struct entry_registers want = entry_state.before;
    const struct entry_registers *after = &entry_state.after;
    bool is_right = KTAP_EQUAL((long)after->rax, result) &&
                    KTAP_EQUAL((long)after->rcx, (long)(void *)entry_after) &&
                    KTAP_EQUAL(after->r11 & ~0xcd5ul, 0x202);

    want.rax = after->rax;
    want.rcx = after->rcx;
    want.r11 = after->r11;
    want.rsp = after->rsp;
    memcpy(want.unused, after->unused, sizeof(want.unused));
    return is_right && KTAP_EQUAL(memcmp(&want, after, sizeof(want)), 0);
}

static bool keeps(long number, long a, long b, long c, long d, long result)
{
    prepare(number, a, b, c, d);
    entry_call();
    return are_kept(result);
}

static bool calls_keep_registers(void)
{
    struct timespec tick = {0, 1000000};
    uint32_t word = 1;
    int fds[2];
    bool is_right =
        KTAP_EQUAL(pipe(fds), 0) && keeps(__NR_getpid, 0, 0, 0, 0, getpid()) &&
        keeps(__NR_sched_yield, 0, 0, 0, 0, 0) && keeps(__NR_nanosleep, (long)&tick, 0, 0, 0, 0) &&
        keeps(__NR_futex, (long)&word, 0, 1, (long)&tick, -ETIMEDOUT) &&
        keeps(__NR_write, fds[1], (long)&word, 4, 0, 4) &&
        keeps(__NR_read, fds[0], (long)&word, 4, 0, 4) &&
        keeps(__NR_read, fds[0], 0x1000, 0, 0, 0) &&
        keeps(__NR_open, (long)"/dev/nothing", 0, 0, 0, -ENOENT) &&
        keeps(__NR_open, 0x1000, 0, 0, 0, -EFAULT) &&
        keeps(__NR_execve, (long)"/dev/nothing", 0, 0, 0, -ENOENT) &&
        keeps(__NR_wait4, -1, 0, 0, 0, -ECHILD) &&
        keeps(__NR_rt_sigprocmask, SIG_BLOCK, 0, 0, 8, 0) && keeps(__NR_madvise, 0, 0, 0, 0, 0) &&
        keeps(THRUM_SYS_lwp_testcancel, 0, 0, 0, 0, 0);

    close(fds[0]);
    close(fds[1]);
    return is_right;
}

static bool unknown_numbers_keep_registers(void)
{
    return keeps(511, 0, 0, 0, 0, -ENOSYS) && keeps(512, 0, 0, 0, 0, -ENOSYS) &&
           keeps(1023, 0, 0, 0, 0, -ENOSYS) && keeps(1024 + 32, 0, 0, 0, 0, -ENOSYS) &&
           keeps(-1, 0, 0, 0, 0, -ENOSYS) && keeps(1l << 32, 0, 0, 0, 0, -ENOSYS) &&
           keeps((long)KERNEL_HALF, 0, 0, 0, 0, -ENOSYS);
}

static bool children_have_the_same(long number, long flags)
{
    int status = -1;
    pid_t child;

    prepare(number, flags, 0, 0, 0);
    entry_call();
    child = (pid_t)entry_state.after.rax;
    if (child == 0)
        _exit(are_kept(0) ? CHILD_IS_WELL : 1);
    return are_kept(child) && KTAP_EQUAL(waitpid(child, &status, 0), child) &&
           ktap_check_exits(status, CHILD_IS_WELL, __FILE__, __LINE__);
}

static bool forks_keep_registers(void)
{
    return children_have_the_same(__NR_fork, 0) && children_have_the_same(__NR_clone, SIGCHLD);
}

static bool vfork_keeps_registers(void)
{
    int status = -1;
    bool is_right;

    prepare(__NR_vfork, 0, 0, 0, 0);
    entry_child_ends = 1;
    entry_call();
    entry_child_ends = 0;
    is_right = are_kept((long)entry_state.after.rax);
    return KTAP_EQUAL(waitpid(-1, &status, 0), (long)entry_state.after.rax) &&
           KTAP_EQUAL(status, 0) && is_right;
}

/* ---- Signals -------------------------------------------------------------------------------- */

static struct sigcontext seen;
static atomic_int nr_seen;

static void look(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)info;
    seen = ((struct ucontext *)context)->uc_mcontext;
    nr_seen++;
}

/* What a handler is shown, of a call that returns `result` afterwards. */
static bool handler_saw(uint64_t rip, uint64_t rax)
{
    const struct entry_registers *before = &entry_state.before;

    return KTAP_EQUAL(nr_seen, 1) && KTAP_EQUAL((long)seen.rip, (long)rip) &&
           KTAP_EQUAL((long)seen.rax, (long)rax) && KTAP_EQUAL(seen.rbx, before->rbx) &&
           KTAP_EQUAL(seen.rbp, before->rbp) && KTAP_EQUAL(seen.rdx, before->rdx) &&
           KTAP_EQUAL(seen.rsi, before->rsi) && KTAP_EQUAL(seen.rdi, before->rdi) &&
           KTAP_EQUAL(seen.r8, before->r8) && KTAP_EQUAL(seen.r9, before->r9) &&
           KTAP_EQUAL(seen.r10, before->r10) && KTAP_EQUAL(seen.r12, before->r12) &&
           KTAP_EQUAL(seen.r13, before->r13) && KTAP_EQUAL(seen.r14, before->r14) &&
           KTAP_EQUAL(seen.r15, before->r15) &&
           KTAP_EQUAL(seen.rcx, (uint64_t)(void *)entry_after) &&
           KTAP_EQUAL(seen.r11 & ~0xcd5ul, 0x202);
}

static bool signal_at_a_call_keeps_registers(void)
{
    nr_seen = 0;
    signal_handle(SIGUSR1, look, 0);
    return keeps(__NR_kill, getpid(), SIGUSR1, 0, 0, 0) &&
           handler_saw((uint64_t)(void *)entry_after, 0);
}

static int pipe_fds[2];

/* Sends the signal when the first LWP waits in its call, and if it then goes on lets it end. */
static void *interrupt_the_first(void *goes_on)
{
    if (!comes_to_wait(getpid()))
        return NULL;
    syscall6(__NR_tgkill, getpid(), getpid(), SIGUSR1, 0, 0, 0);
    while (nr_seen == 0)
        yield();
    if (goes_on != NULL && comes_to_wait(getpid()))
        write(pipe_fds[1], "x", 1);
    return NULL;
}

static bool interrupted_call_keeps_registers(bool is_restarted)
{
    thread_t lwp = 0;
    char byte;
    bool is_right;

    nr_seen = 0;
    signal_handle(SIGUSR1, look, is_restarted ? SA_RESTART : 0);
    is_right =
        KTAP_EQUAL(pipe(pipe_fds), 0) &&
        KTAP_EQUAL(thread_create(&lwp, interrupt_the_first, is_restarted ? (void *)pipe_fds : NULL),
                   0) &&
        keeps(__NR_read, pipe_fds[0], (long)&byte, 1, 0, is_restarted ? 1 : -EINTR) &&
        (is_restarted ? handler_saw((uint64_t)(void *)entry_after - 2, __NR_read)
                      : handler_saw((uint64_t)(void *)entry_after, (uint64_t)-EINTR));
    thread_join(lwp, NULL);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    return is_right;
}

static bool failed_call_keeps_registers(void)
{
    return interrupted_call_keeps_registers(false);
}

static bool restarted_call_keeps_registers(void)
{
    return interrupted_call_keeps_registers(true);
}

static const struct ktap_test tests[] = {
    {"a call keeps all registers but three", calls_keep_registers},
    {"one that does not exist, too", unknown_numbers_keep_registers},
    {"fork and clone, in parent and child", forks_keep_registers},
    {"vfork, though the child uses the same stack", vfork_keeps_registers},
    {"a handler that a call leads to sees them", signal_at_a_call_keeps_registers},
    {"also at a call that it interrupts", failed_call_keeps_registers},
    {"also at one that is made again", restarted_call_keeps_registers},
};

int main(void)
{
    ktap_need_thrum();
    return ktap_main(tests, KTAP_LEN(tests));
}
