/* Bans by operators: one at a time, and carried from server to server as lines of JSON
 * (core/ban_text.h). */
#include "admin/operate_priv.h"
#include "base/err.h"
#include "core/account_desk_text.h"
#include "core/audit_log.h"
#include "core/ban_text.h"
#include "wire/json.h"

#define EXPORT_BYTES (512u << 10) /* of one page */

/* ---- answering ---- */

/* A ban that was made or lifted is answered when its record is safe: the desk only hands it in. */
static void answer_when_safe(struct op_wait *w, struct now now, audit_log_fn then)
{
    audit_log_sync(w->o->cfg.audit, now, then, w);
}

static void say_unsafe(struct buf *json, int rc)
{
    if (rc)
        desk_put_bool(json, "audited", false);
}

/* ---- adding ---- */

static void on_add_safe(void *ctx, struct now now, int rc)
{
    struct op_wait *w = ctx;
    struct operate *o = w->o;
    uint64_t token = w->token;
    struct buf json;
    (void)now;
    buf_init(&json, 128);
    (void)buf_append_byte(&json, '{');
    desk_put_int(&json, "id", w->ban.id);
    say_unsafe(&json, rc);
    (void)buf_append_byte(&json, '}');
    op_wait_free(w);
    op_reply(o, token, buf_span(&json));
    buf_fini(&json);
}

static void on_added(void *ctx, struct now now, int rc, int64_t id)
{
    struct op_wait *w = ctx;
    if (rc == 0) {
        w->ban.id = id;
        answer_when_safe(w, now, on_add_safe);
        return;
    }
    struct operate *o = w->o;
    uint64_t token = w->token;
    op_wait_free(w);
    op_refuse(o, token, "the ban is in force here, but not known to be in the database",
              "it is tried again by itself; see slipgate ban list");
}

static void add(struct op_wait *w, struct now now)
{
    struct operate *o = w->o;
    uint64_t token = w->token;
    struct buf why;
    buf_init(&why, 512);
    w->ban.created = now.unix_ms;
    w->ban.expires = w->for_ms ? now.unix_ms + w->for_ms : 0;
    int rc = ban_desk_add(o->cfg.bans, now, &w->ban, w->force, on_added, w, &why);
    if (rc) {
        op_wait_free(w);
        (void)buf_append_byte(&why, '\0');
        if (why.n > 1 && !why.failed)
            op_refuse(o, token, (const char *)why.p, "--force makes wide bans");
        else
            op_refuse_code(o, token, rc);
    }
    buf_fini(&why);
}

static void on_account(void *ctx, struct now now, const struct desk_result *r)
{
    struct op_wait *w = ctx;
    if (r->rc) {
        struct operate *o = w->o;
        uint64_t token = w->token;
        op_wait_free(w);
        op_refuse(o, token, r->why, r->mend);
        return;
    }
    w->ban.account = r->account;
    add(w, now);
}

static struct span keep(struct op_wait *w, size_t *at, struct span s)
{
    struct span kept = {w->bytes + *at, s.n};
    if (s.n)
        memcpy(w->bytes + *at, s.p, s.n);
    *at += s.n;
    return kept;
}

static void fill(struct op_wait *w, const struct op *op)
{
    const struct operate_args *a = &op->args;
    int64_t for_s = a->number[ARG_FOR_S];
    size_t at = 0;
    w->force = a->number[ARG_FORCE] != 0;
    w->for_ms = for_s * 1000;
    w->ban.game = keep(w, &at, a->text[ARG_GAME]);
    w->ban.reason = keep(w, &at, a->text[ARG_REASON]);
    w->ban.evidence = keep(w, &at, a->text[ARG_EVIDENCE]);
    w->ban.author = keep(w, &at, op->by->name);
}

void op_ban_add(struct op *op)
{
    const struct operate_args *a = &op->args;
    struct op_wait *w;
    char net[BAN_NET_TEXT_MAX];
    if (arg_given(a, ARG_ACCOUNT) == arg_given(a, ARG_ADDRESS)) {
        op_refuse(op->o, op->token, "whom?", "give an account or an address");
        return;
    }
    w = op_wait_make(op);
    if (!w)
        return;
    fill(w, op);
    if (arg_given(a, ARG_ACCOUNT)) {
        struct desk_request r = {.op = DESK_SHOW, .by = *op->by, .name = a->text[ARG_ACCOUNT]};
        w->ban.kind = BAN_ACCOUNT;
        int rc = account_desk_ask(op->o->cfg.desk, op->now, &r, on_account, w);
        if (rc) {
            op_wait_free(w);
            op_refuse_code(op->o, op->token, rc);
        }
        return;
    }
    struct span text = a->text[ARG_ADDRESS];
    bool fits = text.n < sizeof net;
    if (fits) {
        memcpy(net, text.p, text.n);
        net[text.n] = '\0';
    }
    if (!fits || ban_net_parse(&w->ban, net)) {
        op_wait_free(w);
        op_refuse(op->o, op->token, "this is no address and no network",
                  "give for example 203.0.113.7 or 203.0.113.0/24");
        return;
    }
    add(w, op->now);
}

/* ---- lifting ---- */

static void on_remove_safe(void *ctx, struct now now, int rc)
{
    struct op_wait *w = ctx;
    struct operate *o = w->o;
    uint64_t token = w->token;
    (void)now;
    op_wait_free(w);
    op_reply(o, token, rc ? SPAN_LIT("{\"audited\":false}") : SPAN_NULL);
}

static void on_removed(void *ctx, struct now now, int rc, int64_t id)
{
    struct op_wait *w = ctx;
    (void)id;
    if (rc == 0) {
        answer_when_safe(w, now, on_remove_safe);
        return;
    }
    struct operate *o = w->o;
    uint64_t token = w->token;
    op_wait_free(w);
    op_refuse(o, token, "the ban is not known to be gone from the database",
              "try again when the database works");
}

void op_ban_remove(struct op *op)
{
    struct op_wait *w = op_wait_make(op);
    if (!w)
        return;
    int rc = ban_desk_remove(op->o->cfg.bans, op->now, op->args.number[ARG_ID], op->by->name,
                             on_removed, w);
    if (rc == 0)
        return;
    op_wait_free(w);
    if (rc == E_NOENT)
        op_refuse(op->o, op->token, "there is no such ban", "see slipgate ban list");
    else
        op_refuse_code(op->o, op->token, rc);
}

/* ---- looking ---- */

static void put_ban(struct buf *b, const struct ban *ban)
{
    char net[BAN_NET_TEXT_MAX];
    desk_put_int(b, "id", ban->id);
    if (ban->kind == BAN_ACCOUNT)
        desk_put_int(b, "account", ban->account);
    else
        desk_put_text(b, "address", span_str(ban_net_text(ban, net)));
    desk_put_text(b, "game", ban->game);
    desk_put_text(b, "reason", ban->reason);
    desk_put_text(b, "author", ban->author);
    desk_put_text(b, "evidence", ban->evidence);
    desk_put_int(b, "created_ms", ban->created);
    desk_put_int(b, "expires_ms", ban->expires);
}

/* Bans behind the one with this id, in the order in which they were made; that one may have gone
 * meanwhile: then from the start, but only ids above it. */
static const struct ban *first_after(struct bans *list, int64_t after)
{
    const struct ban *prev = after ? bans_get(list, after) : NULL;
    const struct ban *b = bans_next(list, prev);
    while (!prev && after && b && b->id <= after)
        b = bans_next(list, b);
    return b;
}

void op_ban_list(struct op *op)
{
    struct bans *list = ban_desk_list(op->o->cfg.bans);
    int64_t most = arg_given(&op->args, ARG_MOST) ? op->args.number[ARG_MOST] : OPERATE_ROWS_MAX;
    const struct ban *b = first_after(list, op->args.number[ARG_AFTER_ID]);
    struct buf json;
    buf_init(&json, 2 * EXPORT_BYTES);
    (void)buf_append_str(&json, "{\"rows\":[");
    for (int64_t n = 0; b && n < most && json.n < EXPORT_BYTES; n++, b = bans_next(list, b)) {
        (void)buf_append_str(&json, n ? ",{" : "{");
        put_ban(&json, b);
        (void)buf_append_byte(&json, '}');
    }
    (void)buf_printf(&json, "],\"more\":%s}", b ? "true" : "false");
    if (json.failed)
        op_refuse_code(op->o, op->token, E_LIMIT);
    else
        op_reply(op->o, op->token, buf_span(&json));
    buf_fini(&json);
}

void op_ban_export(struct op *op)
{
    struct bans *list = ban_desk_list(op->o->cfg.bans);
    const struct ban *b = first_after(list, op->args.number[ARG_AFTER_ID]);
    int64_t last = 0;
    struct buf json, lines;
    buf_init(&lines, EXPORT_BYTES + BAN_LINE_MAX);
    buf_init(&json, 2 * EXPORT_BYTES);
    for (; b && lines.n < EXPORT_BYTES / 2; b = bans_next(list, b)) {
        ban_write(&lines, b);
        last = b->id;
    }
    (void)buf_append_byte(&json, '{');
    desk_put_text(&json, "lines", buf_span(&lines));
    desk_put_int(&json, "after_id", last);
    desk_put_bool(&json, "more", b != NULL);
    (void)buf_append_byte(&json, '}');
    if (json.failed || lines.failed)
        op_refuse_code(op->o, op->token, E_LIMIT);
    else
        op_reply(op->o, op->token, buf_span(&json));
    buf_fini(&json);
    buf_fini(&lines);
}

/* ---- importing ---- */

static void on_import_safe(void *ctx, struct now now, int rc)
{
    struct op_wait *w = ctx;
    struct operate *o = w->o;
    uint64_t token = w->token;
    struct buf json;
    (void)now;
    buf_init(&json, 65536);
    (void)buf_append_byte(&json, '{');
    desk_put_int(&json, "added", w->added);
    desk_put_int(&json, "refused", w->refused);
    desk_put_text(&json, "errors", buf_span(&w->errors));
    say_unsafe(&json, rc);
    (void)buf_append_byte(&json, '}');
    op_wait_free(w);
    op_reply(o, token, buf_span(&json));
    buf_fini(&json);
}

static void import_done(struct op_wait *w, struct now now)
{
    if (w->read && !w->pending)
        answer_when_safe(w, now, on_import_safe);
}

static void on_imported(void *ctx, struct now now, int rc, int64_t id)
{
    struct op_wait *w = ctx;
    (void)id;
    w->pending--;
    w->added += rc == 0;
    w->refused += rc != 0;
    import_done(w, now);
}

/* A few lines say enough. */
static void note_error(struct op_wait *w, struct buf *why, int rc)
{
    w->refused++;
    if (w->errors.n > 2048)
        return;
    if (w->errors.n)
        (void)buf_append_str(&w->errors, "; ");
    if (why->n && !why->failed)
        (void)buf_append_span(&w->errors, buf_span(why));
    else
        (void)buf_append_str(&w->errors, err_text(rc));
}

void op_ban_import(struct op *op)
{
    struct op_wait *w = op_wait_make(op);
    struct ban_reader reader;
    struct ban ban;
    struct buf why;
    int rc;
    if (!w)
        return;
    bool force = op->args.number[ARG_FORCE] != 0;
    buf_init(&why, 1024);
    ban_reader_init(&reader, op->args.text[ARG_LINES], op->by->name, op->now.unix_ms, force);
    if (arg_given(&op->args, ARG_FROM_LINE)) /* a piece of a longer text: errors name its lines */
        reader.line = (uint32_t)op->args.number[ARG_FROM_LINE] - 1u;
    while ((rc = ban_read(&reader, &ban, &why)) != 0) {
        if (rc > 0) {
            w->pending++;
            rc = ban_desk_add(op->o->cfg.bans, op->now, &ban, force, on_imported, w, &why);
            w->pending -= rc != 0;
        }
        if (rc < 0)
            note_error(w, &why, rc);
        buf_clear(&why);
        if (rc == E_FULL && reader.bans >= BANS_MAX)
            break;
    }
    buf_fini(&why);
    w->read = true;
    import_done(w, op->now);
}
