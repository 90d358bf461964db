/* Datagrams out: each is one that was due to just that recipient, sealed as that one's are; and all
 * that are due go, unless the socket is full or memory failed. */
#include "sim/racing/oracle_model.h"

#include "base/check.h"
#include "sim/node.h"

#include <stdlib.h>

static bool same_endpoint(const struct path *a, const struct path *b)
{
    return a->sock == b->sock && addr_eq(&a->peer, &b->peer);
}

void o_heard_from(struct racing_oracle *o, uint32_t link)
{
    o->call_senders =
        o_grow(o->call_senders, o->call_senders_n, &o->call_senders_cap, sizeof *o->call_senders);
    o->call_senders[o->call_senders_n++] = link;
}

/* ---- texts ---- */

static uint32_t text_add(struct racing_oracle *o, const struct o_link *from,
                         const struct o_message *m)
{
    if (o->texts_free == NOBODY) {
        uint32_t n = o->texts_n + 64;
        o->texts = realloc(o->texts, n * sizeof *o->texts);
        CHECK(o->texts);
        for (uint32_t i = n; i-- > o->texts_n;) {
            o->texts[i].next_free = o->texts_free;
            o->texts_free = i;
        }
        o->texts_n = n;
    }
    uint32_t i = o->texts_free;
    struct o_text *t = &o->texts[i];
    o->texts_free = t->next_free;
    t->refs = 0;
    t->rewrite = m->rewrite;
    t->input = m->input;
    t->sender = o_index(o, from);
    memcpy(t->sender_id, from->id, sizeof t->sender_id);
    t->n = m->text.n;
    memcpy(t->bytes, m->text.p, m->text.n);
    return i;
}

static void text_drop(struct racing_oracle *o, uint32_t i)
{
    struct o_text *t = &o->texts[i];
    if (--t->refs)
        return;
    t->next_free = o->texts_free;
    o->texts_free = i;
}

/* ---- what is due ---- */

static bool form_for(const struct racing_oracle *o, const struct o_link *m, enum o_form *ret)
{
    *ret = m->aead ? FORM_AEAD : m->sealed_seen && m->out_keys ? FORM_CBC : FORM_PLAIN;
    if (o->set.require_aead)
        return m->aead;
    return *ret != FORM_PLAIN || o->set.plain != O_PLAIN_OFF;
}

static void due_add(struct racing_oracle *o, uint32_t link, const struct path *path, uint32_t text,
                    enum o_form form, bool optional)
{
    o->dues = o_grow(o->dues, o->dues_n, &o->dues_cap, sizeof *o->dues);
    uint32_t i = o->dues_n++;
    struct o_link *l = &o->links[link];
    o->dues[i] = (struct o_due){.used = true,
                                .optional = optional,
                                .form = form,
                                .link = link,
                                .link_no = l->no,
                                .path = *path,
                                .text = text,
                                .next = NOBODY};
    o->texts[text].refs++;
    if (l->due_call == o->call)
        o->dues[l->due_last].next = i;
    else
        l->due = i;
    l->due_call = o->call;
    l->due_last = i;
}

void o_relay(struct racing_oracle *o, struct o_link *from, const struct o_message *m)
{
    const struct o_room *r = o_room_of(o, from);
    uint32_t text = NOBODY;
    enum o_form form;
    for (uint32_t i = 0; r && i < r->n; i++) {
        struct o_link *l = &o->links[r->members[i]];
        bool doubt = from->unsure || l->unsure;
        if (l == from || (!l->has_path && !(l->unsure && l->had_path)) || !form_for(o, l, &form))
            continue;
        if (text == NOBODY)
            text = text_add(o, from, m);
        if (l->has_path)
            due_add(o, r->members[i], &l->path, text, form, doubt);
        if (l->unsure && l->had_path)
            due_add(o, r->members[i], &l->old_path, text, form, true);
    }
}

/* ---- going out ---- */

/* Where the recipient splits at LF, each one (it can only be white space) became a blank. */
static bool is_text(struct racing_oracle *o, const struct o_text *t, struct span out, bool pack)
{
    struct span in = span_of(t->bytes, t->n);
    if (pack && memchr(in.p, '\n', in.n)) {
        for (size_t i = 0; i < in.n; i++)
            o->scratch[1][i] = in.p[i] == '\n' ? ' ' : in.p[i];
        in.p = o->scratch[1];
    }
    if (t->rewrite != REWRITE_YES && span_eq(in, out))
        return true;
    return t->rewrite != REWRITE_NO && o_rewritten_well(t, in, out);
}

/* Where a session that is in doubt is heard from: any port of its machine. */
static bool goes_to(const struct racing_oracle *o, const struct o_due *d, const struct path *path)
{
    return same_endpoint(&d->path, path) ||
           (d->optional && o->links[d->link].unsure && addr_same_host(&d->path.peer, &path->peer));
}

static bool take_due(struct racing_oracle *o, struct o_due *d, const struct path *path,
                     struct span out, enum o_form form)
{
    const struct o_link *l = &o->links[d->link];
    if (!d->used || !goes_to(o, d, path) || (d->form != form && !(d->optional && l->unsure)) ||
        !is_text(o, &o->texts[d->text], out, form == FORM_AEAD && l->pack))
        return false;
    d->used = false;
    text_drop(o, d->text);
    o->stats.deliveries++;
    return true;
}

/* One message within a datagram: of this call, or of those the full socket kept. */
static bool take(struct racing_oracle *o, struct o_link *l, const struct path *path,
                 struct span out, enum o_form form)
{
    for (uint32_t i = 0; i < o->late_n; i++)
        if (take_due(o, &o->late[i], path, out, form))
            return true;
    if (l && l->due_call == o->call)
        for (uint32_t i = l->due; i != NOBODY; i = o->dues[i].next)
            if (take_due(o, &o->dues[i], path, out, form))
                return true;
    return false;
}

/* Whose endpoint it is, or was when it was queued. */
static uint32_t recipient(const struct racing_oracle *o, const struct path *path, uint32_t after)
{
    uint32_t now = o_link_by_path(o, path);
    if (after == NOBODY && now != NOBODY)
        return now;
    for (uint32_t i = 0; i < o->dues_n; i++)
        if (o->dues[i].used && o->dues[i].link != after && goes_to(o, &o->dues[i], path))
            return o->dues[i].link;
    for (uint32_t i = 0; i < o->late_n; i++)
        if (o->late[i].used && o->late[i].link != after && goes_to(o, &o->late[i], path))
            return o->late[i].link;
    return NOBODY;
}

static int open_for(struct o_link *l, struct span bytes, uint8_t *to, enum o_form *form)
{
    const uint8_t *conn;
    uint64_t seq;
    *form = o_is_aead(bytes, &conn) ? FORM_AEAD : o_is_cbc(bytes) ? FORM_CBC : FORM_PLAIN;
    if (*form == FORM_PLAIN) {
        if (bytes.n == 0 || bytes.p[bytes.n - 1] != '\n')
            return -1;
        memcpy(to, bytes.p, bytes.n - 1);
        return (int)bytes.n - 1;
    }
    if (!l || !l->out_keys || l->aead != (*form == FORM_AEAD))
        return -1;
    int n = o_keys_open(l->out_keys, bytes, to, &seq);
    if (n >= 0 && l->aead) {
        if (!o_seq_is_new(l->out_keys, seq))
            return -1;
        o_seq_mark(l->out_keys, seq);
    }
    return n;
}

/* True when all of it was due. */
static bool was_due(struct racing_oracle *o, struct o_link *l, const struct path *path,
                    struct span bytes)
{
    enum o_form form;
    int n = open_for(l, bytes, o->scratch[0], &form);
    if (n < 0)
        return false;
    struct span text = span_of(o->scratch[0], (size_t)n);
    bool split = l && l->pack && form == FORM_AEAD;
    if (split && bytes.n > PACK_N && memchr(text.p, '\n', text.n))
        return false;
    for (;;) {
        const uint8_t *lf = split ? memchr(text.p, '\n', text.n) : NULL;
        size_t len = lf ? (size_t)(lf - text.p) : text.n;
        if (!take(o, l, path, span_of(text.p, len), form))
            return false;
        if (!lf)
            return true;
        text = span_skip(text, len + 1);
    }
}

void oracle_dgram_out(struct sim *s, const struct path *path, struct span bytes)
{
    struct racing_oracle *o = oracle_of(s);
    char text[ADDR_TEXT_MAX];
    uint32_t i = recipient(o, path, NOBODY), was;
    o->dgrams_sent = true;
    if (bytes.n > sizeof o->scratch[0] || was_due(o, o_link(o, i), path, bytes))
        return;
    was = recipient(o, path, i == NOBODY ? NOBODY - 1 : i);
    if (was != NOBODY && was_due(o, o_link(o, was), path, bytes))
        return;
    /* Memory may have failed where an endpoint was to move: then the old one is as good. */
    o_suspect(o, o_oracle_for(o->last_drop),
              "a datagram of %zu bytes went to %s (session %.8s), to "
              "whom none like it was due",
              bytes.n, addr_text(&path->peer, text), i == NOBODY ? "none" : o->links[i].id);
}

/* ---- the end of the call ---- */

static uint64_t given_up(const struct racing_oracle *o)
{
    const struct egress_stats *e = sim_node_egress(o->sim);
    return e ? e->dropped + e->seal_failed : UINT64_MAX; /* the process took them with it */
}

/* The full socket kept it; a newer one of the same kind stands in for an older one. */
static void keep_late(struct racing_oracle *o, const struct o_due *d)
{
    const struct o_text *t = &o->texts[d->text];
    uint32_t at = o->late_n;
    for (uint32_t i = 0; i < o->late_n; i++) {
        struct o_due *l = &o->late[i];
        const struct o_text *was = &o->texts[l->text];
        if (!l->used) {
            at = i;
        } else if (l->link == d->link && l->form == d->form &&
                   memcmp(was->sender_id, t->sender_id, ID_N) == 0 && was->input == t->input &&
                   same_endpoint(&l->path, &d->path)) {
            text_drop(o, l->text);
            at = i;
            break;
        }
    }
    o->late = o_grow(o->late, o->late_n, &o->late_cap, sizeof *o->late);
    o->late_n += at == o->late_n;
    if (o->late_n == 1 && at == 0)
        o->late_lost = given_up(o);
    o->late[at] = *d;
    o->late[at].sure = !d->optional;
    o->late[at].keys = o->links[d->link].keys_made;
    o->late[at].optional = true;
}

/* Kept for somebody who is there still, under the keys he has still, and nothing was given up. */
static bool late_is_due(struct racing_oracle *o, const struct o_due *d)
{
    const struct o_link *to = o_link(o, d->link), *from = o_link(o, o->texts[d->text].sender);
    return d->used && d->sure && to && to->no == d->link_no && !to->mute &&
           to->keys_made == d->keys && from && !from->mute &&
           memcmp(from->id, o->texts[d->text].sender_id, ID_N) == 0 &&
           given_up(o) == o->late_lost && !o->ever_short;
}

static void late_judge(struct racing_oracle *o)
{
    for (uint32_t i = 0; i < o->late_n; i++)
        if (late_is_due(o, &o->late[i]))
            o_suspect(o, "delivery",
                      "session %.8s did not get, once the socket took datagrams again, what "
                      "session %.8s sent: %.*s",
                      o->links[o->late[i].link].id, o->texts[o->late[i].text].sender_id,
                      o->texts[o->late[i].text].n > 200 ? 200 : (int)o->texts[o->late[i].text].n,
                      (const char *)o->texts[o->late[i].text].bytes);
}

void o_relay_forget(struct racing_oracle *o)
{
    for (uint32_t i = 0; i < o->late_n; i++)
        if (o->late[i].used)
            text_drop(o, o->late[i].text);
    o->late_n = 0;
}

void o_relay_settle(struct racing_oracle *o)
{
    bool full = sim_node_socket_full(o->sim);
    for (uint32_t i = 0; i < o->dues_n; i++) {
        const struct o_due *d = &o->dues[i];
        if (!d->used)
            continue;
        if (full) {
            keep_late(o, d);
            continue;
        }
        if (!d->optional)
            o_suspect(o, "delivery", "session %.8s did not get what session %.8s sent: %.*s",
                      o->links[d->link].id, o->texts[d->text].sender_id,
                      o->texts[d->text].n > 200 ? 200 : (int)o->texts[d->text].n,
                      (const char *)o->texts[d->text].bytes);
        text_drop(o, d->text);
    }
    if (o->late_n && !full && !sim_node_socket_waits(o->sim)) {
        late_judge(o);
        o_relay_forget(o);
    }
    o->dues_n = o->call_senders_n = 0;
    o->dgrams_sent = false;
    o->last_drop = DROP_NONE;
}

/* Some of this call's datagrams may have been dropped, and endpoints not moved. */
void o_relay_excuse(struct racing_oracle *o)
{
    if (o->kind != CALL_DGRAMS)
        return;
    for (uint32_t i = 0; i < o->dues_n; i++)
        o->dues[i].optional = true;
    for (uint32_t i = 0; i < o->call_senders_n; i++)
        o->links[o->call_senders[i]].unsure = true;
    o->unsure_until = o_now(o) + 2 * NSEC_PER_S;
}
