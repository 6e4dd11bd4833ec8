/*
 * /proc/trace: the trace's rings as text, one CPU after the other, each from its oldest record up
 * to what was the newest when the file was opened. So reading, which leaves records itself, comes
 * to an end; and it does not disturb who writes (kernel/trace.c). A line is
 *
 *     time_ns cpu tid event argument argument argument
 *
 * with the arguments of abi/thrum.h in hexadecimal, or
 *
 *     # cpu N: M records lost
 *
 * where records were overwritten before they were read.
 */

#include <arch/smp.h>
#include <kernel/errno.h>
#include <kernel/format.h>
#include <kernel/mutex.h>
#include <kernel/trace.h>
#include <mm/slab.h>
#include <mm/user_copy.h>

#include "procfs.h"

#define LINE_MAX 160

/* What an open file has. */
struct reader {
    struct mutex lock;
    unsigned cpu;                     /* lock */
    struct thrum_trace_cursor cursor; /* lock; of that CPU */
    char line[LINE_MAX];              /* lock; what is left to give of it is at line_done */
    size_t line_bytes, line_done;     /* lock */
    uint64_t end[];                   /* c; of each CPU */
};

static struct reader *make_reader(void)
{
    struct reader *reader = kzalloc_user(sizeof(*reader) + nr_cpus_online * sizeof(reader->end[0]));

    if (reader == NULL)
        return NULL;
    mutex_init(&reader->lock, "trace reader");
    for (unsigned cpu = 0; cpu < nr_cpus_online; cpu++) {
        struct thrum_trace_cursor cursor = {.next = THRUM_TRACE_NOW};

        if (trace_has_ring(cpu) && trace_read(cpu, &cursor, NULL, 0) >= 0)
            reader->end[cpu] = cursor.next;
    }
    return reader;
}

static void format_record(struct reader *reader, const struct thrum_trace_record *record)
{
    int length = snprintf(reader->line, LINE_MAX, "%lu %u %d %s %lx %lx %lx\n", record->time_ns,
                          record->cpu, record->tid, trace_kind_name(record->kind),
                          record->argument[0], record->argument[1], record->argument[2]);

    reader->line_bytes = (size_t)length;
}

/* The next line. False: there are no more. Locked. */
static bool next_line(struct reader *reader)
{
    reader->line_done = 0;
    while (reader->cpu < nr_cpus_online) {
        struct thrum_trace_record record;

        if (reader->cursor.nr_lost > 0) {
            reader->line_bytes =
                (size_t)snprintf(reader->line, LINE_MAX, "# cpu %u: %lu records lost\n",
                                 reader->cpu, reader->cursor.nr_lost);
            reader->cursor.nr_lost = 0;
            return true;
        }
        if (reader->cursor.next < reader->end[reader->cpu] &&
            trace_read(reader->cpu, &reader->cursor, &record, 1) == 1) {
            format_record(reader, &record);
            return true;
        }
        if (reader->cursor.nr_lost == 0) {
            reader->cpu++;
            reader->cursor = (struct thrum_trace_cursor){.next = 0};
        }
    }
    reader->line_bytes = 0;
    return false;
}

/* Locked. */
static int64_t copy_lines(struct reader *reader, vaddr_t to, size_t nr_bytes)
{
    size_t done = 0;

    while (done < nr_bytes && (reader->line_done < reader->line_bytes || next_line(reader))) {
        size_t nr = MIN(nr_bytes - done, reader->line_bytes - reader->line_done);

        if (user_copy_to(to + done, reader->line + reader->line_done, nr) != 0)
            return done > 0 ? (int64_t)done : -EFAULT;
        done += nr;
        reader->line_done += nr;
    }
    return (int64_t)done;
}

static int64_t trace_file_read(struct file *file, vaddr_t to, size_t nr_bytes, uint64_t *offset)
{
    struct reader *reader = file->private;
    int64_t result;

    (void)offset;
    mutex_lock(&reader->lock);
    result = copy_lines(reader, to, nr_bytes);
    mutex_unlock(&reader->lock);
    return result;
}

static void trace_file_release(struct file *file)
{
    kfree(file->private);
}

int procfs_open_trace(struct file *file)
{
    file->private = make_reader();
    return file->private != NULL ? 0 : -ENOMEM;
}

const struct file_ops procfs_trace_ops = {
    .read = trace_file_read,
    .release = trace_file_release,
};
