#include "games/racing/auth.h"

#include "base/check.h"
#include "base/err.h"
#include "base/plant.h"
#include "base/utf8.h"
#include "games/racing/commands.h"
#include "games/racing/lines.h"
#include "games/racing/replies.h"
#include "games/racing/sessions.h"

#define BUSY          "Server is busy. Please try again."
#define NAME_REQUIRED "Name is required."
#define OFFER_MAX     8u

static bool is_anonymous(struct span name)
{
    return span_eq(name, SPAN_LIT("Anonymous"));
}

/* What the client can do, from "udpAead" (a list of names) and "udpPack". */
static struct offer read_offer(const struct json_val *v)
{
    struct offer o = {0};
    struct json_val e;
    unsigned seen = 0;
    if (v[F_AEAD].type != JSON_ARRAY)
        return o;
    for (size_t at = 0; seen++ < OFFER_MAX && json_next(v[F_AEAD].raw, &at, &e);) {
        o.gcm |= span_eq(e.raw, SPAN_LIT("\"aes-256-gcm\""));
        o.cbc_hmac |= span_eq(e.raw, SPAN_LIT("\"aes-256-cbc-hmac-sha256\""));
    }
    o.pack = v[F_PACK].type == JSON_TRUE;
    return o;
}

/* The password member: 0 and a view of it (empty for none, null or ""), E_LIMIT, E_FORMAT. */
static int read_password(const struct json_val *v, uint8_t scratch[PASSWORD_LEGACY_MAX],
                         struct span *ret)
{
    *ret = SPAN_NULL;
    if (v->type == JSON_ABSENT || v->type == JSON_NULL)
        return 0;
    int n = json_string_view(v, scratch, PASSWORD_LEGACY_MAX, ret);
    if (n > (int)PASSWORD_LEGACY_MAX)
        return E_LIMIT;
    return n < 0 ? n : 0;
}

static void start(struct racing *g, struct now now, struct session *s, struct span name,
                  struct span password, enum waiting waiting)
{
    struct login_request q = {
        .name = name, .password = password, .peer = s->peer, .owner = ref_pack(s->self)};
    if (login_start(g->logins, now, &q, &s->login)) {
        host_count(g->host, M_LOGINS_BUSY, 1);
        reply_error(g, s, BUSY);
        return;
    }
    s->waiting = waiting;
    host_pause(g->host, s->link);
}

/* A name without a password claims nothing: the session only calls itself so. An authenticated one
 * that takes another name is no longer the player it was, and may not stay in a room. */
static void name_only(struct racing *g, struct session *s, struct span name)
{
    if (s->authenticated && !span_eq(name, session_name(s))) {
        session_leave_room(g, s);
        session_sign_out(g, s);
    }
    memcpy(s->name, name.p, name.n);
    s->name_n = (uint8_t)name.n;
    s->named = true;
    reply_name_ok(g, s, SPAN_NULL);
}

void auth_name(struct racing *g, struct now now, struct session *s, const struct json_val *v)
{
    uint8_t name_scratch[RACING_NAME_MAX], scratch[PASSWORD_LEGACY_MAX];
    struct span name, password;
    int n = json_string_view(&v[F_NAME], name_scratch, sizeof name_scratch, &name);
    if (n == E_FORMAT || n == 0 || is_anonymous(n < 0 ? SPAN_NULL : name)) {
        reply_error(g, s, NAME_REQUIRED);
        return;
    }
    if (n < 0 || !utf8_is_name(name, 1, g->set.name_max)) {
        reply_error(g, s, "Name is not valid.");
        return;
    }
    int rc = read_password(&v[F_PASSWORD], scratch, &password);
    if (rc) {
        reply_error(g, s,
                    rc == E_LIMIT ? "Password is too long. The limit is 72 bytes."
                                  : "Password is not valid.");
    } else if (password.n == 0) {
        name_only(g, s, name);
    } else if (g->draining && !PLANTED(DRAIN_LETS_IN)) {
        reply_error(g, s, BUSY);
    } else {
        s->offer = read_offer(v);
        start(g, now, s, name, password, WAIT_NAME);
    }
    mem_wipe(scratch, sizeof scratch);
}

void auth_authenticate(struct racing *g, struct now now, struct session *s,
                       const struct json_val *v)
{
    uint8_t scratch[PASSWORD_LEGACY_MAX];
    struct span password;
    if (!s->named) {
        reply_message(g, s, "AUTH_FAILED", "Please set your name first with the NAME command.");
        return;
    }
    if (v[F_PASSWORD].type == JSON_ABSENT || v[F_PASSWORD].type == JSON_NULL) {
        reply_error(g, s, "Password is required for authentication.");
        return;
    }
    int rc = read_password(&v[F_PASSWORD], scratch, &password);
    if (rc == E_LIMIT)
        reply_error(g, s, "Password is too long. The limit is 72 bytes.");
    else if (rc || password.n == 0)
        reply_message(g, s, "AUTH_FAILED", "Invalid password.");
    else if (g->draining)
        reply_error(g, s, BUSY);
    else {
        s->offer = read_offer(v);
        start(g, now, s, session_name(s), password, WAIT_AUTHENTICATE);
    }
    mem_wipe(scratch, sizeof scratch);
}

/* ---- outcomes ---- */

static void end_others(struct racing *g, const struct session *s)
{
    struct session *o;
    while ((o = session_of_account(g, s->account, s))) {
        reply_message(g, o, "BYE_ADMIN", "Signed in from another connection");
        session_end(g, o, CLOSE_KICK);
    }
}

static void succeed(struct racing *g, struct session *s, const struct login_result *r,
                    enum waiting waiting)
{
    struct buf aead;
    if (g->set.single_login == SINGLE_REFUSE && session_of_account(g, r->account, s)) {
        host_count(g->host, M_LOGINS_REFUSED, 1);
        reply_message(g, s, "AUTH_FAILED", "This player is already signed in.");
        return;
    }
    buf_init(&aead, AEAD_TEXT_MAX);
    if (session_sign_in(g, s, r->account, &s->offer, &aead)) {
        buf_fini_secret(&aead);
        host_count(g->host, M_LOGINS_BUSY, 1);
        reply_error(g, s, BUSY);
        return;
    }
    if (g->set.single_login == SINGLE_REPLACE && !PLANTED(SECOND_LOGIN_BESIDE_FIRST))
        end_others(g, s);
    CHECK(r->name_n <= RACING_NAME_MAX); /* as long as the name that was asked for */
    s->named = true;
    s->name_n = r->name_n;
    memcpy(s->name, r->name, r->name_n);
    host_count(g->host, r->outcome == LOGIN_CREATED ? M_LOGINS_CREATED : M_LOGINS_OK, 1);
    LOG(g->host->log, &log_login, LF_SPAN("session", span_of(s->id, 8)),
        LF_SPAN("player", session_name(s)), LF_INT("registered", r->outcome == LOGIN_CREATED));
    if (waiting == WAIT_NAME)
        reply_name_ok(g, s, buf_span(&aead));
    else
        reply_auth_ok(g, s, buf_span(&aead));
    buf_fini_secret(&aead);
}

static void fail(struct racing *g, struct session *s, const struct login_result *r,
                 enum waiting waiting)
{
    enum racing_metric row = r->outcome == LOGIN_WRONG  ? M_LOGINS_WRONG
                             : r->outcome == LOGIN_BUSY ? M_LOGINS_BUSY
                                                        : M_LOGINS_REFUSED;
    host_count(g->host, row, 1);
    LOG(g->host->log, &log_login_failed, LF_SPAN("session", span_of(s->id, 8)),
        LF_SPAN("player", span_of(r->name, r->name_n)), LF_ADDR("peer", &s->peer));
    if (r->outcome == LOGIN_WRONG)
        reply_message(g, s, "AUTH_FAILED",
                      waiting == WAIT_NAME ? "Invalid password for this player name."
                                           : "Invalid password.");
    else if (r->outcome == LOGIN_PASSWORD_SHORT)
        reply_error(g, s, "Password is too short.");
    else if (r->outcome == LOGIN_PASSWORD_UNUSABLE)
        reply_error(g, s, "Password cannot be used. The limit is 72 bytes without NUL.");
    else if (!PLANTED(REPLY_LOST_ON_FAILURE))
        reply_error(g, s, BUSY);
}

void auth_result(struct racing *g, struct now now, const struct login_result *r)
{
    struct session *s = session_get(g, ref_unpack(r->owner));
    if (!s || s->ending || s->waiting == WAIT_NOTHING)
        return;
    enum waiting waiting = s->waiting;
    session_touch(g, s, now);
    if (r->outcome == LOGIN_OK || r->outcome == LOGIN_CREATED)
        succeed(g, s, r, waiting);
    else
        fail(g, s, r, waiting);
    lines_resume(g, s);
}
