/* Links and renames: what they do, what they refuse, and what many at once leave behind. */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <sys/stat.h>
#include <sys/wait.h>

#include "common.h"
#include "ktap.h"

#define DIR "/tmp/ren"

static struct stat st, other;
static char text[1000];

static bool new_file(const char *path)
{
    int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0644);

    return KTAP_TRUE(fd >= 0) && KTAP_EQUAL(write(fd, path, strlen(path)), (long)strlen(path)) &&
           KTAP_EQUAL(close(fd), 0);
}

static bool is_gone(const char *path)
{
    return lstat(path, &st) < 0 && errno == ENOENT;
}

static long nr_links(const char *path)
{
    return lstat(path, &st) == 0 ? (long)st.st_nlink : -1;
}

/* ---- Links ---------------------------------------------------------------------------------- */

static bool links_are_the_file(void)
{
    return new_file(DIR "/a") && KTAP_EQUAL(link(DIR "/a", DIR "/b"), 0) &&
           KTAP_EQUAL(stat(DIR "/a", &st), 0) && KTAP_EQUAL(stat(DIR "/b", &other), 0) &&
           KTAP_EQUAL((long)st.st_ino, (long)other.st_ino) && KTAP_EQUAL(nr_links(DIR "/a"), 2) &&
           KTAP_EQUAL(unlink(DIR "/a"), 0) && KTAP_EQUAL(nr_links(DIR "/b"), 1) &&
           KTAP_EQUAL(symlink("b", DIR "/s"), 0) && KTAP_EQUAL(link(DIR "/s", DIR "/t"), 0) &&
           KTAP_EQUAL(nr_links(DIR "/s"), 2) && KTAP_TRUE(S_ISLNK(st.st_mode)) &&
           KTAP_EQUAL(linkat(AT_FDCWD, DIR "/s", AT_FDCWD, DIR "/c", AT_SYMLINK_FOLLOW), 0) &&
           KTAP_EQUAL(nr_links(DIR "/b"), 2) && KTAP_EQUAL(unlink(DIR "/b"), 0) &&
           KTAP_EQUAL(unlink(DIR "/c"), 0) && KTAP_EQUAL(unlink(DIR "/s"), 0) &&
           KTAP_EQUAL(unlink(DIR "/t"), 0);
}

static bool wrong_links_are_refused(void)
{
    return new_file(DIR "/a") && KTAP_EQUAL(mkdir(DIR "/d", 0755), 0) &&
           FAILS(link(DIR "/d", DIR "/e"), EPERM) && FAILS(link(DIR "/a", DIR "/d"), EEXIST) &&
           FAILS(link(DIR "/none", DIR "/e"), ENOENT) &&
           FAILS(link(DIR "/a", DIR "/none/e"), ENOENT) &&
           FAILS(link(DIR "/a/x", DIR "/e"), ENOTDIR) && FAILS(link(DIR "/a", ""), ENOENT) &&
           FAILS(linkat(AT_FDCWD, DIR "/a", AT_FDCWD, DIR "/e", 1), EINVAL) &&
           FAILS(linkat(99, "a", AT_FDCWD, DIR "/e", 0), EBADF) && KTAP_EQUAL(rmdir(DIR "/d"), 0) &&
           KTAP_EQUAL(unlink(DIR "/a"), 0);
}

/* ---- Renames -------------------------------------------------------------------------------- */

static bool files_move(void)
{
    return new_file(DIR "/a") && KTAP_EQUAL(mkdir(DIR "/d", 0755), 0) &&
           KTAP_EQUAL(stat(DIR "/a", &other), 0) && KTAP_EQUAL(rename(DIR "/a", DIR "/d/b"), 0) &&
           KTAP_TRUE(is_gone(DIR "/a")) && KTAP_EQUAL(stat(DIR "/d/b", &st), 0) &&
           KTAP_EQUAL((long)st.st_ino, (long)other.st_ino) && KTAP_EQUAL(chdir(DIR "/d"), 0) &&
           KTAP_EQUAL(rename("b", "../c"), 0) && KTAP_EQUAL(rename("../c", "../c"), 0) &&
           KTAP_EQUAL(chdir("/"), 0) && KTAP_EQUAL(rmdir(DIR "/d"), 0) &&
           KTAP_EQUAL(unlink(DIR "/c"), 0);
}

static bool targets_are_replaced(void)
{
    int fd;

    if (!new_file(DIR "/a") || !new_file(DIR "/b"))
        return false;
    fd = open(DIR "/b", O_RDONLY);
    return KTAP_EQUAL(rename(DIR "/a", DIR "/b"), 0) && KTAP_TRUE(is_gone(DIR "/a")) &&
           KTAP_EQUAL(fstat(fd, &st), 0) && KTAP_EQUAL((long)st.st_nlink, 0) &&
           KTAP_EQUAL(read(fd, text, 100), (long)strlen(DIR "/b")) && KTAP_EQUAL(close(fd), 0) &&
           KTAP_EQUAL(link(DIR "/b", DIR "/c"), 0) && KTAP_EQUAL(rename(DIR "/b", DIR "/c"), 0) &&
           KTAP_EQUAL(nr_links(DIR "/b"), 2) && KTAP_EQUAL(unlink(DIR "/b"), 0) &&
           KTAP_EQUAL(unlink(DIR "/c"), 0);
}

static bool folders_move(void)
{
    return KTAP_EQUAL(mkdir(DIR "/a", 0755), 0) && KTAP_EQUAL(mkdir(DIR "/a/b", 0755), 0) &&
           KTAP_EQUAL(mkdir(DIR "/c", 0755), 0) && KTAP_EQUAL(nr_links(DIR "/a"), 3) &&
           KTAP_EQUAL(chdir(DIR "/a/b"), 0) && KTAP_EQUAL(rename(DIR "/a/b", DIR "/c/x"), 0) &&
           KTAP_TRUE(getcwd(text, sizeof(text)) != NULL) &&
           KTAP_EQUAL(strcmp(text, DIR "/c/x"), 0) && KTAP_EQUAL(nr_links(DIR "/a"), 2) &&
           KTAP_EQUAL(nr_links(DIR "/c"), 3) && KTAP_EQUAL(stat("..", &st), 0) &&
           KTAP_EQUAL(stat(DIR "/c", &other), 0) &&
           KTAP_EQUAL((long)st.st_ino, (long)other.st_ino) && KTAP_EQUAL(chdir("/"), 0) &&
           KTAP_EQUAL(rename(DIR "/c/x", DIR "/a"), 0) && KTAP_EQUAL(nr_links(DIR "/c"), 2) &&
           KTAP_EQUAL(nr_links(DIR), 4) && KTAP_EQUAL(rmdir(DIR "/a"), 0) &&
           KTAP_EQUAL(rmdir(DIR "/c"), 0) && KTAP_EQUAL(nr_links(DIR), 2);
}

static bool wrong_renames_are_refused(void)
{
    return new_file(DIR "/f") && KTAP_EQUAL(mkdir(DIR "/d", 0755), 0) &&
           KTAP_EQUAL(mkdir(DIR "/d/e", 0755), 0) && KTAP_EQUAL(mkdir(DIR "/empty", 0755), 0) &&
           FAILS(rename(DIR "/d", DIR "/d/e/x"), EINVAL) &&
           FAILS(rename(DIR "/d", DIR "/d/x"), EINVAL) &&
           FAILS(rename(DIR "/d/e", DIR "/d"), ENOTEMPTY) &&
           FAILS(rename(DIR "/f", DIR "/d"), EISDIR) &&
           FAILS(rename(DIR "/d", DIR "/f"), ENOTDIR) &&
           FAILS(rename(DIR "/empty", DIR "/d"), ENOTEMPTY) &&
           FAILS(rename(DIR "/none", DIR "/x"), ENOENT) &&
           FAILS(rename(DIR "/f", DIR "/none/x"), ENOENT) &&
           FAILS(rename(DIR "/f/x", DIR "/x"), ENOTDIR) &&
           FAILS(rename(DIR "/f", "/dev/null/x"), ENOTDIR) &&
           FAILS(renameat2(AT_FDCWD, DIR "/f", AT_FDCWD, DIR "/d", RENAME_NOREPLACE), EEXIST) &&
           FAILS(renameat2(AT_FDCWD, DIR "/f", AT_FDCWD, DIR "/x", 4), EINVAL) &&
           FAILS(renameat2(AT_FDCWD, DIR "/f", AT_FDCWD, DIR "/x", 3), EINVAL) &&
           FAILS(renameat2(AT_FDCWD, DIR "/f", AT_FDCWD, DIR "/x", RENAME_EXCHANGE), ENOENT) &&
           FAILS(renameat2(AT_FDCWD, DIR "/d", AT_FDCWD, DIR "/d/e", RENAME_EXCHANGE), EINVAL) &&
           FAILS(renameat(99, "f", AT_FDCWD, DIR "/x"), EBADF) &&
           KTAP_EQUAL(renameat2(AT_FDCWD, DIR "/f", AT_FDCWD, DIR "/g", RENAME_NOREPLACE), 0) &&
           KTAP_EQUAL(unlink(DIR "/g"), 0) && KTAP_EQUAL(rmdir(DIR "/d/e"), 0) &&
           KTAP_EQUAL(rmdir(DIR "/d"), 0) && KTAP_EQUAL(rmdir(DIR "/empty"), 0);
}

static bool names_are_exchanged(void)
{
    return new_file(DIR "/f") && KTAP_EQUAL(mkdir(DIR "/d", 0755), 0) &&
           KTAP_EQUAL(mkdir(DIR "/d/e", 0755), 0) && KTAP_EQUAL(nr_links(DIR "/d"), 3) &&
           KTAP_EQUAL(renameat2(AT_FDCWD, DIR "/f", AT_FDCWD, DIR "/d/e", RENAME_EXCHANGE), 0) &&
           KTAP_EQUAL(stat(DIR "/f", &st), 0) && KTAP_TRUE(S_ISDIR(st.st_mode)) &&
           KTAP_EQUAL(nr_links(DIR "/d"), 2) && KTAP_EQUAL(nr_links(DIR), 4) &&
           KTAP_EQUAL(chdir(DIR "/f"), 0) && KTAP_TRUE(getcwd(text, sizeof(text)) != NULL) &&
           KTAP_EQUAL(strcmp(text, DIR "/f"), 0) && KTAP_EQUAL(chdir("/"), 0) &&
           KTAP_EQUAL(renameat2(AT_FDCWD, DIR "/f", AT_FDCWD, DIR "/d", RENAME_EXCHANGE), 0) &&
           KTAP_EQUAL(unlink(DIR "/f/e"), 0) && KTAP_EQUAL(rmdir(DIR "/f"), 0) &&
           KTAP_EQUAL(rmdir(DIR "/d"), 0);
}

static bool times_change(void)
{
    struct timespec old[2] = {{12, 0}, {12, 0}};

    return new_file(DIR "/f") && KTAP_EQUAL(utimensat(AT_FDCWD, DIR, old, 0), 0) &&
           KTAP_EQUAL(rename(DIR "/f", DIR "/g"), 0) && KTAP_EQUAL(stat(DIR, &st), 0) &&
           KTAP_TRUE(st.st_mtime > 12) && KTAP_EQUAL(utimensat(AT_FDCWD, DIR, old, 0), 0) &&
           KTAP_EQUAL(unlink(DIR "/g"), 0) && KTAP_EQUAL(stat(DIR, &st), 0) &&
           KTAP_TRUE(st.st_mtime > 12);
}

/* ---- Storms --------------------------------------------------------------------------------- */

/* Makes, moves and removes folders and files in a small tree, where others do the same. */
static void storm_for_ever(void *seed)
{
    static const char *const names[] = {DIR "/a",   DIR "/b",     DIR "/a/x",
                                        DIR "/b/x", DIR "/a/x/y", DIR "/b/x/y"};
    unsigned random = (unsigned)(long)seed;

    for (;;) {
        const char *one, *two;

        random = random * 1103515245 + 12345;
        one = names[(random >> 16) % KTAP_LEN(names)];
        two = names[(random >> 20) % KTAP_LEN(names)];
        switch ((random >> 24) % 8) {
        case 0:
        case 1:
            mkdir(one, 0755);
            break;
        case 2:
            rmdir(one);
            break;
        case 3:
            close(open(one, O_CREAT | O_WRONLY, 0644));
            break;
        case 4:
            unlink(one);
            break;
        case 5:
            link(one, two);
            break;
        case 6:
            renameat2(AT_FDCWD, one, AT_FDCWD, two, RENAME_EXCHANGE);
            break;
        default:
            rename(one, two);
        }
    }
}

/* Removes a file or an empty folder, or makes it the next DIR/w<n>. */
static void remove_or_move(const char *path, unsigned *nr_moved)
{
    char to[100];

    if (unlink(path) == 0 || rmdir(path) == 0)
        return;
    snprintf(to, sizeof(to), DIR "/w%u", *nr_moved);
    *nr_moved += rename(path, to) == 0;
}

/* Removes what the storm has left, which may be deeper than any path is long. */
static void remove_all(void)
{
    static const char *const names[] = {"a", "b", "x", "y"};
    unsigned nr_moved = 0;
    char path[100];

    remove_or_move(DIR "/a", &nr_moved);
    remove_or_move(DIR "/b", &nr_moved);
    for (unsigned i = 0; i < nr_moved; i++) {
        for (size_t k = 0; k < KTAP_LEN(names); k++) {
            snprintf(path, sizeof(path), DIR "/w%u/%s", i, names[k]);
            remove_or_move(path, &nr_moved);
        }
        snprintf(path, sizeof(path), DIR "/w%u", i);
        rmdir(path);
    }
}

static bool storms_leave_a_tree(void)
{
    pid_t children[4];
    int status;
    bool is_ok = true;

    for (long i = 0; i < 4; i++)
        children[i] = start_child(storm_for_ever, (void *)(i * 7919 + 1));
    for (unsigned i = 0; i < ktap_times(300); i++) {
        stat(DIR "/a/x/y/../../..", &st);
        if (chdir(DIR "/a/x") == 0) {
            getcwd(text, sizeof(text));
            is_ok = is_ok && KTAP_EQUAL(chdir("/"), 0);
        }
    }
    usleep(200000);
    for (int i = 0; i < 4; i++) {
        kill(children[i], SIGKILL);
        waitpid(children[i], &status, 0);
    }
    remove_all();
    return is_ok && KTAP_EQUAL(nr_links(DIR), 2) && KTAP_EQUAL(rmdir(DIR), 0) &&
           KTAP_EQUAL(mkdir(DIR, 0755), 0);
}

/* Of several who make the same name, one does; of several who take it away, one does. */
static void compete(void *unused)
{
    int nr = 0;

    (void)unused;
    for (unsigned i = 0; i < ktap_times(200); i++) {
        snprintf(text, sizeof(text), DIR "/race%u", i);
        nr += mkdir(text, 0755) == 0;
    }
    for (unsigned i = 0; i < ktap_times(200); i++) {
        char moved[100];

        snprintf(text, sizeof(text), DIR "/race%u", i);
        snprintf(moved, sizeof(moved), DIR "/moved%u", i);
        while (mkdir(DIR "/barrier", 0755) != 0)
            ;
        rmdir(DIR "/barrier");
        nr += renameat2(AT_FDCWD, text, AT_FDCWD, moved, RENAME_NOREPLACE) == 0;
    }
    /* What this one has won is told by files that have its number. */
    snprintf(text, sizeof(text), DIR "/won%d", getpid());
    int fd = open(text, O_CREAT | O_WRONLY, 0600);
    write(fd, &nr, sizeof(nr));
    _exit(CHILD_IS_WELL);
}

static bool each_name_is_won_once(void)
{
    pid_t children[3];
    int total = 0;
    bool is_ok = true;

    for (int i = 0; i < 3; i++)
        children[i] = start_child(compete, NULL);
    for (int i = 0; i < 3; i++) {
        int status = 0, nr = 0, fd;

        waitpid(children[i], &status, 0);
        is_ok = KTAP_EQUAL(WEXITSTATUS(status), CHILD_IS_WELL) && is_ok;
        snprintf(text, sizeof(text), DIR "/won%d", children[i]);
        fd = open(text, O_RDONLY);
        read(fd, &nr, sizeof(nr));
        close(fd);
        unlink(text);
        total += nr;
    }
    for (unsigned i = 0; i < ktap_times(200); i++) {
        snprintf(text, sizeof(text), DIR "/moved%u", i);
        is_ok = KTAP_EQUAL(rmdir(text), 0) && is_ok;
    }
    /* A name that has been moved away can be made again: then there is one more of both. */
    for (unsigned i = 0; i < ktap_times(200); i++) {
        snprintf(text, sizeof(text), DIR "/race%u", i);
        total -= rmdir(text) == 0;
    }
    return is_ok && KTAP_EQUAL(total, 2 * (int)ktap_times(200)) && KTAP_EQUAL(nr_links(DIR), 2);
}

static const struct ktap_test tests[] = {
    {"a link is the file, also a link to a symbolic link", links_are_the_file},
    {"links that cannot be are refused", wrong_links_are_refused},
    {"a file moves with its number", files_move},
    {"a rename takes the place of what is there, which lives while open", targets_are_replaced},
    {"a folder moves with what is in it, and .. follows", folders_move},
    {"renames that cannot be are refused", wrong_renames_are_refused},
    {"RENAME_EXCHANGE exchanges", names_are_exchanged},
    {"renaming and removing change the folder's time", times_change},
    {"renames, links and removals by many leave a tree", storms_leave_a_tree},
    {"of several who make or take a name one does", each_name_is_won_once},
};

int main(void)
{
    umask(0);
    mkdir(DIR, 0755);
    ktap_start(KTAP_LEN(tests));
    ktap_run(tests, KTAP_LEN(tests));
    rmdir(DIR);
    return ktap_finish();
}
