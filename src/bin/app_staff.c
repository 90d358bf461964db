#include "bin/app_staff.h"

#include "base/err.h"
#include "bin/app.h"
#include "core/account_desk_text.h"

#include <unistd.h>

/* ---- games ---- */

static size_t game_count(void *ctx)
{
    const struct app *a = ctx;
    return a->server ? server_services(a->server) : 0;
}

static const char *game_name(void *ctx, size_t i)
{
    return server_service_name(((struct app *)ctx)->server, (uint16_t)i);
}

static int game_order(void *ctx, size_t i, const struct order *o)
{
    return server_order(((struct app *)ctx)->server, (uint16_t)i, o);
}

static void game_players(void *ctx, size_t i, player_fn fn, void *fn_ctx)
{
    server_players(((struct app *)ctx)->server, (uint16_t)i, fn, fn_ctx);
}

static void game_rooms(void *ctx, size_t i, room_fn fn, void *fn_ctx)
{
    server_rooms(((struct app *)ctx)->server, (uint16_t)i, fn, fn_ctx);
}

static void game_notice(void *ctx, const struct notice *n)
{
    struct app *a = ctx;
    if (a->server)
        server_notice(a->server, n);
}

static void desk_notice(void *ctx, struct now now, const struct notice *n)
{
    (void)now;
    game_notice(ctx, n);
}

/* ---- the server ---- */

static int life(void *ctx, struct now now, enum operate_life what, struct buf *why)
{
    struct app *a = ctx;
    switch (what) {
    case OPERATE_RELOAD: return app_reload(a, why);
    case OPERATE_DRAIN:
        if (a->state == APP_RUNNING)
            app_drain(a, now, APP_DRAINING);
        return 0;
    case OPERATE_STOP:
        if (a->state != APP_STOPPING)
            app_drain(a, now, APP_STOPPING);
        return 0;
    }
    return E_SUPPORT;
}

static void put_service(struct app *a, uint16_t id, struct buf *json)
{
    struct service_view v;
    server_view(a->server, id, &v);
    (void)buf_append_str(json, id ? ",{" : "{");
    desk_put_text(json, "name", span_str(server_service_name(a->server, id)));
    desk_put_int(json, "sessions", v.sessions);
    desk_put_int(json, "signed_in", v.authenticated);
    desk_put_int(json, "rooms", v.rooms);
    desk_put_int(json, "rooms_active", v.rooms_active);
    desk_put_int(json, "players_in_rooms", v.players_in_rooms);
    (void)buf_append_byte(json, '}');
}

static void status(void *ctx, struct now now, struct buf *json)
{
    static const char *const states[] = {"running", "draining", "stopping"};
    struct app *a = ctx;
    desk_put_text(json, "version", SPAN_LIT(SLIPGATE_VERSION));
    desk_put_int(json, "pid", getpid());
    desk_put_text(json, "state", span_str(states[a->state]));
    desk_put_int(json, "uptime_s", (int64_t)((now.mono - a->staff.started_at) / NSEC_PER_S));
    desk_put_bool(json, "store", store_ready(a->store));
    desk_put_bool(json, "accepting", server_accepting(a->server));
    desk_put_int(json, "links", server_links(a->server));
    desk_member(json, "services");
    (void)buf_append_byte(json, '[');
    for (size_t i = 0; i < server_services(a->server); i++)
        put_service(a, (uint16_t)i, json);
    (void)buf_append_byte(json, ']');
}

/* ---- the control socket ---- */

static uint64_t token_of(struct control_ref r)
{
    return (uint64_t)r.r.gen << 32 | r.r.slot;
}

static struct control_ref ref_of(uint64_t token)
{
    return (struct control_ref){{(uint32_t)token, (uint32_t)(token >> 32)}};
}

static void reply(void *ctx, uint64_t token, struct span result)
{
    struct app *a = ctx;
    if (a->staff.control)
        control_result(a->staff.control, ref_of(token), result);
}

static void refuse(void *ctx, uint64_t token, const char *error, const char *mend)
{
    struct app *a = ctx;
    if (a->staff.control)
        control_error(a->staff.control, ref_of(token), error, mend);
}

static void on_request(void *ctx, struct now now, struct control_ref ref,
                       const struct control_peer *peer, const struct control_request *r)
{
    struct app *a = ctx;
    struct desk_actor by = {.level = LEVEL_ADMIN, .name = span_str(peer->name)};
    operate_run(a->staff.operate, now, &by, r->command, r->arguments, token_of(ref));
}

static void on_stranger(void *ctx, struct now now, const struct control_peer *peer)
{
    struct app *a = ctx;
    const struct audit_record r = {.type = AUDIT_SECURITY,
                                   .subtype = AUDIT_SUB_UNAUTHORIZED_ACCESS,
                                   .game = SPAN_LIT("server"),
                                   .account = span_str(peer->name),
                                   .details = SPAN_LIT("control socket")};
    audit_log_add(a->audit, now, &r);
}

/* ---- life ---- */

static void set_minimums(struct app *a)
{
    account_desk_set_minimums(a->staff.desk,
                              (uint32_t)config_int(a->config, "staff.player_password_min"),
                              (uint32_t)config_int(a->config, "accounts.staff_password_min"));
}

static int open_desk(struct app *a)
{
    struct account_desk_cfg cfg = {
        .store = store_port(a->store),
        .hash = hash_port(a->hash),
        .cluster = a->cluster,
        .audit = a->audit,
        .log = a->log,
        .entropy = &a->entropy,
        .secrets = a->login.secrets,
        .notice = desk_notice,
        .ctx = a,
    };
    return account_desk_create(&a->staff.desk, &cfg);
}

int app_staff_open(struct app *a, struct buf *why)
{
    struct app_staff *s = &a->staff;
    (void)why;
    s->games = (struct staff_games){a,          game_count, game_name, game_order, game_players,
                                    game_rooms, game_notice};
    s->started_at = a->loop->ops->now(a->loop).mono;
    int rc = open_desk(a);
    if (rc)
        return rc;
    set_minimums(a);
    struct staff_cfg cfg = {
        .loop = a->loop,
        .log = a->log,
        .entropy = &a->entropy,
        .store = store_port(a->store),
        .desk = s->desk,
        .bans = a->bans,
        .audit = a->audit,
        .games = &s->games,
        .life = life,
        .ctx = a,
    };
    rc = staff_create(&s->staff, &cfg, a->config);
    if (rc)
        return rc;
    struct operate_cfg ops = {
        .desk = s->desk,
        .log = a->log,
        .audit = a->audit,
        .bans = a->bans,
        .staff = s->staff,
        .games = &s->games,
        .life = life,
        .status = status,
        .ctx = a,
        .reply = reply,
        .refuse = refuse,
        .reply_ctx = a,
    };
    return operate_create(&s->operate, &ops);
}

int app_staff_listen(struct app *a, struct buf *why)
{
    struct control_cfg cfg = {
        .loop = a->loop,
        .log = a->log,
        .dir = config_text(a->config, "data.dir"),
        .group = config_text(a->config, "control.group"),
        .ctx = a,
        .request = on_request,
        .stranger = on_stranger,
    };
    return control_create(&a->staff.control, &cfg, why);
}

void app_staff_close(struct app *a)
{
    control_destroy(a->staff.control);
    a->staff.control = NULL;
    staff_close(a->staff.staff);
}

void app_staff_destroy(struct app *a)
{
    staff_destroy(a->staff.staff);
    operate_destroy(a->staff.operate);
    account_desk_destroy(a->staff.desk);
    a->staff.staff = NULL;
    a->staff.operate = NULL;
    a->staff.desk = NULL;
}

void app_staff_reload(struct app *a)
{
    set_minimums(a);
    staff_set_config(a->staff.staff, a->config);
}
