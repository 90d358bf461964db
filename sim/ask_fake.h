/* Answers asks from an account map in memory: at once, after a delay, or when told; and wrongly in
 * the ways a real store and hash pool can be wrong. "Hashes" are fast and worthless. */
#ifndef SLIPGATE_SIM_ASK_FAKE_H
#define SLIPGATE_SIM_ASK_FAKE_H

#include "base/types.h"
#include "core/ask.h"
#include "core/query.h"

#define ASK_FAKE_ACCOUNTS 1200u
#define ASK_FAKE_PENDING  300u
#define ASK_FAKE_KINDS    (ASK_COMMAND + 1u)
#define ASK_FAKE_TEXTS    1024u /* bytes of all texts of one query */
#define ASK_FAKE_ROWS     512u  /* of each table below */

enum ask_fault {
    ASK_FINE,
    ASK_REFUSED, /* submit says E_BUSY */
    ASK_FAILED,  /* answered E_STORE or E_CRYPTO, nothing was done */
    ASK_BUSY,    /* answered E_BUSY: it waited too long */
    ASK_LOST,    /* done, but answered E_STORE */
};

struct ask_fake_account {
    struct account account;
    int64_t created_ms, touched_ms;
    unsigned touches;
    char otp_sealed[128]; /* "": none */
    int64_t otp_step;
};

/* A row of known addresses (text: prefix, at: when), resume tokens (text: hash, at: expires), or
 * recovery codes (text: hash). */
struct ask_fake_row {
    int64_t account, at;
    char text[65];
};

struct ask_fake_table {
    struct ask_fake_row rows[ASK_FAKE_ROWS]; /* the oldest goes when there are more */
    uint32_t n;
};

/* A row of the audit, its texts in the order of AUDIT_APPEND: game to details, prev, hash. */
struct ask_fake_audit {
    int64_t seq, at_ms;
    uint16_t type, subtype;
    struct span texts[8];
};

struct ask_fake_desks;

struct ask_pending { /* a copy of everything in the ask */
    struct ask ask;
    uint64_t req;
    nsec due; /* NSEC_NEVER: when told */
    enum ask_fault fault;
    uint8_t name_n;
    char name[ACCOUNT_NAME_MAX];
    size_t password_n;
    uint8_t password[PASSWORD_LEGACY_MAX];
    struct password_record a, b;
    struct value v[QUERY_VALUES];
    char texts[ASK_FAKE_TEXTS];
};

struct ask_fake {
    struct ask_fake_account accounts[ASK_FAKE_ACCOUNTS];
    uint32_t accounts_n;
    struct ask_pending pending[ASK_FAKE_PENDING]; /* oldest first */
    uint32_t pending_n;
    char said[64]; /* the answer to a command, until the next one */
    nsec delay;    /* NSEC_NEVER: answers wait until told */
    enum ask_fault fault[ASK_FAKE_KINDS];
    uint32_t fault_times[ASK_FAKE_KINDS]; /* how many asks of the kind it still befalls */
    uint64_t asked[ASK_FAKE_KINDS];
    uint64_t cancelled; /* of those that were pending */

    /* Queries (ask_fake_query.c): those of a login are answered, others with E_SUPPORT; with desks,
     * those of the desks too (ask_fake_desks.c). */
    struct ask_fake_desks *desks;
    struct ask_fake_table known, tokens, recovery;
    uint64_t queried[QUERY_N];
    struct buf rows; /* of the last answer */
    uint8_t space[65536];
    int64_t otp_right; /* the time step the right code, "123456", is of */
    int claim;         /* what claims are answered with: 0 or E_EXISTS */
    uint64_t claims, releases;
    bool claim_replace, claim_server; /* of the last one */
    int lock;                         /* what QUERY_ACCOUNT_LOCK is answered with */
};

/* The next n asks of a kind go wrong in this way. */
void ask_fake_fault(struct ask_fake *, enum ask_kind, enum ask_fault, uint32_t n);
/* 0 or E_BUSY, as host_ask. */
int ask_fake_submit(struct ask_fake *, struct now, const struct ask *, uint64_t req);
/* Nobody waits for the answer: work of the hash kind is skipped, the answer comes at once. */
void ask_fake_cancel(struct ask_fake *, uint64_t req);
/* When the next answer is due: NSEC_NEVER for none. */
nsec ask_fake_due(const struct ask_fake *);
/* Does the ask at index i of the queue, takes it out, and fills in its answer. */
void ask_fake_take(struct ask_fake *, struct now, uint32_t i, struct answer *ret);
/* Registers an account as if it had been there before. legacy: an imported record that wants to be
 * hashed again. */
struct ask_fake_account *ask_fake_account(struct ask_fake *, const char *name, const char *password,
                                          uint32_t password_min, bool legacy);
/* Copies the parameters into p; does the query. For ask_fake.c. */
void ask_fake_query_copy(struct ask_fake *, struct ask_pending *p);
int ask_fake_query(struct ask_fake *, struct now, const struct ask_pending *p, struct answer *ret);
int ask_fake_desks_query(struct ask_fake *, struct now, enum query, const struct value *,
                         struct answer *ret);
/* Tables for the desks' queries: the caller's, who sets them. */
struct ask_fake_desks *ask_fake_desks_create(void);
void ask_fake_desks_destroy(struct ask_fake_desks *); /* NULL is fine */
bool ask_fake_ban(const struct ask_fake *, int64_t id);
/* The ith by number from 0, or NULL. */
const struct ask_fake_audit *ask_fake_audit(const struct ask_fake *, uint32_t i);
const struct ask_fake_account *ask_fake_find(const struct ask_fake *, struct span name, bool fold);

#endif
