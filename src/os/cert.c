#include "os/cert.h"

#include "base/err.h"
#include "base/mem.h"
#include "os/cert_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/err.h>

#define DEFAULT_FILE "server.pfx"

const char *cert_reason(void)
{
    const char *text = ERR_reason_error_string(ERR_peek_error());
    ERR_clear_error();
    return text ? text : "unknown reason";
}

void cert_destroy(struct cert *c)
{
    if (!c)
        return;
    X509_free(c->leaf);
    EVP_PKEY_free(c->key);
    sk_X509_pop_free(c->chain, X509_free);
    mem_free(c);
}

int cert_path(char path[CERT_PATH_MAX], const struct cert_setup *setup, struct buf *why)
{
    int n = *setup->certificate
                ? snprintf(path, CERT_PATH_MAX, "%s", setup->certificate)
                : snprintf(path, CERT_PATH_MAX, "%s/" DEFAULT_FILE, setup->data_dir);
    if (n < 0 || (size_t)n >= CERT_PATH_MAX)
        return CERT_FAIL(why, E_CONFIG, "the certificate's path is longer than %u bytes",
                         CERT_PATH_MAX - 1);
    return 0;
}

static struct cert_stamp stamp_of(const struct stat *st)
{
    return (struct cert_stamp){
        .device = st->st_dev,
        .inode = st->st_ino,
        .size = (uint64_t)st->st_size,
        .mtime_ns = st->st_mtim.tv_sec * INT64_C(1000000000) + st->st_mtim.tv_nsec,
        .ctime_ns = st->st_ctim.tv_sec * INT64_C(1000000000) + st->st_ctim.tv_nsec,
    };
}

static bool stamp_eq(const struct cert_stamp *a, const struct cert_stamp *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size &&
           a->mtime_ns == b->mtime_ns && a->ctime_ns == b->ctime_ns;
}

/* Memory for the whole file at once, so that no copy of a key is left behind by growing. */
static int read_open_file(int fd, const char *path, const char *config_key, struct buf *to,
                          struct cert_stamp *stamp, struct buf *why)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return CERT_FAIL(why, E_IO, "cannot read %s: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return CERT_FAIL(why, E_CONFIG, "%s is not a file; point %s at one", path, config_key);
    *stamp = stamp_of(&st);
    if (st.st_size > (off_t)CERT_FILE_MAX)
        return CERT_FAIL(why, E_CONFIG, "%s is larger than %u bytes; point %s at a certificate",
                         path, CERT_FILE_MAX, config_key);
    size_t size = (size_t)st.st_size;
    buf_init(to, size ? size : 1);
    uint8_t *p = buf_reserve(to, size);
    if (!p)
        return CERT_FAIL(why, E_NOMEM, "no memory to read %s", path);
    while (to->n < size) {
        ssize_t n = read(fd, p + to->n, size - to->n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return CERT_FAIL(why, E_IO, "cannot read %s: %s", path, strerror(errno));
        if (n == 0)
            break;
        buf_commit(to, (size_t)n);
    }
    return 0;
}

/* O_NONBLOCK: a pipe in the file's place is refused instead of waited for. */
static int read_file(const char *path, const char *config_key, struct buf *to,
                     struct cert_stamp *stamp, struct buf *why)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return CERT_FAIL(why, errno == ENOENT ? E_CONFIG : E_IO,
                         "cannot open %s: %s; check %s and the file's owner and mode", path,
                         strerror(errno), config_key);
    int err = read_open_file(fd, path, config_key, to, stamp, why);
    close(fd);
    return err;
}

static int load_files(struct cert *c, const struct cert_setup *setup, struct buf *file,
                      struct buf *key_file, struct buf *why)
{
    int err = read_file(c->path, *setup->certificate ? "tls.certificate" : "data.dir", file,
                        &c->stamp, why);
    if (err == 0 && *c->key_path)
        err = read_file(c->key_path, "tls.key", key_file, &c->key_stamp, why);
    if (err)
        return err;
    const char *const passwords[CERT_PASSWORDS] = {setup->password, setup->default_password, ""};
    struct cert_file whole = {c->path, buf_span(file)}, key = {c->key_path, buf_span(key_file)};
    if (memmem(file->p, file->n, "-----BEGIN ", 11))
        return cert_read_pem(c, &whole, *c->key_path ? &key : NULL, passwords, why);
    if (*c->key_path)
        return CERT_FAIL(why, E_CONFIG,
                         "%s is not PEM, but tls.key is set; give a PEM certificate, or leave "
                         "tls.key empty for a PFX",
                         c->path);
    return cert_read_pfx(c, &whole, passwords, why);
}

/* Reads into c, which is as cert_load made it; c's stamps are set as far as its files were found.
 */
static int load_into(struct cert *c, const struct cert_setup *setup, struct buf *why)
{
    int err = cert_path(c->path, setup, why);
    if (err)
        return err;
    int n = snprintf(c->key_path, sizeof c->key_path, "%s", setup->key);
    if (n < 0 || (size_t)n >= sizeof c->key_path)
        return CERT_FAIL(why, E_CONFIG, "tls.key is longer than %u bytes", CERT_PATH_MAX - 1);
    struct buf file, key_file;
    buf_init(&file, 0);
    buf_init(&key_file, 0);
    err = load_files(c, setup, &file, &key_file, why);
    buf_fini_secret(&file);
    buf_fini_secret(&key_file);
    ERR_clear_error();
    if (err == 0 && X509_check_private_key(c->leaf, c->key) != 1) {
        ERR_clear_error();
        err = CERT_FAIL(why, E_CONFIG,
                        "the key in %s does not belong to the first certificate in %s; set "
                        "tls.certificate and tls.key to a pair",
                        *c->key_path ? c->key_path : c->path, c->path);
    }
    if (err && why->n == 0)
        (void)buf_printf(why, "cannot load the certificate: %s", err_text(err));
    return err;
}

int cert_load(struct cert **ret, const struct cert_setup *setup, struct buf *why)
{
    struct cert *c = mem_zalloc(1, sizeof *c);
    if (!c)
        return CERT_FAIL(why, E_NOMEM, "no memory for a certificate");
    int err = load_into(c, setup, why);
    if (err) {
        cert_destroy(c);
        return err;
    }
    *ret = c;
    return 0;
}

/* Another process that starts on the same folder may be first: then its file is the one. */
static int make_file(const char *path, const struct cert_setup *setup, int64_t unix_s, bool *made,
                     struct buf *why)
{
    struct cert *c;
    int err = cert_make(&c, setup, unix_s, why);
    if (err)
        return err;
    err = cert_save(c, path, setup->password, why);
    cert_destroy(c);
    *made = err == 0;
    if (err == E_EXISTS) {
        buf_clear(why);
        return 0;
    }
    return err;
}

int cert_open(struct cert **ret, const struct cert_setup *setup, int64_t unix_s, bool *made,
              struct buf *why)
{
    char path[CERT_PATH_MAX];
    *made = false;
    int err = cert_path(path, setup, why);
    if (err)
        return err;
    struct stat st;
    if (!*setup->certificate && !*setup->key && stat(path, &st) != 0 && errno == ENOENT) {
        err = make_file(path, setup, unix_s, made, why);
        if (err)
            return err;
    }
    return cert_load(ret, setup, why);
}

static bool differs(const char *path, const struct cert_stamp *stamp)
{
    struct stat st;
    if (!*path || stat(path, &st) != 0)
        return false;
    struct cert_stamp is = stamp_of(&st);
    return !stamp_eq(&is, stamp);
}

bool cert_changed(const struct cert *c)
{
    return differs(c->path, &c->stamp) || differs(c->key_path, &c->key_stamp);
}

int cert_reload(struct cert **c, const struct cert_setup *setup, struct buf *why)
{
    struct cert *fresh = mem_zalloc(1, sizeof *fresh);
    if (!fresh)
        return CERT_FAIL(why, E_NOMEM, "no memory for a certificate");
    int err = load_into(fresh, setup, why);
    if (err) {
        if (fresh->stamp.inode && strcmp(fresh->path, (*c)->path) == 0)
            (*c)->stamp = fresh->stamp;
        if (fresh->key_stamp.inode && strcmp(fresh->key_path, (*c)->key_path) == 0)
            (*c)->key_stamp = fresh->key_stamp;
        cert_destroy(fresh);
        return err;
    }
    cert_destroy(*c);
    *c = fresh;
    return 0;
}
