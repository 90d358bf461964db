/* Two stores on one PostgreSQL, as two processes have them: rules hold when both ask at once.
 * Without KIT_POSTGRES in the environment there is nothing to see. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/err.h"
#include "query_stories.h"

#include <stdio.h>
#include <stdlib.h>

#define RECORD "$2b$04$aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define ROUNDS 40

struct both {
    struct kit kit;
    struct metrics metrics;
    struct store *second;
    size_t left;
    int rc[2];
};

static int setup(void **state)
{
    struct both *b = calloc(1, sizeof *b);
    *state = b;
    kit_open(&b->kit);
    if (kit_start(&b->kit))
        return -1;
    metrics_init(&b->metrics);
    struct store_cfg cfg = b->kit.cfg;
    cfg.metrics = &b->metrics;
    return store_create(&b->second, b->kit.loop, &cfg, &b->kit.why);
}

static int teardown(void **state)
{
    struct both *b = *state;
    store_destroy(b->second);
    metrics_fini(&b->metrics);
    kit_close(&b->kit);
    free(b);
    return 0;
}

static void on_answer(void *ctx, struct now now, const struct answer *a)
{
    struct both *b = ctx;
    (void)now;
    b->rc[a->req] = a->rc;
    if (--b->left == 0)
        uvloop_stop(b->kit.uv);
}

/* One at each store, both under way before either is answered. */
static void ask_both(struct both *b, const struct ask *first, const struct ask *second)
{
    struct ask_port *ports[] = {store_port(b->kit.store), store_port(b->second)};
    b->left = 2;
    assert_int_equal(ports[0]->submit(ports[0], first, (struct ask_owner){on_answer, b, 0}), 0);
    assert_int_equal(ports[1]->submit(ports[1], second, (struct ask_owner){on_answer, b, 1}), 0);
    assert_true(kit_run_down(&b->kit, &b->left, 20));
}

static void assert_one(const struct both *b, int other)
{
    assert_true((b->rc[0] == 0 && b->rc[1] == other) || (b->rc[0] == other && b->rc[1] == 0));
}

static void fine(struct both *b, enum query q, const char *parameters)
{
    char rows[STORY_ROWS_SIZE];
    assert_int_equal(story_ask(&b->kit, q, parameters, rows), 0);
}

static struct ask set(enum query q, struct value v[2], int64_t id, int64_t value)
{
    v[0] = VALUE_OF_INT(id);
    v[1] = VALUE_OF_INT(value);
    return query_ask(q, v, 2);
}

static void two_admins_do_not_shut_out_each_other(void **state)
{
    static const struct {
        enum query query;
        int64_t value;
        const char *back[2];
    } ways[] = {
        {QUERY_ACCOUNT_SET_LEVEL, 1, {"1 3", "2 3"}},
        {QUERY_ACCOUNT_SET_SUSPENDED, 1, {"1 0", "2 0"}},
        {QUERY_ACCOUNT_LOCK, 9000000000000, {"1 0", "2 0"}},
    };
    struct both *b = *state;
    struct value v[2][2];
    assert_int_equal(kit_create(&b->kit, "ada", false, RECORD), 0);
    assert_int_equal(kit_create(&b->kit, "bob", false, RECORD), 0);
    fine(b, QUERY_ACCOUNT_SET_LEVEL, "1 3");
    fine(b, QUERY_ACCOUNT_SET_LEVEL, "2 3");
    for (size_t i = 0; i < ROUNDS * ARRAY_LEN(ways); i++) {
        size_t w = i % ARRAY_LEN(ways);
        struct ask first = set(ways[w].query, v[0], 1, ways[w].value);
        struct ask second = set(ways[w].query, v[1], 2, ways[w].value);
        ask_both(b, &first, &second);
        assert_one(b, E_REFUSED);
        fine(b, ways[w].query, ways[w].back[0]);
        fine(b, ways[w].query, ways[w].back[1]);
    }
}

static void a_token_is_redeemed_once(void **state)
{
    struct both *b = *state;
    assert_int_equal(kit_create(&b->kit, "ada", false, RECORD), 0);
    for (size_t i = 0; i < ROUNDS; i++) {
        struct value v[] = {VALUE_OF_TEXT(SPAN_LIT("h1")), VALUE_OF_TEXT(SPAN_LIT("racing")),
                            VALUE_OF_INT(15)};
        struct ask redeem = query_ask(QUERY_TOKEN_REDEEM, v, 3);
        fine(b, QUERY_TOKEN_PUT, "'h1' 1 'racing' 10 20");
        ask_both(b, &redeem, &redeem);
        assert_one(b, E_NOENT);
    }
}

static void a_code_is_used_once(void **state)
{
    struct both *b = *state;
    struct value v[2];
    assert_int_equal(kit_create(&b->kit, "ada", false, RECORD), 0);
    fine(b, QUERY_OTP_SET, "1 'sealed'");
    for (int64_t i = 1; i <= ROUNDS; i++) {
        struct ask step = set(QUERY_OTP_STEP, v, 1, i);
        ask_both(b, &step, &step);
        assert_one(b, E_STALE);
        struct value code[] = {VALUE_OF_INT(1), VALUE_OF_TEXT(SPAN_LIT("r1"))};
        struct ask use = query_ask(QUERY_RECOVERY_USE, code, 2);
        fine(b, QUERY_RECOVERY_PUT, "1 'r1'");
        ask_both(b, &use, &use);
        assert_one(b, E_NOENT);
    }
}

static void names_and_addresses_stay_unique(void **state)
{
    struct both *b = *state;
    struct password_record r = kit_record(RECORD);
    for (size_t i = 0; i < ROUNDS; i++) {
        char lower[16], upper[16];
        (void)snprintf(lower, sizeof lower, "anna%zu", i);
        (void)snprintf(upper, sizeof upper, "ANNA%zu", i);
        struct ask first = {ASK_ACCOUNT_CREATE, {.create = {span_str(lower), true, &r, 1, 1}}};
        struct ask second = {ASK_ACCOUNT_CREATE, {.create = {span_str(upper), true, &r, 1, 1}}};
        ask_both(b, &first, &second);
        assert_one(b, E_EXISTS);
    }
    for (size_t i = 0; i < ROUNDS; i++) {
        struct value v[] = {VALUE_OF_INT(1), VALUE_OF_TEXT(SPAN_LIT("a@b"))};
        struct value w[] = {VALUE_OF_INT(2), VALUE_OF_TEXT(SPAN_LIT("A@B"))};
        struct value none[] = {VALUE_OF_INT(1), VALUE_NOTHING};
        struct ask first = query_ask(QUERY_ACCOUNT_SET_EMAIL, v, 2);
        struct ask second = query_ask(QUERY_ACCOUNT_SET_EMAIL, w, 2);
        ask_both(b, &first, &second);
        assert_one(b, E_EXISTS);
        struct ask clear = query_ask(QUERY_ACCOUNT_SET_EMAIL, none, 2);
        ask_both(b, &clear, &clear);
        none[0].u.i = 2;
        ask_both(b, &clear, &clear);
    }
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(two_admins_do_not_shut_out_each_other),
        T(a_token_is_redeemed_once),
        T(a_code_is_used_once),
        T(names_and_addresses_stay_unique),
    };
    return kit_cluster() ? cmocka_run_group_tests(tests, NULL, NULL) : 0;
}
