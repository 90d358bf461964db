/* Asks: the only way from a service to storage and slow work. Every ask that was accepted gets
 * exactly one answer, possibly late, possibly failed; an answer E_STORE to a write says "not known
 * to be done" and leaves open whether it was. Spans in an ask are borrowed until submit returns. */
#ifndef SLIPGATE_CORE_ASK_H
#define SLIPGATE_CORE_ASK_H

#include "base/types.h"

#define ACCOUNT_NAME_MAX    255u /* bytes of UTF-8 the store can hold; games set lower limits */
#define PASSWORD_MAX        72u  /* what bcrypt takes in; longer would be cut silently */
#define PASSWORD_LEGACY_MAX 1024u
#define PASSWORD_RECORD_MAX 127u

enum ask_to { ASK_TO_STORE, ASK_TO_HASH };

enum ask_kind {
    ASK_ACCOUNT_FIND,         /* store: E_NOENT when there is none */
    ASK_ACCOUNT_CREATE,       /* store: E_EXISTS when the name is taken */
    ASK_ACCOUNT_SET_PASSWORD, /* store: replaces `old` only if it is still the record: E_STALE */
    ASK_ACCOUNT_TOUCH,        /* store: last login */
    ASK_HASH_MAKE,            /* hash: password to record */
    ASK_HASH_VERIFY,          /* hash: E_AUTH when the password is wrong */
};

/* A password record as stored; its text names its scheme: "$2b$..." (bcrypt) or "{sha256}" and
 * base64 (imported, verified once and replaced). */
struct password_record {
    uint8_t n;
    char text[PASSWORD_RECORD_MAX + 1];
};

struct account {
    int64_t id;
    uint8_t name_n;
    char name[ACCOUNT_NAME_MAX + 1];
    struct password_record password;
    uint32_t password_min; /* shortest minimum length its password was accepted under */
};

struct ask {
    enum ask_kind kind;
    union {
        struct {
            struct span name;
            bool fold; /* ignore ASCII letter case */
        } find;
        struct {
            struct span name;
            bool fold; /* refuse a name that differs from another only in ASCII letter case */
            const struct password_record *password;
            uint32_t password_min;
            int64_t unix_ms;
        } create;
        struct {
            int64_t id;
            const struct password_record *old, *password;
            uint32_t password_min;
        } set_password;
        struct {
            int64_t id;
            int64_t unix_ms;
        } touch;
        struct {
            struct span password; /* 1 to PASSWORD_MAX bytes, no NUL */
        } make;
        struct {
            struct span password; /* up to PASSWORD_LEGACY_MAX bytes */
            const struct password_record *record;
        } verify;
    } u;
};

struct answer {
    uint64_t req;
    enum ask_kind kind;
    int rc; /* 0; E_NOENT, E_EXISTS, E_STALE, E_AUTH as above; E_BUSY waited too long; E_STORE;
               E_CRYPTO */
    union {
        struct account account;          /* FIND, CREATE (id and name) */
        struct password_record password; /* MAKE */
        bool rehash; /* VERIFY: right, but the record is of an old scheme or cost */
    } u;
};

/* Who gets the answer: called on the loop's thread, never from within submit. */
struct ask_owner {
    void (*answer)(void *ctx, struct now, const struct answer *);
    void *ctx;
    uint64_t req;
};

/* Something that answers asks of one destination. submit: 0 (one answer will come) or E_BUSY (the
 * queue is full or its waiting time too long: no answer will come). */
struct ask_port {
    int (*submit)(struct ask_port *, const struct ask *, struct ask_owner);
    /* Nobody waits for the answer any more: work not yet begun is skipped. The answer comes all the
     * same. NULL where skipping is not worth the while; unknown asks are fine. */
    void (*cancel)(struct ask_port *, const void *ctx, uint64_t req);
};

enum ask_to ask_destination(enum ask_kind kind);

#endif
