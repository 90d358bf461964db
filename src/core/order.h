/* What staff may do to players through the service they play in, whatever the game: the resolved
 * form of a moderation command (admin/staff.h does words, permissions, audit and replies). A
 * service does what its game has and says E_SUPPORT to the rest. */
#ifndef SLIPGATE_CORE_ORDER_H
#define SLIPGATE_CORE_ORDER_H

#include "base/addr.h"
#include "base/buf.h"
#include "base/types.h"

enum order_kind {
    ORDER_KICK, /* the session ends; text: what the player reads */
    ORDER_TELL, /* text from the server to the session; without one: to everybody */
    ORDER_MUTE, /* the session may not chat, on: until unmuted */
    ORDER_JUMP, /* to another player (to), or to a position */
    ORDER_SPEED,
    ORDER_HEAL,
    ORDER_GIVE,
    ORDER_LEVEL,
    ORDER_MONEY,
    ORDER_CLEAR,
    ORDER_SNOOP, /* copies of what the session says and is told to the session to, on: until off;
                    off without a session: of nobody any more */
    ORDER_SHUT,  /* without a session. on: nobody signs in, until off */
};

struct order {
    enum order_kind kind;
    struct span session; /* whose; empty only where the kind says so */
    struct span to;      /* another session */
    struct span text;
    double at[3];
    int64_t amount;
    bool on;
};

/* One player that is online, as staff sees him. Spans are borrowed until the callback returns. */
struct player_view {
    struct span session, name, place; /* place: room or zone; may be empty */
    int64_t account;                  /* 0: not signed in */
    uint8_t level;
    bool muted;
    struct addr peer;
};

/* false: no more, please. */
typedef bool (*player_fn)(void *ctx, const struct player_view *);

/* One room, likewise. */
struct room_view {
    struct span id, name, host; /* host: a session */
    uint32_t players;
    bool active; /* a game runs in it */
};

typedef bool (*room_fn)(void *ctx, const struct room_view *);

#endif
