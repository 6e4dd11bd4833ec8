/*
 * A linear framebuffer of 15 to 32 bits a pixel, in any order of colours.
 *
 * A cell is drawn as 16 rows of 8 pixels, straight to memory that is write-combining and is never
 * read. Pixel values of the 16 colours and the glyphs of ASCII are worked out once.
 */

#include <kernel/log.h>
#include <kernel/string.h>

#include "backends.h"
#include "pf2.h"

#define NR_COLOURS 16
#define NR_GLYPHS  128 /* ASCII */

/* drivers/console/font.asm */
extern const uint8_t console_font[], console_font_end[];

static uint8_t *pixels;
static uint32_t pitch_bytes;
static unsigned pixel_bytes;
static bool has_word_pixels; /* each pixel is an aligned word of 32 bits */
static uint32_t palette[NR_COLOURS];
static struct pf2_font font;
static uint8_t ascii_glyphs[NR_GLYPHS][PF2_CELL_HEIGHT];

/* The colours of the VGA, as 8 bits of red, green and blue, in the order of ECMA-48. */
static const uint8_t vga_rgb[NR_COLOURS][3] = {
    {0x00, 0x00, 0x00}, {0xaa, 0x00, 0x00}, {0x00, 0xaa, 0x00}, {0xaa, 0x55, 0x00},
    {0x00, 0x00, 0xaa}, {0xaa, 0x00, 0xaa}, {0x00, 0xaa, 0xaa}, {0xaa, 0xaa, 0xaa},
    {0x55, 0x55, 0x55}, {0xff, 0x55, 0x55}, {0x55, 0xff, 0x55}, {0xff, 0xff, 0x55},
    {0x55, 0x55, 0xff}, {0xff, 0x55, 0xff}, {0x55, 0xff, 0xff}, {0xff, 0xff, 0xff},
};

/* Eight bits of a colour, scaled to the pixel's field for it. */
static uint32_t colour_field(uint8_t value, unsigned shift, unsigned nr_bits)
{
    uint32_t field_max = (1u << nr_bits) - 1;

    return (value * field_max + 127) / 255 << shift;
}

static void make_palette(const struct boot_framebuffer *fb)
{
    for (unsigned i = 0; i < NR_COLOURS; i++)
        palette[i] = colour_field(vga_rgb[i][0], fb->red_shift, fb->red_bits) |
                     colour_field(vga_rgb[i][1], fb->green_shift, fb->green_bits) |
                     colour_field(vga_rgb[i][2], fb->blue_shift, fb->blue_bits);
}

/* The glyph of a character; one that the font does not have looks like "?". */
static void get_glyph(uint16_t codepoint, uint8_t rows[PF2_CELL_HEIGHT])
{
    if (codepoint >= NR_GLYPHS && pf2_draw(&font, codepoint, rows))
        return;
    memcpy(rows, ascii_glyphs[codepoint < NR_GLYPHS ? codepoint : '?'], PF2_CELL_HEIGHT);
}

/* Eight pixels: bit 7 of `bits` is the leftmost one's colour. */
static void draw_words(uint8_t *to, uint8_t bits, const uint32_t colours[2])
{
    uint32_t *words = (uint32_t *)to;

    for (unsigned x = 0; x < PF2_CELL_WIDTH; x++)
        words[x] = colours[bits >> (7 - x) & 1];
}

/* As above, for pixels of any size; their low bytes come first. */
static void draw_bytes(uint8_t *to, uint8_t bits, const uint32_t colours[2])
{
    for (unsigned x = 0; x < PF2_CELL_WIDTH; x++) {
        uint32_t pixel = colours[bits >> (7 - x) & 1];

        for (unsigned i = 0; i < pixel_bytes; i++)
            *to++ = (uint8_t)(pixel >> 8 * i);
    }
}

static void framebuffer_draw(unsigned column, unsigned row, struct screen_cell cell)
{
    const uint32_t colours[2] = {palette[cell.background], palette[cell.foreground]};
    uint8_t *to = pixels + (size_t)row * PF2_CELL_HEIGHT * pitch_bytes +
                  (size_t)column * PF2_CELL_WIDTH * pixel_bytes;
    uint8_t glyph[PF2_CELL_HEIGHT];

    get_glyph(cell.codepoint, glyph);
    for (unsigned y = 0; y < PF2_CELL_HEIGHT; y++, to += pitch_bytes) {
        if (has_word_pixels)
            draw_words(to, glyph[y], colours);
        else
            draw_bytes(to, glyph[y], colours);
    }
}

static const struct screen_backend framebuffer_backend = {
    .draw = framebuffer_draw,
};

const struct screen_backend *framebuffer_open(const struct boot_framebuffer *fb, void *mapped)
{
    if (pf2_open(&font, console_font, (size_t)(console_font_end - console_font)) != 0) {
        log_warn("screen: the built-in font is broken");
        return NULL;
    }
    pixels = mapped;
    pitch_bytes = fb->pitch_bytes;
    pixel_bytes = (fb->bits_per_pixel + 7u) / 8;
    has_word_pixels = pixel_bytes == 4 && IS_ALIGNED((uintptr_t)mapped | pitch_bytes, 4);
    make_palette(fb);
    for (unsigned i = 0; i < NR_GLYPHS; i++)
        pf2_draw(&font, i, ascii_glyphs[i]);
    memset(pixels, 0, (size_t)pitch_bytes * fb->height);
    return &framebuffer_backend;
}
