/* Between cmd_audit*.c: reading the audit log where it is stored, beside a server that may be
 * running, and walking through it or an export of it. */
#ifndef SLIPGATE_BIN_CMD_AUDIT_H
#define SLIPGATE_BIN_CMD_AUDIT_H

#include "base/log.h"
#include "base/metric.h"
#include "bin/command.h"
#include "core/audit.h"
#include "core/config.h"
#include "core/query.h"
#include "os/uvloop.h"
#include "store/store.h"

#define AUDIT_PAGE      200u /* records of one question */
#define AUDIT_NODES_MAX 64u

struct audit_db {
    struct uvloop *uv;
    struct store *store;
    struct metrics metrics;
    struct log log; /* says nothing */
    struct buf rows, *to;
    int rc;
};

struct audit_node {
    char name[NODE_MAX + 1];
    uint64_t first, last;
};

/* A stored record; its spans are borrowed from the answer it came in. */
struct audit_row {
    struct audit_record r;
    struct chain_link link;
};

/* Codes and words as store_create. */
MUST_USE int audit_db_open(struct audit_db *, const struct config *, struct buf *why);
void audit_db_close(struct audit_db *);
/* Waits for the answer; its rows are in `to` then. */
MUST_USE int audit_db_ask(struct audit_db *, enum query q, const struct value *, size_t n,
                          struct buf *to);
/* Those that have records, and `own`, whether it has any or not. */
MUST_USE int audit_db_nodes(struct audit_db *, const char *own,
                            struct audit_node ret[AUDIT_NODES_MAX], size_t *n);
/* Records above seq into db->rows, for audit_row_next. filter: the values of AUDIT_LIST from since
 * to player, NULL: all. */
MUST_USE int audit_db_page(struct audit_db *, const char *node, uint64_t above,
                           const struct value filter[5], struct buf *to);
/* False behind the last. Hashes that are none come as zeros. */
bool audit_row_next(const struct buf *rows, size_t *at, struct audit_row *ret);

/* What a walk through one chain meets, in order: each head behind the record it names. A negative
 * return ends the walk. */
struct audit_walk {
    int (*begin)(void *ctx, struct span node, const struct chain_head *cut);
    int (*record)(void *ctx, const struct audit_row *);
    int (*head)(void *ctx, const struct chain_head *);
    void *ctx;
};

MUST_USE int audit_walk_store(struct audit_db *, const char *node, const struct audit_walk *);
/* The newest head of a kind; seq 0: none. */
MUST_USE int audit_db_newest_head(struct audit_db *, const char *node, enum chain_head_kind,
                                  struct chain_head *ret);

/* The subcommands; each an exit code. */
int audit_list(const struct cmdline *, const struct config *, bool follow);
int audit_export(const struct cmdline *, const struct config *);
int audit_verify(const struct cmdline *, const struct config *);

/* The first line of a chain's export; without a line end. */
void audit_header_write(struct buf *to, struct span node, const uint8_t public_key[CHAIN_KEY]);
MUST_USE int audit_header_read(struct span line, char node[NODE_MAX + 1]);
/* The public key of audit.key. */
MUST_USE int audit_public_key(const struct config *, uint8_t ret[CHAIN_KEY], struct buf *why);
/* "store: why", or the code's text. */
int audit_failed(int rc, const struct buf *why);

#endif
