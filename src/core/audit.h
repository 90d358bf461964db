/* Audit records: what happened, who did it, from where, to whom. Their kinds, their stored form,
 * and the bytes and text that stand for them.
 *
 * A record is made from whatever a player typed by audit_clean, once; from then on only its clean
 * form exists: valid UTF-8 in which nothing can break a line, hide or turn text round. In it a
 * backslash is \\, line end, return and tab are \n, \r, \t, and every byte of another control
 * character, of a separator or mark that changes how text runs, or of what is no UTF-8, is \xNN.
 * What is too long ends with an ellipsis, cut between characters.
 *
 * Canonical bytes, which wire/chain.h hashes: version 1 (1 byte); then, big-endian, seq (8), unix
 * milliseconds (8), type (2), subtype (2); then game, account, player, address, target, details,
 * each its length (2) and text. One record has one such form.
 *
 * Nothing allocates but the caller's struct buf. Threads: no state. Spans of a record are borrowed
 * from where the function's comment says. */
#ifndef SLIPGATE_CORE_AUDIT_H
#define SLIPGATE_CORE_AUDIT_H

#include "base/buf.h"
#include "base/types.h"
#include "wire/chain.h"

/* X(name, number, text). Numbers and texts are kept in stores and exports: never change one. */
#define AUDIT_TYPES(X)            \
    X(ACCOUNT, 1, "Account")      \
    X(GM_COMMAND, 2, "GMCommand") \
    X(SECURITY, 3, "Security")    \
    X(TRADE, 4, "Trade")          \
    X(ITEM, 5, "Item")

/* X(name, number, text, the type it belongs to). Those from 100 up are our own. */
#define AUDIT_SUBTYPES(X)                                     \
    X(ACCOUNT_LOGIN, 1, "AccountLogin", ACCOUNT)              \
    X(ACCOUNT_LOGOUT, 2, "AccountLogout", ACCOUNT)            \
    X(UNAUTHORIZED_ACCESS, 3, "UnauthorizedAccess", SECURITY) \
    X(SPEED_HACK, 4, "SpeedHack", SECURITY)                   \
    X(PACKET_SPAM, 5, "PacketSpam", SECURITY)                 \
    X(ITEM_DUPLICATION, 6, "ItemDuplication", SECURITY)       \
    X(ACCOUNT_CREATE, 100, "AccountCreate", ACCOUNT)          \
    X(PASSWORD_CHANGE, 101, "PasswordChange", ACCOUNT)        \
    X(BAN_ADDED, 102, "BanAdded", SECURITY)                   \
    X(BAN_REMOVED, 103, "BanRemoved", SECURITY)               \
    X(PERMISSION_GRANTED, 104, "PermissionGranted", SECURITY) \
    X(PERMISSION_REVOKED, 105, "PermissionRevoked", SECURITY) \
    X(ACCOUNT_LOCKED, 106, "AccountLocked", SECURITY)         \
    X(SESSION_REPLACED, 107, "SessionReplaced", ACCOUNT)      \
    X(CONFIG_CHANGED, 108, "ConfigChanged", SECURITY)         \
    X(ACCOUNT_DELETE, 109, "AccountDelete", ACCOUNT)          \
    X(ACCOUNT_UNLOCKED, 110, "AccountUnlocked", SECURITY)     \
    X(SECOND_FACTOR, 111, "SecondFactor", SECURITY)

/* X(name, member in text form and of the struct, bytes of the clean form at least, at most). */
#define AUDIT_FIELDS(X)         \
    X(GAME, game, 1, 16)        \
    X(ACCOUNT, account, 0, 255) \
    X(PLAYER, player, 1, 255)   \
    X(ADDRESS, address, 0, 64)  \
    X(TARGET, target, 0, 255)   \
    X(DETAILS, details, 0, 2048)

enum audit_type {
#define X(name, number, text) AUDIT_##name = (number),
    AUDIT_TYPES(X)
#undef X
};

enum audit_subtype {
    AUDIT_SUB_NONE = 0, /* goes with any type */
#define X(name, number, text, type) AUDIT_SUB_##name = (number),
    AUDIT_SUBTYPES(X)
#undef X
};

enum audit_field {
#define X(name, member, min, max) AUDIT_FIELD_##name,
    AUDIT_FIELDS(X)
#undef X
        AUDIT_FIELDS_N
};

#define AUDIT_FIELD_BYTES(name, member, min, max) +(max)
#define AUDIT_TEXT_MAX                            (0u AUDIT_FIELDS(AUDIT_FIELD_BYTES)) /* all fields of a record */
#define AUDIT_BYTES_MAX                           (21u + 2u * AUDIT_FIELDS_N + AUDIT_TEXT_MAX)
#define AUDIT_LINE_MAX                            (2u * AUDIT_TEXT_MAX + 512u)
#define AUDIT_TIME_MAX                            INT64_C(253402300799999) /* the last millisecond of the year 9999 */
#define AUDIT_SEQ_MAX                             CHAIN_SEQ_MAX
#define AUDIT_NOBODY                              "Unknown" /* the player where there is none */

struct audit_record {
    uint64_t seq;  /* from 1 */
    int64_t at_ms; /* unix */
    uint16_t type, subtype;
    struct span game;                     /* "server" or a game's name: a-z, 0-9, '-', '_' */
    struct span account, player, address; /* who; the attempted name where there is no account */
    struct span target, details;
};

struct audit_room {
    uint8_t bytes[AUDIT_TEXT_MAX];
};

/* The document's names; NULL for a number that is none (and for AUDIT_SUB_NONE). */
const char *audit_type_name(unsigned type);
const char *audit_subtype_name(unsigned subtype);
/* By name, as the documents spell it: the number, or 0. */
unsigned audit_type_find(struct span name);
unsigned audit_subtype_find(struct span name);
/* "game", "account", ... */
const char *audit_field_name(enum audit_field f);
/* The smallest and largest number of bytes of the clean form. */
size_t audit_field_min(enum audit_field f);
size_t audit_field_max(enum audit_field f);
struct span audit_field_get(const struct audit_record *, enum audit_field f);

/* The clean form of raw, texts in room (which must not hold raw's own); an empty player becomes
 * AUDIT_NOBODY. Returns a bit 1 << field for each that was cut, or what audit_check says of what
 * cannot be mended: numbers and the game. Time is bounded by the ceilings, not by raw. */
MUST_USE int audit_clean(struct audit_record *ret, struct audit_room *room,
                         const struct audit_record *raw);
/* Whether a record is in clean form. E_RANGE: seq, time, type, or a subtype of another type;
 * E_LIMIT: a field too short or too long; E_FORMAT: a field not clean. why may be NULL. */
MUST_USE int audit_check(const struct audit_record *, struct buf *why);

/* Canonical bytes of a clean record; their number, else E_LIMIT when cap is too small (never with
 * AUDIT_BYTES_MAX), or as audit_check. */
MUST_USE int audit_encode(const struct audit_record *, void *to, size_t cap);
/* The texts are borrowed from bytes. E_SUPPORT: another version; E_MORE, E_FORMAT, or as
 * audit_check. What it takes, audit_encode gives back the same. */
MUST_USE int audit_decode(struct audit_record *ret, struct span bytes, struct buf *why);

/* Export: one JSON object, no line end, at most AUDIT_LINE_MAX bytes:
 * {"seq":1,"time_ms":1,"type":"Security","subtype":"SpeedHack","game":"server","account":"a",
 * "player":"Unknown","address":"","target":"","details":"","prev":HASH,"hash":HASH}
 * subtype is "" for none. A record that is not clean fails the buffer. */
void audit_line_write(struct buf *to, const struct audit_record *, const struct chain_link *);
/* Each member once and no others, every value as the writer's. Texts are borrowed from line or
 * room. The hashes are not checked. E_LIMIT, E_FORMAT, E_RANGE; why (may be NULL) says in a few
 * words which member and what is wrong with it. */
MUST_USE int audit_line_read(struct audit_record *ret, struct chain_link *link,
                             struct audit_room *room, struct span line, struct buf *why);

#endif
