#include "core/audit.h"

#include "base/cur.h"
#include "base/err.h"
#include "base/utf8.h"
#include "wire/json.h"
#include "wire/text.h"

#include <inttypes.h>

#define VERSION  1u
#define UNIT_MAX 16u /* a character of four bytes, each \xNN */

static const char ellipsis[] = "\xe2\x80\xa6";
#define ELLIPSIS (sizeof ellipsis - 1)

static const struct {
    const char *name;
    size_t offset, min, max;
} fields[] = {
#define X(name, member, min, max) {#member, offsetof(struct audit_record, member), min, max},
    AUDIT_FIELDS(X)
#undef X
};

static const struct {
    uint16_t number;
    const char *text;
} types[] = {
#define X(name, number, text) {number, text},
    AUDIT_TYPES(X)
#undef X
};

static const struct {
    uint16_t number, type;
    const char *text;
} subtypes[] = {
#define X(name, number, text, type) {number, AUDIT_##type, text},
    AUDIT_SUBTYPES(X)
#undef X
};

const char *audit_type_name(unsigned type)
{
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (types[i].number == type)
            return types[i].text;
    return NULL;
}

const char *audit_subtype_name(unsigned subtype)
{
    for (size_t i = 0; i < ARRAY_LEN(subtypes); i++)
        if (subtypes[i].number == subtype)
            return subtypes[i].text;
    return NULL;
}

unsigned audit_type_find(struct span name)
{
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (span_eq(name, span_str(types[i].text)))
            return types[i].number;
    return 0;
}

unsigned audit_subtype_find(struct span name)
{
    for (size_t i = 0; i < ARRAY_LEN(subtypes); i++)
        if (span_eq(name, span_str(subtypes[i].text)))
            return subtypes[i].number;
    return 0;
}

const char *audit_field_name(enum audit_field f)
{
    return fields[f].name;
}

size_t audit_field_min(enum audit_field f)
{
    return fields[f].min;
}

size_t audit_field_max(enum audit_field f)
{
    return fields[f].max;
}

static struct span *field(struct audit_record *r, size_t f)
{
    return (struct span *)(void *)((uint8_t *)r + fields[f].offset);
}

struct span audit_field_get(const struct audit_record *r, enum audit_field f)
{
    struct span s;
    memcpy(&s, (const uint8_t *)r + fields[f].offset, sizeof s);
    return s;
}

/* Characters that end lines, hide, or turn text round: C0, DEL, C1, U+061C, U+200E, U+200F, U+2028
 * to U+202E, U+2066 to U+2069. len: of the sequence at p. */
static bool must_escape(const uint8_t *p, size_t len)
{
    if (len == 1)
        return p[0] < 0x20 || p[0] == 0x7f;
    if (len == 2)
        return (p[0] == 0xc2 && p[1] < 0xa0) || (p[0] == 0xd8 && p[1] == 0x9c);
    if (len != 3 || p[0] != 0xe2)
        return false;
    if (p[1] == 0x80)
        return p[2] == 0x8e || p[2] == 0x8f || (p[2] >= 0xa8 && p[2] <= 0xae);
    return p[1] == 0x81 && p[2] >= 0xa6 && p[2] <= 0xa9;
}

/* The letter behind the backslash where there is a short form, else 0. */
static char short_form(uint8_t c)
{
    static const char letters[256] = {['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't', ['\\'] = '\\'};
    return letters[c];
}

/* Takes one character off s and writes its clean form; returns that one's length. */
static size_t clean_one(struct span *s, uint8_t to[UNIT_MAX])
{
    static const char hex[] = "0123456789abcdef";
    size_t len = utf8_sequence(s->p, s->n), n = 0;
    char letter = short_form(s->p[0]);
    if (letter) {
        to[n++] = '\\';
        to[n++] = (uint8_t)letter;
        len = 1;
    } else if (len && !must_escape(s->p, len)) {
        memcpy(to, s->p, len);
        n = len;
    } else {
        len = len ? len : 1;
        for (size_t i = 0; i < len; i++) {
            to[n++] = '\\';
            to[n++] = 'x';
            to[n++] = (uint8_t)hex[s->p[i] >> 4];
            to[n++] = (uint8_t)hex[s->p[i] & 15];
        }
    }
    *s = span_skip(*s, len);
    return n;
}

/* At most max bytes; returns whether all of raw got in. */
static bool clean_text(struct span raw, uint8_t *to, size_t max, struct span *ret)
{
    uint8_t unit[UNIT_MAX];
    size_t n = 0, cut_at = 0; /* the last end of a character that leaves room for an ellipsis */
    bool whole = true;
    while (raw.n && whole) {
        size_t len = clean_one(&raw, unit);
        if (len > max - n) {
            memcpy(to + cut_at, ellipsis, ELLIPSIS);
            n = cut_at + ELLIPSIS;
            whole = false;
        } else {
            memcpy(to + n, unit, len);
            n += len;
            if (n + ELLIPSIS <= max)
                cut_at = n;
        }
    }
    *ret = span_of(to, n);
    return whole;
}

static bool hex_digit(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

/* Length of the escape at the front of s, which is a backslash; 0: it is none. */
static size_t escape_length(struct span s)
{
    if (s.n >= 2 && strchr("\\nrt", s.p[1]) && s.p[1])
        return 2;
    return s.n >= 4 && s.p[1] == 'x' && hex_digit(s.p[2]) && hex_digit(s.p[3]) ? 4 : 0;
}

static bool text_clean(struct span s)
{
    while (s.n) {
        size_t len = s.p[0] == '\\' ? escape_length(s) : utf8_sequence(s.p, s.n);
        if (len == 0 || (s.p[0] != '\\' && must_escape(s.p, len)))
            return false;
        s = span_skip(s, len);
    }
    return true;
}

static bool game_clean(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        uint8_t c = s.p[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-' && c != '_')
            return false;
    }
    return true;
}

static int refuse(struct buf *why, int rc, const char *name, const char *what)
{
    if (why)
        (void)buf_printf(why, "\"%s\" %s", name, what);
    return rc;
}

static int check_numbers(const struct audit_record *r, struct buf *why)
{
    if (r->seq == 0 || r->seq > AUDIT_SEQ_MAX)
        return refuse(why, E_RANGE, "seq", "is not from 1 up to 2^63 - 1");
    if (r->at_ms < 0 || r->at_ms > AUDIT_TIME_MAX)
        return refuse(why, E_RANGE, "time_ms", "is not between the years 1970 and 9999");
    if (!audit_type_name(r->type))
        return refuse(why, E_RANGE, "type", "is unknown");
    if (r->subtype == AUDIT_SUB_NONE)
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(subtypes); i++)
        if (subtypes[i].number == r->subtype)
            return subtypes[i].type == r->type
                       ? 0
                       : refuse(why, E_RANGE, "subtype", "belongs to another type");
    return refuse(why, E_RANGE, "subtype", "is unknown");
}

static int check_field(const struct audit_record *r, size_t f, struct buf *why)
{
    struct span s = audit_field_get(r, (enum audit_field)f);
    if (s.n < fields[f].min)
        return refuse(why, E_LIMIT, fields[f].name, "is empty");
    if (s.n > fields[f].max) {
        if (why)
            (void)buf_printf(why, "\"%s\" is longer than %zu bytes", fields[f].name, fields[f].max);
        return E_LIMIT;
    }
    if (f == AUDIT_FIELD_GAME && !game_clean(s))
        return refuse(why, E_FORMAT, "game", "holds more than a-z, 0-9, '-' and '_'");
    if (!text_clean(s))
        return refuse(why, E_FORMAT, fields[f].name,
                      "holds a control character, a stray backslash or what is no UTF-8");
    return 0;
}

int audit_check(const struct audit_record *r, struct buf *why)
{
    int rc = check_numbers(r, why);
    for (size_t f = 0; f < AUDIT_FIELDS_N && rc == 0; f++)
        rc = check_field(r, f, why);
    return rc;
}

int audit_clean(struct audit_record *ret, struct audit_room *room, const struct audit_record *raw)
{
    struct audit_record r = *raw;
    uint8_t *to = room->bytes;
    int cut = 0, rc = check_numbers(raw, NULL);
    if (rc || (rc = check_field(raw, AUDIT_FIELD_GAME, NULL)))
        return rc;
    if (r.player.n == 0)
        r.player = span_str(AUDIT_NOBODY);
    for (size_t f = 0; f < AUDIT_FIELDS_N; f++) {
        if (!clean_text(*field(&r, f), to, fields[f].max, field(&r, f)))
            cut |= 1 << f;
        to += fields[f].max;
    }
    *ret = r;
    return cut;
}

int audit_encode(const struct audit_record *r, void *to, size_t cap)
{
    struct wcur c = wcur_of(to, cap);
    int rc = audit_check(r, NULL);
    if (rc)
        return rc;
    wcur_be(&c, VERSION, 1);
    wcur_be(&c, r->seq, 8);
    wcur_be(&c, (uint64_t)r->at_ms, 8);
    wcur_be(&c, r->type, 2);
    wcur_be(&c, r->subtype, 2);
    for (size_t f = 0; f < AUDIT_FIELDS_N; f++) {
        struct span s = audit_field_get(r, (enum audit_field)f);
        wcur_be(&c, s.n, 2);
        wcur_put(&c, s.p, s.n);
    }
    return c.bad ? E_LIMIT : (int)(c.p - (uint8_t *)to);
}

int audit_decode(struct audit_record *ret, struct span bytes, struct buf *why)
{
    struct audit_record r = {.seq = 0};
    struct rcur c = rcur_of(bytes);
    uint64_t version = rcur_be(&c, 1);
    if (!c.bad && version != VERSION)
        return refuse(why, E_SUPPORT, "version", "is not 1");
    r.seq = rcur_be(&c, 8);
    uint64_t at_ms = rcur_be(&c, 8);
    r.at_ms = at_ms > INT64_MAX ? -1 : (int64_t)at_ms;
    r.type = (uint16_t)rcur_be(&c, 2);
    r.subtype = (uint16_t)rcur_be(&c, 2);
    for (size_t f = 0; f < AUDIT_FIELDS_N; f++)
        *field(&r, f) = rcur_take(&c, (size_t)rcur_be(&c, 2));
    if (c.bad)
        return refuse(why, E_MORE, "record", "ends too early");
    if (rcur_left(&c))
        return refuse(why, E_FORMAT, "record", "goes on behind its end");
    int rc = audit_check(&r, why);
    if (rc == 0)
        *ret = r;
    return rc;
}

/* The members of a line; those of the fields stand between. */
enum {
    LINE_SEQ,
    LINE_TIME,
    LINE_TYPE,
    LINE_SUBTYPE,
    LINE_FIELDS,
    LINE_PREV = LINE_FIELDS + AUDIT_FIELDS_N,
    LINE_HASH,
    LINE_MEMBERS
};

static const char *const line_names[] = {
    "seq",
    "time_ms",
    "type",
    "subtype",
#define X(name, member, min, max) #member,
    AUDIT_FIELDS(X)
#undef X
        "prev",
    "hash",
};
_Static_assert(ARRAY_LEN(line_names) == LINE_MEMBERS, "a name for each member");

void audit_line_write(struct buf *to, const struct audit_record *r, const struct chain_link *link)
{
    char prev[2 * CHAIN_HASH + 1], own[2 * CHAIN_HASH + 1];
    if (audit_check(r, NULL)) {
        to->failed = true;
        return;
    }
    const char *subtype = audit_subtype_name(r->subtype);
    (void)buf_printf(to, "{\"seq\":%" PRIu64 ",\"time_ms\":%" PRId64, r->seq, r->at_ms);
    (void)buf_printf(to, ",\"type\":\"%s\",\"subtype\":\"%s\"", audit_type_name(r->type),
                     subtype ? subtype : "");
    for (size_t f = 0; f < AUDIT_FIELDS_N; f++) {
        (void)buf_printf(to, ",\"%s\":", fields[f].name);
        json_put_string(to, audit_field_get(r, (enum audit_field)f));
    }
    hex_encode(link->prev.b, CHAIN_HASH, prev);
    hex_encode(link->own.b, CHAIN_HASH, own);
    (void)buf_printf(to, ",\"prev\":\"%s\",\"hash\":\"%s\"}", prev, own);
}

/* Each member once, and no others: as many as there are names, and all of them there. */
static int line_members(struct span line, struct json_val val[LINE_MEMBERS], struct buf *why)
{
    struct json_val ignored;
    struct span name;
    size_t at = 0, n = 0;
    if (json_object(line, line_names, LINE_MEMBERS, val) != JSON_OBJECT)
        return refuse(why, E_FORMAT, "record", "is not a JSON object");
    for (size_t i = 0; i < LINE_MEMBERS; i++)
        if (val[i].type == JSON_ABSENT)
            return refuse(why, E_FORMAT, line_names[i], "is missing");
    while (json_member(line, &at, &name, &ignored))
        n++;
    return n == LINE_MEMBERS
               ? 0
               : refuse(why, E_FORMAT, "record", "holds a member that is unknown or there twice");
}

static int line_hash(const struct json_val *val, struct chain_hash *ret)
{
    char text[2 * CHAIN_HASH];
    int n = json_string(val, text, sizeof text);
    return n < 0 ? E_FORMAT : hex_decode(span_of(text, (size_t)n), ret->b, CHAIN_HASH);
}

static int line_numbers(const struct json_val val[LINE_MEMBERS], struct audit_record *r,
                        struct buf *why)
{
    char text[32];
    int64_t seq;
    int n, rc = json_int(&val[LINE_SEQ], &seq);
    if (rc)
        return refuse(why, rc, "seq", "is no whole number that fits");
    r->seq = seq < 0 ? 0 : (uint64_t)seq;
    if ((rc = json_int(&val[LINE_TIME], &r->at_ms)))
        return refuse(why, rc, "time_ms", "is no whole number that fits");
    n = json_string(&val[LINE_TYPE], text, sizeof text);
    r->type = n < 0 ? 0 : (uint16_t)audit_type_find(span_of(text, (size_t)n));
    n = json_string(&val[LINE_SUBTYPE], text, sizeof text);
    r->subtype = n < 0 ? 0 : (uint16_t)audit_subtype_find(span_of(text, (size_t)n));
    if (n != 0 && !r->subtype)
        return refuse(why, E_FORMAT, "subtype", "is unknown");
    return 0;
}

int audit_line_read(struct audit_record *ret, struct chain_link *link, struct audit_room *room,
                    struct span line, struct buf *why)
{
    struct json_val val[LINE_MEMBERS];
    struct audit_record r = {.seq = 0};
    uint8_t *to = room->bytes;
    if (line.n > AUDIT_LINE_MAX) {
        if (why)
            (void)buf_printf(why, "the line is longer than %u bytes", AUDIT_LINE_MAX);
        return E_LIMIT;
    }
    int rc = line_members(line, val, why);
    if (rc || (rc = line_numbers(val, &r, why)))
        return rc;
    for (size_t f = 0; f < AUDIT_FIELDS_N; f++) {
        rc = json_string_view(&val[LINE_FIELDS + f], to, fields[f].max, field(&r, f));
        if (rc < 0)
            return refuse(why, rc, fields[f].name,
                          rc == E_LIMIT ? "is too long" : "is not a string");
        to += fields[f].max;
    }
    struct chain_link l;
    if (line_hash(&val[LINE_PREV], &l.prev))
        return refuse(why, E_FORMAT, "prev", "is not 64 hexadecimal digits");
    if (line_hash(&val[LINE_HASH], &l.own))
        return refuse(why, E_FORMAT, "hash", "is not 64 hexadecimal digits");
    if ((rc = audit_check(&r, why)))
        return rc;
    *ret = r;
    *link = l;
    return 0;
}
