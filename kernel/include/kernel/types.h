#ifndef KERNEL_TYPES_H
#define KERNEL_TYPES_H

/* The integer types and small macros that every part of the kernel uses. */

#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef int64_t ssize_t;

typedef uint64_t paddr_t; /* a physical address, in bytes */
typedef uint64_t vaddr_t; /* a virtual address, in bytes */

#define PADDR_NONE ((paddr_t)-1) /* no frame has this address */

#define KIB(n) ((uint64_t)(n) << 10)
#define MIB(n) ((uint64_t)(n) << 20)
#define GIB(n) ((uint64_t)(n) << 30)

#define NSEC_PER_USEC UINT64_C(1000)
#define NSEC_PER_MSEC UINT64_C(1000000)
#define NSEC_PER_SEC  UINT64_C(1000000000)

#define PAGE_SHIFT 12
#define PAGE_SIZE  4096ull

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#define MIN(a, b)                                                                                  \
    ({                                                                                             \
        __typeof__(a) min_a_ = (a);                                                                \
        __typeof__(b) min_b_ = (b);                                                                \
        min_a_ < min_b_ ? min_a_ : min_b_;                                                         \
    })

#define MAX(a, b)                                                                                  \
    ({                                                                                             \
        __typeof__(a) max_a_ = (a);                                                                \
        __typeof__(b) max_b_ = (b);                                                                \
        max_a_ > max_b_ ? max_a_ : max_b_;                                                         \
    })

/* `align` is a power of two. ROUND_UP wraps past the top of the type: check first. */
#define ROUND_DOWN(n, align) ((n) & ~((__typeof__(n))(align)-1))
#define ROUND_UP(n, align)   ROUND_DOWN((n) + (align)-1, align)
#define IS_ALIGNED(n, align) (((n) & ((__typeof__(n))(align)-1)) == 0)

/* The structure of which `ptr` points at member `member`. */
#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

/* A function whose result says whether it worked: dropping it is a bug. */
#define MUST_CHECK             __attribute__((warn_unused_result))
#define NORETURN               __attribute__((noreturn))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

/* For the parts of a path that is worth counting instructions on. */
#define ALWAYS_INLINE inline __attribute__((always_inline))

/*
 * For what such a path calls once in a while: the function saves all registers itself, so that
 * where it is not called, it costs its caller none. It returns nothing: rax is saved, too.
 */
#define RARELY_CALLED __attribute__((noinline, cold, preserve_most))

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#endif
