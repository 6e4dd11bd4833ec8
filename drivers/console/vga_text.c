/*
 * VGA text mode: two bytes a cell, a character of code page 437 and its colours, and a cursor that
 * the hardware draws.
 *
 * Source: IBM VGA; register numbers as in the "FreeVGA" hardware documentation.
 */

#include <arch/io.h>

#include "backends.h"

#define CRTC_INDEX          0x3d4
#define CRTC_DATA           0x3d5
#define CRTC_CURSOR_HIGH    0x0e
#define CRTC_CURSOR_LOW     0x0f
#define CODE_PAGE_FIRST_ODD 0x7f
#define CODE_PAGE_UNKNOWN   0xfe /* a small square */

static volatile uint16_t *text; /* NULL: the memory cannot be reached any more */
static unsigned pitch_cells;

/* Characters beyond ASCII that terminal programs draw with. */
static const struct {
    uint16_t codepoint;
    uint8_t code;
} code_page_437[] = {
    {0x2190, 0x1b}, {0x2191, 0x18}, {0x2192, 0x1a}, {0x2193, 0x19}, {0x2500, 0xc4},
    {0x2502, 0xb3}, {0x250c, 0xda}, {0x2510, 0xbf}, {0x2514, 0xc0}, {0x2518, 0xd9},
    {0x251c, 0xc3}, {0x2524, 0xb4}, {0x252c, 0xc2}, {0x2534, 0xc1}, {0x253c, 0xc5},
    {0x2588, 0xdb}, {0x2591, 0xb0}, {0x2592, 0xb1}, {0x2593, 0xb2},
};

static uint8_t to_code_page(uint16_t codepoint)
{
    if (codepoint < CODE_PAGE_FIRST_ODD)
        return (uint8_t)codepoint;
    for (size_t i = 0; i < ARRAY_LEN(code_page_437); i++) {
        if (code_page_437[i].codepoint == codepoint)
            return code_page_437[i].code;
    }
    return CODE_PAGE_UNKNOWN;
}

/* ECMA-48 counts red 1, green 2, blue 4; the VGA counts blue 1, green 2, red 4. */
static uint8_t to_vga_colour(uint8_t colour)
{
    return (uint8_t)((colour & 0x0a) | (colour & 1) << 2 | (colour >> 2 & 1));
}

static void vga_draw(unsigned column, unsigned row, struct screen_cell cell)
{
    /* Bit 7 of the attribute would blink: backgrounds have no bright colours. */
    unsigned attribute =
        (to_vga_colour(cell.background) & 7u) << 4 | to_vga_colour(cell.foreground);

    if (text == NULL)
        return;
    text[row * pitch_cells + column] = (uint16_t)(attribute << 8 | to_code_page(cell.codepoint));
}

static void vga_move_cursor(unsigned column, unsigned row)
{
    unsigned position = row * pitch_cells + column;

    io_out8(CRTC_INDEX, CRTC_CURSOR_HIGH);
    io_out8(CRTC_DATA, (uint8_t)(position >> 8));
    io_out8(CRTC_INDEX, CRTC_CURSOR_LOW);
    io_out8(CRTC_DATA, (uint8_t)position);
}

static const struct screen_backend vga_backend = {
    .draw = vga_draw,
    .move_cursor = vga_move_cursor,
};

const struct screen_backend *vga_text_open(const struct boot_framebuffer *fb, void *mapped)
{
    text = mapped;
    pitch_cells = fb->pitch_bytes / sizeof(*text);
    return &vga_backend;
}
