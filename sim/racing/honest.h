/* A player who does as the documents say, evening after evening: connects, logs in, looks round,
 * meets others in a room, drives, chats, leaves, comes back. He copes with whatever happens to an
 * honest client, and finds fault with what must not: an answer that does not fit, an update that
 * nobody sent, a right password that is refused ("bot-login"). */
#ifndef SLIPGATE_SIM_RACING_HONEST_H
#define SLIPGATE_SIM_RACING_HONEST_H

#include "sim/racing/calm.h"
#include "sim/racing/library.h"
#include "sim/racing/talk.h"

enum mood {
    MOOD_AWAY,
    MOOD_CONNECTING,
    MOOD_LOGIN,
    MOOD_LOBBY,
    MOOD_ROOM,
    MOOD_PARTING, /* said goodbye, or is about to be cut off */
    MOOD_HOME,
};

struct honest {
    struct bot b;
    struct talk talk;
    struct library lib;
    enum mood mood;
    nsec since; /* of the mood, or of the last answer */
    uint32_t pace_ms, failures, logins, steps, stay;
    enum udp_wish wish;
    bool pack;
    struct racing_claim *as;
    char room[BOT_ID + 1];
    char pick[BOT_ID + 1]; /* of the list: a room to join */
    char mate[BOT_ID + 1];
    uint32_t picks, mates;
    bool host, started, saw, leaving;
    struct ear ear;
    /* the calm */
    bool calm, leads, counted, done;
    uint32_t round;
    struct calm_group *group;
};

static inline struct honest *honest_of(struct bot *b)
{
    return CONTAINER_OF(b, struct honest, b);
}

/* Asks, by whichever voice it has; notes when it may not. */
bool honest_ask(struct honest *, enum request, const char *a, const char *b);
uint32_t honest_pending(const struct honest *);
/* Says its next datagram message. */
void honest_drive(struct honest *);
void honest_mood_set(struct honest *, enum mood);
/* Says BYE. */
void honest_part(struct honest *);

/* What it does with a turn (honest_turns.c): in the lobby and in a room. */
void honest_lobby(struct honest *);
void honest_room(struct honest *);
/* The calm's own answers to what it is told: a request was answered. */
void honest_calm_answered(struct honest *, enum request, bool ok);

#endif
