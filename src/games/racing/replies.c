#include "games/racing/replies.h"

#include "base/err.h"
#include "base/plant.h"
#include "games/racing/rooms.h"
#include "games/racing/sessions.h"
#include "wire/json.h"

#include <inttypes.h>

static void begin(struct racing *g, const char *command)
{
    buf_clear(&g->out);
    (void)buf_printf(&g->out, "{\"command\":\"%s\"", command);
}

static void put_key(struct racing *g, const char *key)
{
    (void)buf_printf(&g->out, ",\"%s\":", key);
}

static void put_text(struct racing *g, const char *key, struct span text)
{
    put_key(g, key);
    json_put_string(&g->out, text);
}

static void put_id(struct racing *g, const char *key, const char *id)
{
    (void)buf_printf(&g->out, ",\"%s\":\"%s\"", key, id);
}

static void finish(struct racing *g)
{
    (void)buf_append_str(&g->out, "}\n");
}

static void send_to(struct racing *g, struct session *s)
{
    if (s->ending || list_linked(&s->doomed))
        return;
    s->said += g->out.n;
    int rc = g->out.failed ? E_NOMEM : host_send(g->host, s->link, buf_span(&g->out));
    if (PLANTED(SLOW_READER_KEPT) && rc == E_FULL)
        return;
    if (rc) /* E_STALE: the link has gone, its on_close is under way */
        session_doom(g, s, rc == E_FULL ? CLOSE_SLOW : rc == E_STALE ? CLOSE_BY_PEER : CLOSE_ERROR);
}

static void end(struct racing *g, struct session *s)
{
    finish(g);
    send_to(g, s);
}

void reply_welcome(struct racing *g, struct session *s)
{
    buf_clear(&g->out);
    (void)buf_printf(&g->out, "CONNECTED|%s\n", s->id);
    send_to(g, s);
}

void reply_bare(struct racing *g, struct session *s, const char *command)
{
    begin(g, command);
    end(g, s);
}

void reply_message(struct racing *g, struct session *s, const char *command, const char *message)
{
    begin(g, command);
    put_text(g, "message", span_str(message));
    end(g, s);
}

void reply_unknown(struct racing *g, struct session *s, struct span command)
{
    begin(g, "UNKNOWN_COMMAND");
    put_text(g, "originalCommand", command);
    end(g, s);
}

/* Ends the reply, with the negotiated keys in it if there are any; secrets leave no copy behind. */
static void end_with_aead(struct racing *g, struct session *s, struct span udp_aead)
{
    if (udp_aead.n) {
        put_key(g, "udpAead");
        (void)buf_append_span(&g->out, udp_aead);
    }
    end(g, s);
    if (g->out.n)
        mem_wipe(g->out.p, g->out.n);
}

void reply_name_ok(struct racing *g, struct session *s, struct span udp_aead, const char *resume)
{
    const char *truth = s->authenticated ? "true" : "false";
    begin(g, "NAME_OK");
    put_text(g, "name", session_name(s));
    (void)buf_printf(&g->out, ",\"authenticated\":%s,\"udpEncryption\":%s", truth, truth);
    if (resume[0])
        put_id(g, "resumeToken", resume);
    end_with_aead(g, s, udp_aead);
}

void reply_auth_ok(struct racing *g, struct session *s, struct span udp_aead)
{
    begin(g, "AUTH_OK");
    put_text(g, "name", session_name(s));
    end_with_aead(g, s, udp_aead);
}

void reply_room_created(struct racing *g, struct session *s, const struct room *r)
{
    begin(g, "ROOM_CREATED");
    put_id(g, "roomId", r->id);
    put_text(g, "name", span_of(r->name, r->name_n));
    end(g, s);
}

void reply_room_id(struct racing *g, struct session *s, const char *command, const char *id)
{
    begin(g, command);
    put_id(g, "roomId", id);
    end(g, s);
}

void reply_room_list(struct racing *g, struct session *s)
{
    const void *key;
    uint64_t v;
    const char *comma = "";
    begin(g, "ROOM_LIST");
    put_key(g, "rooms");
    (void)buf_append_byte(&g->out, '[');
    for (uint32_t at = 0; hmap_next(&g->room_by_id, &at, &key, &v); comma = ",") {
        const struct room *r = room_get(g, ref_unpack(v));
        (void)buf_printf(&g->out, "%s{\"id\":\"%s\",\"name\":", comma, r->id);
        json_put_string(&g->out, span_of(r->name, r->name_n));
        (void)buf_printf(&g->out, ",\"playerCount\":%" PRIu32 ",\"isActive\":%s,\"hostId\":\"%s\"}",
                         r->members_n, r->active ? "true" : "false", session_get(g, r->host)->id);
    }
    (void)buf_append_byte(&g->out, ']');
    end(g, s);
}

void reply_room_players(struct racing *g, struct session *s, const struct room *r)
{
    const char *comma = "";
    begin(g, "ROOM_PLAYERS");
    put_id(g, "roomId", r->id);
    put_key(g, "players");
    (void)buf_append_byte(&g->out, '[');
    LIST_EACH (node, &r->members) {
        const struct session *m = room_member(node);
        (void)buf_printf(&g->out, "%s{\"id\":\"%s\",\"name\":", comma, m->id);
        json_put_string(&g->out, session_name(m));
        (void)buf_append_byte(&g->out, '}');
        comma = ",";
    }
    (void)buf_append_byte(&g->out, ']');
    end(g, s);
}

void reply_player_info(struct racing *g, struct session *s)
{
    const struct room *r = room_get(g, s->room);
    begin(g, "PLAYER_INFO");
    (void)buf_printf(&g->out, ",\"playerInfo\":{\"id\":\"%s\"", s->id);
    put_text(g, "name", session_name(s));
    if (r)
        put_id(g, "currentRoomId", r->id);
    else
        (void)buf_append_str(&g->out, ",\"currentRoomId\":null");
    (void)buf_append_byte(&g->out, '}');
    end(g, s);
}

void reply_relay_ok(struct racing *g, struct session *s, struct span target)
{
    begin(g, "RELAY_OK");
    put_text(g, "targetId", target);
    end(g, s);
}

void reply_relayed(struct racing *g, struct session *to, const struct session *from,
                   struct span text)
{
    begin(g, "RELAYED_MESSAGE");
    put_id(g, "senderId", from->id);
    put_text(g, "senderName", session_name(from));
    put_text(g, "message", text);
    end(g, to);
}

void reply_from_server(struct racing *g, struct session *s, struct span text)
{
    begin(g, "RELAYED_MESSAGE");
    put_id(g, "senderId", "Server");
    put_text(g, "senderName", SPAN_LIT("Server"));
    put_text(g, "message", text);
    end(g, s);
}

static void put_spawns(struct racing *g, const struct room *r)
{
    uint32_t i = 0;
    put_key(g, "spawnPositions");
    (void)buf_append_byte(&g->out, '{');
    LIST_EACH (node, &r->members) {
        struct spawn p = room_spawn(PLANTED(SPAWN_SLOT_TWICE) ? i / 2 : i);
        (void)buf_printf(&g->out, "%s\"%s\":{\"x\":", i++ ? "," : "", room_member(node)->id);
        json_put_float(&g->out, p.x);
        (void)buf_append_str(&g->out, ",\"y\":");
        json_put_float(&g->out, p.y);
        (void)buf_append_str(&g->out, ",\"z\":");
        json_put_float(&g->out, p.z);
        (void)buf_append_byte(&g->out, '}');
    }
    (void)buf_append_byte(&g->out, '}');
}

void reply_game_started(struct racing *g, struct room *r)
{
    struct session *host = session_get(g, r->host);
    begin(g, "GAME_STARTED");
    put_id(g, "roomId", r->id);
    put_id(g, "hostId", host->id);
    put_spawns(g, r);
    finish(g);
    LIST_EACH (node, &r->members)
        send_to(g, room_member(node));
    if (!g->set.start_reply)
        return;
    begin(g, "GAME_STARTED");
    put_id(g, "roomId", r->id);
    put_spawns(g, r);
    end(g, host);
}

void reply_room_event(struct racing *g, struct room *r, const struct session *who,
                      const char *command)
{
    if (!g->set.room_events)
        return;
    begin(g, command);
    put_id(g, "sessionId", who->id);
    put_text(g, "name", session_name(who));
    put_id(g, "roomId", r->id);
    finish(g);
    LIST_EACH (node, &r->members) {
        if (room_member(node) != who)
            send_to(g, room_member(node));
    }
}

void reply_room_closed(struct racing *g, struct session *s, const char *room_id)
{
    begin(g, "ROOM_CLOSED");
    put_id(g, "roomId", room_id);
    put_text(g, "message", span_str("Room closed by administrator"));
    end(g, s);
}

void reply_server_closing(struct racing *g, struct session *s, uint64_t seconds)
{
    begin(g, "SERVER_CLOSING");
    put_text(g, "message", span_str("Server is shutting down"));
    (void)buf_printf(&g->out, ",\"seconds\":%" PRIu64, seconds);
    end(g, s);
}
