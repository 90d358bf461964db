/* Messages between processes of any bytes: what is taken is written back to the same bytes, in a
 * block of exactly its size, and nothing else is. */
#include "fuzz.h"

#include "base/err.h"
#include "core/cluster_wire.h"

static bool within(struct span part, const uint8_t *p, size_t n)
{
    return part.n == 0 || (part.p >= p && part.p + part.n <= p + n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cluster_message m;
    struct span node;
    uint8_t to[CLUSTER_BYTES_MAX], *copy = fuzz_copy(span_of(data, size));
    int rc = cluster_decode(span_of(copy, size), &m, &node);
    if (rc == 0) {
        MUST(m.kind < CLUSTER_KINDS_N && m.id > 0);
        MUST(within(node, copy, size) && within(m.game, copy, size));
        int n = cluster_encode(&m, node, to);
        MUST(n > 0 && (size_t)n == size && memcmp(to, data, size) == 0);
    } else {
        MUST(rc == E_FORMAT || rc == E_SUPPORT);
    }
    free(copy);
    return 0;
}
