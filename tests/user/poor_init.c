/*
 * A first process that needs memory while its children use up all there is. They are ended, one
 * after the other; it has to wait for memory, and never to end: the kernel would panic.
 *
 * Booted as init=/test/poor_init, it tells how it went as init does (docs/serial-protocol.md).
 */

#include <stdio.h>
#include <stdlib.h>
#include <thrum.h>
#include <unistd.h>

#include <linux/signal.h>
#include <sys/mman.h>
#include <sys/reboot.h>
#include <sys/wait.h>

#include "ktap.h"

#define PAGE        4096ul
#define NR_CHILDREN 6

static _Noreturn void power_off(int exit_status)
{
    printf("\033_thrum:exit=%d\033\\", exit_status);
    fflush(stdout);
    reboot(LINUX_REBOOT_CMD_POWER_OFF);
    for (;;)
        sleep_ns(KTAP_PATIENCE_NS);
}

static void use_a_few_pages(void)
{
    enum { NR_PAGES = 16 };
    char *pages =
        mmap(NULL, NR_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (pages == MAP_FAILED)
        return;
    for (size_t i = 0; i < NR_PAGES; i++)
        pages[i * PAGE] = 1;
    munmap(pages, NR_PAGES * PAGE);
}

/* Whether a child that wants all memory is ended for it, while we go on needing some. */
static bool outlives_a_hog(void)
{
    char *argv[] = {"/test/t_memory", "eat-memory", NULL};
    pid_t pid = spawn(argv[0], argv, environ);
    int status = 0;

    if (pid < 0)
        return false;
    while (waitpid(pid, &status, WNOHANG) == 0)
        use_a_few_pages();
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

int main(void)
{
    bool is_right = true;

    for (int i = 0; i < NR_CHILDREN; i++)
        is_right = outlives_a_hog() && is_right;
    power_off(is_right ? EXIT_SUCCESS : EXIT_FAILURE);
}
