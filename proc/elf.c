/*
 * Static ELF64 executables. Those that are position-independent ("static PIE") move to where Linux
 * would have them, without a random part, and relocate themselves.
 *
 * Nothing in the file is believed: every offset and size is checked against the file's size and the
 * limits of user memory before it is used, in a way that cannot overflow. Headers are copied out,
 * since nothing says that they are aligned.
 */

#include <kernel/errno.h>
#include <kernel/string.h>
#include <linux/elf.h>
#include <proc/elf.h>

/* Two thirds of user memory (Linux: ELF_ET_DYN_BASE). */
#define PIE_BASE 0x555555554000ull

static int refuse(const char **why, const char *reason)
{
    *why = reason;
    return -ENOEXEC;
}

static int check_header(const Elf64_Ehdr *h, size_t nr_head_bytes, size_t nr_bytes,
                        const char **why)
{
    if (memcmp(h->e_ident, ELFMAG, SELFMAG) != 0)
        return refuse(why, "not an ELF file");
    if (h->e_ident[EI_CLASS] != ELFCLASS64 || h->e_ident[EI_DATA] != ELFDATA2LSB ||
        h->e_machine != EM_X86_64)
        return refuse(why, "not for 64-bit x86");
    if (h->e_ident[EI_VERSION] != EV_CURRENT || h->e_version != EV_CURRENT)
        return refuse(why, "unknown ELF version");
    if (h->e_type != ET_EXEC && h->e_type != ET_DYN)
        return refuse(why, "not an executable");
    if (h->e_phentsize != sizeof(Elf64_Phdr) || h->e_phnum == 0)
        return refuse(why, "no program headers");
    if (h->e_phoff > nr_bytes || h->e_phnum > (nr_bytes - h->e_phoff) / sizeof(Elf64_Phdr))
        return refuse(why, "program headers outside the file");
    if (h->e_phoff + h->e_phnum * sizeof(Elf64_Phdr) > nr_head_bytes)
        return refuse(why, "program headers too far behind the start of the file");
    return 0;
}

static int check_segment(const Elf64_Phdr *p, size_t nr_bytes, vaddr_t low, vaddr_t high,
                         const char **why)
{
    if (p->p_filesz > p->p_memsz)
        return refuse(why, "segment larger in the file than in memory");
    if (p->p_offset > nr_bytes || p->p_filesz > nr_bytes - p->p_offset)
        return refuse(why, "segment outside the file");
    if (p->p_vaddr < low || p->p_vaddr >= high || p->p_memsz > high - p->p_vaddr)
        return refuse(why, "segment outside user memory");
    if ((p->p_vaddr ^ p->p_offset) & (PAGE_SIZE - 1))
        return refuse(why, "segment's address and file offset are not congruent");
    if ((p->p_flags & PF_W) && (p->p_flags & PF_X))
        return refuse(why, "segment both writable and executable");
    return 0;
}

/* Appends a segment; they have to come in the order of their addresses (gABI, chapter 5). */
static int add_segment(struct elf_image *image, const Elf64_Phdr *p, const char **why)
{
    struct elf_segment *s = &image->segments[image->nr_segments];

    if (image->nr_segments == ELF_SEGMENTS_MAX)
        return refuse(why, "too many segments");
    if (image->nr_segments > 0) {
        const struct elf_segment *last = s - 1;

        if (ROUND_DOWN(p->p_vaddr, PAGE_SIZE) < ROUND_UP(last->va + last->nr_bytes, PAGE_SIZE))
            return refuse(why, "segments overlap, share a page, or are out of order");
    }
    *s = (struct elf_segment){
        .va = p->p_vaddr,
        .nr_bytes = p->p_memsz,
        .file_offset = p->p_offset,
        .nr_file_bytes = p->p_filesz,
        .is_writable = p->p_flags & PF_W,
        .is_executable = p->p_flags & PF_X,
    };
    image->nr_segments++;
    return 0;
}

static int read_segments(const unsigned char *head, size_t nr_bytes, const Elf64_Ehdr *h,
                         vaddr_t low, vaddr_t high, struct elf_image *image, const char **why)
{
    for (unsigned i = 0; i < h->e_phnum; i++) {
        Elf64_Phdr p;
        int error;

        memcpy(&p, head + h->e_phoff + i * sizeof(p), sizeof(p));
        if (h->e_type == ET_DYN && p.p_vaddr < high)
            p.p_vaddr += PIE_BASE;
        if (p.p_type == PT_INTERP)
            return refuse(why, "dynamically linked: link it statically");
        if (p.p_type != PT_LOAD || p.p_memsz == 0)
            continue;
        error = check_segment(&p, nr_bytes, low, high, why);
        if (error == 0)
            error = add_segment(image, &p, why);
        if (error != 0)
            return error;
    }
    return image->nr_segments > 0 ? 0 : refuse(why, "nothing to load");
}

static bool entry_is_executable(const struct elf_image *image)
{
    for (unsigned i = 0; i < image->nr_segments; i++) {
        const struct elf_segment *s = &image->segments[i];

        if (s->is_executable && image->entry >= s->va && image->entry - s->va < s->nr_bytes)
            return true;
    }
    return false;
}

/* Where the program headers, which are part of the file, end up in memory. */
static vaddr_t find_phdrs(const struct elf_image *image, size_t offset, size_t nr_bytes)
{
    for (unsigned i = 0; i < image->nr_segments; i++) {
        const struct elf_segment *s = &image->segments[i];

        if (offset >= s->file_offset && offset - s->file_offset < s->nr_file_bytes &&
            nr_bytes <= s->nr_file_bytes - (offset - s->file_offset))
            return s->va + (offset - s->file_offset);
    }
    return 0;
}

int elf_parse(const void *head, size_t nr_head_bytes, size_t nr_bytes, vaddr_t low, vaddr_t high,
              struct elf_image *image, const char **why)
{
    Elf64_Ehdr h;
    int error;

    memset(image, 0, sizeof(*image));
    *why = NULL;
    if (nr_head_bytes < sizeof(h))
        return refuse(why, "too short");
    memcpy(&h, head, sizeof(h));
    error = check_header(&h, nr_head_bytes, nr_bytes, why);
    if (error == 0)
        error = read_segments(head, nr_bytes, &h, low, high, image, why);
    if (error != 0)
        return error;
    image->entry = h.e_entry + (h.e_type == ET_DYN ? PIE_BASE : 0);
    if (!entry_is_executable(image))
        return refuse(why, "entry point not in executable memory");
    image->nr_phdrs = h.e_phnum;
    image->phdr_va = find_phdrs(image, h.e_phoff, h.e_phnum * sizeof(Elf64_Phdr));
    return 0;
}
