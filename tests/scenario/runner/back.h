/* What a conversation is held with: the racing service in this process on virtual time
 * (back_sim.c), or the real program behind real sockets (back_live.c). Clients are numbered by the
 * player of the script (play.h). Calls that can fail say why in words.
 *
 * One thread. A back end belongs to one run of one script. */
#ifndef SLIPGATE_SCENARIO_BACK_H
#define SLIPGATE_SCENARIO_BACK_H

#include "base/buf.h"
#include "script.h"

#define BACK_CLIENTS_MAX 1024u
#define BACK_DGRAM_MAX   65536u

enum ending { END_CLOSE, END_RESET, END_HALF };

struct setting {
    const char *key, *value;
};

struct setup {
    struct setting *settings;
    size_t settings_n;
    struct account_spec {
        const char *name, *password;
        bool legacy;
    } * accounts;
    size_t accounts_n;
    uint64_t drain_s; /* of the script's `drain`, for a server that must know it beforehand */
};

struct back;

struct back_ops {
    const char *name;
    int only; /* ONLY_SIM or ONLY_LIVE: the marked steps it plays */
    /* false: why. Before any other call. */
    bool (*start)(struct back *, const struct setup *, struct buf *why);
    /* Ends everything and says whether the end was clean. Once, after which the back is gone. */
    bool (*finish)(struct back *, struct buf *why);
    bool (*open)(struct back *, unsigned who, const char *ip, unsigned flags, struct buf *why);
    /* What cannot be sent because the link is gone is not an error; false: the server does not take
     * what it was sent before, and more than its host and ours would hold waits. */
    bool (*send)(struct back *, unsigned who, struct span);
    void (*end)(struct back *, unsigned who, enum ending);
    void (*stall)(struct back *, unsigned who, bool stalled);
    /* The next line that has come, without its LF. */
    bool (*line)(struct back *, unsigned who, struct buf *to);
    /* Whether the server ended the connection (and everything that came is in the lines). */
    bool (*closed)(struct back *, unsigned who);
    void (*cast)(struct back *, unsigned who, const char *ip, unsigned port, struct span);
    long (*catch)(struct back *, unsigned who, unsigned port, uint8_t to[BACK_DGRAM_MAX]);
    /* Returns when the server has handled all that was sent. */
    void (*settle)(struct back *);
    /* Lets time pass until something may have changed, *left of it at most. false: none is left. */
    bool (*wait)(struct back *, nsec *left);
    void (*advance)(struct back *, nsec);
    bool (*configure)(struct back *, const struct setup *, struct buf *why);
    bool (*drain)(struct back *, nsec, struct buf *why);
    bool (*restart)(struct back *, bool crash, const struct setup *, struct buf *why);
    /* false: there is no such metric. labels: `a="b"` or "". */
    bool (*metric)(struct back *, const char *name, const char *labels, double *ret);
    /* Everything that was logged. */
    struct span (*log)(struct back *);
    /* Only in the simulated world; NULL elsewhere. */
    void (*fault)(struct back *, const struct step *);
    void (*kick)(struct back *, const char *id);       /* "": all */
    void (*close_room)(struct back *, const char *id); /* "": all */
};

struct back {
    const struct back_ops *ops;
};

/* ---- the two kinds ---- */

/* What torture wants of a simulated run; zeroed: nothing. */
struct torment {
    unsigned long memory_nth; /* this request for memory fails... */
    bool memory_from;         /* ...and all after it */
    unsigned long ask_nth;
    int ask_how;        /* enum ask_fault */
    unsigned long asks; /* out: asks of this run */
    bool fired;         /* out */
    bool no_service;    /* out: the service could not even be made */
};

/* torment may be NULL. */
struct back *back_sim(struct torment *);

struct live_cfg {
    const char *binary;
    double slowness; /* multiplies deadlines */
    bool keep;       /* leave the folder with log and data */
    /* What the servers are told of store and cache instead of their own; NULL: nothing. In it "{}"
     * is the number of the script. */
    const char *store_url, *cache_url;
    unsigned number; /* of the script, from 1 */
};

struct back *back_live(const struct live_cfg *);

#endif
