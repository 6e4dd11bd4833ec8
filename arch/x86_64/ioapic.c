/*
 * I/O APICs (Intel 82093AA data sheet): device interrupts to the CPUs. Each has up to 240 inputs,
 * numbered on from its base in one space of "global system interrupts". ISA lines are inputs of the
 * same number unless the MADT says otherwise.
 */

#include <arch/mmu.h>
#include <drivers/acpi.h>
#include <kernel/errno.h>
#include <kernel/log.h>
#include <mm/kmap.h>
#include <x86/apic.h>

#define IOAPICS_MAX 8
#define NR_LINES    16

#define REG_VERSION     0x01
#define REG_REDIRECTION 0x10

#define REDIRECTION_ACTIVE_LOW (1u << 13)
#define REDIRECTION_LEVEL      (1u << 15)
#define REDIRECTION_MASKED     (1u << 16)

struct ioapic {
    volatile uint32_t *registers; /* [0]: which register; [4]: its value */
    uint32_t gsi_base;
    uint32_t nr_inputs;
};

struct line_route {
    uint32_t gsi;
    uint32_t flags; /* REDIRECTION_ACTIVE_LOW, REDIRECTION_LEVEL */
};

static struct ioapic ioapics[IOAPICS_MAX];
static unsigned nr_ioapics;
static struct line_route routes[NR_LINES];

static uint32_t ioapic_read(const struct ioapic *io, uint32_t reg)
{
    io->registers[0] = reg;
    return io->registers[4];
}

static void ioapic_write(const struct ioapic *io, uint32_t reg, uint32_t value)
{
    io->registers[0] = reg;
    io->registers[4] = value;
}

static void set_input(const struct ioapic *io, uint32_t input, uint32_t low, uint32_t high)
{
    ioapic_write(io, REG_REDIRECTION + 2 * input, REDIRECTION_MASKED);
    ioapic_write(io, REG_REDIRECTION + 2 * input + 1, high);
    ioapic_write(io, REG_REDIRECTION + 2 * input, low);
}

/* Polarity and trigger mode of an override (ACPI 6.4, table 5.26); 0: as the bus, ISA's are high
 * and edge. */
static uint32_t override_flags(uint16_t flags)
{
    return ((flags & 3) == 3 ? REDIRECTION_ACTIVE_LOW : 0) |
           ((flags >> 2 & 3) == 3 ? REDIRECTION_LEVEL : 0);
}

int ioapic_init(const struct acpi_madt_info *madt)
{
    for (unsigned i = 0; i < NR_LINES; i++)
        routes[i] = (struct line_route){.gsi = i};
    for (unsigned i = 0; i < madt->nr_overrides; i++) {
        const struct acpi_irq_override *o = &madt->overrides[i];

        if (o->isa_irq < NR_LINES)
            routes[o->isa_irq] = (struct line_route){o->gsi, override_flags(o->flags)};
    }
    for (unsigned i = 0; i < madt->nr_ioapics && nr_ioapics < IOAPICS_MAX; i++) {
        struct ioapic *io = &ioapics[nr_ioapics];

        io->registers = kmap_phys(madt->ioapics[i].address, PAGE_SIZE, MMU_WRITE | MMU_UNCACHED);
        if (io->registers == NULL)
            return -ENOMEM;
        io->gsi_base = madt->ioapics[i].gsi_base;
        io->nr_inputs = (ioapic_read(io, REG_VERSION) >> 16 & 0xff) + 1;
        for (uint32_t input = 0; input < io->nr_inputs; input++)
            set_input(io, input, REDIRECTION_MASKED, 0);
        nr_ioapics++;
    }
    return nr_ioapics > 0 ? 0 : -ENODEV;
}

int ioapic_route(unsigned line, unsigned vector, uint32_t dest_apic_id)
{
    const struct line_route *route = &routes[line];

    for (unsigned i = 0; i < nr_ioapics; i++) {
        const struct ioapic *io = &ioapics[i];

        if (route->gsi >= io->gsi_base && route->gsi - io->gsi_base < io->nr_inputs) {
            set_input(io, route->gsi - io->gsi_base, vector | route->flags, dest_apic_id << 24);
            return 0;
        }
    }
    log_warn("irq: no I/O APIC has an input for line %u", line);
    return -ENODEV;
}
