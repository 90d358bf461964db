/* Accounts as a simulated game of their own: the racing service, whose players here do nothing but
 * come, sign in with password or resume token, and go; guessers; and a clerk, who bans, lifts,
 * suspends, changes passwords and so on through the desks (sim/desks.h). What must come of it is
 * judged by a model of its own, which sees lines at the service's edge, what the desks answered,
 * and what was asked of the store.
 *
 * town.c    its parts put together; who lives there
 * folk.c    players and guessers
 * clerk.c   the operator
 * book.c    the model: accounts, bans, tokens, as far as they are certain
 * judge.c   the oracle, at the tap
 *
 * Three states of knowledge: what was acknowledged is certain, what was asked and not (or not
 * well) answered may be either. Only what is certain is judged. */
#ifndef SLIPGATE_SIM_TOWN_H
#define SLIPGATE_SIM_TOWN_H

#include "core/ban.h"
#include "core/host.h"
#include "sim/game.h"
#include "wire/token.h"

#define TOWN_PAGES   40u
#define TOWN_BANS    400u
#define TOWN_TOKENS  16384u
#define TOWN_LINKS   1200u
#define TOWN_OPS     64u
#define TOWN_MARKS   4096u
#define TOWN_KNOWN   64u
#define TOWN_PREFIX  128u
#define TOWN_PUTS    64u
#define TOWN_CONNS   200u
#define PASSWORD_CAP 40u

struct town;

enum tri { NO, MAYBE, YES };

struct known {
    uint8_t key[16];
    enum tri there;
    nsec asked, since; /* first put; and there for certain */
};

/* An account. */
struct page {
    char name[24];
    int64_t id;                  /* 0: not seen yet */
    bool gone;                   /* its deletion was asked for: nothing is promised any more */
    uint32_t busy;               /* deeds under way */
    char password[PASSWORD_CAP]; /* the newest */
    char other[PASSWORD_CAP];    /* it may still be, or be again; "": no */
    enum tri suspended, locked;
    int64_t lock_until_ms;
    uint64_t lock_asked; /* the number of the newest ask that locks or unlocks it */
    uint8_t level;
    bool level_sure;
    nsec changed, password_changed; /* when something of it last may have */
    nsec suspended_since, locked_since;
    struct known known[TOWN_KNOWN];
    uint32_t known_n;
    uint64_t let_in;
};

enum ban_state { BAN_ASKED, BAN_UNSAVED, BAN_STORED, BAN_LIFTING, BAN_UNSURE, BAN_OVER };

struct ban_page {
    struct ban ban; /* its id once it is stored */
    struct page *whose;
    enum ban_state state;
    uint64_t process;
    nsec since, changed;
    bool past; /* the wall clock was seen behind its end */
};

struct token_page {
    char text[TOKEN_TEXT + 1];
    struct page *whose;
    int64_t account, good_to_ms, until_ms; /* good until the first, and no longer than the second */
    nsec put_at;
    uint64_t dropped; /* by the ask of this number, if that was done; 0: by none */
    enum tri good;
    uint32_t trying;
    bool contested;
};

struct prefix { /* that guesses */
    uint8_t key[16];
    uint32_t wrong;
    nsec at[20]; /* of the latest wrong ones */
    nsec banned_at, banned_to;
    uint32_t after; /* wrong ones since */
    bool maybe;     /* may be banned by the server itself */
};

struct resident_link {
    bool used, auth, pending;
    uint64_t no;
    struct addr peer;
    struct page *as; /* signed in */
    nsec since;
    /* the login under way */
    struct page *page;
    char password[PASSWORD_CAP];
    struct token_page *token;
    enum tri token_was;
    bool by_token, strange; /* a token that nobody was given */
    nsec begun;
    int64_t begun_ms;
    size_t in_n;
    char in[600];
};

enum deed {
    DEED_BAN,
    DEED_BAN_NET,
    DEED_LIFT,
    DEED_SUSPEND,
    DEED_UNSUSPEND,
    DEED_PASSWORD,
    DEED_LOGOUT,
    DEED_LEVEL,
    DEED_UNLOCK,
    DEED_DELETE,
    DEED_MARK,
    DEEDS_N
};

struct op {
    uint64_t serial; /* 0: free */
    enum deed deed;
    struct page *page;
    nsec since;
    struct ban_page *ban;
    uint32_t mark;
    uint8_t level;
    enum tri was;
};

/* What a callback has: which op it is of, which may be over. */
struct ticket {
    struct town *town;
    uint64_t serial;
};

struct put {
    char hash[TOKEN_HASH];
    nsec at;
};

struct folk;

struct town {
    struct sim *sim;
    struct page pages[TOWN_PAGES];
    uint32_t pages_n, players_n;
    struct ban_page bans[TOWN_BANS];
    uint32_t bans_n;
    struct token_page *tokens;
    uint32_t tokens_n;
    struct prefix prefixes[TOWN_PREFIX];
    uint32_t prefixes_n;
    struct resident_link links[TOWN_LINKS];
    uint32_t links_n;
    struct op ops[TOWN_OPS];
    struct ticket tickets[TOWN_OPS * 16];
    uint64_t serials, process, crashes;
    bool marks[TOWN_MARKS]; /* acknowledged */
    uint32_t marks_n;
    struct put puts[TOWN_PUTS];
    uint32_t puts_at;
    int64_t wall_ms; /* as it was last seen */
    nsec jumped_at, reloaded_at;
    uint32_t threshold, ban_s, resume_s;
    bool refuse; /* racing.single_login, in this process at some time */
    struct sim_timer clerk;
    bool restored; /* in the calm */
    struct folk *folk;
    uint32_t folk_n;
    uint32_t looks;
};

static inline struct town *town_of(const struct sim *s)
{
    return s->game_state;
}

/* ---- book.c ---- */
struct page *book_page(struct town *, struct span name);
struct page *book_by_id(struct town *, int64_t id);
enum tri book_in_force(struct town *, struct ban_page *);
bool book_covers(const struct ban_page *, const struct page *, const struct addr *);
struct token_page *book_token(struct town *, struct span text);
struct token_page *book_token_new(struct town *, struct page *, struct span text);
/* All its tokens from before then end, for certain or perhaps; of later ones nothing is certain. */
void book_tokens_end(struct town *, const struct page *, nsec before, bool sure);
struct known *book_known(struct page *, const struct addr *, bool add);
struct prefix *book_prefix(struct town *, const struct addr *);
void book_clock(struct town *);
/* The process has ended: what was not acknowledged may be either. */
void book_process_ended(struct town *);

/* ---- judge.c ---- */
void judge_started(struct sim *, const struct config *);
void judge_stopped(struct sim *, bool died);
void judge_opened(struct sim *, uint64_t link, const struct link_info *);
void judge_heard(struct sim *, uint64_t link, struct span);
void judge_said(struct sim *, uint64_t link, struct span);
void judge_closing(struct sim *, uint64_t link, enum close_why);
void judge_closed(struct sim *, uint64_t link, enum close_why);
void judge_storing(struct sim *, const struct store_note *);
void judge_stored(struct sim *, const struct store_note *, const struct answer *);
void judge_settled(struct sim *);
/* A ban is in the store now. */
void judge_ban_stored(struct town *, const struct ban_page *);

/* ---- clerk.c ---- */
void clerk_open(struct town *);
void clerk_close(struct town *);
void clerk_calm(struct town *);
/* The process that had them is gone. */
void clerk_forget(struct town *);

/* ---- folk.c ---- */
int folk_open(struct town *);
void folk_close(struct town *);
void folk_calm(struct town *);
void folk_leave(struct town *);
bool folk_done(const struct town *);
bool folk_home(const struct town *);
void folk_text(const struct town *, struct buf *);

#endif
