/* Moving bytes between pipes and files: what goes where, what is left, and what is refused. */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <thread.h>
#include <unistd.h>

#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "common.h"
#include "ktap.h"

#define FILE_PATH   "/tmp/splice"
#define NONBLOCKING 2u
#define PIPE_BYTES  65536
#define BAD_POINTER ((void *)-4096l)

static int in[2], out[2], file;
static char text[PIPE_BYTES + 4096];

static long splice(int from, long *from_offset, int to, long *to_offset, size_t nr, unsigned flags)
{
    return syscall(__NR_splice, from, from_offset, to, to_offset, nr, flags);
}

static long tee(int from, int to, size_t nr, unsigned flags)
{
    return syscall(__NR_tee, from, to, nr, flags);
}

static long vmsplice(int fd, const struct iovec *pieces, size_t nr, unsigned flags)
{
    return syscall(__NR_vmsplice, fd, pieces, nr, flags);
}

static long stored(int fd)
{
    int nr = -1;

    return ioctl(fd, FIONREAD, &nr) == 0 ? nr : -1;
}

/* Two pipes, and a file with "0123456789". */
static bool begin(void)
{
    file = open(FILE_PATH, O_CREAT | O_TRUNC | O_RDWR, 0644);
    return KTAP_EQUAL(pipe(in), 0) && KTAP_EQUAL(pipe(out), 0) && KTAP_TRUE(file >= 0) &&
           KTAP_EQUAL(write(file, "0123456789", 10), 10) && KTAP_EQUAL(lseek(file, 0, SEEK_SET), 0);
}

static bool end(void)
{
    int all[] = {in[0], in[1], out[0], out[1], file};

    for (size_t i = 0; i < KTAP_LEN(all); i++)
        close(all[i]);
    return KTAP_EQUAL(unlink(FILE_PATH), 0);
}

static bool reads(int fd, const char *expected)
{
    long nr = (long)strlen(expected);

    memset(text, 0, 64);
    return KTAP_EQUAL(read(fd, text, 64), nr) && KTAP_EQUAL(memcmp(text, expected, (size_t)nr), 0);
}

static bool files_go_into_pipes(void)
{
    long offset = 7;
    bool ok = begin() && KTAP_EQUAL(splice(file, NULL, in[1], NULL, 4, 0), 4) &&
              reads(in[0], "0123") && KTAP_EQUAL(lseek(file, 0, SEEK_CUR), 4) &&
              KTAP_EQUAL(splice(file, &offset, in[1], NULL, 100, 0), 3) && reads(in[0], "789") &&
              KTAP_EQUAL(offset, 10) && KTAP_EQUAL(lseek(file, 0, SEEK_CUR), 4) &&
              KTAP_EQUAL(splice(file, &offset, in[1], NULL, 100, 0), 0) &&
              KTAP_EQUAL(splice(file, NULL, in[1], NULL, 0, 99), 0) && KTAP_EQUAL(stored(in[0]), 0);
    return end() && ok;
}

static bool pipes_go_into_files(void)
{
    long offset = 2;
    bool ok = begin() && KTAP_EQUAL(write(in[1], "abcdef", 6), 6) &&
              KTAP_EQUAL(splice(in[0], NULL, file, NULL, 2, 0), 2) &&
              KTAP_EQUAL(lseek(file, 0, SEEK_CUR), 2) &&
              KTAP_EQUAL(splice(in[0], NULL, file, &offset, 100, 0), 4) && KTAP_EQUAL(offset, 6) &&
              KTAP_EQUAL(lseek(file, 0, SEEK_SET), 0) && reads(file, "abcdef6789") &&
              KTAP_EQUAL(close(in[1]), 0) && KTAP_EQUAL(splice(in[0], NULL, file, NULL, 9, 0), 0);
    return end() && ok;
}

static bool pipes_go_into_pipes(void)
{
    bool ok = begin() && KTAP_EQUAL(write(in[1], "abcdef", 6), 6) &&
              KTAP_EQUAL(tee(in[0], out[1], 4, 0), 4) && KTAP_EQUAL(stored(in[0]), 6) &&
              reads(out[0], "abcd") && KTAP_EQUAL(splice(in[0], NULL, out[1], NULL, 4, 0), 4) &&
              KTAP_EQUAL(stored(in[0]), 2) && reads(out[0], "abcd") && reads(in[0], "ef") &&
              KTAP_EQUAL(tee(in[0], out[1], 0, 0), 0);
    return end() && ok;
}

static bool other_files_will_do(void)
{
    int pair[2];
    bool ok = begin() && KTAP_EQUAL(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0) &&
              KTAP_EQUAL(write(pair[0], "hello", 5), 5) &&
              KTAP_EQUAL(splice(pair[1], NULL, in[1], NULL, 100, 0), 5) &&
              KTAP_EQUAL(splice(in[0], NULL, pair[1], NULL, 100, 0), 5) &&
              reads(pair[0], "hello") && KTAP_EQUAL(close(pair[0]), 0) &&
              KTAP_EQUAL(close(pair[1]), 0);
    return end() && ok;
}

/* What does not fit stays where it was, in pieces of pages and at their borders. */
static bool nothing_is_lost(void)
{
    bool ok = begin();

    for (int i = 0; i < PIPE_BYTES; i++)
        text[i] = (char)(i * 7 + i / 251);
    ok = ok && KTAP_EQUAL(ftruncate(file, 0), 0) &&
         KTAP_EQUAL(write(file, text, PIPE_BYTES), PIPE_BYTES) &&
         KTAP_EQUAL(lseek(file, 0, SEEK_SET), 0) && KTAP_EQUAL(write(out[1], text, 1000), 1000);
    for (long done = 0; done < PIPE_BYTES && ok;) {
        long nr = splice(file, NULL, in[1], NULL, 5000, 0);

        ok = KTAP_TRUE(nr > 0) &&
             KTAP_EQUAL(splice(in[0], NULL, out[1], NULL, 99999, NONBLOCKING),
                        nr < PIPE_BYTES - 1000 - done ? nr : PIPE_BYTES - 1000 - done);
        done += nr;
        if (done > PIPE_BYTES - 1000)
            break;
    }
    static char seen[PIPE_BYTES];

    ok = ok && KTAP_EQUAL(read(out[0], seen, 1000), 1000) &&
         KTAP_EQUAL(read(out[0], seen, PIPE_BYTES), PIPE_BYTES - 1000) &&
         KTAP_EQUAL(memcmp(seen, text, PIPE_BYTES - 1000), 0) && KTAP_TRUE(stored(in[0]) > 0) &&
         KTAP_EQUAL(memcmp(seen, text, 1), 0);
    long rest = ok ? read(in[0], seen, PIPE_BYTES) : 0;

    ok = ok && KTAP_EQUAL(memcmp(seen, text + PIPE_BYTES - 1000, (size_t)rest), 0) &&
         KTAP_EQUAL(lseek(file, 0, SEEK_CUR), PIPE_BYTES - 1000 + rest);
    return end() && ok;
}

static void *splice_one(void *arg)
{
    (void)arg;
    return (void *)splice(in[0], NULL, file, NULL, 100, 0);
}

static void *tee_one(void *arg)
{
    (void)arg;
    return (void *)tee(in[0], out[1], 100, 0);
}

static bool who_asks_waits(void)
{
    thread_t lwp;
    void *result = NULL;
    bool ok = begin() && FAILS(splice(in[0], NULL, file, NULL, 9, NONBLOCKING), EAGAIN) &&
              FAILS(tee(in[0], out[1], 9, NONBLOCKING), EAGAIN);

    thread_create(&lwp, splice_one, NULL);
    comes_to_wait(lwp);
    ok = KTAP_EQUAL(write(in[1], "abc", 3), 3) && ok;
    thread_join(lwp, &result);
    ok = KTAP_EQUAL((long)result, 3) && KTAP_EQUAL(write(out[1], text, PIPE_BYTES), PIPE_BYTES) &&
         FAILS(splice(file, NULL, out[1], NULL, 1, NONBLOCKING), EAGAIN) &&
         KTAP_EQUAL(write(in[1], "abc", 3), 3) && ok;
    thread_create(&lwp, tee_one, NULL);
    comes_to_wait(lwp);
    ok = KTAP_EQUAL(read(out[0], text, PIPE_BYTES), PIPE_BYTES) && ok;
    thread_join(lwp, &result);
    ok = KTAP_EQUAL((long)result, 3) && reads(out[0], "abc") && reads(in[0], "abc") && ok;
    return end() && ok;
}

static volatile int nr_signals;

static void note(int signal)
{
    nr_signals += signal == SIGPIPE;
}

static bool pipes_without_readers_are_epipe(void)
{
    struct sigaction action = {.sa_handler = note};
    struct iovec piece = {text, 4};

    nr_signals = 0;
    bool ok = begin() && KTAP_EQUAL(sigaction(SIGPIPE, &action, NULL), 0) &&
              KTAP_EQUAL(close(out[0]), 0) && KTAP_EQUAL(write(in[1], "abc", 3), 3) &&
              FAILS(splice(file, NULL, out[1], NULL, 5, 0), EPIPE) &&
              FAILS(splice(in[0], NULL, out[1], NULL, 5, 0), EPIPE) &&
              FAILS(tee(in[0], out[1], 5, 0), EPIPE) &&
              FAILS(vmsplice(out[1], &piece, 1, 0), EPIPE) && KTAP_EQUAL(nr_signals, 4) &&
              KTAP_EQUAL(stored(in[0]), 3) && KTAP_EQUAL(lseek(file, 0, SEEK_CUR), 0);
    return end() && ok;
}

static bool memory_goes_into_pipes_and_back(void)
{
    char first[4], second[8] = "";
    struct iovec from[] = {{"abc", 3}, {"", 0}, {"defg", 4}},
                 to[] = {{first, sizeof(first)}, {second, sizeof(second)}};
    struct iovec all = {text, sizeof(text)};
    bool ok = begin() && KTAP_EQUAL(vmsplice(in[1], from, 3, 8), 7) &&
              KTAP_EQUAL(vmsplice(in[0], to, 2, 0), 7) && KTAP_EQUAL(memcmp(first, "abcd", 4), 0) &&
              KTAP_EQUAL(memcmp(second, "efg", 4), 0) &&
              FAILS(vmsplice(in[0], to, 1, NONBLOCKING), EAGAIN) &&
              KTAP_EQUAL(vmsplice(in[1], &all, 1, 0), PIPE_BYTES) &&
              FAILS(vmsplice(in[1], &all, 1, NONBLOCKING), EAGAIN) &&
              KTAP_EQUAL(vmsplice(in[1], NULL, 0, 0), 0) && KTAP_EQUAL(close(in[1]), 0) &&
              KTAP_EQUAL(vmsplice(in[0], &all, 1, 0), PIPE_BYTES) &&
              KTAP_EQUAL(vmsplice(in[0], &all, 1, 0), 0);
    return end() && ok;
}

static bool wrong_is_refused(void)
{
    long offset = 0, negative = -1;
    struct iovec piece = {text, 4}, wrong = {BAD_POINTER, 4};
    int append = open(FILE_PATH, O_CREAT | O_WRONLY | O_APPEND, 0644), dir = open("/", O_RDONLY);
    bool ok = begin() && KTAP_EQUAL(write(in[1], "abcd", 4), 4) &&
              FAILS(splice(99, NULL, in[1], NULL, 1, 0), EBADF) &&
              FAILS(splice(file, NULL, 99, NULL, 1, 0), EBADF) &&
              FAILS(splice(in[1], NULL, file, NULL, 1, 0), EBADF) &&
              FAILS(splice(file, NULL, in[0], NULL, 1, 0), EBADF) &&
              FAILS(splice(file, NULL, file, NULL, 1, 0), EINVAL) &&
              FAILS(splice(in[0], NULL, in[1], NULL, 1, 0), EINVAL) &&
              FAILS(splice(file, NULL, in[1], NULL, 1, 16), EINVAL) &&
              FAILS(splice(in[0], NULL, append, NULL, 1, 0), EINVAL) &&
              FAILS(splice(dir, NULL, in[1], NULL, 1, 0), EINVAL) &&
              FAILS(splice(in[0], &offset, file, NULL, 1, 0), ESPIPE) &&
              FAILS(splice(file, NULL, in[1], &offset, 1, 0), ESPIPE) &&
              FAILS(splice(file, &negative, in[1], NULL, 1, 0), EINVAL) &&
              FAILS(splice(file, BAD_POINTER, in[1], NULL, 1, 0), EFAULT) &&
              FAILS(splice(in[0], NULL, file, BAD_POINTER, 1, 0), EFAULT);

    ok = ok && FAILS(tee(99, out[1], 1, 0), EBADF) && FAILS(tee(in[0], 99, 1, 0), EBADF) &&
         FAILS(tee(in[1], out[1], 1, 0), EBADF) && FAILS(tee(in[0], file, 1, 0), EINVAL) &&
         FAILS(tee(file, out[1], 1, 0), EINVAL) && FAILS(tee(in[0], in[1], 1, 0), EINVAL) &&
         FAILS(tee(in[0], out[1], 1, 16), EINVAL) && FAILS(vmsplice(99, &piece, 1, 0), EBADF) &&
         FAILS(vmsplice(file, &piece, 1, 0), EBADF) &&
         FAILS(vmsplice(in[1], &piece, 1, 16), EINVAL) &&
         FAILS(vmsplice(in[1], &piece, 1025, 0), EINVAL) &&
         FAILS(vmsplice(in[1], BAD_POINTER, 1, 0), EFAULT) &&
         FAILS(vmsplice(in[1], &wrong, 1, 0), EFAULT) &&
         FAILS(vmsplice(in[0], &wrong, 1, 0), EFAULT) && KTAP_EQUAL(stored(in[0]), 4) &&
         KTAP_EQUAL(close(append), 0) && KTAP_EQUAL(close(dir), 0);
    return end() && ok;
}

/* Two LWPs pump, one writes and one reads: every byte comes once and in order. */
static size_t nr_bytes_in_all;

static void *pump(void *arg)
{
    const int *ends = arg;

    while (splice(ends[0], NULL, ends[1], NULL, 3000, 0) > 0)
        ;
    close(ends[1]);
    return NULL;
}

static void *write_numbers(void *arg)
{
    unsigned buffer[500];

    for (size_t i = 0; i < nr_bytes_in_all / sizeof(buffer); i++) {
        for (size_t k = 0; k < KTAP_LEN(buffer); k++)
            buffer[k] = (unsigned)(i * KTAP_LEN(buffer) + k);
        if (write(in[1], buffer, sizeof(buffer)) != sizeof(buffer))
            return (void *)1;
    }
    close(in[1]);
    return arg;
}

static bool streams_stay_in_order(void)
{
    int ends[] = {in[0], 0};
    thread_t writer, pumper;
    unsigned number, next = 0;
    bool ok = begin();

    nr_bytes_in_all = ktap_times(200) * 4000;
    ends[0] = in[0];
    ends[1] = out[1];
    thread_create(&writer, write_numbers, NULL);
    thread_create(&pumper, pump, ends);
    while (ok && read(out[0], &number, sizeof(number)) == sizeof(number))
        ok = number == next++;
    thread_join(writer, NULL);
    thread_join(pumper, NULL);
    return KTAP_EQUAL((long)next * 4, (long)(nr_bytes_in_all / 2000 * 2000)) && end() && ok;
}

/* ---- Between two pipes, who waits has the turn of neither ------------------------------------ */

/* splice() from `in` to `out`, which is full or `in` empty. Bytes or -errno. */
static void *splice_across(void *arg)
{
    long nr = splice(in[0], NULL, out[1], NULL, 100, 0);

    (void)arg;
    return (void *)(nr < 0 ? -errno : nr);
}

static bool fill(int fd)
{
    return KTAP_EQUAL(write(fd, text, PIPE_BYTES), PIPE_BYTES);
}

static bool drain(int fd)
{
    return KTAP_EQUAL(read(fd, text, PIPE_BYTES), PIPE_BYTES);
}

/* One that waits to splice "abc"; `out` is full. */
static bool begin_waiting(thread_t *lwp)
{
    return begin() && fill(out[1]) && KTAP_EQUAL(write(in[1], "abc", 3), 3) &&
           KTAP_EQUAL(thread_create(lwp, splice_across, NULL), 0) && KTAP_TRUE(comes_to_wait(*lwp));
}

static bool comes_back_with(thread_t lwp, long expected)
{
    void *result = NULL;

    return KTAP_EQUAL(thread_join(lwp, &result), 0) && KTAP_EQUAL((long)result, expected);
}

static bool who_waits_for_room_holds_nobody_up(void)
{
    thread_t lwp;
    bool ok = begin_waiting(&lwp) && KTAP_EQUAL(fcntl(in[0], F_SETFL, O_NONBLOCK), 0) &&
              reads(in[0], "abc") && FAILS(read(in[0], text, 1), EAGAIN) &&
              KTAP_EQUAL(fcntl(in[0], F_SETFL, 0), 0) && drain(out[0]) &&
              KTAP_TRUE(comes_to_wait(lwp)) && KTAP_EQUAL(write(out[1], "12", 2), 2) &&
              KTAP_EQUAL(write(in[1], "de", 2), 2) && comes_back_with(lwp, 2) &&
              reads(out[0], "12de");
    return end() && ok;
}

static bool waiting_for_room_ends_with_the_readers(void)
{
    struct sigaction action = {.sa_handler = note};
    thread_t lwp;
    bool ok;

    nr_signals = 0;
    ok = begin_waiting(&lwp) && KTAP_EQUAL(sigaction(SIGPIPE, &action, NULL), 0) &&
         KTAP_EQUAL(close(out[0]), 0) && comes_back_with(lwp, -EPIPE) &&
         KTAP_EQUAL(nr_signals, 1) && reads(in[0], "abc");
    return end() && ok;
}

static bool waiting_ends_with_the_writers(void)
{
    thread_t lwp;
    bool ok = begin() && KTAP_EQUAL(thread_create(&lwp, splice_across, NULL), 0) &&
              KTAP_TRUE(comes_to_wait(lwp)) && KTAP_EQUAL(close(in[1]), 0) &&
              comes_back_with(lwp, 0);

    ok = end() && ok;
    /* Also where somebody else has read the bytes meanwhile. */
    ok = begin_waiting(&lwp) && reads(in[0], "abc") && KTAP_EQUAL(close(in[1]), 0) &&
         drain(out[0]) && comes_back_with(lwp, 0) && ok;
    return end() && ok;
}

static bool signals_end_the_wait(void)
{
    struct sigaction action = {.sa_handler = note};
    thread_t lwp;
    bool ok = begin_waiting(&lwp) && KTAP_EQUAL(sigaction(SIGUSR1, &action, NULL), 0) &&
              KTAP_EQUAL(syscall(__NR_tgkill, getpid(), lwp, SIGUSR1), 0) &&
              comes_back_with(lwp, -EINTR) && reads(in[0], "abc");
    return end() && ok;
}

static bool either_file_may_be_nonblocking(void)
{
    bool ok = true;

    for (int i = 0; i < 2; i++) {
        ok = begin() && KTAP_EQUAL(fcntl(i == 0 ? in[0] : out[1], F_SETFL, O_NONBLOCK), 0) &&
             FAILS(splice(in[0], NULL, out[1], NULL, 9, 0), EAGAIN) &&
             FAILS(tee(in[0], out[1], 9, 0), EAGAIN) && fill(out[1]) &&
             KTAP_EQUAL(write(in[1], "abcdef", 6), 6) &&
             FAILS(splice(in[0], NULL, out[1], NULL, 9, 0), EAGAIN) &&
             FAILS(tee(in[0], out[1], 9, 0), EAGAIN) && KTAP_EQUAL(read(out[0], text, 2), 2) &&
             KTAP_EQUAL(splice(in[0], NULL, out[1], NULL, 9, 0), 2) && reads(in[0], "cdef") && ok;
        ok = end() && ok;
    }
    return ok;
}

static atomic_bool is_over;
static _Atomic int nr_over;

static void *splice_round(void *arg)
{
    const int *ends = arg;

    while (!is_over)
        splice(ends[0], NULL, ends[1], NULL, 5000, 0);
    nr_over++;
    return NULL;
}

/* A signal ends the splice() that an LWP is in; it may come before that. */
static bool both_are_over(void *lwps)
{
    for (int i = 0; i < 2; i++)
        syscall(__NR_tgkill, getpid(), ((thread_t *)lwps)[i], SIGUSR1);
    return nr_over == 2;
}

/* Reads that many bytes, wherever they come by. */
static bool read_from_both(long nr_bytes)
{
    while (nr_bytes > 0) {
        struct pollfd readers[] = {{.fd = in[0], .events = POLLIN},
                                   {.fd = out[0], .events = POLLIN}};

        if (!KTAP_TRUE(poll(readers, 2, -1) > 0))
            return false;
        for (int i = 0; i < 2; i++) {
            struct iovec piece = {text, 777};
            long nr = vmsplice(readers[i].fd, &piece, 1, NONBLOCKING);

            nr_bytes -= nr > 0 ? nr : 0;
        }
    }
    return KTAP_EQUAL(nr_bytes, 0);
}

/* Two LWPs splice in a circle, through pipes that are full now and then, and at first. */
static bool circles_do_not_lock_up(void)
{
    struct sigaction action = {.sa_handler = note};
    bool ok =
        begin() && fill(in[1]) && fill(out[1]) && KTAP_EQUAL(sigaction(SIGUSR1, &action, NULL), 0);
    int there[] = {in[0], out[1]}, back[] = {out[0], in[1]};
    thread_t lwps[2];

    is_over = false;
    nr_over = 0;
    thread_create(&lwps[0], splice_round, there);
    thread_create(&lwps[1], splice_round, back);
    comes_to_wait(lwps[0]);
    comes_to_wait(lwps[1]);
    ok = ok && read_from_both(2l * PIPE_BYTES);
    for (size_t i = 0; ok && i < ktap_times(20) + 2; i++)
        ok = KTAP_EQUAL(write(in[1], text, 45000), 45000) &&
             KTAP_EQUAL(write(out[1], text, 45000), 45000) && read_from_both(90000);
    is_over = true;
    ok = KTAP_TRUE(ktap_wait_for(both_are_over, lwps)) && ok;
    thread_join(lwps[0], NULL);
    thread_join(lwps[1], NULL);
    ok = KTAP_EQUAL(stored(in[0]), 0) && KTAP_EQUAL(stored(out[0]), 0) && ok;
    return end() && ok;
}

#define NR_SPLICERS 3

static _Atomic int nr_splicers;
static _Atomic size_t nr_seen, sum_seen;

static void *splice_with_others(void *arg)
{
    (void)arg;
    while (splice(in[0], NULL, out[1], NULL, 777 * sizeof(unsigned), 0) > 0)
        ;
    if (--nr_splicers == 0)
        close(out[1]);
    return NULL;
}

static void *read_numbers(void *arg)
{
    unsigned numbers[100];
    long nr;

    while ((nr = read(*(int *)arg, numbers, sizeof(numbers))) > 0) {
        for (size_t i = 0; i < (size_t)nr / sizeof(unsigned); i++)
            sum_seen += numbers[i];
        nr_seen += (size_t)nr / sizeof(unsigned);
    }
    return NULL;
}

/* Some splice, one reads at the same end: nobody is forgotten, and nothing comes twice. */
static bool many_share_a_pipe(void)
{
    thread_t lwps[NR_SPLICERS], writer, reader;
    size_t nr_numbers;
    bool ok = begin();

    nr_bytes_in_all = ktap_times(200) * 4000;
    nr_numbers = nr_bytes_in_all / 2000 * 500;
    nr_seen = sum_seen = 0;
    nr_splicers = NR_SPLICERS;
    thread_create(&writer, write_numbers, NULL);
    thread_create(&reader, read_numbers, &in[0]);
    for (int i = 0; i < NR_SPLICERS; i++)
        thread_create(&lwps[i], splice_with_others, NULL);
    read_numbers(&out[0]);
    thread_join(writer, NULL);
    thread_join(reader, NULL);
    for (int i = 0; i < NR_SPLICERS; i++)
        thread_join(lwps[i], NULL);
    ok = KTAP_EQUAL((long)nr_seen, (long)nr_numbers) &&
         KTAP_EQUAL((long)sum_seen, (long)(nr_numbers * (nr_numbers - 1) / 2)) && ok;
    return end() && ok;
}

#define FIFO_PATH "/tmp/splice_fifo"

static int fifo, pair[2];

static void *splice_from_fifo(void *arg)
{
    (void)arg;
    return (void *)splice(fifo, NULL, pair[1], NULL, 3, 0);
}

static void *read_fifo(void *arg)
{
    char bytes[10];

    (void)arg;
    return (void *)read(fifo, bytes, sizeof(bytes));
}

static void *open_fifo(void *arg)
{
    (void)arg;
    return (void *)(long)open(FIFO_PATH, O_RDONLY);
}

/* A FIFO with "abcdef" and no writer, and a socket that takes no more. */
static bool prepare_fifo(void)
{
    int writer;

    if (!KTAP_EQUAL(mkfifo(FIFO_PATH, 0600), 0) ||
        !KTAP_EQUAL(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0))
        return false;
    fifo = open(FIFO_PATH, O_RDONLY | O_NONBLOCK);
    writer = open(FIFO_PATH, O_WRONLY);
    fcntl(pair[1], F_SETFL, O_NONBLOCK);
    while (write(pair[1], text, sizeof(text)) > 0)
        ;
    return KTAP_EQUAL(fcntl(pair[1], F_SETFL, 0), 0) && KTAP_EQUAL(fcntl(fifo, F_SETFL, 0), 0) &&
           KTAP_EQUAL(write(writer, "abcdef", 6), 6) && KTAP_EQUAL(close(writer), 0);
}

/*
 * One has the reader's turn for long, for its socket is full. Behind it one opens the FIFO, which
 * waits for a writer, and then one reads: that is who goes on.
 */
static bool who_opens_a_fifo_takes_no_ones_turn(void)
{
    void *(*const functions[])(void *) = {splice_from_fifo, open_fifo, read_fifo};
    thread_t lwps[3];
    void *reader = NULL;
    bool ok = prepare_fifo();

    for (int i = 0; ok && i < 3; i++)
        ok = KTAP_EQUAL(thread_create(&lwps[i], functions[i], NULL), 0) &&
             KTAP_TRUE(comes_to_wait(lwps[i]));
    ok = ok && KTAP_TRUE(read(pair[0], text, sizeof(text)) > 0) && comes_back_with(lwps[0], 3) &&
         KTAP_TRUE(comes_to_end(lwps[2])) && comes_back_with(lwps[2], 3);
    int writer = open(FIFO_PATH, O_WRONLY | O_NONBLOCK);

    ok = ok && KTAP_TRUE(writer >= 0) && KTAP_EQUAL(thread_join(lwps[1], &reader), 0) &&
         KTAP_TRUE((long)reader >= 0) && KTAP_EQUAL(close((int)(long)reader), 0);
    close(writer);
    close(fifo);
    close(pair[0]);
    close(pair[1]);
    return KTAP_EQUAL(unlink(FIFO_PATH), 0) && ok;
}

static void *splice_to_socket(void *arg)
{
    (void)arg;
    return (void *)splice(in[0], NULL, pair[1], NULL, 100, 0);
}

static void *splice_from_socket(void *arg)
{
    (void)arg;
    return (void *)splice(pair[1], NULL, in[1], NULL, 5000, 0);
}

static void *read_from_in(void *arg)
{
    char byte;

    (void)arg;
    return (void *)(long)(read(in[0], &byte, 1) < 0 ? -errno : 0);
}

static void *write_to_in(void *arg)
{
    (void)arg;
    return (void *)(long)(write(in[1], text, 4096) < 0 ? -errno : 0);
}

/* Who is non-blocking waits for the turn of another, not for what that one has left nothing of. */
static bool nonblocking_ends_with_the_turn(void)
{
    thread_t lwps[2];
    bool ok = begin() && KTAP_EQUAL(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);

    fcntl(pair[1], F_SETFL, O_NONBLOCK);
    while (write(pair[1], text, sizeof(text)) > 0)
        ;
    fcntl(pair[1], F_SETFL, 0);
    fcntl(in[0], F_SETFL, O_NONBLOCK);
    ok = ok && KTAP_EQUAL(write(in[1], "abc", 3), 3) &&
         KTAP_EQUAL(thread_create(&lwps[0], splice_to_socket, NULL), 0) &&
         KTAP_TRUE(comes_to_wait(lwps[0])) &&
         KTAP_EQUAL(thread_create(&lwps[1], read_from_in, NULL), 0) &&
         KTAP_TRUE(comes_to_wait(lwps[1])) && KTAP_TRUE(read(pair[0], text, sizeof(text)) > 0) &&
         comes_back_with(lwps[0], 3) && KTAP_TRUE(comes_to_end(lwps[1])) &&
         comes_back_with(lwps[1], -EAGAIN);
    fcntl(in[1], F_SETFL, O_NONBLOCK);
    ok = ok && KTAP_EQUAL(write(in[1], text, 60000), 60000) &&
         KTAP_EQUAL(thread_create(&lwps[0], splice_from_socket, NULL), 0) &&
         KTAP_TRUE(comes_to_wait(lwps[0])) &&
         KTAP_EQUAL(thread_create(&lwps[1], write_to_in, NULL), 0) &&
         KTAP_TRUE(comes_to_wait(lwps[1])) && KTAP_EQUAL(write(pair[0], text, 5000), 5000) &&
         comes_back_with(lwps[0], 5000) && KTAP_TRUE(comes_to_end(lwps[1])) &&
         comes_back_with(lwps[1], -EAGAIN);
    close(pair[0]);
    close(pair[1]);
    return end() && ok;
}

static const struct ktap_test tests[] = {
    {"files go into pipes", files_go_into_pipes},
    {"pipes go into files", pipes_go_into_files},
    {"pipes go into pipes, or are copied", pipes_go_into_pipes},
    {"sockets will do, too", other_files_will_do},
    {"what does not fit is not lost", nothing_is_lost},
    {"who asks for what is not there waits", who_asks_waits},
    {"a pipe without readers is EPIPE and SIGPIPE", pipes_without_readers_are_epipe},
    {"memory goes into pipes and back", memory_goes_into_pipes_and_back},
    {"what makes no sense is refused", wrong_is_refused},
    {"a stream that is pumped stays in order", streams_stay_in_order},
    {"who waits for room holds nobody up", who_waits_for_room_holds_nobody_up},
    {"that wait ends with the last reader", waiting_for_room_ends_with_the_readers},
    {"waiting ends with the last writer", waiting_ends_with_the_writers},
    {"a signal ends it, and takes nothing", signals_end_the_wait},
    {"either of two pipes may be non-blocking", either_file_may_be_nonblocking},
    {"splicing in a circle does not lock up", circles_do_not_lock_up},
    {"many who splice and read share a pipe", many_share_a_pipe},
    {"who opens a FIFO takes no one's turn", who_opens_a_fifo_takes_no_ones_turn},
    {"who is non-blocking does not wait longer than for a turn", nonblocking_ends_with_the_turn},
};

int main(void)
{
    ktap_need_thrum();
    return ktap_main(tests, KTAP_LEN(tests));
}
