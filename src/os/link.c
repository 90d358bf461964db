#include "os/server_priv.h"

#include "base/check.h"
#include "base/err.h"
#include "base/mem.h"
#include "wire/proxy.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define IN_SLACK        16u      /* a line's end behind a line of the full length */
#define SEND_CHUNK      RX_BYTES /* plaintext encrypted at once */
#define NOTSENT_BYTES   131072   /* unsent bytes the kernel may hold for a slow reader */
#define THROWN_MAX      262144u  /* after this much unwanted input a closing link is cut off */
#define HANDSHAKE_STEPS 8u       /* in one turn of the loop: about 2 ms */
#define HANDSHAKE_LOGS  10u      /* records a second */
#define TLS_HANDSHAKE   0x16u    /* first byte of a TLS connection, RFC 8446 section 5.1 */

static const struct log_row log_open = {LOG_INFO, "link.open", "connected"};
static const struct log_row log_close = {LOG_INFO, "link.close", "disconnected"};
static const struct log_row log_broken = {LOG_INFO, "link.tls_broken", "TLS session failed"};
static const struct log_row log_handshake = {LOG_INFO, "link.handshake_failed",
                                             "TLS handshake failed"};

static void on_event(void *ctx, struct now now, unsigned events);

/* --- watching and lists ------------------------------------------------------------------------
 */

static void mark_dirty(struct link *l)
{
    if (!list_linked(&l->dirty))
        list_push_back(&l->s->dirty, &l->dirty);
}

/* A peer that asks faster than it reads: its next lines wait in TCP until it has read. */
static bool is_behind(const struct link *l)
{
    return l->text.n + l->out.n > l->out_max / 4;
}

/* While a resumed link waits for its turn, what it has must be delivered before more is read. A
 * paused one is read until it has something to keep: only so is it noticed that its peer left, and
 * what a service does for him meanwhile can be given up. */
static bool wants_input(const struct link *l)
{
    switch ((enum link_state)l->state) {
    case LINK_HANDSHAKE: return true;
    case LINK_OPEN:
        if (list_linked(&l->ready) || l->held || is_behind(l))
            return false;
        return l->paused ? l->in.n == 0 : !l->ended;
    case LINK_ENDING: return false;
    case LINK_CLOSING: return l->shut;
    }
    UNREACHABLE();
}

static void watch_what_matters(struct link *l)
{
    unsigned events = l->out.n > 0 ? LOOP_WRITE : 0;
    if (wants_input(l))
        events |= LOOP_READ;
    if (l->s->loop->ops->watch_set(l->watch, events) != 0)
        l->dead = true;
}

static nsec end_of(struct list *oldest_first, nsec limit)
{
    struct list *n = list_first(oldest_first);
    return n ? CONTAINER_OF(n, struct link, age)->since + limit : NSEC_NEVER;
}

static nsec next_end(struct server *s)
{
    nsec a = end_of(&s->handshakes, s->cfg.handshake_max);
    nsec b = end_of(&s->closing, s->cfg.linger_max);
    nsec c = end_of(&s->stalled, s->cfg.stall_max);
    a = a < b ? a : b;
    return a < c ? a : c;
}

/* Moves the link to a state, its list of ages and the gauges. */
static void set_state(struct link *l, enum link_state state, struct now now)
{
    struct server *s = l->s;
    uint32_t *counts[] = {&s->handshakes_n, &s->open_n, &s->open_n, &s->closing_n};
    if (l->since)
        --*counts[l->state];
    list_remove(&l->age);
    l->state = (uint8_t)state;
    l->since = now.mono;
    ++*counts[state];
    if (state == LINK_HANDSHAKE)
        list_push_back(&s->handshakes, &l->age);
    if (state == LINK_CLOSING)
        list_push_back(&s->closing, &l->age);
    if (list_linked(&l->age))
        s->loop->ops->timer_set(s->ages, next_end(s));
}

/* --- sending -----------------------------------------------------------------------------------
 */

static size_t socket_send(struct link *l, struct span b)
{
    size_t sent = 0;
    while (sent < b.n && !l->dead) {
        ssize_t r = send(l->fd, b.p + sent, b.n - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0 && errno == EAGAIN)
            break;
        if (r < 0)
            l->dead = true;
        else
            sent += (size_t)r;
    }
    l->bytes_out += sent;
    rows_add(&l->s->rows, ROW_BYTES_OUT, sent);
    return sent;
}

static void flush_out(struct link *l)
{
    if (l->out.n == 0)
        return;
    buf_consume(&l->out, socket_send(l, buf_span(&l->out)));
    if (l->out.n == 0)
        buf_fini_secret(&l->out); /* a plaintext link's is plaintext */
}

/* Sends what the last step put into the server's wire buffer, or keeps it. */
static void emit(struct link *l)
{
    struct buf *wire = &l->s->wire;
    if (wire->failed)
        l->dead = true;
    struct span rest = buf_span(wire);
    if (l->out.n == 0)
        rest = span_skip(rest, socket_send(l, rest));
    /* Only a peer that makes TLS itself answer, and does not read it, gets past the ceiling. */
    if (rest.n > 0 && !l->dead && buf_append_span(&l->out, rest) != 0) {
        link_end(l, CLOSE_SLOW);
        l->dead = true;
    }
    buf_clear(wire);
}

/* Encrypts and sends queued text, as long as the socket takes it. */
static void push_text(struct link *l)
{
    while (l->text.n > 0 && l->out.n == 0 && !l->dead) {
        struct span chunk = buf_span(&l->text);
        if (chunk.n > SEND_CHUNK)
            chunk.n = SEND_CHUNK;
        int rc =
            l->tls ? tls_write(l->tls, chunk, &l->s->wire) : buf_append_span(&l->s->wire, chunk);
        if (rc)
            l->dead = true;
        emit(l);
        buf_consume(&l->text, chunk.n);
    }
    if (l->text.n == 0 && l->text.p)
        buf_fini_secret(&l->text);
}

int link_send(struct link *l, struct span bytes)
{
    if (l->state != LINK_OPEN)
        return E_STALE;
    size_t waiting = l->text.n + l->out.n, max = l->out_max;
    if (bytes.n > max || waiting > max - bytes.n)
        return E_FULL;
    if (buf_append_span(&l->text, bytes) != 0) {
        l->text.failed = false;
        return E_FULL;
    }
    mark_dirty(l);
    return 0;
}

/* --- the end -----------------------------------------------------------------------------------
 */

/* A peer that does not read would keep the kernel's buffers: reset instead, when asked to. */
static void close_socket(struct link *l, bool reset)
{
    int unsent = 0;
    if (reset && ioctl(l->fd, SIOCOUTQ, &unsent) == 0 && unsent + l->out.n > 0) {
        struct linger at_once = {.l_onoff = 1, .l_linger = 0};
        (void)setsockopt(l->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    }
    (void)close(l->fd);
}

void link_release(struct link *l, bool reset)
{
    struct server *s = l->s;
    CHECK(l->state == LINK_HANDSHAKE || l->state == LINK_CLOSING);
    if (l->state == LINK_HANDSHAKE)
        s->handshakes_n--;
    else
        s->closing_n--;
    door_forget(l->from->b, &l->peer, &l->counted);
    s->loop->ops->unwatch(l->watch);
    close_socket(l, reset);
    tls_destroy(l->tls);
    mem_free(l->header);
    buf_fini_secret(&l->in);
    buf_fini_secret(&l->text);
    buf_fini_secret(&l->out);
    list_remove(&l->age);
    list_remove(&l->dirty);
    list_remove(&l->ready);
    slots_del(&s->links, l->ref.r);
}

void link_end(struct link *l, enum close_why why)
{
    if (l->state != LINK_OPEN)
        return;
    l->state = LINK_ENDING; /* counted as open until its service knows */
    l->why = (uint8_t)why;
    if (why == CLOSE_SLOW || why == CLOSE_ERROR)
        l->dead = true;
    mark_dirty(l);
}

/* Goes on with a closing link; it may be gone then. */
static void drive_closing(struct link *l)
{
    flush_out(l);
    push_text(l);
    if (l->text.n == 0 && l->out.n == 0 && !l->said_bye && !l->dead) {
        if (l->tls)
            tls_close(l->tls, &l->s->wire);
        emit(l);
        tls_destroy(l->tls);
        l->tls = NULL;
        l->said_bye = true;
    }
    if (l->said_bye && l->out.n == 0 && !l->shut) {
        (void)shutdown(l->fd, SHUT_WR);
        l->shut = true;
    }
    /* With input unread a close would reset the connection and could take our last bytes along, so
     * the peer's end is waited for, within linger_max. */
    watch_what_matters(l);
    if (l->dead)
        link_release(l, true);
}

static void throw_input(struct link *l)
{
    ssize_t r = recv(l->fd, l->s->rx, RX_BYTES, MSG_DONTWAIT);
    if (r > 0)
        l->thrown += (uint32_t)r;
    if (r == 0 || (r < 0 && errno != EAGAIN && errno != EINTR) || l->thrown > THROWN_MAX)
        link_release(l, false);
}

static void tell_closed(struct link *l, struct now now)
{
    struct server *s = l->s;
    struct bound *b = l->from->b;
    rows_add(&s->rows, ROW_CLOSED + l->why, 1);
    LOG(s->log, &log_close, LF_STR("service", b->ops->name), LF_UINT("link", l->ref.r.slot),
        LF_ADDR("peer", &l->peer), LF_STR("reason", close_why_text(l->why)),
        LF_UINT("duration_ms", (now.mono - l->opened) / NSEC_PER_MS),
        LF_UINT("bytes_in", l->bytes_in), LF_UINT("bytes_out", l->bytes_out));
    server_enter(s);
    b->ops->on_close(b->svc, now, l->ref, l->why);
    server_leave(b);
}

/* --- receiving ---------------------------------------------------------------------------------
 */

/* Hands all unconsumed bytes to the service: those kept from before, or fresh ones. */
static void deliver(struct link *l, struct now now)
{
    struct server *s = l->s;
    struct bound *b = l->from->b;
    bool kept = l->in.n > 0;
    struct span all = kept ? buf_span(&l->in) : buf_span(&s->clear);
    server_enter(s);
    size_t used = b->ops->on_bytes(b->svc, now, l->ref, all);
    server_leave(b);
    CHECK(used <= all.n);
    if (l->state != LINK_OPEN)
        used = all.n; /* it ended in the call: the rest is nobody's */
    if (kept)
        buf_consume(&l->in, used);
    else if (used < all.n && buf_append_span(&l->in, span_skip(all, used)) != 0)
        link_end(l, CLOSE_ERROR);
    if (l->in.n == 0)
        buf_fini_secret(&l->in);
    if (l->state != LINK_OPEN || l->paused)
        return;
    if (l->in.n > l->in_max + IN_SLACK)
        link_end(l, CLOSE_PROTOCOL);
    else if (l->ended)
        link_end(l, CLOSE_BY_PEER);
}

/* Decrypts what was read into the server's clear buffer; false when the session is broken. */
static bool decrypt(struct link *l, struct span in)
{
    struct server *s = l->s;
    if (!l->tls) {
        CHECK(buf_append_span(&s->clear, in) == 0);
        mem_wipe(s->rx, (size_t)(in.p - s->rx) + in.n);
        return true;
    }
    int rc = tls_read(l->tls, &in, &s->clear, &s->wire);
    CHECK(rc != E_MORE); /* clear holds whatever one read can become */
    emit(l);
    l->ended = rc == E_CLOSED;
    if (rc == 0 || rc == E_CLOSED)
        return true;
    LOG(s->log, &log_broken, LF_STR("service", l->from->b->ops->name), LF_ADDR("peer", &l->peer),
        LF_STR("error", tls_error(l->tls)));
    l->dead = true;
    return false;
}

static void open_bytes(struct link *l, struct span in, struct now now)
{
    struct server *s = l->s;
    bool sound = decrypt(l, in);
    size_t fresh = s->clear.n;
    bool keep = l->paused || l->in.n > 0;
    if (keep && buf_append_span(&l->in, buf_span(&s->clear)) != 0)
        link_end(l, CLOSE_ERROR);
    else if (!l->paused && fresh > 0 && l->state == LINK_OPEN)
        deliver(l, now);
    else if (!l->paused && l->ended)
        link_end(l, CLOSE_BY_PEER); /* it had its chance at what is left in l->in */
    mem_wipe(s->clear.p, fresh);
    buf_clear(&s->clear);
    if (l->dead)
        link_end(l, sound ? CLOSE_BY_PEER : CLOSE_PROTOCOL);
    mark_dirty(l);
}

static void become_open(struct link *l, struct now now)
{
    struct server *s = l->s;
    struct bound *b = l->from->b;
    set_state(l, LINK_OPEN, now);
    door_forget_handshake(s, &l->peer, &l->counted);
    l->opened = now.mono;
    if (l->tls)
        rows_add(&s->rows, ROW_HANDSHAKE_OK, 1);
    l->heard = true;
    LOG(s->log, &log_open, LF_STR("service", b->ops->name), LF_UINT("link", l->ref.r.slot),
        LF_ADDR("peer", &l->peer), LF_UINT("port", l->from->port),
        LF_STR("tls", l->tls ? tls_version(l->tls) : "none"),
        LF_STR("cipher", l->tls ? tls_cipher(l->tls) : "none"));
    struct link_info info = {l->from->index, l->tls != NULL, l->peer, l->local};
    server_enter(s);
    b->ops->on_open(b->svc, now, l->ref, &info);
    server_leave(b);
    mark_dirty(l);
}

static void log_failed(struct link *l, struct now now, enum handshake_end end)
{
    static const char *const texts[] = {"peer left", "not TLS", "too slow", "too many at once"};
    uint64_t left_out;
    if (!log_gate_pass(&l->s->gate_handshake, now.mono, HANDSHAKE_LOGS, &left_out))
        return;
    const char *error = tls_error(l->tls);
    LOG(l->s->log, &log_handshake, LF_STR("service", l->from->b->ops->name),
        LF_ADDR("peer", &l->peer), LF_STR("error", error[0] ? error : texts[end]),
        LF_UINT("left_out", left_out));
}

void link_drop_handshake(struct link *l, struct now now, enum handshake_end end)
{
    if (l->header) {
        door_drop_header(l, now, "no whole PROXY header");
        return;
    }
    rows_add(&l->s->rows, ROW_HANDSHAKE_FAILED + end, 1);
    log_failed(l, now, end);
    if (end != HANDSHAKE_FAILED || l->ended || l->dead) {
        link_release(l, true);
        return;
    }
    /* An alert is on its way. */
    tls_destroy(l->tls);
    l->tls = NULL;
    l->said_bye = true;
    door_forget_handshake(l->s, &l->peer, &l->counted);
    set_state(l, LINK_CLOSING, now);
    drive_closing(l);
}

static void handshake_bytes(struct link *l, struct span in, struct now now)
{
    if (!l->heard && in.p[0] != TLS_HANDSHAKE) {
        link_drop_handshake(l, now, HANDSHAKE_NOT_TLS);
        return;
    }
    l->heard = true;
    enum tls_step step = tls_handshake(l->tls, &in, &l->s->wire);
    emit(l);
    if (step == TLS_STEP_FAILED || l->dead) {
        link_drop_handshake(l, now, HANDSHAKE_FAILED);
        return;
    }
    if (step == TLS_STEP_MORE) {
        watch_what_matters(l);
        return;
    }
    become_open(l, now);
    if (l->state == LINK_OPEN)
        open_bytes(l, in, now);
}

/* What comes before a link is open: the header of a proxy, then the handshake. */
static void early_bytes(struct link *l, struct span in, struct now now)
{
    if (l->header) {
        enum door_step step = door_header(l, &in, now);
        if (step == DOOR_MORE)
            watch_what_matters(l);
        if (step != DOOR_DONE)
            return;
        if (!l->tls)
            become_open(l, now);
    }
    if (in.n == 0)
        watch_what_matters(l);
    else if (l->state == LINK_HANDSHAKE)
        handshake_bytes(l, in, now);
    else if (l->state == LINK_OPEN)
        open_bytes(l, in, now);
}

/* Nobody said anything: a proxy that only looked whether somebody listens. */
static void early_end(struct link *l, struct now now)
{
    if (l->header && l->header->n == 0 && !l->dead)
        link_release(l, false);
    else
        link_drop_handshake(l, now, HANDSHAKE_FAILED);
}

/* Handshakes are the dearest thing a stranger can ask for, so each turn of the loop does a few, and
 * the rest finds its descriptor still readable in the next one. */
static bool handshake_turn(struct server *s, struct now now)
{
    if (s->handshake_turn != now.mono) {
        s->handshake_turn = now.mono;
        s->handshake_steps = HANDSHAKE_STEPS;
    }
    if (s->handshake_steps == 0)
        return false;
    s->handshake_steps--;
    return true;
}

static void on_readable(struct link *l, struct now now)
{
    struct server *s = l->s;
    if (l->state == LINK_HANDSHAKE && !handshake_turn(s, now))
        return;
    ssize_t r = recv(l->fd, s->rx, RX_BYTES, MSG_DONTWAIT);
    if (r < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (r > 0) {
        l->bytes_in += (uint64_t)r;
        rows_add(&s->rows, ROW_BYTES_IN, (uint64_t)r);
    }
    l->ended = r <= 0;
    l->dead = l->dead || r < 0;
    if (l->state == LINK_HANDSHAKE) {
        if (r <= 0)
            early_end(l, now);
        else
            early_bytes(l, span_of(s->rx, (size_t)r), now);
        return;
    }
    if (r > 0)
        open_bytes(l, span_of(s->rx, (size_t)r), now);
    else
        link_end(l, CLOSE_BY_PEER);
}

/* --- what the loop and the server call -------------------------------------------------------- */

static void on_event(void *ctx, struct now now, unsigned events)
{
    struct link *l = ctx;
    struct server *s = l->s;
    struct ref ref = l->ref.r;
    if (events & LOOP_WRITE) {
        flush_out(l);
        if (l->state == LINK_HANDSHAKE) {
            if (l->dead)
                link_drop_handshake(l, now, HANDSHAKE_FAILED);
            else
                watch_what_matters(l);
        } else if (l->state == LINK_CLOSING) {
            drive_closing(l);
        } else {
            push_text(l);
            mark_dirty(l);
        }
    }
    if ((events & LOOP_READ) && slots_get(&s->links, ref) && wants_input(l)) {
        if (l->state == LINK_CLOSING)
            throw_input(l);
        else
            on_readable(l, now);
    }
    server_settle(s, now);
}

void link_pause(struct link *l)
{
    l->paused = true;
    mark_dirty(l);
}

void link_resume(struct link *l)
{
    if (!l->paused)
        return;
    l->paused = false;
    mark_dirty(l);
    if (!list_linked(&l->ready))
        list_push_back(&l->s->ready, &l->ready);
}

void link_ready(struct link *l, struct now now)
{
    l->held = is_behind(l);
    if (l->held)
        return; /* link_settle brings it back */
    if (l->state == LINK_OPEN && !l->paused && l->in.n > 0)
        deliver(l, now);
    else if (l->state == LINK_OPEN && !l->paused && l->ended)
        link_end(l, CLOSE_BY_PEER);
    mark_dirty(l);
}

/* A peer that is behind may be slow, but it has to read something now and then. */
static void watch_reader(struct link *l, struct now now)
{
    struct server *s = l->s;
    if (list_linked(&l->age) && is_behind(l) && l->bytes_out == l->read_at_since)
        return;
    list_remove(&l->age);
    if (!is_behind(l))
        return;
    l->since = now.mono;
    l->read_at_since = l->bytes_out;
    list_push_back(&s->stalled, &l->age);
    s->loop->ops->timer_set(s->ages, next_end(s));
}

void link_settle(struct link *l, struct now now)
{
    if (l->state == LINK_OPEN) {
        push_text(l);
        if (l->held && !is_behind(l)) {
            l->held = false;
            list_push_back(&l->s->ready, &l->ready);
        }
        watch_reader(l, now);
        watch_what_matters(l);
        if (l->dead)
            link_end(l, CLOSE_BY_PEER);
        return;
    }
    if (l->state != LINK_ENDING)
        return;
    set_state(l, LINK_CLOSING, now);
    list_remove(&l->ready);
    buf_fini_secret(&l->in);
    tell_closed(l, now);
    drive_closing(l);
}

nsec link_ages(struct server *s, struct now now)
{
    while (end_of(&s->handshakes, s->cfg.handshake_max) <= now.mono)
        link_drop_handshake(CONTAINER_OF(list_first(&s->handshakes), struct link, age), now,
                            HANDSHAKE_TIMEOUT);
    while (end_of(&s->closing, s->cfg.linger_max) <= now.mono)
        link_release(CONTAINER_OF(list_first(&s->closing), struct link, age), true);
    while (end_of(&s->stalled, s->cfg.stall_max) <= now.mono) {
        struct link *l = CONTAINER_OF(list_first(&s->stalled), struct link, age);
        list_remove(&l->age);
        link_end(l, CLOSE_SLOW);
    }
    return next_end(s);
}

static void set_socket(struct link *l)
{
    int on = 1, notsent = NOTSENT_BYTES;
    (void)setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    (void)setsockopt(l->fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &notsent, sizeof notsent);
}

int link_adopt(struct listener *from, int fd, const struct addr *peer, struct now now,
               const struct admission *counted)
{
    struct server *s = from->b->s;
    struct ref ref;
    struct link *l = slots_add(&s->links, &ref);
    if (!l) {
        (void)close(fd);
        return E_NOMEM;
    }
    if (s->links.live > s->links_peak)
        s->links_peak = s->links.live;
    l->ref.r = ref;
    l->s = s;
    l->from = from;
    l->fd = fd;
    l->peer = *peer;
    l->local = edge_local_addr(fd);
    l->in_max = from->spec.in_max;
    l->out_max = from->spec.out_max;
    buf_init(&l->in, l->in_max + IN_SLACK + CLEAR_BYTES);
    buf_init(&l->text, l->out_max);
    buf_init(&l->out, WIRE_BYTES);
    int rc = from->spec.kind == LISTEN_TLS ? tls_create(&l->tls, s->tls_port, s->tls) : 0;
    if (!rc && !counted && !(l->header = mem_zalloc(1, sizeof *l->header)))
        rc = E_NOMEM;
    if (!rc)
        rc = s->loop->ops->watch(s->loop, fd, LOOP_READ, on_event, l, &l->watch);
    if (rc) {
        tls_destroy(l->tls);
        mem_free(l->header);
        (void)close(fd);
        slots_del(&s->links, ref);
        return rc;
    }
    if (counted)
        l->counted = *counted;
    set_socket(l);
    if (l->tls || l->header)
        set_state(l, LINK_HANDSHAKE, now);
    else
        become_open(l, now);
    return 0;
}
