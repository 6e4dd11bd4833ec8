/*
 * init, the first process. It has one job: the command of the environment variable `exec`, which
 * the kernel takes from its command line (`exec="lwpdemo 1000"`), or `lwpdemo`. Besides, it reaps
 * the orphans that the kernel hands to it. When the job has ended, it tells the world outside how,
 * and powers the machine off. It never exits: without process 1 the system cannot go on.
 *
 * How the job ended goes out on the console between ESC _ and ESC \ (ECMA-48's "application program
 * command"), which terminals do not show and `./thrum run` reads.
 */

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <thrum.h>
#include <unistd.h>

#include <sys/reboot.h>
#include <sys/wait.h>

#define DEFAULT_COMMAND "lwpdemo"
#define PROGRAM_DIR     "/bin/"
#define ARGS_MAX        64
#define PATH_BYTES      256

#define STATUS_CANNOT_RUN 127 /* as the shell says that it could not start a command */

/* Reports how the job ended, `what` being "exit" or "signal", and powers off. */
static _Noreturn void power_off(const char *what, int number)
{
    printf("\033_thrum:%s=%d\033\\", what, number);
    fflush(stdout);
    reboot(LINUX_REBOOT_CMD_POWER_OFF);

    perror("init: cannot power off");
    for (;;)
        sleep(3600);
}

/*
 * Splits `command` in place into words at blanks; within '...' a blank is part of the word. The
 * list is ended by NULL. Returns false when there are too many words, or a quote is not closed.
 */
static bool split_words(char *command, char *words[], size_t max_words)
{
    size_t nr_words = 0;
    char *in = command;

    for (;;) {
        in += strspn(in, " \t");
        if (!*in)
            break;
        if (nr_words + 1 == max_words)
            return false;

        char *out = in;
        bool is_quoted = false;
        words[nr_words++] = out;
        for (; *in && (is_quoted || !strchr(" \t", *in)); in++) {
            if (*in == '\'')
                is_quoted = !is_quoted;
            else
                *out++ = *in;
        }
        if (is_quoted)
            return false;
        if (*in)
            in++;
        *out = '\0';
    }
    words[nr_words] = NULL;
    return true;
}

/* The program that `name` stands for: a path as it is, a mere name in PROGRAM_DIR. */
static void find_program(const char *name, char path[PATH_BYTES])
{
    snprintf(path, PATH_BYTES, "%s%s", strchr(name, '/') ? "" : PROGRAM_DIR, name);
}

/* The job's environment is ours without `exec`, which is for us. */
static void forget_variable(const char *name)
{
    size_t length = strlen(name);
    char **kept = environ;

    for (char **variable = environ; *variable; variable++)
        if (strncmp(*variable, name, length) != 0 || (*variable)[length] != '=')
            *kept++ = *variable;
    *kept = NULL;
}

static pid_t start_job(void)
{
    static char *words[ARGS_MAX];
    char path[PATH_BYTES];
    const char *wanted = getenv("exec");
    char *command = strdup(wanted ? wanted : DEFAULT_COMMAND);

    if (!command) {
        fprintf(stderr, "init: out of memory\n");
        power_off("exit", STATUS_CANNOT_RUN);
    }
    if (!split_words(command, words, ARGS_MAX)) {
        fprintf(stderr, "init: exec=%s: a quote is not closed, or there are over %d words\n",
                wanted, ARGS_MAX - 1);
        power_off("exit", STATUS_CANNOT_RUN);
    }
    if (!words[0]) {
        fprintf(stderr, "init: exec= names no program\n");
        power_off("exit", STATUS_CANNOT_RUN);
    }
    forget_variable("exec");
    find_program(words[0], path);

    pid_t job = spawn(path, words, environ);
    if (job < 0) {
        fprintf(stderr, "init: cannot run %s: %s\n", path, strerror(errno));
        power_off("exit", STATUS_CANNOT_RUN);
    }
    free(command);
    return job;
}

/* Reaps whoever ends until it is the job; returns the job's wait status. */
static int wait_for(pid_t job)
{
    for (;;) {
        int status;
        pid_t ended = wait(&status);

        if (ended == job)
            return status;
        if (ended < 0 && errno != EINTR) {
            perror("init: cannot wait for the program");
            power_off("exit", STATUS_CANNOT_RUN);
        }
    }
}

int main(void)
{
    if (getpid() != 1) {
        fprintf(stderr, "init: this is for process 1 only\n");
        return EXIT_FAILURE;
    }

    int status = wait_for(start_job());
    if (WIFSIGNALED(status))
        power_off("signal", WTERMSIG(status));
    power_off("exit", WEXITSTATUS(status));
}
