/* What staff does to players here (core/order.h), and commands that players say to themselves
 * (docs/protocol-racing.md, "Commands"). */
#ifndef SLIPGATE_GAMES_RACING_ORDERS_H
#define SLIPGATE_GAMES_RACING_ORDERS_H

#include "games/racing/state.h"

/* As on_order, players and rooms of core/service.h. */
MUST_USE int orders_do(struct racing *, const struct order *);
void orders_players(const struct racing *, player_fn fn, void *ctx);
void orders_rooms(const struct racing *, room_fn fn, void *ctx);

/* A relay to oneself whose text begins with '/': sent to the staff, and lines wait for the answer.
 * False: nobody takes commands, so it is a relay like any other. */
MUST_USE bool orders_command(struct racing *, struct session *, struct span text);
/* A relayed text that the session `of` said or is told: its copy to whoever snoops on it. */
void orders_overheard(struct racing *, struct session *of, const struct session *from,
                      const struct session *to, struct span text);
/* The answer to one. */
void orders_answer(struct racing *, struct now, const struct answer *);

#endif
