#include "admin/control.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/slots.h"
#include "wire/json.h"
#include "wire/line.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG    16
#define GROUPS_MAX 256u
#define READ_BYTES 16384u
#define LOOK_EVERY (10 * NSEC_PER_S)

const struct config_row control_config[1] = {
    {"control.group", CONFIG_TEXT, "", 0, 64, NULL, CONFIG_RESTART,
     "Group of this machine whose members may use the control socket besides root and the user the "
     "server runs as. Nothing: nobody else."},
};

static const struct log_row row_open = {LOG_INFO, "control.listening", "control socket is open"};
static const struct log_row row_stranger = {LOG_WARN, "control.refused",
                                            "control socket: this user may not"};
static const struct log_row row_full = {LOG_WARN, "control.full",
                                        "control socket: too many connections"};

struct conn {
    struct control *c;
    struct ref self;
    int fd;
    struct loop_watch *watch;
    struct control_peer peer;
    struct buf in, out;
    nsec active_at;
    bool pending; /* a request is being worked on */
    bool ending;  /* closed as soon as out is empty */
};

struct control {
    struct control_cfg cfg;
    char path[CONTROL_PATH_MAX];
    gid_t group;
    bool has_group, bound, looking;
    dev_t dev;
    ino_t ino;
    int fd;
    struct loop_watch *watch;
    struct loop_timer *timer;
    struct slots conns;
};

/* ---- who is there ---- */

static void user_name(struct control_peer *p)
{
    char room[2048];
    struct passwd pw, *found = NULL;
    if (getpwuid_r(p->uid, &pw, room, sizeof room, &found) == 0 && found &&
        strlen(found->pw_name) < sizeof p->name)
        (void)snprintf(p->name, sizeof p->name, "%s", found->pw_name);
    else
        (void)snprintf(p->name, sizeof p->name, "uid %u", (unsigned)p->uid);
}

static bool in_group(int fd, gid_t primary, gid_t wanted)
{
    gid_t groups[GROUPS_MAX];
    socklen_t n = sizeof groups;
    if (primary == wanted)
        return true;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &n) != 0)
        return false;
    for (size_t i = 0; i < n / sizeof groups[0]; i++)
        if (groups[i] == wanted)
            return true;
    return false;
}

static bool may_talk(const struct control *c, int fd, struct control_peer *p)
{
    struct ucred cred;
    socklen_t n = sizeof cred;
    *p = (struct control_peer){.uid = UINT32_MAX};
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &n) != 0)
        return false;
    p->uid = cred.uid;
    user_name(p);
    return cred.uid == 0 || cred.uid == geteuid() ||
           (c->has_group && in_group(fd, cred.gid, c->group));
}

/* ---- connections ---- */

static void conn_close(struct conn *x)
{
    struct control *c = x->c;
    c->cfg.loop->ops->unwatch(x->watch);
    (void)close(x->fd);
    buf_fini_secret(&x->in);
    buf_fini_secret(&x->out);
    slots_del(&c->conns, x->self);
}

static struct now loop_now(const struct control *c)
{
    return c->cfg.loop->ops->now(c->cfg.loop);
}

static void watch_for(struct conn *x)
{
    unsigned events = x->out.n ? LOOP_WRITE : 0u;
    if (!x->pending && !x->ending && x->out.n == 0)
        events |= LOOP_READ;
    (void)x->c->cfg.loop->ops->watch_set(x->watch, events);
}

/* False: it is gone. */
static bool flush(struct conn *x)
{
    while (x->out.n) {
        ssize_t n = send(x->fd, x->out.p, x->out.n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            break;
        if (n <= 0) {
            conn_close(x);
            return false;
        }
        mem_wipe(x->out.p, (size_t)n);
        buf_consume(&x->out, (size_t)n);
    }
    if (x->ending && x->out.n == 0) {
        conn_close(x);
        return false;
    }
    watch_for(x);
    return true;
}

static void put_error(struct buf *to, const char *error, const char *mend)
{
    (void)buf_append_str(to, "{\"ok\":false,\"error\":");
    json_put_string(to, span_str(error));
    if (mend) {
        (void)buf_append_str(to, ",\"mend\":");
        json_put_string(to, span_str(mend));
    }
    (void)buf_append_byte(to, '}');
}

static void refuse(struct conn *x, const char *error)
{
    x->ending = true;
    put_error(&x->out, error, NULL);
    (void)buf_append_byte(&x->out, '\n');
}

/* Takes one line out of the buffer; false when there is none yet. */
static bool take_request(struct conn *x, struct now now)
{
    char scratch[CONTROL_COMMAND_MAX];
    struct control_request r;
    struct span line;
    size_t used;
    struct buf why;
    int rc = line_next(buf_span(&x->in), CONTROL_LINE_MAX, &line, &used);
    if (rc == E_MORE)
        return false;
    if (rc) {
        refuse(x, "the request is too long");
        return true;
    }
    buf_init(&why, 256);
    if (control_parse(line, scratch, &r, &why)) {
        (void)buf_append_byte(&why, '\0');
        put_error(&x->out, why.failed ? "no request" : (const char *)why.p, NULL);
        (void)buf_append_byte(&x->out, '\n');
    } else {
        struct control_ref ref = {x->self};
        x->pending = true;
        x->c->cfg.request(x->c->cfg.ctx, now, ref, &x->peer, &r);
    }
    buf_fini(&why);
    mem_wipe(x->in.p, used);
    buf_consume(&x->in, used);
    return true;
}

/* One request at a time: what is behind it waits in the buffer until its answer was read. False:
 * the connection is gone. */
static bool next_request(struct conn *x, struct now now)
{
    while (!x->pending && !x->ending && x->out.n == 0 && take_request(x, now))
        if (!flush(x))
            return false;
    return flush(x);
}

static void on_readable(struct conn *x, struct now now)
{
    uint8_t *room = buf_reserve(&x->in, READ_BYTES);
    if (!room) {
        conn_close(x);
        return;
    }
    ssize_t n = recv(x->fd, room, READ_BYTES, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        conn_close(x);
        return;
    }
    buf_commit(&x->in, (size_t)n);
    x->active_at = now.mono;
    (void)next_request(x, now);
}

static void on_conn(void *ctx, struct now now, unsigned events)
{
    struct conn *x = ctx;
    if (events & LOOP_WRITE) {
        if (!flush(x) || !next_request(x, now))
            return;
    }
    if ((events & LOOP_READ) && !x->pending && !x->ending && x->out.n == 0)
        on_readable(x, now);
}

static void conn_open(struct control *c, struct now now, int fd)
{
    struct control_peer peer;
    struct ref self;
    if (!may_talk(c, fd, &peer)) {
        LOG(c->cfg.log, &row_stranger, LF_UINT("uid", peer.uid));
        c->cfg.stranger(c->cfg.ctx, now, &peer);
        (void)close(fd);
        return;
    }
    struct conn *x = slots_add(&c->conns, &self);
    if (!x) {
        static const char full[] = "{\"ok\":false,\"error\":\"too many connections to the control "
                                   "socket\",\"mend\":\"try again\"}\n";
        LOG(c->cfg.log, &row_full, LF_UINT("connections", c->conns.live));
        (void)send(fd, full, sizeof full - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
        (void)close(fd);
        return;
    }
    *x = (struct conn){.c = c, .self = self, .fd = fd, .peer = peer, .active_at = now.mono};
    buf_init(&x->in, CONTROL_LINE_MAX + READ_BYTES + 8);
    buf_init(&x->out, CONTROL_OUT_MAX + 1024);
    if (c->cfg.loop->ops->watch(c->cfg.loop, fd, LOOP_READ, on_conn, x, &x->watch)) {
        (void)close(fd);
        slots_del(&c->conns, self);
        return;
    }
    if (!c->looking) {
        c->looking = true;
        c->cfg.loop->ops->timer_set(c->timer, now.mono + LOOK_EVERY);
    }
}

static void on_accept(void *ctx, struct now now, unsigned events)
{
    struct control *c = ctx;
    (void)events;
    for (unsigned i = 0; i < BACKLOG; i++) {
        int fd = accept4(c->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0)
            return;
        conn_open(c, now, fd);
    }
}

static void on_timer(void *ctx, struct now now)
{
    struct control *c = ctx;
    struct conn *x;
    for (uint32_t at = 0; (x = slots_next(&c->conns, &at, NULL));)
        if (!x->pending && now.mono - x->active_at >= CONTROL_IDLE)
            conn_close(x);
    c->looking = c->conns.live > 0;
    c->cfg.loop->ops->timer_set(c->timer, c->looking ? now.mono + LOOK_EVERY : NSEC_NEVER);
}

/* ---- answers ---- */

static void reply(struct control *c, struct conn *x, struct span a, struct span b, struct span tail)
{
    size_t before = x->out.n;
    if (b.n > CONTROL_OUT_MAX) {
        put_error(&x->out, "the answer is too long", "ask for less");
    } else {
        (void)buf_append_span(&x->out, a);
        (void)buf_append_span(&x->out, b);
        (void)buf_append_span(&x->out, tail);
    }
    (void)buf_append_byte(&x->out, '\n');
    x->pending = false;
    x->active_at = loop_now(c).mono;
    if (x->out.failed) { /* memory is short: better no answer than half of one */
        x->out.n = before;
        x->ending = true;
    }
    /* Sent from the loop: this may be within the request's own call. */
    (void)c->cfg.loop->ops->watch_set(x->watch, LOOP_WRITE);
}

void control_reply(struct control *c, struct control_ref ref, struct span json)
{
    struct conn *x = slots_get(&c->conns, ref.r);
    if (x && x->pending)
        reply(c, x, SPAN_NULL, json, SPAN_NULL);
}

void control_result(struct control *c, struct control_ref ref, struct span result)
{
    struct conn *x = slots_get(&c->conns, ref.r);
    if (!x || !x->pending)
        return;
    if (result.n)
        reply(c, x, SPAN_LIT("{\"ok\":true,\"result\":"), result, SPAN_LIT("}"));
    else
        reply(c, x, SPAN_NULL, SPAN_LIT("{\"ok\":true}"), SPAN_NULL);
}

void control_error(struct control *c, struct control_ref ref, const char *error, const char *mend)
{
    struct buf text;
    buf_init(&text, 8192);
    put_error(&text, error, mend);
    control_reply(c, ref,
                  text.failed ? SPAN_LIT("{\"ok\":false,\"error\":\"out of memory\"}")
                              : buf_span(&text));
    buf_fini(&text);
}

/* ---- the socket ---- */

static socklen_t to_sys(const char *path, struct sockaddr_un *un)
{
    memset(un, 0, sizeof *un);
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, path, strlen(path) + 1);
    return sizeof *un;
}

/* Whether somebody listens there. */
static bool is_alive(const struct sockaddr_un *un, socklen_t n)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return true; /* not known: leave it alone */
    int rc = connect(fd, (const struct sockaddr *)un, n);
    bool dead = rc != 0 && (errno == ECONNREFUSED || errno == ENOENT);
    (void)close(fd);
    return !dead;
}

static int cannot(struct control *c, struct buf *why, const char *what)
{
    (void)buf_printf(why, "control socket %s: %s: %s; give another data.dir", c->path, what,
                     strerror(errno));
    return E_IO;
}

/* Takes the name, which what a dead server left may hold; anything that is no socket stays. */
static int claim(struct control *c, const struct sockaddr_un *un, socklen_t n, struct buf *why)
{
    struct stat st;
    if (lstat(c->path, &st) != 0)
        return 0;
    if (!S_ISSOCK(st.st_mode)) {
        (void)buf_printf(why, "control socket %s: there is something else; remove it", c->path);
        return E_CONFIG;
    }
    if (is_alive(un, n)) {
        (void)buf_printf(why, "control socket %s: a server is running there; give another data.dir",
                         c->path);
        return E_BUSY;
    }
    return unlink(c->path) == 0 || errno == ENOENT ? 0 : cannot(c, why, "unlink");
}

static int find_group(struct control *c, struct buf *why)
{
    char room[4096];
    struct group gr, *found = NULL;
    const char *name = c->cfg.group;
    if (!name || !name[0])
        return 0;
    if (getgrnam_r(name, &gr, room, sizeof room, &found) != 0 || !found) {
        (void)buf_printf(why, "control.group: there is no group %s; make it, or give another",
                         name);
        return E_CONFIG;
    }
    c->group = found->gr_gid;
    c->has_group = true;
    return 0;
}

static int listen_there(struct control *c, struct buf *why)
{
    struct sockaddr_un un;
    struct stat st;
    socklen_t n = to_sys(c->path, &un);
    int rc = claim(c, &un, n, why);
    if (rc)
        return rc;
    c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (c->fd < 0)
        return cannot(c, why, "socket");
    /* Nobody else may connect between bind and chmod: connections are taken from listen on. */
    if (bind(c->fd, (const struct sockaddr *)&un, n) != 0)
        return cannot(c, why, "bind");
    c->bound = lstat(c->path, &st) == 0;
    c->dev = st.st_dev;
    c->ino = st.st_ino;
    if (chmod(c->path, c->has_group ? 0660 : 0600) != 0)
        return cannot(c, why, "chmod");
    if (c->has_group && chown(c->path, (uid_t)-1, c->group) != 0) {
        (void)buf_printf(why,
                         "control.group: the socket cannot be given to %s: %s; make the server's "
                         "user a member of it",
                         c->cfg.group, strerror(errno));
        return E_CONFIG;
    }
    return c->bound && listen(c->fd, BACKLOG) == 0 ? 0 : cannot(c, why, "listen");
}

int control_create(struct control **ret, const struct control_cfg *cfg, struct buf *why)
{
    struct loop *loop = cfg->loop;
    struct control *c = mem_zalloc(1, sizeof *c);
    if (!c)
        return E_NOMEM;
    c->cfg = *cfg;
    c->fd = -1;
    slots_init(&c->conns, sizeof(struct conn), CONTROL_LINKS_MAX);
    int rc = control_path(cfg->dir, c->path);
    if (rc) {
        (void)buf_printf(why, "data.dir: its path is too long for a socket in it; give a shorter "
                              "one");
        rc = E_CONFIG;
    }
    if (rc == 0)
        rc = find_group(c, why);
    if (rc == 0)
        rc = listen_there(c, why);
    if (rc == 0)
        rc = loop->ops->timer_open(loop, on_timer, c, &c->timer);
    if (rc == 0)
        rc = loop->ops->watch(loop, c->fd, LOOP_READ, on_accept, c, &c->watch);
    c->cfg.dir = c->cfg.group = NULL;
    if (rc) {
        control_destroy(c);
        return rc;
    }
    LOG(cfg->log, &row_open, LF_STR("path", c->path));
    *ret = c;
    return 0;
}

void control_destroy(struct control *c)
{
    struct stat st;
    struct conn *x;
    if (!c)
        return;
    for (uint32_t at = 0; (x = slots_next(&c->conns, &at, NULL));)
        conn_close(x);
    slots_fini(&c->conns);
    c->cfg.loop->ops->unwatch(c->watch);
    if (c->timer)
        c->cfg.loop->ops->timer_close(c->timer);
    /* Only if it is still ours: a server that came after us may have its own there. */
    if (c->bound && lstat(c->path, &st) == 0 && st.st_dev == c->dev && st.st_ino == c->ino)
        (void)unlink(c->path);
    if (c->fd >= 0)
        (void)close(c->fd);
    mem_free(c);
}
