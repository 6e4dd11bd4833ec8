#ifndef DRIVERS_CONSOLE_PF2_H
#define DRIVERS_CONSOLE_PF2_H

/*
 * Bitmap fonts in the PF2 format of the GRUB boot loader. Pure: reads the font's bytes, which must
 * stay where they are, and nothing else. pf2.c has the format.
 */

#include <kernel/types.h>

/* Glyphs are drawn into cells of this size, in pixels. */
#define PF2_CELL_WIDTH  8
#define PF2_CELL_HEIGHT 16

struct pf2_font {
    const uint8_t *bytes;
    size_t nr_bytes;
    const uint8_t *index; /* nr_glyphs entries, sorted by code point */
    size_t nr_glyphs;
    int ascent; /* pixels from the top of the cell to the base line */
};

/* Reads a font's header. 0, or -EINVAL when this is no font, or a broken one. */
int pf2_open(struct pf2_font *font, const void *bytes, size_t nr_bytes) MUST_CHECK;

/*
 * Draws a character: one byte a pixel row, the leftmost pixel in bit 7. What lies outside the cell
 * is cut. Returns false, with an empty cell, when the font does not have the character.
 */
bool pf2_draw(const struct pf2_font *font, uint32_t codepoint, uint8_t rows[PF2_CELL_HEIGHT]);

#endif
