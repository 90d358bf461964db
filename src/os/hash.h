/* Password hashing off the loop: answers ASK_HASH_MAKE, ASK_HASH_VERIFY and ASK_HASH_OTP (os/otp.h)
 * from threads of its own that run at lower priority than the loop.
 *
 * The queue is bounded by time: submit says E_BUSY when the work already queued is expected to take
 * longer than queue_max_s (from a moving average of what hashing costs here now), and an ask that
 * nevertheless waited longer is answered E_BUSY without being hashed. It is bounded in entries too
 * (HASH_QUEUE_MAX). Copies of passwords are wiped when their ask is answered.
 *
 * Threads: everything here is called on the loop's thread. Not to be called from within an answer:
 * hash_close, hash_destroy. */
#ifndef SLIPGATE_OS_HASH_H
#define SLIPGATE_OS_HASH_H

#include "base/entropy.h"
#include "base/log.h"
#include "base/metric.h"
#include "core/ask.h"
#include "core/config.h"
#include "core/loop.h"

#define HASH_QUEUE_MAX   16384u
#define HASH_WORKERS_MAX 64u

struct hash;

struct hash_cfg {
    unsigned cost;        /* of records made: PASSWORD_COST_MIN to PASSWORD_COST_MAX */
    unsigned workers;     /* 0: as many as cores this process may use */
    uint32_t queue_max_s; /* longest waiting time */
    struct log *log;
    struct metrics *metrics;
    struct entropy *entropy; /* for salts; drawn on the loop's thread */
};

/* Configuration rows: accounts.password_cost, accounts.hash_workers, accounts.queue_max_s. */
extern const struct config_row hash_config[3];

/* loop, log, metrics and entropy must outlive it. E_RANGE, E_NOMEM, or what the loop says. */
MUST_USE int hash_create(struct hash **ret, struct loop *, const struct hash_cfg *);

/* Answers what is queued without hashing it (E_BUSY), lets running hashes finish, ends the threads;
 * all answers come before it returns. The port stays and says E_BUSY from now on, so that what
 * answers lead to may still be asked, in whatever order ports are closed. NULL and a second call
 * are fine. */
void hash_close(struct hash *);

/* hash_close, then frees. NULL is fine. */
void hash_destroy(struct hash *);

/* Where asks go; lives as long as the hash. Besides the codes in core/ask.h an answer may be
 * E_RANGE (MAKE of a password that bcrypt cannot hold) or E_FORMAT (VERIFY against an unknown
 * scheme). A password to verify that is longer than PASSWORD_LEGACY_MAX is wrong. */
struct ask_port *hash_port(struct hash *);

/* For asks submitted from now on. E_RANGE. */
int hash_set_cost(struct hash *, unsigned cost);
void hash_set_queue_max(struct hash *, uint32_t queue_max_s);

#endif
