/* Which calls there are, and what their arguments are by their names: the kernel's own list. */

#include <string.h>
#include <thrum.h>

#include <sys/syscall.h>

#include "fuzz.h"

#define SYSCALL(number, name, parameters, what) {(number), #name, #parameters, {0}, {{0}}, 0},
struct call calls[] = {
#include <syscall/syscalls.h>
};
#undef SYSCALL
const size_t nr_calls = KTAP_LEN(calls);

static const struct {
    const char *name;
    unsigned one_in; /* 0: never */
} rare[] = {
    {"reboot", 0},
    {"exit", 40},
    {"exit_group", 60},
    {"lwp_exit", 40},
    {"execve", 15},
    {"pause", 10},
    {"fork", 4},
    {"vfork", 8},
    {"clone", 4},
    {"clone3", 4},
    {"spawn", 4},
    {"rt_sigreturn", 60},
    {"close_range", 8},
    {"munmap", 3},
    {"chroot", 3},
    {"setrlimit", 4},
    {"umount2", 4},
    {"prlimit64", 4},
    {"brk", 3},
    {"lwp_cancel", 10},
    {"kill", 8},
    {"tkill", 4},
    {"tgkill", 4},
    {"rt_sigsuspend", 4},
    {"arch_prctl", 3},
    {"setresuid", 10},
    {"setuid", 10},
    {"setreuid", 10},
    {"rt_sigqueueinfo", 4},
    {"rt_tgsigqueueinfo", 4},
    {"capset", 8},
    {"sched_set_class", 30},
};

static const struct {
    const char *parameter;
    enum kind kind;
} kind_names[] = {
    {"int fd", KIND_FD},
    {"int dir_fd", KIND_DIR_FD},
    {"int new_fd", KIND_FD},
    {"int to_fd", KIND_FD},
    {"int from_fd", KIND_FD},
    {"int epoll_fd", KIND_FD},
    {"vaddr_t path_at", KIND_PATH},
    {"vaddr_t target_at", KIND_PATH},
    {"vaddr_t from_at", KIND_PATH},
    {"vaddr_t to_at", KIND_PATH},
    {"vaddr_t source_at", KIND_PATH},
    {"vaddr_t va", KIND_PAGES},
    {"vaddr_t new_va", KIND_PAGES},
    {"int pid", KIND_PID},
    {"int tid", KIND_PID},
    {"int who", KIND_PID},
    {"int group", KIND_PID},
    {"int signal", KIND_SIGNAL},
    {"int timeout_ms", KIND_TIME},
    {"unsigned seconds", KIND_TIME},
    {"size_t nr_bytes", KIND_SIZE},
    {"int nr_bytes", KIND_SIZE},
    {"unsigned nr_bytes", KIND_SIZE},
    {"int64_t nr_bytes", KIND_SIZE},
    {"int64_t offset", KIND_SIZE},
    {"uint64_t offset", KIND_SIZE},
    {"size_t old_bytes", KIND_SIZE},
    {"size_t new_bytes", KIND_SIZE},
    {"uint64_t arg", KIND_POINTER},
    {"uint64_t timeout_at_or_value2", KIND_POINTER},
    {"unsigned flags", KIND_FLAGS},
    {"int flags", KIND_FLAGS},
    {"uint64_t flags", KIND_FLAGS},
    {"int options", KIND_FLAGS},
    {"uint64_t events", KIND_FLAGS},
    {"uint32_t mode", KIND_FLAGS},
    {"unsigned mask", KIND_FLAGS},
    {"uint32_t mask", KIND_FLAGS},
    {"size_t nr_set_bytes", KIND_SET_BYTES},
    {"size_t mask_bytes", KIND_SET_BYTES},
    {"uint64_t unused", KIND_ZERO},
    {"int protocol", KIND_ZERO},
    {"int domain", KIND_ONE},
    {"int level", KIND_ONE},
};

static enum kind kind_of(const char *parameter)
{
    for (size_t i = 0; i < KTAP_LEN(kind_names); i++)
        if (strcmp(parameter, kind_names[i].parameter) == 0)
            return kind_names[i].kind;
    return strncmp(parameter, "vaddr_t", 7) == 0 ? KIND_POINTER : KIND_NUMBER;
}

static void read_parameters(struct call *call)
{
    const char *text = call->parameters + 1;

    if (strcmp(text, "void)") == 0)
        return;
    for (size_t i = 0; i < NR_ARGUMENTS && *text != '\0'; i++) {
        size_t length = strcspn(text, ",)");
        char parameter[48] = "";

        memcpy(parameter, text, length < sizeof(parameter) ? length : sizeof(parameter) - 1);
        call->kinds[i] = kind_of(parameter);
        const char *name = strchr(parameter, ' ');
        strncpy(call->parameter_names[i], name != NULL ? name + 1 : "", 31);
        text += length;
        text += strspn(text, ", )");
    }
}

void read_list(const char *only)
{
    for (struct call *call = calls; call < calls + nr_calls; call++) {
        read_parameters(call);
        call->one_in = only == NULL || strstr(call->name, only) != NULL;
        for (size_t i = 0; i < KTAP_LEN(rare); i++)
            if (strcmp(call->name, rare[i].name) == 0 && call->one_in != 0)
                call->one_in = rare[i].one_in;
    }
}
