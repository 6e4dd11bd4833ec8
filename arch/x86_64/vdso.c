/* The kernel's side of the vDSO (arch/vdso.h). */

#include <arch/mmu.h>
#include <arch/vdso.h>
#include <kernel/string.h>
#include <x86/vdso.h>

/* vdso_image.asm */
extern const unsigned char vdso_image[PAGE_SIZE];

static unsigned char *page;

static struct vdso_times *times(void)
{
    return (struct vdso_times *)(page + VDSO_TIMES_OFFSET);
}

void arch_vdso_init(paddr_t frame)
{
    page = phys_to_virt(frame);
    memcpy(page, vdso_image, PAGE_SIZE);
    x86_clock_describe(times());
}

paddr_t arch_vdso_frame(void)
{
    return virt_to_phys(page);
}

size_t arch_vdso_exit_offset(void)
{
    return VDSO_EXIT_OFFSET;
}

_Atomic uint64_t *arch_vdso_realtime(void)
{
    return &times()->realtime_at_boot_ns;
}
