/* `slipgate audit list` and `tail`: records for people, and for programs as JSON. */
#include "base/err.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "bin/cmd_audit.h"
#include "os/clock.h"
#include "wire/json.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define LIMIT_MAX   100000
#define LINE_MAX_   (AUDIT_LINE_MAX + 2048u)
#define NAMES       256u /* account names that are remembered */
#define TAIL_EVERY  (300 * NSEC_PER_MS)
#define NODES_EVERY (10 * NSEC_PER_S)
#define MS_PER_S    INT64_C(1000)

struct name {
    int64_t id;
    uint16_t n; /* 0: there is no such account any more */
    char text[ACCOUNT_NAME_MAX];
};

struct shown { /* one line, kept until it is known which are the newest */
    int64_t at_ms;
    char *text;
};

struct lister {
    struct audit_db db;
    struct audit_node nodes[AUDIT_NODES_MAX];
    size_t nodes_n;
    const char *only; /* --node */
    const char *own;
    bool json;
    struct value filter[5]; /* since, type, subtype, account, player */
    int64_t until_ms;
    const char *account; /* --account: its name, and its number as text */
    char account_id[24];
    struct name names[NAMES];
    struct buf rows, answer, line;
    struct shown *ring; /* limit of them */
    size_t limit, kept; /* kept: in all, the newest limit of them are there */
};

/* ---- arguments */

/* "90m", "12h", "7d" ago. */
static bool parse_ago(const char *text, int64_t now_ms, int64_t *ret)
{
    static const struct {
        char unit;
        int64_t s;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
    char *end;
    long n = strtol(text, &end, 10);
    for (size_t i = 0; i < ARRAY_LEN(units); i++)
        if (end != text && n >= 0 && n < 1000000 && *end == units[i].unit && !end[1]) {
            *ret = now_ms - n * units[i].s * MS_PER_S;
            return true;
        }
    return false;
}

/* A date, or date and time, UTC. */
static bool parse_date(const char *text, int64_t *ret)
{
    static const char *const forms[] = {"%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S",
                                        "%Y-%m-%d %H:%M:%S",  "%Y-%m-%dT%H:%M",
                                        "%Y-%m-%d %H:%M",     "%Y-%m-%d"};
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        struct tm tm = {.tm_mday = 1};
        const char *end = strptime(text, forms[i], &tm);
        if (end && !*end && tm.tm_year >= 70) {
            *ret = (int64_t)timegm(&tm) * MS_PER_S;
            return true;
        }
    }
    return false;
}

static int take_time(const struct cmdline *line, const char *name, int64_t fallback, int64_t *ret)
{
    const char *text = cmdline_option(line, name);
    *ret = fallback;
    if (!text || parse_date(text, ret) || parse_ago(text, clock_now().unix_ms, ret))
        return EXIT_FINE;
    return command_wrong("--%s %s is no time: give 2026-01-31, 2026-01-31T12:00:00 or 12h", name,
                         text);
}

static int take_kind(const struct cmdline *line, const char *name, unsigned (*find)(struct span),
                     struct value *ret)
{
    const char *text = cmdline_option(line, name);
    unsigned number = text ? find(span_str(text)) : 0;
    *ret = VALUE_OF_INT(number);
    return text && !number
               ? command_wrong("--%s %s is none; see docs/operations.md, \"Audit\"", name, text)
               : EXIT_FINE;
}

static int take_options(struct lister *l, const struct cmdline *line, bool follow)
{
    int64_t since = 0, limit = 0;
    const char *player = cmdline_option(line, "player");
    int code = take_time(line, "since", 0, &since);
    if (code == EXIT_FINE)
        code = take_time(line, "until", INT64_MAX, &l->until_ms);
    if (code == EXIT_FINE)
        code = take_kind(line, "type", audit_type_find, &l->filter[1]);
    if (code == EXIT_FINE)
        code = take_kind(line, "subtype", audit_subtype_find, &l->filter[2]);
    if (code == EXIT_FINE && !cmdline_int(line, "limit", 0, LIMIT_MAX, follow ? 10 : 100, &limit))
        code = EXIT_USAGE;
    l->filter[0] = VALUE_OF_INT(since);
    l->filter[3] = VALUE_OF_TEXT(SPAN_NULL);
    l->filter[4] = VALUE_OF_TEXT(player ? span_str(player) : SPAN_NULL);
    l->limit = (size_t)limit;
    l->account = cmdline_option(line, "account");
    l->json = cmdline_has(line, "json");
    l->only = cmdline_option(line, "node");
    if (code == EXIT_FINE && player && !utf8_valid(span_str(player)))
        code = command_wrong("--player is no UTF-8");
    if (code == EXIT_FINE && l->account && !utf8_valid(span_str(l->account)))
        code = command_wrong("--account is no UTF-8");
    return code;
}

/* ---- names */

/* The number of --account, where there is such an account; records of failed logins have the name
 * itself. */
static int find_account(struct lister *l)
{
    struct value v[QUERY_VALUES];
    size_t at = 0;
    if (!l->account)
        return 0;
    const struct value name = VALUE_OF_TEXT(span_str(l->account));
    int rc = audit_db_ask(&l->db, QUERY_ACCOUNT_BY_NAME, &name, 1, &l->answer);
    if (rc == 0 && query_next(buf_span(&l->answer), &at, v) > 0)
        (void)snprintf(l->account_id, sizeof l->account_id, "#%" PRId64, query_int(&v[0]));
    return rc == E_NOENT ? 0 : rc;
}

static bool of_account(const struct lister *l, struct span account)
{
    return !l->account || span_eq(account, span_str(l->account)) ||
           (l->account_id[0] && span_eq(account, span_str(l->account_id)));
}

static int64_t id_of(struct span account)
{
    int64_t id = 0;
    if (account.n < 2 || account.n > 19 || account.p[0] != '#')
        return 0;
    for (size_t i = 1; i < account.n; i++) {
        if (!isdigit(account.p[i]))
            return 0;
        id = 10 * id + (account.p[i] - '0');
    }
    return id;
}

/* Empty: it is no account's number, or the account is gone. */
static struct span name_of(struct lister *l, struct span account)
{
    struct value v[QUERY_VALUES];
    size_t at = 0;
    int64_t id = id_of(account);
    struct name *name = &l->names[(uint64_t)id % NAMES];
    if (id == 0)
        return SPAN_NULL;
    if (name->id != id) {
        const struct value want = VALUE_OF_INT(id);
        *name = (struct name){.id = id};
        if (audit_db_ask(&l->db, QUERY_ACCOUNT_BY_ID, &want, 1, &l->answer) == 0 &&
            query_next(buf_span(&l->answer), &at, v) > 0) {
            struct span text = query_text(&v[1]);
            name->n = (uint16_t)(text.n < sizeof name->text ? text.n : sizeof name->text);
            memcpy(name->text, text.p, name->n);
        }
    }
    return span_of(name->text, name->n);
}

/* ---- lines */

static void put_time(struct buf *to, int64_t at_ms)
{
    char text[32] = "?";
    time_t s = (time_t)(at_ms / MS_PER_S);
    struct tm tm;
    if (gmtime_r(&s, &tm))
        (void)strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
    (void)buf_printf(to, "%s.%03dZ", text, (int)(at_ms % MS_PER_S));
}

/* What somebody wrote into the store by himself may hold anything: no byte of it moves a terminal's
 * cursor. */
static void put_field(struct buf *to, const char *key, struct span value)
{
    if (!value.n)
        return;
    (void)buf_printf(to, " %s=", key);
    json_put_string(to, utf8_valid(value) ? value : SPAN_LIT("?"));
}

static void put_text(struct lister *l, const char *node, const struct audit_row *row)
{
    const char *type = audit_type_name(row->r.type), *subtype = audit_subtype_name(row->r.subtype);
    struct span name = name_of(l, row->r.account);
    put_time(&l->line, row->r.at_ms);
    (void)buf_printf(&l->line, " %s#%" PRIu64 " %s%s%s", node, row->r.seq, type ? type : "?",
                     subtype ? "/" : "", subtype ? subtype : "");
    put_field(&l->line, "game", row->r.game);
    put_field(&l->line, "account", name.n ? name : row->r.account);
    put_field(&l->line, "player", row->r.player);
    put_field(&l->line, "address", row->r.address);
    put_field(&l->line, "target", row->r.target);
    put_field(&l->line, "details", row->r.details);
}

/* The line of an export, with the chain and the account's name before it. */
static int put_json(struct lister *l, const char *node, const struct audit_row *row)
{
    struct buf own;
    struct span name = name_of(l, row->r.account);
    if (audit_check(&row->r, NULL))
        return E_FORMAT;
    buf_init(&own, AUDIT_LINE_MAX);
    audit_line_write(&own, &row->r, &row->link);
    (void)buf_append_str(&l->line, "{\"node\":");
    json_put_string(&l->line, span_str(node));
    (void)buf_append_str(&l->line, ",\"account_name\":");
    json_put_string(&l->line, name);
    (void)buf_append_byte(&l->line, ',');
    (void)buf_append_span(&l->line, span_skip(buf_span(&own), 1));
    if (own.failed)
        l->line.failed = true;
    buf_fini(&own);
    return 0;
}

static int make_line(struct lister *l, const char *node, const struct audit_row *row)
{
    buf_clear(&l->line);
    if (!l->json || put_json(l, node, row))
        put_text(l, node, row);
    (void)buf_append_byte(&l->line, '\n');
    return l->line.failed ? E_NOMEM : 0;
}

static bool shown(const struct lister *l, const struct audit_row *row)
{
    return row->r.at_ms < l->until_ms && of_account(l, row->r.account);
}

/* ---- list */

/* The newest limit stay. */
static int keep(struct lister *l, int64_t at_ms)
{
    if (l->limit == 0)
        return 0;
    struct shown *s = &l->ring[l->kept++ % l->limit];
    char *text = strndup((const char *)l->line.p, l->line.n);
    if (!text)
        return E_NOMEM;
    free(s->text);
    *s = (struct shown){at_ms, text};
    return 0;
}

/* Records of a node above node->first - 1, into the ring; node->first moves on. */
static int gather(struct lister *l, struct audit_node *node, bool print)
{
    struct audit_row row;
    int rc = 0, n = 1;
    while (rc == 0 && n > 0) {
        size_t at = 0;
        n = 0;
        rc = audit_db_page(&l->db, node->name, node->first ? node->first - 1 : 0, l->filter,
                           &l->rows);
        while (rc == 0 && audit_row_next(&l->rows, &at, &row)) {
            n++;
            node->first = row.r.seq + 1;
            if (!shown(l, &row))
                continue;
            rc = make_line(l, node->name, &row);
            if (rc == 0 && print)
                rc = fwrite(l->line.p, 1, l->line.n, stdout) == l->line.n ? 0 : E_IO;
            else if (rc == 0)
                rc = keep(l, row.r.at_ms);
        }
        if (n < (int)AUDIT_PAGE)
            break;
    }
    return rc;
}

static int by_time(const void *a, const void *b)
{
    const struct shown *x = a, *y = b;
    return x->at_ms < y->at_ms ? -1 : x->at_ms > y->at_ms;
}

static bool filtered(const struct lister *l)
{
    return l->account || l->filter[0].u.i || l->filter[1].u.i || l->filter[2].u.i ||
           l->filter[4].u.text.n || l->until_ms != INT64_MAX;
}

/* What a node's newest records are is known where nothing is left out. */
static void skip_old(const struct lister *l, struct audit_node *node)
{
    if (!filtered(l) && node->last > l->limit && node->first + l->limit < node->last + 1)
        node->first = node->last + 1 - l->limit;
}

static int gather_all(struct lister *l)
{
    struct shown *all = l->ring;
    int rc = 0;
    for (size_t i = 0; i < l->nodes_n && rc == 0; i++) {
        if (l->only && strcmp(l->only, l->nodes[i].name) != 0)
            continue;
        skip_old(l, &l->nodes[i]);
        l->ring = all + i * l->limit;
        l->kept = 0;
        rc = gather(l, &l->nodes[i], false);
    }
    l->ring = all;
    return rc;
}

/* Those of all nodes by time; the newest limit are printed. */
static int print_kept(struct lister *l)
{
    size_t n = 0, all = l->nodes_n * l->limit;
    for (size_t i = 0; i < all; i++)
        if (l->ring[i].text) {
            struct shown s = l->ring[i];
            l->ring[i].text = NULL;
            l->ring[n++] = s;
        }
    qsort(l->ring, n, sizeof *l->ring, by_time);
    int rc = 0;
    for (size_t i = n > l->limit ? n - l->limit : 0; i < n && rc == 0; i++)
        rc = fputs(l->ring[i].text, stdout) < 0 ? E_IO : 0;
    return rc;
}

/* ---- tail */

static int follow_on(struct lister *l)
{
    struct audit_node fresh[AUDIT_NODES_MAX];
    nsec looked = clock_now().mono;
    int rc = 0;
    while (rc == 0) {
        if (fflush(stdout) != 0)
            return E_IO;
        (void)uvloop_run(l->db.uv, clock_now().mono + TAIL_EVERY);
        for (size_t i = 0; i < l->nodes_n && rc == 0; i++)
            if (!l->only || strcmp(l->only, l->nodes[i].name) == 0)
                rc = gather(l, &l->nodes[i], true);
        if (rc || clock_now().mono - looked < NODES_EVERY)
            continue;
        size_t n = 0;
        rc = audit_db_nodes(&l->db, l->own, fresh, &n);
        looked = clock_now().mono;
        for (size_t i = 0; i < n && rc == 0; i++) {
            size_t k = 0;
            while (k < l->nodes_n && strcmp(l->nodes[k].name, fresh[i].name) != 0)
                k++;
            if (k == l->nodes_n && k < AUDIT_NODES_MAX)
                l->nodes[l->nodes_n++] = fresh[i];
        }
    }
    return rc;
}

static int list_with(struct lister *l, bool follow)
{
    int rc = audit_db_nodes(&l->db, l->own, l->nodes, &l->nodes_n);
    if (rc == 0)
        rc = find_account(l);
    size_t all = l->nodes_n * l->limit;
    l->ring = rc == 0 ? mem_zalloc(all + 1, sizeof *l->ring) : NULL;
    if (!l->ring)
        return rc ? rc : E_NOMEM;
    rc = gather_all(l);
    if (rc == 0)
        rc = print_kept(l);
    for (size_t i = 0; i < all; i++)
        free(l->ring[i].text);
    mem_free(l->ring);
    return rc == 0 && follow ? follow_on(l) : rc;
}

int audit_list(const struct cmdline *line, const struct config *config, bool follow)
{
    struct buf why;
    struct lister *l = mem_zalloc(1, sizeof *l);
    if (!l)
        return command_failed("audit: %s", err_text(E_NOMEM));
    int code = take_options(l, line, follow);
    if (code) {
        mem_free(l);
        return code;
    }
    l->own = config_text(config, "server.node");
    buf_init(&why, 2048);
    buf_init(&l->rows, QUERY_BYTES_MAX);
    buf_init(&l->answer, QUERY_BYTES_MAX);
    buf_init(&l->line, LINE_MAX_);
    int rc = audit_db_open(&l->db, config, &why);
    if (rc == 0) {
        rc = list_with(l, follow);
        audit_db_close(&l->db);
    }
    code = rc ? audit_failed(rc, &why) : EXIT_FINE;
    buf_fini(&l->rows);
    buf_fini(&l->answer);
    buf_fini(&l->line);
    buf_fini(&why);
    mem_free(l);
    return code;
}
