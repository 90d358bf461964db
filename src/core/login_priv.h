/* What the files of login share; nobody else includes it.
 *
 * login.c        the machine: waiting, looking up, verifying, registering
 * login_gate.c   what a right password or token still has to pass, and what comes with success
 * login_claim.c  claims of presence, counted by account
 * login_end.c    the result, the audit, the failures */
#ifndef SLIPGATE_CORE_LOGIN_PRIV_H
#define SLIPGATE_CORE_LOGIN_PRIV_H

#include "base/hmap.h"
#include "base/mem.h"
#include "base/slots.h"
#include "base/timerq.h"
#include "core/login.h"
#include "core/query.h"

enum login_state {
    DELAY,
    DECIDED, /* the outcome waits for login_due */
    FIND,
    VERIFY,
    REHASH,
    REPLACE,
    MAKE,
    CREATE,
    DECOY,
    REDEEM,
    KNOWN,
    OTP_GET,
    OTP_CHECK,
    OTP_STEP,
    RECOVER,
    CLAIM,
    TOKEN,
    CANCELLED
};

struct login {
    struct timer delay;
    struct ref self;
    enum login_state state;
    enum ask_kind asked;
    enum login_outcome outcome; /* DECIDED; from CLAIM on what it will be */
    bool retried, resuming, want_resume, created, rehash;
    bool counted;     /* in at_work */
    bool claiming;    /* in claims */
    bool overtaken;   /* the account changed meanwhile: what was found is not so any more */
    int64_t doubtful; /* the account that did before this one's was told; -1: several */
    struct addr peer;
    uint64_t owner;
    uint8_t name_n, otp_n;
    char name[ACCOUNT_NAME_MAX + 1];
    char otp[LOGIN_OTP_MAX];
    char token[TOKEN_TEXT + 1]; /* REDEEM: the hash; TOKEN: what the client gets */
    size_t password_n;
    uint8_t *password;      /* ours */
    struct account account; /* id 0: not found yet */
    int64_t until_ms;
};

struct logins {
    struct host *host;
    struct login_policy policy;
    struct login_guard *guard, *own_guard;
    struct slots all;
    struct timerq delays;
    struct hmap at_work; /* address prefix -> its logins that are past waiting */
    struct addr_limit registrations, pace;
    struct hmap claims;   /* account -> sessions and logins that hold it << 1 | it was granted */
    struct hmap releases; /* accounts whose release was refused: tried again */
    nsec release_at;
};

/* ---- login.c */
/* Asks, in the state that waits for the answer; E_BUSY: there will be none. */
MUST_USE int login_ask(struct logins *, struct login *, enum login_state, struct ask *);
MUST_USE int login_query(struct logins *, struct login *, enum login_state, enum query,
                         const struct value *, size_t n);
void login_forget_password(struct login *);
void login_drop(struct logins *, struct login *);
MUST_USE int login_rehash(struct logins *, struct login *); /* MAKE for a record of an old scheme */
bool login_unusable(const struct login *);
static inline struct span login_game(const struct logins *l)
{
    return span_of(l->host->game, strlen(l->host->game));
}

/* ---- login_end.c; what returns true has filled *ret and dropped the login */
bool login_finish(struct logins *, struct login *, enum login_outcome, struct now,
                  struct login_result *ret);
/* Goes on, or ends as busy when the ask was refused. */
bool login_go_on(struct logins *, struct login *, int asked, struct now, struct login_result *ret);
bool login_banned(struct logins *, struct login *, const struct ban *, struct now,
                  struct login_result *ret);
void login_audit(struct logins *, struct now, unsigned subtype, int64_t account, struct span name,
                 const struct addr *peer, const char *details);

/* ---- login_gate.c */
/* The password was right, or the token was redeemed and the account found. */
bool login_gate(struct logins *, struct login *, struct now, struct login_result *ret);
bool login_gate_answer(struct logins *, struct login *, struct now, const struct answer *,
                       struct login_result *ret);
/* Registered, or past every gate: the claim, the token, success. */
bool login_admit(struct logins *, struct login *, struct now, struct login_result *ret);
/* Splits a code off the password's end, where one is wanted and stands there. */
void login_split_code(const struct logins *, struct login *);

/* ---- login_claim.c */
MUST_USE int login_claim(struct logins *, struct login *, struct now);
/* The answer to it. */
void login_claimed(struct logins *, struct login *, struct now, int rc);
/* One holder less; the last one gives the claim back. */
void login_unclaim(struct logins *, struct now, int64_t account);
/* The answer to giving it back; what failed is tried again by login_releases. */
void login_released(struct logins *, struct now, const struct answer *);
void login_releases(struct logins *, struct now);

#endif
