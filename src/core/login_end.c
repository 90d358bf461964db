/* How a login ends: its result, the audit, and what is counted against whom. */
#include "base/plant.h"
#include "core/login_priv.h"

#include "wire/text.h"

#include <stdio.h>

static const char *const texts[LOGIN_OUTCOMES_N] = {
#define X(name, text) [LOGIN_##name] = text,
    LOGIN_OUTCOMES(X)
#undef X
};

/* "#5" is how an account is told: nobody puts what he does into the trail of another by trying it
 * as a name. */
static struct span tried(struct span name, char to[ACCOUNT_NAME_MAX + 8])
{
    if (name.n == 0 || name.p[0] != '#')
        return name;
    int n = snprintf(to, ACCOUNT_NAME_MAX + 8, "name %.*s", (int)name.n, (const char *)name.p);
    return span_of(to, n < (int)ACCOUNT_NAME_MAX ? (size_t)n : ACCOUNT_NAME_MAX);
}

void login_audit(struct logins *l, struct now now, unsigned subtype, int64_t account,
                 struct span name, const struct addr *peer, const char *details)
{
    char id[24], shown[ACCOUNT_NAME_MAX + 8], address[ADDR_TEXT_MAX];
    if (!l->host->audit)
        return;
    struct audit_record r = {.type = AUDIT_ACCOUNT,
                             .subtype = (uint16_t)subtype,
                             .account = account ? audit_account(account, id) : tried(name, shown),
                             .address = span_str(addr_host_text(peer, address)),
                             .details = span_str(details)};
    host_audit(l->host, now, &r);
}

/* Nobody waits for the answers: the time and place of a last login are not worth refusing one. */
static void note_login(struct logins *l, const struct login *g, struct now now)
{
    char address[ADDR_TEXT_MAX], prefix[33];
    uint8_t key[16];
    struct ask touch = {.kind = ASK_ACCOUNT_TOUCH};
    touch.u.touch.id = g->account.id;
    touch.u.touch.unix_ms = now.unix_ms;
    touch.u.touch.address = span_str(addr_host_text(&g->peer, address));
    (void)host_ask(l->host, &touch, 0);
    addr_limit_key(&g->peer, key);
    hex_encode(key, sizeof key, prefix);
    const struct value v[] = {VALUE_OF_INT(g->account.id), VALUE_OF_TEXT(span_of(prefix, 32)),
                              VALUE_OF_INT(now.unix_ms)};
    struct ask put = query_ask(QUERY_KNOWN_ADDRESS_PUT, v, ARRAY_LEN(v));
    (void)host_ask(l->host, &put, 0);
}

static bool is_guess(enum login_outcome o)
{
    return o == LOGIN_WRONG || o == LOGIN_OTP_WRONG ||
           (o == LOGIN_RESUME_WRONG && !PLANTED(GUESS_UNCOUNTED_ON_RESUME));
}

static void tell_audit(struct logins *l, const struct login *g, enum login_outcome outcome,
                       struct now now)
{
    struct span name = span_of(g->name, g->name_n);
    bool unknown = outcome == LOGIN_WRONG && !g->account.id;
    if (g->created) /* also where it does not get in: the account is there */
        login_audit(l, now, AUDIT_SUB_ACCOUNT_CREATE, g->account.id, name, &g->peer,
                    "Registered at first login");
    login_audit(l, now, AUDIT_SUB_ACCOUNT_LOGIN, g->account.id, name, &g->peer,
                unknown ? "Failed - Account not found" : texts[outcome]);
}

bool login_finish(struct logins *l, struct login *g, enum login_outcome outcome, struct now now,
                  struct login_result *ret)
{
    bool in = outcome == LOGIN_OK || outcome == LOGIN_CREATED;
    *ret = (struct login_result){.owner = g->owner,
                                 .outcome = outcome,
                                 .account = g->account.id,
                                 .level = g->account.level,
                                 .muted = g->account.muted,
                                 .until_ms = g->until_ms,
                                 .name_n = g->name_n};
    memcpy(ret->name, g->name, g->name_n);
    if (in)
        memcpy(ret->resume, g->token, sizeof ret->resume);
    else if (g->claiming)
        login_unclaim(l, now, g->account.id);
    if (is_guess(outcome) && !exempt_has(&l->policy.exempt, &g->peer))
        login_guard_failed(l->guard, now, &g->peer, g->account.id);
    if (in)
        note_login(l, g, now);
    tell_audit(l, g, outcome, now);
    login_drop(l, g);
    return true;
}

bool login_go_on(struct logins *l, struct login *g, int asked, struct now now,
                 struct login_result *ret)
{
    return asked ? login_finish(l, g, LOGIN_BUSY, now, ret) : false;
}

/* b may be NULL: it was lifted in this moment. */
bool login_banned(struct logins *l, struct login *g, const struct ban *b, struct now now,
                  struct login_result *ret)
{
    char reason[BAN_REASON_MAX + 1] = "";
    if (b && b->reason.n)
        memcpy(reason, b->reason.p, b->reason.n); /* at most BAN_REASON_MAX */
    g->until_ms = b ? b->expires : 0;
    (void)login_finish(l, g, LOGIN_BANNED, now, ret);
    memcpy(ret->reason, reason, sizeof reason);
    return true;
}

void logins_signed_out(struct logins *l, struct now now, int64_t account, const struct addr *peer)
{
    login_unclaim(l, now, account);
    if (peer)
        login_audit(l, now, AUDIT_SUB_ACCOUNT_LOGOUT, account, SPAN_NULL, peer, "");
}

void logins_drop_tokens(struct logins *l, int64_t account)
{
    const struct value v[] = {VALUE_OF_INT(account), VALUE_OF_TEXT(login_game(l))};
    struct ask ask = query_ask(QUERY_TOKEN_DROP, v, ARRAY_LEN(v));
    (void)host_ask(l->host, &ask, 0);
}
