#include "admin/guard.h"

#include "base/err.h"

#include <strings.h>

bool guard_source_allowed(const struct addr *peer, enum guard_auth auth)
{
    return addr_is_loopback(peer) || (auth == GUARD_LAN && addr_is_private(peer));
}

static bool same(struct span a, struct span b)
{
    return a.n == b.n && (a.n == 0 || strncasecmp((const char *)a.p, (const char *)b.p, a.n) == 0);
}

bool guard_is_forwarding(struct span name)
{
    static const char *const names[] = {
        "Forwarded",         "Via",
        "X-Forwarded-For",   "X-Forwarded-Host",
        "X-Forwarded-Proto", "X-Forwarded-Port",
        "X-Real-IP",         "X-Client-IP",
        "X-Forwarded",       "Forwarded-For",
        "True-Client-IP",    "Client-IP",
        "CF-Connecting-IP",  "X-Cluster-Client-IP",
    };
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (same(name, span_str(names[i])))
            return true;
    return false;
}

static bool is_port(struct span s)
{
    if (s.n < 2 || s.n > 6 || s.p[0] != ':')
        return false;
    for (size_t i = 1; i < s.n; i++)
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
    return true;
}

int guard_host_name(struct span host, struct span *name)
{
    size_t n = 0;
    if (host.n && host.p[0] == '[') {
        while (n < host.n && host.p[n] != ']')
            n++;
        n += n < host.n;
    } else {
        while (n < host.n && host.p[n] != ':')
            n++;
    }
    struct span rest = span_skip(host, n);
    *name = span_of(host.p, n);
    for (size_t i = 0; i < n; i++)
        if (host.p[i] <= ' ' || host.p[i] >= 0x7f)
            return E_FORMAT;
    return n > 0 && (rest.n == 0 || is_port(rest)) ? 0 : E_FORMAT;
}

static bool matches(struct span name, struct span pattern)
{
    if (pattern.n < 3 || pattern.p[0] != '*' || pattern.p[1] != '.')
        return same(name, pattern);
    const uint8_t *dot = name.n ? memchr(name.p, '.', name.n) : NULL;
    return dot && dot > name.p &&
           same(span_skip(name, (size_t)(dot - name.p)), span_skip(pattern, 1));
}

static bool is_address(struct span name)
{
    char text[ADDR_TEXT_MAX];
    struct addr a;
    if (name.n >= sizeof text)
        return false;
    memcpy(text, name.p, name.n);
    text[name.n] = '\0';
    return addr_parse(&a, text) == 0;
}

bool guard_host_known(struct span name, const char *names)
{
    if (name.n > 1 && name.p[name.n - 1] == '.')
        name.n--;
    if (is_address(name) || same(name, SPAN_LIT("localhost")))
        return true;
    while (*(names += strspn(names, " \t"))) {
        size_t n = strcspn(names, " \t");
        if (matches(name, span_of(names, n)))
            return true;
        names += n;
    }
    return false;
}
