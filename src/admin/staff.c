/* Commands from the moment they are said to their answer: queue, rules, audit. What each does is in
 * staff_players.c and staff_accounts.c. */
#include "admin/staff.h"

#include "admin/staff_priv.h"
#include "base/check.h"
#include "base/err.h"
#include "base/mem.h"
#include "core/account_desk_text.h"
#include "core/query.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#define REMEMBERED_MAX 16384u
#define WORD_SHOWN     32u
#define DENIED_EVERY   (60 * NSEC_PER_S / STAFF_DENIED_PER_MINUTE)

#define GATE(key, who)                                         \
    {                                                          \
        key, CONFIG_BOOL, "true", 0, 0, NULL, CONFIG_LIVE, who \
    }

const struct config_row staff_config[10] = {
    GATE("staff.can_teleport", "Whether staff may move players."),
    GATE("staff.can_create_items", "Whether staff may make items."),
    GATE("staff.can_modify_players", "Whether staff may change characters."),
    GATE("staff.admin_can_access_database",
         "Whether admins may use commands that touch the database directly."),
    GATE("staff.admin_can_modify_accounts",
         "Whether admins may change accounts by command. Operators of the machine always may."),
    GATE("staff.admin_can_shutdown", "Whether admins may end the server by command."),
    {"staff.snoop", CONFIG_BOOL, "false", 0, 0, NULL, CONFIG_LIVE,
     "Whether admins may have a copy of what a player is told (/snoop)."},
    {"staff.log_all_commands", CONFIG_BOOL, "true", 0, 0, NULL, CONFIG_LIVE,
     "Audit every command of staff. What changes anything is audited in any case."},
    {"staff.disabled_commands", CONFIG_TEXT, "", 0, 1000, NULL, CONFIG_LIVE,
     "Commands that nobody has, separated by blanks."},
    {"staff.player_password_min", CONFIG_INT, "8", 1, 72, NULL, CONFIG_LIVE,
     "Shortest password in bytes of a player's account that is set by command; games register "
     "players under a minimum of their own."},
};

static const struct log_row log_denied = {LOG_WARN, "staff.denied", "command refused"};

/* ---- texts ---- */

void staff_print(struct staff_job *j, const char *fmt, ...)
{
    char text[1024];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (n < 0)
        return;
    if (j->out.n)
        (void)buf_append_byte(&j->out, '\n');
    (void)buf_append(&j->out, text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1);
}

int staff_usage(struct staff_job *j)
{
    staff_print(j, "Usage: /%s %s", j->row->name, j->row->form);
    return JOB_DONE;
}

struct span staff_arg(const struct staff_job *j, size_t i)
{
    return i < j->words.n ? j->words.word[i] : SPAN_NULL;
}

bool staff_number(struct staff_job *j, size_t i, int64_t min, int64_t max, int64_t *ret)
{
    struct span s = staff_arg(j, i);
    int64_t v = 0;
    bool good = s.n > 0 && s.n <= 12;
    for (size_t k = 0; k < s.n && good; k++) {
        good = s.p[k] >= '0' && s.p[k] <= '9';
        v = v * 10 + (s.p[k] - '0');
    }
    good = good && v >= min && v <= max;
    if (good)
        *ret = v;
    else
        staff_print(j, "Give a whole number of %" PRId64 " to %" PRId64 ".", min, max);
    return good;
}

struct span staff_rest(const struct staff_job *j, size_t i)
{
    if (i >= j->words.n)
        return SPAN_NULL;
    return i + 1 == j->words.n ? j->words.word[i] : j->words.rest[i];
}

void staff_about(struct staff_job *j, struct span target)
{
    size_t n = target.n < sizeof j->audited_text ? target.n : sizeof j->audited_text;
    if (n)
        memcpy(j->audited_text, target.p, n);
    j->audited = span_of(j->audited_text, n);
}

void staff_about_account(struct staff_job *j, int64_t account)
{
    char text[24];
    staff_about(j, audit_account(account, text));
}

/* ---- memory of what was said ---- */

static uint64_t said_key(const struct staff_job *j, const char *name)
{
    uint64_t text = siphash13(j->staff->repeats.seed, name, strlen(name));
    uint64_t v[2] = {(uint64_t)j->by.account, text};
    return siphash13(j->staff->repeats.seed, v, sizeof v);
}

/* Forgets everybody when too many are remembered: a repeat may then pass, which does no harm. */
static void remember(struct hmap *m, uint64_t key, nsec at)
{
    if (hmap_put(m, &key, at) == 0)
        return;
    uint32_t max = m->max;
    uint64_t seed[2] = {m->seed[0], m->seed[1]};
    hmap_fini(m);
    hmap_init(m, sizeof key, seed, max);
    if (hmap_put(m, &key, at)) /* without memory it is forgotten too */
        return;
}

/* Staff is spared, and so is the machine's operator. */
static bool says_too_often(struct staff_job *j, const char *name)
{
    uint64_t key = said_key(j, name), last;
    struct hmap *m = &j->staff->repeats;
    if (j->by.level > LEVEL_PLAYER)
        return false;
    if (hmap_get(m, &key, &last) && j->now.mono - last < STAFF_REPEAT)
        return true;
    remember(m, key, j->now.mono);
    return false;
}

/* A number of denials a minute is kept of each account (the generic cell rate algorithm, as in
 * core/limit.h); the rest is not worth the room. */
static bool denial_counts(struct staff_job *j)
{
    uint64_t key = (uint64_t)j->by.account, full_at = 0;
    nsec now = j->now.mono;
    (void)hmap_get(&j->staff->denied, &key, &full_at);
    if (full_at < now)
        full_at = now;
    if (full_at - now > DENIED_EVERY * (STAFF_DENIED_PER_MINUTE - 1u))
        return false;
    remember(&j->staff->denied, key, full_at + DENIED_EVERY);
    return true;
}

/* ---- audit ---- */

static void add_record(struct staff_job *j, uint16_t type, uint16_t subtype, struct span text)
{
    char id[24];
    struct audit_record record = {
        .type = type,
        .subtype = subtype,
        .game = j->by.game.n ? j->by.game : SPAN_LIT("server"),
        .account = j->by.account ? audit_account(j->by.account, id) : j->by.name,
        .player = j->player,
        .address = j->by.address,
        .target = j->audited,
        .details = text,
    };
    audit_log_add(j->staff->cfg.audit, j->now, &record);
}

static void audit_command(struct staff_job *j)
{
    bool wanted = j->row && (j->by.level > LEVEL_PLAYER || j->row->level > LEVEL_PLAYER) &&
                  (j->staff->policy.log_all || j->row->lasting);
    struct buf text;
    if (!wanted || j->audited_already)
        return;
    j->audited_already = true;
    buf_init(&text, 2 * STAFF_LINE_MAX);
    staff_redact(&j->words, j->row, &text);
    add_record(j, AUDIT_GM_COMMAND, AUDIT_SUB_NONE, buf_span(&text));
    buf_fini(&text);
}

/* ---- the end ---- */

static void job_free(struct staff_job *j)
{
    list_remove(&j->in);
    j->staff->live--;
    buf_fini_secret(&j->out);
    mem_free_secret(j, j->size);
}

static void give(struct staff_job *j, struct now now, int rc)
{
    if (j->owner.answer) {
        struct answer a = {.req = j->owner.req, .kind = ASK_COMMAND, .rc = rc};
        a.u.text = rc ? SPAN_NULL : buf_span(&j->out);
        j->owner.answer(j->owner.ctx, now, &a);
    } else if (j->why) {
        j->why(j->ctx, now, rc, buf_span(&j->out));
    } else if (j->said) {
        j->said(j->ctx, now, rc, buf_span(&j->out));
    }
    job_free(j);
}

static void on_safe(void *ctx, struct now now, int rc)
{
    struct staff_job *j = ctx;
    if (rc)
        staff_print(j, "The record of this is not on disk yet.");
    give(j, now, 0);
}

void staff_finish(struct staff_job *j, struct now now)
{
    j->now = now;
    audit_command(j);
    if (j->row && j->row->lasting && j->staff->cfg.audit)
        audit_log_sync(j->staff->cfg.audit, now, on_safe, j);
    else
        give(j, now, 0);
}

/* ---- rules ---- */

/* What is not there and what one may not look the same. */
static void no_such(struct staff_job *j)
{
    struct span w = j->words.n ? j->words.word[0] : SPAN_NULL;
    size_t n = w.n < WORD_SHOWN ? w.n : WORD_SHOWN;
    while (n && n < w.n && (w.p[n] & 0xc0) == 0x80)
        n--;
    staff_print(j, "No such command (%.*s)", (int)n, (const char *)w.p);
}

static void deny(struct staff_job *j)
{
    struct buf text;
    buf_init(&text, 128);
    if (denial_counts(j)) {
        (void)buf_printf(&text, "/%s", j->row->name);
        add_record(j, AUDIT_SECURITY, AUDIT_SUB_UNAUTHORIZED_ACCESS, buf_span(&text));
        LOG(j->staff->cfg.log, &log_denied, LF_INT("account", j->by.account),
            LF_SPAN("command", buf_span(&text)));
    }
    buf_fini(&text);
    no_such(j);
    give(j, j->now, 0);
}

static void carry_out(struct staff_job *j)
{
    struct now now = j->now;
    int rc = j->row->run(j);
    /* A command that waits may be through by now, and gone: it audits for itself. */
    if (rc == JOB_DONE)
        staff_finish(j, now);
}

static bool has_grant(struct span rows, const char *name)
{
    struct value v[QUERY_VALUES];
    for (size_t at = 0; query_next(rows, &at, v) >= 0;)
        if (staff_same(query_text(&v[0]), name))
            return true;
    return false;
}

static void judge(struct staff_job *j, bool granted)
{
    if (staff_allows(staff_judge(&j->staff->policy, j->row, j->by.level, granted)))
        carry_out(j);
    else
        deny(j);
}

/* A database that does not answer grants nothing. */
static void on_grants(void *ctx, struct now now, const struct answer *a)
{
    struct staff_job *j = ctx;
    j->now = now;
    judge(j, a->rc == 0 && has_grant(a->u.rows, j->row->name));
}

static int ask_grants(struct staff_job *j, int64_t account,
                      void (*fn)(void *, struct now, const struct answer *))
{
    struct value v = VALUE_OF_INT(account);
    struct ask ask = query_ask(QUERY_GRANT_LIST, &v, 1);
    struct ask_port *store = j->staff->cfg.store;
    return store->submit(store, &ask, (struct ask_owner){fn, j, 0});
}

static void begin(struct staff_job *j)
{
    char word[WORD_SHOWN + 1] = "";
    int rc = staff_split(j->line, &j->words);
    if (rc) {
        staff_print(j, rc == E_LIMIT ? "This command is too long." : "This is not a command.");
        give(j, j->now, 0);
        return;
    }
    j->row = staff_find(&j->words);
    struct span w = j->words.word[0];
    memcpy(word, w.p, w.n < WORD_SHOWN ? w.n : WORD_SHOWN);
    if (says_too_often(j, j->row ? j->row->name : word)) {
        j->row = NULL;
        staff_print(j, "Please wait before you use this command again.");
        give(j, j->now, 0);
    } else if (!j->row) {
        no_such(j);
        give(j, j->now, 0);
    } else {
        enum staff_verdict v = staff_judge(&j->staff->policy, j->row, j->by.level, false);
        if (v != STAFF_LEVEL_LOW || j->by.account == 0 || ask_grants(j, j->by.account, on_grants))
            judge(j, false);
    }
}

/* ---- why ---- */

static const char *rule_text(enum staff_verdict v)
{
    switch (v) {
    case STAFF_BY_LEVEL: return "the account's level is enough";
    case STAFF_BY_GRANT: return "the account was granted this command";
    case STAFF_DISABLED: return "staff.disabled_commands names it: nobody has it";
    case STAFF_GATE_SHUT: return "a key forbids it to everybody";
    case STAFF_LEVEL_LOW: return "the account's level is too low, and there is no grant";
    }
    UNREACHABLE();
}

static void put_why(struct staff_job *j, bool granted)
{
    const struct staff_row *r = j->row;
    struct buf *b = &j->out;
    (void)buf_append_byte(b, '{');
    desk_put_text(b, "account", span_of(j->audited_text, j->audited.n));
    desk_put_int(b, "level", j->level);
    if (!r) {
        desk_put_bool(b, "allowed", false);
        desk_put_text(b, "rule", SPAN_LIT("there is no such command"));
    } else {
        enum staff_verdict v = staff_judge(&j->staff->policy, r, j->level, granted);
        desk_put_text(b, "command", span_str(r->name));
        desk_put_int(b, "command_level", r->level);
        desk_put_bool(b, "allowed", staff_allows(v));
        desk_put_text(b, "rule", span_str(rule_text(v)));
        if (v == STAFF_GATE_SHUT)
            desk_put_text(b, "key", span_str(staff_gate_keys[r->gate]));
        desk_put_bool(b, "granted", granted);
        desk_put_text(b, "targets",
                      span_str(j->level >= LEVEL_ADMIN ? "accounts of every level"
                                                       : "accounts of a lower level"));
    }
    (void)buf_append_byte(b, '}');
}

static void on_why_grants(void *ctx, struct now now, const struct answer *a)
{
    struct staff_job *j = ctx;
    bool granted = a->rc == 0 && j->row && has_grant(a->u.rows, j->row->name);
    if (a->rc == 0)
        put_why(j, granted);
    give(j, now, a->rc);
}

static void on_why_account(void *ctx, struct now now, const struct desk_result *r)
{
    struct staff_job *j = ctx;
    int rc = r->rc;
    if (rc == 0) {
        staff_about(j, r->name);
        j->level = r->level;
        rc = ask_grants(j, r->account, on_why_grants);
    }
    if (rc)
        give(j, now, rc);
}

static void begin_why(struct staff_job *j)
{
    struct desk_request r = {.op = DESK_SHOW, .by = j->by, .name = j->name};
    int rc = account_desk_ask(j->staff->cfg.desk, j->now, &r, on_why_account, j);
    if (rc)
        give(j, j->now, rc);
}

/* ---- in ---- */

static struct span keep(uint8_t **at, struct span s)
{
    struct span kept = {*at, s.n};
    if (s.n)
        memcpy(*at, s.p, s.n);
    *at += s.n;
    return kept;
}

static int job_make(struct staff *st, const struct staff_said *s, struct span name,
                    struct staff_job **ret)
{
    size_t n = sizeof(struct staff_job) + s->line.n + s->player.n + s->by.name.n + s->by.address.n +
               s->by.game.n + s->by.session.n + name.n;
    if (st->closed || st->live >= STAFF_JOBS_MAX)
        return E_BUSY;
    if (s->line.n > STAFF_LINE_MAX)
        return E_RANGE;
    struct staff_job *j = mem_zalloc(1, n);
    if (!j)
        return E_NOMEM;
    uint8_t *at = j->bytes;
    j->staff = st;
    j->size = n;
    j->by = s->by;
    j->line = keep(&at, s->line);
    j->player = keep(&at, s->player);
    j->by.name = keep(&at, s->by.name);
    j->by.address = keep(&at, s->by.address);
    j->by.game = keep(&at, s->by.game);
    j->by.session = keep(&at, s->by.session);
    j->name = keep(&at, name);
    buf_init(&j->out, STAFF_OUT_MAX);
    list_push_back(&st->queue, &j->in);
    st->live++;
    st->cfg.loop->ops->timer_set(st->timer, 0);
    *ret = j;
    return 0;
}

int staff_say(struct staff *st, struct now now, const struct staff_said *s, staff_said_fn fn,
              void *ctx)
{
    struct staff_job *j;
    int rc = job_make(st, s, SPAN_NULL, &j);
    (void)now;
    if (rc)
        return rc;
    j->said = fn;
    j->ctx = ctx;
    return 0;
}

int staff_why(struct staff *st, struct now now, struct span name, struct span word, staff_why_fn fn,
              void *ctx)
{
    struct staff_said s = {.by = {.level = LEVEL_ADMIN, .name = SPAN_LIT("why")}};
    struct staff_job *j;
    int rc = job_make(st, &s, name, &j);
    (void)now;
    if (rc)
        return rc;
    if (word.n && word.p[0] == '/')
        word = span_skip(word, 1);
    j->row = staff_find_word(word);
    j->why = fn;
    j->ctx = ctx;
    return 0;
}

static int submit(struct ask_port *port, const struct ask *ask, struct ask_owner owner)
{
    struct staff *st = CONTAINER_OF(port, struct staff, port);
    struct staff_said s = {
        .by = {.account = ask->u.command.account,
               .level = ask->u.command.level,
               .name = ask->u.command.account_name,
               .address = ask->u.command.address,
               .game = ask->u.command.game,
               .session = ask->u.command.session},
        .player = ask->u.command.player,
        .line = ask->u.command.line,
    };
    struct staff_job *j;
    if (ask->kind != ASK_COMMAND || job_make(st, &s, SPAN_NULL, &j))
        return E_BUSY;
    j->owner = owner;
    return 0;
}

static void on_timer(void *ctx, struct now now)
{
    struct staff *st = ctx;
    struct list *n;
    while ((n = list_first(&st->queue))) {
        struct staff_job *j = CONTAINER_OF(n, struct staff_job, in);
        list_remove(n);
        list_push_back(&st->running, n);
        j->now = now;
        if (j->why)
            begin_why(j);
        else
            begin(j);
    }
}

struct ask_port *staff_port(struct staff *st)
{
    return &st->port;
}

struct span staff_word(struct span word)
{
    const struct staff_row *r = staff_find_word(word);
    return r ? span_str(r->name) : SPAN_NULL;
}

void staff_set_config(struct staff *st, const struct config *c)
{
    struct staff_policy *p = &st->policy;
    p->open[GATE_NONE] = true;
    for (size_t i = 1; i < GATES_N; i++)
        p->open[i] = config_bool(c, staff_gate_keys[i]);
    p->log_all = config_bool(c, "staff.log_all_commands");
    if (!p->open[GATE_SNOOP])
        staff_snoop_none(st);
    (void)snprintf(p->disabled, sizeof p->disabled, "%s",
                   config_text(c, "staff.disabled_commands"));
}

int staff_create(struct staff **ret, const struct staff_cfg *cfg, const struct config *c)
{
    struct staff *st = mem_zalloc(1, sizeof *st);
    struct loop *loop = cfg->loop;
    uint64_t seed[2];
    if (!st)
        return E_NOMEM;
    entropy_get(cfg->entropy, seed, sizeof seed);
    st->port.submit = submit;
    st->cfg = *cfg;
    st->shutdown_at = NSEC_NEVER;
    list_init(&st->queue);
    list_init(&st->running);
    hmap_init(&st->repeats, sizeof(uint64_t), seed, REMEMBERED_MAX);
    hmap_init(&st->denied, sizeof(uint64_t), seed, REMEMBERED_MAX);
    staff_set_config(st, c);
    int rc = loop->ops->timer_open(loop, on_timer, st, &st->timer);
    if (rc == 0)
        rc = loop->ops->timer_open(loop, staff_countdown, st, &st->countdown);
    if (rc) {
        staff_destroy(st);
        return rc;
    }
    *ret = st;
    return 0;
}

void staff_close(struct staff *st)
{
    struct list *n;
    struct now now;
    if (!st || st->closed)
        return;
    st->closed = true;
    now = st->cfg.loop->ops->now(st->cfg.loop);
    while ((n = list_first(&st->queue)))
        give(CONTAINER_OF(n, struct staff_job, in), now, E_BUSY);
    LIST_EACH (node, &st->running) {
        struct staff_job *j = CONTAINER_OF(node, struct staff_job, in);
        struct answer a = {.req = j->owner.req, .kind = ASK_COMMAND, .rc = E_BUSY};
        if (j->owner.answer)
            j->owner.answer(j->owner.ctx, now, &a);
        j->owner.answer = NULL;
    }
}

void staff_destroy(struct staff *st)
{
    struct list *n;
    if (!st)
        return;
    staff_close(st);
    struct now now = st->cfg.loop->ops->now(st->cfg.loop);
    while ((n = list_first(&st->running)))
        give(CONTAINER_OF(n, struct staff_job, in), now, E_BUSY);
    if (st->timer)
        st->cfg.loop->ops->timer_close(st->timer);
    if (st->countdown)
        st->cfg.loop->ops->timer_close(st->countdown);
    hmap_fini(&st->repeats);
    hmap_fini(&st->denied);
    mem_free(st);
}
