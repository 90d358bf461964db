/* The schema as numbered migrations. Table schema_version holds one row for each that was applied;
 * every migration is applied in a transaction of its own together with its row. A migration that
 * was once released is never edited: a change is a new one. */
#ifndef SLIPGATE_STORE_MIGRATE_H
#define SLIPGATE_STORE_MIGRATE_H

#include "store/sql.h"
#include "store/store.h"

struct migration {
    const char *name;
    const char *text; /* {id} and TEXT stand for the driver's id_column and text_column */
};

/* Migration number i + 1 is row i. */
extern const struct migration store_migrations[];
extern const size_t store_migrations_n;

/* Applies what is missing; *from and *to are the versions before and after. E_SUPPORT: the database
 * has migrations this table has not; why has the words for every error. */
MUST_USE int migrate(struct sql *, const struct migration *, size_t n, int64_t unix_ms,
                     int64_t *from, int64_t *to, struct buf *why);

/* Every step of the table and of the database, by version; db NULL: there is none yet. Changes
 * nothing. E_LIMIT, or as in sql.h, with why. */
MUST_USE int migrate_list(struct sql *db, const struct migration *, size_t n,
                          struct store_migration_list *ret, struct buf *why);

/* Whether the database is at this program's version: E_SUPPORT, or as above. */
MUST_USE int migrate_check(struct sql *db, struct buf *why);

#endif
