/*
 * From a file to an address space that can start.
 *
 * A new program finds on its stack, from the stack pointer up: argc, the argv pointers and NULL,
 * the environment pointers and NULL, the auxiliary vector, 16 random bytes, and the strings (System
 * V ABI, AMD64 supplement, 3.4.1; the auxiliary vector's entries are Linux's). All of it is built
 * in kernel memory and copied once.
 */

#include <arch/program.h>
#include <arch/vdso.h>
#include <kernel/credentials.h>
#include <kernel/errno.h>
#include <kernel/log.h>
#include <kernel/mount.h>
#include <kernel/random.h>
#include <kernel/string.h>
#include <kernel/version.h>
#include <kernel/vnode.h>
#include <linux/auxvec.h>
#include <linux/mount.h>
#include <linux/stat.h>
#include <mm/file_map.h>
#include <mm/frame.h>
#include <mm/slab.h>
#include <proc/elf.h>
#include <proc/image.h>

#include "script.h"

#define CLOCK_TICKS_PER_SEC 100 /* what AT_CLKTCK says on Linux */
#define NR_AUXV_MAX         20
#define RANDOM_BYTES        16
#define HEAD_BYTES          PAGE_SIZE /* of a file, where its program headers have to be */

/* On the stack, beside the pointers to strings: argc, two NULLs, and the auxiliary vector. */
#define NR_OTHER_WORDS  (1 + 1 + 1 + 2 * NR_AUXV_MAX)
#define STACK_ALIGNMENT 16ul

#define STACK_BYTES_MAX   GIB(64)  /* of room, if RLIMIT_STACK does not bound it */
#define STACK_GAP_BYTES   MIB(1)   /* which it does not grow into */
#define STACK_BYTES_FIRST KIB(128) /* without having to grow */

void image_put_file(struct inode *file)
{
    if (file == NULL)
        return;
    inode_put_runner(file);
    inode_put(file);
}

/* The page in which the file's part of a segment ends: what follows is zeroes. */
static int clear_tail(struct space *space, vaddr_t from)
{
    static const unsigned char zeroes[PAGE_SIZE];

    return space_write(space, from, zeroes, ROUND_UP(from, PAGE_SIZE) - from);
}

/*
 * Pages of the file, copied where the program writes to them, and then zeroes. They come as they
 * are touched; a segment that can never fit is refused now.
 */
static int map_segment(struct space *space, const struct elf_segment *s, struct inode *file)
{
    vaddr_t first = ROUND_DOWN(s->va, PAGE_SIZE), file_end = s->va + s->nr_file_bytes;
    vaddr_t zeroes = s->nr_file_bytes > 0 ? ROUND_UP(file_end, PAGE_SIZE) : first;
    vaddr_t end = ROUND_UP(s->va + s->nr_bytes, PAGE_SIZE);
    unsigned prot =
        AREA_READ | (s->is_writable ? AREA_WRITE : 0) | (s->is_executable ? AREA_EXEC : 0);
    int64_t at = 0;

    if (s->nr_bytes >> PAGE_SHIFT > frame_get_stats().nr_user_max)
        return -ENOMEM;
    if (zeroes > first)
        at = inode_map(file, space, first, zeroes - first, prot, SPACE_EXACT,
                       ROUND_DOWN(s->file_offset, PAGE_SIZE));
    if (at >= 0 && end > zeroes)
        at = space_map(space, zeroes, end - zeroes, prot, SPACE_EXACT, 0);
    if (at < 0)
        return (int)at;
    return zeroes > file_end && s->is_writable && zeroes > first ? clear_tail(space, file_end) : 0;
}

static int map_segments(struct space *space, const struct elf_image *image, struct inode *file)
{
    const struct elf_segment *last = &image->segments[image->nr_segments - 1];

    for (unsigned i = 0; i < image->nr_segments; i++) {
        int error = map_segment(space, &image->segments[i], file);

        if (error != 0)
            return error;
    }
    space->brk_start = ROUND_UP(last->va + last->nr_bytes, PAGE_SIZE);
    space->brk_end = space->brk_start;
    return 0;
}

static int map_vdso(struct space *space)
{
    int64_t at = space_map_frame(space, arch_vdso_frame(), AREA_READ | AREA_EXEC);

    if (at < 0)
        return (int)at;
    space->vdso = (vaddr_t)at;
    return 0;
}

/* A stack under construction: `words` will be at `sp`, the strings at `strings_va`. */
struct stack_builder {
    uint64_t *words;
    unsigned nr_words;
    vaddr_t random_va, strings_va, path_va, platform_va;
};

static void push_word(struct stack_builder *b, uint64_t word)
{
    b->words[b->nr_words++] = word;
}

static void push_aux(struct stack_builder *b, uint64_t type, uint64_t value)
{
    push_word(b, type);
    push_word(b, value);
}

/* Pointers to the next `nr` strings, and NULL. Returns the string behind them. */
static const char *push_pointers(struct stack_builder *b, const struct program_args *args,
                                 const char *string, unsigned nr)
{
    for (unsigned i = 0; i < nr; i++) {
        push_word(b, b->strings_va + (uint64_t)(string - args->strings));
        string += strlen(string) + 1;
    }
    push_word(b, 0);
    return string;
}

static void push_auxv(struct stack_builder *b, const struct space *space,
                      const struct elf_image *image, const struct image_start *start)
{
    const struct credentials *caller = credentials_current();
    uint32_t euid = start->set_bits & S_ISUID ? start->uid : caller->euid;
    uint32_t egid = start->set_bits & S_ISGID ? start->gid : caller->egid;

    push_aux(b, AT_SYSINFO_EHDR, space->vdso);
    push_aux(b, AT_PHDR, image->phdr_va);
    push_aux(b, AT_PHENT, 56);
    push_aux(b, AT_PHNUM, image->nr_phdrs);
    push_aux(b, AT_PAGESZ, PAGE_SIZE);
    push_aux(b, AT_BASE, 0);
    push_aux(b, AT_FLAGS, 0);
    push_aux(b, AT_ENTRY, image->entry);
    push_aux(b, AT_UID, caller->uid);
    push_aux(b, AT_EUID, euid);
    push_aux(b, AT_GID, caller->gid);
    push_aux(b, AT_EGID, egid);
    push_aux(b, AT_SECURE, euid != caller->uid || egid != caller->gid);
    push_aux(b, AT_CLKTCK, CLOCK_TICKS_PER_SEC);
    push_aux(b, AT_HWCAP, arch_hwcap());
    push_aux(b, AT_HWCAP2, arch_hwcap2());
    push_aux(b, AT_PLATFORM, b->platform_va);
    push_aux(b, AT_RANDOM, b->random_va);
    push_aux(b, AT_EXECFN, b->path_va);
    push_aux(b, AT_NULL, 0);
}

/* From the top down: the strings, the program's path, random bytes, and the words, 16-aligned. */
static int build_stack(struct space *space, const struct elf_image *image, const char *path,
                       const struct program_args *args, struct image_start *start)
{
    unsigned nr_words_max = args->argc + args->envc + NR_OTHER_WORDS;
    struct stack_builder b = {.words = kmalloc_user(nr_words_max * sizeof(uint64_t))};
    unsigned char random[RANDOM_BYTES];
    const char *environment;
    unsigned nr_words_before;
    int error;

    if (b.words == NULL)
        return -ENOMEM;
    b.strings_va = SPACE_STACK_TOP - args->nr_bytes;
    b.path_va = b.strings_va - (strlen(path) + 1);
    b.platform_va = b.path_va - sizeof(KERNEL_MACHINE);
    b.random_va = ROUND_DOWN(b.platform_va - RANDOM_BYTES, STACK_ALIGNMENT);
    random_bytes(random, sizeof(random));
    push_word(&b, args->argc);
    environment = push_pointers(&b, args, args->strings, args->argc);
    start->image.args = b.strings_va;
    start->image.environment = b.strings_va + (vaddr_t)(environment - args->strings);
    start->image.strings_end = SPACE_STACK_TOP;
    push_pointers(&b, args, environment, args->envc);
    nr_words_before = b.nr_words;
    push_auxv(&b, space, image, start);

    start->sp = ROUND_DOWN(b.random_va - b.nr_words * sizeof(uint64_t), STACK_ALIGNMENT);
    start->image.auxv = start->sp + nr_words_before * sizeof(uint64_t);
    start->image.auxv_end = start->sp + b.nr_words * sizeof(uint64_t);
    error = space_write(space, b.strings_va, args->strings, args->nr_bytes);
    if (error == 0)
        error = space_write(space, b.path_va, path, strlen(path) + 1);
    if (error == 0)
        error = space_write(space, b.platform_va, KERNEL_MACHINE, sizeof(KERNEL_MACHINE));
    if (error == 0)
        error = space_write(space, b.random_va, random, sizeof(random));
    if (error == 0)
        error = space_write(space, start->sp, b.words, b.nr_words * sizeof(uint64_t));
    kfree(b.words);
    return error;
}

/*
 * Leaves room for the stack to grow, as far as RLIMIT_STACK says now: who raises the limit later
 * has as much as there is.
 */
static void leave_stack_room(struct space *space)
{
    uint64_t wanted = MIN(space_limits().stack, STACK_BYTES_MAX) + STACK_GAP_BYTES;

    space->highest = SPACE_STACK_TOP - MAX(ROUND_UP(wanted, PAGE_SIZE), SPACE_STACK_ROOM);
    space->search_from = space->highest;
}

/* What build_stack() needs, and, as on Linux, a little more if RLIMIT_STACK allows. */
static int map_stack(struct space *space, const char *path, const struct program_args *args)
{
    size_t nr_words = args->argc + args->envc + NR_OTHER_WORDS;
    size_t nr_needed = args->nr_bytes + strlen(path) + 1 + sizeof(KERNEL_MACHINE) + RANDOM_BYTES +
                       2 * STACK_ALIGNMENT + nr_words * sizeof(uint64_t);
    size_t nr_bytes =
        MAX(nr_needed, MIN(nr_needed + STACK_BYTES_FIRST, space_limits().stack & -PAGE_SIZE));
    int64_t at;

    nr_bytes = ROUND_UP(nr_bytes, PAGE_SIZE);
    at = space_map(space, SPACE_STACK_TOP - nr_bytes, nr_bytes, AREA_READ | AREA_WRITE | AREA_GROWS,
                   SPACE_EXACT, 0);
    return at < 0 ? (int)at : 0;
}

/* Reads and checks the headers of a program, all of which is below `high`. 0 or -errno. */
static int read_headers(struct inode *file, const char *path, vaddr_t high, struct elf_image *image)
{
    char *head = kmalloc_user(HEAD_BYTES);
    const char *why;
    int64_t result;

    if (head == NULL)
        return -ENOMEM;
    result = inode_read_kernel(file, head, HEAD_BYTES, 0);
    if (result >= 0) {
        result = elf_parse(head, (size_t)result, inode_size(file), SPACE_LOWEST, high, image, &why);
        if (result != 0)
            log_warn("exec: %s: %s", path, why);
    }
    kfree(head);
    return (int)result;
}

/* S_ISGID without S_IXGRP once meant mandatory locks, and means nothing now. */
static void find_set_bits(const struct inode *file, struct image_start *start)
{
    uint32_t mode = file->mode;

    start->set_bits = mode & S_ISUID;
    if ((mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP))
        start->set_bits |= S_ISGID;
    if ((atomic_load(&file->mount->flags) & MS_NOSUID) || process_gains_nothing())
        start->set_bits = 0;
    start->uid = file->uid;
    start->gid = file->gid;
}

static int check_file(struct inode *file)
{
    if (!inode_is_regular(file) || (atomic_load(&file->mount->flags) & MS_NOEXEC))
        return -EACCES;
    return inode_may(file, MAY_EXEC);
}

static int load_file(struct space *space, struct inode *file, const char *path,
                     const struct program_args *args, struct image_start *start)
{
    struct elf_image image;
    int error;

    leave_stack_room(space);
    error = read_headers(file, path, space->highest, &image);
    find_set_bits(file, start);
    if (error == 0)
        error = map_segments(space, &image, file);
    if (error == 0)
        error = map_stack(space, path, args);
    if (error == 0)
        error = map_vdso(space);
    if (error == 0)
        error = build_stack(space, &image, path, args, start);
    if (error == 0)
        start->pc = image.entry;
    return error;
}

/* The file at `path`, which may be run, with a reference, and counted as running. 0 or -errno. */
static int open_program(struct inode *cwd, const char *path, struct inode **file)
{
    int error = path_find(cwd, path, file);

    if (error != 0)
        return error;
    error = check_file(*file);
    if (error == 0)
        error = inode_get_runner(*file);
    if (error != 0)
        inode_put(*file);
    return error;
}

/* As script_parse(). */
static int read_script(struct inode *file, struct script *script)
{
    int64_t nr_bytes = inode_read_kernel(file, script->head, SCRIPT_HEAD_BYTES, 0);

    return nr_bytes < 0 ? (int)nr_bytes : script_parse(script, (size_t)nr_bytes);
}

/*
 * Goes from scripts to the program that runs them: *file, which is a script at first. *args, which
 * is to be freed if it is not `given`, become that program's. 0 or -errno; *file is given back
 * then.
 */
static int follow_scripts(struct inode *cwd, const char *path, const struct program_args *given,
                          struct program_args *args, struct inode **file)
{
    struct script *script = kmalloc_user(sizeof(*script));
    struct inode *at = *file;
    int result = script != NULL ? 0 : -ENOMEM;

    for (unsigned depth = 0; result == 0; depth++) {
        struct program_args made;

        result = read_script(at, script);
        if (result != 0)
            break;
        result = depth < SCRIPT_DEPTH_MAX ? script_make_args(script, path, args, &made) : -ELOOP;
        if (result != 0)
            break;
        if (args->strings != given->strings)
            kfree(args->strings);
        *args = made;
        path = args->strings; /* the interpreter */
        image_put_file(at);
        result = open_program(cwd, path, &at);
        if (result != 0) {
            kfree(script);
            return result;
        }
    }
    kfree(script);
    if (result == 1) {
        *file = at;
        return 0;
    }
    image_put_file(at);
    return result;
}

int image_load(struct space *space, struct inode *cwd, const char *path,
               const struct program_args *args, struct image_start *start)
{
    struct program_args last = *args;
    struct inode *file;
    int error = open_program(cwd, path, &file);

    start->image.file = NULL;
    if (error == 0)
        error = follow_scripts(cwd, path, args, &last, &file);
    if (error == 0) {
        error = load_file(space, file, path, &last, start);
        if (error != 0)
            image_put_file(file);
        else
            start->image.file = file;
    }
    if (last.strings != args->strings)
        kfree(last.strings);
    return error;
}
