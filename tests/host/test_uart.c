/*
 * The serial port's driver over a port that is played here: what is received comes in order, is
 * left in the port while it is held, and errors belong to their bytes.
 */

#include "host_test.h"

#include <arch/irq.h>
#include <drivers/uart16550.h>
#include <kernel/clock.h>
#include <kernel/errno.h>
#include <kernel/log.h>

#define BASE 0x3f8

enum { DATA, ENABLED, ID, LINE_CONTROL, MODEM_CONTROL, LINE_STATUS, SCRATCH = 7 };
enum { READY = 0x01, OVERRUN = 0x02, PARITY = 0x04, BREAK = 0x10, EMPTY = 0x20 };

/* The port: its registers, and what has arrived, each byte with its errors. */
static struct {
    uint8_t registers[8];
    uint8_t bytes[256], errors[256];
    unsigned nr_arrived, nr_taken;
    bool has_seen_errors; /* of the next byte */
} port;

uint8_t host_port_read(uint16_t at)
{
    unsigned reg = at - BASE;
    bool is_ready = port.nr_taken < port.nr_arrived;

    if (reg == DATA && is_ready) {
        port.has_seen_errors = false;
        return port.bytes[port.nr_taken++];
    }
    if (reg == ID)
        return is_ready && (port.registers[ENABLED] & 1) ? 0xc4 : 0xc1;
    if (reg == LINE_STATUS) {
        uint8_t errors = is_ready && !port.has_seen_errors ? port.errors[port.nr_taken] : 0;

        port.has_seen_errors = true;
        return (uint8_t)(EMPTY | (is_ready ? READY : 0) | errors);
    }
    return port.registers[reg];
}

void host_port_write(uint16_t at, uint8_t value)
{
    unsigned reg = at - BASE;

    if (reg == DATA && (port.registers[MODEM_CONTROL] & 0x10)) /* to itself */
        port.bytes[port.nr_arrived++] = value;
    port.registers[reg] = value;
}

/* The kernel around it. */
static irq_handler_fn handler;
static void *handler_context;

int irq_request(unsigned isa_line, irq_handler_fn fn, void *context)
{
    assert_int_equal(isa_line, 4);
    handler = fn;
    handler_context = context;
    return 0;
}

uint64_t clock_now_ns(void)
{
    return 1;
}

void console_add_sink(struct console_sink *sink)
{
    (void)sink;
}

/* The client takes so many more bytes; after that it holds. */
static char received[256];
static unsigned nr_received, nr_wanted;
static bool is_held;

/* An interrupt comes to one CPU while another one polls. */
static bool is_polled_within;

static void take(uint8_t byte)
{
    assert_false(is_held);
    received[nr_received++] = (char)byte;
}

static void hold_if_full(void)
{
    is_held = nr_received >= nr_wanted;
    if (is_held)
        uart16550_hold_input(true);
}

static void receive(const uint8_t *bytes, size_t nr_bytes)
{
    for (size_t i = 0; i < nr_bytes; i++) {
        if (is_polled_within)
            uart16550_poll();
        take(bytes[i]);
    }
    hold_if_full();
}

static void receive_bad(uint8_t byte, bool is_break)
{
    take(is_break ? '!' : '?');
    take(byte);
    hold_if_full();
}

static void has_room(void)
{
}

static const struct uart_client client = {receive, receive_bad, has_room};

static void arrive(const char *text, uint8_t errors)
{
    for (; *text != '\0'; text++) {
        port.errors[port.nr_arrived] = errors;
        port.bytes[port.nr_arrived++] = (uint8_t)*text;
    }
}

/* What comes of an interrupt. */
static const char *interrupt(void)
{
    nr_received = 0;
    memset(received, 0, sizeof(received));
    if (port.registers[ENABLED] & 1)
        handler(handler_context);
    return received;
}

static void go_on(unsigned nr_bytes)
{
    nr_wanted = nr_bytes;
    nr_received = 0;
    is_held = false;
    uart16550_hold_input(false);
}

static int start(void **state)
{
    static bool is_set_up;

    (void)state;
    host_reset();
    if (!is_set_up) {
        uart16550_init();
        assert_int_equal(uart16550_listen(&client), 0);
    }
    is_set_up = true;
    port.nr_arrived = port.nr_taken = 0;
    port.has_seen_errors = false;
    go_on(1000);
    return 0;
}

static void bytes_come_in_order(void **state)
{
    arrive("one two", 0);
    assert_string_equal(interrupt(), "one two");
    assert_string_equal(interrupt(), "");
}

static void what_is_held_stays_in_the_port(void **state)
{
    uint64_t before = uart16550_counts()->received;

    go_on(3);
    arrive("one", 0);
    assert_string_equal(interrupt(), "one");
    arrive("two", 0);
    assert_string_equal(interrupt(), "");
    uart16550_poll();
    assert_int_equal(nr_received, 0);
    go_on(1000);
    assert_string_equal(interrupt(), "two");
    assert_int_equal(uart16550_counts()->received - before, 6);
}

static void errors_belong_to_their_bytes(void **state)
{
    arrive("ab", 0);
    arrive("c", PARITY);
    arrive("d", 0);
    arrive("e", BREAK);
    arrive("f", OVERRUN);
    assert_string_equal(interrupt(), "ab?cd!ef");
    assert_int_equal(uart16550_counts()->overruns, 1);
    assert_int_equal(uart16550_counts()->parity_errors, 1);
    assert_int_equal(uart16550_counts()->breaks, 1);
}

static void two_at_once_exclude_each_other(void **state)
{
    is_polled_within = true;
    for (char c = 'a'; c <= 'z'; c++)
        arrive((char[]){c, c, c, c, c, '\0'}, 0);
    assert_string_equal(interrupt(),
                        "aaaaabbbbbcccccdddddeeeeefffffggggghhhhhiiiiijjjjjkkkkklllllmmmmm"
                        "nnnnnooooopppppqqqqqrrrrrssssstttttuuuuuvvvvvwwwwwxxxxxyyyyyzzzzz");
    is_polled_within = false;
}

/* The client has no room for a byte that comes right behind those that filled it up. */
static void bytes_with_errors_are_held_too(void **state)
{
    static const uint8_t errors[] = {OVERRUN, PARITY, BREAK};

    for (unsigned i = 0; i < ARRAY_LEN(errors); i++) {
        go_on(2);
        arrive("ab", 0);
        arrive("c", errors[i]);
        assert_string_equal(interrupt(), "ab");
        assert_string_equal(interrupt(), "");
        go_on(1000);
        interrupt();
        assert_int_equal(received[nr_received - 1], 'c');
        assert_int_equal(nr_received, errors[i] == OVERRUN ? 1 : 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(bytes_come_in_order, start),
        cmocka_unit_test_setup(what_is_held_stays_in_the_port, start),
        cmocka_unit_test_setup(errors_belong_to_their_bytes, start),
        cmocka_unit_test_setup(two_at_once_exclude_each_other, start),
        cmocka_unit_test_setup(bytes_with_errors_are_held_too, start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
