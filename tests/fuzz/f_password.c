/* Password records as a store or an import may hold them: any text, and records built here and then
 * damaged. A right password is taken, any other and any damaged record refused. bcrypt at the
 * lowest cost alone: a fuzzer has no time for more. */
#include "fuzz.h"

#include "base/err.h"
#include "os/password.h"

#include <openssl/evp.h>

static struct password_record record_of(struct span s)
{
    struct password_record r = {
        .n = (uint8_t)(s.n < PASSWORD_RECORD_MAX ? s.n : PASSWORD_RECORD_MAX)};
    if (r.n)
        memcpy(r.text, s.p, r.n);
    return r;
}

static int verify(const struct password_record *r, struct span password)
{
    bool rehash = true;
    if (password_record_cost(r) > PASSWORD_COST_MIN)
        return E_FORMAT;
    int rc = password_verify(r, password, PASSWORD_COST_MIN, &rehash);
    MUST(rc == 0 || rc == E_AUTH || rc == E_FORMAT);
    MUST(rc == 0 || !rehash);
    return rc;
}

static void imported(struct span *in, struct span password)
{
    uint8_t digest[32];
    struct password_record r = {.n = 52, .text = "{sha256}"};
    MUST(EVP_Digest(password.p, password.n, digest, NULL, EVP_sha256(), NULL));
    (void)EVP_EncodeBlock((uint8_t *)r.text + 8, digest, sizeof digest);
    MUST(verify(&r, password) == 0);
    struct span bad = fuzz_damage(in, span_of(r.text, r.n));
    struct password_record other = record_of(bad);
    bool same = bad.n == r.n && memcmp(bad.p, r.text, r.n) == 0;
    MUST((verify(&other, password) == 0) == same);
    fuzz_free(bad);
}

static void made(struct span *in, struct span password)
{
    struct password_record r;
    uint8_t salt[PASSWORD_SALT_BYTES];
    memset(salt, fuzz_byte(in), sizeof salt);
    bool holds =
        password.n >= 1 && password.n <= PASSWORD_MAX && !memchr(password.p, 0, password.n);
    int rc = password_make(&r, password, PASSWORD_COST_MIN, salt);
    MUST(rc == (holds ? 0 : E_RANGE));
    if (rc)
        return;
    MUST(verify(&r, password) == 0);
    struct span bad = fuzz_damage(in, password);
    MUST((verify(&r, bad) == 0) == span_eq(bad, password));
    fuzz_free(bad);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = span_of(data, size);
    uint8_t how = fuzz_byte(&in);
    struct span password = fuzz_take(&in, fuzz_below(&in, 80));
    uint8_t *exact = fuzz_copy(password);
    password.p = exact;
    if (how % 8 == 0) {
        made(&in, password);
    } else if (how % 2) {
        imported(&in, password);
    } else {
        struct password_record r = record_of(in);
        (void)verify(&r, password);
    }
    free(exact);
    return 0;
}
