/*
 * Scripts: files that are run by the program that their first line names. The program here is this
 * suite, in a role that compares its arguments with what the environment says.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/limits.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "common.h"
#include "ktap.h"

#define SCRIPT "/tmp/t_script.sh"

static bool write_file(const char *path, const char *text, size_t nr_bytes, mode_t mode)
{
    unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    bool ok = KTAP_TRUE(fd >= 0) && KTAP_EQUAL(write(fd, text, nr_bytes), (long)nr_bytes) &&
              KTAP_EQUAL(syscall(__NR_fchmod, fd, mode), 0);

    close(fd);
    return ok;
}

static bool write_script(const char *text)
{
    return write_file(SCRIPT, text, strlen(text), 0755);
}

/* The role: are the arguments those that `want` has, joined by '|'? */
static int compare(const char *want, int argc, char **argv)
{
    char joined[1024] = "";

    for (int i = 0; i < argc; i++)
        snprintf(joined + strlen(joined), sizeof(joined) - strlen(joined), "%s%s", i ? "|" : "",
                 argv[i]);
    if (strcmp(joined, want) == 0)
        return CHILD_IS_WELL;
    ktap_diag("the arguments are %s, not %s", joined, want);
    return 1;
}

/* Runs the script with arguments "one" and "two"; the interpreter has to see `want`. */
static bool script_has_arguments(const char *text, const char *want)
{
    char variable[1024];
    char *const argv[] = {"zero", "one", "two", NULL}, *const envp[] = {variable, NULL};
    int status = -1;

    snprintf(variable, sizeof(variable), "want=%s", want);
    if (!write_script(text))
        return false;
    pid_t child = fork();
    if (child == 0) {
        execve(SCRIPT, argv, envp);
        _exit(errno);
    }
    return KTAP_EQUAL(waitpid(child, &status, 0), child) &&
           ktap_check_exits(status, CHILD_IS_WELL, __FILE__, __LINE__);
}

static bool script_fails(const char *text, int error)
{
    char *const argv[] = {SCRIPT, NULL}, *const envp[] = {NULL};

    return write_script(text) && FAILS(execve(SCRIPT, argv, envp), error);
}

static bool interpreter_gets_the_scripts_path(void)
{
    return script_has_arguments("#!/test/t_script\n", "/test/t_script|" SCRIPT "|one|two");
}

static bool interpreter_gets_one_argument(void)
{
    return script_has_arguments("#!/test/t_script compare\nexit 0\n",
                                "/test/t_script|compare|" SCRIPT "|one|two") &&
           script_has_arguments("#! \t/test/t_script\t a b  c \t\n",
                                "/test/t_script|a b  c|" SCRIPT "|one|two");
}

static bool line_may_end_with_the_file(void)
{
    return script_has_arguments("#!/test/t_script x", "/test/t_script|x|" SCRIPT "|one|two");
}

static bool path_may_be_relative(void)
{
    bool ok = KTAP_EQUAL(chdir("/test"), 0) &&
              script_has_arguments("#!t_script\n", "t_script|" SCRIPT "|one|two");

    return KTAP_EQUAL(chdir("/"), 0) && ok;
}

static bool script_without_arguments_gets_its_path(void)
{
    char *const argv[] = {NULL}, *const envp[] = {"want=/test/t_script|" SCRIPT, NULL};
    int status = -1;
    bool ok = write_script("#!/test/t_script\n");
    pid_t child = fork();

    if (child == 0) {
        execve(SCRIPT, argv, envp);
        _exit(errno);
    }
    return KTAP_EQUAL(waitpid(child, &status, 0), child) &&
           ktap_check_exits(status, CHILD_IS_WELL, __FILE__, __LINE__) && ok;
}

static bool long_argument_is_cut(void)
{
    char text[600], want[600], xs[401] = "";

    memset(xs, 'x', sizeof(xs) - 1);
    snprintf(text, sizeof(text), "#!/test/t_script %s", xs);
    xs[256 - strlen("#!/test/t_script ")] = '\0';
    snprintf(want, sizeof(want), "/test/t_script|%s|" SCRIPT "|one|two", xs);
    return script_has_arguments(text, want);
}

static bool long_name_is_enoexec(void)
{
    char text[600] = "#!/";

    memset(text + 3, 'x', 400);
    return script_fails(text, ENOEXEC);
}

static bool bad_interpreters_are_refused(void)
{
    return script_fails("#!/no/such/program\n", ENOENT) && script_fails("#!/tmp\n", EACCES) &&
           script_fails("#!/etc/passwd/x\n", ENOTDIR) && script_fails("#!\n", ENOEXEC) &&
           script_fails("#! \t \n", ENOEXEC) && script_fails("#!", ENOEXEC) &&
           script_fails("#", ENOEXEC) && script_fails("", ENOEXEC) &&
           script_fails("echo hello\n", ENOEXEC) && script_fails("#!/test/broken/text\n", ENOEXEC);
}

static bool script_needs_the_right_to_be_run(void)
{
    char *const argv[] = {SCRIPT, NULL}, *const envp[] = {NULL};

    return write_file(SCRIPT, "#!/test/t_script\n", 17, 0644) &&
           FAILS(execve(SCRIPT, argv, envp), EACCES);
}

static bool script_of_itself_is_eloop(void)
{
    return script_fails("#!" SCRIPT "\n", ELOOP);
}

/* A row of scripts, each run by the next, the last one by the suite. */
static bool make_row(int nr_scripts)
{
    char path[32] = SCRIPT, text[64];

    for (int i = 1; i <= nr_scripts; i++) {
        char next[32];

        snprintf(next, sizeof(next), i < nr_scripts ? "/tmp/t_script.%d" : "/test/t_script", i);
        snprintf(text, sizeof(text), "#!%s %d\n", next, i);
        if (!write_file(path, text, strlen(text), 0755))
            return false;
        snprintf(path, sizeof(path), "%s", next);
    }
    return true;
}

static bool scripts_may_run_scripts(void)
{
    char *const argv[] = {"zero", "one", NULL};
    char *const envp[] = {"want=/test/t_script|5|/tmp/t_script.4|4|/tmp/t_script.3|3|"
                          "/tmp/t_script.2|2|/tmp/t_script.1|1|" SCRIPT "|one",
                          NULL};
    int status = -1;
    bool ok = make_row(5);
    pid_t child = fork();

    if (child == 0) {
        execve(SCRIPT, argv, envp);
        _exit(errno);
    }
    ok = KTAP_EQUAL(waitpid(child, &status, 0), child) &&
         ktap_check_exits(status, CHILD_IS_WELL, __FILE__, __LINE__) && ok;
    ok = ok && make_row(6) && FAILS(execve(SCRIPT, argv, envp), ELOOP);
    for (int i = 1; i < 6; i++) {
        char path[32];

        snprintf(path, sizeof(path), "/tmp/t_script.%d", i);
        unlink(path);
    }
    return ok;
}

static bool nul_ends_the_line(void)
{
    static const char text[] = "#!/test/t_script\0 no part of it\n";
    char *const argv[] = {"zero", NULL}, *const envp[] = {"want=/test/t_script|" SCRIPT, NULL};
    int status = -1;
    bool ok = write_file(SCRIPT, text, sizeof(text) - 1, 0755);
    pid_t child = fork();

    if (child == 0) {
        execve(SCRIPT, argv, envp);
        _exit(errno);
    }
    return KTAP_EQUAL(waitpid(child, &status, 0), child) &&
           ktap_check_exits(status, CHILD_IS_WELL, __FILE__, __LINE__) && ok;
}

/* ---- How much may be handed over ------------------------------------------------------------- */

static int count_bytes(int argc, char **argv)
{
    size_t nr_bytes = 0;

    for (int i = 0; i < argc; i++)
        nr_bytes += strlen(argv[i]) + 1;
    return nr_bytes > 1000000 ? CHILD_IS_WELL : 1;
}

/* Many strings of 1000 bytes, or one of nr_bytes. */
static int exec_with(size_t nr_strings, size_t nr_bytes)
{
    char **argv = calloc(nr_strings + 3, sizeof(*argv)), *string = malloc(nr_bytes + 1);
    char *const envp[] = {NULL};

    memset(string, 'x', nr_bytes);
    string[nr_bytes] = '\0';
    argv[0] = "/test/t_script";
    argv[1] = "count";
    for (size_t i = 0; i < nr_strings; i++)
        argv[2 + i] = string;
    execve("/test/t_script", argv, envp);
    return errno;
}

static bool much_can_be_handed_over(void)
{
    int status = -1;
    pid_t child = fork();

    if (child == 0)
        _exit(exec_with(1500, 1000));
    return KTAP_EQUAL(waitpid(child, &status, 0), child) &&
           ktap_check_exits(status, CHILD_IS_WELL, __FILE__, __LINE__);
}

static bool too_much_is_e2big(void)
{
    return KTAP_EQUAL(exec_with(3000, 1000), E2BIG) &&
           KTAP_EQUAL(exec_with(1, 128 * 1024ul), E2BIG);
}

static const struct ktap_test tests[] = {
    {"the interpreter gets the script's path in place of its name",
     interpreter_gets_the_scripts_path},
    {"the interpreter gets one argument from the line", interpreter_gets_one_argument},
    {"the line may end with the file", line_may_end_with_the_file},
    {"the interpreter's path may be relative", path_may_be_relative},
    {"a script that is run without arguments gets its path",
     script_without_arguments_gets_its_path},
    {"an argument that is too long is cut", long_argument_is_cut},
    {"a name that is too long is ENOEXEC", long_name_is_enoexec},
    {"bad interpreters are refused, each with its error", bad_interpreters_are_refused},
    {"a script without the right to be run is EACCES", script_needs_the_right_to_be_run},
    {"a script that runs itself is ELOOP", script_of_itself_is_eloop},
    {"scripts may run scripts, five in a row", scripts_may_run_scripts},
    {"a NUL ends the line", nul_ends_the_line},
    {"a program can be given a megabyte of arguments", much_can_be_handed_over},
    {"more than a quarter of the stack, or a string of 128 KiB, is E2BIG", too_much_is_e2big},
};

int main(int argc, char **argv)
{
    const char *want = getenv("want");

    if (want)
        return compare(want, argc, argv);
    if (argc > 1 && strcmp(argv[1], "count") == 0)
        return count_bytes(argc, argv);
    ktap_need_thrum();
    ktap_start(KTAP_LEN(tests));
    ktap_run(tests, KTAP_LEN(tests));
    unlink(SCRIPT);
    return ktap_finish();
}
