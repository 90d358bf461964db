#include "games/racing/auth.h"

#include "base/check.h"
#include "base/err.h"
#include "base/plant.h"
#include "base/utf8.h"
#include "games/racing/commands.h"
#include "games/racing/lines.h"
#include "games/racing/replies.h"
#include "games/racing/sessions.h"

#include <inttypes.h>
#include <stdio.h>

#define BUSY          "Server is busy. Please try again."
#define GOING_DOWN    "Server is going down. Please come back later."
#define ELSEWHERE     "This player is already signed in."
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

/* What comes with name and password. */
struct extras {
    bool want_resume;
    uint8_t otp_n, resume_n;
    uint8_t otp[LOGIN_OTP_MAX + 1], resume[TOKEN_TEXT + 1];
};

/* A string member, cut one byte past what it may be; what is no string is as wrong as any. */
static uint8_t short_member(const struct json_val *v, uint8_t *to, size_t cap)
{
    struct span s = SPAN_NULL;
    if (v->type == JSON_ABSENT || v->type == JSON_NULL)
        return 0;
    if (json_string_view(v, to, cap, &s) < 0)
        s = SPAN_LIT("?");
    if (s.n && s.p != to)
        memmove(to, s.p, s.n);
    return (uint8_t)s.n;
}

static void read_extras(const struct json_val *v, struct extras *x)
{
    *x = (struct extras){0};
    x->otp_n = short_member(&v[F_OTP], x->otp, LOGIN_OTP_MAX);
    x->resume_n = short_member(&v[F_RESUME], x->resume, TOKEN_TEXT);
    x->want_resume = v[F_RESUME].type == JSON_STRING && x->resume_n == 0;
}

static void start(struct racing *g, struct now now, struct session *s, struct span name,
                  struct span password, const struct extras *x, enum waiting waiting)
{
    struct login_request q = {.name = name,
                              .password = password,
                              .otp = span_of(x->otp, x->otp_n),
                              .resume = span_of(x->resume, x->resume_n),
                              .want_resume = x->want_resume,
                              .peer = s->peer,
                              .owner = ref_pack(s->self)};
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
    reply_name_ok(g, s, SPAN_NULL, "");
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
    struct extras x;
    read_extras(v, &x);
    int rc = x.resume_n ? 0 : read_password(&v[F_PASSWORD], scratch, &password);
    if (x.resume_n)
        password = SPAN_NULL; /* the token stands for it */
    if (rc) {
        reply_error(g, s,
                    rc == E_LIMIT ? "Password is too long. The limit is 72 bytes."
                                  : "Password is not valid.");
    } else if (password.n == 0 && x.resume_n == 0) {
        name_only(g, s, name);
    } else if (g->draining && !PLANTED(DRAIN_LETS_IN)) {
        reply_error(g, s, BUSY);
    } else if (g->shut) {
        reply_error(g, s, GOING_DOWN);
    } else {
        s->offer = read_offer(v);
        start(g, now, s, name, password, &x, WAIT_NAME);
    }
    mem_wipe(&x, sizeof x);
    mem_wipe(scratch, sizeof scratch);
}

void auth_authenticate(struct racing *g, struct now now, struct session *s,
                       const struct json_val *v)
{
    uint8_t scratch[PASSWORD_LEGACY_MAX];
    struct span password;
    struct extras x;
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
    else if (g->draining || g->shut)
        reply_error(g, s, g->draining ? BUSY : GOING_DOWN);
    else {
        s->offer = read_offer(v);
        read_extras(v, &x);
        x.resume_n = 0; /* tokens are NAME's */
        x.want_resume = false;
        start(g, now, s, session_name(s), password, &x, WAIT_AUTHENTICATE);
        mem_wipe(&x, sizeof x);
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

/* It leads to no session after all. */
static void give_back(struct racing *g, const struct login_result *r)
{
    logins_signed_out(g->logins, g->now, r->account, NULL);
}

static void succeed(struct racing *g, struct session *s, const struct login_result *r,
                    enum waiting waiting)
{
    struct buf aead;
    if (g->set.single_login == SINGLE_REFUSE && session_of_account(g, r->account, s)) {
        give_back(g, r);
        host_count(g->host, M_LOGINS_REFUSED, 1);
        reply_message(g, s, "AUTH_FAILED", ELSEWHERE);
        return;
    }
    buf_init(&aead, AEAD_TEXT_MAX);
    if (session_sign_in(g, s, r->account, &s->offer, &aead)) {
        buf_fini_secret(&aead);
        give_back(g, r);
        host_count(g->host, M_LOGINS_BUSY, 1);
        reply_error(g, s, BUSY);
        return;
    }
    if (g->set.single_login == SINGLE_REPLACE && !PLANTED(SECOND_LOGIN_BESIDE_FIRST))
        end_others(g, s);
    CHECK(r->name_n <= RACING_NAME_MAX); /* as long as the name that was asked for */
    s->named = true;
    s->name_n = r->name_n;
    s->level = r->level;
    s->muted = r->muted;
    s->resumable |= r->resume[0] != '\0';
    memcpy(s->name, r->name, r->name_n);
    host_count(g->host, r->outcome == LOGIN_CREATED ? M_LOGINS_CREATED : M_LOGINS_OK, 1);
    LOG(g->host->log, &log_login, LF_SPAN("session", span_of(s->id, 8)),
        LF_SPAN("player", session_name(s)), LF_INT("registered", r->outcome == LOGIN_CREATED));
    if (waiting == WAIT_NAME)
        reply_name_ok(g, s, buf_span(&aead), r->resume);
    else
        reply_auth_ok(g, s, buf_span(&aead));
    buf_fini_secret(&aead);
}

/* ERROR: the password cannot be used here. AUTH_FAILED: whoever this is may not in. */
static const struct refusal {
    bool error;
    enum racing_metric row;
    const char *text;
} refusals[LOGIN_OUTCOMES_N] = {
    [LOGIN_WRONG] = {false, M_LOGINS_WRONG, "Invalid password."},
    [LOGIN_NAME_UNFIT] = {true, M_LOGINS_REFUSED,
                          "This name cannot be registered. It must not be Server nor begin with # "
                          "nor have blanks at its ends or invisible characters."},
    [LOGIN_PASSWORD_SHORT] = {true, M_LOGINS_REFUSED, "Password is too short."},
    [LOGIN_PASSWORD_UNUSABLE] = {true, M_LOGINS_REFUSED,
                                 "Password cannot be used. The limit is 72 bytes without NUL."},
    [LOGIN_STAFF_PASSWORD_SHORT] = {true, M_LOGINS_REFUSED,
                                    "Password is too short for a staff account."},
    [LOGIN_BUSY] = {true, M_LOGINS_BUSY, BUSY},
    [LOGIN_THROTTLED] = {false, M_LOGINS_REFUSED,
                         "Too many login attempts. Please try again later."},
    [LOGIN_BANNED] = {false, M_LOGINS_REFUSED, NULL},
    [LOGIN_INVALID] = {false, M_LOGINS_REFUSED, "This account cannot be used."},
    [LOGIN_SUSPENDED] = {false, M_LOGINS_REFUSED, "This account is suspended."},
    [LOGIN_LOCKED] = {false, M_LOGINS_REFUSED,
                      "This account is locked after too many failed logins. Please try again "
                      "later."},
    [LOGIN_OTP_WANTED] = {false, M_LOGINS_REFUSED, "A one-time code is required."},
    [LOGIN_OTP_WRONG] = {false, M_LOGINS_WRONG, "Invalid one-time code."},
    [LOGIN_OTP_UNSET] = {false, M_LOGINS_REFUSED,
                         "This account has to set up a second factor first. Ask the operator of "
                         "the server."},
    [LOGIN_ELSEWHERE] = {false, M_LOGINS_REFUSED, ELSEWHERE},
    [LOGIN_RESUME_WRONG] = {false, M_LOGINS_WRONG, "Invalid resume token."},
};

/* Without characters that simple clients take for the message's end. */
static void banned_text(char *to, size_t cap, const struct login_result *r, struct now now)
{
    static const struct {
        int64_t ms;
        const char *name;
    } units[] = {{86400000, "days"}, {3600000, "hours"}, {60000, "minutes"}};
    int64_t left = r->until_ms - now.unix_ms;
    size_t i = 0;
    while (i + 1 < ARRAY_LEN(units) && left < 2 * units[i].ms)
        i++;
    int n = snprintf(to, cap, "You are banned from this server");
    if (r->until_ms)
        n += snprintf(to + n, cap - (size_t)n, " for another %" PRId64 " %s",
                      (left + units[i].ms - 1) / units[i].ms, units[i].name);
    if (r->reason[0])
        n += snprintf(to + n, cap - (size_t)n, " (%s)", r->reason);
    for (char *p = to; *p; p++)
        if (*p == ',' || *p == ':' || *p == '"')
            *p = ' ';
    (void)snprintf(to + n, cap - (size_t)n, ".");
}

static void fail(struct racing *g, struct session *s, const struct login_result *r,
                 enum waiting waiting)
{
    const struct refusal *x = &refusals[r->outcome];
    const char *text = x->text;
    char banned[BAN_REASON_MAX + 100];
    host_count(g->host, x->row, 1);
    LOG(g->host->log, &log_login_failed, LF_SPAN("session", span_of(s->id, 8)),
        LF_SPAN("player", span_of(r->name, r->name_n)), LF_ADDR("peer", &s->peer));
    if (r->outcome == LOGIN_WRONG && waiting == WAIT_NAME)
        text = "Invalid password for this player name.";
    if (r->outcome == LOGIN_BANNED) {
        banned_text(banned, sizeof banned, r, g->now);
        text = banned;
    }
    if (r->outcome != LOGIN_BUSY || !PLANTED(REPLY_LOST_ON_FAILURE))
        reply_message(g, s, x->error ? "ERROR" : "AUTH_FAILED", text);
}

void auth_result(struct racing *g, struct now now, struct login_result *r)
{
    struct session *s = session_get(g, ref_unpack(r->owner));
    bool in = r->outcome == LOGIN_OK || r->outcome == LOGIN_CREATED;
    if (!s || s->ending || s->waiting == WAIT_NOTHING) {
        if (in)
            give_back(g, r);
        mem_wipe(r->resume, sizeof r->resume);
        return;
    }
    enum waiting waiting = s->waiting;
    session_touch(g, s, now);
    if (in)
        succeed(g, s, r, waiting);
    else
        fail(g, s, r, waiting);
    mem_wipe(r->resume, sizeof r->resume);
    lines_resume(g, s);
}
