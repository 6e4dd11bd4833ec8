/*
 * The ELF reader: good programs are understood, each way of being bad is refused with its reason,
 * and whatever bytes come, nothing outside the file is read and nothing accepted is dangerous.
 */

#include "host_test.h"

#include <errno.h>

#include <linux/elf.h>
#include <proc/elf.h>

/* User memory, as far as programs may be loaded into it. */
#define LOW  0x10000ull
#define HIGH 0x7fffff7fe000ull

#define FILE_MAX    65536
#define NR_SEGMENTS 4

struct file {
    size_t nr_bytes;
    uint8_t bytes[FILE_MAX];
};

static Elf64_Ehdr *header_of(struct file *f)
{
    return (Elf64_Ehdr *)f->bytes;
}

static Elf64_Phdr *segment_of(struct file *f, unsigned i)
{
    return (Elf64_Phdr *)(f->bytes + sizeof(Elf64_Ehdr)) + i;
}

static void put_header(struct file *f, unsigned nr_phdrs, uint64_t entry)
{
    *header_of(f) = (Elf64_Ehdr){
        .e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
        .e_type = ET_EXEC,
        .e_machine = EM_X86_64,
        .e_version = EV_CURRENT,
        .e_entry = entry,
        .e_phoff = sizeof(Elf64_Ehdr),
        .e_ehsize = sizeof(Elf64_Ehdr),
        .e_phentsize = sizeof(Elf64_Phdr),
        .e_phnum = (Elf64_Half)nr_phdrs,
    };
}

/* A program as the linker makes them: code with the headers, constants, data with a tail of zeroes,
 * and a note for the stack. */
static void build(struct file *f)
{
    memset(f, 0, sizeof(*f));
    put_header(f, NR_SEGMENTS, 0x400200);
    *segment_of(f, 0) = (Elf64_Phdr){.p_type = PT_LOAD,
                                     .p_flags = PF_R | PF_X,
                                     .p_vaddr = 0x400000,
                                     .p_filesz = 0x1234,
                                     .p_memsz = 0x1234};
    *segment_of(f, 1) = (Elf64_Phdr){.p_type = PT_LOAD,
                                     .p_flags = PF_R,
                                     .p_offset = 0x1240,
                                     .p_vaddr = 0x402240,
                                     .p_filesz = 0x100,
                                     .p_memsz = 0x100};
    *segment_of(f, 2) = (Elf64_Phdr){.p_type = PT_LOAD,
                                     .p_flags = PF_R | PF_W,
                                     .p_offset = 0x1340,
                                     .p_vaddr = 0x403340,
                                     .p_filesz = 0x80,
                                     .p_memsz = 0x9000};
    *segment_of(f, 3) = (Elf64_Phdr){.p_type = PT_GNU_STACK, .p_flags = PF_R | PF_W};
    f->nr_bytes = 0x13c0;
}

/*
 * Parses a copy that ends where its memory ends, so that ASan sees a read beyond it, and that
 * starts at an odd address, so that UBSan sees who relies on alignment.
 */
static int parse(const struct file *f, struct elf_image *image, const char **why)
{
    uint8_t *copy = malloc(f->nr_bytes + 1);
    int result;

    memcpy(copy + 1, f->bytes, f->nr_bytes);
    result = elf_parse(copy + 1, f->nr_bytes, f->nr_bytes, LOW, HIGH, image, why);
    free(copy);
    return result;
}

/* ---- What is accepted ----------------------------------------------------------------------- */

static void a_program_is_understood(void **state)
{
    struct elf_image image;
    struct file f;
    const char *why;

    build(&f);
    assert_int_equal(parse(&f, &image, &why), 0);
    assert_int_equal(image.entry, 0x400200);
    assert_int_equal(image.nr_phdrs, NR_SEGMENTS);
    assert_int_equal(image.phdr_va, 0x400000 + sizeof(Elf64_Ehdr));
    assert_int_equal(image.nr_segments, 3);
    assert_true(image.segments[0].is_executable && !image.segments[0].is_writable);
    assert_true(!image.segments[1].is_executable && !image.segments[1].is_writable);
    assert_true(!image.segments[2].is_executable && image.segments[2].is_writable);
    assert_int_equal(image.segments[2].va, 0x403340);
    assert_int_equal(image.segments[2].nr_bytes, 0x9000);
    assert_int_equal(image.segments[2].file_offset, 0x1340);
    assert_int_equal(image.segments[2].nr_file_bytes, 0x80);
}

static void headers_outside_every_segment_are_nowhere_in_memory(void **state)
{
    struct elf_image image;
    struct file f;
    const char *why;

    build(&f);
    memcpy(f.bytes + f.nr_bytes, segment_of(&f, 0), NR_SEGMENTS * sizeof(Elf64_Phdr));
    header_of(&f)->e_phoff = f.nr_bytes;
    f.nr_bytes += NR_SEGMENTS * sizeof(Elf64_Phdr);
    assert_int_equal(parse(&f, &image, &why), 0);
    assert_int_equal(image.phdr_va, 0);
}

/* ---- What is refused ------------------------------------------------------------------------ */

/* One field gets another value; `reason` is part of what elf_parse() then says; NULL: still good.
 */
struct change {
    const char *what;
    size_t offset, nr_bytes;
    uint64_t value;
    const char *reason;
};

#define FIELD_BYTES(type, field) sizeof(((type *)0)->field)
#define HEADER(field)            offsetof(Elf64_Ehdr, field), FIELD_BYTES(Elf64_Ehdr, field)
#define SEGMENT(i, field)                                                                          \
    sizeof(Elf64_Ehdr) + (i) * sizeof(Elf64_Phdr) + offsetof(Elf64_Phdr, field),                   \
        FIELD_BYTES(Elf64_Phdr, field)
#define IDENT(i) offsetof(Elf64_Ehdr, e_ident) + (i), 1

static const struct change changes[] = {
    /* The header. */
    {"the magic number is wrong", IDENT(0), 0x7e, "not an ELF"},
    {"the last letter of the magic number is wrong", IDENT(3), 'f', "not an ELF"},
    {"it is a 32-bit file", IDENT(EI_CLASS), ELFCLASS32, "64-bit x86"},
    {"it is a big-endian file", IDENT(EI_DATA), ELFDATA2MSB, "64-bit x86"},
    {"it is for another machine", HEADER(e_machine), 183, "64-bit x86"},
    {"the version in the first bytes is unknown", IDENT(EI_VERSION), 2, "version"},
    {"the version of the header is unknown", HEADER(e_version), 0, "version"},
    {"the operating system is not ours to judge", IDENT(EI_OSABI), 3, NULL},
    {"it is an object file", HEADER(e_type), ET_REL, "not an executable"},
    {"it is position-independent", HEADER(e_type), ET_DYN, NULL},
    {"it is a core dump", HEADER(e_type), ET_CORE, "not an executable"},
    {"program headers have another size", HEADER(e_phentsize), 32, "no program headers"},
    {"there are no program headers", HEADER(e_phnum), 0, "no program headers"},
    {"one program header too many for the file", HEADER(e_phnum), 90, "outside the file"},
    {"as many program headers as can be", HEADER(e_phnum), 0xffff, "outside the file"},
    {"program headers end one byte after the file", HEADER(e_phoff), 0x13c0 - 4 * 56 + 1,
     "outside the file"},
    {"program headers start at the end of the file", HEADER(e_phoff), 0x13c0, "outside the file"},
    {"program headers start behind the file", HEADER(e_phoff), 0x13c1, "outside the file"},
    {"the end of the program headers wraps around", HEADER(e_phoff), -8ull, "outside the file"},
    {"section headers do not matter", HEADER(e_shoff), -1ull, NULL},

    /* The entry point. */
    {"it starts at the first byte of code", HEADER(e_entry), 0x400000, NULL},
    {"it starts at the last byte of code", HEADER(e_entry), 0x401233, NULL},
    {"it starts just behind the code", HEADER(e_entry), 0x401234, "entry point"},
    {"it starts just before the code", HEADER(e_entry), 0x3fffff, "entry point"},
    {"it starts at 0", HEADER(e_entry), 0, "entry point"},
    {"it starts in constants", HEADER(e_entry), 0x402280, "entry point"},
    {"it starts in data", HEADER(e_entry), 0x403400, "entry point"},
    {"it starts in the kernel", HEADER(e_entry), 0xffffffff80000000, "entry point"},

    /* Kinds of segments. */
    {"it wants a dynamic linker", SEGMENT(3, p_type), PT_INTERP, "dynamically"},
    {"an unknown kind of segment does not matter", SEGMENT(3, p_type), 0x12345678, NULL},
    {"nor does one to load that is empty", SEGMENT(3, p_type), PT_LOAD, NULL},
    {"the code is not to be loaded", SEGMENT(0, p_type), PT_NOTE, "entry point"},

    /* Where a segment is in the file. */
    {"it is larger in the file than in memory", SEGMENT(1, p_memsz), 0xff, "larger in the file"},
    {"the last byte is behind the file", SEGMENT(2, p_filesz), 0x81, "outside the file"},
    {"all of it is behind the file", SEGMENT(2, p_offset), 0x2340, "outside the file"},
    {"the end in the file wraps around", SEGMENT(2, p_offset), -0xcc0ull, "outside the file"},
    {"it needs more file than there can be", SEGMENT(2, p_filesz), -1ull, "larger in the file"},
    {"address and offset differ within the page", SEGMENT(1, p_vaddr), 0x402241, "congruent"},
    {"data of zeroes only is good", SEGMENT(2, p_filesz), 0, NULL},

    /* Where a segment is in memory. */
    {"it is below user memory", SEGMENT(0, p_vaddr), LOW - 0x1000, "outside user memory"},
    {"it is at 0", SEGMENT(0, p_vaddr), 0, "outside user memory"},
    {"it is in the kernel", SEGMENT(2, p_vaddr), 0xffffffff80403340, "outside user memory"},
    {"it starts behind user memory", SEGMENT(2, p_vaddr), HIGH + 0x340, "outside user memory"},
    {"it reaches to the end of user memory", SEGMENT(2, p_memsz), HIGH - 0x403340, NULL},
    {"it reaches a byte beyond", SEGMENT(2, p_memsz), HIGH - 0x403340 + 1, "outside user memory"},
    {"its end wraps around", SEGMENT(2, p_memsz), -0x1000ull, "outside user memory"},

    /* Permissions, and one segment beside another. */
    {"code can be written", SEGMENT(0, p_flags), PF_R | PF_W | PF_X, "writable and executable"},
    {"code cannot be executed", SEGMENT(0, p_flags), PF_R, "entry point"},
    {"two share a page", SEGMENT(1, p_vaddr), 0x401240, "share a page"},
    {"they are out of order", SEGMENT(1, p_vaddr), 0x404240, "out of order"},
    {"one is within the other", SEGMENT(0, p_memsz), 0x10000, "overlap"},
    {"one ends where the next one's page starts", SEGMENT(0, p_memsz), 0x2000, NULL},
    {"one ends a byte later", SEGMENT(0, p_memsz), 0x2001, "share a page"},
};

static void each_wrong_field_is_refused_with_its_reason(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
        const struct change *c = &changes[i];
        struct elf_image image;
        struct file f;
        const char *why;
        int result;

        build(&f);
        memcpy(f.bytes + c->offset, &c->value, c->nr_bytes);
        result = parse(&f, &image, &why);
        if (!c->reason && result != 0)
            fail_msg("%s: refused: %s", c->what, why);
        if (c->reason && result != -ENOEXEC)
            fail_msg("%s: answers %d", c->what, result);
        if (c->reason && !strstr(why, c->reason))
            fail_msg("%s: says \"%s\"", c->what, why);
    }
}

static void a_file_that_is_cut_anywhere_is_refused(void **state)
{
    struct file f;

    build(&f);
    while (f.nr_bytes-- > 0) {
        struct elf_image image;
        const char *why;

        assert_int_equal(parse(&f, &image, &why), -ENOEXEC);
        assert_non_null(why);
    }
}

static void there_are_as_many_segments_as_the_image_has_room_for(void **state)
{
    for (unsigned nr = 1; nr < ELF_SEGMENTS_MAX + 3; nr++) {
        struct elf_image image;
        struct file f;
        const char *why;

        memset(&f, 0, sizeof(f));
        put_header(&f, nr, 0x400000);
        for (unsigned i = 0; i < nr; i++)
            *segment_of(&f, i) = (Elf64_Phdr){.p_type = PT_LOAD,
                                              .p_flags = PF_R | PF_X,
                                              .p_vaddr = 0x400000 + i * PAGE_SIZE,
                                              .p_memsz = PAGE_SIZE};
        f.nr_bytes = sizeof(Elf64_Ehdr) + nr * sizeof(Elf64_Phdr);
        assert_int_equal(parse(&f, &image, &why), nr <= ELF_SEGMENTS_MAX ? 0 : -ENOEXEC);
        if (nr > ELF_SEGMENTS_MAX)
            assert_non_null(strstr(why, "too many"));
        else
            assert_int_equal(image.nr_segments, nr);
    }
}

/* ---- Anything ------------------------------------------------------------------------------- */

static void check_segment(const struct elf_segment *s, const struct file *f)
{
    assert_true(s->nr_bytes > 0);
    assert_true(s->nr_file_bytes <= s->nr_bytes);
    assert_true(s->file_offset <= f->nr_bytes);
    assert_true(s->nr_file_bytes <= f->nr_bytes - s->file_offset);
    assert_true(s->va >= LOW && s->va < HIGH);
    assert_true(s->nr_bytes <= HIGH - s->va);
    assert_int_equal(s->va % PAGE_SIZE, s->file_offset % PAGE_SIZE);
    assert_false(s->is_writable && s->is_executable);
}

/* Whether [va, va + nr_bytes) is within the first `size` bytes of the segment. */
static bool contains(const struct elf_segment *s, size_t size, uint64_t va, uint64_t nr_bytes)
{
    return va >= s->va && va - s->va < size && nr_bytes <= size - (va - s->va);
}

/* All that proc/elf.h promises of an image. */
static void check_image(const struct elf_image *image, const struct file *f)
{
    uint64_t phdrs_bytes = image->nr_phdrs * sizeof(Elf64_Phdr);
    bool entry_is_good = false, phdrs_are_good = image->phdr_va == 0;

    assert_in_range(image->nr_segments, 1, ELF_SEGMENTS_MAX);
    for (unsigned i = 0; i < image->nr_segments; i++) {
        const struct elf_segment *s = &image->segments[i];

        check_segment(s, f);
        if (i > 0)
            assert_true((s[-1].va + s[-1].nr_bytes - 1) / PAGE_SIZE < s->va / PAGE_SIZE);
        if (s->is_executable && contains(s, s->nr_bytes, image->entry, 1))
            entry_is_good = true;
        if (contains(s, s->nr_file_bytes, image->phdr_va, phdrs_bytes)) {
            const uint8_t *phdrs = f->bytes + s->file_offset + (image->phdr_va - s->va);
            const Elf64_Ehdr *h = (const Elf64_Ehdr *)f->bytes;

            assert_ptr_equal(phdrs, f->bytes + h->e_phoff);
            phdrs_are_good = true;
        }
    }
    assert_true(entry_is_good);
    assert_true(phdrs_are_good);
}

/* Numbers at which checks go wrong: around what the file has, limits of memory, of the type. */
static uint64_t interesting_number(const struct file *f, struct rng *rng)
{
    const uint64_t numbers[] = {0,
                                1,
                                f->nr_bytes,
                                PAGE_SIZE,
                                LOW,
                                HIGH,
                                1ull << 63,
                                1ull << 32,
                                0x400000,
                                0x403340,
                                -0x1000ull,
                                -0x403340ull,
                                ELF_SEGMENTS_MAX};
    uint64_t number = numbers[rng_below(rng, ARRAY_LEN(numbers))];

    if (rng_one_in(rng, 2))
        number += (rng_below(rng, 5) - 2) << (rng_one_in(rng, 2) ? PAGE_SHIFT : 0);
    return number;
}

/* Changes something in the headers, where `f` has them at the usual place. */
static void mutate_field(struct file *f, struct rng *rng)
{
    unsigned nr_phdrs = MAX(1u, MIN(header_of(f)->e_phnum, 16u));
    Elf64_Phdr *p = segment_of(f, (unsigned)rng_below(rng, nr_phdrs));
    Elf64_Phdr *other = segment_of(f, (unsigned)rng_below(rng, nr_phdrs));
    uint64_t number = interesting_number(f, rng);

    switch (rng_below(rng, 12)) {
    case 0:
        header_of(f)->e_entry = number;
        break;
    case 1:
        header_of(f)->e_phoff = number;
        break;
    case 2:
        header_of(f)->e_phnum = (Elf64_Half)number;
        break;
    case 3:
        p->p_offset = number;
        break;
    case 4:
        p->p_vaddr = number;
        break;
    case 5:
        p->p_filesz = number;
        break;
    case 6:
        p->p_memsz = number;
        break;
    case 7:
        p->p_flags = (Elf64_Word)rng_below(rng, 8);
        break;
    case 8:
        p->p_type = rng_one_in(rng, 4) ? PT_NOTE : PT_LOAD;
        break;
    case 9:
        *p = *other;
        break;
    case 10:
        p->p_vaddr += PAGE_SIZE * (rng_below(rng, 9) - 4);
        break;
    default:
        f->bytes[rng_below(rng, sizeof(Elf64_Ehdr) + nr_phdrs * sizeof(Elf64_Phdr))] =
            (uint8_t)rng_next(rng);
    }
}

static void fuzz(const struct file *original, uint64_t nr_seeds)
{
    unsigned nr_accepted = 0;

    for (uint64_t seed = 0; seed < nr_seeds; seed++) {
        struct rng rng = {seed};
        struct elf_image image;
        struct file f;
        const char *why;
        int result;

        f.nr_bytes = original->nr_bytes;
        memcpy(f.bytes, original->bytes, f.nr_bytes);
        for (uint64_t n = rng_between(&rng, 1, 3); n > 0; n--)
            mutate_field(&f, &rng);
        if (rng_one_in(&rng, 8))
            f.nr_bytes = rng_below(&rng, f.nr_bytes + 1);
        result = parse(&f, &image, &why);
        if (result == 0) {
            check_image(&image, &f);
            nr_accepted++;
        } else {
            assert_int_equal(result, -ENOEXEC);
            assert_non_null(why);
        }
    }
    /* Both happen often: the changes are neither all harmless nor all fatal. */
    assert_in_range(nr_accepted, nr_seeds / 20, nr_seeds - nr_seeds / 20);
}

static void whatever_is_accepted_is_safe(void **state)
{
    struct file f;

    build(&f);
    fuzz(&f, 100000);
}

/*
 * The same from a program that the linker made, where the build has one. Its debug information,
 * which comes last, may be cut off.
 */
static void whatever_is_accepted_of_a_real_program_is_safe(void **state)
{
    FILE *stream = fopen(NATIVE_PROGRAM, "rb");
    struct elf_image image;
    struct file f;
    const char *why;

    if (!stream)
        skip();
    memset(&f, 0, sizeof(f));
    f.nr_bytes = fread(f.bytes, 1, sizeof(f.bytes), stream);
    fclose(stream);
    assert_int_equal(parse(&f, &image, &why), 0);
    check_image(&image, &f);
    fuzz(&f, 20000);
}

/* Programs that keep every rule, with any number of segments of any size, are all accepted. */
static void every_program_that_keeps_the_rules_is_accepted(void **state)
{
    for (uint64_t seed = 0; seed < 20000; seed++) {
        struct rng rng = {seed};
        unsigned nr = (unsigned)rng_between(&rng, 1, ELF_SEGMENTS_MAX);
        unsigned code = (unsigned)rng_below(&rng, nr);
        uint64_t next_page = LOW;
        struct elf_image image;
        struct file f;
        const char *why;

        memset(&f, 0, sizeof(f));
        f.nr_bytes = rng_between(&rng, 2000, 20000);
        put_header(&f, nr, 0);
        for (unsigned i = 0; i < nr; i++) {
            Elf64_Phdr *p = segment_of(&f, i);

            p->p_type = PT_LOAD;
            p->p_flags = i == code ? PF_R | PF_X : (Elf64_Word)rng_below(&rng, 2) * PF_W | PF_R;
            p->p_offset = rng_below(&rng, f.nr_bytes);
            p->p_filesz = rng_below(&rng, f.nr_bytes - p->p_offset + 1);
            p->p_memsz = p->p_filesz + rng_between(&rng, 1, 3 * PAGE_SIZE);
            p->p_vaddr = next_page + rng_below(&rng, 3) * PAGE_SIZE + p->p_offset % PAGE_SIZE;
            next_page = ROUND_UP(p->p_vaddr + p->p_memsz, PAGE_SIZE);
        }
        header_of(&f)->e_entry = segment_of(&f, code)->p_vaddr;
        if (parse(&f, &image, &why) != 0)
            fail_msg("seed %llu: refused: %s", (unsigned long long)seed, why);
        assert_int_equal(image.nr_segments, nr);
        check_image(&image, &f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_program_is_understood),
        cmocka_unit_test(headers_outside_every_segment_are_nowhere_in_memory),
        cmocka_unit_test(each_wrong_field_is_refused_with_its_reason),
        cmocka_unit_test(a_file_that_is_cut_anywhere_is_refused),
        cmocka_unit_test(there_are_as_many_segments_as_the_image_has_room_for),
        cmocka_unit_test(whatever_is_accepted_is_safe),
        cmocka_unit_test(whatever_is_accepted_of_a_real_program_is_safe),
        cmocka_unit_test(every_program_that_keeps_the_rules_is_accepted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
