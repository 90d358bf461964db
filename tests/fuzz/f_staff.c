/* Any line as a moderation command, of any bytes or built from the table's own words, said by
 * players, staff and operators under any switches, over a store that knows, does not know, or
 * fails: each is answered once; what one may not looks like what is not there; and no password
 * stands in the audit, however it was typed. */
#include "fuzz.h"

#include "../unit/core/fixture_loop.h"
#include "admin/staff.h"
#include "admin/staff_rules.h"
#include "base/utf8.h"
#include "core/query.h"

#define SECRET  "hunter2"
#define PENDING 64

static struct {
    struct ask_owner owner[PENDING];
    struct answer answer[PENDING];
    bool rows[PENDING];
    size_t n;
} store;

static struct {
    struct span *in; /* choices of answers */
    bool granted;
    const char *row;
    struct buf audit, said, rows;
    unsigned answers;
    int rc;
} w;

/* ---- store: an account of any level, none, or a failure ---- */

static void pack_account(void)
{
    struct value v[15];
    for (size_t i = 0; i < ARRAY_LEN(v); i++)
        v[i] = VALUE_OF_INT(0);
    v[0] = VALUE_OF_INT(1 + (int64_t)fuzz_below(w.in, 4));
    v[1] = VALUE_OF_TEXT(SPAN_LIT("bob"));
    v[2] = v[9] = v[10] = v[11] = v[12] = VALUE_NOTHING;
    v[3] = VALUE_OF_INT(1 + (int64_t)fuzz_below(w.in, 3));
    query_pack(&w.rows, v, ARRAY_LEN(v));
}

static int submit(struct ask_port *port, const struct ask *ask, struct ask_owner owner)
{
    static const int codes[] = {0, 0, 0, 0, E_STORE, E_NOENT, E_BUSY, E_REFUSED};
    (void)port;
    if (store.n == PENDING)
        return E_BUSY;
    bool grants = ask->kind == ASK_QUERY && ask->u.query.query == QUERY_GRANT_LIST;
    struct answer a = {.req = owner.req, .kind = ask->kind};
    a.rc = grants ? 0 : codes[fuzz_below(w.in, ARRAY_LEN(codes))];
    store.rows[store.n] = ask->kind == ASK_QUERY && a.rc == 0;
    if (a.rc == 0 && (ask->kind == ASK_ACCOUNT_FIND || ask->kind == ASK_ACCOUNT_CREATE))
        a.u.account = (struct account){.id = 1, .level = 1, .name_n = 1, .name = "b"};
    if (ask->kind == ASK_QUERY)
        a.u.otp_step = ask->u.query.query;
    store.owner[store.n] = owner;
    store.answer[store.n++] = a;
    return 0;
}

static void answer_one(struct now now)
{
    struct ask_owner owner = store.owner[0];
    struct answer a = store.answer[0];
    bool rows = store.rows[0];
    store.n--;
    memmove(store.owner, store.owner + 1, store.n * sizeof store.owner[0]);
    memmove(store.answer, store.answer + 1, store.n * sizeof store.answer[0]);
    memmove(store.rows, store.rows + 1, store.n * sizeof store.rows[0]);
    buf_clear(&w.rows);
    if (rows) {
        enum query q = (enum query)a.u.otp_step;
        if (q <= QUERY_ACCOUNT_BY_ID) {
            pack_account();
        } else if (q == QUERY_GRANT_LIST && w.granted && w.row) {
            struct value v[] = {VALUE_OF_TEXT(span_str(w.row)), VALUE_OF_TEXT(SPAN_LIT("x")),
                                VALUE_OF_INT(0)};
            query_pack(&w.rows, v, 3);
        }
        a.u.rows = buf_span(&w.rows);
    }
    owner.answer(owner.ctx, now, &a);
}

/* ---- games ---- */

static size_t count(void *ctx)
{
    (void)ctx;
    return 1;
}

static const char *name(void *ctx, size_t game)
{
    (void)ctx;
    (void)game;
    return "racing";
}

static int order(void *ctx, size_t game, const struct order *o)
{
    static const int codes[] = {0, E_SUPPORT, E_NOENT, E_RANGE};
    (void)ctx;
    (void)game;
    (void)o;
    return codes[fuzz_below(w.in, ARRAY_LEN(codes))];
}

static void players(void *ctx, size_t game, player_fn fn, void *fn_ctx)
{
    static const char *const ids[] = {"0123456789abcdef", "0123456789abcdee", "fedcba9876543210"};
    static const char *const names[] = {"bob", "bob", "Ann \xc3\xa9"};
    (void)ctx;
    (void)game;
    for (size_t i = 0; i < 3; i++) {
        struct player_view v = {.session = span_str(ids[i]),
                                .name = span_str(names[i]),
                                .account = (int64_t)i,
                                .level = (uint8_t)(i + 1)};
        if (!fn(fn_ctx, &v))
            return;
    }
}

static void notice(void *ctx, const struct notice *n)
{
    (void)ctx;
    (void)n;
}

static void desk_notice(void *ctx, struct now now, const struct notice *n)
{
    (void)ctx;
    (void)now;
    (void)n;
}

static int life(void *ctx, struct now now, enum operate_life what, struct buf *why)
{
    (void)ctx;
    (void)now;
    (void)what;
    (void)why;
    return 0;
}

void __wrap_audit_log_add(struct audit_log *, struct now, const struct audit_record *);
void __wrap_audit_log_add(struct audit_log *a, struct now now, const struct audit_record *r)
{
    (void)a;
    (void)now;
    (void)buf_append_span(&w.audit, r->details);
    (void)buf_append_span(&w.audit, r->target);
    MUST(utf8_valid(r->details));
}

static void emit(struct log *log, const struct log_row *row, const struct log_field *f, size_t n)
{
    (void)log;
    (void)row;
    for (size_t i = 0; i < n; i++)
        if (f[i].type == LOG_TYPE_SPAN)
            (void)buf_append_span(&w.audit, f[i].v.s);
}

static void draw(struct entropy *e, void *to, size_t n)
{
    (void)e;
    memset(to, 7, n);
}

static void said(void *ctx, struct now now, int rc, struct span text)
{
    (void)ctx;
    (void)now;
    w.answers++;
    w.rc = rc;
    buf_clear(&w.said);
    (void)buf_append_span(&w.said, text);
}

/* ---- lines ---- */

/* A line of the table's words, its passwords where the table has them and all the way behind. */
static void build(struct span *in, struct buf *line)
{
    static const char *const words[] = {
        "bob",    "#01234567", "account", "ip",   "both", "allchars", "remove", "1",      "3",
        "single", "kick",      "create",  "own",  "on",   "12:30",    "stop",   "60",     "full",
        "to",     "\"a b\"",   "delete",  "info", "log",  "status",   "unban",  "confirm"};
    const struct staff_row *r = &staff_rows[fuzz_below(in, staff_rows_n)];
    size_t first = 99, n = fuzz_below(in, 7), at = 1;
    for (uint32_t i = 0, bits = r->secret; bits && first == 99; i++, bits >>= 1)
        if (bits & 1u)
            first = i;
    (void)buf_append_byte(line, '/');
    for (const char *p = r->name; *p; p++)
        (void)buf_append_byte(line, fuzz_chance(in, 30) ? (uint8_t)(*p - 32) : (uint8_t)*p);
    if (r->sub) {
        (void)buf_printf(line, " %s", r->sub);
        at += 1u + (strchr(r->sub, ' ') != NULL);
    }
    for (; at < n || at <= first; at++) {
        (void)buf_append_str(line, fuzz_chance(in, 30) ? "  " : " ");
        if (first == 99 && at >= n)
            break;
        if (at >= first)
            (void)buf_append_str(line, fuzz_chance(in, 60) ? "\"x " SECRET "\"" : SECRET);
        else
            (void)buf_append_str(line, words[fuzz_below(in, ARRAY_LEN(words))]);
        if (first != 99 && at > first + 3)
            break;
    }
}

/* What the answer would be if there were no such command at all. */
static void expect_unknown(struct span word)
{
    struct buf b;
    size_t n = word.n < 32 ? word.n : 32;
    while (n && n < word.n && (word.p[n] & 0xc0) == 0x80)
        n--;
    buf_init(&b, 256);
    (void)buf_append_str(&b, "No such command (");
    (void)buf_append(&b, word.p, n);
    (void)buf_append_byte(&b, ')');
    MUST(span_eq(buf_span(&b), buf_span(&w.said)));
    buf_fini(&b);
}

static void judge(const struct staff_policy *p, struct span line, uint8_t level, bool machine)
{
    struct staff_words words;
    if (staff_split(line, &words)) {
        MUST(w.said.n && w.audit.n == 0);
        return;
    }
    const struct staff_row *r = staff_find(&words);
    bool may = r && staff_allows(staff_judge(p, r, level, w.granted && !machine));
    if (!may)
        expect_unknown(words.word[0]);
    MUST(!may || w.answers == 1);
    MUST(r || w.audit.n == 0);
}

static void set(struct config *c, const char *key, const char *value)
{
    struct buf why;
    buf_init(&why, 512);
    MUST(config_set(c, span_str(key), span_str(value), CONFIG_FILE, &why) == 0);
    buf_fini(&why);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const disabled[] = {"", "kick", "/K, te", "account password"};
    static const struct config_table table = {staff_config, ARRAY_LEN(staff_config)};
    static const struct staff_games games = {NULL, count, name, order, players, NULL, notice};
    static struct log log = {LOG_DEBUG, emit};
    struct span in = {data, size};
    struct ask_port port = {.submit = submit};
    struct staff_policy policy = {.open = {true}};
    struct fixture_loop loop;
    struct entropy entropy;
    struct account_desk *desk;
    struct staff *staff;
    struct config *config;
    struct buf line;
    store.n = 0;
    memset(&w, 0, sizeof w);
    w.in = &in;
    buf_init(&w.audit, 65536);
    buf_init(&w.said, 65536);
    buf_init(&w.rows, 65536);
    buf_init(&line, 8192);
    fixture_loop_init(&loop);
    entropy_init(&entropy, draw);
    MUST(config_create(&config, &table, 1) == 0);
    for (size_t i = 1; i < GATES_N; i++) {
        policy.open[i] = !fuzz_chance(&in, 64);
        set(config, staff_gate_keys[i], policy.open[i] ? "true" : "false");
    }
    const char *none = disabled[fuzz_below(&in, ARRAY_LEN(disabled))];
    set(config, "staff.disabled_commands", none);
    (void)snprintf(policy.disabled, sizeof policy.disabled, "%s", none);
    uint8_t level = (uint8_t)(1 + fuzz_below(&in, 3));
    bool machine = fuzz_chance(&in, 40);
    w.granted = fuzz_chance(&in, 60);
    bool built = fuzz_chance(&in, 128);
    if (built)
        build(&in, &line);
    else
        (void)buf_append_span(&line, fuzz_take(&in, 200));

    struct account_desk_cfg desk_cfg = {
        .store = &port, .hash = &port, .log = &log, .entropy = &entropy, .notice = desk_notice};
    MUST(account_desk_create(&desk, &desk_cfg) == 0);
    struct staff_cfg cfg = {.loop = &loop.loop,
                            .log = &log,
                            .entropy = &entropy,
                            .store = &port,
                            .desk = desk,
                            .games = &games,
                            .life = life};
    MUST(staff_create(&staff, &cfg, config) == 0);
    struct staff_words words;
    const struct staff_row *row = staff_split(buf_span(&line), &words) ? NULL : staff_find(&words);
    w.row = row ? row->name : NULL;
    struct staff_said s = {.by = {.account = machine ? 0 : 2,
                                  .level = machine ? LEVEL_ADMIN : level,
                                  .name = SPAN_LIT("eve"),
                                  .game = SPAN_LIT("racing"),
                                  .session = SPAN_LIT("fedcba9876543210")},
                           .line = buf_span(&line)};
    int rc = staff_say(staff, loop.now, &s, said, NULL);
    MUST(rc == 0 || (rc == E_RANGE && line.n > STAFF_LINE_MAX));
    fixture_loop_run(&loop, 1);
    while (store.n)
        answer_one(loop.now);
    MUST(w.answers == (rc == 0));
    if (rc == 0 && w.rc == 0)
        judge(&policy, buf_span(&line), s.by.level, machine);
    MUST(utf8_valid(buf_span(&w.said)) || !utf8_valid(buf_span(&line)));
    (void)buf_append_byte(&w.audit, '\0');
    MUST(w.audit.failed || !built || !strstr((const char *)w.audit.p, SECRET));

    staff_destroy(staff);
    account_desk_destroy(desk);
    MUST(loop.open == 0);
    config_destroy(config);
    entropy_fini(&entropy);
    buf_fini(&line);
    buf_fini(&w.audit);
    buf_fini(&w.said);
    buf_fini(&w.rows);
    return 0;
}
