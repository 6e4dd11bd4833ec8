/* Random numbers: getrandom(), the devices, AT_RANDOM; readers that are many, and one that dies. */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <thread.h>
#include <thrum.h>
#include <unistd.h>

#include <linux/random.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <thrum/sched.h>

#include "common.h"
#include "ktap.h"

#define NR_READERS 6
#define NR_NUMBERS 200
#define READ_NS    20000000 /* of CPU time */

static unsigned char buffer[1 << 20];

static long getrandom(void *to, size_t nr_bytes, unsigned flags)
{
    return syscall(__NR_getrandom, to, nr_bytes, flags);
}

/* Bits that are set: of n bytes, about 4n; ten deviations are allowed. */
static bool looks_random(const unsigned char *bytes, size_t nr_bytes)
{
    size_t nr_set = 0, middle = 4 * nr_bytes, deviation = 1;

    for (size_t i = 0; i < nr_bytes; i++)
        nr_set += (size_t)__builtin_popcount(bytes[i]);
    while (deviation * deviation < 2 * nr_bytes)
        deviation++;
    return KTAP_TRUE(nr_set >= middle - (10 * deviation < middle ? 10 * deviation : middle)) &&
           KTAP_TRUE(nr_set <= middle + 10 * deviation);
}

static bool all_is_filled(void)
{
    static const size_t sizes[] = {0, 1, 7, 31, 32, 33, 64, 65, 256, 257, 4096, sizeof(buffer)};

    for (size_t i = 0; i < KTAP_LEN(sizes); i++) {
        memset(buffer, 0, sizeof(buffer));
        if (!KTAP_EQUAL(getrandom(buffer, sizes[i], 0), sizes[i]) ||
            !looks_random(buffer, sizes[i]))
            return false;
        for (size_t j = sizes[i]; j < sizeof(buffer); j++) {
            if (buffer[j] != 0)
                return KTAP_EQUAL(j, sizes[i]);
        }
    }
    return true;
}

static bool flags_are_checked(void)
{
    static const unsigned good[] = {0,
                                    GRND_NONBLOCK,
                                    GRND_RANDOM,
                                    GRND_INSECURE,
                                    GRND_NONBLOCK | GRND_RANDOM,
                                    GRND_NONBLOCK | GRND_INSECURE};

    for (size_t i = 0; i < KTAP_LEN(good); i++) {
        if (!KTAP_EQUAL(getrandom(buffer, 16, good[i]), 16))
            return false;
    }
    return FAILS(getrandom(buffer, 16, 8), EINVAL) && FAILS(getrandom(buffer, 16, ~0u), EINVAL) &&
           FAILS(getrandom(buffer, 16, GRND_RANDOM | GRND_INSECURE), EINVAL);
}

static bool part_of_memory_is_filled(void)
{
    unsigned char *last;

    sbrk((long)(-(unsigned long)sbrk(0) & 4095)); /* the heap ends at a page */
    last = (unsigned char *)sbrk(0) - 64;
    return KTAP_EQUAL(getrandom(last, 4096, 0), 64) && FAILS(getrandom(last + 64, 9, 0), EFAULT);
}

static bool devices_work(void)
{
    static const char *const paths[] = {"/dev/random", "/dev/urandom"};

    for (size_t i = 0; i < KTAP_LEN(paths); i++) {
        int fd = open(paths[i], O_RDWR | O_NONBLOCK);

        memset(buffer, 0, 5000);
        if (!KTAP_TRUE(fd >= 0) || !KTAP_EQUAL(read(fd, buffer, 5000), 5000) ||
            !looks_random(buffer, 5000) || !KTAP_EQUAL(write(fd, "seed", 4), 4) ||
            !KTAP_EQUAL(pread(fd, buffer, 8, 100), 8) || !KTAP_EQUAL(lseek(fd, 9, SEEK_SET), 0) ||
            !KTAP_EQUAL(close(fd), 0))
            return false;
    }
    return true;
}

static bool generator_can_be_told(void)
{
    struct {
        int nr_bits, nr_bytes;
        char bytes[40];
    } contribution = {8, 40, "forty bytes that are not hard to guess"};
    int fd = open("/dev/random", O_RDWR), nr_bits = 0;
    bool is_ok = KTAP_EQUAL(syscall(__NR_ioctl, fd, RNDGETENTCNT, &nr_bits), 0) &&
                 KTAP_EQUAL(nr_bits, 256) &&
                 KTAP_EQUAL(syscall(__NR_ioctl, fd, RNDADDENTROPY, &contribution), 0) &&
                 KTAP_EQUAL(syscall(__NR_ioctl, fd, RNDRESEEDCRNG), 0) &&
                 FAILS(syscall(__NR_ioctl, fd, RNDADDENTROPY, 8), EFAULT) &&
                 FAILS(syscall(__NR_ioctl, fd, RNDGETENTCNT, 8), EFAULT) &&
                 FAILS(syscall(__NR_ioctl, fd, 0x5401, &nr_bits), EINVAL);

    contribution.nr_bytes = -1;
    return is_ok && FAILS(syscall(__NR_ioctl, fd, RNDADDENTROPY, &contribution), EINVAL) &&
           KTAP_EQUAL(close(fd), 0);
}

static uint64_t numbers[NR_READERS][NR_NUMBERS];

static void *take_numbers(void *mine)
{
    uint64_t *at = mine;

    for (size_t i = 0; i < NR_NUMBERS; i++)
        getrandom(&at[i], sizeof(*at), 0);
    return NULL;
}

static bool readers_get_different_numbers(void)
{
    uint64_t *all = numbers[0];
    thread_t readers[NR_READERS];

    for (size_t i = 0; i < NR_READERS; i++)
        thread_create(&readers[i], take_numbers, numbers[i]);
    for (size_t i = 0; i < NR_READERS; i++)
        thread_join(readers[i], NULL);
    for (size_t i = 0; i < NR_READERS * NR_NUMBERS; i++) {
        for (size_t j = 0; j < i; j++) {
            if (all[i] == all[j])
                return KTAP_TRUE(all[i] != all[j]);
        }
    }
    return true;
}

static void read_for_ever(void *unused)
{
    int fd = open("/dev/urandom", O_RDONLY);

    (void)unused;
    for (;;)
        read(fd, buffer, sizeof(buffer));
}

/* Whether it has read for a while. */
static bool has_run(void *pid_at)
{
    pid_t pid = *(pid_t *)pid_at;
    struct thrum_sched_lwp lwp;

    return sched_list(THRUM_LIST_LWPS, (uint64_t)pid, &lwp, 1, sizeof(lwp)) == 1 &&
           lwp.tid == pid && lwp.run_ns >= READ_NS;
}

static bool long_reader_can_be_killed(void)
{
    int status;
    pid_t pid = start_child(read_for_ever, NULL);

    return KTAP_TRUE(ktap_wait_for(has_run, &pid)) && KTAP_EQUAL(kill(pid, SIGKILL), 0) &&
           KTAP_EQUAL(waitpid(pid, &status, 0), pid) && KTAP_EQUAL(WTERMSIG(status), SIGKILL);
}

/* What it was started with, for the suite that started it. */
static int tell_at_random(int argc, char **argv)
{
    int fd = open(argv[argc - 1], O_WRONLY | O_CREAT | O_TRUNC, 0644);

    return write(fd, (void *)getauxval(AT_RANDOM), 16) == 16 ? CHILD_IS_WELL : 1;
}

static bool programs_start_differently(void)
{
    unsigned char bytes[2][16] = {{0}};

    for (int i = 0; i < 2; i++) {
        int fd;

        if (!KTAP_EQUAL(WEXITSTATUS(ktap_role_status("tell", "/tmp/at_random")), CHILD_IS_WELL))
            return false;
        fd = open("/tmp/at_random", O_RDONLY);
        if (!KTAP_EQUAL(read(fd, bytes[i], 16), 16) || !KTAP_EQUAL(close(fd), 0))
            return false;
    }
    return KTAP_TRUE(memcmp(bytes[0], bytes[1], 16) != 0) &&
           KTAP_EQUAL(unlink("/tmp/at_random"), 0);
}

static const struct ktap_role roles[] = {{"tell", tell_at_random}};

static const struct ktap_test tests[] = {
    {"getrandom() fills what it was given, and nothing else", all_is_filled},
    {"getrandom() takes Linux's flags, and no others", flags_are_checked},
    {"memory that ends is filled up to there", part_of_memory_is_filled},
    {"random and urandom give, take, and do not wait", devices_work},
    {"the generator can be asked and given to", generator_can_be_told},
    {"of many readers no two get the same number", readers_get_different_numbers},
    {"a process that reads without end can be killed", long_reader_can_be_killed},
    {"each program starts with other random bytes", programs_start_differently},
};

int main(int argc, char **argv)
{
    if (argc > 1)
        return ktap_play_role(roles, KTAP_LEN(roles), argc, argv);
    return ktap_main(tests, KTAP_LEN(tests));
}
