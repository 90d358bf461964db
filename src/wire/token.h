/* Secrets of our own making, and how they are kept: resume tokens as their hash, which is all a
 * store needs to recognise one; small secrets that must be read again (keys of one-time codes)
 * sealed under a key that the store does not have.
 *
 * A token is TOKEN_BYTES random bytes as lower-case hexadecimal. Sealed text is base64 of a version
 * byte (1), a 12-byte nonce, the ciphertext and a 16-byte tag: AES-256-GCM (NIST SP 800-38D), the
 * associated data say whose it is, so that one account's secret is none of another's. No state. */
#ifndef SLIPGATE_WIRE_TOKEN_H
#define SLIPGATE_WIRE_TOKEN_H

#include "base/types.h"

#define TOKEN_BYTES     32u
#define TOKEN_TEXT      64u /* characters, without NUL */
#define TOKEN_HASH      64u /* SHA-256 as hexadecimal, without NUL */
#define SECRET_KEY      32u
#define SECRET_NONCE    12u
#define SECRET_MAX      64u  /* bytes that can be sealed */
#define SECRET_TEXT_MAX 124u /* characters of sealed text, without NUL */

void token_text(const uint8_t bytes[TOKEN_BYTES], char text[TOKEN_TEXT + 1]);
/* The hash of a token's text. E_FORMAT: it cannot be one; E_CRYPTO. */
MUST_USE int token_hash(struct span text, char hash[TOKEN_HASH + 1]);
/* The hash of any text. E_CRYPTO. */
MUST_USE int token_hash_any(struct span text, char hash[TOKEN_HASH + 1]);

/* nonce: random, never used twice under one key. E_LIMIT over SECRET_MAX; E_CRYPTO. */
MUST_USE int secret_seal(const uint8_t key[SECRET_KEY], const uint8_t nonce[SECRET_NONCE],
                         struct span whose, struct span secret, char text[SECRET_TEXT_MAX + 1]);
/* The number of bytes in to. E_FORMAT; E_AUTH: another key, another's, or changed; E_CRYPTO. */
MUST_USE int secret_open(const uint8_t key[SECRET_KEY], struct span whose, struct span text,
                         uint8_t to[SECRET_MAX]);

#endif
