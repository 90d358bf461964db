#include "sim/accounts/trail.h"

#include "base/check.h"
#include "sim/plan.h"
#include "sim/store.h"

#include <stdlib.h>

static void mark_seen(bool *seen, struct span details)
{
    static const struct span prefix = {(const uint8_t *)MARK, sizeof MARK - 1};
    uint32_t n = 0;
    if (details.n <= prefix.n || memcmp(details.p, prefix.p, prefix.n) != 0)
        return;
    for (size_t i = prefix.n; i < details.n && n < TOWN_MARKS; i++)
        n = 10 * n + (uint32_t)(details.p[i] - '0');
    if (n < TOWN_MARKS)
        seen[n] = true;
}

struct walk {
    struct chain_verifier v;
    struct chain_hasher *hasher;
    uint64_t last;
    bool *seen;
};

static void feed(struct walk *w, const struct audit_record *r, const struct chain_link *link)
{
    uint8_t bytes[AUDIT_BYTES_MAX];
    mark_seen(w->seen, r->details);
    if (r->seq <= w->last)
        return; /* spooled, and stored all the same */
    int n = audit_encode(r, bytes, sizeof bytes);
    CHECK(n > 0);
    CHECK(chain_verify_record(&w->v, r->seq, span_of(bytes, (size_t)n), link) == 0);
    w->last = r->seq;
}

static void walk_begin(struct walk *w, bool *seen)
{
    static const uint8_t private_key[CHAIN_KEY] = {1, 2, 3};
    uint8_t key[1][CHAIN_KEY];
    struct chain c;
    *w = (struct walk){.seen = seen};
    CHECK(chain_hasher_create(&w->hasher) == 0);
    CHECK(chain_public_key(private_key, key[0]) == 0);
    CHECK(chain_begin(&c, w->hasher, SPAN_LIT("sim")) == 0);
    CHECK(chain_verify_begin(&w->v, w->hasher, &c.origin, (const uint8_t(*)[CHAIN_KEY])key, 1,
                             NULL) == 0);
}

/* ---- the spool's lines, which may be of records between those of the store ---- */

struct spooled {
    uint64_t seq;
    struct span line;
};

struct lines {
    struct spooled *v;
    size_t n, at;
};

static void read_spool(struct town *t, struct lines *to)
{
    struct span rest = sim_disk_spool(t->sim->disk);
    size_t cap = 1;
    for (size_t i = 0; i < rest.n; i++)
        cap += rest.p[i] == '\n';
    *to = (struct lines){.v = calloc(cap, sizeof *to->v)};
    CHECK(to->v);
    while (rest.n) {
        const uint8_t *lf = memchr(rest.p, '\n', rest.n);
        struct audit_room room;
        struct audit_record r;
        struct chain_link link;
        size_t n = lf ? (size_t)(lf - rest.p) : rest.n;
        struct span line = span_of(rest.p, n);
        if (audit_line_read(&r, &link, &room, line, NULL))
            sim_find(t->sim, "audit", "a line of the spool cannot be read: %.*s", (int)n,
                     (const char *)rest.p);
        else
            to->v[to->n++] = (struct spooled){r.seq, line};
        rest = span_skip(rest, lf ? n + 1 : n);
    }
}

static void feed_spooled(struct walk *w, struct lines *lines, uint64_t before)
{
    struct audit_room room;
    struct audit_record r;
    struct chain_link link;
    for (; lines->at < lines->n && lines->v[lines->at].seq < before; lines->at++) {
        CHECK(audit_line_read(&r, &link, &room, lines->v[lines->at].line, NULL) == 0);
        feed(w, &r, &link);
    }
}

/* Of a group of records the store did some and not others, and the process died before it could
 * bring the others anywhere, or the spool failed as well: nobody was told that they are safe. */
static bool may_have_hole(const struct town *t)
{
    const double *x = t->sim->plan->strength;
    return (t->crashes || x[FAULT_DISK] > 0) &&
           (x[FAULT_STORE_FAIL] > 0 || x[FAULT_STORE_BUSY] > 0 || x[FAULT_DISK] > 0);
}

void trail_judge(struct town *t)
{
    struct audit_record r;
    struct chain_link link;
    struct audit_room room;
    struct walk w;
    struct lines lines;
    char words[CHAIN_WORDS_MAX];
    struct chain_report report;
    bool *seen = calloc(TOWN_MARKS, 1);
    CHECK(seen);
    walk_begin(&w, seen);
    read_spool(t, &lines);
    for (uint32_t i = 0; sim_disk_audit(t->sim->disk, i, &r, &link, &room); i++) {
        feed_spooled(&w, &lines, r.seq);
        feed(&w, &r, &link);
    }
    feed_spooled(&w, &lines, UINT64_MAX);
    for (uint32_t i = 0; i < t->marks_n; i++)
        if (t->marks[i] && !seen[i])
            sim_find(t->sim, "audit",
                     "record \"" MARK "%u\" was acknowledged and is neither in the "
                     "store nor in the spool",
                     i);
    chain_verify_report(&w.v, &report);
    bool hole = report.fault == CHAIN_REMOVED && may_have_hole(t);
    if (report.fault != CHAIN_GOOD && report.fault != CHAIN_UNSIGNED && !hole)
        sim_find(t->sim, "audit", "the chain does not hold: %s", chain_words(&report, words));
    chain_hasher_destroy(w.hasher);
    free(lines.v);
    free(seen);
}
