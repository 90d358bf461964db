/* What the store's tests and its benchmark share: a real loop, a folder of their own, asks that are
 * waited for, and a log that can be asked. Failures end the test. */
#ifndef SLIPGATE_TESTS_STORE_KIT_H
#define SLIPGATE_TESTS_STORE_KIT_H

#include "base/log.h"
#include "base/metric.h"
#include "core/ask.h"
#include "os/uvloop.h"
#include "pg_cluster.h"
#include "store/store.h"

struct kit {
    struct uvloop *uv;
    struct loop *loop;
    struct metrics metrics;
    struct log log;
    char logged[4096]; /* ids of what was logged, each between spaces */
    char texts[8192];  /* and the texts beside them */
    struct buf why;
    char dir[64], path[96], url[PG_URL_MAX];
    struct store_cfg cfg;
    struct store *store;
};

/* A loop and an empty folder; no store yet. Where KIT_POSTGRES is set in the environment the url is
 * a schema in a PostgreSQL of this program, started with the first kit, with fsync where it is set
 * to "durable". */
void kit_open(struct kit *);
/* On a database that is there already. url is borrowed until kit_close. */
void kit_open_at(struct kit *, const char *url);
void kit_close(struct kit *); /* closes the store too; removes the folder */

/* store_create on kit->url; the code. */
int kit_start(struct kit *);
void kit_stop(struct kit *);
const char *kit_why(struct kit *); /* what store_create said */
size_t kit_logged(const struct kit *, const char *id);
/* The PostgreSQL of this program; NULL where it runs on SQLite. */
struct pg_cluster *kit_cluster(void);
int64_t kit_metric(const struct kit *, const char *name_and_labels);

/* Runs the loop until *n is 0, or until cond says so: false when that did not happen within s
 * seconds. */
bool kit_run_down(struct kit *, const size_t *n, unsigned s);
bool kit_run_until(struct kit *, bool (*cond)(struct kit *), unsigned s);

/* Submits and waits; the answer's code, or what submit refused with. */
int kit_ask(struct kit *, struct ask_port *, const struct ask *, struct answer *);

struct password_record kit_record(const char *text);
/* Asks on the kit's store. */
int kit_create(struct kit *, const char *name, bool fold, const char *record);
int kit_find(struct kit *, const char *name, bool fold, struct account *);

#endif
