/* Login, the same for every game. Its order, each step of which may end it:
 *
 *   the address is banned, or refused because it guesses; a wait where it guessed before
 *   the account is looked up, and registered where the policy registers on first use
 *   the password is verified (an unknown name takes as long); or a resume token is redeemed
 *   the record is not valid; the account is banned, suspended, or locked (core/login_guard.h) and
 *     the address not one it signed in from within 30 days
 *   the password is shorter than the policy wants
 *   a one-time or recovery code, where the account has a second factor
 *   the claim: the account is not signed in elsewhere, or is no longer
 *
 * Then records of an old scheme are replaced, the last login and the address are noted, and a
 * resume token is made where one is wanted. All slow work is asked for through the host; the
 * service hands in every answer and learns the outcome exactly once. Every outcome is audited. A
 * host without bans (NULL) bans nobody; until its list was read once, every login is busy. A host
 * without presence claims nothing: then single login is the service's own matter, in this process.
 *
 * A resume token stands for password and code together. It is good once, for a day unless used, and
 * only its hash is stored (wire/token.h). Passwords, codes and tokens are wiped as soon as they are
 * no longer needed. */
#ifndef SLIPGATE_CORE_LOGIN_H
#define SLIPGATE_CORE_LOGIN_H

#include "core/ban.h"
#include "core/host.h"
#include "core/limit.h"
#include "core/login_guard.h"
#include "wire/token.h"

#define LOGIN_KNOWN_MS INT64_C(2592000000) /* an address stays known for 30 days */

/* X(name, text): outcomes, and how the audit tells them. */
#define LOGIN_OUTCOMES(X)                                                                         \
    X(OK, "Success")                                                                              \
    X(CREATED, "Success")                 /* first use of the name: registered */                 \
    X(WRONG, "Failed - Invalid password") /* or unknown name where nothing is registered */       \
    X(NAME_UNFIT, "Failed - Name not fit for a new account") /* login_name_fits */                \
    X(PASSWORD_SHORT, "Failed - Password too short")     /* for the policy: a new one, or a right \
                                                            one that was accepted elsewhere */    \
    X(PASSWORD_UNUSABLE, "Failed - Password not usable") /* over PASSWORD_MAX bytes, or NUL */    \
    X(STAFF_PASSWORD_SHORT, "Failed - Password too short for staff")                              \
    X(BUSY, "Failed - Server busy") /* queues are full or the store is down: try again */         \
    X(THROTTLED, "Failed - Too many attempts")                                                    \
    X(BANNED, "Failed - Banned") /* the address or the account: reason, until */                  \
    X(INVALID, "Failed - Invalid account record")                                                 \
    X(SUSPENDED, "Failed - Account suspended")                                                    \
    X(LOCKED, "Failed - Account locked") /* until */                                              \
    X(OTP_WANTED, "Failed - One-time code wanted")                                                \
    X(OTP_WRONG, "Failed - Invalid one-time code")                                                \
    X(OTP_UNSET, "Failed - Second factor not set up") /* staff must have one */                   \
    X(ELSEWHERE, "Failed - Already signed in")                                                    \
    X(RESUME_WRONG, "Failed - Invalid resume token")

enum login_outcome {
#define X(name, text) LOGIN_##name,
    LOGIN_OUTCOMES(X)
#undef X
        LOGIN_OUTCOMES_N
};

enum login_single { LOGIN_SINGLE_REPLACE, LOGIN_SINGLE_REFUSE, LOGIN_SINGLE_ALLOW };
enum login_factor { LOGIN_FACTOR_OFF, LOGIN_FACTOR_OPTIONAL, LOGIN_FACTOR_REQUIRED };

struct login_policy {
    bool fold_names;           /* ignore ASCII letter case */
    bool auto_register;        /* first use registers */
    uint32_t password_min;     /* 0 is taken as 1: no account goes without a password */
    uint32_t wrong_per_minute; /* of one address, before it is refused without being counted; 0: the
                                  growing delay is all */
    struct rate registrations; /* of one address; interval 0: any number */
    enum login_single single;
    struct exempt exempt; /* from delay, refusal, ban and lock, and the rate of registrations */
    /* by login_policy_load */
    enum login_factor factor;    /* off: nobody is asked; required: staff without one is refused */
    uint32_t staff_password_min; /* of accounts above LEVEL_PLAYER; 0: as everybody's */
    uint32_t resume_s;           /* life of a resume token; 0: none are made */
    bool server_scope;           /* one session in all games together, not one a game */
};

/* Rows of the accounts section that logins and their guard read. */
extern const struct config_table accounts_config;
void login_policy_load(struct login_policy *, const struct config *);
void login_guard_policy_load(struct login_guard_policy *, const struct config *);

#define LOGIN_OTP_MAX 32u /* bytes of a code as typed; longer ones are wrong */

struct login_request { /* spans are borrowed */
    struct span name, password;
    struct span otp;    /* one-time or recovery code; empty: none, or at the password's end */
    struct span resume; /* a resume token: the password is not looked at. Empty: none */
    bool want_resume;   /* a token for next time; a redeemed one is always followed by another */
    struct addr peer;
    uint64_t owner; /* the service's own mark, handed back in the result */
};

struct login_result {
    uint64_t owner;
    enum login_outcome outcome;
    int64_t account; /* LOGIN_OK, LOGIN_CREATED: for each of these logins_signed_out is due once */
    uint8_t level;
    bool muted;
    uint8_t name_n; /* the name as registered */
    char name[ACCOUNT_NAME_MAX + 1];
    char resume[TOKEN_TEXT + 1];     /* "" for none; wipe it */
    int64_t until_ms;                /* LOGIN_BANNED (0: for good), LOGIN_LOCKED */
    char reason[BAN_REASON_MAX + 1]; /* LOGIN_BANNED; may be empty */
};

struct login_ref {
    struct ref r;
};

/* Whether an account may be made by this name. It has to show as it is (utf8_shows), or somebody
 * takes another's for people's eyes; "Server", in any letter case, is who staff's texts come from;
 * and with '#' in front it would read as the number of an account or a session in commands and in
 * the audit. Accounts that have such a name go on signing in. */
bool login_name_fits(struct span name);

struct logins;

/* max: logins in progress. Where the host has no guard it makes one of its own, which only slows
 * down. E_NOMEM. */
MUST_USE int logins_create(struct logins **ret, struct host *, uint32_t max);
void logins_destroy(struct logins *);
void logins_set_policy(struct logins *, const struct login_policy *);

/* 0: a result will come from login_answer or login_due. E_BUSY: at the ceiling, or not ready. */
MUST_USE int login_start(struct logins *, struct now, const struct login_request *,
                         struct login_ref *ret);
/* No result will come; the password is wiped at once. Stale handles are fine. */
void login_cancel(struct logins *, struct login_ref);
/* Takes an answer that came to the service (answers to others are ignored). True: *ret is the
 * result of a login. */
bool login_answer(struct logins *, struct now, const struct answer *, struct login_result *ret);
/* Starts what had to wait; true: *ret is a result, call again. */
bool login_due(struct logins *, struct now, struct login_result *ret);
nsec login_deadline(const struct logins *);
uint32_t logins_live(const struct logins *);

/* The account was banned, suspended, signed out or changed: logins of it that are under way, and
 * may have found it as it was before, end as busy. */
void logins_overtake(struct logins *, int64_t account);
/* Presence lost the account's claim to another process: logins that have it end as busy. */
void logins_lost(struct logins *, int64_t account);
/* The session a result led to is over, or there was none in the end: gives the claim back with the
 * last session of the account, and audits the logout. peer may be NULL: nothing is audited. */
void logins_signed_out(struct logins *, struct now, int64_t account, const struct addr *peer);
/* Resume tokens of the account for this game are good no more. */
void logins_drop_tokens(struct logins *, int64_t account);

#endif
