#include "wire/proxy.h"

#include "base/cur.h"
#include "base/err.h"

#define VERSION_2   0x20u
#define CMD_LOCAL   0u
#define CMD_PROXY   1u
#define FAM_INET    1u
#define FAM_INET6   2u
#define FAM_UNIX    3u
#define TRANS_DGRAM 2u
#define INET_SIZE   12u
#define INET6_SIZE  36u
#define CRC_SIZE    4u
#define SSL_HEAD    5u /* client flags, result of verification */

static const uint8_t signature[12] = "\r\n\r\n\0\r\nQUIT\n";
static const uint8_t version_1[5] = "PROXY";
static const uint8_t loopback6[16] = {[15] = 1};

static int refuse(struct proxy_header *ret, int rc, const char *why)
{
    *ret = (struct proxy_header){.why = why};
    return rc;
}

/* CRC-32C (RFC 4960 appendix B) with four bytes at hole taken for zeros. Headers are short and come
 * once a connection: a table is not worth its place in the cache. */
static uint32_t crc32c(struct span s, size_t hole)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < s.n; i++) {
        crc ^= i - hole < CRC_SIZE ? 0u : s.p[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0u);
    }
    return ~crc;
}

static bool begins_as(const struct proxy_reader *r, const uint8_t *with, size_t n)
{
    return memcmp(r->bytes, with, r->n < n ? r->n : n) == 0;
}

/* The byte of family and transport. */
static int read_family(struct proxy_header *ret, uint8_t b)
{
    unsigned family = b >> 4, transport = b & 15u;
    if (family > FAM_UNIX)
        return refuse(ret, E_FORMAT, "unassigned address family");
    if (transport > TRANS_DGRAM)
        return refuse(ret, E_FORMAT, "unassigned transport protocol");
    ret->kind = transport == TRANS_DGRAM ? PROXY_DGRAM : PROXY_STREAM;
    if (family == 0 || transport == 0)
        ret->kind = PROXY_UNSPEC;
    else if (family == FAM_UNIX)
        return refuse(ret, E_SUPPORT, "the client of a Unix socket");
    return 0;
}

static size_t addresses_size(const struct proxy_header *h, uint8_t family)
{
    if (h->kind == PROXY_LOCAL || h->kind == PROXY_UNSPEC)
        return 0;
    return family >> 4 == FAM_INET ? INET_SIZE : INET6_SIZE;
}

static size_t whole_size(const struct proxy_reader *r)
{
    return PROXY_HEAD + ((size_t)r->bytes[14] << 8 | r->bytes[15]);
}

/* What has come of the first 16 bytes, in their order; 0 when they are there and good. */
static int read_head(struct proxy_header *ret, const struct proxy_reader *r)
{
    const uint8_t *b = r->bytes;
    if (!begins_as(r, signature, sizeof signature)) {
        if (!begins_as(r, version_1, sizeof version_1))
            return refuse(ret, E_FORMAT, "no PROXY protocol header");
        return r->n < sizeof version_1
                   ? E_MORE
                   : refuse(ret, E_SUPPORT, "PROXY protocol version 1, only 2 is read");
    }
    if (r->n > 12) {
        if ((b[12] & 0xf0u) != VERSION_2)
            return refuse(ret, E_SUPPORT, "PROXY protocol of a version other than 2");
        if ((b[12] & 15u) > CMD_PROXY)
            return refuse(ret, E_FORMAT, "unassigned command");
    }
    if (r->n > 13 && (b[12] & 15u) == CMD_PROXY) {
        int rc = read_family(ret, b[13]);
        if (rc)
            return rc;
    }
    if (r->n < PROXY_HEAD)
        return E_MORE;
    if (whole_size(r) > PROXY_MAX)
        return refuse(ret, E_LIMIT, "header too long");
    if (whole_size(r) < PROXY_HEAD + addresses_size(ret, b[13]))
        return refuse(ret, E_FORMAT, "header too short for its addresses");
    return 0;
}

static void read_addresses(struct proxy_header *ret, struct rcur *c, uint8_t family)
{
    size_t n = family >> 4 == FAM_INET ? 4 : 16;
    const uint8_t *src = rcur_take(c, n).p, *dst = rcur_take(c, n).p;
    uint16_t src_port = (uint16_t)rcur_be(c, 2), dst_port = (uint16_t)rcur_be(c, 2);
    ret->src = n == 4 ? addr_v4(src, src_port) : addr_v6(src, src_port, 0);
    ret->dst = n == 4 ? addr_v4(dst, dst_port) : addr_v6(dst, dst_port, 0);
}

/* The next field; false when it goes past the end. */
static bool next_tlv(struct rcur *c, struct proxy_tlv *ret)
{
    ret->type = (uint8_t)rcur_be(c, 1);
    size_t n = (size_t)rcur_be(c, 2);
    ret->value = rcur_take(c, n);
    return !c->bad;
}

static bool ssl_is_whole(struct span value)
{
    struct rcur c = rcur_of(value);
    struct proxy_tlv t;
    (void)rcur_take(&c, SSL_HEAD);
    while (!c.bad && rcur_left(&c) > 0)
        (void)next_tlv(&c, &t);
    return !c.bad;
}

static int read_tlvs(struct proxy_header *ret, struct span whole, struct rcur *c)
{
    struct proxy_tlv t;
    struct span crc = SPAN_NULL;
    while (rcur_left(c) > 0) {
        if (!next_tlv(c, &t))
            return refuse(ret, E_FORMAT, "additional field past the end");
        if (t.type == PROXY_TLV_UNIQUE_ID && t.value.n > PROXY_UNIQUE_ID_MAX)
            return refuse(ret, E_FORMAT, "unique id too long");
        if (t.type == PROXY_TLV_SSL && !ssl_is_whole(t.value))
            return refuse(ret, E_FORMAT, "SSL field is not whole");
        if (t.type != PROXY_TLV_CRC32C)
            continue;
        if (t.value.n != CRC_SIZE || crc.n)
            return refuse(ret, E_FORMAT, "checksum of a wrong size, or twice");
        crc = t.value;
    }
    if (crc.n) {
        struct rcur v = rcur_of(crc);
        if (rcur_be(&v, CRC_SIZE) != crc32c(whole, (size_t)(crc.p - whole.p)))
            return refuse(ret, E_FORMAT, "wrong checksum");
    }
    return 0;
}

static struct span fill(struct proxy_reader *r, struct span in, size_t to)
{
    size_t n = r->n < to ? to - r->n : 0;
    if (n > in.n)
        n = in.n;
    if (n)
        memcpy(r->bytes + r->n, in.p, n);
    r->n += n;
    return span_skip(in, n);
}

int proxy_feed(struct proxy_reader *r, struct span in, size_t *used, struct proxy_header *ret)
{
    struct span rest = fill(r, in, PROXY_HEAD);
    *ret = (struct proxy_header){.kind = PROXY_LOCAL};
    *used = in.n - rest.n;
    int rc = read_head(ret, r);
    if (rc)
        return rc;
    rest = fill(r, rest, whole_size(r));
    *used = in.n - rest.n;
    if (r->n < whole_size(r))
        return E_MORE;
    if (ret->kind == PROXY_LOCAL || ret->kind == PROXY_UNSPEC)
        return 0;
    struct span whole = span_of(r->bytes, r->n);
    struct rcur c = rcur_of(span_skip(whole, PROXY_HEAD));
    read_addresses(ret, &c, r->bytes[13]);
    return read_tlvs(ret, whole, &c);
}

/* As it was on the wire, before it was normalised. */
static const uint8_t *ip6_of(const struct addr *a)
{
    return a->loop6 ? loopback6 : a->ip;
}

static void put_addresses(struct wcur *w, const struct proxy_header *h, bool inet)
{
    size_t skip = inet ? 12 : 0;
    wcur_put(w, ip6_of(&h->src) + skip, 16 - skip);
    wcur_put(w, ip6_of(&h->dst) + skip, 16 - skip);
    wcur_be(w, h->src.port, 2);
    wcur_be(w, h->dst.port, 2);
}

/* crc_at: where the checksum's value is, or 0. */
static int put_tlvs(struct wcur *w, const struct proxy_tlv *tlvs, size_t n, uint8_t **crc_at)
{
    for (size_t i = 0; i < n; i++) {
        bool crc = tlvs[i].type == PROXY_TLV_CRC32C;
        if (crc && *crc_at)
            return E_RANGE;
        wcur_be(w, tlvs[i].type, 1);
        wcur_be(w, crc ? CRC_SIZE : tlvs[i].value.n, 2);
        if (crc) {
            *crc_at = w->p;
            wcur_be(w, 0, CRC_SIZE);
        } else {
            wcur_put(w, tlvs[i].value.p, tlvs[i].value.n);
        }
    }
    return 0;
}

int proxy_write(const struct proxy_header *h, const struct proxy_tlv *tlvs, size_t n, uint8_t *to,
                size_t cap)
{
    struct wcur w = wcur_of(to, cap < PROXY_MAX ? cap : PROXY_MAX);
    bool named = h->kind == PROXY_STREAM || h->kind == PROXY_DGRAM;
    bool inet = h->src.family == ADDR_V4 && h->dst.family == ADDR_V4;
    unsigned family = (inet ? FAM_INET : FAM_INET6) << 4 | (h->kind == PROXY_DGRAM ? 2u : 1u);
    uint8_t *crc_at = NULL;
    wcur_put(&w, signature, sizeof signature);
    wcur_be(&w, VERSION_2 | (h->kind == PROXY_LOCAL ? CMD_LOCAL : CMD_PROXY), 1);
    wcur_be(&w, named ? family : 0, 1);
    wcur_be(&w, 0, 2);
    if (named)
        put_addresses(&w, h, inet);
    int rc = put_tlvs(&w, tlvs, n, &crc_at);
    if (rc)
        return rc;
    if (w.bad)
        return E_LIMIT;
    struct span whole = span_of(to, (size_t)(w.p - to));
    struct wcur len = wcur_of(to + 14, 2);
    wcur_be(&len, whole.n - PROXY_HEAD, 2);
    if (crc_at) {
        struct wcur v = wcur_of(crc_at, CRC_SIZE);
        wcur_be(&v, crc32c(whole, (size_t)(crc_at - to)), CRC_SIZE);
    }
    return (int)whole.n;
}
