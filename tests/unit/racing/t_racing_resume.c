/* What racing makes of the outcomes of a login besides the plain ones, and resume tokens
 * (docs/protocol-racing.md, "Names and passwords", "Coming back"). */
#include "talk.h"

#include "base/err.h"
#include "games/racing/state.h"
#include "sim/alloc_fault.h"

#include <stdio.h>

#define REFUSED(text) "{'command':'AUTH_FAILED','message':'" text "'}"
#define OK_TRUE(name) \
    "{'command':'NAME_OK','name':'" name "','authenticated':true,'udpEncryption':true}"

/* Asks for a token; the line it came in, and the token cut out of it. */
static void take_token(struct player *p, const char *request, char token[65])
{
    static const char key[] = "\"resumeToken\":\"";
    char line[65536];
    say(p, "%s", request);
    const char *at = strstr(listen_to(p, line), key);
    assert_non_null(at);
    memcpy(token, at + sizeof key - 1, 64);
    token[64] = '\0';
    assert_int_equal(strspn(token, "0123456789abcdef"), 64);
}

static void a_token_comes_on_request_only(void **state)
{
    (void)state;
    struct fake *f = SERVE(NULL);
    struct player a, b, c;
    char one[65], two[65], request[200], line[65536];
    enter(f, &a, HERE);
    ask(&a, "{'command':'NAME','name':'ann','password':'pw'}", OK_TRUE("ann"));
    take_token(&a, "{'command':'NAME','name':'ann','password':'pw','resume':''}", one);
    fake_hang_up(f, a.link);
    enter(f, &b, HERE);
    (void)snprintf(request, sizeof request, "{'command':'NAME','name':'ann','resume':'%s'}", one);
    take_token(&b, request, two);
    assert_string_not_equal(one, two);
    enter(f, &c, HERE);
    say(&c, "%s", request); /* used */
    hear(&c, REFUSED("Invalid resume token."));
    (void)snprintf(request, sizeof request,
                   "{'command':'NAME','name':'ann','resume':'%s','udpAead':['aes-256-gcm']}", two);
    say(&c, "%s", request);
    hear(&b, "{'command':'BYE_ADMIN','message':'Signed in from another connection'}");
    const char *aead = strstr(listen_to(&c, line), "\"udpAead\":");
    assert_true(aead && aead > strstr(line, "\"resumeToken\":")); /* keys are last */
    stop(f);
}

static void what_is_no_token(void **state)
{
    (void)state;
    static const char *const values[] = {
        "'x'",      "5",  "[]",
        "true",     "{}", "'00000000000000000000000000000000000000000000000000000000000000000'",
        "'\\u0000'"};
    struct fake *f = SERVE("limits.exempt=" HERE);
    struct player p;
    enter(f, &p, HERE);
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        say(&p, "{'command':'NAME','name':'ann','password':'pw','resume':%s}", values[i]);
        fake_advance(f, 0); /* told in the next turn */
        hear(&p, REFUSED("Invalid resume token."));
        hear_nothing(&p);
    }
    ask(&p, "{'command':'NAME','name':'ann','password':'pw','resume':null}", OK_TRUE("ann"));
    ask(&p, "{'command':'NAME','name':'eve','resume':''}", /* no password: a name alone */
        "{'command':'NAME_OK','name':'eve','authenticated':false,'udpEncryption':false}");
    stop(f);
}

static void goodbye_ends_the_token(void **state)
{
    (void)state;
    struct fake *f = SERVE(NULL);
    struct player a, b;
    char token[65];
    enter(f, &a, HERE);
    take_token(&a, "{'command':'NAME','name':'ann','password':'pw','resume':''}", token);
    ask(&a, "{'command':'BYE'}", "{'command':'BYE_OK'}");
    fake_answer_all(f);
    enter(f, &b, HERE);
    say(&b, "{'command':'NAME','name':'ann','resume':'%s'}", token);
    hear(&b, REFUSED("Invalid resume token."));
    stop(f);
}

static void each_refusal_has_its_words(void **state)
{
    (void)state;
    struct fake *f = SERVE(NULL);
    struct player p;
    struct account *a = &ask_fake_account(&f->asks, "ann", "pw", 1, false)->account;
    enter(f, &p, HERE);
    a->suspended = true;
    ask(&p, "{'command':'NAME','name':'ann','password':'pw'}",
        REFUSED("This account is suspended."));
    a->suspended = false;
    a->locked_until_ms = f->now.unix_ms + 1000;
    ask(&p, "{'command':'NAME','name':'ann','password':'pw'}",
        REFUSED("This account is locked after too many failed logins. Please try again later."));
    a->locked_until_ms = 0;
    a->level = 7;
    ask(&p, "{'command':'NAME','name':'ann','password':'pw'}",
        REFUSED("This account cannot be used."));
    a->level = LEVEL_ADMIN;
    ask(&p, "{'command':'NAME','name':'ann','password':'pw'}",
        "{'command':'ERROR','message':'Password is too short for a staff account.'}");
    a->level = LEVEL_PLAYER;
    a->second_factor = true;
    ask(&p, "{'command':'NAME','name':'ann','password':'pw'}",
        REFUSED("A one-time code is required."));
    ask(&p, "{'command':'NAME','name':'ann','password':'pw','otp':'12'}",
        REFUSED("Invalid one-time code."));
    ask(&p, "{'command':'NAME','name':'ann','password':'pw','otp':7}",
        REFUSED("Invalid one-time code."));
    ask(&p, "{'command':'NAME','name':'ann'}",
        "{'command':'NAME_OK','name':'ann','authenticated':false,'udpEncryption':false}");
    fake_advance(f, UINT64_C(11) * 60 * NSEC_PER_S);
    enter(f, &p, HERE);
    ask(&p, "{'command':'NAME','name':'ann'}",
        "{'command':'NAME_OK','name':'ann','authenticated':false,'udpEncryption':false}");
    ask(&p, "{'command':'AUTHENTICATE','password':'pw'}", REFUSED("A one-time code is required."));
    ask(&p, "{'command':'AUTHENTICATE','password':'pw','otp':'000'}",
        REFUSED("Invalid one-time code."));
    a->second_factor = false;
    ask(&p, "{'command':'AUTHENTICATE','password':'pw'}", "{'command':'AUTH_OK','name':'ann'}");
    stop(f);
}

/* One claim for each who is signed in, given back with the last. */
static void claims_follow_sessions(void **state)
{
    (void)state;
    struct fake *f = SERVE("racing.single_login=replace");
    struct player a, b;
    f->host.presence = true;
    enter(f, &a, HERE);
    ask(&a, "{'command':'NAME','name':'ann','password':'pw'}", OK_TRUE("ann"));
    ask(&a, "{'command':'NAME','name':'ann','password':'pw'}", OK_TRUE("ann")); /* again */
    enter(f, &b, HERE);
    ask(&b, "{'command':'NAME','name':'ann','password':'pw'}", OK_TRUE("ann"));
    hear(&a, "{'command':'BYE_ADMIN','message':'Signed in from another connection'}");
    fake_answer_all(f);
    assert_int_equal(f->asks.claims, 3);
    assert_int_equal(f->asks.releases, 0);
    ask(&b, "{'command':'NAME','name':'bob'}",
        "{'command':'NAME_OK','name':'bob','authenticated':false,'udpEncryption':false}");
    fake_answer_all(f);
    assert_int_equal(f->asks.releases, 1);
    f->asks.claim = E_EXISTS;
    ask(&b, "{'command':'NAME','name':'ann','password':'pw'}",
        REFUSED("This player is already signed in."));
    f->asks.claim = 0;
    ask(&b, "{'command':'NAME','name':'ann','password':'pw'}", OK_TRUE("ann"));
    fake_reset(f, b.link);
    fake_answer_all(f);
    assert_int_equal(f->asks.releases, 2);
    stop(f);
}

static void tokens_leave_no_trace(void **state)
{
    (void)state;
    struct fake *f = SERVE(NULL);
    struct player a;
    char token[65];
    enter(f, &a, HERE);
    take_token(&a, "{'command':'NAME','name':'ann','password':'pw','resume':''}", token);
    ask(&a, "{'command':'PING'}", "{'command':'PONG'}");
    alloc_secret(token, 64);
    fake_hang_up(f, a.link);
    stop(f);
    assert_int_equal(alloc_secret_leaks(), 0);
    alloc_secret(NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_comes_on_request_only),
        cmocka_unit_test(what_is_no_token),
        cmocka_unit_test(goodbye_ends_the_token),
        cmocka_unit_test(each_refusal_has_its_words),
        cmocka_unit_test(claims_follow_sessions),
        cmocka_unit_test(tokens_leave_no_trace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
