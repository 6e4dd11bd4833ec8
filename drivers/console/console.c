/*
 * The screen as a console sink: picks a back-end for what the boot loader left, and feeds the
 * terminal (screen.c). There is one screen. It becomes a sink only once: when its memory is mapped
 * anew, only the back-end is told.
 */

#include <arch/mmu.h>
#include <drivers/console.h>
#include <kernel/log.h>
#include <mm/kmap.h>

#include "backends.h"
#include "pf2.h"

static struct screen screen; /* the console lock, once it is a sink */

static void screen_sink_write(struct console_sink *sink, const char *bytes, size_t nr_bytes)
{
    (void)sink;
    screen_write(&screen, bytes, nr_bytes);
}

static struct console_sink screen_sink = {.name = "tty0", .write = screen_sink_write};

static void *map_screen(const struct boot_framebuffer *fb)
{
    void *mapped =
        kmap_phys(fb->base, (size_t)fb->pitch_bytes * fb->height, MMU_WRITE | MMU_WRITE_COMBINING);

    if (mapped == NULL)
        log_warn("screen: cannot map %#llx", (unsigned long long)fb->base);
    return mapped;
}

static const struct screen_backend *open_backend(const struct boot_framebuffer *fb, void *mapped)
{
    if (fb->kind == BOOT_FB_TEXT)
        return vga_text_open(fb, mapped);
    if (fb->width < PF2_CELL_WIDTH || fb->height < PF2_CELL_HEIGHT)
        return NULL;
    return framebuffer_open(fb, mapped);
}

/* Goes on with another mapping, or begins. */
static void open_screen(const struct boot_framebuffer *fb, void *mapped)
{
    bool was_early = screen.backend != NULL;
    const struct screen_backend *backend = open_backend(fb, mapped);
    bool is_text = fb->kind == BOOT_FB_TEXT;

    if (was_early || backend == NULL)
        return;
    screen_open(&screen, backend, is_text ? fb->width : fb->width / PF2_CELL_WIDTH,
                is_text ? fb->height : fb->height / PF2_CELL_HEIGHT);
    console_add_sink(&screen_sink);
}

void screen_early_init(const struct boot_framebuffer *fb, void *mapped)
{
    if (fb->kind != BOOT_FB_NONE)
        open_screen(fb, mapped);
}

void screen_init(const struct boot_framebuffer *fb)
{
    void *mapped;

    if (fb->kind == BOOT_FB_NONE) {
        log_info("screen: none");
        return;
    }
    mapped = map_screen(fb);
    if (mapped != NULL)
        open_screen(fb, mapped);
    if (screen.backend != NULL)
        log_info("screen: %s of %ux%u, %u bits each: %ux%u characters",
                 fb->kind == BOOT_FB_TEXT ? "VGA text" : "framebuffer", fb->width, fb->height,
                 fb->bits_per_pixel, screen.nr_columns, screen.nr_rows);
}
