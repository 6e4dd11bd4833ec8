/*
 * ChaCha20 against the vectors of RFC 8439, and the generator on top of it: what it gives out does
 * not repeat, depends on what went in, and is what its theory says.
 */

#include <unistd.h>

#include <sys/wait.h>

#include "host_test.h"

#include <arch/random.h>
#include <arch/smp.h>
#include <kernel/bootinfo.h>
#include <kernel/clock.h>
#include <kernel/random.h>
#include <kernel/realtime.h>

struct boot_info boot_info;
unsigned nr_cpus_online = 2;

static bool has_generator;
static uint64_t next_word, cycles, boot_ns, now_ns;

bool arch_random_word(uint64_t *word)
{
    *word = next_word++;
    return has_generator;
}

uint64_t arch_cycles(void)
{
    return cycles += 100;
}

uint64_t clock_now_ns(void)
{
    return now_ns;
}

uint64_t realtime_at_boot_ns(void)
{
    return boot_ns;
}

static void start_anew(void)
{
    host_reset();
    has_generator = false;
    next_word = cycles = boot_ns = now_ns = 0;
}

/* ---- The block function --------------------------------------------------------------------- */

static void from_hex(const char *hex, uint8_t *bytes)
{
    for (; *hex != '\0'; hex += 2)
        sscanf(hex, "%2hhx", bytes++);
}

struct vector {
    const char *key;
    uint32_t counter;
    const char *nonce;
    const char *block;
};

#define ZEROES_8   "0000000000000000"
#define ZEROES_24  ZEROES_8 ZEROES_8 ZEROES_8
#define ZERO_NONCE "000000000000000000000000"

/* RFC 8439, section 2.3.2, and appendix A.1, test vectors 1 to 4. */
static const struct vector vectors[] = {
    {"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", 1,
     "000000090000004a00000000",
     "10f1e7e4d13b5915500fdd1fa32071c4c7d1f4c733c068030422aa9ac3d46c4e"
     "d2826446079faa0914c2d705d98b02a2b5129cd1de164eb9cbd083e8a2503c4e"},
    {ZEROES_24 ZEROES_8, 0, ZERO_NONCE,
     "76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7"
     "da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586"},
    {ZEROES_24 ZEROES_8, 1, ZERO_NONCE,
     "9f07e7be5551387a98ba977c732d080dcb0f29a048e3656912c6533e32ee7aed"
     "29b721769ce64e43d57133b074d839d531ed1f28510afb45ace10a1f4b794d6f"},
    {ZEROES_24 "0000000000000001", 1, ZERO_NONCE,
     "3aeb5224ecf849929b9d828db1ced4dd832025e8018b8160b82284f3c949aa5a"
     "8eca00bbb4a73bdad192b5c42f73f2fd4e273644c8b36125a64addeb006c13a0"},
    {"00ff"
     "000000000000" ZEROES_24,
     2, ZERO_NONCE,
     "72d54dfbf12ec44b362692df94137f328fea8da73990265ec1bbbea1ae9af0ca"
     "13b25aa26cb4a648cb9b9d1be65b2c0924a66c54d545ec1b7374f4872e99f096"},
};

static void block_function_is_that_of_the_rfc(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
        uint8_t key[CHACHA20_KEY_BYTES], nonce_bytes[12];
        uint8_t block[CHACHA20_BLOCK_BYTES], want[CHACHA20_BLOCK_BYTES];
        uint32_t nonce[3];

        from_hex(vectors[i].key, key);
        from_hex(vectors[i].nonce, nonce_bytes);
        from_hex(vectors[i].block, want);
        memcpy(nonce, nonce_bytes, sizeof(nonce));
        chacha20_block(key, vectors[i].counter, nonce, block);
        assert_memory_equal(block, want, sizeof(want));
    }
}

/* ---- The generator -------------------------------------------------------------------------- */

static void nothing_comes_twice(void **state)
{
    static uint64_t words[4096];

    start_anew();
    random_init();
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        random_bytes(&words[i], sizeof(words[i]));
        for (size_t j = 0; j < i; j++)
            assert_true(words[i] != words[j]);
    }
}

/* Each bit is set half of the time: with 65536 samples, six deviations are 768. */
static void every_bit_is_as_often_set_as_not(void **state)
{
    unsigned nr_set[64] = {0};

    start_anew();
    random_init();
    for (unsigned i = 0; i < 65536; i++) {
        uint64_t word;

        random_bytes(&word, sizeof(word));
        for (unsigned bit = 0; bit < 64; bit++)
            nr_set[bit] += word >> bit & 1;
    }
    for (unsigned bit = 0; bit < 64; bit++)
        assert_in_range(nr_set[bit], 32768 - 768, 32768 + 768);
}

/* A stream is ChaCha20 of the 32 bytes that a request would have got, block after block. */
static void stream_is_chacha20(void **state)
{
    static const uint32_t no_nonce[3];
    uint8_t key[CHACHA20_KEY_BYTES], block[CHACHA20_BLOCK_BYTES], want[CHACHA20_BLOCK_BYTES];
    struct random_stream stream;

    start_anew();
    random_stream_start(&stream);
    memcpy(key, stream.key, sizeof(key));
    for (uint32_t i = 0; i < 3; i++) {
        random_stream_next(&stream, block);
        chacha20_block(key, i, no_nonce, want);
        assert_memory_equal(block, want, sizeof(want));
    }
    stream.counter = UINT32_MAX;
    random_stream_next(&stream, block);
    assert_int_equal(stream.counter, 0);
    assert_int_equal(stream.nonce[0], 1);
    random_stream_end(&stream);
    memset(want, 0, sizeof(want));
    assert_memory_equal(&stream, want, sizeof(stream));
}

/* What 32 bytes come next after one thing has been different. */
enum difference { NONE, STIRRED, STIRRED_LONGER, INTERRUPTED, WITH_GENERATOR, LATER_BOOT };

/*
 * There is one generator, which cannot be set back: so each variant runs in a child of its own, all
 * from the same state.
 */
static void next_bytes(enum difference difference, uint8_t bytes[CHACHA20_KEY_BYTES])
{
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    if (fork() == 0) {
        start_anew();
        has_generator = difference == WITH_GENERATOR;
        boot_ns = difference == LATER_BOOT;
        random_init();
        if (difference == STIRRED || difference == STIRRED_LONGER)
            random_stir("\1\0", difference == STIRRED ? 1 : 2);
        if (difference == INTERRUPTED)
            random_note_interrupt();
        now_ns += NSEC_PER_SEC; /* time to reseed */
        random_bytes(bytes, CHACHA20_KEY_BYTES);
        _exit(write(ends[1], bytes, CHACHA20_KEY_BYTES) != CHACHA20_KEY_BYTES);
    }
    assert_int_equal(read(ends[0], bytes, CHACHA20_KEY_BYTES), CHACHA20_KEY_BYTES);
    close(ends[0]);
    close(ends[1]);
    wait(NULL);
}

static void all_that_goes_in_matters(void **state)
{
    uint8_t as_before[CHACHA20_KEY_BYTES], bytes[LATER_BOOT + 1][CHACHA20_KEY_BYTES];

    next_bytes(NONE, as_before);
    for (enum difference d = NONE; d <= LATER_BOOT; d++)
        next_bytes(d, bytes[d]);
    assert_memory_equal(bytes[NONE], as_before, sizeof(as_before)); /* it is repeatable */
    for (enum difference a = NONE; a <= LATER_BOOT; a++) {
        for (enum difference b = a + 1; b <= LATER_BOOT; b++)
            assert_memory_not_equal(bytes[a], bytes[b], sizeof(bytes[a]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(block_function_is_that_of_the_rfc), cmocka_unit_test(nothing_comes_twice),
        cmocka_unit_test(every_bit_is_as_often_set_as_not),  cmocka_unit_test(stream_is_chacha20),
        cmocka_unit_test(all_that_goes_in_matters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
