/*
 * init, the first process. It has one job: the command of the environment variable `exec`, which
 * the kernel takes from its command line (`exec="lwpdemo 1000"`); without it, a shell; and where
 * there is none, `lwpdemo`. Besides, it reaps the orphans that the kernel hands to it. When the job
 * has ended, it tells the world outside how, and powers the machine off. It never exits: without
 * process 1 the system cannot go on.
 *
 * poweroff, halt and reboot ask it by SIGUSR2, SIGUSR1 and SIGTERM, as they ask busybox's init:
 * then all processes end, and the machine does as asked.
 *
 * The job leads a session whose terminal is the console, so that Ctrl-C and Ctrl-Z are for it and
 * what it starts.
 *
 * How the job ended goes out on the console between ESC _ and ESC \ (ECMA-48's "application program
 * command"), which terminals do not show and `./thrum run` reads.
 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <asm/ioctls.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define SHELL           "/bin/sh"
#define SHELL_COMMAND   SHELL " -l"
#define DEFAULT_COMMAND "lwpdemo"
#define PROGRAM_DIR     "/bin/"
#define GREETING        "/etc/motd"

/* What the job finds in its environment where nothing else was asked for. */
#define USER       "root"
#define HOME       "/root"
#define PATH       "/bin:/usr/bin"
#define TERM       "xterm" /* nearly every terminal there is takes its sequences */
#define ARGS_MAX   64
#define PATH_BYTES 256

#define STATUS_CANNOT_RUN 127 /* as the shell says that it could not start a command */

/* What poweroff, halt and reboot send. */
static const sigset_t requests = 1ul << (SIGUSR1 - 1) | 1ul << (SIGUSR2 - 1) | 1ul << (SIGTERM - 1);

/* How long processes have between SIGTERM and SIGKILL. */
#define LAST_WORDS_MS 1000

/* Reports how the job ended, `what` being "exit" or "signal", and stops the machine. */
static _Noreturn void stop_machine(const char *what, int number, unsigned command)
{
    printf("\033_thrum:%s=%d\033\\", what, number);
    fflush(stdout);
    reboot(command);

    perror("init: cannot power off");
    for (;;)
        sleep(3600);
}

static _Noreturn void power_off(const char *what, int number)
{
    stop_machine(what, number, LINUX_REBOOT_CMD_POWER_OFF);
}

/* Ends all processes, and then the machine, as `signal` asks for. */
static _Noreturn void end_all(int signal)
{
    kill(-1, SIGTERM);
    kill(-1, SIGCONT);
    for (int ms = 0; ms < LAST_WORDS_MS && waitpid(-1, NULL, WNOHANG) >= 0; ms += 10)
        usleep(10000);
    kill(-1, SIGKILL);
    stop_machine("exit", 0,
                 signal == SIGUSR2   ? LINUX_REBOOT_CMD_POWER_OFF
                 : signal == SIGUSR1 ? LINUX_REBOOT_CMD_HALT
                                     : LINUX_REBOOT_CMD_RESTART);
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

static bool has_name(const char *variable, const char *name)
{
    size_t length = strlen(name);

    return strncmp(variable, name, length) == 0 && variable[length] == '=';
}

/*
 * The job's environment: what the kernel's command line has set, but `exec`, which is for us, and
 * what a person who logs in has. NULL: out of memory.
 */
static char **make_environment(void)
{
    static const struct {
        const char *name;
        char *variable;
    } defaults[] = {{"HOME", "HOME=" HOME},       {"PATH", "PATH=" PATH},
                    {"TERM", "TERM=" TERM},       {"USER", "USER=" USER},
                    {"LOGNAME", "LOGNAME=" USER}, {"SHELL", "SHELL=" SHELL}};
    size_t nr_defaults = sizeof(defaults) / sizeof(defaults[0]), nr = 0;

    while (environ[nr])
        nr++;
    char **made = calloc(nr + nr_defaults + 1, sizeof(*made));
    if (!made)
        return NULL;
    nr = 0;
    for (char **variable = environ; *variable; variable++)
        if (!has_name(*variable, "exec"))
            made[nr++] = *variable;
    for (size_t i = 0; i < nr_defaults; i++)
        if (!getenv(defaults[i].name))
            made[nr++] = defaults[i].variable;
    return made;
}

/* The file's text goes to the console; it may lack. */
static void greet(void)
{
    char text[1024];
    int fd = open(GREETING, O_RDONLY);
    ssize_t nr_bytes;

    if (fd < 0)
        return;
    while ((nr_bytes = read(fd, text, sizeof(text))) > 0)
        write(STDOUT_FILENO, text, (size_t)nr_bytes);
    close(fd);
}

/* The command to run: the one that was asked for, or what there is. */
static const char *choose_command(void)
{
    const char *wanted = getenv("exec");
    struct stat shell;

    if (wanted)
        return wanted;
    if (stat(SHELL, &shell) != 0)
        return DEFAULT_COMMAND;
    greet();
    return SHELL_COMMAND;
}

/* In the child: the leader of a session whose terminal is the console becomes the program. */
static _Noreturn void become(const char *path, char *const words[], char *const environment[])
{
    sigprocmask(SIG_UNBLOCK, &requests, NULL);
    setsid();
    /* A console that is no terminal is none of the session's. */
    if (syscall(__NR_ioctl, STDIN_FILENO, TIOCSCTTY, 0) != 0 && errno != ENOTTY)
        perror("init: the console");
    execve(path, words, environment);
    fprintf(stderr, "init: cannot run %s: %s\n", path, strerror(errno));
    _exit(STATUS_CANNOT_RUN);
}

static pid_t start_job(void)
{
    static char *words[ARGS_MAX];
    char path[PATH_BYTES];
    const char *wanted = choose_command();
    char *command = strdup(wanted);
    char **environment = make_environment();

    if (!command || !environment) {
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
    find_program(words[0], path);

    pid_t job = fork();
    if (job == 0)
        become(path, words, environment);
    if (job < 0) {
        perror("init: cannot start a process");
        power_off("exit", STATUS_CANNOT_RUN);
    }
    free(environment);
    free(command);
    return job;
}

/* The requests' handler. They are let in while nothing is done but wait, so it may do anything. */
static void on_request(int signal, siginfo_t *info, void *context)
{
    (void)info, (void)context;
    end_all(signal);
}

/* Reaps whoever ends until it is the job; returns the job's wait status. */
static int wait_for(pid_t job)
{
    int status;
    pid_t ended;

    sigprocmask(SIG_UNBLOCK, &requests, NULL);
    while ((ended = wait(&status)) != job) {
        if (ended < 0 && errno != EINTR) {
            perror("init: cannot wait for the program");
            power_off("exit", STATUS_CANNOT_RUN);
        }
    }
    sigprocmask(SIG_BLOCK, &requests, NULL);
    return status;
}

int main(void)
{
    if (getpid() != 1) {
        fprintf(stderr, "init: this is for process 1 only\n");
        return EXIT_FAILURE;
    }

    sigprocmask(SIG_BLOCK, &requests, NULL);
    signal_handle(SIGUSR1, on_request, 0);
    signal_handle(SIGUSR2, on_request, 0);
    signal_handle(SIGTERM, on_request, 0);
    int status = wait_for(start_job());
    if (WIFSIGNALED(status))
        power_off("signal", WTERMSIG(status));
    power_off("exit", WEXITSTATUS(status));
}
