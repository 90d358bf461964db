#include "core/limit.h"

#include "base/err.h"

#define SWEEP_EVERY NSEC_PER_S

struct rate rate_of(uint32_t per_s, uint32_t burst)
{
    if (per_s == 0)
        return (struct rate){0, 0};
    nsec interval = NSEC_PER_S / per_s;
    return (struct rate){interval, interval * (burst ? burst : 1)};
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
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    memcpy(key, a->ip, 16);
    if (memcmp(key, mapped, sizeof mapped) != 0)
        memset(key + 8, 0, 8);
}

/* Forgets whoever has been quiet long enough to have a full bucket. */
static void sweep(struct addr_limit *l, nsec now)
{
    const void *key;
    uint64_t full_at;
    for (uint32_t at = 0; hmap_next(&l->full_at, &at, &key, &full_at);)
        if (full_at <= now)
            (void)hmap_del(&l->full_at, key);
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
        sweep(l, now);
    return hmap_put(&l->full_at, key, b.full_at) == 0;
}

static bool is_word(struct span w, const char *word)
{
    return span_eq(w, span_str(word));
}

/* "address" or "address/bits". */
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
    unsigned size = net.family == ADDR_V4 ? 32 : 128, bits = size;
    if (slash) {
        bits = 0;
        for (const char *d = slash + 1; *d || d == slash + 1; d++) {
            if (*d < '0' || *d > '9' || bits > 128)
                return E_FORMAT;
            bits = bits * 10 + (unsigned)(*d - '0');
        }
    }
    if (bits > size)
        return E_FORMAT;
    e->nets[e->nets_n].net = net;
    e->nets[e->nets_n++].bits = (uint8_t)(bits + 128 - size);
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
