/*
 * The console's terminal: /dev/console and /dev/ttyS0. What is written goes to all sinks of the
 * console, which it shares with the kernel's log; what is typed comes from the serial port.
 *
 * Output is pushed as far as the sinks take it without waiting, by whoever has something for it, or
 * has found room: a writer, an echo, the serial port's interrupt. If the port is full, its
 * interrupt goes on. A kernel thread stands behind that: while output waits it looks every few
 * milliseconds, so that a lost interrupt costs time only; it polls for input where there is no
 * interrupt; and it shows the log's lines that waited for the end of an escape sequence which does
 * not come.
 */

#include <drivers/uart16550.h>
#include <kernel/clock.h>
#include <kernel/cmdline.h>
#include <kernel/device.h>
#include <kernel/errno.h>
#include <kernel/log.h>
#include <kernel/panic.h>
#include <kernel/string.h>
#include <kernel/tty.h>
#include <linux/eventpoll.h>
#include <sched/kthread.h>

#include "tty.h"

#define TTY_MAJOR    4
#define TTYAUX_MAJOR 5
#define SERIAL_MINOR 64

/* What is pushed at once with interrupts off, and between two looks at the room. */
#define PUSH_BYTES  256
#define CHUNK_BYTES 16

/* How often the thread looks: for input, for more input, and whether a full port takes bytes again.
 */
#define INPUT_POLL_NS  (10 * NSEC_PER_MSEC)
#define INPUT_FLOW_NS  NSEC_PER_MSEC
#define OUTPUT_POLL_NS (20 * NSEC_PER_MSEC)

/* The transmitter's interrupt has to come within this time. */
#define FIRST_INTERRUPT_NS (100 * NSEC_PER_MSEC)

/* Before the machine stops, what has been written has so long to get out: who reads it may be busy.
 */
#define DRAIN_NS (10 * NSEC_PER_SEC)

static struct tty console;
static struct waitq thread_waits; /* guard: console.lock */
static bool has_port;             /* c  there is a serial port */
static bool is_refused;           /* c  there is no interrupt for it */
static bool is_input_coming;      /* the thread's own: some came lately */
static bool is_polled;            /* the thread's own: no interrupt has come so far */
static bool is_within_sequence;   /* console.lock: so was left what was pushed last */

/*
 * Input that the terminal had no room for; under console.lock. While there is some, the port holds
 * what follows, so that receive() is not called.
 */
static bool is_input_held;
static uint8_t held[UART16550_RECEIVE_BYTES];
static size_t nr_held;

/* ops->start. */
static void push(struct tty *tty)
{
    struct ldisc *l = &tty->ldisc;
    char chunk[CHUNK_BYTES];
    size_t done = 0;

    if (is_input_held)
        waitq_wake_all(&thread_waits); /* there may be room for it */
    if (!ldisc_can_take(l))
        return;
    while (done < PUSH_BYTES && ldisc_can_take(l)) {
        size_t nr = MIN(console_room(), sizeof(chunk));

        if (nr == 0)
            break;
        nr = ldisc_take(l, (unsigned char *)chunk, nr);
        console_write(chunk, nr);
        done += nr;
    }
    uart16550_want_room(ldisc_can_take(l));
    is_within_sequence = console_is_within_sequence();
    if (is_within_sequence || ldisc_can_take(l))
        waitq_wake_all(&thread_waits);
    if (done > 0) {
        waitq_wake_all(&tty->writable);
        poll_notify_events(&tty->polls, EPOLLOUT | EPOLLWRNORM);
    }
}

/* Locked. */
static void hold_input(bool is_held)
{
    is_input_held = is_held;
    uart16550_hold_input(is_held);
    waitq_wake_all(&thread_waits);
}

/* ops->drop_input. What is still on its way to the port comes later than that. */
static void drop_held_input(struct tty *tty)
{
    (void)tty;
    if (!is_input_held)
        return;
    nr_held = 0;
    uart16550_drop_input();
    hold_input(false);
}

static void set_line_break(struct tty *tty, bool is_sent)
{
    (void)tty;
    uart16550_set_break(is_sent);
}

static const struct tty_ops console_ops = {
    .start = push,
    .drop_input = drop_held_input,
    .set_break = set_line_break,
    /* The line is as the kernel's log needs it. */
    .fixed_cflags = CBAUD | CIBAUD | CSIZE | CSTOPB | PARENB | PARODD | CREAD | CLOCAL | CRTSCTS,
    .sends_by_itself = true,
};

/* ---- The serial port ------------------------------------------------------------------------ */

static void receive(const uint8_t *bytes, size_t nr_bytes)
{
    struct ldisc_events events = {0};
    irq_state_t irq = spin_lock_irq(&console.lock);
    size_t nr_taken = tty_take_in(&console, bytes, nr_bytes, &events);

    if (nr_taken < nr_bytes) {
        nr_held = nr_bytes - nr_taken;
        memcpy(held, bytes + nr_taken, nr_held);
        hold_input(true);
    }
    spin_unlock_irq(&console.lock, irq);
    tty_signal_foreground(&console, events.signals);
}

/* The terminal may have room for what is held by now. */
static void try_held_input(void)
{
    struct ldisc_events events = {0};
    irq_state_t irq = spin_lock_irq(&console.lock);

    if (is_input_held) {
        size_t nr_taken = tty_take_in(&console, held, nr_held, &events);

        nr_held -= nr_taken;
        memmove(held, held + nr_taken, nr_held);
        if (nr_held == 0)
            hold_input(false);
    }
    spin_unlock_irq(&console.lock, irq);
    tty_signal_foreground(&console, events.signals);
}

static void receive_bad(uint8_t byte, bool is_break)
{
    tty_receive_event(&console, byte, is_break ? LDISC_BREAK : LDISC_PARITY_ERROR);
}

static void go_on(void)
{
    irq_state_t irq = spin_lock_irq(&console.lock);

    if (ldisc_can_take(&console.ldisc))
        push(&console);
    else
        uart16550_want_room(false);
    spin_unlock_irq(&console.lock, irq);
}

static const struct uart_client uart_client = {
    .receive = receive,
    .receive_bad = receive_bad,
    .has_room = go_on,
};

/* ---- The thread ----------------------------------------------------------------------------- */

/* Sleeps until there is something to look after. Whether input is held. */
static bool wait_for_work(void)
{
    irq_state_t irq = spin_lock_irq(&console.lock);
    uint64_t now_ns = clock_now_ns(), deadline_ns = WAITQ_FOREVER;
    bool has_held;
    int error;

    if (is_within_sequence)
        deadline_ns = now_ns + CONSOLE_SEQUENCE_NS;
    is_within_sequence = false;
    if (ldisc_can_take(&console.ldisc))
        deadline_ns = now_ns + OUTPUT_POLL_NS;
    if (is_polled || is_input_held)
        deadline_ns = now_ns + (is_input_coming ? INPUT_FLOW_NS : INPUT_POLL_NS);
    error = waitq_sleep(&thread_waits, &console.lock, deadline_ns, false);
    assert(error == 0 || error == -ETIMEDOUT);
    has_held = is_input_held;
    spin_unlock_irq(&console.lock, irq);
    return has_held;
}

/*
 * Asks the port for the one interrupt that comes without anybody's doing. If it does not, the
 * port's line leads nowhere: then it is polled.
 */
static void try_interrupt(void)
{
    irq_state_t irq = spin_lock_irq(&console.lock);

    uart16550_want_room(true);
    spin_unlock_irq(&console.lock, irq);
    kthread_sleep_ns(FIRST_INTERRUPT_NS);
}

static bool needs_polling(void)
{
    return has_port && (is_refused || uart16550_counts()->interrupts == 0);
}

static uint64_t look_after_console(void *unused)
{
    (void)unused;
    if (has_port && !is_refused)
        try_interrupt();
    if (needs_polling())
        log_warn("serial: no interrupt comes; looked at every %llu ms",
                 (unsigned long long)(INPUT_POLL_NS / NSEC_PER_MSEC));
    for (;;) {
        uint64_t nr_received;
        irq_state_t irq;

        is_polled = needs_polling();
        if (wait_for_work())
            try_held_input();
        nr_received = uart16550_counts()->received;
        if (is_polled) {
            irq = irq_save();
            uart16550_poll();
            irq_restore(irq);
        }
        is_input_coming = uart16550_counts()->received != nr_received;
        go_on();
        log_show_pending();
    }
    return 0;
}

void tty_console_drain(void)
{
    if (tty_drain(&console, clock_now_ns() + DRAIN_NS) != 0)
        log_warn("tty: the console has not sent everything");
}

/* ---- The devices ---------------------------------------------------------------------------- */

static int open_console(struct file *file, uint32_t device)
{
    int error = tty_open(tty_get(&console), file, device == DEVICE(TTYAUX_MAJOR, 1));

    if (error != 0)
        tty_put(&console);
    return error;
}

static int open_own(struct file *file, uint32_t device)
{
    struct tty *tty = tty_of_caller();
    int error;

    (void)device;
    if (tty == NULL)
        return -ENXIO;
    error = tty_open(tty, file, false);
    if (error != 0)
        tty_put(tty);
    return error;
}

static const struct device_driver serial_driver = {"ttyS", &tty_file_ops, open_console};
static const struct device_driver console_driver = {"/dev/console", &tty_file_ops, open_console};
static const struct device_driver own_driver = {"/dev/tty", &tty_file_ops, open_own};

/* A number at *text, which is moved behind it; 0 if there is none, or it is too large. */
static unsigned short read_number(const char **text)
{
    unsigned number = 0;

    for (; **text >= '0' && **text <= '9'; ++*text)
        number = MIN(number * 10 + (unsigned)(**text - '0'), (unsigned)UINT16_MAX + 1);
    return number <= UINT16_MAX ? (unsigned short)number : 0;
}

/*
 * A serial line does not say how large the terminal at its other end is: console_size=ROWSxCOLUMNS
 * on the command line does. Unknown, it is 0 x 0.
 */
static void set_size(void)
{
    const char *text = cmdline_get("console_size");
    struct winsize size = {0};

    if (text == NULL)
        return;
    size.ws_row = read_number(&text);
    if (*text == 'x') {
        text++;
        size.ws_col = read_number(&text);
    }
    if (size.ws_row != 0 && size.ws_col != 0 && *text == '\0')
        console.size = size;
    else
        log_warn("cmdline: console_size=%s is not ROWSxCOLUMNS", cmdline_get("console_size"));
}

void tty_console_init(void)
{
    struct kthread *thread;
    int error;

    tty_setup(&console, &console_ops, DEVICE(TTY_MAJOR, SERIAL_MINOR));
    set_size();
    waitq_init(&thread_waits);
    error = uart16550_listen(&uart_client);
    has_port = error != -ENODEV;
    is_refused = error == -EBUSY;
    thread = kthread_create("console", KTHREAD_PRIORITY_DEFAULT, look_after_console, NULL);
    if (thread == NULL)
        panic("tty: no memory for the console's thread");
    kthread_detach(thread);
    device_register(DEVICE(TTY_MAJOR, SERIAL_MINOR), 1, &serial_driver);
    device_add_node("ttyS0", 0620, DEVICE(TTY_MAJOR, SERIAL_MINOR));
    device_register(DEVICE(TTYAUX_MAJOR, 0), 1, &own_driver);
    device_add_node("tty", 0666, DEVICE(TTYAUX_MAJOR, 0));
    device_register(DEVICE(TTYAUX_MAJOR, 1), 1, &console_driver);
    device_add_node("console", 0600, DEVICE(TTYAUX_MAJOR, 1));
}
