/* Rooms: who is in which, who is host, where everybody spawns. No bytes are made here. */
#ifndef SLIPGATE_GAMES_RACING_ROOMS_H
#define SLIPGATE_GAMES_RACING_ROOMS_H

#include "games/racing/state.h"

struct spawn {
    float x, y, z;
};

/* Creates a room whose host will be s: it is empty, and s must leave the room it is in and join
 * this one at once. The caller has looked at racing.max_rooms. E_FULL, E_NOMEM. */
MUST_USE int room_create(struct racing *, struct session *s, struct span name, struct room **ret);
/* The room with this id, or NULL. */
struct room *room_find(const struct racing *, struct span id);
/* Whether s could join: not active, not full, not already in it. */
bool room_admits(const struct racing *, const struct room *, const struct session *s);
/* s must be in no room and the room must admit it. */
void room_join(struct racing *, struct room *, struct session *s);
/* Takes s out of its room, if it is in one: the oldest remaining member becomes host, an empty room
 * is removed. */
void room_leave(struct racing *, struct session *s);
/* Grid slot i, counted in join order (docs/protocol-racing.md, "Spawn positions"). */
struct spawn room_spawn(uint32_t i);
static inline struct session *room_member(struct list *node)
{
    return CONTAINER_OF(node, struct session, in_room);
}

#endif
