/* getrandom(). */

#include <kernel/device.h>
#include <kernel/errno.h>
#include <linux/random.h>

#include "sys.h"

#define KNOWN_FLAGS ((unsigned)(GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE))

/* The generator is always ready: the flags, which say what is to happen if not, make no difference.
 */
int64_t sys_getrandom(vaddr_t to, size_t nr_bytes, unsigned flags)
{
    if ((flags & ~KNOWN_FLAGS) != 0 ||
        (flags & (GRND_RANDOM | GRND_INSECURE)) == (GRND_RANDOM | GRND_INSECURE))
        return -EINVAL;
    return random_read_user(to, MIN(nr_bytes, (size_t)INT32_MAX));
}
