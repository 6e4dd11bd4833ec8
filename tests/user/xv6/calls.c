/* The user library itself: each call once, right and wrong. */

#include "types.h"
#include "stat.h"
#include "user.h"
#include "fcntl.h"
#include "fs.h"
#include "check.h"

#define FILE "/tmp/calls"

static volatile int other_has_run;

static void *note(void *arg)
{
    other_has_run = 1;
    return (void *)(long)gettid();
}

static void *sleep_long(void *arg)
{
    for (;;)
        sleep(1000);
}

static void files(void)
{
    char bytes[16];
    struct stat st;
    int fd, other;

    unlink(FILE);
    CHECK(open(FILE, O_RDONLY) == -1);
    CHECK((fd = open(FILE, O_CREATE | O_RDWR)) > 2);
    CHECK(write(fd, "0123456789", 10) == 10);
    CHECK(fstat(fd, &st) == 0 && st.type == T_FILE && st.size == 10 && st.nlink == 1);
    CHECK((other = dup(fd)) > fd && close(fd) == 0 && close(fd) == -1);
    CHECK(write(other, "ab", 2) == 2 && close(other) == 0);
    CHECK((fd = open(FILE, O_CREATE | O_RDWR)) > 2); /* it does not truncate */
    CHECK(read(fd, bytes, sizeof(bytes)) == 12 && bytes[0] == '0' && bytes[11] == 'b');
    CHECK(read(fd, bytes, sizeof(bytes)) == 0 && read(fd, bytes, -1) == -1);
    CHECK(write(fd, bytes, -1) == -1 && close(fd) == 0);
    CHECK(link(FILE, "/tmp/other") == -1 && mknod("/tmp/device", 1, 1) == -1);
    CHECK(unlink(FILE) == 0 && unlink(FILE) == -1 && stat(FILE, &st) == -1);
    CHECK(stat("/dev/null", &st) == 0 && st.type == T_DEV);
}

static void folders(void)
{
    int fd, nr_inside = 0;
    struct dirent entry;
    struct stat st;

    CHECK(mkdir("/tmp/folder") == 0 && mkdir("/tmp/folder") == -1);
    CHECK(stat("/tmp/folder", &st) == 0 && st.type == T_DIR);
    CHECK(chdir("/tmp/folder") == 0 && chdir("none") == -1);
    CHECK((fd = open("a_name_of_more_than_14", O_CREATE | O_WRONLY)) >= 0 && close(fd) == 0);
    CHECK((fd = open("b", O_CREATE | O_WRONLY)) >= 0 && close(fd) == 0);
    CHECK((fd = open(".", O_RDONLY)) >= 0);
    while (read(fd, &entry, sizeof(entry)) == sizeof(entry)) {
        CHECK(entry.inum != 0);
        nr_inside += entry.name[0] == 'b' && entry.name[1] == 0;
        nr_inside += entry.name[0] == 'a' && entry.name[DIRSIZ - 1] == 'e';
        nr_inside += entry.name[0] == '.';
    }
    CHECK(nr_inside == 4 && close(fd) == 0);
    CHECK(unlink("/tmp/folder") == -1); /* not empty */
    CHECK(unlink("b") == 0 && unlink("a_name_of_more_than_14") == 0);
    CHECK(chdir("/") == 0 && unlink("/tmp/folder") == 0);
}

static void processes(void)
{
    char *none[] = {"none", 0};
    int fds[2], pid, start;
    char c = 0;

    CHECK(pipe(fds) == 0);
    pid = fork();
    if (pid == 0) {
        close(fds[0]);
        CHECK(exec("/no/such", none) == -1 && exec("none", none) == -1 && exec("", none) == -1);
        write(fds[1], "c", 1);
        exit();
    }
    CHECK(pid > 0 && pid != getpid() && close(fds[1]) == 0);
    CHECK(read(fds[0], &c, 1) == 1 && c == 'c' && read(fds[0], &c, 1) == 0);
    CHECK(wait() == pid && wait() == -1 && close(fds[0]) == 0);
    CHECK(kill(pid) == -1 && kill(0) == -1 && kill(-1) == -1);

    start = uptime();
    CHECK(sleep(5) == 0 && uptime() - start >= 5 && sleep(-1) == -1);
}

static void memory(void)
{
    char *end = sbrk(0), *block;

    CHECK(sbrk(5000) == end && sbrk(0) == end + 5000);
    end[0] = end[4999] = 1;
    CHECK(sbrk(-5000) == end + 5000 && sbrk(0) == end);
    CHECK((block = malloc(1000)) != 0);
    free(block);
    CHECK(malloc(-1) != 0 || malloc(100) != 0); /* much or nothing; the heap is whole */
}

static void text(void)
{
    char to[16];

    CHECK(strcpy(to, "abcdef") == to && strcmp(to, "abcdef") == 0 && strlen(to) == 6);
    CHECK(strcmp("a", "b") < 0 && strcmp("b", "a") > 0 && strcmp("", "") == 0);
    CHECK(strchr(to, 'c') == to + 2 && strchr(to, 'x') == 0);
    CHECK(memmove(to + 1, to, 3) == to + 1 && strcmp(to, "aabcef") == 0);
    CHECK(memset(to, 'z', 3) == to && strcmp(to, "zzzcef") == 0);
    CHECK(atoi("42x") == 42 && atoi("x") == 0);
    CHECK(gets(to, sizeof(to)) == to);
}

static void threads(void)
{
    thread_t thread;
    void *value;

    CHECK(gettid() == getpid() && yield() == 0 && getlev() >= -1);
    CHECK(set_cpu_share(-1) == -1 && set_cpu_share(101) == -1);
    CHECK(set_cpu_share(10) == 0 && set_cpu_share(0) == 0);
    CHECK(thread_create(&thread, note, 0) == 0 && thread_join(thread, &value) == 0);
    CHECK(other_has_run && (int)(long)value == thread && thread != getpid());
    CHECK(thread_join(thread, &value) == -1 && thread_join(gettid(), 0) == -1);
    CHECK(thread_create(&thread, sleep_long, 0) == 0 && thread_exit_target(thread) == 0);
    CHECK(thread_join(thread, &value) == 0 && value == (void *)-1);
    CHECK(thread_exit_target(thread) == -1);
}

int main(int argc, char *argv[])
{
    files();
    folders();
    processes();
    memory();
    text();
    threads();
    printf(1, "%d %x %s %c %%\n", -7, 255, "text", 'c');
    PASSED("calls");
}
