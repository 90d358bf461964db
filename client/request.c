/* Commands (docs/protocol-racing.md, "Commands"): one JSON object a line, compact, "command" first.
 */
#include "base/err.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "client/session.h"
#include "wire/json.h"

static const char *const command_names[] = {
    [SLIPGATE_REQUEST_LOGIN] = "NAME",
    [SLIPGATE_REQUEST_AUTHENTICATE] = "AUTHENTICATE",
    [SLIPGATE_REQUEST_CREATE_ROOM] = "CREATE_ROOM",
    [SLIPGATE_REQUEST_JOIN_ROOM] = "JOIN_ROOM",
    [SLIPGATE_REQUEST_LEAVE_ROOM] = "LEAVE_ROOM",
    [SLIPGATE_REQUEST_LIST_ROOMS] = "LIST_ROOMS",
    [SLIPGATE_REQUEST_LIST_PLAYERS] = "GET_ROOM_PLAYERS",
    [SLIPGATE_REQUEST_START_GAME] = "START_GAME",
    [SLIPGATE_REQUEST_SEND_MESSAGE] = "RELAY_MESSAGE",
    [SLIPGATE_REQUEST_PLAYER_INFO] = "PLAYER_INFO",
    [SLIPGATE_REQUEST_PING] = "PING",
    [SLIPGATE_REQUEST_BYE] = "BYE",
};

int sgc_error_of(int e)
{
    switch (e) {
    case 0: return SLIPGATE_OK;
    case E_NOMEM: return SLIPGATE_E_MEMORY;
    case E_FULL:
    case E_AGAIN: return SLIPGATE_E_FULL;
    case E_RANGE:
    case E_FORMAT:
    case E_LIMIT: return SLIPGATE_E_ARGUMENT;
    case E_TIMEOUT: return SLIPGATE_E_TIMEOUT;
    case E_CLOSED: return SLIPGATE_E_CLOSED;
    default: return SLIPGATE_E_SYSTEM;
    }
}

/* 0 when text may stand in a command: UTF-8 of at most max bytes. */
static int check_text(const char *text, size_t max)
{
    if (!text)
        return SLIPGATE_E_ARGUMENT;
    size_t n = strnlen(text, max + 1);
    return n <= max && utf8_valid(span_of(text, n)) ? 0 : SLIPGATE_E_ARGUMENT;
}

static void put_member(struct buf *to, const char *key, const char *value)
{
    (void)buf_append_str(to, ",\"");
    (void)buf_append_str(to, key);
    (void)buf_append_str(to, "\":");
    json_put_string(to, span_str(value));
}

static int begin(struct sgc_session *s, enum slipgate_request kind)
{
    if ((s->phase != SGC_OPEN && s->phase != SGC_AUTHENTICATED) || s->bye_sent)
        return SLIPGATE_E_STATE;
    if (s->pending_n == SGC_PENDING_MAX)
        return SLIPGATE_E_FULL;
    (void)buf_append_str(&s->out, "{\"command\":\"");
    (void)buf_append_str(&s->out, command_names[kind]);
    (void)buf_append_str(&s->out, "\"");
    return 0;
}

/* Finishes the line that began at start, or takes it back whole. */
static int finish(struct sgc_session *s, enum slipgate_request kind, size_t start)
{
    (void)buf_append_str(&s->out, "}\n");
    if (s->out.failed || s->out.n - start > SGC_LINE_MAX) {
        int rc = s->out.failed && start > 0 ? SLIPGATE_E_FULL : SLIPGATE_E_ARGUMENT;
        mem_wipe(s->out.p + start, s->out.n - start);
        s->out.n = start;
        s->out.failed = false;
        return rc;
    }
    if (s->pending_n == 0)
        s->head_us = s->now_us;
    size_t at = (s->pending_head + s->pending_n++) % SGC_PENDING_MAX;
    s->pending[at] = (struct sgc_pending){.kind = kind, .sent_us = s->now_us};
    s->sent_us = s->now_us;
    s->stats.lines_out++;
    return 0;
}

int sgc_session_request(struct sgc_session *s, enum slipgate_request kind, const char *key,
                        const char *value)
{
    int rc = key ? check_text(value, SGC_LINE_MAX) : 0;
    size_t start = s->out.n;
    if (rc == 0)
        rc = begin(s, kind);
    if (rc != 0)
        return rc;
    if (key)
        put_member(&s->out, key, value);
    rc = finish(s, kind, start);
    if (rc == 0 && kind == SLIPGATE_REQUEST_BYE)
        s->bye_sent = true;
    return rc;
}

int sgc_session_message(struct sgc_session *s, const char *player_id, const char *text)
{
    if (check_text(player_id, SGC_ID_MAX) != 0 || check_text(text, SGC_LINE_MAX) != 0)
        return SLIPGATE_E_ARGUMENT;
    size_t start = s->out.n;
    int rc = begin(s, SLIPGATE_REQUEST_SEND_MESSAGE);
    if (rc != 0)
        return rc;
    put_member(&s->out, "targetId", player_id);
    put_member(&s->out, "message", text);
    return finish(s, SLIPGATE_REQUEST_SEND_MESSAGE, start);
}

/* Servers that do not know the offer ignore it. */
static void put_offer(struct sgc_session *s)
{
    if (s->cfg.udp != SLIPGATE_UDP_PREFER_AEAD && s->cfg.udp != SLIPGATE_UDP_REQUIRE_AEAD)
        return;
    (void)buf_append_str(&s->out, ",\"udpAead\":[\"aes-256-gcm\",\"aes-256-cbc-hmac-sha256\"]");
    if (s->cfg.udp_pack)
        (void)buf_append_str(&s->out, ",\"udpPack\":true");
}

int sgc_session_login(struct sgc_session *s, const char *name, const char *password)
{
    bool secret = password && *password;
    if (check_text(name, SGC_NAME_MAX) != 0 || *name == '\0' ||
        (secret && check_text(password, SGC_PASSWORD_MAX) != 0))
        return SLIPGATE_E_ARGUMENT;
    size_t start = s->out.n;
    int rc = begin(s, SLIPGATE_REQUEST_LOGIN);
    if (rc != 0)
        return rc;
    put_member(&s->out, "name", name);
    if (secret) {
        s->out_secret = true;
        put_member(&s->out, "password", password);
        if (s->cfg.resume) /* servers that do not know it ignore it */
            put_member(&s->out, "resume", "");
        put_offer(s);
    }
    return finish(s, SLIPGATE_REQUEST_LOGIN, start);
}

int sgc_session_resume(struct sgc_session *s, const char *name, const char *token)
{
    if (check_text(name, SGC_NAME_MAX) != 0 || check_text(token, SGC_TOKEN_MAX) != 0)
        return SLIPGATE_E_ARGUMENT;
    size_t start = s->out.n;
    int rc = begin(s, SLIPGATE_REQUEST_LOGIN);
    if (rc != 0)
        return rc;
    s->out_secret = true;
    put_member(&s->out, "name", name);
    put_member(&s->out, "resume", token);
    put_offer(s);
    return finish(s, SLIPGATE_REQUEST_LOGIN, start);
}

int sgc_session_authenticate(struct sgc_session *s, const char *password)
{
    if (check_text(password, SGC_PASSWORD_MAX) != 0 || *password == '\0')
        return SLIPGATE_E_ARGUMENT;
    size_t start = s->out.n;
    int rc = begin(s, SLIPGATE_REQUEST_AUTHENTICATE);
    if (rc != 0)
        return rc;
    s->out_secret = true;
    put_member(&s->out, "password", password);
    put_offer(s);
    return finish(s, SLIPGATE_REQUEST_AUTHENTICATE, start);
}
