/* PROXY protocol headers as a plain definition has them, to hold proxy_feed against: the whole
 * input is there, and its bytes are counted from its beginning. */
#ifndef SLIPGATE_TESTS_FUZZ_PROXY_DEFINE_H
#define SLIPGATE_TESTS_FUZZ_PROXY_DEFINE_H

#include "fuzz.h"

#include "base/err.h"
#include "wire/proxy.h"

static inline unsigned proxy_be16(const uint8_t *p)
{
    return p[0] * 256u + p[1];
}

/* CRC-32C as the division of polynomials it is: most significant bit first, both ends reflected. */
static inline uint32_t proxy_crc(const uint8_t *p, size_t n, size_t hole)
{
    uint32_t rest = UINT32_MAX, turned = 0;
    for (size_t bit = 0; bit < n * 8; bit++) {
        size_t at = bit / 8;
        uint32_t in = at >= hole && at < hole + 4 ? 0 : p[at] >> bit % 8 & 1u;
        uint32_t out = rest >> 31 ^ in;
        rest = rest << 1 ^ (out ? 0x1edc6f41u : 0);
    }
    for (int i = 0; i < 32; i++)
        turned |= (rest >> i & 1u) << (31 - i);
    return ~turned;
}

/* Whether the bytes from at to end are fields, and no checksum among them is wrong. */
static inline bool proxy_fields_good(const uint8_t *p, size_t at, size_t end, bool inside)
{
    size_t sums = 0, sum_at = 0, size = end;
    while (at < end) {
        if (end - at < 3 || end - at - 3 < proxy_be16(p + at + 1))
            return false;
        size_t value = at + 3, n = proxy_be16(p + at + 1);
        unsigned type = p[at];
        at = value + n;
        if (inside)
            continue;
        if (type == 3 && (n != 4 || sums++))
            return false;
        if (type == 3)
            sum_at = value;
        if (type == 5 && n > 128)
            return false;
        if (type == 0x20 && (n < 5 || !proxy_fields_good(p, value + 5, value + n, true)))
            return false;
    }
    if (sums == 0)
        return true;
    uint32_t said = (uint32_t)proxy_be16(p + sum_at) << 16 | proxy_be16(p + sum_at + 2);
    return proxy_crc(p, size, sum_at) == said;
}

/* The same answer for a part of a header as for all of it, where the part shows it already. */
static inline int proxy_define_head(struct span in)
{
    static const char sig[] = "\r\n\r\n\0\r\nQUIT\n", text[] = "PROXY";
    size_t same = 0, same_text = 0;
    while (same < 12 && same < in.n && in.p[same] == (uint8_t)sig[same])
        same++;
    while (same_text < 5 && same_text < in.n && in.p[same_text] == (uint8_t)text[same_text])
        same_text++;
    if (same < 12) {
        if (in.n == same || in.n == same_text)
            return same_text == 5 ? E_SUPPORT : E_MORE;
        return same_text == 5 ? E_SUPPORT : E_FORMAT;
    }
    if (in.n > 12 && in.p[12] >> 4 != 2)
        return E_SUPPORT;
    if (in.n > 12 && in.p[12] != 0x20 && in.p[12] != 0x21)
        return E_FORMAT;
    if (in.n > 13 && in.p[12] == 0x21) {
        if (in.p[13] >= 0x40 || in.p[13] % 16 > 2)
            return E_FORMAT;
        if (in.p[13] == 0x31 || in.p[13] == 0x32)
            return E_SUPPORT;
    }
    return in.n < 16 ? E_MORE : 0;
}

static inline int proxy_define(struct span in, size_t *used, struct proxy_header *ret)
{
    int rc = proxy_define_head(in);
    memset(ret, 0, sizeof *ret);
    if (rc)
        return rc;
    size_t size = 16 + proxy_be16(in.p + 14), ip = 0;
    unsigned family = in.p[13];
    if (size > 1024)
        return E_LIMIT;
    ret->kind = in.p[12] == 0x20 ? PROXY_LOCAL : PROXY_UNSPEC;
    if (in.p[12] == 0x21 && family / 16 != 0 && family % 16 != 0) {
        ret->kind = family % 16 == 1 ? PROXY_STREAM : PROXY_DGRAM;
        ip = family / 16 == 1 ? 4 : 16;
    }
    if (ip && size < 16 + 2 * ip + 4)
        return E_FORMAT;
    if (in.n < size)
        return E_MORE;
    *used = size;
    if (!ip)
        return 0;
    const uint8_t *ports = in.p + 16 + 2 * ip;
    uint16_t src = (uint16_t)proxy_be16(ports), dst = (uint16_t)proxy_be16(ports + 2);
    ret->src = ip == 4 ? addr_v4(in.p + 16, src) : addr_v6(in.p + 16, src, 0);
    ret->dst = ip == 4 ? addr_v4(in.p + 20, dst) : addr_v6(in.p + 32, dst, 0);
    return proxy_fields_good(in.p, 16 + 2 * ip + 4, size, false) ? 0 : E_FORMAT;
}

static inline bool proxy_same(const struct proxy_header *a, const struct proxy_header *b)
{
    return a->kind == b->kind && memcmp(&a->src, &b->src, sizeof a->src) == 0 &&
           memcmp(&a->dst, &b->dst, sizeof a->dst) == 0;
}

/* Feeds in, in pieces of step bytes and then of what the bytes of steps say, each in a block of its
 * own size. */
static inline int proxy_feed_all(struct span in, size_t step, struct span steps, size_t *used,
                                 struct proxy_header *ret)
{
    struct proxy_reader r = {0};
    struct span rest = in;
    size_t taken;
    int rc = proxy_feed(&r, SPAN_NULL, used, ret);
    MUST(rc == E_MORE && *used == 0);
    while (rc == E_MORE && rest.n) {
        struct span piece = fuzz_take(&rest, step);
        uint8_t *copy = fuzz_copy(piece);
        rc = proxy_feed(&r, span_of(copy, piece.n), &taken, ret);
        free(copy);
        MUST(taken <= piece.n && (rc != E_MORE || taken == piece.n) && r.n <= PROXY_MAX);
        *used += taken;
        if (steps.n)
            step = 1u + fuzz_byte(&steps);
    }
    MUST((rc == 0 || rc == E_MORE) == (ret->why == NULL));
    return rc;
}

/* However it is cut, in means what the definition says. */
static inline int proxy_compare(struct span in, struct span steps)
{
    struct proxy_header want, got[3];
    size_t used[3], want_used = 0;
    int rc = proxy_define(in, &want_used, &want);
    MUST(proxy_feed_all(in, in.n ? in.n : 1, SPAN_NULL, &used[0], &got[0]) == rc);
    MUST(proxy_feed_all(in, 1, SPAN_NULL, &used[1], &got[1]) == rc);
    MUST(proxy_feed_all(in, 3, steps, &used[2], &got[2]) == rc);
    for (int i = 0; i < 3; i++) {
        MUST(got[i].why == got[0].why);
        MUST(rc || (used[i] == want_used && proxy_same(&got[i], &want)));
    }
    return rc;
}

#endif
