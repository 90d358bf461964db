/* The database and the password hash of a simulated server. The disk outlives the process; the
 * store belongs to one. Asks go to the real store (src/store over SQLite) on a virtual loop and a
 * disk in memory, or, in worlds whose plan says so, to a plain model (ask_fake.h), which is faster
 * and can do what a database would not. Hashes are cheap stand-ins: the real ones are tested in os.
 *
 * Faults: FAULT_STORE_* and FAULT_DISK, drawn here. */
#ifndef SLIPGATE_SIM_STORE_H
#define SLIPGATE_SIM_STORE_H

#include "core/ask.h"
#include "core/audit.h"
#include "sim/sim.h"

struct sim_disk;
struct sim_store;

struct sim_disk *sim_disk_create(struct sim *, bool model);
void sim_disk_destroy(struct sim_disk *);

/* The process's store. E_STORE when the disk's faults keep it from opening (try again later).
 * Anything else it says about a disk that only lost what was not synced is a finding. */
int sim_store_open(struct sim *, struct sim_disk *, struct sim_store **ret);
/* For both kinds of ask, as a server has them: answers come from the kernel, as events. */
struct ask_port *sim_store_port(struct sim_store *);
struct ask_port *sim_hash_port(struct sim_store *);
/* Answers everything, closes; the disk is synced. */
void sim_store_close(struct sim_store *);
/* The process is dead: nothing is answered any more. power: of what was not synced, any part may be
 * missing from the disk. */
void sim_store_crash(struct sim_store *, bool power);

/* For oracles: the account as a process that started now would find it. False: there is none. */
bool sim_disk_account(struct sim_disk *, struct span name, struct account *ret);
uint64_t sim_disk_accounts(struct sim_disk *);
/* Whether it would find this ban; the ith record of the audit by number from 0 (false: there is
 * none), with its texts in room; and what the spool holds. */
bool sim_disk_ban(struct sim_disk *, int64_t id);
bool sim_disk_audit(struct sim_disk *, uint32_t i, struct audit_record *ret, struct chain_link *,
                    struct audit_room *room);
struct span sim_disk_spool(const struct sim_disk *);
/* Whether the record was made of this password (of the cheap hash). */
bool sim_hash_matches(const struct password_record *, struct span password);

#endif
