/* Random arguments, each told as it is chosen, and what a call has to know of them. */

#define _GNU_SOURCE

#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "as_linux.h"

uint8_t *data, *outside;

static char long_name[256 + 1], longest_name[255 + 1];

void prepare_arguments(void)
{
    memset(long_name, 'n', sizeof(long_name) - 1);
    memset(longest_name, 'n', sizeof(longest_name) - 1);
    data = mmap(NULL, DATA_MAX + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    outside = data + DATA_MAX;
    mprotect(outside, PAGE, PROT_NONE);
}

static const char *any_name(void)
{
    static const char *const names[] = {"a", "b", "c", "d", "e", "f"};

    switch (any(40)) {
    case 0:
    case 1:
        return "..";
    case 2:
    case 3:
        return ".";
    case 4:
        return longest_name;
    case 5:
        return chance(30) ? long_name : "...";
    default:
        return names[any(LEN(names))];
    }
}

static char path_space[4][2 * PAGE];

const char *any_path(void)
{
    static unsigned next;
    char *path = path_space[next++ % 4];

    *path = '\0';
    if (chance(3)) {
        switch (any(7)) {
        case 0:
            break;
        case 1:
            tell("null");
            return NULL;
        case 2:
            tell("outside");
            return (const char *)outside;
        case 3:
            tell("kernel");
            return (const char *)0xffff800000000000;
        case 4:
            memset(outside - 5, 'a', 5);
            tell("unterminated");
            return (const char *)outside - 5;
        default: {
            unsigned length = PAGE - 3 + any(4);

            for (unsigned i = 0; i + 1 < length; i += 2)
                memcpy(path + i, "./", 3);
            path[length - 1] = 'a';
            path[length] = '\0';
        }
        }
        tell_path(path);
        return path;
    }
    if (chance(8))
        strcat(path, "/");
    for (unsigned nr = chance(55) ? 1 : 1 + any(3); nr > 0; nr--) {
        strcat(path, any_name());
        if (nr > 1)
            strcat(path, chance(5) ? "//" : "/");
    }
    /* What is wrong with a name that is too long is told by itself only. */
    if (chance(6) && strstr(path, long_name) == NULL)
        strcat(path, chance(70) ? "/" : chance(50) ? "/." : "//");
    tell_path(path);
    return path;
}

bool is_readable(const char *path)
{
    for (unsigned i = 0; i < LEN(path_space); i++)
        if (path == path_space[i])
            return true;
    return false;
}

bool has_long_name(const char *path)
{
    return is_readable(path) && strstr(path, long_name) != NULL;
}

int any_fd(void)
{
    static const int odd[] = {-1, 22, 23, 24, 1000, AT_FDCWD, INT32_MAX, INT32_MIN};

    int fd = chance(95) ? (int)any(12) : odd[any(LEN(odd))];

    for (int tries = (int)any(12); tries > 0 && fd >= 0 && fd < 12 && fcntl(fd, F_GETFD) < 0;
         tries--)
        fd = (fd + 1) % 12;
    tell("%d", fd);
    return fd;
}

int any_dir(void)
{
    if (!chance(75))
        return any_fd();
    tell("cwd");
    return AT_FDCWD;
}

size_t any_length(void)
{
    switch (any(8)) {
    case 0:
        return any(3);
    case 1:
        return PAGE - 1 + any(3);
    case 2:
        return (size_t)PAGE * any(5);
    case 3:
        return any(20000);
    case 4:
        return any(40000);
    default:
        return any(600);
    }
}

int64_t any_offset(void)
{
    static const int64_t odd[] = {
        -1, INT64_MIN, INT64_MAX, (int64_t)1 << 31, (int64_t)1 << 32, (int64_t)1 << 40, -PAGE};
    int64_t offset;

    switch (any(16)) {
    case 0:
        offset = odd[any(LEN(odd))];
        break;
    case 1:
    case 2:
        offset = (int64_t)PAGE * any(12);
        break;
    case 3:
    case 4:
        offset = (int64_t)PAGE * any(12) - 1 + any(3);
        break;
    case 5:
        offset = any(200000);
        break;
    case 6:
    case 7:
        offset = 0;
        break;
    default:
        offset = any(9000);
    }
    tell("%ld", (long)offset);
    return offset;
}

uint8_t *any_memory(size_t nr_bytes)
{
    if (!chance(4))
        return data;
    switch (any(3)) {
    case 0:
        tell("(null)");
        return NULL;
    case 1:
        tell("(outside)");
        return outside;
    default: {
        size_t inside = nr_bytes > 0 ? any((unsigned)nr_bytes) : 0;
        tell("(%zu inside)", inside);
        return outside - inside;
    }
    }
}

void fill(size_t nr_bytes)
{
    uint64_t word = next_random() | 1;

    for (size_t i = 0; i < nr_bytes && i < DATA_MAX; i++)
        data[i] = (uint8_t)((word * (i + 1)) >> 17) | 1;
}

mode_t any_mode(void)
{
    static const mode_t usual[] = {0755, 0644, 0777, 0700, 0666, 01777, 02775};
    mode_t mode = chance(85) ? usual[any(LEN(usual))] : any(010000);

    /* What others may do with files and links in such a folder is a setting, too. */
    if (play->is_root && (mode & S_ISVTX))
        mode &= ~022u;
    if (chance(2))
        mode |= 0x70000000 | S_IFDIR;
    tell("0%o", mode);
    return mode;
}

int any_id(void)
{
    static const int ids[] = {0, 1000, 1001, 1002};
    int id;

    if (chance(30)) {
        tell("-1");
        return -1;
    }
    if (!play->is_root) {
        tell("own");
        return (int)getuid();
    }
    id = ids[any(LEN(ids))];
    tell("%d", id);
    return id;
}

unsigned any_flags(const unsigned *known, unsigned nr, unsigned percent)
{
    unsigned flags = 0;

    for (unsigned i = 0; i < nr; i++)
        if (chance(percent))
            flags |= known[i];
    if (chance(1))
        flags |= 1U << 30;
    tell("0x%x", flags);
    return flags;
}

bool is_dir(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
}

bool has_bytes(int fd, size_t nr_bytes)
{
    struct stat st;
    off_t at = lseek(fd, 0, SEEK_CUR);

    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && !are_pages_told() && at >= 0 &&
           at <= st.st_size && (off_t)nr_bytes <= st.st_size - at &&
           (fcntl(fd, F_GETFL) & O_APPEND) == 0;
}

bool is_fifo(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode);
}

bool is_filled_pipe(int fd)
{
    int nr = 0;

    return is_fifo(fd) && (ioctl(fd, FIONREAD, &nr) != 0 || nr > 0);
}
