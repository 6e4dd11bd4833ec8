/*
 * The system-call boundary: numbers that do not exist, arguments that make no sense, and processor
 * states that a program can bring along. t_pointers has the pointers, t_badargs more of the rest.
 */

#include <errno.h>
#include <signal.h>
#include <thrum.h>
#include <time.h>
#include <unistd.h>

#include <asm/hwcap2.h>
#include <asm/prctl.h>
#include <linux/futex.h>
#include <linux/reboot.h>
#include <sys/auxv.h>
#include <sys/syscall.h>

#include "ktap.h"
#include "user_asm.h"

#define KERNEL_HALF   0xffff800000000000ul
#define KERNEL_IMAGE  0xffffffff80000000ul
#define NON_CANONICAL 0x0000900000000000ul

#define FLAG_TRAP      0x00000100ul
#define FLAG_DIRECTION 0x00000400ul
#define FLAG_NESTED    0x00004000ul
#define FLAG_ALIGNMENT 0x00040000ul
#define FLAG_ID        0x00200000ul

static uint32_t futex_word;
static const struct timespec no_time;

/* A system call with arguments that make no sense, and what it answers. */
struct refused_call {
    const char *sentence;
    long number;
    long argument[6];
    long want;
};

static const struct refused_call refused_calls[] = {
    {"number 423, of no call, is ENOSYS", 423, {0}, -ENOSYS},
    {"number 1023 is ENOSYS", 1023, {0}, -ENOSYS},
    {"number 1036, between Thrum's own, is ENOSYS", 1036, {0}, -ENOSYS},
    {"number 4096 is ENOSYS", 4096, {0}, -ENOSYS},
    {"number 0x40000027, of the x32 kind, is ENOSYS", 0x40000027, {0}, -ENOSYS},
    {"number 0x7fffffff is ENOSYS", 0x7fffffff, {0}, -ENOSYS},
    {"number -1 is ENOSYS", -1, {0}, -ENOSYS},
    {"the smallest number of all is ENOSYS", INT32_MIN, {0}, -ENOSYS},
    {"write to a descriptor that is not open is EBADF", __NR_write, {99, (long)"x", 1}, -EBADF},
    {"write to descriptor -1 is EBADF", __NR_write, {-1, (long)"x", 1}, -EBADF},
    {"write of nothing writes nothing", __NR_write, {1, (long)"x", 0}, 0},
    {"futex on a word that is not aligned is EINVAL",
     __NR_futex,
     {(long)&futex_word + 1, FUTEX_WAIT_PRIVATE, 0, (long)&no_time},
     -EINVAL},
    {"futex wait for another value is EAGAIN",
     __NR_futex,
     {(long)&futex_word, FUTEX_WAIT_PRIVATE, 1},
     -EAGAIN},
    {"futex wait without time is ETIMEDOUT",
     __NR_futex,
     {(long)&futex_word, FUTEX_WAIT_PRIVATE, 0, (long)&no_time},
     -ETIMEDOUT},
    {"futex wake of nobody is 0", __NR_futex, {(long)&futex_word, FUTEX_WAKE_PRIVATE, 5}, 0},
    {"futex with an unknown operation is ENOSYS", __NR_futex, {(long)&futex_word, 0x7f}, -ENOSYS},
    {"an FS base in the kernel's half is EPERM",
     __NR_arch_prctl,
     {ARCH_SET_FS, (long)KERNEL_HALF},
     -EPERM},
    {"an FS base that is not canonical is EPERM",
     __NR_arch_prctl,
     {ARCH_SET_FS, NON_CANONICAL},
     -EPERM},
    {"arch_prctl with an unknown code is EINVAL", __NR_arch_prctl, {0x9999}, -EINVAL},
    {"reboot without its magic numbers is EINVAL",
     __NR_reboot,
     {(long)LINUX_REBOOT_MAGIC1, 1, LINUX_REBOOT_CMD_HALT},
     -EINVAL},
    {"reboot with an unknown command is EINVAL",
     __NR_reboot,
     {(long)LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, 7},
     -EINVAL},
};

static bool is_refused(const struct refused_call *call)
{
    const long *a = call->argument;

    return KTAP_EQUAL(syscall6(call->number, a[0], a[1], a[2], a[3], a[4], a[5]), call->want);
}

/* Processor states. */

static bool get_fs_tells_the_thread_pointer(void)
{
    uint64_t base = 0;

    syscall6(__NR_arch_prctl, ARCH_GET_FS, (long)&base, 0, 0, 0, 0);
    return KTAP_TRUE(base == *(uint64_t *)base);
}

static bool flags_do_not_disturb(void)
{
    static const uint64_t flags[] = {FLAG_DIRECTION, FLAG_NESTED, FLAG_ALIGNMENT, FLAG_ID,
                                     FLAG_DIRECTION | FLAG_NESTED | FLAG_ALIGNMENT | FLAG_ID};
    struct thrum_stat stat;
    bool is_right = true;

    for (size_t i = 0; i < KTAP_LEN(flags); i++)
        is_right =
            KTAP_EQUAL(syscall_with_flags(flags[i], __NR_getpid, 0, 0, 0), getpid()) &&
            KTAP_EQUAL(syscall_with_flags(flags[i], THRUM_SYS_stat, (long)&stat, sizeof(stat), 0),
                       0) &&
            is_right;
    return is_right;
}

static bool flags_may_sleep(void)
{
    static const struct timespec a_moment = {0, 2000000};

    return KTAP_EQUAL(syscall_with_flags(FLAG_DIRECTION | FLAG_NESTED | FLAG_ALIGNMENT,
                                         __NR_nanosleep, (long)&a_moment, 0, 0),
                      0);
}

static bool stack_pointer_does_not_matter(void)
{
    static const uint64_t stack_pointers[] = {0, 1, KERNEL_IMAGE + 0x1000, NON_CANONICAL,
                                              UINT64_MAX};
    bool is_right = true;

    for (size_t i = 0; i < KTAP_LEN(stack_pointers); i++)
        is_right = KTAP_EQUAL(getpid_with_stack(stack_pointers[i]), getpid()) && is_right;
    return is_right;
}

static bool gs_base_does_not_matter(void)
{
    static const uint64_t bases[] = {KERNEL_HALF, KERNEL_IMAGE, 8, UINT64_MAX, 0};
    bool is_right = true;

    if (!(getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE))
        return ktap_skip("no FSGSBASE");
    for (size_t i = 0; i < KTAP_LEN(bases); i++) {
        gs_base_write(bases[i]);
        sleep_ns(1000000);
        is_right = KTAP_EQUAL(syscall6(__NR_getpid, 0, 0, 0, 0, 0, 0), getpid()) && is_right;
    }
    return is_right;
}

static int trap_in_system_call(int argc, char **argv)
{
    (void)argc, (void)argv;
    syscall_with_flags(FLAG_TRAP, __NR_getpid, 0, 0, 0);
    return 0;
}

static int fault_with_kernel_gs(int argc, char **argv)
{
    (void)argc, (void)argv;
    gs_base_write(KERNEL_HALF + 0x1000);
    run_ud2();
    return 0;
}

static bool single_step_ends_the_process(void)
{
    return KTAP_ROLE_DIES("trap-in-system-call", SIGTRAP);
}

static bool fault_with_kernel_gs_ends_the_process(void)
{
    if (!(getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE))
        return ktap_skip("no FSGSBASE");
    return KTAP_ROLE_DIES("fault-with-kernel-gs", SIGILL);
}

static const struct ktap_test tests[] = {
    {"arch_prctl tells the FS base", get_fs_tells_the_thread_pointer},
    {"flags that a program sets do not disturb the kernel", flags_do_not_disturb},
    {"flags that a program sets do not disturb a switch", flags_may_sleep},
    {"a system call does not need a stack pointer", stack_pointer_does_not_matter},
    {"a system call does not need the GS base", gs_base_does_not_matter},
    {"a single step across a system call is SIGTRAP", single_step_ends_the_process},
    {"a fault with the GS base in the kernel is an ordinary fault",
     fault_with_kernel_gs_ends_the_process},
};

static const struct ktap_role roles[] = {
    {"trap-in-system-call", trap_in_system_call},
    {"fault-with-kernel-gs", fault_with_kernel_gs},
};

int main(int argc, char **argv)
{
    if (argc > 1)
        return ktap_play_role(roles, KTAP_LEN(roles), argc, argv);

    ktap_need_thrum();
    ktap_start(KTAP_LEN(refused_calls) + KTAP_LEN(tests));
    for (size_t i = 0; i < KTAP_LEN(refused_calls); i++)
        ktap_ok(is_refused(&refused_calls[i]), "%s", refused_calls[i].sentence);
    ktap_run(tests, KTAP_LEN(tests));
    return ktap_finish();
}
