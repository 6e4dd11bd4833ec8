/* Pipes: order, wholeness, blocking, ends that close, and many at once. */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <thread.h>
#include <thrum.h>
#include <unistd.h>

#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "common.h"
#include "ktap.h"

#define PAGE        4096
#define CAPACITY    65536
#define BAD_POINTER ((void *)0xffffffff80000000ul)
#define NR_PAIRS    10 /* writers, and readers */

static int ends[2];
static char buffer[2 * CAPACITY];

static bool close_both(void)
{
    return KTAP_EQUAL(close(ends[0]), 0) && KTAP_EQUAL(close(ends[1]), 0);
}

static bool bytes_come_through(void)
{
    return KTAP_EQUAL(pipe(ends), 0) && KTAP_EQUAL(write(ends[1], "hello", 5), 5) &&
           KTAP_EQUAL(read(ends[0], buffer, 3), 3) && KTAP_EQUAL(read(ends[0], buffer, 99), 2) &&
           KTAP_EQUAL(buffer[1], 'o') && KTAP_EQUAL(read(ends[0], buffer, 0), 0) && close_both();
}

/* The first buffer is full, and nothing is left for the second. */
static bool readv_takes_what_there_is(void)
{
    struct iovec pieces[2] = {{buffer, 2}, {buffer + 2, 5}};

    return KTAP_EQUAL(pipe(ends), 0) && KTAP_EQUAL(write(ends[1], "ab", 2), 2) &&
           KTAP_EQUAL(readv(ends[0], pieces, 2), 2) && KTAP_EQUAL(write(ends[1], "abc", 3), 3) &&
           KTAP_EQUAL(readv(ends[0], pieces, 2), 3) && close_both();
}

static bool calls_say_why(void)
{
    struct stat stat;

    return FAILS(pipe2(ends, 1), EINVAL) && FAILS(pipe(BAD_POINTER), EFAULT) &&
           KTAP_EQUAL(pipe2(ends, O_CLOEXEC), 0) &&
           KTAP_EQUAL(fcntl(ends[1], F_GETFD, 0l), FD_CLOEXEC) &&
           FAILS(read(ends[1], buffer, 1), EBADF) && FAILS(write(ends[0], buffer, 1), EBADF) &&
           FAILS(lseek(ends[0], 0, SEEK_SET), ESPIPE) &&
           FAILS(pread(ends[0], buffer, 1, 0), ESPIPE) && FAILS(ftruncate(ends[1], 0), EINVAL) &&
           KTAP_EQUAL(fstat(ends[0], &stat), 0) && KTAP_TRUE(S_ISFIFO(stat.st_mode)) &&
           FAILS(write(ends[1], BAD_POINTER, 5), EFAULT) && KTAP_EQUAL(write(ends[1], "x", 1), 1) &&
           FAILS(read(ends[0], BAD_POINTER, 5), EFAULT) &&
           KTAP_EQUAL(read(ends[0], buffer, 5), 1) && close_both();
}

static bool closed_ends_are_seen(void)
{
    if (!KTAP_EQUAL(pipe(ends), 0) || !KTAP_EQUAL(write(ends[1], "ab", 2), 2))
        return false;
    close(ends[1]);
    if (!KTAP_EQUAL(read(ends[0], buffer, 9), 2) || !KTAP_EQUAL(read(ends[0], buffer, 9), 0))
        return false;
    close(ends[0]);
    pipe(ends);
    close(ends[0]);
    return FAILS(write(ends[1], "x", 1), EPIPE) && KTAP_EQUAL(close(ends[1]), 0);
}

static bool nonblocking_ends_do_not_wait(void)
{
    long nr = 0, result;

    if (!KTAP_EQUAL(pipe2(ends, O_NONBLOCK), 0) || !FAILS(read(ends[0], buffer, 1), EAGAIN))
        return false;
    while ((result = write(ends[1], buffer, 1000)) == 1000)
        nr += result;
    /* There is room for 536 bytes: not for 1000 at once, but for a part of 5000. */
    return KTAP_EQUAL(result, -1) && KTAP_EQUAL(errno, EAGAIN) && KTAP_EQUAL(nr, 65000) &&
           KTAP_EQUAL(write(ends[1], buffer, 5000), 536) &&
           FAILS(write(ends[1], buffer, 1), EAGAIN) &&
           KTAP_EQUAL(read(ends[0], buffer, sizeof(buffer)), CAPACITY) && close_both();
}

static bool ring_goes_round(void)
{
    unsigned char in = 0, out = 0;

    if (!KTAP_EQUAL(pipe(ends), 0))
        return false;
    for (int round = 0; round < 300; round++) {
        long nr = 1 + round * 7919 % (CAPACITY - 1);

        for (long i = 0; i < nr; i++)
            buffer[i] = (char)in++;
        if (!KTAP_EQUAL(write(ends[1], buffer, (size_t)nr), nr))
            return false;
        memset(buffer, 0, (size_t)nr);
        for (long got = 0; got < nr;)
            got += read(ends[0], buffer + got, 5000);
        for (long i = 0; i < nr; i++)
            if ((unsigned char)buffer[i] != out++)
                return KTAP_TRUE(false);
    }
    return close_both();
}

static void *read_one(void *arg)
{
    char byte;

    (void)arg;
    return (void *)read(ends[0], &byte, 1);
}

static bool reader_waits(void)
{
    thread_t lwp;
    void *result;

    pipe(ends);
    thread_create(&lwp, read_one, NULL);
    comes_to_wait(lwp);
    write(ends[1], "x", 1);
    thread_join(lwp, &result);
    return KTAP_EQUAL((long)result, 1) && close_both();
}

static bool close_does_not_disturb_a_reader(void)
{
    thread_t lwp;
    void *result;

    pipe(ends);
    thread_create(&lwp, read_one, NULL);
    comes_to_wait(lwp);
    close(ends[0]);
    bool is_ok = FAILS(close(ends[0]), EBADF) && KTAP_EQUAL(write(ends[1], "x", 1), 1);
    thread_join(lwp, &result);
    return is_ok && KTAP_EQUAL((long)result, 1) && FAILS(write(ends[1], "x", 1), EPIPE) &&
           KTAP_EQUAL(close(ends[1]), 0);
}

static int news[2];

static void *leave_when_the_first_waits(void *arg)
{
    comes_to_wait(getpid());
    write(news[1], "w", 1);
    return arg;
}

/* Reads, while its only sibling leaves. */
static void read_and_close(void *unused)
{
    thread_t lwp;
    char byte;

    thread_create(&lwp, leave_when_the_first_waits, unused);
    thread_detach(lwp);
    bool is_ok = read(ends[0], &byte, 1) == 1 && close(ends[0]) == 0;
    write(news[1], is_ok ? "c" : "?", 1);
    sleep_for_ever(NULL);
}

/* When it began to read it had a sibling, and when it is done it has none. */
static bool reader_whose_sibling_leaves_closes_its_end(void)
{
    struct counts counts;
    char byte = 0;
    pid_t child;

    pipe(ends);
    pipe(news);
    thrum_stat(&counts.wanted);
    counts.wanted.processes++;
    counts.wanted.lwps++;
    child = start_child(read_and_close, NULL);
    bool is_ok = KTAP_EQUAL(read(news[0], &byte, 1), 1) && KTAP_EQUAL(byte, 'w') &&
                 KTAP_TRUE(ktap_wait_for(has_counts, &counts)) &&
                 KTAP_EQUAL(write(ends[1], "x", 1), 1) && KTAP_EQUAL(read(news[0], &byte, 1), 1) &&
                 KTAP_EQUAL(byte, 'c');
    close(ends[0]);
    is_ok = is_ok && FAILS(write(ends[1], "x", 1), EPIPE);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    close(news[0]);
    close(news[1]);
    return KTAP_EQUAL(close(ends[1]), 0) && is_ok;
}

static bool last_writer_wakes_all_readers(void)
{
    thread_t lwp[5];
    void *result = NULL;
    long sum = 0;

    pipe(ends);
    for (int i = 0; i < 5; i++) {
        thread_create(&lwp[i], read_one, NULL);
        comes_to_wait(lwp[i]);
    }
    close(ends[1]);
    for (int i = 0; i < 5; i++) {
        thread_join(lwp[i], &result);
        sum += (long)result;
    }
    return KTAP_EQUAL(sum, 0) && KTAP_EQUAL(close(ends[0]), 0);
}

static void *write_much(void *arg)
{
    (void)arg;
    return (void *)(write(ends[1], buffer, sizeof(buffer)) < 0 ? (long)-errno : 1l);
}

static bool last_reader_wakes_a_writer(void)
{
    thread_t lwp;
    void *result;

    pipe(ends);
    thread_create(&lwp, write_much, NULL);
    comes_to_wait(lwp);
    close(ends[0]);
    thread_join(lwp, &result);
    return KTAP_EQUAL((long)result, 1) && KTAP_EQUAL(close(ends[1]), 0);
}

static atomic_bool has_written;

static void *write_one(void *arg)
{
    long result = write(ends[1], "x", 1);

    (void)arg;
    atomic_store(&has_written, true);
    return (void *)result;
}

static bool is_written(void *arg)
{
    (void)arg;
    return atomic_load(&has_written);
}

/* Nobody reads on: the writer must not wait for more room than it needs. */
static bool writer_waits_for_no_more_room_than_it_needs(void)
{
    thread_t lwp;

    pipe(ends);
    write(ends[1], buffer, CAPACITY);
    atomic_store(&has_written, false);
    thread_create(&lwp, write_one, NULL);
    comes_to_wait(lwp);
    bool is_right =
        KTAP_EQUAL(read(ends[0], buffer, 1), 1) && KTAP_TRUE(ktap_wait_for(is_written, NULL));
    read(ends[0], buffer, CAPACITY);
    thread_join(lwp, NULL);
    return is_right && close_both();
}

/* Records of PIPE_BUF bytes at most: whose, which, and filled with a number that belongs to both.
 */
struct record {
    uint16_t nr_bytes, writer;
    uint32_t number;
    unsigned char fill[];
};

static size_t nr_records;
static _Atomic long nr_wrong, nr_seen[NR_PAIRS];
static thread_mutex_t reading;

static size_t record_bytes(unsigned writer, unsigned number)
{
    return sizeof(struct record) +
           (writer * 611 + number * 137) % (PAGE - sizeof(struct record) + 1);
}

/* In one piece, or in three, one of them empty. */
static ssize_t write_record(struct record *record, bool is_split)
{
    struct iovec pieces[] = {
        {record, 5}, {record, 0}, {(char *)record + 5, (size_t)record->nr_bytes - 5}};

    return is_split ? writev(ends[1], pieces, 3) : write(ends[1], record, record->nr_bytes);
}

static void *write_records(void *arg)
{
    static char space[NR_PAIRS][PAGE];
    unsigned writer = (unsigned)(uintptr_t)arg;
    struct record *record = (struct record *)space[writer];

    for (unsigned number = 0; number < nr_records; number++) {
        *record = (struct record){(uint16_t)record_bytes(writer, number), (uint16_t)writer, number};
        memset(record->fill, (int)(writer + number), record->nr_bytes - sizeof(*record));
        if (write_record(record, number % 2) != record->nr_bytes)
            nr_wrong++;
    }
    return NULL;
}

static bool read_exactly(void *to, size_t nr_bytes)
{
    for (size_t got = 0; got < nr_bytes;) {
        ssize_t nr = read(ends[0], (char *)to + got, nr_bytes - got);

        if (nr <= 0)
            return false;
        got += (size_t)nr;
    }
    return true;
}

/* A record is read in two steps, so only the steps of one reader may follow each other. */
static void *read_records(void *arg)
{
    static char space[NR_PAIRS][PAGE];
    struct record *record = (struct record *)space[(uintptr_t)arg];

    for (;;) {
        thread_mutex_lock(&reading);
        bool is_there = read_exactly(record, sizeof(*record)) &&
                        read_exactly(record->fill, record->nr_bytes - sizeof(*record));
        thread_mutex_unlock(&reading);
        if (!is_there)
            return NULL;
        if (record->writer >= NR_PAIRS ||
            record->nr_bytes != record_bytes(record->writer, record->number))
            nr_wrong++;
        for (size_t i = 0; i < record->nr_bytes - sizeof(*record); i++)
            nr_wrong += record->fill[i] != (unsigned char)(record->writer + record->number);
        nr_seen[record->writer % NR_PAIRS]++;
    }
}

static bool records_stay_whole(void)
{
    thread_t writer[NR_PAIRS], reader[NR_PAIRS];
    bool is_ok = true;

    nr_records = ktap_times(500);
    pipe(ends);
    for (uintptr_t i = 0; i < NR_PAIRS; i++) {
        thread_create(&reader[i], read_records, (void *)i);
        thread_create(&writer[i], write_records, (void *)i);
    }
    for (int i = 0; i < NR_PAIRS; i++)
        thread_join(writer[i], NULL);
    close(ends[1]);
    for (int i = 0; i < NR_PAIRS; i++)
        thread_join(reader[i], NULL);
    for (int i = 0; i < NR_PAIRS; i++)
        is_ok = KTAP_EQUAL(nr_seen[i], (long)nr_records) && is_ok;
    return KTAP_EQUAL(nr_wrong, 0) && is_ok && KTAP_EQUAL(close(ends[0]), 0);
}

/* Bytes by value: every one that is written, of any size of write, is read by somebody once. */
static _Atomic long nr_of_value[2][256];

static void *write_bytes(void *arg)
{
    unsigned seed = 1 + (unsigned)(uintptr_t)arg;
    unsigned char bytes[3000];
    for (size_t round = 0; round < nr_records; round++) {
        size_t nr = 1 + (seed = seed * 1103515245 + 12345) / 65536 % sizeof(bytes);

        for (size_t i = 0; i < nr; i++) {
            bytes[i] = (unsigned char)(seed >> 8) + (unsigned char)i;
            nr_of_value[0][bytes[i]]++;
        }
        if (write(ends[1], bytes, nr) != (ssize_t)nr)
            nr_wrong++;
    }
    return NULL;
}

static void *read_bytes(void *arg)
{
    unsigned char bytes[2000];
    ssize_t nr;

    while ((nr = read(ends[0], bytes, 100 + 150 * (size_t)(uintptr_t)arg)) > 0)
        for (ssize_t i = 0; i < nr; i++)
            nr_of_value[1][bytes[i]]++;
    return NULL;
}

static bool bytes_are_exact(void)
{
    thread_t writer[NR_PAIRS], reader[NR_PAIRS];
    bool is_ok = true;

    pipe(ends);
    for (uintptr_t i = 0; i < NR_PAIRS; i++) {
        thread_create(&reader[i], read_bytes, (void *)i);
        thread_create(&writer[i], write_bytes, (void *)i);
    }
    for (int i = 0; i < NR_PAIRS; i++)
        thread_join(writer[i], NULL);
    close(ends[1]);
    for (int i = 0; i < NR_PAIRS; i++)
        thread_join(reader[i], NULL);
    for (int i = 0; i < 256; i++)
        is_ok = is_ok && KTAP_EQUAL(nr_of_value[1][i], nr_of_value[0][i]);
    return is_ok && KTAP_EQUAL(nr_wrong, 0) && KTAP_EQUAL(close(ends[0]), 0);
}

static bool child_and_parent_talk(void)
{
    int status = -1;

    pipe(ends);
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        _exit(write(ends[1], buffer, 100000) == 100000 ? 7 : 8);
    }
    close(ends[1]);
    long sum = 0, nr;
    while ((nr = read(ends[0], buffer, 3333)) > 0)
        sum += nr;
    waitpid(child, &status, 0);
    return KTAP_EQUAL(sum, 100000) && KTAP_EQUAL(status, 7 << 8) && KTAP_EQUAL(close(ends[0]), 0);
}

static int exit_while_reading(int argc, char **argv)
{
    thread_t lwp;

    (void)argc, (void)argv;
    pipe(ends);
    for (int i = 0; i < 3; i++)
        thread_create(&lwp, read_one, NULL);
    write(ends[1], buffer, CAPACITY);
    for (int i = 0; i < 3; i++) {
        thread_create(&lwp, write_much, NULL);
        comes_to_wait(lwp);
    }
    return 3;
}

static bool blocked_lwps_end_with_the_process(void)
{
    return KTAP_ROLE_EXITS("exit-while-reading", 3);
}

static void fill_and_close(void)
{
    int pipes[20][2];

    for (int i = 0; i < 20; i++) {
        pipe(pipes[i]);
        write(pipes[i][1], buffer, CAPACITY);
        read(pipes[i][0], buffer, 100 + 1000 * (size_t)i);
    }
    for (int i = 0; i < 40; i++)
        close(pipes[i / 2][i % 2]);
    blocked_lwps_end_with_the_process();
}

static bool memory_comes_back(void)
{
    return ktap_leaves_nothing(fill_and_close);
}

static void *write_as_much_again(void *arg)
{
    return (void *)(write(ends[1], buffer, CAPACITY) == CAPACITY ? arg : NULL);
}

/* A writer waits for room, and later there is none. */
static bool is_filled_twice_and_emptied(void)
{
    thread_t lwp;
    void *result;

    write(ends[1], buffer, CAPACITY);
    thread_create(&lwp, write_as_much_again, ends);
    comes_to_wait(lwp);
    bool is_ok = KTAP_EQUAL(read(ends[0], buffer, CAPACITY), CAPACITY);
    thread_join(lwp, &result);
    return is_ok && KTAP_TRUE(result == ends) &&
           KTAP_EQUAL(read(ends[0], buffer, CAPACITY), CAPACITY);
}

static bool emptied_pipes_keep_little(void)
{
    enum { NR_PIPES = 20 };
    int pipes[NR_PIPES][2];
    struct thrum_stat before, after;
    bool is_ok = true;

    thrum_stat(&before);
    for (int i = 0; i < NR_PIPES; i++) {
        pipe(ends);
        is_ok = is_filled_twice_and_emptied() && is_ok;
        memcpy(pipes[i], ends, sizeof(ends));
    }
    thrum_stat(&after);
    for (int i = 0; i < 2 * NR_PIPES; i++)
        close(pipes[i / 2][i % 2]);
    return KTAP_TRUE((long)(before.frames_free - after.frames_free) < 5 * NR_PIPES) && is_ok;
}

static const struct ktap_test tests[] = {
    {"what is written is read, in order", bytes_come_through},
    {"readv does not wait for what is not there", readv_takes_what_there_is},
    {"wrong pointers, flags and ends are refused", calls_say_why},
    {"no writer is the end of the file, no reader EPIPE", closed_ends_are_seen},
    {"O_NONBLOCK says EAGAIN", nonblocking_ends_do_not_wait},
    {"the ring goes round without a wrong byte", ring_goes_round},
    {"a reader waits for a byte", reader_waits},
    {"a close by another LWP leaves a blocked reader its pipe", close_does_not_disturb_a_reader},
    {"a reader whose sibling leaves meanwhile can close its end",
     reader_whose_sibling_leaves_closes_its_end},
    {"the last writer's close wakes all readers", last_writer_wakes_all_readers},
    {"the last reader's close wakes a writer", last_reader_wakes_a_writer},
    {"a writer waits for no more room than it needs", writer_waits_for_no_more_room_than_it_needs},
    {"records of ten writers up to PIPE_BUF bytes stay whole", records_stay_whole},
    {"ten writers and ten readers lose and double no byte", bytes_are_exact},
    {"a child writes to its parent", child_and_parent_talk},
    {"LWPs that are blocked in a pipe end with their process", blocked_lwps_end_with_the_process},
    {"a pipe that has been emptied keeps little memory", emptied_pipes_keep_little},
    {"memory of pipes comes back", memory_comes_back},
};

static const struct ktap_role roles[] = {{"exit-while-reading", exit_while_reading}};

int main(int argc, char **argv)
{
    if (argc > 1)
        return ktap_play_role(roles, KTAP_LEN(roles), argc, argv);
    ktap_need_thrum();
    sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
    return ktap_main(tests, KTAP_LEN(tests));
}
