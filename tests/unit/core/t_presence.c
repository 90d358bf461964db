/* Who is signed in where: three processes over one cache, on a clock of the test's. The cache is
 * the one in memory behind a switch, so that each of them can lose it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/rng.h"
#include "core/cache_memory.h"
#include "core/presence.h"
#include "core/presence_wire.h"
#include "fixture_loop.h"

#include <stdio.h>

#define GAME    SPAN_LIT("game")
#define NODES   3
#define ACCOUNT 42
#define ASKED   99 /* not yet answered */

static void fill(struct entropy *e, void *to, size_t n)
{
    (void)e;
    memset(to, 7, n);
}

static void emit(struct log *log, const struct log_row *row, const struct log_field *f, size_t n)
{
    (void)log;
    (void)row;
    (void)f;
    (void)n;
}

struct kit;

struct process {
    struct cache link; /* to the cache, when it is not cut */
    bool cut;
    int broken; /* instead of the next so many answers of the cache: E_TIMEOUT */
    struct cache_listener ears[CACHE_LISTENERS_MAX];
    unsigned ears_n;
    struct kit *kit;
    struct metrics metrics;
    struct cluster *cluster;
    struct presence *presence;
    unsigned lost;
    int64_t lost_account;
    char lost_game[CLUSTER_GAME_MAX + 1];
    bool obedient; /* its sessions release what was lost */
    bool session;
    bool inside;
};

struct kit {
    struct fixture_loop l;
    struct entropy entropy;
    struct log log;
    struct cache_memory *memory;
    struct process p[NODES];
};

struct relayed {
    struct process *p;
    struct cache_owner owner;
};

/* An answer on its way through the switch. */
static void relay(void *ctx, struct now now, const struct cache_answer *a)
{
    struct relayed *r = ctx;
    struct cache_answer b = *a;
    if (r->p->cut || r->p->broken > 0) {
        b.rc = r->p->cut ? E_IO : E_TIMEOUT;
        b.value = SPAN_NULL;
        r->p->broken -= r->p->broken > 0;
    }
    if (r->owner.answer)
        r->owner.answer(r->owner.ctx, now, &b);
    mem_free(r);
}

static int link_submit(struct cache *c, const struct cache_ask *ask, struct cache_owner owner)
{
    struct process *p = CONTAINER_OF(c, struct process, link);
    struct relayed *r = p->cut ? NULL : mem_zalloc(1, sizeof *r);
    if (!r)
        return p->cut ? E_IO : E_NOMEM;
    *r = (struct relayed){p, owner};
    int rc = cache_submit(cache_memory_port(p->kit->memory), ask,
                          (struct cache_owner){relay, r, owner.req});
    if (rc)
        mem_free(r);
    return rc;
}

static void link_message(void *ctx, struct now now, struct span value)
{
    struct process *p = ctx;
    for (unsigned i = 0; i < p->ears_n && !p->cut; i++)
        if (p->ears[i].message)
            p->ears[i].message(p->ears[i].ctx, now, value);
}

static int link_listen(struct cache *c, struct span channel, const struct cache_listener *l)
{
    struct process *p = CONTAINER_OF(c, struct process, link);
    struct cache_listener own = {.message = link_message, .ctx = p};
    if (channel.n && cache_listen(cache_memory_port(p->kit->memory), channel, &own))
        return E_FULL;
    p->ears[p->ears_n++] = *l;
    return 0;
}

static bool link_up(const struct cache *c)
{
    return !((const struct process *)(const void *)c)->cut;
}

static const struct cache_ops link_ops = {link_submit, link_listen, link_up};

static void cut(struct process *p, bool yes)
{
    p->cut = yes;
    for (unsigned i = 0; i < p->ears_n; i++)
        if (p->ears[i].state)
            p->ears[i].state(p->ears[i].ctx, p->kit->l.now, !yes);
}

static void on_answer(void *ctx, struct now now, const struct answer *a)
{
    int *rc = ctx;
    (void)now;
    assert_int_equal(*rc, ASKED);
    *rc = a->rc;
}

static struct ask claim_of(int64_t account, struct span game, bool replace, bool server)
{
    struct ask ask = {.kind = ASK_CLAIM};
    ask.u.claim.account = account;
    ask.u.claim.game = game;
    ask.u.claim.replace = replace;
    ask.u.claim.server = server;
    return ask;
}

static int submit(struct process *p, const struct ask *ask, int *rc)
{
    struct ask_port *port = presence_port(p->presence);
    *rc = ASKED;
    p->inside = true;
    int refused = port->submit(port, ask, (struct ask_owner){on_answer, rc, 5});
    p->inside = false;
    assert_int_equal(*rc, ASKED);
    return refused;
}

static void check(struct kit *k)
{
    struct buf why;
    buf_init(&why, 256);
    for (int i = 0; i < NODES; i++)
        if (k->p[i].presence && presence_check(k->p[i].presence, &why))
            fail_msg("%.*s", (int)why.n, (const char *)why.p);
    buf_fini(&why);
}

static void run(struct kit *k, nsec span)
{
    fixture_loop_run(&k->l, span);
    check(k);
}

/* Submits and waits. */
static int ask(struct process *p, struct ask a)
{
    int rc;
    int refused = submit(p, &a, &rc);
    if (refused)
        return refused;
    run(p->kit, 0);
    assert_int_not_equal(rc, ASKED);
    p->session |= rc == 0 && a.kind == ASK_CLAIM;
    return rc;
}

static int claim(struct process *p, bool replace)
{
    return ask(p, claim_of(ACCOUNT, GAME, replace, false));
}

static int release_of(struct process *p, int64_t account, struct span game)
{
    struct ask a = {.kind = ASK_RELEASE};
    a.u.release.account = account;
    a.u.release.game = game;
    p->session = false;
    return ask(p, a);
}

static int release(struct process *p)
{
    return release_of(p, ACCOUNT, GAME);
}

static void ignore(void *ctx, struct now now, const struct answer *a)
{
    (void)ctx;
    (void)now;
    assert_int_equal(a->rc, 0);
}

static void on_lost(void *ctx, struct now now, int64_t account, struct span game)
{
    struct process *p = ctx;
    (void)now;
    assert_false(p->inside);
    p->lost++;
    p->lost_account = account;
    (void)snprintf(p->lost_game, sizeof p->lost_game, "%.*s", (int)game.n, (const char *)game.p);
    if (!p->obedient)
        return;
    struct ask a = {.kind = ASK_RELEASE};
    a.u.release.account = account;
    a.u.release.game = GAME;
    struct ask_port *port = presence_port(p->presence);
    assert_int_equal(port->submit(port, &a, (struct ask_owner){ignore, NULL, 0}), 0);
    p->session = false;
}

static void begin(struct kit *k, int i, const char *node)
{
    struct process *p = &k->p[i];
    *p = (struct process){.link = {&link_ops}, .kit = k, .obedient = true};
    metrics_init(&p->metrics);
    struct cluster_cfg cluster = {&p->link, span_str(node), &k->log, &p->metrics};
    assert_int_equal(cluster_create(&p->cluster, &cluster), 0);
    struct presence_cfg cfg = {.loop = &k->l.loop,
                               .cache = &p->link,
                               .cluster = p->cluster,
                               .node = span_str(node),
                               .log = &k->log,
                               .metrics = &p->metrics,
                               .entropy = &k->entropy,
                               .claims_max = 8,
                               .lost = on_lost,
                               .ctx = p};
    assert_int_equal(presence_create(&p->presence, &cfg), 0);
}

static void open(struct kit *k)
{
    static const char *const nodes[NODES] = {"alpha", "beta", "gamma"};
    memset(k, 0, sizeof *k);
    fixture_loop_init(&k->l);
    entropy_init(&k->entropy, fill);
    k->log = (struct log){LOG_DEBUG, emit};
    struct cache_memory_cfg cfg = {&k->l.loop, &k->entropy, 0, 0, 0};
    assert_int_equal(cache_memory_create(&k->memory, &cfg), 0);
    for (int i = 0; i < NODES; i++)
        begin(k, i, nodes[i]);
}

static void shut(struct kit *k)
{
    for (int i = 0; i < NODES; i++)
        presence_close(k->p[i].presence);
    cache_memory_close(k->memory);
    for (int i = 0; i < NODES; i++) {
        presence_destroy(k->p[i].presence);
        cluster_destroy(k->p[i].cluster);
        metrics_fini(&k->p[i].metrics);
    }
    cache_memory_destroy(k->memory);
    assert_int_equal(k->l.open, 0);
}

/* What a key of the cache holds, by its node; "" for nothing. */
static char holder_text[NODE_MAX + 1];
static void on_get(void *ctx, struct now now, const struct cache_answer *a)
{
    struct holder h = {0, SPAN_NULL};
    (void)ctx;
    (void)now;
    if (a->rc == 0)
        assert_int_equal(holder_decode(a->value, &h), 0);
    (void)snprintf(holder_text, sizeof holder_text, "%.*s", (int)h.node.n,
                   h.node.n ? (const char *)h.node.p : "");
}

static const char *holder(struct kit *k, const char *key)
{
    struct cache_ask get = {CACHE_GET, .key = span_str(key)};
    holder_text[0] = '?';
    assert_int_equal(
        cache_submit(cache_memory_port(k->memory), &get, (struct cache_owner){on_get, NULL, 0}), 0);
    run(k, 0);
    return holder_text;
}

#define KEY "session:42:game"

static void where_it_may_not_be_replaced_the_second_is_refused(void **state)
{
    struct kit k;
    (void)state;
    open(&k);
    assert_int_equal(claim(&k.p[0], false), 0);
    assert_string_equal(holder(&k, KEY), "alpha");
    assert_int_equal(claim(&k.p[1], false), E_EXISTS);
    assert_int_equal(presence_claims(k.p[1].presence), 0);
    assert_int_equal(release(&k.p[0]), 0);
    assert_string_equal(holder(&k, KEY), "");
    assert_int_equal(claim(&k.p[1], false), 0);
    assert_int_equal(k.p[0].lost + k.p[1].lost, 0);
    shut(&k);
}

static void where_it_may_the_first_is_told(void **state)
{
    struct kit k;
    (void)state;
    open(&k);
    assert_int_equal(claim(&k.p[0], true), 0);
    assert_int_equal(claim(&k.p[1], true), 0);
    assert_string_equal(holder(&k, KEY), "beta");
    run(&k, 0);
    assert_int_equal(k.p[0].lost, 1);
    assert_int_equal(k.p[0].lost_account, ACCOUNT);
    assert_string_equal(k.p[0].lost_game, "game");
    assert_int_equal(presence_claims(k.p[0].presence), 0);
    assert_int_equal(k.p[1].lost, 0);
    run(&k, 60 * NSEC_PER_S);
    assert_int_equal(k.p[1].lost, 0);
    assert_string_equal(holder(&k, KEY), "beta");
    shut(&k);
}

/* The clock of the one that takes over is behind: it stays all the same. */
static void takeovers_do_not_swing_back(void **state)
{
    struct kit k;
    (void)state;
    open(&k);
    assert_int_equal(claim(&k.p[0], true), 0);
    k.l.now.unix_ms -= 5000;
    assert_int_equal(claim(&k.p[1], true), 0);
    run(&k, 30 * NSEC_PER_S);
    assert_int_equal(k.p[0].lost, 1);
    assert_int_equal(k.p[1].lost, 0);
    assert_string_equal(holder(&k, KEY), "beta");
    shut(&k);
}

static void claims_live_as_long_as_their_process(void **state)
{
    struct kit k;
    (void)state;
    open(&k);
    assert_int_equal(claim(&k.p[0], false), 0);
    run(&k, 120 * NSEC_PER_S);
    assert_int_equal(claim(&k.p[1], false), E_EXISTS);
    cut(&k.p[0], true); /* as good as dead */
    run(&k, 29 * NSEC_PER_S - PRESENCE_REFRESH);
    assert_int_equal(claim(&k.p[1], false), E_EXISTS);
    run(&k, 2 * NSEC_PER_S + PRESENCE_REFRESH);
    assert_int_equal(claim(&k.p[1], false), 0);
    shut(&k);
}

static void one_release_ends_it_however_often_it_was_claimed(void **state)
{
    struct kit k;
    (void)state;
    open(&k);
    assert_int_equal(claim(&k.p[0], true), 0);
    assert_int_equal(claim(&k.p[0], true), 0);
    assert_string_equal(holder(&k, KEY), "alpha");
    assert_int_equal(claim(&k.p[1], false), E_EXISTS);
    assert_int_equal(release(&k.p[0]), 0);
    assert_string_equal(holder(&k, KEY), "");
    assert_int_equal(release(&k.p[0]), 0); /* one too many does no harm */
    assert_int_equal(presence_claims(k.p[0].presence), 0);
    shut(&k);
}

/* Lost, claimed again before its sessions released it, and then released by them all. */
static void what_is_claimed_again_is_new(void **state)
{
    struct kit k;
    (void)state;
    open(&k);
    k.p[0].obedient = false;
    assert_int_equal(claim(&k.p[0], true), 0);
    assert_int_equal(claim(&k.p[1], true), 0);
    run(&k, 0);
    assert_int_equal(k.p[0].lost, 1);
    assert_int_equal(presence_claims(k.p[0].presence), 1);
    assert_int_equal(claim(&k.p[0], false), E_EXISTS);
    assert_int_equal(claim(&k.p[0], true), 0);
    run(&k, 0);
    assert_int_equal(k.p[1].lost, 1);
    assert_string_equal(holder(&k, KEY), "alpha");
    assert_int_equal(release(&k.p[0]), 0);
    assert_string_equal(holder(&k, KEY), "");
    shut(&k);
}

static void games_are_apart_and_a_server_is_one(void **state)
{
    struct kit k;
    (void)state;
    open(&k);
    assert_int_equal(ask(&k.p[0], claim_of(1, GAME, false, false)), 0);
    assert_int_equal(ask(&k.p[1], claim_of(1, SPAN_LIT("other"), false, false)), 0);
    assert_int_equal(ask(&k.p[0], claim_of(2, GAME, false, true)), 0);
    assert_string_equal(holder(&k, "session:2:*"), "alpha");
    assert_int_equal(ask(&k.p[1], claim_of(2, SPAN_LIT("other"), false, true)), E_EXISTS);
    /* Another game of the same process. */
    assert_int_equal(ask(&k.p[0], claim_of(2, SPAN_LIT("other"), false, true)), E_EXISTS);
    k.p[0].obedient = false;
    assert_int_equal(k.p[0].lost, 0);
    assert_int_equal(ask(&k.p[0], claim_of(2, SPAN_LIT("other"), true, true)), 0);
    assert_int_equal(k.p[0].lost, 1);
    assert_string_equal(k.p[0].lost_game, "game");
    assert_int_equal(release_of(&k.p[0], 2, GAME), 0); /* of the session that ended */
    assert_string_equal(holder(&k, "session:2:*"), "alpha");
    assert_int_equal(ask(&k.p[1], claim_of(2, GAME, true, true)), 0);
    run(&k, 0);
    assert_int_equal(k.p[0].lost, 2);
    assert_string_equal(k.p[0].lost_game, "");
    shut(&k);
}

/* A message may be lost, or come when the account is back already. */
static void what_the_cache_says_counts(void **state)
{
    struct kit k;
    (void)state;
    open(&k);
    assert_int_equal(claim(&k.p[0], true), 0);
    struct cluster_message late = {CLUSTER_SIGNED_IN, ACCOUNT, GAME};
    cluster_tell(k.p[1].cluster, k.l.now, &late);
    run(&k, NSEC_PER_S);
    assert_int_equal(k.p[0].lost, 0);
    /* Taken over while nobody listens. */
    k.p[0].cut = true;
    assert_int_equal(claim(&k.p[1], true), 0);
    run(&k, NSEC_PER_S);
    k.p[0].cut = false;
    run(&k, PRESENCE_REFRESH);
    assert_int_equal(k.p[0].lost, 1);
    assert_string_equal(holder(&k, KEY), "beta");
    shut(&k);
}

static void without_the_cache_each_decides_alone_and_the_newest_stays(void **state)
{
    struct kit k;
    (void)state;
    open(&k);
    cut(&k.p[0], true);
    cut(&k.p[1], true);
    assert_int_equal(claim(&k.p[0], false), 0);
    run(&k, NSEC_PER_S);
    assert_int_equal(claim(&k.p[1], false), 0);
    run(&k, 100 * NSEC_PER_S);
    cut(&k.p[1], false);
    run(&k, NSEC_PER_S);
    assert_string_equal(holder(&k, KEY), "beta");
    cut(&k.p[0], false);
    run(&k, NSEC_PER_S);
    assert_int_equal(k.p[0].lost, 1);
    assert_int_equal(k.p[1].lost, 0);
    shut(&k);
}

static void and_stays_when_the_older_was_there_first(void **state)
{
    struct kit k;
    (void)state;
    open(&k);
    assert_int_equal(claim(&k.p[0], false), 0);
    run(&k, NSEC_PER_S);
    cut(&k.p[1], true);
    assert_int_equal(claim(&k.p[1], false), 0);
    cut(&k.p[1], false);
    run(&k, NSEC_PER_S);
    assert_int_equal(k.p[0].lost, 1);
    assert_int_equal(k.p[1].lost, 0);
    assert_string_equal(holder(&k, KEY), "beta");
    shut(&k);
}

/* The cache did it and said so too late. */
static void an_answer_that_is_lost(void **state)
{
    struct kit k;
    (void)state;
    open(&k);
    k.p[0].broken = 1;
    assert_int_equal(claim(&k.p[0], false), 0);
    run(&k, 60 * NSEC_PER_S);
    assert_string_equal(holder(&k, KEY), "alpha");
    assert_int_equal(k.p[0].lost, 0);
    assert_int_equal(release(&k.p[0]), 0);
    assert_string_equal(holder(&k, KEY), "");
    shut(&k);
}

/* The same name again after a crash: what it left is its own. */
static void a_process_that_comes_back_under_its_name(void **state)
{
    struct kit k;
    (void)state;
    open(&k);
    assert_int_equal(claim(&k.p[0], false), 0);
    cut(&k.p[0], true);
    presence_close(k.p[0].presence);
    k.p[0].cut = false;
    struct presence *dead = k.p[0].presence;
    struct cluster *gone = k.p[0].cluster;
    metrics_fini(&k.p[0].metrics);
    begin(&k, 0, "alpha");
    assert_string_equal(holder(&k, KEY), "alpha");
    assert_int_equal(claim(&k.p[0], false), 0);
    assert_int_equal(claim(&k.p[1], false), E_EXISTS);
    shut(&k);
    presence_destroy(dead);
    cluster_destroy(gone);
}

static void put_raw(struct kit *k, const char *key, const char *value)
{
    struct cache_ask put = {CACHE_PUT, .key = span_str(key), .value = span_str(value),
                            .ttl_ms = 30000};
    assert_int_equal(
        cache_submit(cache_memory_port(k->memory), &put, (struct cache_owner){NULL, NULL, 0}), 0);
}

static void what_no_process_wrote_is_in_the_way_of_nobody_for_long(void **state)
{
    struct kit k;
    (void)state;
    open(&k);
    put_raw(&k, KEY, "nonsense");
    assert_int_equal(claim(&k.p[0], false), E_EXISTS);
    assert_int_equal(claim(&k.p[0], true), 0);
    assert_string_equal(holder(&k, KEY), "alpha");
    put_raw(&k, KEY, "nonsense");
    run(&k, PRESENCE_REFRESH);
    assert_string_equal(holder(&k, KEY), "alpha");
    /* The newest there can be. */
    put_raw(&k, KEY, "999999999999999 delta");
    assert_int_equal(claim(&k.p[1], true), 0);
    assert_string_equal(holder(&k, KEY), "beta");
    shut(&k);
}

static void asks_that_meet(void **state)
{
    struct kit k;
    int rc[4];
    struct ask a = claim_of(ACCOUNT, GAME, false, false);
    struct ask r = {.kind = ASK_RELEASE};
    (void)state;
    r.u.release.account = ACCOUNT;
    r.u.release.game = GAME;
    open(&k);
    assert_int_equal(submit(&k.p[0], &a, &rc[0]), 0);
    assert_int_equal(submit(&k.p[0], &a, &rc[1]), 0);
    assert_int_equal(submit(&k.p[1], &a, &rc[2]), 0);
    run(&k, 0);
    assert_int_equal(rc[0], 0);
    assert_int_equal(rc[1], 0);
    assert_int_equal(rc[2], E_EXISTS);
    /* Released while a refresh is on its way. */
    k.l.now.mono += PRESENCE_REFRESH;
    struct timer *t = timerq_pop(&k.l.timers, k.l.now.mono);
    CONTAINER_OF(t, struct loop_timer, t)->fn(CONTAINER_OF(t, struct loop_timer, t)->ctx, k.l.now);
    assert_int_equal(submit(&k.p[0], &r, &rc[0]), 0);
    assert_int_equal(submit(&k.p[0], &r, &rc[1]), 0);
    assert_int_equal(submit(&k.p[0], &a, &rc[3]), 0);
    run(&k, 0);
    assert_int_equal(rc[3], 0);
    assert_string_equal(holder(&k, KEY), "alpha");
    shut(&k);
}

static void ceilings(void **state)
{
    struct kit k;
    int rc[2];
    (void)state;
    open(&k);
    for (int i = 1; i <= 8; i++)
        assert_int_equal(ask(&k.p[0], claim_of(i, GAME, false, false)), 0);
    assert_int_equal(ask(&k.p[0], claim_of(9, GAME, false, false)), E_BUSY);
    assert_int_equal(release_of(&k.p[0], 3, GAME), 0);
    assert_int_equal(ask(&k.p[0], claim_of(9, GAME, false, false)), 0);
    /* Asks that nobody answers because the loop stands still. */
    struct ask again = claim_of(9, GAME, false, false);
    struct ask_port *port = presence_port(k.p[0].presence);
    unsigned n = 0;
    while (port->submit(port, &again, (struct ask_owner){ignore, NULL, 0}) == 0)
        n++;
    assert_int_equal(n, PRESENCE_ASKS_MAX);
    struct ask r = {.kind = ASK_RELEASE};
    r.u.release.account = 1;
    r.u.release.game = GAME;
    assert_int_equal(submit(&k.p[0], &r, &rc[0]), E_BUSY); /* done all the same */
    assert_int_equal(presence_claims(k.p[0].presence), 7);
    run(&k, 0);
    struct ask a = claim_of(1, GAME, false, false);
    assert_int_equal(submit(&k.p[0], &a, &rc[1]), 0);
    presence_close(k.p[0].presence);
    assert_int_equal(rc[1], E_BUSY);
    assert_int_equal(submit(&k.p[0], &a, &rc[1]), E_BUSY);
    run(&k, 0);
    assert_int_equal(ask(&k.p[1], claim_of(9, GAME, false, false)), 0); /* given up at once */
    shut(&k);
}

/* A long life of logins, cuts and lost answers on three processes; then calm: each account is
 * signed in on one process at most, and the cache says which. */
static void a_long_life(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct kit k;
        struct rng rng = {seed};
        open(&k);
        for (int step = 0; step < 300; step++) {
            struct process *p = &k.p[rng_below(&rng, NODES)];
            switch (rng_below(&rng, 8)) {
            case 0: cut(p, !p->cut); break;
            case 1: p->broken = 1; break;
            case 2:
            case 3:
                if (p->session)
                    assert_int_equal(release(p), 0);
                break;
            default: {
                int rc = claim(p, rng_below(&rng, 2));
                assert_true(rc == 0 || rc == E_EXISTS);
            }
            }
            run(&k, rng_below(&rng, 4 * NSEC_PER_S));
        }
        for (int i = 0; i < NODES; i++) {
            k.p[i].broken = 0;
            if (k.p[i].cut)
                cut(&k.p[i], false);
        }
        run(&k, 30 * NSEC_PER_S);
        unsigned living = 0;
        for (int i = 0; i < NODES; i++) {
            assert_int_equal(presence_claims(k.p[i].presence), k.p[i].session);
            living += k.p[i].session;
        }
        assert_in_range(living, 0, 1);
        const char *at = holder(&k, KEY);
        assert_int_equal(at[0] != '\0', living);
        shut(&k);
    }
}

static void holders(void **state)
{
    static const char *const bad[] = {"",
                                      " ",
                                      "1",
                                      "1 ",
                                      "0 n",
                                      "01 n",
                                      " n",
                                      "x n",
                                      "-1 n",
                                      "1\tn",
                                      "1000000000000000 n",
                                      "1 123456789012345678901234567890123"};
    struct holder h, older = {1, SPAN_LIT("b")}, newer = {2, SPAN_LIT("a")};
    uint8_t to[PRESENCE_HOLDER_MAX];
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(holder_decode(span_str(bad[i]), &h), E_FORMAT);
    assert_int_equal(
        holder_decode(SPAN_LIT("999999999999999 12345678901234567890123456789012"), &h), 0);
    assert_true(h.stamp == PRESENCE_STAMP_MAX);
    assert_int_equal(holder_encode(&h, to), PRESENCE_HOLDER_MAX);
    assert_true(holder_newer(&newer, &older) && !holder_newer(&older, &newer));
    older.stamp = 2;
    assert_true(holder_newer(&older, &newer) && !holder_newer(&newer, &older));
    newer.node = SPAN_LIT("bb");
    assert_true(holder_newer(&newer, &older) && !holder_newer(&newer, &newer));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(where_it_may_not_be_replaced_the_second_is_refused),
        cmocka_unit_test(where_it_may_the_first_is_told),
        cmocka_unit_test(takeovers_do_not_swing_back),
        cmocka_unit_test(claims_live_as_long_as_their_process),
        cmocka_unit_test(one_release_ends_it_however_often_it_was_claimed),
        cmocka_unit_test(what_is_claimed_again_is_new),
        cmocka_unit_test(games_are_apart_and_a_server_is_one),
        cmocka_unit_test(what_the_cache_says_counts),
        cmocka_unit_test(without_the_cache_each_decides_alone_and_the_newest_stays),
        cmocka_unit_test(and_stays_when_the_older_was_there_first),
        cmocka_unit_test(an_answer_that_is_lost),
        cmocka_unit_test(a_process_that_comes_back_under_its_name),
        cmocka_unit_test(what_no_process_wrote_is_in_the_way_of_nobody_for_long),
        cmocka_unit_test(asks_that_meet),
        cmocka_unit_test(ceilings),
        cmocka_unit_test(a_long_life),
        cmocka_unit_test(holders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
