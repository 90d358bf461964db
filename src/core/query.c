#include "core/query.h"

#include "base/check.h"
#include "base/err.h"
#include "base/utf8.h"

const struct query_row query_table[QUERY_N] = {
#define QUERY(name, parameters, columns, none) {#name, parameters, columns, none},
#include "core/query.def"
#undef QUERY
};

struct ask query_ask(enum query q, const struct value *v, size_t n)
{
    CHECK(q < QUERY_N && n == strlen(query_table[q].parameters));
    struct ask ask = {.kind = ASK_QUERY};
    ask.u.query.query = (uint16_t)q;
    ask.u.query.n = (uint8_t)n;
    ask.u.query.v = v;
    return ask;
}

static int check_text(struct span s)
{
    if (s.n > QUERY_TEXT_MAX)
        return E_LIMIT;
    return utf8_valid(s) && !(s.n && memchr(s.p, '\0', s.n)) ? 0 : E_FORMAT;
}

static int check_value(char letter, const struct value *v)
{
    bool nullable = letter == 'I' || letter == 'T';
    if (v->type == VALUE_NULL)
        return nullable ? 0 : E_RANGE;
    bool text = letter == 't' || letter == 'T';
    if (text != (v->type == VALUE_TEXT))
        return E_RANGE;
    return text ? check_text(v->u.text) : 0;
}

int query_check(const char *letters, const struct value *v, size_t n)
{
    if (n != strlen(letters))
        return E_RANGE;
    for (size_t i = 0; i < n; i++) {
        int rc = check_value(letters[i], &v[i]);
        if (rc)
            return rc;
    }
    return 0;
}

/* A row: the number of its values, then of each its type and its integer, or its length and text.
 */
static void pack_value(struct buf *to, const struct value *v)
{
    (void)buf_append_byte(to, (uint8_t)v->type);
    if (v->type == VALUE_INT) {
        (void)buf_append(to, &v->u.i, sizeof v->u.i);
    } else if (v->type == VALUE_TEXT) {
        uint32_t n = (uint32_t)v->u.text.n;
        (void)buf_append(to, &n, sizeof n);
        (void)buf_append(to, v->u.text.p, v->u.text.n);
    }
}

void query_pack(struct buf *to, const struct value *v, size_t n)
{
    CHECK(n <= QUERY_VALUES);
    (void)buf_append_byte(to, (uint8_t)n);
    for (size_t i = 0; i < n; i++)
        pack_value(to, &v[i]);
}

static void take(struct span rows, size_t *at, void *to, size_t n)
{
    CHECK(n <= rows.n - *at);
    memcpy(to, rows.p + *at, n);
    *at += n;
}

static void unpack_value(struct span rows, size_t *at, struct value *v)
{
    uint8_t type;
    uint32_t n;
    take(rows, at, &type, 1);
    CHECK(type <= VALUE_TEXT);
    *v = (struct value){.type = (enum value_type)type};
    if (type == VALUE_INT) {
        take(rows, at, &v->u.i, sizeof v->u.i);
    } else if (type == VALUE_TEXT) {
        take(rows, at, &n, sizeof n);
        CHECK(n <= rows.n - *at);
        v->u.text = span_of(rows.p + *at, n);
        *at += n;
    }
}

int query_next(struct span rows, size_t *at, struct value v[QUERY_VALUES])
{
    uint8_t n;
    if (*at >= rows.n)
        return E_NOENT;
    take(rows, at, &n, 1);
    CHECK(n <= QUERY_VALUES);
    for (size_t i = 0; i < n; i++)
        unpack_value(rows, at, &v[i]);
    return n;
}

int64_t query_int(const struct value *v)
{
    CHECK(v->type != VALUE_TEXT);
    return v->type == VALUE_INT ? v->u.i : 0;
}

struct span query_text(const struct value *v)
{
    CHECK(v->type != VALUE_INT);
    return v->type == VALUE_TEXT ? v->u.text : SPAN_NULL;
}
