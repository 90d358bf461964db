/* The server's certificate: made once, read from PFX or PEM, watched for change, reported for
 * pinning (docs/operations.md, "Certificate").
 *
 * A made certificate is self-signed and is written as PFX with 3DES and a SHA-1 MAC, the one form
 * that Mono, .NET and OpenSSL all read; the file's mode 0600 protects the key, not its password. An
 * existing file is never replaced, readable or not, because clients pin its fingerprint.
 *
 * struct cert owns its three OpenSSL objects, which are in the form SSL_CTX takes; the edge keeps a
 * certificate in use alive by OpenSSL's own reference counts, so it may be destroyed or reloaded
 * while connections that began with it go on. Not thread-safe: one thread (the loop's), except that
 * different objects may be used on different threads. Reading and making block on files; making may
 * also block on resolving the machine's own name, and happens once in the life of a data directory.
 *
 * Error texts (`why`): one line without a full stop that names the file or key and the mend; never
 * a password. */
#ifndef SLIPGATE_OS_CERT_H
#define SLIPGATE_OS_CERT_H

#include "base/buf.h"
#include "base/log.h"
#include "base/types.h"

#include <openssl/x509v3.h>

enum cert_key_type { CERT_KEY_P256, CERT_KEY_RSA2048 };

/* The `tls` section of the configuration. Texts are borrowed for the call and never NULL: "" means
 * not set. */
struct cert_setup {
    const char *data_dir;
    const char *certificate;      /* PFX, or PEM with chain; "": server.pfx in data_dir */
    const char *key;              /* PEM private key; "": in the certificate's own file */
    const char *password;         /* of the PFX or of the key */
    const char *default_password; /* tried after password; then the empty one */
    const char *hostname;         /* at most CERT_HOSTNAME_MAX bytes; "": nothing to compare with */
    const char *public_ip;        /* IPv4 or IPv6 literal; "": none */
    enum cert_key_type key_type;
};

#define CERT_HOSTNAME_MAX 64u  /* what a common name may hold (RFC 5280 appendix A.1) */
#define CERT_NAMES_MAX    128u /* names and addresses in a made certificate; the rest is left out */
#define CERT_FILE_MAX     (1u << 20) /* bytes of a certificate or key file */
#define CERT_PATH_MAX     4096u
#define CERT_WARN_DAYS    60 /* warn this long before the end */

/* What a file looked like when it was read. */
struct cert_stamp {
    uint64_t device, inode, size;
    int64_t mtime_ns, ctime_ns;
};

struct cert {
    X509 *leaf;
    EVP_PKEY *key;
    STACK_OF(X509) *chain; /* intermediates, leaf's issuer first; may be empty */
    char path[CERT_PATH_MAX], key_path[CERT_PATH_MAX]; /* key_path "": no file of its own */
    struct cert_stamp stamp, key_stamp;                /* of the files as last looked at */
};

/* For people and for pinning; texts are NUL-terminated. */
struct cert_info {
    char subject[CERT_HOSTNAME_MAX + 1]; /* common name, or "" */
    char sha1[60], sha256[96];           /* "AB:CD:..." over the DER of the whole certificate */
    char key[32];                        /* "EC P-256", "RSA 2048" */
    int64_t not_before_s, not_after_s;   /* Unix time */
};

/* Opens what setup names. Where it names no file and data_dir has no server.pfx, makes one and
 * writes it; *made tells. unix_s: the date. E_CONFIG (setup, password, file content), E_IO,
 * E_NOMEM, E_CRYPTO. */
MUST_USE int cert_open(struct cert **ret, const struct cert_setup *setup, int64_t unix_s,
                       bool *made, struct buf *why);
void cert_destroy(struct cert *c); /* NULL is fine */

/* The parts of cert_open. cert_load never makes; cert_make touches no file; cert_save writes whole
 * or not at all and says E_EXISTS, touching nothing, where path already names something. */
MUST_USE int cert_load(struct cert **ret, const struct cert_setup *setup, struct buf *why);
MUST_USE int cert_make(struct cert **ret, const struct cert_setup *setup, int64_t unix_s,
                       struct buf *why);
MUST_USE int cert_save(const struct cert *c, const char *path, const char *password,
                       struct buf *why);
/* The file of cert_setup's certificate: its own path or server.pfx in data_dir. E_CONFIG: too long.
 */
MUST_USE int cert_path(char path[CERT_PATH_MAX], const struct cert_setup *setup, struct buf *why);

/* True when a file differs from when it was last looked at; cheap (one stat a file), so it may be
 * polled. A file that is missing just now does not count: it is about to be replaced. */
bool cert_changed(const struct cert *c);
/* Loads anew into *c. On error *c stays as it was, but remembers what it looked at, so that
 * cert_changed does not ask for the same broken file again. */
MUST_USE int cert_reload(struct cert **c, const struct cert_setup *setup, struct buf *why);

void cert_info(const struct cert *c, struct cert_info *ret);
/* Every name and address the certificate is for, comma separated: "DNS:localhost, IP:127.0.0.1". */
int cert_names(const struct cert *c, struct buf *to);
/* Appends those of setup's hostname and public_ip that the certificate is not for, comma separated;
 * nothing when it is for both. */
int cert_missing_names(const struct cert *c, const struct cert_setup *setup, struct buf *to);
/* Logs what is in use with its fingerprints, and warns when it ends within CERT_WARN_DAYS (or has
 * ended, or not begun) and when configured names are missing. */
void cert_report(const struct cert *c, const struct cert_setup *setup, int64_t unix_s,
                 struct log *log);

#endif
