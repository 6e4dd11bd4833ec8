#ifndef XV6_FS_H
#define XV6_FS_H

#define BSIZE  512 /* programs take it as a good size of a buffer */
#define DIRSIZ 14

/* What read() gives for a folder. A name of DIRSIZ characters has no NUL; longer ones are cut. */
struct dirent {
    unsigned short inum;
    char name[DIRSIZ];
};

#endif
