/* What the program gives a service beside store and hash, for a simulated process of a game that
 * wants it (struct sim_game.desks): the desk of bans, the audit log with its spool, the guard
 * against guessing, presence over the memory cache, and the account desk. Wired as src/bin does,
 * driven by their deadlines on virtual time, over the process's own store with all its faults.
 *
 * The spool lies on the world's disk: what was appended is synced, what was being appended when the
 * process died is there up to some line. Whatever is asked of the store, by the service or a desk,
 * is told to the game's tap with its answer (struct sim_tap.stored).
 *
 * A process that dies leaves nothing: no callback comes any more that the game does not have to
 * expect (it is told of the death first). One thread. */
#ifndef SLIPGATE_SIM_DESKS_H
#define SLIPGATE_SIM_DESKS_H

#include "core/account_desk.h"
#include "sim/host_fake.h"
#include "sim/store.h"

struct sim_desks;

/* For one process, over its store. E_NOMEM and the like. */
int sim_desks_open(struct sim *, struct sim_store *, struct sim_desks **ret);
/* Puts them into the configuration of the process's host. */
void sim_desks_fill(struct sim_desks *, struct fake_cfg *);
/* The configuration of the process, new or replaced. */
void sim_desks_config(struct sim_desks *, const struct config *);
/* In order: links are closed, the store not yet; then the store is, and the service gone. */
void sim_desks_close(struct sim_desks *);
void sim_desks_destroy(struct sim_desks *);
/* The process dies: nothing reaches the store from here on; then all of it is freed. */
void sim_desks_die(struct sim_desks *);
void sim_desks_bury(struct sim_desks *);

/* ---- for the game's operator; NULL without a process that has them ---- */

struct ban_desk *sim_bans(const struct sim *);
struct audit_log *sim_audit(const struct sim *);
struct account_desk *sim_account_desk(const struct sim *);
/* Whoever calls a desk does so between these two: its memory is the process's. */
bool sim_desks_enter(void);
void sim_desks_leave(bool);

#endif
