#include "store/sqlite_file.h"

#include "base/err.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static int fail(struct buf *why, const char *what, const char *path)
{
    (void)buf_printf(why, "cannot %s %s: %s", what, path, strerror(errno));
    return E_IO;
}

/* A name is on disk only once its folder is. */
static int sync_folder(const char *folder, struct buf *why)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = fd < 0 || fsync(fd) ? fail(why, "write to disk the folder", folder) : 0;
    if (fd >= 0)
        close(fd);
    return rc;
}

/* The folder a path lies in; freed by the caller. */
static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return strdup(".");
    return slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
}

static int make_folder(const char *folder, struct buf *why)
{
    if (mkdir(folder, 0700) == 0) {
        char *parent = folder_of(folder);
        int rc = parent ? sync_folder(parent, why) : E_NOMEM;
        free(parent);
        return rc;
    }
    return errno == EEXIST ? 0 : fail(why, "make the folder", folder);
}

static int make_file(struct sqlite_file *f, const char *path, const char *folder, struct buf *why)
{
    /* Only ever opened when new: closing a descriptor of a database that is in use in this process
     * would drop its locks. */
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0) {
        f->made = true;
        int rc = fchmod(fd, 0600) || fsync(fd) ? fail(why, "make", path) : 0;
        close(fd);
        return rc ? rc : sync_folder(folder, why);
    }
    struct stat st;
    if (errno != EEXIST)
        return fail(why, "make", path);
    if (stat(path, &st))
        return fail(why, "open", path);
    if (!S_ISREG(st.st_mode)) {
        (void)buf_printf(why, "%s is not a file", path);
        return E_IO;
    }
    f->open_modes = (st.st_mode & 077) != 0;
    return 0;
}

static int refuse_second(int fd, const char *path, struct buf *why)
{
    char pid[24] = "";
    ssize_t n = pread(fd, pid, sizeof pid - 1, 0);
    if (n > 0 && strspn(pid, "0123456789") > 0)
        (void)buf_printf(why, "%s is in use by another server (process %.*s)", path,
                         (int)strspn(pid, "0123456789"), pid);
    else
        (void)buf_printf(why, "%s is in use by another server", path);
    return E_BUSY;
}

static int lock(struct sqlite_file *f, struct buf *why)
{
    char *name = NULL;
    if (asprintf(&name, "%s.lock", f->path) < 0)
        return E_NOMEM;
    int rc = 0;
    f->lock = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (f->lock < 0)
        rc = fail(why, "open", name);
    else if (flock(f->lock, LOCK_EX | LOCK_NB))
        rc = errno == EWOULDBLOCK ? refuse_second(f->lock, f->path, why) : fail(why, "lock", name);
    free(name);
    if (rc)
        return rc;
    /* The process id is there for people; a disk too full to take it is no reason to stop. */
    char pid[24];
    int n = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    if (ftruncate(f->lock, 0) == 0 && pwrite(f->lock, pid, (size_t)n, 0) != n)
        (void)!ftruncate(f->lock, 0);
    return 0;
}

int sqlite_file_claim(struct sqlite_file *f, const char *path, struct buf *why)
{
    *f = (struct sqlite_file){.lock = -1};
    char *folder = folder_of(path);
    int rc = folder ? make_folder(folder, why) : E_NOMEM;
    if (rc == 0)
        rc = make_file(f, path, folder, why);
    free(folder);
    if (rc == 0) {
        f->path = realpath(path, NULL);
        rc = f->path ? lock(f, why) : fail(why, "resolve", path);
    }
    if (rc)
        sqlite_file_release(f);
    return rc;
}

int sqlite_file_borrow(struct sqlite_file *f, const char *path)
{
    size_t n = strlen(path) + 1;
    *f = (struct sqlite_file){.path = mem_zalloc(n, 1), .lock = -1};
    if (!f->path)
        return E_NOMEM;
    memcpy(f->path, path, n);
    return 0;
}

void sqlite_file_release(struct sqlite_file *f)
{
    if (f->lock >= 0)
        close(f->lock);
    free(f->path);
    *f = (struct sqlite_file){.lock = -1};
}

bool sqlite_file_missing(const char *path)
{
    struct stat st;
    return stat(path, &st) && errno == ENOENT;
}
