#include "admin/operate.h"

#include "admin/operate_priv.h"
#include "admin/staff.h"
#include "base/check.h"
#include "base/err.h"
#include "base/mem.h"
#include "core/account_desk_text.h"
#include "wire/json.h"

#define ROW_BYTES_MAX 2048u

enum where { ANYWHERE, RUNNING }; /* RUNNING: only where a server is */

struct operate_row {
    const char *name;
    enum where where;
    uint32_t need, may;
    void (*run)(struct op *);
    enum desk_op desk; /* of run_desk */
    bool on;
};

/* ---- answering ---- */

void op_reply(struct operate *o, uint64_t token, struct span result)
{
    o->cfg.reply(o->cfg.reply_ctx, token, result);
}

void op_refuse(struct operate *o, uint64_t token, const char *error, const char *mend)
{
    o->cfg.refuse(o->cfg.reply_ctx, token, error, mend);
}

void op_refuse_code(struct operate *o, uint64_t token, int rc)
{
    bool busy = rc == E_BUSY || rc == E_FULL;
    op_refuse(o, token, busy ? "the server is too busy" : err_text(rc), busy ? "try again" : NULL);
}

/* A buffer as the answer: an object. */
static void reply_buf(struct op *op, struct buf *json)
{
    if (json->failed)
        op_refuse_code(op->o, op->token, E_LIMIT);
    else
        op_reply(op->o, op->token, buf_span(json));
    buf_fini(json);
}

struct op_wait *op_wait_make(struct op *op)
{
    struct op_wait *w = mem_zalloc(1, sizeof *w);
    if (!w) {
        op_refuse_code(op->o, op->token, E_NOMEM);
        return NULL;
    }
    w->o = op->o;
    w->token = op->token;
    w->row = op->row;
    buf_init(&w->errors, 8192);
    list_push_back(&op->o->waiting, &w->in);
    return w;
}

void op_wait_free(struct op_wait *w)
{
    list_remove(&w->in);
    buf_fini(&w->errors);
    mem_free(w);
}

void op_audit(struct op *op, uint16_t type, uint16_t subtype, struct span target, const char *what)
{
    struct audit_record record = {
        .type = type,
        .subtype = subtype,
        .game = SPAN_LIT("server"),
        .account = op->by->name,
        .target = target,
        .details = span_str(what),
    };
    audit_log_add(op->o->cfg.audit, op->now, &record);
}

/* ---- accounts ---- */

static void on_desk(void *ctx, struct now now, const struct desk_result *r)
{
    struct op_wait *w = ctx;
    struct operate *o = w->o;
    uint64_t token = w->token;
    (void)now;
    op_wait_free(w);
    if (r->rc)
        op_refuse(o, token, r->why, r->mend);
    else if (!r->audited && !r->json.n)
        op_reply(o, token, SPAN_LIT("{\"audited\":false}"));
    else
        op_reply(o, token, r->json);
}

static void ask_desk(struct op *op, const struct desk_request *r)
{
    struct op_wait *w = op_wait_make(op);
    if (!w)
        return;
    int rc = account_desk_ask(op->o->cfg.desk, op->now, r, on_desk, w);
    if (rc) {
        op_wait_free(w);
        op_refuse_code(op->o, op->token, rc);
    }
}

static void run_desk(struct op *op)
{
    const struct operate_args *a = &op->args;
    struct desk_request r = {
        .op = op->row->desk,
        .on = op->row->on,
        .by = *op->by,
        .name = a->text[ARG_NAME],
        .text = a->text[ARG_COMMAND],
        .number = a->number[ARG_LEVEL],
        .password = a->text[ARG_PASSWORD],
    };
    if (r.op == DESK_CREATE)
        r.text = a->text[ARG_EMAIL];
    if (r.op == DESK_LIST) {
        r.text = a->text[ARG_AFTER];
        r.number = a->number[ARG_MOST];
    }
    ask_desk(op, &r);
}

/* Only words that are commands can be granted. */
static void run_grant(struct op *op)
{
    struct span word = op->args.text[ARG_COMMAND];
    if (word.p[0] == '/')
        word = span_skip(word, 1);
    struct span known = staff_word(word);
    if (!known.n && op->row->desk == DESK_GRANT) {
        op_refuse(op->o, op->token, "there is no such command", "see docs/moderation.md");
        return;
    }
    op->args.text[ARG_COMMAND] = known.n ? known : word;
    run_desk(op);
}

/* One thing at a time, so that what was done and what was not is never in doubt. */
static void run_set(struct op *op)
{
    static const struct {
        enum operate_arg arg;
        enum desk_op desk;
    } members[] = {
        {ARG_LEVEL, DESK_SET_LEVEL},
        {ARG_EMAIL, DESK_SET_EMAIL},
        {ARG_DISPLAY_NAME, DESK_SET_DISPLAY},
        {ARG_NOTES, DESK_SET_NOTES},
    };
    struct desk_request r = {.by = *op->by, .name = op->args.text[ARG_NAME]};
    unsigned n = 0;
    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        if (!arg_given(&op->args, members[i].arg))
            continue;
        n++;
        r.op = members[i].desk;
        r.text = op->args.text[members[i].arg];
        r.number = op->args.number[members[i].arg];
    }
    if (n == 1)
        ask_desk(op, &r);
    else
        op_refuse(op->o, op->token, "one thing is set at a time",
                  "give one of level, email, display_name and notes");
}

static void on_why(void *ctx, struct now now, int rc, struct span json)
{
    struct op_wait *w = ctx;
    struct operate *o = w->o;
    uint64_t token = w->token;
    (void)now;
    op_wait_free(w);
    if (rc == E_NOENT)
        op_refuse(o, token, "there is no such account", NULL);
    else if (rc)
        op_refuse_code(o, token, rc);
    else
        op_reply(o, token, json);
}

static void run_why(struct op *op)
{
    struct op_wait *w = op_wait_make(op);
    if (!w)
        return;
    int rc = staff_why(op->o->cfg.staff, op->now, op->args.text[ARG_NAME],
                       op->args.text[ARG_COMMAND], on_why, w);
    if (rc) {
        op_wait_free(w);
        op_refuse_code(op->o, op->token, rc);
    }
}

/* ---- sessions and rooms ---- */

struct row_id {
    uint8_t n, p[64];
};

/* Rows come in no order, and there may be more than an answer holds: a first walk finds the `most`
 * smallest ids behind `after`, kept as a heap with the greatest on top; a second one writes them.
 */
struct walk {
    struct buf *json;
    const char *game;
    struct span name;  /* only these; empty: all */
    struct span after; /* ids behind this one */
    struct row_id *heap;
    uint32_t n, most, written;
    bool more, found, writes;
};

static int id_order(struct span a, struct span b)
{
    int c = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);
    return c ? c : (a.n > b.n) - (a.n < b.n);
}

static struct span heap_id(const struct walk *w, uint32_t i)
{
    return span_of(w->heap[i].p, w->heap[i].n);
}

static void heap_swap(struct walk *w, uint32_t a, uint32_t b)
{
    struct row_id t = w->heap[a];
    w->heap[a] = w->heap[b];
    w->heap[b] = t;
}

static void heap_sink(struct walk *w)
{
    for (uint32_t at = 0, child; (child = 2 * at + 1) < w->n; at = child) {
        if (child + 1 < w->n && id_order(heap_id(w, child + 1), heap_id(w, child)) > 0)
            child++;
        if (id_order(heap_id(w, at), heap_id(w, child)) >= 0)
            break;
        heap_swap(w, at, child);
    }
}

static void heap_put(struct walk *w, struct span id)
{
    struct row_id row = {.n = (uint8_t)(id.n < sizeof row.p ? id.n : sizeof row.p)};
    memcpy(row.p, id.p, row.n);
    if (w->n == w->most) {
        w->more = true;
        if (id_order(id, heap_id(w, 0)) > 0)
            return;
        w->heap[0] = row;
        heap_sink(w);
        return;
    }
    w->heap[w->n] = row;
    for (uint32_t at = w->n++; at && id_order(heap_id(w, at), heap_id(w, (at - 1) / 2)) > 0;
         at = (at - 1) / 2)
        heap_swap(w, at, (at - 1) / 2);
}

/* Whether the row is to be written now. */
static bool wants_row(struct walk *w, struct span id)
{
    if (w->after.n && id_order(id, w->after) <= 0)
        return false;
    if (!w->writes)
        heap_put(w, id);
    return w->writes && w->n && id_order(id, heap_id(w, 0)) <= 0;
}

static bool put_player(void *ctx, const struct player_view *p)
{
    struct walk *w = ctx;
    char text[ADDR_TEXT_MAX];
    if ((w->name.n && !span_eq(p->name, w->name)) || !wants_row(w, p->session))
        return true;
    struct buf *b = w->json;
    (void)buf_append_str(b, w->written++ ? ",{" : "{");
    desk_put_text(b, "session", p->session);
    desk_put_text(b, "game", span_str(w->game));
    desk_put_text(b, "name", p->name);
    desk_put_int(b, "account", p->account);
    desk_put_int(b, "level", p->level);
    desk_put_bool(b, "muted", p->muted);
    desk_put_text(b, "room", p->place);
    desk_put_text(b, "address", span_str(addr_text(&p->peer, text)));
    (void)buf_append_byte(b, '}');
    return true;
}

static bool put_room(void *ctx, const struct room_view *r)
{
    struct walk *w = ctx;
    if (!wants_row(w, r->id))
        return true;
    struct buf *b = w->json;
    (void)buf_append_str(b, w->written++ ? ",{" : "{");
    desk_put_text(b, "room", r->id);
    desk_put_text(b, "game", span_str(w->game));
    desk_put_text(b, "name", r->name);
    desk_put_int(b, "players", r->players);
    desk_put_bool(b, "active", r->active);
    desk_put_text(b, "host", r->host);
    (void)buf_append_byte(b, '}');
    return true;
}

static void walk_games(struct op *op, struct walk *w)
{
    const struct staff_games *g = op->o->cfg.games;
    struct span game = op->args.text[ARG_GAME];
    for (size_t i = 0; i < g->count(g->ctx); i++) {
        w->game = g->name(g->ctx, i);
        if (game.n && !span_eq(game, span_str(w->game)))
            continue;
        if (op->row->name[0] == 'r')
            g->rooms(g->ctx, i, put_room, w);
        else
            g->players(g->ctx, i, put_player, w);
    }
}

/* Rows of every game, or of the one that is named. */
static void run_walk(struct op *op)
{
    struct buf json;
    struct walk w = {.json = &json,
                     .name = op->args.text[ARG_NAME],
                     .after = op->args.text[ARG_AFTER],
                     .most = OPERATE_ROWS_MAX};
    if (arg_given(&op->args, ARG_MOST))
        w.most = (uint32_t)op->args.number[ARG_MOST];
    w.heap = mem_zalloc(w.most, sizeof w.heap[0]);
    if (!w.heap) {
        op_refuse_code(op->o, op->token, E_NOMEM);
        return;
    }
    buf_init(&json, OPERATE_ROWS_MAX * ROW_BYTES_MAX);
    (void)buf_append_str(&json, "{\"rows\":[");
    walk_games(op, &w);
    w.writes = true;
    walk_games(op, &w);
    (void)buf_printf(&json, "],\"more\":%s", w.more ? "true" : "false");
    if (w.more)
        desk_put_text(&json, "after", heap_id(&w, 0));
    (void)buf_append_byte(&json, '}');
    mem_free(w.heap);
    reply_buf(op, &json);
}

static void run_session_kick(struct op *op)
{
    const struct staff_games *g = op->o->cfg.games;
    struct span session = op->args.text[ARG_SESSION];
    struct span reason = op->args.text[ARG_REASON];
    struct order order = {.kind = ORDER_KICK, .session = session};
    bool found = false;
    if (arg_given(&op->args, ARG_ALL) == arg_given(&op->args, ARG_SESSION)) {
        op_refuse(op->o, op->token, "which session?", "give its id, or --all");
        return;
    }
    order.text = reason.n ? reason : SPAN_LIT("Disconnected by administrator");
    if (session.n == 0) {
        struct notice notice = {.kind = NOTICE_KICK};
        g->notice(g->ctx, &notice);
        found = true;
    }
    for (size_t i = 0; i < g->count(g->ctx) && !found; i++)
        found = g->order(g->ctx, i, &order) == 0;
    if (!found) {
        op_refuse(op->o, op->token, "there is no such session", "see slipgate session list");
        return;
    }
    op_audit(op, AUDIT_GM_COMMAND, AUDIT_SUB_NONE, session, "session kick");
    op_reply(op->o, op->token, SPAN_NULL);
}

static bool find_room(void *ctx, const struct room_view *r)
{
    struct walk *w = ctx;
    w->found = span_eq(r->id, w->name);
    return !w->found;
}

static void run_room_close(struct op *op)
{
    const struct staff_games *g = op->o->cfg.games;
    struct span room = op->args.text[ARG_ROOM];
    struct walk w = {.name = room};
    if (arg_given(&op->args, ARG_ALL) == arg_given(&op->args, ARG_ROOM)) {
        op_refuse(op->o, op->token, "which room?", "give its id, or --all");
        return;
    }
    for (size_t i = 0; i < g->count(g->ctx) && !w.found && room.n; i++)
        g->rooms(g->ctx, i, find_room, &w);
    if (room.n && !w.found) {
        op_refuse(op->o, op->token, "there is no such room", "see slipgate room list");
        return;
    }
    struct notice notice = {.kind = NOTICE_CLOSE_ROOM, .u.id = room};
    g->notice(g->ctx, &notice);
    op_audit(op, AUDIT_GM_COMMAND, AUDIT_SUB_NONE, room, "room close");
    op_reply(op->o, op->token, SPAN_NULL);
}

/* ---- the server ---- */

static void run_life(struct op *op)
{
    bool reload = op->row->name[0] == 'r';
    bool stop = op->args.number[ARG_STOP] != 0;
    struct buf why;
    buf_init(&why, 4096);
    int rc = op->o->cfg.life(op->o->cfg.ctx, op->now,
                             reload ? OPERATE_RELOAD
                             : stop ? OPERATE_STOP
                                    : OPERATE_DRAIN,
                             &why);
    if (rc) {
        (void)buf_append_byte(&why, '\0');
        op_refuse(op->o, op->token, why.n > 1 ? (const char *)why.p : err_text(rc), NULL);
    } else {
        op_audit(op, reload ? AUDIT_SECURITY : AUDIT_GM_COMMAND,
                 reload ? AUDIT_SUB_CONFIG_CHANGED : AUDIT_SUB_NONE, SPAN_NULL,
                 reload ? "reload"
                 : stop ? "drain and stop"
                        : "drain");
        op_reply(op->o, op->token, SPAN_NULL);
    }
    buf_fini(&why);
}

static void run_status(struct op *op)
{
    struct buf json;
    buf_init(&json, 65536);
    (void)buf_append_byte(&json, '{');
    op->o->cfg.status(op->o->cfg.ctx, op->now, &json);
    (void)buf_append_byte(&json, '}');
    reply_buf(op, &json);
}

static void on_said(void *ctx, struct now now, int rc, struct span text)
{
    struct op_wait *w = ctx;
    struct operate *o = w->o;
    uint64_t token = w->token;
    struct buf json;
    (void)now;
    op_wait_free(w);
    if (rc) {
        op_refuse_code(o, token, rc);
        return;
    }
    buf_init(&json, 2 * DESK_OUT_MAX);
    (void)buf_append_byte(&json, '{');
    desk_put_text(&json, "text", text);
    (void)buf_append_byte(&json, '}');
    if (json.failed)
        op_refuse_code(o, token, E_LIMIT);
    else
        op_reply(o, token, buf_span(&json));
    buf_fini(&json);
}

static void run_command(struct op *op)
{
    struct staff_said said = {.by = *op->by, .line = op->args.text[ARG_LINE]};
    struct op_wait *w = op_wait_make(op);
    if (!w)
        return;
    int rc = staff_say(op->o->cfg.staff, op->now, &said, on_said, w);
    if (rc) {
        op_wait_free(w);
        op_refuse_code(op->o, op->token, rc);
    }
}

/* ---- the table ---- */

#define NAMED    ARG(NAME), 0
#define SETS     ARG(LEVEL) | ARG(EMAIL) | ARG(DISPLAY_NAME) | ARG(NOTES)
#define DESK(op) run_desk, DESK_##op
#define BAN_MAY \
    ARG(ACCOUNT) | ARG(ADDRESS) | ARG(REASON) | ARG(FOR_S) | ARG(GAME) | ARG(EVIDENCE) | ARG(FORCE)

static const struct operate_row rows[] = {
    {"account create", ANYWHERE, ARG(NAME) | ARG(PASSWORD), ARG(LEVEL) | ARG(EMAIL), DESK(CREATE)},
    {"account show", ANYWHERE, NAMED, DESK(SHOW)},
    {"account list", ANYWHERE, 0, ARG(AFTER) | ARG(MOST), DESK(LIST)},
    {"account set", ANYWHERE, ARG(NAME), SETS, run_set},
    {"account suspend", ANYWHERE, NAMED, DESK(SET_SUSPENDED), true},
    {"account unsuspend", ANYWHERE, NAMED, DESK(SET_SUSPENDED), false},
    {"account mute", ANYWHERE, NAMED, DESK(SET_MUTED), true},
    {"account unmute", ANYWHERE, NAMED, DESK(SET_MUTED), false},
    {"account unlock", ANYWHERE, NAMED, DESK(UNLOCK)},
    {"account password", ANYWHERE, ARG(NAME) | ARG(PASSWORD), 0, DESK(SET_PASSWORD)},
    {"account logout", ANYWHERE, NAMED, DESK(LOGOUT)},
    {"account delete", ANYWHERE, NAMED, DESK(DELETE)},
    {"account export", ANYWHERE, NAMED, DESK(EXPORT)},
    {"account grant", ANYWHERE, ARG(NAME) | ARG(COMMAND), 0, run_grant, DESK_GRANT},
    {"account revoke", ANYWHERE, ARG(NAME) | ARG(COMMAND), 0, run_grant, DESK_REVOKE},
    {"account otp-enrol", ANYWHERE, NAMED, DESK(OTP_ENROL)},
    {"account otp-disable", ANYWHERE, NAMED, DESK(OTP_DISABLE)},
    {"account why", RUNNING, ARG(NAME) | ARG(COMMAND), 0, run_why},
    {"ban add", RUNNING, 0, BAN_MAY, op_ban_add},
    {"ban list", RUNNING, 0, ARG(AFTER_ID) | ARG(MOST), op_ban_list},
    {"ban remove", RUNNING, ARG(ID), 0, op_ban_remove},
    {"ban import", RUNNING, ARG(LINES), ARG(FORCE) | ARG(FROM_LINE), op_ban_import},
    {"ban export", RUNNING, 0, ARG(AFTER_ID), op_ban_export},
    {"session list", RUNNING, 0, ARG(GAME) | ARG(NAME) | ARG(AFTER) | ARG(MOST), run_walk},
    {"session kick", RUNNING, 0, ARG(SESSION) | ARG(ALL) | ARG(REASON), run_session_kick},
    {"room list", RUNNING, 0, ARG(GAME) | ARG(AFTER) | ARG(MOST), run_walk},
    {"room close", RUNNING, 0, ARG(ROOM) | ARG(ALL), run_room_close},
    {"reload", RUNNING, 0, 0, run_life},
    {"drain", RUNNING, 0, ARG(STOP), run_life},
    {"status", RUNNING, 0, 0, run_status},
    {"command", RUNNING, ARG(LINE), 0, run_command},
};

const struct operate_row *operate_at(size_t i)
{
    return i < ARRAY_LEN(rows) ? &rows[i] : NULL;
}

const struct operate_row *operate_find(struct span command)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (span_eq(command, span_str(rows[i].name)))
            return &rows[i];
    return NULL;
}

const char *operate_name(const struct operate_row *row)
{
    return row->name;
}

int operate_read(const struct operate_row *row, struct operate_args *args, struct span object,
                 struct buf *why)
{
    return operate_args_read(args, object, row->need, row->may, why);
}

void operate_run(struct operate *o, struct now now, const struct desk_actor *by,
                 struct span command, struct span arguments, uint64_t token)
{
    struct op op = {.o = o, .now = now, .row = operate_find(command), .by = by, .token = token};
    struct buf why;
    if (!op.row) {
        op_refuse(o, token, "there is no such command", "see slipgate --help");
        return;
    }
    if (op.row->where == RUNNING && !o->cfg.games) {
        op_refuse(o, token, "no server is running", "start it");
        return;
    }
    if (op.row->name[0] == 'b' && !o->cfg.bans) {
        op_refuse(o, token, "there are no bans here", NULL);
        return;
    }
    buf_init(&why, 512);
    int rc = operate_read(op.row, &op.args, arguments, &why);
    if (rc == 0)
        op.row->run(&op);
    else {
        (void)buf_append_byte(&why, '\0');
        op_refuse(o, token, why.n > 1 && !why.failed ? (const char *)why.p : err_text(rc), NULL);
    }
    operate_args_fini(&op.args);
    buf_fini(&why);
}

int operate_create(struct operate **ret, const struct operate_cfg *cfg)
{
    struct operate *o = mem_zalloc(1, sizeof *o);
    if (!o)
        return E_NOMEM;
    o->cfg = *cfg;
    list_init(&o->waiting);
    *ret = o;
    return 0;
}

void operate_destroy(struct operate *o)
{
    struct list *n;
    if (!o)
        return;
    while ((n = list_first(&o->waiting)))
        op_wait_free(CONTAINER_OF(n, struct op_wait, in));
    mem_free(o);
}
