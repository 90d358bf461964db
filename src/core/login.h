/* Login with name and password, the same for every game: looks the account up, has the password
 * verified or, where the policy registers on first use, hashed and stored, replaces records of an
 * old scheme, slows down addresses that keep guessing, and works on few logins of one address at
 * once. All slow work is asked for through the host; the service hands in every answer and learns
 * the outcome exactly once.
 *
 * Passwords are copied into memory that is wiped as soon as they are no longer needed. */
#ifndef SLIPGATE_CORE_LOGIN_H
#define SLIPGATE_CORE_LOGIN_H

#include "core/host.h"
#include "core/limit.h"

enum login_outcome {
    LOGIN_OK,
    LOGIN_CREATED,        /* first use of the name: registered */
    LOGIN_WRONG,          /* wrong password; or unknown name where nothing is registered */
    LOGIN_PASSWORD_SHORT, /* shorter than the policy's minimum: a new one, or a right one that was
                           * accepted elsewhere */
    LOGIN_PASSWORD_UNUSABLE, /* over PASSWORD_MAX bytes or holding NUL */
    LOGIN_BUSY,              /* queues are full or the store is down: try again */
};

struct login_policy {
    bool fold_names;       /* ignore ASCII letter case */
    bool auto_register;    /* first use registers */
    uint32_t password_min; /* 0 is taken as 1: no account goes without a password */
    struct exempt exempt;  /* from the growing delay */
};

struct login_request {
    struct span name, password; /* borrowed */
    struct addr peer;
    uint64_t owner; /* the service's own mark, handed back in the result */
};

struct login_result {
    uint64_t owner;
    enum login_outcome outcome;
    int64_t account; /* LOGIN_OK, LOGIN_CREATED */
    uint8_t name_n;  /* the name as registered */
    char name[ACCOUNT_NAME_MAX + 1];
};

struct login_ref {
    struct ref r;
};

struct logins;

/* max: logins in progress. */
MUST_USE int logins_create(struct logins **ret, struct host *, uint32_t max);
void logins_destroy(struct logins *);
void logins_set_policy(struct logins *, const struct login_policy *);

/* 0: a result will come from login_answer or login_due. E_BUSY: at the ceiling. */
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

#endif
