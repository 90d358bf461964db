#include "sim/disk.h"

#include "base/check.h"
#include "sim/alloc_fault.h"

#include <stdio.h>

/* Path under which the image of the medium is opened, to be read only. */
#define IMAGE "image"

struct handle {
    sqlite3_file base;
    struct sim_disk *disk;
    struct disk_file *file; /* NULL: the image */
    bool temporary;         /* removed when closed */
    bool mapped;
    int lock;
};

static struct handle *of(sqlite3_file *f)
{
    return (struct handle *)(void *)f;
}

/* ---- a file ---- */

static void shm_leave(struct handle *h)
{
    struct disk_shm *m = &h->disk->shm;
    if (!h->mapped)
        return;
    h->mapped = false;
    if (--m->maps > 0)
        return;
    for (unsigned i = 0; i < m->n; i++)
        alloc_own_free(m->regions[i]);
    alloc_own_free(m->regions);
    *m = (struct disk_shm){0};
}

static int x_close(sqlite3_file *f)
{
    struct handle *h = of(f);
    shm_leave(h);
    if (h->file) {
        h->file->opens--;
        if (h->temporary)
            (void)disk_remove(h->disk, h->file->name, false);
    }
    return SQLITE_OK;
}

static int x_read(sqlite3_file *f, void *to, int n, sqlite3_int64 at)
{
    return disk_read(of(f)->disk, of(f)->file, to, (size_t)n, (size_t)at);
}

static int x_write(sqlite3_file *f, const void *from, int n, sqlite3_int64 at)
{
    return disk_write(of(f)->disk, of(f)->file, from, (size_t)n, (size_t)at);
}

static int x_truncate(sqlite3_file *f, sqlite3_int64 n)
{
    return disk_truncate(of(f)->disk, of(f)->file, (size_t)n);
}

static int x_sync(sqlite3_file *f, int flags)
{
    (void)flags;
    return disk_sync(of(f)->disk, of(f)->file);
}

static int x_size(sqlite3_file *f, sqlite3_int64 *ret)
{
    struct handle *h = of(f);
    *ret = (sqlite3_int64)(h->file ? h->file->now.n : disk_image_size(h->disk->image));
    return SQLITE_OK;
}

/* One process has one connection: nobody to be kept out. */
static int x_lock(sqlite3_file *f, int lock)
{
    of(f)->lock = lock;
    return SQLITE_OK;
}

static int x_reserved(sqlite3_file *f, int *ret)
{
    *ret = of(f)->lock >= SQLITE_LOCK_RESERVED;
    return SQLITE_OK;
}

static int x_control(sqlite3_file *f, int op, void *arg)
{
    (void)f;
    (void)op;
    (void)arg;
    return SQLITE_NOTFOUND;
}

static int x_sector(sqlite3_file *f)
{
    (void)f;
    return 4096;
}

static int x_character(sqlite3_file *f)
{
    (void)f;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

static int x_shm_map(sqlite3_file *f, int region, int size, int extend, void volatile **ret)
{
    struct handle *h = of(f);
    struct disk_shm *m = &h->disk->shm;
    *ret = NULL;
    if (!h->mapped) {
        h->mapped = true;
        m->maps++;
    }
    if ((unsigned)region >= m->n && !extend)
        return SQLITE_OK;
    if ((unsigned)region >= m->n) {
        void **regions = alloc_own(((size_t)region + 1) * sizeof(void *));
        if (m->n)
            memcpy(regions, m->regions, m->n * sizeof(void *));
        alloc_own_free(m->regions);
        m->regions = regions;
        while (m->n <= (unsigned)region)
            m->regions[m->n++] = alloc_own((size_t)size);
    }
    *ret = m->regions[region];
    return SQLITE_OK;
}

static int x_shm_lock(sqlite3_file *f, int at, int n, int flags)
{
    (void)f;
    (void)at;
    (void)n;
    (void)flags;
    return SQLITE_OK;
}

static void x_shm_barrier(sqlite3_file *f)
{
    (void)f;
}

static int x_shm_unmap(sqlite3_file *f, int remove)
{
    (void)remove;
    shm_leave(of(f));
    return SQLITE_OK;
}

static const sqlite3_io_methods file_methods = {
    .iVersion = 2,
    .xClose = x_close,
    .xRead = x_read,
    .xWrite = x_write,
    .xTruncate = x_truncate,
    .xSync = x_sync,
    .xFileSize = x_size,
    .xLock = x_lock,
    .xUnlock = x_lock,
    .xCheckReservedLock = x_reserved,
    .xFileControl = x_control,
    .xSectorSize = x_sector,
    .xDeviceCharacteristics = x_character,
    .xShmMap = x_shm_map,
    .xShmLock = x_shm_lock,
    .xShmBarrier = x_shm_barrier,
    .xShmUnmap = x_shm_unmap,
};

/* ---- the image ---- */

static int image_read(sqlite3_file *f, void *to, int n, sqlite3_int64 at)
{
    struct disk_image *image = of(f)->disk->image;
    disk_image_read(image, to, (size_t)n, (size_t)at);
    bool whole = (size_t)at + (size_t)n <= disk_image_size(image);
    return whole ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
}

static int image_write(sqlite3_file *f, const void *from, int n, sqlite3_int64 at)
{
    (void)f;
    (void)from;
    (void)n;
    (void)at;
    return SQLITE_READONLY;
}

static int image_truncate(sqlite3_file *f, sqlite3_int64 n)
{
    (void)f;
    (void)n;
    return SQLITE_READONLY;
}

static int image_sync(sqlite3_file *f, int flags)
{
    (void)f;
    (void)flags;
    return SQLITE_OK;
}

static const sqlite3_io_methods image_methods = {
    .iVersion = 1,
    .xClose = x_close,
    .xRead = image_read,
    .xWrite = image_write,
    .xTruncate = image_truncate,
    .xSync = image_sync,
    .xFileSize = x_size,
    .xLock = x_lock,
    .xUnlock = x_lock,
    .xCheckReservedLock = x_reserved,
    .xFileControl = x_control,
    .xSectorSize = x_sector,
    .xDeviceCharacteristics = x_character,
};

/* ---- the disk ---- */

static struct sim_disk *disk_of(sqlite3_vfs *vfs)
{
    return vfs->pAppData;
}

static struct disk_file *open_file(struct sim_disk *d, const char *name, int flags)
{
    struct disk_file *f = disk_find(d, name);
    bool make = (flags & SQLITE_OPEN_CREATE) != 0;
    if (!f && make)
        f = disk_make(d, name);
    if (f && make && (flags & (SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_WAL)))
        f->fresh = true;
    return f;
}

static int x_open(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *to, int flags, int *out)
{
    struct sim_disk *d = disk_of(vfs);
    struct handle *h = of(to);
    *h = (struct handle){.disk = d};
    if (out)
        *out = flags;
    if (name && strcmp(name, IMAGE) == 0) {
        h->base.pMethods = &image_methods;
        return SQLITE_OK;
    }
    if (d->dead || !name || strlen(name) >= DISK_NAME_MAX)
        return SQLITE_CANTOPEN;
    h->file = open_file(d, name, flags);
    if (!h->file)
        return SQLITE_CANTOPEN;
    h->file->opens++;
    h->temporary = (flags & SQLITE_OPEN_DELETEONCLOSE) != 0;
    h->base.pMethods = &file_methods;
    return SQLITE_OK;
}

static int x_delete(sqlite3_vfs *vfs, const char *name, int sync)
{
    return disk_remove(disk_of(vfs), name, sync != 0);
}

static int x_access(sqlite3_vfs *vfs, const char *name, int flags, int *ret)
{
    /* SQLite's own VFS takes an empty file for none here. */
    const struct disk_file *f = disk_find(disk_of(vfs), name);
    *ret = f && (flags != SQLITE_ACCESS_EXISTS || f->now.n > 0);
    return SQLITE_OK;
}

static int x_path(sqlite3_vfs *vfs, const char *name, int n, char *to)
{
    (void)vfs;
    return snprintf(to, (size_t)n, "%s", name) < n ? SQLITE_OK : SQLITE_CANTOPEN;
}

static int x_randomness(sqlite3_vfs *vfs, int n, char *to)
{
    struct sim *sim = disk_of(vfs)->sim;
    for (int i = 0; i < n; i++)
        to[i] = (char)sim_below(sim, CHANCE_STORE, 256);
    return n;
}

/* Nobody waits for anybody: what is locked stays so. */
static int x_sleep(sqlite3_vfs *vfs, int us)
{
    (void)vfs;
    return us;
}

static int x_time(sqlite3_vfs *vfs, sqlite3_int64 *ret)
{
    const sqlite3_int64 epoch = 210866760000000; /* 1970 in milliseconds of the Julian day */
    *ret = epoch + disk_of(vfs)->sim->now.unix_ms;
    return SQLITE_OK;
}

static int x_days(sqlite3_vfs *vfs, double *ret)
{
    sqlite3_int64 ms = 0;
    (void)x_time(vfs, &ms);
    *ret = (double)ms / 86400000.0;
    return SQLITE_OK;
}

static int x_error(sqlite3_vfs *vfs, int n, char *to)
{
    (void)vfs;
    (void)n;
    (void)to;
    return 0;
}

void disk_vfs_register(struct sim_disk *d)
{
    unsigned i = 0;
    do {
        (void)snprintf(d->vfs_name, sizeof d->vfs_name, "sim%u", i++);
    } while (sqlite3_vfs_find(d->vfs_name));
    d->vfs = (sqlite3_vfs){
        .iVersion = 2,
        .szOsFile = sizeof(struct handle),
        .mxPathname = DISK_NAME_MAX,
        .zName = d->vfs_name,
        .pAppData = d,
        .xOpen = x_open,
        .xDelete = x_delete,
        .xAccess = x_access,
        .xFullPathname = x_path,
        .xRandomness = x_randomness,
        .xSleep = x_sleep,
        .xCurrentTime = x_days,
        .xGetLastError = x_error,
        .xCurrentTimeInt64 = x_time,
    };
    CHECK(sqlite3_vfs_register(&d->vfs, 0) == SQLITE_OK);
    /* SQLite has one source of random numbers (salts of its logs) for the whole process. */
    int seed = 1 + (int)sim_below(d->sim, CHANCE_STORE, 1u << 30);
    CHECK(sqlite3_test_control(SQLITE_TESTCTRL_PRNG_SEED, seed, (sqlite3 *)NULL) == SQLITE_OK);
}

void disk_vfs_unregister(struct sim_disk *d)
{
    CHECK(sqlite3_vfs_unregister(&d->vfs) == SQLITE_OK);
}
