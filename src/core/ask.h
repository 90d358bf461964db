/* Asks: the only way from a service to storage and slow work. Every ask that was accepted gets
 * exactly one answer, possibly late, possibly failed; an answer E_STORE to a write says "not known
 * to be done" and leaves open whether it was. Spans in an ask are borrowed until submit returns. */
#ifndef SLIPGATE_CORE_ASK_H
#define SLIPGATE_CORE_ASK_H

#include "base/value.h"

#define ACCOUNT_NAME_MAX    255u /* bytes of UTF-8 the store can hold; games set lower limits */
#define PASSWORD_MAX        72u  /* what bcrypt takes in; longer would be cut silently */
#define PASSWORD_LEGACY_MAX 1024u
#define PASSWORD_RECORD_MAX 127u
#define OTP_SECRET_MIN      16u
#define OTP_SECRET_MAX      64u

#define NODE_MAX 32u /* bytes of a process's name among its like */

enum ask_to {
    ASK_TO_STORE,
    ASK_TO_HASH,
    ASK_TO_PRESENCE, /* core/presence.h */
    ASK_TO_STAFF,    /* admin/staff.h: moderation commands said in chat */
    ASK_TO_N
};

/* Privilege levels; a higher one holds what the lower ones may. */
enum account_level { LEVEL_PLAYER = 1, LEVEL_GAME_MASTER = 2, LEVEL_ADMIN = 3 };

enum ask_kind {
    ASK_ACCOUNT_FIND,         /* store: E_NOENT when there is none */
    ASK_ACCOUNT_CREATE,       /* store: E_EXISTS when the name is taken */
    ASK_ACCOUNT_SET_PASSWORD, /* store: replaces `old` only if it is still the record: E_STALE */
    ASK_ACCOUNT_TOUCH,        /* store: last login */
    ASK_HASH_MAKE,            /* hash: password to record */
    ASK_QUERY,                /* store: core/query.h */
    ASK_HASH_VERIFY,          /* hash: E_AUTH when the password is wrong */
    ASK_HASH_OTP,             /* hash: E_AUTH when a one-time code is wrong (RFC 6238) */
    ASK_CLAIM,   /* presence: the account is signed in to a game here from now on; E_EXISTS where it
                    is elsewhere and may not be replaced */
    ASK_RELEASE, /* presence: and no longer */
    ASK_COMMAND, /* staff: a line that begins with '/' */
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
    uint32_t password_min;   /* shortest minimum length its password was accepted under */
    uint8_t level;           /* enum account_level */
    bool suspended;          /* by an admin, until he takes it back */
    bool muted;              /* may not chat, in any game */
    bool second_factor;      /* a one-time code is wanted beside the password */
    int64_t locked_until_ms; /* too many failures from many addresses; 0: not locked */
};

struct ask {
    enum ask_kind kind;
    union {
        struct {
            struct span name; /* empty: by id */
            bool fold;        /* ignore ASCII letter case */
            bool email;       /* where it holds an '@', an email address first */
            int64_t id;
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
            struct span address; /* as text, may be empty */
        } touch;
        struct {
            uint16_t query; /* enum query */
            uint8_t n;
            const struct value *v; /* borrowed until submit returns, like its texts */
        } query;
        struct {
            struct span secret; /* the key itself, OTP_SECRET_MIN to OTP_SECRET_MAX bytes */
            struct span code;   /* as typed: six digits */
            int64_t unix_ms;
        } otp;
        struct {
            int64_t account;
            struct span game;
            bool replace; /* end the one elsewhere; otherwise E_EXISTS */
            bool server;  /* one session in all games together, not one a game */
        } claim;
        struct {
            int64_t account;
            struct span game;
        } release;
        struct {
            struct span line; /* with its '/' */
            struct span game, player, session;
            int64_t account;
            uint8_t level;
            struct span account_name, address;
        } command;
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
    int rc; /* 0; E_NOENT, E_EXISTS, E_STALE, E_AUTH as above, or what core/query.def says; E_BUSY
               waited too long; E_STORE; E_CRYPTO */
    union {
        struct account account;          /* FIND, CREATE (id and name) */
        struct password_record password; /* MAKE */
        bool rehash;      /* VERIFY: right, but the record is of an old scheme or cost */
        struct span rows; /* QUERY: for query_next, borrowed until the answer was taken */
        int64_t otp_step; /* OTP: the time step it was right for; to be used once */
        struct span text; /* COMMAND: lines for the player, borrowed likewise; empty: not a command,
                             or nothing to say */
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
