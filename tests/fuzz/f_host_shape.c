/* The admin port's Host built from names, addresses and ports: it is taken apart into what it was
 * made of and served exactly where its name is ours. Then damaged: taken exactly where a plain
 * reading takes it. */
#include "fuzz.h"

#include "admin/guard.h"

#include <arpa/inet.h>

/* "name", "[...]" or either with ":digits" behind. */
static bool plain(struct span s, size_t *name_n)
{
    size_t n = 0;
    const uint8_t *end = s.n && s.p[0] == '[' ? memchr(s.p, ']', s.n) : NULL;
    if (s.n && s.p[0] == '[')
        n = end ? (size_t)(end - s.p) + 1 : s.n;
    else
        while (n < s.n && s.p[n] != ':')
            n++;
    *name_n = n;
    for (size_t i = 0; i < n; i++)
        if (s.p[i] < 0x21 || s.p[i] > 0x7e)
            return false;
    for (size_t i = n + 1; i < s.n; i++)
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
    return n > 0 && (s.n == n || (s.p[n] == ':' && s.n > n + 1 && s.n <= n + 6));
}

static void compare(struct span host)
{
    size_t n;
    struct span name;
    bool good = plain(host, &n);
    MUST((guard_host_name(host, &name) == 0) == good);
    MUST(!good || (name.p == host.p && name.n == n));
}

static size_t make_name(struct span *in, char *to, size_t cap)
{
    size_t n = 0;
    for (size_t labels = 1 + fuzz_below(in, 3); labels > 0; labels--) {
        for (size_t len = 1 + fuzz_below(in, 6); len > 0 && n + 2 < cap; len--)
            to[n++] = (char)('a' + fuzz_below(in, 26));
        if (labels > 1)
            to[n++] = '.';
    }
    to[n] = '\0';
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = span_of(data, size), name;
    char ours[64], names[160], host[100], port[8] = "";
    uint8_t form = fuzz_byte(&in), ip[16] = {0x20, 1, fuzz_byte(&in), [15] = fuzz_byte(&in)};
    (void)make_name(&in, ours, sizeof ours);
    snprintf(names, sizeof names, "%s%s\t", form & 1 ? "other.example  *.wild " : "", ours);
    if (form & 2)
        snprintf(port, sizeof port, ":%u", (unsigned)fuzz_number(&in, 2));
    bool known = true;
    switch (form / 4 % 8) {
    case 0: /* an address is nobody's name */
        MUST(inet_ntop(AF_INET, ip, host, sizeof host));
        break;
    case 1:
        host[0] = '[';
        MUST(inet_ntop(AF_INET6, ip, host + 1, sizeof host - 1));
        strcat(host, "]");
        break;
    case 2: snprintf(host, sizeof host, "LocalHost"); break;
    case 3: /* any one label in place of the star */
        snprintf(host, sizeof host, "x-%u.wild", (unsigned)fuzz_byte(&in));
        known = form & 1 || strcmp(host, ours) == 0;
        break;
    case 4:
        snprintf(host, sizeof host, "a.b.wild");
        known = strcmp(host, ours) == 0;
        break;
    case 5: /* longer than ours by something */
        snprintf(host, sizeof host, "%sx", ours);
        known = strcmp(host, "localhost") == 0 || (form & 1 && !strcmp(host, "x.wild"));
        break;
    default: /* ours, written another way */
        snprintf(host, sizeof host, "%s", ours);
        host[0] = (char)(host[0] - (form & 32 ? 32 : 0));
        break;
    }
    if (form & 64)
        strcat(host, ".");
    size_t n = strlen(host);
    strcat(host, port);
    uint8_t *exact = fuzz_copy(span_str(host));
    struct span whole = span_of(exact, strlen(host));
    if (form & 64 && host[0] == '[')
        compare(whole); /* a dot behind a bracket */
    else {
        MUST(guard_host_name(whole, &name) == 0 && name.p == exact && name.n == n);
        if (form / 4 % 8 != 5 || !(form & 64))
            MUST(guard_host_known(name, names) == known);
    }
    struct span bad = fuzz_damage(&in, whole);
    compare(bad);
    fuzz_free(bad);
    free(exact);
    return 0;
}
