/* Inside of staff: a command under way, and what the commands do it with. */
#ifndef SLIPGATE_ADMIN_STAFF_PRIV_H
#define SLIPGATE_ADMIN_STAFF_PRIV_H

#include "admin/staff.h"
#include "admin/staff_rules.h"
#include "base/hmap.h"
#include "base/list.h"
#include "core/limit.h"

#define TARGETS_MAX 64u /* sessions of one account that are dealt with */

/* A player found online. */
struct staff_target {
    size_t game;
    uint8_t session_n, name_n;
    uint8_t session[64], name[255];
    int64_t account;
    uint8_t level;
    bool muted;
    struct addr peer;
};

struct staff_job {
    struct staff *staff;
    struct list in;
    struct desk_actor by; /* texts in bytes */
    struct span player, line;
    staff_said_fn said;
    staff_why_fn why;
    void *ctx;
    struct ask_owner owner; /* of what came by the port; answer NULL otherwise */
    size_t size;

    struct now now; /* of the call that is being carried out */
    struct staff_words words;
    const struct staff_row *row;
    struct buf out;      /* lines for the speaker */
    struct span audited; /* target for the audit, in a buffer below */
    uint8_t audited_text[255];
    struct staff_target target;
    bool audited_already;
    const char *done; /* what to say when a desk has done it */
    unsigned pending; /* desks that still have to answer */
    bool failed;
    struct span name; /* of an account: a word */
    int64_t account;
    uint8_t level;
    uint8_t bytes[];
};

struct staff {
    struct ask_port port;
    struct staff_cfg cfg;
    struct staff_policy policy;
    struct list queue, running;
    uint32_t live;
    bool closed;
    struct loop_timer *timer, *countdown;
    struct hmap repeats, denied;
    struct bucket exports;
    nsec shutdown_at; /* NSEC_NEVER: none is announced */
    bool shut;        /* nobody may sign in */
};

enum { JOB_DONE = 0, JOB_WAITS = 1 };

/* Ends the command: audits if that is due, waits for the record where it must, answers, frees. */
void staff_finish(struct staff_job *, struct now);
void staff_print(struct staff_job *, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* How it is used; JOB_DONE. */
int staff_usage(struct staff_job *);
/* Word i of the line, the command being 0; empty behind the end. */
struct span staff_arg(const struct staff_job *, size_t i);
/* From word i to the end as typed; a last word in quotes without them. */
struct span staff_rest(const struct staff_job *, size_t i);
/* A whole number; false with a text for the speaker. */
bool staff_number(struct staff_job *, size_t i, int64_t min, int64_t max, int64_t *ret);

/* The one online player of a name or "#id" (8 digits or more); false with a text for the speaker
 * unless quiet, which is for what may also be done to an account that is not online: then who only
 * calls himself by the name is not meant, or he could keep its owner from being. */
bool staff_online(struct staff_job *, struct span who, bool quiet, struct staff_target *ret);
/* Whether the speaker may act on it; false with a text for him. */
bool staff_may_act(struct staff_job *, const struct staff_target *, bool oneself);
/* Has a game do it, and says what became of it: done, or that the game has no such thing. */
int staff_order(struct staff_job *, size_t game, const struct order *, const char *nothing,
                const char *done);
/* A desk's request for the speaker; says `done` when it is. JOB_WAITS, or JOB_DONE with a text. */
int staff_desk(struct staff_job *, struct desk_request *, const char *done);
/* Notes whom it was about, for the audit: an account by its number, as its owner's export finds it
 * and as its deletion leaves it. */
void staff_about(struct staff_job *, struct span target);
void staff_about_account(struct staff_job *, int64_t account);

int run_kick(struct staff_job *);
int run_ban(struct staff_job *);
int run_mute(struct staff_job *);
int run_jump(struct staff_job *);
int run_announce(struct staff_job *);
int run_clientlist(struct staff_job *);
int run_sameip(struct staff_job *);
int run_gminfo(struct staff_job *);
int run_player(struct staff_job *);
int run_item(struct staff_job *);
int run_heal(struct staff_job *);
int run_team(struct staff_job *);
int run_plvl(struct staff_job *);
int run_account(struct staff_job *);
int run_account_export(struct staff_job *);
int run_account_delete_own(struct staff_job *);
int run_password(struct staff_job *);
int run_shutdown(struct staff_job *);
int run_snoop(struct staff_job *);
/* Nobody has copies any more. */
void staff_snoop_none(struct staff *);
/* The countdown's timer; ctx is the staff. */
void staff_countdown(void *ctx, struct now);

#endif
