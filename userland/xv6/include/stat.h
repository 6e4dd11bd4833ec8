#ifndef XV6_STAT_H
#define XV6_STAT_H

/* What kind of file it is. */
#define T_DIR  1
#define T_FILE 2
#define T_DEV  3

/* What stat() and fstat() tell. */
struct stat {
    short type; /* T_* */
    int dev;
    unsigned int ino;
    short nlink;
    unsigned int size;
};

#endif
