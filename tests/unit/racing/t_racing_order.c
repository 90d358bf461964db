/* The order of lines behind a pending login, whatever becomes of it; BATCH and the command rate
 * (docs/protocol-racing.md, "Lines", "Commands"). */
#include "talk.h"

#include "base/err.h"
#include "sim/alloc_fault.h"
#include "wire/text.h"

#include <stdio.h>
#include <stdlib.h>

#define OK_TRUE(name) \
    "{'command':'NAME_OK','name':'" name "','authenticated':true,'udpEncryption':true}"
#define OK_FALSE(name) \
    "{'command':'NAME_OK','name':'" name "','authenticated':false,'udpEncryption':false}"
#define AUTH_OK(name) "{'command':'AUTH_OK','name':'" name "'}"
#define WRONG_NAME    "{'command':'AUTH_FAILED','message':'Invalid password for this player name.'}"
#define WRONG_AUTH    "{'command':'AUTH_FAILED','message':'Invalid password.'}"
#define BUSY          "Server is busy. Please try again."
#define NAME(n, p)    "{'command':'NAME','name':'" n "','password':'" p "'}"

/* ---- order ---- */

/* Everything said, whole, with answers that come only when nothing else can happen. */
static struct span transcript(const char *text, size_t split, bool answer_between, struct buf *to)
{
    struct fake *f = SERVE("racing.room_events=true");
    struct player p;
    size_t n = strlen(text);
    enter(f, &p, HERE);
    f->asks.delay = NSEC_NEVER;
    if (split == SIZE_MAX) {
        for (size_t i = 0; i < n; i++) {
            fake_bytes(f, p.link, text + i, 1);
            if (answer_between)
                (void)fake_answer(f);
        }
    } else {
        fake_bytes(f, p.link, text, split);
        if (answer_between)
            fake_answer_all(f);
        fake_bytes(f, p.link, text + split, n - split);
    }
    fake_answer_all(f);
    buf_clear(to);
    assert_int_equal(buf_append_span(to, fake_read(f, p.link)), 0);
    stop(f);
    return buf_span(to);
}

static void lines_wait_behind_a_login_at_every_split(void **state)
{
    (void)state;
    static const char text[] =
        "{\"command\":\"PING\"}\r\n"
        "{\"command\":\"NAME\",\"name\":\"ann\",\"password\":\"pw\"}\n"
        "{\"command\":\"CREATE_ROOM\",\"name\":\"r\"}\n\n"
        "{\"command\":\"BATCH\",\"messages\":[{\"command\":\"PING\"},"
        "{\"command\":\"NAME\",\"name\":\"bob\",\"password\":\"pw\"},{\"command\":\"PLAYER_INFO\"},"
        "{\"command\":\"AUTHENTICATE\",\"password\":\"no\"}]}\n"
        "{\"command\":\"GET_ROOM_PLAYERS\"}\n"
        "\xef\xbb\xbf{\"command\":\"NAME\",\"name\":\"ann\",\"password\":\"no\"}\n"
        "{\"command\":\"START_GAME\"}\n"
        "{\"command\":\"BYE\"}\n{\"command\":\"PING\"}\n";
    struct buf want, got;
    buf_init(&want, 65536);
    buf_init(&got, 65536);
    struct span all = transcript(text, 0, false, &want);
    static const char *const order[] = {"PONG",         "NAME_OK",
                                        "ROOM_CREATED", "Invalid JSON",
                                        "PONG",         "NAME_OK",
                                        "PLAYER_INFO",  "Invalid password.",
                                        "ROOM_PLAYERS", "Invalid password for",
                                        "GAME_STARTED", "GAME_STARTED",
                                        "BYE_OK"};
    assert_int_equal(buf_append_byte(&want, 0), 0);
    const char *at = (const char *)want.p;
    for (size_t i = 0; i < ARRAY_LEN(order); i++) {
        const char *next = strstr(at, order[i]), *lf = strchr(at, '\n');
        if (!next || next > lf)
            fail_msg("not %s: %s", order[i], at);
        at = lf + 1;
    }
    assert_string_equal(at, "");
    for (size_t split = 0; split < strlen(text); split++)
        for (int between = 0; between < 2; between++)
            if (!span_eq(transcript(text, split, between, &got), all))
                fail_msg("split at %zu: %.*s", split, (int)got.n, (const char *)got.p);
    assert_true(span_eq(transcript(text, SIZE_MAX, false, &got), all));
    assert_true(span_eq(transcript(text, SIZE_MAX, true, &got), all));
    buf_fini(&want);
    buf_fini(&got);
}

static void nothing_is_done_while_a_login_is_pending(void **state)
{
    (void)state;
    struct fake *f = SERVE(NULL);
    struct player p;
    enter(f, &p, HERE);
    f->asks.delay = NSEC_NEVER;
    say(&p, NAME("ann", "pw"));
    say(&p, "{'command':'PING'}");
    say(&p, "{'command':'BYE'}");
    hear_nothing(&p);
    assert_true(f->links[p.link].paused);
    for (int i = 0; i < 2; i++) {
        assert_true(fake_answer(f));
        hear_nothing(&p);
    }
    assert_true(fake_answer(f));
    hear(&p, OK_TRUE("ann"));
    hear(&p, "{'command':'PONG'}");
    hear(&p, "{'command':'BYE_OK'}");
    hear_close(&p, CLOSE_BYE);
    stop(f);
}

static void leaving_while_a_login_is_pending(void **state)
{
    (void)state;
    for (unsigned answers = 0; answers < 3; answers++) {
        struct fake *f = SERVE(NULL);
        struct player p;
        enter(f, &p, HERE);
        f->asks.delay = NSEC_NEVER;
        say(&p, NAME("ann", "pw"));
        for (unsigned i = 0; i < answers; i++)
            assert_true(fake_answer(f));
        fake_hang_up(f, p.link); /* the end of the stream waits behind the login as lines do */
        assert_true(fake_is_open(f, p.link));
        fake_answer_all(f);
        hear(&p, OK_TRUE("ann"));
        hear_close(&p, CLOSE_BY_PEER);
        assert_int_equal(fake_view(f).sessions, 0);
        stop(f);
    }
}

static void being_cut_off_while_a_login_is_pending(void **state)
{
    (void)state;
    for (unsigned answers = 0; answers < 4; answers++) {
        struct fake *f = SERVE(NULL);
        struct player p;
        enter(f, &p, HERE);
        f->asks.delay = NSEC_NEVER;
        say(&p, NAME("ann", "pw"));
        for (unsigned i = 0; i < answers && i < 3; i++)
            assert_true(fake_answer(f));
        say(&p, "{'command':'PING'}");
        fake_reset(f, p.link);
        assert_false(fake_is_open(f, p.link));
        assert_int_equal(fake_view(f).sessions, 0);
        assert_int_equal(f->asks.cancelled, answers < 3); /* the work may be skipped */
        fake_answer_all(f);
        assert_int_equal(f->asks.accounts_n, answers >= 2); /* asked for before the end */
        stop(f);
    }
}

static void being_replaced_while_a_login_is_pending(void **state)
{
    (void)state;
    struct fake *f = SERVE(NULL);
    struct player a, b;
    enter_as(f, &a, "ann");
    f->asks.delay = NSEC_NEVER;
    say(&a, NAME("zoe", "pw"));
    fake_answer(f);
    f->asks.delay = 0;
    enter_as(f, &b, "ann"); /* a is ended in the middle of becoming zoe */
    hear(&a, "{'command':'BYE_ADMIN','message':'Signed in from another connection'}");
    hear_close(&a, CLOSE_KICK);
    fake_answer_all(f);
    hear_nothing(&a);
    assert_int_equal(f->asks.accounts_n, 1);
    assert_int_equal(fake_view(f).sessions, 1);
    stop(f);
}

static void faults_of_store_and_hash_are_told(void **state)
{
    (void)state;
    static const struct {
        enum ask_kind kind;
        enum ask_fault fault;
    } rows[] = {{ASK_ACCOUNT_FIND, ASK_REFUSED}, {ASK_ACCOUNT_FIND, ASK_FAILED},
                {ASK_ACCOUNT_FIND, ASK_BUSY},    {ASK_HASH_MAKE, ASK_REFUSED},
                {ASK_HASH_MAKE, ASK_FAILED},     {ASK_ACCOUNT_CREATE, ASK_FAILED},
                {ASK_ACCOUNT_CREATE, ASK_LOST}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct fake *f = SERVE(NULL);
        struct player p;
        enter(f, &p, HERE);
        ask_fake_fault(&f->asks, rows[i].kind, rows[i].fault, 1);
        say(&p, NAME("ann", "pw"));
        hear_error(&p, BUSY);
        ask(&p, "{'command':'PING'}", "{'command':'PONG'}"); /* reading goes on */
        ask(&p, "{'command':'NAME','name':'ann'}", OK_FALSE("ann"));
        ask_fake_fault(&f->asks, rows[i].kind, rows[i].fault, rows[i].fault != ASK_LOST);
        say(&p, "{'command':'AUTHENTICATE','password':'pw'}");
        if (rows[i].fault == ASK_LOST)
            hear(&p, AUTH_OK("ann")); /* it had been registered after all */
        else
            hear_error(&p, BUSY);
        assert_int_equal(fake_metric(f, M_LOGINS_BUSY), rows[i].fault == ASK_LOST ? 1 : 2);
        stop(f);
    }
}

static void guessing_is_slowed_down(void **state)
{
    (void)state;
    struct fake *f = SERVE(NULL);
    struct player a, b;
    enter_as(f, &a, "ann");
    enter(f, &b, "198.51.100.7");
    for (int i = 0; i < 4; i++)
        ask(&b, NAME("ann", "no"), WRONG_NAME);
    say(&b, NAME("ann", "no"));
    say(&b, "{'command':'PING'}");
    hear_nothing(&b);
    fake_advance(f, 499 * NSEC_PER_MS);
    hear_nothing(&b);
    fake_advance(f, 2 * NSEC_PER_MS);
    hear(&b, WRONG_NAME);
    hear(&b, "{'command':'PONG'}");
    say(&b, NAME("ann", "no"));
    ask_fake_fault(&f->asks, ASK_ACCOUNT_FIND, ASK_REFUSED, 1); /* when its turn has come */
    fake_advance(f, 2 * NSEC_PER_S);
    hear_error(&b, BUSY);
    say(&b, NAME("ann", "no"));
    fake_hang_up(f, b.link);                    /* leaves while the delay runs */
    ask(&a, NAME("ann", "pw"), OK_TRUE("ann")); /* others are not concerned */
    fake_advance(f, 10 * NSEC_PER_S);
    hear(&b, WRONG_NAME);
    hear_close(&b, CLOSE_BY_PEER);
    stop(f);
}

/* ---- BATCH and the rate ---- */

static void batches(void **state)
{
    (void)state;
    static const struct {
        const char *request, *replies[5];
    } rows[] = {
        {"{'command':'BATCH','messages':[]}", {0}},
        {"{'command':'batch','messages':[{'command':'PING'},{'command':'ping'}]}",
         {"{'command':'PONG'}", "{'command':'PONG'}"}},
        {"{'messages':[{'command':'PING'},{},5,{'command':'X'},null],'command':'BATCH'}",
         {"{'command':'PONG'}", "{'command':'ERROR','message':'Invalid JSON format'}",
          "{'command':'UNKNOWN_COMMAND','originalCommand':'X'}",
          "{'command':'ERROR','message':'Invalid JSON format'}"}},
        {"{'command':'BATCH','messages':[{'command':'BATCH','messages':[]},{'command':'PING'}]}",
         {"{'command':'ERROR','message':'BATCH cannot hold another BATCH.'}",
          "{'command':'PONG'}"}},
        {"{'command':'BATCH','messages':[{'command':'START_GAME'},{'command':'PING'}]}",
         {"{'command':'ERROR','message':'Authentication required. Please use NAME command with "
          "password.'}",
          "{'command':'PONG'}"}},
        {"{'command':'BATCH'}", {"{'command':'ERROR','message':'Invalid JSON format'}"}},
        {"{'command':'BATCH','messages':null}",
         {"{'command':'ERROR','message':'Invalid JSON format'}"}},
        {"{'command':'BATCH','messages':{}}",
         {"{'command':'ERROR','message':'Invalid JSON format'}"}},
        {"{'command':'BATCH','messages':'x'}",
         {"{'command':'ERROR','message':'Invalid JSON format'}"}},
        {"{'command':'BATCH','messages':[{'command':'PING'},{'command':'BYE'},{'command':'PING'}]}",
         {"{'command':'PONG'}", "{'command':'BYE_OK'}"}},
    };
    struct fake *f = SERVE(NULL);
    struct player p;
    enter(f, &p, HERE);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        say(&p, "%s", rows[i].request);
        for (size_t k = 0; k < 5 && rows[i].replies[k]; k++)
            hear(&p, "%s", rows[i].replies[k]);
        hear_nothing(&p);
    }
    hear_close(&p, CLOSE_BYE);
    stop(f);
}

static void batches_have_32_elements(void **state)
{
    (void)state;
    struct fake *f = SERVE(NULL);
    struct player p;
    enter(f, &p, HERE);
    for (int n = 32; n <= 33; n++) {
        char line[2000] = "{'command':'BATCH','messages':[";
        for (int i = 0; i < n; i++)
            strcat(line, i ? ",{'command':'PING'}" : "{'command':'PING'}");
        say(&p, "%s]}", line);
        for (int i = 0; i < 32 && n == 32; i++)
            hear(&p, "{'command':'PONG'}");
        if (n == 33)
            hear_error(&p, "Too many messages in one BATCH. The limit is 32.");
        hear_nothing(&p);
    }
    stop(f);
}

static unsigned pongs(struct player *p)
{
    unsigned n = 0;
    char line[64];
    while (fake_take_line(p->f, p->link, line, sizeof line)) {
        assert_string_equal(line, "{\"command\":\"PONG\"}");
        n++;
    }
    return n;
}

static void the_command_rate_delays_and_loses_nothing(void **state)
{
    (void)state;
    struct fake *f = SERVE(NULL); /* 50 a second after a burst of 100 */
    struct player p;
    enter(f, &p, HERE);
    for (int i = 0; i < 300; i++)
        say(&p, "{'command':'PING'}");
    assert_int_equal(pongs(&p), 100);
    assert_true(f->links[p.link].paused);
    fake_advance(f, NSEC_PER_S);
    assert_in_range(pongs(&p), 49, 51);
    fake_advance(f, 3 * NSEC_PER_S);
    assert_in_range(pongs(&p), 149, 151);
    fake_advance(f, NSEC_PER_S);
    ask(&p, "{'command':'PING'}", "{'command':'PONG'}");
    stop(f);
}

/* Each element of a BATCH is a command of its own, and the BATCH one more; the pause may come at
 * any of them, and every one is answered exactly once. */
static void a_batch_across_the_rate(void **state)
{
    (void)state;
    for (unsigned burst = 1; burst <= 12; burst++) {
        char setting[64];
        (void)snprintf(setting, sizeof setting, "racing.commands_burst=%u", burst);
        struct fake *f = SERVE(setting, "racing.commands_per_s=10");
        struct player p;
        enter(f, &p, HERE);
        say(&p, "{'command':'BATCH','messages':[{'command':'PING'},"
                "{'command':'NAME','name':'ann','password':'pw'},{'command':'PING'},"
                "{'command':'BATCH','messages':[]},{'command':'PLAYER_INFO'},"
                "{'command':'NAME','name':'ann','password':'no'}]}");
        say(&p, "{'command':'BATCH','messages':[{'command':'PING'},{'command':'BYE'}]}");
        fake_advance(f, 2 * NSEC_PER_S);
        hear(&p, "{'command':'PONG'}");
        hear(&p, OK_TRUE("ann"));
        hear(&p, "{'command':'PONG'}");
        hear(&p, "{'command':'ERROR','message':'BATCH cannot hold another BATCH.'}");
        hear(&p,
             "{'command':'PLAYER_INFO','playerInfo':{'id':'%s','name':'ann','currentRoomId':null}}",
             p.id);
        hear(&p, WRONG_NAME);
        hear(&p, "{'command':'PONG'}");
        hear(&p, "{'command':'BYE_OK'}");
        hear_close(&p, CLOSE_BYE);
        stop(f);
    }
}

static void waiting_for_the_rate_is_no_silence(void **state)
{
    (void)state;
    struct fake *f =
        SERVE("racing.commands_per_s=1", "racing.commands_burst=1", "racing.idle_timeout_s=3");
    struct player p;
    enter(f, &p, HERE);
    for (int i = 0; i < 20; i++)
        say(&p, "{'command':'PING'}");
    for (int i = 0; i < 19; i++) {
        fake_advance(f, NSEC_PER_S);
        assert_true(fake_is_open(f, p.link));
    }
    assert_int_equal(pongs(&p), 20);
    fake_advance(f, 5 * NSEC_PER_S);
    hear_close(&p, CLOSE_IDLE);
    stop(f);
}

static void leaving_while_the_rate_holds(void **state)
{
    (void)state;
    struct fake *f = SERVE("racing.commands_per_s=1", "racing.commands_burst=1");
    struct player p;
    enter(f, &p, HERE);
    say(&p, "{'command':'PING'}");
    say(&p, "{'command':'PING'}");
    fake_hang_up(f, p.link); /* what was sent before the end is still answered */
    assert_int_equal(pongs(&p), 1);
    assert_true(fake_is_open(f, p.link));
    fake_advance(f, NSEC_PER_S);
    assert_int_equal(pongs(&p), 1);
    hear_close(&p, CLOSE_BY_PEER);
    stop(f);
}

static void being_cut_off_while_the_rate_holds(void **state)
{
    (void)state;
    struct fake *f = SERVE("racing.commands_per_s=1", "racing.commands_burst=1");
    struct player p;
    enter(f, &p, HERE);
    say(&p, "{'command':'BATCH','messages':[{'command':'PING'},{'command':'PING'}]}");
    fake_advance(f, NSEC_PER_S);
    assert_int_equal(pongs(&p), 1);
    fake_reset(f, p.link);
    fake_advance(f, 10 * NSEC_PER_S);
    assert_int_equal(pongs(&p), 0);
    assert_int_equal(fake_view(f).sessions, 0);
    stop(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_wait_behind_a_login_at_every_split),
        cmocka_unit_test(nothing_is_done_while_a_login_is_pending),
        cmocka_unit_test(leaving_while_a_login_is_pending),
        cmocka_unit_test(being_cut_off_while_a_login_is_pending),
        cmocka_unit_test(being_replaced_while_a_login_is_pending),
        cmocka_unit_test(faults_of_store_and_hash_are_told),
        cmocka_unit_test(guessing_is_slowed_down),
        cmocka_unit_test(batches),
        cmocka_unit_test(batches_have_32_elements),
        cmocka_unit_test(the_command_rate_delays_and_loses_nothing),
        cmocka_unit_test(a_batch_across_the_rate),
        cmocka_unit_test(waiting_for_the_rate_is_no_silence),
        cmocka_unit_test(leaving_while_the_rate_holds),
        cmocka_unit_test(being_cut_off_while_the_rate_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
