/* The files around an SQLite database: made with the right modes, and claimed so that no second
 * server process opens them. */
#ifndef SLIPGATE_STORE_SQLITE_FILE_H
#define SLIPGATE_STORE_SQLITE_FILE_H

#include "base/buf.h"
#include "base/types.h"

struct sqlite_file {
    char *path;      /* absolute, symbolic links resolved */
    int lock;        /* descriptor of PATH.lock, flock()ed while the claim lasts */
    bool made;       /* the file was not there before */
    bool open_modes; /* others than the owner may read it */
};

/* Makes the last folder of path (0700) and the file (0600) where missing and claims the file. The
 * lock is apart from the database, whose own locks closing a second descriptor of it would drop; it
 * dies with the process, and the lock file stays for the next one. E_BUSY, E_IO, E_NOMEM; why has
 * the words. */
MUST_USE int sqlite_file_claim(struct sqlite_file *, const char *path, struct buf *why);
/* A file that is the business of somebody else's VFS: nothing is made or locked. E_NOMEM. */
MUST_USE int sqlite_file_borrow(struct sqlite_file *, const char *path);
void sqlite_file_release(struct sqlite_file *); /* a zeroed one with lock -1 is fine */
/* Nothing has that name. */
bool sqlite_file_missing(const char *path);

#endif
