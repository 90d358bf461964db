#include "core/config.h"

#include "base/addr.h"
#include "base/check.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "core/config_near.h"

#include <inttypes.h>
#include <stdio.h>

struct value {
    const struct config_row *row;
    char *text;     /* canonical, owned */
    int64_t number; /* INT, BOOL, ENUM: index */
    enum config_source source;
};

struct config {
    size_t n;
    struct value values[];
};

/* The key's index; c->n when there is none. */
static size_t find(const struct config *c, struct span key)
{
    size_t i = 0;
    while (i < c->n && !span_eq(span_str(c->values[i].row->key), key))
        i++;
    return i;
}

static void drop_text(struct value *v)
{
    if (v->text)
        mem_free_secret(v->text, strlen(v->text));
    v->text = NULL;
}

/* Index of word in "a|b|c", or -1. */
static int choice_index(const char *choices, struct span word)
{
    for (int i = 0; *choices; i++) {
        size_t n = strcspn(choices, "|");
        if (span_eq(span_of(choices, n), word))
            return i;
        choices += n + (choices[n] == '|');
    }
    return -1;
}

static int parse_int(const struct config_row *row, struct span s, int64_t *ret)
{
    size_t i = s.n && s.p[0] == '-';
    if (i == s.n || s.n > 20)
        return E_FORMAT;
    int64_t v = 0;
    for (bool minus = i == 1; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return E_FORMAT;
        int64_t digit = minus ? '0' - s.p[i] : s.p[i] - '0';
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, digit, &v))
            return E_RANGE;
    }
    *ret = v;
    return v < row->min || v > row->max ? E_RANGE : 0;
}

static int parse_bool(struct span s, int64_t *ret)
{
    int i = choice_index("false|true|no|yes|off|on|0|1", s);
    *ret = i & 1;
    return i < 0 ? E_FORMAT : 0;
}

static int check_text(const struct config_row *row, struct span s)
{
    if (s.n < (uint64_t)row->min || s.n > (row->max ? (uint64_t)row->max : CONFIG_TEXT_MAX))
        return E_RANGE;
    return s.n == 0 || utf8_is_name(s, 0, s.n) ? 0 : E_FORMAT;
}

static int check_addr(const struct config_row *row, struct span s)
{
    char text[ADDR_TEXT_MAX];
    struct addr a;
    if (s.n == 0)
        return row->min > 0 ? E_FORMAT : 0;
    if (s.n >= sizeof text || memchr(s.p, '\0', s.n))
        return E_FORMAT;
    memcpy(text, s.p, s.n);
    text[s.n] = '\0';
    return addr_parse(&a, text);
}

static int parse(const struct config_row *row, struct span s, int64_t *number)
{
    *number = 0;
    switch (row->type) {
    case CONFIG_INT: return parse_int(row, s, number);
    case CONFIG_BOOL: return parse_bool(s, number);
    case CONFIG_TEXT:
    case CONFIG_SECRET: return check_text(row, s);
    case CONFIG_ADDR: return check_addr(row, s);
    case CONFIG_ENUM: *number = choice_index(row->choices, s); return *number < 0 ? E_FORMAT : 0;
    }
    UNREACHABLE();
}

static int assign(struct value *v, struct span text, enum config_source source)
{
    int64_t number;
    int rc = parse(v->row, text, &number);
    if (rc)
        return rc;
    if (v->row->type == CONFIG_BOOL)
        text = span_str(number ? "true" : "false");
    char *copy = mem_zalloc(text.n + 1, 1);
    if (!copy)
        return E_NOMEM;
    if (text.n)
        memcpy(copy, text.p, text.n);
    drop_text(v);
    v->text = copy;
    v->number = number;
    v->source = source;
    return 0;
}

/* The environment's name of a key must lead back to it: SLIPGATE_SECTION_NAME is cut at its first
 * underscore, so a section has none. */
static bool is_key(const char *key)
{
    size_t section = strspn(key, "abcdefghijklmnopqrstuvwxyz0123456789");
    if (section == 0 || key[section] != '.')
        return false;
    const char *name = key + section + 1;
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_");
    return n > 0 && name[n] == '\0' && section + 1 + n < CONFIG_KEY_MAX;
}

int config_create(struct config **ret, const struct config_table *tables, size_t n)
{
    size_t total = 0;
    for (size_t t = 0; t < n; t++)
        total += tables[t].n;
    struct config *c = mem_zalloc(1, sizeof *c + total * sizeof c->values[0]);
    if (!c)
        return E_NOMEM;
    for (size_t t = 0; t < n; t++)
        for (size_t i = 0; i < tables[t].n; i++) {
            const struct config_row *row = &tables[t].rows[i];
            CHECK(is_key(row->key) && !config_known(c, span_str(row->key)));
            struct value *v = &c->values[c->n++];
            v->row = row;
            int rc = assign(v, span_str(row->fallback), CONFIG_DEFAULT);
            if (rc == E_NOMEM) {
                config_destroy(c);
                return rc;
            }
            CHECK(rc == 0);
        }
    *ret = c;
    return 0;
}

void config_destroy(struct config *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->n; i++)
        drop_text(&c->values[i]);
    mem_free(c);
}

bool config_known(const struct config *c, struct span key)
{
    return find(c, key) < c->n;
}

bool config_section_known(const struct config *c, struct span section)
{
    for (size_t i = 0; i < c->n; i++) {
        const char *key = c->values[i].row->key;
        if (span_eq(span_of(key, strcspn(key, ".")), section))
            return true;
    }
    return false;
}

const char *config_nearest(const struct config *c, struct span key)
{
    struct near near;
    near_init(&near, key);
    for (size_t i = 0; i < c->n; i++)
        near_offer(&near, c->values[i].row->key);
    return near.best;
}

/* "a|b|c" as "a, b or c". */
static void list_choices(const char *choices, struct buf *to)
{
    for (const char *at = choices; *at;) {
        size_t n = strcspn(at, "|");
        (void)buf_append(to, at, n);
        at += n;
        if (*at) {
            at++;
            (void)buf_append_str(to, strchr(at, '|') ? ", " : " or ");
        }
    }
}

void config_row_range(const struct config_row *row, struct buf *to)
{
    switch (row->type) {
    case CONFIG_INT: (void)buf_printf(to, "%" PRId64 " to %" PRId64, row->min, row->max); return;
    case CONFIG_BOOL: (void)buf_append_str(to, "true or false"); return;
    case CONFIG_TEXT:
    case CONFIG_SECRET:
        (void)buf_printf(to, "text of %" PRId64 " to %" PRId64 " bytes", row->min,
                         row->max ? row->max : (int64_t)CONFIG_TEXT_MAX);
        return;
    case CONFIG_ADDR:
        (void)buf_append_str(to, row->min > 0 ? "an IP address" : "an IP address or nothing");
        return;
    case CONFIG_ENUM: list_choices(row->choices, to); return;
    }
    UNREACHABLE();
}

/* Quotes what was given, cut and made printable; a secret is not quoted. */
static void quote(const struct config_row *row, struct span s, struct buf *why)
{
    if (row->type == CONFIG_SECRET) {
        (void)buf_append_str(why, "the value given");
        return;
    }
    (void)buf_append_byte(why, '"');
    for (size_t i = 0; i < s.n && i < 64; i++)
        (void)buf_append_byte(why, s.p[i] < ' ' || s.p[i] > '~' ? '?' : s.p[i]);
    (void)buf_append_str(why, s.n > 64 ? "...\"" : "\"");
}

static void explain_unknown(const struct config *c, struct span key, struct buf *why)
{
    const char *near = config_nearest(c, key);
    (void)buf_append_str(why, "unknown key ");
    quote(&(struct config_row){.type = CONFIG_TEXT}, key, why);
    if (near)
        (void)buf_printf(why, "; did you mean %s?", near);
    else
        (void)buf_append_str(why, "; `slipgate config print` lists them all");
}

int config_set(struct config *c, struct span key, struct span text, enum config_source source,
               struct buf *why)
{
    size_t at = find(c, key);
    if (at == c->n) {
        explain_unknown(c, key, why);
        return E_NOENT;
    }
    struct value *v = &c->values[at];
    int64_t unused;
    bool weaker = source < v->source;
    int rc = weaker ? parse(v->row, text, &unused) : assign(v, text, source);
    if (rc == E_NOMEM)
        (void)buf_append_str(why, err_text(rc));
    else if (rc) {
        (void)buf_printf(why, "%s: ", v->row->key);
        quote(v->row, text, why);
        (void)buf_append_str(why, " is not accepted; give ");
        config_row_range(v->row, why);
    }
    return rc;
}

int config_hold_restart(struct config *next, const struct config *running, struct buf *held)
{
    int n = 0;
    CHECK(next->n == running->n);
    for (size_t i = 0; i < next->n; i++) {
        struct value *to = &next->values[i];
        const struct value *from = &running->values[i];
        CHECK(to->row == from->row);
        if (to->row->when != CONFIG_RESTART)
            continue;
        bool differs = strcmp(to->text, from->text) != 0;
        int rc = assign(to, span_str(from->text), from->source);
        if (rc)
            return rc;
        if (differs)
            (void)buf_printf(held, "%s%s", n++ ? ", " : "", to->row->key);
    }
    return n;
}

static const struct value *need(const struct config *c, const char *key)
{
    size_t at = find(c, span_str(key));
    CHECK(at < c->n);
    return &c->values[at];
}

static int64_t need_number(const struct config *c, const char *key, enum config_type type)
{
    const struct value *v = need(c, key);
    CHECK(v->row->type == type);
    return v->number;
}

int64_t config_int(const struct config *c, const char *key)
{
    return need_number(c, key, CONFIG_INT);
}

bool config_bool(const struct config *c, const char *key)
{
    return need_number(c, key, CONFIG_BOOL) != 0;
}

int config_enum(const struct config *c, const char *key)
{
    return (int)need_number(c, key, CONFIG_ENUM);
}

const char *config_text(const struct config *c, const char *key)
{
    const struct value *v = need(c, key);
    CHECK(v->row->type != CONFIG_INT && v->row->type != CONFIG_BOOL);
    return v->text;
}

enum config_source config_source(const struct config *c, const char *key)
{
    return need(c, key)->source;
}

size_t config_count(const struct config *c)
{
    return c->n;
}

const struct config_row *config_row_at(const struct config *c, size_t i)
{
    CHECK(i < c->n);
    return c->values[i].row;
}

const char *config_text_at(const struct config *c, size_t i)
{
    CHECK(i < c->n);
    return c->values[i].text;
}

enum config_source config_source_at(const struct config *c, size_t i)
{
    CHECK(i < c->n);
    return c->values[i].source;
}
