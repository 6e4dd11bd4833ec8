/*
 * The files of procfs that are texts.
 *
 * Reading at the start of a file makes its text anew; reading on gives more of the same text, so
 * that who reads it in pieces gets one that is whole. Each open file has a text of its own, which
 * has references: it is copied to the program without a lock, while others may already have made
 * another. A text that does not fit is made again with twice the room, up to a limit, behind which
 * it is cut.
 */

#include <stdatomic.h>

#include <kernel/credentials.h>
#include <kernel/errno.h>
#include <kernel/format.h>
#include <kernel/string.h>
#include <linux/fs.h>
#include <mm/slab.h>
#include <mm/user_copy.h>

#include "procfs.h"

#define TEXT_BYTES_FIRST 1024
#define TEXT_BYTES_MAX   MIB(1)
#define WRITE_BYTES_MAX  256

struct snapshot {
    atomic_uint nr_refs;
    size_t nr_bytes;
    char bytes[];
};

/* What an open file has. */
struct reader {
    struct mutex lock;
    struct snapshot *snapshot; /* lock; a reference; NULL: none yet */
};

/* ---- Texts ---------------------------------------------------------------------------------- */

void procfs_append(struct procfs_text *text, const char *bytes, size_t nr_bytes)
{
    size_t nr = MIN(nr_bytes, text->capacity - text->nr_bytes);

    memcpy(text->bytes + text->nr_bytes, bytes, nr);
    text->nr_bytes += nr;
    text->is_full |= nr < nr_bytes;
}

void procfs_print(struct procfs_text *text, const char *fmt, ...)
{
    size_t room = text->capacity - text->nr_bytes, length;
    va_list args;

    va_start(args, fmt);
    length = (size_t)vsnprintf(text->bytes + text->nr_bytes, room, fmt, args);
    va_end(args);
    if (length >= room) { /* it wants a NUL, too */
        text->is_full = true;
        length = room > 0 ? room - 1 : 0;
    }
    text->nr_bytes += length;
}

void procfs_print_mask(struct procfs_text *text, uint64_t mask)
{
    if (mask >> 32 != 0)
        procfs_print(text, "%lx,%08lx", mask >> 32, mask & UINT32_MAX);
    else
        procfs_print(text, "%lx", mask);
}

void procfs_print_list(struct procfs_text *text, uint64_t mask)
{
    const char *separator = "";

    for (unsigned first = 0, last; first < 64; first = last + 1) {
        last = first;
        if (!(mask >> first & 1))
            continue;
        while (last < 63 && mask >> (last + 1) & 1)
            last++;
        procfs_print(text, "%s%u", separator, first);
        if (last > first)
            procfs_print(text, "-%u", last);
        separator = ",";
    }
}

int64_t procfs_copy_target(char *target, size_t nr_bytes, const char *text)
{
    size_t nr = 0;

    for (; nr < nr_bytes && text[nr] != '\0'; nr++)
        target[nr] = text[nr];
    return (int64_t)nr;
}

static void put_snapshot(struct snapshot *snapshot)
{
    if (snapshot != NULL && atomic_fetch_sub(&snapshot->nr_refs, 1) == 1)
        kfree(snapshot);
}

/* The text of a node at this moment; NULL with *error set. */
static struct snapshot *make_snapshot(const struct procfs_node *node, int *error)
{
    for (size_t capacity = TEXT_BYTES_FIRST;; capacity *= 2) {
        struct snapshot *snapshot = kmalloc_user(sizeof(*snapshot) + capacity);
        struct procfs_text text = {.capacity = capacity};

        *error = -ENOMEM;
        if (snapshot == NULL)
            return NULL;
        text.bytes = snapshot->bytes;
        *error = node->entry->show(&text, node);
        if (*error == 0 && (!text.is_full || capacity >= TEXT_BYTES_MAX)) {
            atomic_init(&snapshot->nr_refs, 1);
            snapshot->nr_bytes = text.nr_bytes;
            return snapshot;
        }
        kfree(snapshot);
        if (*error != 0)
            return NULL;
    }
}

/* ---- Files ---------------------------------------------------------------------------------- */

static const struct procfs_node *node_of(const struct file *file)
{
    return container_of(file->inode, struct procfs_node, inode);
}

/* The open file's reader, made when it is first needed; NULL: out of memory. */
static struct reader *reader_of(struct file *file)
{
    void *_Atomic *place = (void *_Atomic *)&file->private;
    struct reader *reader = atomic_load(place), *made;
    void *none = NULL;

    if (reader != NULL)
        return reader;
    made = kzalloc_user(sizeof(*made));
    if (made == NULL)
        return NULL;
    mutex_init(&made->lock, "procfs reader");
    if (atomic_compare_exchange_strong(place, &none, made))
        return made;
    kfree(made);
    return none;
}

/* What a read at that offset is to give, with a reference; NULL with *error set. */
static struct snapshot *get_snapshot(struct file *file, uint64_t offset, int *error)
{
    struct reader *reader = reader_of(file);
    struct snapshot *snapshot, *old = NULL;

    *error = -ENOMEM;
    if (reader == NULL)
        return NULL;
    mutex_lock(&reader->lock);
    snapshot = reader->snapshot;
    if (offset == 0 || snapshot == NULL) {
        old = snapshot;
        snapshot = make_snapshot(node_of(file), error);
        reader->snapshot = snapshot;
    }
    if (snapshot != NULL)
        atomic_fetch_add(&snapshot->nr_refs, 1);
    mutex_unlock(&reader->lock);
    put_snapshot(old);
    return snapshot;
}

static int64_t text_read(struct file *file, vaddr_t to, size_t nr_bytes, uint64_t *offset)
{
    struct snapshot *snapshot;
    int64_t result = 0;
    int error;

    if (node_of(file)->entry->show == NULL)
        return -EINVAL;
    snapshot = get_snapshot(file, *offset, &error);
    if (snapshot == NULL)
        return error;
    if (*offset < snapshot->nr_bytes) {
        size_t nr = MIN(nr_bytes, snapshot->nr_bytes - *offset);

        result = (int64_t)nr;
        if (user_copy_to(to, snapshot->bytes + *offset, nr) != 0)
            result = -EFAULT;
        else
            *offset += nr;
    }
    put_snapshot(snapshot);
    return result;
}

static int64_t text_write(struct file *file, vaddr_t from, size_t nr_bytes, uint64_t *offset)
{
    const struct procfs_node *node = node_of(file);
    char text[WRITE_BYTES_MAX];
    size_t length = nr_bytes;
    int error;

    (void)offset;
    if (node->entry->write == NULL)
        return -EIO;
    if (nr_bytes >= sizeof(text))
        return -EINVAL;
    if (user_copy_from(text, from, nr_bytes) != 0)
        return -EFAULT;
    while (length > 0 && text[length - 1] == '\n')
        length--;
    text[length] = '\0';
    error = node->entry->write(node, text);
    return error != 0 ? error : (int64_t)nr_bytes;
}

static void text_release(struct file *file)
{
    struct reader *reader = file->private;

    if (reader == NULL)
        return;
    put_snapshot(reader->snapshot);
    kfree(reader);
}

const struct file_ops procfs_text_ops = {
    .is_seekable = true,
    .read = text_read,
    .write = text_write,
    .release = text_release,
};

/* ---- Permission ----------------------------------------------------------------------------- */

int procfs_may_look(int pid)
{
    const struct credentials *caller = credentials_current();
    uint32_t uid = caller->fsuid;
    struct process_report report;
    int error = process_report(pid, 0, &report);

    if (error != 0)
        return error;
    if (credentials_are_files_root(caller) || pid == process_current()->pid)
        return 0;
    return report.uid[0] == uid && report.uid[1] == uid && report.uid[2] == uid ? 0 : -EACCES;
}
