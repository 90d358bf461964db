/* A disk in memory, and SQLite's way to it: a VFS of its own for each disk. Files are kept twice,
 * as the running process sees them and as they are for certain on the medium, with the writes
 * between the two. A crash of the process loses nothing; a loss of power loses any part of what was
 * not synced: whole writes, sectors of a write, names of files that were made or removed.
 *
 * As on a system with SQLite's own VFS on Linux: bytes that nobody wrote never change (powersafe
 * overwrite), the first sync of a new journal or log also syncs the folder, and what a sync has
 * failed to write may from then on count as written: later syncs leave it out.
 *
 * disk.c        files, faults and crashes
 * disk_vfs.c    SQLite's calls
 * disk_image.c  what is for certain on the medium, read without the process's help
 *
 * Memory is the simulation's own (alloc_own), whoever calls. One thread. */
#ifndef SLIPGATE_SIM_DISK_H
#define SLIPGATE_SIM_DISK_H

#include "core/ask.h"
#include "core/audit.h"
#include "sim/ask_fake.h"
#include "sim/sim.h"

#include <sqlite3.h>

#define DISK_DATABASE  "slipgate.db" /* there from the beginning, empty */
#define DISK_FILES_MAX 16u
#define DISK_NAME_MAX  32u

struct disk_bytes {
    uint8_t *p;
    size_t n, cap;
};

struct disk_write {
    bool truncate;
    size_t at, n; /* truncate: to at */
    size_t data;  /* where its bytes are in `written` */
};

struct disk_file {
    char name[DISK_NAME_MAX];
    bool used;
    bool here;  /* the process finds it under its name */
    bool named; /* its name is on the medium */
    bool fresh; /* made, and not synced since */
    unsigned opens;
    struct disk_bytes now, synced, written;
    struct disk_write *writes; /* since the last sync */
    size_t writes_n, writes_cap;
    uint64_t version; /* counts up with every change of `synced` */
};

/* The shared memory of a write-ahead log's index; gone with the last who maps it. */
struct disk_shm {
    void **regions;
    unsigned n, maps;
};

enum disk_trouble {
    DISK_SOUND,
    DISK_FULL,
    DISK_NO_WRITE,
    DISK_NO_READ,
    DISK_NO_SYNC,
    DISK_NOTHING
};

struct disk_image;
struct disk_ledger;

struct sim_disk {
    struct sim *sim;
    struct ask_fake *model; /* NULL: files */
    struct disk_ledger *ledger;
    struct disk_image *image;

    sqlite3_vfs vfs;
    char vfs_name[24];
    struct disk_file files[DISK_FILES_MAX];
    struct disk_shm shm;
    struct disk_bytes spool; /* the audit log's: on the medium for certain */

    enum disk_trouble trouble;
    unsigned trouble_in; /* calls until it begins */
    nsec trouble_until;
    bool troubled;    /* a call has failed since disk_check_trouble was last asked */
    nsec troubled_at; /* the last time; 0: never */
    bool dead;        /* the process is: nothing reaches the disk any more */
    bool dying;       /* and will be after so many calls */
    unsigned dies_in;
    bool lies;   /* a sync only says so: for tests that must fail */
    bool verify; /* power was lost: to be looked at as a whole when opened */
    uint64_t calls;
    uint64_t asks; /* told of, in this world */
};

/* ---- files: what the VFS needs; SQLite's codes ---- */
struct disk_file *disk_find(struct sim_disk *, const char *name);
struct disk_file *disk_make(struct sim_disk *, const char *name); /* NULL: too many */
int disk_read(struct sim_disk *, const struct disk_file *, void *to, size_t n, size_t at);
int disk_write(struct sim_disk *, struct disk_file *, const void *from, size_t n, size_t at);
int disk_truncate(struct sim_disk *, struct disk_file *, size_t n);
int disk_sync(struct sim_disk *, struct disk_file *);
int disk_remove(struct sim_disk *, const char *name, bool sync_folder);

/* ---- faults ---- */
/* A job is about to use the disk: FAULT_DISK may begin. */
void disk_draw_trouble(struct sim_disk *);
bool disk_refuses(struct sim_disk *);      /* whether a write would fail now: for the model */
bool disk_was_troubled(struct sim_disk *); /* since last asked */

/* ---- the end of a process ---- */
/* From now on, or after some more calls, nothing reaches the disk. */
void disk_die(struct sim_disk *, unsigned calls);
/* The process is gone and has closed its files: what the next one will find. */
void disk_restart(struct sim_disk *, bool power);
void disk_free(struct sim_disk *);
void disk_sync_all(struct sim_disk *);

/* ---- disk_vfs.c ---- */
void disk_vfs_register(struct sim_disk *);
void disk_vfs_unregister(struct sim_disk *);

/* ---- disk_image.c ---- */
struct disk_image *disk_image_create(struct sim_disk *);
void disk_image_destroy(struct disk_image *);
/* 0, E_NOENT, or E_FORMAT after a finding. */
MUST_USE int disk_image_account(struct disk_image *, struct span name, struct account *ret);
bool disk_image_ban(struct disk_image *, int64_t id);
/* The ith audit record by number; its texts (game to details, prev, hash) until the next call.
 * Asked for from 0 up, one after the other. */
bool disk_image_audit(struct disk_image *, uint32_t i, struct audit_record *ret,
                      struct span texts[8]);
uint64_t disk_image_accounts(struct disk_image *);
void disk_image_verify(struct disk_image *); /* reads all of it: a finding when it is damaged */
/* The image as a file of its own for the VFS. */
size_t disk_image_size(struct disk_image *);
void disk_image_read(struct disk_image *, void *to, size_t n, size_t at);

/* ---- bytes ---- */
void disk_bytes_put(struct disk_bytes *, const void *from, size_t n, size_t at);
void disk_bytes_cut(struct disk_bytes *, size_t n);
void disk_bytes_free(struct disk_bytes *);

#endif
