#include "live_accounts.h"

#include <crypt.h>
#include <libpq-fe.h>
#include <openssl/evp.h>
#include <sqlite3.h>
#include <stdio.h>

static bool make_record(const struct account_spec *a, char to[160])
{
    uint8_t digest[32];
    char text[64];
    if (a->legacy) {
        if (EVP_Digest(a->password, strlen(a->password), digest, NULL, EVP_sha256(), NULL) != 1)
            return false;
        (void)EVP_EncodeBlock((uint8_t *)text, digest, sizeof digest);
        (void)snprintf(to, 160, "{sha256}%s", text);
        return true;
    }
    char salt[CRYPT_GENSALT_OUTPUT_SIZE];
    static struct crypt_data data;
    const char *made = crypt_gensalt_rn("$2b$", 4, NULL, 0, salt, sizeof salt)
                           ? crypt_r(a->password, salt, &data)
                           : NULL;
    if (!made || made[0] != '$')
        return false;
    (void)snprintf(to, 160, "%s", made);
    return true;
}

/* One statement for both databases. */
static const char insert_sql[] =
    "INSERT INTO account (name, name_fold, password, password_min, created_ms) "
    "VALUES ($1, lower($1), $2, 1, 0)";

static bool insert_sqlite(sqlite3 *db, const struct account_spec *a)
{
    char record[160];
    sqlite3_stmt *s = NULL;
    bool ok = make_record(a, record) &&
              sqlite3_prepare_v2(db, insert_sql, -1, &s, NULL) == SQLITE_OK &&
              sqlite3_bind_text(s, 1, a->name, -1, SQLITE_STATIC) == SQLITE_OK &&
              sqlite3_bind_text(s, 2, record, -1, SQLITE_STATIC) == SQLITE_OK &&
              sqlite3_step(s) == SQLITE_DONE;
    (void)sqlite3_finalize(s);
    return ok;
}

static bool write_sqlite(const char *folder, const struct setup *setup, struct buf *why)
{
    char path[200];
    sqlite3 *db = NULL;
    (void)snprintf(path, sizeof path, "%.150s/data/slipgate.db", folder);
    bool ok = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK;
    for (size_t i = 0; ok && i < setup->accounts_n; i++)
        ok = insert_sqlite(db, &setup->accounts[i]);
    if (!ok)
        (void)buf_printf(why, "an account cannot be written: %s", sqlite3_errmsg(db));
    (void)sqlite3_close(db);
    return ok;
}

static bool insert_pg(PGconn *db, const struct account_spec *a)
{
    char record[160];
    if (!make_record(a, record))
        return false;
    PGresult *r =
        PQexecParams(db, insert_sql, 2, NULL, (const char *[]){a->name, record}, NULL, NULL, 0);
    bool ok = PQresultStatus(r) == PGRES_COMMAND_OK;
    PQclear(r);
    return ok;
}

static bool write_pg(const struct live_cfg *cfg, const struct setup *setup, struct buf *why)
{
    char url[LIVE_URL_MAX];
    if (!live_url(cfg, cfg->store_url, url)) {
        (void)buf_append_str(why, "the store's URL is too long");
        return false;
    }
    PGconn *db = PQconnectdb(url);
    bool ok = PQstatus(db) == CONNECTION_OK;
    for (size_t i = 0; ok && i < setup->accounts_n; i++)
        ok = insert_pg(db, &setup->accounts[i]);
    if (!ok)
        (void)buf_printf(why, "an account cannot be written: %s", PQerrorMessage(db));
    PQfinish(db);
    return ok;
}

bool live_accounts_write(const struct live_server *v, const struct setup *setup, struct buf *why)
{
    return v->cfg.store_url ? write_pg(&v->cfg, setup, why) : write_sqlite(v->folder, setup, why);
}
