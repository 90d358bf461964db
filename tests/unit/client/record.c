#include "record.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

__attribute__((format(printf, 2, 3))) static void put(void *user, const char *fmt, ...)
{
    struct record *r = user;
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(r->text + r->n, sizeof r->text - r->n, fmt, ap);
    va_end(ap);
    if (n > 0 && (size_t)n < sizeof r->text - r->n)
        r->n += (size_t)n;
}

void record_clear(struct record *r)
{
    r->n = 0;
    r->text[0] = '\0';
}

static void on_state(struct slipgate_client *c, void *u, enum slipgate_state state, int error,
                     const char *text)
{
    static const char *const names[] = {"offline", "connecting", "connected", "authenticated",
                                        "waiting"};
    (void)c;
    put(u, "state %s %d %s\n", names[state], error, text);
}

static void on_done(struct slipgate_client *c, void *u, enum slipgate_request request, int error,
                    const char *text)
{
    static const char *const names[] = {"nothing", "login", "authenticate", "create", "join",
                                        "leave",   "rooms", "players",      "start",  "message",
                                        "info",    "ping",  "bye"};
    (void)c;
    put(u, "done %s %d %s\n", names[request], error, text);
}

static void on_login(struct slipgate_client *c, void *u, const char *name, bool authenticated,
                     enum slipgate_udp_mode mode)
{
    (void)c;
    put(u, "login %s %s %s\n", name, authenticated ? "yes" : "no", slipgate_udp_mode_text(mode));
}

static void on_room(struct slipgate_client *c, void *u, enum slipgate_room_event event,
                    const char *room_id)
{
    static const char *const names[] = {"created", "joined", "left", "closed"};
    (void)c;
    put(u, "room %s %s\n", names[event], room_id);
}

static void on_rooms(struct slipgate_client *c, void *u, const struct slipgate_room *rooms,
                     size_t n)
{
    (void)c;
    put(u, "rooms %zu\n", n);
    for (size_t i = 0; i < n; i++)
        put(u, "  %s '%s' host %s players %u%s\n", rooms[i].id, rooms[i].name, rooms[i].host_id,
            (unsigned)rooms[i].players, rooms[i].active ? " active" : "");
}

static void on_players(struct slipgate_client *c, void *u, const char *room_id,
                       const struct slipgate_player *players, size_t n)
{
    (void)c;
    put(u, "players of %s: %zu\n", room_id, n);
    for (size_t i = 0; i < n; i++)
        put(u, "  %s '%s'\n", players[i].id, players[i].name);
}

static void on_game_started(struct slipgate_client *c, void *u,
                            const struct slipgate_game_start *start)
{
    (void)c;
    put(u, "game in %s host %s\n", start->room_id, start->host_id);
    for (size_t i = 0; i < start->spawns_n; i++)
        put(u, "  %s %g %g %g\n", start->spawns[i].player_id, (double)start->spawns[i].position.x,
            (double)start->spawns[i].position.y, (double)start->spawns[i].position.z);
}

static void on_message(struct slipgate_client *c, void *u, const struct slipgate_message *m)
{
    (void)c;
    put(u, "message from %s '%s': %zu bytes '%s'\n", m->sender_id, m->sender_name, m->text_len,
        m->text);
}

static void on_player_info(struct slipgate_client *c, void *u,
                           const struct slipgate_player_info *info)
{
    (void)c;
    put(u, "info %s '%s' in %s\n", info->id, info->name, info->room_id ? info->room_id : "none");
}

static void on_pong(struct slipgate_client *c, void *u, uint64_t round_trip_us)
{
    (void)c;
    put(u, "pong %llu\n", (unsigned long long)round_trip_us);
}

static void on_update(struct slipgate_client *c, void *u, const struct slipgate_update_in *m)
{
    (void)c;
    put(u, "update %s at %g %g %g turned %g %g %g %g: %.*s\n", m->sender_id, (double)m->position.x,
        (double)m->position.y, (double)m->position.z, (double)m->rotation.x, (double)m->rotation.y,
        (double)m->rotation.z, (double)m->rotation.w, (int)m->json_len, m->json);
}

static void on_input(struct slipgate_client *c, void *u, const struct slipgate_input_in *m)
{
    (void)c;
    put(u, "input %s %g %g %g at %.6f: %.*s\n", m->sender_id, (double)m->steering,
        (double)m->throttle, (double)m->brake, m->timestamp_s, (int)m->json_len, m->json);
}

static void on_line(struct slipgate_client *c, void *u, const char *line, size_t n)
{
    (void)c;
    put(u, "line %.*s\n", (int)n, line);
}

void record_callbacks(struct slipgate_callbacks *cb)
{
    cb->size = sizeof *cb;
    cb->on_state = on_state;
    cb->on_done = on_done;
    cb->on_login = on_login;
    cb->on_room = on_room;
    cb->on_rooms = on_rooms;
    cb->on_players = on_players;
    cb->on_game_started = on_game_started;
    cb->on_message = on_message;
    cb->on_player_info = on_player_info;
    cb->on_pong = on_pong;
    cb->on_update = on_update;
    cb->on_input = on_input;
    cb->on_line = on_line;
}
