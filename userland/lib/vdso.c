/*
 * Functions that the kernel puts into the program: the vDSO (vdso(7)), a shared object of which the
 * auxiliary vector tells. Its symbols are looked up by name; it has one version of each.
 */

#include <string.h>

#include <linux/elf.h>
#include <sys/auxv.h>

#include "runtime.h"

struct vdso_tables {
    const Elf64_Sym *symbols;
    const char *strings;
    const uint32_t *hash; /* numbers of buckets, and of symbols; the rest is not needed */
};

static struct vdso_tables find_tables(const char *base)
{
    const Elf64_Ehdr *header = (const Elf64_Ehdr *)base;
    const Elf64_Phdr *segment = (const Elf64_Phdr *)(base + header->e_phoff);
    const Elf64_Phdr *end = segment + header->e_phnum;
    struct vdso_tables tables = {0};

    while (segment < end && segment->p_type != PT_DYNAMIC)
        segment++;
    if (segment == end)
        return tables;
    for (const Elf64_Dyn *entry = (const Elf64_Dyn *)(base + segment->p_offset);
         entry->d_tag != DT_NULL; entry++) {
        const void *at = base + entry->d_un.d_ptr;

        if (entry->d_tag == DT_SYMTAB)
            tables.symbols = at;
        else if (entry->d_tag == DT_STRTAB)
            tables.strings = at;
        else if (entry->d_tag == DT_HASH)
            tables.hash = at;
    }
    return tables;
}

void *vdso_find(const char *name)
{
    char *base = (char *)getauxval(AT_SYSINFO_EHDR);
    struct vdso_tables tables;

    if (base == NULL)
        return NULL;
    tables = find_tables(base);
    if (tables.symbols == NULL || tables.strings == NULL || tables.hash == NULL)
        return NULL;
    for (uint32_t i = 1; i < tables.hash[1]; i++) {
        const Elf64_Sym *symbol = &tables.symbols[i];

        if (symbol->st_shndx != SHN_UNDEF && strcmp(tables.strings + symbol->st_name, name) == 0)
            return base + symbol->st_value;
    }
    return NULL;
}
