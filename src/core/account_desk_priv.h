/* Inside of the account desk: a request under way, and the steps each kind of request is made of.
 */
#ifndef SLIPGATE_CORE_ACCOUNT_DESK_PRIV_H
#define SLIPGATE_CORE_ACCOUNT_DESK_PRIV_H

#include "base/list.h"
#include "core/account_desk.h"
#include "core/account_desk_text.h"
#include "core/login_otp.h"
#include "core/query.h"

enum { STEP_ASKED = 1 }; /* 0: on with the next one */

struct desk_job {
    struct account_desk *desk;
    struct list in; /* of desk->jobs */
    const struct desk_row *row;
    struct desk_request r; /* its texts are in bytes */
    desk_fn fn;
    void *ctx;
    unsigned step;
    size_t size;
    bool by_email; /* the name was none; it is looked up as an email address */
    bool done;     /* the change is made, although more is wanted */
    const char *why, *mend;

    int64_t id;
    uint8_t level, name_n;
    char name[ACCOUNT_NAME_MAX + 1];
    bool muted;
    struct account account; /* with its password record, where a password is at stake */
    struct password_record made;

    struct buf out; /* the answer */
    size_t rows;
    int64_t after; /* pages: where the next one begins */
    uint32_t node; /* and of which chain */
    struct buf nodes;
    bool about;       /* records of what others did to it, not of what it did */
    uint32_t codes_n; /* of codes, how many are stored */
    struct recovery_code codes[RECOVERY_CODES];
    uint8_t bytes[];
};

/* Called with the answer to the step before if that one asked, else with NULL. STEP_ASKED,
 * 0, or what the request ends with. */
typedef int (*desk_step)(struct desk_job *, struct now, const struct answer *);

struct desk_row {
    const char *word; /* for the audit's details */
    bool changes;
    uint16_t type, subtype;
    int change; /* enum account_change to tell the games; -1: nothing */
    int tell;   /* enum cluster_kind; -1: nothing */
    desk_step steps[24];
};

extern const struct desk_row desk_rows[DESK_OPS_N];

struct account_desk {
    struct account_desk_cfg cfg;
    struct list jobs;
    uint32_t live;
    uint32_t min_player, min_staff;
};

/* Refuses with a reason: returns rc. */
int desk_fail(struct desk_job *, int rc, const char *why, const char *mend);
/* Sends an ask; STEP_ASKED or E_BUSY. */
MUST_USE int desk_send(struct desk_job *, const struct ask *);
MUST_USE int desk_query(struct desk_job *, enum query q, const struct value *v, size_t n);

#endif
