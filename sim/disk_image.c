/* The database as it is for certain on the medium: of everything not yet synced, nothing. The
 * write-ahead log is read by hand (SQLite file format, section 4) and laid over the database, so
 * that what SQLite's recovery would make of it is not taken from SQLite itself; and only what is
 * new since the last look is read, so that a look is cheap. The result is read through SQLite. */
#include "sim/disk.h"

#include "base/check.h"
#include "base/err.h"
#include "sim/alloc_fault.h"

#define LOG_HEADER   32u
#define FRAME_HEADER 24u
#define LOG_MAGIC    0x377f0682u /* with big-endian checksums one more */
#define LOG_FORMAT   3007000u
#define FIND         "SELECT id, name, password, password_min FROM account WHERE name = ?1"
#define BAN          "SELECT 1 FROM ban WHERE id = ?1"
#define AUDIT                                                                               \
    "SELECT seq, time_ms, type, subtype, game, account, player, address, target, details, " \
    "prev, hash FROM audit_record ORDER BY seq"
#define COUNT "SELECT count(*) FROM account"

struct disk_image {
    struct sim_disk *disk;
    struct disk_bytes pages;
    uint32_t changes; /* stands in the database's change counter, so that SQLite reads again */

    const struct disk_file *file, *log; /* what pages was made of */
    uint64_t file_version, log_version;
    uint8_t header[LOG_HEADER]; /* the log's when it was read */
    bool log_valid;
    size_t page, log_at; /* bytes of the log that are in pages */
    uint32_t sum[2];

    sqlite3 *db;
    sqlite3_stmt *find, *count, *ban, *audit;
};

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint32_t get32_le(const uint8_t *p)
{
    return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

/* ---- the log ---- */

static void add_sum(const struct disk_image *m, uint32_t sum[2], const uint8_t *p, size_t n)
{
    bool big = get32(m->header) & 1;
    for (const uint8_t *end = p + n; p < end; p += 8) {
        sum[0] += (big ? get32(p) : get32_le(p)) + sum[1];
        sum[1] += (big ? get32(p + 4) : get32_le(p + 4)) + sum[0];
    }
}

static void begin_log(struct disk_image *m)
{
    const struct disk_bytes *b = &m->log->synced;
    m->log_valid = false;
    if (b->n < LOG_HEADER)
        return;
    memcpy(m->header, b->p, LOG_HEADER);
    m->log_at = LOG_HEADER;
    m->page = get32(b->p + 8);
    m->sum[0] = m->sum[1] = 0;
    add_sum(m, m->sum, b->p, 24);
    m->log_valid = (get32(b->p) & ~1u) == LOG_MAGIC && get32(b->p + 4) == LOG_FORMAT &&
                   m->page >= 512 && m->page <= 65536 && m->sum[0] == get32(b->p + 24) &&
                   m->sum[1] == get32(b->p + 28);
}

/* Whether there is a valid frame at an offset; carries the sum on. */
static bool frame(const struct disk_image *m, size_t at, uint32_t sum[2])
{
    const struct disk_bytes *b = &m->log->synced;
    if (at + FRAME_HEADER + m->page > b->n)
        return false;
    const uint8_t *p = b->p + at;
    if (get32(p) == 0 || memcmp(p + 8, m->header + 16, 8) != 0)
        return false;
    add_sum(m, sum, p, 8);
    add_sum(m, sum, p + FRAME_HEADER, m->page);
    return sum[0] == get32(p + 16) && sum[1] == get32(p + 20);
}

/* Whole transactions only. */
static void lay_over(struct disk_image *m)
{
    const uint8_t *log = m->log->synced.p;
    size_t step = FRAME_HEADER + m->page;
    uint32_t sum[2] = {m->sum[0], m->sum[1]};
    for (size_t at = m->log_at; frame(m, at, sum); at += step) {
        size_t pages = get32(log + at + 4);
        if (pages == 0)
            continue;
        for (; m->log_at <= at; m->log_at += step)
            disk_bytes_put(&m->pages, log + m->log_at + FRAME_HEADER, m->page,
                           (get32(log + m->log_at) - 1) * m->page);
        disk_bytes_cut(&m->pages, pages * m->page);
        m->sum[0] = sum[0];
        m->sum[1] = sum[1];
    }
}

/* ---- the image ---- */

static const struct disk_file *on_medium(const struct sim_disk *d, const char *name)
{
    for (size_t i = 0; i < DISK_FILES_MAX; i++)
        if (d->files[i].used && d->files[i].named && strcmp(d->files[i].name, name) == 0)
            return &d->files[i];
    return NULL;
}

static void build(struct disk_image *m)
{
    const struct disk_file *journal = on_medium(m->disk, DISK_DATABASE "-journal");
    m->pages.n = 0;
    m->log_valid = false;
    /* Only while the database is made does it have a journal; nobody has an account in it then. */
    if (journal && journal->synced.n > 0)
        return;
    disk_bytes_put(&m->pages, m->file->synced.p, m->file->synced.n, 0);
    if (m->log && m->pages.n > 0)
        begin_log(m);
}

static void refresh(struct disk_image *m)
{
    const struct disk_file *file = on_medium(m->disk, DISK_DATABASE);
    const struct disk_file *log = on_medium(m->disk, DISK_DATABASE "-wal");
    CHECK(file);
    bool same = file == m->file && file->version == m->file_version && log == m->log;
    if (same && (!log || log->version == m->log_version))
        return;
    m->file = file;
    m->log = log;
    if (!same || !m->log_valid || log->synced.n < m->log_at ||
        memcmp(log->synced.p, m->header, LOG_HEADER) != 0)
        build(m);
    if (m->log_valid)
        lay_over(m);
    m->file_version = file->version;
    m->log_version = log ? log->version : 0;
    m->changes++;
}

size_t disk_image_size(struct disk_image *m)
{
    return m->pages.n;
}

/* As if it had never had a log, and changed whenever it may have. */
void disk_image_read(struct disk_image *m, void *to, size_t n, size_t at)
{
    size_t have = at < m->pages.n ? m->pages.n - at : 0;
    if (have > n)
        have = n;
    if (have)
        memcpy(to, m->pages.p + at, have);
    memset((uint8_t *)to + have, 0, n - have);
    const struct {
        size_t at;
        uint8_t byte;
    } patches[] = {
        {18, 1},
        {19, 1},
        {24, (uint8_t)(m->changes >> 24)},
        {25, (uint8_t)(m->changes >> 16)},
        {26, (uint8_t)(m->changes >> 8)},
        {27, (uint8_t)m->changes},
    };
    for (size_t i = 0; i < ARRAY_LEN(patches); i++)
        if (patches[i].at >= at && patches[i].at < at + have)
            ((uint8_t *)to)[patches[i].at - at] = patches[i].byte;
}

/* ---- reading ---- */

struct disk_image *disk_image_create(struct sim_disk *d)
{
    struct disk_image *m = alloc_own(sizeof *m);
    m->disk = d;
    return m;
}

void disk_image_destroy(struct disk_image *m)
{
    (void)sqlite3_finalize(m->find);
    (void)sqlite3_finalize(m->count);
    (void)sqlite3_finalize(m->ban);
    (void)sqlite3_finalize(m->audit);
    CHECK(sqlite3_close(m->db) == SQLITE_OK);
    disk_bytes_free(&m->pages);
    alloc_own_free(m);
}

static int damaged(struct disk_image *m, const char *what)
{
    sim_find(m->disk->sim, "store", "the database on the disk cannot be read (%s): %s", what,
             sqlite3_errmsg(m->db));
    return E_FORMAT;
}

/* E_NOENT: there is no such table yet. */
static int prepare(struct disk_image *m, const char *sql, sqlite3_stmt **st)
{
    refresh(m);
    if (*st)
        return 0;
    int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX;
    if (!m->db)
        CHECK(sqlite3_open_v2("image", &m->db, flags, m->disk->vfs_name) == SQLITE_OK);
    int code = sqlite3_prepare_v3(m->db, sql, -1, SQLITE_PREPARE_PERSISTENT, st, NULL);
    if (code == SQLITE_OK)
        return 0;
    return code == SQLITE_ERROR ? E_NOENT : damaged(m, "prepare");
}

static void take_account(sqlite3_stmt *st, struct account *ret)
{
    *ret = (struct account){.id = sqlite3_column_int64(st, 0)};
    const unsigned char *name = sqlite3_column_text(st, 1), *record = sqlite3_column_text(st, 2);
    int name_n = sqlite3_column_bytes(st, 1), record_n = sqlite3_column_bytes(st, 2);
    CHECK(name && record && name_n <= (int)ACCOUNT_NAME_MAX &&
          record_n <= (int)PASSWORD_RECORD_MAX);
    memcpy(ret->name, name, (size_t)name_n);
    ret->name_n = (uint8_t)name_n;
    memcpy(ret->password.text, record, (size_t)record_n);
    ret->password.n = (uint8_t)record_n;
    ret->password_min = (uint32_t)sqlite3_column_int64(st, 3);
}

int disk_image_account(struct disk_image *m, struct span name, struct account *ret)
{
    int rc = prepare(m, FIND, &m->find);
    if (rc)
        return rc;
    (void)sqlite3_bind_text(m->find, 1, (const char *)name.p, (int)name.n, SQLITE_STATIC);
    int code = sqlite3_step(m->find);
    if (code == SQLITE_ROW)
        take_account(m->find, ret);
    else if (code != SQLITE_DONE)
        (void)damaged(m, "find");
    (void)sqlite3_reset(m->find);
    (void)sqlite3_clear_bindings(m->find);
    return code == SQLITE_ROW ? 0 : code == SQLITE_DONE ? E_NOENT : E_FORMAT;
}

uint64_t disk_image_accounts(struct disk_image *m)
{
    if (prepare(m, COUNT, &m->count))
        return 0;
    uint64_t n = 0;
    if (sqlite3_step(m->count) == SQLITE_ROW)
        n = (uint64_t)sqlite3_column_int64(m->count, 0);
    else
        (void)damaged(m, "count");
    (void)sqlite3_reset(m->count);
    return n;
}

bool disk_image_ban(struct disk_image *m, int64_t id)
{
    if (prepare(m, BAN, &m->ban))
        return false;
    (void)sqlite3_bind_int64(m->ban, 1, id);
    int code = sqlite3_step(m->ban);
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        (void)damaged(m, "ban");
    (void)sqlite3_reset(m->ban);
    return code == SQLITE_ROW;
}

bool disk_image_audit(struct disk_image *m, uint32_t i, struct audit_record *ret,
                      struct span texts[8])
{
    if (i == 0) {
        (void)sqlite3_finalize(m->audit);
        m->audit = NULL;
        if (prepare(m, AUDIT, &m->audit))
            return false;
    }
    int code = m->audit ? sqlite3_step(m->audit) : SQLITE_DONE;
    if (code != SQLITE_ROW) {
        if (code != SQLITE_DONE)
            (void)damaged(m, "audit");
        (void)sqlite3_finalize(m->audit);
        m->audit = NULL;
        return false;
    }
    *ret = (struct audit_record){.seq = (uint64_t)sqlite3_column_int64(m->audit, 0),
                                 .at_ms = sqlite3_column_int64(m->audit, 1)};
    ret->type = (uint16_t)sqlite3_column_int(m->audit, 2);
    ret->subtype = (uint16_t)sqlite3_column_int(m->audit, 3);
    for (int k = 0; k < 8; k++) {
        const unsigned char *p = sqlite3_column_text(m->audit, 4 + k);
        texts[k] = span_of(p, (size_t)sqlite3_column_bytes(m->audit, 4 + k));
    }
    return true;
}

void disk_image_verify(struct disk_image *m)
{
    sqlite3_stmt *st = NULL;
    if (prepare(m, "PRAGMA integrity_check(1)", &st) == 0) {
        const char *said = NULL;
        if (sqlite3_step(st) == SQLITE_ROW)
            said = (const char *)sqlite3_column_text(st, 0);
        if (!said || strcmp(said, "ok") != 0)
            sim_find(m->disk->sim, "store", "the database on the disk is damaged: %s",
                     said ? said : sqlite3_errmsg(m->db));
    }
    (void)sqlite3_finalize(st);
}
