/* The rest of the public functions: configuration, requests, datagrams, what is known. */
#include "base/mem.h"
#include "base/utf8.h"
#include "client/client.h"

void slipgate_config_init_sized(struct slipgate_config *cfg, size_t size)
{
    const struct slipgate_config all = {
        .size = size,
        .port = 443,
        .verify = SLIPGATE_VERIFY_CA,
        .udp = SLIPGATE_UDP_PREFER_AEAD,
        .udp_pack = true,
        .udp_register = true,
        .reconnect = true,
        .rejoin = true,
        .reconnect_min_ms = 500,
        .reconnect_max_ms = 30000,
        .connect_timeout_ms = 10000,
        .login_timeout_ms = 30000,
        .reply_timeout_ms = 15000,
        .ping_interval_ms = 20000,
        .out_max = 65536,
        .line_max = 1048576,
        .callbacks = {.size = sizeof all.callbacks},
    };
    memset(cfg, 0, size);
    memcpy(cfg, &all, size < sizeof all ? size : sizeof all);
}

/* ---- requests ---- */

/* Sends at once what the socket takes, so that a request does not wait for the next poll. */
static int queued(struct slipgate_client *c, int rc)
{
    if (rc == 0) {
        sgc_client_flush(c);
        sgc_client_refresh(c);
    }
    return rc;
}

static int request(struct slipgate_client *c, enum slipgate_request kind, const char *key,
                   const char *value)
{
    return c ? queued(c, sgc_session_request(&c->session, kind, key, value)) : SLIPGATE_E_ARGUMENT;
}

static bool fits(const char *text, size_t max)
{
    size_t n = strnlen(text, max + 1);
    return n <= max && utf8_valid(span_of(text, n));
}

static bool online(const struct slipgate_client *c)
{
    return c->session.phase == SGC_OPEN || c->session.phase == SGC_AUTHENTICATED;
}

static void keep_login(struct slipgate_client *c, const char *name, const char *password)
{
    char room_id[sizeof c->room_id];
    memcpy(room_id, c->room_id, sizeof room_id);
    sgc_client_forget_login(c);
    memcpy(c->room_id, room_id, sizeof room_id);
    memcpy(c->login_name, name, strlen(name) + 1);
    if (password)
        memcpy(c->password, password, strlen(password) + 1);
    c->login_kept = true;
}

int slipgate_login(struct slipgate_client *c, const char *name, const char *password)
{
    if (!c || !name || *name == '\0' || !fits(name, SGC_NAME_MAX) ||
        (password && !fits(password, SGC_PASSWORD_MAX)))
        return SLIPGATE_E_ARGUMENT;
    if (online(c)) {
        int rc = queued(c, sgc_session_login(&c->session, name, password));
        if (rc != 0)
            return rc;
    }
    if (c->cfg.reconnect || !online(c))
        keep_login(c, name, password);
    return 0;
}

int slipgate_authenticate(struct slipgate_client *c, const char *password)
{
    if (!c || !password || !fits(password, SGC_PASSWORD_MAX))
        return SLIPGATE_E_ARGUMENT;
    int rc = queued(c, sgc_session_authenticate(&c->session, password));
    if (rc == 0 && c->cfg.reconnect && c->login_kept) {
        char name[sizeof c->login_name];
        memcpy(name, c->login_name, sizeof name);
        keep_login(c, name, password);
    }
    return rc;
}

int slipgate_create_room(struct slipgate_client *c, const char *name)
{
    return request(c, SLIPGATE_REQUEST_CREATE_ROOM, "name", name);
}

int slipgate_join_room(struct slipgate_client *c, const char *room_id)
{
    return request(c, SLIPGATE_REQUEST_JOIN_ROOM, "roomId", room_id);
}

int slipgate_leave_room(struct slipgate_client *c)
{
    return request(c, SLIPGATE_REQUEST_LEAVE_ROOM, NULL, NULL);
}

int slipgate_list_rooms(struct slipgate_client *c)
{
    return request(c, SLIPGATE_REQUEST_LIST_ROOMS, NULL, NULL);
}

int slipgate_list_players(struct slipgate_client *c)
{
    return request(c, SLIPGATE_REQUEST_LIST_PLAYERS, NULL, NULL);
}

int slipgate_start_game(struct slipgate_client *c)
{
    int rc = request(c, SLIPGATE_REQUEST_START_GAME, NULL, NULL);
    if (rc == 0)
        c->session.game_told = false;
    return rc;
}

int slipgate_send_message(struct slipgate_client *c, const char *player_id, const char *text)
{
    return c ? queued(c, sgc_session_message(&c->session, player_id, text)) : SLIPGATE_E_ARGUMENT;
}

int slipgate_ask_player_info(struct slipgate_client *c)
{
    return request(c, SLIPGATE_REQUEST_PLAYER_INFO, NULL, NULL);
}

int slipgate_ping(struct slipgate_client *c, uint64_t now_us)
{
    if (c && now_us > c->now_us)
        c->now_us = c->session.now_us = now_us;
    return request(c, SLIPGATE_REQUEST_PING, NULL, NULL);
}

int slipgate_bye(struct slipgate_client *c)
{
    if (!c)
        return SLIPGATE_E_ARGUMENT;
    if (!online(c)) {
        slipgate_close(c);
        return 0;
    }
    c->leaving = true;
    return request(c, SLIPGATE_REQUEST_BYE, NULL, NULL);
}

/* ---- datagrams ---- */

static int send_sealed(struct slipgate_client *c, int n)
{
    if (n < 0)
        return n;
    if (c->hold) {
        struct span datagram = span_of(c->shared->scratch.sealed, (size_t)n);
        (void)sgc_hold_put(c->hold, SGC_UP, c->now_us, datagram);
        sgc_session_datagram_sent(&c->session, c->now_us, (size_t)n);
        return 0;
    }
    int sent = sgc_udp_send(c->udp_fd, c->shared->scratch.sealed, (size_t)n);
    sgc_session_datagram_sent(&c->session, c->now_us, sent > 0 ? (size_t)sent : 0);
    return sent > 0 ? 0 : sent == 0 ? SLIPGATE_E_FULL : SLIPGATE_E_CLOSED;
}

int slipgate_send_update(struct slipgate_client *c, const struct slipgate_update *m)
{
    if (!c || !m)
        return SLIPGATE_E_ARGUMENT;
    return c->udp_fd < 0 ? SLIPGATE_E_STATE : send_sealed(c, sgc_session_update(&c->session, m));
}

int slipgate_send_input(struct slipgate_client *c, const struct slipgate_input *m)
{
    if (!c || !m)
        return SLIPGATE_E_ARGUMENT;
    return c->udp_fd < 0 ? SLIPGATE_E_STATE : send_sealed(c, sgc_session_input(&c->session, m));
}

int slipgate_update_text(char *to, size_t cap, const char *session_id,
                         const struct slipgate_update *m)
{
    if (!to || !session_id || !m || cap > INT32_MAX)
        return SLIPGATE_E_ARGUMENT;
    /* The caller's memory as a buffer that is never grown: its capacity is its ceiling. */
    struct buf b = {.p = (uint8_t *)to, .cap = cap, .max = cap};
    int rc = sgc_update_text(&b, span_str(session_id), m);
    if (b.failed)
        return SLIPGATE_E_FULL;
    return rc < 0 ? sgc_error_of(rc) : (int)b.n;
}

/* ---- what is known ---- */

enum slipgate_state slipgate_get_state(const struct slipgate_client *c)
{
    return c->state;
}

const char *slipgate_get_session_id(const struct slipgate_client *c)
{
    return c->session.phase == SGC_CLOSED ? "" : c->session.id;
}

const char *slipgate_get_name(const struct slipgate_client *c)
{
    return c->session.phase == SGC_CLOSED ? "" : c->session.name;
}

const char *slipgate_get_room_id(const struct slipgate_client *c)
{
    return c->session.phase == SGC_CLOSED ? "" : c->session.room_id;
}

enum slipgate_udp_mode slipgate_get_udp_mode(const struct slipgate_client *c)
{
    return c->session.udp.mode;
}

uint64_t slipgate_get_round_trip_us(const struct slipgate_client *c)
{
    return c->session.round_trip_us;
}

void slipgate_get_stats(const struct slipgate_client *c, struct slipgate_stats *to)
{
    size_t size = to->size < sizeof *to ? to->size : sizeof *to;
    struct slipgate_stats all = c->session.stats;
    if (c->hold)
        sgc_hold_stats(c->hold, &all);
    memcpy(to, &all, size);
    to->size = size;
}
