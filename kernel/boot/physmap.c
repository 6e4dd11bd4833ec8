/*
 * From what the firmware says about memory to a clean list of free ranges.
 *
 * Firmware maps come unsorted, overlapping and in odd sizes, and reservations lie anywhere. Instead
 * of sorting copies (there is no memory to copy to yet) a cursor walks up the address space: from
 * where it stands it finds the next byte that is RAM and not reserved, then the end of the run that
 * begins there. The cursor only rises and each step passes the start or end of some range, so with
 * n ranges the walk takes O(n^2) steps; n is a few dozen.
 *
 * Runs are cut to whole pages at the very end: two pieces of RAM that meet in the middle of a page
 * make a whole page together, and a page with one reserved byte in it is not free.
 */

#include <kernel/bootinfo.h>
#include <kernel/string.h>

struct physmap {
    const struct boot_range *ram;
    size_t nr_ram;
    const struct boot_range *reserved;
    size_t nr_reserved;
    paddr_t max_paddr;
};

/* RAM that wraps contains nothing; whoever reserves a range that wraps gets all up to the top. */
static paddr_t reserved_end(const struct boot_range *range)
{
    return range->end < range->start ? PADDR_NONE : range->end;
}

static bool contains(paddr_t start, paddr_t end, paddr_t address)
{
    return start <= address && address < end;
}

/* The end of a piece of RAM that contains `address`; `address` itself when there is none. */
static paddr_t ram_after(const struct physmap *map, paddr_t address)
{
    for (size_t i = 0; i < map->nr_ram; i++) {
        if (contains(map->ram[i].start, map->ram[i].end, address))
            return map->ram[i].end;
    }
    return address;
}

/* The end of a reservation that contains `address`; `address` itself when there is none. */
static paddr_t reserved_after(const struct physmap *map, paddr_t address)
{
    for (size_t i = 0; i < map->nr_reserved; i++) {
        paddr_t end = reserved_end(&map->reserved[i]);

        if (contains(map->reserved[i].start, end, address))
            return end;
    }
    return address;
}

/* The lowest start of a piece of RAM above `address`, or max_paddr. */
static paddr_t next_ram_start(const struct physmap *map, paddr_t address)
{
    paddr_t next = map->max_paddr;

    for (size_t i = 0; i < map->nr_ram; i++) {
        const struct boot_range *ram = &map->ram[i];

        if (ram->start > address && ram->start < ram->end)
            next = MIN(next, ram->start);
    }
    return next;
}

/* The lowest start of a reservation above `address`, or max_paddr. */
static paddr_t next_reserved_start(const struct physmap *map, paddr_t address)
{
    paddr_t next = map->max_paddr;

    for (size_t i = 0; i < map->nr_reserved; i++) {
        const struct boot_range *reserved = &map->reserved[i];

        if (reserved->start > address && reserved->start < reserved_end(reserved))
            next = MIN(next, reserved->start);
    }
    return next;
}

/* The first free byte at `address` or above, or something >= max_paddr. */
static paddr_t free_start(const struct physmap *map, paddr_t address)
{
    while (address < map->max_paddr) {
        paddr_t past_reserved = reserved_after(map, address);

        if (past_reserved != address)
            address = past_reserved;
        else if (ram_after(map, address) == address)
            address = next_ram_start(map, address);
        else
            break;
    }
    return address;
}

/* Where the free run that begins at `start` ends. */
static paddr_t free_end(const struct physmap *map, paddr_t start)
{
    paddr_t limit = next_reserved_start(map, start);
    paddr_t end = start;

    while (end < limit) {
        paddr_t further = ram_after(map, end);

        if (further == end)
            break;
        end = further;
    }
    return MIN(end, limit);
}

static size_t smallest_of(const struct boot_range *out, size_t nr_out)
{
    size_t smallest = 0;

    for (size_t i = 1; i < nr_out; i++) {
        if (out[i].end - out[i].start < out[smallest].end - out[smallest].start)
            smallest = i;
    }
    return smallest;
}

/* Appends a run; with no room left, the smallest of all is dropped. Returns the new count. */
static size_t append_run(struct boot_range *out, size_t nr_out, size_t out_max,
                         struct boot_range run)
{
    if (nr_out == out_max) {
        size_t smallest = smallest_of(out, nr_out);

        if (run.end - run.start <= out[smallest].end - out[smallest].start)
            return nr_out;
        memmove(&out[smallest], &out[smallest + 1], (nr_out - smallest - 1) * sizeof(*out));
        nr_out--;
    }
    out[nr_out] = run;
    return nr_out + 1;
}

size_t physmap_build(const struct boot_range *ram, size_t nr_ram, const struct boot_range *reserved,
                     size_t nr_reserved, paddr_t max_paddr, struct boot_range *out, size_t out_max)
{
    const struct physmap map = {ram, nr_ram, reserved, nr_reserved,
                                ROUND_DOWN(max_paddr, PAGE_SIZE)};
    paddr_t cursor = 0;
    size_t nr_out = 0;

    if (out_max == 0)
        return 0;
    while ((cursor = free_start(&map, cursor)) < map.max_paddr) {
        paddr_t end = free_end(&map, cursor);
        struct boot_range pages = {ROUND_UP(cursor, PAGE_SIZE), ROUND_DOWN(end, PAGE_SIZE)};

        if (pages.start < pages.end)
            nr_out = append_run(out, nr_out, out_max, pages);
        cursor = end;
    }
    return nr_out;
}
