/* Fair play: who is told, dropped, ended and audited for moving or sending as nobody does, and who
 * is not (docs/protocol-racing.md, "Fair play"). */
#include "talk.h"

#include "base/err.h"
#include "games/racing/racing.h"
#include "sim/alloc_fault.h"

#include <stdio.h>

#define TOLD  "Movement validation failed. Please check your connection."
#define ENDED "You have been disconnected for suspicious movement."
#define AT(format)                                                     \
    "{'command':'UPDATE','sessionId':'%s','position':{'x':" format "," \
    "'y':0,'z':0},'rotation':{'x':0,'y':0,'z':0,'w':1}}"
#define STEP (50 * NSEC_PER_MS)

/* A service with an audit log over a store that is down: records are said in the service's log. */
struct judged {
    struct fake *f;
    struct audit_log *audit;
    struct log log;
    struct buf text;
    unsigned records;
    struct metrics metrics;
    struct ask_port down;
};

static int refuse(struct ask_port *port, const struct ask *ask, struct ask_owner owner)
{
    (void)port;
    (void)ask;
    (void)owner;
    return E_BUSY;
}

static void on_record(struct log *log, const struct log_row *row, const struct log_field *x,
                      size_t n)
{
    struct judged *j = CONTAINER_OF(log, struct judged, log);
    if (strcmp(row->id, "audit.security") != 0)
        return;
    bool before = alloc_fault_suspend(true);
    j->records++;
    buf_clear(&j->text);
    for (size_t i = 0; i < n; i++)
        if (x[i].type == LOG_TYPE_SPAN)
            (void)buf_printf(&j->text, "%s=%.*s ", x[i].key, (int)x[i].v.s.n,
                             (const char *)x[i].v.s.p);
    (void)buf_append_byte(&j->text, 0);
    (void)alloc_fault_suspend(before);
}

static void wake(void *ctx, nsec deadline)
{
    (void)ctx;
    (void)deadline;
}

static void judge(struct judged *j, const char *const *settings)
{
    bool before = alloc_fault_suspend(true);
    *j = (struct judged){.log = {LOG_WARN, on_record}, .down = {.submit = refuse}};
    buf_init(&j->text, 65536);
    metrics_init(&j->metrics);
    const struct audit_log_cfg cfg = {.store = &j->down,
                                      .node = SPAN_LIT("node"),
                                      .log = &j->log,
                                      .metrics = &j->metrics,
                                      .wake = wake};
    assert_int_equal(audit_log_create(&j->audit, &cfg, (struct now){0}), 0);
    (void)alloc_fault_suspend(before);
    const struct fake_cfg fake = {
        .ops = &racing_ops, .settings = settings, .seed = 99, .audit = j->audit};
    j->f = fake_create(&fake, NULL);
    assert_non_null(j->f);
}
#define JUDGE(j, ...) judge(j, (const char *const[]){__VA_ARGS__, NULL})

static void done(struct judged *j)
{
    stop(j->f);
    bool before = alloc_fault_suspend(true);
    audit_log_destroy(j->audit);
    metrics_fini(&j->metrics);
    buf_fini(&j->text);
    (void)alloc_fault_suspend(before);
}

static void assert_record(struct judged *j, unsigned records, const char *text)
{
    assert_int_equal(j->records, records);
    if (text && !strstr((const char *)j->text.p, text))
        fail_msg("not in the record: %s\n%s", text, (const char *)j->text.p);
}

enum { SPEED, TELEPORT, SPAM, INVALID };

static uint64_t counted(const struct fake *f, unsigned rule, unsigned action)
{
    return fake_metric(f, M_OFFENCES + RACING_ACTIONS * rule + action);
}

/* Two in a room that has started, both with an endpoint, past the grace of the start; the first one
 * at x = 0. */
static void on_track(struct fake *f, struct player p[2], enum form form)
{
    char r[33], line[65536];
    enter_with(f, &p[0], "ann", form);
    enter_with(f, &p[1], "bob", form);
    create_room(&p[0], r);
    join_room(&p[1], r);
    say(&p[0], "{'command':'START_GAME'}");
    for (int i = 0; i < 3; i++)
        (void)listen_to(&p[i == 2], line);
    fake_advance(f, 2 * NSEC_PER_S);
    cast(&p[1], AT("0"), p[1].id);
    cast(&p[0], AT("0"), p[0].id);
    fake_forget_dgrams(f);
}

static void step(struct player *p, double x)
{
    fake_advance(p->f, STEP);
    cast(p, AT("%.3f"), p->id, x);
}

/* ---- movement ---- */

static void a_teleport_is_only_observed_by_default(void **state)
{
    (void)state;
    struct judged j;
    struct player p[2];
    JUDGE(&j, NULL);
    on_track(j.f, p, DOCUMENT);
    for (int i = 1; i <= 20; i++)
        step(&p[0], i * 50.0); /* 1,000 units a second: no limit is known */
    assert_record(&j, 0, NULL);
    fake_forget_dgrams(j.f);
    step(&p[0], 5000);
    receive(&p[1], AT("5000.000"), p[0].id);
    hear_nothing(&p[0]);
    assert_record(&j, 1, "subtype=SpeedHack game=racing account=#1 player=ann address=" HERE " ");
    assert_record(&j, 1,
                  "details=Speed: 80000.00 vs Max: 600.00; teleport of 4000.00 units in "
                  "0.050 s; observed; seconds x y z: -0.00 5000 0 0; -0.05 1000 0 0; ");
    assert_record(&j, 1, " -1.05 0 0 0; ");
    assert_int_equal(counted(j.f, TELEPORT, 0), 1);
    assert_int_equal(fake_metric(j.f, M_UPDATES_DROPPED), 0);
    done(&j);
}

static void enforced_it_is_dropped_told_and_the_fourth_ends(void **state)
{
    (void)state;
    for (enum form form = DOCUMENT; form <= GCM; form++) {
        struct judged j;
        struct player p[2];
        JUDGE(&j, "racing.anticheat=enforce");
        on_track(j.f, p, form);
        for (int i = 1; i <= 4; i++) {
            char text[64];
            fake_advance(j.f, NSEC_PER_S);
            step(&p[0], i * 2000.0);
            receive_nothing(j.f);
            if (i < 4)
                hear_error(&p[0], TOLD);
            (void)snprintf(text, sizeof text, "; %s, %d of 4; ", i < 4 ? "told" : "disconnected",
                           i);
            assert_record(&j, (unsigned)i, text);
        }
        hear(&p[0], "{'command':'BYE_ADMIN','message':'" ENDED "'}");
        hear_close(&p[0], CLOSE_KICK);
        assert_int_equal(counted(j.f, TELEPORT, 1), 3);
        assert_int_equal(counted(j.f, TELEPORT, 2), 1);
        assert_int_equal(fake_metric(j.f, M_UPDATES_DROPPED), 4);
        hear_nothing(&p[1]);
        done(&j);
    }
}

static void what_comes_with_the_fourth_is_not_heard(void **state)
{
    (void)state;
    struct judged j;
    struct player p[2];
    uint8_t bytes[2][1024];
    char text[512];
    struct dgram d[2];
    JUDGE(&j, "racing.anticheat=enforce", "racing.anticheat_ladder=0");
    on_track(j.f, p, DOCUMENT);
    fake_advance(j.f, STEP);
    for (int i = 0; i < 2; i++) {
        struct span t = text_in(text, sizeof text, AT("9000"), p[0].id);
        d[i] = (struct dgram){.path = fake_path(p[0].ip, p[0].udp_port),
                              .bytes = sealed(&p[0], t, bytes[i], sizeof bytes[i])};
    }
    fake_dgrams(j.f, d, 2);
    receive_nothing(j.f);
    hear(&p[0], "{'command':'BYE_ADMIN','message':'" ENDED "'}");
    hear_close(&p[0], CLOSE_KICK);
    assert_record(&j, 1, "; disconnected, 1 of 1; ");
    done(&j);
}

static void warned_it_goes_on(void **state)
{
    (void)state;
    struct judged j;
    struct player p[2];
    JUDGE(&j, "racing.anticheat=warn");
    on_track(j.f, p, GCM);
    for (int i = 1; i <= 6; i++) {
        fake_advance(j.f, NSEC_PER_S);
        step(&p[0], i * 2000.0);
        receive(&p[1], AT("%d.000"), p[0].id, i * 2000);
        hear_error(&p[0], TOLD);
    }
    assert_int_equal(counted(j.f, TELEPORT, 1), 6);
    assert_record(&j, 6, "; told, 4 of 4; ");
    done(&j);
}

static void a_known_speed_is_judged(void **state)
{
    (void)state;
    struct judged j;
    struct player p[2];
    double x = 0;
    JUDGE(&j, "racing.anticheat=enforce", "racing.max_speed=60");
    on_track(j.f, p, DOCUMENT);
    for (int i = 0; i < 20 * 60; i++)
        step(&p[0], x += 60 * 0.95 / 20);
    fake_forget_dgrams(j.f);
    assert_record(&j, 0, NULL);
    for (int i = 0; i < 20 * 10 && !j.records; i++)
        step(&p[0], x += 60 * 1.3 / 20);
    assert_record(&j, 1, "vs Max: 72.00; distance of ");
    hear_error(&p[0], TOLD);
    assert_int_equal(counted(j.f, SPEED, 1), 1);
    done(&j);
}

static void a_start_and_a_join_put_players_elsewhere(void **state)
{
    (void)state;
    struct judged j;
    struct player p[2];
    char r[33], line[65536];
    JUDGE(&j, NULL);
    on_track(j.f, p, DOCUMENT);
    fake_advance(j.f, 10 * NSEC_PER_S);
    cast(&p[0], AT("0"), p[0].id);
    say(&p[0], "{'command':'START_GAME'}");
    for (int i = 0; i < 3; i++)
        (void)listen_to(&p[i == 2], line);
    step(&p[0], 9000);
    fake_advance(j.f, 20 * NSEC_PER_S); /* the other one loads */
    step(&p[1], 7000);
    assert_record(&j, 0, NULL);
    fake_advance(j.f, 2 * NSEC_PER_S);
    create_room(&p[0], r);
    step(&p[0], 1);
    assert_record(&j, 0, NULL);
    /* A host who starts again and again moves nobody. */
    say(&p[0], "{'command':'START_GAME'}");
    for (int i = 0; i < 2; i++)
        (void)listen_to(&p[0], line);
    fake_advance(j.f, 2 * NSEC_PER_S);
    step(&p[0], 1);
    say(&p[0], "{'command':'START_GAME'}");
    for (int i = 0; i < 2; i++)
        (void)listen_to(&p[0], line);
    step(&p[0], 9000);
    assert_record(&j, 1, NULL);
    done(&j);
}

static void nothing_is_judged_in_the_lobby_nor_without_a_position(void **state)
{
    (void)state;
    struct judged j;
    struct player p[2];
    JUDGE(&j, "racing.anticheat=enforce");
    on_track(j.f, p, DOCUMENT);
    step(&p[0], 400);
    cast(&p[0], "{'command':'UPDATE','sessionId':'%s'}", p[0].id);
    cast(&p[0], "{'command':'UPDATE','sessionId':'%s','position':null}", p[0].id);
    step(&p[0], 400);
    assert_record(&j, 1, NULL); /* the first step; not the ones by way of nowhere */
    hear_error(&p[0], TOLD);
    say(&p[0], "{'command':'LEAVE_ROOM'}");
    fake_forget(j.f, p[0].link);
    for (int i = 0; i < 10; i++) {
        fake_advance(j.f, NSEC_PER_S);
        step(&p[0], i % 2 * 1e6);
    }
    hear_nothing(&p[0]);
    assert_record(&j, 1, NULL);
    done(&j);
}

static void off_is_off(void **state)
{
    (void)state;
    struct judged j;
    struct player p[2];
    JUDGE(&j, "racing.anticheat=off", "racing.packet_spam=off", "racing.invalid_datagrams=off",
          "racing.max_speed=1", "racing.datagrams_per_s=5", "racing.datagrams_burst=5");
    on_track(j.f, p, DOCUMENT);
    for (int i = 0; i < 200; i++) {
        step(&p[0], i % 2 * 1e6);
        cast_raw(&p[0], SPAN_LIT("{}"));
        fake_forget_dgrams(j.f);
    }
    hear_nothing(&p[0]);
    assert_record(&j, 0, NULL);
    done(&j);
}

/* Signs in, is made a game master, and signs in again. */
static void staff_is_audited_and_left_alone(void **state)
{
    (void)state;
    struct judged j;
    struct player p[2];
    char r[33];
    JUDGE(&j, "racing.anticheat=enforce", "racing.packet_spam=enforce", "racing.datagrams_per_s=20",
          "racing.datagrams_burst=20");
    for (int i = 0; i < 2; i++) {
        enter(j.f, &p[0], HERE);
        say(&p[0], "{'command':'NAME','name':'ann','password':'long enough for staff'}");
        hear(&p[0], "{'command':'NAME_OK','name':'ann','authenticated':true,'udpEncryption':true}");
        j.f->asks.accounts[0].account.level = LEVEL_GAME_MASTER;
    }
    use_document_keys(&p[0]);
    create_room(&p[0], r);
    fake_advance(j.f, 2 * NSEC_PER_S);
    for (int i = 0; i < 8; i++) {
        fake_advance(j.f, NSEC_PER_S);
        cast(&p[0], AT("%d"), p[0].id, i * 3000);
    }
    assert_record(&j, 7, "; observed, staff; ");
    for (int i = 0; i < 6; i++) {
        fake_advance(j.f, NSEC_PER_S);
        for (int k = 0; k < 50; k++)
            cast(&p[0], AT("0"), p[0].id);
    }
    assert_int_equal(counted(j.f, SPAM, 0), 6);
    hear_nothing(&p[0]);
    assert_true(fake_is_open(j.f, p[0].link));
    done(&j);
}

static void the_longest_evidence_finds_room(void **state)
{
    (void)state;
    struct judged j;
    struct player p[2];
    JUDGE(&j, NULL);
    on_track(j.f, p, DOCUMENT);
    for (int i = 0; i < 400; i++) {
        fake_advance(j.f, STEP);
        cast(&p[0],
             "{'command':'UPDATE','sessionId':'%s','position':{'x':-1.23456e-30,'y':-1.23456e-31,"
             "'z':-1.23456e-%d}}",
             p[0].id, 30 + i % 3);
    }
    step(&p[0], 3.4e38);
    assert_int_equal(j.records, 1);
    const char *text = (const char *)j.text.p, *details = strstr(text, "details=");
    assert_non_null(details);
    assert_in_range(strlen(details), 1950, 2048 + 9);
    assert_non_null(strstr(details, " -0.00 3.4e+38 0 0; "));
    assert_null(strstr(details, "\xe2\x80\xa6")); /* nothing was cut off */
    done(&j);
}

/* ---- too much ---- */

/* So many datagrams at once. */
static void flood(struct player *p, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        cast(p, AT("0"), p->id);
    fake_forget_dgrams(p->f);
}

static void a_flood_counts_once_a_window(void **state)
{
    (void)state;
    struct judged j;
    struct player p[2];
    JUDGE(&j, NULL);
    on_track(j.f, p, DOCUMENT);
    fake_advance(j.f, 2 * NSEC_PER_S);
    flood(&p[0], 300);
    assert_record(&j, 0, NULL); /* the burst */
    flood(&p[0], 300);
    assert_record(&j, 1, "subtype=PacketSpam game=racing account=#1 player=ann ");
    assert_record(&j, 1, "vs Max: 300; 301 datagrams in 0.000 s; observed ");
    fake_advance(j.f, NSEC_PER_S);
    flood(&p[0], 400);
    assert_record(&j, 2, "Rate: 901/sec vs Max: 300; 901 datagrams in 1.000 s; observed ");
    hear_nothing(&p[0]);
    assert_int_equal(counted(j.f, SPAM, 0), 2);
    done(&j);
}

static void a_flood_enforced(void **state)
{
    (void)state;
    for (int mode = 0; mode < 2; mode++) {
        struct judged j;
        struct player p[2];
        JUDGE(&j, mode ? "racing.packet_spam=enforce" : "racing.packet_spam=warn");
        on_track(j.f, p, GCM);
        fake_advance(j.f, 2 * NSEC_PER_S);
        for (int i = 1; i <= 4; i++) {
            flood(&p[0], i < 4 ? 700 : 301); /* more would be a stranger's */
            if (i < 4 || !mode)
                hear_error(&p[0], "Too many datagrams. Please send fewer of them.");
            fake_advance(j.f, NSEC_PER_S);
        }
        if (mode) {
            hear(&p[0], "{'command':'BYE_ADMIN','message':'You have been disconnected for sending "
                        "too many datagrams.'}");
            hear_close(&p[0], CLOSE_KICK);
        }
        assert_record(&j, 4, mode ? "; disconnected, 4 of 4 " : "; told, 4 of 4 ");
        hear_nothing(&p[1]);
        done(&j);
    }
}

static void now_and_then_is_forgiven(void **state)
{
    (void)state;
    struct judged j;
    struct player p[2];
    JUDGE(&j, "racing.packet_spam=enforce", "racing.idle_timeout_s=600");
    on_track(j.f, p, DOCUMENT);
    for (int i = 0; i < 12; i++) {
        fake_advance(j.f, 60 * NSEC_PER_S);
        flood(&p[0], 700);
        hear_error(&p[0], "Too many datagrams. Please send fewer of them.");
    }
    assert_record(&j, 12, "; told, 1 of 4 ");
    done(&j);
}

static void invalid_ones(void **state)
{
    (void)state;
    static const char *const junk[] = {"{}", "hello", "{\"command\":\"UPDATE\"}"};
    for (enum form form = CLEAR; form <= GCM; form++) {
        struct judged j;
        struct player p[2];
        uint8_t bytes[256];
        JUDGE(&j, "racing.invalid_datagrams=enforce");
        on_track(j.f, p, form);
        for (unsigned i = 0; i < 51; i++) {
            struct span t = span_str(junk[i % 3]);
            fake_advance(j.f, NSEC_PER_S);
            hear_nothing(&p[0]);
            cast_raw(&p[0], form == CLEAR ? t : sealed(&p[0], t, bytes, sizeof bytes));
        }
        assert_record(&j, 1, "Invalid: 51 datagrams in 50.000 s vs Max: 50 a minute; disconnected");
        hear(&p[0], "{'command':'BYE_ADMIN','message':'You have been disconnected for sending "
                    "invalid datagrams.'}");
        hear_close(&p[0], CLOSE_KICK);
        done(&j);
    }
}

/* Who may forge a source address can have nobody thrown out who has keys of his own. */
static void forged_ones_are_held_against_nobody(void **state)
{
    (void)state;
    struct judged j;
    struct player p[2];
    uint8_t bytes[1024];
    char text[512];
    JUDGE(&j, "racing.invalid_datagrams=enforce", "racing.packet_spam=enforce");
    on_track(j.f, p, GCM);
    for (unsigned i = 0; i < 200; i++) {
        struct span t =
            sealed(&p[0], text_in(text, sizeof text, AT("0"), p[0].id), bytes, sizeof bytes);
        bytes[t.n - 1] ^= 1;
        fake_advance(j.f, STEP);
        cast_raw(&p[0], t);
        cast_raw(&p[0], SPAN_LIT("{}"));
        cast_raw(&p[0], SPAN_LIT("\x20\0\0\0aaaaaaaabbbbbbbbccccccccdddddddd"));
    }
    for (unsigned i = 0; i < 5; i++, fake_advance(j.f, NSEC_PER_S))
        for (unsigned k = 0; k < 1000; k++)
            cast_raw(&p[0], SPAN_LIT("{}"));
    hear_nothing(&p[0]);
    assert_record(&j, 0, NULL);
    done(&j);
}

static void strangers_are_told_of_once_a_minute(void **state)
{
    (void)state;
    struct judged j;
    struct player p[2];
    JUDGE(&j, "racing.strangers_per_s=2");
    on_track(j.f, p, DOCUMENT);
    for (unsigned s = 0; s < 90; s += 3) {
        for (unsigned i = 0; i < 20; i++) {
            struct path from = fake_path("198.51.100.9", (uint16_t)(1000 + i));
            fake_dgram(j.f, &from, SPAN_LIT("{}"));
        }
        fake_advance(j.f, 3 * NSEC_PER_S);
    }
    assert_record(&j, 2,
                  "subtype=PacketSpam game=racing account= player= "
                  "address=198.51.100.9 ");
    for (unsigned a = 0; a < 600; a++) { /* everybody who may be forged */
        char ip[40];
        (void)snprintf(ip, sizeof ip, "198.18.%u.%u", a / 200, a % 200 + 1);
        struct path from = fake_path(ip, 1000);
        for (unsigned i = 0; i < 4; i++)
            fake_dgram(j.f, &from, SPAN_LIT("{}"));
    }
    fake_advance(j.f, NSEC_PER_S);
    assert_in_range(j.records, 3, 258);
    hear_nothing(&p[0]);
    done(&j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_teleport_is_only_observed_by_default),
        cmocka_unit_test(enforced_it_is_dropped_told_and_the_fourth_ends),
        cmocka_unit_test(what_comes_with_the_fourth_is_not_heard),
        cmocka_unit_test(warned_it_goes_on),
        cmocka_unit_test(a_known_speed_is_judged),
        cmocka_unit_test(a_start_and_a_join_put_players_elsewhere),
        cmocka_unit_test(nothing_is_judged_in_the_lobby_nor_without_a_position),
        cmocka_unit_test(off_is_off),
        cmocka_unit_test(staff_is_audited_and_left_alone),
        cmocka_unit_test(the_longest_evidence_finds_room),
        cmocka_unit_test(a_flood_counts_once_a_window),
        cmocka_unit_test(a_flood_enforced),
        cmocka_unit_test(now_and_then_is_forgiven),
        cmocka_unit_test(invalid_ones),
        cmocka_unit_test(forged_ones_are_held_against_nobody),
        cmocka_unit_test(strangers_are_told_of_once_a_minute),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
