/*
 * The cpio "newc" format.
 *
 * An archive is a row of entries. An entry is a header of 110 ASCII characters (a magic number of
 * six and thirteen fields of eight hexadecimal digits), the name with its NUL, zeroes up to a
 * multiple of four from the start of the archive, the data, and zeroes likewise. An entry named
 * "TRAILER!!!" ends the archive. Boot loaders and people append archives to each other, with any
 * number of zeroes between.
 *
 * Source: "initramfs buffer format" in the Linux kernel documentation (driver-api/early-userspace/
 * buffer-format).
 */

#include <kernel/cpio.h>
#include <kernel/errno.h>
#include <kernel/string.h>

#define HEADER_BYTES 110
#define MAGIC_BYTES  6
#define FIELD_DIGITS 8
#define ALIGN_BYTES  4

/* The header's fields, in order. */
enum field {
    FIELD_INODE,
    FIELD_MODE,
    FIELD_UID,
    FIELD_GID,
    FIELD_NR_LINKS,
    FIELD_MTIME,
    FIELD_DATA_BYTES,
    FIELD_FS_MAJOR,
    FIELD_FS_MINOR,
    FIELD_DEVICE_MAJOR,
    FIELD_DEVICE_MINOR,
    FIELD_NAME_BYTES, /* with the NUL */
    FIELD_CHECKSUM,   /* the data bytes' sum; only where the magic number says so */
    NR_FIELDS,
};

_Static_assert(MAGIC_BYTES + NR_FIELDS * FIELD_DIGITS == HEADER_BYTES, "the format's header");

static const char magic_plain[] = "070701";
static const char magic_checksum[] = "070702";
static const char trailer_name[] = "TRAILER!!!";

void cpio_open(struct cpio_reader *reader, const void *bytes, size_t nr_bytes)
{
    *reader = (struct cpio_reader){.bytes = bytes, .nr_bytes = nr_bytes};
}

/* The archive is corrupt: nothing behind this place can be trusted. */
static int fail(struct cpio_reader *r, const char *reason)
{
    r->reason = reason;
    r->position = r->nr_bytes;
    r->is_open = false;
    return -EINVAL;
}

static bool parse_field(const uint8_t *digits, uint32_t *out)
{
    *out = 0;
    for (unsigned i = 0; i < FIELD_DIGITS; i++) {
        uint8_t c = digits[i];
        uint32_t digit;

        if (c >= '0' && c <= '9')
            digit = c - '0';
        else if (c >= 'a' && c <= 'f')
            digit = c - 'a' + 10u;
        else if (c >= 'A' && c <= 'F')
            digit = c - 'A' + 10u;
        else
            return false;
        *out = *out << 4 | digit;
    }
    return true;
}

static bool parse_fields(const uint8_t *header, uint32_t fields[NR_FIELDS])
{
    for (unsigned i = 0; i < NR_FIELDS; i++) {
        if (!parse_field(header + MAGIC_BYTES + i * FIELD_DIGITS, &fields[i]))
            return false;
    }
    return true;
}

static void skip_zeroes(struct cpio_reader *r)
{
    while (r->position < r->nr_bytes && r->bytes[r->position] == 0)
        r->position++;
}

/* Moves to the next multiple of four from the archive's start. The very last zeroes may lack. */
static void align(struct cpio_reader *r)
{
    size_t offset = r->position - r->archive_start;

    r->position = MIN(r->archive_start + ROUND_UP(offset, ALIGN_BYTES), r->nr_bytes);
}

/* Takes nr_bytes and the zeroes behind them; NULL when the archive is too short. */
static const uint8_t *take(struct cpio_reader *r, size_t nr_bytes)
{
    const uint8_t *taken = r->bytes + r->position;

    if (nr_bytes > r->nr_bytes - r->position)
        return NULL;
    r->position += nr_bytes;
    align(r);
    return taken;
}

static bool sum_is_right(const uint8_t *data, size_t nr_bytes, uint32_t expected)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < nr_bytes; i++)
        sum += data[i];
    return sum == expected;
}

/* A path that is relative to the root, without "./" before it: both are written by real tools. */
static const char *relative_name(const char *name)
{
    while (name[0] == '/' || (name[0] == '.' && name[1] == '/'))
        name++;
    return name[0] == '\0' ? "." : name;
}

static bool has_dotdot(const char *name)
{
    while (name != NULL && *name != '\0') {
        if (name[0] == '.' && name[1] == '.' && (name[2] == '/' || name[2] == '\0'))
            return true;
        name = strchr(name, '/');
        if (name != NULL)
            name++;
    }
    return false;
}

static void fill_entry(struct cpio_entry *entry, const char *name, const uint32_t fields[NR_FIELDS],
                       const uint8_t *data)
{
    *entry = (struct cpio_entry){
        .name = relative_name(name),
        .mode = fields[FIELD_MODE],
        .uid = fields[FIELD_UID],
        .gid = fields[FIELD_GID],
        .mtime_s = fields[FIELD_MTIME],
        .inode = fields[FIELD_INODE],
        .nr_links = fields[FIELD_NR_LINKS],
        .fs_major = fields[FIELD_FS_MAJOR],
        .fs_minor = fields[FIELD_FS_MINOR],
        .device_major = fields[FIELD_DEVICE_MAJOR],
        .device_minor = fields[FIELD_DEVICE_MINOR],
        .data = data,
        .nr_bytes = fields[FIELD_DATA_BYTES],
    };
}

/* Reads the header at the reader's position, name and data with it. 1, or -EINVAL. */
static int read_entry(struct cpio_reader *r, struct cpio_entry *entry)
{
    const uint8_t *header = r->bytes + r->position;
    uint32_t fields[NR_FIELDS];
    bool has_sum;
    const char *name;
    const uint8_t *data;

    if (r->nr_bytes - r->position < HEADER_BYTES)
        return fail(r, "the archive ends inside a header");
    has_sum = memcmp(header, magic_checksum, MAGIC_BYTES) == 0;
    if (!has_sum && memcmp(header, magic_plain, MAGIC_BYTES) != 0)
        return fail(r, "no newc header where one must be (is the archive compressed?)");
    if (!parse_fields(header, fields))
        return fail(r, "a header field is not a hexadecimal number");
    r->position += HEADER_BYTES;

    name = (const char *)take(r, fields[FIELD_NAME_BYTES]);
    if (name == NULL)
        return fail(r, "the archive ends inside a name");
    if (strnlen(name, fields[FIELD_NAME_BYTES]) + 1 != fields[FIELD_NAME_BYTES])
        return fail(r, "a name does not end where its header says");
    data = take(r, fields[FIELD_DATA_BYTES]);
    if (data == NULL)
        return fail(r, "the archive ends inside a file");
    if (has_sum && !sum_is_right(data, fields[FIELD_DATA_BYTES], fields[FIELD_CHECKSUM]))
        return fail(r, "a file has a wrong checksum");

    fill_entry(entry, name, fields, data);
    if (has_dotdot(name)) {
        r->reason = "a name contains \"..\"";
        return -EINVAL;
    }
    return 1;
}

int cpio_next(struct cpio_reader *r, struct cpio_entry *entry)
{
    for (;;) {
        int result;

        if (!r->is_open) {
            skip_zeroes(r);
            if (r->position == r->nr_bytes)
                return 0;
            r->archive_start = r->position;
            r->is_open = true;
        } else if (r->position == r->nr_bytes) {
            return fail(r, "the archive ends without its trailer");
        }
        result = read_entry(r, entry);
        if (result != 1 || strcmp(entry->name, trailer_name) != 0)
            return result;
        r->is_open = false;
    }
}
