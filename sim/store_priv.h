/* What the parts of the simulated store share.
 *
 * store.c         the store's life: opening, closing, dying; the model
 * store_port.c    where asks come in: faults, and one answer for each
 * store_hash.c    the stand-in for the password hash
 * store_ledger.c  what was acknowledged, held against what is on the disk */
#ifndef SLIPGATE_SIM_STORE_PRIV_H
#define SLIPGATE_SIM_STORE_PRIV_H

#include "base/list.h"
#include "base/log.h"
#include "base/metric.h"
#include "sim/disk.h"
#include "sim/loop.h"
#include "sim/store.h"
#include "store/store.h"

struct sim_hash;

struct store_port {
    struct ask_port port;
    struct sim_store *store;
    struct ask_port *inner; /* who really answers */
};

struct sim_store {
    struct sim *sim;
    struct sim_disk *disk;
    struct sim_loop *loop, *hash_loop;
    struct log log;
    struct metrics metrics;
    struct store *real; /* NULL: the disk's model */
    struct sim_hash *hash;

    struct ask_port model;
    struct sim_timer model_timer;
    bool model_busy;

    struct store_port ports[2]; /* by enum ask_to */
    struct list asks;           /* struct store_ask, oldest first */
    size_t asks_n;
    uint64_t numbers;
    bool closing, dead;
};

/* What of an ask the ledger needs. */
struct ledger_ask {
    enum ask_kind kind;
    bool deletes; /* the account */
    bool adds_ban;
    int64_t id;
    uint8_t name_n;
    char name[ACCOUNT_NAME_MAX];
    struct password_record record;
};

/* ---- store_port.c ---- */
void store_ports_init(struct sim_store *);
/* The answer of the inner store or hash; now as answers have it. */
void store_ports_answer(void *store, struct now, const struct answer *);
/* Everything that inner stores have answered is delivered, or freed when the process is dead. */
void store_ports_drain(struct sim_store *);
void store_ports_die(struct sim_store *);

/* ---- store_hash.c ---- */
struct sim_hash *sim_hash_create(struct sim *, struct sim_loop *);
void sim_hash_destroy(struct sim_hash *); /* answers everything */
struct ask_port *sim_hash_inner(struct sim_hash *);

/* ---- store_ledger.c ---- */
struct disk_ledger *ledger_create(void);
void ledger_destroy(struct disk_ledger *);
void ledger_note(struct ledger_ask *, const struct ask *);
/* The store's own word, before faults. others: more asks for the same account are with it. */
void ledger_answer(struct sim_disk *, const struct ledger_ask *, const struct answer *,
                   bool others);
/* It was asked for: from here on nothing is promised of an account that it deletes. */
void ledger_doom(struct sim_disk *, const struct ledger_ask *);
/* It may or may not have been done. */
void ledger_unsure(struct sim_disk *, const struct ledger_ask *);
/* All that was acknowledged is there. */
void ledger_check(struct sim_disk *);

#endif
