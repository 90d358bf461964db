/* Moderation commands: lines that begin with '/', said in a game's chat or by an operator of the
 * machine. One table says for each its level, its switch, what of it must not be kept, and what it
 * does; games do their part through orders (core/order.h) and answer plainly what they have not.
 *
 * A line is split at blanks, double quotes keep words together; words are exact, letter case of A
 * to Z aside. Who may: those of the command's level, or with a grant of this one word; its switch
 * and staff.disabled_commands hold for everybody; nobody acts on an account above his own level or,
 * but for admins, of his own. What is refused looks exactly like what does not exist, and is
 * audited, STAFF_DENIED_PER_MINUTE of an account. Players wait STAFF_REPEAT between two equal
 * commands.
 *
 * What staff says is audited as GMCommand, passwords left out; a command with lasting effect is
 * answered when its record is safe. Limits: STAFF_JOBS_MAX commands at once, STAFF_LINE_MAX bytes
 * of a line, STAFF_OUT_MAX of an answer. One thread. docs/moderation.md. */
#ifndef SLIPGATE_ADMIN_STAFF_H
#define SLIPGATE_ADMIN_STAFF_H

#include "admin/operate.h"
#include "admin/staff_games.h"
#include "core/account_desk.h"
#include "core/ban_desk.h"
#include "core/config.h"
#include "core/loop.h"

#define STAFF_JOBS_MAX          256u
#define STAFF_LINE_MAX          1024u
#define STAFF_OUT_MAX           32768u
#define STAFF_WORDS_MAX         32u
#define STAFF_REPEAT            (1500 * NSEC_PER_MS)
#define STAFF_DENIED_PER_MINUTE 5u

extern const struct config_row staff_config[10];

struct staff;

struct staff_cfg {
    struct loop *loop;
    struct log *log;
    struct entropy *entropy;
    struct ask_port *store;
    struct account_desk *desk;
    struct ban_desk *bans;   /* may be NULL */
    struct audit_log *audit; /* may be NULL */
    const struct staff_games *games;
    int (*life)(void *ctx, struct now, enum operate_life, struct buf *why);
    void *ctx;
};

/* cfg is copied, what it points to outlives it; the configuration is read until return. E_NOMEM,
 * E_FULL. */
MUST_USE int staff_create(struct staff **ret, const struct staff_cfg *, const struct config *);
/* Store, desk, bans and audit call no more by then. NULL is fine. */
void staff_destroy(struct staff *);
/* Takes no more, and answers services that wait for a command (E_BUSY) while they are there; what
 * is under way goes on. */
void staff_close(struct staff *);
void staff_set_config(struct staff *, const struct config *);
/* A countdown is so near its end that nobody may sign in. */
bool staff_logins_shut(const struct staff *);

/* Where services send what was said in chat (ASK_COMMAND). */
struct ask_port *staff_port(struct staff *);

/* The command a word or an alias stands for, as the table writes it; empty: none. */
struct span staff_word(struct span word);

struct staff_said {
    struct desk_actor by;
    struct span player; /* what the speaker is called in the game; may be empty */
    struct span line;   /* with its '/' */
};

/* rc 0: text holds lines for the speaker. Never called from within staff_say. */
typedef void (*staff_said_fn)(void *ctx, struct now, int rc, struct span text);
/* 0: fn is called once. E_BUSY, E_NOMEM; E_RANGE: the line is too long. */
MUST_USE int staff_say(struct staff *, struct now, const struct staff_said *, staff_said_fn fn,
                       void *ctx);

/* rc 0: json says which rule lets the account use the command, or keeps it from it. E_NOENT: no
 * such account. Codes as staff_say. */
typedef void (*staff_why_fn)(void *ctx, struct now, int rc, struct span json);
MUST_USE int staff_why(struct staff *, struct now, struct span name, struct span word,
                       staff_why_fn fn, void *ctx);

#endif
