/*
 * From the first user instruction to main(): what the kernel has put on the stack is found and
 * kept, thread-local storage is set up (crt0.asm calls tls.c between the two functions here),
 * constructors run, and main()'s result is the process's exit status.
 */

#include <errno.h>
#include <stdlib.h>

#include <asm/hwcap2.h>
#include <linux/elf.h>
#include <sys/auxv.h>

#include "runtime.h"

struct auxv_entry {
    unsigned long type; /* AT_* */
    unsigned long value;
};

char **environ;
int start_has_fsgsbase;

static const struct auxv_entry *auxv;

int main(int argc, char **argv, char **envp);

/* crt0.asm; `stack` is the stack pointer of the first instruction. */
void start_read_stack(const uintptr_t *stack);
_Noreturn void start_main(uintptr_t *stack);

/* From the linker script. */
typedef void constructor_fn(int argc, char **argv, char **envp);
extern constructor_fn *const __init_array_start[];
extern constructor_fn *const __init_array_end[];

static const struct auxv_entry *auxv_find(unsigned long type)
{
    const struct auxv_entry *entry = auxv;

    while (entry->type != type && entry->type != AT_NULL)
        entry++;
    return entry;
}

/* AT_NULL's value is 0, which is also what stands for an entry that is not there. */
unsigned long getauxval(unsigned long type)
{
    const struct auxv_entry *entry = auxv_find(type);

    if (entry->type != type)
        errno = ENOENT;
    return entry->value;
}

static void find_tls_template(void)
{
    const Elf64_Phdr *headers = (const Elf64_Phdr *)auxv_find(AT_PHDR)->value;
    size_t nr_headers = auxv_find(AT_PHNUM)->value;

    for (size_t i = 0; i < nr_headers; i++) {
        const Elf64_Phdr *header = &headers[i];
        if (header->p_type == PT_TLS)
            tls_set_template((const void *)header->p_vaddr, header->p_filesz, header->p_memsz,
                             header->p_align);
    }
}

void start_read_stack(const uintptr_t *stack)
{
    const uintptr_t *word = stack + 1 + stack[0] + 1; /* after argc, argv and its NULL */

    while (*word)
        word++;
    auxv = (const struct auxv_entry *)(word + 1);

    start_has_fsgsbase = (auxv_find(AT_HWCAP2)->value & HWCAP2_FSGSBASE) != 0;
    find_tls_template();
}

void start_main(uintptr_t *stack)
{
    int argc = (int)stack[0];
    char **argv = (char **)(stack + 1);

    environ = argv + argc + 1;
    for (constructor_fn *const *constructor = __init_array_start; constructor < __init_array_end;
         constructor++)
        (*constructor)(argc, argv, environ);
    exit(main(argc, argv, environ));
}
