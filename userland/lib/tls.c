/*
 * Thread-local storage: "variant II" of U. Drepper, "ELF Handling For Thread-Local Storage".
 *
 *      area                                          thread pointer (FS base)
 *      |  padding  | initial image | zeroes | padding | struct thrum_block | reserved |
 *
 * The compiler addresses a variable at a fixed, negative distance from the thread pointer, and
 * expects the pointer's own value at FS:0, where struct thrum_block has it (abi/thrum.h). What lies
 * above is reserved: compilers look for a stack protector's canary at FS:0x28.
 *
 * Each LWP's block is cut from the top of its own stack, by the LWP itself before it calls any C
 * code that could use it. So a block needs no allocation, and it goes with the stack: at the join,
 * or at the end of a detached LWP.
 */

#include <stdint.h>
#include <string.h>

#include <asm/prctl.h>
#include <sys/syscall.h>

#include "runtime.h"

#define CONTROL_BLOCK_BYTES 64

static const void *template;
static size_t template_bytes;

/* From the start of the initial image to the thread pointer. */
static size_t image_offset;
static size_t align = 16;

size_t tls_area_bytes = 16 + CONTROL_BLOCK_BYTES;

void tls_set_template(const void *image, size_t file_bytes, size_t memory_bytes, size_t image_align)
{
    template = image;
    template_bytes = file_bytes;
    if (image_align > align)
        align = image_align;

    /* The linker's rule: the image keeps its address modulo its alignment, the end is aligned. */
    image_offset = memory_bytes + (-((uintptr_t)image + memory_bytes) & (image_align - 1));
    tls_area_bytes = (image_offset + align + CONTROL_BLOCK_BYTES + 15) & ~(size_t)15;
}

static void thread_pointer_set(uintptr_t pointer)
{
    if (start_has_fsgsbase)
        fs_base_write(pointer);
    else
        syscall6(__NR_arch_prctl, ARCH_SET_FS, (long)pointer, 0, 0, 0, 0);
}

void tls_init(void *area)
{
    uintptr_t pointer = ((uintptr_t)area + image_offset + align - 1) & -align;
    char *image = (char *)pointer - image_offset;

    memcpy(image, template, template_bytes);
    memset(image + template_bytes, 0,
           pointer + CONTROL_BLOCK_BYTES - (uintptr_t)image - template_bytes);
    *(uintptr_t *)pointer = pointer;
    thread_pointer_set(pointer);
}
