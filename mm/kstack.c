/*
 * Kernel stacks.
 *
 * A region of the kernel half is divided into slots of twice a stack's size: the upper half holds
 * the stack, the lower half is never mapped and is its guard. So whether an address is in a guard
 * is one bit of it.
 *
 * Stacks come and go with LWPs, and a stack is given back where its LWP was switched away from,
 * with interrupts off, while taking a mapping apart means waiting for every CPU. So a stack that is
 * given back stays mapped and is kept for the next LWP: a few per CPU without a lock, the rest on a
 * common list, linked through their topmost words. kstack_reclaim() takes the kept ones apart, many
 * with one shootdown.
 *
 * A slot is in use, kept, or empty (no frames). Which are empty is in a bitmap, made of chunks that
 * are allocated as the number of slots grows.
 */

#include <arch/mmu.h>
#include <arch/percpu.h>
#include <kernel/panic.h>
#include <kernel/spinlock.h>
#include <mm/frame.h>
#include <mm/kmap.h>
#include <mm/kstack.h>
#include <mm/slab.h>
#include <mm/tlb.h>

#define SLOT_BYTES      (2 * KSTACK_BYTES)
#define PAGES_PER_STACK (KSTACK_BYTES / PAGE_SIZE)
#define SLOTS_PER_CHUNK 32768u
#define NR_CHUNKS_MAX   256u
#define CPU_KEPT_MAX    8
#define RECLAIM_BATCH   16

struct slot_chunk {
    uint64_t is_empty[SLOTS_PER_CHUNK / 64]; /* bit set: no frames, free to use */
};

struct kept_list {
    uint64_t first; /* stack top; the word below it is the next one's; 0: none */
    unsigned nr;
};

static struct spinlock kstack_lock = SPINLOCK_INIT("kernel stacks", LOCK_RANK_KSTACK);
static struct kept_list kept;                    /* kstack_lock */
static struct slot_chunk *chunks[NR_CHUNKS_MAX]; /* kstack_lock */
static uint32_t lowest_empty;                    /* kstack_lock: no empty slot lies below it */

static PERCPU(struct kept_list, cpu_kept); /* only the CPU itself, interrupts off */

static void push(struct kept_list *list, uint64_t stack_top)
{
    ((uint64_t *)stack_top)[-1] = list->first;
    list->first = stack_top;
    list->nr++;
}

static uint64_t pop(struct kept_list *list)
{
    uint64_t stack_top = list->first;

    if (stack_top != 0) {
        list->first = ((uint64_t *)stack_top)[-1];
        list->nr--;
    }
    return stack_top;
}

static uint64_t slot_top(uint32_t slot)
{
    return KSTACK_BASE + (slot + 1) * SLOT_BYTES;
}

static uint32_t slot_of(uint64_t stack_top)
{
    return (uint32_t)((stack_top - KSTACK_BASE) / SLOT_BYTES - 1);
}

static void set_empty(uint32_t slot, bool empty)
{
    uint64_t *word = &chunks[slot / SLOTS_PER_CHUNK]->is_empty[slot % SLOTS_PER_CHUNK / 64];
    uint64_t bit = 1ull << slot % 64;

    *word = empty ? *word | bit : *word & ~bit;
    if (empty)
        lowest_empty = MIN(lowest_empty, slot);
}

/* An empty slot, marked as used; UINT32_MAX: none, or no memory for the bitmap. Locked. */
static uint32_t take_slot(void)
{
    for (uint32_t slot = ROUND_DOWN(lowest_empty, 64u); slot < NR_CHUNKS_MAX * SLOTS_PER_CHUNK;
         slot += 64) {
        struct slot_chunk **chunk = &chunks[slot / SLOTS_PER_CHUNK];
        uint64_t word;

        if (*chunk == NULL) {
            *chunk = kmalloc(sizeof(**chunk));
            if (*chunk == NULL)
                return UINT32_MAX;
            for (unsigned i = 0; i < ARRAY_LEN((*chunk)->is_empty); i++)
                (*chunk)->is_empty[i] = UINT64_MAX;
        }
        word = (*chunk)->is_empty[slot % SLOTS_PER_CHUNK / 64];
        if (word != 0) {
            slot += (uint32_t)__builtin_ctzll(word);
            set_empty(slot, false);
            lowest_empty = slot + 1;
            return slot;
        }
    }
    return UINT32_MAX;
}

/* Unmaps what is mapped of a stack; the frames go to `frames`. Returns how many. Locked. */
static unsigned unmap(uint64_t stack_top, paddr_t frames[])
{
    unsigned nr = 0;

    for (unsigned i = 1; i <= PAGES_PER_STACK; i++) {
        struct mmu_page page = mmu_unmap(mmu_kernel_context.root, stack_top - i * PAGE_SIZE);

        if (page.frame != PADDR_NONE)
            frames[nr++] = page.frame;
    }
    return nr;
}

/* A new stack in an empty slot; 0: out of memory. Locked. */
static uint64_t map_new(void)
{
    uint32_t slot = take_slot();
    paddr_t frames[PAGES_PER_STACK];
    unsigned nr = 0, nr_mapped = 0;

    if (slot == UINT32_MAX)
        return 0;
    while (nr < PAGES_PER_STACK && (frames[nr] = frame_alloc(FRAME_USER)) != PADDR_NONE)
        nr++;
    while (nr == PAGES_PER_STACK && nr_mapped < nr &&
           mmu_map(mmu_kernel_context.root, slot_top(slot) - (nr_mapped + 1) * PAGE_SIZE,
                   frames[nr_mapped], MMU_WRITE) == 0)
        nr_mapped++;
    if (nr_mapped == PAGES_PER_STACK)
        return slot_top(slot);
    /* Only the first page could lack a table: nothing is mapped that a TLB might know of. */
    assert(nr_mapped == 0);
    while (nr > 0)
        frame_free(frames[--nr]);
    set_empty(slot, true);
    return 0;
}

uint64_t kstack_alloc(void)
{
    irq_state_t irq = irq_save();
    uint64_t stack_top = pop(this_cpu_ptr(cpu_kept));

    if (stack_top == 0) {
        spin_lock(&kstack_lock);
        stack_top = pop(&kept);
        if (stack_top == 0)
            stack_top = map_new();
        spin_unlock(&kstack_lock);
    }
    irq_restore(irq);
    return stack_top;
}

void kstack_free(uint64_t stack_top)
{
    irq_state_t irq = irq_save();
    struct kept_list *mine = this_cpu_ptr(cpu_kept);

    if (mine->nr < CPU_KEPT_MAX) {
        push(mine, stack_top);
    } else {
        spin_lock(&kstack_lock);
        push(&kept, stack_top);
        spin_unlock(&kstack_lock);
    }
    irq_restore(irq);
}

bool kstack_is_guard(vaddr_t addr)
{
    return addr >= KSTACK_BASE &&
           addr < KSTACK_BASE + (uint64_t)NR_CHUNKS_MAX * SLOTS_PER_CHUNK * SLOT_BYTES &&
           (addr - KSTACK_BASE) % SLOT_BYTES < KSTACK_BYTES;
}

unsigned kstack_nr_kept(void)
{
    return kept.nr;
}

/* Takes up to RECLAIM_BATCH kept stacks apart; whether there were any. */
static bool reclaim_batch(void)
{
    paddr_t frames[RECLAIM_BATCH * PAGES_PER_STACK];
    uint32_t slots[RECLAIM_BATCH];
    unsigned nr_frames = 0, nr_slots = 0;
    irq_state_t irq = spin_lock_irq(&kstack_lock);

    while (nr_slots < RECLAIM_BATCH && kept.first != 0) {
        uint64_t stack_top = pop(&kept);

        slots[nr_slots++] = slot_of(stack_top);
        nr_frames += unmap(stack_top, frames + nr_frames);
    }
    spin_unlock_irq(&kstack_lock, irq);
    if (nr_slots == 0)
        return false;

    tlb_flush_kernel(KSTACK_BASE, UINT64_MAX);
    while (nr_frames > 0)
        frame_free(frames[--nr_frames]);
    irq = spin_lock_irq(&kstack_lock);
    while (nr_slots > 0)
        set_empty(slots[--nr_slots], true);
    spin_unlock_irq(&kstack_lock, irq);
    return true;
}

void kstack_release_kept(void)
{
    struct kept_list *mine = this_cpu_ptr(cpu_kept);

    spin_lock(&kstack_lock);
    while (mine->nr > 0)
        push(&kept, pop(mine));
    spin_unlock(&kstack_lock);
}

void kstack_reclaim(void)
{
    while (reclaim_batch())
        continue;
}
