/*
 * How to switch off: the sleep type of state S5.
 *
 * It is in AML, the byte code of the DSDT or an SSDT, as `Name (_S5_, Package () {a, b, ...})`.
 * Running AML to learn two constants would be a large machine for a small thing: the bytes of that
 * definition are searched for instead, as many small systems do.
 *
 * Source: ACPI Specification 6.5, 7.4.2.6 (the package) and 20.2 (its encoding).
 */

#include <kernel/errno.h>
#include <kernel/string.h>

#include "tables.h"

enum {
    AML_ZERO = 0x00,
    AML_ONE = 0x01,
    AML_NAME = 0x08,
    AML_BYTE = 0x0a,
    AML_WORD = 0x0b,
    AML_DWORD = 0x0c,
    AML_PACKAGE = 0x12,
    AML_ONES = 0xff,
};

/* A place in AML that does not go past its end. */
struct aml {
    const uint8_t *at;
    size_t left;
};

static bool aml_next(struct aml *aml, uint8_t *byte)
{
    if (aml->left == 0)
        return false;
    *byte = *aml->at++;
    aml->left--;
    return true;
}

static bool aml_skip(struct aml *aml, size_t nr_bytes)
{
    if (aml->left < nr_bytes)
        return false;
    aml->at += nr_bytes;
    aml->left -= nr_bytes;
    return true;
}

/* Reads a constant; only its low byte matters here. */
static bool aml_constant(struct aml *aml, uint8_t *value)
{
    uint8_t opcode;

    if (!aml_next(aml, &opcode))
        return false;
    switch (opcode) {
    case AML_ZERO:
    case AML_ONE:
    case AML_ONES:
        *value = opcode;
        return true;
    case AML_BYTE:
        return aml_next(aml, value);
    case AML_WORD:
        return aml_next(aml, value) && aml_skip(aml, 1);
    case AML_DWORD:
        return aml_next(aml, value) && aml_skip(aml, 3);
    default:
        return false;
    }
}

/* PkgLength: the top two bits of the first byte say how many more bytes it has. */
static bool aml_skip_package_length(struct aml *aml)
{
    uint8_t lead;

    return aml_next(aml, &lead) && aml_skip(aml, lead >> 6);
}

/* Reads what follows the name: a package of at least two constants. */
static bool read_s5_package(struct aml aml, struct acpi_sleep_type *type)
{
    enum { SLEEP_TYPE_MASK = 7 };
    uint8_t opcode, nr_elements, a, b;

    if (!aml_next(&aml, &opcode) || opcode != AML_PACKAGE || !aml_skip_package_length(&aml))
        return false;
    if (!aml_next(&aml, &nr_elements) || nr_elements < 2)
        return false;
    if (!aml_constant(&aml, &a) || !aml_constant(&aml, &b))
        return false;
    *type = (struct acpi_sleep_type){a & SLEEP_TYPE_MASK, b & SLEEP_TYPE_MASK};
    return true;
}

int acpi_parse_s5(const void *table, size_t nr_bytes, struct acpi_sleep_type *type)
{
    const uint8_t *bytes = table;

    for (size_t i = sizeof(struct acpi_header) + 1; i + 4 <= nr_bytes; i++) {
        const uint8_t *before = bytes + i - 1;
        struct aml after = {bytes + i + 4, nr_bytes - i - 4};

        if (memcmp(bytes + i, "_S5_", 4) != 0)
            continue;
        if (before[0] == '\\') /* the name may be written from the root */
            before--;
        if (before[0] == AML_NAME && read_s5_package(after, type))
            return 0;
    }
    return -ENOENT;
}
