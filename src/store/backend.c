#include "store/backend.h"

/* The databases this program can open. */
static const struct backend_kind *const kinds[] = {
    &backend_sqlite,
    &backend_postgresql,
    &backend_postgres,
};

const struct backend_kind *backend_find(const char *url, struct buf *why)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (strncmp(url, kinds[i]->scheme, strlen(kinds[i]->scheme)) == 0)
            return kinds[i];
    (void)buf_printf(
        why, "store.url: no such database is known; give sqlite:, sqlite:PATH or postgresql://...");
    return NULL;
}
