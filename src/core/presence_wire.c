#include "core/presence_wire.h"

#include "base/check.h"
#include "base/cur.h"
#include "base/err.h"

#include <stdio.h>

size_t holder_encode(const struct holder *h, uint8_t to[PRESENCE_HOLDER_MAX])
{
    char number[20];
    CHECK(h->stamp > 0 && h->stamp <= PRESENCE_STAMP_MAX);
    CHECK(h->node.n > 0 && h->node.n <= NODE_MAX);
    int n = snprintf(number, sizeof number, "%lld ", (long long)h->stamp);
    struct wcur c = wcur_of(to, PRESENCE_HOLDER_MAX);
    wcur_put(&c, number, (size_t)n);
    wcur_put(&c, h->node.p, h->node.n);
    return (size_t)(c.p - to);
}

int holder_decode(struct span bytes, struct holder *ret)
{
    size_t n = 0;
    int64_t stamp = 0;
    while (n < bytes.n && n < 15 && bytes.p[n] >= '0' && bytes.p[n] <= '9')
        stamp = stamp * 10 + (bytes.p[n++] - '0');
    if (n == 0 || bytes.p[0] == '0' || n == bytes.n || bytes.p[n] != ' ')
        return E_FORMAT;
    struct span node = span_skip(bytes, n + 1);
    if (node.n == 0 || node.n > NODE_MAX)
        return E_FORMAT;
    *ret = (struct holder){stamp, node};
    return 0;
}

bool holder_newer(const struct holder *a, const struct holder *b)
{
    if (a->stamp != b->stamp)
        return a->stamp > b->stamp;
    size_t n = a->node.n < b->node.n ? a->node.n : b->node.n;
    int order = memcmp(a->node.p, b->node.p, n);
    return order ? order > 0 : a->node.n > b->node.n;
}
