/* Touching user memory (the fault recovery is in arch/<cpu>/user_copy.asm). */

#include <arch/mmu.h>
#include <arch/user_copy.h>
#include <kernel/errno.h>
#include <mm/user_copy.h>

static bool is_user_range(vaddr_t va, size_t nr_bytes)
{
    return va < USER_END && nr_bytes <= USER_END - va;
}

int user_copy_from(void *to, vaddr_t from, size_t nr_bytes)
{
    if (!is_user_range(from, nr_bytes))
        return -EFAULT;
    return user_copy_raw(to, (const void *)from, nr_bytes) == 0 ? 0 : -EFAULT;
}

int user_copy_to(vaddr_t to, const void *from, size_t nr_bytes)
{
    if (!is_user_range(to, nr_bytes))
        return -EFAULT;
    return user_copy_raw((void *)to, from, nr_bytes) == 0 ? 0 : -EFAULT;
}

int user_zero(vaddr_t to, size_t nr_bytes)
{
    if (!is_user_range(to, nr_bytes))
        return -EFAULT;
    return user_zero_raw((void *)to, nr_bytes) == 0 ? 0 : -EFAULT;
}

int user_load(uint32_t *value, vaddr_t from)
{
    if (!is_user_range(from, sizeof(*value)))
        return -EFAULT;
    return user_load_raw(value, (const uint32_t *)from) == 0 ? 0 : -EFAULT;
}

int user_compare_exchange(vaddr_t at, uint32_t *expected, uint32_t desired)
{
    int result;

    if (!is_user_range(at, sizeof(*expected)))
        return -EFAULT;
    result = user_compare_exchange_raw((uint32_t *)at, expected, desired);
    if (result < 0)
        return -EFAULT;
    return result == 1 ? 0 : -EAGAIN;
}

int64_t user_copy_string(char *to, vaddr_t from, size_t size)
{
    int64_t length;

    if (!is_user_range(from, 1))
        return -EFAULT;
    length = user_string_raw(to, (const char *)from, size);
    if (length < 0)
        return -EFAULT;
    return (size_t)length > size ? -ENAMETOOLONG : length - 1;
}
