/* A chain of records that cannot be changed unnoticed.
 *
 * Records are numbered from 1 without gaps. Each is kept with a link: the hash before it and its
 * own, SHA-256 over the hash before it and the record's bytes, which hold its number. So an edit, a
 * gap or a swap shows at its record. Whoever can write the store could write all hashes anew; that
 * is what heads are for, signed from time to time with Ed25519 (RFC 8032): record SEQ had HASH. A
 * cut is a head that also says that all records up to SEQ were dropped on purpose; with it, the
 * rest is verified from there.
 *
 * What a chain cannot show: the newest records removed together with the heads that tell of them.
 * Keep a copy of the newest head elsewhere, and hand it in last.
 *
 * Ownership: everything is the caller's; keys are borrowed for the call. Threads: one at a time for
 * a hasher and whatever uses it. Limits: bytes of CHAIN_RECORD_MAX a record, CHAIN_KEYS_MAX keys.
 * Memory: a record costs none; a head what libcrypto takes meanwhile. */
#ifndef SLIPGATE_WIRE_CHAIN_H
#define SLIPGATE_WIRE_CHAIN_H

#include "base/buf.h"
#include "base/types.h"

#define CHAIN_HASH       32u
#define CHAIN_KEY        32u /* Ed25519, private (the seed) and public alike */
#define CHAIN_SIGNATURE  64u
#define CHAIN_RECORD_MAX 65536u
#define CHAIN_KEYS_MAX   8u /* old and new public keys of one verification */
#define CHAIN_SEQ_MAX    ((uint64_t)INT64_MAX)
#define CHAIN_LINE_MAX   512u /* a head as text */
#define CHAIN_WORDS_MAX  200u

struct chain_hash {
    uint8_t b[CHAIN_HASH];
};

struct chain_link {
    struct chain_hash prev, own;
};

struct chain_hasher;

MUST_USE int chain_hasher_create(struct chain_hasher **ret); /* E_NOMEM */
void chain_hasher_destroy(struct chain_hasher *);

/* Where a chain stands. A plain value: copy it before a batch, and take the copy back when the
 * batch was not stored. */
struct chain {
    struct chain_hash origin; /* what the first record's prev is */
    struct chain_hash last;   /* of record seq */
    uint64_t seq;             /* 0: no record yet */
};

/* id: what tells this chain from others under the same key, at most CHAIN_RECORD_MAX bytes. A
 * chain that goes on is begun with its id; then set seq and last. */
MUST_USE int chain_begin(struct chain *ret, struct chain_hasher *, struct span id);
/* Adds record c->seq + 1. E_LIMIT: too long, or the numbers are used up; E_CRYPTO. Neither changes
 * c. */
MUST_USE int chain_append(struct chain *c, struct chain_hasher *, struct span record,
                          struct chain_link *ret);

enum chain_head_kind { CHAIN_SIGNED = 1, CHAIN_CUT = 2 };

struct chain_head {
    enum chain_head_kind kind;
    uint64_t seq;
    int64_t at_ms; /* unix, not negative */
    struct chain_hash hash;
    uint8_t signature[CHAIN_SIGNATURE];
};

/* E_CRYPTO. */
MUST_USE int chain_public_key(const uint8_t private_key[CHAIN_KEY], uint8_t ret[CHAIN_KEY]);
/* Signs where c stands; for a cut, c stands at the last record to be dropped. E_RANGE for a kind or
 * time that is none, or an empty chain; E_CRYPTO. */
MUST_USE int chain_head_sign(struct chain_head *ret, const struct chain *c,
                             enum chain_head_kind kind, int64_t at_ms,
                             const uint8_t private_key[CHAIN_KEY]);
/* E_AUTH: not signed so by this key for the chain of that origin; E_CRYPTO. */
MUST_USE int chain_head_check(const struct chain_head *h, const struct chain_hash *origin,
                              const uint8_t public_key[CHAIN_KEY]);

/* One JSON object without a line end: {"head":"signed","seq":1,"time_ms":1,"hash":H,"signature":S}.
 * The reader wants each member once and no others; the signature is not checked. E_LIMIT, E_FORMAT,
 * E_RANGE; why (may be NULL) then says what is wrong. */
void chain_head_write(struct buf *to, const struct chain_head *h);
MUST_USE int chain_head_read(struct chain_head *ret, struct span line, struct buf *why);
/* Whether a line is meant as a head: it begins as chain_head_write begins one. */
bool chain_head_line(struct span line);

enum chain_fault {
    CHAIN_GOOD,        /* all that was fed is whole and signed */
    CHAIN_UNSIGNED,    /* whole; seq to `to` came after the last signed head */
    CHAIN_EDITED,      /* seq's bytes or link were changed */
    CHAIN_REHASHED,    /* seq, perhaps a row of records from `from` to it, got new hashes */
    CHAIN_REMOVED,     /* seq to `to` are missing */
    CHAIN_REORDERED,   /* record `found` stands in seq's place, which comes later */
    CHAIN_INSERTED,    /* record `found` was put in before seq */
    CHAIN_REWRITTEN,   /* one or more of seq to `to`: `to` has not the signed hash */
    CHAIN_HEAD_FORGED, /* the head of seq is signed by none of the keys */
    CHAIN_HEAD_ORDER,  /* the head of seq came after record `to` */
};

struct chain_report {
    enum chain_fault fault;  /* the first */
    uint64_t seq, to, from;  /* as above, else 0 */
    uint64_t found;          /* the number a record in the wrong place bears, else 0 */
    uint64_t start;          /* records up to here were cut */
    uint64_t records, heads; /* fed */
    uint64_t signed_to;      /* the last record a head vouches for */
};

/* Fed records and heads in order, each head behind the record it names. Never stops: what comes
 * after the first fault tells removed from moved. The members are the verifier's own. */
struct chain_verifier {
    struct chain_hasher *hasher;
    struct chain at; /* the last good record */
    size_t keys_n;
    uint8_t keys[CHAIN_KEYS_MAX][CHAIN_KEY];
    struct chain_report report;
    uint64_t later_max; /* after the fault */
    bool fresh;         /* nothing came since the fault */
};

/* origin: c->origin of chain_begin. cut: the newest cut, or NULL where nothing was ever dropped; a
 * forged one is the first fault. keys: public, 1 to CHAIN_KEYS_MAX, else E_RANGE. */
MUST_USE int chain_verify_begin(struct chain_verifier *v, struct chain_hasher *,
                                const struct chain_hash *origin, const uint8_t (*keys)[CHAIN_KEY],
                                size_t keys_n, const struct chain_head *cut);
/* seq: the number in the record's bytes. E_LIMIT: too long (say so; nothing was fed), E_CRYPTO. */
MUST_USE int chain_verify_record(struct chain_verifier *v, uint64_t seq, struct span record,
                                 const struct chain_link *link);
/* Heads of records that were cut away are only checked for their signature. E_CRYPTO. */
MUST_USE int chain_verify_head(struct chain_verifier *v, const struct chain_head *h);
/* What is known so far. */
void chain_verify_report(const struct chain_verifier *v, struct chain_report *ret);
/* One sentence for people; returns text. */
const char *chain_words(const struct chain_report *r, char text[CHAIN_WORDS_MAX]);

#endif
