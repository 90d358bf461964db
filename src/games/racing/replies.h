/* What the service says on a stream: one compact JSON object a line, "command" first, keys in the
 * order of docs/protocol-racing.md. A session that does not read is ended. */
#ifndef SLIPGATE_GAMES_RACING_REPLIES_H
#define SLIPGATE_GAMES_RACING_REPLIES_H

#include "games/racing/state.h"

void reply_welcome(struct racing *, struct session *);
/* {"command":C} */
void reply_bare(struct racing *, struct session *, const char *command);
/* {"command":C,"message":M}: ERROR, AUTH_FAILED, BYE_ADMIN. M holds neither ',' nor ':' nor '"'. */
void reply_message(struct racing *, struct session *, const char *command, const char *message);
static inline void reply_error(struct racing *g, struct session *s, const char *message)
{
    reply_message(g, s, "ERROR", message);
}
void reply_unknown(struct racing *, struct session *, struct span command);
/* udp_aead: the text of the negotiated object, or empty. resume: a token, or "". */
void reply_name_ok(struct racing *, struct session *, struct span udp_aead, const char *resume);
void reply_auth_ok(struct racing *, struct session *, struct span udp_aead);
void reply_room_created(struct racing *, struct session *, const struct room *);
/* JOIN_OK, LEAVE_OK */
void reply_room_id(struct racing *, struct session *, const char *command, const char *id);
void reply_room_list(struct racing *, struct session *);
void reply_room_players(struct racing *, struct session *, const struct room *);
void reply_player_info(struct racing *, struct session *);
void reply_relay_ok(struct racing *, struct session *, struct span target);
void reply_relayed(struct racing *, struct session *to, const struct session *from,
                   struct span text);
/* RELAYED_MESSAGE from the server itself. */
void reply_from_server(struct racing *, struct session *, struct span text);
/* To every member, then the second line for the host. */
void reply_game_started(struct racing *, struct room *);
/* PLAYER_JOINED, PLAYER_LEFT to every other member, where the configuration wants it. */
void reply_room_event(struct racing *, struct room *, const struct session *who,
                      const char *command);
/* ROOM_CLOSED, to one who was in it. */
void reply_room_closed(struct racing *, struct session *, const char *room_id);
void reply_server_closing(struct racing *, struct session *, uint64_t seconds);

#endif
