/* NAME and AUTHENTICATE, second logins, negotiated datagram keys, and what stays behind of
 * passwords and keys (docs/protocol-racing.md, "Names and passwords", "Stronger datagrams"). */
#include "talk.h"

#include "base/err.h"
#include "games/racing/state.h"
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

/* ---- the table of names and passwords ---- */

static void first_use_registers_and_then_the_password_counts(void **state)
{
    (void)state;
    struct fake *f = SERVE(NULL);
    struct player a, b, c;
    enter(f, &a, HERE);
    ask(&a, NAME("ann", "secret"), OK_TRUE("ann"));
    enter(f, &b, HERE);
    ask(&b, NAME("ann", "wrong"), WRONG_NAME); /* the owner online */
    fake_hang_up(f, a.link);
    ask(&b, NAME("ann", "wrong"), WRONG_NAME); /* and offline */
    ask(&b, "{'command':'CREATE_ROOM','name':'x'}",
        "{'command':'ERROR','message':'Authentication required. Please use NAME command with "
        "password.'}");
    enter(f, &c, HERE);
    ask(&c, NAME("ann", "secret"), OK_TRUE("ann"));
    ask(&c, NAME("Ann", "other"), OK_TRUE("Ann")); /* another name: letter case counts */
    assert_int_equal(fake_metric(f, M_LOGINS_CREATED), 2);
    assert_int_equal(fake_metric(f, M_LOGINS_OK), 1);
    assert_int_equal(fake_metric(f, M_LOGINS_WRONG), 2);
    stop(f);
}

static void a_name_alone_claims_nothing(void **state)
{
    (void)state;
    struct fake *f = SERVE(NULL);
    struct player a, b;
    enter(f, &a, HERE);
    ask(&a, NAME("ann", "pw"), OK_TRUE("ann"));
    enter(f, &b, HERE);
    ask(&b, "{'command':'NAME','name':'ann'}", OK_FALSE("ann"));
    ask(&b, "{'command':'NAME','name':'ann','password':null}", OK_FALSE("ann"));
    ask(&b, "{'command':'NAME','name':'ann','password':''}", OK_FALSE("ann"));
    ask(&b, "{'command':'JOIN_ROOM','roomId':'x'}",
        "{'command':'ERROR','message':'Authentication required. Please use NAME command with "
        "password.'}");
    ask(&b, "{'command':'AUTHENTICATE','password':'no'}", WRONG_AUTH);
    ask(&b, "{'command':'AUTHENTICATE','password':'pw'}", AUTH_OK("ann"));
    hear(&a, "{'command':'BYE_ADMIN','message':'Signed in from another connection'}");
    ask(&b, "{'command':'NAME','name':'new'}", OK_FALSE("new"));
    ask(&b, "{'command':'AUTHENTICATE','password':'first'}", AUTH_OK("new")); /* registers */
    ask(&b, "{'command':'AUTHENTICATE','password':'second'}", WRONG_AUTH);
    ask(&b, "{'command':'LEAVE_ROOM'}", /* and is still authenticated */
        "{'command':'ERROR','message':'Cannot leave room. No room joined.'}");
    assert_int_equal(f->asks.accounts_n, 2);
    stop(f);
}

static void what_is_no_name_or_password(void **state)
{
    (void)state;
    static const struct {
        const char *request, *error;
    } rows[] = {
        {"{'command':'NAME'}", "Name is required."},
        {"{'command':'NAME','password':'pw'}", "Name is required."},
        {"{'command':'NAME','name':null,'password':'pw'}", "Name is required."},
        {"{'command':'NAME','name':'','password':'pw'}", "Name is required."},
        {"{'command':'NAME','name':5,'password':'pw'}", "Name is required."},
        {"{'command':'NAME','name':['x'],'password':'pw'}", "Name is required."},
        {"{'command':'NAME','name':'Anonymous','password':'pw'}", "Name is required."},
        {"{'command':'NAME','name':'Anonymous'}", "Name is required."},
        {"{'command':'NAME','name':'\\u0041nonymous'}", "Name is required."},
        {"{'command':'NAME','name':'a\\u0000b','password':'pw'}", "Name is not valid."},
        {"{'command':'NAME','name':'a\\tb'}", "Name is not valid."},
        {"{'command':'NAME','name':'\\u009f'}", "Name is not valid."},
        {"{'command':'NAME','name':'x','password':5}", "Password is not valid."},
        {"{'command':'NAME','name':'x','password':{}}", "Password is not valid."},
        {"{'command':'NAME','name':'x','password':false}", "Password is not valid."},
        {"{'command':'NAME','name':'x','password':'a\\u0000b'}",
         "Password cannot be used. The limit is 72 bytes without NUL."},
        {"{'command':'AUTHENTICATE'}", NULL},
    };
    struct fake *f = SERVE(NULL);
    struct player p;
    enter(f, &p, HERE);
    for (size_t i = 0; i < ARRAY_LEN(rows) - 1; i++) {
        say(&p, "%s", rows[i].request);
        hear_error(&p, rows[i].error);
    }
    ask(&p, "{'command':'AUTHENTICATE','password':'pw'}",
        "{'command':'AUTH_FAILED','message':'Please set your name first with the NAME command.'}");
    ask(&p, "{'command':'AUTHENTICATE'}",
        "{'command':'AUTH_FAILED','message':'Please set your name first with the NAME command.'}");
    ask(&p, "{'command':'NAME','name':'x'}", OK_FALSE("x"));
    ask(&p, "{'command':'AUTHENTICATE'}",
        "{'command':'ERROR','message':'Password is required for authentication.'}");
    ask(&p, "{'command':'AUTHENTICATE','password':null}",
        "{'command':'ERROR','message':'Password is required for authentication.'}");
    ask(&p, "{'command':'AUTHENTICATE','password':''}", WRONG_AUTH);
    ask(&p, "{'command':'AUTHENTICATE','password':5}", WRONG_AUTH);
    ask(&p, "{'command':'AUTHENTICATE','password':'\\u0000'}",
        "{'command':'ERROR','message':'Password cannot be used. The limit is 72 bytes without "
        "NUL.'}");
    assert_int_equal(f->asks.accounts_n, 0);
    stop(f);
}

#define UNFIT                                                                                    \
    "This name cannot be registered. It must not be Server nor begin with # nor have blanks at " \
    "its ends or invisible characters."

/* A name that looks like another's, or like the server's, is nobody's to take. */
static void names_that_are_not_registered(void **state)
{
    (void)state;
    static const char *const names[] = {
        " ann",      "ann ",       "an\\u200bn", "\\u202eann",     "ann\\ufeff",
        "a\\u00a0b", "a\\u00adnn", "\\u3164",    "\\u2764\\ufe0f", "#1",
        "#deadbeef", "server",     "SERVER",     "Server",
    };
    struct fake *f = SERVE(NULL);
    struct player p;
    enter(f, &p, HERE);
    ask_fake_account(&f->asks, "old ", "pw", 1, false);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        say(&p, "{'command':'NAME','name':'%s','password':'pw'}", names[i]);
        hear_error(&p, UNFIT);
    }
    assert_int_equal(f->asks.accounts_n, 1);
    ask(&p, NAME("old ", "pw"), OK_TRUE("old "));
    ask(&p, NAME("Ann Lee", "pw"), OK_TRUE("Ann Lee"));
    ask(&p, NAME("serve", "pw"), OK_TRUE("serve"));
    stop(f);
}

static void names_and_passwords_at_their_limits(void **state)
{
    (void)state;
    struct fake *f = SERVE(NULL);
    struct player p;
    static char text[1100];
    memset(text, 'x', sizeof text);
    enter(f, &p, HERE);
    for (int n = 64; n <= 65; n++) {
        say(&p, "{'command':'NAME','name':'%.*s'}", n, text);
        if (n == 64)
            hear(&p,
                 "{'command':'NAME_OK','name':'%.64s','authenticated':false,'udpEncryption':false}",
                 text);
        else
            hear_error(&p, "Name is not valid.");
        say(&p, "{'command':'NAME','name':'\\u0078%.*s'}", n - 1, text);
        if (n == 64)
            hear(&p,
                 "{'command':'NAME_OK','name':'%.64s','authenticated':false,'udpEncryption':false}",
                 text);
        else
            hear_error(&p, "Name is not valid.");
    }
    static const struct {
        int n;
        const char *error;
    } rows[] = {{72, NULL},
                {73, "Password cannot be used. The limit is 72 bytes without NUL."},
                {1024, "Password cannot be used. The limit is 72 bytes without NUL."},
                {1025, "Password is too long. The limit is 72 bytes."}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        for (int escaped = 0; escaped < 2; escaped++) {
            say(&p, "{'command':'NAME','name':'p%d','password':'%s%.*s'}",
                rows[i].n + escaped * 10000, escaped ? "\\u0078" : "", rows[i].n - escaped, text);
            if (rows[i].error)
                hear_error(&p, rows[i].error);
            else
                hear(&p,
                     "{'command':'NAME_OK','name':'p%d','authenticated':true,'udpEncryption':true}",
                     rows[i].n + escaped * 10000);
            say(&p, "{'command':'AUTHENTICATE','password':'%.*s'}", rows[i].n, text);
            if (rows[i].n == 1025)
                hear_error(&p, "Password is too long. The limit is 72 bytes.");
            else if (rows[i].n == 72)
                hear(&p, "{'command':'AUTH_OK','name':'p%d'}", 72 + escaped * 10000);
            else
                hear(&p, WRONG_AUTH); /* of the player that was registered last */
            hear_nothing(&p);
        }
    stop(f);
}

static void shorter_names_and_longer_passwords_by_configuration(void **state)
{
    (void)state;
    struct fake *f = SERVE("racing.name_max_bytes=3", "racing.password_min_length=4");
    struct player p;
    enter(f, &p, HERE);
    ask(&p, NAME("abcd", "pw"), "{'command':'ERROR','message':'Name is not valid.'}");
    ask(&p, NAME("abc", "pw1"), "{'command':'ERROR','message':'Password is too short.'}");
    ask(&p, NAME("abc", "pw12"), OK_TRUE("abc"));
    ask(&p, "{'command':'CREATE_ROOM','name':'abcd'}",
        "{'command':'ERROR','message':'Room name is not valid.'}");
    stop(f);
}

static void letter_case_may_be_folded(void **state)
{
    (void)state;
    struct fake *f = SERVE("racing.name_case=fold");
    struct player a, b;
    enter(f, &a, HERE);
    ask(&a, NAME("Ann", "pw"), OK_TRUE("Ann"));
    enter(f, &b, HERE);
    ask(&b, NAME("aNN", "no"), WRONG_NAME);
    ask(&b, NAME("aNN", "pw"), OK_TRUE("Ann"));
    hear(&a, "{'command':'BYE_ADMIN','message':'Signed in from another connection'}");
    hear_close(&a, CLOSE_KICK);
    stop(f);
}

static void naming_oneself_again(void **state)
{
    (void)state;
    struct fake *f = SERVE(NULL);
    struct player a, b;
    char r[33];
    enter_as(f, &b, "bob");
    enter_as(f, &a, "ann");
    create_room(&a, r);
    ask(&a, NAME("bob", "no"), WRONG_NAME); /* on failure nothing changes */
    say(&a, "{'command':'GET_ROOM_PLAYERS'}");
    hear(&a, "{'command':'ROOM_PLAYERS','roomId':'%s','players':[{'id':'%s','name':'ann'}]}", r,
         a.id);
    ask(&a, "{'command':'NAME','name':'ann'}", OK_TRUE("ann")); /* the same name: still who he is */
    ask(&a, "{'command':'NAME','name':''}", "{'command':'ERROR','message':'Name is required.'}");
    ask(&a, NAME("zoe", "pw"), OK_TRUE("zoe")); /* another player, still in the room */
    say(&a, "{'command':'GET_ROOM_PLAYERS'}");
    hear(&a, "{'command':'ROOM_PLAYERS','roomId':'%s','players':[{'id':'%s','name':'zoe'}]}", r,
         a.id);
    /* ann is free again: signing in as her ends nobody */
    struct player c;
    enter_as(f, &c, "ann");
    hear_nothing(&a);
    ask(&a, "{'command':'NAME','name':'eve'}", OK_FALSE("eve")); /* another name, and no proof */
    assert_int_equal(fake_view(f).rooms, 0);
    ask(&a, "{'command':'GET_ROOM_PLAYERS'}",
        "{'command':'ERROR','message':'Authentication required. Please use NAME command with "
        "password.'}");
    enter_as(f, &c, "zoe");
    hear_nothing(&a); /* who is zoe no more is not concerned */
    stop(f);
}

/* ---- who is signed in twice ---- */

static void the_second_login_by_policy(void **state)
{
    (void)state;
    static const char *const policies[] = {"replace", "refuse", "allow"};
    for (int i = 0; i < 3; i++) {
        char setting[64];
        (void)snprintf(setting, sizeof setting, "racing.single_login=%s", policies[i]);
        struct fake *f = SERVE(setting, "racing.room_events=true");
        struct player a, b, guest;
        char r[33];
        enter_as(f, &a, "ann");
        enter_as(f, &guest, "guest");
        create_room(&a, r);
        join_room(&guest, r);
        hear(&a, "{'command':'PLAYER_JOINED','sessionId':'%s','name':'guest','roomId':'%s'}",
             guest.id, r);
        enter(f, &b, HERE);
        say(&b, NAME("ann", "pw"));
        if (i == 0) {
            hear(&a, "{'command':'BYE_ADMIN','message':'Signed in from another connection'}");
            hear_close(&a, CLOSE_KICK);
            hear(&guest, "{'command':'PLAYER_LEFT','sessionId':'%s','name':'ann','roomId':'%s'}",
                 a.id, r);
            assert_int_equal(fake_metric(f, M_ENDED_KICK), 1);
        }
        if (i == 1)
            hear(&b, "{'command':'AUTH_FAILED','message':'This player is already signed in.'}");
        else
            hear(&b, OK_TRUE("ann"));
        hear_nothing(&a);
        hear_nothing(&b);
        hear_nothing(&guest);
        /* Signing in again on one's own connection is always possible. */
        struct player *own = i == 1 ? &a : &b;
        ask(own, NAME("ann", "pw"), OK_TRUE("ann"));
        ask(own, "{'command':'AUTHENTICATE','password':'pw'}", AUTH_OK("ann"));
        stop(f);
    }
}

static void several_at_once_are_all_replaced(void **state)
{
    (void)state;
    struct fake *f = SERVE("racing.single_login=allow");
    struct player p[5];
    for (int i = 0; i < 4; i++)
        enter_as(f, &p[i], "ann");
    ask(&p[1], "{'command':'NAME','name':'x'}", OK_FALSE("x")); /* one leaves the ring */
    fake_hang_up(f, p[0].link);                                 /* and the first of it ends */
    static const char *const replace[] = {"racing.single_login=replace", NULL};
    assert_int_equal(fake_configure(f, replace), 0);
    enter_as(f, &p[4], "ann");
    for (int i = 2; i < 4; i++) {
        hear(&p[i], "{'command':'BYE_ADMIN','message':'Signed in from another connection'}");
        hear_close(&p[i], CLOSE_KICK);
    }
    hear_nothing(&p[1]);
    assert_true(fake_is_open(f, p[1].link) && fake_is_open(f, p[4].link));
    stop(f);
}

static void two_race_for_one_name(void **state)
{
    (void)state;
    struct fake *f = SERVE(NULL);
    struct player a, b;
    enter(f, &a, HERE);
    enter(f, &b, HERE);
    f->asks.delay = NSEC_NEVER;
    say(&a, NAME("ann", "one"));
    say(&b, NAME("ann", "two"));
    fake_answer_all(f);
    hear(&a, OK_TRUE("ann"));
    hear(&b, WRONG_NAME);
    assert_int_equal(f->asks.accounts_n, 1);
    stop(f);
}

/* ---- negotiated keys ---- */

static const struct {
    const char *offer, *alg; /* NULL: the document's cipher */
    size_t key;
    bool pack;
} offers[] = {
    {"'udpAead':['aes-256-gcm']", "aes-256-gcm", 36, false},
    {"'udpAead':['aes-256-cbc-hmac-sha256']", "aes-256-cbc-hmac-sha256", 64, false},
    {"'udpAead':['aes-256-cbc-hmac-sha256','aes-256-gcm']", "aes-256-gcm", 36, false},
    {"'udpAead':['new',5,null,'aes-256-cbc-hmac-sha256']", "aes-256-cbc-hmac-sha256", 64, false},
    {"'udpAead':['aes-256-gcm'],'udpPack':true", "aes-256-gcm", 36, true},
    {"'udpAead':['aes-256-cbc-hmac-sha256'],'udpPack':true", "aes-256-cbc-hmac-sha256", 64, true},
    {"'udpAead':['aes-256-gcm'],'udpPack':1", "aes-256-gcm", 36, false},
    {"'udpAead':[1,2,3,4,5,6,7,'aes-256-gcm']", "aes-256-gcm", 36, false},
    {"'udpAead':[1,2,3,4,5,6,7,8,'aes-256-gcm']", NULL, 0, false}, /* only so many are looked at */
    {"'udpAead':[]", NULL, 0, false},
    {"'udpAead':['AES-256-GCM']", NULL, 0, false},
    {"'udpAead':'aes-256-gcm'", NULL, 0, false},
    {"'udpAead':{'aes-256-gcm':1}", NULL, 0, false},
    {"'udpPack':true", NULL, 0, false},
};

static void assert_aead_object(const char *object, size_t row)
{
    char conn[17], c2s[129], s2c[129], again[600];
    int n = 0;
    assert_int_equal(sscanf(strstr(object, "connId"),
                            "connId\":\"%16[0-9a-f]\",\"c2s\":\"%128[A-Za-z0-9+/=]\""
                            ",\"s2c\":\"%128[A-Za-z0-9+/=]\"%n",
                            conn, c2s, s2c, &n),
                     3);
    assert_true(n > 0);
    assert_int_equal(strlen(conn), 16);
    assert_int_equal(strlen(c2s), BASE64_LEN(offers[row].key));
    assert_int_equal(strlen(s2c), BASE64_LEN(offers[row].key));
    assert_string_not_equal(c2s, s2c);
    (void)snprintf(again, sizeof again,
                   "{\"alg\":\"%s\",\"connId\":\"%s\",\"c2s\":\"%s\",\"s2c\":\"%s\"%s}}",
                   offers[row].alg, conn, c2s, s2c, offers[row].pack ? ",\"pack\":true" : "");
    assert_string_equal(object, again);
}

static void keys_are_negotiated(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(offers); i++) {
        struct fake *f = SERVE(NULL);
        struct player p;
        char line[65536], first[65536];
        static const char head[] = "{\"command\":\"NAME_OK\",\"name\":\"ann\",\"authenticated\":"
                                   "true,\"udpEncryption\":true";
        static const char auth[] = "{\"command\":\"AUTH_OK\",\"name\":\"ann\"";
        enter(f, &p, HERE);
        say(&p, "{'command':'NAME','name':'ann','password':'pw',%s}", offers[i].offer);
        (void)listen_to(&p, line);
        assert_memory_equal(line, head, sizeof head - 1);
        if (offers[i].alg) {
            assert_memory_equal(line + sizeof head - 1, ",\"udpAead\":", 11);
            assert_aead_object(line + sizeof head - 1 + 11, i);
            use_aead_keys(&p, line);
        } else {
            assert_string_equal(line + sizeof head - 1, "}");
            use_document_keys(&p);
        }
        cast_update(&p);
        assert_outcome(f, M_DGRAM_ACCEPTED);
        memcpy(first, line, sizeof first);
        say(&p, "{'command':'AUTHENTICATE','password':'pw',%s}", offers[i].offer);
        (void)listen_to(&p, line);
        assert_memory_equal(line, auth, sizeof auth - 1);
        cast_update(&p);
        if (!offers[i].alg) {
            assert_string_equal(line + sizeof auth - 1, "}");
            assert_outcome(f, M_DGRAM_ACCEPTED);
        } else { /* fresh keys and another connection: the old ones are of no use any more */
            assert_outcome(f, M_DGRAM_UNKNOWN);
            assert_memory_equal(line + sizeof auth - 1, ",\"udpAead\":", 11);
            assert_aead_object(line + sizeof auth - 1 + 11, i);
            assert_string_not_equal(strstr(line, "c2s"), strstr(first, "c2s"));
            use_aead_keys(&p, line);
            cast_update(&p);
            assert_outcome(f, M_DGRAM_ACCEPTED);
        }
        stop(f);
    }
}

static void once_negotiated_nothing_weaker(void **state)
{
    (void)state;
    struct fake *f = SERVE("racing.udp_plaintext=on");
    struct player p, weak;
    char line[65536];
    enter(f, &p, HERE);
    say(&p, "{'command':'NAME','name':'ann','password':'pw','udpAead':['aes-256-gcm']}");
    use_aead_keys(&p, listen_to(&p, line));
    weak = p;
    weak.sealer = NULL;
    weak.opener = NULL;
    cast_update(&weak); /* in the clear */
    assert_outcome(f, M_DGRAM_PLAIN);
    use_document_keys(&weak);
    cast_update(&weak);
    assert_outcome(f, M_DGRAM_UNKNOWN);
    cast_update(&p);
    assert_outcome(f, M_DGRAM_ACCEPTED);
    cast_update(&weak); /* from the registered endpoint too */
    assert_outcome(f, M_DGRAM_FORGED);
    /* A login without an offer does not take the session back. */
    ask(&p, NAME("ann", "pw"), OK_TRUE("ann"));
    cast_update(&weak);
    assert_outcome(f, M_DGRAM_FORGED);
    cast_update(&p);
    assert_outcome(f, M_DGRAM_ACCEPTED);
    bool before = alloc_fault_suspend(true);
    sealer_destroy(weak.sealer);
    opener_destroy(weak.opener);
    (void)alloc_fault_suspend(before);
    stop(f);
}

static void a_failed_login_keeps_the_keys(void **state)
{
    (void)state;
    struct fake *f = SERVE(NULL);
    struct player p;
    char line[65536];
    enter(f, &p, HERE);
    say(&p, "{'command':'NAME','name':'ann','password':'pw','udpAead':['aes-256-gcm']}");
    use_aead_keys(&p, listen_to(&p, line));
    ask(&p, "{'command':'NAME','name':'ann','password':'no','udpAead':['aes-256-gcm']}",
        WRONG_NAME);
    cast_update(&p);
    assert_outcome(f, M_DGRAM_ACCEPTED);
    /* Who is nobody any more is not heard, but may come back. */
    ask(&p, "{'command':'NAME','name':'eve'}", OK_FALSE("eve"));
    cast_update(&p);
    assert_outcome(f, M_DGRAM_FORGED);
    ask(&p, NAME("ann", "pw"), OK_TRUE("ann"));
    cast_update(&p);
    assert_outcome(f, M_DGRAM_ACCEPTED);
    stop(f);
}

/* ---- what stays behind ---- */

static void passwords_and_keys_leave_no_trace(void **state)
{
    (void)state;
    static const char secret[] = "correct horse battery";
    struct fake *f = SERVE(NULL);
    struct player p;
    char line[65536], key[129];
    enter(f, &p, HERE);
    alloc_secret(secret, sizeof secret - 1);
    ask(&p, NAME("ann", "correct horse battery"), OK_TRUE("ann"));
    ask(&p, "{'command':'AUTHENTICATE','password':'correct horse batterY'}", WRONG_AUTH);
    ask(&p, "{'command':'AUTHENTICATE','password':'correct horse battery'}", AUTH_OK("ann"));
    ask(&p, "{'command':'BATCH','messages':[" NAME("ann", "correct horse battery") "]}",
        OK_TRUE("ann"));
    ask(&p, "{'command':'NAME','name':'ann','password':'c\\u006frrect horse battery'}",
        OK_TRUE("ann"));
    say(&p, "{'command':'NAME','name':'ann','password':'correct horse battery',"
            "'udpAead':['aes-256-cbc-hmac-sha256']}");
    (void)listen_to(&p, line);
    const char *s2c = strstr(line, "\"s2c\":\"");
    assert_non_null(s2c);
    assert_int_equal(sscanf(s2c, "\"s2c\":\"%128[^\"]", key), 1);
    assert_int_equal(alloc_secret_leaks(), 0);
    const struct buf *out = &((struct racing *)(void *)f->svc)->out; /* where replies are written */
    assert_null(memmem(out->p, out->cap, key, 80));
    assert_false(logged(f, secret));
    assert_false(logged(f, key));
    assert_false(logged(f, p.id)); /* key material: cut */
    p.id[8] = '\0';
    assert_true(logged(f, p.id));
    alloc_secret(key, 80);
    stop(f);
    assert_int_equal(alloc_secret_leaks(), 0);
    alloc_secret(NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_use_registers_and_then_the_password_counts),
        cmocka_unit_test(a_name_alone_claims_nothing),
        cmocka_unit_test(what_is_no_name_or_password),
        cmocka_unit_test(names_that_are_not_registered),
        cmocka_unit_test(names_and_passwords_at_their_limits),
        cmocka_unit_test(shorter_names_and_longer_passwords_by_configuration),
        cmocka_unit_test(letter_case_may_be_folded),
        cmocka_unit_test(naming_oneself_again),
        cmocka_unit_test(the_second_login_by_policy),
        cmocka_unit_test(several_at_once_are_all_replaced),
        cmocka_unit_test(two_race_for_one_name),
        cmocka_unit_test(keys_are_negotiated),
        cmocka_unit_test(once_negotiated_nothing_weaker),
        cmocka_unit_test(a_failed_login_keeps_the_keys),
        cmocka_unit_test(passwords_and_keys_leave_no_trace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
