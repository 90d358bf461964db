/* Connecting, staying connected, connecting again. */
#include "client/client.h"

#include "base/mem.h"

#include <stdio.h>

#define READ_SIZE      16384u
#define READS_MAX      16 /* a turn: others want theirs */
#define BATCHES_MAX    8
#define STABLE_US      UINT64_C(10000000)
#define ADDRESS_MIN_US UINT64_C(1000000)

/* docs/protocol-racing.md, "Sealed datagrams". */
#define UDP_SECRET_DEFAULT "RacingServerUDP2024!"

static void set_state(struct slipgate_client *c, enum slipgate_state state, int error,
                      const char *text)
{
    c->state = state;
    if (c->cfg.callbacks.on_state)
        c->cfg.callbacks.on_state(c, c->cfg.user, state, error, text ? text : "");
}

void sgc_client_forget_login(struct slipgate_client *c)
{
    if (c->password)
        mem_wipe(c->password, SGC_PASSWORD_MAX + 1);
    mem_wipe(c->token, sizeof c->token);
    c->login_kept = false;
    c->was_authenticated = false;
    c->room_id[0] = '\0';
}

/* ---- descriptors and deadlines ---- */

static struct slipgate_descriptor watched_tcp(const struct slipgate_client *c)
{
    bool more = c->link.stage == SGC_LINK_UP && sgc_session_out(&c->session).n;
    return (struct slipgate_descriptor){c->link.fd, sgc_link_events(&c->link, more)};
}

size_t slipgate_descriptors(const struct slipgate_client *c, struct slipgate_descriptor ret[2])
{
    size_t n = 0;
    if (!c || !ret)
        return 0;
    ret[n] = watched_tcp(c);
    n += ret[n].events != 0;
    if (c->udp_fd >= 0)
        ret[n++] = (struct slipgate_descriptor){c->udp_fd, SLIPGATE_IO_IN};
    return n;
}

static void tell_descriptor(struct slipgate_client *c, size_t slot, int fd, unsigned events)
{
    struct slipgate_descriptor was = c->told[slot];
    void (*tell)(struct slipgate_client *, void *, int, unsigned) = c->cfg.callbacks.on_descriptor;
    if (was.events == events && (events == 0 || was.fd == fd))
        return;
    c->told[slot] = (struct slipgate_descriptor){fd, events};
    if (tell && was.events && (events == 0 || was.fd != fd))
        tell(c, c->cfg.user, was.fd, 0);
    if (tell && events)
        tell(c, c->cfg.user, fd, events);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

void sgc_client_refresh(struct slipgate_client *c)
{
    struct slipgate_descriptor tcp = watched_tcp(c);
    tell_descriptor(c, 0, tcp.fd, tcp.events);
    tell_descriptor(c, 1, c->udp_fd, c->udp_fd >= 0 ? SLIPGATE_IO_IN : 0);
}

/* ---- the end of a connection ---- */

static void close_udp(struct slipgate_client *c)
{
    if (c->udp_fd < 0)
        return;
    int fd = c->udp_fd;
    c->udp_fd = -1;
    if (c->hold)
        sgc_hold_clear(c->hold);
    tell_descriptor(c, 1, -1, 0);
    sgc_udp_drop(fd);
}

static void close_link(struct slipgate_client *c)
{
    if (c->link.stage == SGC_LINK_NONE)
        return;
    tell_descriptor(c, 0, -1, 0);
    sgc_link_close(&c->link);
}

static void go_offline(struct slipgate_client *c, int error, const char *text)
{
    sgc_client_forget_login(c);
    c->leaving = c->rejoining = false;
    c->deadline_us = UINT64_MAX;
    set_state(c, SLIPGATE_OFFLINE, error, text);
}

/* After a failure: a pause, or the end. */
static void give_way(struct slipgate_client *c, int error, bool final, const char *text)
{
    close_udp(c);
    close_link(c);
    c->session.phase = SGC_CLOSED;
    if (final || c->leaving || !c->cfg.reconnect) {
        go_offline(c, error, text);
        return;
    }
    uint32_t random;
    entropy_get(&c->shared->entropy, &random, sizeof random);
    uint64_t pause_us = sgc_retry_pause_us(&c->retry, random);
    if (pause_us == UINT64_MAX) {
        go_offline(c, error, text);
        return;
    }
    c->deadline_us = c->now_us + pause_us;
    set_state(c, SLIPGATE_WAITING, error, text);
}

int sgc_client_settle(struct slipgate_client *c)
{
    struct sgc_session *s = &c->session;
    int error = 0;
    if (c->want_close) {
        sgc_session_end(s, SLIPGATE_E_CLOSED, true, NULL);
        s->end_error = 0;
        s->end_final = true;
        if (c->state != SLIPGATE_OFFLINE && s->phase != SGC_ENDED)
            give_way(c, 0, true, NULL);
    } else if (c->end_error) {
        sgc_session_end(s, c->end_error, c->end_error == SLIPGATE_E_AUTH, c->link.why);
    }
    c->want_close = false;
    c->end_error = 0;
    if (s->phase == SGC_ENDED) {
        char text[sizeof s->end_text];
        memcpy(text, s->end_text, sizeof text);
        error = s->end_error;
        /* Lost before it was back in its room, it still wants the one it had before. */
        if (c->state == SLIPGATE_AUTHENTICATED && !c->rejoining)
            memcpy(c->room_id, s->room_id, sizeof c->room_id);
        c->rejoining = false;
        give_way(c, error, s->end_final, text);
    }
    return error;
}

/* ---- the way up ---- */

/* Takes the next address; without one the attempt has failed. */
static int open_next(struct slipgate_client *c, int error)
{
    while (c->address_at < c->addresses_n) {
        struct sgc_address *to = &c->addresses[c->address_at++];
        error = sgc_link_open(&c->link, c->shared, to, c->server_name, c->slow);
        if (error == 0) {
            c->deadline_us = c->now_us + c->address_us;
            return 0;
        }
        char why[sizeof c->link.why];
        memcpy(why, c->link.why, sizeof why);
        close_link(c);
        memcpy(c->link.why, why, sizeof why);
    }
    return error;
}

static int start_attempt(struct slipgate_client *c)
{
    c->addresses_n = sgc_resolve(c->host, c->cfg.port, c->addresses, SGC_ADDRESSES_MAX);
    c->address_at = 0;
    if (c->addresses_n == 0)
        return SLIPGATE_E_RESOLVE;
    c->address_us = (uint64_t)c->cfg.connect_timeout_ms * 1000 / c->addresses_n;
    if (c->address_us < ADDRESS_MIN_US)
        c->address_us = ADDRESS_MIN_US;
    return open_next(c, SLIPGATE_E_CONNECT);
}

static int attempt(struct slipgate_client *c)
{
    set_state(c, SLIPGATE_CONNECTING, 0, NULL);
    int rc = start_attempt(c);
    if (rc != 0)
        give_way(c, rc, false, c->link.why);
    return rc;
}

/* The connection did not come up. A wrong certificate is not a matter of trying again. */
static int attempt_failed(struct slipgate_client *c, int error)
{
    char why[sizeof c->link.why];
    memcpy(why, c->link.why, sizeof why);
    close_link(c);
    if (error != SLIPGATE_E_CERTIFICATE && open_next(c, error) == 0)
        return 0;
    give_way(c, error, error == SLIPGATE_E_CERTIFICATE, why);
    return error;
}

static void on_open(struct slipgate_client *c)
{
    set_state(c, SLIPGATE_CONNECTED, 0, NULL);
    c->deadline_us = UINT64_MAX;
    if (!c->login_kept || c->session.phase != SGC_OPEN)
        return;
    c->relogin = c->was_authenticated;
    c->resuming = c->token[0] != '\0';
    if (c->resuming ? sgc_session_resume(&c->session, c->login_name, c->token) != 0
                    : sgc_session_login(&c->session, c->login_name, c->password) != 0)
        c->end_error = SLIPGATE_E_SYSTEM;
    if (!c->cfg.reconnect)
        sgc_client_forget_login(c);
}

static void on_authenticated(struct slipgate_client *c)
{
    bool again = c->was_authenticated;
    c->was_authenticated = c->login_kept;
    c->stable_us = c->now_us + STABLE_US;
    close_udp(c);
    int fd = sgc_udp_socket(&c->addresses[c->address_at - 1]);
    if (fd < 0)
        c->end_error = fd;
    else
        c->udp_fd = fd;
    if (again && c->cfg.rejoin && c->room_id[0])
        c->rejoining =
            sgc_session_request(&c->session, SLIPGATE_REQUEST_JOIN_ROOM, "roomId", c->room_id) == 0;
    set_state(c, SLIPGATE_AUTHENTICATED, 0, NULL);
}

static void on_phase(void *owner, enum sgc_phase phase)
{
    struct slipgate_client *c = owner;
    if (phase == SGC_AUTHENTICATED) {
        on_authenticated(c);
    } else if (c->state == SLIPGATE_AUTHENTICATED) { /* a new name without its password */
        close_udp(c);
        set_state(c, SLIPGATE_CONNECTED, 0, NULL);
    } else {
        on_open(c);
    }
}

/* The token was good no more: the password is tried, and nobody need hear of it. */
static bool fall_back(struct slipgate_client *c)
{
    c->resuming = false;
    mem_wipe(c->token, sizeof c->token);
    return c->password[0] && sgc_session_login(&c->session, c->login_name, c->password) == 0;
}

static bool on_answer(void *owner, enum slipgate_request kind, int error)
{
    struct slipgate_client *c = owner;
    if (c->session.phase == SGC_ENDED)
        return false;
    if (kind == SLIPGATE_REQUEST_LOGIN && c->resuming && error == SLIPGATE_E_AUTH && fall_back(c))
        return true;
    if (kind == SLIPGATE_REQUEST_LOGIN && !error && c->login_kept)
        memcpy(c->token, c->session.token, sizeof c->token);
    if (kind == SLIPGATE_REQUEST_LOGIN && error) {
        if (c->relogin)
            c->end_error = error;
        else if (error == SLIPGATE_E_AUTH)
            sgc_client_forget_login(c);
    }
    if (kind == SLIPGATE_REQUEST_LOGIN)
        c->relogin = c->resuming = false;
    if (kind == SLIPGATE_REQUEST_JOIN_ROOM && c->rejoining) {
        c->rejoining = false;
        if (error && c->cfg.callbacks.on_room)
            c->cfg.callbacks.on_room(c, c->cfg.user, SLIPGATE_ROOM_LEFT, c->room_id);
        c->room_id[0] = '\0';
    }
    return false;
}

/* ---- turns ---- */

void sgc_client_flush(struct slipgate_client *c)
{
    if (c->link.stage != SGC_LINK_UP)
        return;
    struct span out;
    while ((out = sgc_session_out(&c->session)).n) {
        int n = sgc_link_write(&c->link, out);
        if (n < 0 && !c->end_error)
            c->end_error = n;
        if (n <= 0)
            break;
        sgc_session_sent(&c->session, (size_t)n);
    }
}

static void read_link(struct slipgate_client *c)
{
    uint8_t bytes[READ_SIZE];
    c->link.want_out = false;
    for (int i = 0; i < READS_MAX && c->session.phase != SGC_ENDED && !c->want_close; i++) {
        int n = sgc_link_read(&c->link, bytes, sizeof bytes);
        if (n > 0) {
            sgc_session_bytes(&c->session, c->now_us, span_of(bytes, (size_t)n));
            continue;
        }
        if (n < 0)
            sgc_session_end(&c->session, c->session.bye_sent ? 0 : n, c->session.bye_sent,
                            c->link.why);
        break;
    }
    mem_wipe(bytes, sizeof bytes);
}

static int turn_link(struct slipgate_client *c)
{
    if (c->link.stage == SGC_LINK_NONE)
        return 0;
    if (c->link.stage != SGC_LINK_UP) {
        int rc = sgc_link_advance(&c->link, c->shared);
        if (rc < 0)
            return attempt_failed(c, rc);
        if (rc == 0)
            return 0;
        sgc_session_begin(&c->session, c->now_us);
    }
    read_link(c);
    return 0;
}

static void turn_udp(struct slipgate_client *c)
{
    struct sgc_batch *b = &c->shared->batch;
    for (int turns = 0; turns < BATCHES_MAX && c->udp_fd >= 0 && !c->want_close; turns++) {
        size_t n = sgc_udp_receive(c->udp_fd, b);
        c->session.now_us = c->now_us;
        for (size_t i = 0; i < n; i++)
            if (c->hold)
                (void)sgc_hold_put(c->hold, SGC_DOWN, c->now_us, sgc_batch_at(b, i));
            else
                sgc_session_datagram(&c->session, sgc_batch_at(b, i), SGC_ARRIVED);
        if (n < SGC_BATCH)
            break;
    }
}

/* Lets go what has come to its end on the bad link. */
static void turn_hold(struct slipgate_client *c)
{
    struct sgc_arriving a;
    c->session.now_us = c->now_us;
    while (c->udp_fd >= 0 && !c->want_close && sgc_hold_take(c->hold, c->now_us, &a))
        if (a.direction == SGC_DOWN)
            sgc_session_datagram(&c->session, a.datagram, a.how);
        else if (sgc_udp_send(c->udp_fd, a.datagram.p, a.datagram.n) <= 0)
            c->session.stats.datagrams_unsent++;
}

static int turn_time(struct slipgate_client *c)
{
    static const struct slipgate_input neutral = {.form = SLIPGATE_INPUT_FLAT};
    int rc = 0;
    if (c->now_us >= c->deadline_us) {
        c->deadline_us = UINT64_MAX;
        if (c->state == SLIPGATE_WAITING)
            rc = attempt(c);
        else if (c->link.stage == SGC_LINK_UP)
            sgc_session_end(&c->session, SLIPGATE_E_TIMEOUT, false, "no welcome");
        else
            rc = attempt_failed(c, SLIPGATE_E_TIMEOUT);
    }
    if (c->state == SLIPGATE_AUTHENTICATED && c->now_us >= c->stable_us)
        sgc_retry_reset(&c->retry);
    sgc_session_time(&c->session, c->now_us);
    if (c->udp_fd >= 0 && c->now_us >= sgc_session_hello_us(&c->session))
        (void)slipgate_send_input(c, &neutral);
    return rc;
}

static int turn(struct slipgate_client *c, bool tcp, bool udp, uint64_t now_us)
{
    if (c->calling)
        return SLIPGATE_E_STATE;
    if (now_us > c->now_us)
        c->now_us = now_us;
    c->calling = true;
    int rc = tcp ? turn_link(c) : 0;
    if (udp)
        turn_udp(c);
    if (c->hold)
        turn_hold(c);
    int timed = turn_time(c);
    sgc_client_flush(c);
    int ended = sgc_client_settle(c);
    c->calling = false;
    sgc_client_refresh(c);
    return rc ? rc : timed ? timed : ended;
}

int slipgate_poll(struct slipgate_client *c, uint64_t now_us)
{
    return c ? turn(c, true, true, now_us) : SLIPGATE_E_ARGUMENT;
}

int slipgate_handle(struct slipgate_client *c, int fd, unsigned events, uint64_t now_us)
{
    if (!c || fd < 0 || events == 0)
        return SLIPGATE_E_ARGUMENT;
    return turn(c, c->link.stage != SGC_LINK_NONE && fd == c->link.fd, fd == c->udp_fd, now_us);
}

uint64_t slipgate_deadline_us(const struct slipgate_client *c)
{
    if (!c)
        return UINT64_MAX;
    if (c->end_error || c->want_close)
        return 0;
    uint64_t due_us = earlier(c->deadline_us, sgc_session_due_us(&c->session));
    if (c->hold)
        due_us = earlier(earlier(due_us, sgc_hold_due_us(c->hold)), sgc_link_due_us(&c->link));
    return c->udp_fd < 0 ? due_us : earlier(due_us, sgc_session_hello_us(&c->session));
}

/* ---- life ---- */

int slipgate_connect(struct slipgate_client *c, uint64_t now_us)
{
    if (!c)
        return SLIPGATE_E_ARGUMENT;
    if (c->state != SLIPGATE_OFFLINE)
        return SLIPGATE_E_STATE;
    if (now_us > c->now_us)
        c->now_us = now_us;
    sgc_retry_reset(&c->retry);
    if (c->calling) { /* in a callback: as soon as it has returned */
        c->state = SLIPGATE_WAITING;
        c->deadline_us = c->now_us;
        return 0;
    }
    c->calling = true;
    int rc = attempt(c);
    (void)sgc_client_settle(c);
    c->calling = false;
    sgc_client_refresh(c);
    return c->state == SLIPGATE_OFFLINE ? rc : 0;
}

void slipgate_close(struct slipgate_client *c)
{
    if (!c)
        return;
    c->want_close = true;
    if (c->calling)
        return;
    c->calling = true;
    (void)sgc_client_settle(c);
    c->calling = false;
    sgc_client_refresh(c);
}

static bool copy_name(char to[SGC_HOST_MAX + 1], const char *from)
{
    size_t n = strnlen(from, SGC_HOST_MAX + 1);
    if (n == 0 || n > SGC_HOST_MAX)
        return false;
    memcpy(to, from, n + 1);
    return true;
}

/* What callbacks and configuration of an older caller lack stays at its default. */
static int take_config(struct slipgate_client *c, const struct slipgate_config *cfg)
{
    slipgate_config_init(&c->cfg);
    if (cfg->size < offsetof(struct slipgate_config, callbacks) || cfg->size > sizeof c->cfg)
        return SLIPGATE_E_ARGUMENT;
    memcpy(&c->cfg, cfg, cfg->size);
    c->cfg.host = c->cfg.server_name = c->cfg.ca_file = c->cfg.pin = NULL;
    if (!cfg->host || !copy_name(c->host, cfg->host) ||
        !copy_name(c->server_name, cfg->server_name ? cfg->server_name : cfg->host))
        return SLIPGATE_E_ARGUMENT;
    if (cfg->port == 0 || cfg->udp > SLIPGATE_UDP_ONLY_PLAIN || cfg->out_max < 1024 ||
        cfg->line_max < 1024 || cfg->connect_timeout_ms == 0 || cfg->login_timeout_ms == 0 ||
        cfg->reply_timeout_ms == 0)
        return SLIPGATE_E_ARGUMENT;
    c->retry = (struct sgc_retry){.min_ms = cfg->reconnect_min_ms,
                                  .max_ms = cfg->reconnect_max_ms,
                                  .tries_max = cfg->reconnect_tries};
    return 0;
}

static int make_session(struct slipgate_client *c)
{
    struct sgc_session_cfg s = {
        .cb = c->cfg.callbacks,
        .user = c->cfg.user,
        .self = c,
        .on_link_lost = c->cfg.on_link_lost,
        .on_phase = on_phase,
        .on_answer = on_answer,
        .owner = c,
        .udp = c->cfg.udp,
        .udp_pack = c->cfg.udp_pack,
        .udp_register = c->cfg.udp_register,
        .resume = c->cfg.resume && c->cfg.reconnect,
        .login_timeout_ms = c->cfg.login_timeout_ms,
        .reply_timeout_ms = c->cfg.reply_timeout_ms,
        .ping_interval_ms = c->cfg.ping_interval_ms,
        .out_max = c->cfg.out_max,
        .line_max = c->cfg.line_max,
        .scratch = &c->shared->scratch,
    };
    const char *secret = c->cfg.udp_secret ? c->cfg.udp_secret : UDP_SECRET_DEFAULT;
    c->cfg.udp_secret = NULL;
    size_t n = strnlen(secret, sizeof s.udp_secret);
    if (n == sizeof s.udp_secret)
        return SLIPGATE_E_ARGUMENT;
    memcpy(s.udp_secret, secret, n + 1);
    int rc = sgc_session_init(&c->session, &s) == 0 ? 0 : SLIPGATE_E_MEMORY;
    mem_wipe(s.udp_secret, sizeof s.udp_secret);
    return rc;
}

/* The configuration as taken: an older caller's has no link. */
static int make_bad_link(struct slipgate_client *c)
{
    struct sgc_profile profile;
    const char *link = c->cfg.link;
    char why[256];
    c->cfg.link = NULL;
    if (!link)
        return 0;
    int rc = sgc_profile_read(&profile, link, why, sizeof why);
    if (rc != 0)
        return rc;
    c->hold = mem_zalloc(1, sizeof *c->hold);
    c->slow = mem_zalloc(1, sizeof *c->slow);
    if (!c->hold || !c->slow)
        return SLIPGATE_E_MEMORY;
    sgc_hold_init(c->hold, &profile, c->cfg.link_seed, c->cfg.on_link_lost != NULL);
    sgc_lag_init(&c->slow->up, &profile.up, ~c->cfg.link_seed);
    sgc_lag_init(&c->slow->down, &profile.down, ~c->cfg.link_seed + 1);
    c->slow->now_us = &c->now_us;
    return 0;
}

int slipgate_create(struct slipgate_client **ret, const struct slipgate_config *cfg)
{
    if (!ret || !cfg)
        return SLIPGATE_E_ARGUMENT;
    struct slipgate_client *c = mem_zalloc(1, sizeof *c);
    if (!c)
        return SLIPGATE_E_MEMORY;
    c->udp_fd = -1;
    c->deadline_us = UINT64_MAX;
    c->password = mem_zalloc(1, SGC_PASSWORD_MAX + 1);
    int rc = c->password ? take_config(c, cfg) : SLIPGATE_E_MEMORY;
    c->shared = rc == 0 ? cfg->shared : NULL;
    if (rc == 0 && !c->shared) {
        rc = slipgate_shared_create(&c->shared, cfg);
        c->shared_own = true;
    }
    if (rc == 0)
        rc = make_session(c);
    if (rc == 0)
        rc = make_bad_link(c);
    if (rc != 0) {
        slipgate_destroy(c);
        return rc;
    }
    *ret = c;
    return 0;
}

void slipgate_destroy(struct slipgate_client *c)
{
    if (!c)
        return;
    close_udp(c);
    close_link(c);
    if (c->hold)
        sgc_hold_fini(c->hold);
    if (c->slow) {
        sgc_lag_fini(&c->slow->up);
        sgc_lag_fini(&c->slow->down);
    }
    mem_free(c->hold);
    mem_free(c->slow);
    sgc_session_fini(&c->session);
    if (c->shared_own)
        slipgate_shared_destroy(c->shared);
    mem_free_secret(c->password, SGC_PASSWORD_MAX + 1);
    mem_free_secret(c, sizeof *c);
}
