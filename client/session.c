#include "client/session.h"

#include "base/err.h"
#include "base/mem.h"
#include "wire/line.h"

#include <stdio.h>

#define IN_START        4096u
#define HELLO_SILENT_US UINT64_C(20000000)

static void copy_text(char *to, size_t cap, const char *text)
{
    (void)snprintf(to, cap, "%s", text ? text : "");
}

int sgc_session_init(struct sgc_session *s, const struct sgc_session_cfg *cfg)
{
    *s = (struct sgc_session){.cfg = *cfg};
    buf_init(&s->in, (size_t)cfg->line_max + 4);
    buf_init(&s->out, cfg->out_max);
    buf_init(&s->text, SGC_DATAGRAM_MAX);
    /* All of out at once: growing would leave copies of a password behind. */
    if (!buf_reserve(&s->out, cfg->out_max) || !buf_reserve(&s->text, SGC_DATAGRAM_MAX) ||
        !buf_reserve(&s->in, IN_START < s->in.max ? IN_START : s->in.max)) {
        sgc_session_fini(s);
        return E_NOMEM;
    }
    return 0;
}

void sgc_session_fini(struct sgc_session *s)
{
    sgc_udp_close(&s->udp);
    buf_fini_secret(&s->in);
    buf_fini_secret(&s->out);
    buf_fini_secret(&s->text);
    mem_wipe(s->token, sizeof s->token);
    mem_wipe(&s->cfg, sizeof s->cfg);
}

static void wipe_out(struct sgc_session *s)
{
    if (s->out_secret)
        mem_wipe(s->out.p, s->out.cap);
    s->out_secret = false;
}

void sgc_session_begin(struct sgc_session *s, uint64_t now_us)
{
    sgc_udp_close(&s->udp);
    buf_clear(&s->in);
    buf_clear(&s->out);
    wipe_out(s);
    s->phase = SGC_WELCOME;
    s->end_error = 0;
    s->end_final = false;
    s->end_text[0] = s->id[0] = s->room_id[0] = s->name[0] = '\0';
    s->game_told = s->bye_sent = false;
    mem_wipe(s->token, sizeof s->token);
    s->pending_head = s->pending_n = 0;
    s->now_us = s->sent_us = s->head_us = now_us;
    s->round_trip_us = 0;
    s->udp_hellos = 0;
}

enum slipgate_request sgc_session_first(const struct sgc_session *s)
{
    return s->pending_n ? s->pending[s->pending_head].kind : SLIPGATE_REQUEST_NONE;
}

void sgc_session_done(struct sgc_session *s, int error, const char *text)
{
    enum slipgate_request kind = sgc_session_first(s);
    bool quiet = s->pending_n && s->pending[s->pending_head].quiet;
    if (s->pending_n) {
        s->pending_head = (s->pending_head + 1) % SGC_PENDING_MAX;
        s->pending_n--;
        s->head_us = s->now_us;
    }
    if (s->cfg.on_answer)
        quiet |= s->cfg.on_answer(s->cfg.owner, kind, error);
    if (!quiet && s->cfg.cb.on_done)
        s->cfg.cb.on_done(s->cfg.self, s->cfg.user, kind, error, text ? text : "");
}

void sgc_session_end(struct sgc_session *s, int error, bool final, const char *text)
{
    if (s->phase == SGC_ENDED || s->phase == SGC_CLOSED)
        return;
    s->phase = SGC_ENDED;
    s->end_error = error;
    s->end_final = final;
    if (text != s->end_text)
        copy_text(s->end_text, sizeof s->end_text, text);
    sgc_udp_close(&s->udp);
    buf_clear(&s->out);
    wipe_out(s);
    mem_wipe(s->in.p, s->in.cap);
    /* No request can be added any more, so this ends even if callbacks try. */
    while (s->pending_n)
        sgc_session_done(s, error ? error : SLIPGATE_E_CLOSED, s->end_text);
}

static bool id_valid(struct span id)
{
    if (id.n == 0 || id.n > SGC_ID_MAX)
        return false;
    for (size_t i = 0; i < id.n; i++) {
        uint8_t c = id.p[i];
        bool ok =
            (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
        if (!ok)
            return false;
    }
    return true;
}

/* The only line that is not JSON: CONNECTED|<session id>. */
static bool welcome(struct sgc_session *s, struct span line)
{
    struct span word = SPAN_LIT("CONNECTED|");
    if (line.n <= word.n || memcmp(line.p, word.p, word.n) != 0)
        return false;
    struct span id = span_skip(line, word.n);
    if (!id_valid(id))
        return false;
    memcpy(s->id, id.p, id.n);
    s->id[id.n] = '\0';
    s->phase = SGC_OPEN;
    s->stats.connects++;
    if (s->cfg.on_phase)
        s->cfg.on_phase(s->cfg.owner, SGC_OPEN);
    return true;
}

static void one_line(struct sgc_session *s, struct span line)
{
    s->stats.lines_in++;
    bool ok = s->phase == SGC_WELCOME ? welcome(s, line) : sgc_reply_line(s, line);
    if (!ok)
        sgc_session_end(s, SLIPGATE_E_PROTOCOL, false, "the server sent a line that is no answer");
}

void sgc_session_bytes(struct sgc_session *s, uint64_t now_us, struct span bytes)
{
    s->now_us = now_us;
    s->stats.tcp_bytes_in += bytes.n;
    /* In pieces, so that many short lines in one read never add up to more than line_max. */
    while (bytes.n && s->phase != SGC_ENDED) {
        size_t room = s->in.max - s->in.n;
        size_t n = bytes.n < room ? bytes.n : room;
        if (buf_append(&s->in, bytes.p, n) != 0) {
            sgc_session_end(s, SLIPGATE_E_MEMORY, false, NULL);
            return;
        }
        bytes = span_skip(bytes, n);
        size_t at = 0;
        while (s->phase != SGC_ENDED) {
            struct span line;
            size_t used;
            int rc = line_next(span_skip(buf_span(&s->in), at), s->cfg.line_max, &line, &used);
            if (rc == E_LIMIT)
                sgc_session_end(s, SLIPGATE_E_PROTOCOL, false, "the server sent too long a line");
            if (rc != 0)
                break;
            at += used;
            one_line(s, line);
        }
        if (s->phase != SGC_ENDED)
            buf_consume(&s->in, at);
    }
}

struct span sgc_session_out(const struct sgc_session *s)
{
    return buf_span(&s->out);
}

void sgc_session_sent(struct sgc_session *s, size_t n)
{
    s->stats.tcp_bytes_out += n;
    buf_consume(&s->out, n);
    if (s->out.n == 0)
        wipe_out(s);
}

static uint64_t reply_deadline(const struct sgc_session *s)
{
    enum slipgate_request kind = sgc_session_first(s);
    if (kind == SLIPGATE_REQUEST_NONE)
        return UINT64_MAX;
    bool login = kind == SLIPGATE_REQUEST_LOGIN || kind == SLIPGATE_REQUEST_AUTHENTICATE;
    uint64_t ms = login ? s->cfg.login_timeout_ms : s->cfg.reply_timeout_ms;
    return s->head_us + ms * 1000;
}

static uint64_t ping_deadline(const struct sgc_session *s)
{
    /* While something is pending, its answer or its time-out tells whether the server lives. */
    if (s->cfg.ping_interval_ms == 0 || s->pending_n || s->bye_sent)
        return UINT64_MAX;
    return s->sent_us + (uint64_t)s->cfg.ping_interval_ms * 1000;
}

uint64_t sgc_session_due_us(const struct sgc_session *s)
{
    if (s->phase != SGC_OPEN && s->phase != SGC_AUTHENTICATED)
        return UINT64_MAX;
    uint64_t reply_us = reply_deadline(s), ping_us = ping_deadline(s);
    return reply_us < ping_us ? reply_us : ping_us;
}

void sgc_session_time(struct sgc_session *s, uint64_t now_us)
{
    s->now_us = now_us;
    if (now_us < sgc_session_due_us(s))
        return;
    if (now_us >= reply_deadline(s)) {
        sgc_session_end(s, s->bye_sent ? 0 : SLIPGATE_E_TIMEOUT, s->bye_sent,
                        "the server did not answer in time");
        return;
    }
    if (sgc_session_request(s, SLIPGATE_REQUEST_PING, NULL, NULL) == 0)
        s->pending[s->pending_head].quiet = true; /* nothing else was pending */
    else
        s->sent_us = now_us; /* the output is full: something else will time out */
}

/* ---- datagrams ---- */

static int seal_text(struct sgc_session *s, int rc)
{
    if (rc == 0)
        rc = sgc_udp_seal(&s->udp, s->cfg.scratch, buf_span(&s->text));
    return rc < 0 ? sgc_error_of(rc) : rc;
}

int sgc_session_update(struct sgc_session *s, const struct slipgate_update *m)
{
    if (s->udp.mode == SLIPGATE_UDP_NONE)
        return SLIPGATE_E_STATE;
    buf_clear(&s->text);
    return seal_text(s, sgc_update_text(&s->text, span_str(s->id), m));
}

int sgc_session_input(struct sgc_session *s, const struct slipgate_input *m)
{
    if (s->udp.mode == SLIPGATE_UDP_NONE)
        return SLIPGATE_E_STATE;
    buf_clear(&s->text);
    return seal_text(s, sgc_input_text(&s->text, span_str(s->id), span_str(s->room_id), m));
}

void sgc_session_datagram_sent(struct sgc_session *s, uint64_t now_us, size_t n)
{
    s->udp_sent_us = now_us;
    s->udp_hellos++;
    if (n == 0) {
        s->stats.datagrams_unsent++;
        return;
    }
    s->stats.datagrams_out++;
    s->stats.datagram_bytes_out += n;
}

static void tell_message(struct sgc_session *s, const struct sgc_message *m, bool lost)
{
    const struct sgc_session_cfg *cfg = &s->cfg;
    if (lost) {
        if (m->kind == SGC_UPDATE && cfg->on_link_lost)
            cfg->on_link_lost(cfg->self, cfg->user, &m->update);
        return;
    }
    s->stats.messages_in++;
    if (m->kind == SGC_UPDATE && cfg->cb.on_update)
        cfg->cb.on_update(cfg->self, cfg->user, &m->update);
    else if (m->kind == SGC_INPUT && cfg->cb.on_input)
        cfg->cb.on_input(cfg->self, cfg->user, &m->input);
}

void sgc_session_datagram(struct sgc_session *s, struct span datagram, enum sgc_arrival how)
{
    bool lost = how == SGC_LOST;
    s->stats.datagrams_in += !lost;
    s->stats.datagram_bytes_in += lost ? 0 : datagram.n;
    struct span rest, one;
    int rc = s->udp.mode == SLIPGATE_UDP_NONE
                 ? E_FORMAT
                 : sgc_udp_unseal(&s->udp, s->cfg.scratch, datagram, &rest);
    if (rc != 0) {
        if (rc == E_REPLAY)
            s->stats.datagrams_replayed += how == SGC_ARRIVED;
        else
            s->stats.datagrams_bad++;
        return;
    }
    while (s->udp.mode != SLIPGATE_UDP_NONE && sgc_udp_next(&s->udp, &rest, &one)) {
        struct sgc_message m;
        if (sgc_message_parse(one, &m) == 0)
            tell_message(s, &m, lost);
        else
            s->stats.datagrams_bad++;
    }
}

/* At login, twice more soon after in case the first was lost, then only against silence. */
uint64_t sgc_session_hello_us(const struct sgc_session *s)
{
    static const uint64_t pauses_us[] = {0, 250000, 1000000};
    if (!s->cfg.udp_register || s->udp.mode == SLIPGATE_UDP_NONE)
        return UINT64_MAX;
    if (s->udp_hellos == 0)
        return 0;
    return s->udp_sent_us +
           (s->udp_hellos < ARRAY_LEN(pauses_us) ? pauses_us[s->udp_hellos] : HELLO_SILENT_US);
}
