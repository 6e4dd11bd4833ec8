/*
 * Numbers of processes and LWPs.
 *
 * A two-level table: chunks of slots, made when a number in them is first needed and given back
 * when the last one is freed. New numbers follow the last one given out, and start again at the
 * lowest free one after the largest, so a number is not used again soon after it was freed.
 *
 * A number is free when it has no uses: its owner is one, and each process whose group or session
 * has that name is another.
 */

#include <kernel/errno.h>
#include <kernel/spinlock.h>
#include <mm/slab.h>
#include <proc/id.h>

#define IDS_PER_CHUNK 128u

struct id_slot {
    struct id_owner owner;
    unsigned nr_uses;
};

struct id_chunk {
    unsigned nr_taken;
    struct id_slot slots[IDS_PER_CHUNK];
};

static struct spinlock id_lock = SPINLOCK_INIT("numbers", LOCK_RANK_ID_TABLE);
static struct id_chunk **chunks; /* id_lock */
static unsigned max_id;          /* c */
static unsigned last_id;         /* id_lock: given out last */

int id_init(unsigned max)
{
    max_id = max;
    chunks = kzalloc((max / IDS_PER_CHUNK + 1) * sizeof(*chunks));
    return chunks != NULL ? 0 : -ENOMEM;
}

static bool is_full(unsigned id)
{
    const struct id_chunk *chunk = chunks[id / IDS_PER_CHUNK];

    return chunk != NULL && chunk->nr_taken == IDS_PER_CHUNK;
}

static bool is_taken(unsigned id)
{
    const struct id_chunk *chunk = chunks[id / IDS_PER_CHUNK];

    return chunk != NULL && chunk->slots[id % IDS_PER_CHUNK].nr_uses > 0;
}

/* The slot of a number that is taken. Locked. */
static struct id_slot *slot_of(int id)
{
    assert(is_taken((unsigned)id));
    return &chunks[(unsigned)id / IDS_PER_CHUNK]->slots[(unsigned)id % IDS_PER_CHUNK];
}

/* The first free number in [from, to]; 0: none. Locked. */
static unsigned find_free(unsigned from, unsigned to)
{
    for (unsigned id = from; id <= to;) {
        if (is_full(id))
            id = (id / IDS_PER_CHUNK + 1) * IDS_PER_CHUNK;
        else if (is_taken(id))
            id++;
        else
            return id;
    }
    return 0;
}

/* Locked. */
static int take(unsigned id, struct id_owner owner)
{
    struct id_chunk **chunk = &chunks[id / IDS_PER_CHUNK];

    if (*chunk == NULL)
        *chunk = kzalloc_user(sizeof(**chunk));
    if (*chunk == NULL)
        return -ENOMEM;
    (*chunk)->slots[id % IDS_PER_CHUNK] = (struct id_slot){owner, 1};
    (*chunk)->nr_taken++;
    last_id = id;
    return (int)id;
}

int id_alloc(struct id_owner owner)
{
    irq_state_t irq = spin_lock_irq(&id_lock);
    unsigned id = find_free(last_id + 1, max_id);
    int result;

    if (id == 0)
        id = find_free(1, last_id);
    result = id == 0 ? -EAGAIN : take(id, owner);
    spin_unlock_irq(&id_lock, irq);
    return result;
}

struct id_owner id_lookup(int id)
{
    struct id_owner owner = {0};
    irq_state_t irq;

    if (id < 1 || (unsigned)id > max_id)
        return owner;
    irq = spin_lock_irq(&id_lock);
    if (is_taken((unsigned)id))
        owner = slot_of(id)->owner;
    spin_unlock_irq(&id_lock, irq);
    return owner;
}

int id_next_lwp(int from)
{
    irq_state_t irq = spin_lock_irq(&id_lock);
    unsigned id = from > 1 ? (unsigned)from : 1;
    int found = 0;

    while (found == 0 && id <= max_id) {
        const struct id_chunk *chunk = chunks[id / IDS_PER_CHUNK];

        if (chunk == NULL)
            id = (id / IDS_PER_CHUNK + 1) * IDS_PER_CHUNK;
        else if (chunk->slots[id % IDS_PER_CHUNK].owner.lwp != NULL)
            found = (int)id;
        else
            id++;
    }
    spin_unlock_irq(&id_lock, irq);
    return found;
}

void id_set_owner(int id, struct id_owner owner)
{
    irq_state_t irq = spin_lock_irq(&id_lock);

    slot_of(id)->owner = owner;
    spin_unlock_irq(&id_lock, irq);
}

void id_use(int id)
{
    irq_state_t irq = spin_lock_irq(&id_lock);

    slot_of(id)->nr_uses++;
    spin_unlock_irq(&id_lock, irq);
}

void id_unuse(int id)
{
    irq_state_t irq = spin_lock_irq(&id_lock);
    struct id_chunk **chunk = &chunks[(unsigned)id / IDS_PER_CHUNK];

    if (--slot_of(id)->nr_uses == 0 && --(*chunk)->nr_taken == 0) {
        kfree(*chunk);
        *chunk = NULL;
    }
    spin_unlock_irq(&id_lock, irq);
}

void id_free(int id)
{
    id_set_owner(id, (struct id_owner){0});
    id_unuse(id);
}

unsigned id_max(void)
{
    return max_id;
}

unsigned id_last(void)
{
    return __atomic_load_n(&last_id, __ATOMIC_RELAXED);
}
