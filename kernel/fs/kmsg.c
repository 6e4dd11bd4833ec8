/*
 * The kernel log for programs.
 *
 * A message may be logged in any context, with any lock held: whoever logs cannot wake anybody. So
 * a kernel thread looks, LOOK_NS apart, whether the log has grown, as long as somebody waits for
 * that; otherwise it sleeps.
 *
 * Each open file of /dev/kmsg has a cursor into the log's ring, and so have all readers of
 * syslog(2) together. `lock` guards the cursors and the queues; only log.c's own lock is taken with
 * it. A message is copied out of the ring first and to the program afterwards, with no lock held.
 */

#include <kernel/clock.h>
#include <kernel/device.h>
#include <kernel/errno.h>
#include <kernel/format.h>
#include <kernel/kmsg.h>
#include <kernel/log.h>
#include <kernel/mutex.h>
#include <kernel/panic.h>
#include <kernel/poll.h>
#include <kernel/string.h>
#include <kernel/waitq.h>
#include <linux/eventpoll.h>
#include <linux/fcntl.h>
#include <linux/fs.h>
#include <mm/slab.h>
#include <mm/user_copy.h>
#include <sched/kthread.h>

#define LOOK_NS       (50 * NSEC_PER_MSEC)
#define FACILITY_USER 1

/* "priority,sequence,time_us,-;", the text, each byte of which may become "\xNN", and "\n". */
#define RECORD_HEAD_MAX 64
#define RECORD_MAX      (RECORD_HEAD_MAX + 4 * LOG_LINE_MAX + 1)

/* "<priority>" before a line for syslog(2). */
#define PRIORITY_MAX    8
#define SYSLOG_LINE_MAX (PRIORITY_MAX + LOG_SHOWN_MAX + 1)

static struct spinlock lock = SPINLOCK_INIT("kmsg", LOCK_RANK_WAIT);
static struct waitq readers;      /* lock: wait for messages */
static struct waitq idle_thread;  /* lock: the thread waits for readers */
static struct poll_queue polled;  /* lock */
static unsigned nr_waiting;       /* lock: on `readers` */
static struct log_cursor cleared; /* lock */

static struct mutex syslog_mutex;      /* held while a reader of syslog(2) takes messages */
static struct log_cursor syslog_place; /* lock, and syslog_mutex to change it */
static size_t syslog_nr_done;          /* syslog_mutex: bytes read of the message there */

/* ---- Waiting -------------------------------------------------------------------------------- */

static NORETURN uint64_t look_for_messages(void *unused)
{
    uint64_t seen = 0;

    (void)unused;
    spin_lock_irq(&lock);
    for (;;) {
        bool is_wanted = nr_waiting > 0 || !list_is_empty(&polled.watchers);
        uint64_t deadline_ns = is_wanted ? clock_now_ns() + LOOK_NS : WAITQ_FOREVER;
        uint64_t next;
        int error = waitq_sleep(&idle_thread, &lock, deadline_ns, false);

        assert(error == 0 || error == -ETIMEDOUT);
        next = log_end().sequence;
        if (next != seen) {
            waitq_wake_all(&readers);
            poll_notify(&polled);
        }
        seen = next;
    }
}

/* Until there is a message behind the cursor. 0, or what waitq_sleep() says. */
static int wait_for_message(const struct log_cursor *cursor)
{
    irq_state_t irq = spin_lock_irq(&lock);
    int error = 0;

    while (cursor->sequence >= log_end().sequence && error == 0) {
        if (nr_waiting++ == 0)
            waitq_wake_all(&idle_thread);
        error = waitq_sleep(&readers, &lock, WAITQ_FOREVER, true);
        nr_waiting--;
    }
    spin_unlock_irq(&lock, irq);
    return error;
}

/* ---- /dev/kmsg ------------------------------------------------------------------------------- */

static int kmsg_open(struct file *file, uint32_t device)
{
    struct log_cursor *cursor = kzalloc_user(sizeof(*cursor));

    (void)device;
    file->private = cursor;
    return cursor != NULL ? 0 : -ENOMEM;
}

static void kmsg_release(struct file *file)
{
    kfree(file->private);
}

/* As Documentation/ABI/testing/dev-kmsg of Linux has it; its length. */
static size_t format_record(char record[RECORD_MAX], const struct log_message *message)
{
    size_t nr = (size_t)snprintf(record, RECORD_HEAD_MAX, "%u,%lu,%lu,-;", message->priority,
                                 message->sequence, message->time_ns / NSEC_PER_USEC);

    for (unsigned i = 0; i < message->text_bytes; i++) {
        unsigned char c = (unsigned char)message->text[i];

        if (c < ' ' || c >= 0x7f || c == '\\')
            nr += (size_t)snprintf(record + nr, 5, "\\x%02x", c);
        else
            record[nr++] = (char)c;
    }
    record[nr++] = '\n';
    return nr;
}

/* Takes the next message; -EAGAIN: there is none; -EPIPE: the next one is lost. */
static int take_message(struct log_cursor *cursor, struct log_message *message)
{
    irq_state_t irq = spin_lock_irq(&lock);
    int error = 0;

    if (cursor->sequence < log_oldest() && cursor->sequence > 0) {
        cursor->sequence = 0; /* which is: the oldest */
        error = -EPIPE;
    } else if (!log_read(cursor, message)) {
        error = -EAGAIN;
    }
    spin_unlock_irq(&lock, irq);
    return error;
}

static int wait_and_take(struct file *file, struct log_message *message)
{
    int error;

    while ((error = take_message(file->private, message)) == -EAGAIN) {
        if (atomic_load(&file->flags) & O_NONBLOCK)
            return error;
        error = wait_for_message(file->private);
        if (error != 0)
            return error;
    }
    return error;
}

static int64_t kmsg_read(struct file *file, vaddr_t to, size_t nr_bytes, uint64_t *offset)
{
    struct log_message message;
    int64_t result = wait_and_take(file, &message);
    char *record;
    size_t nr;

    (void)offset;
    if (result != 0)
        return result;
    record = kmalloc_user(RECORD_MAX);
    if (record == NULL)
        return -ENOMEM;
    nr = format_record(record, &message);
    result = (int64_t)nr;
    if (nr > nr_bytes)
        result = -EINVAL;
    else if (user_copy_to(to, record, nr) != 0)
        result = -EFAULT;
    kfree(record);
    return result;
}

/* Takes "<N>" off the front of a text; N, or what a program's message is without it. */
static unsigned take_priority(char **text, size_t *nr_bytes)
{
    unsigned priority = 0;
    size_t i = 1;

    while (i < *nr_bytes && i <= 4 && (*text)[i] >= '0' && (*text)[i] <= '9')
        priority = 10 * priority + (unsigned)((*text)[i++] - '0');
    if (i == 1 || i == *nr_bytes || (*text)[0] != '<' || (*text)[i] != '>')
        return FACILITY_USER << 3 | LOG_WARN;
    *text += i + 1;
    *nr_bytes -= i + 1;
    return priority >> 3 != 0 ? priority : FACILITY_USER << 3 | priority;
}

/* One message a write. Newlines at its end are left out, as they end each message anyway. */
static int64_t kmsg_write(struct file *file, vaddr_t from, size_t nr_bytes, uint64_t *offset)
{
    char line[PRIORITY_MAX + LOG_LINE_MAX + 1], *text = line;
    size_t length = nr_bytes;
    unsigned priority;

    (void)file, (void)offset;
    if (nr_bytes > sizeof(line))
        return -EINVAL;
    if (user_copy_from(line, from, nr_bytes) != 0)
        return -EFAULT;
    priority = take_priority(&text, &length);
    while (length > 0 && text[length - 1] == '\n')
        length--;
    if (length > LOG_LINE_MAX)
        return -EINVAL;
    log_write_program(priority, text, length);
    return (int64_t)nr_bytes;
}

static int64_t kmsg_seek(struct file *file, int64_t offset, int whence)
{
    struct log_cursor *cursor = file->private, to = {0};
    irq_state_t irq;

    if (offset != 0)
        return -ESPIPE;
    if (whence != SEEK_SET && whence != SEEK_END && whence != SEEK_DATA)
        return -EINVAL;
    irq = spin_lock_irq(&lock);
    if (whence == SEEK_END)
        to = log_end();
    else if (whence == SEEK_DATA)
        to = cleared;
    if (to.sequence < log_oldest())
        to = (struct log_cursor){0};
    *cursor = to;
    spin_unlock_irq(&lock, irq);
    return 0;
}

/* Locked. */
static void watch(struct poll_watcher *watcher)
{
    poll_watch(&polled, watcher);
    if (watcher != NULL)
        waitq_wake_all(&idle_thread);
}

void kmsg_watch(struct poll_watcher *watcher)
{
    irq_state_t irq = spin_lock_irq(&lock);

    watch(watcher);
    spin_unlock_irq(&lock, irq);
}

static unsigned kmsg_poll(struct file *file, struct poll_watcher *watcher)
{
    const struct log_cursor *cursor = file->private;
    irq_state_t irq = spin_lock_irq(&lock);
    unsigned events = 0;

    if (cursor->sequence < log_end().sequence)
        events = EPOLLIN | EPOLLRDNORM;
    if (cursor->sequence > 0 && cursor->sequence < log_oldest())
        events |= EPOLLERR | EPOLLPRI; /* the next read() is EPIPE */
    watch(watcher);
    spin_unlock_irq(&lock, irq);
    return events;
}

static const struct file_ops kmsg_ops = {
    .read = kmsg_read,
    .write = kmsg_write,
    .seek = kmsg_seek,
    .poll = kmsg_poll,
    .release = kmsg_release,
};
static const struct device_driver kmsg_driver = {
    .name = "mem",
    .ops = &kmsg_ops,
    .open = kmsg_open,
};

void kmsg_init(void)
{
    struct kthread *thread;

    waitq_init(&readers);
    waitq_init(&idle_thread);
    poll_queue_init(&polled, &lock);
    mutex_init(&syslog_mutex, "syslog");
    device_register(DEVICE(1, 11), 1, &kmsg_driver);
    device_add_node("kmsg", 0644, DEVICE(1, 11));
    thread = kthread_create("kmsg", KTHREAD_PRIORITY_DEFAULT, look_for_messages, NULL);
    if (thread == NULL)
        panic("kmsg: no memory for its thread");
    kthread_detach(thread);
}

/* ---- syslog(2) ------------------------------------------------------------------------------- */

static size_t format_syslog_line(char line[SYSLOG_LINE_MAX], const struct log_message *message)
{
    size_t nr = (size_t)snprintf(line, PRIORITY_MAX, "<%u>", message->priority);

    nr += log_format(line + nr, message);
    line[nr++] = '\n';
    return nr;
}

static void set_place(struct log_cursor place)
{
    irq_state_t irq = spin_lock_irq(&lock);

    syslog_place = place;
    spin_unlock_irq(&lock, irq);
}

/* Copies what fits of new messages; the last one may be read in parts. */
static int64_t copy_new(vaddr_t to, size_t nr_bytes)
{
    struct log_cursor place = syslog_place;
    struct log_message message;
    char line[SYSLOG_LINE_MAX];
    size_t done = 0;

    while (done < nr_bytes && log_read(&place, &message)) {
        size_t length = format_syslog_line(line, &message), nr;

        if (place.sequence != syslog_place.sequence + 1)
            syslog_nr_done = 0; /* what had been begun is lost */
        nr = MIN(length - syslog_nr_done, nr_bytes - done);
        if (user_copy_to(to + done, line + syslog_nr_done, nr) != 0)
            return done > 0 ? (int64_t)done : -EFAULT;
        done += nr;
        syslog_nr_done += nr;
        if (syslog_nr_done < length)
            break;
        syslog_nr_done = 0;
        set_place(place);
    }
    return (int64_t)done;
}

int64_t kmsg_read_new(vaddr_t to, size_t nr_bytes)
{
    int64_t result = 0;

    while (result == 0 && nr_bytes > 0) {
        result = wait_for_message(&syslog_place);
        if (result != 0)
            break;
        mutex_lock(&syslog_mutex);
        result = copy_new(to, nr_bytes);
        mutex_unlock(&syslog_mutex);
    }
    return result;
}

static struct log_cursor get_cleared(void)
{
    irq_state_t irq = spin_lock_irq(&lock);
    struct log_cursor cursor = cleared;

    spin_unlock_irq(&lock, irq);
    return cursor;
}

/* The size of all messages from the cursor on. */
static size_t size_from(struct log_cursor cursor)
{
    struct log_message message;
    char line[SYSLOG_LINE_MAX];
    size_t nr_bytes = 0;

    while (log_read(&cursor, &message))
        nr_bytes += format_syslog_line(line, &message);
    return nr_bytes;
}

int64_t kmsg_read_last(vaddr_t to, size_t nr_bytes)
{
    struct log_cursor cursor = get_cleared();
    size_t nr_left = size_from(cursor), done = 0;
    struct log_message message;
    char line[SYSLOG_LINE_MAX];

    while (log_read(&cursor, &message)) {
        size_t nr = format_syslog_line(line, &message);

        if (nr_left > nr_bytes) { /* an old one, which does not fit */
            nr_left -= MIN(nr, nr_left);
            continue;
        }
        if (nr > nr_bytes - done)
            break; /* a new one, which has come meanwhile */
        if (user_copy_to(to + done, line, nr) != 0)
            return -EFAULT;
        done += nr;
    }
    return (int64_t)done;
}

void kmsg_clear(void)
{
    struct log_cursor end = log_end();
    irq_state_t irq = spin_lock_irq(&lock);

    cleared = end;
    spin_unlock_irq(&lock, irq);
}

size_t kmsg_nr_unread_bytes(void)
{
    size_t nr_bytes;

    mutex_lock(&syslog_mutex);
    nr_bytes = size_from(syslog_place);
    nr_bytes -= MIN(syslog_nr_done, nr_bytes);
    mutex_unlock(&syslog_mutex);
    return nr_bytes;
}
