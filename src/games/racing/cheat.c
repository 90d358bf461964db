#include "games/racing/cheat.h"

#include "games/racing/replies.h"
#include "games/racing/rooms.h"
#include "games/racing/sessions.h"

#include <stdio.h>

/* What nobody drives, in units a second: where the game's own limit is not known, a step is a
 * teleport only beyond it. */
#define ANY_SPEED 500

#define SPAM_WINDOW_MS    1000u
#define INVALID_WINDOW_MS 60000u
#define STRANGER_TOLD     (60 * NSEC_PER_S)

enum rule { SPEED, TELEPORT, SPAM, INVALID }; /* as in tables.c */

static const struct {
    const char *told, *ended;
} texts[] = {
    [SPEED] = {"Movement validation failed. Please check your connection.",
               "You have been disconnected for suspicious movement."},
    [TELEPORT] = {"Movement validation failed. Please check your connection.",
                  "You have been disconnected for suspicious movement."},
    [SPAM] = {"Too many datagrams. Please send fewer of them.",
              "You have been disconnected for sending too many datagrams."},
    [INVALID] = {"Too many invalid datagrams. Please check your client.",
                 "You have been disconnected for sending invalid datagrams."},
};

static const char *const actions[] = {
    [RULE_NOTED] = "observed", [RULE_TOLD] = "told", [RULE_ENDED] = "disconnected"};

void cheat_load(struct settings *s, const struct config *c)
{
#define NUMBER(key) ((uint32_t)config_int(c, "racing." key))
    s->motion = motion_policy_default(NUMBER("max_speed"));
    s->motion.mode = (enum rule_mode)config_enum(c, "racing.anticheat");
    s->motion.any_speed = ANY_SPEED;
    s->motion.tolerance = 1 + NUMBER("anticheat_tolerance_percent") / 100.0;
    s->motion.teleport = NUMBER("anticheat_teleport");
    s->motion.burst_n = NUMBER("anticheat_burst");
    s->motion.burst_ms = NUMBER("anticheat_burst_ms");
    s->motion.pause_ms = NUMBER("anticheat_pause_ms");
    s->motion.ladder = NUMBER("anticheat_ladder");
    s->motion.decay_s = NUMBER("anticheat_decay_s");
    s->spam = (struct spam_policy){.mode = (enum rule_mode)config_enum(c, "racing.packet_spam"),
                                   .window_ms = SPAM_WINDOW_MS,
                                   .ladder = s->motion.ladder,
                                   .decay_s = s->motion.decay_s};
    s->invalid =
        (struct spam_policy){.mode = (enum rule_mode)config_enum(c, "racing.invalid_datagrams"),
                             .window_ms = INVALID_WINDOW_MS,
                             .limit = NUMBER("invalid_datagrams_per_min"),
                             .ladder = 0};
#undef NUMBER
}

static bool is_staff(const struct session *s)
{
    return s->authenticated && s->level > 1;
}

/* Told and ended: not while it is on its way out already. */
static bool is_going(const struct session *s)
{
    return s->ending || list_linked(&s->doomed);
}

static void act(struct racing *g, struct session *s, enum rule rule, enum rule_action action)
{
    host_count(g->host, M_OFFENCES + RACING_ACTIONS * rule + action, 1);
    if (action == RULE_TOLD) {
        reply_error(g, s, texts[rule].told);
    } else if (action == RULE_ENDED) {
        reply_message(g, s, "BYE_ADMIN", texts[rule].ended);
        session_doom(g, s, CLOSE_KICK);
    }
}

/* ---- records ---- */

struct text { /* of a record's details, without memory of its own */
    struct buf b;
    uint8_t room[2048 + 1];
};

static void begin(struct text *t)
{
    t->b = (struct buf){.p = t->room, .cap = sizeof t->room - 1, .max = sizeof t->room - 1};
}

static void put_action(struct text *t, enum rule_action action, bool exempt, uint32_t step,
                       uint32_t ladder)
{
    (void)buf_printf(&t->b, "; %s", exempt ? "observed, staff" : actions[action]);
    if (step)
        (void)buf_printf(&t->b, ", %u of %u", (unsigned)step, (unsigned)ladder + 1);
}

static void audit(struct racing *g, struct now now, const struct session *s,
                  const struct addr *peer, unsigned subtype, struct text *t)
{
    char id[24], address[ADDR_TEXT_MAX];
    struct audit_record r = {.type = AUDIT_SECURITY,
                             .subtype = (uint16_t)subtype,
                             .address = span_str(addr_host_text(peer, address)),
                             .details = buf_span(&t->b)};
    if (!g->host->audit)
        return;
    if (s && s->authenticated)
        r.account = audit_account(s->account, id);
    if (s)
        r.player = session_name(s);
    host_audit(g->host, now, &r);
}

/* "-7.88 1.5 -2 33.25;" for each, the newest first; as many as find room. */
static void put_trail(struct text *t, const struct session *s, struct now now)
{
    struct motion_point p[MOTION_TRAIL_MAX];
    char one[96];
    unsigned n = motion_trail(&s->motion, now.mono, p, MOTION_TRAIL_MAX);
    (void)buf_append_str(&t->b, "; seconds x y z:");
    while (n-- > 0) {
        int len = snprintf(one, sizeof one, " -%.2f %.6g %.6g %.6g;", p[n].age_ms / 1000.0,
                           (double)p[n].pos[0], (double)p[n].pos[1], (double)p[n].pos[2]);
        if (t->b.n + (size_t)len > t->b.max)
            return;
        (void)buf_append(&t->b, one, (size_t)len);
    }
}

static void audit_motion(struct racing *g, struct now now, const struct session *s,
                         const struct motion_facts *f, enum rule_action action)
{
    struct text t;
    begin(&t);
    (void)buf_printf(&t.b, "Speed: %.2f vs Max: %.2f; %s of %.2f units in %.3f s", f->speed,
                     f->allowed, f->teleport ? "teleport" : "distance", f->distance,
                     (double)f->elapsed / (double)NSEC_PER_S);
    put_action(&t, action, f->exempt, f->action, g->set.motion.ladder);
    put_trail(&t, s, now);
    audit(g, now, s, &s->peer, AUDIT_SUB_SPEED_HACK, &t);
}

/* ---- movement ---- */

bool cheat_position(struct racing *g, struct now now, struct session *s, const float position[3])
{
    struct motion_facts f;
    if (is_going(s))
        return false;
    motion_set_exempt(&s->motion, is_staff(s));
    enum motion_verdict v = motion_report(&s->motion, &g->set.motion, now.mono, position, &f);
    if (v == MOTION_FINE)
        return true;
    if (f.offence) {
        enum rule_action action = v == MOTION_VIOLATION        ? RULE_NOTED
                                  : v == MOTION_ACT_DISCONNECT ? RULE_ENDED
                                                               : RULE_TOLD;
        audit_motion(g, now, s, &f, action);
        act(g, s, f.teleport ? TELEPORT : SPEED, action);
    }
    if (f.drop)
        host_count(g->host, M_UPDATES_DROPPED, 1);
    return !f.drop;
}

void cheat_moved(struct racing *g, struct now now, struct session *s)
{
    motion_moved(&s->motion, &g->set.motion, now.mono);
}

void cheat_started(struct racing *g, struct now now, struct room *r)
{
    if (r->started_at && now.mono - r->started_at < CHEAT_RESTART)
        return;
    r->started_at = now.mono;
    LIST_EACH (node, &r->members)
        cheat_moved(g, now, room_member(node));
}

/* ---- too much ---- */

static void spammed(struct racing *g, struct now now, struct session *s, enum rule rule,
                    const struct spam_policy *p, const struct spam_facts *f, enum spam_verdict v)
{
    struct text t;
    enum rule_action action = v == SPAM_NOTED  ? RULE_NOTED
                              : v == SPAM_TELL ? RULE_TOLD
                                               : RULE_ENDED;
    begin(&t);
    if (rule == SPAM)
        (void)buf_printf(&t.b, "Rate: %llu/sec vs Max: %u; %llu datagrams in %.3f s",
                         (unsigned long long)f->rate, g->set.datagrams_per_s,
                         (unsigned long long)f->events, (double)f->took / (double)NSEC_PER_S);
    else
        (void)buf_printf(&t.b, "Invalid: %llu datagrams in %.3f s vs Max: %u a minute",
                         (unsigned long long)f->events, (double)f->took / (double)NSEC_PER_S,
                         g->set.invalid.limit);
    put_action(&t, action, f->exempt, f->step, p->ladder);
    audit(g, now, s, &s->peer, AUDIT_SUB_PACKET_SPAM, &t);
    act(g, s, rule, action);
}

static void count(struct racing *g, struct now now, struct session *s, enum rule rule,
                  struct spam *count, const struct spam_policy *p, bool too_many)
{
    struct spam_facts f;
    if (is_going(s))
        return;
    enum spam_verdict v = spam_event(count, p, is_staff(s), now.mono, too_many, &f);
    if (v != SPAM_FINE)
        spammed(g, now, s, rule, p, &f, v);
}

void cheat_datagram(struct racing *g, struct now now, struct session *s, bool too_many)
{
    count(g, now, s, SPAM, &s->spam, &g->set.spam, too_many);
}

void cheat_invalid(struct racing *g, struct now now, struct session *s)
{
    count(g, now, s, INVALID, &s->invalid, &g->set.invalid, false);
}

void cheat_stranger(struct racing *g, struct now now, const struct addr *from)
{
    struct rate once = {.interval = STRANGER_TOLD, .burst = STRANGER_TOLD};
    struct text t;
    if (g->set.spam.mode == RULE_OFF || !g->host->audit ||
        !addr_limit_take(&g->strangers_told, from, &once, now.mono))
        return;
    begin(&t);
    (void)buf_printf(&t.b, "Rate: over %u/sec from an address without a session",
                     g->set.strangers_per_s);
    audit(g, now, NULL, from, AUDIT_SUB_PACKET_SPAM, &t);
}
