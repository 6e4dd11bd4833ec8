/*
 * Leaks: a mixture of everything that takes frames, heap objects, processes and LWPs has to leave
 * the counts as they were.
 */

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <thread.h>
#include <thrum.h>
#include <unistd.h>

#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "ktap.h"

#define flock(fd, operation) syscall(__NR_flock, (fd), (operation))

#define PAGE         4096ul
#define KERNEL_IMAGE 0xffffffff80000000ul

static void *return_argument(void *arg)
{
    return arg;
}

static void *yield_a_little(void *arg)
{
    for (int i = 0; i < 3; i++)
        yield();
    return arg;
}

static void *sleep_for_ever(void *arg)
{
    sleep(100000);
    return arg;
}

static void map_and_unmap(void)
{
    enum { NR_PAGES = 64 };
    char *pages =
        mmap(NULL, NR_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    memset(pages, 1, NR_PAGES * PAGE);
    munmap(pages + 10 * PAGE, 7 * PAGE);
    munmap(pages, NR_PAGES * PAGE);
}

static void grow_and_shrink(void)
{
    char *start = sbrk(20 * PAGE);

    memset(start, 1, 20 * PAGE);
    sbrk(-20 * (intptr_t)PAGE);
}

static void create_and_join(void)
{
    enum { NR_LWPS = 20 };
    thread_t lwp[NR_LWPS];

    for (int i = 0; i < NR_LWPS; i++)
        thread_create(&lwp[i], i % 2 ? return_argument : yield_a_little, NULL);
    for (int i = 0; i < NR_LWPS; i++)
        thread_join(lwp[i], NULL);
}

static void create_and_detach(void)
{
    for (int i = 0; i < 10; i++) {
        thread_t lwp;
        thread_create(&lwp, i % 2 ? return_argument : yield_a_little, NULL);
        thread_detach(lwp);
    }
}

static void fail_in_every_way(void)
{
    char *argv[] = {"x", NULL};

    syscall6(THRUM_SYS_lwp_create, (long)KERNEL_IMAGE, 0, 0, 0, 0, 0);
    syscall6(THRUM_SYS_lwp_create, (long)return_argument, 0, (long)KERNEL_IMAGE, 0, 0, 0);
    syscall6(THRUM_SYS_spawn, (long)"/no/such/program", (long)argv, (long)(argv + 1), 0, 0, 0);
    syscall6(THRUM_SYS_spawn, (long)"/test/broken/headers-outside", (long)argv, (long)(argv + 1), 0,
             0, 0);
    syscall6(THRUM_SYS_spawn, (long)"/test/broken/kernel-address", (long)argv, (long)(argv + 1), 0,
             0, 0);
    syscall6(THRUM_SYS_spawn, (long)ktap_program(), (long)KERNEL_IMAGE, (long)(argv + 1), 0, 0, 0);
    mmap(NULL, 1ul << 60, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void share_and_exit(void)
{
    thread_t lwp;

    set_cpu_share(10);
    thread_create(&lwp, return_argument, NULL);
    thread_join(lwp, NULL);
    set_cpu_share(0);
}

static void run_child(void)
{
    ktap_role_status("nothing", NULL);
}

static void run_faulting_child(void)
{
    ktap_role_status("fault", NULL);
}

static void run_child_with_lwps(void)
{
    ktap_role_status("leave-lwps", NULL);
}

static void run_child_with_orphans(void)
{
    ktap_role_status("leave-orphans", NULL);
}

static void fork_and_write(void)
{
    enum { NR_PAGES = 64 };
    char *pages =
        mmap(NULL, NR_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    memset(pages, 1, NR_PAGES * PAGE);
    pid_t child = fork();
    memset(pages, 2, NR_PAGES * PAGE / 2);
    if (child == 0) {
        create_and_join();
        _exit(0);
    }
    munmap(pages, NR_PAGES * PAGE);
    waitpid(child, NULL, 0);
}

static void start_sleepers(void)
{
    for (int i = 0; i < 5; i++) {
        thread_t lwp;
        thread_create(&lwp, i % 2 ? return_argument : sleep_for_ever, NULL);
    }
}

static void fork_and_exec(void)
{
    char *argv[] = {"t_leak", "nothing", NULL};
    pid_t child = fork();

    if (child == 0) {
        start_sleepers();
        execv("/no/such/program", argv);
        execv("/test/broken/headers-outside", argv);
        execv(ktap_program(), argv);
        _exit(1);
    }
    waitpid(child, NULL, 0);
    child = vfork();
    if (child == 0) {
        execv(ktap_program(), argv);
        _exit(1);
    }
    waitpid(child, NULL, 0);
}

static void fork_and_kill(void)
{
    pid_t child = fork();

    if (child == 0) {
        setsid();
        start_sleepers();
        sleep_for_ever(NULL);
    }
    yield();
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

static void create_and_cancel(void)
{
    enum { NR_LWPS = 10 };
    thread_t lwp[NR_LWPS];

    for (int i = 0; i < NR_LWPS; i++) {
        thread_create(&lwp[i], i % 2 ? sleep_for_ever : yield_a_little, NULL);
        thread_exit_target(lwp[i]);
    }
    for (int i = 0; i < NR_LWPS; i++)
        thread_join(lwp[i], NULL);
}

static void run_mixture(void)
{
    fork_and_write();
    map_and_unmap();
    create_and_join();
    run_child();
    fail_in_every_way();
    create_and_detach();
    fork_and_kill();
    run_faulting_child();
    create_and_cancel();
    grow_and_shrink();
    run_child_with_lwps();
    share_and_exit();
    fork_and_exec();
    run_child_with_orphans();
}

/* The roles. */

static void link_and_rename(void)
{
    struct flock lock = {.l_type = F_WRLCK, .l_start = 5, .l_len = 10};
    int fd, other;

    mkdir("/tmp/leak", 0755);
    mkdir("/tmp/leak/a", 0755);
    fd = open("/tmp/leak/a/file", O_CREAT | O_RDWR, 0600);
    pwrite(fd, "x", 1, 1l << 30);
    fcntl(fd, F_SETLK, &lock);
    lock.l_start = 8;
    lock.l_len = 1;
    lock.l_type = F_UNLCK;
    fcntl(fd, F_SETLK, &lock);
    link("/tmp/leak/a/file", "/tmp/leak/b");
    symlink("a", "/tmp/leak/s");
    symlink("s/../s/../s", "/tmp/leak/t");
    rename("/tmp/leak/t/file", "/tmp/leak/s/name");
    rename("/tmp/leak/a", "/tmp/leak/c");
    renameat2(AT_FDCWD, "/tmp/leak/c", AT_FDCWD, "/tmp/leak/b", RENAME_EXCHANGE);
    rename("/tmp/leak/t", "/tmp/leak/s");
    mkfifo("/tmp/leak/fifo", 0600);
    other = open("/tmp/leak/fifo", O_RDWR);
    write(other, "left", 4);
    close(open("/tmp/leak", O_TMPFILE | O_WRONLY, 0600));
    flock(fd, LOCK_EX);
    int of_proc = open("/proc/self/stat", O_RDONLY);
    flock(of_proc, LOCK_SH);
    close(of_proc);
    unlink("/tmp/leak/fifo");
    unlink("/tmp/leak/b/name");
    unlink("/tmp/leak/c");
    rmdir("/tmp/leak/b");
    unlink("/tmp/leak/s");
    rmdir("/tmp/leak");
    close(other);
    close(fd);
}

static void mount_and_unmount(void)
{
    int fd;

    mkdir("/tmp/leak", 0755);
    mount("x", "/tmp/leak", "tmpfs", 0, NULL);
    mkdir("/tmp/leak/a", 0755);
    mkdir("/tmp/leak/a/b", 0755);
    mount("y", "/tmp/leak/a/b", "tmpfs", 0, NULL);
    fd = open("/tmp/leak/a/b/file", O_CREAT | O_RDWR, 0600);
    write(fd, "x", 1);
    link("/tmp/leak/a/b/file", "/tmp/leak/a/b/two");
    symlink("x", "/tmp/leak/a/link");
    umount2("/tmp/leak", MNT_DETACH);
    close(fd);
    mount("z", "/tmp/leak", "tmpfs", 0, NULL);
    umount("/tmp/leak");
    rmdir("/tmp/leak");
}

static void fail_with_paths(void)
{
    static char long_path[5000];
    struct stat st;

    memset(long_path, 'x', sizeof(long_path) - 1);
    symlink("loop", "/tmp/loop");
    stat("/tmp/loop/x", &st);
    stat(long_path, &st);
    open("/tmp/loop", O_CREAT | O_RDWR, 0600);
    open("/tmp/none/x", O_CREAT | O_RDWR, 0600);
    rename("/tmp", "/tmp/x");
    rename("/tmp/loop", "/dev/loop");
    link("/tmp/loop", "/tmp/loop");
    mount("x", "/tmp", "tmpfs", 0, "wrong=1");
    mount("x", "/tmp/loop", "tmpfs", 0, NULL);
    mkfifo("/tmp/fifo", 0600);
    open("/tmp/fifo", O_WRONLY | O_NONBLOCK);
    syscall(__NR_fchownat, AT_FDCWD, KERNEL_IMAGE, 0, 0, 0);
    syscall(__NR_renameat2, AT_FDCWD, "/tmp/loop", AT_FDCWD, KERNEL_IMAGE, 0);
    unlink("/tmp/fifo");
    unlink("/tmp/loop");
}

static int do_nothing(int argc, char **argv)
{
    (void)argc, (void)argv;
    return 0;
}

static int fault(int argc, char **argv)
{
    (void)argc, (void)argv;
    map_and_unmap();
    *(volatile int *)8 = 1;
    return 0;
}

static int leave_lwps(int argc, char **argv)
{
    thread_t lwp;

    (void)argc, (void)argv;
    for (int i = 0; i < 10; i++)
        thread_create(&lwp, i % 2 ? return_argument : sleep_for_ever, NULL);
    return 0;
}

static int leave_orphans(int argc, char **argv)
{
    (void)argc, (void)argv;
    for (int i = 0; i < 3; i++)
        ktap_spawn_role("nothing", NULL);
    /* One whose end no signal would have told. */
    if (syscall6(__NR_clone, 0, 0, 0, 0, 0, 0) == 0)
        _exit(0);
    return 0;
}

static const struct {
    const char *what;
    void (*run)(void);
} activities[] = {
    {"mapping and unmapping", map_and_unmap},
    {"growing and shrinking the data segment", grow_and_shrink},
    {"creating and joining LWPs", create_and_join},
    {"creating and detaching LWPs", create_and_detach},
    {"system calls that fail", fail_in_every_way},
    {"taking and giving back a share", share_and_exit},
    {"a child that exits", run_child},
    {"a child that faults", run_faulting_child},
    {"a child that exits with LWPs asleep, ready and not joined", run_child_with_lwps},
    {"a child that leaves orphans", run_child_with_orphans},
    {"fork, and writing on both sides", fork_and_write},
    {"exec, also one that fails, beside LWPs", fork_and_exec},
    {"killing a child with LWPs", fork_and_kill},
    {"creating and cancelling LWPs", create_and_cancel},
    {"linking, renaming, locking", link_and_rename},
    {"mounting and unmounting", mount_and_unmount},
    {"calls about paths that fail", fail_with_paths},
    {"a mixture of them all", run_mixture},
};

static const struct ktap_role roles[] = {
    {"nothing", do_nothing},
    {"fault", fault},
    {"leave-lwps", leave_lwps},
    {"leave-orphans", leave_orphans},
};

int main(int argc, char **argv)
{
    if (argc > 1)
        return ktap_play_role(roles, KTAP_LEN(roles), argc, argv);

    ktap_need_thrum();
    ktap_start(KTAP_LEN(activities));
    for (size_t i = 0; i < KTAP_LEN(activities); i++)
        ktap_ok(ktap_leaves_nothing(activities[i].run), "%s leaves nothing behind",
                activities[i].what);
    return ktap_finish();
}
