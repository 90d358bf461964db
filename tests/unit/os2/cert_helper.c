/* cert_helper DATA_DIR CERTIFICATE KEY PASSWORD HOSTNAME PUBLIC_IP p256|rsa2048: opens what these
 * settings name and prints "ok", whether it was made, how long the chain is, fingerprint and names;
 * or "error", the code and why. For cert_tools.py. */
#include "base/err.h"
#include "os/cert.h"

#include <stdio.h>
#include <time.h>

static int show(const struct cert *c, bool made)
{
    struct cert_info info;
    struct buf names;
    buf_init(&names, 65536);
    cert_info(c, &info);
    int err = cert_names(c, &names);
    printf("ok\n%s\n%d\n%s\n%s\n%.*s\n", made ? "made" : "found", sk_X509_num(c->chain),
           info.sha256, info.key, (int)names.n, names.n ? (const char *)names.p : "");
    buf_fini(&names);
    return err ? 1 : 0;
}

int main(int argc, char **argv)
{
    if (argc != 8)
        return 2;
    struct cert_setup setup = {
        .data_dir = argv[1],
        .certificate = argv[2],
        .key = argv[3],
        .password = argv[4],
        .default_password = "the default",
        .hostname = argv[5],
        .public_ip = argv[6],
        .key_type = strcmp(argv[7], "p256") == 0 ? CERT_KEY_P256 : CERT_KEY_RSA2048,
    };
    struct cert *c;
    struct buf why;
    bool made;
    buf_init(&why, 1024);
    int err = cert_open(&c, &setup, (int64_t)time(NULL), &made, &why), code = 0;
    if (err) {
        printf("error\n%s\n%.*s\n", err_name(err), (int)why.n, why.n ? (const char *)why.p : "");
    } else {
        code = show(c, made);
        cert_destroy(c);
    }
    buf_fini(&why);
    return code;
}
