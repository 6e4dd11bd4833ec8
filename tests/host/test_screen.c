/* The terminal: bytes become cells, and the back-end is shown exactly those. */

#include "host_test.h"

#include "screen.h"

#define COLUMNS 20
#define ROWS    5

static struct screen screen;

/* What a person would see. */
static struct screen_cell seen[SCREEN_ROWS_MAX][SCREEN_COLUMNS_MAX];
static unsigned seen_column, seen_row;
static unsigned nr_drawn;

static void draw(unsigned column, unsigned row, struct screen_cell cell)
{
    assert_true(column < screen.nr_columns && row < screen.nr_rows);
    seen[row][column] = cell;
    nr_drawn++;
}

static void move_cursor(unsigned column, unsigned row)
{
    assert_true(column < screen.nr_columns && row < screen.nr_rows);
    seen_column = column;
    seen_row = row;
}

static const struct screen_backend hardware_cursor = {draw, move_cursor};
static const struct screen_backend software_cursor = {draw, NULL};

static void write_string(const char *s)
{
    screen_write(&screen, s, strlen(s));
}

/* An empty screen on which `s` was written. */
static void show(const char *s)
{
    memset(seen, 0, sizeof(seen));
    screen_open(&screen, &hardware_cursor, COLUMNS, ROWS);
    write_string(s);
}

/* The text of a row, without the blanks at its end. */
static void assert_row(unsigned row, const char *expected)
{
    char text[SCREEN_COLUMNS_MAX + 1];
    unsigned len = 0;

    for (unsigned column = 0; column < screen.nr_columns; column++) {
        text[column] = (char)seen[row][column].codepoint;
        if (text[column] != ' ')
            len = column + 1;
    }
    text[len] = '\0';
    assert_string_equal(text, expected);
}

static void assert_cursor(unsigned column, unsigned row)
{
    assert_int_equal(seen_column, column);
    assert_int_equal(seen_row, row);
}

static void text_lines_and_controls(void **state)
{
    show("one\ntwo\rT\n\tx\b\by\a\n");
    assert_row(0, "one");
    assert_row(1, "Two");
    assert_row(2, "       yx");
    assert_cursor(0, 3);
}

static void it_scrolls_at_the_bottom(void **state)
{
    show("1\n2\n3\n4\n5\n6\n7");
    assert_row(0, "3");
    assert_row(4, "7");
    assert_cursor(1, 4);
}

static void the_last_column_wraps_only_when_more_follows(void **state)
{
    show("12345678901234567890");
    assert_cursor(19, 0);
    write_string("\nx");
    assert_row(0, "12345678901234567890");
    assert_row(1, "x");
    show("12345678901234567890x");
    assert_row(1, "x");
}

static void the_cursor_moves_and_stays_inside(void **state)
{
    show("\033[3;5Hx\033[A\033[2Dy\033[99;99Hz\033[Hw\033[2Bv\033[5C\033[Gu\033[5d\033[3Gt");
    assert_row(0, "w");
    assert_row(1, "   y");
    assert_row(2, "uv  x");
    assert_row(4, "  t                z");
    write_string("\033[99A\033[99D");
    assert_cursor(0, 0);
    write_string("\033[4;4H\0337\033[H\0338");
    assert_cursor(3, 3);
    write_string("\033[s\033[H\033[u");
    assert_cursor(3, 3);
}

static void parts_are_erased(void **state)
{
    static const struct {
        const char *sequence, *rows[3];
    } cases[] = {
        {"\033[J", {"aaa", "b", ""}},       {"\033[1J", {"", "  b", "ccc"}},
        {"\033[2J", {"", "", ""}},          {"\033[K", {"aaa", "b", "ccc"}},
        {"\033[1K", {"aaa", "  b", "ccc"}}, {"\033[2K", {"aaa", "", "ccc"}},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        show("aaa\nbbb\nccc\033[2;2H");
        write_string(cases[i].sequence);
        for (unsigned row = 0; row < 3; row++)
            assert_row(row, cases[i].rows[row]);
        assert_cursor(1, 1);
    }
}

static void assert_colours(unsigned column, unsigned foreground, unsigned background)
{
    assert_int_equal(seen[0][column].foreground, foreground);
    assert_int_equal(seen[0][column].background, background);
}

static void colours_are_set(void **state)
{
    show("a\033[31mb\033[1mc\033[44md\033[7me\033[27;22mf\033[0mg\033[93;42mh\033[mi"
         "\033[38;5;200;32mj\033[39;49mk");
    assert_colours(0, 7, 0);
    assert_colours(1, 1, 0);
    assert_colours(2, 9, 0);
    assert_colours(3, 9, 4);
    assert_colours(4, 4, 9);
    assert_colours(5, 1, 4);
    assert_colours(6, 7, 0);
    assert_colours(7, 11, 2);
    assert_colours(8, 7, 0);
    assert_colours(9, 2, 0);
    assert_colours(10, 7, 0);
}

static void what_is_not_understood_leaves_no_rubbish(void **state)
{
    show("a\033_thrum:result=pass\033\\b\033]0;title\007c\033[?25hd\033[>4;2me\033(Bf"
         "\033[6ng\033=h\033P1$r\033\\i");
    assert_row(0, "abcdefghi");
}

static void a_string_that_never_ends_hides_one_line_only(void **state)
{
    show("a\033_oops\npanic: visible");
    assert_row(0, "a");
    assert_row(1, "panic: visible");
    show("a\033_oops\033[31mred");
    assert_row(0, "ared");
}

static void sequences_may_come_in_pieces(void **state)
{
    static const char text[] = "a\033[3;5Hb\303\244\033_x\033\\c";

    show("");
    for (size_t i = 0; i < sizeof(text) - 1; i++)
        screen_write(&screen, text + i, 1);
    assert_int_equal(seen[2][4].codepoint, 'b');
    assert_int_equal(seen[2][5].codepoint, 0xe4);
    assert_int_equal(seen[2][6].codepoint, 'c');
}

static void utf8_is_decoded_and_broken_text_replaced(void **state)
{
    show("\342\224\200\303x\200\360\237\230\200y");
    assert_int_equal(seen[0][0].codepoint, 0x2500);
    assert_int_equal(seen[0][1].codepoint, 0xfffd);
    assert_int_equal(seen[0][2].codepoint, 'x');
    assert_int_equal(seen[0][3].codepoint, 0xfffd);
    assert_int_equal(seen[0][4].codepoint, 0xfffd); /* beyond the first plane */
    assert_int_equal(seen[0][5].codepoint, 'y');
}

static void only_what_changed_is_drawn(void **state)
{
    show("a\nb\nc\nd\ne");
    nr_drawn = 0;
    write_string("x");
    assert_int_equal(nr_drawn, 1);
    nr_drawn = 0;
    write_string("\n"); /* five rows of one or two characters move */
    assert_in_range(nr_drawn, 5, 7);
}

static void a_software_cursor_follows_and_leaves_no_trace(void **state)
{
    screen_open(&screen, &software_cursor, COLUMNS, ROWS);
    write_string("ab\033[1;1H");
    assert_colours(0, 0, 7);
    assert_int_equal(seen[0][0].codepoint, 'a');
    write_string("\033[1;3H");
    assert_colours(0, 7, 0);
    assert_colours(1, 7, 0);
    assert_colours(2, 0, 7);
}

static void sizes_are_cut_to_what_there_is_room_for(void **state)
{
    screen_open(&screen, &hardware_cursor, 10000, 10000);
    write_string("\033[9999;9999Hx\n");
    assert_int_equal(screen.nr_columns, SCREEN_COLUMNS_MAX);
    assert_int_equal(screen.nr_rows, SCREEN_ROWS_MAX);
    screen_open(&screen, &hardware_cursor, 0, 0);
    write_string("abc\n\033[2J");
    assert_int_equal(screen.nr_columns, 1);
}

/* After any bytes, what is seen is what the grid holds. */
static void assert_seen_is_the_grid(bool has_software_cursor)
{
    assert_true(screen.column < screen.nr_columns && screen.row < screen.nr_rows);
    for (unsigned row = 0; row < screen.nr_rows; row++) {
        for (unsigned column = 0; column < screen.nr_columns; column++) {
            struct screen_cell cell = screen.cells[row][column];

            if (has_software_cursor && row == screen.row && column == screen.column) {
                uint8_t foreground = cell.foreground;

                cell.foreground = cell.background;
                cell.background = foreground;
            }
            assert_memory_equal(&seen[row][column], &cell, sizeof(cell));
            assert_true(cell.foreground < 16 && cell.background < 16);
        }
    }
}

static void it_survives_any_bytes(void **state)
{
    static const char alphabet[] = "a \n\r\b\t\033\033\033[[[;:?0123456789ABCDGHJKdfmsu78c_]\\\007"
                                   "\x18\303\244\342\224\200\377";

    for (uint64_t seed = 0; seed < 3000; seed++) {
        struct rng rng = {seed};
        bool has_software_cursor = rng_one_in(&rng, 2);

        screen_open(&screen, has_software_cursor ? &software_cursor : &hardware_cursor,
                    (unsigned)rng_between(&rng, 1, 30), (unsigned)rng_between(&rng, 1, 10));
        for (uint64_t pieces = rng_between(&rng, 1, 20); pieces > 0; pieces--) {
            char bytes[60];
            size_t nr_bytes = rng_below(&rng, sizeof(bytes));

            for (size_t i = 0; i < nr_bytes; i++)
                bytes[i] = rng_one_in(&rng, 20) ? (char)rng_next(&rng)
                                                : alphabet[rng_below(&rng, sizeof(alphabet) - 1)];
            screen_write(&screen, bytes, nr_bytes);
            assert_seen_is_the_grid(has_software_cursor);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_lines_and_controls),
        cmocka_unit_test(it_scrolls_at_the_bottom),
        cmocka_unit_test(the_last_column_wraps_only_when_more_follows),
        cmocka_unit_test(the_cursor_moves_and_stays_inside),
        cmocka_unit_test(parts_are_erased),
        cmocka_unit_test(colours_are_set),
        cmocka_unit_test(what_is_not_understood_leaves_no_rubbish),
        cmocka_unit_test(a_string_that_never_ends_hides_one_line_only),
        cmocka_unit_test(sequences_may_come_in_pieces),
        cmocka_unit_test(utf8_is_decoded_and_broken_text_replaced),
        cmocka_unit_test(only_what_changed_is_drawn),
        cmocka_unit_test(a_software_cursor_follows_and_leaves_no_trace),
        cmocka_unit_test(sizes_are_cut_to_what_there_is_room_for),
        cmocka_unit_test(it_survives_any_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
