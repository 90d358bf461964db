/* Sessions as rows: every column is held against what we write, because whoever can write to the
 * database could else put anybody into any game. */
#include "base/err.h"
#include "core/session_priv.h"
#include "wire/text.h"

#include <stdio.h>

#define ENDPOINT_TEXT (ADDR_TEXT_MAX + 12)

void session_hex(const struct session *s, char hex[TOKEN_HASH + 1])
{
    hex_encode(s->hash, SESSION_HASH, hex);
}

/* Rounded down: a row never outlives its session. */
int64_t session_expires(const struct session *s, struct now now)
{
    nsec at = session_deadline(s);
    if (at == NSEC_NEVER)
        return INT64_MAX;
    return now.unix_ms + (at > now.mono ? (int64_t)((at - now.mono) / NSEC_PER_MS) : 0);
}

/* "1.2.3.4:5", "[fe80::1]:5%2" */
static struct span endpoint_text(const struct addr *a, char text[ENDPOINT_TEXT])
{
    char host[ADDR_TEXT_MAX];
    int n = a->scope ? snprintf(text, ENDPOINT_TEXT, "%s%%%u", addr_text(a, host), a->scope)
                     : snprintf(text, ENDPOINT_TEXT, "%s", addr_text(a, host));
    return span_of(text, (size_t)n);
}

/* Decimal digits up to the NUL; false for anything else, or above max. */
static bool number(const char *text, uint64_t max, uint64_t *ret)
{
    uint64_t v = 0;
    if (!*text)
        return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return false;
        v = v * 10 + (uint64_t)(*text - '0');
        if (v > max)
            return false;
    }
    *ret = v;
    return true;
}

/* What endpoint_text wrote, and nothing else. */
static int endpoint_parse(struct span s, struct addr *ret)
{
    char text[ENDPOINT_TEXT], again[ENDPOINT_TEXT];
    uint64_t port = 0, scope = 0;
    if (s.n == 0 || s.n >= sizeof text)
        return E_FORMAT;
    memcpy(text, s.p, s.n);
    text[s.n] = '\0';
    char *zone = strchr(text, '%');
    if (zone)
        *zone++ = '\0';
    char *colon = strrchr(text, ':');
    if (!colon || (zone && !number(zone, UINT32_MAX, &scope)))
        return E_FORMAT;
    *colon = '\0';
    if (!number(colon + 1, UINT16_MAX, &port) || addr_parse(ret, text))
        return E_FORMAT;
    ret->port = (uint16_t)port;
    ret->scope = (uint32_t)scope;
    return span_eq(endpoint_text(ret, again), s) ? 0 : E_FORMAT;
}

int session_ask_create(struct sessions *ss, struct now now, struct session *s)
{
    char hex[TOKEN_HASH + 1], endpoint[ENDPOINT_TEXT];
    session_hex(s, hex);
    struct value v[] = {
        VALUE_OF_TEXT(span_of(hex, TOKEN_HASH)),
        VALUE_OF_INT(s->account),
        VALUE_OF_TEXT(session_game(ss)),
        VALUE_OF_TEXT(span_of(ss->node, ss->node_n)),
        VALUE_OF_INT(s->status),
        s->bound ? VALUE_OF_TEXT(endpoint_text(&s->endpoint, endpoint)) : VALUE_NOTHING,
        VALUE_OF_INT(s->created_ms),
        VALUE_OF_INT(session_expires(s, now)),
    };
    return session_ask(ss, REQ_SESSION, s->self, QUERY_SESSION_CREATE, v, ARRAY_LEN(v));
}

int session_ask_save(struct sessions *ss, struct now now, struct session *s)
{
    char hex[TOKEN_HASH + 1], endpoint[ENDPOINT_TEXT];
    session_hex(s, hex);
    struct value token = VALUE_OF_TEXT(span_of(hex, TOKEN_HASH));
    struct value status = VALUE_OF_INT(s->status), expires = VALUE_OF_INT(session_expires(s, now));
    if (s->bound) {
        struct value v[] = {token, VALUE_OF_TEXT(endpoint_text(&s->endpoint, endpoint)), status,
                            expires};
        return session_ask(ss, REQ_SESSION, s->self, QUERY_SESSION_BIND, v, ARRAY_LEN(v));
    }
    struct value v[] = {token, status, expires};
    return session_ask(ss, REQ_SESSION, s->self, QUERY_SESSION_STATUS, v, ARRAY_LEN(v));
}

int session_row_next(const struct sessions *ss, struct span rows, size_t *at,
                     struct session_row *ret)
{
    struct value v[QUERY_VALUES];
    int n = query_next(rows, at, v);
    if (n < 0)
        return n;
    if (n != (int)strlen(QUERY_SESSION))
        return E_FORMAT;
    int64_t status = query_int(&v[4]);
    *ret = (struct session_row){
        .account = query_int(&v[1]),
        .created_ms = query_int(&v[6]),
        .expires_ms = query_int(&v[7]),
        .status = status ? SESSION_ACTIVE : SESSION_PENDING,
        .bound = v[5].type == VALUE_TEXT,
    };
    if (query_text(&v[0]).n != TOKEN_HASH ||
        hex_decode(query_text(&v[0]), ret->hash, SESSION_HASH) < 0 || ret->account <= 0 ||
        !span_eq(query_text(&v[2]), session_game(ss)) || status < 0 || status > 1 ||
        ret->created_ms < 0 || ret->expires_ms < 0)
        return E_FORMAT;
    return ret->bound ? endpoint_parse(query_text(&v[5]), &ret->endpoint) : 0;
}
