/*
 * schedctl: look at the scheduling of the running system, and change it. `schedctl help` explains
 * it; help.c has the text.
 */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "schedctl.h"

#define STATUS_CANNOT_RUN 127 /* as the shell says that it could not start a command */

static _Noreturn void end_with(int status, const char *hint, const char *fmt, va_list args)
{
    fflush(stdout);
    fprintf(stderr, "schedctl: ");
    vfprintf(stderr, fmt, args);
    fprintf(stderr, "\n%s", hint);
    exit(status);
}

void fail(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    end_with(STATUS_FAILED, "", fmt, args);
}

void fail_usage(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    end_with(STATUS_BAD_USAGE, "Try 'schedctl help'.\n", fmt, args);
}

static pid_t parse_tid(const char *text)
{
    return (pid_t)parse_number(text, "TID", 1, INT32_MAX);
}

static int parse_group(const char *text)
{
    return (int)parse_number(text, "group", 0, THRUM_SCHED_GROUPS_MAX - 1);
}

/* "NAME", or "GROUP.NAME": the group, 0 unless said, and *name behind it. */
static int split_group(const char *text, const char **name)
{
    char number[8];
    const char *dot = strchr(text, '.');

    *name = text;
    if (!dot)
        return 0;
    *name = dot + 1;
    if ((size_t)(dot - text) >= sizeof(number))
        fail_usage("'%s' begins with no group's number", text);
    memcpy(number, text, (size_t)(dot - text));
    number[dot - text] = '\0';
    return parse_group(number);
}

/* ---- Commands. argv[0] is the command's name ------------------------------------------------ */

static int do_list(int argc, char **argv)
{
    print_list(argc > 1 ? argv[1] : "lwps");
    return 0;
}

static int do_show(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        print_lwp(parse_tid(argv[i]));
    return 0;
}

static int do_set(int argc, char **argv)
{
    apply_settings(parse_tid(argv[1]), argv + 2, (size_t)argc - 2);
    return 0;
}

static int do_share(int argc, char **argv)
{
    (void)argc;
    set_share(parse_tid(argv[1]), (int)parse_number(argv[2], "share", 0, 100));
    return 0;
}

static int do_join(int argc, char **argv)
{
    (void)argc;
    join_group(parse_tid(argv[1]), parse_group(argv[2]));
    return 0;
}

/* NULL: there is no class of that name. */
static const struct thrum_sched_class *find_class(const char *name)
{
    size_t nr;
    const struct thrum_sched_class *classes = read_list(THRUM_LIST_CLASSES, sizeof(*classes), &nr);

    for (size_t i = 0; i < nr; i++)
        if (strcmp(classes[i].name, name) == 0)
            return &classes[i];
    return NULL;
}

static const struct thrum_sched_class *need_class(const char *name)
{
    const struct thrum_sched_class *class = find_class(name);

    if (!class)
        fail("there is no class '%s'; there are %s", name, class_names());
    return class;
}

static int do_class(int argc, char **argv)
{
    (void)argc;
    if (!need_class(argv[1])->can_be_default)
        fail("%s is not for everybody: it lets LWPs wait for ever, or takes only those that it "
             "can promise something; make a group for it (schedctl help groups)",
             argv[1]);
    if (sched_set_class(argv[1]) != 0)
        fail("cannot go over to %s: %s", argv[1], strerror(errno));
    return 0;
}

static int create_group(const char *class_name, int percent)
{
    int group = sched_group_create(class_name, percent);

    if (group < 0 && errno == EAGAIN)
        fail("some CPU has not %d %% left: of each 80 %% can be promised (schedctl list cpus)",
             percent);
    if (group < 0 && errno == ENOSPC)
        fail("there are %d groups already; there cannot be more", THRUM_SCHED_GROUPS_MAX);
    if (group < 0)
        fail("cannot make a group: %s", strerror(errno));
    return group;
}

static void destroy_group(int group)
{
    if (sched_group_destroy(group) == 0)
        return;
    if (errno == EBUSY)
        fail("group %d has members; let them join another first (schedctl list lwps)", group);
    if (errno == EINVAL && group == 0)
        fail("group 0 is the default group, and stays");
    if (errno == EINVAL)
        fail("there is no group %d (schedctl list groups)", group);
    fail("cannot destroy group %d: %s", group, strerror(errno));
}

static int do_group(int argc, char **argv)
{
    if (strcmp(argv[1], "create") == 0 && argc == 4) {
        need_class(argv[2]);
        printf("group %d\n",
               create_group(argv[2], (int)parse_number(argv[3], "share of a group", 1, 80)));
    } else if (strcmp(argv[1], "destroy") == 0 && argc == 3) {
        destroy_group(parse_group(argv[2]));
    } else {
        fail_usage("it is 'group create CLASS PERCENT' or 'group destroy GROUP'");
    }
    return 0;
}

/* Why a tunable could not be set. */
static _Noreturn void explain_tune(int group, const char *name, const char *value)
{
    size_t nr, nr_of_group = 0;
    const struct thrum_sched_tunable *t = read_list(THRUM_LIST_TUNABLES, sizeof(*t), &nr);

    for (size_t i = 0; i < nr; i++) {
        nr_of_group += t[i].group == (uint32_t)group;
        if (t[i].group == (uint32_t)group && strcmp(t[i].name, name) == 0)
            fail("%s: %s is out of range; it goes from %lu to %lu (%s)", name, value,
                 (unsigned long)t[i].min, (unsigned long)t[i].max, t[i].help);
    }
    if (nr_of_group == 0)
        fail("there is no group %d, or its class has nothing to tune (schedctl list groups)",
             group);
    fail("the class of group %d has no tunable '%s' (schedctl list tunables)", group, name);
}

static int do_tune(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        char *equals = strchr(argv[i], '=');
        const char *name;

        if (!equals)
            fail_usage("'%s' is not NAME=VALUE", argv[i]);
        *equals = '\0';
        int group = split_group(argv[i], &name);
        uint64_t value = (uint64_t)parse_number(equals + 1, name, 0, INT64_MAX);
        if (sched_tune(group, name, value) != 0) {
            if (errno == EINVAL)
                explain_tune(group, name, equals + 1);
            fail("cannot tune %s: %s", name, strerror(errno));
        }
    }
    return 0;
}

static int do_preset(int argc, char **argv)
{
    const char *name;
    int group = split_group(argv[1], &name);

    (void)argc;
    if (sched_use_preset(group, name) == 0)
        return 0;
    if (errno == EINVAL)
        fail("there is no group %d, or its class has no preset '%s' (schedctl list classes)", group,
             name);
    fail("cannot use the preset %s: %s", name, strerror(errno));
}

/* Changes itself and becomes the command: what it was given survives exec. */
static int do_run(int argc, char **argv)
{
    int nr = 0;

    while (1 + nr < argc && is_setting(argv[1 + nr]))
        nr++;
    if (1 + nr == argc)
        fail_usage("run: which command?");
    apply_settings(getpid(), argv + 1, (size_t)nr);
    execvp(argv[1 + nr], argv + 1 + nr);
    fprintf(stderr, "schedctl: cannot run %s: %s\n", argv[1 + nr], strerror(errno));
    return STATUS_CANNOT_RUN;
}

static int do_help(int argc, char **argv)
{
    if (!print_help(argc > 1 ? argv[1] : NULL))
        fail_usage("there is no help about '%s'", argv[1]);
    return 0;
}

static const struct command {
    const char *name;
    int nr_args_min, nr_args_max;
    int (*run)(int argc, char **argv);
    const char *usage;
} commands[] = {
    {"list", 0, 1, do_list, "list [lwps|cpus|groups|classes|tunables]"},
    {"show", 1, 64, do_show, "show TID..."},
    {"set", 2, 64, do_set, "set TID KEY=VALUE..."},
    {"share", 2, 2, do_share, "share TID PERCENT"},
    {"class", 1, 1, do_class, "class NAME"},
    {"group", 2, 3, do_group, "group create CLASS PERCENT, or group destroy GROUP"},
    {"join", 2, 2, do_join, "join TID GROUP"},
    {"tune", 1, 64, do_tune, "tune [GROUP.]NAME=VALUE..."},
    {"preset", 1, 1, do_preset, "preset [GROUP.]NAME"},
    {"run", 1, 1024, do_run, "run [KEY=VALUE...] COMMAND [ARGUMENT...]"},
    {"help", 0, 1, do_help, "help [TOPIC]"},
};

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "help";

    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        name = "help";
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(commands[i].name, name) != 0)
            continue;
        if (argc - 2 < commands[i].nr_args_min && argc > 1)
            fail_usage("something is missing: it is 'schedctl %s'", commands[i].usage);
        if (argc - 2 > commands[i].nr_args_max)
            fail_usage("that is too much: it is 'schedctl %s'", commands[i].usage);
        return commands[i].run(argc - 1, argv + 1);
    }
    fail_usage("there is no command '%s'", name);
}
