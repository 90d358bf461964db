/* The desk where accounts are made, looked at and changed, by staff for others and by owners for
 * themselves, whatever way they came (control socket, chat, command line). One request is a few
 * asks one after the other and ends with exactly one call of its function.
 *
 * Who may: staff never touches an account above its own level, nor one of its own level unless it
 * is an admin's; an owner proves himself with his password. The last admin who is neither suspended
 * nor locked stays one. Every change is audited, told to the games here and to the other processes,
 * and answered when its record is safe (audit_log_sync).
 *
 * Passwords: 1 to PASSWORD_MAX bytes without NUL and not shorter than the desk's minimum for the
 * account's level; they live in memory that is wiped. Limits: DESK_REQUESTS_MAX at once,
 * DESK_OUT_MAX bytes of one answer. One thread. */
#ifndef SLIPGATE_CORE_ACCOUNT_DESK_H
#define SLIPGATE_CORE_ACCOUNT_DESK_H

#include "base/entropy.h"
#include "base/log.h"
#include "core/ask.h"
#include "core/audit_log.h"
#include "core/cluster.h"
#include "core/service.h"

#define DESK_REQUESTS_MAX 64u
#define DESK_OUT_MAX      (1u << 20)
#define DESK_LIST_MAX     500u /* rows of one list */
#define DESK_EMAIL_MAX    254u
#define DESK_NOTES_MAX    4096u
#define DESK_WORD_MAX     32u /* bytes of a command word that is granted */

enum desk_op {
    DESK_CREATE,        /* name, password, number: level (0: player), text: email or empty */
    DESK_SHOW,          /* with its grants */
    DESK_LIST,          /* text: names behind it, number: most rows (0: DESK_LIST_MAX) */
    DESK_SET_LEVEL,     /* number */
    DESK_SET_EMAIL,     /* text; empty: none */
    DESK_SET_DISPLAY,   /* text; empty: none */
    DESK_SET_NOTES,     /* text; empty: none */
    DESK_SET_SUSPENDED, /* on */
    DESK_SET_MUTED,     /* on */
    DESK_UNLOCK,        /* ends a lock made for too many failures */
    DESK_SET_PASSWORD,  /* password; the owner's old one in old. Other sessions end */
    DESK_DELETE,        /* personal data goes; what was audited stays under "#ID" */
    DESK_EXPORT,        /* everything that is held about it */
    DESK_GRANT,         /* text: command word */
    DESK_REVOKE,        /* text */
    DESK_LOGOUT,        /* all its sessions and tokens end */
    DESK_OTP_ENROL,     /* a new secret and recovery codes, shown once. Tokens end */
    DESK_OTP_DISABLE,   /* Tokens end */
    DESK_OPS_N
};

/* Who asks. */
struct desk_actor {
    int64_t account;  /* 0: an operator of the machine */
    uint8_t level;    /* enum account_level */
    struct span name; /* account, or name of the operator */
    struct span address;
    struct span game, session; /* where from; game empty: the server itself */
};

struct desk_request {
    enum desk_op op;
    bool own; /* an owner for himself: old is his password; id is his account */
    bool on;
    struct desk_actor by;
    struct span name; /* whose: name, or where it holds an '@' also the email; empty: by id */
    int64_t id;
    int64_t number;
    struct span text, password, old;
};

/* Spans are borrowed until the function returns. */
struct desk_result {
    int rc; /* 0; E_NOENT, E_EXISTS, E_REFUSED, E_AUTH, E_RANGE, E_BUSY, E_STORE ... */
    const char *why,
        *mend;        /* where rc is not 0: a sentence each without full stop; mend: or NULL */
    struct span json; /* an object: what came of it; empty: nothing to say */
    int64_t account;
    uint8_t level; /* of the account, as it is now */
    struct span name;
    bool audited; /* false: the change is made, its record not known to be safe */
};

typedef void (*desk_fn)(void *ctx, struct now, const struct desk_result *);

struct account_desk_cfg {
    struct ask_port *store, *hash;
    struct cluster *cluster; /* may be NULL */
    struct audit_log *audit; /* may be NULL */
    struct log *log;
    struct entropy *entropy;
    const uint8_t *secrets; /* SECRET_KEY bytes that seal one-time keys; NULL: no second factor */
    /* To every game here; never called from within account_desk_ask. */
    void (*notice)(void *ctx, struct now, const struct notice *);
    void *ctx;
};

struct account_desk;

/* Borrows what cfg points to. E_NOMEM. */
MUST_USE int account_desk_create(struct account_desk **ret, const struct account_desk_cfg *);
/* Close store and hash first: they answer what they took. Requests that wait for the audit log are
 * dropped, so it must not call any more. NULL is fine. */
void account_desk_destroy(struct account_desk *);
/* Shortest passwords for players and for staff, in bytes. */
void account_desk_set_minimums(struct account_desk *, uint32_t player, uint32_t staff);

/* Copies the request. 0: fn is called once, later or before it returns. E_BUSY, E_NOMEM: never. */
MUST_USE int account_desk_ask(struct account_desk *, struct now, const struct desk_request *,
                              desk_fn fn, void *ctx);
/* Requests not yet answered. */
uint32_t account_desk_live(const struct account_desk *);

/* Whether staff of this level may act on an account of that level: not on a higher one, and on an
 * equal one only as admin. */
bool account_desk_outranks(uint8_t level, uint8_t target);

#endif
