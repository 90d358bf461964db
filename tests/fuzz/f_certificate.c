/* Certificate files: PEM and PFX of anybody's making. What is taken has a certificate and its key,
 * can be reported, and what is refused says why. The first byte chooses PFX, PEM or PEM with the
 * key in the second half. */
#include "fuzz.h"

#include "os/cert_impl.h"

static const char *const passwords[CERT_PASSWORDS] = {"secret", "RacingServer2024!", ""};

static void look_at(struct cert *c)
{
    struct cert_info info;
    struct buf names;
    MUST(c->leaf && c->key);
    cert_info(c, &info);
    MUST(strlen(info.subject) < sizeof info.subject && strlen(info.sha1) == 59);
    MUST(strlen(info.sha256) == 95 && strlen(info.key) < sizeof info.key);
    buf_init(&names, 65536);
    (void)cert_names(c, &names);
    buf_fini(&names);
}

/* Whether a PFX may ask for more than 32,767 rounds of its key derivation: behind an OCTET STRING,
 * the salt, stands an INTEGER of three bytes or more. A file of the operator's own may take its
 * time, a fuzzer has none. */
static bool may_be_slow(struct span in)
{
    for (size_t i = 0; i + 1 < in.n; i++) {
        size_t behind = i + 2 + in.p[i + 1];
        if (in.p[i] == 4 && behind + 1 < in.n && in.p[behind] == 2 && in.p[behind + 1] > 2)
            return true;
    }
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = span_of(data, size);
    unsigned how = fuzz_byte(&in) % 3;
    if (how == 0 && may_be_slow(in))
        return 0;
    struct cert *c = calloc(1, sizeof *c);
    struct buf why;
    MUST(c);
    buf_init(&why, 4096);
    struct cert_file file = {"server.pem", in}, key = {"key.pem", in};
    if (how == 2) {
        file.bytes.n = in.n / 2;
        key.bytes = span_skip(in, in.n / 2);
    }
    int rc = how == 0   ? cert_read_pfx(c, &file, passwords, &why)
             : how == 1 ? cert_read_pem(c, &file, NULL, passwords, &why)
                        : cert_read_pem(c, &file, &key, passwords, &why);
    if (rc == 0)
        look_at(c);
    else
        MUST(why.n > 0 && !memchr(why.p, '\n', why.n));
    buf_fini(&why);
    cert_destroy(c);
    return 0;
}
