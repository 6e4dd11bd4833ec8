/*
 * TLB shootdown.
 *
 * Each CPU has one request of its own and a word of bits, one for each CPU that waits for it. A CPU
 * that changed mappings fills its request, sets its bit at the CPUs concerned, interrupts them, and
 * waits until each has acknowledged. While it waits with interrupts off it serves the requests of
 * others, so two CPUs that want something of each other do not wait for ever; and since it holds no
 * spinlock, a CPU that spins for a lock with interrupts off gets it sooner or later and answers
 * then.
 *
 * A CPU is concerned if it may use entries: it is in context->cpus and not lazy. It adds itself
 * before it loads the root, and the initiator changes the tables before it reads the set, so either
 * the initiator sees the CPU or the CPU sees the new tables. Likewise the initiator adds to the
 * generation before it looks who is lazy, and a CPU stops being lazy before it reads the
 * generation.
 */

#include <stdatomic.h>

#include <arch/cpu.h>
#include <arch/irq.h>
#include <arch/percpu.h>
#include <arch/smp.h>
#include <kernel/panic.h>
#include <mm/tlb.h>

struct tlb_request {
    struct mmu_context *drop; /* leave this address space; NULL: forget [va, end) */
    vaddr_t va, end;
    _Atomic uint64_t waiting_for; /* bit n: CPU n has not acknowledged yet */
};

static PERCPU(struct tlb_request, tlb_request);
static PERCPU(uint64_t, tlb_askers); /* bit n: CPU n has a request for this CPU */

static void obey(const struct tlb_request *request)
{
    if (request->drop == NULL)
        mmu_flush_local(request->va, request->end);
    else if (mmu_loaded() == request->drop)
        mmu_switch(&mmu_kernel_context);
}

void tlb_serve_requests(void)
{
    uint64_t askers = __atomic_exchange_n(this_cpu_ptr(tlb_askers), 0, __ATOMIC_ACQ_REL);
    uint64_t self = 1ull << cpu_id();

    while (askers != 0) {
        struct tlb_request *request = cpu_ptr(tlb_request, __builtin_ctzll(askers));

        askers &= askers - 1;
        obey(request);
        atomic_fetch_and(&request->waiting_for, ~self);
    }
}

/* Makes the CPUs of `targets` obey; the calling CPU is not among them. Interrupts are off. */
static void ask(uint64_t targets, struct mmu_context *drop, vaddr_t va, vaddr_t end)
{
    struct tlb_request *request = this_cpu_ptr(tlb_request);
    uint64_t self = 1ull << cpu_id();

    request->drop = drop;
    request->va = va;
    request->end = end;
    atomic_store(&request->waiting_for, targets);
    for (uint64_t left = targets; left != 0; left &= left - 1) {
        unsigned cpu = (unsigned)__builtin_ctzll(left);

        __atomic_fetch_or(cpu_ptr(tlb_askers, cpu), self, __ATOMIC_ACQ_REL);
        irq_send_ipi(cpu, IPI_TLB);
    }
    while (atomic_load(&request->waiting_for) != 0) {
        tlb_serve_requests();
        cpu_relax();
    }
}

/* Those of `cpus` that are not lazy. */
static uint64_t not_lazy(uint64_t cpus)
{
    uint64_t result = 0;

    for (; cpus != 0; cpus &= cpus - 1) {
        if (!mmu_is_lazy((unsigned)__builtin_ctzll(cpus)))
            result |= cpus & -cpus;
    }
    return result;
}

void tlb_flush_user(struct mmu_context *context, vaddr_t va, vaddr_t end, bool even_lazy)
{
    uint64_t self, targets;

    debug_assert(irq_is_enabled());
    irq_disable();
    self = 1ull << cpu_id();
    targets = atomic_load(&context->cpus);
    if (targets & self)
        mmu_flush_local(va, end);
    targets &= ~self;
    if (targets != 0) {
        atomic_fetch_add(&context->generation, 1);
        if (!even_lazy)
            targets = not_lazy(targets);
    }
    if (targets != 0)
        ask(targets, NULL, va, end);
    irq_enable();
}

void tlb_flush_kernel(vaddr_t va, vaddr_t end)
{
    uint64_t others;

    debug_assert(irq_is_enabled());
    irq_disable();
    others = cpus_online() & ~(1ull << cpu_id());
    mmu_flush_local(va, end);
    if (others != 0)
        ask(others, NULL, va, end);
    irq_enable();
}

void tlb_drop_context(struct mmu_context *context)
{
    uint64_t self, targets;

    debug_assert(irq_is_enabled());
    irq_disable();
    self = 1ull << cpu_id();
    if (mmu_loaded() == context)
        mmu_switch(&mmu_kernel_context);
    targets = atomic_load(&context->cpus) & ~self;
    if (targets)
        ask(targets, context, 0, 0);
    irq_enable();
}
