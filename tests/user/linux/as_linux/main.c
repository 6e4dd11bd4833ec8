/*
 * Does a file system behave as Linux's tmpfs does? A seed makes a long sequence of calls; each is
 * told in a line, with its result and what it read. The same binary tells the same on Linux, or
 * one of the two is wrong:
 *
 *     as_linux record user|root FIRST-SEED LAST-SEED NR-CALLS    on Linux, to a file
 *     as_linux check FILE                                        in Thrum; prints KTAP
 *
 * The calls are made in a tmpfs of their own, which is the root (chroot), by up to three processes
 * that take turns. `user` has no privilege; `root` becomes other users now and then. What is left
 * out is what Linux does not promise, or has changed lately: numbers of inodes, the
 * order of names in a folder, sizes of folders, how much fits into a pipe, O_DIRECT, extended
 * attributes.
 *
 * This file records, and runs a play; as_linux.h says where the rest is.
 */

#define _GNU_SOURCE

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "as_linux.h"

#define STATUS_SKIPPED 77 /* as ctest is told */

struct play *play;

/* The whole play, in a child. What it tells is in play->text, or why it cannot be. */
static void run_play(const char *folder, bool is_root, uint64_t seed, int nr_calls)
{
    const struct rlimit files = {24, 24};
    const char *reason = enter_world(folder, is_root);

    if (reason != NULL) {
        play->text_bytes = 0;
        tell("# SKIP %s (%s)\n", reason, strerror(errno));
        _exit(0);
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    syscall(SYS_close_range, 0, ~0U, 0);
    setrlimit(RLIMIT_NOFILE, &files);
    signal(SIGPIPE, SIG_IGN);
    catch_faults();
    umask(022);
    prepare_arguments();
    play->random = seed;
    play->is_root = is_root;
    play->is_alive[0] = true;
    play->pid[0] = getpid();
    atomic_store(&play->left, nr_calls);
    alarm(300);
    play_turns();
    while (waitpid(-1, NULL, 0) > 0)
        ;
    list_all();
    _exit(0);
}

void tell_seed(bool is_root, uint64_t seed, int nr_calls)
{
    char folder[] = "/tmp/as_linux.XXXXXX";
    int status;

    memset(play, 0, offsetof(struct play, text));
    if (mkdtemp(folder) == NULL) {
        tell("# SKIP no folder %s\n", folder);
        return;
    }
    pid_t pid = fork();
    if (pid == 0)
        run_play(folder, is_root, seed, nr_calls);
    waitpid(pid, &status, 0);
    atomic_store(&play->left, 0); /* if that one was killed: the others are to end */
    if (status != 0)
        tell("ended with status %d\n", status);
    if (is_thrum())
        umount2(folder, MNT_DETACH);
    rmdir(folder);
}

static int record(char **argv)
{
    bool is_root = strcmp(argv[0], "root") == 0;
    unsigned long last = strtoul(argv[2], NULL, 0);

    for (unsigned long seed = strtoul(argv[1], NULL, 0); seed <= last; seed++) {
        tell_seed(is_root, seed, atoi(argv[3]));
        if (strncmp(play->text, "# SKIP", 6) != 0)
            printf("## %d %lu %s\n", is_root, seed, argv[3]);
        fwrite(play->text, 1, play->text_bytes, stdout);
        if (strncmp(play->text, "# SKIP", 6) == 0)
            return STATUS_SKIPPED;
    }
    return 0;
}

int main(int argc, char **argv)
{
    play = mmap(NULL, sizeof(*play), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (play == MAP_FAILED)
        return 1;
    if (argc == 6 && strcmp(argv[1], "record") == 0)
        return record(argv + 2);
    if (argc == 3 && strcmp(argv[1], "check") == 0)
        return check(argv[2]);
    fprintf(stderr,
            "as_linux record user|root FIRST-SEED LAST-SEED NR-CALLS; as_linux check FILE\n");
    return 2;
}
