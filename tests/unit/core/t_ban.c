/* The list of bans: what matches, which of several, expiry, order, ceilings, and a long random life
 * beside a plain list. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/rng.h"
#include "core/ban.h"
#include "sim/alloc_fault.h"

#include <stdio.h>

#define T0 INT64_C(1700000000000)

static const uint64_t seed[2] = {1, 2};

static struct addr addr(const char *text)
{
    struct addr a;
    assert_int_equal(addr_parse(&a, text), 0);
    return a;
}

static struct ban ban(int64_t id, const char *net, const char *game, int64_t expires)
{
    struct ban b = {.id = id, .created = T0, .expires = expires, .author = SPAN_LIT("mary")};
    if (ban_net_parse(&b, net))
        fail_msg("%s is no network", net);
    b.game = span_str(game);
    return b;
}

static struct ban ban_account(int64_t id, int64_t account, const char *game, int64_t expires)
{
    return (struct ban){.id = id,
                        .account = account,
                        .created = T0,
                        .expires = expires,
                        .game = span_str(game),
                        .author = SPAN_LIT("mary")};
}

static struct bans *list(void)
{
    struct bans *b;
    assert_int_equal(bans_create(&b, seed), 0);
    return b;
}

/* Adds or fails the test; under torture the list is freed first, so that nothing leaks. */
static void add(struct bans *b, struct ban ban)
{
    int rc = bans_add(b, &ban);
    if (rc)
        bans_destroy(b);
    assert_int_equal(rc, 0);
}

static int64_t id_of(const struct ban *b)
{
    return b ? b->id : 0;
}

static int64_t who(const struct bans *b, const char *text, const char *game)
{
    struct addr a = addr(text);
    return id_of(bans_match_addr(b, &a, span_str(game), T0));
}

static int64_t whose(const struct bans *b, int64_t account, const char *game)
{
    return id_of(bans_match_account(b, account, span_str(game), T0));
}

static void what_matches(void **state)
{
    (void)state;
    static const struct {
        const char *net, *who;
        bool hit;
    } rows[] = {
        {"203.0.113.7", "203.0.113.7", true},
        {"203.0.113.7", "203.0.113.6", false},
        {"203.0.113.7", "::ffff:203.0.113.7", true},
        {"::ffff:203.0.113.7", "203.0.113.7", true},
        {"203.0.113.7/32", "203.0.113.7", true},
        {"203.0.113.0/24", "203.0.113.255", true},
        {"203.0.113.0/24", "203.0.114.0", false},
        {"203.0.112.0/23", "203.0.113.1", true},
        {"203.0.112.0/23", "203.0.114.1", false},
        {"::ffff:203.0.113.0/120", "203.0.113.9", true},
        {"10.0.0.0/8", "10.255.255.255", true},
        {"10.0.0.0/8", "11.0.0.0", false},
        {"0.0.0.0/0", "8.8.8.8", true},
        {"0.0.0.0/0", "2001:db8::1", false},
        {"::/0", "2001:db8::1", true},
        {"::/0", "8.8.8.8", false},
        {"::/80", "8.8.8.8", false},
        {"::ffff:0:0/96", "8.8.8.8", true},
        {"2001:db8::/32", "2001:db8:ffff::1", true},
        {"2001:db8::/32", "2001:db9::1", false},
        {"2001:db8:8000::/33", "2001:db8:7fff::1", false},
        {"2001:db8:8000::/33", "2001:db8:8000::1", true},
        {"2001:db8::1", "2001:db8::1", true},
        {"2001:db8::1", "2001:db8::2", false},
        {"2001:db8::2/127", "2001:db8::3", true},
        {"127.0.0.0/8", "::1", true},
        {"::1", "127.0.0.1", true},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct bans *b = list();
        struct ban one = ban(5, rows[i].net, "", 0);
        struct addr a = addr(rows[i].who);
        add(b, one);
        if (who(b, rows[i].who, "arena") != (rows[i].hit ? 5 : 0) ||
            ban_covers(&one, 0, &a, SPAN_NULL) != rows[i].hit)
            fail_msg("%s and %s", rows[i].net, rows[i].who);
        assert_int_equal(bans_remove(b, 5), 0);
        assert_int_equal(who(b, rows[i].who, "arena"), 0);
        bans_destroy(b);
    }
}

static void what_is_no_network(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",
        "x",
        "1.2.3",
        "1.2.3.4/33",
        "1.2.3.4/",
        "1.2.3.4/-1",
        "1.2.3.4/8",
        "1.2.3.0/08",
        "1.2.3.0/ 24",
        "1.2.3.0/2x",
        "2001:db9::/31",
        "::1/64",
        "::1/127",
        "::/129",
        "::/99999999999999999999",
        "::ffff:0:0/95",
        "1.2.3.0/24/24",
        "fe80::1%2",
        "2001:db8::1/127",
        "::ffff:1.2.3.0/23",
        "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000"};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct ban b = {.id = 9, .bits = 77};
        if (ban_net_parse(&b, rows[i]) != E_FORMAT)
            fail_msg("\"%s\" was taken", rows[i]);
        assert_true(b.id == 9 && b.bits == 77);
    }
}

static void networks_are_written_as_read(void **state)
{
    (void)state;
    static const char *const rows[] = {"203.0.113.7",   "203.0.113.0/24", "0.0.0.0/0",
                                       "2001:db8::/32", "2001:db8::1",    "::/0",
                                       "::/96",         "128.0.0.0/1"};
    char text[BAN_NET_TEXT_MAX];
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct ban b = ban(1, rows[i], "", 0);
        assert_string_equal(ban_net_text(&b, text), rows[i]);
    }
}

static void too_many_only_by_force(void **state)
{
    (void)state;
    static const struct {
        const char *net;
        bool fine;
    } rows[] = {
        {"10.0.0.0/8", true},  {"10.0.0.0/7", false},  {"0.0.0.0/0", false},
        {"2001::/16", true},   {"2000::/15", false},   {"::/0", false},
        {"127.0.0.1", false},  {"127.0.0.0/8", false}, {"127.1.2.0/24", false},
        {"126.0.0.0/8", true}, {"128.0.0.0/8", true},  {"::1", false},
        {"::/127", false},     {"::2/127", true},      {"::/16", false},
        {"1::/16", true},      {"64.0.0.0/2", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *field;
        struct ban b = ban(1, rows[i].net, "", 0);
        if ((ban_wrong(&b, false, &field) == NULL) != rows[i].fine)
            fail_msg("%s", rows[i].net);
        assert_string_equal(field, rows[i].fine    ? "expires"
                                   : b.bits == 128 ? "address"
                                                   : "network");
        assert_null(ban_wrong(&b, true, &field));
    }
}

static void wrong(struct ban b, const char *want)
{
    const char *field = "";
    struct bans *l = list();
    int rc = bans_add(l, &b);
    bans_destroy(l);
    assert_int_equal(rc, want ? E_RANGE : 0);
    assert_true((ban_wrong(&b, true, &field) != NULL) == (want != NULL));
    if (want)
        assert_string_equal(field, want);
}

static void fields_at_and_beyond_their_limits(void **state)
{
    (void)state;
    static char x[257];
    memset(x, 'x', 256);
    const struct ban good = ban_account(1, 7, "arena", T0 + 1);
    struct {
        struct ban b;
        struct span *text;
        size_t max;
        const char *field;
    } t = {.b = good};
    wrong(good, NULL);
    const struct {
        size_t at, max;
        const char *field;
    } rows[] = {{offsetof(struct ban, game), BAN_GAME_MAX, "game"},
                {offsetof(struct ban, reason), BAN_REASON_MAX, "reason"},
                {offsetof(struct ban, author), BAN_AUTHOR_MAX, "author"},
                {offsetof(struct ban, evidence), BAN_EVIDENCE_MAX, "evidence"}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        t.b = good;
        t.text = (struct span *)(void *)((char *)&t.b + rows[i].at);
        *t.text = span_of(x, rows[i].max);
        wrong(t.b, NULL);
        *t.text = span_of(x, rows[i].max + 1);
        wrong(t.b, rows[i].field);
        *t.text = SPAN_LIT("a\nb");
        wrong(t.b, rows[i].field);
        *t.text = SPAN_LIT("\xff");
        wrong(t.b, rows[i].field);
        *t.text = SPAN_NULL;
        wrong(t.b, i == 2 ? "author" : NULL);
    }
    t.b = good;
    t.b.game = SPAN_LIT("Arena");
    wrong(t.b, "game");
    t.b = good;
    t.b.account = 0;
    wrong(t.b, "account");
    t.b = good;
    t.b.created = -1;
    wrong(t.b, "created");
    t.b = good;
    t.b.expires = t.b.created;
    wrong(t.b, "expires");
    t.b = good;
    t.b.expires = -1;
    wrong(t.b, "expires");
    t.b = ban(1, "10.0.0.0/8", "", 0);
    t.b.ip[15] = 1;
    wrong(t.b, "network");
    t.b.bits = 129;
    wrong(t.b, "network");
}

static void the_most_specific_then_the_longest(void **state)
{
    (void)state;
    struct bans *b = list();
    add(b, ban(1, "203.0.0.0/16", "", 0));
    add(b, ban(2, "203.0.113.0/24", "", T0 + 5));
    add(b, ban(3, "203.0.113.0/24", "", T0 + 9));
    add(b, ban(4, "203.0.113.0/24", "", T0 + 9));
    add(b, ban(5, "203.0.113.0/24", "arena", T0 + 8));
    assert_int_equal(who(b, "203.0.113.1", ""), 3);
    assert_int_equal(who(b, "203.0.113.1", "arena"), 3);
    add(b, ban(6, "203.0.113.0/24", "arena", T0 + 9));
    assert_int_equal(who(b, "203.0.113.1", "arena"), 6); /* of one game before that of all */
    assert_int_equal(who(b, "203.0.113.1", "world"), 3);
    add(b, ban(7, "203.0.113.0/24", "", 0));
    assert_int_equal(who(b, "203.0.113.1", "arena"), 7); /* permanent is longest */
    add(b, ban(8, "203.0.113.1", "", T0 + 1));
    assert_int_equal(who(b, "203.0.113.1", "arena"), 8);
    assert_int_equal(who(b, "203.0.112.1", "arena"), 1);
    struct addr a = addr("203.0.113.1");
    assert_int_equal(id_of(bans_match_addr(b, &a, SPAN_NULL, T0 + 1)), 7); /* 8 has expired */
    for (int64_t id = 3; id <= 8; id++)
        assert_int_equal(bans_remove(b, id), 0);
    assert_int_equal(who(b, "203.0.113.1", "arena"), 2);
    assert_int_equal(id_of(bans_match_addr(b, &a, SPAN_NULL, T0 + 5)), 1);
    bans_destroy(b);
}

static void accounts_and_games(void **state)
{
    (void)state;
    struct bans *b = list();
    static char longer[BAN_GAME_MAX + 2];
    memset(longer, 'x', BAN_GAME_MAX + 1);
    add(b, ban_account(1, 7, "arena", 0));
    add(b, ban_account(2, 8, "", T0 + 1));
    assert_int_equal(whose(b, 7, "arena"), 1);
    assert_int_equal(whose(b, 7, "aren"), 0);
    assert_int_equal(whose(b, 7, ""), 0);
    assert_int_equal(whose(b, 7, longer), 0);
    assert_int_equal(whose(b, 8, longer), 2);
    assert_int_equal(whose(b, 8, ""), 2);
    assert_int_equal(whose(b, 0, "arena"), 0);
    assert_null(bans_match_account(b, 8, SPAN_NULL, T0 + 1));
    assert_true(ban_covers(bans_get(b, 1), 7, NULL, SPAN_LIT("arena")));
    assert_false(ban_covers(bans_get(b, 1), 7, NULL, SPAN_LIT("world")));
    assert_false(ban_covers(bans_get(b, 1), 8, NULL, SPAN_LIT("arena")));
    struct ban again = ban_account(2, 9, "", 0);
    assert_int_equal(bans_add(b, &again), E_EXISTS);
    again.id = 0;
    assert_int_equal(bans_add(b, &again), E_RANGE);
    assert_int_equal(bans_remove(b, 3), E_NOENT);
    assert_null(bans_get(b, 3));
    assert_int_equal(bans_live(b), 2);
    bans_destroy(b);
    bans_destroy(NULL);
}

static void expired_ones_are_reported(void **state)
{
    (void)state;
    struct bans *b = list();
    struct now now = {.mono = 50 * NSEC_PER_S, .unix_ms = T0};
    assert_true(bans_deadline(b, now) == NSEC_NEVER);
    add(b, ban(1, "203.0.113.1", "", 0));
    assert_true(bans_deadline(b, now) == NSEC_NEVER);
    add(b, ban(2, "203.0.113.2", "", INT64_MAX));
    assert_true(bans_deadline(b, now) == now.mono + BANS_LOOK_AGAIN);
    add(b, ban(3, "203.0.113.3", "", T0 + 20));
    add(b, ban_account(4, 4, "arena", T0 + 10));
    assert_true(bans_deadline(b, now) == now.mono + 10 * NSEC_PER_MS);
    now.unix_ms += 9;
    assert_null(bans_expired(b, now));
    now.unix_ms++;
    assert_true(bans_deadline(b, now) == now.mono);
    const struct ban *gone = bans_expired(b, now);
    assert_int_equal(id_of(gone), 4);
    assert_true(span_eq(gone->game, SPAN_LIT("arena")));
    assert_null(bans_expired(b, now));
    assert_null(bans_get(b, 4));
    now.unix_ms = -5; /* a clock without a battery */
    assert_null(bans_expired(b, now));
    assert_true(bans_deadline(b, now) == now.mono + BANS_LOOK_AGAIN);
    now.unix_ms = INT64_MAX;
    assert_int_equal(id_of(bans_expired(b, now)), 3);
    assert_int_equal(id_of(bans_expired(b, now)), 2);
    assert_null(bans_expired(b, now));
    assert_int_equal(bans_live(b), 1);
    bans_destroy(b);
}

static void listed_in_order_of_creation(void **state)
{
    (void)state;
    struct bans *b = list();
    static const int order[] = {5, 1, 4, 9, 2, 8, 3, 7, 6};
    assert_null(bans_next(b, NULL));
    for (size_t i = 0; i < ARRAY_LEN(order); i++) {
        struct ban one = ban_account(order[i], 1, "", 0);
        one.created = T0 - order[i] / 4 * 100; /* 9 8, 7 6 5 4, 3 2 1 by falling age */
        add(b, one);
    }
    static const int want[] = {8, 9, 4, 5, 6, 7, 1, 2, 3};
    const struct ban *at = NULL;
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        at = bans_next(b, at);
        assert_int_equal(id_of(at), want[i]);
    }
    assert_null(bans_next(b, at));
    bans_destroy(b);
}

static void a_reload_replaces_all(void **state)
{
    (void)state;
    struct bans *b = list();
    add(b, ban(1, "203.0.113.1", "", T0 + 1));
    assert_int_equal(id_of(bans_expired(b, (struct now){0, T0 + 1})), 1);
    add(b, ban(2, "203.0.113.2", "", 0));
    for (int times = 0; times < 2; times++) {
        struct bans *with;
        int rc = bans_create(&with, seed);
        if (rc)
            bans_destroy(b);
        assert_int_equal(rc, 0);
        struct ban three = ban(3, "203.0.113.3", "", T0 + 1);
        rc = times ? 0 : bans_add(with, &three);
        bans_replace(b, with);
        if (rc)
            bans_destroy(b);
        assert_int_equal(rc, 0);
        assert_int_equal(who(b, "203.0.113.2", ""), 0);
        assert_int_equal(who(b, "203.0.113.3", ""), times ? 0 : 3);
        assert_int_equal(bans_live(b), !times);
        assert_int_equal(id_of(bans_next(b, NULL)), times ? 0 : 3);
    }
    add(b, ban(4, "203.0.113.4", "", 0));
    assert_int_equal(id_of(bans_next(b, NULL)), 4);
    bans_destroy(b);
}

static void short_memory_changes_nothing(void **state)
{
    (void)state;
    struct bans *b;
    alloc_fault_at(1);
    assert_int_equal(bans_create(&b, seed), E_NOMEM);
    alloc_fault_at(0);
    b = list();
    add(b, ban(1, "203.0.113.0/24", "", 0));
    long before = alloc_live_blocks();
    struct ban two = ban(2, "203.0.0.0/16", "arena", T0 + 5);
    unsigned long nth = 1;
    for (;; nth++) {
        alloc_fault_at(nth);
        int rc = bans_add(b, &two);
        alloc_fault_at(0);
        if (rc == 0)
            break;
        assert_int_equal(rc, E_NOMEM);
        assert_int_equal(alloc_live_blocks(), before);
        assert_int_equal(bans_live(b), 1);
        assert_int_equal(who(b, "203.0.7.1", "arena"), 0);
        assert_true(bans_deadline(b, (struct now){0, T0}) == NSEC_NEVER);
    }
    assert_true(nth > 2);
    assert_int_equal(who(b, "203.0.7.1", "arena"), 2);
    alloc_fault_from(1); /* matching and taking out need none */
    assert_int_equal(who(b, "203.0.113.1", "arena"), 1);
    assert_int_equal(bans_remove(b, 1), 0);
    assert_int_equal(who(b, "203.0.113.1", "arena"), 2);
    assert_int_equal(bans_remove(b, 2), 0);
    alloc_fault_at(0);
    bans_destroy(b);
}

/* Many on one address, and all sorts: the ceiling, and none of it takes long. */
static void at_the_ceiling(void **state)
{
    (void)state;
    long start = alloc_live_bytes();
    struct bans *b = list();
    for (uint32_t i = 1; i <= BANS_MAX; i++) {
        struct ban one = ban_account(i, i, "", 0);
        one.created = T0 - i; /* the wrong way round */
        one.expires = i % 2 ? T0 + i : 0;
        if (i % 4) {
            one.kind = BAN_NET;
            one.bits = 128;
            uint8_t ip[4] = {9, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i};
            memcpy(one.ip, addr_v4(i % 4 == 1 ? (uint8_t[]){7, 7, 7, 7} : ip, 0).ip, 16);
        }
        add(b, one);
    }
    struct ban more = ban(BANS_MAX + 1, "8.8.8.8", "", 0);
    assert_int_equal(bans_add(b, &more), E_FULL);
    assert_int_equal(bans_live(b), BANS_MAX);
    assert_int_equal(who(b, "7.7.7.7", ""), BANS_MAX - 3); /* the longest of 16,384 */
    assert_int_equal(who(b, "9.0.255.254", "arena"), BANS_MAX - 2);
    assert_int_equal(whose(b, BANS_MAX, ""), BANS_MAX);
    assert_int_equal(who(b, "8.8.8.8", ""), 0);
    const struct ban *at = NULL;
    for (uint32_t i = BANS_MAX; i > 0; i--)
        if (id_of(at = bans_next(b, at)) != i)
            fail_msg("%u is not in its place", i);
    assert_null(bans_next(b, at));
    for (uint32_t i = 1; i <= BANS_MAX; i += 2)
        if (id_of(bans_expired(b, (struct now){0, T0 + i})) != i)
            fail_msg("%u did not expire", i);
    assert_int_equal(who(b, "7.7.7.7", ""), 0);
    assert_int_equal(bans_add(b, &more), 0);
    for (uint32_t i = 2; i <= BANS_MAX; i += 2)
        assert_int_equal(bans_remove(b, i), 0);
    assert_int_equal(bans_live(b), 1);
    bans_destroy(b);
    assert_int_equal(alloc_live_bytes(), start);
}

/* A plain list, in the order of adding. */

#define MODEL_MAX 96u

struct model {
    struct ban bans[MODEL_MAX];
    uint32_t n;
};

static const char *const games[] = {"", "arena", "world"};

static bool lasts_longer(const struct ban *a, const struct ban *b)
{
    if (a->expires != b->expires)
        return a->expires == 0 || (b->expires != 0 && a->expires > b->expires);
    return a->game.n && !b->game.n;
}

static int64_t model_match(const struct model *m, int64_t account, const struct addr *a,
                           struct span game, int64_t date)
{
    const struct ban *best = NULL;
    for (uint32_t i = 0; i < m->n; i++) {
        const struct ban *b = &m->bans[i];
        if (!ban_covers(b, account, a, game) || (b->expires && b->expires <= date))
            continue;
        if (!best || b->bits > best->bits || (b->bits == best->bits && lasts_longer(b, best)))
            best = b;
    }
    return id_of(best);
}

static int64_t model_drop(struct model *m, uint32_t i)
{
    int64_t id = m->bans[i].id;
    memmove(&m->bans[i], &m->bans[i + 1], (m->n - i - 1) * sizeof *m->bans);
    m->n--;
    return id;
}

static struct addr random_addr(struct rng *r)
{
    uint8_t ip[16] = {0x20, 1, [7] = (uint8_t)rng_below(r, 2), [15] = (uint8_t)rng_below(r, 4)};
    uint8_t v4[4] = {9, 0, (uint8_t)(rng_below(r, 2) * 128), (uint8_t)rng_below(r, 4)};
    return rng_below(r, 2) ? addr_v4(v4, 0) : addr_v6(ip, 0, 0);
}

static struct ban random_ban(struct rng *r, int64_t id, int64_t date)
{
    static const char *const nets[] = {"9.0.0.0/8",   "9.0.0.0/17", "9.0.128.0/17", "9.0.0.0/30",
                                       "0.0.0.0/0",   "::/0",       "2001::/16",    "2001::/64",
                                       "2001::2/127", "9.0.0.2/31"};
    struct ban b = ban_account(id, 1 + (int64_t)rng_below(r, 4), games[rng_below(r, 3)], 0);
    b.created = T0 - (int64_t)rng_below(r, 5);
    b.expires = rng_below(r, 3) ? date + 1 + (int64_t)rng_below(r, 20) : 0;
    if (rng_below(r, 3) == 0)
        return b;
    assert_int_equal(ban_net_parse(&b, nets[rng_below(r, ARRAY_LEN(nets))]), 0);
    if (rng_below(r, 2)) {
        struct addr a = random_addr(r);
        memcpy(b.ip, a.ip, 16);
        b.bits = 128;
    }
    return b;
}

static void compare(const struct model *m, struct bans *b, struct rng *r, int64_t date)
{
    for (int i = 0; i < 4; i++) {
        struct addr a = random_addr(r);
        struct span game = span_str(games[rng_below(r, 3)]);
        int64_t account = (int64_t)rng_below(r, 6);
        assert_int_equal(id_of(bans_match_addr(b, &a, game, date)),
                         model_match(m, 0, &a, game, date));
        assert_int_equal(id_of(bans_match_account(b, account, game, date)),
                         model_match(m, account, NULL, game, date));
    }
    assert_int_equal(bans_live(b), m->n);
}

static void expire(struct model *m, struct bans *b, int64_t date)
{
    const struct ban *gone;
    while ((gone = bans_expired(b, (struct now){0, date}))) {
        uint32_t i = 0;
        while (i < m->n && m->bans[i].id != gone->id)
            i++;
        assert_true(i < m->n && gone->expires && gone->expires <= date);
        (void)model_drop(m, i);
    }
    for (uint32_t i = 0; i < m->n; i++)
        assert_true(m->bans[i].expires == 0 || m->bans[i].expires > date);
}

static void compare_order(const struct model *m, struct bans *b)
{
    const struct ban *at = NULL, *last = NULL;
    uint32_t n = 0;
    for (; (at = bans_next(b, at)); last = at, n++)
        assert_true(!last || last->created < at->created ||
                    (last->created == at->created && last->id < at->id));
    assert_int_equal(n, m->n);
}

static void a_long_life_beside_a_plain_list(void **state)
{
    (void)state;
    static struct model m;
    struct rng r = {7};
    struct bans *b = list();
    int64_t date = T0;
    m.n = 0;
    for (int64_t step = 1; step <= 20000; step++) {
        uint64_t what = rng_below(&r, 100);
        if (what < 50 && m.n < MODEL_MAX) {
            m.bans[m.n] = random_ban(&r, step, date);
            add(b, m.bans[m.n++]);
        } else if (what < 75 && m.n) {
            assert_int_equal(bans_remove(b, model_drop(&m, (uint32_t)rng_below(&r, m.n))), 0);
        } else if (what < 90) {
            date += (int64_t)rng_below(&r, 4);
        } else if (what < 97) {
            expire(&m, b, date);
        } else {
            compare_order(&m, b);
        }
        compare(&m, b, &r, date);
    }
    bans_destroy(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_matches),
        cmocka_unit_test(what_is_no_network),
        cmocka_unit_test(networks_are_written_as_read),
        cmocka_unit_test(too_many_only_by_force),
        cmocka_unit_test(fields_at_and_beyond_their_limits),
        cmocka_unit_test(the_most_specific_then_the_longest),
        cmocka_unit_test(accounts_and_games),
        cmocka_unit_test(expired_ones_are_reported),
        cmocka_unit_test(listed_in_order_of_creation),
        cmocka_unit_test(a_reload_replaces_all),
        cmocka_unit_test(short_memory_changes_nothing),
        cmocka_unit_test(at_the_ceiling),
        cmocka_unit_test(a_long_life_beside_a_plain_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
