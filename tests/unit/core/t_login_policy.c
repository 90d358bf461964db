/* Who is let in by a right password, and who is not: bans, suspension, locks, records that are not
 * valid, staff, claims; that each outcome is audited; and what guessing leads to. */
#include "fixture_login.h"

static enum login_outcome login(struct fixture *x, const char *name, const char *password)
{
    const struct login_request q = {.name = span_str(name), .password = span_str(password)};
    return login_as(x, &q).outcome;
}

static void sign_out(struct fixture *x, int64_t id)
{
    struct addr a;
    assert_int_equal(addr_parse(&a, x->peer), 0);
    x->f->in_call = true;
    logins_signed_out(x->s->logins, x->f->now, id, &a);
    x->f->in_call = false;
    fake_answer_all(x->f);
}

static void success_is_noted_and_audited(void **state)
{
    struct fixture *x = *state;
    account(x, "ann", "pw");
    assert_int_equal(login(x, "ann", "pw"), LOGIN_OK);
    HEARD_LOGIN(x, "#1", "Success");
    assert_int_equal(x->f->asks.queried[QUERY_KNOWN_ADDRESS_PUT], 1);
    assert_string_equal(x->f->asks.known.rows[0].text, "00000000000000000000ffffcb007101");
    assert_int_equal(login(x, "ann", "no"), LOGIN_WRONG);
    HEARD_LOGIN(x, "#1", "Failed - Invalid password");
    assert_int_equal(login(x, "who", "no"), LOGIN_WRONG);
    HEARD_LOGIN(x, "who", "Failed - Account not found");
    assert_int_equal(x->f->asks.queried[QUERY_KNOWN_ADDRESS_PUT], 1);
    x->policy.auto_register = true;
    logins_set_policy(x->s->logins, &x->policy);
    assert_int_equal(login(x, "new", "pw"), LOGIN_CREATED);
    heard(x, AUDIT_SUB_ACCOUNT_CREATE, "#2", "Registered at first login");
    HEARD_LOGIN(x, "#2", "Success");
    sign_out(x, 2);
    heard(x, AUDIT_SUB_ACCOUNT_LOGOUT, "#2", "");
}

static void busy_is_audited(void **state)
{
    struct fixture *x = *state;
    account(x, "ann", "pw");
    ask_fake_fault(&x->f->asks, ASK_HASH_VERIFY, ASK_FAILED, 1);
    assert_int_equal(login(x, "ann", "pw"), LOGIN_BUSY);
    HEARD_LOGIN(x, "#1", "Failed - Server busy");
}

static void ban(struct fixture *x, struct ban b)
{
    b.author = SPAN_LIT("boss");
    assert_int_equal(ban_desk_add(x->bans, x->f->now, &b, false, NULL, NULL, NULL), 0);
    settle(x);
    x->read_n = x->told_n;
}

static void a_banned_account(void **state)
{
    struct fixture *x = *state;
    account(x, "ann", "pw");
    int64_t until = x->f->now.unix_ms + 60000;
    ban(x, (struct ban){
               .kind = BAN_ACCOUNT, .account = 1, .expires = until, .reason = SPAN_LIT("cheats")});
    assert_int_equal(login(x, "ann", "no"), LOGIN_WRONG); /* told only to who knows the password */
    HEARD_LOGIN(x, "#1", "Failed - Invalid password");
    const struct login_request q = {.name = SPAN_LIT("ann"), .password = SPAN_LIT("pw")};
    struct login_result r = login_as(x, &q);
    assert_int_equal(r.outcome, LOGIN_BANNED);
    assert_string_equal(r.reason, "cheats");
    assert_true(r.until_ms == until);
    HEARD_LOGIN(x, "#1", "Failed - Banned");
    fake_advance(x->f, 61 * NSEC_PER_S);
    assert_int_equal(login(x, "ann", "pw"), LOGIN_OK);
}

static void a_banned_address(void **state)
{
    struct fixture *x = *state;
    struct ban b = {.kind = BAN_NET, .reason = SPAN_LIT("spam")};
    account(x, "ann", "pw");
    assert_int_equal(ban_net_parse(&b, "203.0.113.0/24"), 0);
    ban(x, b);
    uint64_t asked = x->f->asks.asked[ASK_ACCOUNT_FIND];
    const struct login_request q = {.name = SPAN_LIT("ann"), .password = SPAN_LIT("pw")};
    struct login_result r = login_as(x, &q);
    assert_int_equal(r.outcome, LOGIN_BANNED);
    assert_string_equal(r.reason, "spam");
    assert_true(r.until_ms == 0);
    assert_int_equal(x->f->asks.asked[ASK_ACCOUNT_FIND], asked); /* before anything else */
    HEARD_LOGIN(x, "ann", "Failed - Banned");
    x->peer = THERE;
    assert_int_equal(login(x, "ann", "pw"), LOGIN_OK);
}

static void a_ban_of_another_game(void **state)
{
    struct fixture *x = *state;
    account(x, "ann", "pw");
    ban(x, (struct ban){.kind = BAN_ACCOUNT, .account = 1, .game = SPAN_LIT("other")});
    assert_int_equal(login(x, "ann", "pw"), LOGIN_OK);
    ban(x, (struct ban){.kind = BAN_ACCOUNT, .account = 1, .game = SPAN_LIT("test")});
    assert_int_equal(login(x, "ann", "pw"), LOGIN_BANNED);
}

/* Nobody gets in because the list of bans was not there yet. */
static void bans_that_were_not_read(void **state)
{
    struct fixture *x = *state;
    struct ban_desk *ready = x->bans, *blank;
    struct metrics metrics;
    struct login_ref ref;
    metrics_init(&metrics);
    const struct ban_desk_cfg cfg = {.store = &x->port,
                                     .log = &x->log,
                                     .metrics = &metrics,
                                     .seed = {1, 2},
                                     .enforce = no_enforcing,
                                     .wake = no_waking};
    const struct login_request q = {.name = SPAN_LIT("ann"), .password = SPAN_LIT("pw")};
    account(x, "ann", "pw");
    assert_int_equal(ban_desk_create(&blank, &cfg, x->f->now), 0);
    x->f->host.bans = blank;
    assert_int_equal(start(x, &q, &ref), E_BUSY);
    assert_int_equal(logins_live(x->s->logins), 0);
    x->f->host.bans = ready;
    assert_int_equal(login(x, "ann", "pw"), LOGIN_OK);
    settle(x);
    ban_desk_destroy(blank);
    metrics_fini(&metrics);
}

static void a_suspended_account(void **state)
{
    struct fixture *x = *state;
    account(x, "ann", "pw")->account.suspended = true;
    assert_int_equal(login(x, "ann", "no"), LOGIN_WRONG);
    HEARD_LOGIN(x, "#1", "Failed - Invalid password");
    assert_int_equal(login(x, "ann", "pw"), LOGIN_SUSPENDED);
    HEARD_LOGIN(x, "#1", "Failed - Account suspended");
}

static void records_that_are_not_valid(void **state)
{
    struct fixture *x = *state;
    static const struct {
        uint8_t level;
        int64_t locked;
        enum login_outcome outcome;
    } rows[] = {{0, 0, LOGIN_INVALID}, {1, 0, LOGIN_OK},        {3, 0, LOGIN_OK},
                {4, 0, LOGIN_INVALID}, {255, 0, LOGIN_INVALID}, {1, -1, LOGIN_INVALID}};
    struct account *a = &account(x, "ann", "a long password")->account;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        a->level = rows[i].level;
        a->locked_until_ms = rows[i].locked;
        assert_int_equal(login(x, "ann", "a long password"), rows[i].outcome);
        HEARD_LOGIN(x, "#1",
                    rows[i].outcome == LOGIN_OK ? "Success" : "Failed - Invalid account record");
    }
}

static void a_locked_account(void **state)
{
    struct fixture *x = *state;
    struct account *a = &account(x, "ann", "pw")->account;
    assert_int_equal(login(x, "ann", "pw"), LOGIN_OK); /* from here */
    HEARD_LOGIN(x, "#1", "Success");
    int64_t until = a->locked_until_ms = x->f->now.unix_ms + 900000;
    assert_int_equal(login(x, "ann", "pw"), LOGIN_OK); /* where it is known */
    HEARD_LOGIN(x, "#1", "Success");
    x->peer = THERE;
    const struct login_request q = {.name = SPAN_LIT("ann"), .password = SPAN_LIT("pw")};
    struct login_result r = login_as(x, &q);
    assert_int_equal(r.outcome, LOGIN_LOCKED);
    assert_true(r.until_ms == until);
    HEARD_LOGIN(x, "#1", "Failed - Account locked");
    assert_int_equal(login(x, "ann", "no"), LOGIN_WRONG);
    HEARD_LOGIN(x, "#1", "Failed - Invalid password");
    x->peer = HERE;
    x->f->asks.known.rows[0].at = x->f->now.unix_ms - INT64_C(30) * 86400000; /* just so */
    assert_int_equal(login(x, "ann", "pw"), LOGIN_OK);
    x->f->asks.known.rows[0].at = x->f->now.unix_ms - INT64_C(30) * 86400000 - 1;
    assert_int_equal(login(x, "ann", "pw"), LOGIN_LOCKED);
    ask_fake_fault(&x->f->asks, ASK_QUERY, ASK_FAILED, 1);
    assert_int_equal(login(x, "ann", "pw"), LOGIN_BUSY); /* it might be known */
    fake_advance(x->f, 901 * NSEC_PER_S);
    assert_int_equal(login(x, "ann", "pw"), LOGIN_OK);
}

static void staff_needs_a_long_password(void **state)
{
    struct fixture *x = *state;
    struct account *a = &account(x, "ann", "11 bytes ab")->account;
    assert_int_equal(login(x, "ann", "11 bytes ab"), LOGIN_OK);
    HEARD_LOGIN(x, "#1", "Success");
    a->level = LEVEL_GAME_MASTER;
    assert_int_equal(login(x, "ann", "11 bytes ab"), LOGIN_STAFF_PASSWORD_SHORT);
    HEARD_LOGIN(x, "#1", "Failed - Password too short for staff");
    a = &account(x, "bob", "12 bytes abc")->account;
    a->level = LEVEL_ADMIN;
    const struct login_request q = {.name = SPAN_LIT("bob"), .password = SPAN_LIT("12 bytes abc")};
    struct login_result r = login_as(x, &q);
    assert_int_equal(r.outcome, LOGIN_OK);
    assert_int_equal(r.level, LEVEL_ADMIN);
}

/* ---- claims ---- */

static void claims_by_policy(void **state)
{
    struct fixture *x = *state;
    account(x, "ann", "pw");
    assert_int_equal(login(x, "ann", "pw"), LOGIN_OK);
    assert_int_equal(x->f->asks.claims, 1);
    assert_true(x->f->asks.claim_replace && !x->f->asks.claim_server);
    x->policy.single = LOGIN_SINGLE_REFUSE;
    x->policy.server_scope = true;
    logins_set_policy(x->s->logins, &x->policy);
    assert_int_equal(login(x, "ann", "pw"), LOGIN_OK);
    assert_true(!x->f->asks.claim_replace && x->f->asks.claim_server);
    x->f->asks.claim = E_EXISTS;
    settle(x);
    x->read_n = x->told_n;
    assert_int_equal(login(x, "ann", "pw"), LOGIN_ELSEWHERE);
    HEARD_LOGIN(x, "#1", "Failed - Already signed in");
    x->f->asks.claim = 0;
    uint64_t releases = x->f->asks.releases;
    ask_fake_fault(&x->f->asks, ASK_CLAIM, ASK_LOST, 1);
    assert_int_equal(login(x, "ann", "pw"), LOGIN_BUSY);
    assert_int_equal(x->f->asks.releases, releases); /* others hold it still */
    x->policy.single = LOGIN_SINGLE_ALLOW;
    logins_set_policy(x->s->logins, &x->policy);
    uint64_t claims = x->f->asks.claims;
    assert_int_equal(login(x, "ann", "pw"), LOGIN_OK);
    assert_int_equal(x->f->asks.claims, claims);
}

static void without_presence_nothing_is_claimed(void **state)
{
    struct fixture *x = *state;
    account(x, "ann", "pw");
    x->f->host.presence = false;
    assert_int_equal(login(x, "ann", "pw"), LOGIN_OK);
    sign_out(x, 1);
    assert_int_equal(x->f->asks.asked[ASK_CLAIM] + x->f->asks.asked[ASK_RELEASE], 0);
}

static void the_last_session_gives_the_claim_back(void **state)
{
    struct fixture *x = *state;
    account(x, "ann", "pw");
    assert_int_equal(login(x, "ann", "pw"), LOGIN_OK);
    assert_int_equal(login(x, "ann", "pw"), LOGIN_OK);
    sign_out(x, 1);
    assert_int_equal(x->f->asks.releases, 0);
    /* One that is refused while another holds it changes nothing. */
    x->f->asks.claim = E_EXISTS;
    assert_int_equal(login(x, "ann", "pw"), LOGIN_ELSEWHERE);
    assert_int_equal(x->f->asks.releases, 0);
    sign_out(x, 1);
    assert_int_equal(x->f->asks.releases, 1);
    assert_int_equal(login(x, "ann", "pw"), LOGIN_ELSEWHERE); /* nothing was granted */
    assert_int_equal(x->f->asks.releases, 1);
    x->f->asks.claim = 0;
    ask_fake_fault(&x->f->asks, ASK_CLAIM, ASK_REFUSED, 1);
    assert_int_equal(login(x, "ann", "pw"), LOGIN_BUSY);
    assert_int_equal(x->f->asks.releases, 1);
}

static void a_release_is_tried_until_it_is_taken(void **state)
{
    struct fixture *x = *state;
    account(x, "ann", "pw");
    assert_int_equal(login(x, "ann", "pw"), LOGIN_OK);
    ask_fake_fault(&x->f->asks, ASK_RELEASE, ASK_REFUSED, 2);
    sign_out(x, 1);
    assert_int_equal(x->f->asks.releases, 0);
    fake_advance(x->f, 1100 * NSEC_PER_MS);
    assert_int_equal(x->f->asks.releases, 0);
    fake_advance(x->f, NSEC_PER_S);
    assert_int_equal(x->f->asks.releases, 1);
    assert_true(login_deadline(x->s->logins) == NSEC_NEVER);
    assert_int_equal(login(x, "ann", "pw"), LOGIN_OK);
    ask_fake_fault(&x->f->asks, ASK_RELEASE, ASK_FAILED, 2);
    sign_out(x, 1);
    assert_int_equal(x->f->asks.releases, 1);
    fake_advance(x->f, 3 * NSEC_PER_S);
    assert_int_equal(x->f->asks.releases, 2);
    /* A claim that may have been granted is given back. */
    ask_fake_fault(&x->f->asks, ASK_CLAIM, ASK_LOST, 1);
    assert_int_equal(login(x, "ann", "pw"), LOGIN_BUSY);
    fake_answer_all(x->f);
    assert_int_equal(x->f->asks.releases, 3);
    /* Not if it is claimed again meanwhile. */
    assert_int_equal(login(x, "ann", "pw"), LOGIN_OK);
    ask_fake_fault(&x->f->asks, ASK_RELEASE, ASK_REFUSED, 1);
    sign_out(x, 1);
    assert_int_equal(login(x, "ann", "pw"), LOGIN_OK);
    fake_advance(x->f, 5 * NSEC_PER_S);
    assert_int_equal(x->f->asks.releases, 3);
}

static void a_claim_for_a_link_that_left_is_given_back(void **state)
{
    struct fixture *x = *state;
    struct login_ref ref;
    const struct login_request q = {.name = SPAN_LIT("ann"), .password = SPAN_LIT("pw")};
    account(x, "ann", "pw");
    x->f->asks.delay = NSEC_NEVER;
    assert_int_equal(start(x, &q, &ref), 0);
    assert_true(fake_answer(x->f) && fake_answer(x->f)); /* found, verified */
    assert_int_equal(x->f->asks.asked[ASK_CLAIM], 1);
    x->f->in_call = true;
    login_cancel(x->s->logins, ref);
    x->f->in_call = false;
    fake_answer_all(x->f);
    assert_int_equal(x->f->asks.releases, 1);
    assert_int_equal(x->s->results_n, 0);
    assert_int_equal(logins_live(x->s->logins), 0);
}

/* The claim goes to another process while the token is written: nobody is signed in twice. */
static void a_claim_that_is_lost_before_the_end(void **state)
{
    struct fixture *x = *state;
    struct login_ref ref;
    const struct login_request q = {
        .name = SPAN_LIT("ann"), .password = SPAN_LIT("pw"), .want_resume = true};
    account(x, "ann", "pw");
    x->f->asks.delay = NSEC_NEVER;
    assert_int_equal(start(x, &q, &ref), 0);
    while (x->f->asks.asked[ASK_CLAIM] == 0)
        assert_true(fake_answer(x->f));
    logins_lost(x->s->logins, 1); /* of an older session: this claim is on its way */
    assert_true(fake_answer(x->f));
    logins_lost(x->s->logins, 2); /* somebody else's */
    logins_lost(x->s->logins, 1);
    fake_answer_all(x->f);
    assert_int_equal(only_result(x).outcome, LOGIN_BUSY);
    assert_string_equal(x->s->results[0].resume, "");
    assert_int_equal(x->f->asks.claims, x->f->asks.releases);
    x->f->asks.delay = 0;
    assert_int_equal(login_as(x, &q).outcome, LOGIN_OK);
}

/* What is tried as a name gets into nobody's trail. */
static void a_name_like_a_number(void **state)
{
    struct fixture *x = *state;
    char name[ACCOUNT_NAME_MAX + 1] = "#1", shown[ACCOUNT_NAME_MAX + 1] = "name #1";
    account(x, "ann", "pw");
    assert_int_equal(login(x, "#1", "pw"), LOGIN_WRONG);
    HEARD_LOGIN(x, "name #1", "Failed - Account not found");
    memset(name + 2, '1', ACCOUNT_NAME_MAX - 2);
    memset(shown + 7, '1', ACCOUNT_NAME_MAX - 7);
    assert_int_equal(login(x, name, "pw"), LOGIN_WRONG);
    HEARD_LOGIN(x, shown, "Failed - Account not found");
    account(x, "#1", "pw"); /* one of before */
    assert_int_equal(login(x, "#1", "pw"), LOGIN_OK);
    HEARD_LOGIN(x, "#2", "Success");
}

static void registered_and_not_signed_in(void **state)
{
    struct fixture *x = *state;
    x->policy.auto_register = true;
    logins_set_policy(x->s->logins, &x->policy);
    ask_fake_fault(&x->f->asks, ASK_CLAIM, ASK_REFUSED, 1);
    assert_int_equal(login(x, "new", "pw"), LOGIN_BUSY);
    heard(x, AUDIT_SUB_ACCOUNT_CREATE, "#1", "Registered at first login");
    HEARD_LOGIN(x, "#1", "Failed - Server busy");
    assert_int_equal(login(x, "new", "pw"), LOGIN_OK);
}

/* Resume tokens cost no work; what they leave in the audit is bounded all the same. */
static void logins_of_one_address_have_a_pace(void **state)
{
    struct fixture *x = *state;
    const nsec begin = x->f->now.mono;
    account(x, "ann", "pw");
    for (int i = 0; i < 120; i++) {
        assert_int_equal(login(x, "ann", "pw"), LOGIN_OK);
        settle(x);
    }
    assert_true(x->f->now.mono == begin);
    const struct login_request q = {.name = SPAN_LIT("ann"), .password = SPAN_LIT("pw")};
    struct login_ref ref[3];
    for (size_t i = 0; i < ARRAY_LEN(ref); i++)
        assert_int_equal(start(x, &q, &ref[i]), 0);
    fake_answer_all(x->f);
    fake_advance(x->f, 400 * NSEC_PER_MS);
    assert_int_equal(x->s->results_n, 0); /* two a second */
    fake_advance(x->f, 700 * NSEC_PER_MS);
    assert_int_equal(x->s->results_n, 2);
    x->peer = THERE;
    assert_int_equal(start(x, &q, &ref[0]), 0);
    fake_answer_all(x->f);
    assert_int_equal(x->s->results_n, 3);
    fake_advance(x->f, NSEC_PER_S);
    assert_int_equal(x->s->results_n, 4);
    settle(x);
    x->s->results_n = 0;
}

/* ---- guessing ---- */

static void five_wrong_ones_ban_the_address(void **state)
{
    struct fixture *x = *state;
    struct addr a;
    account(x, "ann", "pw");
    for (int i = 0; i < 4; i++)
        assert_int_equal(login(x, "ann", "no"), LOGIN_WRONG);
    assert_int_equal(addr_parse(&a, HERE), 0);
    assert_null(ban_desk_addr(x->bans, x->f->now, &a, SPAN_LIT("test")));
    assert_int_equal(login(x, "who", "no"), LOGIN_WRONG); /* unknown names count too */
    const struct ban *b = ban_desk_addr(x->bans, x->f->now, &a, SPAN_LIT("test"));
    assert_non_null(b);
    assert_true(span_eq(b->reason, SPAN_LIT("too many failed logins")));
    assert_true(b->expires == b->created + 3600000 && b->bits == 128);
    assert_int_equal(login(x, "ann", "pw"), LOGIN_BANNED);
    x->peer = THERE;
    assert_int_equal(login(x, "ann", "pw"), LOGIN_OK);
    x->peer = HERE;
    fake_advance(x->f, 3601 * NSEC_PER_S);
    settle(x);
    assert_int_equal(login(x, "ann", "pw"), LOGIN_OK);
    assert_int_equal(login(x, "ann", "no"), LOGIN_WRONG); /* it takes five again */
    assert_int_equal(login(x, "ann", "pw"), LOGIN_OK);
}

static void of_ipv6_the_64_is_banned(void **state)
{
    struct fixture *x = *state;
    static const char *const peers[] = {"2001:db8::1", "2001:db8::2:3", "2001:db8::4",
                                        "2001:db8::5", "2001:db8:0:0:ffff::"};
    account(x, "ann", "pw");
    for (size_t i = 0; i < ARRAY_LEN(peers); i++) {
        x->peer = peers[i];
        assert_int_equal(login(x, "ann", "no"), LOGIN_WRONG);
    }
    x->peer = "2001:db8::9";
    assert_int_equal(login(x, "ann", "pw"), LOGIN_BANNED);
    x->peer = "2001:db8:0:1::1";
    assert_int_equal(login(x, "ann", "pw"), LOGIN_OK);
}

static void slow_guessers_and_the_spared_are_not_banned(void **state)
{
    struct fixture *x = *state;
    struct buf why;
    account(x, "ann", "pw");
    for (int i = 0; i < 12; i++) { /* four in any ten minutes */
        assert_int_equal(login(x, "ann", "no"), LOGIN_WRONG);
        fake_advance(x->f, 151 * NSEC_PER_S);
    }
    buf_init(&why, 100);
    x->peer = THERE;
    assert_int_equal(exempt_parse(&x->policy.exempt, THERE, &why), 0);
    logins_set_policy(x->s->logins, &x->policy);
    for (int i = 0; i < 20; i++)
        assert_int_equal(login(x, "ann", "no"), LOGIN_WRONG);
    settle(x);
    assert_int_equal(bans_live(ban_desk_list(x->bans)), 0);
    assert_int_equal(x->locked_n, 0);
    buf_fini(&why);
}

static void loopback_is_never_banned_by_itself(void **state)
{
    struct fixture *x = *state;
    account(x, "ann", "pw");
    x->peer = "127.0.0.1";
    for (int i = 0; i < 12; i++)
        assert_int_equal(login(x, "ann", "no"), LOGIN_WRONG);
    assert_int_equal(login(x, "ann", "pw"), LOGIN_OK);
}

static void thresholds_are_configured(void **state)
{
    struct fixture *x = *state;
    struct login_guard_policy p = {.threshold = 2, .ban_s = 60, .lock_s = 900};
    account(x, "ann", "pw");
    login_guard_set_policy(x->guard, &p);
    assert_int_equal(login(x, "ann", "no"), LOGIN_WRONG);
    assert_int_equal(login(x, "ann", "no"), LOGIN_WRONG);
    assert_int_equal(login(x, "ann", "pw"), LOGIN_BANNED);
    p.threshold = 0;
    login_guard_set_policy(x->guard, &p);
    x->peer = THERE;
    for (int i = 0; i < 10; i++)
        assert_int_equal(login(x, "ann", "no"), LOGIN_WRONG);
    assert_int_equal(login(x, "ann", "pw"), LOGIN_OK);
}

static void the_sixth_in_a_minute_is_not_counted(void **state)
{
    struct fixture *x = *state;
    const struct login_guard_policy none = {.threshold = 0};
    account(x, "ann", "pw");
    login_guard_set_policy(x->guard, &none);
    x->policy.wrong_per_minute = 5;
    logins_set_policy(x->s->logins, &x->policy);
    for (int i = 0; i < 5; i++)
        assert_int_equal(login(x, "ann", "no"), LOGIN_WRONG);
    uint64_t asked = x->f->asks.asked[ASK_ACCOUNT_FIND];
    for (int i = 0; i < 9; i++)
        assert_int_equal(login(x, "ann", "pw"), LOGIN_THROTTLED);
    assert_int_equal(x->f->asks.asked[ASK_ACCOUNT_FIND], asked);
    settle(x);
    x->read_n = x->told_n - 1;
    HEARD_LOGIN(x, "ann", "Failed - Too many attempts");
    fake_advance(x->f, 61 * NSEC_PER_S);
    assert_int_equal(login(x, "ann", "pw"), LOGIN_OK);
}

static void registrations_of_one_address(void **state)
{
    struct fixture *x = *state;
    char name[16];
    x->policy.auto_register = true;
    x->policy.registrations = rate_per(3600 * NSEC_PER_S, 3);
    logins_set_policy(x->s->logins, &x->policy);
    for (int i = 0; i < 3; i++) {
        (void)snprintf(name, sizeof name, "new%d", i);
        assert_int_equal(login(x, name, "pw"), LOGIN_CREATED);
    }
    assert_int_equal(login(x, "new3", ""), LOGIN_PASSWORD_SHORT); /* takes nothing */
    uint64_t made = x->f->asks.asked[ASK_HASH_MAKE];
    assert_int_equal(login(x, "new3", "pw"), LOGIN_THROTTLED);
    assert_int_equal(x->f->asks.asked[ASK_HASH_MAKE], made);
    assert_int_equal(login(x, "new0", "pw"), LOGIN_OK); /* an account that is there */
    x->peer = THERE;
    assert_int_equal(login(x, "new3", "pw"), LOGIN_CREATED);
    x->peer = HERE;
    fake_advance(x->f, 1201 * NSEC_PER_S);
    assert_int_equal(login(x, "new4", "pw"), LOGIN_CREATED);
    assert_int_equal(login(x, "new5", "pw"), LOGIN_THROTTLED);
    struct buf why;
    buf_init(&why, 128);
    assert_int_equal(exempt_parse(&x->policy.exempt, HERE, &why), 0);
    logins_set_policy(x->s->logins, &x->policy);
    for (int i = 5; i < 9; i++) {
        (void)snprintf(name, sizeof name, "new%d", i);
        assert_int_equal(login(x, name, "pw"), LOGIN_CREATED);
    }
}

/* ---- the monitor ---- */

static void guess(struct fixture *x, const char *peer, int times)
{
    x->peer = peer;
    for (int i = 0; i < times; i++)
        assert_int_equal(login(x, "ann", "no"), LOGIN_WRONG);
}

static void wait_for_the_monitor(struct fixture *x)
{
    fake_advance(x->f, 5 * NSEC_PER_S);
    settle(x);
}

static void from_two_addresses_the_account_is_locked(void **state)
{
    struct fixture *x = *state;
    account(x, "ann", "pw");
    guess(x, HERE, 4);
    wait_for_the_monitor(x);
    assert_int_equal(x->locked_n, 0);
    guess(x, THERE, 1);
    settle(x);
    assert_int_equal(x->locked_n, 0); /* every five seconds */
    wait_for_the_monitor(x);
    assert_int_equal(x->locked_n, 1);
    assert_int_equal(x->locked[0].account, 1);
    assert_true(x->locked[0].until_ms == x->f->now.unix_ms + 900000);
    settle(x);
    x->read_n = x->told_n - 1;
    heard(x, AUDIT_SUB_ACCOUNT_LOCKED, "#1",
          "5 failed logins from 2 addresses; locked for a while");
    wait_for_the_monitor(x);
    guess(x, THERE, 1);
    wait_for_the_monitor(x);
    assert_int_equal(x->locked_n, 1); /* it takes five again */
    guess(x, HERE, 0);
    guess(x, "203.0.113.77", 4);
    wait_for_the_monitor(x);
    assert_int_equal(x->locked_n, 2);
}

static void one_address_locks_nobody(void **state)
{
    struct fixture *x = *state;
    const struct login_guard_policy p = {.threshold = 5, .lock_s = 900};
    account(x, "ann", "pw");
    login_guard_set_policy(x->guard, &p); /* no bans */
    guess(x, HERE, 20);
    wait_for_the_monitor(x);
    guess(x, "2001:db8::1", 3);
    fake_advance(x->f, 601 * NSEC_PER_S); /* forgotten, all of them */
    guess(x, "2001:db8::2", 4);
    wait_for_the_monitor(x);
    assert_int_equal(x->locked_n, 0);
    guess(x, THERE, 1);
    wait_for_the_monitor(x);
    assert_int_equal(x->locked_n, 1);
}

static void the_last_admin_is_warned_of_only(void **state)
{
    struct fixture *x = *state;
    account(x, "ann", "pw");
    x->lock_rc = E_REFUSED;
    guess(x, HERE, 4);
    guess(x, THERE, 3);
    wait_for_the_monitor(x);
    assert_int_equal(x->locked_n, 0);
    settle(x);
    x->read_n = x->told_n - 1;
    heard(x, AUDIT_SUB_ACCOUNT_LOCKED, "#1",
          "7 failed logins from 2 addresses; not locked, as the last admin");
}

static void a_lock_the_store_did_not_take(void **state)
{
    struct fixture *x = *state;
    account(x, "ann", "pw");
    x->lock_rc = E_BUSY; /* refused at once: again at the next look */
    guess(x, HERE, 4);
    guess(x, THERE, 2);
    wait_for_the_monitor(x);
    assert_int_equal(x->locked_n, 0);
    x->lock_rc = 0;
    wait_for_the_monitor(x);
    assert_int_equal(x->locked_n, 1);
    account(x, "bob", "pw");
    x->lock_rc = E_STORE; /* failed: with the next guess */
    guess(x, "203.0.113.5", 4);
    guess(x, "203.0.113.6", 1);
    wait_for_the_monitor(x);
    x->lock_rc = 0;
    wait_for_the_monitor(x);
    assert_int_equal(x->locked_n, 1);
    guess(x, "203.0.113.7", 1);
    wait_for_the_monitor(x);
    assert_int_equal(x->locked_n, 2);
}

static void more_accounts_than_are_remembered(void **state)
{
    struct fixture *x = *state;
    struct addr a, b;
    assert_int_equal(addr_parse(&a, HERE), 0);
    assert_int_equal(addr_parse(&b, THERE), 0);
    const struct login_guard_policy p = {.threshold = 2, .lock_s = 900};
    login_guard_set_policy(x->guard, &p);
    login_guard_failed(x->guard, x->f->now, &a, 1);
    login_guard_failed(x->guard, x->f->now, &a, 2);
    for (int64_t id = 3; id < 2 + (int64_t)GUARD_ACCOUNTS_MAX; id++)
        login_guard_failed(x->guard, x->f->now, &a, id);
    login_guard_failed(x->guard, x->f->now, &b, 1); /* was forgotten: its first */
    login_guard_failed(x->guard, x->f->now, &b, 3); /* was not */
    wait_for_the_monitor(x);
    assert_int_equal(x->locked_n, 1);
    assert_int_equal(x->locked[0].account, 3);
}

static struct addr net64(uint32_t n)
{
    char text[ADDR_TEXT_MAX];
    struct addr a;
    (void)snprintf(text, sizeof text, "2001:db8:%x:%x::1", (unsigned)(n >> 16),
                   (unsigned)(n & 0xffff));
    assert_int_equal(addr_parse(&a, text), 0);
    return a;
}

/* Somebody with a /48 to guess from fills the table, and hides nobody behind it. */
static void more_addresses_than_are_remembered(void **state)
{
    struct fixture *x = *state;
    struct addr here;
    assert_int_equal(addr_parse(&here, HERE), 0);
    for (uint32_t i = 0; i < GUARD_ADDRS_MAX; i++) {
        struct addr a = net64(i);
        login_guard_failed(x->guard, x->f->now, &a, 0);
    }
    for (int i = 0; i < 4; i++)
        login_guard_failed(x->guard, x->f->now, &here, 0);
    assert_true(login_guard_delay(x->guard, x->f->now, &here) > 0);
    login_guard_failed(x->guard, x->f->now, &here, 0);
    assert_non_null(ban_desk_addr(x->bans, x->f->now, &here, SPAN_LIT("test")));
}

/* Who guesses from many addresses leaves room for the bans that staff makes. */
static void a_list_that_is_nearly_full_is_for_people(void **state)
{
    struct fixture *x = *state;
    struct bans *list = ban_desk_list(x->bans);
    struct addr here, there;
    int64_t id = 1;
    assert_int_equal(addr_parse(&here, HERE), 0);
    assert_int_equal(addr_parse(&there, THERE), 0);
    for (; bans_live(list) < BANS_MAX - BAN_DESK_KEPT; id++) {
        struct addr a = net64((uint32_t)id);
        struct ban b = {.id = id, .kind = BAN_NET, .bits = 64, .author = SPAN_LIT("server")};
        memcpy(b.ip, a.ip, 8);
        assert_int_equal(bans_add(list, &b), 0);
    }
    for (int i = 0; i < 6; i++)
        login_guard_failed(x->guard, x->f->now, &here, 0);
    assert_null(ban_desk_addr(x->bans, x->f->now, &here, SPAN_LIT("test")));
    assert_true(login_guard_delay(x->guard, x->f->now, &here) > 0); /* he waits all the same */
    struct ban b = {.kind = BAN_NET, .author = SPAN_LIT("mary")};
    assert_int_equal(ban_net_parse(&b, THERE), 0);
    assert_int_equal(ban_desk_add(x->bans, x->f->now, &b, false, NULL, NULL, NULL), 0);
    assert_non_null(ban_desk_addr(x->bans, x->f->now, &there, SPAN_LIT("test")));
    assert_int_equal(bans_remove(list, 1), 0);
    assert_int_equal(bans_remove(list, 2), 0);
    for (int i = 0; i < 5; i++)
        login_guard_failed(x->guard, x->f->now, &here, 0);
    assert_non_null(ban_desk_addr(x->bans, x->f->now, &here, SPAN_LIT("test")));
}

/* ---- faults ---- */

static void destroyed_while_it_waits(void **state)
{
    struct fixture *x = *state;
    struct login_ref ref;
    const struct login_request q = {.name = SPAN_LIT("ann"), .password = SPAN_LIT("pw")};
    struct ban b = {.kind = BAN_NET};
    assert_int_equal(ban_net_parse(&b, HERE), 0);
    ban(x, b);
    assert_int_equal(start(x, &q, &ref), 0); /* its outcome is known, and not told yet */
    x->f->in_call = true;
    login_cancel(x->s->logins, ref);
    x->f->in_call = false;
    assert_int_equal(logins_live(x->s->logins), 0);
    fake_advance(x->f, NSEC_PER_S);
    assert_int_equal(x->s->results_n, 0);
}

static void short_memory(void **state)
{
    struct fixture *x = *state;
    const struct login_request q = {.name = SPAN_LIT("ann"), .password = SPAN_LIT("pw")};
    account(x, "ann", "pw");
    for (unsigned long nth = 1;; nth++) {
        struct login_ref ref;
        alloc_fault_at(nth);
        int rc = start(x, &q, &ref);
        if (rc == 0) {
            fake_advance(x->f, 0);
            fake_answer_all(x->f);
        }
        bool fired = alloc_fault_fired();
        alloc_fault_at(0);
        enum login_outcome got = rc ? LOGIN_BUSY : only_result(x).outcome;
        assert_true(got == LOGIN_OK || got == LOGIN_BUSY);
        if (got == LOGIN_OK)
            sign_out(x, 1);
        assert_int_equal(x->f->asks.claims, x->f->asks.releases);
        settle(x);
        if (!fired)
            break;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(success_is_noted_and_audited),
        TEST(busy_is_audited),
        TEST(a_banned_account),
        TEST(a_banned_address),
        TEST(a_ban_of_another_game),
        TEST(bans_that_were_not_read),
        TEST(a_suspended_account),
        TEST(records_that_are_not_valid),
        TEST(a_locked_account),
        TEST(staff_needs_a_long_password),
        TEST(claims_by_policy),
        TEST(without_presence_nothing_is_claimed),
        TEST(the_last_session_gives_the_claim_back),
        TEST(a_release_is_tried_until_it_is_taken),
        TEST(a_claim_for_a_link_that_left_is_given_back),
        TEST(a_claim_that_is_lost_before_the_end),
        TEST(a_name_like_a_number),
        TEST(registered_and_not_signed_in),
        TEST(logins_of_one_address_have_a_pace),
        TEST(five_wrong_ones_ban_the_address),
        TEST(of_ipv6_the_64_is_banned),
        TEST(slow_guessers_and_the_spared_are_not_banned),
        TEST(loopback_is_never_banned_by_itself),
        TEST(thresholds_are_configured),
        TEST(the_sixth_in_a_minute_is_not_counted),
        TEST(registrations_of_one_address),
        TEST(from_two_addresses_the_account_is_locked),
        TEST(one_address_locks_nobody),
        TEST(the_last_admin_is_warned_of_only),
        TEST(a_lock_the_store_did_not_take),
        TEST(more_accounts_than_are_remembered),
        TEST(more_addresses_than_are_remembered),
        TEST(a_list_that_is_nearly_full_is_for_people),
        TEST(destroyed_while_it_waits),
        TEST(short_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
