#include "sim/disk.h"

#include "base/check.h"
#include "sim/alloc_fault.h"
#include "sim/store.h"

#include <stdio.h>

#define TROUBLE_CALLS_MAX 16u
#define TROUBLE_MIN       (20 * NSEC_PER_MS)
#define TROUBLE_DOUBLES   9u

/* ---- bytes ---- */

static void *grow(void *p, size_t used, size_t *cap, size_t want, size_t size)
{
    if (want <= *cap)
        return p;
    size_t n = *cap ? *cap : 16;
    while (n < want)
        n *= 2;
    void *q = alloc_own(n * size);
    if (used)
        memcpy(q, p, used * size);
    alloc_own_free(p);
    *cap = n;
    return q;
}

void disk_bytes_put(struct disk_bytes *b, const void *from, size_t n, size_t at)
{
    if (n == 0)
        return;
    b->p = grow(b->p, b->n, &b->cap, at + n, 1);
    if (at > b->n)
        memset(b->p + b->n, 0, at - b->n);
    memcpy(b->p + at, from, n);
    if (at + n > b->n)
        b->n = at + n;
}

void disk_bytes_cut(struct disk_bytes *b, size_t n)
{
    if (n < b->n)
        b->n = n;
}

void disk_bytes_free(struct disk_bytes *b)
{
    alloc_own_free(b->p);
    *b = (struct disk_bytes){0};
}

static void copy(struct disk_bytes *to, const struct disk_bytes *from)
{
    to->n = 0;
    disk_bytes_put(to, from->p, from->n, 0);
}

/* ---- files ---- */

struct disk_file *disk_find(struct sim_disk *d, const char *name)
{
    for (size_t i = 0; i < DISK_FILES_MAX; i++)
        if (d->files[i].used && d->files[i].here && strcmp(d->files[i].name, name) == 0)
            return &d->files[i];
    return NULL;
}

struct disk_file *disk_make(struct sim_disk *d, const char *name)
{
    for (size_t i = 0; i < DISK_FILES_MAX; i++) {
        struct disk_file *f = &d->files[i];
        if (f->used)
            continue;
        uint64_t version = f->version + 1;
        *f = (struct disk_file){.used = true, .here = true, .fresh = true, .version = version};
        (void)snprintf(f->name, sizeof f->name, "%s", name);
        return f;
    }
    return NULL;
}

static void forget_writes(struct disk_file *f)
{
    f->writes_n = 0;
    f->written.n = 0;
}

static void free_file(struct disk_file *f)
{
    CHECK(f->opens == 0);
    disk_bytes_free(&f->now);
    disk_bytes_free(&f->synced);
    disk_bytes_free(&f->written);
    alloc_own_free(f->writes);
    *f = (struct disk_file){.version = f->version + 1};
}

/* What nobody can reach any more. */
static void sweep(struct sim_disk *d)
{
    for (size_t i = 0; i < DISK_FILES_MAX; i++)
        if (d->files[i].used && !d->files[i].here && !d->files[i].named && !d->files[i].opens)
            free_file(&d->files[i]);
}

static void sync_folder(struct sim_disk *d)
{
    for (size_t i = 0; i < DISK_FILES_MAX; i++)
        d->files[i].named = d->files[i].here;
    sweep(d);
}

static struct disk_write *note(struct disk_file *f)
{
    f->writes = grow(f->writes, f->writes_n, &f->writes_cap, f->writes_n + 1, sizeof *f->writes);
    return &f->writes[f->writes_n++];
}

static void put(struct disk_file *f, const void *from, size_t n, size_t at)
{
    *note(f) = (struct disk_write){.at = at, .n = n, .data = f->written.n};
    disk_bytes_put(&f->written, from, n, f->written.n);
    disk_bytes_put(&f->now, from, n, at);
}

static void apply(struct disk_file *f, const struct disk_write *w, size_t from, size_t n)
{
    if (w->truncate)
        disk_bytes_cut(&f->synced, w->at);
    else
        disk_bytes_put(&f->synced, f->written.p + w->data + from, n, w->at + from);
}

static void sync_file(struct disk_file *f)
{
    for (size_t i = 0; i < f->writes_n; i++)
        apply(f, &f->writes[i], 0, f->writes[i].n);
    f->version += f->writes_n > 0;
    forget_writes(f);
}

/* ---- trouble ---- */

void disk_draw_trouble(struct sim_disk *d)
{
    struct sim *sim = d->sim;
    if (d->trouble != DISK_SOUND || !sim_fault(sim, FAULT_DISK))
        return;
    d->trouble = 1 + (enum disk_trouble)sim_below(sim, CHANCE_STORE, DISK_NOTHING);
    d->trouble_in = (unsigned)sim_below(sim, CHANCE_STORE, TROUBLE_CALLS_MAX);
    nsec base = TROUBLE_MIN << sim_below(sim, CHANCE_STORE, TROUBLE_DOUBLES);
    d->trouble_until = sim->now.mono + sim_between(sim, CHANCE_STORE, base, 2 * base);
}

bool disk_was_troubled(struct sim_disk *d)
{
    bool was = d->troubled;
    d->troubled = false;
    return was;
}

/* Whether the trouble there is befalls a call that any of the two would stop. */
static bool fails(struct sim_disk *d, enum disk_trouble a, enum disk_trouble b)
{
    if (d->trouble == DISK_SOUND)
        return false;
    if (d->sim->phase != PHASE_STORM || d->sim->now.mono >= d->trouble_until) {
        d->trouble = DISK_SOUND;
        return false;
    }
    if (d->trouble != a && d->trouble != b && d->trouble != DISK_NOTHING)
        return false;
    if (d->trouble_in > 0) {
        d->trouble_in--;
        return false;
    }
    d->troubled = true;
    d->troubled_at = d->sim->now.mono;
    return true;
}

bool disk_refuses(struct sim_disk *d)
{
    return fails(d, DISK_NO_WRITE, DISK_FULL);
}

/* One more call that would change the disk; false: the process is dead before it. */
static bool alive(struct sim_disk *d)
{
    d->calls++;
    if (d->dying && d->dies_in-- == 0) {
        d->dead = true;
        d->dying = false;
    }
    return !d->dead;
}

/* ---- what SQLite asks for ---- */

int disk_read(struct sim_disk *d, const struct disk_file *f, void *to, size_t n, size_t at)
{
    if (d->dead || fails(d, DISK_NO_READ, DISK_NO_READ))
        return SQLITE_IOERR_READ;
    size_t have = at < f->now.n ? f->now.n - at : 0;
    if (have > n)
        have = n;
    if (have)
        memcpy(to, f->now.p + at, have);
    memset((uint8_t *)to + have, 0, n - have);
    return have == n ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
}

int disk_write(struct sim_disk *d, struct disk_file *f, const void *from, size_t n, size_t at)
{
    if (!alive(d)) {
        return SQLITE_IOERR_WRITE;
    }
    if (fails(d, DISK_NO_WRITE, DISK_FULL)) {
        size_t part = sim_below(d->sim, CHANCE_STORE, 2) ? sim_below(d->sim, CHANCE_STORE, n) : 0;
        if (part)
            put(f, from, part, at);
        return d->trouble == DISK_FULL ? SQLITE_FULL : SQLITE_IOERR_WRITE;
    }
    put(f, from, n, at);
    return SQLITE_OK;
}

int disk_truncate(struct sim_disk *d, struct disk_file *f, size_t n)
{
    if (!alive(d) || fails(d, DISK_NO_WRITE, DISK_NO_WRITE))
        return SQLITE_IOERR_TRUNCATE;
    *note(f) = (struct disk_write){.truncate = true, .at = n};
    disk_bytes_cut(&f->now, n);
    return SQLITE_OK;
}

int disk_sync(struct sim_disk *d, struct disk_file *f)
{
    if (!alive(d))
        return SQLITE_IOERR_FSYNC;
    if (fails(d, DISK_NO_SYNC, DISK_NO_SYNC)) {
        /* As Linux does: reported once, and from then on taken for written. */
        if (sim_below(d->sim, CHANCE_STORE, 2))
            forget_writes(f);
        return SQLITE_IOERR_FSYNC;
    }
    if (d->lies)
        return SQLITE_OK;
    sync_file(f);
    if (f->fresh)
        sync_folder(d);
    f->fresh = false;
    return SQLITE_OK;
}

int disk_remove(struct sim_disk *d, const char *name, bool sync)
{
    struct disk_file *f = disk_find(d, name);
    if (!f)
        return SQLITE_IOERR_DELETE_NOENT;
    if (!alive(d) || fails(d, DISK_NO_WRITE, DISK_NO_WRITE))
        return SQLITE_IOERR_DELETE;
    f->here = false;
    if (sync && !d->lies)
        sync_folder(d);
    else
        sweep(d);
    return SQLITE_OK;
}

/* ---- the end of a process ---- */

void disk_die(struct sim_disk *d, unsigned calls)
{
    d->dead = calls == 0;
    d->dying = calls > 0;
    d->dies_in = calls;
}

enum loss { LOSS_ALL, LOSS_NOTHING, LOSS_TAIL, LOSS_ANY, LOSSES_N };

/* Of one write some sectors arrived. */
static void tear(struct sim_disk *d, struct disk_file *f, const struct disk_write *w, size_t sector)
{
    for (size_t at = 0; at < w->n;) {
        size_t end = (w->at + at) / sector * sector + sector - w->at;
        if (end > w->n)
            end = w->n;
        if (sim_below(d->sim, CHANCE_STORE, 2))
            apply(f, w, at, end - at);
        at = end;
    }
}

static void lose_some(struct sim_disk *d, struct disk_file *f, enum loss loss, size_t sector)
{
    struct sim *sim = d->sim;
    size_t end = loss == LOSS_TAIL ? sim_below(sim, CHANCE_STORE, f->writes_n + 1) : f->writes_n;
    for (size_t i = 0; i < end; i++) {
        const struct disk_write *w = &f->writes[i];
        uint64_t coin = loss == LOSS_ANY ? sim_below(sim, CHANCE_STORE, 4) : 1;
        if (loss == LOSS_TAIL && i + 1 == end)
            coin = 3;
        if (coin == 3 && !w->truncate)
            tear(d, f, w, sector);
        else if (coin > 0)
            apply(f, w, 0, w->n);
    }
}

/* Names that were made or removed and not synced: each may be as before or as after. */
static void lose_names(struct sim_disk *d, enum loss loss)
{
    for (size_t i = 0; i < DISK_FILES_MAX; i++) {
        struct disk_file *f = &d->files[i];
        if (!f->used || f->here == f->named)
            continue;
        bool after =
            loss == LOSS_NOTHING || (loss != LOSS_ALL && sim_below(d->sim, CHANCE_STORE, 2));
        f->here = f->named = after == f->here;
    }
    /* A name taken again stands for one of the two. */
    for (size_t i = 0; i < DISK_FILES_MAX; i++)
        for (size_t k = i + 1; k < DISK_FILES_MAX; k++)
            if (d->files[i].here && d->files[k].here &&
                strcmp(d->files[i].name, d->files[k].name) == 0)
                d->files[i].here = d->files[i].named = false;
}

void disk_restart(struct sim_disk *d, bool power)
{
    struct sim *sim = d->sim;
    d->dead = d->dying = false;
    d->trouble = DISK_SOUND;
    if (!power) {
        sweep(d);
        return;
    }
    enum loss loss = (enum loss)sim_below(sim, CHANCE_STORE, LOSSES_N);
    size_t sector = sim_below(sim, CHANCE_STORE, 2) ? 512 : 4096;
    for (size_t i = 0; i < DISK_FILES_MAX; i++) {
        struct disk_file *f = &d->files[i];
        if (!f->used)
            continue;
        if (loss == LOSS_NOTHING)
            sync_file(f);
        else if (loss != LOSS_ALL)
            lose_some(d, f, loss, sector);
        f->version++;
        forget_writes(f);
        copy(&f->now, &f->synced);
        f->fresh = false;
    }
    lose_names(d, loss);
    sweep(d);
    d->verify = true;
}

void disk_sync_all(struct sim_disk *d)
{
    for (size_t i = 0; i < DISK_FILES_MAX; i++)
        sync_file(&d->files[i]);
    sync_folder(d);
}

void disk_free(struct sim_disk *d)
{
    for (size_t i = 0; i < DISK_FILES_MAX; i++)
        free_file(&d->files[i]);
}
