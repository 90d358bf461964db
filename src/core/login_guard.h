/* Those who guess: wrong passwords, codes and tokens, counted by address (IPv4 whole, IPv6 its /64)
 * and by account. One for a server process, shared by the logins of all its services, so that an
 * attacker gets no more tries for there being more games.
 *
 *   - who guesses waits: from the fifth wrong one on, the next is worked on later and later, up to
 *     8 seconds; ten quiet minutes are forgiven. A success is not: the guesser may own an account.
 *   - a game may refuse an address outright that was wrong so often within the last minute.
 *   - `threshold` wrong ones of one address inside ten minutes: it is banned (core/ban_desk.h).
 *   - `threshold` wrong ones for one account inside ten minutes, from two addresses or more: the
 *     account is locked for a while, which the store refuses for the last admin. Looked at every
 *     five seconds.
 *
 * Memory has a ceiling: the GUARD_ADDRS_MAX addresses and GUARD_ACCOUNTS_MAX accounts that failed
 * last are known. The guard's bans leave room in the list for those of people (BAN_DESK_KEPT); who
 * goes unbanned for that waits all the same. One thread. */
#ifndef SLIPGATE_CORE_LOGIN_GUARD_H
#define SLIPGATE_CORE_LOGIN_GUARD_H

#include "base/addr.h"
#include "base/log.h"
#include "core/ask.h"

#define GUARD_ADDRS_MAX     65536u
#define GUARD_ACCOUNTS_MAX  4096u
#define GUARD_THRESHOLD_MAX 20u

struct audit_log;
struct ban_desk;
struct login_guard;

struct login_guard_cfg {
    struct ask_port *store;  /* NULL: accounts are not locked */
    struct ban_desk *bans;   /* NULL: addresses are not banned */
    struct audit_log *audit; /* may be NULL */
    struct log *log;
    uint64_t seed[2];
    /* login_guard_time is wanted no later than that; NULL: it is called often enough. */
    void (*wake)(void *ctx, nsec deadline);
    void *ctx;
};

struct login_guard_policy {
    uint32_t threshold;     /* 0: neither bans nor locks; at most GUARD_THRESHOLD_MAX */
    uint32_t ban_s, lock_s; /* 0: none of these */
};

/* Borrows what cfg points to; until a policy is set it only slows down. E_NOMEM. */
MUST_USE int login_guard_create(struct login_guard **ret, const struct login_guard_cfg *);
/* Asks must have been answered. NULL is fine. */
void login_guard_destroy(struct login_guard *);
void login_guard_set_policy(struct login_guard *, const struct login_guard_policy *);

/* A wrong guess from there; account: whose, 0 where there is no such account. */
void login_guard_failed(struct login_guard *, struct now, const struct addr *, int64_t account);
/* How long the next login from there waits before it is worked on. */
nsec login_guard_delay(const struct login_guard *, struct now, const struct addr *);
/* Whether it is not worked on at all: wrong so often within a minute. 0: any number is fine. */
bool login_guard_refuses(const struct login_guard *, struct now, const struct addr *,
                         uint32_t per_minute);

/* Locks what is due; returns the next deadline. */
nsec login_guard_time(struct login_guard *, struct now);

#endif
