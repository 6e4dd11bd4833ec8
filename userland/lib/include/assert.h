/* As C wants it, assert() takes its meaning from NDEBUG at each inclusion. */

#undef assert

#ifdef NDEBUG
#define assert(condition) ((void)0)
#else
#define assert(condition) ((condition) ? (void)0 : assert_failed(#condition, __FILE__, __LINE__))
#endif

#ifndef ASSERT_H
#define ASSERT_H

#define static_assert _Static_assert

/* Says what did not hold, and aborts. */
_Noreturn void assert_failed(const char *condition, const char *file, int line);

#endif
