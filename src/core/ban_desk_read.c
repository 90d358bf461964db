/* Reading the list: page by page into a list of its own, which takes the old one's place when it is
 * complete. */
#include "core/ban_desk_priv.h"

#include "base/err.h"
#include "base/plant.h"
#include "core/query.h"

#define PAGE       500 /* a page of the largest rows stays below QUERY_BYTES_MAX */
#define READ_EVERY (30 * NSEC_PER_S)
/* Between two readings of a list of several pages: other processes that ban guessers by the dozen
 * must not keep the database busy with a hundred pages for each. */
#define RESTS       NSEC_PER_S
#define ADDR_DIGITS 32u

static const struct log_row log_read = {LOG_INFO, "ban.list_read", "list of bans read"};
static const struct log_row log_failed = {
    LOG_WARN, "ban.list_failed", "the list of bans cannot be read: the last one stays in force"};
static const struct log_row log_row_wrong = {LOG_ERROR, "ban.row_wrong",
                                             "a ban in the database is wrong and left out"};
static const struct log_row log_full = {LOG_ERROR, "ban.list_full",
                                        "more bans than are possible: the newest are left out"};

void ban_desk_reload(struct ban_desk *d, struct now now)
{
    if (d->next) {
        d->again = true;
    } else {
        nsec at = now.mono < d->rests ? d->rests : now.mono;
        if (at >= d->reload_at && d->reloads)
            return;
        d->reload_at = at;
        ban_desk_wake(d, at);
    }
}

static void give_up(struct ban_desk *d, struct now now, int rc)
{
    bans_destroy(d->next);
    d->next = NULL;
    buf_fini(&d->found);
    if (d->reload_faults == 0)
        LOG(d->cfg.log, &log_failed, LF_STR("error", err_name(rc)));
    metrics_add(d->cfg.metrics, d->rows + ROW_READ_FAILED, 1);
    d->reload_at = now.mono + ban_desk_back_off(d->reload_faults++);
    d->again = false; /* it will be read anew anyhow */
}

static int ask_page(struct ban_desk *d, struct now now)
{
    struct value v[] = {VALUE_OF_INT(d->after), VALUE_OF_INT(now.unix_ms), VALUE_OF_INT(PAGE)};
    return ban_desk_ask(d, QUERY_BAN_LIST, v, ARRAY_LEN(v), REQ_PAGE);
}

void ban_desk_read(struct ban_desk *d, struct now now)
{
    if (d->next || now.mono < d->reload_at)
        return;
    d->reloads++;
    d->after = 0;
    d->again = false;
    int rc = bans_create(&d->next, d->cfg.seed);
    if (!rc)
        rc = ask_page(d, now);
    if (rc)
        give_up(d, now, rc);
}

static int hex(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool parse_ip(struct span s, uint8_t ip[16])
{
    if (s.n != ADDR_DIGITS)
        return false;
    for (size_t i = 0; i < 16; i++) {
        int high = hex(s.p[2 * i]), low = hex(s.p[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        ip[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static bool parse_row(const struct value *v, struct ban *b)
{
    int64_t kind = query_int(&v[1]), bits = query_int(&v[4]);
    *b = (struct ban){
        .id = query_int(&v[0]),
        .kind = kind == 0 ? BAN_ACCOUNT : BAN_NET,
        .game = query_text(&v[5]),
        .reason = query_text(&v[6]),
        .author = query_text(&v[7]),
        .evidence = query_text(&v[8]),
        .created = query_int(&v[9]),
        .expires = query_int(&v[10]),
    };
    if (kind == 0)
        b->account = query_int(&v[2]);
    else
        b->bits = bits < 0 || bits > 128 ? UINT8_MAX : (uint8_t)bits;
    return kind == 0 || (kind == 1 && parse_ip(query_text(&v[3]), b->ip));
}

/* Takes one row over; a wrong one is told and left out. E_NOMEM. E_FULL: no more. */
static int take_row(struct ban_desk *d, const struct value *v)
{
    struct ban b;
    int rc = !parse_row(v, &b)                                   ? E_RANGE
             : PLANTED(BAN_FORGOTTEN_AFTER_RESTART) && !d->ready ? 0
                                                                 : bans_add(d->next, &b);
    if (b.id > d->after)
        d->after = b.id;
    if (rc == E_RANGE)
        LOG(d->cfg.log, &log_row_wrong, LF_INT("ban", b.id));
    else if (rc == 0 && !bans_get(d->bans, b.id))
        rc = buf_append(&d->found, &b.id, sizeof b.id);
    return rc == E_NOMEM || rc == E_LIMIT ? E_NOMEM : rc == E_FULL ? E_FULL : 0;
}

static void finish(struct ban_desk *d, struct now now)
{
    int rc = changes_carry(d, d->next);
    if (rc == 0)
        rc = buf_append_span(&d->fresh, buf_span(&d->found));
    if (rc) {
        d->fresh.failed = false;
        give_up(d, now, rc);
        return;
    }
    bans_replace(d->bans, d->next);
    d->next = NULL;
    buf_fini(&d->found);
    if (!d->ready || d->reload_faults)
        LOG(d->cfg.log, &log_read, LF_UINT("bans", bans_live(d->bans)));
    metrics_add(d->cfg.metrics, d->rows + ROW_READ_OK, 1);
    d->ready = true;
    d->reload_faults = 0;
    d->rests = now.mono + (bans_live(d->bans) > PAGE ? RESTS : 0);
    d->reload_at = d->again ? d->rests : now.mono + READ_EVERY;
    changes_settle(d, now);
}

void ban_desk_page(struct ban_desk *d, struct now now, const struct answer *a)
{
    struct value v[QUERY_VALUES];
    size_t at = 0;
    int64_t rows = 0;
    int rc = a->rc;
    while (rc == 0 && query_next(a->u.rows, &at, v) > 0) {
        rows++;
        rc = take_row(d, v);
    }
    if (rc == E_FULL && a->rc == 0) {
        LOG(d->cfg.log, &log_full, LF_UINT("bans", BANS_MAX));
        rows = rc = 0;
    }
    if (rc == 0 && rows >= PAGE)
        rc = ask_page(d, now);
    else if (rc == 0) {
        finish(d, now);
        return;
    }
    if (rc)
        give_up(d, now, rc);
}
