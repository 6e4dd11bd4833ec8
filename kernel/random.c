/*
 * Random numbers.
 *
 * The generator is a 32-byte key, and ChaCha20 with "fast key erasure" (D. J. Bernstein, 2017, at
 * blog.cr.yp.to/20170723-random.html): of each 64 bytes that a key makes, the first half is the
 * next key and the second half goes out. So who learns the key learns nothing of what went out
 * before. Large requests get those 32 bytes as a key of their own (a stream), so that the lock is
 * held for one block only.
 *
 * Stirring something in: the key becomes the first half of the block that key XOR input makes. Who
 * chooses the input but does not know the key learns nothing by it, and cannot undo what others put
 * in.
 *
 * The seed is what there is: words of the CPU's generator, the machine's description, the calendar
 * clock, and the time that stirring takes, again and again, in cycles. Later each CPU collects the
 * moments of its interrupts, by itself and without a lock; once in a while, before it is used, the
 * key is stirred with what all CPUs have collected and with more words of the CPU's generator. A
 * machine without one depends on its clocks alone: what is made right after booting may be
 * guessable there. Nothing waits for better times.
 *
 * On an emulated machine whose instructions, clocks and generator are repeatable, so is all of
 * this.
 */

#include <stdatomic.h>

#include <arch/cpu.h>
#include <arch/percpu.h>
#include <arch/random.h>
#include <arch/smp.h>
#include <kernel/bootinfo.h>
#include <kernel/clock.h>
#include <kernel/log.h>
#include <kernel/random.h>
#include <kernel/realtime.h>
#include <kernel/spinlock.h>
#include <kernel/string.h>

#define RESEED_NS         NSEC_PER_SEC
#define NR_JITTER_SAMPLES 64
#define COLLECTOR_WORDS   4

/* Moments of a CPU's interrupts; written by that CPU, read by any, who may see half of it. */
struct collector {
    _Atomic uint64_t words[COLLECTOR_WORDS];
    unsigned next;
};

static PERCPU(struct collector, random_collector);

static struct spinlock lock = SPINLOCK_INIT("random", LOCK_RANK_RANDOM);
static uint8_t key[CHACHA20_KEY_BYTES]; /* lock */
static uint64_t reseeded_ns;            /* lock */
static atomic_bool has_hardware;

static const uint32_t no_nonce[3];

/* Clears memory that is not used any more, which a compiler would leave out. */
static void forget(void *memory, size_t nr_bytes)
{
    volatile uint8_t *bytes = memory;

    while (nr_bytes-- > 0)
        *bytes++ = 0;
}

/* Locked. */
static void stir(const void *from, size_t nr_bytes)
{
    const uint8_t *bytes = from;
    uint8_t block[CHACHA20_BLOCK_BYTES];

    while (nr_bytes > 0) {
        size_t nr = MIN(nr_bytes, sizeof(key));

        for (size_t i = 0; i < nr; i++)
            key[i] ^= bytes[i];
        chacha20_block(key, (uint32_t)nr, no_nonce, block);
        memcpy(key, block, sizeof(key));
        bytes += nr;
        nr_bytes -= nr;
    }
    forget(block, sizeof(block));
}

/* Locked. */
static void stir_hardware(void)
{
    uint64_t words[sizeof(key) / sizeof(uint64_t)] = {0};

    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (!arch_random_word(&words[i]))
            return;
    }
    stir(words, sizeof(words));
    forget(words, sizeof(words));
    atomic_store(&has_hardware, true);
}

/* Locked. */
static void stir_collected(void)
{
    for (unsigned cpu = 0; cpu < nr_cpus_online; cpu++) {
        struct collector *collector = cpu_ptr(random_collector, cpu);
        uint64_t words[COLLECTOR_WORDS];

        for (unsigned i = 0; i < COLLECTOR_WORDS; i++)
            words[i] = atomic_load_explicit(&collector->words[i], memory_order_relaxed);
        stir(words, sizeof(words));
    }
}

void random_init(void)
{
    irq_state_t irq = spin_lock_irq(&lock);
    uint64_t word = realtime_at_boot_ns();

    stir(&boot_info, sizeof(boot_info));
    stir(&word, sizeof(word));
    stir_hardware();
    for (unsigned i = 0; i < NR_JITTER_SAMPLES; i++) {
        word = arch_cycles();
        stir(&word, sizeof(word));
    }
    reseeded_ns = clock_now_ns();
    spin_unlock_irq(&lock, irq);
    if (!random_has_hardware())
        log_warn("random: the CPU has no generator: early numbers may be guessable");
}

bool random_has_hardware(void)
{
    return atomic_load_explicit(&has_hardware, memory_order_relaxed);
}

void random_stir(const void *from, size_t nr_bytes)
{
    irq_state_t irq = spin_lock_irq(&lock);

    stir(from, nr_bytes);
    spin_unlock_irq(&lock, irq);
}

void random_note_interrupt(void)
{
    struct collector *collector = this_cpu_ptr(random_collector);
    _Atomic uint64_t *word = &collector->words[collector->next++ % COLLECTOR_WORDS];
    uint64_t old = atomic_load_explicit(word, memory_order_relaxed);

    /* The rotation keeps several moments apart in one word. */
    atomic_store_explicit(word, (old << 19 | old >> 45) + arch_cycles(), memory_order_relaxed);
}

/* ---- Giving out ----------------------------------------------------------------------------- */

/* Locked. */
static void reseed(uint64_t now_ns)
{
    stir_collected();
    stir_hardware();
    reseeded_ns = now_ns;
}

void random_reseed(void)
{
    irq_state_t irq = spin_lock_irq(&lock);

    reseed(clock_now_ns());
    spin_unlock_irq(&lock, irq);
}

/* 32 bytes that nobody else gets, and a new key. */
static void take(uint8_t bytes[CHACHA20_KEY_BYTES])
{
    uint8_t block[CHACHA20_BLOCK_BYTES];
    irq_state_t irq = spin_lock_irq(&lock);
    uint64_t now_ns = clock_now_ns();

    if (now_ns - reseeded_ns >= RESEED_NS)
        reseed(now_ns);
    chacha20_block(key, 0, no_nonce, block);
    memcpy(key, block, sizeof(key));
    spin_unlock_irq(&lock, irq);
    memcpy(bytes, block + sizeof(key), CHACHA20_KEY_BYTES);
    forget(block, sizeof(block));
}

void random_stream_start(struct random_stream *stream)
{
    memset(stream, 0, sizeof(*stream));
    take(stream->key);
}

void random_stream_next(struct random_stream *stream, uint8_t block[CHACHA20_BLOCK_BYTES])
{
    chacha20_block(stream->key, stream->counter++, stream->nonce, block);
    if (stream->counter == 0)
        stream->nonce[0]++;
}

void random_stream_end(struct random_stream *stream)
{
    forget(stream, sizeof(*stream));
}

void random_bytes(void *to, size_t nr_bytes)
{
    uint8_t bytes[CHACHA20_KEY_BYTES], *at = to;

    while (nr_bytes > 0) {
        size_t nr = MIN(nr_bytes, sizeof(bytes));

        take(bytes);
        memcpy(at, bytes, nr);
        at += nr;
        nr_bytes -= nr;
    }
    forget(bytes, sizeof(bytes));
}
