/* gzip: any bytes against the cap, and what came out survives a round trip. */
#include "fuzz.h"

#include "base/err.h"
#include "wire/gzip.h"

#define CAP 8192

static void round_trip(struct gzip *g, struct span in)
{
    size_t room = in.n + in.n / 8 + 64;
    uint8_t *packed = malloc(room), *back = malloc(in.n ? in.n : 1);
    MUST(packed && back);
    int n = gzip_deflate(g, in, packed, room);
    MUST(n > 0 && gzip_is(span_of(packed, (size_t)n)));
    struct span all = span_of(packed, (size_t)n);
    MUST(gzip_inflate(g, all, back, in.n) == (int)in.n);
    MUST(span_eq(span_of(back, in.n), in));
    if (in.n)
        MUST(gzip_inflate(g, all, back, in.n - 1) == E_LIMIT);
    MUST(gzip_inflate(g, span_of(packed, all.n - 1), back, in.n) == E_FORMAT);
    free(packed);
    free(back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gzip *g;
    uint8_t *to = malloc(CAP);
    MUST(to && gzip_create(&g) == 0);
    struct span in = span_of(data, size);
    int n = gzip_inflate(g, in, to, CAP);
    MUST(n <= CAP && (n >= 0 || n == E_FORMAT || n == E_LIMIT));
    MUST(n < 0 || gzip_is(in));
    if (n >= 0)
        round_trip(g, span_of(to, (size_t)n));
    round_trip(g, in);
    /* What came before leaves nothing behind. */
    MUST(gzip_inflate(g, in, to, CAP) == n);
    free(to);
    gzip_destroy(g);
    return 0;
}
