#include "core/ban_text.h"

#include "base/err.h"
#include "base/utf8.h"
#include "wire/json.h"
#include "wire/line.h"

#include <stdio.h>

enum field {
    ID,
    ACCOUNT,
    ADDRESS,
    NETWORK,
    GAME,
    REASON,
    AUTHOR,
    CREATED,
    EXPIRES,
    EVIDENCE,
    FIELDS
};

static const char *const names[FIELDS] = {"id",     "account", "address", "network", "game",
                                          "reason", "author",  "created", "expires", "evidence"};

#define NAME_SHOWN 40 /* bytes of an unknown name in an error text */

static void put_name(struct buf *to, enum field f)
{
    (void)buf_printf(to, "%s\"%s\":", f == ID ? "{" : ",", names[f]);
}

static void put_text(struct buf *to, enum field f, struct span text)
{
    if (text.n == 0)
        return;
    put_name(to, f);
    json_put_string(to, text);
}

static void put_int(struct buf *to, enum field f, int64_t v)
{
    put_name(to, f);
    json_put_int(to, v);
}

void ban_write(struct buf *to, const struct ban *b)
{
    char net[BAN_NET_TEXT_MAX];
    put_int(to, ID, b->id);
    if (b->kind == BAN_ACCOUNT)
        put_int(to, ACCOUNT, b->account);
    else
        put_text(to, b->bits == 128 ? ADDRESS : NETWORK, span_str(ban_net_text(b, net)));
    put_text(to, GAME, b->game);
    put_text(to, REASON, b->reason);
    put_text(to, AUTHOR, b->author);
    put_int(to, CREATED, b->created);
    put_int(to, EXPIRES, b->expires);
    put_text(to, EVIDENCE, b->evidence);
    (void)buf_append_str(to, "}\n");
}

void ban_reader_init(struct ban_reader *r, struct span text, struct span author, int64_t created,
                     bool force)
{
    *r = (struct ban_reader){.left = text, .author = author, .created = created, .force = force};
}

static int say(const struct ban_reader *r, struct buf *why, int rc, const char *field,
               const char *wrong)
{
    if (field)
        (void)buf_printf(why, "line %u: '%s' %s", r->line, field, wrong);
    else
        (void)buf_printf(why, "line %u: %s", r->line, wrong);
    return rc;
}

/* Fills val by field; each at most once and none unknown. */
static int members(const struct ban_reader *r, struct span line, struct json_val val[FIELDS],
                   struct buf *why)
{
    struct span name;
    struct json_val v;
    int type = json_check(line);
    if (type != JSON_OBJECT)
        return say(r, why, E_FORMAT, NULL, type < 0 ? "is not valid JSON" : "is no JSON object");
    while (line.n && line.p[0] != '{') /* json_member begins at the bracket */
        line = span_skip(line, 1);
    for (size_t at = 0; json_member(line, &at, &name, &v);) {
        size_t f = 0;
        while (f < FIELDS && !json_name_is(name, names[f]))
            f++;
        if (f == FIELDS) {
            char shown[NAME_SHOWN + 1];
            bool show = utf8_is_name(name, 1, NAME_SHOWN); /* it may end on a terminal */
            snprintf(shown, sizeof shown, "%.*s", show ? (int)name.n : 0, (const char *)name.p);
            return say(r, why, E_FORMAT, shown, "is no field of a ban");
        }
        if (val[f].type)
            return say(r, why, E_FORMAT, names[f], "is there twice");
        val[f] = v;
    }
    return 0;
}

static int read_int(const struct ban_reader *r, const struct json_val *val, enum field f,
                    int64_t *ret, struct buf *why)
{
    if (!val[f].type)
        return 0;
    int rc = json_int(&val[f], ret);
    if (rc)
        return say(r, why, rc, names[f],
                   rc == E_RANGE ? "is too large a number" : "has to be a whole number");
    return 0;
}

static int read_text(const struct ban_reader *r, const struct json_val *val, enum field f,
                     uint8_t *to, size_t cap, struct span *ret, struct buf *why)
{
    if (!val[f].type)
        return 0;
    int n = json_string(&val[f], to, cap);
    if (n < 0)
        return say(r, why, n, names[f],
                   n == E_LIMIT ? "is too long" : "has to be a string in quotes");
    *ret = span_of(to, (size_t)n);
    return 0;
}

static int read_net(const struct ban_reader *r, const struct json_val *val, enum field f,
                    struct ban *ret, struct buf *why)
{
    char text[BAN_NET_TEXT_MAX] = "";
    struct span s = SPAN_NULL;
    int rc = read_text(r, val, f, (uint8_t *)text, sizeof text - 1, &s, why);
    if (rc)
        return rc;
    bool slash = memchr(text, '/', sizeof text) != NULL;
    if (s.n != strlen(text) || slash != (f == NETWORK) || ban_net_parse(ret, text))
        return say(r, why, E_FORMAT, names[f],
                   f == NETWORK
                       ? "has to be like 203.0.113.0/24 or 2001:db8::/32, without bits set "
                         "behind the prefix"
                       : "has to be like 203.0.113.7 or 2001:db8::1");
    return 0;
}

static int read_target(const struct ban_reader *r, const struct json_val *val, struct ban *ret,
                       struct buf *why)
{
    unsigned n = 0;
    for (enum field f = ACCOUNT; f <= NETWORK; f++)
        n += val[f].type != JSON_ABSENT;
    if (n != 1)
        return say(r, why, E_FORMAT, NULL,
                   "needs exactly one of 'account', 'address' and 'network'");
    if (val[ACCOUNT].type) {
        ret->kind = BAN_ACCOUNT;
        return read_int(r, val, ACCOUNT, &ret->account, why);
    }
    return read_net(r, val, val[ADDRESS].type ? ADDRESS : NETWORK, ret, why);
}

static int read_ban(struct ban_reader *r, struct span line, struct ban *ret, struct buf *why)
{
    struct json_val val[FIELDS] = {{JSON_ABSENT, SPAN_NULL}};
    struct ban b = {.author = r->author, .created = r->created};
    const char *field, *wrong;
    int64_t id = 0;
    int rc = members(r, line, val, why);
    if (rc || (rc = read_int(r, val, ID, &id, why)) || (rc = read_target(r, val, &b, why)) ||
        (rc = read_int(r, val, CREATED, &b.created, why)) ||
        (rc = read_int(r, val, EXPIRES, &b.expires, why)) ||
        (rc = read_text(r, val, GAME, r->game, sizeof r->game, &b.game, why)) ||
        (rc = read_text(r, val, REASON, r->reason, sizeof r->reason, &b.reason, why)) ||
        (rc = read_text(r, val, AUTHOR, r->author_text, sizeof r->author_text, &b.author, why)) ||
        (rc = read_text(r, val, EVIDENCE, r->evidence, sizeof r->evidence, &b.evidence, why)))
        return rc;
    if ((wrong = ban_wrong(&b, r->force, &field)))
        return say(r, why, E_RANGE, field, wrong);
    *ret = b;
    return 1;
}

/* The next line; E_LIMIT: it was too long and is left behind. */
static int next_line(struct ban_reader *r, struct span *line)
{
    size_t used;
    int rc = line_next(r->left, BAN_LINE_MAX, line, &used);
    if (rc == E_MORE) { /* the last one, without LF: lend it one */
        uint8_t copy[BAN_LINE_MAX + 8];
        size_t n = r->left.n;
        struct span whole;
        memcpy(copy, r->left.p, n);
        copy[n] = '\n';
        rc = line_next(span_of(copy, n + 1), BAN_LINE_MAX, &whole, &used);
        if (rc == 0)
            *line = span_of(r->left.p + (whole.p - copy), whole.n);
        used = n;
    } else if (rc) {
        const uint8_t *lf = memchr(r->left.p, '\n', r->left.n);
        used = lf ? (size_t)(lf - r->left.p) + 1 : r->left.n;
    }
    r->left = span_skip(r->left, used);
    r->line++;
    return rc;
}

int ban_read(struct ban_reader *r, struct ban *ret, struct buf *why)
{
    while (r->left.n) {
        struct span line = SPAN_NULL;
        if (next_line(r, &line))
            return say(r, why, E_LIMIT, NULL, "is too long");
        if (line.n == 0)
            continue;
        if (r->bans == BANS_MAX) {
            r->left = SPAN_NULL;
            return say(r, why, E_FULL, NULL, "is one ban too many: 65536 are the most");
        }
        int rc = read_ban(r, line, ret, why);
        r->bans += rc == 1;
        return rc;
    }
    return 0;
}
