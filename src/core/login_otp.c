#include "core/login_otp.h"

#include "base/err.h"
#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>

#define RECOVERY_CHARS 16u /* without dashes */

static const char base32[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/* Without what is taken for something else: i, l, o, u. */
static const char recovery_chars[] = "0123456789abcdefghjkmnpqrstvwxyz";

/* ---- what was typed ---- */

/* Lower case without dashes and blanks; the number of characters, or RECOVERY_CHARS + 1. */
static size_t squeeze(struct span typed, char to[RECOVERY_CHARS + 1])
{
    size_t n = 0;
    for (size_t i = 0; i < typed.n; i++) {
        char c = (char)typed.p[i];
        if (c == '-' || c == ' ')
            continue;
        if (n == RECOVERY_CHARS)
            return RECOVERY_CHARS + 1;
        to[n++] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
    }
    to[n] = '\0';
    return n;
}

static bool is_recovery(struct span typed, char code[RECOVERY_CHARS + 1])
{
    if (typed.n > 2 * RECOVERY_CHARS || squeeze(typed, code) != RECOVERY_CHARS)
        return false;
    return strspn(code, recovery_chars) == RECOVERY_CHARS;
}

enum otp_form otp_form(struct span text)
{
    char code[RECOVERY_CHARS + 1];
    size_t digits = 0;
    while (digits < text.n && text.p[digits] >= '0' && text.p[digits] <= '9')
        digits++;
    enum otp_form form = digits == OTP_DIGITS && text.n == OTP_DIGITS ? OTP_FORM_CODE
                         : is_recovery(text, code)                    ? OTP_FORM_RECOVERY
                                                                      : OTP_FORM_NONE;
    mem_wipe(code, sizeof code);
    return form;
}

/* ---- keys ---- */

static struct span whose(int64_t account, char text[32])
{
    int n = snprintf(text, 32, "otp:%" PRId64, account);
    return span_of(text, (size_t)n);
}

static void base32_encode(const uint8_t bytes[OTP_KEY], char text[OTP_KEY_TEXT + 1])
{
    for (size_t i = 0; i < OTP_KEY_TEXT; i++) {
        size_t bit = 5 * i, byte = bit / 8;
        unsigned two = (unsigned)bytes[byte] << 8 | (byte + 1 < OTP_KEY ? bytes[byte + 1] : 0);
        text[i] = base32[two >> (11 - bit % 8) & 31];
    }
    text[OTP_KEY_TEXT] = '\0';
}

int otp_secret_make(struct otp_secret *ret, struct entropy *entropy,
                    const uint8_t secrets[SECRET_KEY], int64_t account)
{
    uint8_t key[OTP_KEY], nonce[SECRET_NONCE];
    char text[32];
    entropy_get(entropy, key, sizeof key);
    entropy_get(entropy, nonce, sizeof nonce);
    base32_encode(key, ret->key);
    int rc =
        secret_seal(secrets, nonce, whose(account, text), span_of(key, sizeof key), ret->sealed);
    mem_wipe(key, sizeof key);
    return rc;
}

int otp_secret_open(struct span sealed, const uint8_t secrets[SECRET_KEY], int64_t account,
                    uint8_t to[SECRET_MAX])
{
    char text[32];
    return secret_open(secrets, whose(account, text), sealed, to);
}

/* RFC 3986 section 2.3: all but unreserved characters are escaped. */
static void put_escaped(struct buf *to, struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        uint8_t c = s.p[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     (c && strchr("-._~", c));
        if (plain)
            (void)buf_append_byte(to, c);
        else
            (void)buf_printf(to, "%%%02X", c);
    }
}

void otp_uri(struct buf *to, struct span issuer, struct span name, const char *key)
{
    (void)buf_append_str(to, "otpauth://totp/");
    put_escaped(to, issuer);
    (void)buf_append_byte(to, ':');
    put_escaped(to, name);
    (void)buf_printf(to, "?secret=%s&issuer=", key);
    put_escaped(to, issuer);
}

/* ---- recovery codes ---- */

int recovery_hash(struct span typed, char hash[TOKEN_HASH + 1])
{
    char code[RECOVERY_CHARS + 1];
    int rc = is_recovery(typed, code) ? token_hash_any(span_str(code), hash) : E_FORMAT;
    mem_wipe(code, sizeof code);
    return rc;
}

int recovery_codes_make(struct recovery_code *codes, size_t n, struct entropy *entropy)
{
    for (size_t i = 0; i < n; i++) {
        uint8_t b[RECOVERY_CHARS];
        char *to = codes[i].text;
        entropy_get(entropy, b, sizeof b);
        for (size_t k = 0; k < RECOVERY_CHARS; k++) {
            if (k && k % 4 == 0)
                *to++ = '-';
            *to++ = recovery_chars[b[k] & 31];
        }
        *to = '\0';
        mem_wipe(b, sizeof b);
        int rc = recovery_hash(span_str(codes[i].text), codes[i].hash);
        if (rc)
            return rc;
    }
    return 0;
}
