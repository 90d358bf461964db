/* Bans as text, one JSON object (RFC 8259) a line, to carry them from server to server:
 *
 *   {"id":7,"network":"203.0.113.0/24","game":"arena","reason":"bots","author":"mary",
 *    "created":1700000000000,"expires":1700003600000,"evidence":"audit 1234"}
 *
 * (in one line). Exactly one of "account" (id), "address" and "network" is there; the others may be
 * left out: "game" (all games), "reason", "evidence", "expires" (permanent; unix ms, as "created").
 * "id" is written and not taken over: the importing store gives its own. One thread, no I/O. */
#ifndef SLIPGATE_CORE_BAN_TEXT_H
#define SLIPGATE_CORE_BAN_TEXT_H

#include "base/buf.h"
#include "core/ban.h"

#define BAN_LINE_MAX 8192u /* bytes of a line to be read */

/* Appends the ban and LF; never longer than BAN_LINE_MAX. Errors stay in to->failed. */
void ban_write(struct buf *to, const struct ban *);

struct ban_reader {
    struct span left;   /* borrowed until the end */
    struct span author; /* of bans without one; borrowed */
    int64_t created;    /* of bans without it */
    bool force;         /* take networks that ban_wrong refuses otherwise */
    uint32_t line;      /* number of the line read last, from 1 */
    uint32_t bans;      /* read so far */
    uint8_t game[BAN_GAME_MAX], reason[BAN_REASON_MAX];
    uint8_t author_text[BAN_AUTHOR_MAX], evidence[BAN_EVIDENCE_MAX];
};

void ban_reader_init(struct ban_reader *, struct span text, struct span author, int64_t created,
                     bool force);
/* 1: *ret is the next ban, id 0, its texts good until the next call. 0: the end. E_FORMAT: the line
 * is wrong, E_LIMIT: it or a text is too long, E_RANGE: a value may not be; why (what is in it
 * stays) then says "line 3: 'network' ...", ret is worth nothing, and the next call goes on behind
 * the line. E_FULL: more than BANS_MAX bans; there is no going on. Empty lines are left out. */
MUST_USE int ban_read(struct ban_reader *, struct ban *ret, struct buf *why);

#endif
