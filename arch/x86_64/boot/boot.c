/* From entry.asm to kernel_main(): a console, and boot_info. */

#include <arch/mmu.h>
#include <arch/platform.h>
#include <drivers/console.h>
#include <drivers/uart16550.h>
#include <kernel/bootinfo.h>
#include <kernel/errno.h>
#include <kernel/init.h>
#include <kernel/log.h>
#include <kernel/panic.h>
#include <x86/apic.h>
#include <x86/cpu.h>

#define KERNEL_VMA 0xffffffff80000000ull

struct boot_info boot_info;

extern char __boot_start[], __data_end[];

/* Called from entry.asm with the physical address of the multiboot2 information. */
NORETURN void arch_boot(paddr_t info);

/* The screen as early as possible, if the boot page tables reach it. */
static void open_screen(void)
{
    const struct boot_framebuffer *fb = &boot_info.framebuffer;

    if (fb->base + (uint64_t)fb->pitch_bytes * fb->height <= MMU_BOOT_REACH)
        screen_early_init(fb, phys_to_virt(fb->base));
}

void arch_boot(paddr_t info)
{
    const uint32_t *header = phys_to_virt(info);
    int error;

    uart16550_init();
    x86_detect_features();
    x86_idt_init();
    x86_cpu_init(0);
    console_marker("boot", THRUM_VERSION);
    log_info("Thrum %s", THRUM_VERSION);

    error = multiboot2_parse(header, header[0], info, &boot_info);
    if (error != 0)
        panic("boot: the boot loader's information makes no sense");
    open_screen();
    log_info("boot: loaded by %s; command line: %s", boot_info.loader, boot_info.cmdline);
    log_info("cpu: %s", x86_features.brand);
    /* Frame 0 holds the BIOS's data. */
    boot_info_reserve(&boot_info, 0, PAGE_SIZE);
    boot_info_reserve(&boot_info, (paddr_t)__boot_start, (paddr_t)__data_end - KERNEL_VMA);
    kernel_main();
}

void platform_init(void)
{
    if (x86_alloc_stacks(0) != 0)
        panic("boot: no memory for the boot CPU's stacks");
    x86_use_stacks();
    apic_init();
    if (!apic_timer_is_present() && pit_timer_init() != 0)
        panic("boot: no timer");
}
