/*
 * Names for addresses: the ELF symbol table of the kernel's own file, which the boot loader keeps
 * in memory. It is searched from end to end; that is fast enough for a panic, and needs no
 * preparation.
 */

#include <arch/mmu.h>
#include <kernel/bootinfo.h>
#include <kernel/string.h>
#include <kernel/symbols.h>
#include <linux/elf.h>

/* No function is longer: an address farther from the last symbol is in none. */
#define FUNCTION_BYTES_MAX KIB(64)

static const char *name_at(uint32_t index)
{
    const struct boot_range *names = &boot_info.symbol_names;
    size_t nr_bytes = names->end - names->start;
    const char *name = (const char *)phys_to_virt(names->start) + index;

    if (index >= nr_bytes || strnlen(name, nr_bytes - index) == nr_bytes - index)
        return NULL;
    return name;
}

const char *symbol_find(uint64_t address, uint64_t *offset)
{
    const Elf64_Sym *symbols = phys_to_virt(boot_info.symbols.start);
    size_t nr = (boot_info.symbols.end - boot_info.symbols.start) / sizeof(*symbols);
    const Elf64_Sym *best = NULL;

    for (size_t i = 0; i < nr; i++) {
        const Elf64_Sym *s = &symbols[i];
        unsigned type = ELF64_ST_TYPE(s->st_info);

        if ((type != STT_FUNC && type != STT_NOTYPE) || s->st_value > address ||
            address - s->st_value > FUNCTION_BYTES_MAX)
            continue;
        if (best == NULL || s->st_value > best->st_value)
            best = s;
    }
    if (best == NULL)
        return NULL;
    *offset = address - best->st_value;
    return name_at(best->st_name);
}
