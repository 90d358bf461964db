/* gzip as other writers make it: built by zlib with every level, strategy, header field and flush,
 * inflated to what went in at exactly its size and refused one byte below; cut anywhere, followed
 * by anything, refused; damaged, as zlib itself reads it. */
#include "fuzz.h"

#include "base/err.h"
#include "wire/gzip.h"

#include <zlib.h>

#define CAP 8192

/* Text with runs, so that it compresses. */
static size_t make_text(struct span *in, uint8_t *to)
{
    size_t n = 0;
    for (size_t pieces = fuzz_below(in, 24); pieces > 0; pieces--) {
        size_t run = fuzz_below(in, 300);
        uint8_t b = fuzz_byte(in), step = fuzz_byte(in);
        for (size_t i = 0; i < run && n < CAP; i++, b = (uint8_t)(b + step % 3))
            to[n++] = b;
    }
    return n;
}

static size_t pack(struct span *in, struct span text, uint8_t *to, size_t cap)
{
    static const int strategies[] = {Z_DEFAULT_STRATEGY, Z_FILTERED, Z_HUFFMAN_ONLY, Z_RLE,
                                     Z_FIXED};
    static const int flushes[] = {Z_NO_FLUSH, Z_SYNC_FLUSH, Z_FULL_FLUSH, Z_PARTIAL_FLUSH, Z_BLOCK};
    z_stream z = {0};
    Bytef extra[300] = {1, 2}, name[40] = "name", comment[40] = "a comment";
    uint8_t level = fuzz_byte(in), form = fuzz_byte(in);
    gz_header head = {.os = form, .text = form & 1, .hcrc = form & 2};
    MUST(deflateInit2(&z, level % 10, Z_DEFLATED, 16 + 9 + level / 10 % 7, 1 + level % 9,
                      strategies[form % ARRAY_LEN(strategies)]) == Z_OK);
    if (form & 4) {
        head.extra = extra;
        head.extra_len = (uInt)fuzz_below(in, sizeof extra);
    }
    head.name = form & 8 ? name : NULL;
    head.comment = form & 16 ? comment : NULL;
    if (form & 31)
        MUST(deflateSetHeader(&z, &head) == Z_OK);
    z.next_out = to;
    z.avail_out = (uInt)cap;
    while (text.n) {
        struct span piece = fuzz_take(&text, 1 + fuzz_below(in, CAP));
        z.next_in = (Bytef *)(uintptr_t)piece.p;
        z.avail_in = (uInt)piece.n;
        MUST(deflate(&z, flushes[fuzz_below(in, ARRAY_LEN(flushes))]) == Z_OK && z.avail_in == 0);
    }
    MUST(deflate(&z, Z_FINISH) == Z_STREAM_END);
    size_t n = cap - z.avail_out;
    MUST(deflateEnd(&z) == Z_OK);
    return n;
}

/* What zlib makes of one member that is all of in. */
static int unpack(struct span in, uint8_t *to, size_t cap)
{
    z_stream z = {.next_in = (Bytef *)(uintptr_t)in.p, .avail_in = (uInt)in.n};
    MUST(inflateInit2(&z, 16 + 15) == Z_OK);
    z.next_out = to;
    z.avail_out = (uInt)cap;
    int rc = inflate(&z, Z_FINISH);
    size_t n = cap - z.avail_out;
    int result = rc == Z_STREAM_END && z.avail_in == 0 ? (int)n : E_FORMAT;
    (void)inflateEnd(&z);
    return result;
}

static void damaged(struct span *in, struct gzip *g, struct span packed)
{
    uint8_t *to = fuzz_alloc(2 * CAP), *want = fuzz_alloc(2 * CAP);
    struct span bad = fuzz_damage(in, packed);
    int n = gzip_inflate(g, bad, to, 2 * CAP), m = unpack(bad, want, 2 * CAP);
    MUST(n < 0 ? m < 0 || !gzip_is(bad) : n == m && memcmp(to, want, (size_t)n) == 0);
    fuzz_free(bad);
    free(to);
    free(want);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = span_of(data, size);
    struct gzip *g;
    uint8_t *text = fuzz_alloc(CAP), *packed = fuzz_alloc(4 * CAP + 1), *back = fuzz_alloc(CAP);
    MUST(gzip_create(&g) == 0);
    size_t n = make_text(&in, text);
    struct span all = {packed, pack(&in, span_of(text, n), packed, 4 * CAP)};
    MUST(gzip_is(all) && gzip_inflate(g, all, back, n) == (int)n && memcmp(back, text, n) == 0);
    MUST(n == 0 || gzip_inflate(g, all, back, n - 1) == E_LIMIT);
    MUST(gzip_inflate(g, span_of(packed, fuzz_below(&in, all.n)), back, CAP) == E_FORMAT);
    packed[all.n] = fuzz_byte(&in);
    MUST(gzip_inflate(g, span_of(packed, all.n + 1), back, CAP) == E_FORMAT);
    damaged(&in, g, all);
    /* What came before leaves nothing behind. */
    MUST(gzip_inflate(g, all, back, CAP) == (int)n && memcmp(back, text, n) == 0);
    gzip_destroy(g);
    free(text);
    free(packed);
    free(back);
    return 0;
}
