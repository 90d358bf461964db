/* A private PostgreSQL for tests: a cluster in a folder of its own, reached over a Unix socket in
 * that folder and nothing else, run as user postgres where the test is root, stopped by its process
 * id, and gone with the test however that ends. Failures end the test. */
#ifndef SLIPGATE_TESTS_PG_CLUSTER_H
#define SLIPGATE_TESTS_PG_CLUSTER_H

#include "base/types.h"

#include <sys/types.h>

#define PG_URL_MAX 256u

struct pg_cluster {
    char programs[64]; /* the folder of initdb and postgres */
    char dir[64];
    pid_t pid; /* of the postmaster; 0 while it is stopped */
    bool durable;
    unsigned schemas;
};

/* False, and says why, where PostgreSQL's server programs are not installed. */
bool pg_cluster_installed(void);

/* Makes and starts one; durable: with fsync, which is slow. Everybody gets in without a password
 * but role "locked", whose password is "secret". */
void pg_cluster_create(struct pg_cluster *, bool durable);
void pg_cluster_destroy(struct pg_cluster *);
/* After a stop or a kill. option: one more setting such as "max_connections=5", or NULL. Waits
 * until it lets in. */
void pg_cluster_start(struct pg_cluster *, const char *option);
/* SIGINT: at once, in order. SIGQUIT: as after a crash. SIGKILL: the crash. Waits for its
 * end. */
void pg_cluster_stop(struct pg_cluster *, int signo);

/* A schema of its own in the one database, as a URL. */
void pg_cluster_schema(struct pg_cluster *, char url[PG_URL_MAX]);
/* The URL of another role, without a schema. */
void pg_cluster_url(const struct pg_cluster *, const char *user_and_password, char url[PG_URL_MAX]);
/* Runs statements, on a connection of its own, as superuser; the first value of the last result as
 * a number, 0 where there is none. */
int64_t pg_cluster_sql(const struct pg_cluster *, const char *url, const char *text);

#endif
