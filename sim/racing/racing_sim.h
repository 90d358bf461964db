/* What the racing simulation's two halves share: the bots, who play, and the oracle, who looks on
 * through the tap and judges. game.c makes both; sim->game_state is a struct racing_sim.
 *
 * Neither half calls the other. What the bots know and the oracle cannot see by itself stands in
 * the ledger and in the marks below.
 *
 * Names are given out so that no two bots claim one name with different passwords: whoever has a
 * claim uses this password for it, always, and a wrong one only against a name that was
 * acknowledged (else a guess would register it). So nobody is ever to be let in under a claimed
 * name with another password, whatever happened in between. */
#ifndef SLIPGATE_SIM_RACING_SIM_H
#define SLIPGATE_SIM_RACING_SIM_H

#include "sim/racing/settings.h"

struct bots;
struct racing_oracle;

#define RACING_CLAIMS_MAX 1024u

struct racing_claim {
    char name[65], password[73]; /* of an account; ASCII, ended with NUL */
    /* Logins with it (NAME_OK with "authenticated":true, or AUTH_OK) of which the client got the
     * whole line. From the first on the account is there for good, whatever crashes. */
    uint64_t acknowledged;
};

struct racing_sim {
    struct bots *bots;
    struct racing_oracle *oracle;
    struct racing_claim claims[RACING_CLAIMS_MAX];
    size_t claims_n;
    struct rules rules;
};

static inline struct racing_sim *racing_sim(const struct sim *s)
{
    return s->game_state;
}

/* ---- marks ---- */

/* A message that somebody else made in a player's name holds this member: "forged":1. Each player's
 * own messages hold "bot":N,"n":M, N being the bot's number and M one higher each time. */
#define RACING_FORGED "\"forged\":1"
/* Wrong passwords begin so, right ones never do. */
#define RACING_WRONG "wrong-"

/* ---- the halves ---- */

/* E_NOMEM. Bots come when the oracle is there and go before it. */
MUST_USE int bots_create(struct sim *, struct bots **ret);
void bots_destroy(struct sim *, struct bots *); /* NULL is fine */

MUST_USE int racing_oracle_create(struct sim *, struct racing_oracle **ret);
void racing_oracle_destroy(struct sim *, struct racing_oracle *); /* NULL is fine */
/* Its functions for struct sim_game.tap stand in sim/racing/oracle.h as an initialiser,
 * RACING_ORACLE_TAP: {.started = ..., ...}. */

#endif
