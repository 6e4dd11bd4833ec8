#ifndef CHECK_H
#define CHECK_H

/*
 * For the programs in this folder: the first check that does not hold ends the program with a line
 * that says which, and `passed` is the last line of one where all hold. t_xv6.c looks for it.
 */

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            printf(1, "FAILED: %s:%d: %s\n", __FILE__, __LINE__, #condition);                      \
            exit();                                                                                \
        }                                                                                          \
    } while (0)

#define PASSED(name)                                                                               \
    do {                                                                                           \
        printf(1, "%s: passed\n", name);                                                           \
        exit();                                                                                    \
    } while (0)

#endif
