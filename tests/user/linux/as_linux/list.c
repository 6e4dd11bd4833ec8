/* Folders: listing one, all that there is, and removing it. */

#define _GNU_SOURCE

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "as_linux.h"

struct entry {
    char name[256];
    uint8_t type;
};

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct entry *)a)->name, ((const struct entry *)b)->name);
}

/* All names in an open folder but "." and "..", sorted; *nr of them. The caller frees. */
static struct entry *list_dir(int fd, unsigned nr_bytes, size_t *nr, int *error)
{
    static char buffer[32768];
    size_t room = 64;
    struct entry *entries = malloc(room * sizeof(*entries));
    long got;

    *nr = 0;
    *error = 0;
    while ((got = syscall(SYS_getdents64, fd, buffer, nr_bytes)) > 0) {
        for (long at = 0; at < got;) {
            const struct dirent *entry = (const void *)(buffer + at);
            at += entry->d_reclen;
            if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
                continue;
            if (*nr == room) {
                room *= 2;
                entries = realloc(entries, room * sizeof(*entries));
            }
            strcpy(entries[*nr].name, entry->d_name);
            entries[(*nr)++].type = entry->d_type;
        }
    }
    if (got < 0)
        *error = errno;
    qsort(entries, *nr, sizeof(*entries), by_name);
    return entries;
}

void do_getdents(void)
{
    static const unsigned sizes[] = {32768, 32768, 300, 290, 0, 20};
    unsigned size = sizes[any(LEN(sizes))];
    size_t nr;
    int error;

    tell("getdents64(");
    int fd = any_fd();
    tell(", %u)", size);
    lseek(fd, 0, SEEK_SET); /* whether names that are made meanwhile are listed is left open */
    if (size < 30) {
        CALL_OK(SYS_getdents64, fd, data, size);
        return;
    }
    struct entry *entries = list_dir(fd, size, &nr, &error);
    tell(" = errno %d", error);
    for (size_t i = 0; i < nr; i++)
        tell(" %.20s:%d", entries[i].name, entries[i].type);
    free(entries);
}

/* What is in a file: where it is not all zeros. Holes and pages of zeros are the same. */
static void tell_contents(int fd, off_t size)
{
    static uint8_t page[PAGE];
    uint32_t h = 0;

    for (off_t at = lseek(fd, 0, SEEK_DATA); at >= 0; at = lseek(fd, at, SEEK_DATA)) {
        long got = pread(fd, page, PAGE, at);
        if (got <= 0)
            break;
        if (memcmp(page, page + 1, (size_t)got - 1) != 0 || page[0] != 0)
            h = hash(page, (size_t)got, h ^ (uint32_t)(at / PAGE));
        at += got;
    }
    tell(" of %ld hash %08x", (long)size, h);
}

static struct {
    ino_t number;
    unsigned name;
} seen[4096];
static unsigned nr_seen, nr_names;

/* Which name in the listing was the first of this inode. */
static unsigned first_name(ino_t number)
{
    nr_names++;
    for (unsigned i = 0; i < nr_seen; i++)
        if (seen[i].number == number)
            return seen[i].name;
    if (nr_seen < LEN(seen)) {
        seen[nr_seen].number = number;
        seen[nr_seen++].name = nr_names;
    }
    return nr_names;
}

static void list_below(int dir, unsigned depth)
{
    size_t nr;
    int error;
    struct entry *entries = list_dir(dir, 32768, &nr, &error);

    if (error != 0)
        tell("   list errno %d\n", error);
    for (size_t i = 0; i < nr; i++) {
        struct stat st;
        const char *name = entries[i].name;

        tell("   %*s%.20s type %d", (int)depth * 2, "", name, entries[i].type);
        if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
            tell(" errno %d\n", errno);
            continue;
        }
        tell_stat(&st);
        tell(" inode %u", first_name(st.st_ino));
        int fd = S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)
                     ? openat(dir, name, O_RDONLY | O_NOFOLLOW)
                     : -2;
        if (fd == -1)
            tell(" open errno %d", errno);
        if (S_ISLNK(st.st_mode)) {
            char target[PAGE];
            long got = readlinkat(dir, name, target, sizeof(target) - 1);
            if (got > 0) {
                target[got] = '\0';
                tell(" -> ");
                tell_path(target);
            }
        }
        if (S_ISREG(st.st_mode) && fd >= 0)
            tell_contents(fd, st.st_size);
        tell("\n");
        if (S_ISDIR(st.st_mode) && fd >= 0)
            list_below(fd, depth + 1);
        if (fd >= 0)
            close(fd);
    }
    free(entries);
}

void list_all(void)
{
    int root = open("/", O_RDONLY | O_DIRECTORY);

    tell("listing, root %d\n", root < 0 ? -errno : 0);
    nr_seen = nr_names = 0;
    if (root >= 0)
        list_below(root, 0);
    close(root);
    for (int fd = 0; fd < 24; fd++) {
        struct stat st;
        if (fcntl(fd, F_GETFD) < 0)
            continue;
        tell("   %d:", fd);
        if (fstat(fd, &st) != 0) {
            tell(" errno %d\n", errno);
            continue;
        }
        tell_stat(&st);
        tell_fd(fd);
        tell_position(fd);
        if (S_ISREG(st.st_mode) && (fcntl(fd, F_GETFL) & (O_ACCMODE | O_PATH)) == O_RDWR) {
            off_t at = lseek(fd, 0, SEEK_CUR);
            tell_contents(fd, st.st_size);
            lseek(fd, at, SEEK_SET);
        }
        tell("\n");
    }
}

static void remove_below(int dir)
{
    size_t nr;
    int error;
    struct entry *entries = list_dir(dir, 32768, &nr, &error);

    for (size_t i = 0; i < nr; i++) {
        const char *name = entries[i].name;
        if (unlinkat(dir, name, 0) == 0)
            continue;
        fchmodat(dir, name, 0700, 0);
        int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
        if (fd >= 0) {
            remove_below(fd);
            close(fd);
        }
        unlinkat(dir, name, AT_REMOVEDIR);
    }
    free(entries);
}

void remove_all(void)
{
    int root = open("/", O_RDONLY | O_DIRECTORY);
    remove_below(root);
    close(root);
    tell("removed all\n");
}
