/* Plays a script with a back end, step by step. */
#ifndef SLIPGATE_SCENARIO_PLAY_H
#define SLIPGATE_SCENARIO_PLAY_H

#include "back.h"
#include "forms.h"
#include "script.h"
#include "tmpl.h"

#define PLAY_PATIENCE   (10 * NSEC_PER_S) /* how long what is expected may take */
#define PLAY_TRANSCRIPT 12u
#define PLAY_STEPS_MAX  2000000u

struct client {
    char name[VAR_NAME_MAX];
    char ip[64];
    bool gone; /* it ended the connection itself */
    struct keys keys;
    enum form form;
    struct buf last;             /* its last datagram */
    struct buf heard;            /* the last datagram that came */
    struct buf messages;         /* of a datagram with several, not yet expected */
    uint64_t requests, replies;  /* lines that want an answer; lines that are answers */
    char *said[PLAY_TRANSCRIPT]; /* the latest lines both ways, cut; a ring */
    unsigned long said_n;
};

struct counted_metric {
    char *name;
    double last;
};

struct play {
    const struct script *script;
    struct back *back;
    bool soft; /* torture: an expectation that fails is passed over */
    bool started;
    struct vars vars;
    struct client *clients; /* BACK_CLIENTS_MAX */
    unsigned clients_n;
    struct setup setup;
    struct counted_metric *metrics;
    size_t metrics_n;
    const void *sender; /* who sent last without the server having been waited for */
    unsigned long steps, skipped, misses;
    struct buf *why;
    const struct step *at;
};

struct result {
    bool ok;
    unsigned long steps, skipped, misses;
};

/* Plays it to its end, the back end's included (which is gone then). why: what failed, with the
 * latest lines of the client concerned. */
struct result play(const struct script *, struct back *, bool soft, struct buf *why);

/* ---- between play.c and play_client.c ---- */

/* Says what failed at the present step. c may be NULL. Returns p->soft: whether to go on. */
bool play_miss(struct play *, const struct client *, const char *format, ...) PRINTF_LIKE(3, 4);
/* As play_miss, but what must hold even under torture. Returns false. */
bool play_wrong(struct play *, const struct client *, const char *format, ...) PRINTF_LIKE(3, 4);
nsec play_patience(const struct play *);
/* What was sent so far on other channels has been handled before this one is used. */
void play_order(struct play *, const void *channel);
void play_settle(struct play *);
/* A text with its names put in. false: said why. */
bool play_fill(struct play *, const char *text, struct buf *to);
struct client *play_client(struct play *, const char *name);
bool play_client_step(struct play *, const struct step *);
/* Nothing is left unread at the end. */
bool play_nothing_left(struct play *);
void play_client_fini(struct client *);

#endif
