/* What a right password or token still has to pass, in the order that core/login.h tells, and what
 * comes with success:
 *
 *   gate ─ locked: KNOWN ─ second factor: OTP_GET ─ OTP_CHECK ─ OTP_STEP, or RECOVER ─ REHASH ...
 *        ─ admit: CLAIM ─ TOKEN ─► OK
 */
#include "core/login_priv.h"

#include "base/err.h"
#include "base/plant.h"
#include "core/login_otp.h"
#include "wire/text.h"

/* ---- one-time codes ---- */

static bool wants_code(const struct logins *l, const struct login *g)
{
    return g->account.second_factor && l->policy.factor != LOGIN_FACTOR_OFF && !g->resuming;
}

/* A code behind a blank. What stays is the password, also when it ends in a blank. */
void login_split_code(const struct logins *l, struct login *g)
{
    if (!wants_code(l, g) || g->otp_n)
        return;
    for (size_t at = g->password_n; at-- > 0;) {
        struct span tail = span_of(g->password + at + 1, g->password_n - at - 1);
        if (tail.n > LOGIN_OTP_MAX)
            return;
        if (g->password[at] != ' ' || otp_form(tail) == OTP_FORM_NONE)
            continue;
        memcpy(g->otp, tail.p, tail.n);
        g->otp_n = (uint8_t)tail.n;
        mem_wipe(g->password + at, g->password_n - at);
        g->password_n = at;
        return;
    }
}

static int ask_recover(struct logins *l, struct login *g)
{
    char hash[TOKEN_HASH + 1];
    int rc = recovery_hash(span_of(g->otp, g->otp_n), hash);
    const struct value v[] = {VALUE_OF_INT(g->account.id),
                              VALUE_OF_TEXT(span_of(hash, TOKEN_HASH))};
    return rc ? rc : login_query(l, g, RECOVER, QUERY_RECOVERY_USE, v, ARRAY_LEN(v));
}

static int ask_secret(struct logins *l, struct login *g)
{
    const struct value v[] = {VALUE_OF_INT(g->account.id)};
    return login_query(l, g, OTP_GET, QUERY_OTP_GET, v, ARRAY_LEN(v));
}

static int check_code(struct logins *l, struct login *g, struct now now, struct span rows)
{
    struct value v[QUERY_VALUES];
    uint8_t key[SECRET_MAX];
    size_t at = 0;
    if (!l->host->secrets || query_next(rows, &at, v) != 2)
        return E_CRYPTO;
    int n = otp_secret_open(query_text(&v[0]), l->host->secrets, g->account.id, key);
    if (n < (int)OTP_SECRET_MIN)
        return E_CRYPTO;
    struct ask ask = {.kind = ASK_HASH_OTP};
    ask.u.otp.secret = span_of(key, (size_t)n);
    ask.u.otp.code = span_of(g->otp, g->otp_n);
    ask.u.otp.unix_ms = now.unix_ms;
    int rc = login_ask(l, g, OTP_CHECK, &ask);
    mem_wipe(key, sizeof key);
    return rc;
}

static int use_step(struct logins *l, struct login *g, int64_t step)
{
    const struct value v[] = {VALUE_OF_INT(g->account.id), VALUE_OF_INT(step)};
    return login_query(l, g, OTP_STEP, QUERY_OTP_STEP, v, ARRAY_LEN(v));
}

/* ---- gates ---- */

static bool past_codes(struct logins *l, struct login *g, struct now now, struct login_result *ret)
{
    mem_wipe(g->otp, sizeof g->otp);
    /* An imported record of a password bcrypt cannot hold stays as it is. */
    if (g->rehash && !login_unusable(g) && login_rehash(l, g) == 0)
        return false;
    return login_admit(l, g, now, ret);
}

static bool second_factor(struct logins *l, struct login *g, struct now now,
                          struct login_result *ret)
{
    if (!wants_code(l, g)) {
        if (l->policy.factor == LOGIN_FACTOR_REQUIRED && g->account.level > LEVEL_PLAYER &&
            !g->account.second_factor)
            return login_finish(l, g, LOGIN_OTP_UNSET, now, ret);
        return past_codes(l, g, now, ret);
    }
    if (g->otp_n == 0)
        return login_finish(l, g, LOGIN_OTP_WANTED, now, ret);
    switch (otp_form(span_of(g->otp, g->otp_n))) {
    case OTP_FORM_CODE: return login_go_on(l, g, ask_secret(l, g), now, ret);
    case OTP_FORM_RECOVERY: return login_go_on(l, g, ask_recover(l, g), now, ret);
    case OTP_FORM_NONE: break;
    }
    return login_finish(l, g, LOGIN_OTP_WRONG, now, ret);
}

static bool is_valid(const struct account *a)
{
    return a->id > 0 && a->level >= LEVEL_PLAYER && a->level <= LEVEL_ADMIN &&
           a->locked_until_ms >= 0;
}

/* Accepted somewhere with a lower minimum: of no use here until it is changed. */
static enum login_outcome password_of(const struct logins *l, const struct login *g)
{
    bool staff = g->account.level > LEVEL_PLAYER;
    if (g->resuming)
        return LOGIN_OK;
    if (g->password_n < l->policy.password_min)
        return LOGIN_PASSWORD_SHORT;
    return staff && g->password_n < l->policy.staff_password_min ? LOGIN_STAFF_PASSWORD_SHORT
                                                                 : LOGIN_OK;
}

static int ask_known(struct logins *l, struct login *g, struct now now)
{
    char prefix[33];
    uint8_t key[16];
    addr_limit_key(&g->peer, key);
    hex_encode(key, sizeof key, prefix);
    const struct value v[] = {VALUE_OF_INT(g->account.id), VALUE_OF_TEXT(span_of(prefix, 32)),
                              VALUE_OF_INT(now.unix_ms - LOGIN_KNOWN_MS)};
    return login_query(l, g, KNOWN, QUERY_KNOWN_ADDRESS_HAS, v, ARRAY_LEN(v));
}

static bool past_lock(struct logins *l, struct login *g, struct now now, struct login_result *ret)
{
    enum login_outcome o = password_of(l, g);
    return o == LOGIN_OK ? second_factor(l, g, now, ret) : login_finish(l, g, o, now, ret);
}

bool login_gate(struct logins *l, struct login *g, struct now now, struct login_result *ret)
{
    const struct account *a = &g->account;
    const struct ban *b =
        l->host->bans ? ban_desk_account(l->host->bans, now, a->id, login_game(l)) : NULL;
    if (!is_valid(a))
        return login_finish(l, g, LOGIN_INVALID, now, ret);
    if (b)
        return login_banned(l, g, b, now, ret);
    if (a->suspended)
        return login_finish(l, g, LOGIN_SUSPENDED, now, ret);
    if (a->locked_until_ms > now.unix_ms && !PLANTED(LOCKED_ACCOUNT_LET_IN))
        return login_go_on(l, g, ask_known(l, g, now), now, ret);
    return past_lock(l, g, now, ret);
}

/* ---- success ---- */

static bool wants_token(const struct logins *l, const struct login *g)
{
    return (g->want_resume || g->resuming) && l->policy.resume_s > 0;
}

static int put_token(struct logins *l, struct login *g, struct now now)
{
    uint8_t bytes[TOKEN_BYTES];
    char hash[TOKEN_HASH + 1];
    host_entropy(l->host, bytes, sizeof bytes);
    token_text(bytes, g->token);
    mem_wipe(bytes, sizeof bytes);
    int rc = token_hash(span_of(g->token, TOKEN_TEXT), hash);
    const struct value v[] = {VALUE_OF_TEXT(span_of(hash, TOKEN_HASH)), VALUE_OF_INT(g->account.id),
                              VALUE_OF_TEXT(login_game(l)), VALUE_OF_INT(now.unix_ms),
                              VALUE_OF_INT(now.unix_ms + (int64_t)l->policy.resume_s * 1000)};
    return rc ? rc : login_query(l, g, TOKEN, QUERY_TOKEN_PUT, v, ARRAY_LEN(v));
}

/* A login without the token that was wanted is better than none. */
static bool with_token(struct logins *l, struct login *g, struct now now, struct login_result *ret)
{
    mem_wipe(g->token, sizeof g->token);
    if (wants_token(l, g) && put_token(l, g, now) == 0)
        return false;
    mem_wipe(g->token, sizeof g->token);
    return login_finish(l, g, g->outcome, now, ret);
}

bool login_admit(struct logins *l, struct login *g, struct now now, struct login_result *ret)
{
    g->outcome = g->created ? LOGIN_CREATED : LOGIN_OK;
    login_forget_password(g);
    if (!l->host->presence || l->policy.single == LOGIN_SINGLE_ALLOW)
        return with_token(l, g, now, ret);
    return login_go_on(l, g, login_claim(l, g, now), now, ret);
}

/* ---- answers ---- */

static bool on_known(struct logins *l, struct login *g, const struct answer *a, struct now now,
                     struct login_result *ret)
{
    if (a->rc == 0 && !PLANTED(KNOWN_ADDRESS_IGNORED))
        return past_lock(l, g, now, ret);
    g->until_ms = g->account.locked_until_ms;
    return login_finish(
        l, g, a->rc == E_NOENT || PLANTED(KNOWN_ADDRESS_IGNORED) ? LOGIN_LOCKED : LOGIN_BUSY, now,
        ret);
}

/* A code's step or a recovery code that was used before is as wrong as one that never was. */
static bool on_used(struct logins *l, struct login *g, const struct answer *a, int wrong,
                    struct now now, struct login_result *ret)
{
    if (a->rc == 0)
        return past_codes(l, g, now, ret);
    return login_finish(l, g, a->rc == wrong ? LOGIN_OTP_WRONG : LOGIN_BUSY, now, ret);
}

static bool on_claimed(struct logins *l, struct login *g, const struct answer *a, struct now now,
                       struct login_result *ret)
{
    login_claimed(l, g, now, a->rc);
    if (a->rc == 0)
        return with_token(l, g, now, ret);
    return login_finish(l, g, a->rc == E_EXISTS ? LOGIN_ELSEWHERE : LOGIN_BUSY, now, ret);
}

bool login_gate_answer(struct logins *l, struct login *g, struct now now, const struct answer *a,
                       struct login_result *ret)
{
    int rc = a->rc;
    switch ((int)g->state) {
    case KNOWN: return on_known(l, g, a, now, ret);
    case OTP_GET:
        /* E_NOENT: taken away since the account was looked up, so it is asked for again. */
        return login_go_on(l, g, rc ? rc : check_code(l, g, now, a->u.rows), now, ret);
    case OTP_CHECK:
        if (rc == E_AUTH)
            return login_finish(l, g, LOGIN_OTP_WRONG, now, ret);
        return login_go_on(l, g, rc ? rc : use_step(l, g, a->u.otp_step), now, ret);
    case OTP_STEP: return on_used(l, g, a, E_STALE, now, ret);
    case RECOVER: return on_used(l, g, a, E_NOENT, now, ret);
    case CLAIM: return on_claimed(l, g, a, now, ret);
    case TOKEN:
        if (rc)
            mem_wipe(g->token, sizeof g->token);
        return login_finish(l, g, g->outcome, now, ret);
    default: return false;
    }
}
