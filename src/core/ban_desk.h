/* The desk where bans are made, lifted and looked up: the list in memory (core/ban.h), kept in step
 * with the store and with the other processes. One for a server process, shared by the edge and all
 * services; they only look up. Whoever makes a ban hears when it is in the store; it is in force in
 * this process at once, and live sessions it covers are ended at once (enforce).
 *
 * The list is read at the start, again when a message says so, and every half minute in case one
 * was lost. While the store cannot be read, what was read last stays in force. Each ban made or
 * lifted is audited. One thread; nothing blocks; a look-up allocates nothing. */
#ifndef SLIPGATE_CORE_BAN_DESK_H
#define SLIPGATE_CORE_BAN_DESK_H

#include "base/log.h"
#include "base/metric.h"
#include "core/ask.h"
#include "core/ban.h"
#include "core/cluster.h"

struct audit_log;
struct ban_desk;

struct ban_desk_cfg {
    struct ask_port *store;
    struct cluster *cluster; /* may be NULL */
    struct audit_log *audit; /* may be NULL */
    struct log *log;
    struct metrics *metrics;
    uint64_t seed[2];
    /* Ends what a ban in force covers: live sessions of every game. */
    void (*enforce)(void *ctx, struct now, const struct ban *);
    void (*wake)(void *ctx, nsec deadline); /* ban_desk_time is wanted no later than that */
    void *ctx;
};

/* Bans made or lifted at once of which the store has not said yet what became of them. */
#define BAN_DESK_CHANGES_MAX 1024u
/* Places in the list, and a quarter of the changes at once, that bans the server makes by itself
 * leave to people: who gets himself banned at many addresses must not keep others from being. */
#define BAN_DESK_KEPT 8192u

/* Pointers are borrowed and outlive the desk. enforce, wake and all ban_desk_fn are called from
 * ban_desk_time or an answer only, never from within another call here, so bans may be made from
 * wherever they are needed. E_NOMEM, E_FULL. */
MUST_USE int ban_desk_create(struct ban_desk **ret, const struct ban_desk_cfg *, struct now);
/* Asks that are still out must have been answered (close the store first). NULL is fine. */
void ban_desk_destroy(struct ban_desk *);
/* Does what is due; returns the next deadline. */
nsec ban_desk_time(struct ban_desk *, struct now);

/* Whether the list was read at least once since the start. Until then logins are to be refused as
 * busy: nobody gets in because the list was not there yet. */
bool ban_desk_ready(const struct ban_desk *);

/* The ban in force, or NULL; good until the next call that is not a look-up. game: as in
 * bans_match_*. */
const struct ban *ban_desk_account(const struct ban_desk *, struct now, int64_t account,
                                   struct span game);
const struct ban *ban_desk_addr(const struct ban_desk *, struct now, const struct addr *,
                                struct span game);

/* Called once. rc 0: in the store (id), or out of it. E_STORE: not known to be; an added ban then
 * stays in force here until it expires or the process ends, and is tried again (one lifted before
 * the store had it likewise stays lifted); a stored one that was to be lifted stays in force and is
 * not tried again. E_NOENT: somebody else lifted it meanwhile. Anything else: the store will never
 * take the ban, which is no longer in force. */
typedef void (*ban_desk_fn)(void *ctx, struct now, int rc, int64_t id);

/* Makes a ban; its id and created are set here: until the store has given it one it is listed under
 * an id from the top of the range. fn may be NULL, why too. E_RANGE: ban_wrong, which why says;
 * E_FULL (the list, or BAN_DESK_CHANGES_MAX), E_NOMEM: nothing happened and fn is not called. */
MUST_USE int ban_desk_add(struct ban_desk *, struct now, const struct ban *, bool force,
                          ban_desk_fn fn, void *ctx, struct buf *why);
/* The same for what no person decided: E_FULL before all room is taken. */
MUST_USE int ban_desk_add_own(struct ban_desk *, struct now, const struct ban *, struct buf *why);
/* Lifts one. by: who does, for the audit. E_NOENT; E_BUSY: the store takes nothing, or it is being
 * lifted; E_RANGE: by is empty or longer than an author. fn may be NULL. */
MUST_USE int ban_desk_remove(struct ban_desk *, struct now, int64_t id, struct span by,
                             ban_desk_fn fn, void *ctx);
/* For walking with bans_next and for bans_get. */
struct bans *ban_desk_list(struct ban_desk *);

#endif
