/* Writing the PFX: whole or not at all, never over something else. */
#include "os/cert_impl.h"

#include "base/err.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pkcs12.h>

/* 3DES and a SHA-1 MAC: what every reader takes, Mono's included. */
static int encode(const struct cert *c, const char *password, unsigned char **der, struct buf *why)
{
    char name[CERT_HOSTNAME_MAX + 1];
    struct cert_info info;
    cert_info(c, &info);
    (void)snprintf(name, sizeof name, "%s", info.subject);
    STACK_OF(X509) *chain = sk_X509_num(c->chain) > 0 ? c->chain : NULL;
    const int pbe = NID_pbe_WithSHA1And3_Key_TripleDES_CBC;
    PKCS12 *p12 =
        PKCS12_create(password, name, c->key, c->leaf, chain, pbe, pbe, PKCS12_DEFAULT_ITER, -1, 0);
    int n = -1;
    *der = NULL;
    if (p12 && PKCS12_set_mac(p12, password, -1, NULL, 0, PKCS12_DEFAULT_ITER, EVP_sha1()))
        n = i2d_PKCS12(p12, der);
    PKCS12_free(p12);
    if (n <= 0)
        return CERT_FAIL(why, E_CRYPTO, "cannot encode the certificate: %s", cert_reason());
    return n;
}

static bool write_all(int fd, const unsigned char *p, size_t n)
{
    while (n > 0) {
        ssize_t done = write(fd, p, n);
        if (done < 0 && errno != EINTR)
            return false;
        if (done > 0) {
            p += done;
            n -= (size_t)done;
        }
    }
    return fsync(fd) == 0;
}

/* Some file systems know no rename that refuses to replace; a hard link refuses as well. */
static int rename_new(const char *from, const char *to)
{
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -1;
    if (link(from, to) != 0)
        return -1;
    (void)unlink(from);
    return 0;
}

/* The new name is durable only when the folder is. */
static bool sync_folder(const char *path)
{
    char folder[CERT_PATH_MAX];
    const char *slash = strrchr(path, '/');
    int n = slash ? (int)(slash - path) : 0;
    (void)snprintf(folder, sizeof folder, "%.*s", n, path);
    int fd = open(!slash ? "." : n == 0 ? "/" : folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = fd >= 0 && (fsync(fd) == 0 || errno == EINVAL); /* EINVAL: it has no such thing */
    int saved = errno;
    if (fd >= 0)
        close(fd);
    errno = saved;
    return ok;
}

/* 0 or an errno. */
static int write_file(const char *path, const unsigned char *der, size_t n)
{
    char temporary[CERT_PATH_MAX + 8];
    (void)snprintf(temporary, sizeof temporary, "%s.XXXXXX", path);
    int fd = mkostemp(temporary, O_CLOEXEC); /* mode 0600 */
    if (fd < 0)
        return errno;
    bool ok = write_all(fd, der, n);
    int err = ok ? 0 : errno;
    if (close(fd) != 0 && !err)
        err = errno;
    if (!err && rename_new(temporary, path) != 0)
        err = errno;
    if (err)
        (void)unlink(temporary);
    else if (!sync_folder(path))
        err = errno;
    return err;
}

int cert_save(const struct cert *c, const char *path, const char *password, struct buf *why)
{
    unsigned char *der;
    int n = encode(c, password, &der, why);
    if (n < 0)
        return n;
    int err = write_file(path, der, (size_t)n);
    OPENSSL_clear_free(der, (size_t)n);
    if (err == EEXIST)
        return CERT_FAIL(why, E_EXISTS, "%s exists and is not replaced; move it away first", path);
    if (err)
        return CERT_FAIL(why, E_IO,
                         "cannot write %s: %s; make the folder writable for the server, or set "
                         "data.dir to one that is",
                         path, strerror(err));
    return 0;
}
