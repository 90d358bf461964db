/* Messages between processes built by the writer: each says what went in; every beginning of one is
 * refused, and so is one with more behind it. Damaged, it is refused or another message in full. */
#include "fuzz.h"

#include "base/err.h"
#include "core/cluster_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = span_of(data, size);
    struct cluster_message m = {.kind = (enum cluster_kind)fuzz_below(&in, CLUSTER_KINDS_N + 1),
                                .id = (int64_t)fuzz_number(&in, 8)};
    struct cluster_message got;
    struct span node, said;
    uint8_t to[CLUSTER_BYTES_MAX], again[CLUSTER_BYTES_MAX];
    node = fuzz_take(&in, fuzz_below(&in, NODE_MAX + 2));
    m.game = fuzz_take(&in, fuzz_below(&in, CLUSTER_GAME_MAX + 2));
    bool good = m.kind < CLUSTER_KINDS_N && m.id > 0 && node.n > 0 && node.n <= NODE_MAX &&
                m.game.n <= CLUSTER_GAME_MAX;
    int n = cluster_encode(&m, node, to);
    MUST(good ? n == (int)(12 + node.n + m.game.n) : n == E_RANGE);
    if (!good)
        return 0;
    MUST(cluster_decode(span_of(to, (size_t)n), &got, &said) == 0);
    MUST(got.kind == m.kind && got.id == m.id && span_eq(got.game, m.game) && span_eq(said, node));
    for (size_t i = 0; i < (size_t)n; i++) {
        uint8_t *cut = fuzz_copy(span_of(to, i));
        MUST(cluster_decode(span_of(cut, i), &got, &said) == E_FORMAT);
        free(cut);
    }
    struct span damaged = fuzz_damage(&in, span_of(to, (size_t)n));
    if (cluster_decode(damaged, &got, &said) == 0) {
        n = cluster_encode(&got, said, again);
        MUST(n > 0 && span_eq(span_of(again, (size_t)n), damaged));
    }
    fuzz_free(damaged);
    return 0;
}
