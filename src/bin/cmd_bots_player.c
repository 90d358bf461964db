#include "bin/cmd_bots_player.h"

#include "base/rng.h"
#include "bin/cmd_bots_track.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/epoll.h>

#define TRIES_MAX      8
#define BUSY_PAUSE_US  UINT64_C(1000000)
#define SAMPLE         16   /* one of so many received updates is compared byte by byte */
#define CLOCK_MESSAGES 16   /* messages judged by one reading of the clock */
#define CHEAT_MS       5000 /* after the start */

static int64_t wall_ms(const struct bots_run *run, uint64_t now_us)
{
    return (int64_t)(now_us / 1000) + run->wall_ms_offset;
}

/* ---- what is sent ---- */

static struct bots_pose pose_at(const struct bot *b, int64_t timestamp_ms)
{
    const struct bots_options *o = &b->run->o;
    struct bots_drive d = {.limit = o->limit, .cheat_ms = CHEAT_MS};
    if (b->cheats) {
        d.pace = o->cheat_pace;
        d.jump = o->cheat_jump;
    }
    return bots_track_drive(b->slot, b->garage,
                            timestamp_ms > b->start_ms ? timestamp_ms - b->start_ms : 0, &d);
}

/* Seconds since it first cheated; negative: it did not yet. */
static double cheated_s(const struct bot *b)
{
    int64_t now_ms = wall_ms(b->run, slipgate_clock_us());
    if (!b->cheats || b->start_ms > now_ms)
        return -1;
    return (double)(now_ms - b->start_ms - CHEAT_MS) / 1000;
}

/* The update of a bot with this number, made at this time: the same again for the same arguments.
 */
static struct slipgate_update update_of(const struct bot *b, int64_t timestamp_ms, uint32_t seq,
                                        uint64_t sent_us, char extra[96])
{
    struct bots_pose p = pose_at(b, timestamp_ms);
    (void)snprintf(extra, 96, "\"timestamp\":%" PRId64 ",\"seq\":%" PRIu32 ",\"sent\":%" PRIu64,
                   timestamp_ms, seq, sent_us);
    return (struct slipgate_update){
        .position = {p.position[0], p.position[1], p.position[2]},
        .rotation = {p.rotation[0], p.rotation[1], p.rotation[2], p.rotation[3]},
        .extra = extra,
    };
}

/* Whether the link lost the datagram just sent, which therefore nobody can get. */
static bool link_took(struct bot *b)
{
    struct slipgate_stats s = {.size = sizeof s};
    if (!b->run->o.link_name)
        return false;
    uint64_t before = b->link_up_lost;
    slipgate_get_stats(b->client, &s);
    b->link_up_lost = s.link_up_lost;
    return s.link_up_lost > before;
}

void bot_send(struct bot *b)
{
    struct bots_run *run = b->run;
    char extra[96];
    uint64_t now_us = slipgate_clock_us();
    if (run->o.link_name && b->client) { /* its clock is when the datagram sets out */
        run->batch_us = 0;
        (void)slipgate_poll(b->client, now_us);
    }
    if (b->state != BOT_IN && b->state != BOT_LOBBY)
        return;
    struct slipgate_update u = update_of(b, wall_ms(run, now_us), b->seq + 1, now_us, extra);
    int rc = slipgate_send_update(b->client, &u);
    bool measured = run->phase == BOTS_MEASURE;
    if (rc != 0) {
        run->totals.unsent += measured;
        return;
    }
    b->seq++;
    bool took = link_took(b);
    if (measured) {
        uint64_t mates = b->room ? b->room->in - 1 : 0;
        run->totals.sent++;
        *(took ? &run->totals.link_lost : &run->totals.expected) += mates;
    }
}

/* ---- what is received ---- */

/* The number behind key, which ends before *end; moves *end in front of the key. */
static bool tail_number(const char *text, size_t *end, const char *key, uint64_t *ret)
{
    uint64_t v = 0, scale = 1;
    size_t at = *end, n = strlen(key);
    for (; at > 0 && text[at - 1] >= '0' && text[at - 1] <= '9' && scale; at--, scale *= 10)
        v += (uint64_t)(text[at - 1] - '0') * scale;
    if (at == *end || at < n || memcmp(text + at - n, key, n) != 0)
        return false;
    *ret = v;
    *end = at - n;
    return true;
}

struct mark {
    uint64_t timestamp_ms, seq, sent_us;
};

/* The marks stand at the end of the text, where reading backwards finds them without parsing. */
static bool read_mark(const struct slipgate_update_in *m, struct mark *ret)
{
    if (m->json_len == 0 || m->json[m->json_len - 1] != '}')
        return false;
    size_t end = m->json_len - 1;
    return tail_number(m->json, &end, ",\"sent\":", &ret->sent_us) &&
           tail_number(m->json, &end, ",\"seq\":", &ret->seq) &&
           tail_number(m->json, &end, ",\"timestamp\":", &ret->timestamp_ms) &&
           ret->seq <= UINT32_MAX;
}

static uint32_t id_hash(const char *id)
{
    uint32_t h = 2166136261u;
    for (; *id; id++)
        h = (h ^ (uint8_t)*id) * 16777619u;
    return h;
}

static struct bot *find(struct bots_run *run, const char *id)
{
    for (uint32_t i = id_hash(id);; i++) {
        uint32_t at = run->by_id[i & run->by_id_mask];
        if (at == 0)
            return NULL;
        if (strcmp(run->bots[at - 1].id, id) == 0)
            return &run->bots[at - 1];
    }
}

/* A bot logs in once, so the table, made for all of them, never fills up. */
static void remember(struct bot *b)
{
    struct bots_run *run = b->run;
    uint32_t i = id_hash(b->id);
    while (run->by_id[i & run->by_id_mask])
        i++;
    run->by_id[i & run->by_id_mask] = b->index + 1;
}

/* The bit of this sequence number, which becomes the highest if it is; 0: too old to tell. */
static uint64_t bit_of(struct bot_seen *seen, uint32_t seq)
{
    if (seq > seen->high) {
        uint32_t by = seq - seen->high;
        seen->mask = by < 64 ? seen->mask << by : 0;
        seen->lost = by < 64 ? seen->lost << by : 0;
        seen->high = seq;
    }
    uint32_t back = seen->high - seq;
    return back < 64 ? UINT64_C(1) << back : 0;
}

/* True when this sequence number is new. */
static bool see(struct bot_seen *seen, uint32_t seq)
{
    uint64_t bit = bit_of(seen, seq);
    bool fresh = (seen->mask & bit) == 0;
    seen->mask |= bit;
    return fresh;
}

static bool as_sent(const struct bot *from, const struct mark *k,
                    const struct slipgate_update_in *m)
{
    char extra[96], text[SLIPGATE_DATAGRAM_MAX];
    struct slipgate_update u =
        update_of(from, (int64_t)k->timestamp_ms, (uint32_t)k->seq, k->sent_us, extra);
    int n = slipgate_update_text(text, sizeof text, from->id, &u);
    return n > 0 && (size_t)n == m->json_len && memcmp(text, m->json, m->json_len) == 0;
}

static uint64_t batch_clock(struct bots_run *run)
{
    if (run->batch_us == 0 || run->batch_left == 0) {
        run->batch_us = slipgate_clock_us();
        run->batch_left = CLOCK_MESSAGES;
    }
    run->batch_left--;
    return run->batch_us;
}

/* The sender of a room's update and its marks, or NULL. */
static struct bot *mate_of(const struct bot *b, const char *sender_id)
{
    struct bot *from = find(b->run, sender_id);
    return from && b->room && from->room == b->room && from != b ? from : NULL;
}

static bool is_measured(const struct bot *from, const struct mark *k)
{
    return k->seq >= from->seq_from && k->seq < from->seq_to;
}

/* Not expected any more, unless a copy of it has come or comes. */
static void on_link_lost(struct slipgate_client *c, void *user, const struct slipgate_update_in *m)
{
    struct bot *b = user;
    struct bot *from = mate_of(b, m->sender_id);
    struct mark k;
    (void)c;
    if (!from || !read_mark(m, &k))
        return;
    struct bot_seen *seen = &b->seen[from->slot];
    uint64_t bit = bit_of(seen, (uint32_t)k.seq);
    if (!is_measured(from, &k) || ((seen->mask | seen->lost) & bit))
        return;
    seen->lost |= bit;
    b->run->totals.expected--;
    b->run->totals.link_lost++;
}

static void took_after_all(struct bots_run *run, struct bot_seen *seen, uint32_t seq)
{
    uint64_t bit = bit_of(seen, seq);
    if ((seen->lost & bit) == 0)
        return;
    seen->lost &= ~bit;
    run->totals.expected++;
    run->totals.link_lost--;
}

static void on_update(struct slipgate_client *c, void *user, const struct slipgate_update_in *m)
{
    struct bot *b = user;
    struct bots_run *run = b->run;
    struct bot *from = mate_of(b, m->sender_id);
    struct mark k;
    (void)c;
    if (!from) {
        run->totals.foreign++;
        return;
    }
    if (!read_mark(m, &k)) {
        run->totals.corrupt++;
        return;
    }
    struct bot_seen *seen = &b->seen[from->slot];
    bool fresh = see(seen, (uint32_t)k.seq), measuring = run->phase == BOTS_MEASURE;
    uint64_t now_us = batch_clock(run), age_us = now_us > k.sent_us ? now_us - k.sent_us : 0;
    run->heard += seen->feel.sent_us == 0;
    if (run->phase <= BOTS_MEASURE)
        feel_update(measuring ? &run->feel : NULL, &seen->feel, now_us, k.sent_us);
    if (!is_measured(from, &k))
        return;
    if (!fresh) {
        run->totals.duplicates++;
        return;
    }
    took_after_all(run, seen, (uint32_t)k.seq);
    run->totals.delivered++;
    run->last_delivery_us = now_us;
    bots_hist_add(&run->latency, age_us);
    bots_hist_add(&run->second, age_us);
    if (run->sample++ % SAMPLE == 0) {
        run->totals.compared++;
        run->totals.corrupt += !as_sent(from, &k, m);
    }
}

/* ---- the conversation ---- */

static void note_error(struct bots_run *run, const struct bot *b, const char *why)
{
    if (run->first_error[0] == '\0')
        (void)snprintf(run->first_error, sizeof run->first_error, "player %" PRIu32 ": %s",
                       b->index + 1, why);
}

static void enter(struct bot *b)
{
    b->state = BOT_IN;
    b->run->totals.in++;
}

static void start_if_full(struct bot_room *room, struct bots_run *run)
{
    if (room->started || room->in == 0 || room->in < room->members)
        return;
    struct bot *host = &run->bots[room->first];
    room->started = true;
    if (host->state == BOT_IN)
        (void)slipgate_start_game(host->client);
}

void bot_lost(struct bot *b, const char *why)
{
    struct bots_run *run = b->run;
    enum bot_state was = b->state;
    if (was == BOT_GONE || run->phase == BOTS_END)
        return;
    b->state = BOT_GONE;
    if (run->stop)
        return; /* the interrupt may well have reached the server, too */
    double cheated = cheated_s(b);
    run->totals.in -= was == BOT_IN;
    if (was == BOT_IN && cheated >= 0) { /* as it deserves */
        run->totals.caught++;
        if (cheated > run->totals.caught_max_s)
            run->totals.caught_max_s = cheated;
    } else {
        note_error(run, b, why);
        *(was == BOT_IN ? &run->totals.disconnects : &run->totals.failed) += 1;
    }
    if (!b->room)
        return;
    b->room->members--;
    b->room->in -= was == BOT_IN;
    start_if_full(b->room, run); /* the others need not wait for it */
}

/* The first of a room makes it; the others come in as soon as it is there. */
static void seek_room(struct bot *b)
{
    struct bot_room *room = b->room;
    char name[80];
    if (!room) {
        enter(b);
    } else if (b->slot == 0) {
        (void)snprintf(name, sizeof name, "%s %" PRIu32, b->run->o.names,
                       b->index / b->run->o.room_size + 1);
        (void)slipgate_create_room(b->client, name);
    } else if (room->id[0]) {
        (void)slipgate_join_room(b->client, room->id);
    }
}

static void on_login(struct slipgate_client *c, void *user, const char *name, bool authenticated,
                     enum slipgate_udp_mode mode)
{
    struct bot *b = user;
    struct bots_run *run = b->run;
    (void)name;
    if (!authenticated) {
        bot_lost(b, "logged in without being authenticated");
        return;
    }
    b->state = BOT_LOBBY;
    (void)snprintf(b->id, sizeof b->id, "%s", slipgate_get_session_id(c));
    remember(b);
    (void)snprintf(run->udp_mode, sizeof run->udp_mode, "%s", slipgate_udp_mode_text(mode));
    bots_hist_add(&run->login, slipgate_clock_us() - b->login_us);
    run->totals.login_s = (double)(slipgate_clock_us() - run->began_us) / 1e6;
    seek_room(b);
}

static void on_room(struct slipgate_client *c, void *user, enum slipgate_room_event event,
                    const char *room_id)
{
    struct bot *b = user;
    struct bots_run *run = b->run;
    (void)c;
    if (event == SLIPGATE_ROOM_LEFT || event == SLIPGATE_ROOM_CLOSED || !b->room) {
        if (run->phase != BOTS_END)
            bot_lost(b, "lost its room");
        return;
    }
    enter(b);
    b->room->in++;
    if (event == SLIPGATE_ROOM_CREATED) {
        (void)snprintf(b->room->id, sizeof b->room->id, "%s", room_id);
        for (uint32_t i = b->room->first + 1; i < run->o.players && run->bots[i].room == b->room;
             i++)
            if (run->bots[i].state == BOT_LOBBY)
                seek_room(&run->bots[i]);
    }
    start_if_full(b->room, run);
}

static void on_game_started(struct slipgate_client *c, void *user,
                            const struct slipgate_game_start *start)
{
    struct bot *b = user;
    (void)c;
    b->start_ms = wall_ms(b->run, slipgate_clock_us());
    for (size_t i = 0; i < start->spawns_n; i++)
        if (strcmp(start->spawns[i].player_id, b->id) == 0) {
            b->garage[0] = start->spawns[i].position.x;
            b->garage[1] = start->spawns[i].position.y;
            b->garage[2] = start->spawns[i].position.z;
        }
}

static void on_busy(struct bot *b)
{
    if (++b->tries > TRIES_MAX) {
        bot_lost(b, "the server stayed busy");
        return;
    }
    b->state = BOT_PAUSED;
    b->retry_us = slipgate_clock_us() + BUSY_PAUSE_US * b->tries;
}

/* The server has a word with a cheat. */
static void on_told(struct bot *b)
{
    double cheated = cheated_s(b);
    if (b->told)
        return;
    b->told = true;
    b->run->totals.told++;
    if (cheated > b->run->totals.told_max_s)
        b->run->totals.told_max_s = cheated;
}

static void on_done(struct slipgate_client *c, void *user, enum slipgate_request request, int error,
                    const char *text)
{
    struct bot *b = user;
    struct bots_run *run = b->run;
    (void)c;
    if (request == SLIPGATE_REQUEST_LIST_PLAYERS && run->phase >= BOTS_SETTLE) {
        /* In no room the answer is a refusal, but not the one for strangers. */
        run->checked++;
        run->totals.still_in += b->room ? error == 0 : error == SLIPGATE_E_REFUSED;
        return;
    }
    if (error == 0 || run->phase == BOTS_END || b->state == BOT_GONE)
        return;
    if (request == SLIPGATE_REQUEST_NONE && b->cheats && cheated_s(b) >= 0) {
        on_told(b);
        return;
    }
    if (request == SLIPGATE_REQUEST_LOGIN && error == SLIPGATE_E_BUSY) {
        on_busy(b);
        return;
    }
    run->totals.errors++;
    note_error(run, b, text[0] ? text : slipgate_error_text(error));
    if (request == SLIPGATE_REQUEST_LOGIN || request == SLIPGATE_REQUEST_CREATE_ROOM ||
        request == SLIPGATE_REQUEST_JOIN_ROOM)
        bot_lost(b, text);
}

static void on_state(struct slipgate_client *c, void *user, enum slipgate_state state, int error,
                     const char *text)
{
    struct bot *b = user;
    char why[256];
    (void)c;
    if (state != SLIPGATE_OFFLINE)
        return;
    (void)snprintf(why, sizeof why, "%s%s%s", slipgate_error_text(error), text[0] ? ": " : "",
                   text);
    bot_lost(b, why);
}

static void on_descriptor(struct slipgate_client *c, void *user, int fd, unsigned events)
{
    struct bot *b = user;
    int epoll_fd = b->run->epoll_fd;
    struct epoll_event e = {.data.u64 = (uint64_t)b->index << 32 | (uint32_t)fd};
    (void)c;
    if (events == 0) {
        (void)epoll_ctl(epoll_fd, EPOLL_CTL_DEL, fd, NULL);
        return;
    }
    e.events =
        (events & SLIPGATE_IO_IN ? EPOLLIN : 0u) | (events & SLIPGATE_IO_OUT ? EPOLLOUT : 0u);
    if (epoll_ctl(epoll_fd, EPOLL_CTL_MOD, fd, &e) != 0)
        (void)epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &e);
}

static void login(struct bot *b)
{
    char name[64];
    (void)snprintf(name, sizeof name, "%s-%04" PRIu32, b->run->o.names, b->index + 1);
    b->state = BOT_LOGIN;
    if (slipgate_login(b->client, name, b->run->o.password) != 0)
        bot_lost(b, "name or password is not accepted");
}

void bot_start(struct bot *b)
{
    const struct bots_options *o = &b->run->o;
    struct slipgate_config cfg;
    slipgate_config_init(&cfg);
    cfg.host = o->host;
    cfg.port = o->port;
    cfg.verify = o->verify;
    cfg.udp = o->udp;
    cfg.udp_register = false; /* everybody sends anyhow, and what is sent is counted */
    cfg.reconnect = false;
    cfg.connect_timeout_ms = 30000;
    cfg.out_max = 4096;
    cfg.shared = b->run->shared;
    cfg.user = b;
    if (o->link_name) {
        struct rng seeds = {o->seed ^ (uint64_t)b->index << 32};
        cfg.link = o->link;
        cfg.link_seed = rng_next(&seeds);
        cfg.on_link_lost = on_link_lost;
    }
    cfg.callbacks.on_state = on_state;
    cfg.callbacks.on_done = on_done;
    cfg.callbacks.on_login = on_login;
    cfg.callbacks.on_room = on_room;
    cfg.callbacks.on_game_started = on_game_started;
    cfg.callbacks.on_update = on_update;
    cfg.callbacks.on_descriptor = on_descriptor;
    b->login_us = slipgate_clock_us();
    int rc = slipgate_create(&b->client, &cfg);
    if (rc != 0) {
        bot_lost(b, slipgate_error_text(rc));
        return;
    }
    login(b);
    if (b->state == BOT_LOGIN)
        (void)slipgate_connect(b->client, b->login_us); /* a failure comes by on_state */
}

void bot_retry(struct bot *b)
{
    login(b);
}
