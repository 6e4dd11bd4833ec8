/*
 * QEMU's fw_cfg device.
 *
 * A 16-bit selector says which item is read; then its bytes come one by one through a data port, or
 * in one piece by DMA: the guest writes the physical address of a small descriptor to the device,
 * which copies and then clears the descriptor's control word. Byte by byte costs an exit to the
 * emulator each, so DMA is used where it is offered. The descriptor and a buffer share one frame,
 * which is never given back: an emulator that answers late writes into memory that is still ours.
 *
 * Item 0 holds the signature "QEMU"; nothing is written anywhere else before that was read, since
 * on another machine something else may listen at these ports. Item 0x19 is the directory of named
 * files. All numbers are big-endian, but those of item 1 are not.
 *
 * Source: "QEMU Firmware Configuration (fw_cfg) Device" in QEMU's documentation, docs/specs/fw_cfg.
 */

#include <stdatomic.h>

#include <arch/cpu.h>
#include <arch/io.h>
#include <arch/mmu.h>
#include <drivers/fw_cfg.h>
#include <kernel/bytes.h>
#include <kernel/errno.h>
#include <kernel/log.h>
#include <kernel/string.h>
#include <mm/frame.h>

enum {
    PORT_SELECTOR = 0x510,
    PORT_DATA = 0x511,
    PORT_DMA_HIGH = 0x514,
    PORT_DMA_LOW = 0x518,

    ITEM_SIGNATURE = 0x00,
    ITEM_FEATURES = 0x01,
    ITEM_DIRECTORY = 0x19,

    FEATURE_DMA = 1 << 1,

    DMA_ERROR = 1 << 0,
    DMA_READ = 1 << 1,
    DMA_SKIP = 1 << 2,
    DMA_SELECT = 1 << 3,
};

/* The directory: a count of 4 bytes, then entries: size 4, selector 2, reserved 2, name 56. */
#define DIRECTORY_HEADER_BYTES 4
#define DIRECTORY_ENTRY_BYTES  64
#define DIRECTORY_NAME         8
#define DIRECTORY_NAME_BYTES   56
#define DIRECTORY_ENTRIES_MAX  4096

/* How often the descriptor is looked at; QEMU has finished when the port write returns. */
#define DMA_POLLS 1000000

/* What the device reads: big-endian. */
struct dma_descriptor {
    volatile uint32_t control;
    uint32_t nr_bytes;
    uint64_t address;
};

#define DMA_BUFFER_BYTES (PAGE_SIZE - sizeof(struct dma_descriptor))

/* The frame that the device reads and writes. */
struct dma_frame {
    struct dma_descriptor descriptor;
    uint8_t buffer[DMA_BUFFER_BYTES];
};

_Static_assert(sizeof(struct dma_descriptor) == 16, "the device's layout");
_Static_assert(sizeof(struct dma_frame) == PAGE_SIZE, "fits a frame");

static bool is_present;
static struct dma_frame *dma; /* NULL: bytes only */
static paddr_t dma_paddr;

static uint32_t to_be32(uint32_t value)
{
    return load_be32(&value);
}

static uint64_t to_be64(uint64_t value)
{
    return (uint64_t)to_be32((uint32_t)value) << 32 | to_be32((uint32_t)(value >> 32));
}

/* --- Byte by byte ----------------------------------------------------------------------------- */

static void read_bytes(uint16_t selector, uint32_t offset, uint8_t *to, size_t nr_bytes)
{
    io_out16(PORT_SELECTOR, selector);
    for (uint32_t i = 0; i < offset; i++)
        io_in8(PORT_DATA);
    for (size_t i = 0; i < nr_bytes; i++)
        to[i] = io_in8(PORT_DATA);
}

/* --- By DMA ----------------------------------------------------------------------------------- */

/* One operation of the device on the buffer. 0 or -EIO. */
static int dma_run(uint32_t control, uint32_t nr_bytes)
{
    dma->descriptor.nr_bytes = to_be32(nr_bytes);
    dma->descriptor.address = to_be64(dma_paddr + offsetof(struct dma_frame, buffer));
    dma->descriptor.control = to_be32(control);
    atomic_thread_fence(memory_order_seq_cst);
    io_out32(PORT_DMA_HIGH, to_be32((uint32_t)(dma_paddr >> 32)));
    io_out32(PORT_DMA_LOW, to_be32((uint32_t)dma_paddr));
    for (unsigned i = 0; i < DMA_POLLS; i++) {
        uint32_t left = to_be32(dma->descriptor.control);

        if (left == 0) {
            atomic_thread_fence(memory_order_seq_cst);
            return 0;
        }
        if (left & DMA_ERROR)
            return -EIO;
        cpu_relax();
    }
    return -EIO;
}

static int read_by_dma(uint16_t selector, uint32_t offset, uint8_t *to, size_t nr_bytes)
{
    int error = dma_run((uint32_t)selector << 16 | DMA_SELECT | DMA_SKIP, offset);

    while (error == 0 && nr_bytes > 0) {
        size_t piece_bytes = MIN(nr_bytes, DMA_BUFFER_BYTES);

        error = dma_run(DMA_READ, (uint32_t)piece_bytes);
        if (error != 0)
            break;
        memcpy(to, dma->buffer, piece_bytes);
        to += piece_bytes;
        nr_bytes -= piece_bytes;
    }
    return error;
}

/* --- The interface ---------------------------------------------------------------------------- */

int fw_cfg_read(uint16_t selector, uint32_t offset, void *to, size_t nr_bytes)
{
    if (!is_present)
        return -ENODEV;
    if (dma != NULL)
        return read_by_dma(selector, offset, to, nr_bytes);
    read_bytes(selector, offset, to, nr_bytes);
    return 0;
}

static bool entry_has_name(const uint8_t *entry, const char *name)
{
    const char *entry_name = (const char *)entry + DIRECTORY_NAME;
    size_t len = strnlen(entry_name, DIRECTORY_NAME_BYTES);

    return strlen(name) == len && memcmp(entry_name, name, len) == 0;
}

int fw_cfg_find(const char *name, uint16_t *selector, uint32_t *nr_bytes)
{
    uint8_t header[DIRECTORY_HEADER_BYTES];
    int error = fw_cfg_read(ITEM_DIRECTORY, 0, header, sizeof(header));
    uint32_t nr_entries;

    if (error != 0)
        return error;
    nr_entries = MIN(load_be32(header), (uint32_t)DIRECTORY_ENTRIES_MAX);
    for (uint32_t i = 0; i < nr_entries; i++) {
        uint8_t entry[DIRECTORY_ENTRY_BYTES];

        error = fw_cfg_read(ITEM_DIRECTORY, DIRECTORY_HEADER_BYTES + i * DIRECTORY_ENTRY_BYTES,
                            entry, sizeof(entry));
        if (error != 0)
            return error;
        if (entry_has_name(entry, name)) {
            *nr_bytes = load_be32(entry);
            *selector = load_be16(entry + 4);
            return 0;
        }
    }
    return -ENOENT;
}

/* Without a frame, bytes will do. */
static void set_up_dma(void)
{
    uint8_t features[4];

    read_bytes(ITEM_FEATURES, 0, features, sizeof(features));
    if (!(load_le32(features) & FEATURE_DMA))
        return;
    dma_paddr = frame_alloc(FRAME_ZERO);
    if (dma_paddr != PADDR_NONE)
        dma = phys_to_virt(dma_paddr);
}

int fw_cfg_init(void)
{
    uint8_t signature[4];

    read_bytes(ITEM_SIGNATURE, 0, signature, sizeof(signature));
    is_present = memcmp(signature, "QEMU", sizeof(signature)) == 0;
    if (!is_present)
        return -ENODEV;
    set_up_dma();
    log_info("fw_cfg: QEMU's configuration device, by %s", dma != NULL ? "DMA" : "port reads");
    return 0;
}
