/*
 * A PF2 font is a row of sections: a name of four characters, a size (32 bits; all numbers are
 * big-endian) and the contents. "FILE" comes first and says "PFF2"; "ASCE" holds the ascent (16
 * bits); "CHIX" is the index of characters, sorted, 9 bytes each: code point (32 bits), flags (8
 * bits, 0: not compressed), offset of the glyph in the file (32 bits). "DATA" comes last and goes
 * on to the end of the file.
 *
 * A glyph is: width, height, x offset, y offset, advance (16 bits each, the last three signed), and
 * width * height bits, row by row without padding, highest bit first. Its lower left corner lies at
 * (x offset, y offset) from the point on the base line where the character begins, y upwards.
 *
 * Source of the format: the "PFF2 font format" page of the GRUB developers' manual.
 */

#include <kernel/bytes.h>
#include <kernel/errno.h>
#include <kernel/string.h>

#include "pf2.h"

enum {
    SECTION_HEADER_BYTES = 8,
    INDEX_ENTRY_BYTES = 9,
    GLYPH_HEADER_BYTES = 10,
};

/* A glyph, with its bits. */
struct glyph {
    unsigned width, height;
    int x, y;
    const uint8_t *bits;
};

static bool has_name(const uint8_t *section, const char name[4])
{
    return memcmp(section, name, 4) == 0;
}

int pf2_open(struct pf2_font *font, const void *bytes, size_t nr_bytes)
{
    const uint8_t *start = bytes;
    size_t position = 0;
    bool has_ascent = false;

    *font = (struct pf2_font){.bytes = bytes, .nr_bytes = nr_bytes};
    if (nr_bytes < SECTION_HEADER_BYTES + 4 || !has_name(start, "FILE") ||
        !has_name(start + SECTION_HEADER_BYTES, "PFF2"))
        return -EINVAL;
    while (nr_bytes - position >= SECTION_HEADER_BYTES) {
        const uint8_t *section = start + position;
        const uint8_t *contents = section + SECTION_HEADER_BYTES;
        size_t len_bytes = load_be32(section + 4);

        if (has_name(section, "DATA"))
            break;
        position += SECTION_HEADER_BYTES;
        if (len_bytes > nr_bytes - position)
            return -EINVAL;
        position += len_bytes;
        if (has_name(section, "ASCE") && len_bytes >= 2) {
            font->ascent = load_be16(contents);
            has_ascent = true;
        } else if (has_name(section, "CHIX")) {
            font->index = contents;
            font->nr_glyphs = len_bytes / INDEX_ENTRY_BYTES;
        }
    }
    return font->nr_glyphs > 0 && has_ascent ? 0 : -EINVAL;
}

/* The index entry of a character, by bisection; NULL when there is none. */
static const uint8_t *find_entry(const struct pf2_font *font, uint32_t codepoint)
{
    size_t low = 0, high = font->nr_glyphs;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const uint8_t *entry = font->index + middle * INDEX_ENTRY_BYTES;
        uint32_t found = load_be32(entry);

        if (found == codepoint)
            return entry;
        if (found < codepoint)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

static bool read_glyph(const struct pf2_font *font, const uint8_t *entry, struct glyph *glyph)
{
    uint8_t flags = entry[4];
    size_t offset = load_be32(entry + 5);
    const uint8_t *header;

    if (flags != 0 || offset > font->nr_bytes || font->nr_bytes - offset < GLYPH_HEADER_BYTES)
        return false;
    header = font->bytes + offset;
    glyph->width = load_be16(header);
    glyph->height = load_be16(header + 2);
    glyph->x = (int16_t)load_be16(header + 4);
    glyph->y = (int16_t)load_be16(header + 6);
    glyph->bits = header + GLYPH_HEADER_BYTES;
    return ((uint64_t)glyph->width * glyph->height + 7) / 8 <=
           font->nr_bytes - offset - GLYPH_HEADER_BYTES;
}

static bool glyph_pixel(const struct glyph *glyph, unsigned x, unsigned y)
{
    size_t bit = (size_t)y * glyph->width + x;

    return glyph->bits[bit / 8] >> (7 - bit % 8) & 1;
}

bool pf2_draw(const struct pf2_font *font, uint32_t codepoint, uint8_t rows[PF2_CELL_HEIGHT])
{
    const uint8_t *entry = find_entry(font, codepoint);
    struct glyph glyph;
    int top;

    memset(rows, 0, PF2_CELL_HEIGHT);
    if (entry == NULL || !read_glyph(font, entry, &glyph))
        return false;
    top = font->ascent - glyph.y - (int)glyph.height;
    for (int row = 0; row < PF2_CELL_HEIGHT; row++) {
        for (int column = 0; column < PF2_CELL_WIDTH; column++) {
            int x = column - glyph.x, y = row - top;

            if (x >= 0 && x < (int)glyph.width && y >= 0 && y < (int)glyph.height &&
                glyph_pixel(&glyph, (unsigned)x, (unsigned)y))
                rows[row] |= (uint8_t)(0x80 >> column);
        }
    }
    return true;
}
