/* What operators of the machine can have done, by name: accounts, bans, sessions, rooms, the server
 * itself. One table with each operation's arguments; the control socket and the command line's own
 * (with no server running) both come here. Arguments are read strictly: unknown, missing and
 * mistyped ones are refused by name.
 *
 * Each request is answered once, at once or later, by reply or refuse of the configuration. One
 * thread; nothing blocks. docs/operations.md, "Operator commands". */
#ifndef SLIPGATE_ADMIN_OPERATE_H
#define SLIPGATE_ADMIN_OPERATE_H

#include "admin/staff_games.h"
#include "core/account_desk.h"
#include "core/ban_desk.h"

#define OPERATE_ROWS_MAX 1000u /* of one answer */

struct staff;

enum operate_life { OPERATE_RELOAD, OPERATE_DRAIN, OPERATE_STOP };

struct operate_cfg {
    struct account_desk *desk;
    struct log *log;
    struct audit_log *audit; /* may be NULL */
    struct ban_desk *bans;   /* NULL where no server runs, as the three below */
    struct staff *staff;
    const struct staff_games *games;
    /* 0, or a code with why in one line. */
    int (*life)(void *ctx, struct now, enum operate_life, struct buf *why);
    void (*status)(void *ctx, struct now, struct buf *json); /* members of an object */
    void *ctx;

    void (*reply)(void *ctx, uint64_t token, struct span result); /* an object */
    void (*refuse)(void *ctx, uint64_t token, const char *error, const char *mend);
    void *reply_ctx;
};

struct operate;

/* cfg is copied, what it points to outlives the object. E_NOMEM. */
MUST_USE int operate_create(struct operate **ret, const struct operate_cfg *);
/* Desk, bans and staff call no more. NULL is fine. */
void operate_destroy(struct operate *);

/* by: the operator; level is LEVEL_ADMIN. token is handed back in the answer. */
void operate_run(struct operate *, struct now, const struct desk_actor *by, struct span command,
                 struct span arguments, uint64_t token);

/* The table, for tests and fuzzing (reading arguments: operate_args.h). */
struct operate_row;
const struct operate_row *operate_find(struct span command); /* NULL: there is none */
const struct operate_row *operate_at(size_t i);              /* NULL behind the last */
const char *operate_name(const struct operate_row *);

#endif
