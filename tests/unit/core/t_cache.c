/* The cache in memory: what each operation says, expiry, ceilings, and that answers come once, in
 * order, and never from within submit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/cache_memory.h"
#include "fixture_loop.h"

#include <stdio.h>

static void fill(struct entropy *e, void *to, size_t n)
{
    (void)e;
    memset(to, 7, n);
}

struct kit {
    struct fixture_loop l;
    struct entropy entropy;
    struct cache_memory *memory;
    struct cache *cache;
    uint64_t next, seen; /* requests; answers, which come in their order */
    struct cache_answer last;
    uint8_t value[CACHE_VALUE_MAX];
    unsigned messages, others;
    char heard[64];
    bool inside;
};

static void open_with(struct kit *k, uint32_t entries, uint32_t answers, size_t bytes)
{
    memset(k, 0, sizeof *k);
    fixture_loop_init(&k->l);
    entropy_init(&k->entropy, fill);
    struct cache_memory_cfg cfg = {&k->l.loop, &k->entropy, entries, answers, bytes};
    assert_int_equal(cache_memory_create(&k->memory, &cfg), 0);
    k->cache = cache_memory_port(k->memory);
}

static void shut(struct kit *k)
{
    cache_memory_destroy(k->memory);
    assert_int_equal(k->l.open, 0);
}

static void on_answer(void *ctx, struct now now, const struct cache_answer *a)
{
    struct kit *k = ctx;
    assert_false(k->inside);
    assert_int_equal(now.mono, k->l.now.mono);
    assert_int_equal(a->req, k->seen++);
    k->last = *a;
    if (a->value.n)
        memcpy(k->value, a->value.p, a->value.n);
    k->last.value.p = k->value;
}

static int submit(struct kit *k, struct cache_ask ask)
{
    k->inside = true;
    int rc = cache_submit(k->cache, &ask, (struct cache_owner){on_answer, k, k->next});
    k->inside = false;
    k->next += rc == 0;
    return rc;
}

/* Submits and waits; the answer's code. */
static int say(struct kit *k, struct cache_ask ask)
{
    int rc = submit(k, ask);
    if (rc)
        return rc;
    fixture_loop_run(&k->l, 0);
    assert_int_equal(k->seen, k->next);
    return k->last.rc;
}

static bool answered(const struct kit *k, const char *text)
{
    return span_eq(k->last.value, span_str(text));
}

#define KEY  .key = SPAN_LIT("k")
#define LIVE .ttl_ms = 1000

static void each_operation(void **state)
{
    struct kit k;
    (void)state;
    open_with(&k, 0, 0, 0);
    assert_true(cache_up(k.cache));
    struct cache_ask get = {CACHE_GET, KEY};
    assert_int_equal(say(&k, get), E_NOENT);
    assert_int_equal(
        say(&k, (struct cache_ask){CACHE_PUT_ABSENT, KEY, .value = SPAN_LIT("a"), LIVE}), 0);
    assert_int_equal(
        say(&k, (struct cache_ask){CACHE_PUT_ABSENT, KEY, .value = SPAN_LIT("b"), LIVE}), E_EXISTS);
    assert_true(answered(&k, "a"));
    assert_int_equal(say(&k, (struct cache_ask){CACHE_PUT_EQUAL, KEY, .old = SPAN_LIT("b"),
                                                .value = SPAN_LIT("c"), LIVE}),
                     E_STALE);
    assert_true(answered(&k, "a"));
    assert_int_equal(say(&k, (struct cache_ask){CACHE_PUT_EQUAL, KEY, .old = SPAN_LIT("a"),
                                                .value = SPAN_LIT("c"), LIVE}),
                     0);
    assert_int_equal(say(&k, get), 0);
    assert_true(answered(&k, "c"));
    assert_int_equal(say(&k, (struct cache_ask){CACHE_PUT, KEY, .value = SPAN_LIT(""), LIVE}), 0);
    assert_int_equal(say(&k, get), 0);
    assert_true(answered(&k, ""));
    assert_int_equal(say(&k, (struct cache_ask){CACHE_DEL_EQUAL, KEY, .old = SPAN_LIT("c")}),
                     E_STALE);
    assert_int_equal(say(&k, (struct cache_ask){CACHE_DEL_EQUAL, KEY}), 0);
    assert_int_equal(say(&k, (struct cache_ask){CACHE_DEL_EQUAL, KEY}), E_NOENT);
    assert_int_equal(say(&k, (struct cache_ask){CACHE_PUT_EQUAL, KEY, LIVE}), E_NOENT);
    assert_int_equal(cache_memory_entries(k.memory), 0);
    assert_int_equal(cache_memory_bytes(k.memory), 0);
    shut(&k);
}

static void values_end_when_their_time_is_over(void **state)
{
    struct kit k;
    (void)state;
    open_with(&k, 0, 0, 0);
    struct cache_ask get = {CACHE_GET, KEY};
    struct cache_ask longer = {CACHE_PUT_EQUAL, KEY, .old = SPAN_LIT("a"), .value = SPAN_LIT("a"),
                               LIVE};
    assert_int_equal(say(&k, (struct cache_ask){CACHE_PUT, KEY, .value = SPAN_LIT("a"), LIVE}), 0);
    fixture_loop_run(&k.l, 999 * NSEC_PER_MS);
    assert_int_equal(say(&k, longer), 0);
    fixture_loop_run(&k.l, 999 * NSEC_PER_MS);
    assert_int_equal(say(&k, get), 0);
    fixture_loop_run(&k.l, NSEC_PER_MS);
    assert_int_equal(say(&k, get), E_NOENT);
    /* Nobody asks: its memory goes all the same. */
    assert_int_equal(say(&k, (struct cache_ask){CACHE_PUT, KEY, .value = SPAN_LIT("a"), LIVE}), 0);
    assert_int_equal(cache_memory_entries(k.memory), 1);
    fixture_loop_run(&k.l, 3 * NSEC_PER_S);
    assert_int_equal(cache_memory_entries(k.memory), 0);
    shut(&k);
}

static void counters_are_windows(void **state)
{
    struct kit k;
    (void)state;
    open_with(&k, 0, 0, 0);
    struct cache_owner owner = {on_answer, &k, 0};
    for (int i = 1; i <= 3; i++) {
        owner.req = k.next++;
        assert_int_equal(cache_count(k.cache, "login", SPAN_LIT("00ff"), 1000, owner), 0);
        fixture_loop_run(&k.l, 300 * NSEC_PER_MS);
        assert_int_equal(k.last.number, i);
    }
    fixture_loop_run(&k.l, 100 * NSEC_PER_MS); /* the window began with the first */
    owner.req = k.next++;
    assert_int_equal(cache_count(k.cache, "login", SPAN_LIT("00ff"), 1000, owner), 0);
    fixture_loop_run(&k.l, 0);
    assert_int_equal(k.last.number, 1);
    assert_int_equal(say(&k, (struct cache_ask){CACHE_GET, .key = SPAN_LIT("rate:login:00ff")}), 0);
    assert_true(answered(&k, "1"));
    uint8_t name[CACHE_KEY_MAX] = {'x'};
    struct span longest = span_of(name, CACHE_KEY_MAX - strlen("rate:login:"));
    memset(name, 'x', sizeof name);
    owner.req = k.next++;
    assert_int_equal(cache_count(k.cache, "login", longest, 1000, owner), 0);
    longest.n++;
    assert_int_equal(cache_count(k.cache, "login", longest, 1000, owner), E_RANGE);
    shut(&k);
}

static void numbers_have_an_end(void **state)
{
    static const char *const none[] = {"",
                                       "-",
                                       "x",
                                       "1x",
                                       " 1",
                                       "9223372036854775808",
                                       "-9223372036854775809",
                                       "11111111111111111111"};
    struct kit k;
    (void)state;
    open_with(&k, 0, 0, 0);
    struct cache_ask one = {CACHE_ADD, KEY, .add = 1, LIVE};
    struct cache_ask less = {CACHE_ADD, KEY, .add = -1, LIVE};
    assert_int_equal(say(&k, (struct cache_ask){CACHE_ADD, KEY, .add = INT64_MAX, LIVE}), 0);
    assert_int_equal(say(&k, one), E_RANGE);
    assert_int_equal(say(&k, (struct cache_ask){CACHE_PUT, KEY,
                                                .value = SPAN_LIT("-9223372036854775807"), LIVE}),
                     0);
    assert_int_equal(say(&k, less), 0);
    assert_true(k.last.number == INT64_MIN);
    assert_int_equal(say(&k, less), E_RANGE);
    assert_int_equal(say(&k, one), 0);
    for (size_t i = 0; i < ARRAY_LEN(none); i++) {
        assert_int_equal(
            say(&k, (struct cache_ask){CACHE_PUT, KEY, .value = span_str(none[i]), LIVE}), 0);
        assert_int_equal(say(&k, one), E_RANGE);
    }
    shut(&k);
}

static void limits(void **state)
{
    static uint8_t bytes[CACHE_VALUE_MAX + 1];
    struct kit k;
    (void)state;
    open_with(&k, 0, 0, 0);
    struct cache_ask put = {CACHE_PUT, .key = span_of(bytes, CACHE_KEY_MAX),
                            .value = span_of(bytes, CACHE_VALUE_MAX), .ttl_ms = CACHE_TTL_MAX_MS};
    assert_int_equal(say(&k, put), 0);
    struct cache_ask bad = put;
    bad.key.n++;
    assert_int_equal(submit(&k, bad), E_RANGE);
    bad.key.n = 0;
    assert_int_equal(submit(&k, bad), E_RANGE);
    bad = put;
    bad.value.n++;
    assert_int_equal(submit(&k, bad), E_RANGE);
    bad = put;
    bad.old = span_of(bytes, CACHE_VALUE_MAX + 1);
    assert_int_equal(submit(&k, bad), E_RANGE);
    bad = put;
    bad.ttl_ms++;
    assert_int_equal(submit(&k, bad), E_RANGE);
    bad.ttl_ms = 0;
    assert_int_equal(submit(&k, bad), E_RANGE);
    assert_int_equal(
        cache_listen(k.cache, span_of(bytes, CACHE_KEY_MAX + 1), &(struct cache_listener){0}),
        E_RANGE);
    for (unsigned i = 0; i < CACHE_LISTENERS_MAX; i++)
        assert_int_equal(cache_listen(k.cache, SPAN_NULL, &(struct cache_listener){0}), 0);
    assert_int_equal(cache_listen(k.cache, SPAN_NULL, &(struct cache_listener){0}), E_FULL);
    shut(&k);
}

static void what_it_holds_is_bounded(void **state)
{
    struct kit k;
    char key[16];
    (void)state;
    open_with(&k, 4, 0, 20);
    for (int i = 0; i < 5; i++) {
        (void)snprintf(key, sizeof key, "%d", i);
        assert_int_equal(
            say(&k, (struct cache_ask){CACHE_PUT, .key = span_str(key), .value = SPAN_LIT("v"),
                                       .ttl_ms = 1000u + (unsigned)i}),
            i < 4 ? 0 : E_FULL);
    }
    /* 8 of 20 bytes: 12 more fit in place of one's value. */
    struct cache_ask grow = {CACHE_PUT, .key = SPAN_LIT("1"), .value = SPAN_LIT("0123456789abc"),
                             LIVE};
    assert_int_equal(say(&k, grow), 0);
    assert_int_equal(cache_memory_bytes(k.memory), 20);
    grow.value = SPAN_LIT("0123456789abcd");
    assert_int_equal(say(&k, grow), E_FULL);
    assert_int_equal(say(&k, (struct cache_ask){CACHE_GET, .key = SPAN_LIT("1")}), 0);
    assert_true(answered(&k, "0123456789abc"));
    fixture_loop_run(&k.l, NSEC_PER_S);
    assert_int_equal(say(&k, grow), 0); /* what was over made room */
    shut(&k);
}

static void the_queue_is_bounded(void **state)
{
    struct kit k;
    (void)state;
    open_with(&k, 0, 2, 0);
    struct cache_ask get = {CACHE_GET, KEY};
    assert_int_equal(submit(&k, get), 0);
    assert_int_equal(submit(&k, get), 0);
    assert_int_equal(submit(&k, get), E_BUSY);
    fixture_loop_run(&k.l, 0);
    assert_int_equal(k.seen, 2);
    assert_int_equal(submit(&k, get), 0);
    cache_memory_close(k.memory); /* answers what it took, and takes no more */
    assert_int_equal(k.seen, 3);
    assert_int_equal(submit(&k, get), E_IO);
    assert_false(cache_up(k.cache));
    shut(&k);
}

static void on_message(void *ctx, struct now now, struct span value)
{
    struct kit *k = ctx;
    assert_false(k->inside);
    assert_int_equal(now.mono, k->l.now.mono);
    k->messages++;
    (void)snprintf(k->heard, sizeof k->heard, "%.*s", (int)value.n, (const char *)value.p);
}

static void on_other(void *ctx, struct now now, struct span value)
{
    struct kit *k = ctx;
    (void)now;
    (void)value;
    k->others++;
}

static void messages(void **state)
{
    struct kit k;
    (void)state;
    open_with(&k, 0, 0, 0);
    struct cache_ask hello = {CACHE_PUBLISH, .key = SPAN_LIT("c"), .value = SPAN_LIT("hello")};
    assert_int_equal(say(&k, hello), 0);
    assert_int_equal(k.last.number, 0);
    assert_int_equal(cache_listen(k.cache, SPAN_LIT("c"),
                                  &(struct cache_listener){.message = on_message, .ctx = &k}),
                     0);
    assert_int_equal(cache_listen(k.cache, SPAN_LIT("d"),
                                  &(struct cache_listener){.message = on_other, .ctx = &k}),
                     0);
    assert_int_equal(
        cache_listen(k.cache, SPAN_NULL, &(struct cache_listener){.message = on_other, .ctx = &k}),
        0);
    assert_int_equal(say(&k, hello), 0);
    assert_int_equal(k.last.number, 1);
    assert_int_equal(k.messages, 1);
    assert_int_equal(k.others, 0);
    assert_string_equal(k.heard, "hello");
    /* Nobody need wait for the answer. */
    assert_int_equal(cache_submit(k.cache, &hello, (struct cache_owner){NULL, NULL, 0}), 0);
    fixture_loop_run(&k.l, 0);
    assert_int_equal(k.messages, 2);
    shut(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_operation),
        cmocka_unit_test(values_end_when_their_time_is_over),
        cmocka_unit_test(counters_are_windows),
        cmocka_unit_test(numbers_have_an_end),
        cmocka_unit_test(limits),
        cmocka_unit_test(what_it_holds_is_bounded),
        cmocka_unit_test(the_queue_is_bounded),
        cmocka_unit_test(messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
