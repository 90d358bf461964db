/* PROXY protocol headers built by the writer, of every kind, with fields of every sort: each says
 * what went in and leaves what follows it alone. Then it is damaged, and the plain definition says
 * what it is now; with a checksum, no changed address gets through. */
#include "proxy_define.h"

#define TLVS 6

static struct addr take_address(struct span *in)
{
    static const uint8_t heads[][16] = {
        {[10] = 0xff, [11] = 0xff, [12] = 192, [15] = 1}, {[15] = 1}, {0x20, 1, 0xd, 0xb8}, {0}};
    uint8_t ip[16], how = fuzz_byte(in);
    uint16_t port = (uint16_t)fuzz_number(in, 2);
    memcpy(ip, heads[how % ARRAY_LEN(heads)], sizeof ip);
    for (size_t i = 12; i < sizeof ip && how & 16; i++)
        ip[i] = fuzz_byte(in);
    return how & 32 ? addr_v4(ip + 12, port) : addr_v6(ip, port, 0);
}

/* Returns how many, at most one of them a checksum. bad: one has a length that is not its own. */
static size_t take_tlvs(struct span *in, struct proxy_tlv tlvs[TLVS], bool *sum, bool *bad)
{
    static const uint8_t types[] = {3, 1, 2, 4, 5, 0x20, 0x30, 0xea};
    static const uint8_t zeros[300];
    static const uint8_t ssl[] = {1, 0, 0, 0, 0, 0x21, 0, 3, 'T', 'L', 'S', 0x22, 0, 0};
    size_t n = fuzz_below(in, TLVS + 1);
    *sum = *bad = false;
    for (size_t i = 0; i < n; i++) {
        uint8_t type = types[fuzz_below(in, ARRAY_LEN(types))];
        size_t size = fuzz_byte(in);
        if (type == PROXY_TLV_CRC32C && *sum)
            type = PROXY_TLV_NOOP;
        *sum |= type == PROXY_TLV_CRC32C;
        tlvs[i] = (struct proxy_tlv){type, span_of(zeros, size + size / 8)};
        if (type == PROXY_TLV_UNIQUE_ID)
            *bad |= tlvs[i].value.n > 128;
        if (type == PROXY_TLV_SSL) {
            size_t part = size % (sizeof ssl + 1);
            tlvs[i].value = span_of(ssl, part);
            *bad |= part != 5 && part != 11 && part != 14;
        }
    }
    return n;
}

static size_t size_of(const struct proxy_header *h, const struct proxy_tlv *tlvs, size_t n)
{
    bool v4 = h->src.family == ADDR_V4 && h->dst.family == ADDR_V4;
    size_t size = 16;
    if (h->kind == PROXY_STREAM || h->kind == PROXY_DGRAM)
        size += v4 ? 12 : 36;
    for (size_t i = 0; i < n; i++)
        size += 3 + (tlvs[i].type == PROXY_TLV_CRC32C ? 4 : tlvs[i].value.n);
    return size;
}

/* made: room for a header and one byte behind it. Returns its size, 0 when it is too long. */
static size_t make(struct span *in, struct proxy_header *h, uint8_t made[PROXY_MAX + 1], bool *sum,
                   bool *bad)
{
    struct proxy_tlv tlvs[TLVS];
    *h = (struct proxy_header){.kind = (enum proxy_kind)(fuzz_byte(in) % 4)};
    bool named = h->kind == PROXY_STREAM || h->kind == PROXY_DGRAM;
    if (named) {
        h->src = take_address(in);
        h->dst = take_address(in);
    }
    size_t n = take_tlvs(in, tlvs, sum, bad), want = size_of(h, tlvs, n);
    int rc = proxy_write(h, tlvs, n, made, PROXY_MAX + 1);
    MUST(rc == (want <= PROXY_MAX ? (int)want : E_LIMIT));
    if (rc > 0)
        MUST(proxy_write(h, tlvs, n, made, want - 1) == E_LIMIT &&
             proxy_write(h, tlvs, n, made, want) == rc);
    *sum &= named;
    *bad &= named;
    return rc > 0 ? want : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = span_of(data, size);
    struct proxy_header h, got;
    uint8_t made[PROXY_MAX + 1];
    size_t used;
    bool sum, bad;
    size_t n = make(&in, &h, made, &sum, &bad);
    if (n == 0)
        return 0;
    made[n] = fuzz_byte(&in);
    struct span whole = span_of(made, n), more = span_of(made, n + 1);
    MUST(proxy_compare(whole, in) == (bad ? E_FORMAT : 0));
    MUST(proxy_compare(more, in) == (bad ? E_FORMAT : 0));
    MUST(proxy_compare(span_of(made, fuzz_below(&in, n)), in) == E_MORE);
    if (bad)
        return 0;
    MUST(proxy_feed_all(more, n + 1, SPAN_NULL, &used, &got) == 0 && used == n);
    MUST(proxy_same(&got, &h));
    struct span damaged = fuzz_damage(&in, whole);
    (void)proxy_compare(damaged, in);
    fuzz_free(damaged);
    if (sum) {
        made[16 + fuzz_below(&in, 12)] ^= (uint8_t)(1 + fuzz_below(&in, 255));
        MUST(proxy_compare(whole, in) == E_FORMAT);
    }
    return 0;
}
