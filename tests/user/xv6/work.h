#ifndef WORK_H
#define WORK_H

/*
 * LWPs that never end by themselves, each busy in another way. BEATS is a file that grows by a
 * byte each tick for as long as the beating one lives.
 */

#define BEATS   "/tmp/beats"
#define NR_BUSY 5

static int empty_pipe[2];
static thread_t busy[NR_BUSY];

static void *compute(void *arg)
{
    volatile int n = 0;

    for (;;)
        n++;
}

static void *sleep_long(void *arg)
{
    for (;;)
        sleep(1000);
}

static void *read_nothing(void *arg)
{
    char c;

    read(empty_pipe[0], &c, 1);
    printf(1, "FAILED: the read has ended\n");
    return 0;
}

static void *join_another(void *arg)
{
    thread_join(busy[1], 0);
    printf(1, "FAILED: the join has ended\n");
    return 0;
}

static void *beat(void *arg)
{
    int fd = open(BEATS, O_CREATE | O_TRUNC | O_WRONLY);

    for (;;) {
        write(fd, ".", 1);
        sleep(1);
    }
}

static int nr_beats(void)
{
    struct stat st;

    return stat(BEATS, &st) == 0 ? (int)st.size : 0;
}

/* Starts them, and waits until the beating one lives. */
static void start_busy(void)
{
    void *(*functions[NR_BUSY])(void *) = {compute, sleep_long, read_nothing, beat, join_another};
    int i;

    unlink(BEATS);
    CHECK(pipe(empty_pipe) == 0);
    for (i = 0; i < NR_BUSY; i++)
        CHECK(thread_create(&busy[i], functions[i], 0) == 0);
    while (nr_beats() == 0)
        sleep(1);
}

/* Whether the beating one is gone. */
static int beats_have_stopped(void)
{
    int before = nr_beats();

    sleep(10);
    return nr_beats() == before;
}

#endif
