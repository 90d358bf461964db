/* The list of bans in memory, which every connect, login and live session is held against: accounts
 * by id, addresses, and networks of IPv4 or IPv6 (CIDR, RFC 4632 and RFC 4291 section 2.3). The
 * store owns the truth and gives the ids; this is its copy, reloaded by filling another list and
 * bans_replace.
 *
 * A match costs one keyed lookup for an account, and one for each prefix length in use for an
 * address (at most 33 for IPv4, 129 for IPv6; twice that where there are bans of one game), however
 * many bans there are, and takes no memory. An expired ban never matches, whether or not
 * bans_expired was called in time.
 *
 * Addresses are those of struct addr: ::1 is 127.0.0.1, mapped IPv4 is IPv4, and a network of IPv6
 * holds no IPv4, not even ::/0. Zones of link-local addresses do not count. One thread. */
#ifndef SLIPGATE_CORE_BAN_H
#define SLIPGATE_CORE_BAN_H

#include "base/addr.h"
#include "base/types.h"

#define BANS_MAX         65536u
#define BAN_GAME_MAX     31u  /* bytes of each text */
#define BAN_REASON_MAX   255u /* may be empty */
#define BAN_AUTHOR_MAX   255u
#define BAN_EVIDENCE_MAX 127u /* may be empty */
#define BAN_V4_BITS_MIN  8u   /* wider networks only by force */
#define BAN_V6_BITS_MIN  16u
#define BANS_LOOK_AGAIN  (3600 * NSEC_PER_S)

enum ban_kind { BAN_ACCOUNT, BAN_NET };

struct ban {
    int64_t id; /* the store's, above 0; 0 in what has not been there yet */
    enum ban_kind kind;
    int64_t account;          /* BAN_ACCOUNT: above 0 */
    uint8_t ip[16];           /* BAN_NET: as in struct addr, no bit set behind the first `bits` */
    uint8_t bits;             /* of the 128-bit form: IPv4 /24 is 120; 128 is one address */
    int64_t created, expires; /* unix ms; expires 0: permanent, otherwise after created */
    struct span game;         /* [a-z0-9_-]; empty: all games */
    struct span reason;       /* UTF-8 without control characters, as the two below */
    struct span author;       /* who made it, 1 byte or more */
    struct span evidence;     /* id of the audit record or other note */
};

/* What is wrong with a ban, as a sentence for people, or NULL; *field is then the name of the field
 * ("account", "address", "network", "game", ...). Without force also what would shut out too many:
 * networks wider than BAN_*_BITS_MIN, and those that hold loopback addresses. id is not looked at.
 */
const char *ban_wrong(const struct ban *, bool force, const char **field);
/* Whether it is a ban of this account (0: none) or address (NULL: none) in this game. The date is
 * not looked at: to end live sessions when a ban was added. */
bool ban_covers(const struct ban *, int64_t account, const struct addr *, struct span game);
/* Fills kind, ip and bits from "1.2.3.4", "2001:db8::1", "1.2.3.0/24" or "2001:db8::/32". E_FORMAT,
 * ret then untouched: no address, too many bits, or bits set behind the prefix. */
MUST_USE int ban_net_parse(struct ban *ret, const char *text);

#define BAN_NET_TEXT_MAX (ADDR_TEXT_MAX + 4)
/* "address" or "address/bits"; the bits count as people count them. Returns text. */
const char *ban_net_text(const struct ban *, char text[BAN_NET_TEXT_MAX]);

struct bans;

/* seed: keys of the maps, unknown to peers. E_NOMEM. */
MUST_USE int bans_create(struct bans **ret, const uint64_t seed[2]);
void bans_destroy(struct bans *);

/* Copies it. E_RANGE: id or a field that ban_wrong (forced) names; E_EXISTS: the id is there;
 * E_FULL, E_NOMEM. Nothing changes then. One that has expired already is taken and reported at
 * once. */
MUST_USE int bans_add(struct bans *, const struct ban *);
/* E_NOENT. */
MUST_USE int bans_remove(struct bans *, int64_t id);
/* The bans of with take the place of those of b; with is destroyed. Never fails, so b stays in
 * force until a reload is complete. */
void bans_replace(struct bans *b, struct bans *with);

/* Bans that are returned belong to the list, until the next call that changes it. */
const struct ban *bans_get(const struct bans *, int64_t id);
/* The ban in force, or NULL. The longest prefix wins; of equal ones the longest-lasting; then that
 * of the one game before that of all; then the one added first. game empty: only bans of all games.
 */
const struct ban *bans_match_account(const struct bans *, int64_t account, struct span game,
                                     int64_t unix_ms);
const struct ban *bans_match_addr(const struct bans *, const struct addr *, struct span game,
                                  int64_t unix_ms);

/* Takes out the next expired one and returns it, for the store to clear; NULL: no more. */
const struct ban *bans_expired(struct bans *, struct now);
/* When bans_expired has something; NSEC_NEVER: nothing expires. Never further ahead than
 * BANS_LOOK_AGAIN, because dates may jump. */
nsec bans_deadline(const struct bans *, struct now);

/* In order of creation, then id. prev NULL: the first; NULL at the end. */
const struct ban *bans_next(struct bans *, const struct ban *prev);
uint32_t bans_live(const struct bans *);

#endif
