/* The whole client over real sockets, behind a bad link of its own. */
#include "fixture.h"
#include "sim/alloc_fault.h"

/* The stream is slow, too. */
static void log_in_slowly(struct fixture *f)
{
    f->step_us = 10000;
    log_in(f);
    f->step_us = 0;
    assert_int_equal(slipgate_deadline_us(f->c), UINT64_MAX);
}

static void test_holds_datagrams_back(void **state)
{
    struct fixture *f = *state;
    struct slipgate_update u = {.rotation = {0, 0, 0, 1}};
    char datagram[512];
    f->cfg.link = "up.delay_ms = 30\ndown.delay_ms = 20";
    f->cfg.udp_register = false;
    f->cfg.ping_interval_ms = 0;
    create(f);
    log_in_slowly(f);
    uint64_t sent_us = f->now_us;
    assert_int_equal(slipgate_send_update(f->c, &u), 0);
    assert_int_equal(slipgate_deadline_us(f->c), sent_us + 30000);
    f->now_us = sent_us + 29999;
    turn(f);
    assert_int_equal(tiny_datagram(&f->t, datagram, sizeof datagram), 0);
    f->now_us = sent_us + 30000;
    UNTIL(f, tiny_datagram(&f->t, datagram, sizeof datagram) > 0);

    struct slipgate_stats stats = {.size = sizeof stats};
    tiny_send_datagram(&f->t, "{\"command\":\"UPDATE\",\"sessionId\":\"p2\"}\n");
    UNTIL(f, (slipgate_get_stats(f->c, &stats), stats.link_down == 1));
    assert_int_equal(stats.datagrams_in, 0);
    assert_int_equal(slipgate_deadline_us(f->c), f->now_us + 20000);
    f->now_us += 19999;
    turn(f);
    assert_record(&f->r, "");
    f->now_us += 1;
    turn(f);
    assert_record(&f->r, "update p2 at 0 0 0 turned 0 0 0 1: "
                         "{\"command\":\"UPDATE\",\"sessionId\":\"p2\"}\n");
    slipgate_get_stats(f->c, &stats);
    assert_int_equal(stats.datagrams_in, 1);
    assert_int_equal(stats.datagrams_out, 1);
    assert_int_equal(stats.link_up, 1);
}

static void count_lost(struct slipgate_client *c, void *user, const struct slipgate_update_in *u)
{
    struct record *r = user;
    (void)c;
    r->n += (size_t)snprintf(r->text + r->n, sizeof r->text - r->n, "lost %s\n", u->sender_id);
}

static void test_loses_datagrams(void **state)
{
    struct fixture *f = *state;
    struct slipgate_update u = {.rotation = {0, 0, 0, 1}};
    struct slipgate_stats stats = {.size = sizeof stats};
    char datagram[512];
    f->cfg.link = "down.loss_percent = 100\ndown.delay_ms = 5\nup.duplicate_percent = 100";
    f->cfg.link_seed = 7;
    f->cfg.on_link_lost = count_lost;
    create(f);
    f->step_us = 10000;
    log_in(f);
    UNTIL(f, tiny_datagram(&f->t, datagram, sizeof datagram) > 0); /* registers, twice */
    UNTIL(f, tiny_datagram(&f->t, datagram, sizeof datagram) > 0);
    f->step_us = 0;
    assert_int_equal(slipgate_send_update(f->c, &u), 0);
    tiny_send_datagram(&f->t, "{\"command\":\"UPDATE\",\"sessionId\":\"p2\"}\n");
    UNTIL(f, (slipgate_get_stats(f->c, &stats), stats.link_down == 1));
    assert_record(&f->r, "");
    f->now_us += 5000;
    turn(f);
    assert_record(&f->r, "lost p2\n");
    slipgate_get_stats(f->c, &stats);
    assert_int_equal(stats.link_down_lost, 1);
    assert_int_equal(stats.link_up_doubled, 2);
    assert_int_equal(stats.datagrams_in + stats.messages_in + stats.datagrams_bad, 0);
}

/* What is held belongs to the connection: it does not reach the next one. */
static void test_forgets_with_the_connection(void **state)
{
    struct fixture *f = *state;
    struct slipgate_update u = {.rotation = {0, 0, 0, 1}};
    char datagram[512];
    f->cfg.link = "delay_ms = 100";
    f->cfg.udp_register = false;
    f->cfg.ping_interval_ms = 0;
    create(f);
    log_in_slowly(f);
    assert_int_equal(slipgate_send_update(f->c, &u), 0);
    slipgate_close(f->c);
    assert_int_equal(slipgate_deadline_us(f->c), UINT64_MAX);
    tiny_drop(&f->t, false);
    log_in_slowly(f);
    f->now_us += 1000000;
    turn(f);
    turn(f);
    assert_int_equal(tiny_datagram(&f->t, datagram, sizeof datagram), 0);
}

/* Lines in both directions take their time, in order, and none is lost; so does the end. */
static void test_slows_the_stream(void **state)
{
    struct fixture *f = *state;
    char line[1024];
    f->cfg.link = "up.delay_ms = 40\ndown.delay_ms = 25\nloss_percent = 100";
    f->cfg.udp_register = false;
    f->cfg.ping_interval_ms = 0;
    f->cfg.reconnect = false;
    create(f);
    log_in_slowly(f);
    uint64_t sent_us = f->now_us;
    assert_int_equal(slipgate_ping(f->c, sent_us), 0);
    assert_int_equal(slipgate_list_rooms(f->c), 0);
    assert_int_equal(slipgate_deadline_us(f->c), sent_us + 40000);
    f->now_us = sent_us + 39999;
    turn(f);
    turn(f);
    assert_false(tiny_line(&f->t, line, sizeof line));
    f->now_us = sent_us + 40000;
    expect_line(f, "{\"command\":\"PING\"}");
    expect_line(f, "{\"command\":\"LIST_ROOMS\"}");

    tiny_say(&f->t, "{\"command\":\"PONG\"}\n");
    tiny_drop(&f->t, false);
    uint64_t said_us = f->now_us;
    UNTIL(f, slipgate_deadline_us(f->c) == said_us + 25000);
    assert_record(&f->r, "");
    f->now_us = said_us + 25000;
    UNTIL(f, in_state(f, SLIPGATE_OFFLINE));
    assert_non_null(strstr(f->r.text, "pong 65000\n"));
    assert_non_null(strstr(f->r.text, "state offline -11 "));
}

/* A flood does not make the client hold more than it has room for, and loses nothing. */
static void test_with_much_on_the_stream(void **state)
{
    struct fixture *f = *state;
    struct slipgate_stats stats = {.size = sizeof stats};
    struct slipgate_descriptor d[2];
    bool full = false;
    f->cfg.link = "down.delay_ms = 100\ndown.jitter_ms = 50";
    f->cfg.udp_register = false;
    create(f);
    f->step_us = 10000;
    log_in(f);
    f->step_us = 1000;
    slipgate_get_stats(f->c, &stats);
    uint64_t lines = stats.lines_in;
    for (int i = 0; i < 4000; i++) { /* 1,500 bytes a millisecond: 150,000 on their way */
        char text[256];
        (void)snprintf(text, sizeof text, "{\"command\":\"ODD\",\"number\":\"%0120d\"}\n", i);
        tiny_say(&f->t, text);
        if (i % 10 == 0)
            turn(f);
        full |= i > 2000 && slipgate_descriptors(f->c, d) == 1;
        record_clear(&f->r);
    }
    assert_true(full); /* the stream's socket was left alone meanwhile */
    while (record_clear(&f->r), slipgate_get_stats(f->c, &stats), stats.lines_in < lines + 4000)
        turn(f);
    assert_int_equal(stats.lines_in, lines + 4000);
}

/* What cannot be held ends the connection at once: no deadline has to pass. */
static void test_without_memory_for_the_stream(void **state)
{
    struct fixture *f = *state;
    f->cfg.link = "delay_ms = 10";
    f->cfg.reconnect = false;
    create(f);
    assert_int_equal(slipgate_connect(f->c, f->now_us), 0);
    alloc_fault_from(1);
    for (int i = 0; i < 500 && !in_state(f, SLIPGATE_OFFLINE); i++)
        (void)slipgate_poll(f->c, f->now_us);
    bool fired = alloc_fault_fired();
    alloc_fault_at(0);
    assert_true(fired);
    assert_true(in_state(f, SLIPGATE_OFFLINE));
}

/* Who was compiled before there were links has shorter structures: what lies behind them is neither
 * read nor written. */
static void test_an_older_caller(void **state)
{
    struct fixture *f = *state;
    struct slipgate_config cfg;
    struct slipgate_stats stats;
    const size_t size = offsetof(struct slipgate_config, link),
                 stats_size = offsetof(struct slipgate_stats, link_up);
    memset(&cfg, 0xa5, sizeof cfg);
    slipgate_config_init_sized(&cfg, size);
    assert_int_equal(cfg.size, size);
    assert_int_equal(cfg.port, 443);
    for (size_t i = size; i < sizeof cfg; i++)
        assert_int_equal(((const uint8_t *)&cfg)[i], 0xa5);

    f->cfg.size = size;
    f->cfg.link = "no such link";
    f->cfg.on_link_lost = count_lost;
    create(f);
    log_in(f);
    assert_null(f->c->hold);
    memset(&stats, 0xa5, sizeof stats);
    stats.size = stats_size;
    slipgate_get_stats(f->c, &stats);
    assert_int_equal(stats.connects, 1);
    assert_int_equal(stats.size, stats_size);
    assert_int_equal(stats.link_up, UINT64_C(0xa5a5a5a5a5a5a5a5));
}

/* And a newer one gets what he does not know zeroed, and is refused. */
static void test_a_newer_caller(void **state)
{
    struct fixture *f = *state;
    struct {
        struct slipgate_config cfg;
        uint64_t more;
    } newer = {.more = 7};
    slipgate_config_init_sized(&newer.cfg, sizeof newer);
    assert_int_equal(newer.cfg.size, sizeof newer);
    assert_int_equal(newer.more, 0);
    newer.cfg.host = "127.0.0.1";
    assert_int_equal(slipgate_create(&f->c, &newer.cfg), SLIPGATE_E_ARGUMENT);
}

static void test_links_that_are_none(void **state)
{
    struct fixture *f = *state;
    f->cfg.link = "dsl";
    assert_int_equal(slipgate_create(&f->c, &f->cfg), SLIPGATE_E_ARGUMENT);
    f->cfg.link = "";
    assert_int_equal(slipgate_create(&f->c, &f->cfg), SLIPGATE_E_ARGUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_holds_datagrams_back),
        TEST(test_loses_datagrams),
        TEST(test_forgets_with_the_connection),
        TEST(test_slows_the_stream),
        TEST(test_with_much_on_the_stream),
        TEST(test_without_memory_for_the_stream),
        TEST(test_an_older_caller),
        TEST(test_a_newer_caller),
        TEST(test_links_that_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
