/*
 * The trace.
 *
 * Every CPU has a ring of records of its own, and only that CPU writes there: no lock, no shared
 * cache line. Records are numbered from 0 on for ever; number n is in slot n modulo the ring's
 * size. A writer takes the next number by one atomic addition and then fills the slot. Interrupts
 * are off meanwhile, so that the writer stays on its CPU; an NMI that comes between, and has
 * something to record as well, gets the next number and another slot.
 *
 * Readers are on any CPU, at any time. They cannot stop a writer, so each slot has a sequence lock
 * (the fences are those of Boehm, "Can Seqlocks Get Along With Programming Language Memory
 * Models?", MSPC 2012): `sequence` is 2n + 1 while record n is written, 2n + 2 when it is whole. A
 * reader that wants record n takes a copy, and believes it if the sequence was 2n + 2 before and
 * after. A smaller one: the record is not there yet. A greater one: it is gone. So a reader always
 * knows what it has lost, and never gets half a record or one for another.
 *
 * Rings are made when tracing is first switched on, and never go away: a writer or a reader that
 * has found one needs no permission to use it. Their memory comes from above (trace_give_ring()),
 * since all parts of the kernel, the heap too, may call this one.
 */

#include <arch/cpu.h>
#include <arch/percpu.h>
#include <arch/smp.h>
#include <kernel/clock.h>
#include <kernel/errno.h>
#include <kernel/log.h>
#include <kernel/panic.h>
#include <kernel/string.h>
#include <kernel/trace.h>

#define RECORD_WORDS  (sizeof(struct thrum_trace_record) / sizeof(uint64_t))
#define PRINT_PER_CPU 16

/* A cache line. The words are a struct thrum_trace_record. */
struct slot {
    _Atomic uint64_t sequence;
    _Atomic uint64_t word[RECORD_WORDS];
    uint64_t unused[TRACE_SLOT_BYTES / sizeof(uint64_t) - RECORD_WORDS - 1];
};

_Static_assert(sizeof(struct slot) == TRACE_SLOT_BYTES, "a slot is a cache line");
_Static_assert(sizeof(struct thrum_trace_record) == 40, "fixed by the ABI");

struct ring {
    struct slot *_Atomic slots; /* NULL: none; set once, after nr_slots */
    uint64_t nr_slots;          /* a power of two */
    _Atomic uint64_t next;      /* number of the record to be written next */
};

static PERCPU(struct ring, trace_ring);

atomic_uint trace_events;
static atomic_uint generation;

/* ---- Writing -------------------------------------------------------------------------------- */

static void write_slot(struct slot *slot, uint64_t number, const struct thrum_trace_record *record)
{
    uint64_t words[RECORD_WORDS];

    memcpy(words, record, sizeof(words));
    atomic_store_explicit(&slot->sequence, 2 * number + 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    for (unsigned i = 0; i < RECORD_WORDS; i++)
        atomic_store_explicit(&slot->word[i], words[i], memory_order_relaxed);
    atomic_store_explicit(&slot->sequence, 2 * number + 2, memory_order_release);
}

void trace_write(enum thrum_trace_kind kind, int tid, uint64_t a, uint64_t b, uint64_t c)
{
    irq_state_t irq = irq_save();
    struct ring *ring = this_cpu_ptr(trace_ring);
    struct slot *slots = atomic_load_explicit(&ring->slots, memory_order_acquire);

    if (slots != NULL) {
        uint64_t number = atomic_fetch_add_explicit(&ring->next, 1, memory_order_relaxed);
        struct thrum_trace_record record = {
            .time_ns = clock_now_ns(),
            .tid = tid,
            .kind = (uint16_t)kind,
            .cpu = (uint16_t)cpu_id(),
            .argument = {a, b, c},
        };

        write_slot(&slots[number & (ring->nr_slots - 1)], number, &record);
    }
    irq_restore(irq);
}

/* ---- Control -------------------------------------------------------------------------------- */

unsigned trace_generation(void)
{
    return atomic_load_explicit(&generation, memory_order_relaxed);
}

unsigned trace_set_events(unsigned events)
{
    if (atomic_fetch_add(&generation, 1) == UINT32_MAX)
        atomic_fetch_add(&generation, 1);
    return atomic_exchange(&trace_events, events);
}

bool trace_has_ring(unsigned cpu)
{
    return atomic_load(&cpu_ptr(trace_ring, cpu)->slots) != NULL;
}

void trace_give_ring(unsigned cpu, void *memory, size_t nr_bytes)
{
    struct ring *ring = cpu_ptr(trace_ring, cpu);

    assert(!trace_has_ring(cpu) && nr_bytes >= TRACE_SLOT_BYTES &&
           (uintptr_t)memory % TRACE_SLOT_BYTES == 0);
    ring->nr_slots = 1;
    while (ring->nr_slots * 2 * TRACE_SLOT_BYTES <= nr_bytes)
        ring->nr_slots *= 2;
    atomic_store_explicit(&ring->slots, memory, memory_order_release);
}

static const char *const names[THRUM_TRACE_NR_KINDS] = {
#define NAME(number, symbol, name) [number] = (name),
    THRUM_TRACE_KINDS(NAME)
#undef NAME
};

/* The event of that name, as a set; 0: there is none. */
static unsigned event_named(const char *name, size_t nr_bytes)
{
    if (nr_bytes == 3 && memcmp(name, "all", 3) == 0)
        return THRUM_TRACE_ALL;
    for (unsigned kind = 0; kind < THRUM_TRACE_NR_KINDS; kind++) {
        if (strlen(names[kind]) == nr_bytes && memcmp(names[kind], name, nr_bytes) == 0)
            return TRACE_BIT(kind);
    }
    return 0;
}

bool trace_parse_events(const char *list, unsigned *events)
{
    unsigned found = 0;

    for (;;) {
        const char *comma = strchr(list, ',');
        size_t nr_bytes = comma != NULL ? (size_t)(comma - list) : strlen(list);
        unsigned event = event_named(list, nr_bytes);

        if (event == 0)
            return false;
        found |= event;
        if (comma == NULL)
            break;
        list = comma + 1;
    }
    *events = found;
    return true;
}

const char *trace_kind_name(unsigned kind)
{
    return kind < THRUM_TRACE_NR_KINDS ? names[kind] : "?";
}

/* ---- Reading -------------------------------------------------------------------------------- */

enum copied { IS_COPIED, IS_TO_COME, IS_GONE };

static enum copied copy_slot(const struct slot *slot, uint64_t number,
                             struct thrum_trace_record *record)
{
    uint64_t words[RECORD_WORDS], whole = 2 * number + 2;
    uint64_t seen = atomic_load_explicit(&slot->sequence, memory_order_acquire);

    if (seen != whole)
        return seen < whole ? IS_TO_COME : IS_GONE;
    for (unsigned i = 0; i < RECORD_WORDS; i++)
        words[i] = atomic_load_explicit(&slot->word[i], memory_order_relaxed);
    atomic_thread_fence(memory_order_acquire);
    if (atomic_load_explicit(&slot->sequence, memory_order_relaxed) != whole)
        return IS_GONE;
    memcpy(record, words, sizeof(*record));
    return IS_COPIED;
}

/* Moves the cursor over what has been overwritten; whether something is left behind it. */
static bool skip_lost(const struct ring *ring, struct thrum_trace_cursor *cursor)
{
    uint64_t next = atomic_load_explicit(&ring->next, memory_order_acquire);
    uint64_t oldest = next > ring->nr_slots ? next - ring->nr_slots : 0;

    if (cursor->next < oldest) {
        cursor->nr_lost += oldest - cursor->next;
        cursor->next = oldest;
    }
    return cursor->next < next;
}

int trace_read(unsigned cpu, struct thrum_trace_cursor *cursor, struct thrum_trace_record *records,
               unsigned nr_max)
{
    const struct ring *ring = cpu_ptr(trace_ring, cpu);
    const struct slot *slots = atomic_load_explicit(&ring->slots, memory_order_acquire);
    uint64_t next = atomic_load_explicit(&ring->next, memory_order_relaxed);
    unsigned nr = 0;

    if (cursor->next == THRUM_TRACE_NOW)
        cursor->next = next;
    if (cursor->next > next)
        return -EINVAL;
    /* A ring that has come since then is for the next call. */
    while (slots != NULL && nr < nr_max && skip_lost(ring, cursor)) {
        enum copied copied =
            copy_slot(&slots[cursor->next & (ring->nr_slots - 1)], cursor->next, &records[nr]);

        if (copied == IS_TO_COME)
            break;
        if (copied == IS_COPIED)
            nr++;
        else
            cursor->nr_lost++;
        cursor->next++;
    }
    return (int)nr;
}

/* ---- At a panic ----------------------------------------------------------------------------- */

static void print_switch(const struct thrum_trace_record *record)
{
    static const char *const reasons[] = {
        [THRUM_SWITCH_IDLE] = "idle",        [THRUM_SWITCH_PREEMPTED] = "preempted",
        [THRUM_SWITCH_SLICE] = "slice over", [THRUM_SWITCH_YIELD] = "yield",
        [THRUM_SWITCH_BLOCKED] = "blocked",  [THRUM_SWITCH_EXIT] = "exit",
    };
    uint64_t reason = record->argument[1];

    log_error("  %lu ns: %d switch to %ld, %s", record->time_ns, record->tid,
              (long)record->argument[0], reason < ARRAY_LEN(reasons) ? reasons[reason] : "?");
}

static void print_class(const struct thrum_trace_record *record)
{
    log_error("  %lu ns: %d class %.16s", record->time_ns, record->tid,
              (const char *)record->argument);
}

static void print_record(const struct thrum_trace_record *record)
{
    if (record->kind == THRUM_TRACE_SWITCH)
        print_switch(record);
    else if (record->kind == THRUM_TRACE_CLASS)
        print_class(record);
    else
        log_error("  %lu ns: %d %s %ld 0x%lx 0x%lx", record->time_ns, record->tid,
                  record->kind < THRUM_TRACE_NR_KINDS ? names[record->kind] : "?",
                  (long)record->argument[0], record->argument[1], record->argument[2]);
}

void trace_print_last(void)
{
    atomic_store(&trace_events, 0);
    for (unsigned cpu = 0; cpu < nr_cpus_online; cpu++) {
        struct thrum_trace_cursor cursor = {.next = THRUM_TRACE_NOW};
        struct thrum_trace_record record;

        if (!trace_has_ring(cpu) || trace_read(cpu, &cursor, NULL, 0) < 0 || cursor.next == 0)
            continue;
        cursor.next -= MIN(cursor.next, PRINT_PER_CPU);
        log_error("CPU %u's last events (time: tid what ...)", cpu);
        /* A CPU that was stopped while it wrote has left a record unfinished: the end is there. */
        for (unsigned i = 0; i < PRINT_PER_CPU && trace_read(cpu, &cursor, &record, 1) == 1; i++)
            print_record(&record);
    }
}
