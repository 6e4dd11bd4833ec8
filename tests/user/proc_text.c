#include "proc_text.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/stat.h>

char *proc_read(const char *path)
{
    static char text[PROC_TEXT_MAX];
    int fd = open(path, O_RDONLY);
    size_t nr_bytes = 0;
    ssize_t nr;

    if (fd < 0)
        return NULL;
    while ((nr = read(fd, text + nr_bytes, sizeof(text) - 1 - nr_bytes)) > 0)
        nr_bytes += (size_t)nr;
    close(fd);
    text[nr_bytes] = '\0';
    return nr < 0 ? NULL : text;
}

char *proc_read_of(pid_t pid, const char *name)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
    return proc_read(path);
}

const char *proc_value(const char *text, const char *name)
{
    size_t length = strlen(name);

    for (const char *line = text; line != NULL && *line != '\0';) {
        if (strncmp(line, name, length) == 0 && line[length] == ':') {
            line += length + 1;
            return line + strspn(line, " \t");
        }
        line = strchr(line, '\n');
        line = line != NULL ? line + 1 : NULL;
    }
    return NULL;
}

long proc_number(const char *text, const char *name)
{
    const char *value = proc_value(text, name);

    return value != NULL ? strtol(value, NULL, 10) : -1;
}

const char *proc_word(const char *text, unsigned n)
{
    static char word[128];
    size_t length;

    text += strspn(text, " \t\n");
    for (; n > 0; n--) {
        text += strcspn(text, " \t\n");
        text += strspn(text, " \t\n");
    }
    length = strcspn(text, " \t\n");
    if (length >= sizeof(word))
        length = sizeof(word) - 1;
    memcpy(word, text, length);
    word[length] = '\0';
    return word;
}

unsigned proc_nr_lines(const char *text)
{
    unsigned nr = 0;

    for (; *text != '\0'; text++)
        nr += *text == '\n';
    return nr;
}

bool proc_has_line(const char *text, const char *start)
{
    while (text != NULL && *text != '\0') {
        if (strncmp(text, start, strlen(start)) == 0)
            return true;
        text = strchr(text, '\n');
        text = text != NULL ? text + 1 : NULL;
    }
    return false;
}

bool proc_is_there(pid_t pid)
{
    struct stat stat_of;
    char path[32];

    snprintf(path, sizeof(path), "/proc/%d", pid);
    return stat(path, &stat_of) == 0;
}
