/*
 * What is in a process's address space: maps, statm, and the strings that its program got.
 *
 * The address space is kept by a reference meanwhile, and locked for a part of it at a time.
 */

#include <arch/mmu.h>
#include <kernel/device.h>
#include <kernel/errno.h>
#include <kernel/mount.h>
#include <kernel/string.h>
#include <linux/limits.h>
#include <mm/file_map.h>
#include <mm/frame.h>
#include <mm/slab.h>
#include <mm/space.h>

#include "procfs.h"

#define NAME_COLUMN 73 /* maps: where a name begins */

static uint64_t to_pages(uint64_t nr_bytes)
{
    return nr_bytes / PAGE_SIZE;
}

/* How many pages of [va, end) there are, and how many are shared with others. Locked. */
static void count_mapped(const struct space *space, vaddr_t va, vaddr_t end,
                         struct procfs_memory *memory)
{
    struct mmu_page page;

    while ((va = mmu_next_mapped(space->mmu.root, va, end, &page)) < end) {
        memory->nr_resident++;
        memory->nr_shared += frame_refs(page.frame) > 1;
        va += PAGE_SIZE;
    }
}

static bool is_stack(const struct space_area *area)
{
    return area->start <= SPACE_STACK_TOP - PAGE_SIZE && area->end > SPACE_STACK_TOP - PAGE_SIZE;
}

static void add_area(const struct space *space, const struct space_area *area,
                     struct procfs_memory *memory)
{
    uint64_t nr_pages = to_pages(area->end - area->start);

    memory->nr_pages += nr_pages;
    memory->nr_locked += area->prot & AREA_LOCKED ? nr_pages : 0;
    if (is_stack(area))
        memory->nr_stack += nr_pages;
    else if (area->prot & AREA_EXEC)
        memory->nr_text += nr_pages;
    else if ((area->prot & AREA_WRITE) && !(area->prot & AREA_SHARED))
        memory->nr_data += nr_pages;
    count_mapped(space, area->start, area->end, memory);
}

void procfs_read_memory(int pid, struct procfs_memory *memory)
{
    struct space *space = process_get_space(pid);
    struct space_area area = {.end = 0};

    memset(memory, 0, sizeof(*memory));
    if (space == NULL)
        return;
    mutex_lock(&space->lock);
    while (space_next_area(space, area.end, &area))
        add_area(space, &area, memory);
    memory->brk_start = space->brk_start;
    memory->brk_end = space->brk_end;
    mutex_unlock(&space->lock);
    space_put(space);
}

int procfs_show_statm(struct procfs_text *text, const struct procfs_node *node)
{
    struct procfs_memory m;

    procfs_read_memory(procfs_pid(node), &m);
    procfs_print(text, "%lu %lu %lu %lu 0 %lu 0\n", m.nr_pages, m.nr_resident, m.nr_shared,
                 m.nr_text, m.nr_data + m.nr_stack);
    return 0;
}

/* ---- maps ----------------------------------------------------------------------------------- */

static void show_name(struct procfs_text *text, size_t line_start, const char *name)
{
    while (text->nr_bytes - line_start < NAME_COLUMN && !text->is_full)
        procfs_append(text, " ", 1);
    for (; *name != '\0'; name++) {
        if (*name == '\n')
            procfs_append(text, "\\012", 4);
        else
            procfs_append(text, name, 1);
    }
}

/* The path of a file that is mapped, or what it is when it has none any more. */
static void show_file(struct procfs_text *text, size_t line_start, struct inode *file)
{
    char *path = kmalloc_user(PATH_MAX);
    int64_t start = path != NULL ? path_of(file, path, PATH_MAX) : -ENOMEM;

    show_name(text, line_start, start >= 0 ? path + start : "(deleted)");
    kfree(path);
}

static void show_area(struct procfs_text *text, const struct space *space,
                      const struct space_area *area, struct inode *file)
{
    size_t line_start = text->nr_bytes;

    procfs_print(text, "%08lx-%08lx %c%c%c%c %08lx %02x:%02x %lu ", area->start, area->end,
                 area->prot & AREA_READ ? 'r' : '-', area->prot & AREA_WRITE ? 'w' : '-',
                 area->prot & AREA_EXEC ? 'x' : '-', area->prot & AREA_SHARED ? 's' : 'p',
                 area->source != NULL ? area->offset : 0,
                 file != NULL ? device_major((uint32_t)file->mount->device) : 0,
                 file != NULL ? device_minor((uint32_t)file->mount->device) : 0,
                 file != NULL ? file->number : 0);
    if (file != NULL)
        show_file(text, line_start, file);
    else if (is_stack(area))
        show_name(text, line_start, "[stack]");
    else if (area->start == space->vdso)
        show_name(text, line_start, "[vdso]");
    else if (area->start < space->brk_end && area->end > space->brk_start)
        show_name(text, line_start, "[heap]");
    procfs_append(text, "\n", 1);
}

int procfs_show_maps(struct procfs_text *text, const struct procfs_node *node)
{
    struct space *space = process_get_space(procfs_pid(node));
    struct space_area area = {.end = 0};
    bool is_there = space != NULL;

    while (is_there) {
        struct inode *file = NULL;

        mutex_lock(&space->lock);
        is_there = space_next_area(space, area.end, &area);
        if (is_there && area.source != NULL)
            file = inode_get_mapped(area.source);
        mutex_unlock(&space->lock);
        if (is_there)
            show_area(text, space, &area, file);
        inode_put(file);
    }
    if (space != NULL)
        space_put(space);
    return 0;
}

/* ---- Strings -------------------------------------------------------------------------------- */

/* Copies what is in one page of a process; what was never touched is zeroes. Locked. */
static void append_page(struct procfs_text *text, const struct space *space, vaddr_t va, size_t nr)
{
    static const char zeroes[64];
    struct mmu_page page = mmu_walk(space->mmu.root, va & ~(vaddr_t)(PAGE_SIZE - 1));

    if (page.frame != PADDR_NONE) {
        procfs_append(text, (const char *)phys_to_virt(page.frame) + va % PAGE_SIZE, nr);
        return;
    }
    for (; nr > 0; nr -= MIN(nr, sizeof(zeroes)))
        procfs_append(text, zeroes, MIN(nr, sizeof(zeroes)));
}

/* What is at [va, end) of a process. */
static int show_bytes(struct procfs_text *text, int pid, vaddr_t va, vaddr_t end)
{
    struct space *space = process_get_space(pid);

    if (space == NULL)
        return 0;
    mutex_lock(&space->lock);
    while (va < end && !text->is_full) {
        size_t nr = MIN(end - va, PAGE_SIZE - va % PAGE_SIZE);

        append_page(text, space, va, nr);
        va += nr;
    }
    mutex_unlock(&space->lock);
    space_put(space);
    return 0;
}

int procfs_show_cmdline(struct procfs_text *text, const struct procfs_node *node)
{
    struct process_report r;
    int error = process_report(procfs_pid(node), 0, &r);

    return error != 0 ? error : show_bytes(text, r.pid, r.args, r.environment);
}

int procfs_show_environ(struct procfs_text *text, const struct procfs_node *node)
{
    struct process_report r;
    int error = process_report(procfs_pid(node), 0, &r);

    return error != 0 ? error : show_bytes(text, r.pid, r.environment, r.strings_end);
}

int procfs_show_auxv(struct procfs_text *text, const struct procfs_node *node)
{
    struct process_report r;
    int error = process_report(procfs_pid(node), 0, &r);

    return error != 0 ? error : show_bytes(text, r.pid, r.auxv, r.auxv_end);
}
