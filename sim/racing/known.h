/* What bots say in datagrams, and what they make of what they hear. The Mth message of bot N is a
 * function of N, M, the session and the room, so whoever receives one can tell whether N said it:
 * a message that holds together came from a member of one's room and was not altered, replayed or
 * made up on the way, as far as the ciphers of both promise that (docs/protocol-racing.md,
 * "Datagrams"). What does not is the finding "bot-updates". */
#ifndef SLIPGATE_SIM_RACING_KNOWN_H
#define SLIPGATE_SIM_RACING_KNOWN_H

#include "sim/racing/bot.h"
#include "wire/seal.h"

#define DRIVE_TEXT_MAX 600u

enum drive_kind { DRIVE_UPDATE, DRIVE_NESTED, DRIVE_FLAT };
enum drive_style {
    DRIVE_COMPACT,
    DRIVE_SPACED,  /* blanks, tabs and line feeds, members in another order */
    DRIVE_MISSING, /* values left out: the server writes it anew */
};

struct drive {
    uint32_t bot;
    uint64_t n;
    enum drive_kind kind;
    enum drive_style style;
    bool null_room; /* says so where it is in none, or does not tell */
    int v[7];       /* in quarters: x y z x y z w, or steering throttle brake timestamp */
};

/* Message n of a bot; libslipgate always writes compactly. */
void drive_make(struct drive *, uint32_t bot, bool library, uint64_t n);
/* Its text for a session in a room ("": none); returns its length. */
size_t drive_text(const struct drive *, const char *id, const char *room, char to[DRIVE_TEXT_MAX]);

/* ---- who is who ---- */

/* A session was opened for the bot (known_id), and its datagrams are of this form now. */
void known_open(struct bot *, const char *id);
void known_form(struct bot *, enum seal_kind form);
/* The bot is, or asked to be, in this room. */
void known_room(struct bot *, const char *room);
/* A CREATE_ROOM of its was answered. */
void known_created(struct bot *);
/* The bot's session is over. */
void known_end(struct bot *);

struct ear { /* what a listener remembers of those it has heard, to notice what comes twice */
    struct {
        uint32_t bot;
        char id[8];
        uint64_t top, seen; /* the highest number; a bit for each of the 64 below it */
    } of[16];
};

/* b, whose own datagrams are of this form, was sent this message. True: it is a room-mate's. */
bool known_judge(struct bot *b, struct ear *, enum seal_kind form, struct span message);

#endif
