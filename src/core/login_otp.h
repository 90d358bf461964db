/* The second factor of a login: one-time codes (RFC 6238: SHA-1, six digits, 30 seconds, as every
 * authenticator app has it) and recovery codes, each good once. What is made here is shown to its
 * owner once; the store gets the key sealed (wire/token.h) and of recovery codes the hash.
 *
 * Codes are checked in login.h; what enrols accounts calls the functions below and puts the results
 * with QUERY_OTP_SET and QUERY_RECOVERY_PUT. Keys and codes are the caller's to wipe. */
#ifndef SLIPGATE_CORE_LOGIN_OTP_H
#define SLIPGATE_CORE_LOGIN_OTP_H

#include "base/buf.h"
#include "base/entropy.h"
#include "wire/token.h"

#define OTP_DIGITS     6u
#define OTP_KEY        20u /* bytes of a key we make */
#define OTP_KEY_TEXT   32u /* the same in base32 (RFC 4648 section 6), without NUL */
#define RECOVERY_TEXT  19u /* "abcd-efgh-jkmn-pqrs", without NUL: 80 bits */
#define RECOVERY_CODES 10u /* made at once */

enum otp_form { OTP_FORM_NONE, OTP_FORM_CODE, OTP_FORM_RECOVERY };
/* What a text can be by its looks: six digits, or a recovery code (letter case, dashes and blanks
 * aside). */
enum otp_form otp_form(struct span text);

struct otp_secret {
    char key[OTP_KEY_TEXT + 1]; /* for the app, also by hand */
    char sealed[SECRET_TEXT_MAX + 1];
};
/* secrets: the server's key (host->secrets). E_CRYPTO. */
MUST_USE int otp_secret_make(struct otp_secret *ret, struct entropy *,
                             const uint8_t secrets[SECRET_KEY], int64_t account);
/* The number of bytes of the key. As secret_open. */
MUST_USE int otp_secret_open(struct span sealed, const uint8_t secrets[SECRET_KEY], int64_t account,
                             uint8_t to[SECRET_MAX]);
/* The address that apps read from a QR code: otpauth://totp/ISSUER:NAME?secret=...&issuer=... */
void otp_uri(struct buf *to, struct span issuer, struct span name, const char *key);

struct recovery_code {
    char text[RECOVERY_TEXT + 1];
    char hash[TOKEN_HASH + 1];
};
/* E_CRYPTO. */
MUST_USE int recovery_codes_make(struct recovery_code *codes, size_t n, struct entropy *);
/* The hash of a code as typed. E_FORMAT, E_CRYPTO. */
MUST_USE int recovery_hash(struct span typed, char hash[TOKEN_HASH + 1]);

#endif
