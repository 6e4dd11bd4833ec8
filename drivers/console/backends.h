#ifndef DRIVERS_CONSOLE_BACKENDS_H
#define DRIVERS_CONSOLE_BACKENDS_H

/* What the console can be shown on. The console lock serialises the back-ends. */

#include <kernel/bootinfo.h>

#include "screen.h"

/*
 * VGA text at `mapped`, with the pitch that `fb` states. May be called again: the memory moved, or
 * is lost when `mapped` is NULL.
 */
const struct screen_backend *vga_text_open(const struct boot_framebuffer *fb, void *mapped);

/*
 * A framebuffer at `mapped`; it is blanked. NULL when the font is missing or broken or the pixels
 * are of an unknown kind.
 */
const struct screen_backend *framebuffer_open(const struct boot_framebuffer *fb, void *mapped);

#endif
