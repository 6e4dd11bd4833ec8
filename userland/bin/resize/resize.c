/*
 * resize: a serial line does not know the size of the window at its other end. The terminal there
 * does: its cursor is sent as far down and right as it goes, and asked for (ECMA-48's CUP and DSR).
 * The answer becomes the size that programs see.
 *
 * Prints what a shell of another machine would evaluate, as xterm's program of this name does.
 */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define ASK             "\0337\033[r\033[999;999H\033[6n" /* DECSC, the whole screen scrolls, CUP, DSR */
#define BACK            "\0338"                           /* DECRC */
#define PATIENCE_TENTHS 20

static struct termios saved;

/* Also the handler of signals. */
static void restore(int signal)
{
    tcsetattr(STDIN_FILENO, TCSANOW, &saved);
    if (signal != 0)
        _exit(128 + signal);
}

/* Reads `ESC [ row ; column R`; what was typed before it is passed over. Whether it came. */
static int read_answer(unsigned *row, unsigned *column)
{
    char text[32];
    size_t nr = 0;

    while (nr < sizeof(text) - 1 && read(STDIN_FILENO, &text[nr], 1) == 1) {
        if (text[nr] == '\033')
            text[nr = 0] = '\033';
        if (text[0] != '\033')
            continue;
        if (text[nr++] == 'R') {
            text[nr] = '\0';
            return sscanf(text, "\033[%u;%uR", row, column) == 2;
        }
    }
    return 0;
}

static int fail(const char *what)
{
    fprintf(stderr, "resize: %s\n", what);
    return 1;
}

int main(int nr_args, char *args[])
{
    struct winsize size = {0};
    struct termios raw;
    unsigned row = 0, column = 0;
    int is_answered;

    if (nr_args > 1) {
        fprintf(stderr, "usage: %s\nAsks the terminal for its size, and sets it.\n", args[0]);
        return 2;
    }
    if (tcgetattr(STDIN_FILENO, &saved) != 0)
        return fail("standard input is no terminal");
    signal(SIGINT, restore);
    signal(SIGTERM, restore);
    raw = saved;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    raw.c_cc[VMIN] = 0;
    raw.c_cc[VTIME] = PATIENCE_TENTHS;
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw);
    is_answered =
        write(STDIN_FILENO, ASK, sizeof(ASK) - 1) == sizeof(ASK) - 1 && read_answer(&row, &column);
    if (write(STDIN_FILENO, BACK, sizeof(BACK) - 1) < 0)
        is_answered = 0;
    restore(0);
    if (!is_answered || row == 0 || column == 0)
        return fail("the terminal does not say where its cursor is");
    size.ws_row = (unsigned short)row;
    size.ws_col = (unsigned short)column;
    if (ioctl(STDIN_FILENO, TIOCSWINSZ, &size) != 0)
        return fail(strerror(errno));
    printf("COLUMNS=%u;LINES=%u;export COLUMNS LINES;\n", column, row);
    return 0;
}
