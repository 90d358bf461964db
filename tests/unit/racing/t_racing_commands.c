/* Lines and commands: framing, letter case, every row of the table with its exact bytes, rooms,
 * races, relays (docs/protocol-racing.md, "Lines", "Commands", "Rooms", "Starting a race"). */
#include "talk.h"

#include <time.h>

#include "base/err.h"

#include <stdio.h>
#include <stdlib.h>

#define BOM "\xef\xbb\xbf"

static void say_raw(struct player *p, const char *bytes)
{
    fake_bytes(p->f, p->link, bytes, strlen(bytes));
}

/* ---- lines ---- */

static void what_ends_and_begins_a_line(void **state)
{
    (void)state;
    struct fake *f = SERVE(NULL);
    struct player p;
    enter(f, &p, HERE);
    static const char *const rows[] = {
        "{\"command\":\"PING\"}\n",
        "{\"command\":\"PING\"}\r\n",
        BOM "{\"command\":\"PING\"}\n",
        BOM "{\"command\":\"PING\"}\r\n",
        " {\"command\" : \"PING\"}\t\n",
        "{\"command\":\"ping\"}\n",
        "{\"command\":\"PiNg\",\"x\":[1,{}]}\n",
        "{\"command\":\"LEAVE\",\"command\":\"PING\"}\n",
        "{\"\\u0063ommand\":\"\\u0050ING\"}\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        say_raw(&p, rows[i]);
        hear(&p, "{'command':'PONG'}");
        hear_nothing(&p);
    }
    say_raw(&p, "{\"command\":\"PING\"}\n{\"command\":\"PING\"}\r\n{\"command\":\"PI");
    hear(&p, "{'command':'PONG'}");
    hear(&p, "{'command':'PONG'}");
    hear_nothing(&p);
    say_raw(&p, "NG\"}\n");
    hear(&p, "{'command':'PONG'}");
    say_raw(&p, BOM); /* what a writer leaves behind at the end */
    hear_nothing(&p);
    fake_hang_up(f, p.link);
    hear_close(&p, CLOSE_BY_PEER);
    stop(f);
}

static void what_is_no_command(void **state)
{
    (void)state;
    struct fake *f = SERVE(NULL);
    struct player p;
    enter(f, &p, HERE);
    static const char *const wrong[] = {
        "",
        " ",
        "\t",
        "\r",
        "{",
        "}",
        "[]",
        "5",
        "\"x\"",
        "null",
        "true",
        "{}{}",
        "{'command':'PING'} x",
        "{'command':'PING'",
        "{command:'PING'}",
        "{'command':'PING',}",
        "{'command':5}",
        "{'command':true}",
        "{'command':['PING']}",
        "{'command':{}}",
        "/* c */{'command':'PING'}",
        "{'command':'PING' /* c */}",
        "{'command':'\xff'}",
        "{'command':'PING','x':'\xc0\xaf'}",
        "{'command':'PING','x':'\\ud800'}",
        "{'command':'PI\tNG'}",
        "{'a':NaN}",
        "{'a':01}",
        BOM BOM "{'command':'PING'}",
    };
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        say(&p, "%s", wrong[i]);
        hear_error(&p, "Invalid JSON format");
    }
    static const char *const ignored[] = {
        "{}",
        "{'command':null}",
        "{'command':''}",
        "{'Command':'PING'}",
        "{'COMMAND':'PING'}",
        "{'command':'PING','command':null}",
        "{'command':'PONG'}",
        "{'x':1}",
    };
    for (size_t i = 0; i < ARRAY_LEN(ignored); i++) {
        say(&p, "%s", ignored[i]);
        hear_nothing(&p);
        assert_true(fake_is_open(f, p.link));
    }
    ask(&p, "{'command':'PING'}", "{'command':'PONG'}");
    stop(f);
}

static void nesting_is_limited(void **state)
{
    (void)state;
    struct fake *f = SERVE(NULL);
    struct player p;
    char open[65], close[65];
    enter(f, &p, HERE);
    memset(open, '[', sizeof open);
    memset(close, ']', sizeof close);
    say(&p, "{'command':'PING','x':%.63s%.63s}", open, close);
    hear(&p, "{'command':'PONG'}");
    say(&p, "{'command':'PING','x':%.64s%.64s}", open, close);
    hear_error(&p, "Invalid JSON format");
    stop(f);
}

static void byte_by_byte(void **state)
{
    (void)state;
    struct fake *f = SERVE(NULL);
    struct player p;
    enter(f, &p, HERE);
    const char *text =
        BOM "{\"command\":\"NAME\",\"name\":\"ann\",\"password\":\"pw\"}\r\n"
            "{\"command\":\"PLAYER_INFO\"}\n{\"command\":\"BYE\"}\n{\"command\":\"PING\"}\n";
    for (const char *c = text; *c; c++)
        fake_bytes(f, p.link, c, 1);
    hear(&p, "{'command':'NAME_OK','name':'ann','authenticated':true,'udpEncryption':true}");
    hear(&p, "{'command':'PLAYER_INFO','playerInfo':{'id':'%s','name':'ann','currentRoomId':null}}",
         p.id);
    hear(&p, "{'command':'BYE_OK'}");
    hear_close(&p, CLOSE_BYE);
    stop(f);
}

static void a_line_may_be_so_long_and_no_longer(void **state)
{
    (void)state;
    static char text[70000];
    for (int end = 0; end < 4; end++)
        for (int more = 0; more < 2; more++) {
            struct fake *f = SERVE(NULL);
            struct player p;
            enter(f, &p, HERE);
            /* mark and CR do not count */
            size_t n = (size_t)snprintf(text, sizeof text, "%s{\"command\":\"PING\",\"x\":\"",
                                        end & 1 ? BOM : "");
            size_t want = 65536u + (end & 1 ? 3 : 0) + (size_t)more;
            memset(text + n, 'x', want - 2 - n);
            memcpy(text + want - 2, "\"}", 2);
            fake_bytes(f, p.link, text, want);
            fake_bytes(f, p.link, "\r\n" + !(end & 2), 1 + (end >> 1));
            if (more) {
                hear(&p, "{'command':'ERROR','message':'Message too long'}");
                hear_close(&p, CLOSE_PROTOCOL);
            } else {
                hear(&p, "{'command':'PONG'}");
                assert_true(fake_is_open(f, p.link));
            }
            stop(f);
        }
    /* Without an end it is told as soon as it is certain. */
    struct fake *f = SERVE("racing.line_max_bytes=1024");
    struct player p;
    enter(f, &p, HERE);
    memset(text, ' ', sizeof text);
    fake_bytes(f, p.link, text, 1024);
    assert_true(fake_is_open(f, p.link));
    fake_bytes(f, p.link, "\r", 1);
    assert_true(fake_is_open(f, p.link));
    fake_bytes(f, p.link, "x", 1);
    hear(&p, "{'command':'ERROR','message':'Message too long'}");
    hear_close(&p, CLOSE_PROTOCOL);
    fake_bytes(f, p.link, "{\"command\":\"PING\"}\n", 19);
    hear_nothing(&p);
    stop(f);
}

/* ---- the table ---- */

static void before_and_after_signing_in(void **state)
{
    (void)state;
    static const char *const guarded[] = {"CREATE_ROOM",      "JOIN_ROOM",     "LEAVE_ROOM",
                                          "GET_ROOM_PLAYERS", "RELAY_MESSAGE", "start_game"};
    struct fake *f = SERVE(NULL);
    struct player p;
    enter(f, &p, HERE);
    for (size_t i = 0; i < ARRAY_LEN(guarded); i++) {
        say(&p, "{'command':'%s','name':'x','roomId':'y'}", guarded[i]);
        hear_error(&p, "Authentication required. Please use NAME command with password.");
    }
    say(&p, "{'command':'PLAYER_INFO'}");
    hear(&p,
         "{'command':'PLAYER_INFO','playerInfo':{'id':'%s','name':'Anonymous','currentRoomId':null}"
         "}",
         p.id);
    ask(&p, "{'command':'LIST_ROOMS'}", "{'command':'ROOM_LIST','rooms':[]}");
    ask(&p, "{'command':'ping'}", "{'command':'PONG'}");
    ask(&p, "{'command':'foo'}", "{'command':'UNKNOWN_COMMAND','originalCommand':'FOO'}");
    ask(&p, "{'command':'bye'}", "{'command':'BYE_OK'}");
    hear_close(&p, CLOSE_BYE);
    stop(f);
}

static void unknown_commands_are_echoed(void **state)
{
    (void)state;
    static const struct {
        const char *sent, *echoed;
    } rows[] = {
        {"Foo Bar", "FOO BAR"},
        {"names", "NAMES"},
        {"NAM", "NAM"},
        {"stra\xc3\x9f"
         "e \xc3\xa9",
         "STRA\xc3\x9f"
         "E \xc3\xa9"}, /* ASCII letters only */
        {"a\\u0000b", "A\\u0000B"},
        {"\\u0022\\\\/\\n", "\\\"\\\\/\\n"},
        {"\\ud83d\\ude00", "\xf0\x9f\x98\x80"},
        {" ", " "},
    };
    struct fake *f = SERVE(NULL);
    struct player p;
    static char line[200000];
    enter(f, &p, HERE);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        (void)snprintf(line, sizeof line, "{\"command\":\"%s\"}", rows[i].sent);
        fake_line(f, p.link, line);
        (void)snprintf(line, sizeof line,
                       "{\"command\":\"UNKNOWN_COMMAND\",\"originalCommand\":\"%s\"}",
                       rows[i].echoed);
        char got[65536];
        assert_string_equal(listen_to(&p, got), line);
        hear_nothing(&p);
    }
    /* A long one is cut, between characters. */
    static char name[3001], cut[1025];
    for (int i = 0; i < 1000; i++)
        memcpy(name + 3 * i, "\xe2\x82\xac", 3);
    memcpy(cut, name, 1023);
    say(&p, "{'command':'%s'}", name);
    hear(&p, "{'command':'UNKNOWN_COMMAND','originalCommand':'%s'}", cut);
    static char escaped[60001];
    for (int i = 0; i < 10000; i++)
        memcpy(escaped + 6 * i, "\\u0061", 6);
    memset(cut, 'A', 1024);
    say(&p, "{'command':'%s'}", escaped);
    hear(&p, "{'command':'UNKNOWN_COMMAND','originalCommand':'%s'}", cut);
    hear_nothing(&p);
    stop(f);
}

static void made_up_commands_do_not_fill_the_log(void **state)
{
    (void)state;
    struct fake *f = SERVE(NULL);
    struct player p;
    char line[65536], name[201], begin[33];
    enter(f, &p, HERE);
    memset(name, 'Q', 200);
    name[200] = '\0';
    say(&p, "{'command':'%s'}", name);
    assert_non_null(strstr(listen_to(&p, line), name));
    memcpy(begin, name, 32);
    begin[32] = '\0';
    assert_true(logged(f, begin));
    assert_false(logged(f, "QQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQ")); /* 33 */
    stop(f);
}

/* Processor time until a line of about 60 KB with this in it was handled, one command at a time. */
static clock_t cost_of_line(const char *begin)
{
    static char line[64000];
    struct fake *f = SERVE("racing.commands_per_s=50", "racing.commands_burst=1");
    struct player p;
    enter(f, &p, HERE);
    size_t n = (size_t)snprintf(line, sizeof line, "%s,\"pad\":\"", begin);
    while (n < 60000) {
        line[n++] = '\\';
        line[n++] = '"';
    }
    memcpy(line + n, "\"}", 3);
    fake_advance(f, NSEC_PER_S);
    clock_t start = clock();
    fake_line(f, p.link, line);
    for (unsigned i = 0; i < 40; i++)
        fake_advance(f, NSEC_PER_S / 50);
    clock_t spent = clock() - start;
    say(&p, "{'command':'BYE'}");
    fake_advance(f, NSEC_PER_S);
    hear(&p, "{'command':'PONG'}");
    hear(&p, "{'command':'BYE_OK'}");
    stop(f);
    return spent;
}

/* Elements wait one by one for the command rate, and each wait lets the line be seen again. Were it
 * searched each time, one line would cost as much as a hundred. */
static void a_batch_that_waits_is_searched_once(void **state)
{
    (void)state;
    char batch[400] = "{\"command\":\"BATCH\",\"messages\":[{\"command\":\"PING\"}";
    for (unsigned i = 1; i < 32; i++)
        memcpy(batch + strlen(batch), ",{}", 4);
    memcpy(batch + strlen(batch), "]", 2);
    clock_t one = 0, all = 0;
    for (unsigned i = 0; i < 5; i++) { /* the best of some, because others use the machine too */
        clock_t a = cost_of_line("{\"command\":\"PING\""), b = cost_of_line(batch);
        one = i == 0 || a < one ? a : one;
        all = i == 0 || b < all ? b : all;
    }
    assert_true(all < 12 * one);
}

static void rooms_from_creation_to_removal(void **state)
{
    (void)state;
    struct fake *f = SERVE(NULL);
    struct player a, b;
    char r[33], r2[33];
    enter_as(f, &a, "ann");
    enter_as(f, &b, "bob");
    ask(&a, "{'command':'LEAVE_ROOM'}",
        "{'command':'ERROR','message':'Cannot leave room. No room joined.'}");
    ask(&a, "{'command':'GET_ROOM_PLAYERS'}",
        "{'command':'ERROR','message':'Cannot get players. No room joined.'}");
    ask(&a, "{'command':'START_GAME'}",
        "{'command':'ERROR','message':'Cannot start game. No room joined.'}");
    create_room(&a, r);
    assert_string_not_equal(r, a.id);
    assert_int_equal(r[12], '4');
    say(&a, "{'command':'LIST_ROOMS'}");
    hear(&a,
         "{'command':'ROOM_LIST','rooms':[{'id':'%s','name':'room','playerCount':1,"
         "'isActive':false,'hostId':'%s'}]}",
         r, a.id);
    say(&a, "{'command':'PLAYER_INFO'}");
    hear(&a, "{'command':'PLAYER_INFO','playerInfo':{'id':'%s','name':'ann','currentRoomId':'%s'}}",
         a.id, r);
    join_room(&b, r);
    hear_nothing(&a); /* nobody is told */
    say(&b, "{'command':'GET_ROOM_PLAYERS','roomId':'whatever'}");
    hear(&b,
         "{'command':'ROOM_PLAYERS','roomId':'%s','players':[{'id':'%s','name':'ann'},"
         "{'id':'%s','name':'bob'}]}",
         r, a.id, b.id);
    ask(&b, "{'command':'START_GAME'}",
        "{'command':'ERROR','message':'Cannot start game. Only the host can start the game.'}");
    create_room(&b, r2); /* leaves the first silently */
    hear_nothing(&a);
    say(&a, "{'command':'LIST_ROOMS'}");
    hear(&a,
         "{'command':'ROOM_LIST','rooms':[{'id':'%s','name':'room','playerCount':1,"
         "'isActive':false,'hostId':'%s'},{'id':'%s','name':'room','playerCount':1,"
         "'isActive':false,'hostId':'%s'}]}",
         r, a.id, r2, b.id);
    say(&a, "{'command':'LEAVE_ROOM'}");
    hear(&a, "{'command':'LEAVE_OK','roomId':'%s'}", r);
    say(&a, "{'command':'JOIN_ROOM','roomId':'%s'}", r); /* removed when empty */
    hear_error(&a, "Room not found.");
    fake_hang_up(f, b.link);
    ask(&a, "{'command':'LIST_ROOMS'}", "{'command':'ROOM_LIST','rooms':[]}");
    stop(f);
}

static void room_names(void **state)
{
    (void)state;
    struct fake *f = SERVE(NULL);
    struct player p;
    char line[65536], name[80];
    enter_as(f, &p, "ann");
    static const struct {
        const char *sent, *error, *got;
    } rows[] = {
        {"'x':1", "Room name is required.", NULL},
        {"'name':null", NULL, "Race Room"},
        {"'name':''", NULL, ""},
        {"'name':'a \\u00e9 \\ud83d\\ude00'", NULL, "a \xc3\xa9 \xf0\x9f\x98\x80"},
        {"'name':'say \\'hi\\' \\\\'", NULL, "say \\\"hi\\\" \\\\"},
        {"'name':5", "Room name is not valid.", NULL},
        {"'name':['x']", "Room name is not valid.", NULL},
        {"'name':'a\\nb'", "Room name is not valid.", NULL},
        {"'name':'\\u0000'", "Room name is not valid.", NULL},
        {"'name':'\\u007f'", "Room name is not valid.", NULL},
        {"'name':'\\u0085'", "Room name is not valid.", NULL},
        {"'name':'one','name':'two'", NULL, "two"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        say(&p, "{'command':'CREATE_ROOM',%s}", rows[i].sent);
        if (rows[i].error) {
            hear_error(&p, rows[i].error);
            continue;
        }
        (void)listen_to(&p, line);
        assert_memory_equal(line + 68, "\",\"name\":\"", 10);
        size_t n = strlen(line);
        assert_int_equal(n, 78 + strlen(rows[i].got) + 2);
        assert_memory_equal(line + 78, rows[i].got, strlen(rows[i].got));
    }
    for (size_t n = 63; n <= 65; n++) {
        memset(name, 'n', n);
        name[n] = '\0';
        say(&p, "{'command':'CREATE_ROOM','name':'%s'}", name);
        (void)listen_to(&p, line);
        assert_int_equal(strstr(line, "not valid") != NULL, n == 65);
        say(&p, "{'command':'CREATE_ROOM','name':'%.*s\\u006e'}", (int)n - 1, name);
        (void)listen_to(&p, line);
        assert_int_equal(strstr(line, "not valid") != NULL, n == 65);
    }
    stop(f);
}

static void joining(void **state)
{
    (void)state;
    struct fake *f = SERVE("racing.room_size=3");
    struct player p[4];
    char r[33], r2[33];
    static const char *const names[] = {"a", "b", "c", "d"};
    for (int i = 0; i < 4; i++)
        enter_as(f, &p[i], names[i]);
    create_room(&p[0], r);
    static const char *const none[] = {"'x':1",
                                       "'roomId':null",
                                       "'roomId':''",
                                       "'roomId':5",
                                       "'roomId':'0123456789abcdef0123456789abcdef'",
                                       "'roomId':'0123456789abcdef0123456789abcdef0'"};
    for (size_t i = 0; i < ARRAY_LEN(none); i++) {
        say(&p[1], "{'command':'JOIN_ROOM',%s}", none[i]);
        hear_error(&p[1], "Room not found.");
    }
    say(&p[0], "{'command':'JOIN_ROOM','roomId':'%s'}", r); /* one's own */
    hear_error(&p[0], "Failed to join room. Room may be full or inactive.");
    join_room(&p[1], r);
    join_room(&p[2], r);
    create_room(&p[3], r2);
    say(&p[3], "{'command':'JOIN_ROOM','roomId':'%s'}", r); /* full: stays where it was */
    hear_error(&p[3], "Failed to join room. Room may be full or inactive.");
    say(&p[3], "{'command':'PLAYER_INFO'}");
    hear(&p[3],
         "{'command':'PLAYER_INFO','playerInfo':{'id':'%s','name':'d','currentRoomId':'%s'}}",
         p[3].id, r2);
    join_room(&p[2], r2); /* moves, silently */
    hear_nothing(&p[0]);
    hear_nothing(&p[3]);
    say(&p[1], "{'command':'GET_ROOM_PLAYERS'}");
    hear(&p[1],
         "{'command':'ROOM_PLAYERS','roomId':'%s','players':[{'id':'%s','name':'a'},"
         "{'id':'%s','name':'b'}]}",
         r, p[0].id, p[1].id);
    /* a room id written with escapes is the same id */
    say(&p[3], "{'command':'JOIN_ROOM','roomId':'\\u00%02x%s'}", r[0], r + 1);
    hear(&p[3], "{'command':'JOIN_OK','roomId':'%s'}", r);
    stop(f);
}

static void the_host_is_the_oldest(void **state)
{
    (void)state;
    struct fake *f = SERVE(NULL);
    struct player p[4];
    char r[33];
    static const char *const names[] = {"a", "b", "c", "d"};
    for (int i = 0; i < 4; i++)
        enter_as(f, &p[i], names[i]);
    create_room(&p[0], r);
    for (int i = 1; i < 4; i++)
        join_room(&p[i], r);
    fake_hang_up(f, p[1].link); /* not the host: nothing changes */
    say(&p[0], "{'command':'LEAVE_ROOM'}");
    hear(&p[0], "{'command':'LEAVE_OK','roomId':'%s'}", r);
    say(&p[0], "{'command':'LIST_ROOMS'}");
    hear(&p[0],
         "{'command':'ROOM_LIST','rooms':[{'id':'%s','name':'room','playerCount':2,"
         "'isActive':false,'hostId':'%s'}]}",
         r, p[2].id);
    join_room(&p[0], r); /* back again, as the youngest */
    say(&p[2], "{'command':'BYE'}");
    say(&p[0], "{'command':'LIST_ROOMS'}");
    hear(&p[0],
         "{'command':'ROOM_LIST','rooms':[{'id':'%s','name':'room','playerCount':2,"
         "'isActive':false,'hostId':'%s'}]}",
         r, p[3].id);
    hear_nothing(&p[0]);
    stop(f);
}

static void the_number_of_rooms_is_limited(void **state)
{
    (void)state;
    struct fake *f = SERVE("racing.max_rooms=2");
    struct player a, b, c;
    char ra[33], rb[33], again[33];
    enter_as(f, &a, "a");
    enter_as(f, &b, "b");
    enter_as(f, &c, "c");
    create_room(&a, ra);
    create_room(&b, rb);
    say(&c, "{'command':'CREATE_ROOM','name':'x'}");
    hear_error(&c, "Too many rooms. Please try again later.");
    create_room(&a, again); /* its old one goes */
    join_room(&c, again);
    say(&a, "{'command':'CREATE_ROOM','name':'x'}"); /* its old one would stay */
    hear_error(&a, "Too many rooms. Please try again later.");
    say(&a, "{'command':'PLAYER_INFO'}");
    hear(&a, "{'command':'PLAYER_INFO','playerInfo':{'id':'%s','name':'a','currentRoomId':'%s'}}",
         a.id, again);
    assert_int_equal(fake_view(f).rooms, 2);
    stop(f);
}

static void rooms_of_one_address_are_limited(void **state)
{
    (void)state;
    struct fake *f = SERVE("racing.rooms_per_address=2");
    struct player p[4], other, spared;
    char r[33], again[33];
    for (unsigned i = 0; i < 4; i++)
        enter_as(f, &p[i], (const char *const[]){"a", "b", "c", "d"}[i]);
    enter(f, &other, "203.0.113.99");
    ask(&other, "{'command':'NAME','name':'o','password':'pw'}",
        "{'command':'NAME_OK','name':'o','authenticated':true,'udpEncryption':true}");
    create_room(&p[0], again);
    create_room(&p[1], r);
    say(&p[2], "{'command':'CREATE_ROOM','name':'x'}");
    hear_error(&p[2], "Too many rooms. Please try again later.");
    create_room(&p[0], again); /* in place of his own */
    create_room(&other, r);
    join_room(&p[3], r);
    create_room(&other, r); /* the one he leaves goes on, and counts as his address's */
    /* The one who made it leaves, the one who stays keeps it counted until it ends. */
    join_room(&p[2], again);
    say(&p[0], "{'command':'LEAVE_ROOM'}");
    hear(&p[0], "{'command':'LEAVE_OK','roomId':'%s'}", again);
    say(&p[0], "{'command':'CREATE_ROOM','name':'x'}");
    hear_error(&p[0], "Too many rooms. Please try again later.");
    say(&p[2], "{'command':'LEAVE_ROOM'}");
    hear(&p[2], "{'command':'LEAVE_OK','roomId':'%s'}", again);
    create_room(&p[0], again);
    assert_int_equal(fake_view(f).rooms, 4);
    enter(f, &spared, "10.0.0.1");
    ask(&spared, "{'command':'NAME','name':'s','password':'pw'}",
        "{'command':'NAME_OK','name':'s','authenticated':true,'udpEncryption':true}");
    create_room(&spared, again);
    stop(f);
}

/* As many rooms as there can be, with names that grow most when they are written: one list fits the
 * output queue of a link. */
static void all_rooms_fit_one_list(void **state)
{
    (void)state;
    struct fake *f = SERVE("racing.commands_per_s=0", "limits.exempt=" HERE);
    static struct player p[1000];
    static char line[1u << 19], text[256] = "{\"command\":\"CREATE_ROOM\",\"name\":\"";
    size_t n = strlen(text);
    for (int i = 0; i < 64; i++, n += 2)
        memcpy(text + n, "\\\"", 2);
    memcpy(text + n, "\"}", 3);
    for (unsigned i = 0; i < 1000; i++) {
        char who[16];
        (void)snprintf(who, sizeof who, "p%u", i);
        enter_as(f, &p[i], who);
        fake_line(f, p[i].link, text);
        fake_forget(f, p[i].link);
    }
    assert_int_equal(fake_view(f).rooms, 1000);
    struct player extra;
    enter_as(f, &extra, "extra");
    fake_line(f, extra.link, text);
    hear_error(&extra, "Too many rooms. Please try again later.");
    fake_line(f, p[7].link, text); /* in place of his own */
    fake_forget(f, p[7].link);
    assert_int_equal(fake_view(f).rooms, 1000);
    fake_line(f, extra.link, "{\"command\":\"LIST_ROOMS\"}");
    assert_true(fake_take_line(f, extra.link, line, sizeof line));
    assert_in_range(strlen(line), 250000, 262143);
    unsigned rooms = 0;
    for (const char *at = line; (at = strstr(at, "\"playerCount\":1")); at++)
        rooms++;
    assert_int_equal(rooms, 1000);
    stop(f);
}

static void starting(void **state)
{
    (void)state;
    struct fake *f = SERVE(NULL);
    struct player a, b;
    char r[33];
    enter_as(f, &a, "a");
    enter_as(f, &b, "b");
    create_room(&a, r);
    join_room(&b, r);
    for (int again = 0; again < 2; again++) {
        char both[400];
        (void)snprintf(
            both, sizeof both,
            "'spawnPositions':{'%s':{'x':66,'y':-2,'z':0.8},'%s':{'x':60,'y':-2,'z':0.8}}", a.id,
            b.id);
        say(&a, "{'command':'START_GAME'}");
        hear(&a, "{'command':'GAME_STARTED','roomId':'%s','hostId':'%s',%s}", r, a.id, both);
        hear(&a, "{'command':'GAME_STARTED','roomId':'%s',%s}", r, both);
        hear_nothing(&a);
        hear(&b, "{'command':'GAME_STARTED','roomId':'%s','hostId':'%s',%s}", r, a.id, both);
        hear_nothing(&b);
    }
    assert_int_equal(fake_view(f).rooms_active, 1);
    /* A running room takes nobody in, and goes on until it is empty. */
    struct player c;
    enter_as(f, &c, "c");
    say(&c, "{'command':'JOIN_ROOM','roomId':'%s'}", r);
    hear_error(&c, "Failed to join room. Room may be full or inactive.");
    fake_hang_up(f, a.link);
    say(&c, "{'command':'LIST_ROOMS'}");
    hear(&c,
         "{'command':'ROOM_LIST','rooms':[{'id':'%s','name':'room','playerCount':1,"
         "'isActive':true,'hostId':'%s'}]}",
         r, b.id);
    say(&b, "{'command':'START_GAME'}");
    hear(&b,
         "{'command':'GAME_STARTED','roomId':'%s','hostId':'%s','spawnPositions':{'%s':{'x':66,"
         "'y':-2,'z':0.8}}}",
         r, b.id, b.id);
    hear(&b,
         "{'command':'GAME_STARTED','roomId':'%s','spawnPositions':{'%s':{'x':66,'y':-2,'z':0.8}}}",
         r, b.id);
    stop(f);
}

static void the_grid_by_order_of_joining(void **state)
{
    (void)state;
    static const int x[] = {66, 60, 54,  47,  41,  35,  28,  22,  16,  9,  3,
                            -3, -9, -15, -22, -28, -34, -41, -47, -54, 66, 60};
    struct fake *f = SERVE("racing.room_size=22", "racing.start_reply=false");
    static struct player p[22];
    char r[33], want[8192];
    for (unsigned i = 0; i < 22; i++) {
        char name[8];
        (void)snprintf(name, sizeof name, "p%u", i);
        enter_as(f, &p[i], name);
    }
    create_room(&p[5], r); /* join order, not the order of ids or of connecting */
    for (unsigned i = 0; i < 22; i++)
        if (i != 5)
            join_room(&p[i], r);
    size_t n = (size_t)snprintf(
        want, sizeof want,
        "{'command':'GAME_STARTED','roomId':'%s','hostId':'%s','spawnPositions':{", r, p[5].id);
    for (unsigned i = 0; i < 22; i++) {
        unsigned who = i == 0 ? 5 : i <= 5 ? i - 1 : i;
        n += (size_t)snprintf(want + n, sizeof want - n, "%s'%s':{'x':%d,'y':-2,'z':0.8}",
                              i ? "," : "", p[who].id, x[i]);
    }
    (void)snprintf(want + n, sizeof want - n, "}}");
    say(&p[5], "{'command':'START_GAME'}");
    for (unsigned i = 0; i < 22; i++) {
        hear(&p[i], "%s", want);
        hear_nothing(&p[i]); /* no second line for the host: start_reply is off */
    }
    stop(f);
}

static void relaying(void **state)
{
    (void)state;
    struct fake *f = SERVE(NULL);
    struct player a, b, guest;
    enter_as(f, &a, "ann");
    enter_as(f, &b, "bob");
    enter(f, &guest, HERE); /* not authenticated: reached all the same */
    say(&a, "{'command':'RELAY_MESSAGE','targetId':'%s','message':'hi, \\u00e9: \\'x\\' \\u0001'}",
        b.id);
    hear(&b,
         "{'command':'RELAYED_MESSAGE','senderId':'%s','senderName':'ann',"
         "'message':'hi, \xc3\xa9: \\'x\\' \\u0001'}",
         a.id);
    hear(&a, "{'command':'RELAY_OK','targetId':'%s'}", b.id);
    hear_nothing(&a);
    hear_nothing(&b);
    say(&a, "{'command':'RELAY_MESSAGE','targetId':'%s','message':'x'}", guest.id);
    hear(&guest, "{'command':'RELAYED_MESSAGE','senderId':'%s','senderName':'ann','message':'x'}",
         a.id);
    hear(&a, "{'command':'RELAY_OK','targetId':'%s'}", guest.id);
    say(&a, "{'command':'RELAY_MESSAGE','targetId':'%s','message':'me'}", a.id);
    hear(&a, "{'command':'RELAYED_MESSAGE','senderId':'%s','senderName':'ann','message':'me'}",
         a.id);
    hear(&a, "{'command':'RELAY_OK','targetId':'%s'}", a.id);
    static const char *const missing[] = {"'x':1",
                                          "'targetId':'%s'",
                                          "'message':'m'",
                                          "'targetId':'%s','message':''",
                                          "'targetId':'%s','message':null",
                                          "'targetId':'%s','message':5",
                                          "'targetId':'','message':'m'",
                                          "'targetId':null,'message':'m'",
                                          "'targetId':5,'message':'m'"};
    for (size_t i = 0; i < ARRAY_LEN(missing); i++) {
        char line[200] = "{'command':'RELAY_MESSAGE',";
        const char *id = strstr(missing[i], "%s");
        if (id)
            (void)snprintf(line + 27, sizeof line - 27, "%.*s%s%s}", (int)(id - missing[i]),
                           missing[i], b.id, id + 2);
        else
            (void)snprintf(line + 27, sizeof line - 27, "%s}", missing[i]);
        say(&a, "%s", line);
        hear_error(&a, "Invalid message relay request. Missing target or message.");
    }
    static const char *const nobody[] = {"0123456789abcdef0123456789abcdef", "bob", "x",
                                         "0123456789abcdef0123456789abcdef0123456789abcdef",
                                         "\\u0030123456789abcdef0123456789abcdef0123456789abcdef"};
    for (size_t i = 0; i < ARRAY_LEN(nobody); i++) {
        say(&a, "{'command':'RELAY_MESSAGE','targetId':'%s','message':'m'}", nobody[i]);
        hear_error(&a, "Target player not found.");
    }
    fake_hang_up(f, b.link);
    say(&a, "{'command':'RELAY_MESSAGE','targetId':'%s','message':'m'}", b.id);
    hear_error(&a, "Target player not found.");
    hear_nothing(&guest);
    stop(f);
}

static void relayed_texts_are_limited(void **state)
{
    (void)state;
    static char text[32769 * 6 + 1], line[300000];
    struct fake *f = SERVE(NULL);
    struct player a, b;
    enter_as(f, &a, "a");
    enter_as(f, &b, "b");
    for (size_t n = 4096; n <= 4097; n++) {
        memset(text, 'x', n);
        text[n] = '\0';
        say(&a, "{'command':'RELAY_MESSAGE','targetId':'%s','message':'%s'}", b.id, text);
        if (n == 4096) {
            hear(&b,
                 "{'command':'RELAYED_MESSAGE','senderId':'%s','senderName':'a','message':'%s'}",
                 a.id, text);
            hear(&a, "{'command':'RELAY_OK','targetId':'%s'}", b.id);
        } else {
            hear_error(&a, "Message too long");
            hear_nothing(&b);
        }
        assert_true(fake_is_open(f, a.link));
    }
    /* The largest there can be, of characters that grow sixfold, fits a link's output. */
    static const char *const large[] = {"racing.relay_max_bytes=32768",
                                        "racing.line_max_bytes=1048576", NULL};
    assert_int_equal(fake_configure(f, large), 0);
    for (int i = 0; i < 32768; i++)
        memcpy(text + 6 * i, "\\u0001", 6);
    text[6 * 32768] = '\0';
    (void)snprintf(line, sizeof line,
                   "{\"command\":\"RELAY_MESSAGE\",\"targetId\":\"%s\",\"message\":\"%s\"}", b.id,
                   text);
    fake_line(f, a.link, line);
    hear(&a, "{'command':'RELAY_OK','targetId':'%s'}", b.id);
    assert_true(fake_take_line(f, b.link, line, sizeof line));
    assert_non_null(strstr(line, text));
    stop(f);
}

static void relaying_within_the_room_only(void **state)
{
    (void)state;
    struct fake *f = SERVE("racing.relay_scope=room");
    struct player a, b;
    char r[33], r2[33];
    enter_as(f, &a, "a");
    enter_as(f, &b, "b");
    say(&a, "{'command':'RELAY_MESSAGE','targetId':'%s','message':'m'}", b.id);
    hear_error(&a, "Target player not found."); /* both in no room */
    say(&a, "{'command':'RELAY_MESSAGE','targetId':'%s','message':'m'}", a.id);
    hear(&a, "{'command':'RELAYED_MESSAGE','senderId':'%s','senderName':'a','message':'m'}", a.id);
    hear(&a, "{'command':'RELAY_OK','targetId':'%s'}", a.id);
    create_room(&a, r);
    create_room(&b, r2);
    say(&a, "{'command':'RELAY_MESSAGE','targetId':'%s','message':'m'}", b.id);
    hear_error(&a, "Target player not found.");
    join_room(&b, r);
    say(&a, "{'command':'RELAY_MESSAGE','targetId':'%s','message':'m'}", b.id);
    hear(&b, "{'command':'RELAYED_MESSAGE','senderId':'%s','senderName':'a','message':'m'}", a.id);
    hear(&a, "{'command':'RELAY_OK','targetId':'%s'}", b.id);
    stop(f);
}

static void room_events_are_told_to_the_others(void **state)
{
    (void)state;
    struct fake *f = SERVE("racing.room_events=true");
    struct player a, b, c;
    char r[33], r2[33];
    enter_as(f, &a, "a");
    enter_as(f, &b, "b");
    enter_as(f, &c, "c");
    create_room(&a, r);
    join_room(&b, r);
    hear(&a, "{'command':'PLAYER_JOINED','sessionId':'%s','name':'b','roomId':'%s'}", b.id, r);
    join_room(&c, r);
    for (int i = 0; i < 2; i++)
        hear(i ? &b : &a, "{'command':'PLAYER_JOINED','sessionId':'%s','name':'c','roomId':'%s'}",
             c.id, r);
    say(&b, "{'command':'CREATE_ROOM','name':'room'}");
    for (int i = 0; i < 2; i++)
        hear(i ? &c : &a, "{'command':'PLAYER_LEFT','sessionId':'%s','name':'b','roomId':'%s'}",
             b.id, r);
    char line[65536];
    (void)listen_to(&b, line);
    memcpy(r2, line + 36, 32);
    r2[32] = '\0';
    join_room(&c, r2);
    hear(&a, "{'command':'PLAYER_LEFT','sessionId':'%s','name':'c','roomId':'%s'}", c.id, r);
    hear(&b, "{'command':'PLAYER_JOINED','sessionId':'%s','name':'c','roomId':'%s'}", c.id, r2);
    say(&c, "{'command':'BYE'}");
    hear(&b, "{'command':'PLAYER_LEFT','sessionId':'%s','name':'c','roomId':'%s'}", c.id, r2);
    hear(&c, "{'command':'BYE_OK'}");
    hear_close(&c, CLOSE_BYE);
    /* Who takes another name without a password leaves under the old one. */
    join_room(&a, r2);
    hear(&b, "{'command':'PLAYER_JOINED','sessionId':'%s','name':'a','roomId':'%s'}", a.id, r2);
    say(&a, "{'command':'NAME','name':'zoe'}");
    hear(&b, "{'command':'PLAYER_LEFT','sessionId':'%s','name':'a','roomId':'%s'}", a.id, r2);
    hear(&a, "{'command':'NAME_OK','name':'zoe','authenticated':false,'udpEncryption':false}");
    fake_hang_up(f, b.link);
    hear_nothing(&a);
    stop(f);
}

/* A flood of commands is answered and not logged line by line. */
static void a_flood_does_not_fill_the_log(void **state)
{
    (void)state;
    struct fake *f = SERVE("racing.commands_per_s=0");
    struct player p;
    enter(f, &p, HERE);
    size_t before = f->log_text.n;
    for (int i = 0; i < 1000; i++)
        ask(&p, "{'command':'PING'}", "{'command':'PONG'}");
    size_t records = 0;
    for (size_t at = before; at < f->log_text.n; at++)
        records += f->log_text.p[at] == '\n';
    assert_in_range(records, 50, 150);
    stop(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_ends_and_begins_a_line),
        cmocka_unit_test(what_is_no_command),
        cmocka_unit_test(nesting_is_limited),
        cmocka_unit_test(byte_by_byte),
        cmocka_unit_test(a_line_may_be_so_long_and_no_longer),
        cmocka_unit_test(before_and_after_signing_in),
        cmocka_unit_test(unknown_commands_are_echoed),
        cmocka_unit_test(made_up_commands_do_not_fill_the_log),
        cmocka_unit_test(a_batch_that_waits_is_searched_once),
        cmocka_unit_test(rooms_from_creation_to_removal),
        cmocka_unit_test(room_names),
        cmocka_unit_test(joining),
        cmocka_unit_test(the_host_is_the_oldest),
        cmocka_unit_test(the_number_of_rooms_is_limited),
        cmocka_unit_test(rooms_of_one_address_are_limited),
        cmocka_unit_test(all_rooms_fit_one_list),
        cmocka_unit_test(starting),
        cmocka_unit_test(the_grid_by_order_of_joining),
        cmocka_unit_test(relaying),
        cmocka_unit_test(relayed_texts_are_limited),
        cmocka_unit_test(a_flood_does_not_fill_the_log),
        cmocka_unit_test(relaying_within_the_room_only),
        cmocka_unit_test(room_events_are_told_to_the_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
