#ifndef DRIVERS_CONSOLE_H
#define DRIVERS_CONSOLE_H

/* The screen as a console: VGA text mode, or a framebuffer. drivers/console/ */

#include <kernel/bootinfo.h>

/*
 * Makes the screen that the boot loader left us a console sink: VGA text for BOOT_FB_TEXT, a
 * framebuffer terminal for BOOT_FB_RGB, nothing for BOOT_FB_NONE. Needs kmap_phys(). Once. A screen
 * that cannot be used costs a warning.
 */
void screen_init(const struct boot_framebuffer *fb);

/*
 * For messages before mm is up: as screen_init(), for a screen whose memory is mapped at `mapped`
 * (all pitch_bytes * height of it) until screen_init() is called, which goes on with a mapping of
 * its own. Needs no memory.
 */
void screen_early_init(const struct boot_framebuffer *fb, void *mapped);

#endif
