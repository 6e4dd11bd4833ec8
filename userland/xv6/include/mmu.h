#ifndef XV6_MMU_H
#define XV6_MMU_H

#define PGSIZE         4096
#define PGROUNDUP(n)   (((n) + PGSIZE - 1) & ~(unsigned long)(PGSIZE - 1))
#define PGROUNDDOWN(n) ((n) & ~(unsigned long)(PGSIZE - 1))

#endif
