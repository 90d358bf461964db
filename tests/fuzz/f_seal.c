/* Sealed datagrams. First byte 0 to 2: the rest is a datagram for the opener of that kind.
 * Otherwise: how many bits to flip and where, then a text; sealed, flipped, opened, it must be
 * refused or, where the kind has no integrity, at least do no harm; unflipped it must come back. */
#include "fuzz.h"

#include "base/err.h"
#include "wire/seal.h"

static const enum seal_kind kinds[] = {SEAL_CBC, SEAL_GCM, SEAL_CBC_HMAC};
static const size_t key_size[] = {SEAL_CBC_KEY, SEAL_GCM_KEY, SEAL_CBC_HMAC_KEY};

static void count_up(struct entropy *e, void *to, size_t n)
{
    (void)e;
    for (size_t i = 0; i < n; i++)
        ((uint8_t *)to)[i] = (uint8_t)i;
}

static struct seal_cfg config(size_t kind)
{
    static const uint8_t key[64] = {1, 2, 3};
    return (struct seal_cfg){.kind = kinds[kind],
                             .key = span_of(key, key_size[kind]),
                             .conn_id = {'c', 'o', 'n', 'n', 'e', 'c', 't', 'n'}};
}

static int open_into(struct opener *o, struct span in, uint8_t *to, size_t cap)
{
    int n = opener_open(o, in, to, cap);
    MUST(n <= (int)cap);
    MUST(n >= 0 || n == E_FORMAT || n == E_AUTH || n == E_REPLAY || n == E_LIMIT);
    return n;
}

static void open_raw(struct opener *o, struct span in)
{
    const uint8_t *id;
    uint8_t *to = malloc(in.n + 1), block[16];
    MUST(to);
    bool cbc = opener_kind(o) == SEAL_CBC;
    int n = open_into(o, in, to, in.n);
    MUST(n < 0 || (cbc ? seal_is_cbc(in) : seal_is_aead(in, &id)));
    MUST(n != E_LIMIT); /* as much room as the datagram is always enough */
    MUST((opener_peek(o, in, block) == 0) == (cbc && seal_is_cbc(in)));
    if (cbc && n > 0)
        MUST(memcmp(to, block, n < 16 ? (size_t)n : 16) == 0);
    MUST(!(seal_is_cbc(in) && seal_is_aead(in, &id)));
    free(to);
}

static void flip_and_open(size_t kind, struct span in)
{
    struct entropy entropy;
    struct seal_cfg cfg = config(kind);
    struct sealer *s;
    struct opener *o;
    entropy_init(&entropy, count_up);
    MUST(sealer_create(&s, &cfg, &entropy) == 0 && opener_create(&o, &cfg) == 0);
    uint8_t flips = fuzz_byte(&in) & 3, where[3][2] = {{0}};
    for (int i = 0; i < flips; i++) {
        where[i][0] = fuzz_byte(&in);
        where[i][1] = fuzz_byte(&in);
    }
    size_t cut = in.n / 3, size = sealer_size(s, in.n);
    struct span parts[] = {span_of(in.p, cut), span_skip(in, cut)};
    uint8_t *to = malloc(size), *was = malloc(size), *back = malloc(size);
    MUST(to && was && back);
    MUST(sealer_seal(s, parts, 2, to, size - 1) == E_LIMIT);
    MUST(sealer_seal(s, parts, 2, to, size) == (int)size);
    memcpy(was, to, size);
    for (int i = 0; i < flips; i++)
        to[(where[i][0] | (size_t)where[i][1] << 8) % (8 * size) / 8] ^=
            (uint8_t)(1 << where[i][0] % 8);
    bool same = memcmp(was, to, size) == 0;
    int n = open_into(o, span_of(to, size), back, size);
    MUST(kinds[kind] == SEAL_CBC || same == (n >= 0));
    if (!same)
        n = open_into(o, span_of(was, size), back, size);
    MUST(n == (int)in.n && span_eq(span_of(back, in.n), in));
    n = open_into(o, span_of(was, size), back, size);
    MUST(n == (kinds[kind] == SEAL_CBC ? (int)in.n : E_REPLAY));
    free(to);
    free(was);
    free(back);
    sealer_destroy(s);
    opener_destroy(o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = span_of(data, size);
    uint8_t first = fuzz_byte(&in);
    if (first >= ARRAY_LEN(kinds)) {
        flip_and_open(first % ARRAY_LEN(kinds), in);
        return 0;
    }
    struct seal_cfg cfg = config(first);
    struct opener *o;
    MUST(opener_create(&o, &cfg) == 0);
    /* The block ends where the datagram ends. */
    open_raw(o, in);
    opener_destroy(o);
    return 0;
}
