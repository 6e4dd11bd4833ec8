/*
 * A small terminal: a subset of ECMA-48 and the VT100, as much as a shell and a log need.
 *
 * The screen's memory is slow, and reading it is slower still, so nothing here touches it: text
 * goes into a grid of cells in ordinary memory, scrolling is a memmove there, and after each write
 * the cells that differ from what was drawn last are drawn. A line feed at the bottom of a screen
 * that is mostly blank thus costs as many cells as have text, not a copy of the whole picture, and
 * ten lines that come in one write cost one update.
 *
 * Escape sequences that are not understood are swallowed whole, so that they leave no rubbish. That
 * goes for strings too (ESC _ ... ESC \): the kernel's protocol markers stay invisible. A line feed
 * ends a string early, or else a program that never ends one could hide a panic.
 *
 * Invariants: column < nr_columns and row < nr_rows, always; a row that is not dirty has cells ==
 * drawn, except under a drawn software cursor, whose place is remembered.
 */

#include <kernel/string.h>

#include "screen.h"

#define COLOUR_WHITE  7
#define COLOUR_BLACK  0
#define COLOUR_BRIGHT 8

#define TAB_COLUMNS 8

#define REPLACEMENT_CHARACTER 0xfffd
#define CODEPOINT_MAX         0xffff

/* No parameter means more than this; larger ones are cut so that nothing overflows. */
#define PARAM_MAX 9999

static struct screen_cell blank_cell(const struct screen *s)
{
    return (struct screen_cell){' ', COLOUR_WHITE, s->background};
}

static bool cells_are_equal(struct screen_cell a, struct screen_cell b)
{
    return a.codepoint == b.codepoint && a.foreground == b.foreground &&
           a.background == b.background;
}

/* --- Drawing ---------------------------------------------------------------------------------- */

static void draw_cell(struct screen *s, unsigned column, unsigned row, struct screen_cell cell)
{
    s->drawn[row][column] = cell;
    s->backend->draw(column, row, cell);
}

static void draw_row(struct screen *s, unsigned row)
{
    for (unsigned column = 0; column < s->nr_columns; column++) {
        struct screen_cell cell = s->cells[row][column];

        if (s->is_drawn_unknown || !cells_are_equal(cell, s->drawn[row][column]))
            draw_cell(s, column, row, cell);
    }
    s->is_row_dirty[row] = false;
}

static void draw_software_cursor(struct screen *s)
{
    struct screen_cell cell = s->cells[s->row][s->column];
    uint8_t foreground = cell.foreground;

    cell.foreground = cell.background;
    cell.background = foreground;
    if (!cells_are_equal(cell, s->drawn[s->row][s->column]))
        draw_cell(s, s->column, s->row, cell);
}

/* Brings the back-end up to date. */
static void flush(struct screen *s)
{
    bool cursor_moved =
        s->is_drawn_unknown || s->drawn_cursor_column != s->column || s->drawn_cursor_row != s->row;

    /* The row that the cursor was in has a cell in the wrong colours. */
    if (s->backend->move_cursor == NULL && cursor_moved)
        s->is_row_dirty[s->drawn_cursor_row] = true;
    for (unsigned row = 0; row < s->nr_rows; row++) {
        if (s->is_row_dirty[row] || s->is_drawn_unknown)
            draw_row(s, row);
    }
    if (s->backend->move_cursor == NULL)
        draw_software_cursor(s);
    else if (cursor_moved)
        s->backend->move_cursor(s->column, s->row);
    s->is_drawn_unknown = false;
    s->drawn_cursor_column = s->column;
    s->drawn_cursor_row = s->row;
}

/* --- The grid --------------------------------------------------------------------------------- */

/* Blanks columns [from, to) of a row. */
static void erase(struct screen *s, unsigned row, unsigned from, unsigned to)
{
    for (unsigned column = from; column < to; column++)
        s->cells[row][column] = blank_cell(s);
    s->is_row_dirty[row] = true;
}

static void erase_rows(struct screen *s, unsigned from, unsigned to)
{
    for (unsigned row = from; row < to; row++)
        erase(s, row, 0, s->nr_columns);
}

static void scroll(struct screen *s)
{
    memmove(s->cells[0], s->cells[1], (s->nr_rows - 1) * sizeof(s->cells[0]));
    for (unsigned row = 0; row < s->nr_rows; row++)
        s->is_row_dirty[row] = true;
    erase(s, s->nr_rows - 1, 0, s->nr_columns);
}

static void move_to(struct screen *s, unsigned column, unsigned row)
{
    s->column = MIN(column, s->nr_columns - 1);
    s->row = MIN(row, s->nr_rows - 1);
    s->is_wrap_due = false;
}

static void new_line(struct screen *s)
{
    if (s->row == s->nr_rows - 1)
        scroll(s);
    else
        s->row++;
    s->column = 0;
    s->is_wrap_due = false;
}

static void put_character(struct screen *s, uint32_t codepoint)
{
    uint8_t foreground = s->is_inverse ? s->background : s->foreground;
    uint8_t background = s->is_inverse ? s->foreground : s->background;

    if (codepoint > CODEPOINT_MAX)
        codepoint = REPLACEMENT_CHARACTER;
    if (s->is_wrap_due)
        new_line(s);
    s->cells[s->row][s->column] = (struct screen_cell){(uint16_t)codepoint, foreground, background};
    s->is_row_dirty[s->row] = true;
    if (s->column == s->nr_columns - 1)
        s->is_wrap_due = true;
    else
        s->column++;
}

static void reset_colours(struct screen *s)
{
    s->foreground = COLOUR_WHITE;
    s->background = COLOUR_BLACK;
    s->is_inverse = false;
}

static void reset(struct screen *s)
{
    reset_colours(s);
    erase_rows(s, 0, s->nr_rows);
    move_to(s, 0, 0);
    s->saved_column = 0;
    s->saved_row = 0;
}

/* --- CSI sequences: ESC [ parameters final-byte ----------------------------------------------- */

/* Parameter `i`, where 0 and nothing mean `otherwise`. */
static unsigned param(const struct screen *s, unsigned i, unsigned otherwise)
{
    return i < s->nr_params && s->params[i] != 0 ? s->params[i] : otherwise;
}

static void erase_in_display(struct screen *s)
{
    switch (param(s, 0, 0)) {
    case 0: /* from the cursor to the end */
        erase(s, s->row, s->column, s->nr_columns);
        erase_rows(s, s->row + 1, s->nr_rows);
        break;
    case 1: /* from the start to the cursor */
        erase_rows(s, 0, s->row);
        erase(s, s->row, 0, s->column + 1);
        break;
    case 2:
    case 3:
        erase_rows(s, 0, s->nr_rows);
        break;
    }
}

static void erase_in_line(struct screen *s)
{
    switch (param(s, 0, 0)) {
    case 0:
        erase(s, s->row, s->column, s->nr_columns);
        break;
    case 1:
        erase(s, s->row, 0, s->column + 1);
        break;
    case 2:
        erase(s, s->row, 0, s->nr_columns);
        break;
    }
}

/* Select graphic rendition: colours. 38 and 48 carry 2 or 4 parameters of their own: not ours. */
static void select_rendition(struct screen *s)
{
    if (s->nr_params == 0)
        reset_colours(s);
    for (unsigned i = 0; i < s->nr_params; i++) {
        unsigned code = s->params[i];

        if (code == 0)
            reset_colours(s);
        else if (code == 1)
            s->foreground |= COLOUR_BRIGHT;
        else if (code == 22)
            s->foreground &= COLOUR_BRIGHT - 1;
        else if (code == 7 || code == 27)
            s->is_inverse = code == 7;
        else if (code >= 30 && code <= 37)
            s->foreground = (uint8_t)((s->foreground & COLOUR_BRIGHT) | (code - 30));
        else if (code == 39)
            s->foreground = COLOUR_WHITE;
        else if (code >= 40 && code <= 47)
            s->background = (uint8_t)(code - 40);
        else if (code == 49)
            s->background = COLOUR_BLACK;
        else if (code >= 90 && code <= 97)
            s->foreground = (uint8_t)(COLOUR_BRIGHT + code - 90);
        else if (code == 38 || code == 48)
            i += param(s, i + 1, 0) == 2 ? 4 : 2;
    }
}

static void save_cursor(struct screen *s)
{
    s->saved_column = s->column;
    s->saved_row = s->row;
}

static void execute_csi(struct screen *s, unsigned char final)
{
    unsigned n = param(s, 0, 1);

    switch (final) {
    case 'A':
        move_to(s, s->column, s->row - MIN(n, s->row));
        break;
    case 'B':
        move_to(s, s->column, s->row + n);
        break;
    case 'C':
        move_to(s, s->column + n, s->row);
        break;
    case 'D':
        move_to(s, s->column - MIN(n, s->column), s->row);
        break;
    case 'G':
        move_to(s, n - 1, s->row);
        break;
    case 'd':
        move_to(s, s->column, n - 1);
        break;
    case 'H':
    case 'f':
        move_to(s, param(s, 1, 1) - 1, n - 1);
        break;
    case 'J':
        erase_in_display(s);
        break;
    case 'K':
        erase_in_line(s);
        break;
    case 'm':
        select_rendition(s);
        break;
    case 's':
        save_cursor(s);
        break;
    case 'u':
        move_to(s, s->saved_column, s->saved_row);
        break;
    }
}

static void begin_csi(struct screen *s)
{
    s->state = SCREEN_CSI;
    s->nr_params = 0;
    s->is_private = false;
    memset(s->params, 0, sizeof(s->params));
}

static void parse_csi(struct screen *s, unsigned char c)
{
    if (c >= '0' && c <= '9') {
        unsigned *last;

        if (s->nr_params == 0)
            s->nr_params = 1;
        last = &s->params[s->nr_params - 1];
        *last = MIN(*last * 10 + (c - '0'), (unsigned)PARAM_MAX);
    } else if (c == ';' || c == ':') {
        if (s->nr_params == 0)
            s->nr_params = 1;
        if (s->nr_params == SCREEN_PARAMS_MAX)
            s->is_private = true;
        else
            s->nr_params++;
    } else if (c >= 0x40 && c <= 0x7e) {
        if (!s->is_private)
            execute_csi(s, c);
        s->state = SCREEN_GROUND;
    } else {
        s->is_private = true;
    }
}

/* --- The parser ------------------------------------------------------------------------------- */

static void parse_escape(struct screen *s, unsigned char c)
{
    s->state = SCREEN_GROUND;
    switch (c) {
    case '[':
        begin_csi(s);
        break;
    case ']': /* operating system command */
    case 'P': /* device control string */
    case 'X': /* start of string */
    case '^': /* privacy message */
    case '_': /* application program command */
        s->state = SCREEN_STRING;
        break;
    case '7':
        save_cursor(s);
        break;
    case '8':
        move_to(s, s->saved_column, s->saved_row);
        break;
    case 'c':
        reset(s);
        break;
    default:
        if (c >= 0x20 && c <= 0x2f)
            s->state = SCREEN_ESCAPE_SKIP;
        break;
    }
}

static void parse_control(struct screen *s, unsigned char c)
{
    switch (c) {
    case '\n':
        new_line(s);
        break;
    case '\r':
        move_to(s, 0, s->row);
        break;
    case '\b':
        move_to(s, s->column - MIN(1u, s->column), s->row);
        break;
    case '\t':
        move_to(s, (s->column / TAB_COLUMNS + 1) * TAB_COLUMNS, s->row);
        break;
    }
}

/* Text is UTF-8; a broken character becomes one replacement character. */
static void parse_text(struct screen *s, unsigned char c)
{
    if (s->utf8_left > 0) {
        if ((c & 0xc0) == 0x80) {
            s->utf8_codepoint = s->utf8_codepoint << 6 | (c & 0x3f);
            if (--s->utf8_left == 0)
                put_character(s, s->utf8_codepoint);
            return;
        }
        s->utf8_left = 0;
        put_character(s, REPLACEMENT_CHARACTER);
    }
    if (c < 0x80) {
        put_character(s, c);
    } else if (c >= 0xc2 && c <= 0xdf) {
        s->utf8_codepoint = c & 0x1f;
        s->utf8_left = 1;
    } else if (c >= 0xe0 && c <= 0xef) {
        s->utf8_codepoint = c & 0x0f;
        s->utf8_left = 2;
    } else if (c >= 0xf0 && c <= 0xf4) {
        s->utf8_codepoint = c & 0x07;
        s->utf8_left = 3;
    } else {
        put_character(s, REPLACEMENT_CHARACTER);
    }
}

static void parse_ground(struct screen *s, unsigned char c)
{
    if (c >= 0x20 && c != 0x7f)
        parse_text(s, c);
    else
        parse_control(s, c);
}

static void parse_byte(struct screen *s, unsigned char c)
{
    enum {
        BELL = 0x07,
        CANCEL = 0x18,
        SUBSTITUTE = 0x1a,
        ESCAPE = 0x1b,
    };

    if (c == CANCEL || c == SUBSTITUTE) {
        s->state = SCREEN_GROUND;
        return;
    }
    if (c == ESCAPE) {
        s->utf8_left = 0;
        s->state = s->state == SCREEN_STRING ? SCREEN_STRING_ESCAPE : SCREEN_ESCAPE;
        return;
    }
    switch (s->state) {
    case SCREEN_GROUND:
        parse_ground(s, c);
        break;
    case SCREEN_ESCAPE:
        parse_escape(s, c);
        break;
    case SCREEN_ESCAPE_SKIP:
        s->state = SCREEN_GROUND;
        break;
    case SCREEN_CSI:
        if (c < 0x20)
            parse_control(s, c);
        else
            parse_csi(s, c);
        break;
    case SCREEN_STRING:
        if (c == BELL || c == '\n')
            s->state = SCREEN_GROUND;
        if (c == '\n')
            new_line(s);
        break;
    case SCREEN_STRING_ESCAPE:
        if (c == '\\')
            s->state = SCREEN_GROUND;
        else
            parse_escape(s, c); /* not the end of the string, but a new sequence that cuts it */
        break;
    }
}

void screen_write(struct screen *s, const char *bytes, size_t nr_bytes)
{
    for (size_t i = 0; i < nr_bytes; i++)
        parse_byte(s, (unsigned char)bytes[i]);
    flush(s);
}

void screen_open(struct screen *s, const struct screen_backend *backend, unsigned nr_columns,
                 unsigned nr_rows)
{
    memset(s, 0, sizeof(*s));
    s->backend = backend;
    s->nr_columns = MAX(MIN(nr_columns, (unsigned)SCREEN_COLUMNS_MAX), 1u);
    s->nr_rows = MAX(MIN(nr_rows, (unsigned)SCREEN_ROWS_MAX), 1u);
    s->is_drawn_unknown = true;
    reset(s);
}
