/* The life of sessions and of the service: silence, readers that do not read, the server going
 * down, configuration that changes, numbers shown, memory given back (docs/protocol-racing.md,
 * "Endings"). */
#include "talk.h"

#include "base/err.h"
#include "games/racing/racing.h"
#include "sim/alloc_fault.h"

#include <stdio.h>
#include <stdlib.h>

#define S NSEC_PER_S

/* ---- silence ---- */

static void silence_ends_a_session(void **state)
{
    (void)state;
    struct fake *f = SERVE(NULL);
    struct player p, other;
    enter(f, &p, HERE);
    fake_advance(f, 30 * S);
    enter(f, &other, HERE);
    fake_advance(f, 30 * S);
    assert_true(fake_is_open(f, p.link)); /* not before 60 seconds */
    fake_advance(f, 5 * S);
    hear_close(&p, CLOSE_IDLE); /* without a word */
    assert_true(fake_is_open(f, other.link));
    fake_advance(f, 30 * S);
    hear_close(&other, CLOSE_IDLE);
    assert_int_equal(fake_metric(f, M_ENDED_IDLE), 2);
    stop(f);
}

static void what_breaks_the_silence(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        bool counts;
    } rows[] = {
        {"{\"command\":\"PING\"}\n", true},
        {"{}\n", true},
        {"\n", true},
        {"nonsense\n", true},
        {"x", false},
        {"{\"command\":\"PI", false},
        {"\xef\xbb\xbf", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct fake *f = SERVE("racing.idle_timeout_s=10");
        struct player p;
        enter(f, &p, HERE);
        for (int k = 0; k < 4; k++) {
            fake_advance(f, 5 * S);
            fake_bytes(f, p.link, rows[i].bytes, strlen(rows[i].bytes));
        }
        assert_int_equal(fake_is_open(f, p.link), rows[i].counts);
        stop(f);
    }
}

static void datagrams_break_it_when_they_are_accepted(void **state)
{
    (void)state;
    struct fake *f = SERVE("racing.idle_timeout_s=10");
    struct player good, bad, nobody;
    enter_with(f, &good, "good", DOCUMENT);
    enter_with(f, &bad, "bad", DOCUMENT);
    enter(f, &nobody, HERE);
    for (int i = 0; i < 20; i++) {
        fake_advance(f, 1 * S);
        cast_update(&good);
        cast(&bad, "{'command':'UPDATE','sessionId':'%s','position':5}", bad.id);
        cast_update(&nobody);
    }
    assert_true(fake_is_open(f, good.link));
    hear_close(&bad, CLOSE_IDLE);
    hear_close(&nobody, CLOSE_IDLE);
    stop(f);
}

static void waiting_for_the_server_is_no_silence(void **state)
{
    (void)state;
    struct fake *f = SERVE("racing.idle_timeout_s=5");
    struct player p;
    enter(f, &p, HERE);
    f->asks.delay = NSEC_NEVER;
    say(&p, "{'command':'NAME','name':'a','password':'pw'}");
    fake_advance(f, 60 * S);
    assert_true(fake_is_open(f, p.link));
    fake_answer_all(f);
    hear(&p, "{'command':'NAME_OK','name':'a','authenticated':true,'udpEncryption':true}");
    fake_advance(f, 4 * S); /* the answer begins a new span */
    assert_true(fake_is_open(f, p.link));
    fake_advance(f, 3 * S);
    hear_close(&p, CLOSE_IDLE);
    stop(f);
}

static void the_silent_leave_their_room(void **state)
{
    (void)state;
    struct fake *f = SERVE("racing.room_events=true", "racing.idle_timeout_s=5");
    struct player a, b;
    char r[33];
    enter_as(f, &a, "a");
    enter_as(f, &b, "b");
    create_room(&a, r);
    join_room(&b, r);
    hear(&a, "{'command':'PLAYER_JOINED','sessionId':'%s','name':'b','roomId':'%s'}", b.id, r);
    for (int i = 0; i < 5; i++) {
        fake_advance(f, 2 * S);
        say(&b, "{}");
    }
    hear_close(&a, CLOSE_IDLE);
    hear(&b, "{'command':'PLAYER_LEFT','sessionId':'%s','name':'a','roomId':'%s'}", a.id, r);
    say(&b, "{'command':'LIST_ROOMS'}");
    hear(&b,
         "{'command':'ROOM_LIST','rooms':[{'id':'%s','name':'room','playerCount':1,"
         "'isActive':false,'hostId':'%s'}]}",
         r, b.id);
    stop(f);
}

/* ---- readers that do not read ---- */

/* Fills the output queue of a stalled player to within `room` bytes of its ceiling. */
static void stuff(struct player *p, size_t room)
{
    static char text[5000];
    struct fake_link *l = &p->f->links[p->link];
    static struct player from;
    fake_stall(p->f, p->link, true);
    enter_as(p->f, &from, "stuffer");
    size_t frame =
        strlen("{\"command\":\"RELAYED_MESSAGE\",\"senderId\":\"\",\"senderName\":\"stuffer\","
               "\"message\":\"\"}\n") +
        32;
    while (RACING_OUT_MAX - l->out.n > room) {
        size_t n = RACING_OUT_MAX - l->out.n - room;
        n = n > 4096 + frame ? 2000 : n > frame ? n - frame : 1;
        memset(text, 'x', n);
        text[n] = '\0';
        say(&from, "{'command':'RELAY_MESSAGE','targetId':'%s','message':'%s'}", p->id, text);
        fake_forget(p->f, from.link);
        fake_advance(p->f, S / 50);
        assert_true(fake_is_open(p->f, p->link));
    }
    assert_int_equal(RACING_OUT_MAX - l->out.n, room);
    say(&from, "{'command':'BYE'}");
}

static void a_slow_reader_is_cut_off_at_the_ceiling(void **state)
{
    (void)state;
    static const char frame[] = "{\"command\":\"RELAYED_MESSAGE\",\"senderId\":\"\",\"senderName\":"
                                "\"a\",\"message\":\"x\"}\n";
    for (size_t less = 0; less < 2; less++) {
        struct fake *f = SERVE(NULL);
        struct player p, a;
        enter_as(f, &p, "slow");
        enter_as(f, &a, "a");
        stuff(&p, sizeof frame - 1 + 32 - less);
        say(&a, "{'command':'RELAY_MESSAGE','targetId':'%s','message':'x'}", p.id);
        hear(&a, "{'command':'RELAY_OK','targetId':'%s'}", p.id);
        assert_int_equal(fake_is_open(f, p.link), less == 0);
        if (less)
            assert_int_equal(f->links[p.link].why, CLOSE_SLOW);
        assert_int_equal(fake_metric(f, M_ENDED_SLOW), less);
        stop(f);
    }
}

/* In the middle of a broadcast some members turn out not to read: they go, the others hear
 * everything, and hear of their going; whose leaving is told to one more that does not read takes
 * that one along. */
static void slow_readers_in_the_middle_of_a_broadcast(void **state)
{
    (void)state;
    struct fake *f = SERVE("racing.room_events=true", "racing.start_reply=true");
    struct player p[6];
    char r[33], started[2048];
    static const char *const names[] = {"host", "b", "slow1", "d", "slow2", "f"};
    for (int i = 0; i < 6; i++)
        enter_as(f, &p[i], names[i]);
    create_room(&p[0], r);
    for (int i = 1; i < 6; i++)
        join_room(&p[i], r);
    for (int i = 0; i < 6; i++)
        fake_forget(f, p[i].link);
    stuff(&p[2], 10);
    stuff(&p[4], 10);
    fake_forget(f, p[0].link);
    size_t n = (size_t)snprintf(started, sizeof started, "'spawnPositions':{");
    static const int x[] = {66, 60, 54, 47, 41, 35};
    for (int i = 0; i < 6; i++)
        n += (size_t)snprintf(started + n, sizeof started - n, "%s'%s':{'x':%d,'y':-2,'z':0.8}",
                              i ? "," : "", p[i].id, x[i]);
    (void)snprintf(started + n, sizeof started - n, "}}");
    say(&p[0], "{'command':'START_GAME'}");
    for (int i = 0; i < 6; i++) {
        if (i == 2 || i == 4) {
            assert_false(fake_is_open(f, p[i].link));
            assert_int_equal(f->links[p[i].link].why, CLOSE_SLOW);
            continue;
        }
        hear(&p[i], "{'command':'GAME_STARTED','roomId':'%s','hostId':'%s',%s", r, p[0].id,
             started);
        if (i == 0)
            hear(&p[i], "{'command':'GAME_STARTED','roomId':'%s',%s", r, started);
        for (int k = 2; k <= 4; k += 2)
            hear(&p[i], "{'command':'PLAYER_LEFT','sessionId':'%s','name':'%s','roomId':'%s'}",
                 p[k].id, names[k], r);
        hear_nothing(&p[i]);
    }
    assert_int_equal(fake_view(f).players_in_rooms, 4);
    stop(f);
}

static void one_that_leaves_takes_slow_readers_along(void **state)
{
    (void)state;
    struct fake *f = SERVE("racing.room_events=true");
    struct player p[4];
    char r[33];
    static const char *const names[] = {"slowhost", "leaver", "slow", "last"};
    for (int i = 0; i < 4; i++)
        enter_as(f, &p[i], names[i]);
    create_room(&p[0], r);
    for (int i = 1; i < 4; i++)
        join_room(&p[i], r);
    for (int i = 0; i < 4; i++)
        fake_forget(f, p[i].link);
    stuff(&p[0], 10);
    stuff(&p[2], 10);
    fake_hang_up(f, p[1].link);
    assert_false(fake_is_open(f, p[0].link) || fake_is_open(f, p[2].link));
    for (int i = 1; i < 4; i++) {
        static const int order[] = {0, 1, 0, 2};
        hear(&p[3], "{'command':'PLAYER_LEFT','sessionId':'%s','name':'%s','roomId':'%s'}",
             p[order[i]].id, names[order[i]], r);
    }
    say(&p[3], "{'command':'LIST_ROOMS'}");
    hear(&p[3],
         "{'command':'ROOM_LIST','rooms':[{'id':'%s','name':'room','playerCount':1,"
         "'isActive':false,'hostId':'%s'}]}",
         r, p[3].id);
    stop(f);
}

/* Who asks for more than he reads waits for his answers, and gets every one of them. */
static void answers_wait_for_a_reader_that_is_behind(void **state)
{
    (void)state;
    struct fake *f = SERVE("racing.commands_per_s=0", "limits.exempt=" HERE);
    static struct player p[300];
    static char list[65536], line[65536];
    for (unsigned i = 0; i < 300; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "p%u", i);
        enter_as(f, &p[i], name);
        say(&p[i], "{'command':'CREATE_ROOM','name':'r'}");
        fake_forget(f, p[i].link);
    }
    fake_line(f, p[0].link, "{\"command\":\"LIST_ROOMS\"}");
    (void)listen_to(&p[0], list);
    assert_true(strlen(list) > 30000);
    fake_stall(f, p[0].link, true);
    static const char ask_list[] = "{\"command\":\"LIST_ROOMS\"}\n";
    static char all[100 * sizeof ask_list];
    for (unsigned i = 0; i < 50; i++)
        memcpy(all + i * (sizeof ask_list - 1), ask_list, sizeof ask_list - 1);
    fake_bytes(f, p[0].link, all, 50 * (sizeof ask_list - 1)); /* in one go */
    say(&p[0], "{'command':'BATCH','messages':[{'command':'LIST_ROOMS'},{'command':'LIST_ROOMS'},"
               "{'command':'LIST_ROOMS'},{'command':'LIST_ROOMS'},{'command':'PING'}]}");
    say(&p[0], "{'command':'BYE'}");
    assert_true(fake_is_open(f, p[0].link));
    assert_true(f->links[p[0].link].out.n < RACING_OUT_MAX);
    fake_stall(f, p[0].link, false);
    for (unsigned i = 0; i < 54; i++)
        assert_string_equal(listen_to(&p[0], line), list);
    hear(&p[0], "{'command':'PONG'}");
    hear(&p[0], "{'command':'BYE_OK'}");
    hear_close(&p[0], CLOSE_BYE);
    stop(f);
}

static void a_welcome_that_cannot_be_sent(void **state)
{
    (void)state;
    struct fake *f = SERVE(NULL);
    f->listeners[0].out_max = 42; /* one byte less than the welcome */
    int link = fake_open(f, HERE, 5);
    assert_false(fake_is_open(f, link));
    assert_int_equal(f->links[link].why, CLOSE_SLOW);
    assert_int_equal(fake_view(f).sessions, 0);
    stop(f);
}

/* ---- going down ---- */

static void drain_ends_whoever_is_not_in_a_race(void **state)
{
    (void)state;
    struct fake *f = SERVE(NULL);
    struct player racer[2], waiting, guest, late;
    char r[33], r2[33];
    enter_as(f, &racer[0], "r0");
    enter_as(f, &racer[1], "r1");
    create_room(&racer[0], r);
    join_room(&racer[1], r);
    say(&racer[0], "{'command':'START_GAME'}");
    fake_forget(f, racer[0].link);
    fake_forget(f, racer[1].link);
    enter_as(f, &waiting, "w");
    create_room(&waiting, r2);
    enter(f, &guest, HERE);
    fake_drain(f, 30 * S);
    hear(&waiting, "{'command':'BYE_ADMIN','message':'Server is shutting down'}");
    hear_close(&waiting, CLOSE_DRAIN);
    hear(&guest, "{'command':'BYE_ADMIN','message':'Server is shutting down'}");
    hear_close(&guest, CLOSE_DRAIN);
    for (int i = 0; i < 2; i++)
        hear(&racer[i],
             "{'command':'SERVER_CLOSING','message':'Server is shutting down','seconds':29}");
    /* Who still comes in is told soon, and nobody signs in any more. */
    enter(f, &late, HERE);
    ask(&late, "{'command':'NAME','name':'x','password':'pw'}",
        "{'command':'ERROR','message':'Server is busy. Please try again.'}");
    ask(&late, "{'command':'NAME','name':'x'}",
        "{'command':'NAME_OK','name':'x','authenticated':false,'udpEncryption':false}");
    ask(&late, "{'command':'AUTHENTICATE','password':'pw'}",
        "{'command':'ERROR','message':'Server is busy. Please try again.'}");
    fake_advance(f, 2 * S);
    hear(&late, "{'command':'BYE_ADMIN','message':'Server is shutting down'}");
    hear_close(&late, CLOSE_DRAIN);
    /* A race that a player leaves is over for him. */
    say(&racer[1], "{'command':'LEAVE_ROOM'}");
    hear(&racer[1], "{'command':'LEAVE_OK','roomId':'%s'}", r);
    fake_advance(f, 2 * S);
    hear(&racer[1], "{'command':'BYE_ADMIN','message':'Server is shutting down'}");
    hear_close(&racer[1], CLOSE_DRAIN);
    fake_advance(f, 24 * S);
    hear_nothing(&racer[0]);
    assert_true(fake_is_open(f, racer[0].link));
    fake_advance(f, 2 * S); /* before the host would cut him off */
    hear(&racer[0], "{'command':'BYE_ADMIN','message':'Server is shutting down'}");
    hear_close(&racer[0], CLOSE_DRAIN);
    assert_int_equal(fake_metric(f, M_ENDED_DRAIN), 5);
    stop(f);
}

static void a_drain_may_be_hastened(void **state)
{
    (void)state;
    struct fake *f = SERVE(NULL);
    struct player p;
    char r[33];
    enter_as(f, &p, "r");
    create_room(&p, r);
    say(&p, "{'command':'START_GAME'}");
    fake_forget(f, p.link);
    fake_drain(f, 3600 * S);
    hear(&p, "{'command':'SERVER_CLOSING','message':'Server is shutting down','seconds':3599}");
    fake_advance(f, 10 * S);
    fake_drain(f, 10 * S);
    hear_nothing(&p); /* he knows */
    fake_drain(f, 0);
    hear(&p, "{'command':'BYE_ADMIN','message':'Server is shutting down'}");
    hear_close(&p, CLOSE_DRAIN);
    stop(f);
}

static void a_login_that_a_drain_finds_pending(void **state)
{
    (void)state;
    struct fake *f = SERVE(NULL);
    struct player p;
    enter(f, &p, HERE);
    f->asks.delay = NSEC_NEVER;
    say(&p, "{'command':'NAME','name':'x','password':'pw'}");
    fake_drain(f, 30 * S);
    hear(&p, "{'command':'BYE_ADMIN','message':'Server is shutting down'}");
    hear_close(&p, CLOSE_DRAIN);
    fake_answer_all(f);
    hear_nothing(&p);
    stop(f);
}

/* ---- configuration ---- */

static void a_new_configuration_takes_effect(void **state)
{
    (void)state;
    struct fake *f = SERVE("racing.room_size=2");
    struct player a, b, c;
    char r[33];
    enter_as(f, &a, "a");
    enter_as(f, &b, "b");
    enter_as(f, &c, "c");
    create_room(&a, r);
    join_room(&b, r);
    say(&c, "{'command':'JOIN_ROOM','roomId':'%s'}", r);
    hear_error(&c, "Failed to join room. Room may be full or inactive.");
    static const char *const more[] = {"racing.room_size=3", "racing.idle_timeout_s=2",
                                       "racing.line_max_bytes=1024", NULL};
    assert_int_equal(fake_configure(f, more), 0);
    join_room(&c, r);
    static const char *const less[] = {"racing.room_size=1", "racing.idle_timeout_s=2", NULL};
    assert_int_equal(fake_configure(f, less), 0); /* who is in stays in */
    assert_int_equal(fake_view(f).players_in_rooms, 3);
    fake_advance(f, 4 * S);
    assert_int_equal(fake_view(f).sessions, 0);
    stop(f);
}

static void the_default_secret_is_warned_about(void **state)
{
    (void)state;
    struct fake *f = SERVE(NULL);
    assert_true(logged(f, "racing.default_secret"));
    stop(f);
    f = SERVE("racing.udp_shared_secret=something else");
    assert_false(logged(f, "racing.default_secret"));
    assert_false(logged(f, "something else"));
    stop(f);
}

static size_t listeners_of(const char *key, const char *value, struct listener_spec *ret,
                           size_t cap)
{
    struct config_table t = racing_ops.config;
    struct config *c;
    struct buf why;
    buf_init(&why, 256);
    assert_int_equal(config_create(&c, &t, 1), 0);
    assert_int_equal(config_set(c, span_str(key), span_str(value), CONFIG_OPTION, &why), 0);
    size_t n = racing_ops.listeners(c, ret, cap);
    config_destroy(c);
    buf_fini(&why);
    return n;
}

static void listeners_by_configuration(void **state)
{
    (void)state;
    struct listener_spec l[4];
    assert_int_equal(listeners_of("racing.port", "0", l, 4), 0);
    assert_int_equal(listeners_of("racing.port", "8443", l, 4), 2);
    assert_int_equal(l[0].kind, LISTEN_TLS);
    assert_int_equal(l[1].kind, LISTEN_UDP);
    assert_int_equal(l[0].port, 8443);
    assert_int_equal(l[1].port, 8443);
    assert_string_equal(l[0].bind, "0.0.0.0");
    assert_string_equal(l[0].port_key, "racing.port");
    assert_int_equal(l[0].out_max, RACING_OUT_MAX);
    assert_int_equal(l[0].links_per_addr, 64);
    assert_true(l[0].in_max >= 65536 + 3 + 2);
    assert_int_equal(listeners_of("racing.extra_port", "9000", l, 4), 4);
    assert_int_equal(l[2].port, 9000);
    assert_int_equal(l[3].kind, LISTEN_UDP);
    assert_string_equal(l[3].port_key, "racing.extra_port");
    assert_int_equal(listeners_of("racing.extra_port", "9000", l, 3), 2);
    assert_int_equal(listeners_of("racing.bind", "::", l, 4), 2);
    assert_string_equal(l[1].bind, "::");
}

/* ---- numbers and memory ---- */

static void what_is_shown(void **state)
{
    (void)state;
    struct fake *f = SERVE(NULL);
    struct player p[3];
    char r[33], r2[33];
    enter_as(f, &p[0], "a");
    enter_as(f, &p[1], "b");
    enter(f, &p[2], HERE);
    create_room(&p[0], r);
    create_room(&p[1], r2);
    say(&p[1], "{'command':'START_GAME'}");
    struct service_view v = fake_view(f);
    assert_int_equal(v.sessions, 3);
    assert_int_equal(v.authenticated, 2);
    assert_int_equal(v.rooms, 2);
    assert_int_equal(v.rooms_active, 1);
    assert_int_equal(v.players_in_rooms, 2);
    assert_int_equal(fake_metric(f, M_ROOMS_CREATED), 2);
    assert_int_equal(fake_metric(f, M_RACES_STARTED), 1);
    for (int i = 0; i < 3; i++)
        fake_hang_up(f, p[i].link);
    v = fake_view(f);
    assert_int_equal(v.sessions + v.authenticated + v.rooms + v.players_in_rooms, 0);
    assert_int_equal(fake_metric(f, M_ENDED_PEER), 3);
    stop(f);
}

enum { CROWD = 300 };

static void come_race_and_leave(struct fake *f)
{
    static struct player p[CROWD];
    char r[33];
    for (unsigned i = 0; i < CROWD; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "p%u", i);
        enter_with(f, &p[i], name, i % FORMS);
        if (i % 10 == 0)
            create_room(&p[i], r);
        else
            join_room(&p[i], r);
        cast_update(&p[i]);
    }
    for (unsigned i = 0; i < CROWD; i++)
        cast_update(&p[i]);
    fake_forget_dgrams(f);
    for (unsigned i = 0; i < 400; i++) { /* strangers leave traces too */
        char ip[32];
        (void)snprintf(ip, sizeof ip, "198.51.100.%u", i % 250);
        struct path from = fake_path(ip, (uint16_t)(i + 1));
        fake_dgram(f, &from, SPAN_LIT("{}"));
    }
    for (unsigned i = 0; i < CROWD; i++) {
        unsigned k = i * 7 % CROWD; /* in another order than they came */
        if (i % 3)
            fake_hang_up(f, p[k].link);
        else
            say(&p[k], "{'command':'BYE'}");
    }
    fake_advance(f, 2 * S);
    assert_int_equal(fake_view(f).sessions, 0);
}

static void memory_is_given_back(void **state)
{
    (void)state;
    struct fake *f = SERVE("racing.single_login=replace", "limits.exempt=" HERE);
    long before = alloc_live_bytes(), blocks = alloc_live_blocks();
    come_race_and_leave(f);
    long once = alloc_live_bytes(), once_blocks = alloc_live_blocks();
    come_race_and_leave(f);
    come_race_and_leave(f);
    assert_int_equal(alloc_live_blocks(), once_blocks);         /* no more each time */
    assert_in_range(alloc_live_bytes() - once + 1024, 0, 2048); /* as the allocator rounds */
    /* One spare chunk of each slab, records of slots, maps at their smallest, the reply buffer. */
    assert_in_range(once - before, 0, 350000);
    assert_in_range(alloc_live_blocks() - blocks, 0, 40);
    struct player p;
    enter(f, &p, HERE); /* the next insert shrinks what was left of the maps */
    stop(f);
    assert_int_equal(alloc_live_blocks(), 0);
}

/* A process that ends at once does not wait for anybody; the address sanitizer sees what is left.
 */
static void it_may_end_with_players_in_it(void **state)
{
    (void)state;
    struct fake *f = SERVE(NULL);
    struct player in_room, in_lobby, nobody;
    char room[33];
    enter_as(f, &in_room, "in room");
    create_room(&in_room, room);
    enter_as(f, &in_lobby, "in lobby");
    enter(f, &nobody, HERE);
    assert_int_equal(fake_view(f).sessions, 3);
    crash(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(silence_ends_a_session),
        cmocka_unit_test(what_breaks_the_silence),
        cmocka_unit_test(datagrams_break_it_when_they_are_accepted),
        cmocka_unit_test(waiting_for_the_server_is_no_silence),
        cmocka_unit_test(the_silent_leave_their_room),
        cmocka_unit_test(a_slow_reader_is_cut_off_at_the_ceiling),
        cmocka_unit_test(slow_readers_in_the_middle_of_a_broadcast),
        cmocka_unit_test(one_that_leaves_takes_slow_readers_along),
        cmocka_unit_test(answers_wait_for_a_reader_that_is_behind),
        cmocka_unit_test(a_welcome_that_cannot_be_sent),
        cmocka_unit_test(drain_ends_whoever_is_not_in_a_race),
        cmocka_unit_test(a_drain_may_be_hastened),
        cmocka_unit_test(a_login_that_a_drain_finds_pending),
        cmocka_unit_test(a_new_configuration_takes_effect),
        cmocka_unit_test(the_default_secret_is_warned_about),
        cmocka_unit_test(listeners_by_configuration),
        cmocka_unit_test(what_is_shown),
        cmocka_unit_test(memory_is_given_back),
        cmocka_unit_test(it_may_end_with_players_in_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
