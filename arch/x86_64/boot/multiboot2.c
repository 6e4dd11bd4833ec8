/*
 * The multiboot2 information structure (Multiboot2 Specification 2.0, section 3.6).
 *
 * The structure is 8 bytes (total size, reserved) and then a row of tags, each at a multiple of 8
 * bytes: type, size with this header, contents. We are handed it by whoever booted us, so nothing
 * in it is believed: every field is read through a bounds check at any alignment, and what makes no
 * sense is left out with a warning. A loader that lies about memory can make the kernel small; it
 * cannot make it read outside the structure.
 *
 * Reservations are the one thing that must not get lost, since handing out somebody's memory is
 * worse than having less: when their table is full, its last range is stretched over the new one.
 */

#include <kernel/bootinfo.h>
#include <kernel/bytes.h>
#include <kernel/errno.h>
#include <kernel/log.h>
#include <kernel/string.h>

enum {
    TAG_END = 0,
    TAG_CMDLINE = 1,
    TAG_LOADER_NAME = 2,
    TAG_MODULE = 3,
    TAG_BASIC_MEMORY = 4,
    TAG_MEMORY_MAP = 6,
    TAG_FRAMEBUFFER = 8,
    TAG_ELF_SECTIONS = 9,
    TAG_RSDP_OLD = 14,
    TAG_RSDP_NEW = 15,
};

enum {
    INFO_HEADER_BYTES = 8,
    TAG_HEADER_BYTES = 8,
    TAG_ALIGN = 8,
    MEMORY_ENTRY_BYTES = 24,
    MEMORY_TYPE_RAM = 1,
    FRAMEBUFFER_TYPE_RGB = 1,
    FRAMEBUFFER_TYPE_TEXT = 2,
    ELF_SECTIONS_HEADER_BYTES = 12, /* number, size of one, index of the names */
    ELF_SECTION_BYTES = 64,
    ELF_SECTION_BYTES_MAX = 1 << 24,
    ELF_SYMTAB = 2,
    RSDP_OLD_BYTES = 20,
    RSDP_NEW_BYTES = 36,
};

/* Where a text screen's memory can be: IBM VGA Technical Reference. */
#define TEXT_SCREEN_START 0xa0000
#define TEXT_SCREEN_END   0xc0000

/* The largest framebuffer side that is believed, in pixels. */
#define FRAMEBUFFER_SIDE_MAX 16384

/* The contents of one tag. */
struct tag {
    uint32_t type;
    const uint8_t *bytes;
    size_t nr_bytes;
    size_t offset; /* of `bytes` in the information structure */
};

/* What is being read, and what was seen so far. */
struct reader {
    const uint8_t *info;
    size_t nr_bytes;
    size_t position; /* of the next tag */
    paddr_t info_paddr;
    struct boot_info *out;
    struct tag memory_map;   /* nr_bytes == 0: not seen */
    struct tag basic_memory; /* as above */
    bool has_new_rsdp;
};

/* Fetches the next tag; false at the end, or where no tag can be. */
static bool next_tag(struct reader *r, struct tag *tag)
{
    size_t left = r->nr_bytes - r->position;
    const uint8_t *at = r->info + r->position;
    uint32_t tag_bytes;

    if (left < TAG_HEADER_BYTES) {
        log_warn("multiboot2: the information ends without an end tag");
        return false;
    }
    tag->type = load_le32(at);
    tag_bytes = load_le32(at + 4);
    if (tag->type == TAG_END)
        return false;
    if (tag_bytes < TAG_HEADER_BYTES || tag_bytes > left) {
        log_warn("multiboot2: tag %u has an impossible size of %u bytes; ignoring the rest",
                 tag->type, tag_bytes);
        return false;
    }
    tag->bytes = at + TAG_HEADER_BYTES;
    tag->nr_bytes = tag_bytes - TAG_HEADER_BYTES;
    tag->offset = r->position + TAG_HEADER_BYTES;
    r->position += MIN(ROUND_UP((size_t)tag_bytes, TAG_ALIGN), left);
    return true;
}

/* Copies a string that ends at its NUL or with its tag. Returns whether it fitted. */
static bool copy_string(char *to, size_t size, const uint8_t *from, size_t nr_bytes)
{
    size_t len = strnlen((const char *)from, nr_bytes);
    bool fits = len < size;

    if (!fits)
        len = size - 1;
    memcpy(to, from, len);
    to[len] = '\0';
    return fits;
}

static void add_ram(struct boot_info *out, paddr_t start, paddr_t end)
{
    if (out->nr_ram == BOOT_RANGES_MAX) {
        log_warn("multiboot2: too many memory ranges; %#llx-%#llx stays unused",
                 (unsigned long long)start, (unsigned long long)end);
        return;
    }
    out->ram[out->nr_ram++] = (struct boot_range){start, end};
}

void boot_info_reserve(struct boot_info *out, paddr_t start, paddr_t end)
{
    if (out->nr_reserved == BOOT_RANGES_MAX) {
        struct boot_range *last = &out->reserved[BOOT_RANGES_MAX - 1];

        last->start = MIN(last->start, start);
        last->end = MAX(last->end, end);
        return;
    }
    out->reserved[out->nr_reserved++] = (struct boot_range){start, end};
}

static bool overlaps_ram(const struct boot_info *out, paddr_t start, paddr_t end)
{
    for (size_t i = 0; i < out->nr_ram; i++) {
        if (start < out->ram[i].end && out->ram[i].start < end)
            return true;
    }
    return false;
}

static void read_cmdline(struct reader *r, const struct tag *tag)
{
    if (!copy_string(r->out->cmdline, BOOT_CMDLINE_MAX, tag->bytes, tag->nr_bytes))
        log_warn("multiboot2: the command line is cut after %d bytes", BOOT_CMDLINE_MAX - 1);
}

/* Copies the first word of a module's command line. */
static void copy_module_name(char name[BOOT_NAME_MAX], const struct tag *tag)
{
    copy_string(name, BOOT_NAME_MAX, tag->bytes + 8, tag->nr_bytes - 8);
    for (char *c = name; *c != '\0'; c++) {
        if (*c == ' ') {
            *c = '\0';
            break;
        }
    }
}

static void read_module(struct reader *r, const struct tag *tag)
{
    struct boot_info *out = r->out;
    struct boot_module *module;
    paddr_t start, end;

    if (tag->nr_bytes < 8) {
        log_warn("multiboot2: ignoring a module tag of %zu bytes", tag->nr_bytes);
        return;
    }
    start = load_le32(tag->bytes);
    end = load_le32(tag->bytes + 4);
    if (start >= end) {
        log_warn("multiboot2: ignoring a module at %#llx-%#llx", (unsigned long long)start,
                 (unsigned long long)end);
        return;
    }
    boot_info_reserve(out, start, end);
    if (out->nr_modules == BOOT_MODULES_MAX) {
        log_warn("multiboot2: more than %d modules; ignoring the one at %#llx", BOOT_MODULES_MAX,
                 (unsigned long long)start);
        return;
    }
    module = &out->modules[out->nr_modules++];
    module->range = (struct boot_range){start, end};
    copy_module_name(module->name, tag);
}

static bool framebuffer_mask_is_sane(const struct boot_framebuffer *fb, unsigned shift,
                                     unsigned nr_bits)
{
    return nr_bits >= 1 && nr_bits <= 16 && shift + nr_bits <= fb->bits_per_pixel;
}

static bool framebuffer_is_sane(const struct boot_framebuffer *fb)
{
    unsigned unit_bytes = fb->kind == BOOT_FB_TEXT ? 2 : (fb->bits_per_pixel + 7u) / 8;

    if (fb->width == 0 || fb->height == 0 || fb->width > FRAMEBUFFER_SIDE_MAX ||
        fb->height > FRAMEBUFFER_SIDE_MAX)
        return false;
    if (fb->pitch_bytes < fb->width * unit_bytes || fb->pitch_bytes > 8 * FRAMEBUFFER_SIDE_MAX)
        return false;
    if (fb->base == 0 || fb->base + (uint64_t)fb->pitch_bytes * fb->height < fb->base)
        return false;
    if (fb->kind == BOOT_FB_TEXT)
        return fb->base >= TEXT_SCREEN_START &&
               fb->base + (uint64_t)fb->pitch_bytes * fb->height <= TEXT_SCREEN_END;
    return fb->bits_per_pixel >= 15 && fb->bits_per_pixel <= 32 &&
           framebuffer_mask_is_sane(fb, fb->red_shift, fb->red_bits) &&
           framebuffer_mask_is_sane(fb, fb->green_shift, fb->green_bits) &&
           framebuffer_mask_is_sane(fb, fb->blue_shift, fb->blue_bits);
}

static void read_framebuffer(struct reader *r, const struct tag *tag)
{
    const uint8_t *bytes = tag->bytes;
    struct boot_framebuffer fb = {.kind = BOOT_FB_NONE};
    unsigned type;

    if (tag->nr_bytes < 24) {
        log_warn("multiboot2: ignoring a framebuffer tag of %zu bytes", tag->nr_bytes);
        return;
    }
    fb.base = load_le64(bytes);
    fb.pitch_bytes = load_le32(bytes + 8);
    fb.width = load_le32(bytes + 12);
    fb.height = load_le32(bytes + 16);
    fb.bits_per_pixel = bytes[20];
    type = bytes[21];
    if (type == FRAMEBUFFER_TYPE_TEXT) {
        fb.kind = BOOT_FB_TEXT;
    } else if (type == FRAMEBUFFER_TYPE_RGB && tag->nr_bytes >= 30) {
        fb.kind = BOOT_FB_RGB;
        fb.red_shift = bytes[24];
        fb.red_bits = bytes[25];
        fb.green_shift = bytes[26];
        fb.green_bits = bytes[27];
        fb.blue_shift = bytes[28];
        fb.blue_bits = bytes[29];
    }
    if (fb.kind == BOOT_FB_NONE || !framebuffer_is_sane(&fb)) {
        log_warn("multiboot2: no use for a framebuffer of type %u, %ux%u, %u bits", type, fb.width,
                 fb.height, fb.bits_per_pixel);
        return;
    }
    r->out->framebuffer = fb;
}

/* The RSDP is a copy that lies inside the information structure. The new kind is preferred. */
static void read_rsdp(struct reader *r, const struct tag *tag)
{
    bool is_new = tag->type == TAG_RSDP_NEW;

    if (tag->nr_bytes < (is_new ? RSDP_NEW_BYTES : RSDP_OLD_BYTES)) {
        log_warn("multiboot2: ignoring an RSDP of %zu bytes", tag->nr_bytes);
        return;
    }
    if (is_new || !r->has_new_rsdp)
        r->out->rsdp = r->info_paddr + tag->offset;
    r->has_new_rsdp |= is_new;
}

/* A section header of the kernel's ELF file (gABI 4.1, figure 4-8), as far as it matters here. */
static const uint8_t *elf_section(const struct tag *tag, uint32_t index)
{
    uint32_t nr = load_le32(tag->bytes);

    if (index >= nr || nr > (tag->nr_bytes - ELF_SECTIONS_HEADER_BYTES) / ELF_SECTION_BYTES)
        return NULL;
    return tag->bytes + ELF_SECTIONS_HEADER_BYTES + index * ELF_SECTION_BYTES;
}

/* Where the loader put a section; empty when it makes no sense. */
static struct boot_range elf_section_range(const uint8_t *section)
{
    paddr_t start = section != NULL ? load_le64(section + 16) : 0;
    uint64_t nr_bytes = section != NULL ? load_le64(section + 32) : 0;

    if (start == 0 || nr_bytes == 0 || nr_bytes > ELF_SECTION_BYTES_MAX ||
        start > UINT32_MAX - nr_bytes)
        return (struct boot_range){0, 0};
    return (struct boot_range){start, start + nr_bytes};
}

/* The kernel's symbol table and its string table, which its header links to. */
static void read_elf_sections(struct reader *r, const struct tag *tag)
{
    if (tag->nr_bytes < ELF_SECTIONS_HEADER_BYTES || load_le32(tag->bytes + 4) != ELF_SECTION_BYTES)
        return;
    for (uint32_t i = 0; elf_section(tag, i) != NULL; i++) {
        const uint8_t *section = elf_section(tag, i);
        struct boot_range symbols = elf_section_range(section);
        struct boot_range names = elf_section_range(elf_section(tag, load_le32(section + 40)));

        if (load_le32(section + 4) != ELF_SYMTAB || symbols.end == 0 || names.end == 0)
            continue;
        r->out->symbols = symbols;
        r->out->symbol_names = names;
        boot_info_reserve(r->out, symbols.start, symbols.end);
        boot_info_reserve(r->out, names.start, names.end);
    }
}

static void read_tag(struct reader *r, const struct tag *tag)
{
    switch (tag->type) {
    case TAG_CMDLINE:
        read_cmdline(r, tag);
        break;
    case TAG_LOADER_NAME:
        copy_string(r->out->loader, BOOT_NAME_MAX, tag->bytes, tag->nr_bytes);
        break;
    case TAG_MODULE:
        read_module(r, tag);
        break;
    case TAG_BASIC_MEMORY:
        r->basic_memory = *tag;
        break;
    case TAG_MEMORY_MAP:
        r->memory_map = *tag;
        break;
    case TAG_FRAMEBUFFER:
        read_framebuffer(r, tag);
        break;
    case TAG_ELF_SECTIONS:
        read_elf_sections(r, tag);
        break;
    case TAG_RSDP_OLD:
    case TAG_RSDP_NEW:
        read_rsdp(r, tag);
        break;
    }
}

/*
 * One pass over the entries of the memory map: those that are RAM, or those that are not. An entry
 * of RAM that wraps is nonsense; any other that wraps reaches to the end of memory.
 */
static void read_memory_entries(struct boot_info *out, const struct tag *map, bool want_ram)
{
    size_t entry_bytes = load_le32(map->bytes);
    const uint8_t *entry = map->bytes + 8;

    for (size_t left = map->nr_bytes - 8; left >= entry_bytes; left -= entry_bytes) {
        paddr_t start = load_le64(entry);
        paddr_t end = start + load_le64(entry + 8);
        bool is_ram = load_le32(entry + 16) == MEMORY_TYPE_RAM;

        entry += entry_bytes;
        if (is_ram != want_ram || start == end)
            continue;
        if (is_ram && end < start) {
            log_warn("multiboot2: ignoring memory at %#llx that wraps", (unsigned long long)start);
            continue;
        }
        if (end < start)
            end = UINT64_MAX;
        if (is_ram)
            add_ram(out, start, end);
        else if (overlaps_ram(out, start, end))
            boot_info_reserve(out, start, end);
    }
}

static void read_memory_map(struct reader *r)
{
    const struct tag *map = &r->memory_map;
    uint32_t entry_bytes;

    if (map->nr_bytes < 8)
        return;
    entry_bytes = load_le32(map->bytes);
    if (entry_bytes < MEMORY_ENTRY_BYTES || entry_bytes > map->nr_bytes) {
        log_warn("multiboot2: memory map with entries of %u bytes", entry_bytes);
        return;
    }
    read_memory_entries(r->out, map, true);
    read_memory_entries(r->out, map, false);
}

/* KiB below 1 MiB, and KiB from 1 MiB up to the first hole: less than the map, better than none. */
static void read_basic_memory(struct reader *r)
{
    const struct tag *basic = &r->basic_memory;

    if (basic->nr_bytes < 8)
        return;
    log_warn("multiboot2: no usable memory map; using the basic memory sizes");
    add_ram(r->out, 0, MIN(KIB(load_le32(basic->bytes)), KIB(640)));
    add_ram(r->out, MIB(1), MIB(1) + KIB(load_le32(basic->bytes + 4)));
}

int multiboot2_parse(const void *info, size_t nr_bytes, paddr_t info_paddr, struct boot_info *out)
{
    struct reader r = {.info = info, .info_paddr = info_paddr, .out = out};
    uint32_t total_bytes;
    struct tag tag;

    memset(out, 0, sizeof(*out));
    if (nr_bytes < INFO_HEADER_BYTES + TAG_HEADER_BYTES)
        return -EINVAL;
    total_bytes = load_le32(info);
    if (total_bytes < INFO_HEADER_BYTES + TAG_HEADER_BYTES)
        return -EINVAL;
    if (total_bytes > nr_bytes)
        log_warn("multiboot2: %u bytes of information, only %zu of them readable", total_bytes,
                 nr_bytes);
    r.nr_bytes = MIN((size_t)total_bytes, nr_bytes);
    r.position = INFO_HEADER_BYTES;

    boot_info_reserve(out, info_paddr, info_paddr + r.nr_bytes);
    while (next_tag(&r, &tag))
        read_tag(&r, &tag);
    read_memory_map(&r);
    if (out->nr_ram == 0)
        read_basic_memory(&r);
    return 0;
}
