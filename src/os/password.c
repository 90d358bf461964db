#include "os/password.h"

#include "base/err.h"
#include "base/mem.h"

#include <crypt.h>
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/sha.h>

#define BCRYPT_TEXT 60u /* "$2b$CC$", 22 characters of salt, 31 of hash */

static const char sha256_prefix[] = "{sha256}";
#define SHA256_PREFIX (sizeof sha256_prefix - 1)
#define SHA256_TEXT   (SHA256_PREFIX + 44) /* base64 of 32 bytes */

enum scheme { SCHEME_NONE, SCHEME_BCRYPT, SCHEME_SHA256 };

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The cost of a bcrypt record, or 0 when it is none that is taken. */
static unsigned bcrypt_cost(const struct password_record *r)
{
    const char *t = r->text;
    if (r->n != BCRYPT_TEXT || t[0] != '$' || t[1] != '2' || t[3] != '$' || t[6] != '$')
        return 0;
    if ((t[2] != 'a' && t[2] != 'b' && t[2] != 'y') || !is_digit(t[4]) || !is_digit(t[5]))
        return 0;
    unsigned cost = (unsigned)(t[4] - '0') * 10 + (unsigned)(t[5] - '0');
    return cost >= PASSWORD_COST_MIN && cost <= PASSWORD_COST_MAX ? cost : 0;
}

static enum scheme scheme_of(const struct password_record *r)
{
    if (bcrypt_cost(r))
        return SCHEME_BCRYPT;
    bool sha = r->n == SHA256_TEXT && memcmp(r->text, sha256_prefix, SHA256_PREFIX) == 0;
    return sha ? SCHEME_SHA256 : SCHEME_NONE;
}

static bool bcrypt_holds(struct span password)
{
    return password.n >= 1 && password.n <= PASSWORD_MAX && !memchr(password.p, '\0', password.n);
}

/* text: of a setting or a whole record. Passwords that bcrypt cannot hold are cut here; the caller
 * knows better than to believe the outcome. */
static int bcrypt(struct span password, const char *setting, char text[BCRYPT_TEXT + 1])
{
    char phrase[PASSWORD_MAX + 1] = {0};
    struct crypt_data *data = mem_zalloc(1, sizeof *data);
    if (!data)
        return E_NOMEM;
    if (password.n)
        memcpy(phrase, password.p, password.n < PASSWORD_MAX ? password.n : PASSWORD_MAX);
    errno = 0;
    const char *out = crypt_rn(phrase, setting, data, (int)sizeof *data);
    int rc = out && strlen(out) == BCRYPT_TEXT ? 0 : errno == EINVAL ? E_FORMAT : E_CRYPTO;
    if (rc == 0)
        memcpy(text, out, BCRYPT_TEXT + 1);
    mem_wipe(phrase, sizeof phrase);
    mem_free_secret(data, sizeof *data);
    return rc;
}

int password_make(struct password_record *ret, struct span password, unsigned cost,
                  const uint8_t salt[PASSWORD_SALT_BYTES])
{
    if (!bcrypt_holds(password) || cost < PASSWORD_COST_MIN || cost > PASSWORD_COST_MAX)
        return E_RANGE;
    char setting[CRYPT_GENSALT_OUTPUT_SIZE], text[BCRYPT_TEXT + 1];
    if (!crypt_gensalt_rn("$2b$", cost, (const char *)salt, (int)PASSWORD_SALT_BYTES, setting,
                          (int)sizeof setting))
        return E_CRYPTO;
    int rc = bcrypt(password, setting, text);
    if (rc)
        return rc;
    *ret = (struct password_record){.n = BCRYPT_TEXT};
    memcpy(ret->text, text, BCRYPT_TEXT);
    mem_wipe(text, sizeof text);
    return 0;
}

static int verify_bcrypt(const struct password_record *r, struct span password)
{
    char setting[BCRYPT_TEXT + 1], text[BCRYPT_TEXT + 1];
    memcpy(setting, r->text, BCRYPT_TEXT);
    setting[BCRYPT_TEXT] = '\0';
    int rc = bcrypt(password, setting, text);
    if (rc == 0) {
        /* A password that cannot be the right one takes as long as one that can. */
        bool same = mem_equal_ct(text, r->text, BCRYPT_TEXT);
        rc = same && bcrypt_holds(password) ? 0 : E_AUTH;
    }
    mem_wipe(text, sizeof text);
    mem_wipe(setting, sizeof setting);
    return rc;
}

static int verify_sha256(const struct password_record *r, struct span password)
{
    uint8_t digest[SHA256_DIGEST_LENGTH] = {0}, text[SHA256_TEXT - SHA256_PREFIX + 1];
    if (!EVP_Digest(password.n ? password.p : digest, password.n, digest, NULL, EVP_sha256(), NULL))
        return E_CRYPTO;
    (void)EVP_EncodeBlock(text, digest, sizeof digest);
    bool same = mem_equal_ct(text, r->text + SHA256_PREFIX, SHA256_TEXT - SHA256_PREFIX);
    mem_wipe(digest, sizeof digest);
    mem_wipe(text, sizeof text);
    return same ? 0 : E_AUTH;
}

int password_verify(const struct password_record *r, struct span password, unsigned cost,
                    bool *rehash)
{
    int rc = E_FORMAT;
    *rehash = false;
    switch (scheme_of(r)) {
    case SCHEME_NONE: break;
    case SCHEME_BCRYPT: rc = verify_bcrypt(r, password); break;
    case SCHEME_SHA256: rc = verify_sha256(r, password); break;
    }
    if (rc == 0)
        *rehash = (bcrypt_cost(r) != cost || r->text[2] != 'b') && bcrypt_holds(password);
    return rc;
}

unsigned password_record_cost(const struct password_record *r)
{
    return bcrypt_cost(r);
}
