#include "admin/operate_args.h"

#include "base/err.h"
#include "wire/json.h"

#include <inttypes.h>

enum kind { TEXT, NUMBER, FLAG };

static const struct {
    const char *name;
    enum kind kind;
    int64_t least, most;
} rows[ARGS_N] = {
#define X(NAME, member, kind, least, most) {#member, kind, least, most},
    OPERATE_ARGS(X)
#undef X
};

static int read_text(struct operate_args *a, size_t i, const struct json_val *v, struct buf *why)
{
    size_t room = v->raw.n;
    uint8_t *to = v->type == JSON_STRING ? buf_reserve(&a->room, room) : NULL;
    if (v->type != JSON_STRING) {
        (void)buf_printf(why, "\"%s\" must be a text", rows[i].name);
        return E_FORMAT;
    }
    if (!to)
        return E_NOMEM;
    int n = json_string(v, to, room);
    if (n < 0)
        return n;
    if (n < rows[i].least || n > rows[i].most || (n && memchr(to, '\0', (size_t)n))) {
        (void)buf_printf(why, "\"%s\" must have %" PRId64 " to %" PRId64 " bytes without NUL",
                         rows[i].name, rows[i].least, rows[i].most);
        return E_RANGE;
    }
    /* The memory was reserved for all of them at once: it does not move. */
    a->text[i] = span_of(to, (size_t)n);
    buf_commit(&a->room, (size_t)n);
    return 0;
}

static int read_one(struct operate_args *a, size_t i, const struct json_val *v, struct buf *why)
{
    switch (rows[i].kind) {
    case TEXT: return read_text(a, i, v, why);
    case NUMBER:
        if (json_int(v, &a->number[i]) == 0 && a->number[i] >= rows[i].least &&
            a->number[i] <= rows[i].most)
            return 0;
        (void)buf_printf(why, "\"%s\" must be a number of %" PRId64 " to %" PRId64, rows[i].name,
                         rows[i].least, rows[i].most);
        return E_RANGE;
    case FLAG:
        if (v->type == JSON_TRUE || v->type == JSON_FALSE) {
            a->number[i] = v->type == JSON_TRUE;
            return 0;
        }
        (void)buf_printf(why, "\"%s\" must be true or false", rows[i].name);
        return E_FORMAT;
    }
    return E_FORMAT;
}

static size_t find(struct span name)
{
    size_t i = 0;
    while (i < ARGS_N && !json_name_is(name, rows[i].name))
        i++;
    return i;
}

int operate_args_read(struct operate_args *a, struct span object, uint32_t need, uint32_t may,
                      struct buf *why)
{
    struct json_val v;
    struct span name;
    *a = (struct operate_args){0};
    buf_init(&a->room, object.n + 1);
    if (json_check(object) != JSON_OBJECT) {
        (void)buf_append_str(why, "\"arguments\" must be an object");
        return E_FORMAT;
    }
    if (!buf_reserve(&a->room, object.n))
        return E_NOMEM;
    for (size_t at = 0; json_member(object, &at, &name, &v);) {
        size_t i = find(name);
        if (i == ARGS_N || !((need | may) >> i & 1u) || (a->given >> i & 1u)) {
            (void)buf_printf(why, "there is no argument \"%.*s\" here, or it is given twice",
                             (int)(name.n < 40 ? name.n : 40), (const char *)name.p);
            return E_FORMAT;
        }
        int rc = read_one(a, i, &v, why);
        if (rc)
            return rc;
        a->given |= 1u << i;
    }
    for (size_t i = 0; i < ARGS_N; i++) {
        if (!(need >> i & 1u) || (a->given >> i & 1u))
            continue;
        (void)buf_printf(why, "\"%s\" is missing", rows[i].name);
        return E_FORMAT;
    }
    return 0;
}

void operate_args_fini(struct operate_args *a)
{
    buf_fini_secret(&a->room);
}
