#include "core/limit.h"

#include "base/err.h"

#define SWEEP_EVERY NSEC_PER_S

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff}; /* how struct addr holds IPv4 */

static bool is_v4(const struct addr *a)
{
    return memcmp(a->ip, mapped, sizeof mapped) == 0;
}

struct rate rate_of(uint32_t per_s, uint32_t burst)
{
    if (per_s == 0)
        return (struct rate){0, 0};
    nsec interval = NSEC_PER_S / per_s;
    return (struct rate){interval, interval * (burst ? burst : 1)};
}

struct rate rate_per(nsec period, uint32_t n)
{
    if (n == 0)
        return (struct rate){0, 0};
    return (struct rate){period / n, period / n * n};
}

static nsec next_full(nsec full_at, const struct rate *r, nsec now)
{
    return (full_at > now ? full_at : now) + r->interval;
}

bool bucket_take(struct bucket *b, const struct rate *r, nsec now)
{
    if (r->interval == 0)
        return true;
    nsec full_at = next_full(b->full_at, r, now);
    if (full_at - now > r->burst)
        return false;
    b->full_at = full_at;
    return true;
}

nsec bucket_wait(const struct bucket *b, const struct rate *r, nsec now)
{
    nsec ahead = next_full(b->full_at, r, now) - now;
    return r->interval == 0 || ahead <= r->burst ? 0 : ahead - r->burst;
}

void addr_limit_init(struct addr_limit *l, const uint64_t seed[2], uint32_t max)
{
    *l = (struct addr_limit){0};
    hmap_init(&l->full_at, 16, seed, max);
}

void addr_limit_fini(struct addr_limit *l)
{
    hmap_fini(&l->full_at);
}

void addr_limit_key(const struct addr *a, uint8_t key[16])
{
    memcpy(key, a->ip, 16);
    if (!is_v4(a))
        memset(key + 8, 0, 8);
}

void addr_limit_sweep(struct addr_limit *l, nsec now)
{
    const void *key;
    uint64_t full_at;
    for (uint32_t at = 0; hmap_next(&l->full_at, &at, &key, &full_at);)
        if (full_at <= now)
            (void)hmap_del(&l->full_at, key);
    if (l->full_at.live == 0)
        hmap_fini(&l->full_at); /* its memory goes; the map may be used again */
    l->swept = now;
}

bool addr_limit_take(struct addr_limit *l, const struct addr *a, const struct rate *r, nsec now)
{
    uint8_t key[16];
    struct bucket b = {0};
    addr_limit_key(a, key);
    (void)hmap_get(&l->full_at, key, &b.full_at);
    if (!bucket_take(&b, r, now))
        return false;
    if (l->full_at.live >= l->full_at.max && now - l->swept >= SWEEP_EVERY)
        addr_limit_sweep(l, now);
    return hmap_put(&l->full_at, key, b.full_at) == 0;
}

void addr_count_init(struct addr_count *c, const uint64_t seed[2], uint32_t max)
{
    hmap_init(&c->n, 16, seed, max);
}

void addr_count_fini(struct addr_count *c)
{
    hmap_fini(&c->n);
}

bool addr_count_take(struct addr_count *c, const struct addr *a, uint32_t most)
{
    uint8_t key[16];
    uint64_t n = 0;
    addr_limit_key(a, key);
    (void)hmap_get(&c->n, key, &n);
    return n < most && hmap_put(&c->n, key, n + 1) == 0;
}

void addr_count_give(struct addr_count *c, const struct addr *a)
{
    uint8_t key[16];
    uint64_t n = 0;
    addr_limit_key(a, key);
    (void)hmap_get(&c->n, key, &n);
    if (n <= 1 || hmap_put(&c->n, key, n - 1) != 0)
        (void)hmap_del(&c->n, key);
    if (c->n.live == 0)
        hmap_fini(&c->n); /* its memory goes; the map may be used again */
}

static bool is_word(struct span w, const char *word)
{
    return span_eq(w, span_str(word));
}

/* Decimal, at most max; -1 for anything else. */
static int parse_bits(const char *text, unsigned max)
{
    unsigned bits = 0;
    if (!*text)
        return -1;
    for (; *text; text++) {
        if (*text < '0' || *text > '9' || bits > max)
            return -1;
        bits = bits * 10 + (unsigned)(*text - '0');
    }
    return bits > max ? -1 : (int)bits;
}

/* "address" or "address/bits". IPv4 may be written as ::ffff:a.b.c.d, and has then up to 128. */
static int parse_net(struct exempt *e, struct span w)
{
    char text[ADDR_TEXT_MAX];
    if (w.n >= sizeof text || e->nets_n == EXEMPT_NETS_MAX)
        return E_FORMAT;
    memcpy(text, w.p, w.n);
    text[w.n] = '\0';
    char *slash = strchr(text, '/');
    if (slash)
        *slash = '\0';
    struct addr net;
    if (addr_parse(&net, text))
        return E_FORMAT;
    unsigned size = strchr(text, ':') ? 128 : 32;
    int bits = slash ? parse_bits(slash + 1, size) : (int)size;
    if (bits < 0)
        return E_FORMAT;
    bits += (int)(128 - size);
    if (is_v4(&net) && bits < (net.loop6 ? 128 : 96))
        return E_FORMAT; /* a network that would hold IPv4 and IPv6; ::1 is known as 127.0.0.1 */
    e->nets[e->nets_n].net = net;
    e->nets[e->nets_n++].bits = (uint8_t)bits;
    return 0;
}

int exempt_parse(struct exempt *ret, const char *text, struct buf *why)
{
    struct exempt e = {0};
    while (*(text += strspn(text, " ,\t"))) {
        struct span w = {(const uint8_t *)text, strcspn(text, " ,\t")};
        text += w.n;
        if (is_word(w, "loopback"))
            e.loopback = true;
        else if (is_word(w, "private"))
            e.private = true;
        else if (!is_word(w, "none") && parse_net(&e, w)) {
            (void)buf_printf(why, "'%.*s' is neither loopback, private, an address nor a network",
                             (int)w.n, (const char *)w.p);
            return E_FORMAT;
        }
    }
    *ret = e;
    return 0;
}

static bool in_net(const struct addr *a, const struct addr *net, unsigned bits)
{
    unsigned bytes = bits / 8, rest = bits % 8;
    if (is_v4(a) != is_v4(net)) /* ::/0 is IPv6 alone */
        return false;
    if (memcmp(a->ip, net->ip, bytes) != 0)
        return false;
    return rest == 0 || ((a->ip[bytes] ^ net->ip[bytes]) >> (8 - rest)) == 0;
}

bool exempt_has(const struct exempt *e, const struct addr *a)
{
    if ((e->loopback && addr_is_loopback(a)) || (e->private && addr_is_private(a)))
        return true;
    for (unsigned i = 0; i < e->nets_n; i++)
        if (in_net(a, &e->nets[i].net, e->nets[i].bits))
            return true;
    return false;
}
