/* Queries on a real database: what each does, ceilings, what is done whole or not at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/err.h"
#include "query_stories.h"
#include "store/entry.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#define RECORD "$2b$04$aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static int setup(void **state)
{
    struct kit *k = malloc(sizeof *k);
    *state = k;
    kit_open(k);
    return kit_start(k);
}

static int teardown(void **state)
{
    kit_close(*state);
    free(*state);
    return 0;
}

static void other_hand(struct kit *k, const char *sql)
{
    sqlite3 *db;
    if (kit_cluster()) {
        (void)pg_cluster_sql(kit_cluster(), k->url, sql);
        return;
    }
    assert_int_equal(sqlite3_open(k->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void every_query_does_what_it_says(void **state)
{
    stories_play(*state);
}

static void every_statement_has_a_type_for_each_parameter(void **state)
{
    char types[ASK_TYPES_SIZE], name[8];
    (void)state;
    for (size_t i = 0; i < ASK_STATEMENTS_N; i++) {
        const struct sql_statement *s = &ask_statements[i];
        if (i % ASK_STEPS_MAX == 0)
            assert_non_null(s->text);
        if (!s->text)
            continue;
        size_t n = ask_sql_types(i, types);
        assert_int_equal(n, strlen(types));
        assert_int_equal(strspn(types, "it"), n);
        (void)snprintf(name, sizeof name, "$%zu", n);
        assert_true(n == 0 || strstr(s->text, name));
        (void)snprintf(name, sizeof name, "$%zu", n + 1);
        assert_null(strstr(s->text, name));
    }
    assert_int_equal(ask_sql_types((size_t)QUERY_SESSION_CREATE * ASK_STEPS_MAX, types), 8);
    assert_string_equal(types, "tttitiii");
    assert_int_equal(ask_sql_types((size_t)QUERY_ACCOUNT_DELETE * ASK_STEPS_MAX + 1, types), 2);
    assert_string_equal(types, "ii");
}

struct counts {
    struct kit *k;
    size_t left, rows, bytes;
    size_t by_rc[2]; /* fine, not */
    int rc;          /* the last that was not */
};

static void on_answer(void *ctx, struct now now, const struct answer *a)
{
    struct counts *c = ctx;
    struct value v[QUERY_VALUES];
    size_t at = 0;
    (void)now;
    c->by_rc[a->rc != 0]++;
    if (a->rc)
        c->rc = a->rc;
    else
        c->bytes = a->u.rows.n;
    for (c->rows = 0; a->rc == 0 && query_next(a->u.rows, &at, v) >= 0;)
        c->rows++;
    if (--c->left == 0)
        uvloop_stop(c->k->uv);
}

static void submit(struct counts *c, enum query q, const struct value *v, size_t n)
{
    struct ask ask = query_ask(q, v, n);
    struct ask_port *port = store_port(c->k->store);
    c->left++;
    assert_int_equal(port->submit(port, &ask, (struct ask_owner){on_answer, c, 1}), 0);
}

static int ask_one(struct counts *c, enum query q, const struct value *v, size_t n)
{
    c->rc = 0;
    submit(c, q, v, n);
    assert_true(kit_run_down(c->k, &c->left, 20));
    return c->rc;
}

static void append(struct counts *c, int64_t from, int64_t to, struct span details)
{
    struct span t = SPAN_LIT("n"), none = SPAN_LIT("");
    for (int64_t seq = from; seq <= to; seq++) {
        struct value v[] = {VALUE_OF_TEXT(t),    VALUE_OF_INT(seq),   VALUE_OF_INT(1),
                            VALUE_OF_INT(1),     VALUE_OF_INT(0),     VALUE_OF_TEXT(t),
                            VALUE_OF_TEXT(none), VALUE_OF_TEXT(none), VALUE_OF_TEXT(none),
                            VALUE_OF_TEXT(none), VALUE_OF_TEXT(none), VALUE_OF_TEXT(none),
                            VALUE_OF_TEXT(t)};
        v[10] = VALUE_OF_TEXT(details);
        submit(c, QUERY_AUDIT_APPEND, v, ARRAY_LEN(v));
    }
    assert_true(kit_run_down(c->k, &c->left, 20));
}

static void rows_have_a_ceiling_and_purges_go_step_by_step(void **state)
{
    struct counts c = {.k = *state};
    struct value last[] = {VALUE_OF_TEXT(SPAN_LIT("n")), VALUE_OF_INT(INT64_MAX)};
    append(&c, 1, QUERY_ROWS_MAX, SPAN_LIT("d"));
    assert_int_equal(c.by_rc[0], QUERY_ROWS_MAX);
    assert_int_equal(ask_one(&c, QUERY_AUDIT_LAST, last, 2), 0);
    assert_int_equal(c.rows, QUERY_ROWS_MAX);
    append(&c, QUERY_ROWS_MAX + 1, QUERY_ROWS_MAX + 1, SPAN_LIT("d"));
    assert_int_equal(ask_one(&c, QUERY_AUDIT_LAST, last, 2), E_LIMIT);
    last[1].u.i = QUERY_ROWS_MAX;
    assert_int_equal(ask_one(&c, QUERY_AUDIT_LAST, last, 2), 0);
    assert_int_equal(c.rows, QUERY_ROWS_MAX);
    last[1].u.i = QUERY_ROWS_MAX + 1;
    assert_int_equal(ask_one(&c, QUERY_AUDIT_PURGE, last, 2), 0);
    assert_int_equal(c.rows, QUERY_ROWS_MAX);
    assert_int_equal(ask_one(&c, QUERY_AUDIT_PURGE, last, 2), 0);
    assert_int_equal(c.rows, 1);
}

static void bytes_have_a_ceiling(void **state)
{
    struct counts c = {.k = *state};
    static char text[QUERY_TEXT_MAX + 1];
    struct value last[] = {VALUE_OF_TEXT(SPAN_LIT("n")), VALUE_OF_INT(0)};
    memset(text, 'x', sizeof text);
    append(&c, 1, 127, span_of(text, QUERY_TEXT_MAX));
    assert_int_equal(c.by_rc[0], 127);
    last[1].u.i = 126;
    assert_int_equal(ask_one(&c, QUERY_AUDIT_LAST, last, 2), 0);
    assert_in_range(c.bytes, 126 * QUERY_TEXT_MAX, QUERY_BYTES_MAX);
    last[1].u.i = 127; /* 8277 bytes each */
    assert_int_equal(ask_one(&c, QUERY_AUDIT_LAST, last, 2), E_LIMIT);
    append(&c, 128, 128, span_of(text, QUERY_TEXT_MAX + 1));
    assert_int_equal(c.rc, E_LIMIT); /* one text too long */
    assert_true(store_ready(c.k->store));
}

/* Thirty-two megabytes for all answers of a batch; the ask behind is none the worse for it. */
static void a_batch_has_a_ceiling_for_rows(void **state)
{
    struct counts c = {.k = *state};
    static char text[QUERY_TEXT_MAX];
    struct value last[] = {VALUE_OF_TEXT(SPAN_LIT("n")), VALUE_OF_INT(126)};
    memset(text, 'x', sizeof text);
    append(&c, 1, 126, span_of(text, QUERY_TEXT_MAX));
    c.by_rc[0] = 0;
    for (size_t i = 0; i < 41; i++) /* the first one goes alone */
        submit(&c, QUERY_AUDIT_LAST, last, 2);
    struct value tail = VALUE_OF_TEXT(SPAN_LIT("n"));
    assert_true(kit_run_down(c.k, &c.left, 20));
    size_t fit = BATCH_ROWS_BYTES_MAX / c.bytes;
    assert_int_equal(c.by_rc[0], 1 + fit);
    assert_int_equal(c.rc, E_STORE);
    assert_int_equal(ask_one(&c, QUERY_AUDIT_TAIL, &tail, 1), 0);
}

static void the_newest_64_addresses_are_kept(void **state)
{
    struct counts c = {.k = *state};
    char address[16];
    assert_int_equal(kit_create(c.k, "ada", false, RECORD), 0);
    for (int64_t i = 0; i < 66; i++) {
        (void)snprintf(address, sizeof address, "a%02d", (int)i);
        struct value v[] = {VALUE_OF_INT(1), VALUE_OF_TEXT(span_str(address)), VALUE_OF_INT(i)};
        assert_int_equal(ask_one(&c, QUERY_KNOWN_ADDRESS_PUT, v, 3), 0);
    }
    struct value id = VALUE_OF_INT(1);
    assert_int_equal(ask_one(&c, QUERY_KNOWN_ADDRESSES, &id, 1), 0);
    assert_int_equal(c.rows, 64);
    struct value has[] = {VALUE_OF_INT(1), VALUE_OF_TEXT(SPAN_LIT("a01")), VALUE_OF_INT(0)};
    assert_int_equal(ask_one(&c, QUERY_KNOWN_ADDRESS_HAS, has, 3), E_NOENT);
    has[1] = VALUE_OF_TEXT(SPAN_LIT("a02"));
    assert_int_equal(ask_one(&c, QUERY_KNOWN_ADDRESS_HAS, has, 3), 0);
}

/* The new one stays even where a clock went back. */
static void the_newest_16_tokens_of_a_game_are_kept(void **state)
{
    struct counts c = {.k = *state};
    char hash[16];
    assert_int_equal(kit_create(c.k, "ada", false, RECORD), 0);
    for (int64_t i = 0; i < 17; i++) {
        (void)snprintf(hash, sizeof hash, "h%02d", (int)i);
        struct value v[] = {VALUE_OF_TEXT(span_str(hash)), VALUE_OF_INT(1),
                            VALUE_OF_TEXT(SPAN_LIT("racing")), VALUE_OF_INT(i == 16 ? 0 : 10 + i),
                            VALUE_OF_INT(100)};
        assert_int_equal(ask_one(&c, QUERY_TOKEN_PUT, v, 5), 0);
    }
    struct value redeem[] = {VALUE_OF_TEXT(SPAN_LIT("h16")), VALUE_OF_TEXT(SPAN_LIT("racing")),
                             VALUE_OF_INT(1)};
    assert_int_equal(ask_one(&c, QUERY_TOKEN_REDEEM, redeem, 3), 0);
    redeem[0] = VALUE_OF_TEXT(SPAN_LIT("h00"));
    assert_int_equal(ask_one(&c, QUERY_TOKEN_REDEEM, redeem, 3), E_NOENT);
    struct value drop[] = {VALUE_OF_INT(1), VALUE_NOTHING};
    assert_int_equal(ask_one(&c, QUERY_TOKEN_DROP, drop, 2), 0);
    assert_int_equal(c.rows, 15);
}

static void an_account_has_32_recovery_codes_at_most(void **state)
{
    struct counts c = {.k = *state};
    size_t rows = 0;
    char hash[16];
    assert_int_equal(kit_create(c.k, "ada", false, RECORD), 0);
    for (int i = 0; i < 33; i++) {
        (void)snprintf(hash, sizeof hash, "h%02d", i);
        struct value v[] = {VALUE_OF_INT(1), VALUE_OF_TEXT(span_str(hash))};
        assert_int_equal(ask_one(&c, QUERY_RECOVERY_PUT, v, 2), 0);
        rows += c.rows;
    }
    assert_int_equal(rows, 32);
}

static void what_cannot_be_a_parameter_is_refused_alone(void **state)
{
    struct counts c = {.k = *state};
    static char text[QUERY_TEXT_MAX + 1];
    memset(text, 'x', sizeof text);
    struct value v[] = {VALUE_OF_TEXT(span_of(text, 255))};
    assert_int_equal(ask_one(&c, QUERY_ACCOUNT_BY_EMAIL, v, 1), E_NOENT);
    v[0].u.text.n = 256; /* what is compared without letter case is no longer than that */
    assert_int_equal(ask_one(&c, QUERY_ACCOUNT_BY_EMAIL, v, 1), E_LIMIT);
    assert_int_equal(ask_one(&c, QUERY_ACCOUNT_BY_NAME, v, 1), E_NOENT);
    v[0].u.text.n = QUERY_TEXT_MAX;
    assert_int_equal(ask_one(&c, QUERY_ACCOUNT_BY_NAME, v, 1), E_NOENT);
    v[0].u.text.n = QUERY_TEXT_MAX + 1;
    assert_int_equal(ask_one(&c, QUERY_ACCOUNT_BY_NAME, v, 1), E_LIMIT);
    v[0] = VALUE_OF_TEXT(SPAN_LIT("a\xff"));
    assert_int_equal(ask_one(&c, QUERY_ACCOUNT_BY_NAME, v, 1), E_FORMAT);
    v[0] = VALUE_OF_INT(1);
    assert_int_equal(ask_one(&c, QUERY_ACCOUNT_BY_NAME, v, 1), E_RANGE);
    assert_true(store_ready(c.k->store));
}

static void a_query_whose_second_step_fails_is_not_done(void **state)
{
    struct counts c = {.k = *state};
    struct value id = VALUE_OF_INT(1);
    assert_int_equal(kit_create(c.k, "ada", false, RECORD), 0);
    struct value put[] = {id, VALUE_OF_TEXT(SPAN_LIT("aa")), VALUE_OF_INT(5)};
    struct value other[] = {id, VALUE_OF_TEXT(SPAN_LIT("bb")), VALUE_OF_INT(5)};
    if (kit_cluster())
        other_hand(c.k, "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS"
                        " $$BEGIN RAISE EXCEPTION 'no'; END$$;"
                        "CREATE TRIGGER drop_fails BEFORE DELETE ON otp FOR EACH ROW"
                        " EXECUTE FUNCTION no()");
    else
        other_hand(c.k,
                   "CREATE TRIGGER poison AFTER UPDATE ON otp BEGIN SELECT RAISE(ABORT, 'no'); END;"
                   "CREATE TRIGGER drop_fails BEFORE DELETE ON otp"
                   " BEGIN SELECT RAISE(ABORT, 'no'); END");
    struct value otp[] = {id, VALUE_OF_TEXT(SPAN_LIT("sealed"))};
    struct value code[] = {id, VALUE_OF_TEXT(SPAN_LIT("r1"))};
    assert_int_equal(ask_one(&c, QUERY_OTP_SET, otp, 2), 0);
    assert_int_equal(ask_one(&c, QUERY_RECOVERY_PUT, code, 2), 0);
    submit(&c, QUERY_KNOWN_ADDRESS_PUT, put, 3);
    submit(&c, QUERY_OTP_CLEAR, &id, 1);
    submit(&c, QUERY_KNOWN_ADDRESS_PUT, other, 3);
    assert_true(kit_run_down(c.k, &c.left, 20));
    assert_int_equal(c.rc, E_STORE);
    assert_true(store_ready(c.k->store));
    assert_int_equal(ask_one(&c, QUERY_KNOWN_ADDRESSES, &id, 1), 0);
    assert_int_equal(c.rows, 2);                                   /* those before and behind */
    assert_int_equal(ask_one(&c, QUERY_RECOVERY_USE, code, 2), 0); /* still there */
}

static void a_row_that_is_not_of_its_columns_is_an_error_alone(void **state)
{
    struct counts c = {.k = *state};
    assert_int_equal(kit_create(c.k, "ada", false, RECORD), 0);
    other_hand(c.k, "INSERT INTO known_address VALUES (1, 'aa', 'yesterday')");
    struct value id = VALUE_OF_INT(1);
    assert_int_equal(ask_one(&c, QUERY_KNOWN_ADDRESSES, &id, 1), E_STORE);
    assert_int_equal(ask_one(&c, QUERY_ACCOUNT_BY_ID, &id, 1), 0);
    other_hand(c.k, "UPDATE account SET display_name = CAST(x'ff' AS TEXT)");
    assert_int_equal(ask_one(&c, QUERY_ACCOUNT_BY_ID, &id, 1), E_STORE);
    assert_true(store_ready(c.k->store));
}

/* Who signs in gets what the login needs to know. */
static void finding_an_account_tells_its_standing(void **state)
{
    struct kit *k = *state;
    struct counts c = {.k = k};
    struct account a;
    char rows[STORY_ROWS_SIZE];
    assert_int_equal(kit_create(k, "ada", false, RECORD), 0);
    assert_int_equal(kit_find(k, "ada", false, &a), 0);
    assert_true(a.level == 1 && !a.suspended && !a.muted && !a.second_factor);
    assert_int_equal(a.locked_until_ms, 0);
    assert_int_equal(story_ask(k, QUERY_ACCOUNT_SET_LEVEL, "1 2", rows), 0);
    assert_int_equal(story_ask(k, QUERY_ACCOUNT_SET_SUSPENDED, "1 1", rows), 0);
    assert_int_equal(story_ask(k, QUERY_ACCOUNT_SET_MUTED, "1 1", rows), 0);
    assert_int_equal(story_ask(k, QUERY_ACCOUNT_LOCK, "1 77", rows), 0);
    assert_int_equal(story_ask(k, QUERY_OTP_SET, "1 'x'", rows), 0);
    assert_int_equal(kit_find(k, "ADA", true, &a), 0);
    assert_true(a.level == 2 && a.suspended && a.muted && a.second_factor);
    assert_int_equal(a.locked_until_ms, 77);
    other_hand(k, "UPDATE account SET level = 999");
    assert_int_equal(kit_find(k, "ada", false, &a), 0);
    assert_int_equal(a.level, 0); /* none */
    (void)c;
}

static int find(struct kit *k, const char *name, bool fold, bool email, int64_t id,
                struct account *ret)
{
    struct answer a;
    struct ask ask = {ASK_ACCOUNT_FIND, {.find = {span_str(name), fold, email, id}}};
    int rc = kit_ask(k, store_port(k->store), &ask, &a);
    *ret = a.u.account;
    return rc;
}

static void accounts_are_found_by_id_and_by_email_first(void **state)
{
    struct kit *k = *state;
    struct account a;
    char rows[STORY_ROWS_SIZE];
    assert_int_equal(kit_create(k, "ada", false, RECORD), 0);
    assert_int_equal(kit_create(k, "x@y", false, RECORD), 0);
    assert_int_equal(find(k, "", false, true, 2, &a), 0);
    assert_string_equal(a.name, "x@y");
    assert_int_equal(find(k, "", false, false, 3, &a), E_NOENT);
    assert_int_equal(find(k, "x@y", false, true, 0, &a), 0); /* no such address: the name */
    assert_int_equal(a.id, 2);
    assert_int_equal(find(k, "X@y", false, true, 0, &a), E_NOENT);
    assert_int_equal(find(k, "X@y", true, true, 0, &a), 0);
    assert_int_equal(story_ask(k, QUERY_ACCOUNT_SET_EMAIL, "1 'X@Y'", rows), 0);
    assert_int_equal(find(k, "x@y", false, true, 0, &a), 0);
    assert_int_equal(a.id, 1);
    assert_int_equal(find(k, "x@y", true, true, 0, &a), 0);
    assert_int_equal(a.id, 1);
    assert_int_equal(find(k, "x@y", false, false, 0, &a), 0);
    assert_int_equal(a.id, 2);
    assert_int_equal(find(k, "ada", false, true, 0, &a), 0);
    assert_int_equal(a.id, 1);
}

static void the_last_logins_address_is_kept(void **state)
{
    struct kit *k = *state;
    struct answer a;
    char rows[STORY_ROWS_SIZE], address[66];
    assert_int_equal(kit_create(k, "ada", false, RECORD), 0);
    struct ask ask = {ASK_ACCOUNT_TOUCH, {.touch = {1, 42, SPAN_LIT("192.0.2.7")}}};
    assert_int_equal(kit_ask(k, store_port(k->store), &ask, &a), 0);
    assert_int_equal(story_ask(k, QUERY_ACCOUNT_BY_ID, "1", rows), 0);
    assert_non_null(strstr(rows, " 42 '192.0.2.7' "));
    ask.u.touch.address = SPAN_NULL;
    assert_int_equal(kit_ask(k, store_port(k->store), &ask, &a), 0);
    assert_int_equal(story_ask(k, QUERY_ACCOUNT_BY_ID, "1", rows), 0);
    assert_non_null(strstr(rows, " 42 ~ "));
    memset(address, 'a', sizeof address);
    ask.u.touch.address = span_of(address, 64);
    assert_int_equal(kit_ask(k, store_port(k->store), &ask, &a), 0);
    ask.u.touch.address.n = 65;
    assert_int_equal(kit_ask(k, store_port(k->store), &ask, &a), E_FORMAT);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(every_query_does_what_it_says),
        cmocka_unit_test(every_statement_has_a_type_for_each_parameter),
        T(rows_have_a_ceiling_and_purges_go_step_by_step),
        T(bytes_have_a_ceiling),
        T(a_batch_has_a_ceiling_for_rows),
        T(the_newest_64_addresses_are_kept),
        T(the_newest_16_tokens_of_a_game_are_kept),
        T(an_account_has_32_recovery_codes_at_most),
        T(what_cannot_be_a_parameter_is_refused_alone),
        T(a_query_whose_second_step_fails_is_not_done),
        T(finding_an_account_tells_its_standing),
        T(accounts_are_found_by_id_and_by_email_first),
        T(the_last_logins_address_is_kept),
    };
    /* PostgreSQL's columns hold nothing else. */
    const struct CMUnitTest of_files[] = {
        T(a_row_that_is_not_of_its_columns_is_an_error_alone),
    };
    if (getenv("KIT_POSTGRES"))
        return pg_cluster_installed()
                   ? cmocka_run_group_tests_name("store_query_pg", tests, NULL, NULL)
                   : 0;
    return cmocka_run_group_tests(tests, NULL, NULL) + cmocka_run_group_tests(of_files, NULL, NULL);
}
