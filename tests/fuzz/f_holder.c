/* What stands in the cache for a claim, of any bytes: what is taken is written back to the same
 * bytes; of two, exactly one is the newer unless they are the same. */
#include "fuzz.h"

#include "base/err.h"
#include "core/presence_wire.h"

static int decode(struct span bytes, struct holder *ret)
{
    uint8_t to[PRESENCE_HOLDER_MAX];
    int rc = holder_decode(bytes, ret);
    MUST(rc == 0 || rc == E_FORMAT);
    if (rc == 0) {
        MUST(ret->stamp > 0 && ret->stamp <= PRESENCE_STAMP_MAX);
        MUST(bytes.n <= PRESENCE_HOLDER_MAX);
        MUST(span_eq(span_of(to, holder_encode(ret, to)), bytes));
    }
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = span_of(data, size);
    struct span first = fuzz_take(&in, fuzz_byte(&in));
    struct holder a, b;
    uint8_t *one = fuzz_copy(first), *two = fuzz_copy(in);
    int rc = decode(span_of(one, first.n), &a);
    if (decode(span_of(two, in.n), &b) == 0 && rc == 0) {
        bool same = a.stamp == b.stamp && span_eq(a.node, b.node);
        MUST(holder_newer(&a, &b) + holder_newer(&b, &a) == !same);
    }
    free(one);
    free(two);
    return 0;
}
