/* Password records: making and checking them. Pure functions (no clock, no entropy, no state), slow
 * on purpose, safe on any thread; os/hash.h runs them off the loop.
 *
 * Schemes, told apart by how the record begins:
 *   "$2b$CC$..."          bcrypt of cost CC, the only scheme that is made; "$2a$" and "$2y$", its
 * older names, are read
 *   "{sha256}" + base64   imported: one unsalted SHA-256 of the password; verified, never made
 * Copies of a password are wiped before return. */
#ifndef SLIPGATE_OS_PASSWORD_H
#define SLIPGATE_OS_PASSWORD_H

#include "base/types.h"
#include "core/ask.h"

#define PASSWORD_COST_MIN 4u
#define PASSWORD_COST_MAX \
    16u /* also for records that are read: cost 31 would hold a core for a day */
#define PASSWORD_SALT_BYTES 16u

/* A new record. salt: unpredictable bytes from the caller. E_RANGE: the password is empty, longer
 * than PASSWORD_MAX or holds a NUL (bcrypt would cut it silently), or the cost is out of range.
 * E_NOMEM, E_CRYPTO. */
MUST_USE int password_make(struct password_record *ret, struct span password, unsigned cost,
                           const uint8_t salt[PASSWORD_SALT_BYTES]);

/* 0: right; *rehash then says that a record made now, at this cost, would be of another scheme or
 * cost and that the password can be made into one. E_AUTH: wrong, found in the same time as right.
 * E_FORMAT: not a record of a known scheme. E_NOMEM, E_CRYPTO. */
MUST_USE int password_verify(const struct password_record *, struct span password, unsigned cost,
                             bool *rehash);

/* How much work verifying this record is, as the bcrypt cost that takes about as long; 0 for what
 * takes no time (SHA-256, unknown schemes). */
unsigned password_record_cost(const struct password_record *);

#endif
