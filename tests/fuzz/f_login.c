/* Logins from a list of events: begun from a few addresses with right, wrong and impossible
 * passwords, answered in any order and with every fault, cancelled in any state, under changing
 * policies. Each that was not cancelled has one result; nobody is let in with a password that is
 * not the account's, and nobody is called wrong whose password is; in the end nothing is left. */
#include "fuzz.h"

#include "base/err.h"
#include "base/mem.h"
#include "core/login.h"
#include "sim/host_fake.h"

#define OWNERS 64u
#define MAX    12u /* logins at once */

struct attempt {
    bool started, cancelled, done;
    uint8_t name, password;
    struct login_ref ref;
};

static const char *const names[] = {"ann", "ANN", "bob", "imported", "short"};
static const struct span passwords[] = {{(const uint8_t *)"right", 5},
                                        {(const uint8_t *)"other", 5},
                                        {(const uint8_t *)"", 0},
                                        {(const uint8_t *)"a\0b", 3},
                                        {(const uint8_t *)"xy", 2}};
static const char *const addrs[] = {"203.0.113.1", "203.0.113.2", "2001:db8::1", "127.0.0.1"};

/* The service: nothing but logins. */
struct service {
    struct host *host;
    struct logins *logins;
    struct attempt attempts[OWNERS];
    size_t n;
    struct login_policy policy;
    struct span *in; /* what the next call does */
    uint8_t todo;
    struct fake *f;
};

static void take(struct service *s, const struct login_result *r)
{
    MUST(r->owner < s->n);
    struct attempt *a = &s->attempts[r->owner];
    MUST(a->started && !a->cancelled && !a->done);
    a->done = true;
    struct span name = span_of(r->name, r->name_n), password = passwords[a->password];
    bool in = r->outcome == LOGIN_OK || r->outcome == LOGIN_CREATED;
    if (!in)
        return;
    const struct ask_fake_account *known = ask_fake_find(&s->f->asks, name, false);
    MUST(known && known->account.id == r->account);
    /* Every account was made with "right" or is registered by who came first: told by its name. */
    MUST(password.n > 0 && !memchr(password.p, '\0', password.n));
    if (a->name == 2 || a->name == 3)
        MUST(a->password == 0);
    MUST(r->outcome == LOGIN_OK || a->name < 2 || a->name == 4);
}

static int create(struct service **ret, struct host *host, const struct config *c, struct now now)
{
    (void)c;
    (void)now;
    struct service *s = mem_zalloc(1, sizeof *s);
    MUST(s);
    s->host = host;
    s->policy = (struct login_policy){.auto_register = true};
    MUST(logins_create(&s->logins, host, MAX) == 0);
    logins_set_policy(s->logins, &s->policy);
    *ret = s;
    return 0;
}

static void destroy(struct service *s)
{
    logins_destroy(s->logins);
    mem_free(s);
}

static void on_answer(struct service *s, struct now now, const struct answer *a)
{
    struct login_result r;
    if (login_answer(s->logins, now, a, &r))
        take(s, &r);
}

static nsec on_time(struct service *s, struct now now)
{
    struct login_result r;
    while (login_due(s->logins, now, &r))
        take(s, &r);
    return login_deadline(s->logins);
}

static void start(struct service *s, struct now now)
{
    if (s->n == OWNERS)
        return;
    uint8_t what = fuzz_byte(s->in);
    struct attempt *a = &s->attempts[s->n];
    *a = (struct attempt){.name = what % ARRAY_LEN(names),
                          .password = what / 8 % ARRAY_LEN(passwords)};
    struct login_request q = {.name = span_str(names[a->name]), .password = passwords[a->password]};
    q.owner = s->n;
    MUST(addr_parse(&q.peer, addrs[what / 64]) == 0);
    int rc = login_start(s->logins, now, &q, &a->ref);
    MUST(rc == 0 || rc == E_BUSY);
    a->started = rc == 0;
    s->n++;
}

/* What reaches the service from outside, as bytes of a link do in a real one. */
static size_t on_bytes(struct service *s, struct now now, struct link_ref l, struct span bytes)
{
    (void)l;
    if (s->todo == 0) {
        start(s, now);
    } else if (s->todo == 1 && s->n) {
        struct attempt *a = &s->attempts[fuzz_below(s->in, s->n)];
        a->cancelled |= a->started && !a->done;
        login_cancel(s->logins, a->ref); /* fine when stale */
    } else {
        uint8_t what = fuzz_byte(s->in);
        s->policy.fold_names = what & 1;
        s->policy.auto_register = !(what & 2);
        s->policy.password_min = what & 4 ? 3 : 0;
        s->policy.exempt.loopback = what & 8;
        logins_set_policy(s->logins, &s->policy);
    }
    return bytes.n;
}

static void on_open(struct service *s, struct now now, struct link_ref l, const struct link_info *i)
{
    (void)s;
    (void)now;
    (void)l;
    (void)i;
}

static void on_close(struct service *s, struct now now, struct link_ref l, enum close_why why)
{
    (void)s;
    (void)now;
    (void)l;
    (void)why;
}

static size_t listeners(const struct config *c, struct listener_spec *ret, size_t cap)
{
    (void)c;
    MUST(cap > 0);
    *ret = (struct listener_spec){.kind = LISTEN_TLS, .in_max = 16, .out_max = 16};
    return 1;
}

static int check(const struct service *s, struct buf *why)
{
    uint32_t waiting = 0, cancelled = 0;
    for (size_t i = 0; i < s->n; i++) {
        const struct attempt *a = &s->attempts[i];
        waiting += a->started && !a->done && !a->cancelled;
        cancelled += a->cancelled;
    }
    uint32_t live = logins_live(s->logins);
    if (live <= MAX && live >= waiting && live <= waiting + cancelled)
        return 0;
    (void)buf_printf(why, "%u live, %u waiting, %u cancelled", live, waiting, cancelled);
    return E_RANGE;
}

static const struct config_row config_rows[] = {
    {"test.port", CONFIG_INT, "1", 0, 1, NULL, CONFIG_LIVE, "Nothing."}};
static const struct metric_row metric_rows[] = {{"test", "", METRIC_GAUGE, "Nothing."}};

static const struct service_ops ops = {
    .name = "test",
    .config = {config_rows, ARRAY_LEN(config_rows)},
    .metrics = metric_rows,
    .metrics_n = ARRAY_LEN(metric_rows),
    .listeners = listeners,
    .create = create,
    .destroy = destroy,
    .on_open = on_open,
    .on_bytes = on_bytes,
    .on_close = on_close,
    .on_answer = on_answer,
    .on_time = on_time,
    .check = check,
};

static void answer_one(struct fake *f, uint8_t which)
{
    struct ask_fake *q = &f->asks;
    if (q->pending_n == 0)
        return;
    struct ask_pending *p = &q->pending[which % q->pending_n], t = *p;
    memmove(q->pending + 1, q->pending, (size_t)(p - q->pending) * sizeof *p);
    q->pending[0] = t;
    (void)fake_answer(f);
}

static void event(struct fake *f, int link, struct span *in)
{
    struct service *s = f->svc;
    uint8_t what = fuzz_byte(in), more;
    switch (what % 8) {
    case 0:
    case 1:
    case 2: s->todo = 0; break;
    case 3: s->todo = 1; break;
    case 4: s->todo = what < 64 ? 2 : 0; break;
    case 5: fake_advance(f, (nsec)fuzz_byte(in) * 50 * NSEC_PER_MS); return;
    case 6:
        more = fuzz_byte(in);
        ask_fake_fault(&f->asks, (enum ask_kind)(more % ASK_FAKE_KINDS),
                       (enum ask_fault)(more / 8 % 5), 1);
        return;
    default: answer_one(f, fuzz_byte(in)); return;
    }
    s->in = in;
    fake_bytes(f, link, "x", 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = span_of(data, size);
    const struct fake_cfg cfg = {.ops = &ops, .seed = 3};
    struct fake *f = fake_create(&cfg, NULL);
    MUST(f);
    f->svc->f = f;
    ask_fake_account(&f->asks, "bob", "right", 1, false);
    ask_fake_account(&f->asks, "imported", "right", 1, true);
    f->asks.delay = fuzz_byte(&in) & 1 ? NSEC_NEVER : 0;
    int link = fake_open(f, addrs[0], 1);
    while (in.n)
        event(f, link, &in);
    f->asks.delay = 0;
    for (int i = 0; i < 40; i++) { /* delays grow to seconds, and turns are taken */
        fake_answer_all(f);
        fake_advance(f, 10 * NSEC_PER_S);
    }
    for (size_t i = 0; i < f->svc->n; i++) {
        const struct attempt *a = &f->svc->attempts[i];
        MUST(!a->started || a->done || a->cancelled);
    }
    MUST(logins_live(f->svc->logins) == 0);
    fake_destroy(f);
    return 0;
}
