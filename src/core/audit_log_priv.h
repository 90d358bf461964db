/* Between audit_log*.c: the log's state.
 *
 *   STARTING   neither tail nor spool known: records wait without a number
 *   DIRECT     records go to the store, a group at a time
 *   DOWN       the store did not take a group: records go to the spool; retry_at tries the store
 *   REPLAYING  the store is tried with what the spool holds; records wait until that is through
 *
 * A record leaves memory when it and all before it are in the store or in the spool. */
#ifndef SLIPGATE_CORE_AUDIT_LOG_PRIV_H
#define SLIPGATE_CORE_AUDIT_LOG_PRIV_H

#include "core/audit_log.h"
#include "core/query.h"

#define RETRY_FIRST (1 * NSEC_PER_S)
#define RETRY_MAX   (30 * NSEC_PER_S)

#define AUDIT_SPOOL_CHUNK (1u << 20) /* bytes appended to the spool in one go */

enum phase { STARTING, DIRECT, DOWN, REPLAYING };

enum { /* rows of the metrics */
       M_STORED,
       M_SPOOLED,
       M_DROPPED,
       M_WAITING,
       M_SPOOL,
       M_HEADS,
       AUDIT_METRICS_N
};

/* One record with its texts; r's spans point into text. */
struct rec {
    struct rec *next;
    struct audit_record r; /* seq 0: not numbered yet */
    struct chain_link link;
    bool stored;
    bool tried; /* it may be there already */
    uint8_t text[];
};

struct sync {
    uint64_t upto; /* of taken */
    audit_log_fn fn;
    void *ctx;
};

enum req { /* of asks; a group's are REQ_GROUP + index */
           REQ_TAIL,
           REQ_HEAD,
           REQ_TRIM,
           REQ_GROUP
};

/* Dropping what is too old, one question after the other. */
enum trim_step { TRIM_IDLE, TRIM_FIRST, TRIM_KEEP, TRIM_NEWEST, TRIM_CUT, TRIM_PURGE, TRIM_HEADS };

struct audit_log {
    struct audit_log_cfg cfg;
    char node[NODE_MAX + 1];
    size_t metric_base;
    struct chain_hasher *hasher;
    struct chain chain;  /* the newest record that has a number */
    struct chain stored; /* up to here the store has all */
    uint64_t headed;     /* the newest signed head; 0: not known */
    enum phase phase;
    bool down; /* said so in the log */
    bool closing;
    bool last_try; /* of the store, since the close */
    bool gave_up;  /* nobody takes what is left */

    struct rec *first, **last; /* in memory, by number */
    size_t n;
    uint64_t taken, safe; /* records taken in, and gone from memory, since the start */
    uint64_t dropped;     /* not yet told */
    nsec flush_at;        /* NSEC_NEVER: nothing waits */

    struct rec *group[AUDIT_GROUP]; /* with the store, unless it is replayed */
    size_t group_n, group_out;
    int group_rc; /* the first failure */

    nsec retry_at, retry_after;
    bool tail_out, tail_known;
    struct chain_hash tail;
    uint64_t tail_seq; /* 0: none */

    bool spool_out, spool_read, spool_bad;

    uint64_t spooled;            /* lines in the spool */
    struct span replay;          /* the spool's text, while replaying and at the start */
    size_t replay_at, replay_to; /* the group */
    bool replay_bad;             /* a line of it could not be read */
    struct chain replay_end;     /* where the chain stands behind the group */
    struct buf lines;            /* being appended to the spool */
    size_t lines_n;

    bool head_out, head_failed;
    struct chain head_of;
    nsec head_at; /* NSEC_NEVER: nothing new */

    enum trim_step trim;
    bool trim_out;
    nsec trim_at;
    uint64_t trim_from, trim_to; /* the oldest record; the last to be dropped */
    struct chain_hash trim_hash; /* of trim_to */
    int64_t trim_before_ms;

    struct sync syncs[AUDIT_SYNCS_MAX];
    size_t syncs_at, syncs_n;

    nsec woken; /* what wake was told last */
    nsec said_at;
    uint32_t said_left; /* security records that may still be logged now */
    uint64_t unsaid;
};

/* ---- audit_log.c */

void audit_count(struct audit_log *, size_t row, uint64_t n);
void audit_gauges(struct audit_log *);
/* Numbers and chains everything that waits for it. */
void audit_number(struct audit_log *);
/* The oldest n records are safe: frees them. */
void audit_settled(struct audit_log *, size_t n);
/* Nobody takes what waits: says so to all that wait for it. */
void audit_fail_syncs(struct audit_log *, struct now, int rc);
/* A record of the log's own, about itself. */
void audit_tell(struct audit_log *, struct now, uint16_t subtype, const char *details);
/* The end of every callback. */
void audit_turn(struct audit_log *, struct now);
struct ask_owner audit_owner(struct audit_log *, uint64_t req);

/* ---- audit_log_store.c: records to store and spool */

void audit_start(struct audit_log *, struct now);
void audit_store_advance(struct audit_log *, struct now);
void audit_store_answer(struct audit_log *, struct now, const struct answer *);
void audit_tail_answer(struct audit_log *, struct now, const struct answer *);
nsec audit_store_deadline(const struct audit_log *);

/* ---- audit_log_head.c */

void audit_head_advance(struct audit_log *, struct now);
void audit_head_answer(struct audit_log *, struct now, const struct answer *);
nsec audit_head_deadline(const struct audit_log *);
/* What is in the store has grown. */
void audit_head_grown(struct audit_log *, struct now);
/* Signs a head and asks the store to keep it. E_CRYPTO, E_BUSY. */
MUST_USE int audit_head_put(struct audit_log *, struct now, const struct chain *,
                            enum chain_head_kind, uint64_t req);

/* ---- audit_log_trim.c */

void audit_trim_start(struct audit_log *, struct now);
void audit_trim_advance(struct audit_log *, struct now);
void audit_trim_answer(struct audit_log *, struct now, const struct answer *);
nsec audit_trim_deadline(const struct audit_log *);

#endif
