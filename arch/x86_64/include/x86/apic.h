#ifndef X86_APIC_H
#define X86_APIC_H

/* Interrupt controllers: local APIC, I/O APIC, and the old pair of 8259 PICs. Inside arch/x86_64.
 */

#include <kernel/types.h>

struct trap_frame;

/* Finds the controllers (ACPI MADT) and masks every line. Boot CPU, once, after memory management.
 */
void apic_init(void);

/* Enables the calling CPU's local APIC. */
void apic_init_cpu(void);

bool apic_timer_is_present(void);

/*
 * Measures the local APIC timer: starts it, reads how many ticks have gone by, and is told how many
 * it makes in a time.
 */
void apic_timer_measure_start(void);
uint64_t apic_timer_elapsed(void);
void apic_timer_measure_end(uint64_t ticks, uint64_t elapsed_ns);

/* ID of the calling CPU's local APIC. */
uint32_t apic_id(void);

/* INIT and start-up messages (Intel SDM vol. 3A, 8.4.4) to the CPU with this APIC ID. */
void apic_send_init(uint32_t id);
void apic_send_startup(uint32_t id, paddr_t page);

/* From the entry code. */
void apic_interrupt(unsigned vector);
void apic_nmi_received(struct trap_frame *frame);

/* The APIC IDs of CPUs by number; filled by smp.c. */
extern uint32_t apic_id_of_cpu[];

/* arch/x86_64/pit.c: the old timer, for machines without a local APIC. */
int pit_timer_init(void) MUST_CHECK;
void pit_arm(uint64_t delay_ns);

/* arch/x86_64/pic.c */
void pic_init(void);
void pic_unmask(unsigned line);
/* Whether the interrupt of `line` is real, and not the 8259's spurious one; acknowledges it. */
bool pic_acknowledge(unsigned line);

/* arch/x86_64/ioapic.c. `line` is an ISA line; overrides of the MADT are applied. */
struct acpi_madt_info;
int ioapic_init(const struct acpi_madt_info *madt) MUST_CHECK;
int ioapic_route(unsigned line, unsigned vector, uint32_t dest_apic_id) MUST_CHECK;

#endif
