/* What the files of sessions share; nobody else includes it.
 *
 * session.c       the directory: making in memory, finding, binding, time
 * session_end.c   what ends a session, and who hears of it
 * session_make.c  making one that survives
 * session_find.c  looking a token up in the store
 * session_sync.c  writing back, looking again, purging
 * session_row.c   rows of the store
 * session_check.c invariants
 *
 * A slot is in use until its session has ended, sessions_ended told of it, and the store has
 * forgotten it: until then its token is refused here without asking. */
#ifndef SLIPGATE_CORE_SESSION_PRIV_H
#define SLIPGATE_CORE_SESSION_PRIV_H

#include "base/hmap.h"
#include "base/list.h"
#include "base/slots.h"
#include "base/timerq.h"
#include "core/query.h"
#include "core/session.h"

#define SESSION_HASH      32u
#define SESSION_ENDPOINT  22u /* address, port, zone */
#define SESSION_ENDS      64u /* accounts whose sessions ended a moment ago */
#define SESSION_UNKNOWNS  512u
#define SESSION_STRANGERS 16384u

enum session_state { S_MAKING, S_LIVE, S_GONE };

enum session_ask {
    ASKED_NOTHING,
    ASKED_BEFORE, /* whether the account has one: S_MAKING, as the next two */
    ASKED_CREATE,
    ASKED_AFTER, /* which ones it replaces */
    ASKED_SAVE,
    ASKED_LOOK,
    ASKED_REMAKE,
    ASKED_END,
};

enum { WANT_SAVE = 1, WANT_LOOK = 2, WANT_REMAKE = 4, WANT_END = 8 };

struct session {
    struct ref self;
    struct timer timer;              /* S_LIVE */
    struct list node;                /* of ended */
    struct list unwritten;           /* something is wanted and nothing asked */
    struct session *older, *younger; /* of the account's, by order of coming here; S_GONE aside */
    uint8_t hash[SESSION_HASH];
    uint8_t token[TOKEN_BYTES]; /* S_MAKING */
    int64_t account, created_ms;
    uint64_t mark;
    nsec until, life_until;
    nsec saved_until, save_at, look_at;
    struct addr endpoint;
    uint8_t state, status, asked, want, why;
    bool bound, stored, doomed, erased, tell;
    bool unsure; /* something failed and may have been done */
};

struct session_row {
    uint8_t hash[SESSION_HASH];
    int64_t account, created_ms, expires_ms;
    enum session_status status;
    bool bound;
    struct addr endpoint;
};

struct session_lookup {
    struct ref self;
    uint8_t hash[SESSION_HASH];
    uint64_t owner, ends; /* ends: how many there were when it began */
    struct addr peer;
    bool account; /* the row was found, its account is being asked for */
    struct session_row row;
};

struct session_unknown {
    uint8_t hash[SESSION_HASH];
    nsec until;
};

struct sessions {
    struct host *host;
    struct cluster *cluster;
    uint8_t node_n;
    char node[NODE_MAX];
    struct session_policy policy;
    uint64_t seed[2];

    struct slots all;
    struct hmap by_token, by_endpoint, by_account; /* of by_account: the oldest */
    struct timerq timers;
    struct list ended;
    uint32_t live, making;

    struct slots lookups;
    struct hmap looking; /* hashes */
    struct addr_limit strangers;
    struct session_unknown unknown[SESSION_UNKNOWNS];
    int64_t ends[SESSION_ENDS];
    uint64_t ends_n;

    struct list unwritten;
    uint32_t writing;
    unsigned failures;
    nsec retry_at, purge_at;
    bool purging;
};

enum { REQ_SESSION, REQ_LOOKUP, REQ_PURGE };

static inline uint64_t session_pack(struct ref r)
{
    return (uint64_t)r.gen << 32 | r.slot;
}

static inline struct ref session_unpack(uint64_t v)
{
    return (struct ref){(uint32_t)v, (uint32_t)(v >> 32)};
}

static inline struct session *session_at(const struct sessions *ss, struct session_ref ref)
{
    return slots_get(&ss->all, ref.r);
}

static inline nsec session_deadline(const struct session *s)
{
    return s->until < s->life_until ? s->until : s->life_until;
}

static inline bool session_alive(const struct session *s, struct now now)
{
    return s->state == S_LIVE && session_deadline(s) > now.mono;
}

static inline struct span session_game(const struct sessions *ss)
{
    return span_of(ss->host->game, strlen(ss->host->game));
}

/* ---- session.c */
nsec session_after(struct now, uint32_t ms); /* 0: never */
void session_wake(struct sessions *, nsec at);
/* The session, whatever its state, or NULL. */
struct session *session_of_hash(const struct sessions *, const uint8_t hash[SESSION_HASH]);
struct session *session_oldest(const struct sessions *, int64_t account);
/* A slot that is found by this hash. E_FULL, E_NOMEM. */
MUST_USE int session_add(struct sessions *, const uint8_t hash[SESSION_HASH], struct session **ret);
MUST_USE int session_chain(struct sessions *, struct session *, int64_t account);
/* E_EXISTS: it is another's; E_NOMEM. */
MUST_USE int session_take_endpoint(struct sessions *, struct now, struct session *,
                                   const struct addr *);
/* How many the account has, those being made included; those whose time is over end. */
size_t session_count(struct sessions *, struct now, int64_t account);
/* S_LIVE from now on; until and life_until are set. */
void session_begin(struct sessions *, struct now, struct session *);
void session_arm(struct sessions *, struct session *);
void session_endpoint_key(const struct addr *, uint8_t key[SESSION_ENDPOINT]);

/* ---- session_end.c */
/* erase: from the store too; tell: sessions_ended does. */
void session_finish(struct sessions *, struct now, struct session *, enum session_why, bool erase,
                    bool tell);
/* What was never given out. */
void session_scrap(struct sessions *, struct now, struct session *);
/* Frees the slot if nothing holds it any more. */
void session_settle(struct sessions *, struct session *);
/* Ends those of the account made before this one. */
void session_replace(struct sessions *, struct now, struct session *);
/* Look-ups under way must not bring it back. */
void session_note_end(struct sessions *, int64_t account);
/* Whether that happened to the account since. */
bool session_noted(const struct sessions *, int64_t account, uint64_t since);

/* ---- session_make.c */
MUST_USE int session_make(struct sessions *, struct now, struct session *);
bool session_make_answer(struct sessions *, struct now, struct session *, const struct answer *,
                         struct session_result *ret);
/* A row of the store goes, unless it is of a session that has not ended. E_FULL, E_NOMEM. */
MUST_USE int session_erase(struct sessions *, struct now, const uint8_t hash[SESSION_HASH],
                           int64_t account);

/* ---- session_find.c */
MUST_USE int session_lookup(struct sessions *, struct now, const uint8_t hash[SESSION_HASH],
                            const struct addr *peer, uint64_t owner);
bool session_lookup_answer(struct sessions *, struct now, const struct answer *, struct ref,
                           struct session_result *ret);

/* ---- session_sync.c */
MUST_USE int session_ask(struct sessions *, unsigned kind, struct ref, enum query,
                         const struct value *, size_t n);
void session_want(struct sessions *, struct now, struct session *, unsigned what);
void session_unwant(struct session *);
/* Writes as much as may be at the store at once. */
void session_pump(struct sessions *, struct now);
void session_sync_answer(struct sessions *, struct now, struct session *, const struct answer *);
void session_purge(struct sessions *, struct now);
void session_purge_answer(struct sessions *, struct now, const struct answer *);
nsec session_save_every(const struct sessions *);

/* ---- session_row.c */
void session_hex(const struct session *, char hex[TOKEN_HASH + 1]);
int64_t session_expires(const struct session *, struct now);
MUST_USE int session_ask_create(struct sessions *, struct now, struct session *);
MUST_USE int session_ask_save(struct sessions *, struct now, struct session *);
/* E_NOENT behind the last; E_FORMAT: it holds what we do not write. */
MUST_USE int session_row_next(const struct sessions *, struct span rows, size_t *at,
                              struct session_row *ret);

#endif
