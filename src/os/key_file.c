#include "os/key_file.h"

#include "base/err.h"
#include "base/mem.h"
#include "wire/text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define DIGITS (2 * KEY_FILE_BYTES)

/* What the file says; one byte more shows that it says too much. */
static int read_file(const char *path, char text[DIGITS + 2], size_t *n, struct buf *why)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return E_NOENT;
    ssize_t got = fd < 0 || fstat(fd, &st) != 0 ? -1 : read(fd, text, DIGITS + 2);
    int error = errno;
    if (fd >= 0)
        close(fd);
    if (got < 0) {
        (void)buf_printf(why, "cannot read %s: %s", path, strerror(error));
        return E_IO;
    }
    if (st.st_mode & 077) {
        (void)buf_printf(why, "others than the owner may use %s: chmod 600 mends it", path);
        return E_REFUSED;
    }
    *n = (size_t)got;
    return 0;
}

static int load(const char *path, const char *what, uint8_t key[KEY_FILE_BYTES], struct buf *why)
{
    char text[DIGITS + 2];
    size_t n = 0;
    int rc = read_file(path, text, &n, why);
    if (rc)
        return rc;
    if (n == DIGITS + 1 && text[DIGITS] == '\n')
        n--;
    rc = n == DIGITS ? hex_decode(span_of(text, n), key, KEY_FILE_BYTES) : E_FORMAT;
    mem_wipe(text, sizeof text);
    if (rc)
        (void)buf_printf(why,
                         "%s is no %s key (64 hexadecimal digits): bring it back from a backup, "
                         "or move it away and a new one is made",
                         path, what);
    return rc;
}

static bool write_new(int fd, const char *text, size_t n)
{
    return write(fd, text, n) == (ssize_t)n && fsync(fd) == 0;
}

/* Whole or not at all, and never over one that is there. */
static int save(const char *path, const uint8_t key[KEY_FILE_BYTES], struct buf *why)
{
    char text[DIGITS + 2], temporary[PATH_MAX + 8];
    hex_encode(key, KEY_FILE_BYTES, text);
    text[DIGITS] = '\n';
    (void)snprintf(temporary, sizeof temporary, "%s.XXXXXX", path);
    int fd = mkostemp(temporary, O_CLOEXEC); /* mode 0600 */
    bool good = fd >= 0 && write_new(fd, text, DIGITS + 1) && link(temporary, path) == 0;
    int error = errno;
    mem_wipe(text, sizeof text);
    if (fd >= 0) {
        (void)unlink(temporary);
        close(fd);
    }
    if (good)
        return 0;
    (void)buf_printf(why, "cannot make %s: %s", path, strerror(error));
    return E_IO;
}

int key_file_open(uint8_t key[KEY_FILE_BYTES], const char *dir, const char *what,
                  struct entropy *entropy, struct buf *why)
{
    char path[PATH_MAX];
    int n = snprintf(path, sizeof path, "%s/%s.key", dir, what);
    if (n < 0 || n >= (int)sizeof path) {
        (void)buf_append_str(why, "data.dir is too long");
        return E_IO;
    }
    int rc = load(path, what, key, why);
    if (rc != E_NOENT)
        return rc;
    if (!entropy) {
        (void)buf_printf(why, "%s does not exist yet; the server makes it at its first start",
                         path);
        return E_NOENT;
    }
    entropy_get(entropy, key, KEY_FILE_BYTES);
    return save(path, key, why);
}
