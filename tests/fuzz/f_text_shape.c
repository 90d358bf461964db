/* Hexadecimal and base64 as others write them (letters of either case; libcrypto's encoder), read
 * at exactly their size and one below; then damaged: what is still read is what that encoder makes
 * of it. */
#include "fuzz.h"

#include "base/err.h"
#include "wire/text.h"

#include <openssl/evp.h>

static void hex(struct span *in, struct span bytes)
{
    char *text = fuzz_alloc(2 * bytes.n + 1);
    uint8_t *back = fuzz_alloc(bytes.n + 2), upper = fuzz_byte(in);
    for (size_t i = 0; i < bytes.n; i++)
        snprintf(text + 2 * i, 3, upper >> i % 8 & 1 ? "%02X" : "%02x", bytes.p[i]);
    struct span all = span_of(text, 2 * bytes.n);
    MUST(hex_decode(all, back, bytes.n) == 0 && span_eq(span_of(back, bytes.n), bytes));
    MUST(bytes.n == 0 || hex_decode(all, back, bytes.n - 1) == E_FORMAT);
    MUST(hex_decode(all, back, bytes.n + 1) == E_FORMAT);
    struct span bad = fuzz_damage(in, all);
    uint8_t *other = fuzz_alloc(bad.n);
    size_t digits = 0;
    while (digits < bad.n && bad.p[digits] && strchr("0123456789abcdefABCDEF", bad.p[digits]))
        digits++;
    MUST((hex_decode(bad, other, bad.n / 2) == 0) == (digits == bad.n && bad.n % 2 == 0));
    fuzz_free(bad);
    free(other);
    free(text);
    free(back);
}

static void base64(struct span *in, struct span bytes)
{
    uint8_t *text = fuzz_alloc(BASE64_LEN(bytes.n) + 1), *back = fuzz_alloc(bytes.n);
    struct span all = {text, (size_t)EVP_EncodeBlock(text, bytes.p, (int)bytes.n)};
    MUST(all.n == BASE64_LEN(bytes.n));
    MUST(base64_decode(all, back, bytes.n) == (int)bytes.n);
    MUST(span_eq(span_of(back, bytes.n), bytes));
    MUST(bytes.n == 0 || base64_decode(all, back, bytes.n - 1) == E_LIMIT);
    struct span bad = fuzz_damage(in, all);
    uint8_t *other = fuzz_alloc(bad.n), *again = fuzz_alloc(bad.n + 4);
    int n = base64_decode(bad, other, bad.n);
    MUST(n == E_FORMAT || n >= 0);
    if (n >= 0) {
        MUST(EVP_EncodeBlock(again, other, n) == (int)bad.n);
        MUST(span_eq(span_of(again, bad.n), bad));
    }
    fuzz_free(bad);
    free(other);
    free(again);
    free(text);
    free(back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = span_of(data, size), bytes = fuzz_take(&in, fuzz_below(&in, 200));
    uint8_t *exact = fuzz_copy(bytes);
    hex(&in, span_of(exact, bytes.n));
    base64(&in, span_of(exact, bytes.n));
    free(exact);
    return 0;
}
