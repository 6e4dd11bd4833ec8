/* How paths are walked: symbolic links, slashes, dots, lengths. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <sys/stat.h>

#include "common.h"
#include "ktap.h"

#define DIR "/tmp/path"

static char text[5000], more[5000];
static struct stat st;

static bool new_file(const char *path, const char *contents)
{
    int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0644);

    return KTAP_TRUE(fd >= 0) &&
           KTAP_EQUAL(write(fd, contents, strlen(contents)), (long)strlen(contents)) &&
           KTAP_EQUAL(close(fd), 0);
}

static bool file_is(const char *path, const char *contents)
{
    int fd = open(path, O_RDONLY);
    ssize_t nr = read(fd, text, sizeof(text));

    close(fd);
    return KTAP_EQUAL(nr, (long)strlen(contents)) &&
           KTAP_EQUAL(memcmp(text, contents, (size_t)nr), 0);
}

static bool links_are_followed(void)
{
    return new_file(DIR "/file", "hello") && KTAP_EQUAL(symlink("file", DIR "/rel"), 0) &&
           KTAP_EQUAL(symlink(DIR "/file", DIR "/abs"), 0) &&
           KTAP_EQUAL(symlink("rel", DIR "/chain"), 0) && file_is(DIR "/rel", "hello") &&
           file_is(DIR "/abs", "hello") && file_is(DIR "/chain", "hello") &&
           KTAP_EQUAL(stat(DIR "/chain", &st), 0) && KTAP_TRUE(S_ISREG(st.st_mode)) &&
           KTAP_EQUAL(lstat(DIR "/chain", &st), 0) && KTAP_TRUE(S_ISLNK(st.st_mode)) &&
           KTAP_EQUAL(st.st_size, 3) && KTAP_EQUAL(readlink(DIR "/chain", text, 2), 2) &&
           KTAP_EQUAL(memcmp(text, "re", 2), 0) && KTAP_EQUAL(unlink(DIR "/chain"), 0) &&
           KTAP_EQUAL(unlink(DIR "/abs"), 0) && KTAP_EQUAL(unlink(DIR "/rel"), 0) &&
           KTAP_EQUAL(unlink(DIR "/file"), 0);
}

static bool links_in_the_middle(void)
{
    return KTAP_EQUAL(mkdir(DIR "/d", 0755), 0) && KTAP_EQUAL(mkdir(DIR "/d/e", 0755), 0) &&
           new_file(DIR "/d/e/f", "deep") && KTAP_EQUAL(symlink("d/e", DIR "/l"), 0) &&
           KTAP_EQUAL(symlink("../..", DIR "/d/e/up"), 0) && file_is(DIR "/l/f", "deep") &&
           file_is(DIR "/l//../e/./f", "deep") && file_is(DIR "/l/up/l/up/d/e/f", "deep") &&
           KTAP_EQUAL(unlink(DIR "/l/up"), 0) && KTAP_EQUAL(unlink(DIR "/l/f"), 0) &&
           KTAP_EQUAL(rmdir(DIR "/d/e"), 0) && KTAP_EQUAL(rmdir(DIR "/d"), 0) &&
           KTAP_EQUAL(unlink(DIR "/l"), 0);
}

static bool slashes_at_the_end(void)
{
    return new_file(DIR "/file", "x") && KTAP_EQUAL(mkdir(DIR "/d", 0755), 0) &&
           KTAP_EQUAL(symlink("file", DIR "/lf"), 0) && KTAP_EQUAL(symlink("d", DIR "/ld"), 0) &&
           FAILS(stat(DIR "/file/", &st), ENOTDIR) && FAILS(lstat(DIR "/lf/", &st), ENOTDIR) &&
           KTAP_EQUAL(lstat(DIR "/ld/", &st), 0) && KTAP_TRUE(S_ISDIR(st.st_mode)) &&
           FAILS(open(DIR "/file/", O_RDONLY), ENOTDIR) &&
           FAILS(open(DIR "/new/", O_CREAT | O_WRONLY, 0644), EISDIR) &&
           FAILS(unlink(DIR "/file/"), ENOTDIR) && FAILS(unlink(DIR "/ld/"), ENOTDIR) &&
           FAILS(rmdir(DIR "/ld/"), ENOTDIR) && FAILS(symlink("x", DIR "/new/"), ENOENT) &&
           FAILS(link(DIR "/file", DIR "/new/"), ENOENT) &&
           FAILS(rename(DIR "/file", DIR "/new/"), ENOTDIR) &&
           FAILS(mkdir(DIR "/lf/", 0755), EEXIST) && KTAP_EQUAL(mkdir(DIR "/new///", 0755), 0) &&
           KTAP_EQUAL(rename(DIR "/new", DIR "/newer/"), 0) &&
           KTAP_EQUAL(rmdir(DIR "/newer/"), 0) && KTAP_EQUAL(unlink(DIR "/lf"), 0) &&
           KTAP_EQUAL(unlink(DIR "/ld"), 0) && KTAP_EQUAL(rmdir(DIR "/d"), 0) &&
           KTAP_EQUAL(unlink(DIR "/file"), 0);
}

/* A chain of `nr` links that ends at a file; the name of the first is in `text`. */
static bool make_chain(int nr)
{
    bool is_ok = new_file(DIR "/0", "end");

    for (int i = 1; i <= nr && is_ok; i++) {
        snprintf(text, sizeof(text), DIR "/%d", i);
        snprintf(more, sizeof(more), "%d", i - 1);
        is_ok = KTAP_EQUAL(symlink(more, text), 0);
    }
    return is_ok;
}

static bool forty_links_and_no_more(void)
{
    bool is_ok = make_chain(41) && KTAP_EQUAL(stat(DIR "/40", &st), 0) &&
                 FAILS(stat(DIR "/41", &st), ELOOP) && KTAP_EQUAL(lstat(DIR "/41", &st), 0) &&
                 KTAP_EQUAL(symlink("loop", DIR "/loop"), 0) &&
                 FAILS(open(DIR "/loop", O_RDONLY), ELOOP) &&
                 FAILS(open(DIR "/loop", O_CREAT | O_RDWR, 0600), ELOOP) &&
                 FAILS(stat(DIR "/loop/x", &st), ELOOP) && FAILS(chdir(DIR "/loop"), ELOOP) &&
                 KTAP_EQUAL(unlink(DIR "/loop"), 0);

    for (int i = 0; i <= 41; i++) {
        snprintf(text, sizeof(text), DIR "/%d", i);
        unlink(text);
    }
    return is_ok;
}

static bool not_followed(void)
{
    int fd;

    if (!new_file(DIR "/file", "x") || symlink("file", DIR "/l") != 0 ||
        symlink(".", DIR "/ldir") != 0)
        return false;
    fd = open(DIR "/l", O_PATH | O_NOFOLLOW);
    return KTAP_TRUE(fd >= 0) && KTAP_EQUAL(fstat(fd, &st), 0) && KTAP_TRUE(S_ISLNK(st.st_mode)) &&
           KTAP_EQUAL(readlinkat(fd, "", text, 100), 4) && FAILS(read(fd, text, 1), EBADF) &&
           KTAP_EQUAL(close(fd), 0) && FAILS(open(DIR "/l", O_RDONLY | O_NOFOLLOW), ELOOP) &&
           FAILS(open(DIR "/ldir", O_RDONLY | O_NOFOLLOW | O_DIRECTORY), ENOTDIR) &&
           FAILS(open(DIR "/l", O_RDONLY | O_CREAT | O_EXCL, 0600), EEXIST) &&
           FAILS(readlink(DIR "/file", text, 100), EINVAL) &&
           FAILS(readlink(DIR "/l", text, 0), EINVAL) && KTAP_EQUAL(unlink(DIR "/ldir"), 0) &&
           KTAP_EQUAL(unlink(DIR "/l"), 0) && KTAP_EQUAL(unlink(DIR "/file"), 0);
}

static bool dangling_links(void)
{
    return KTAP_EQUAL(symlink("target", DIR "/l"), 0) && FAILS(open(DIR "/l", O_RDONLY), ENOENT) &&
           FAILS(stat(DIR "/l", &st), ENOENT) && FAILS(mkdir(DIR "/l", 0755), EEXIST) &&
           FAILS(open(DIR "/l", O_CREAT | O_EXCL | O_RDWR, 0600), EEXIST) &&
           new_file(DIR "/l", "made") && file_is(DIR "/target", "made") &&
           KTAP_EQUAL(unlink(DIR "/target"), 0) && KTAP_EQUAL(unlink(DIR "/l"), 0) &&
           KTAP_EQUAL(symlink("no/such", DIR "/l"), 0) &&
           FAILS(open(DIR "/l", O_CREAT | O_RDWR, 0600), ENOENT) &&
           KTAP_EQUAL(unlink(DIR "/l"), 0) && FAILS(symlink("", DIR "/l"), ENOENT);
}

static bool lengths(void)
{
    memset(text, 'n', 256);
    memcpy(text, DIR "/", sizeof(DIR));
    memset(text + sizeof(DIR), 'n', 255);
    text[sizeof(DIR) + 255] = '\0';
    if (!new_file(text, "x") || !KTAP_EQUAL(unlink(text), 0))
        return false;
    text[sizeof(DIR) + 255] = 'n';
    text[sizeof(DIR) + 256] = '\0';
    if (!FAILS(stat(text, &st), ENAMETOOLONG) || !FAILS(mkdir(text, 0755), ENAMETOOLONG) ||
        !FAILS(symlink("x", text), ENAMETOOLONG) || !FAILS(rename(DIR, text), ENAMETOOLONG))
        return false;
    for (int i = 0; i < 4096; i++)
        text[i] = i % 2 ? '.' : '/';
    text[4095] = '\0';
    if (!KTAP_EQUAL(stat(text, &st), 0))
        return false;
    text[4095] = '.';
    text[4096] = '\0';
    return FAILS(stat(text, &st), ENAMETOOLONG) && FAILS(symlink(text, DIR "/l"), ENAMETOOLONG);
}

static bool empty_paths(void)
{
    int fd = open(DIR, O_RDONLY | O_DIRECTORY), file;

    if (!new_file(DIR "/file", "abc"))
        return false;
    file = open(DIR "/file", O_RDONLY);
    return FAILS(stat("", &st), ENOENT) && FAILS(open("", O_RDONLY), ENOENT) &&
           FAILS(fstatat(fd, "", &st, 0), ENOENT) &&
           KTAP_EQUAL(fstatat(fd, "", &st, AT_EMPTY_PATH), 0) && KTAP_TRUE(S_ISDIR(st.st_mode)) &&
           KTAP_EQUAL(fstatat(file, "", &st, AT_EMPTY_PATH), 0) && KTAP_EQUAL(st.st_size, 3) &&
           FAILS(fstatat(file, "x", &st, AT_EMPTY_PATH), ENOTDIR) &&
           FAILS(fstatat(99, "x", &st, 0), EBADF) && KTAP_EQUAL(fstatat(99, "/bin", &st, 0), 0) &&
           KTAP_EQUAL(close(fd), 0) && KTAP_EQUAL(close(file), 0) &&
           KTAP_EQUAL(unlink(DIR "/file"), 0);
}

static bool removed_folders(void)
{
    char *cwd;

    if (mkdir(DIR "/gone", 0755) != 0 || chdir(DIR "/gone") != 0 || rmdir(DIR "/gone") != 0)
        return false;
    cwd = getcwd(text, sizeof(text));
    return KTAP_TRUE(cwd == NULL) && KTAP_EQUAL(errno, ENOENT) &&
           FAILS(open("x", O_CREAT | O_RDWR, 0600), ENOENT) && FAILS(mkdir("x", 0755), ENOENT) &&
           FAILS(symlink("x", "y"), ENOENT) && FAILS(rename("/bin/init", "y"), ENOENT) &&
           KTAP_EQUAL(stat(".", &st), 0) && KTAP_EQUAL((long)st.st_nlink, 0) &&
           KTAP_EQUAL(chdir(".."), 0) && KTAP_TRUE(getcwd(text, sizeof(text)) != NULL) &&
           KTAP_EQUAL(strcmp(text, DIR), 0) && KTAP_EQUAL(chdir("/"), 0);
}

static bool file_in_the_middle(void)
{
    return new_file(DIR "/file", "x") && FAILS(stat(DIR "/file/x", &st), ENOTDIR) &&
           FAILS(stat(DIR "/file/.", &st), ENOTDIR) && FAILS(stat(DIR "/file/..", &st), ENOTDIR) &&
           FAILS(stat(DIR "/none/x", &st), ENOENT) && FAILS(chdir(DIR "/file"), ENOTDIR) &&
           KTAP_EQUAL(unlink(DIR "/file"), 0);
}

static bool dots_have_their_own_errors(void)
{
    return FAILS(rmdir(DIR "/."), EINVAL) && FAILS(rmdir(DIR "/.."), ENOTEMPTY) &&
           FAILS(rmdir("/"), EBUSY) && FAILS(unlink(DIR "/."), EISDIR) &&
           FAILS(mkdir(DIR "/.", 0755), EEXIST) && FAILS(mkdir("/", 0755), EEXIST) &&
           FAILS(rename(DIR "/.", DIR "/x"), EBUSY) && FAILS(rename(DIR, DIR "/.."), EBUSY) &&
           FAILS(symlink("x", DIR "/.."), EEXIST) && KTAP_EQUAL(stat("/..", &st), 0) &&
           KTAP_EQUAL(stat("/../../bin", &st), 0);
}

static const struct ktap_test tests[] = {
    {"symbolic links are followed, and lstat and readlink see them", links_are_followed},
    {"links in the middle of a path lead to where .. is theirs", links_in_the_middle},
    {"slashes at the end want a folder", slashes_at_the_end},
    {"40 links are followed, 41 are ELOOP", forty_links_and_no_more},
    {"O_NOFOLLOW and O_EXCL do not follow", not_followed},
    {"O_CREAT makes what a dangling link leads to", dangling_links},
    {"names of 255 and paths of 4095 bytes, and none longer", lengths},
    {"an empty path is ENOENT, or the descriptor itself", empty_paths},
    {"in a removed folder nothing can be made, and .. leads out", removed_folders},
    {"a file in the middle of a path is ENOTDIR", file_in_the_middle},
    {"dots and the root have their own errors", dots_have_their_own_errors},
};

int main(void)
{
    mkdir(DIR, 0755);
    ktap_start(KTAP_LEN(tests));
    ktap_run(tests, KTAP_LEN(tests));
    rmdir(DIR);
    return ktap_finish();
}
