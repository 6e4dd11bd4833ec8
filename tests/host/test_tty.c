/* The line discipline: what is typed becomes what is read and shown (kernel/tty/ldisc.h). */

#include "host_test.h"

#include <signal.h>

#include <ldisc.h>

static struct ldisc l;
static struct ldisc_events events;
static char shown[1 << 16];

static int set_up(void **state)
{
    ldisc_init(&l);
    memset(&events, 0, sizeof(events));
    return 0;
}

static void change(tcflag_t *flags, tcflag_t off, tcflag_t on)
{
    struct termios2 termios = l.termios;
    size_t at = (size_t)((char *)flags - (char *)&l.termios);
    tcflag_t *copy = (tcflag_t *)((char *)&termios + at);

    *copy = (*copy & ~off) | on;
    ldisc_set_termios(&l, &termios);
}

static void set_char(unsigned which, unsigned char value)
{
    struct termios2 termios = l.termios;

    termios.c_cc[which] = value;
    ldisc_set_termios(&l, &termios);
}

static void type_bytes(const char *text, size_t nr_bytes)
{
    ldisc_receive(&l, (const unsigned char *)text, nr_bytes, &events);
}

static void type(const char *text)
{
    type_bytes(text, strlen(text));
}

static void write_text(const char *text)
{
    assert_int_equal(ldisc_write(&l, (const unsigned char *)text, strlen(text)), strlen(text));
}

/* What has come out since the last time. */
static const char *output(void)
{
    size_t nr = ldisc_take(&l, (unsigned char *)shown, sizeof(shown) - 1);

    shown[nr] = '\0';
    return shown;
}

#define assert_shown(text) assert_string_equal(output(), text)

static void assert_reads_at_most(size_t max, const char *expected)
{
    unsigned char line[LDISC_INPUT_BYTES];
    bool is_end;
    size_t nr = ldisc_read(&l, line, max, &is_end);

    assert_int_equal(nr, strlen(expected));
    assert_memory_equal(line, expected, nr);
}

static void assert_reads(const char *expected)
{
    assert_reads_at_most(LDISC_INPUT_BYTES, expected);
}

/* ---- Canonical mode ------------------------------------------------------------------------- */

static void a_line_can_be_read_at_its_end(void **state)
{
    type("ls");
    assert_false(ldisc_can_read(&l, 1));
    type("\r");
    assert_true(ldisc_can_read(&l, 1));
    assert_int_equal(ldisc_nr_readable(&l), 3);
    assert_shown("ls\r\n");
    assert_reads("ls\n");
    assert_false(ldisc_can_read(&l, 1));
}

static void lines_are_read_one_by_one_and_in_parts(void **state)
{
    type("one\ntwo\n");
    assert_reads_at_most(2, "on");
    assert_reads_at_most(100, "e\n");
    assert_reads("two\n");
}

static void an_end_of_file_ends_a_read_and_is_not_in_it(void **state)
{
    type("\x04");
    assert_true(ldisc_can_read(&l, 1));
    assert_int_equal(ldisc_nr_readable(&l), 0);
    assert_reads("");
    assert_false(ldisc_can_read(&l, 1));
    type("abc\x04more\n");
    assert_reads_at_most(3, "abc"); /* and its end */
    assert_reads("more\n");
    assert_shown("abcmore\r\n");
}

static void further_ends_of_line(void **state)
{
    set_char(VEOL, ';');
    set_char(VEOL2, '!');
    type("a;b!c\n");
    assert_reads("a;");
    assert_reads("b!");
    assert_reads("c\n");
    change(&l.termios.c_lflag, IEXTEN, 0);
    type("b!c\n");
    assert_reads("b!c\n");
}

static void erase_takes_a_character_off_the_screen(void **state)
{
    type("\x7f"
         "abc\x7f");
    assert_shown("abc\b \b");
    type("\n");
    assert_reads("ab\n");
}

static void erase_takes_a_whole_character_of_utf8(void **state)
{
    type("a\xc3\xa9\x7f\n");
    assert_shown("a\xc3\xa9\b \b\r\n");
    assert_reads("a\n");
    change(&l.termios.c_iflag, IUTF8, 0);
    type("a\xc3\xa9\x7f\n");
    assert_reads("a\xc3\n");
}

static void erase_goes_back_over_a_tab_and_over_a_control_character(void **state)
{
    write_text("$ ");
    assert_shown("$ ");
    type("ab\t\x7f");
    assert_shown("ab\t\b\b\b\b");
    type("\x16\x01\x7f\n");
    assert_shown("^\b^A\b \b\b \b\r\n");
    assert_reads("ab\n");
}

static void kill_and_word_erase(void **state)
{
    type("echo foo_bar,  \x17");
    assert_shown("echo foo_bar,  \b \b\b \b\b \b\b \b\b \b\b \b\b \b\b \b\b \b\b \b");
    type("x\x15"
         "y\n");
    assert_reads("y\n");
    (void)output();
    change(&l.termios.c_lflag, ECHOKE, 0);
    type("xx\x15z\n");
    assert_shown("xx^U\r\nz\r\n");
    assert_reads("z\n");
}

static void on_paper_erased_characters_stand_between_slashes(void **state)
{
    change(&l.termios.c_lflag, 0, ECHOPRT);
    type("abc\x7f\x7fx\n");
    assert_shown("abc\\cb/x\r\n");
    assert_reads("ax\n");
}

static void a_line_that_is_killed_is_printed_on_paper_too(void **state)
{
    change(&l.termios.c_lflag, 0, ECHOPRT);
    type("abc\x15x\n");
    assert_shown("abc\\cba/x\r\n");
    assert_reads("x\n");
}

static void without_echoe_the_key_is_shown(void **state)
{
    change(&l.termios.c_lflag, ECHOE, 0);
    type("ab\x7f");
    assert_shown("ab^?");
}

static void without_echoe_a_word_is_taken_off_the_screen(void **state)
{
    change(&l.termios.c_lflag, ECHOE, 0);
    type("a bc\x17");
    assert_shown("a bc\b \b\b \b");
}

static void the_next_character_is_literal(void **state)
{
    type("\x16\x03\x16\n\x16\x7f\n");
    assert_int_equal(events.signals, 0);
    assert_reads("\x03\n\x7f\n");
}

static void a_quoted_end_of_line_does_not_end_it(void **state)
{
    type("a\x16\nb");
    assert_shown("a^\b^Jb");
    assert_false(ldisc_can_read(&l, 1));
    type("\n");
    assert_reads("a\nb\n");
}

static void reprint_shows_the_line_once_more(void **state)
{
    type("ab\x12");
    assert_shown("ab^R\r\nab");
}

static void echo_off_and_newline_only(void **state)
{
    change(&l.termios.c_lflag, ECHO, 0);
    type("secret\x7f\n");
    assert_shown("");
    assert_reads("secre\n");
    change(&l.termios.c_lflag, 0, ECHONL);
    type("secret\n");
    assert_shown("\r\n");
}

static void without_echoctl_control_characters_pass(void **state)
{
    change(&l.termios.c_lflag, ECHOCTL, 0);
    type("\x16\x01");
    assert_shown("\x01");
}

static void a_line_too_long_is_cut_with_a_bell_and_can_be_ended(void **state)
{
    for (unsigned i = 0; i < LDISC_INPUT_BYTES - 1; i++)
        type("x");
    while (*output() != '\0')
        continue;
    assert_true(ldisc_has_room_for(&l, 'y')); /* waiting would not help */
    type("y");
    assert_shown("\a");
    assert_int_equal(l.nr_dropped, 1);
    type("\n");
    assert_int_equal(ldisc_nr_readable(&l), LDISC_INPUT_BYTES);
    assert_false(ldisc_has_room_for(&l, 'y'));
    assert_true(ldisc_has_room_for(&l, 3));
    change(&l.termios.c_iflag, IMAXBEL, 0);
    (void)output();
    type("y\n");
    assert_shown("");
}

/* ---- Signals and flow ----------------------------------------------------------------------- */

static void signals_flush_and_are_shown(void **state)
{
    write_text("never seen");
    type("abc\x03");
    assert_int_equal(events.signals, 1u << SIGINT);
    assert_true(events.has_flushed);
    assert_shown("^C");
    type("\n");
    assert_reads("\n");
    type("\x1c\x1a");
    assert_int_equal(events.signals, 1u << SIGINT | 1u << SIGQUIT | 1u << SIGTSTP);
}

static void noflsh_keeps_what_is_there(void **state)
{
    change(&l.termios.c_lflag, 0, NOFLSH);
    type("abc\x03\n");
    assert_false(events.has_flushed);
    assert_shown("abc^C\r\n");
    assert_reads("abc\n");
}

static void without_isig_they_are_bytes(void **state)
{
    change(&l.termios.c_lflag, ISIG, 0);
    type("\x03\n");
    assert_int_equal(events.signals, 0);
    assert_reads("\x03\n");
}

static void a_disabled_character_is_none(void **state)
{
    set_char(VINTR, 0);
    type_bytes("\0\x03\n", 3);
    assert_int_equal(events.signals, 0);
    assert_int_equal(ldisc_nr_readable(&l), 3);
}

static void stop_and_start(void **state)
{
    type("\x13");
    assert_true(events.was_stopped);
    write_text("held");
    assert_false(ldisc_can_take(&l));
    assert_shown("");
    type("x");
    assert_shown("");
    type("\x11");
    assert_true(events.was_started);
    assert_shown("heldx");
    change(&l.termios.c_iflag, 0, IXANY);
    type("\x13y");
    assert_shown("y");
    type("\x13\x03");
    assert_shown("^C");
}

static void without_ixon_nothing_stops(void **state)
{
    type("\x13");
    change(&l.termios.c_iflag, IXON, 0);
    assert_false(l.is_stopped);
    type("\x13\n");
    assert_reads("\x13\n");
}

static void ixoff_holds_the_peer(void **state)
{
    change(&l.termios.c_lflag, ICANON | ECHO, 0);
    change(&l.termios.c_iflag, 0, IXOFF);
    for (unsigned i = 0; i < LDISC_INPUT_BYTES - 100; i++)
        type("x");
    assert_shown("\x13");
    (void)ldisc_read(&l, (unsigned char *)shown, LDISC_INPUT_BYTES / 2, &(bool){false});
    assert_shown("");
    (void)ldisc_read(&l, (unsigned char *)shown, LDISC_INPUT_BYTES, &(bool){false});
    assert_shown("\x11");
}

static void flow_by_program(void **state)
{
    ldisc_flow(&l, TCOOFF, &events);
    write_text("a");
    assert_shown("");
    ldisc_flow(&l, TCIOFF, &events);
    assert_shown("\x13");
    ldisc_flow(&l, TCOON, &events);
    ldisc_flow(&l, TCION, &events);
    assert_shown("\x11"
                 "a");
}

/* ---- Raw mode, and what happens to single bytes ---------------------------------------------- */

static void raw_mode_reads_what_is_there(void **state)
{
    change(&l.termios.c_lflag, ICANON | ECHO | ISIG | IEXTEN, 0);
    change(&l.termios.c_iflag, ICRNL | IXON, 0);
    type("a\x7f\x04\r\x13");
    assert_true(ldisc_can_read(&l, 5));
    assert_false(ldisc_can_read(&l, 6));
    assert_reads("a\x7f\x04\r\x13");
    assert_shown("");
}

static void what_was_typed_before_a_change_of_mode_is_kept(void **state)
{
    type("abc");
    change(&l.termios.c_lflag, ICANON, 0);
    assert_reads_at_most(1, "a");
    change(&l.termios.c_lflag, 0, ICANON);
    assert_reads("bc");
}

static void what_was_typed_before_canonical_mode_is_a_line(void **state)
{
    change(&l.termios.c_lflag, ICANON, 0);
    type("abc");
    change(&l.termios.c_lflag, 0, ICANON);
    type("d\n");
    assert_reads("abc");
    assert_reads("d\n");
    change(&l.termios.c_lflag, ICANON, 0);
    type_bytes("ab\0", 3); /* 0 would be an end of file */
    change(&l.termios.c_lflag, 0, ICANON);
    type("\n");
    assert_int_equal(ldisc_nr_readable(&l), 4);
}

static void outside_canonical_mode_a_newline_is_shown_as_one(void **state)
{
    change(&l.termios.c_lflag, ICANON, 0);
    type("a\r\n");
    assert_shown("a\r\n\r\n");
}

static void carriage_returns_and_newlines_on_the_way_in(void **state)
{
    change(&l.termios.c_lflag, ICANON | ECHO, 0);
    change(&l.termios.c_iflag, ICRNL, INLCR);
    type("\r\n");
    assert_reads("\r\r");
    change(&l.termios.c_iflag, INLCR, IGNCR);
    type("\r\n");
    assert_reads("\n");
    change(&l.termios.c_iflag, IGNCR | IUTF8, ISTRIP | IUCLC);
    type("\xc1");
    assert_reads("a");
}

static void on_the_way_out(void **state)
{
    write_text("a\nb\tc\r");
    assert_shown("a\r\nb\tc\r");
    change(&l.termios.c_oflag, ONLCR, OCRNL | XTABS | OLCUC);
    write_text("a\nb\tc\r");
    assert_shown("A\nB      C\n"); /* the newline alone does not move to the first column */
    change(&l.termios.c_oflag, OCRNL | OLCUC, ONOCR | ONLRET);
    write_text("\nab\r\rc");
    assert_shown("\nab\rc");
    change(&l.termios.c_oflag, OPOST, 0);
    write_text("\n\t\r");
    assert_shown("\n\t\r");
}

static void breaks_and_errors(void **state)
{
    change(&l.termios.c_lflag, ICANON | ECHO, 0);
    ldisc_receive_event(&l, 0, LDISC_BREAK, &events);
    assert_int_equal(ldisc_nr_readable(&l), 1);
    ldisc_flush_input(&l);
    change(&l.termios.c_iflag, 0, PARMRK);
    ldisc_receive_event(&l, 0, LDISC_BREAK, &events);
    assert_int_equal(ldisc_nr_readable(&l), 3);
    ldisc_flush_input(&l);
    type("\xff");
    assert_reads("\xff\xff");
    change(&l.termios.c_iflag, 0, INPCK);
    ldisc_receive_event(&l, 'x', LDISC_PARITY_ERROR, &events);
    assert_int_equal(ldisc_nr_readable(&l), 3);
    ldisc_flush_input(&l);
    change(&l.termios.c_iflag, 0, IGNPAR | BRKINT);
    ldisc_receive_event(&l, 'x', LDISC_PARITY_ERROR, &events);
    ldisc_receive_event(&l, 0, LDISC_BREAK, &events);
    assert_int_equal(events.signals, 1u << SIGINT);
    change(&l.termios.c_iflag, 0, IGNBRK);
    ldisc_receive_event(&l, 0, LDISC_BREAK, &events);
    assert_int_equal(ldisc_nr_readable(&l), 0);
}

static void programs_leave_room_for_the_echo(void **state)
{
    static const unsigned char many[2 * LDISC_OUTPUT_BYTES];
    size_t nr = ldisc_write(&l, many, sizeof(many));

    assert_true(nr > LDISC_OUTPUT_BYTES / 2 && nr < LDISC_OUTPUT_BYTES);
    assert_int_equal(ldisc_room(&l), 0);
    type("abc");
    assert_int_equal(ldisc_nr_output(&l), nr + 3);
}

/* ---- Anything ------------------------------------------------------------------------------- */

static struct rng rng;

static uint32_t random_below(uint32_t n)
{
    return (uint32_t)(rng_next(&rng) % n);
}

static void random_modes(void)
{
    struct termios2 termios = l.termios;

    termios.c_iflag = random_below(1 << 15);
    termios.c_oflag = random_below(1 << 13);
    termios.c_lflag = random_below(1 << 16);
    if (random_below(4) == 0)
        termios.c_cc[random_below(NCCS)] = (unsigned char)random_below(256);
    ldisc_set_termios(&l, &termios);
}

static void check_counters(void)
{
    uint32_t stored = l.nr_received - l.nr_read;

    assert_true(stored <= LDISC_INPUT_BYTES);
    assert_true(l.nr_ready - l.nr_read <= stored);
    assert_true(ldisc_nr_readable(&l) <= l.nr_ready - l.nr_read);
    assert_true(ldisc_nr_output(&l) <= LDISC_OUTPUT_BYTES);
    if (!(l.termios.c_lflag & ICANON))
        assert_int_equal(l.nr_ready, l.nr_received);
}

/* Typing, reading, writing and changing modes in any order keeps the rings' rules. */
static void any_order_of_anything(void **state)
{
    static const char keys[] = "\x03\x04\x11\x12\x13\x15\x16\x17\x1a\x1c\x7f\n\r\t\xff\xc3\xa9";
    unsigned char bytes[600];
    bool is_end;

    for (uint32_t seed = 1; seed < 60; seed++) {
        rng.state = seed;
        ldisc_init(&l);
        /* So that the counters wrap. */
        l.nr_read = l.nr_ready = l.nr_received = l.nr_taken = l.nr_written = UINT32_MAX - seed * 64;
        for (unsigned step = 0; step < 3000; step++) {
            size_t nr = random_below(random_below(8) == 0 ? sizeof(bytes) : 12);

            for (size_t i = 0; i < nr; i++)
                bytes[i] = random_below(3) ? (unsigned char)random_below(256)
                                           : (unsigned char)keys[random_below(sizeof(keys))];
            switch (random_below(8)) {
            case 0:
                random_modes();
                break;
            case 1:
                assert_true(ldisc_read(&l, bytes, nr, &is_end) <= nr);
                break;
            case 2:
                assert_true(ldisc_write(&l, bytes, nr) <= nr);
                break;
            case 3:
                assert_true(ldisc_take(&l, bytes, nr) <= nr);
                break;
            case 4:
                ldisc_receive_event(&l, bytes[0], random_below(2), &events);
                break;
            case 5:
                if (ldisc_room(&l) > 0)
                    assert_true(ldisc_write(&l, bytes, 1) == 1);
                ldisc_flow(&l, (int)random_below(4), &events);
                break;
            default:
                ldisc_receive(&l, bytes, nr, &events);
                break;
            }
            check_counters();
        }
    }
}

/* What is typed without special characters is read, byte for byte, however it is cut up. */
static void plain_lines_come_through_unchanged(void **state)
{
    static char typed[1 << 16], got[1 << 16];

    for (uint32_t seed = 1; seed < 40; seed++) {
        size_t nr_typed = 0, nr_got = 0;
        bool is_end;

        rng.state = seed;
        set_up(state);
        for (unsigned round = 0; round < 400; round++) {
            size_t start = nr_typed, nr = random_below(90);

            for (size_t i = 0; i < nr; i++)
                typed[nr_typed++] = (char)('a' + random_below(26));
            typed[nr_typed++] = '\n';
            type_bytes(typed + start, nr_typed - start);
            while (random_below(3) != 0 || ldisc_nr_readable(&l) > LDISC_INPUT_BYTES / 2)
                nr_got +=
                    ldisc_read(&l, (unsigned char *)got + nr_got, 1 + random_below(50), &is_end);
            (void)output();
        }
        while (ldisc_can_read(&l, 1))
            nr_got += ldisc_read(&l, (unsigned char *)got + nr_got, 100, &is_end);
        assert_int_equal(nr_got, nr_typed);
        assert_memory_equal(got, typed, nr_typed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_line_can_be_read_at_its_end, set_up),
        cmocka_unit_test_setup(lines_are_read_one_by_one_and_in_parts, set_up),
        cmocka_unit_test_setup(an_end_of_file_ends_a_read_and_is_not_in_it, set_up),
        cmocka_unit_test_setup(further_ends_of_line, set_up),
        cmocka_unit_test_setup(erase_takes_a_character_off_the_screen, set_up),
        cmocka_unit_test_setup(erase_takes_a_whole_character_of_utf8, set_up),
        cmocka_unit_test_setup(erase_goes_back_over_a_tab_and_over_a_control_character, set_up),
        cmocka_unit_test_setup(kill_and_word_erase, set_up),
        cmocka_unit_test_setup(on_paper_erased_characters_stand_between_slashes, set_up),
        cmocka_unit_test_setup(a_line_that_is_killed_is_printed_on_paper_too, set_up),
        cmocka_unit_test_setup(without_echoe_the_key_is_shown, set_up),
        cmocka_unit_test_setup(without_echoe_a_word_is_taken_off_the_screen, set_up),
        cmocka_unit_test_setup(the_next_character_is_literal, set_up),
        cmocka_unit_test_setup(a_quoted_end_of_line_does_not_end_it, set_up),
        cmocka_unit_test_setup(reprint_shows_the_line_once_more, set_up),
        cmocka_unit_test_setup(echo_off_and_newline_only, set_up),
        cmocka_unit_test_setup(without_echoctl_control_characters_pass, set_up),
        cmocka_unit_test_setup(a_line_too_long_is_cut_with_a_bell_and_can_be_ended, set_up),
        cmocka_unit_test_setup(signals_flush_and_are_shown, set_up),
        cmocka_unit_test_setup(noflsh_keeps_what_is_there, set_up),
        cmocka_unit_test_setup(without_isig_they_are_bytes, set_up),
        cmocka_unit_test_setup(a_disabled_character_is_none, set_up),
        cmocka_unit_test_setup(stop_and_start, set_up),
        cmocka_unit_test_setup(without_ixon_nothing_stops, set_up),
        cmocka_unit_test_setup(ixoff_holds_the_peer, set_up),
        cmocka_unit_test_setup(flow_by_program, set_up),
        cmocka_unit_test_setup(raw_mode_reads_what_is_there, set_up),
        cmocka_unit_test_setup(what_was_typed_before_a_change_of_mode_is_kept, set_up),
        cmocka_unit_test_setup(what_was_typed_before_canonical_mode_is_a_line, set_up),
        cmocka_unit_test_setup(outside_canonical_mode_a_newline_is_shown_as_one, set_up),
        cmocka_unit_test_setup(carriage_returns_and_newlines_on_the_way_in, set_up),
        cmocka_unit_test_setup(on_the_way_out, set_up),
        cmocka_unit_test_setup(breaks_and_errors, set_up),
        cmocka_unit_test_setup(programs_leave_room_for_the_echo, set_up),
        cmocka_unit_test(any_order_of_anything),
        cmocka_unit_test(plain_lines_come_through_unchanged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
