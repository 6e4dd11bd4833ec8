#ifndef XV6_SYSCALL_H
#define XV6_SYSCALL_H

/* Programs include it by habit. What xv6 has here is about its kernel, and means nothing to ours.
 */

#endif
