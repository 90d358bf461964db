/* HTTP on admin.port: /healthz, /readyz and /metrics, by libmicrohttpd inside our loop (it has no
 * thread; its epoll descriptor is watched and its timeout is a timer of the loop).
 *
 * GET and HEAD only. Errors are problem documents (RFC 9457). Who may ask is decided by
 * admin/guard.h: with admin.auth = lan loopback and private sources that came without a proxy,
 * under a Host we know. Ceilings: admin.max_connections, admin.timeout_s of silence, 16 KiB of
 * request, 4 KiB of body (which is ignored), 4 MiB of answer.
 *
 * One thread, the loop's. docs/operations.md, "Health and metrics". */
#ifndef SLIPGATE_ADMIN_ADMIN_H
#define SLIPGATE_ADMIN_ADMIN_H

#include "base/buf.h"
#include "base/log.h"
#include "base/metric.h"
#include "core/config.h"
#include "core/loop.h"

extern const struct config_row admin_config[6];

struct admin;

struct admin_cfg {
    struct loop *loop;
    struct log *log;
    struct metrics *metrics;
    void *ctx;
    /* Whether new players are accepted; false: why says in a few words what is in the way. */
    bool (*ready)(void *ctx, struct buf *why);
    /* Called before metrics are written, to bring gauges up to date. */
    void (*refresh)(void *ctx);
};

/* cfg is copied, what it points to must outlive the admin; the configuration is read only until
 * return. E_NOENT: admin.port is 0. E_CONFIG: the port could not be opened; why says in one line
 * how to mend it. E_NOMEM, E_FULL, E_IO. */
MUST_USE int admin_create(struct admin **ret, const struct admin_cfg *cfg, const struct config *,
                          struct buf *why);
void admin_destroy(struct admin *); /* closes what is open at once; NULL is fine */

/* Takes the keys that need no restart: admin.auth, admin.hosts. E_NOMEM leaves all as it was. */
MUST_USE int admin_set_config(struct admin *, const struct config *);
/* Further names under which we are known, separated by blanks (those of the certificate), until the
 * next call. E_NOMEM. */
MUST_USE int admin_set_names(struct admin *, const char *names);

#endif
