/* Messages between processes: two of them over one cache, and the bytes they send. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/cache_memory.h"
#include "core/cluster_wire.h"
#include "fixture_loop.h"

static void fill(struct entropy *e, void *to, size_t n)
{
    (void)e;
    memset(to, 7, n);
}

static void emit(struct log *log, const struct log_row *row, const struct log_field *f, size_t n);

struct process {
    struct log log;
    struct metrics metrics;
    struct cluster *cluster;
    struct cluster_message last;
    char game[CLUSTER_GAME_MAX + 1];
    unsigned heard, logged;
};

struct kit {
    struct fixture_loop l;
    struct entropy entropy;
    struct cache_memory *memory;
    struct cache *cache;
    struct process a, b;
};

static void emit(struct log *log, const struct log_row *row, const struct log_field *f, size_t n)
{
    (void)row;
    (void)f;
    (void)n;
    CONTAINER_OF(log, struct process, log)->logged++;
}

static void on_message(void *ctx, struct now now, const struct cluster_message *m)
{
    struct process *p = ctx;
    assert_true(now.mono > 0);
    p->heard++;
    p->last = *m;
    memset(p->game, 0, sizeof p->game);
    if (m->game.n)
        memcpy(p->game, m->game.p, m->game.n);
}

static int begin(struct kit *k, struct process *p, struct span node)
{
    p->log = (struct log){LOG_DEBUG, emit};
    metrics_init(&p->metrics);
    struct cluster_cfg cfg = {k->cache, node, &p->log, &p->metrics};
    return cluster_create(&p->cluster, &cfg);
}

static void open(struct kit *k)
{
    memset(k, 0, sizeof *k);
    fixture_loop_init(&k->l);
    entropy_init(&k->entropy, fill);
    struct cache_memory_cfg cfg = {&k->l.loop, &k->entropy, 0, 0, 0};
    assert_int_equal(cache_memory_create(&k->memory, &cfg), 0);
    k->cache = cache_memory_port(k->memory);
    assert_int_equal(begin(k, &k->a, SPAN_LIT("a")), 0);
    assert_int_equal(begin(k, &k->b, SPAN_LIT("b")), 0);
    assert_int_equal(cluster_listen(k->a.cluster, on_message, &k->a), 0);
    assert_int_equal(cluster_listen(k->b.cluster, on_message, &k->b), 0);
}

static void shut(struct kit *k)
{
    cache_memory_close(k->memory);
    cluster_destroy(k->a.cluster);
    cluster_destroy(k->b.cluster);
    metrics_fini(&k->a.metrics);
    metrics_fini(&k->b.metrics);
    cache_memory_destroy(k->memory);
    assert_int_equal(k->l.open, 0);
}

static void the_others_hear_and_oneself_does_not(void **state)
{
    struct kit k;
    (void)state;
    open(&k);
    struct cluster_message m = {CLUSTER_SIGNED_IN, INT64_MAX, SPAN_LIT("game")};
    cluster_tell(k.a.cluster, k.l.now, &m);
    assert_int_equal(k.b.heard, 0);
    fixture_loop_run(&k.l, 0);
    assert_int_equal(k.a.heard, 0);
    assert_int_equal(k.b.heard, 1);
    assert_int_equal(k.b.last.kind, CLUSTER_SIGNED_IN);
    assert_true(k.b.last.id == INT64_MAX);
    assert_string_equal(k.b.game, "game");
    m = (struct cluster_message){CLUSTER_BAN_ADDED, 1, SPAN_NULL};
    cluster_tell(k.b.cluster, k.l.now, &m);
    fixture_loop_run(&k.l, 0);
    assert_int_equal(k.a.heard, 1);
    assert_int_equal(k.a.last.game.n, 0);
    cluster_tell(NULL, k.l.now, &m);
    /* sent, lost, taken, own, malformed */
    const uint64_t counts[] = {1, 0, 1, 1, 0};
    assert_memory_equal(k.a.metrics.values, counts, sizeof counts);
    shut(&k);
}

static void what_cannot_be_sent_is_counted(void **state)
{
    struct kit k;
    uint8_t longer[CLUSTER_GAME_MAX + 1] = {'x'};
    (void)state;
    open(&k);
    struct cluster_message m = {CLUSTER_SIGNED_OUT, 1, span_of(longer, sizeof longer)};
    cluster_tell(k.a.cluster, k.l.now, &m);
    cache_memory_close(k.memory);
    m.game.n--;
    cluster_tell(k.a.cluster, k.l.now, &m);
    assert_int_equal(k.a.metrics.values[1], 2);
    shut(&k);
}

static void publish(struct kit *k, struct span bytes)
{
    struct cache_ask ask = {CACHE_PUBLISH, .key = SPAN_LIT("cluster"), .value = bytes};
    assert_int_equal(cache_submit(k->cache, &ask, (struct cache_owner){NULL, NULL, 0}), 0);
    fixture_loop_run(&k->l, 0);
}

static void nonsense_is_counted_and_told_once(void **state)
{
    struct kit k;
    (void)state;
    open(&k);
    publish(&k, SPAN_LIT(""));
    publish(&k, SPAN_LIT("hello"));
    assert_int_equal(k.b.heard, 0);
    assert_int_equal(k.b.metrics.values[4], 2);
    assert_int_equal(k.b.logged, 1);
    shut(&k);
}

static void listeners_have_a_ceiling(void **state)
{
    struct kit k;
    (void)state;
    open(&k);
    for (unsigned i = 1; i < CLUSTER_LISTENERS_MAX; i++)
        assert_int_equal(cluster_listen(k.a.cluster, on_message, &k.a), 0);
    assert_int_equal(cluster_listen(k.a.cluster, on_message, &k.a), E_FULL);
    struct cluster_message m = {CLUSTER_BAN_REMOVED, 3, SPAN_NULL};
    cluster_tell(k.b.cluster, k.l.now, &m);
    fixture_loop_run(&k.l, 0);
    assert_int_equal(k.a.heard, CLUSTER_LISTENERS_MAX);
    shut(&k);
}

static void a_node_has_a_name(void **state)
{
    struct kit k;
    struct process p = {0};
    uint8_t name[NODE_MAX + 1] = {'x'};
    (void)state;
    open(&k);
    assert_int_equal(begin(&k, &p, SPAN_NULL), E_RANGE);
    assert_int_equal(begin(&k, &p, span_of(name, sizeof name)), E_RANGE);
    assert_int_equal(begin(&k, &p, span_of(name, NODE_MAX)), 0);
    cache_memory_close(k.memory);
    cluster_destroy(p.cluster);
    metrics_fini(&p.metrics);
    shut(&k);
}

/* Bytes as the header has them, by hand. */
static void bytes(void **state)
{
    static const uint8_t good[] = {1, 4, 0, 0, 0, 0, 0, 0, 1, 2, 1, 'n', 2, 'g', 'h'};
    uint8_t to[CLUSTER_BYTES_MAX], cut[sizeof good + 1];
    struct cluster_message m = {CLUSTER_SIGNED_IN, 258, SPAN_LIT("gh")}, got;
    struct span node;
    (void)state;
    assert_int_equal(cluster_encode(&m, SPAN_LIT("n"), to), sizeof good);
    assert_memory_equal(to, good, sizeof good);
    assert_int_equal(cluster_decode(span_of(good, sizeof good), &got, &node), 0);
    assert_true(got.id == 258 && span_eq(node, SPAN_LIT("n")) && span_eq(got.game, SPAN_LIT("gh")));
    for (size_t n = 0; n < sizeof good; n++)
        assert_int_equal(cluster_decode(span_of(good, n), &got, &node), E_FORMAT);
    memcpy(cut, good, sizeof good);
    cut[sizeof good] = 0;
    assert_int_equal(cluster_decode(span_of(cut, sizeof cut), &got, &node), E_FORMAT);
    const struct {
        size_t at;
        uint8_t byte;
        int rc;
    } bad[] = {{0, 0, E_SUPPORT},   {0, 2, E_SUPPORT}, {1, CLUSTER_KINDS_N, E_SUPPORT},
               {2, 0x80, E_FORMAT}, {10, 0, E_FORMAT}, {10, 255, E_FORMAT},
               {12, 3, E_FORMAT},   {12, 1, E_FORMAT}};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        memcpy(cut, good, sizeof good);
        cut[bad[i].at] = bad[i].byte;
        assert_int_equal(cluster_decode(span_of(cut, sizeof good), &got, &node), bad[i].rc);
    }
    memcpy(cut, good, sizeof good);
    cut[8] = cut[9] = 0;
    assert_int_equal(cluster_decode(span_of(cut, sizeof good), &got, &node), E_FORMAT);
}

static void bytes_at_their_limits(void **state)
{
    uint8_t to[CLUSTER_BYTES_MAX], name[NODE_MAX + 1];
    struct cluster_message m = {CLUSTER_BAN_ADDED, 1, span_of(name, CLUSTER_GAME_MAX)}, got;
    struct span node;
    (void)state;
    memset(name, 'x', sizeof name);
    assert_int_equal(cluster_encode(&m, span_of(name, NODE_MAX), to), CLUSTER_BYTES_MAX);
    assert_int_equal(cluster_decode(span_of(to, sizeof to), &got, &node), 0);
    assert_int_equal(cluster_encode(&m, span_of(name, NODE_MAX + 1), to), E_RANGE);
    assert_int_equal(cluster_encode(&m, SPAN_NULL, to), E_RANGE);
    m.game.n++;
    assert_int_equal(cluster_encode(&m, SPAN_LIT("n"), to), E_RANGE);
    m.game.n = 0;
    m.id = 0;
    assert_int_equal(cluster_encode(&m, SPAN_LIT("n"), to), E_RANGE);
    m.id = 1;
    m.kind = CLUSTER_KINDS_N;
    assert_int_equal(cluster_encode(&m, SPAN_LIT("n"), to), E_RANGE);
}

/* A cache that only says how it is. */
static struct cache_listener link_listener;

static int take_listener(struct cache *c, struct span channel, const struct cache_listener *l)
{
    (void)c;
    (void)channel;
    link_listener = *l;
    return 0;
}

static void what_was_missed_is_to_be_looked_up(void **state)
{
    static const struct cache_ops ops = {.listen = take_listener};
    struct cache cache = {&ops};
    struct kit k = {.cache = &cache};
    (void)state;
    fixture_loop_init(&k.l);
    assert_int_equal(begin(&k, &k.a, SPAN_LIT("a")), 0);
    assert_int_equal(cluster_listen(k.a.cluster, on_message, &k.a), 0);
    link_listener.state(link_listener.ctx, k.l.now, false);
    assert_int_equal(k.a.heard, 0);
    link_listener.state(link_listener.ctx, k.l.now, true);
    assert_int_equal(k.a.heard, 1);
    assert_int_equal(k.a.last.kind, CLUSTER_GAP);
    cluster_destroy(k.a.cluster);
    metrics_fini(&k.a.metrics);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_others_hear_and_oneself_does_not),
        cmocka_unit_test(what_cannot_be_sent_is_counted),
        cmocka_unit_test(nonsense_is_counted_and_told_once),
        cmocka_unit_test(listeners_have_a_ceiling),
        cmocka_unit_test(a_node_has_a_name),
        cmocka_unit_test(bytes),
        cmocka_unit_test(bytes_at_their_limits),
        cmocka_unit_test(what_was_missed_is_to_be_looked_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
