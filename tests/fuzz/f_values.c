/* Values of the configuration: any text for keys of every type, accepted exactly where a plain
 * reading by the C library accepts it; numbers at, below and beyond their ends; what is set is what
 * is read, and never over a stronger source. What is refused is said in one line, a secret never
 * repeated in it. */
#include "fuzz.h"

#include "base/err.h"
#include "base/utf8.h"
#include "core/config.h"

#include <arpa/inet.h>
#include <errno.h>

static const struct config_row rows[] = {
    {"a.n", CONFIG_INT, "7", -5, 65535, NULL, CONFIG_LIVE, "Number."},
    {"a.wide", CONFIG_INT, "0", INT64_MIN, INT64_MAX, NULL, CONFIG_RESTART, "Number."},
    {"a.flag", CONFIG_BOOL, "yes", 0, 0, NULL, CONFIG_LIVE, "Flag."},
    {"a.text", CONFIG_TEXT, "abc", 2, 10, NULL, CONFIG_RESTART, "Text."},
    {"b.secret", CONFIG_SECRET, "", 0, 0, NULL, CONFIG_LIVE, "Secret."},
    {"b.addr", CONFIG_ADDR, "::1", 1, 0, NULL, CONFIG_LIVE, "Address."},
    {"b.maybe", CONFIG_ADDR, "", 0, 0, NULL, CONFIG_LIVE, "Address or nothing."},
    {"b.choice", CONFIG_ENUM, "one", 0, 0, "one|two|three", CONFIG_LIVE, "Choice."},
};
static const struct config_table table = {rows, ARRAY_LEN(rows)};

static bool one_of(const char *list, const char *word)
{
    size_t n = strlen(word);
    for (const char *at = list; *at; at += strcspn(at, "|"), at += *at == '|')
        if (strcspn(at, "|") == n && memcmp(at, word, n) == 0)
            return true;
    return false;
}

static bool is_int(const struct config_row *row, const char *s)
{
    const char *at = s + (*s == '-');
    if (!*at || strspn(at, "0123456789") != strlen(at) || strlen(s) > 20)
        return false;
    errno = 0;
    long long v = strtoll(s, NULL, 10);
    return errno == 0 && v >= row->min && v <= row->max;
}

static bool is_addr(const struct config_row *row, char *s)
{
    uint8_t ip[16];
    size_t n = strlen(s);
    if (n == 0)
        return row->min == 0;
    if (inet_pton(AF_INET, s, ip) == 1 || inet_pton(AF_INET6, s, ip) == 1)
        return true;
    if (n < 2 || s[0] != '[' || s[n - 1] != ']')
        return false;
    s[n - 1] = '\0';
    bool good = inet_pton(AF_INET6, s + 1, ip) == 1;
    s[n - 1] = ']';
    return good;
}

static bool plain(const struct config_row *row, struct span value, char *s)
{
    if (strlen(s) != value.n)
        return false; /* a NUL inside */
    switch (row->type) {
    case CONFIG_INT: return is_int(row, s);
    case CONFIG_BOOL: return one_of("true|yes|on|1|false|no|off|0", s);
    case CONFIG_TEXT:
    case CONFIG_SECRET:
        return utf8_is_name(value, (size_t)row->min, row->max ? (size_t)row->max : CONFIG_TEXT_MAX);
    case CONFIG_ADDR: return is_addr(row, s);
    case CONFIG_ENUM: return one_of(row->choices, s);
    }
    return false;
}

static void read_typed(const struct config *c, const struct config_row *row, const char *s)
{
    if (row->type == CONFIG_INT)
        MUST(config_int(c, row->key) == strtoll(s, NULL, 10));
    else if (row->type == CONFIG_BOOL)
        MUST(config_bool(c, row->key) == one_of("true|yes|on|1", s));
    else
        MUST(strcmp(config_text(c, row->key), s) == 0);
}

static void set_one(struct config *c, size_t at, struct span value, enum config_source source)
{
    const struct config_row *row = &rows[at];
    struct buf why;
    char *s = fuzz_string(value), *before = fuzz_string(span_str(config_text_at(c, at)));
    enum config_source was = config_source_at(c, at);
    buf_init(&why, 1024);
    bool good = plain(row, value, s);
    int rc = config_set(c, span_str(row->key), value, source, &why);
    MUST(good ? rc == 0 : rc == E_RANGE || rc == E_FORMAT);
    MUST((rc == 0) == (why.n == 0) && !why.failed && (!why.n || !memchr(why.p, '\n', why.n)));
    if (rc == 0 && source >= was)
        read_typed(c, row, s);
    else
        MUST(strcmp(config_text_at(c, at), before) == 0);
    MUST(config_source_at(c, at) == (rc == 0 && source > was ? source : was));
    if (row->type == CONFIG_SECRET && value.n > 24)
        MUST(why.n == 0 || !memmem(why.p, why.n, value.p, value.n));
    buf_fini(&why);
    free(s);
    free(before);
}

/* Texts that are nearly right more often than bytes of the input are. */
static struct span make_value(struct span *in, char *to, size_t cap)
{
    static const char *const words[] = {"true",
                                        "off",
                                        "1",
                                        "two",
                                        "thre",
                                        "one|two",
                                        "65535",
                                        "65536",
                                        "-5",
                                        "-6",
                                        "[::1]",
                                        "::ffff:1.2.3.4",
                                        "9223372036854775807",
                                        "9223372036854775808",
                                        "-9223372036854775808",
                                        "-9223372036854775809"};
    uint8_t how = fuzz_byte(in);
    if (how & 1)
        return fuzz_take(in, how & 2 ? fuzz_below(in, 16) : 1020 + fuzz_below(in, 8));
    int n = how & 2 ? snprintf(to, cap, "%s", words[how / 4 % ARRAY_LEN(words)])
                    : snprintf(to, cap, "%lld", (long long)fuzz_number(in, 1 + how / 4 % 8));
    return span_of(to, (size_t)n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = span_of(data, size);
    struct config *c, *next;
    struct buf held;
    char text[64];
    MUST(config_create(&c, &table, 1) == 0 && config_create(&next, &table, 1) == 0);
    while (in.n) {
        uint8_t what = fuzz_byte(&in);
        size_t at = what % ARRAY_LEN(rows);
        struct span value = make_value(&in, text, sizeof text);
        uint8_t *exact = fuzz_copy(value);
        set_one(what & 128 ? next : c, at, span_of(exact, value.n),
                (enum config_source)(what / 8 % 4));
        free(exact);
    }
    /* What only a restart changes stays as it is in the running one, all else is as in the next. */
    buf_init(&held, 1024);
    int differ = (strcmp(config_text_at(c, 1), config_text_at(next, 1)) != 0) +
                 (strcmp(config_text(c, "a.text"), config_text(next, "a.text")) != 0);
    MUST(config_hold_restart(next, c, &held) == differ && (differ > 0) == (held.n > 0));
    MUST(config_int(next, "a.wide") == config_int(c, "a.wide"));
    MUST(strcmp(config_text(next, "a.text"), config_text(c, "a.text")) == 0);
    buf_fini(&held);
    config_destroy(c);
    config_destroy(next);
    return 0;
}
