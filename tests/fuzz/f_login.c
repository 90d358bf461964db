/* Logins from a list of events: begun from a few addresses with right, wrong and impossible
 * passwords, codes and tokens, into accounts of every kind, answered in any order and with every
 * fault, cancelled in any state, under changing policies. Each that was not cancelled has one
 * result; nobody is let in with a password that is not the account's, with a token twice, without
 * the code that is wanted, or into an account that is closed; in the end nothing is left, and
 * nothing claimed. */
#include "fuzz.h"

#include "base/err.h"
#include "base/mem.h"
#include "core/login.h"
#include "core/login_otp.h"
#include "sim/host_fake.h"

#define OWNERS 64u
#define MAX    12u /* logins at once */

struct attempt {
    bool started, cancelled, done;
    uint8_t name, password, otp;
    bool resuming, want_resume;
    uint32_t token; /* which, when resuming */
    struct login_ref ref;
};

struct token {
    char text[TOKEN_TEXT + 1];
    int64_t account;
    bool used;
};

static const char *const names[] = {"ann",   "ANN",    "bob",       "imported",
                                    "short", "factor", "suspended", "strange"};
static const char *const codes[] = {"", "123456", "000000", "1"};
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
    struct token tokens[OWNERS];
    uint32_t tokens_n;
    int64_t in_as[OWNERS]; /* accounts of sessions that are open */
    size_t in_n;
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
    s->in_as[s->in_n++] = r->account;
    MUST(a->name < 6); /* the others are closed */
    if (r->resume[0]) {
        struct token *t = &s->tokens[s->tokens_n++];
        MUST(a->resuming || a->want_resume);
        *t = (struct token){.account = r->account};
        memcpy(t->text, r->resume, sizeof t->text);
    }
    if (a->resuming) {
        struct token *t = &s->tokens[a->token];
        MUST(a->token < s->tokens_n && !t->used && t->account == r->account);
        t->used = true;
        return;
    }
    MUST(a->name != 5 || a->otp == 1);
    /* Every account was made with "right" or is registered by who came first: told by its name. */
    MUST(password.n > 0 && !memchr(password.p, '\0', password.n));
    if (a->name == 2 || a->name == 3 || a->name == 5)
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
    s->policy = (struct login_policy){
        .auto_register = true, .factor = LOGIN_FACTOR_OPTIONAL, .resume_s = 3600};
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
    uint8_t what = fuzz_byte(s->in), more = fuzz_byte(s->in);
    struct attempt *a = &s->attempts[s->n];
    *a = (struct attempt){.name = what % ARRAY_LEN(names),
                          .password = what / 8 % ARRAY_LEN(passwords),
                          .otp = more % ARRAY_LEN(codes),
                          .want_resume = more & 4,
                          .resuming = more & 8,
                          .token = UINT32_MAX};
    struct login_request q = {.name = span_str(names[a->name]), .password = passwords[a->password]};
    q.otp = span_str(codes[a->otp]);
    q.want_resume = a->want_resume;
    if (a->resuming)
        q.resume = SPAN_LIT("no token");
    if (a->resuming && s->tokens_n) {
        a->token = more / 16 % s->tokens_n;
        q.resume = span_str(s->tokens[a->token].text);
    }
    q.owner = s->n;
    MUST(addr_parse(&q.peer, addrs[what / 64]) == 0);
    int rc = login_start(s->logins, now, &q, &a->ref);
    MUST(rc == 0 || rc == E_BUSY);
    a->started = rc == 0;
    s->n++;
}

/* What reaches the service from outside, as bytes of a link do in a real one. */
static void leave_one(struct service *s, struct now now)
{
    if (s->in_n == 0)
        return;
    struct addr from;
    MUST(addr_parse(&from, addrs[0]) == 0);
    logins_signed_out(s->logins, now, s->in_as[--s->in_n], &from);
}

static size_t on_bytes(struct service *s, struct now now, struct link_ref l, struct span bytes)
{
    (void)l;
    if (s->todo == 0) {
        start(s, now);
    } else if (s->todo == 1 && s->n) {
        struct attempt *a = &s->attempts[fuzz_below(s->in, s->n)];
        a->cancelled |= a->started && !a->done;
        login_cancel(s->logins, a->ref); /* fine when stale */
    } else if (s->todo == 3) {
        leave_one(s, now);
    } else {
        uint8_t what = fuzz_byte(s->in);
        s->policy.fold_names = what & 1;
        s->policy.auto_register = !(what & 2);
        s->policy.password_min = what & 4 ? 3 : 0;
        s->policy.exempt.loopback = what & 8;
        s->policy.factor = what & 16 ? LOGIN_FACTOR_REQUIRED : LOGIN_FACTOR_OPTIONAL;
        s->policy.single = (enum login_single)(what / 64 % 3);
        s->policy.wrong_per_minute = what & 128 ? 2 : 0;
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
    case 1: s->todo = 0; break;
    case 2: s->todo = what < 128 ? 0 : 3; break;
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
    static const uint8_t secrets[SECRET_KEY] = {1};
    const struct fake_cfg cfg = {.ops = &ops, .seed = 3, .presence = true, .secrets = secrets};
    struct otp_secret factor;
    struct fake *f = fake_create(&cfg, NULL);
    MUST(f);
    f->svc->f = f;
    ask_fake_account(&f->asks, "bob", "right", 1, false);
    ask_fake_account(&f->asks, "imported", "right", 1, true);
    struct ask_fake_account *with = ask_fake_account(&f->asks, "factor", "right", 1, false);
    MUST(otp_secret_make(&factor, &f->entropy, secrets, with->account.id) == 0);
    memcpy(with->otp_sealed, factor.sealed, sizeof factor.sealed);
    with->account.second_factor = true;
    ask_fake_account(&f->asks, "suspended", "right", 1, false)->account.suspended = true;
    ask_fake_account(&f->asks, "strange", "right", 1, false)->account.level = 9;
    f->asks.otp_right = 1;
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
    uint64_t granted = f->asks.claims;
    for (f->svc->todo = 3; f->svc->in_n;)
        fake_bytes(f, link, "x", 1);
    fake_answer_all(f);
    fake_advance(f, 5 * NSEC_PER_S);
    fake_answer_all(f);
    MUST(login_deadline(f->svc->logins) == NSEC_NEVER);
    MUST(!granted || f->asks.releases);
    fake_destroy(f);
    return 0;
}
