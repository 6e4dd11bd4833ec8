/*
 * xv6's user library (user.h), each function over the native one of the same purpose.
 *
 * The two have the same names with other parameters. So this file, where xv6_names.h makes
 * xv6_exit() out of user.h's exit() and so on, calls the native functions by their own names. The
 * build then links the runtime and this file into one object, hides all native names in it, and
 * gives the xv6_* ones their real names (userland/xv6/CMakeLists.txt): what a program sees is
 * user.h and nothing else.
 */

#include <xv6_names.h>
#include <xv6/fcntl.h>
#include <xv6/fs.h>
#include <xv6/stat.h>
#include <xv6/user.h>
#include <xv6_names_end.h>

enum {
    XV6_ACCESS = O_WRONLY | O_RDWR,
    XV6_CREATE = O_CREATE,
    XV6_TRUNC = O_TRUNC,
    XV6_DIR = T_DIR,
    XV6_FILE = T_FILE,
    XV6_DEV = T_DEV,
};
#undef O_RDONLY
#undef O_WRONLY
#undef O_RDWR
#undef O_TRUNC

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <thrum.h>
#include <unistd.h>

#include <linux/auxvec.h>
#include <linux/limits.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <runtime.h>

#define TICK_NS     10000000ull
#define PROGRAM_DIR "/bin/"
#define NEW_MODE    0777
#define ENTRY_BYTES (sizeof(struct dirent) + NAME_MAX + 9) /* of the longest name, aligned */

/* Processes. */

int xv6_fork(void)
{
    return fork();
}

int xv6_exit(void)
{
    exit(EXIT_SUCCESS);
}

int xv6_wait(void)
{
    return wait(NULL);
}

/* Where pid is no process's number, ours would mean groups of processes. */
int xv6_kill(int pid)
{
    return pid > 0 ? kill(pid, SIGKILL) : -1;
}

/* Tries the first `length` characters of `folder` and `name` as the path. */
static void exec_in(const char *folder, size_t length, const char *name, char **argv)
{
    char path[PATH_MAX];

    if (length + strlen(name) >= sizeof(path))
        return;
    memcpy(path, folder, length);
    strcpy(path + length, name);
    execv(path, argv);
}

/* xv6 has all programs in one folder, where its shell is: so they call each other by mere names. */
int xv6_exec(const char *path, char **argv)
{
    const char *program = (const char *)getauxval(AT_EXECFN);
    const char *slash = program ? strrchr(program, '/') : NULL;

    execv(path, argv);
    if (errno != ENOENT || *path == '\0' || strchr(path, '/'))
        return -1;
    if (slash)
        exec_in(program, (size_t)(slash + 1 - program), path, argv);
    exec_in(PROGRAM_DIR, strlen(PROGRAM_DIR), path, argv);
    return -1;
}

int xv6_getpid(void)
{
    return getpid();
}

char *xv6_sbrk(int delta)
{
    return sbrk(delta);
}

int xv6_sleep(int ticks)
{
    if (ticks < 0)
        return -1;
    sleep_ns((uint64_t)ticks * TICK_NS);
    return 0;
}

int xv6_uptime(void)
{
    return (int)(monotonic_ns() / TICK_NS);
}

/* Files. */

int xv6_open(const char *path, int mode)
{
    int flags = mode & XV6_ACCESS; /* these have Linux's values */

    if (mode & XV6_CREATE)
        flags |= O_CREAT;
    if (mode & XV6_TRUNC)
        flags |= O_TRUNC;
    return open(path, flags, NEW_MODE);
}

/* One entry of a folder, in xv6's form. The offset is then at the next one. */
static int read_entry(int fd, void *to, int nr_bytes)
{
    char bytes[ENTRY_BYTES] __attribute__((aligned(8)));
    const struct dirent *entry = (const struct dirent *)bytes;
    struct xv6_dirent out = {0};

    if (nr_bytes < (int)sizeof(out))
        return -1;
    ssize_t nr_read = getdents64(fd, bytes, sizeof(bytes));
    if (nr_read <= 0)
        return (int)nr_read;
    if (lseek(fd, entry->d_off, SEEK_SET) < 0)
        return -1;
    out.inum = entry->d_ino % UINT16_MAX + 1; /* 0 would be an empty entry */
    memcpy(out.name, entry->d_name, strnlen(entry->d_name, sizeof(out.name)));
    memcpy(to, &out, sizeof(out));
    return (int)sizeof(out);
}

int xv6_read(int fd, void *to, int nr_bytes)
{
    if (nr_bytes < 0)
        return -1;
    int nr_read = (int)read(fd, to, (size_t)nr_bytes);
    return nr_read < 0 && errno == EISDIR ? read_entry(fd, to, nr_bytes) : nr_read;
}

int xv6_write(int fd, const void *from, int nr_bytes)
{
    return nr_bytes < 0 ? -1 : (int)write(fd, from, (size_t)nr_bytes);
}

int xv6_close(int fd)
{
    return close(fd);
}

int xv6_dup(int fd)
{
    return dup(fd);
}

int xv6_pipe(int *fds)
{
    return pipe(fds);
}

static void convert_stat(struct xv6_stat *out, const struct stat *from)
{
    out->type = S_ISDIR(from->st_mode) ? XV6_DIR : S_ISREG(from->st_mode) ? XV6_FILE : XV6_DEV;
    out->dev = (int)from->st_dev;
    out->ino = (uint)from->st_ino;
    out->nlink = (short)from->st_nlink;
    out->size = (uint)from->st_size;
}

int xv6_fstat(int fd, struct xv6_stat *out)
{
    struct stat native;

    if (fstat(fd, &native) != 0)
        return -1;
    convert_stat(out, &native);
    return 0;
}

int xv6_stat(const char *path, struct xv6_stat *out)
{
    struct stat native;

    if (stat(path, &native) != 0)
        return -1;
    convert_stat(out, &native);
    return 0;
}

int xv6_mkdir(const char *path)
{
    return mkdir(path, NEW_MODE);
}

int xv6_chdir(const char *path)
{
    return chdir(path);
}

/* Empty folders too. */
int xv6_unlink(const char *path)
{
    if (unlink(path) == 0)
        return 0;
    return errno == EISDIR ? rmdir(path) : -1;
}

int xv6_link(const char *from, const char *to)
{
    (void)from, (void)to;
    return -1;
}

int xv6_mknod(const char *path, short major_nr, short minor_nr)
{
    (void)path, (void)major_nr, (void)minor_nr;
    return -1;
}

/* Input and output. */

/*
 * Nothing is kept back in a buffer, as in xv6. The lock keeps lines of several LWPs apart where the
 * kernel would not: it writes to the console in small pieces. Other descriptors may be pipes that
 * the LWP at the other end empties while it prints itself, so they have none.
 */
void xv6_printf(int fd, const char *fmt, ...)
{
    bool is_shared = fd == STDOUT_FILENO || fd == STDERR_FILENO;
    va_list args;

    va_start(args, fmt);
    if (is_shared)
        stdio_lock();
    vdprintf(fd, fmt, args);
    if (is_shared)
        stdio_unlock();
    va_end(args);
}

char *xv6_gets(char *to, int size)
{
    int nr = 0;
    char c = '\0';

    while (nr + 1 < size && c != '\n' && c != '\r' && read(STDIN_FILENO, &c, 1) == 1)
        to[nr++] = c;
    to[nr] = '\0';
    return to;
}

/* Memory and text. */

void *xv6_malloc(uint nr_bytes)
{
    return malloc(nr_bytes);
}

void xv6_free(void *block)
{
    free(block);
}

void *xv6_memset(void *to, int value, uint nr_bytes)
{
    return memset(to, value, nr_bytes);
}

void *xv6_memmove(void *to, const void *from, int nr_bytes)
{
    return nr_bytes > 0 ? memmove(to, from, (size_t)nr_bytes) : to;
}

char *xv6_strcpy(char *to, const char *from)
{
    return strcpy(to, from);
}

char *xv6_strchr(const char *s, char c)
{
    return c ? strchr(s, c) : NULL;
}

int xv6_strcmp(const char *a, const char *b)
{
    return strcmp(a, b);
}

uint xv6_strlen(const char *s)
{
    return (uint)strlen(s);
}

int xv6_atoi(const char *s)
{
    return atoi(s);
}
