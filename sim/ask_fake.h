/* Answers asks from an account map in memory: at once, after a delay, or when told; and wrongly in
 * the ways a real store and hash pool can be wrong. "Hashes" are fast and worthless. */
#ifndef SLIPGATE_SIM_ASK_FAKE_H
#define SLIPGATE_SIM_ASK_FAKE_H

#include "base/types.h"
#include "core/ask.h"

#define ASK_FAKE_ACCOUNTS 1200u
#define ASK_FAKE_PENDING  300u
#define ASK_FAKE_KINDS    (ASK_COMMAND + 1u)

enum ask_fault {
    ASK_FINE,
    ASK_REFUSED, /* submit says E_BUSY */
    ASK_FAILED,  /* answered E_STORE or E_CRYPTO, nothing was done */
    ASK_BUSY,    /* answered E_BUSY: it waited too long */
    ASK_LOST,    /* done, but answered E_STORE */
};

struct ask_fake_account {
    struct account account;
    int64_t created_ms, touched_ms;
    unsigned touches;
};

struct ask_pending { /* a copy of everything in the ask */
    struct ask ask;
    uint64_t req;
    nsec due; /* NSEC_NEVER: when told */
    enum ask_fault fault;
    uint8_t name_n;
    char name[ACCOUNT_NAME_MAX];
    size_t password_n;
    uint8_t password[PASSWORD_LEGACY_MAX];
    struct password_record a, b;
};

struct ask_fake {
    struct ask_fake_account accounts[ASK_FAKE_ACCOUNTS];
    uint32_t accounts_n;
    struct ask_pending pending[ASK_FAKE_PENDING]; /* oldest first */
    uint32_t pending_n;
    nsec delay; /* NSEC_NEVER: answers wait until told */
    enum ask_fault fault[ASK_FAKE_KINDS];
    uint32_t fault_times[ASK_FAKE_KINDS]; /* how many asks of the kind it still befalls */
    uint64_t asked[ASK_FAKE_KINDS];
    uint64_t cancelled; /* of those that were pending */
};

/* The next n asks of a kind go wrong in this way. */
void ask_fake_fault(struct ask_fake *, enum ask_kind, enum ask_fault, uint32_t n);
/* 0 or E_BUSY, as host_ask. */
int ask_fake_submit(struct ask_fake *, struct now, const struct ask *, uint64_t req);
/* Nobody waits for the answer: work of the hash kind is skipped, the answer comes at once. */
void ask_fake_cancel(struct ask_fake *, uint64_t req);
/* When the next answer is due: NSEC_NEVER for none. */
nsec ask_fake_due(const struct ask_fake *);
/* Does the ask at index i of the queue, takes it out, and fills in its answer. */
void ask_fake_take(struct ask_fake *, struct now, uint32_t i, struct answer *ret);
/* Registers an account as if it had been there before. legacy: an imported record that wants to be
 * hashed again. */
struct ask_fake_account *ask_fake_account(struct ask_fake *, const char *name, const char *password,
                                          uint32_t password_min, bool legacy);
const struct ask_fake_account *ask_fake_find(const struct ask_fake *, struct span name, bool fold);

#endif
