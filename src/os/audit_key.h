/* The private key that signs heads of the audit chain: an Ed25519 seed in a file of mode 0600, as
 * hexadecimal digits and a line end. It is made once and never replaced: whoever loses it can still
 * verify with the public key, and a new one begins to sign from there on. */
#ifndef SLIPGATE_OS_AUDIT_KEY_H
#define SLIPGATE_OS_AUDIT_KEY_H

#include "base/buf.h"
#include "base/entropy.h"
#include "wire/chain.h"

#define AUDIT_KEY_FILE "audit.key" /* in data.dir */

/* Reads it; with entropy it is made where it is missing. E_NOENT: there is none; E_REFUSED: others
 * may read it; E_FORMAT: it holds something else; E_IO. why then says what and how to mend it, in
 * one line without a full stop. The caller wipes key. */
MUST_USE int audit_key_open(uint8_t key[CHAIN_KEY], const char *data_dir, struct entropy *,
                            struct buf *why);

#endif
