#ifndef DRIVERS_CONSOLE_SCREEN_H
#define DRIVERS_CONSOLE_SCREEN_H

/*
 * The terminal emulation: bytes in, a grid of character cells out. Pure but for the back-end's two
 * functions; the caller serialises. screen.c has the theory.
 */

#include <kernel/types.h>

/* The largest grid: a 1920x1080 framebuffer with 8x16 cells. Larger screens are used in part. */
#define SCREEN_COLUMNS_MAX 240
#define SCREEN_ROWS_MAX    80

#define SCREEN_PARAMS_MAX 16

/* Colours: 0 ... 7 black, red, green, yellow, blue, magenta, cyan, white; + 8 the bright ones. */
struct screen_cell {
    uint16_t codepoint; /* of Unicode's first plane */
    uint8_t foreground;
    uint8_t background;
};

struct screen_backend {
    /* Shows a cell. */
    void (*draw)(unsigned column, unsigned row, struct screen_cell cell);
    /* Moves the hardware's cursor. NULL: none, a cell in swapped colours is drawn instead. */
    void (*move_cursor)(unsigned column, unsigned row);
};

/* Where the parser is inside an escape sequence. */
enum screen_state {
    SCREEN_GROUND,
    SCREEN_ESCAPE,        /* after ESC */
    SCREEN_ESCAPE_SKIP,   /* ESC ( and its like: one more byte to swallow */
    SCREEN_CSI,           /* after ESC [ */
    SCREEN_STRING,        /* inside a string (OSC, DCS, APC, PM, SOS), which is swallowed */
    SCREEN_STRING_ESCAPE, /* after ESC in a string: "\" ends it */
};

struct screen {
    const struct screen_backend *backend;
    unsigned nr_columns, nr_rows;

    unsigned column, row; /* the cursor */
    bool is_wrap_due;     /* the last column was filled: the next character goes below */
    unsigned saved_column, saved_row;

    uint8_t foreground, background; /* what text is written with */
    bool is_inverse;

    enum screen_state state;
    unsigned params[SCREEN_PARAMS_MAX]; /* of the CSI sequence so far; 0: not given */
    unsigned nr_params;
    bool is_private; /* a CSI sequence with an intermediate or private byte: swallowed */

    uint32_t utf8_codepoint; /* the character so far */
    unsigned utf8_left;      /* bytes that it still lacks */

    /* What should be seen, and what the back-end was told. */
    struct screen_cell cells[SCREEN_ROWS_MAX][SCREEN_COLUMNS_MAX];
    struct screen_cell drawn[SCREEN_ROWS_MAX][SCREEN_COLUMNS_MAX];
    bool is_row_dirty[SCREEN_ROWS_MAX]; /* cells and drawn may differ */
    bool is_drawn_unknown;              /* nothing was drawn yet: draw all */
    unsigned drawn_cursor_column, drawn_cursor_row;
};

/*
 * An empty screen with the cursor at the top left. Sizes beyond the maxima are cut; each is at
 * least 1. Draws nothing yet.
 */
void screen_open(struct screen *screen, const struct screen_backend *backend, unsigned nr_columns,
                 unsigned nr_rows);

/* Interprets bytes and brings the back-end up to date. "\n" is a new line. */
void screen_write(struct screen *screen, const char *bytes, size_t nr_bytes);

#endif
