#include "store/redis_url.h"

#include "base/addr.h"
#include "base/err.h"
#include "base/mem.h"

#include <stdio.h>

#define PORT 6379u

static bool starts(struct span *s, const char *word)
{
    size_t n = strlen(word);
    if (s->n < n || memcmp(s->p, word, n) != 0)
        return false;
    *s = span_skip(*s, n);
    return true;
}

/* Cuts s at its last c: what stands before it is in *before. */
static bool split_last(struct span *s, uint8_t c, struct span *before)
{
    for (size_t i = s->n; i-- > 0;)
        if (s->p[i] == c) {
            *before = span_of(s->p, i);
            *s = span_skip(*s, i + 1);
            return true;
        }
    return false;
}

/* Cuts s at its first c: what stands before it is in *before. */
static bool split_first(struct span *s, uint8_t c, struct span *before)
{
    const uint8_t *at = s->n ? memchr(s->p, c, s->n) : NULL;
    if (!at)
        return false;
    *before = span_of(s->p, (size_t)(at - s->p));
    *s = span_skip(*s, before->n + 1);
    return true;
}

static int hex(uint8_t c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static bool copy(struct span from, char *to, size_t max, bool decode)
{
    size_t n = 0;
    for (size_t i = 0; i < from.n; i++) {
        uint8_t c = from.p[i];
        if (decode && c == '%') {
            if (from.n - i < 3 || hex(from.p[i + 1]) < 0 || hex(from.p[i + 2]) < 0)
                return false;
            c = (uint8_t)(hex(from.p[i + 1]) * 16 + hex(from.p[i + 2]));
            i += 2;
        }
        if (c == 0 || n == max)
            return false;
        to[n++] = (char)c;
    }
    to[n] = '\0';
    return true;
}

static bool number(struct span s, uint32_t min, uint32_t max, uint16_t *ret)
{
    uint32_t v = 0;
    if (s.n == 0 || s.n > 5)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
        v = v * 10 + (s.p[i] - '0');
    }
    *ret = (uint16_t)v;
    return v >= min && v <= max;
}

/* [[user]:password@] */
static const char *take_credentials(struct span *s, struct redis_url *u)
{
    struct span both, user = SPAN_NULL;
    if (!split_last(s, '@', &both))
        return NULL;
    if (!split_first(&both, ':', &user))
        return "before the @ stands user:password or :password";
    if (!copy(user, u->user, REDIS_SECRET_MAX, true) ||
        !copy(both, u->password, REDIS_SECRET_MAX, true))
        return "user and password have at most 255 bytes each, and % only before two hex digits";
    return u->password[0] ? NULL : "the password is empty";
}

static const char *take_unix(struct span s, struct redis_url *u)
{
    struct span path;
    const char *fault = take_credentials(&s, u);
    if (fault)
        return fault;
    if (split_first(&s, '?', &path)) {
        if (!starts(&s, "db=") || !number(s, 0, REDIS_DB_MAX, &u->db))
            return "behind the ? stands db=N, a number up to 65535";
        s = path;
    }
    if (s.n == 0 || s.p[0] != '/' || !copy(s, u->path, REDIS_PATH_MAX, false))
        return "the socket is an absolute path of at most 107 bytes";
    return NULL;
}

static const char *take_tcp(struct span s, struct redis_url *u)
{
    struct span host, db = SPAN_NULL;
    const char *fault = take_credentials(&s, u);
    if (fault)
        return fault;
    if (split_first(&s, '/', &host)) {
        db = s;
        s = host;
    }
    if (db.n && !number(db, 0, REDIS_DB_MAX, &u->db))
        return "behind the host stands /N, the database, a number up to 65535";
    u->port = PORT;
    bool bracket = starts(&s, "[");
    if (bracket) {
        if (!split_first(&s, ']', &host) || (s.n && !starts(&s, ":")))
            return "an IPv6 address stands in brackets: redis://[::1]:6379";
    } else if (!split_first(&s, ':', &host)) {
        host = s;
        s = SPAN_NULL;
    }
    if (s.n && !number(s, 1, UINT16_MAX, &u->port))
        return "the port is a number from 1 to 65535";
    return host.n && copy(host, u->host, REDIS_HOST_MAX, false) ? NULL : "no host is named";
}

int redis_url_parse(struct redis_url *ret, struct span text, struct buf *why)
{
    const char *fault;
    memset(ret, 0, sizeof *ret);
    if (starts(&text, "redis://"))
        fault = take_tcp(text, ret);
    else if (starts(&text, "unix://"))
        fault = take_unix(text, ret);
    else if (starts(&text, "rediss://"))
        fault = "rediss:// (TLS) is not supported; use redis:// through a tunnel or a trusted "
                "network";
    else
        fault = "give memory:, redis://host:port/db or unix:///path";
    if (!fault)
        return 0;
    redis_url_wipe(ret);
    (void)buf_printf(why, "cache.url: %s", fault);
    return E_CONFIG;
}

void redis_url_wipe(struct redis_url *u)
{
    mem_wipe(u, sizeof *u);
}

bool redis_url_has_name(const struct redis_url *u)
{
    struct addr a;
    return u->host[0] && addr_parse(&a, u->host) != 0;
}

const char *redis_url_shown(const struct redis_url *u, char text[REDIS_SHOWN_MAX])
{
    if (u->host[0])
        (void)snprintf(text, REDIS_SHOWN_MAX, "%s:%u/%u", u->host, u->port, u->db);
    else
        (void)snprintf(text, REDIS_SHOWN_MAX, "%s?db=%u", u->path, u->db);
    return text;
}
