/* What must hold for certificate files of anybody's making: what is taken has a certificate and its
 * key and can be reported, what is refused says why. */
#ifndef SLIPGATE_TESTS_FUZZ_CERT_LOOK_H
#define SLIPGATE_TESTS_FUZZ_CERT_LOOK_H

#include "fuzz.h"

#include "base/err.h"
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

enum cert_form { CERT_FORM_PFX, CERT_FORM_PEM, CERT_FORM_PEM_AND_KEY };

/* Reads the file, and for CERT_FORM_PEM_AND_KEY the key file beside it. NULL: refused, or not tried
 * because it would take too long. */
static struct cert *cert_look(enum cert_form form, struct span bytes, struct span key_bytes)
{
    if (form == CERT_FORM_PFX && may_be_slow(bytes))
        return NULL;
    struct cert *c = calloc(1, sizeof *c);
    struct buf why;
    MUST(c);
    buf_init(&why, 4096);
    struct cert_file file = {"server.pem", bytes}, key = {"key.pem", key_bytes};
    int rc = form == CERT_FORM_PFX
                 ? cert_read_pfx(c, &file, passwords, &why)
                 : cert_read_pem(c, &file, form == CERT_FORM_PEM ? NULL : &key, passwords, &why);
    if (rc == 0)
        look_at(c);
    else
        MUST(rc == E_CONFIG && why.n > 0 && !memchr(why.p, '\n', why.n));
    buf_fini(&why);
    if (rc) {
        cert_destroy(c);
        return NULL;
    }
    return c;
}

#endif
