/* Resume tokens and second factors at login: who gets one, that each is good once, and that they
 * leave no trace. */
#include "fixture_login.h"

static struct login_result password_login(struct fixture *x, const char *name, bool want)
{
    const struct login_request q = {
        .name = span_str(name), .password = SPAN_LIT("pw"), .want_resume = want};
    return login_as(x, &q);
}

static struct login_result resume(struct fixture *x, const char *name, const char *token)
{
    const struct login_request q = {.name = span_str(name), .resume = span_str(token)};
    return login_as(x, &q);
}

/* ---- tokens ---- */

static void a_token_for_who_wants_one(void **state)
{
    struct fixture *x = *state;
    char hash[TOKEN_HASH + 1];
    account(x, "ann", "pw");
    struct login_result r = password_login(x, "ann", false);
    assert_int_equal(r.outcome, LOGIN_OK);
    assert_string_equal(r.resume, "");
    r = password_login(x, "ann", true);
    assert_int_equal(strlen(r.resume), TOKEN_TEXT);
    assert_int_equal(x->f->asks.tokens.n, 1);
    assert_int_equal(token_hash(span_str(r.resume), hash), 0);
    assert_string_equal(x->f->asks.tokens.rows[0].text, hash); /* and not the token */
    assert_true(x->f->asks.tokens.rows[0].at == x->f->now.unix_ms + 86400000);
    x->policy.auto_register = true;
    logins_set_policy(x->s->logins, &x->policy);
    r = password_login(x, "new", true);
    assert_int_equal(r.outcome, LOGIN_CREATED);
    assert_int_equal(strlen(r.resume), TOKEN_TEXT);
    x->policy.resume_s = 0;
    logins_set_policy(x->s->logins, &x->policy);
    assert_string_equal(password_login(x, "ann", true).resume, "");
}

static void a_token_is_good_once_and_followed_by_another(void **state)
{
    struct fixture *x = *state;
    char first[TOKEN_TEXT + 1];
    account(x, "ann", "pw");
    struct login_result r = password_login(x, "ann", true);
    memcpy(first, r.resume, sizeof first);
    uint64_t verified = x->f->asks.asked[ASK_HASH_VERIFY];
    for (int i = 0; i < 3; i++) {
        char token[TOKEN_TEXT + 1];
        memcpy(token, r.resume, sizeof token);
        r = resume(x, "ann", token);
        assert_int_equal(r.outcome, LOGIN_OK);
        assert_int_equal(r.account, 1);
        assert_string_not_equal(r.resume, token);
        assert_int_equal(x->f->asks.tokens.n, 1);
    }
    assert_int_equal(x->f->asks.asked[ASK_HASH_VERIFY], verified); /* no hash */
    settle(x);
    x->read_n = x->told_n;
    assert_int_equal(resume(x, "ann", first).outcome, LOGIN_RESUME_WRONG);
    HEARD_LOGIN(x, "ann", "Failed - Invalid resume token");
    assert_int_equal(resume(x, "ann", r.resume).outcome, LOGIN_OK); /* the last one still is */
}

static void what_is_no_token(void **state)
{
    struct fixture *x = *state;
    static const char *const texts[] = {
        "x", "00000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "000000000000000000000000000000000000000000000000000000000000000G"};
    account(x, "ann", "pw");
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        assert_int_equal(resume(x, "ann", texts[i]).outcome, LOGIN_RESUME_WRONG);
    assert_int_equal(x->f->asks.queried[QUERY_TOKEN_REDEEM], 1); /* only what may be one */
    assert_int_equal(resume(x, "ann", texts[0]).outcome, LOGIN_RESUME_WRONG);
    assert_int_equal(password_login(x, "ann", false).outcome, LOGIN_BANNED); /* guesses, all */
}

static void a_token_is_of_its_owner(void **state)
{
    struct fixture *x = *state;
    account(x, "Ann", "pw");
    account(x, "bob", "pw");
    struct login_result r = password_login(x, "Ann", true);
    assert_int_equal(resume(x, "bob", r.resume).outcome, LOGIN_RESUME_WRONG);
    r = password_login(x, "Ann", true);
    assert_int_equal(resume(x, "ann", r.resume).outcome, LOGIN_RESUME_WRONG);
    x->policy.fold_names = true;
    logins_set_policy(x->s->logins, &x->policy);
    r = password_login(x, "Ann", true);
    r = resume(x, "aNN", r.resume);
    assert_int_equal(r.outcome, LOGIN_OK);
    assert_string_equal(r.name, "Ann");
}

static void a_token_ends(void **state)
{
    struct fixture *x = *state;
    account(x, "ann", "pw");
    struct login_result r = password_login(x, "ann", true);
    fake_advance(x->f, UINT64_C(86400) * NSEC_PER_S);
    assert_int_equal(resume(x, "ann", r.resume).outcome, LOGIN_RESUME_WRONG);
    r = password_login(x, "ann", true);
    x->f->in_call = true;
    logins_drop_tokens(x->s->logins, 1);
    x->f->in_call = false;
    fake_answer_all(x->f);
    assert_int_equal(resume(x, "ann", r.resume).outcome, LOGIN_RESUME_WRONG);
}

/* Taken from the store before all of them ended, and told of it after: by then it is no good. */
static void a_token_ends_while_it_is_redeemed(void **state)
{
    struct fixture *x = *state;
    struct login_ref ref;
    int64_t id = account(x, "ann", "pw")->account.id;
    for (unsigned before = 0; before < 2; before++) {
        struct login_result r = password_login(x, "ann", true);
        const struct login_request q = {.name = SPAN_LIT("ann"), .resume = span_str(r.resume)};
        x->f->asks.delay = NSEC_NEVER;
        assert_int_equal(start(x, &q, &ref), 0);
        for (unsigned i = 0; i < before; i++)
            assert_true(fake_answer(x->f));
        logins_overtake(x->s->logins, id);
        fake_answer_all(x->f);
        assert_int_equal(only_result(x).outcome, LOGIN_BUSY);
        x->f->asks.delay = 0;
    }
}

static void a_token_passes_the_same_gates(void **state)
{
    struct fixture *x = *state;
    struct account *a = &account(x, "ann", "pw")->account;
    struct login_result r = password_login(x, "ann", true);
    a->suspended = true;
    assert_int_equal(resume(x, "ann", r.resume).outcome, LOGIN_SUSPENDED);
    a->suspended = false;
    r = password_login(x, "ann", true);
    a->level = 9;
    assert_int_equal(resume(x, "ann", r.resume).outcome, LOGIN_INVALID);
    a->level = LEVEL_PLAYER;
    r = password_login(x, "ann", true);
    x->f->asks.claim = E_EXISTS;
    assert_int_equal(resume(x, "ann", r.resume).outcome, LOGIN_ELSEWHERE);
    x->f->asks.claim = 0;
    r = password_login(x, "ann", true);
    a->locked_until_ms = x->f->now.unix_ms + 1000;
    x->f->asks.known.n = 0;
    assert_int_equal(resume(x, "ann", r.resume).outcome, LOGIN_LOCKED);
    a->locked_until_ms = 0;
    r = password_login(x, "ann", true);
    const struct ban b = {.kind = BAN_ACCOUNT, .account = 1, .author = SPAN_LIT("boss")};
    assert_int_equal(ban_desk_add(x->bans, x->f->now, &b, false, NULL, NULL, NULL), 0);
    assert_int_equal(resume(x, "ann", r.resume).outcome, LOGIN_BANNED);
}

static void stores_that_fail(void **state)
{
    struct fixture *x = *state;
    account(x, "ann", "pw");
    x->f->host.presence = false;
    ask_fake_fault(&x->f->asks, ASK_QUERY, ASK_FAILED, 1);
    struct login_result r = password_login(x, "ann", true);
    assert_int_equal(r.outcome, LOGIN_OK); /* one without a token */
    assert_string_equal(r.resume, "");
    ask_fake_fault(&x->f->asks, ASK_QUERY, ASK_REFUSED, 1);
    r = password_login(x, "ann", true);
    assert_int_equal(r.outcome, LOGIN_OK);
    assert_string_equal(r.resume, "");
    r = password_login(x, "ann", true);
    ask_fake_fault(&x->f->asks, ASK_QUERY, ASK_FAILED, 1);
    assert_int_equal(resume(x, "ann", r.resume).outcome, LOGIN_BUSY); /* and it is as it was */
    ask_fake_fault(&x->f->asks, ASK_ACCOUNT_FIND, ASK_FAILED, 1);
    assert_int_equal(resume(x, "ann", r.resume).outcome, LOGIN_BUSY);
    assert_int_equal(resume(x, "ann", r.resume).outcome, LOGIN_RESUME_WRONG); /* used up */
    const struct login_request q = {
        .name = SPAN_LIT("ann"),
        .resume = SPAN_LIT("0000000000000000000000000000000000000000000000000000000000000000")};
    struct login_ref ref;
    ask_fake_fault(&x->f->asks, ASK_QUERY, ASK_REFUSED, 1);
    assert_int_equal(start(x, &q, &ref), E_BUSY);
}

static void tokens_leave_no_trace(void **state)
{
    struct fixture *x = *state;
    account(x, "ann", "pw");
    struct login_result r = password_login(x, "ann", true);
    char token[TOKEN_TEXT + 1];
    memcpy(token, r.resume, sizeof token);
    mem_wipe(&r, sizeof r);
    mem_wipe(x->s->results, sizeof x->s->results);
    alloc_secret(token, TOKEN_TEXT);
    assert_int_equal(resume(x, "ann", token).outcome, LOGIN_OK);
    assert_int_equal(resume(x, "ann", token).outcome, LOGIN_RESUME_WRONG);
    assert_int_equal(alloc_secret_leaks(), 0);
    alloc_secret(NULL, 0);
}

/* ---- second factor ---- */

static struct ask_fake_account *enrol(struct fixture *x, const char *name)
{
    struct ask_fake_account *a = account(x, name, "pw");
    struct otp_secret s;
    x->f->in_call = true;
    assert_int_equal(
        otp_secret_make(&s, &x->f->entropy, x->secrets, (int64_t)x->f->asks.accounts_n), 0);
    x->f->in_call = false;
    memcpy(a->otp_sealed, s.sealed, sizeof s.sealed);
    a->account.second_factor = true;
    x->f->asks.otp_right = 1000;
    return a;
}

static enum login_outcome with_code(struct fixture *x, const char *password, const char *code)
{
    const struct login_request q = {
        .name = SPAN_LIT("ann"), .password = span_str(password), .otp = span_str(code)};
    return login_as(x, &q).outcome;
}

static void a_code_is_wanted_and_used_once(void **state)
{
    struct fixture *x = *state;
    enrol(x, "ann");
    assert_int_equal(with_code(x, "pw", ""), LOGIN_OTP_WANTED);
    HEARD_LOGIN(x, "#1", "Failed - One-time code wanted");
    assert_int_equal(with_code(x, "no", "123456"), LOGIN_WRONG);
    HEARD_LOGIN(x, "#1", "Failed - Invalid password");
    assert_int_equal(with_code(x, "pw", "123456"), LOGIN_OK);
    HEARD_LOGIN(x, "#1", "Success");
    assert_int_equal(with_code(x, "pw", "123456"), LOGIN_OTP_WRONG); /* its step is used */
    HEARD_LOGIN(x, "#1", "Failed - Invalid one-time code");
    x->f->asks.otp_right++;
    assert_int_equal(with_code(x, "pw", "123457"), LOGIN_OTP_WRONG);
    assert_int_equal(with_code(x, "pw", "123456"), LOGIN_OK);
}

static void a_code_at_the_passwords_end(void **state)
{
    struct fixture *x = *state;
    enrol(x, "ann");
    assert_int_equal(with_code(x, "pw 123456", ""), LOGIN_OK);
    assert_int_equal(with_code(x, "pw  123456", ""), LOGIN_WRONG); /* the password is "pw " then */
    assert_int_equal(with_code(x, "pw123456", ""), LOGIN_WRONG);
    assert_int_equal(with_code(x, "pw 12345", ""), LOGIN_WRONG);
    /* Without a second factor it is the password. */
    x->peer = THERE;
    ask_fake_account(&x->f->asks, "bob", "pw 123456", 1, false);
    const struct login_request q = {.name = SPAN_LIT("bob"), .password = SPAN_LIT("pw 123456")};
    assert_int_equal(login_as(x, &q).outcome, LOGIN_OK);
}

static void what_is_no_code(void **state)
{
    struct fixture *x = *state;
    static const char *const texts[] = {"12345", "1234567", "12345x",
                                        "123456 123456 123456 123456 123456 123456"};
    enrol(x, "ann");
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        assert_int_equal(with_code(x, "pw", texts[i]), LOGIN_OTP_WRONG);
        assert_int_equal(x->f->asks.asked[ASK_HASH_OTP], 0);
    }
    assert_int_equal(with_code(x, "pw", "654321"), LOGIN_OTP_WRONG); /* guesses, as passwords are */
    assert_int_equal(with_code(x, "pw", "123456"), LOGIN_BANNED);
}

static void recovery_codes(void **state)
{
    struct fixture *x = *state;
    struct recovery_code codes[3];
    enrol(x, "ann");
    x->f->in_call = true;
    assert_int_equal(recovery_codes_make(codes, 3, &x->f->entropy), 0);
    x->f->in_call = false;
    for (uint32_t i = 0; i < 3; i++) {
        struct ask_fake_row *r = &x->f->asks.recovery.rows[x->f->asks.recovery.n++];
        *r = (struct ask_fake_row){.account = 1};
        memcpy(r->text, codes[i].hash, sizeof codes[i].hash);
    }
    assert_int_equal(with_code(x, "pw", codes[1].text), LOGIN_OK);
    assert_int_equal(with_code(x, "pw", codes[1].text), LOGIN_OTP_WRONG);
    char text[RECOVERY_TEXT + 10] = "pw ";
    for (size_t i = 0; codes[0].text[i]; i++) /* as somebody types it */
        text[3 + i] = codes[0].text[i] >= 'a' ? (char)(codes[0].text[i] - 32) : codes[0].text[i];
    assert_int_equal(with_code(x, text, ""), LOGIN_OK);
    assert_int_equal(with_code(x, text, ""), LOGIN_OTP_WRONG);
    assert_int_equal(with_code(x, "pw", codes[2].text), LOGIN_OK);
}

static void by_policy(void **state)
{
    struct fixture *x = *state;
    struct ask_fake_account *a = enrol(x, "ann");
    x->policy.factor = LOGIN_FACTOR_OFF;
    x->policy.staff_password_min = 0;
    logins_set_policy(x->s->logins, &x->policy);
    assert_int_equal(with_code(x, "pw", ""), LOGIN_OK);
    x->policy.factor = LOGIN_FACTOR_REQUIRED;
    logins_set_policy(x->s->logins, &x->policy);
    assert_int_equal(with_code(x, "pw", ""), LOGIN_OTP_WANTED);
    a->account.second_factor = false;
    assert_int_equal(with_code(x, "pw", ""), LOGIN_OK); /* a player */
    a->account.level = LEVEL_GAME_MASTER;
    settle(x);
    x->read_n = x->told_n;
    assert_int_equal(with_code(x, "pw", ""), LOGIN_OTP_UNSET);
    HEARD_LOGIN(x, "#1", "Failed - Second factor not set up");
    a->account.second_factor = true;
    assert_int_equal(with_code(x, "pw", "123456"), LOGIN_OK);
}

static void a_token_stands_for_the_code(void **state)
{
    struct fixture *x = *state;
    enrol(x, "ann");
    const struct login_request q = {.name = SPAN_LIT("ann"),
                                    .password = SPAN_LIT("pw"),
                                    .otp = SPAN_LIT("123456"),
                                    .want_resume = true};
    struct login_result r = login_as(x, &q);
    assert_int_equal(r.outcome, LOGIN_OK);
    assert_int_equal(resume(x, "ann", r.resume).outcome, LOGIN_OK);
}

static void secrets_that_cannot_be_read(void **state)
{
    struct fixture *x = *state;
    struct ask_fake_account *a = enrol(x, "ann");
    x->f->host.secrets = NULL;
    assert_int_equal(with_code(x, "pw", "123456"), LOGIN_BUSY);
    x->f->host.secrets = x->secrets;
    x->secrets[0] ^= 1; /* another key */
    assert_int_equal(with_code(x, "pw", "123456"), LOGIN_BUSY);
    x->secrets[0] ^= 1;
    struct ask_fake_account *b = enrol(x, "bob");
    memcpy(a->otp_sealed, b->otp_sealed, sizeof a->otp_sealed); /* another's secret */
    assert_int_equal(with_code(x, "pw", "123456"), LOGIN_BUSY);
    a->otp_sealed[0] = '\0'; /* none */
    assert_int_equal(with_code(x, "pw", "123456"), LOGIN_BUSY);
}

static void each_step_may_fail(void **state)
{
    struct fixture *x = *state;
    enrol(x, "ann");
    x->f->host.presence = false;
    for (int i = 0; i < 2; i++) { /* the secret, then the step */
        for (int k = 0; k < 2; k++) {
            struct login_ref ref;
            const struct login_request q = {
                .name = SPAN_LIT("ann"), .password = SPAN_LIT("pw"), .otp = SPAN_LIT("123456")};
            x->f->asks.delay = NSEC_NEVER;
            assert_int_equal(start(x, &q, &ref), 0);
            for (int n = 0; n < 1 + 2 * i; n++)
                assert_true(fake_answer(x->f));
            ask_fake_fault(&x->f->asks, ASK_QUERY, k ? ASK_REFUSED : ASK_FAILED, 1);
            fake_answer_all(x->f);
            x->f->asks.delay = 0;
            assert_int_equal(only_result(x).outcome, LOGIN_BUSY);
        }
    }
    ask_fake_fault(&x->f->asks, ASK_HASH_OTP, ASK_FAILED, 1);
    assert_int_equal(with_code(x, "pw", "123456"), LOGIN_BUSY);
    assert_int_equal(with_code(x, "pw", "123456"), LOGIN_OK);
}

/* ---- what is made for enrolment ---- */

static void made_secrets(void **state)
{
    struct fixture *x = *state;
    struct otp_secret a, b;
    uint8_t key[SECRET_MAX];
    struct buf uri;
    x->f->in_call = true;
    assert_int_equal(otp_secret_make(&a, &x->f->entropy, x->secrets, 7), 0);
    assert_int_equal(otp_secret_make(&b, &x->f->entropy, x->secrets, 7), 0);
    x->f->in_call = false;
    assert_string_not_equal(a.key, b.key);
    assert_int_equal(strspn(a.key, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"), OTP_KEY_TEXT);
    assert_int_equal(otp_secret_open(span_str(a.sealed), x->secrets, 7, key), OTP_KEY);
    assert_int_equal(otp_secret_open(span_str(a.sealed), x->secrets, 8, key), E_AUTH);
    buf_init(&uri, 1024);
    otp_uri(&uri, SPAN_LIT("Slipgate"), SPAN_LIT("a b:\xc3\xa4"), "KEY");
    assert_true(
        span_eq(buf_span(&uri),
                SPAN_LIT("otpauth://totp/Slipgate:a%20b%3A%C3%A4?secret=KEY&issuer=Slipgate")));
    buf_fini(&uri);
}

static void forms_of_codes(void **state)
{
    static const struct {
        const char *text;
        enum otp_form form;
    } rows[] = {{"000000", OTP_FORM_CODE},
                {"12345", OTP_FORM_NONE},
                {"0000-1111-2222-3333", OTP_FORM_RECOVERY},
                {"0000111122223333", OTP_FORM_RECOVERY},
                {"ABCD efgh jkmn pqrs", OTP_FORM_RECOVERY},
                {"abcd-efgh-jkmn-pqr", OTP_FORM_NONE},
                {"abcd-efgh-jkmn-pqrst", OTP_FORM_NONE},
                {"abcd-efgh-jkmn-pqri", OTP_FORM_NONE}, /* no letter that looks like a digit */
                {"", OTP_FORM_NONE}};
    char a[TOKEN_HASH + 1], b[TOKEN_HASH + 1];
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(otp_form(span_str(rows[i].text)), rows[i].form);
    assert_int_equal(recovery_hash(SPAN_LIT("abcd-efgh-jkmn-pqrs"), a), 0);
    assert_int_equal(recovery_hash(SPAN_LIT("ABCDEFGHJKMNPQRS"), b), 0);
    assert_string_equal(a, b);
    assert_int_equal(recovery_hash(SPAN_LIT("abcd"), b), E_FORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_token_for_who_wants_one),
        TEST(a_token_is_good_once_and_followed_by_another),
        TEST(what_is_no_token),
        TEST(a_token_is_of_its_owner),
        TEST(a_token_ends),
        TEST(a_token_ends_while_it_is_redeemed),
        TEST(a_token_passes_the_same_gates),
        TEST(stores_that_fail),
        TEST(tokens_leave_no_trace),
        TEST(a_code_is_wanted_and_used_once),
        TEST(a_code_at_the_passwords_end),
        TEST(what_is_no_code),
        TEST(recovery_codes),
        TEST(by_policy),
        TEST(a_token_stands_for_the_code),
        TEST(secrets_that_cannot_be_read),
        TEST(each_step_may_fail),
        TEST(made_secrets),
        cmocka_unit_test(forms_of_codes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
