/* Hexadecimal and base64: what is read is written back as it stood, what is written is read. */
#include "fuzz.h"

#include "base/err.h"
#include "wire/text.h"

static void read_text(struct span in)
{
    uint8_t *bytes = malloc(in.n + 1);
    char *text = malloc(in.n + 1);
    MUST(bytes && text);
    if (hex_decode(in, bytes, in.n / 2) == 0) {
        hex_encode(bytes, in.n / 2, text);
        MUST(strlen(text) == in.n);
        for (size_t i = 0; i < in.n; i++)
            MUST(text[i] == (char)in.p[i] || (in.p[i] < 'a' && text[i] == (char)(in.p[i] | 32)));
    }
    int n = base64_decode(in, bytes, in.n);
    if (n >= 0) {
        MUST(BASE64_LEN((size_t)n) == in.n);
        base64_encode(bytes, (size_t)n, text);
        MUST(span_eq(span_str(text), in));
        MUST(n == 0 || base64_decode(in, bytes, (size_t)n - 1) == E_LIMIT);
    } else {
        MUST(n == E_FORMAT);
    }
    free(bytes);
    free(text);
}

static void write_text(struct span in)
{
    uint8_t *bytes = malloc(in.n + 1);
    char *text = malloc(2 * in.n + 4);
    MUST(bytes && text);
    hex_encode(in.p, in.n, text);
    MUST(hex_decode(span_str(text), bytes, in.n) == 0);
    MUST(span_eq(span_of(bytes, in.n), in));
    base64_encode(in.p, in.n, text);
    MUST(strlen(text) == BASE64_LEN(in.n));
    MUST(base64_decode(span_str(text), bytes, in.n) == (int)in.n);
    MUST(span_eq(span_of(bytes, in.n), in));
    free(bytes);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_text(span_of(data, size));
    write_text(span_of(data, size));
    return 0;
}
