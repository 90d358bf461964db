/* Inside of operate: a request under way and the functions that carry one out. */
#ifndef SLIPGATE_ADMIN_OPERATE_PRIV_H
#define SLIPGATE_ADMIN_OPERATE_PRIV_H

#include "admin/operate.h"
#include "admin/operate_args.h"
#include "base/list.h"

struct operate {
    struct operate_cfg cfg;
    struct list waiting; /* of struct op_wait: for a desk's answer */
};

/* A request at the moment it is carried out. */
struct op {
    struct operate *o;
    struct now now;
    const struct operate_row *row;
    const struct desk_actor *by;
    struct operate_args args;
    uint64_t token;
};

/* What is kept of it while a desk works; freed by op_wait_free. */
struct op_wait {
    struct list in;
    struct operate *o;
    uint64_t token;
    const struct operate_row *row;
    /* of bans: */
    struct buf errors;
    uint32_t pending, added, refused;
    bool read; /* all was handed to the desk */
    struct ban ban;
    bool force;
    int64_t for_ms; /* 0: for ever */
    uint8_t bytes[BAN_GAME_MAX + BAN_REASON_MAX + BAN_AUTHOR_MAX + BAN_EVIDENCE_MAX];
};

/* NULL: memory is short, and the request is answered. */
MUST_USE struct op_wait *op_wait_make(struct op *);
void op_wait_free(struct op_wait *);
void op_reply(struct operate *, uint64_t token, struct span result);
void op_refuse(struct operate *, uint64_t token, const char *error, const char *mend);
void op_refuse_code(struct operate *, uint64_t token, int rc);
/* Notes an operator's deed that no desk audits. */
void op_audit(struct op *, uint16_t type, uint16_t subtype, struct span target, const char *what);

void op_ban_add(struct op *);
void op_ban_list(struct op *);
void op_ban_remove(struct op *);
void op_ban_import(struct op *);
void op_ban_export(struct op *);

#endif
