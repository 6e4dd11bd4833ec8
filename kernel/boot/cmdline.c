/*
 * The kernel command line.
 *
 * Each word is copied, without its quotes, into one buffer that is never reused, so keys and values
 * stay valid for ever. The command line is typed by people: whatever is wrong with a word is said
 * once, in a warning that names the word, and the rest goes on.
 */

#include <kernel/cmdline.h>
#include <kernel/log.h>
#include <kernel/string.h>

static char text[CMDLINE_TEXT_MAX]; /* keys and values, each with its NUL */
static size_t text_bytes;
static struct cmdline_option options[CMDLINE_OPTIONS_MAX];
static size_t nr_options;

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/*
 * Copies one word from `from` to the end of the buffer, without quotes, NUL-terminated; the buffer
 * does not grow yet. Returns where the word ends in `from`; *len is its length, or more than there
 * is room for when it was cut.
 */
static const char *copy_word(const char *from, size_t *len, bool *is_quote_open)
{
    size_t room = CMDLINE_TEXT_MAX - text_bytes;
    size_t n = 0;

    *is_quote_open = false;
    for (; *from != '\0' && (*is_quote_open || !is_blank(*from)); from++) {
        bool is_escaped = from[0] == '\\' && (from[1] == '"' || from[1] == '\\' || from[1] == '\'');

        if (is_escaped) {
            from++;
        } else if (*from == '"') {
            *is_quote_open = !*is_quote_open;
            continue;
        }
        if (n < room)
            text[text_bytes + n] = *from;
        n++;
    }
    text[text_bytes + MIN(n, room - 1)] = '\0';
    *len = n;
    return from;
}

/* Makes an option of the word at the end of the buffer. */
static void add_option(size_t len)
{
    char *word = text + text_bytes;
    char *equals = strchr(word, '=');

    if (equals == word) {
        log_warn("cmdline: \"%s\" has no name before the \"=\"; ignored", word);
        return;
    }
    if (nr_options == CMDLINE_OPTIONS_MAX) {
        log_warn("cmdline: more than %d options; \"%s\" is ignored", CMDLINE_OPTIONS_MAX, word);
        return;
    }
    if (equals != NULL)
        *equals = '\0';
    options[nr_options++] = (struct cmdline_option){
        .key = word,
        .value = equals == NULL ? NULL : equals + 1,
    };
    text_bytes += len + 1;
}

void cmdline_append(const char *from)
{
    for (;;) {
        bool is_quote_open;
        size_t len;

        while (is_blank(*from))
            from++;
        if (*from == '\0')
            return;
        if (text_bytes == CMDLINE_TEXT_MAX) {
            log_warn("cmdline: more than %d bytes; the rest is ignored", CMDLINE_TEXT_MAX);
            return;
        }
        from = copy_word(from, &len, &is_quote_open);
        if (len >= CMDLINE_TEXT_MAX - text_bytes) {
            log_warn("cmdline: too long; ignored: \"%s\"", text + text_bytes);
            continue;
        }
        if (is_quote_open)
            log_warn("cmdline: the quote in \"%s\" is not closed", text + text_bytes);
        if (len > 0)
            add_option(len);
    }
}

void cmdline_init(const char *from)
{
    text_bytes = 0;
    nr_options = 0;
    cmdline_append(from);
}

/* The last option with this key, or NULL; all of them are known now. */
static const struct cmdline_option *find(const char *key)
{
    const struct cmdline_option *last = NULL;

    for (size_t i = 0; i < nr_options; i++) {
        if (strcmp(options[i].key, key) == 0) {
            options[i].is_known = true;
            last = &options[i];
        }
    }
    return last;
}

const char *cmdline_get(const char *key)
{
    const struct cmdline_option *option = find(key);

    if (option == NULL)
        return NULL;
    return option->value == NULL ? "" : option->value;
}

/* The value of a digit in any base up to 16; 16 for what is none. */
static unsigned digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0');
    if (c >= 'a' && c <= 'f')
        return (unsigned)(c - 'a') + 10;
    if (c >= 'A' && c <= 'F')
        return (unsigned)(c - 'A') + 10;
    return 16;
}

static bool parse_u64(const char *s, uint64_t *out)
{
    unsigned base = 10;
    uint64_t n = 0;

    if (s[0] == '0' && (s[1] == 'x' || s[1] == 'X')) {
        base = 16;
        s += 2;
    }
    if (*s == '\0')
        return false;
    for (; *s != '\0'; s++) {
        unsigned digit = digit_value(*s);

        if (digit >= base || n > (UINT64_MAX - digit) / base)
            return false;
        n = n * base + digit;
    }
    *out = n;
    return true;
}

bool cmdline_u64(const char *key, uint64_t min, uint64_t max, uint64_t *out)
{
    const struct cmdline_option *option = find(key);
    uint64_t n;

    if (option == NULL)
        return false;
    if (option->value == NULL) {
        log_warn("cmdline: %s needs a number: %s=%llu ... %llu", key, key, (unsigned long long)min,
                 (unsigned long long)max);
        return false;
    }
    if (!parse_u64(option->value, &n) || n < min || n > max) {
        log_warn("cmdline: %s=%s is no number from %llu to %llu; ignored", key, option->value,
                 (unsigned long long)min, (unsigned long long)max);
        return false;
    }
    *out = n;
    return true;
}

const struct cmdline_option *cmdline_option(size_t index)
{
    return index < nr_options ? &options[index] : NULL;
}
