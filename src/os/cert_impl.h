/* Shared by the parts of os/cert: nobody else includes it. */
#ifndef SLIPGATE_OS_CERT_IMPL_H
#define SLIPGATE_OS_CERT_IMPL_H

#include "os/cert.h"

/* Says why and gives the code: return CERT_FAIL(why, E_IO, "cannot open %s", path). */
#define CERT_FAIL(why, code, ...) (buf_printf((why), __VA_ARGS__), (code))

#define CERT_PASSWORDS 3u

/* One text of the setup as the file's content, and where it came from for error texts. */
struct cert_file {
    const char *path;
    struct span bytes;
};

/* Reads leaf, key and chain into c. key_file.path NULL: the key is in file. E_CONFIG, E_NOMEM. */
int cert_read_pem(struct cert *c, const struct cert_file *file, const struct cert_file *key_file,
                  const char *const passwords[CERT_PASSWORDS], struct buf *why);
int cert_read_pfx(struct cert *c, const struct cert_file *file,
                  const char *const passwords[CERT_PASSWORDS], struct buf *why);

/* The reason of the crypto library's oldest queued error, or "unknown reason"; empties the queue.
 */
const char *cert_reason(void);

#endif
