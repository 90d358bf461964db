#include "base/addr.h"

#include "base/err.h"

#include <stdio.h>

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
static const uint8_t loopback6[16] = {[15] = 1};
static const uint8_t loopback4[16] = {[10] = 0xff, [11] = 0xff, 127, 0, 0, 1};

struct addr addr_v4(const uint8_t ip[4], uint16_t port)
{
    struct addr a = {.port = port, .family = ADDR_V4};
    memcpy(a.ip, mapped, sizeof mapped);
    memcpy(a.ip + 12, ip, 4);
    return a;
}

struct addr addr_v6(const uint8_t ip[16], uint16_t port, uint32_t scope)
{
    struct addr a = {.port = port, .family = ADDR_V6, .scope = scope};
    memcpy(a.ip, ip, 16);
    if (memcmp(ip, mapped, sizeof mapped) == 0) {
        a.family = ADDR_V4;
        a.scope = 0;
    }
    if (memcmp(ip, loopback6, 16) == 0) {
        memcpy(a.ip, loopback4, 16);
        a.loop6 = 1;
        a.scope = 0;
    }
    return a;
}

static bool is_v4(const struct addr *a)
{
    return memcmp(a->ip, mapped, sizeof mapped) == 0;
}

static int parse_v4(const char *s, uint8_t out[4])
{
    for (int i = 0; i < 4; i++) {
        unsigned v = 0, digits = 0;
        for (; *s >= '0' && *s <= '9' && digits < 4; s++, digits++)
            v = v * 10 + (unsigned)(*s - '0');
        /* "010" is 8 to some readers and 10 to others: to us it is nothing. */
        if (digits == 0 || digits > 3 || v > 255 || (digits > 1 && s[-(int)digits] == '0'))
            return E_FORMAT;
        out[i] = (uint8_t)v;
        if (i < 3 && *s++ != '.')
            return E_FORMAT;
    }
    return *s ? E_FORMAT : 0;
}

static int hex_group(const char **s)
{
    int v = 0, digits = 0;
    for (; digits < 5; (*s)++, digits++) {
        char c = **s;
        if (c >= '0' && c <= '9')
            v = v * 16 + (c - '0');
        else if ((c | 32) >= 'a' && (c | 32) <= 'f')
            v = v * 16 + ((c | 32) - 'a' + 10);
        else
            break;
    }
    return digits >= 1 && digits <= 4 ? v : -1;
}

/* RFC 4291 section 2.2: groups, one "::", an IPv4 tail. */
static int parse_v6(const char *s, uint8_t out[16])
{
    uint8_t full[16] = {0};
    size_t n = 0;
    ptrdiff_t gap = -1;
    if (s[0] == ':' && s[1] == ':') {
        gap = 0;
        s += 2;
    }
    while (*s) {
        if (n == 16)
            return E_FORMAT;
        const char *start = s;
        int v = hex_group(&s);
        if (*s == '.' && n <= 12) {
            if (parse_v4(start, full + n))
                return E_FORMAT;
            n += 4;
            break;
        }
        if (v < 0)
            return E_FORMAT;
        full[n++] = (uint8_t)(v >> 8);
        full[n++] = (uint8_t)v;
        if (*s == '\0')
            break;
        if (*s++ != ':' || *s == '\0')
            return E_FORMAT;
        if (*s == ':') {
            if (gap >= 0)
                return E_FORMAT;
            gap = (ptrdiff_t)n;
            s++;
        }
    }
    if (gap < 0 ? n != 16 : n > 14)
        return E_FORMAT;
    if (gap < 0)
        gap = (ptrdiff_t)n;
    size_t tail = n - (size_t)gap;
    memset(out, 0, 16);
    memcpy(out, full, (size_t)gap);
    memcpy(out + 16 - tail, full + gap, tail);
    return 0;
}

int addr_parse(struct addr *ret, const char *text)
{
    char copy[ADDR_TEXT_MAX];
    size_t n = strlen(text);
    if (n >= sizeof copy)
        return E_FORMAT;
    bool bracketed = n >= 2 && text[0] == '[' && text[n - 1] == ']';
    memcpy(copy, text + bracketed, n - 2u * bracketed);
    copy[n - 2u * bracketed] = '\0';
    uint8_t ip[16];
    if (!bracketed && parse_v4(copy, ip) == 0) {
        *ret = addr_v4(ip, 0);
        return 0;
    }
    if (parse_v6(copy, ip))
        return E_FORMAT;
    *ret = addr_v6(ip, 0, 0);
    return 0;
}

bool addr_same_host(const struct addr *a, const struct addr *b)
{
    return memcmp(a->ip, b->ip, sizeof a->ip) == 0 && a->scope == b->scope;
}

bool addr_eq(const struct addr *a, const struct addr *b)
{
    return a->port == b->port && addr_same_host(a, b);
}

bool addr_is_loopback(const struct addr *a)
{
    return is_v4(a) && a->ip[12] == 127;
}

bool addr_is_private(const struct addr *a)
{
    if (!is_v4(a)) /* fc00::/7 and fe80::/10 */
        return (a->ip[0] & 0xfe) == 0xfc || (a->ip[0] == 0xfe && (a->ip[1] & 0xc0) == 0x80);
    const uint8_t *ip = a->ip + 12;
    return ip[0] == 10 || (ip[0] == 172 && (ip[1] & 0xf0) == 16) ||
           (ip[0] == 192 && ip[1] == 168) || (ip[0] == 169 && ip[1] == 254);
}

bool addr_same_family(const struct addr *a, const struct addr *b)
{
    return a->family == b->family;
}

/* RFC 5952: lower case, longest run of zero groups (two or more) as "::". */
static void v6_text(const uint8_t ip[16], char *to, size_t cap)
{
    unsigned g[8];
    int best = -1, best_n = 1;
    for (int i = 0; i < 8; i++)
        g[i] = (unsigned)ip[2 * i] << 8 | ip[2 * i + 1];
    for (int i = 0; i < 8; i++) {
        int n = 0;
        while (i + n < 8 && g[i + n] == 0)
            n++;
        if (n > best_n) {
            best = i;
            best_n = n;
        }
    }
    size_t at = 0;
    for (int i = 0; i < 8; i++) {
        if (i == best) {
            at += (size_t)snprintf(to + at, cap - at, "::");
            i += best_n - 1;
            continue;
        }
        bool sep = i > 0 && i != best + best_n;
        at += (size_t)snprintf(to + at, cap - at, "%s%x", sep || (best < 0 && i) ? ":" : "", g[i]);
    }
}

const char *addr_host_text(const struct addr *a, char text[ADDR_TEXT_MAX])
{
    if (a->loop6)
        snprintf(text, ADDR_TEXT_MAX, "::1");
    else if (is_v4(a))
        snprintf(text, ADDR_TEXT_MAX, "%d.%d.%d.%d", a->ip[12], a->ip[13], a->ip[14], a->ip[15]);
    else
        v6_text(a->ip, text, ADDR_TEXT_MAX);
    return text;
}

const char *addr_text(const struct addr *a, char text[ADDR_TEXT_MAX])
{
    char host[ADDR_TEXT_MAX - 10];
    char full[ADDR_TEXT_MAX];
    addr_host_text(a, full);
    memcpy(host, full, sizeof host);
    host[sizeof host - 1] = '\0';
    snprintf(text, ADDR_TEXT_MAX, is_v4(a) && !a->loop6 ? "%s:%u" : "[%s]:%u", host, a->port);
    return text;
}
