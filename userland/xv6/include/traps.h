#ifndef XV6_TRAPS_H
#define XV6_TRAPS_H

/* Programs include it by habit. What xv6 has here is about its kernel, and means nothing to ours.
 */

#endif
