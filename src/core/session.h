/* Sessions of one service: who may act as which account without signing in again, known by a token
 * that the client holds, by the account, or by the endpoint its datagrams come from. One directory
 * a service, as its logins: each game has a policy, ceilings and tokens of its own, and answers
 * come the way all answers come.
 *
 *   create --> pending --bind, activate--> active --end, expiry--> ended
 *
 * A pending session ends pending_ms after it was made; an active one idle_ms after it was last
 * touched; either life_ms after it was made. At the limit it has ended.
 *
 * The token is TOKEN_BYTES random bytes, given out once; what is kept, here and in the store, is
 * its SHA-256, and it is looked up by that under a keyed hash, so that the time of a look-up says
 * nothing about tokens that are good.
 *
 * Where the policy says `survive`, a session has a row in the store (QUERY_SESSION_*):
 *   - a token is given out only when the row is there; store down or busy: E_BUSY. Sessions in
 *     memory go on meanwhile, and what they could not write is written when it is back.
 *   - status and endpoint are written at once, the time of the last touch every quarter of idle_ms,
 *     at most every minute: a process that dies takes no more than that off a session's time, and
 *     never adds to it. Whoever acknowledges an end has told the store only a moment later; the
 *     logout everywhere of core/account_desk.h waits for it.
 *   - a token that is not here is looked up in the store and its account with it: it must not be
 *     suspended nor banned. At most SESSION_LOOKUPS_MAX at once, one of a token, a rate an address
 *     (`unknown`, IPv6 by /64), and a token that nobody knew is not asked for again for
 *     SESSION_UNKNOWN_S seconds.
 *   - of two processes that know a session the one that ends it tells the other
 *     (CLUSTER_SESSION_ENDED); a lost message is made up for by what is written, and by a look
 * every SESSION_LOOK_S seconds.
 *
 * Limits: max sessions, those ended that the store has yet to forget included; SESSION_ACCOUNT_MAX
 * of one account. All operations are O(1), by account O(SESSION_ACCOUNT_MAX), but for a ban's
 * notice, which walks. Looking up by endpoint and touching take no memory. One thread. */
#ifndef SLIPGATE_CORE_SESSION_H
#define SLIPGATE_CORE_SESSION_H

#include "core/cluster.h"
#include "core/host.h"
#include "core/limit.h"
#include "wire/token.h"

#define SESSIONS_MAX        (1u << 20)
#define SESSION_ACCOUNT_MAX 16u
#define SESSION_MAKING_MAX  256u /* being stored, not yet given out */
#define SESSION_LOOKUPS_MAX 64u
#define SESSION_WRITES_MAX  64u /* at the store at once */
#define SESSION_UNKNOWN_S   60u
#define SESSION_LOOK_S      300u
#define SESSION_PURGE_S     600u /* between two */
#define SESSION_GRACE_S \
    3600u /* rows expired for so long are purged: the store may have been down */

enum session_status { SESSION_PENDING, SESSION_ACTIVE }; /* as the store has it */

/* What becomes of the others of an account when it gets a session. */
enum session_single { SESSION_REPLACE, SESSION_REFUSE, SESSION_ALLOW };

struct session_policy {
    uint32_t pending_ms; /* 0: sessions are active from the start */
    uint32_t idle_ms;    /* 0: no matter how long */
    uint32_t life_ms;    /* 0: no end */
    enum session_single single;
    bool rebind;          /* a bound session may move to another endpoint */
    bool survive;         /* a restart */
    struct rate unknown;  /* look-ups in the store, of one address */
    struct exempt exempt; /* from that rate */
};

struct session_ref {
    struct ref r;
};

enum session_why {
    SESSION_EXPIRED,
    SESSION_REPLACED,   /* by a newer one of the account */
    SESSION_SIGNED_OUT, /* everywhere; or the account is suspended or gone */
    SESSION_BANNED,
    SESSION_ELSEWHERE, /* ended, or gone on, at another process */
};

/* A session as it is; what is not known is zero. */
struct session_view {
    int64_t account;
    uint64_t mark;
    enum session_status status;
    bool bound;
    struct addr endpoint; /* bound */
    int64_t created_ms;
    nsec until; /* NSEC_NEVER: no end */
};

struct session_ended {
    struct session_ref session; /* stale already */
    int64_t account;
    uint64_t mark;
    enum session_why why;
};

/* What an E_AGAIN led to. */
struct session_result {
    bool made;      /* by session_create, else by session_find */
    uint64_t owner; /* as it was given there, where it is found what rc can be */
    int rc;
    struct session_ref session; /* rc 0 */
    int64_t account;
    uint8_t token[TOKEN_BYTES]; /* made; wipe it */
    /* found: of the account */
    uint8_t level, name_n;
    bool muted;
    char name[ACCOUNT_NAME_MAX + 1];
};

struct sessions;

struct sessions_cfg {
    struct host *host;
    struct cluster *cluster; /* NULL: there are no other processes */
    struct span node;        /* this process, for the store's rows; at most NODE_MAX bytes */
    uint32_t max;            /* 1 to SESSIONS_MAX */
};

/* Borrows host and cluster, copies node; policy: nothing survives, one a game, no limits of time,
 * until it is set. E_RANGE, E_NOMEM, E_FULL. */
MUST_USE int sessions_create(struct sessions **ret, const struct sessions_cfg *);
/* Rows stay: sessions that survive do. Asks must have been answered, and the cluster's cache be
 * closed: its messages would go on coming. NULL is fine. */
void sessions_destroy(struct sessions *);
/* For sessions made, found or touched from now on. */
void sessions_set_policy(struct sessions *, const struct session_policy *);

/* A session for an account that signed in; owner becomes its mark. 0: *ret is filled in. E_AGAIN:
 * sessions_answer will. E_EXISTS: it has one (REFUSE). E_LIMIT: it has SESSION_ACCOUNT_MAX (ALLOW).
 * E_BUSY: the store, or too many at once. E_REFUSED (by sessions_answer only): signed out
 * meanwhile. E_FULL, E_NOMEM, E_RANGE, E_CRYPTO. */
MUST_USE int session_create(struct sessions *, struct now, int64_t account, uint64_t owner,
                            struct session_result *ret);
/* By token. 0: *ret. E_AGAIN: sessions_answer will say; owner becomes its mark then. E_NOENT: no
 * such session, or ended. E_LIMIT: the address asked too often. E_BUSY: ask again. By
 * sessions_answer also E_REFUSED (suspended or banned; the session has ended), E_EXISTS (another
 * session of the account or at its endpoint is here), E_FULL, E_NOMEM. E_CRYPTO. */
MUST_USE int session_find(struct sessions *, struct now, struct span token, const struct addr *peer,
                          uint64_t owner, struct session_ref *ret);
/* E_NOENT. */
MUST_USE int session_by_endpoint(const struct sessions *, struct now, const struct addr *,
                                 struct session_ref *ret);
/* How many it has; the oldest cap of them in ret. */
size_t session_by_account(const struct sessions *, struct now, int64_t account,
                          struct session_ref *ret, size_t cap);
/* False: ended or stale. */
bool session_get(const struct sessions *, struct now, struct session_ref, struct session_view *);
/* Walks sessions that have not ended: start with *at = 0. */
bool sessions_next(const struct sessions *, struct now, uint32_t *at, struct session_ref *ret);
uint32_t sessions_live(const struct sessions *);

/* Binds to exactly one endpoint, and activates. Again to the same: 0. E_STALE; E_REFUSED: it is
 * bound to another (without rebind); E_EXISTS: the endpoint is another session's; E_NOMEM. */
MUST_USE int session_bind(struct sessions *, struct now, struct session_ref, const struct addr *);
/* E_STALE. */
MUST_USE int session_activate(struct sessions *, struct now, struct session_ref);
/* Something came from it; a pending one stays as it is. Stale handles are fine, here and below. */
void session_touch(struct sessions *, struct now, struct session_ref);
void session_set_mark(struct sessions *, struct session_ref, uint64_t mark);
/* The service itself ends it: sessions_ended does not tell of it. */
void session_end(struct sessions *, struct now, struct session_ref);
/* All of an account but one (REF_NONE: all), also those being made and looked up. How many here. */
size_t sessions_end_account(struct sessions *, struct now, int64_t account,
                            struct session_ref except, enum session_why);
/* Does what NOTICE_ACCOUNT and NOTICE_BAN ask for; except: what u.account.except names, if it is
 * one of these. Others are ignored. */
void sessions_notice(struct sessions *, struct now, const struct notice *,
                     struct session_ref except);

/* Takes an answer that came to the service (those to others are ignored). True: *ret is filled in.
 */
bool sessions_answer(struct sessions *, struct now, const struct answer *,
                     struct session_result *ret);
/* Expires, writes, purges what is due. */
void sessions_time(struct sessions *, struct now);
nsec sessions_deadline(const struct sessions *);
/* One after the other those that ended without session_end; to be called, until false, after any
 * call of the above with a `struct now`. */
bool sessions_ended(struct sessions *, struct session_ended *ret);

/* Walks every invariant; 0, or E_STALE with the broken one named in why. */
MUST_USE int sessions_check(const struct sessions *, struct buf *why);

#endif
