/* A session against scripted bytes of a server (docs/protocol-racing.md). */
#include "base/err.h"
#include "base/mem.h"
#include "client/session.h"
#include "record.h"
#include "wire/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define ME     "0123456789abcdef0123456789abcdef"
#define SECRET "RacingServerUDP2024!"

struct fixture {
    struct sgc_session s;
    struct sgc_scratch scratch;
    struct entropy entropy;
    struct record r;
    char phases[64];
};

static void fill(struct entropy *e, void *to, size_t n)
{
    (void)e;
    memset(to, 0x5a, n);
}

static void on_phase(void *owner, enum sgc_phase phase)
{
    struct fixture *f = owner;
    size_t n = strlen(f->phases);
    (void)snprintf(f->phases + n, sizeof f->phases - n, "%d ", (int)phase);
}

static struct sgc_session_cfg config(struct fixture *f)
{
    struct sgc_session_cfg cfg = {
        .user = &f->r,
        .on_phase = on_phase,
        .owner = f,
        .udp = SLIPGATE_UDP_PREFER_AEAD,
        .udp_secret = SECRET,
        .udp_pack = true,
        .login_timeout_ms = 30000,
        .reply_timeout_ms = 15000,
        .ping_interval_ms = 20000,
        .out_max = 4096,
        .line_max = 8192,
        .scratch = &f->scratch,
    };
    record_callbacks(&cfg.cb);
    return cfg;
}

static struct fixture *open_with(const struct sgc_session_cfg *cfg, struct fixture *f)
{
    assert_int_equal(sgc_session_init(&f->s, cfg), 0);
    sgc_session_begin(&f->s, 1000000);
    return f;
}

static struct fixture *make(void)
{
    struct fixture *f = mem_zalloc(1, sizeof *f);
    assert_non_null(f);
    entropy_init(&f->entropy, fill);
    f->scratch.entropy = &f->entropy;
    assert_int_equal(gzip_create(&f->scratch.gzip), 0);
    return f;
}

static void drop(struct fixture *f)
{
    sgc_session_fini(&f->s);
    gzip_destroy(f->scratch.gzip);
    mem_free(f);
}

static void say(struct fixture *f, const char *text)
{
    sgc_session_bytes(&f->s, f->s.now_us, span_str(text));
}

/* What the session wrote, taken off. */
static void assert_said(struct fixture *f, const char *expected)
{
    struct span out = sgc_session_out(&f->s);
    assert_int_equal(out.n, strlen(expected));
    assert_memory_equal(out.p, expected, out.n);
    sgc_session_sent(&f->s, out.n);
}

/* Connected, nothing recorded. */
static struct fixture *connected(void)
{
    struct fixture *f = make();
    struct sgc_session_cfg cfg = config(f);
    open_with(&cfg, f);
    say(f, "CONNECTED|" ME "\n");
    assert_int_equal(f->s.phase, SGC_OPEN);
    return f;
}

#define OFFER ",\"udpAead\":[\"aes-256-gcm\",\"aes-256-cbc-hmac-sha256\"],\"udpPack\":true"
#define NAME_OK \
    "{\"command\":\"NAME_OK\",\"name\":\"Ann\",\"authenticated\":true,\"udpEncryption\":true"

static struct fixture *logged_in(void)
{
    struct fixture *f = connected();
    assert_int_equal(sgc_session_login(&f->s, "Ann", "pw"), 0);
    say(f, NAME_OK "}\n");
    assert_int_equal(f->s.phase, SGC_AUTHENTICATED);
    sgc_session_sent(&f->s, sgc_session_out(&f->s).n);
    record_clear(&f->r);
    return f;
}

static struct fixture *in_room(void)
{
    struct fixture *f = logged_in();
    assert_int_equal(sgc_session_request(&f->s, SLIPGATE_REQUEST_CREATE_ROOM, "name", "Oval"), 0);
    say(f, "{\"command\":\"ROOM_CREATED\",\"roomId\":\"r1\",\"name\":\"Oval\"}\n");
    sgc_session_sent(&f->s, sgc_session_out(&f->s).n);
    record_clear(&f->r);
    return f;
}

static int ask(struct fixture *f, enum slipgate_request kind)
{
    return sgc_session_request(&f->s, kind, NULL, NULL);
}

/* ---- welcome ---- */

static void test_welcome_in_single_bytes(void **state)
{
    (void)state;
    struct fixture *f = make();
    struct sgc_session_cfg cfg = config(f);
    open_with(&cfg, f);
    assert_int_equal(ask(f, SLIPGATE_REQUEST_PING), SLIPGATE_E_STATE);
    const char *text = "CONNECTED|" ME "\n";
    for (size_t i = 0; text[i]; i++) {
        assert_int_equal(f->s.phase, SGC_WELCOME);
        sgc_session_bytes(&f->s, 1000000, span_of(text + i, 1));
    }
    assert_int_equal(f->s.phase, SGC_OPEN);
    assert_string_equal(f->s.id, ME);
    assert_string_equal(f->phases, "2 ");
    drop(f);
}

static void test_bad_welcomes(void **state)
{
    static const char *const lines[] = {
        "HELLO|" ME "\n",
        "CONNECTED|\n",
        "CONNECTED|a b\n",
        "CONNECTED\n",
        "{}\n",
        "\n",
        "CONNECTED|0123456789012345678901234567890123456789012345678901234567890123x\n",
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        struct fixture *f = make();
        struct sgc_session_cfg cfg = config(f);
        open_with(&cfg, f);
        say(f, lines[i]);
        assert_int_equal(f->s.phase, SGC_ENDED);
        assert_int_equal(f->s.end_error, SLIPGATE_E_PROTOCOL);
        drop(f);
    }
}

static void test_line_limit(void **state)
{
    (void)state;
    struct fixture *f = connected();
    char *line = malloc(8192 + 2);
    assert_non_null(line);
    memset(line, 'x', 8192);
    memcpy(line, "{\"command\":\"N", 13);
    memcpy(line + 8190, "\"}\n", 4);
    line[8191] = '}';
    say(f, line); /* 8,192 bytes and LF: the longest that is read */
    assert_int_equal(f->s.phase, SGC_OPEN);
    record_clear(&f->r);
    memset(line, 'y', 8192);
    line[8192] = 'y';
    line[8193] = '\0';
    say(f, line);
    assert_int_equal(f->s.phase, SGC_ENDED);
    assert_int_equal(f->s.end_error, SLIPGATE_E_PROTOCOL);
    free(line);
    drop(f);
}

/* ---- login ---- */

static void test_login_with_the_documents_cipher(void **state)
{
    (void)state;
    struct fixture *f = connected();
    assert_int_equal(sgc_session_login(&f->s, "A\"n", "p\\w"), 0);
    assert_said(f, "{\"command\":\"NAME\",\"name\":\"A\\\"n\",\"password\":\"p\\\\w\"" OFFER "}\n");
    say(f, NAME_OK "}\n");
    assert_record(&f->r, "login Ann yes aes-256-cbc\ndone login 0 \n");
    assert_string_equal(f->phases, "2 3 ");
    drop(f);
}

static void test_login_without_offer(void **state)
{
    (void)state;
    struct fixture *f = make();
    struct sgc_session_cfg cfg = config(f);
    cfg.udp = SLIPGATE_UDP_ONLY_CBC;
    open_with(&cfg, f);
    say(f, "CONNECTED|" ME "\n");
    assert_int_equal(sgc_session_login(&f->s, "Ann", "pw"), 0);
    assert_said(f, "{\"command\":\"NAME\",\"name\":\"Ann\",\"password\":\"pw\"}\n");
    drop(f);
}

static void test_name_then_authenticate(void **state)
{
    (void)state;
    struct fixture *f = connected();
    assert_int_equal(sgc_session_login(&f->s, "Ann", NULL), 0);
    assert_said(f, "{\"command\":\"NAME\",\"name\":\"Ann\"}\n");
    say(f, "{\"command\":\"NAME_OK\",\"name\":\"Ann\",\"authenticated\":false,"
           "\"udpEncryption\":false}\n");
    assert_record(&f->r, "login Ann no none\ndone login 0 \n");
    assert_int_equal(f->s.phase, SGC_OPEN);
    assert_int_equal(sgc_session_authenticate(&f->s, "pw"), 0);
    assert_said(f, "{\"command\":\"AUTHENTICATE\",\"password\":\"pw\"" OFFER "}\n");
    say(f, "{\"command\":\"AUTH_OK\",\"name\":\"Ann\"}\n");
    assert_record(&f->r, "login Ann yes aes-256-cbc\ndone authenticate 0 \n");
    assert_int_equal(f->s.phase, SGC_AUTHENTICATED);
    drop(f);
}

static void test_wrong_password(void **state)
{
    (void)state;
    struct fixture *f = connected();
    assert_int_equal(sgc_session_login(&f->s, "Ann", "no"), 0);
    say(f, "{\"command\":\"AUTH_FAILED\",\"message\":\"Invalid password for this player "
           "name.\"}\n");
    assert_record(&f->r, "done login -13 Invalid password for this player name.\n");
    assert_int_equal(f->s.phase, SGC_OPEN);
    drop(f);
}

static void test_signed_in_elsewhere_is_no_wrong_password(void **state)
{
    (void)state;
    struct fixture *f = connected();
    assert_int_equal(sgc_session_login(&f->s, "Ann", "pw"), 0);
    say(f, "{\"command\":\"AUTH_FAILED\",\"message\":\"This player is already signed in.\"}\n");
    assert_record(&f->r, "done login -17 This player is already signed in.\n");
    drop(f);
}

static void test_password_leaves_no_trace(void **state)
{
    static const char secret[] = "correct-horse";
    (void)state;
    struct fixture *f = connected();
    assert_int_equal(ask(f, SLIPGATE_REQUEST_PING), 0);
    assert_int_equal(sgc_session_login(&f->s, "Ann", secret), 0);
    size_t n = sgc_session_out(&f->s).n;
    assert_non_null(memmem(f->s.out.p, f->s.out.cap, secret, strlen(secret)));
    sgc_session_sent(&f->s, 25);
    sgc_session_sent(&f->s, n - 25);
    assert_null(memmem(f->s.out.p, f->s.out.cap, secret, strlen(secret)));
    drop(f);
}

#define GCM_KEY "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIj"
#define GRANT(alg, id, c2s, s2c, more)                                               \
    NAME_OK ",\"udpAead\":{\"alg\":\"" alg "\",\"connId\":\"" id "\",\"c2s\":\"" c2s \
            "\",\"s2c\":\"" s2c "\"" more "}}\n"

static void test_grants(void **state)
{
    static const struct {
        const char *line, *mode; /* mode NULL: refused */
        bool packed;
    } rows[] = {
        {GRANT("aes-256-gcm", "0011223344556677", GCM_KEY, GCM_KEY, ""), "aes-256-gcm", false},
        {GRANT("aes-256-gcm", "0011223344556677", GCM_KEY, GCM_KEY, ",\"pack\":true"),
         "aes-256-gcm", true},
        {GRANT("aes-256-gcm", "0011223344556677", GCM_KEY, GCM_KEY, ",\"pack\":1"), "aes-256-gcm",
         false},
        {GRANT("aes-256-cbc-hmac-sha256", "0011223344556677",
               "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0"
               "+Pw==",
               "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0"
               "+Pw==",
               ""),
         "aes-256-cbc-hmac-sha256", false},
        {GRANT("aes-256-cbc-hmac-sha256", "0011223344556677", GCM_KEY, GCM_KEY, ""), NULL, false},
        {GRANT("aes-128-gcm", "0011223344556677", GCM_KEY, GCM_KEY, ""), NULL, false},
        {GRANT("aes-256-gcm", "00112233445566", GCM_KEY, GCM_KEY, ""), NULL, false},
        {GRANT("aes-256-gcm", "001122334455667g", GCM_KEY, GCM_KEY, ""), NULL, false},
        {GRANT("aes-256-gcm", "0011223344556677", "AAAA", GCM_KEY, ""), NULL, false},
        {GRANT("aes-256-gcm", "0011223344556677", GCM_KEY, "", ""), NULL, false},
        {GRANT("aes-256-gcm", "0011223344556677", GCM_KEY, "!!!!", ""), NULL, false},
        {NAME_OK ",\"udpAead\":{}}\n", NULL, false},
        {NAME_OK ",\"udpAead\":null}\n", NULL, false},
        {NAME_OK ",\"udpAead\":[]}\n", NULL, false},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct fixture *f = connected();
        assert_int_equal(sgc_session_login(&f->s, "Ann", "pw"), 0);
        say(f, rows[i].line);
        assert_int_equal(f->s.phase, rows[i].mode ? SGC_AUTHENTICATED : SGC_ENDED);
        if (rows[i].mode) {
            assert_string_equal(slipgate_udp_mode_text(f->s.udp.mode), rows[i].mode);
            assert_int_equal(f->s.udp.packed, rows[i].packed);
        } else {
            assert_int_equal(f->s.end_error, SLIPGATE_E_PROTOCOL);
        }
        assert_null(memmem(f->s.in.p, f->s.in.cap, GCM_KEY, strlen(GCM_KEY)));
        drop(f);
    }
}

static void test_repeated_name_keeps_the_keys(void **state)
{
    (void)state;
    struct fixture *f = connected();
    assert_int_equal(sgc_session_login(&f->s, "Ann", "pw"), 0);
    say(f, GRANT("aes-256-gcm", "0011223344556677", GCM_KEY, GCM_KEY, ""));
    record_clear(&f->r);
    struct sealer *sealer = f->s.udp.sealer;
    assert_int_equal(sgc_session_login(&f->s, "Ann", NULL), 0);
    say(f, NAME_OK "}\n");
    assert_record(&f->r, "login Ann yes aes-256-gcm\ndone login 0 \n");
    assert_ptr_equal(f->s.udp.sealer, sealer);
    drop(f);
}

static void test_another_name_loses_login_and_room(void **state)
{
    (void)state;
    struct fixture *f = in_room();
    assert_int_equal(sgc_session_login(&f->s, "Bob", NULL), 0);
    say(f, "{\"command\":\"NAME_OK\",\"name\":\"Bob\",\"authenticated\":false,"
           "\"udpEncryption\":false}\n");
    assert_record(&f->r, "room left r1\nlogin Bob no none\ndone login 0 \n");
    assert_int_equal(f->s.phase, SGC_OPEN);
    struct slipgate_update u = {{0, 0, 0}, {0, 0, 0, 1}, NULL};
    assert_int_equal(sgc_session_update(&f->s, &u), SLIPGATE_E_STATE);
    drop(f);
}

static void test_aead_required_and_missing(void **state)
{
    (void)state;
    struct fixture *f = make();
    struct sgc_session_cfg cfg = config(f);
    cfg.udp = SLIPGATE_UDP_REQUIRE_AEAD;
    open_with(&cfg, f);
    say(f, "CONNECTED|" ME "\n");
    assert_int_equal(sgc_session_login(&f->s, "Ann", "pw"), 0);
    say(f, NAME_OK "}\n");
    assert_int_equal(f->s.phase, SGC_ENDED);
    assert_int_equal(f->s.end_error, SLIPGATE_E_WEAK_UDP);
    assert_true(f->s.end_final);
    drop(f);
}

/* ---- rooms ---- */

static void test_rooms(void **state)
{
    (void)state;
    struct fixture *f = logged_in();
    assert_int_equal(sgc_session_request(&f->s, SLIPGATE_REQUEST_CREATE_ROOM, "name", "Oval"), 0);
    assert_said(f, "{\"command\":\"CREATE_ROOM\",\"name\":\"Oval\"}\n");
    say(f, "{\"command\":\"ROOM_CREATED\",\"roomId\":\"r1\",\"name\":\"Oval\"}\n");
    assert_record(&f->r, "room created r1\ndone create 0 \n");
    assert_string_equal(f->s.room_id, "r1");
    assert_int_equal(ask(f, SLIPGATE_REQUEST_LEAVE_ROOM), 0);
    assert_said(f, "{\"command\":\"LEAVE_ROOM\"}\n");
    say(f, "{\"command\":\"LEAVE_OK\",\"roomId\":\"r1\"}\n");
    assert_record(&f->r, "room left r1\ndone leave 0 \n");
    assert_string_equal(f->s.room_id, "");
    assert_int_equal(sgc_session_request(&f->s, SLIPGATE_REQUEST_JOIN_ROOM, "roomId", "r2"), 0);
    assert_said(f, "{\"command\":\"JOIN_ROOM\",\"roomId\":\"r2\"}\n");
    say(f, "{\"command\":\"JOIN_OK\",\"roomId\":\"r2\"}\n");
    assert_record(&f->r, "room joined r2\ndone join 0 \n");
    say(f, "{\"command\":\"ROOM_CLOSED\",\"roomId\":\"r2\",\"message\":\"Room closed by "
           "administrator\"}\n");
    assert_record(&f->r, "room closed r2\n");
    assert_string_equal(f->s.room_id, "");
    drop(f);
}

static void test_lists(void **state)
{
    (void)state;
    struct fixture *f = in_room();
    assert_int_equal(ask(f, SLIPGATE_REQUEST_LIST_ROOMS), 0);
    assert_int_equal(ask(f, SLIPGATE_REQUEST_LIST_PLAYERS), 0);
    assert_int_equal(ask(f, SLIPGATE_REQUEST_PLAYER_INFO), 0);
    assert_said(f, "{\"command\":\"LIST_ROOMS\"}\n{\"command\":\"GET_ROOM_PLAYERS\"}\n"
                   "{\"command\":\"PLAYER_INFO\"}\n");
    say(f, "{\"command\":\"ROOM_LIST\",\"rooms\":[{\"id\":\"r1\",\"name\":\"\\u004fval\","
           "\"playerCount\":2,\"isActive\":true,\"hostId\":\"h1\"},{},5,{\"playerCount\":-1}]}\n");
    assert_record(&f->r, "rooms 3\n  r1 'Oval' host h1 players 2 active\n"
                         "   '' host  players 0\n   '' host  players 0\ndone rooms 0 \n");
    say(f, "{\"command\":\"ROOM_PLAYERS\",\"roomId\":\"r1\",\"players\":[{\"id\":\"p1\",\"name\":"
           "\"Ann\"},{\"id\":\"p2\",\"name\":\"Bob \xc3\xa9\"}]}\n");
    assert_record(&f->r, "players of r1: 2\n  p1 'Ann'\n  p2 'Bob \xc3\xa9'\ndone players 0 \n");
    say(f, "{\"command\":\"PLAYER_INFO\",\"playerInfo\":{\"id\":\"p1\",\"name\":\"Ann\","
           "\"currentRoomId\":null}}\n");
    assert_record(&f->r, "info p1 'Ann' in none\ndone info 0 \n");
    assert_int_equal(ask(f, SLIPGATE_REQUEST_LIST_ROOMS), 0);
    say(f, "{\"command\":\"ROOM_LIST\",\"rooms\":[]}\n");
    assert_record(&f->r, "rooms 0\ndone rooms 0 \n");
    drop(f);
}

#define SPAWNS \
    "\"spawnPositions\":{\"p1\":{\"x\":66,\"y\":-2,\"z\":0.8},\"p\\u0032\":{\"x\":60}}}\n"

static void test_game_told_once_to_the_host(void **state)
{
    (void)state;
    struct fixture *f = in_room();
    assert_int_equal(ask(f, SLIPGATE_REQUEST_START_GAME), 0);
    say(f, "{\"command\":\"GAME_STARTED\",\"roomId\":\"r1\",\"hostId\":\"" ME "\"," SPAWNS);
    assert_record(&f->r, "game in r1 host " ME "\n  p1 66 -2 0.8\n  p2 60 0 0\ndone start 0 \n");
    say(f, "{\"command\":\"GAME_STARTED\",\"roomId\":\"r1\"," SPAWNS);
    assert_record(&f->r, "");
    drop(f);
}

static void test_game_with_the_answer_only(void **state)
{
    (void)state;
    struct fixture *f = in_room();
    assert_int_equal(ask(f, SLIPGATE_REQUEST_START_GAME), 0);
    say(f, "{\"command\":\"GAME_STARTED\",\"roomId\":\"r1\"," SPAWNS);
    assert_record(&f->r, "game in r1 host \n  p1 66 -2 0.8\n  p2 60 0 0\ndone start 0 \n");
    drop(f);
}

static void test_anothers_game_does_not_answer_ours(void **state)
{
    (void)state;
    struct fixture *f = in_room();
    assert_int_equal(ask(f, SLIPGATE_REQUEST_START_GAME), 0);
    say(f, "{\"command\":\"GAME_STARTED\",\"roomId\":\"r1\",\"hostId\":\"h\",\"spawnPositions\":{}}"
           "\n");
    assert_record(&f->r, "game in r1 host h\n");
    say(f, "{\"command\":\"ERROR\",\"message\":\"Cannot start game. Only the host can start the "
           "game.\"}\n");
    assert_record(&f->r, "done start -17 Cannot start game. Only the host can start the game.\n");
    drop(f);
}

static void test_messages(void **state)
{
    (void)state;
    struct fixture *f = in_room();
    assert_int_equal(sgc_session_message(&f->s, "p2", "hi\n\"you\""), 0);
    assert_said(f, "{\"command\":\"RELAY_MESSAGE\",\"targetId\":\"p2\","
                   "\"message\":\"hi\\n\\\"you\\\"\"}\n");
    say(f, "{\"command\":\"RELAYED_MESSAGE\",\"senderId\":\"p2\",\"senderName\":\"Bob\","
           "\"message\":\"a\\u0000b\"}\n{\"command\":\"RELAY_OK\",\"targetId\":\"p2\"}\n");
    assert_record(&f->r, "message from p2 'Bob': 3 bytes 'a'\ndone message 0 \n");
    drop(f);
}

/* ---- matching answers ---- */

static void test_errors_answer_the_oldest(void **state)
{
    static const struct {
        const char *text;
        int error;
    } rows[] = {
        {"Room not found.", SLIPGATE_E_NOT_FOUND},
        {"Target player not found.", SLIPGATE_E_NOT_FOUND},
        {"Failed to join room. Room may be full or inactive.", SLIPGATE_E_ROOM},
        {"Server is busy. Please try again.", SLIPGATE_E_BUSY},
        {"Authentication required. Please use NAME command with password.", SLIPGATE_E_AUTH},
        {"Room name is required.", SLIPGATE_E_REFUSED},
    };
    (void)state;
    struct fixture *f = connected();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char line[256], expected[256];
        assert_int_equal(sgc_session_request(&f->s, SLIPGATE_REQUEST_JOIN_ROOM, "roomId", "r"), 0);
        assert_int_equal(ask(f, SLIPGATE_REQUEST_PING), 0);
        (void)snprintf(line, sizeof line, "{\"command\":\"ERROR\",\"message\":\"%s\"}\n",
                       rows[i].text);
        say(f, line);
        (void)snprintf(expected, sizeof expected, "done join %d %s\n", rows[i].error, rows[i].text);
        assert_record(&f->r, expected);
        say(f, "{\"command\":\"PONG\"}\n");
        assert_record(&f->r, "pong 0\ndone ping 0 \n");
    }
    drop(f);
}

/* What the server says about datagrams leaves the request that waits to its own answer. */
static void test_remarks_answer_nothing(void **state)
{
    (void)state;
    struct fixture *f = in_room();
    assert_int_equal(ask(f, SLIPGATE_REQUEST_PING), 0);
    say(f, "{\"command\":\"ERROR\",\"message\":\"Movement validation failed. Please check your "
           "connection.\"}\n");
    assert_record(&f->r,
                  "done nothing -17 Movement validation failed. Please check your connection.\n");
    say(f, "{\"command\":\"PONG\"}\n");
    assert_record(&f->r, "pong 0\ndone ping 0 \n");
    drop(f);
}

static void test_unasked_and_unknown(void **state)
{
    (void)state;
    struct fixture *f = in_room();
    say(f, "{\"command\":\"ERROR\",\"message\":\"Slow down\"}\n");
    assert_record(&f->r, "done nothing -17 Slow down\n");
    say(f, "{\"command\":\"PONG\"}\n\r\n\xef\xbb\xbf{\"command\":\"CHAT\",\"x\":1}\r\n{}\n");
    assert_record(&f->r, "line {\"command\":\"CHAT\",\"x\":1}\nline {}\n");
    assert_int_equal(ask(f, SLIPGATE_REQUEST_LIST_ROOMS), 0);
    say(f, "{\"command\":\"UNKNOWN_COMMAND\",\"originalCommand\":\"LIST_ROOMS\"}\n");
    assert_record(&f->r, "done rooms -17 the server does not know this command\n");
    assert_int_equal(f->s.phase, SGC_AUTHENTICATED);
    drop(f);
}

static void test_skipped_request_is_told(void **state)
{
    (void)state;
    struct fixture *f = in_room();
    assert_int_equal(ask(f, SLIPGATE_REQUEST_LIST_PLAYERS), 0);
    assert_int_equal(ask(f, SLIPGATE_REQUEST_LIST_ROOMS), 0);
    say(f, "{\"command\":\"ROOM_LIST\",\"rooms\":[]}\n");
    assert_record(&f->r, "rooms 0\ndone players -10 the server did not answer this request\n"
                         "done rooms 0 \n");
    drop(f);
}

static void test_nonsense_ends_the_session(void **state)
{
    static const char *const lines[] = {
        "hello\n",
        "5\n",
        "[]\n",
        "{\"command\":\n",
        "{\"command\":\"NAME_OK\"}\n",
        "{\"command\":\"JOIN_OK\"}\n",
        "{\"command\":\"JOIN_OK\",\"roomId\":7}\n",
        "{\"command\":\"ROOM_LIST\"}\n",
        "{\"command\":\"GAME_STARTED\",\"roomId\":\"r\"}\n",
        "{\"command\":\"PLAYER_INFO\"}\n",
        "{\"command\":\"ROOM_PLAYERS\",\"players\":{}}\n",
        "\xff\n",
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        struct fixture *f = in_room();
        say(f, lines[i]);
        assert_int_equal(f->s.phase, SGC_ENDED);
        assert_int_equal(f->s.end_error, SLIPGATE_E_PROTOCOL);
        drop(f);
    }
}

/* Every prefix and every single-byte change of real lines: no crash, no endless loop, and whatever
 * happens the session is in a state it knows. */
static void test_damaged_lines(void **state)
{
    static const char *const lines[] = {
        GRANT("aes-256-gcm", "0011223344556677", GCM_KEY, GCM_KEY, ",\"pack\":true"),
        "{\"command\":\"GAME_STARTED\",\"roomId\":\"r1\",\"hostId\":\"h\"," SPAWNS,
        "{\"command\":\"ROOM_LIST\",\"rooms\":[{\"id\":\"r1\",\"name\":\"x\",\"playerCount\":2}]}"
        "\n",
    };
    (void)state;
    for (size_t l = 0; l < ARRAY_LEN(lines); l++) {
        size_t n = strlen(lines[l]);
        for (size_t i = 0; i < n; i++) {
            struct fixture *f = in_room();
            char line[512];
            memcpy(line, lines[l], n + 1);
            line[i] ^= 0x15;
            say(f, line);
            assert_true(f->s.phase == SGC_OPEN || f->s.phase == SGC_AUTHENTICATED ||
                        f->s.phase == SGC_ENDED);
            drop(f);
        }
    }
}

/* ---- limits ---- */

static void test_pending_limit(void **state)
{
    (void)state;
    struct fixture *f = connected();
    for (size_t i = 0; i < SGC_PENDING_MAX; i++)
        assert_int_equal(ask(f, SLIPGATE_REQUEST_PING), 0);
    assert_int_equal(ask(f, SLIPGATE_REQUEST_PING), SLIPGATE_E_FULL);
    say(f, "{\"command\":\"PONG\"}\n");
    assert_int_equal(ask(f, SLIPGATE_REQUEST_PING), 0);
    assert_int_equal(ask(f, SLIPGATE_REQUEST_PING), SLIPGATE_E_FULL);
    drop(f);
}

static void test_output_limit_takes_back_whole_lines(void **state)
{
    (void)state;
    struct fixture *f = in_room();
    char text[4097];
    memset(text, 'm', sizeof text);
    text[4096] = '\0';
    assert_int_equal(sgc_session_message(&f->s, "p2", text), SLIPGATE_E_ARGUMENT); /* never fits */
    text[3000] = '\0';
    assert_int_equal(sgc_session_message(&f->s, "p2", text), 0);
    size_t n = sgc_session_out(&f->s).n;
    assert_int_equal(sgc_session_message(&f->s, "p2", text), SLIPGATE_E_FULL);
    assert_int_equal(sgc_session_out(&f->s).n, n);
    assert_int_equal(ask(f, SLIPGATE_REQUEST_PING), 0);
    assert_int_equal(f->s.pending_n, 2);
    drop(f);
}

static void test_arguments(void **state)
{
    (void)state;
    struct fixture *f = connected();
    assert_int_equal(sgc_session_login(&f->s, NULL, "pw"), SLIPGATE_E_ARGUMENT);
    assert_int_equal(sgc_session_login(&f->s, "", "pw"), SLIPGATE_E_ARGUMENT);
    assert_int_equal(sgc_session_login(&f->s, "\xc3", "pw"), SLIPGATE_E_ARGUMENT);
    assert_int_equal(sgc_session_login(&f->s, "Ann", "\xff"), SLIPGATE_E_ARGUMENT);
    assert_int_equal(sgc_session_authenticate(&f->s, ""), SLIPGATE_E_ARGUMENT);
    assert_int_equal(sgc_session_message(&f->s, NULL, "x"), SLIPGATE_E_ARGUMENT);
    assert_int_equal(sgc_session_message(&f->s, "p", NULL), SLIPGATE_E_ARGUMENT);
    assert_int_equal(sgc_session_request(&f->s, SLIPGATE_REQUEST_JOIN_ROOM, "roomId", NULL),
                     SLIPGATE_E_ARGUMENT);
    assert_int_equal(sgc_session_out(&f->s).n, 0);
    drop(f);
}

/* ---- time ---- */

static void test_ping_measures_and_keeps_alive(void **state)
{
    (void)state;
    struct fixture *f = in_room();
    assert_int_equal(sgc_session_due_us(&f->s), 1000000 + 20000000);
    sgc_session_time(&f->s, 20999999);
    assert_said(f, "");
    sgc_session_time(&f->s, 21000000);
    assert_said(f, "{\"command\":\"PING\"}\n");
    sgc_session_bytes(&f->s, 21012345, span_str("{\"command\":\"PONG\"}\n"));
    assert_record(&f->r, "pong 12345\n"); /* our own ping: no on_done */
    assert_int_equal(f->s.round_trip_us, 12345);
    assert_int_equal(sgc_session_due_us(&f->s), 21000000 + 20000000);
    drop(f);
}

static void test_silence_is_a_timeout(void **state)
{
    (void)state;
    struct fixture *f = in_room();
    sgc_session_time(&f->s, 21000000);
    assert_int_equal(sgc_session_due_us(&f->s), 36000000);
    sgc_session_time(&f->s, 35999999);
    assert_int_equal(f->s.phase, SGC_AUTHENTICATED);
    sgc_session_time(&f->s, 36000000);
    assert_int_equal(f->s.phase, SGC_ENDED);
    assert_int_equal(f->s.end_error, SLIPGATE_E_TIMEOUT);
    drop(f);
}

static void test_login_has_its_own_time(void **state)
{
    (void)state;
    struct fixture *f = connected();
    assert_int_equal(sgc_session_login(&f->s, "Ann", "pw"), 0);
    sgc_session_time(&f->s, 2000000);
    assert_int_equal(ask(f, SLIPGATE_REQUEST_LIST_ROOMS), 0);
    assert_int_equal(sgc_session_due_us(&f->s), 31000000);
    /* The list waits behind the login, so its time starts when the login is answered. */
    sgc_session_bytes(&f->s, 30000000, span_str(NAME_OK "}\n"));
    assert_int_equal(sgc_session_due_us(&f->s), 45000000);
    drop(f);
}

static void test_end_fails_what_is_pending(void **state)
{
    (void)state;
    struct fixture *f = in_room();
    assert_int_equal(ask(f, SLIPGATE_REQUEST_LIST_ROOMS), 0);
    assert_int_equal(ask(f, SLIPGATE_REQUEST_PING), 0);
    sgc_session_end(&f->s, SLIPGATE_E_CLOSED, false, "gone");
    assert_record(&f->r, "done rooms -11 gone\ndone ping -11 gone\n");
    assert_int_equal(f->s.udp.mode, SLIPGATE_UDP_NONE);
    assert_int_equal(ask(f, SLIPGATE_REQUEST_PING), SLIPGATE_E_STATE);
    drop(f);
}

static void test_bye(void **state)
{
    (void)state;
    struct fixture *f = in_room();
    assert_int_equal(ask(f, SLIPGATE_REQUEST_BYE), 0);
    assert_int_equal(ask(f, SLIPGATE_REQUEST_PING), SLIPGATE_E_STATE);
    assert_said(f, "{\"command\":\"BYE\"}\n");
    say(f, "{\"command\":\"BYE_OK\"}\n{\"command\":\"PONG\"}\n");
    assert_record(&f->r, "done bye 0 \n");
    assert_int_equal(f->s.phase, SGC_ENDED);
    assert_int_equal(f->s.end_error, 0);
    drop(f);
}

static void test_kicks(void **state)
{
    static const struct {
        const char *line, *text;
        bool final;
    } rows[] = {
        {"{\"command\":\"BYE_ADMIN\",\"message\":\"Disconnected by administrator\"}\n",
         "Disconnected by administrator", true},
        {"{\"command\":\"BYE_ADMIN\",\"message\":\"Signed in from another connection\"}\n",
         "Signed in from another connection", true},
        {"{\"command\":\"BYE_ADMIN\",\"message\":\"Server is closing all connections\"}\n",
         "Server is closing all connections", false},
        {"{\"command\":\"BANNED\",\"reason\":\"cheating\"}\n", "cheating", true},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct fixture *f = in_room();
        say(f, rows[i].line);
        assert_int_equal(f->s.phase, SGC_ENDED);
        assert_int_equal(f->s.end_error, SLIPGATE_E_KICKED);
        assert_string_equal(f->s.end_text, rows[i].text);
        assert_int_equal(f->s.end_final, rows[i].final);
        drop(f);
    }
}

/* ---- datagrams of a session ---- */

static void test_first_datagrams_register(void **state)
{
    (void)state;
    struct fixture *f = make();
    struct sgc_session_cfg cfg = config(f);
    cfg.udp_register = true;
    open_with(&cfg, f);
    say(f, "CONNECTED|" ME "\n");
    assert_int_equal(sgc_session_hello_us(&f->s), UINT64_MAX);
    assert_int_equal(sgc_session_login(&f->s, "Ann", "pw"), 0);
    say(f, NAME_OK "}\n");
    assert_int_equal(sgc_session_hello_us(&f->s), 0);
    sgc_session_datagram_sent(&f->s, 2000000, 100);
    assert_int_equal(sgc_session_hello_us(&f->s), 2250000);
    sgc_session_datagram_sent(&f->s, 2250000, 100);
    assert_int_equal(sgc_session_hello_us(&f->s), 3250000);
    sgc_session_datagram_sent(&f->s, 3250000, 0); /* did not leave: counted, not repeated at once */
    assert_int_equal(sgc_session_hello_us(&f->s), 23250000);
    assert_int_equal(f->s.stats.datagrams_out, 2);
    assert_int_equal(f->s.stats.datagrams_unsent, 1);
    drop(f);
}

static void test_datagrams_reach_the_application(void **state)
{
    static const char *vector = "90000000"
                                "5dcb4123c991d67b7f4d58f968e4c729b1efc45e968398aaae34726fe35687dc6b"
                                "cec489dc4c46fb423ace5ada81"
                                "350ef5fcf39a2ce840c68f81931ccbbf014e97cd93db61a3fab699575c7fb98913"
                                "ee0f34f8f0464b53eaa58ec5d8"
                                "73a675ccb39bb448c3395f59b2ed60edad18b48562d350ee38fd99ee101a5fff33"
                                "375d25fc08cf40f94afb598523"
                                "b789dea8c670";
    uint8_t datagram[148];
    (void)state;
    struct fixture *f = in_room();
    assert_int_equal(hex_decode(span_str(vector), datagram, sizeof datagram), 0);
    sgc_session_datagram(&f->s, span_of(datagram, sizeof datagram), SGC_ARRIVED);
    assert_record(&f->r, "update " ME " at 1 2 3 turned 0 0 0 1: {\"command\":\"UPDATE\","
                         "\"sessionId\":\"" ME "\",\"position\":{\"x\":1,\"y\":2,\"z\":3},"
                         "\"rotation\":{\"x\":0,\"y\":0,\"z\":0,\"w\":1}}\n");
    datagram[40] ^= 1;
    sgc_session_datagram(&f->s, span_of(datagram, sizeof datagram), SGC_ARRIVED);
    sgc_session_datagram(&f->s, SPAN_LIT("{\"command\":\"UPDATE\",\"sessionId\":\"x\"}\n"),
                         SGC_ARRIVED);
    sgc_session_datagram(&f->s, SPAN_NULL, SGC_ARRIVED);
    assert_record(&f->r, "");
    assert_int_equal(f->s.stats.datagrams_in, 4);
    assert_int_equal(f->s.stats.datagrams_bad, 3);
    assert_int_equal(f->s.stats.messages_in, 1);
    /* The same text sealed by us is the same datagram. */
    struct slipgate_update u = {{1, 2, 3}, {0, 0, 0, 1}, NULL};
    datagram[40] ^= 1;
    assert_int_equal(sgc_session_update(&f->s, &u), sizeof datagram);
    assert_memory_equal(f->scratch.sealed, datagram, sizeof datagram);
    drop(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_welcome_in_single_bytes),
        cmocka_unit_test(test_bad_welcomes),
        cmocka_unit_test(test_line_limit),
        cmocka_unit_test(test_login_with_the_documents_cipher),
        cmocka_unit_test(test_login_without_offer),
        cmocka_unit_test(test_name_then_authenticate),
        cmocka_unit_test(test_wrong_password),
        cmocka_unit_test(test_signed_in_elsewhere_is_no_wrong_password),
        cmocka_unit_test(test_password_leaves_no_trace),
        cmocka_unit_test(test_grants),
        cmocka_unit_test(test_repeated_name_keeps_the_keys),
        cmocka_unit_test(test_another_name_loses_login_and_room),
        cmocka_unit_test(test_aead_required_and_missing),
        cmocka_unit_test(test_rooms),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_game_told_once_to_the_host),
        cmocka_unit_test(test_game_with_the_answer_only),
        cmocka_unit_test(test_anothers_game_does_not_answer_ours),
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_errors_answer_the_oldest),
        cmocka_unit_test(test_remarks_answer_nothing),
        cmocka_unit_test(test_unasked_and_unknown),
        cmocka_unit_test(test_skipped_request_is_told),
        cmocka_unit_test(test_nonsense_ends_the_session),
        cmocka_unit_test(test_damaged_lines),
        cmocka_unit_test(test_pending_limit),
        cmocka_unit_test(test_output_limit_takes_back_whole_lines),
        cmocka_unit_test(test_arguments),
        cmocka_unit_test(test_ping_measures_and_keeps_alive),
        cmocka_unit_test(test_silence_is_a_timeout),
        cmocka_unit_test(test_login_has_its_own_time),
        cmocka_unit_test(test_end_fails_what_is_pending),
        cmocka_unit_test(test_bye),
        cmocka_unit_test(test_kicks),
        cmocka_unit_test(test_first_datagrams_register),
        cmocka_unit_test(test_datagrams_reach_the_application),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
