/* The list of character devices. It is written while booting, by one LWP, and only read later. */

#include <kernel/device.h>
#include <kernel/panic.h>

#define RANGES_MAX 32
#define NODES_MAX  64

struct range {
    uint32_t first;
    unsigned nr;
    const struct device_driver *driver;
};

static struct range ranges[RANGES_MAX];
static size_t nr_ranges;
static struct device_node nodes[NODES_MAX];
static size_t nr_nodes;

static bool has(const struct range *range, uint32_t device)
{
    unsigned minor = device_minor(range->first);

    return device_major(device) == device_major(range->first) && device_minor(device) >= minor &&
           device_minor(device) - minor < range->nr;
}

void device_register(uint32_t first, unsigned nr, const struct device_driver *driver)
{
    struct range range = {first, nr, driver};

    for (size_t i = 0; i < nr_ranges; i++)
        assert(!has(&ranges[i], first) && !has(&range, ranges[i].first));
    assert(nr_ranges < RANGES_MAX);
    ranges[nr_ranges++] = range;
}

const struct device_driver *device_find(uint32_t device)
{
    for (size_t i = 0; i < nr_ranges; i++) {
        if (has(&ranges[i], device))
            return ranges[i].driver;
    }
    return NULL;
}

bool device_range_at(size_t n, uint32_t *first, unsigned *nr, const struct device_driver **driver)
{
    if (n >= nr_ranges)
        return false;
    *first = ranges[n].first;
    *nr = ranges[n].nr;
    *driver = ranges[n].driver;
    return true;
}

void device_add_node(const char *name, uint32_t permissions, uint32_t device)
{
    assert(nr_nodes < NODES_MAX);
    nodes[nr_nodes++] = (struct device_node){name, permissions, device};
}

const struct device_node *device_node_at(size_t n)
{
    return n < nr_nodes ? &nodes[n] : NULL;
}
