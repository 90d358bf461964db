#include "sim/racing/oracle_model.h"

#include "base/check.h"
#include "base/mem.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define LINKS_MAX 65536u

static const uint64_t map_seed[2] = {1, 2}; /* nobody attacks the oracle, and it must repeat */

/* ---- findings ---- */

void o_suspect(struct racing_oracle *o, const char *oracle, const char *format, ...)
{
    va_list args;
    if (o->suspected || o->short_now)
        return;
    o->suspected = true;
    (void)snprintf(o->suspect_oracle, sizeof o->suspect_oracle, "%s", oracle);
    va_start(args, format);
    (void)vsnprintf(o->suspect_text, sizeof o->suspect_text, format, args);
    va_end(args);
}

/* ---- small tools ---- */

void o_neighbourhood(const struct addr *a, uint8_t key[16])
{
    static const uint8_t v4[12] = {[10] = 0xff, [11] = 0xff}; /* how an address holds one */
    memset(key, 0, 16);
    memcpy(key, a->ip, memcmp(a->ip, v4, sizeof v4) == 0 ? 16 : 8);
}

struct o_rate o_rate_of(int64_t per_s, int64_t burst)
{
    if (per_s == 0)
        return (struct o_rate){0, 0};
    nsec each = NSEC_PER_S / (nsec)per_s;
    return (struct o_rate){each, each * (nsec)(burst > 0 ? burst : 1)};
}

bool o_rate_take(nsec *full_at, const struct o_rate *r, nsec now)
{
    if (r->each == 0)
        return true;
    nsec next = (*full_at > now ? *full_at : now) + r->each;
    if (next - now > r->ahead)
        return false;
    *full_at = next;
    return true;
}

void *o_grow(void *p, uint32_t n, uint32_t *cap, size_t size)
{
    if (n < *cap)
        return p;
    uint32_t to = *cap ? 2 * *cap : 64;
    p = realloc(p, to * size);
    CHECK(p);
    memset((char *)p + *cap * size, 0, (to - *cap) * size);
    *cap = to;
    return p;
}

struct o_link *o_link(struct racing_oracle *o, uint32_t i)
{
    return i < o->links_n && o->links[i].used ? &o->links[i] : NULL;
}

uint32_t o_index(const struct racing_oracle *o, const struct o_link *l)
{
    return (uint32_t)(l - o->links);
}

uint32_t o_link_by_no(const struct racing_oracle *o, uint64_t no)
{
    uint64_t v;
    return hmap_get(&o->by_no, &no, &v) ? (uint32_t)v : NOBODY;
}

uint32_t o_link_by_id(const struct racing_oracle *o, struct span id)
{
    uint64_t v;
    return id.n == ID_N && hmap_get(&o->by_id, id.p, &v) ? (uint32_t)v : NOBODY;
}

static struct o_link *link_of(struct sim *s, uint64_t no)
{
    struct racing_oracle *o = oracle_of(s);
    return o_link(o, o_link_by_no(o, no));
}

bool o_ended_hard(const struct racing_oracle *o, uint32_t link)
{
    if (link == NOBODY)
        return false;
    const struct o_link *l = &o->links[link];
    return l->mute && l->closed_step == o->sim->step &&
           (l->closed_why == CLOSE_SLOW || l->closed_why == CLOSE_ERROR ||
            l->closed_why == CLOSE_BY_PEER);
}

/* ---- the life of a link ---- */

static uint32_t link_add(struct racing_oracle *o)
{
    if (o->links_free == NOBODY) {
        uint32_t n = o->links_n + 64;
        o->links = realloc(o->links, n * sizeof *o->links);
        CHECK(o->links && n <= LINKS_MAX);
        memset(o->links + o->links_n, 0, 64 * sizeof *o->links);
        for (uint32_t i = n; i-- > o->links_n;) {
            o->links[i].next_free = o->links_free;
            o->links_free = i;
        }
        o->links_n = n;
    }
    uint32_t i = o->links_free;
    o->links_free = o->links[i].next_free;
    o->links[i] = (struct o_link){.used = true, .room = NOBODY, .due = NOBODY};
    o->links_live++;
    return i;
}

static void link_free(struct racing_oracle *o, uint32_t i)
{
    struct o_link *l = &o->links[i];
    (void)hmap_del(&o->by_no, &l->no);
    buf_fini(&l->in);
    l->used = false;
    l->next_free = o->links_free;
    o->links_free = i;
    o->links_live--;
}

void o_must_end(struct racing_oracle *o, struct o_link *l, enum o_ending ending)
{
    if (l->ending)
        return;
    l->ending = ending;
    o_expect(o, o_index(o, l), ending == ENDING_LOST ? EV_LOST : EV_END, NOBODY);
}

void o_session_end(struct racing_oracle *o, struct o_link *l, enum close_why why)
{
    if (l->mute)
        return;
    uint32_t i = o_index(o, l);
    if (l->ending)
        o_observe(o, i, l->ending == ENDING_LOST ? EV_LOST : EV_END, NOBODY);
    l->mute = true;
    l->closed_why = why;
    l->closed_step = o->sim->step;
    l->closed_at = o_now(o);
    o_room_leave(o, l, true);
    o_path_drop(o, l);
    o_keys_drop(o, l);
    o_chains_forget(o, i);
    l->auth = l->named = false;
    l->login.on = false;
    if (l->welcomed)
        (void)hmap_del(&o->by_id, l->id);
}

static void forget_links(struct racing_oracle *o)
{
    for (uint32_t i = 0; i < o->links_n; i++)
        if (o->links[i].used) {
            o_path_drop(o, &o->links[i]);
            o_keys_drop(o, &o->links[i]);
            if (o->links[i].welcomed)
                (void)hmap_del(&o->by_id, o->links[i].id);
            link_free(o, i);
        }
}

/* ---- calls ---- */

static void end_call(struct racing_oracle *o)
{
    o_chain_settle(o);
    o_accepted_judge(o);
    o_relay_settle(o);
    if (o->suspected) {
        o->suspected = false;
        sim_find(o->sim, o->suspect_oracle, "%s", o->suspect_text);
    }
    o->short_now = false;
    o->call++;
    o->kind = CALL_OTHER;
    o->chain = NOBODY;
}

/* What is told of in one call may come about in the next: a link whose peer has gone already fails
 * every reply, and ends after that. So the books are closed with the step. */
static void end_step(struct racing_oracle *o)
{
    end_call(o);
    o_chains_settle(o);
    o_ledger_settle(o);
    end_call(o);
    for (uint32_t i = 0; o->gone_n && i < o->links_n; i++)
        if (o->links[i].used && o->links[i].gone) {
            link_free(o, i);
            o->gone_n--;
        }
}

static struct racing_oracle *begin_call(struct sim *s, enum o_call kind)
{
    struct racing_oracle *o = oracle_of(s);
    end_call(o);
    o->kind = kind;
    return o;
}

void oracle_short_of_memory(struct sim *s)
{
    struct racing_oracle *o = oracle_of(s);
    o->short_now = o->ever_short = true;
    o->suspected = false;
    o->ledger_void = true;
    if (o->chain != NOBODY)
        o->chains[o->chain].replied = true;
    o_relay_excuse(o);
}

/* ---- the process ---- */

static uint32_t number(const struct config *c, const char *key)
{
    return (uint32_t)config_int(c, key);
}

static void load_settings(struct racing_oracle *o, const struct config *c)
{
    struct o_settings *s = &o->set;
    struct buf why;
    *s = (struct o_settings){
        .since = o_now(o),
        .idle = number(c, "racing.idle_timeout_s") * NSEC_PER_S,
        .room_size = number(c, "racing.room_size"),
        .max_rooms = number(c, "racing.max_rooms"),
        .name_max = number(c, "racing.name_max_bytes"),
        .password_min = number(c, "racing.password_min_length"),
        .line_max = number(c, "racing.line_max_bytes"),
        .relay_max = number(c, "racing.relay_max_bytes"),
        .room_events = config_bool(c, "racing.room_events"),
        .start_reply = config_bool(c, "racing.start_reply"),
        .fold = config_enum(c, "racing.name_case") == 1,
        .relay_room_only = config_enum(c, "racing.relay_scope") == 1,
        .require_aead = config_bool(c, "racing.udp_require_aead"),
        .any_address = config_bool(c, "racing.udp_any_address"),
        .single = (enum o_single)config_enum(c, "racing.single_login"),
        .plain = (enum o_plain)config_enum(c, "racing.udp_plaintext"),
        .commands = o_rate_of(config_int(c, "racing.commands_per_s"),
                              config_int(c, "racing.commands_burst")),
        .datagrams = o_rate_of(config_int(c, "racing.datagrams_per_s"),
                               config_int(c, "racing.datagrams_burst")),
        .strangers = o_rate_of(config_int(c, "racing.strangers_per_s"),
                               config_int(c, "racing.strangers_per_s")),
    };
    o->set_at = o_now(o);
    const char *secret = config_text(c, "racing.udp_shared_secret");
    s->secret_n = strnlen(secret, sizeof s->secret);
    memcpy(s->secret, secret, s->secret_n);
    buf_init(&why, 256);
    if (config_known(c, SPAN_LIT("limits.exempt")) &&
        exempt_parse(&s->exempt, config_text(c, "limits.exempt"), &why))
        s->exempt = (struct exempt){0};
    buf_fini(&why);
}

void oracle_started(struct sim *s, const struct config *c)
{
    struct racing_oracle *o = begin_call(s, CALL_OTHER);
    CHECK(o->links_live == 0);
    load_settings(o, c);
    o->up = true;
    o->draining = false;
    o->scans = o->trials = 0;
    o->accepted = 0;
    o_accounts_judge(o);
}

/* What was judged so far: an oracle that judged nothing proved nothing. */
static void tell_stats(struct racing_oracle *o)
{
    const struct oracle_stats *t = &o->stats;
    char text[240];
    int n = snprintf(text, sizeof text,
                     "%" PRIu64 " replies, %" PRIu64 " unasked, %" PRIu64 " rooms listed, %" PRIu64
                     " starts, %" PRIu64 " logins, %" PRIu64 " accounts, %" PRIu64
                     " deliveries, %" PRIu64 " datagrams refused",
                     t->replies, t->events, t->rooms_listed, t->spawns, t->logins, t->accounts,
                     t->deliveries, t->rejects);
    sim_event(o->sim, false, "judged", 0, span_of(text, (size_t)n));
}

void oracle_stopped(struct sim *s, bool died)
{
    struct racing_oracle *o = oracle_of(s);
    end_step(o);
    if (!died && o->links_live)
        sim_find(s, "drain", "the server ended in order and %u connections had not",
                 (unsigned)o->links_live);
    tell_stats(o);
    forget_links(o);
    for (uint32_t i = 0; i < o->rooms_n; i++)
        if (o->rooms[i].used)
            o_room_close(o, &o->rooms[i]);
    o->ledger_n = 0;
    o->chains_n = 0;
    o_relay_forget(o);
    hmap_fini(&o->strangers);
    hmap_fini(&o->guesses);
    o->up = o->draining = false;
}

/* ---- links ---- */

void oracle_opened(struct sim *s, uint64_t no, const struct link_info *info)
{
    struct racing_oracle *o = begin_call(s, CALL_OPENED);
    uint32_t i = link_add(o);
    struct o_link *l = &o->links[i];
    l->no = no;
    l->peer = info->peer;
    l->opened_at = l->touched = l->active = l->progress = o_now(o);
    memcpy(l->name, "Anonymous", 9);
    l->name_n = 9;
    buf_init(&l->in, 8u << 20);
    CHECK(hmap_put(&o->by_no, &no, i) == 0);
    o_expect(o, i, EV_WELCOME, NOBODY);
}

void oracle_heard(struct sim *s, uint64_t no, struct span bytes)
{
    struct racing_oracle *o = begin_call(s, CALL_HEARD);
    struct o_link *l = link_of(s, no);
    if (!l || l->mute)
        return;
    if (l->cur.at == l->in.n)
        l->progress = o_now(o); /* nothing waited */
    CHECK(buf_append_span(&l->in, bytes) == 0);
    if (memchr(bytes.p, '\n', bytes.n))
        l->active = o_now(o);
}

static void close_for_good(struct racing_oracle *o, struct o_link *l, enum close_why why,
                           bool by_service)
{
    if (!l->mute)
        o_closing_judge(o, l, why, by_service);
    o_session_end(o, l, why);
}

void oracle_closing(struct sim *s, uint64_t no, enum close_why why)
{
    struct o_link *l = link_of(s, no);
    if (!l)
        sim_find(s, "resources", "link %llu was closed and had ended before",
                 (unsigned long long)no);
    else if (!l->welcomed && why == CLOSE_ERROR)
        l->no_session = true;
    if (l)
        close_for_good(oracle_of(s), l, why, true);
}

void oracle_closed(struct sim *s, uint64_t no, enum close_why why)
{
    struct racing_oracle *o = oracle_of(s);
    struct o_link *l = link_of(s, no);
    if (!l) {
        sim_find(s, "resources", "link %llu ended twice", (unsigned long long)no);
        return;
    }
    if (l->gone) {
        sim_find(s, "resources", "link %llu ended twice", (unsigned long long)no);
        return;
    }
    close_for_good(o, l, why, false);
    l->gone = true; /* its slot is its own until the step ends */
    o->gone_n++;
}

static void welcome(struct racing_oracle *o, struct o_link *l, struct span line)
{
    static const char prefix[] = "CONNECTED|";
    bool letter = false, hex = line.n == 10 + ID_N;
    l->welcomed = true;
    for (size_t i = 10; hex && i < line.n; i++) {
        uint8_t c = line.p[i];
        hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
        letter |= c >= 'a' && c <= 'f' && c != 'e';
    }
    if (!hex || !letter || memcmp(line.p, prefix, 10) != 0) {
        sim_find(o->sim, "format", "the welcome was: %.*s", (int)line.n, (const char *)line.p);
        return;
    }
    memcpy(l->id, line.p + 10, ID_N);
    uint64_t other;
    if (hmap_get(&o->by_id, l->id, &other))
        sim_find(o->sim, "format", "session id %s was given twice", l->id);
    CHECK(hmap_put(&o->by_id, l->id, o_index(o, l)) == 0);
    o_observe(o, o_index(o, l), EV_WELCOME, NOBODY);
}

static void said_line(struct racing_oracle *o, struct o_link *l, struct span line)
{
    static const char *const members[S_N] = {
        [S_COMMAND] = "command",
        [S_MESSAGE] = "message",
        [S_NAME] = "name",
        [S_AUTHENTICATED] = "authenticated",
        [S_ENCRYPTION] = "udpEncryption",
        [S_ROOM_ID] = "roomId",
        [S_TARGET_ID] = "targetId",
        [S_ORIGINAL] = "originalCommand",
        [S_ROOMS] = "rooms",
        [S_PLAYERS] = "players",
        [S_INFO] = "playerInfo",
        [S_SPAWNS] = "spawnPositions",
        [S_HOST_ID] = "hostId",
        [S_SENDER_ID] = "senderId",
        [S_SENDER_NAME] = "senderName",
        [S_SESSION_ID] = "sessionId",
        [S_SECONDS] = "seconds",
        [S_AEAD] = "udpAead",
    };
    static const char start[] = "{\"command\":\"";
    if (!l->welcomed) {
        welcome(o, l, line);
        return;
    }
    if (line.n < sizeof start || memcmp(line.p, start, sizeof start - 1) != 0 ||
        json_object(line, members, S_N, o->said) != JSON_OBJECT) {
        sim_find(o->sim, "format", "to session %.8s was said: %.*s", l->id,
                 line.n > 200 ? 200 : (int)line.n, (const char *)line.p);
        return;
    }
    if (!o_unasked(o, l, line))
        o_reply(o, l, line);
}

void oracle_said(struct sim *s, uint64_t no, struct span bytes)
{
    struct racing_oracle *o = oracle_of(s);
    struct o_link *l = link_of(s, no);
    if (!l || l->mute) {
        sim_find(s, "replies", "something was said to link %llu, which had ended: %.*s",
                 (unsigned long long)no, bytes.n > 200 ? 200 : (int)bytes.n, (const char *)bytes.p);
        return;
    }
    while (bytes.n) {
        const uint8_t *lf = memchr(bytes.p, '\n', bytes.n);
        if (!lf) {
            sim_find(s, "format", "to session %.8s was said half a line", l->id);
            return;
        }
        size_t n = (size_t)(lf - bytes.p);
        said_line(o, l, span_of(bytes.p, n));
        bytes = span_skip(bytes, n + 1);
    }
}

/* ---- the rest of the tap ---- */

void o_call_dgrams(struct racing_oracle *o)
{
    (void)begin_call(o->sim, CALL_DGRAMS);
}

struct racing_oracle *o_call_answer(struct sim *s)
{
    return begin_call(s, CALL_ANSWERED);
}

void oracle_timed(struct sim *s)
{
    (void)begin_call(s, CALL_TIMED);
}

static void kicked(struct racing_oracle *o, struct span id)
{
    for (uint32_t i = 0; i < o->links_n; i++) {
        struct o_link *l = o_link(o, i);
        if (l && !l->mute && l->welcomed && (id.n == 0 || span_eq(id, span_of(l->id, ID_N)))) {
            o_expect(o, i, EV_BYE_ADMIN, NOBODY);
            o_must_end(o, l, ENDING_DUE);
        }
    }
}

static void rooms_closed(struct racing_oracle *o, struct span id)
{
    for (uint32_t i = 0; i < o->rooms_n; i++) {
        struct o_room *r = &o->rooms[i];
        if (!r->used || (id.n && !span_eq(id, span_of(r->id, ID_N))))
            continue;
        for (uint32_t m = 0; m < r->n; m++)
            o_expect(o, r->members[m], EV_ROOM_CLOSED, i);
        o_room_close(o, r);
    }
}

void oracle_notice(struct sim *s, const struct notice *n)
{
    struct racing_oracle *o = begin_call(s, CALL_NOTICE);
    switch (n->kind) {
    case NOTICE_CONFIG: load_settings(o, n->u.config); break;
    case NOTICE_KICK: kicked(o, n->u.id); break;
    case NOTICE_CLOSE_ROOM: rooms_closed(o, n->u.id); break;
    case NOTICE_DRAIN: o_drain_begin(o, n->u.deadline); break;
    case NOTICE_BAN:
    case NOTICE_ACCOUNT: break; /* no simulated world says so yet */
    }
}

void oracle_step(struct sim *s)
{
    end_step(oracle_of(s));
}

void oracle_settled(struct sim *s)
{
    struct racing_oracle *o = oracle_of(s);
    end_step(o);
    if (!o->up)
        return;
    o_time_judge(o);
    if (o->acked_new)
        o_accounts_judge(o);
    o->stats.settled++;
}

const struct oracle_stats *oracle_stats(const struct racing_oracle *o)
{
    return &o->stats;
}

/* ---- making one ---- */

int racing_oracle_create(struct sim *s, struct racing_oracle **ret)
{
    struct racing_oracle *o = calloc(1, sizeof *o);
    CHECK(o);
    o->sim = s;
    o->links_free = o->rooms_free = o->texts_free = o->chain = NOBODY;
    o->chains = calloc(CHAINS_N, sizeof *o->chains);
    CHECK(o->chains && gzip_create(&o->gzip) == 0);
    hmap_init(&o->by_no, sizeof(uint64_t), map_seed, LINKS_MAX);
    hmap_init(&o->by_id, ID_N, map_seed, LINKS_MAX);
    hmap_init(&o->by_endpoint, 24, map_seed, LINKS_MAX);
    hmap_init(&o->by_conn, CONN_N, map_seed, LINKS_MAX);
    hmap_init(&o->room_by_id, ID_N, map_seed, LINKS_MAX);
    hmap_init(&o->acked, NAME_N, map_seed, LINKS_MAX);
    hmap_init(&o->strangers, 16, map_seed, 1u << 20);
    hmap_init(&o->guesses, 16, map_seed, 1u << 20);
    buf_init(&o->acked_passwords, 64u << 20);
    *ret = o;
    return 0;
}

void racing_oracle_destroy(struct sim *s, struct racing_oracle *o)
{
    (void)s;
    if (!o)
        return;
    forget_links(o);
    gzip_destroy(o->gzip);
    hmap_fini(&o->by_no);
    hmap_fini(&o->by_id);
    hmap_fini(&o->by_endpoint);
    hmap_fini(&o->by_conn);
    hmap_fini(&o->room_by_id);
    hmap_fini(&o->acked);
    hmap_fini(&o->strangers);
    hmap_fini(&o->guesses);
    buf_fini(&o->acked_passwords);
    free(o->chains);
    free(o->links);
    free(o->rooms);
    free(o->ledger);
    free(o->dues);
    free(o->late);
    free(o->texts);
    free(o->call_senders);
    free(o);
}
