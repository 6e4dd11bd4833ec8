/* `check`: comparing what was recorded with what is told here. */

#define _GNU_SOURCE

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "as_linux.h"

#define NR_LINES_SHOWN 12

/* Lines [from, to) of a text that begins at `at`. */
static void show_lines(const char *what, const char *at, int from, int to)
{
    for (int i = 0; i < to && *at != '\0'; i++) {
        int length = (int)strcspn(at, "\n");
        if (i >= from)
            printf("# %s %.*s\n", what, length > 700 ? 700 : length, at);
        at += length + (at[length] == '\n');
    }
}

/* The length of the line at `at`. */
static size_t line_length(const char *at)
{
    return strcspn(at, "\n");
}

/* Whether two lines are of one call that failed, each time with another error. */
static bool is_other_error(const char *a, const char *b)
{
    const char *a_error = memmem(a, line_length(a), " = errno ", 9);
    const char *b_error = memmem(b, line_length(b), " = errno ", 9);

    return a_error != NULL && b_error != NULL && a_error - a == b_error - b &&
           memcmp(a, b, (size_t)(a_error - a)) == 0;
}

/* Whether two texts are the same; says where they are not, up to where they go different ways. */
static bool compare(const char *expected, const char *told)
{
    const char *start = expected;
    bool is_same = true;

    for (int line = 0; *expected != '\0' || *told != '\0'; line++) {
        size_t length = line_length(expected), told_length = line_length(told);

        if (length != told_length || memcmp(expected, told, length) != 0) {
            bool is_end = !is_other_error(expected, told);
            is_same = false;
            if (is_end)
                show_lines("    ", start, line - NR_LINES_SHOWN, line);
            show_lines("want", expected, 0, 1);
            show_lines("got ", told, 0, 1);
            if (is_end)
                break;
        }
        expected += length + (expected[length] == '\n');
        told += told_length + (told[told_length] == '\n');
    }
    return is_same;
}

static char *read_whole(const char *path)
{
    struct stat st;
    int fd = open(path, O_RDONLY);

    if (fd < 0 || fstat(fd, &st) != 0)
        return NULL;
    char *text = malloc((size_t)st.st_size + 1);
    for (off_t got = 0; got < st.st_size;) {
        long nr = read(fd, text + got, (size_t)(st.st_size - got));
        if (nr <= 0)
            return NULL;
        got += nr;
    }
    text[st.st_size] = '\0';
    close(fd);
    return text;
}

int check(const char *path)
{
    char *text = read_whole(path);
    int nr = 0, nr_failed = 0;

    if (text == NULL) {
        printf("Bail out! %s cannot be read\n", path);
        return 1;
    }
    printf("KTAP version 1\n");
    if (strncmp(text, "# SKIP", 6) == 0) {
        printf("1..0 %s\n", text);
        return 0;
    }
    for (char *at = strstr(text, "## "); at != NULL; at = strstr(at + 1, "\n## "))
        nr++;
    printf("1..%d\n", nr);
    nr = 0;
    for (char *at = text; at != NULL && *at != '\0';) {
        int is_root, nr_calls;
        unsigned long seed;
        char *end = strstr(at, "\n## ");
        if (sscanf(at, "## %d %lu %d", &is_root, &seed, &nr_calls) != 3)
            break;
        if (end != NULL)
            end[1] = '\0';
        tell_seed(is_root, seed, nr_calls);
        play->text[play->text_bytes] = '\0';
        bool is_same = compare(strchr(at, '\n') + 1, play->text);
        printf("%sok %d %d calls of seed %lu as %s are told as on Linux\n", is_same ? "" : "not ",
               ++nr, nr_calls, seed, is_root ? "root" : "a user");
        fflush(stdout);
        nr_failed += !is_same;
        if (end == NULL)
            break;
        at = end + 1;
        *at = '#';
    }
    printf("# %d passed, %d failed\n", nr - nr_failed, nr_failed);
    return nr_failed != 0;
}
