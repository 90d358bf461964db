/* Shared by ban_desk*.c; nobody else includes it. */
#ifndef SLIPGATE_CORE_BAN_DESK_PRIV_H
#define SLIPGATE_CORE_BAN_DESK_PRIV_H

#include "base/list.h"
#include "base/slots.h"
#include "core/ban_desk.h"
#include "core/query.h"

#define BAN_TEXTS_MAX (BAN_GAME_MAX + BAN_REASON_MAX + BAN_AUTHOR_MAX + BAN_EVIDENCE_MAX)
/* Ids of bans that the store has not given one yet count down from the top. */
#define BAN_LOCAL_MIN (INT64_MAX - INT64_C(0xffffffffffff))

/* A ban with its texts. */
struct ban_copy {
    struct ban ban;
    uint8_t text[BAN_TEXTS_MAX];
};

enum change_step {
    ADD_WAITING,    /* to be asked at `due` */
    ADD_OUT,        /* asked */
    ADD_UNSURE,     /* it failed and may be done all the same: a reload that began later will say */
    REMOVE_OUT,     /* asked */
    REMOVE_WAITING, /* to be asked at `due` */
    SETTLED,        /* done while the list was being read, which may or may not show it */
};

/* A ban on its way into the store or out of it. */
struct change {
    struct list node; /* in order of their making */
    struct ref self;
    uint8_t step; /* enum change_step */
    bool sent;    /* the store may know it */
    bool lifted;  /* taken back before the store had it: must not stay in there */
    bool gone;    /* SETTLED: removed, else added */
    unsigned tries;
    nsec due;
    uint64_t since; /* ADD_UNSURE: reloads begun when it failed */
    struct ban_copy copy;
    ban_desk_fn fn, lift_fn; /* NULL once told */
    void *ctx, *lift_ctx;
    uint8_t by_n;
    uint8_t by[BAN_AUTHOR_MAX]; /* who lifts it */
};

struct ban_desk {
    struct ban_desk_cfg cfg;
    size_t rows; /* in the metrics */
    struct bans *bans;
    bool ready;
    int64_t next_local;

    struct slots changes;
    struct list order;

    struct bans *next;      /* being read; NULL: no reload is under way */
    struct buf found;       /* ids in it that are not in force yet */
    int64_t after;          /* last id read */
    uint64_t reloads;       /* begun so far */
    bool again;             /* one more when this one ends */
    unsigned reload_faults; /* in a row */
    nsec reload_at, rests;  /* not before */

    struct buf fresh; /* ids of bans that live sessions have yet to be held against */
    nsec purge_at;
    bool purging;
    size_t asks; /* not answered */
};

enum ban_desk_row {
    ROW_BANS,
    ROW_UNSAVED,
    ROW_READ_OK,
    ROW_READ_FAILED,
    BAN_DESK_ROWS,
};

/* What an ask that is none of a change's has as its number. */
enum { REQ_PAGE = 1, REQ_PURGE = 2 };

/* --- ban_desk.c */

void ban_copy_set(struct ban_copy *to, const struct ban *from);
/* E_BUSY: not taken. */
int ban_desk_ask(struct ban_desk *, enum query, const struct value *v, size_t n, uint64_t req);
void ban_desk_count(struct ban_desk *);
/* Time until the n-th try. */
nsec ban_desk_back_off(unsigned tries);
void ban_desk_wake(struct ban_desk *, nsec deadline);

/* --- ban_desk_read.c */

/* The list is to be read (again). */
void ban_desk_reload(struct ban_desk *, struct now);
/* Begins what is due. */
void ban_desk_read(struct ban_desk *, struct now);
void ban_desk_page(struct ban_desk *, struct now, const struct answer *);

/* --- ban_desk_change.c */

void change_answer(struct ban_desk *, struct change *, struct now, const struct answer *);
/* Does what is due; returns when there is more. */
nsec changes_time(struct ban_desk *, struct now);
/* Brings what is on its way into a list that was read. E_NOMEM, E_FULL. */
MUST_USE int changes_carry(struct ban_desk *, struct bans *next);
/* The list in force was just read. */
void changes_settle(struct ban_desk *, struct now);

#endif
