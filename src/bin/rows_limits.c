/* Which keys are limits, of all modules together. */
#include "bin/rows.h"
#include "core/limits.h"

static const struct limit_row admin_rows[] = {
    {"admin.max_connections", "connections to `admin.port` at once",
     "when a connection is accepted: it is closed"},
    {"admin.timeout_s", "seconds of silence of such a connection", "by the clock: it is closed"},
    {"accounts.queue_max_s", "seconds a login waits for a hash thread",
     "before a password is hashed: the login is refused as busy"},
    {"accounts.failed_login_threshold", "wrong passwords of one address within ten minutes",
     "at the next one: the address is banned for `accounts.login_ban_s`"},
};

static const struct limit_table limits_program = {admin_rows, ARRAY_LEN(admin_rows)};

static const struct limit_row *find(const struct limit_table *t, const char *key)
{
    for (size_t i = 0; i < t->n; i++)
        if (strcmp(t->rows[i].key, key) == 0)
            return &t->rows[i];
    return NULL;
}

const struct limit_row *rows_limit(const char *key)
{
    const struct limit_row *found = find(&limits_server, key);
    for (size_t i = 0; i < rows_services_n && !found; i++)
        if (rows_services[i]->limits)
            found = find(rows_services[i]->limits, key);
    return found ? found : find(&limits_program, key);
}

static size_t strangers(const struct limit_table *t, const struct config *c)
{
    size_t n = 0;
    for (size_t i = 0; i < t->n; i++)
        n += !config_known(c, span_str(t->rows[i].key));
    return n;
}

size_t rows_limits_unknown(const struct config *c)
{
    size_t n = strangers(&limits_server, c) + strangers(&limits_program, c);
    for (size_t i = 0; i < rows_services_n; i++)
        if (rows_services[i]->limits)
            n += strangers(rows_services[i]->limits, c);
    return n;
}
