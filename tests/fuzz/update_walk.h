/* What must hold for any text that may be an UPDATE or INPUT: whatever is accepted is written anew
 * as a message of the verified session that is accepted again, says the same, and does not change
 * any more; and what would be relayed as it came cannot be read as another session's by a plain
 * search.
 */
#ifndef SLIPGATE_TESTS_FUZZ_UPDATE_WALK_H
#define SLIPGATE_TESTS_FUZZ_UPDATE_WALK_H

#include "fuzz.h"

#include "base/err.h"
#include "games/racing/update.h"

#define ID "0123456789abcdef0123456789abcdef"

static bool same_value(const struct json_val *a, const struct json_val *b)
{
    return a->type == b->type && span_eq(a->raw, b->raw);
}

/* Each value is what it was, or the default where there was none. */
static void compare(const struct update *u, const struct update *v)
{
    MUST(u->kind == v->kind && u->client_id == v->client_id);
    MUST(memcmp(u->position, v->position, sizeof u->position) == 0);
    MUST(memcmp(u->rotation, v->rotation, sizeof u->rotation) == 0);
    MUST(same_value(&u->room_id, &v->room_id));
    for (size_t p = 0; p < UPDATE_PARTS; p++) {
        MUST((u->part[p].name == NULL) == (v->part[p].name == NULL));
        for (size_t i = 0; i < UPDATE_VALUES; i++) {
            const struct json_val *a = &u->part[p].value[i], *b = &v->part[p].value[i];
            if (a->type == JSON_NUMBER)
                MUST(same_value(a, b));
            else
                MUST(b->type == JSON_NUMBER || b->type == JSON_ABSENT);
        }
    }
}

static struct span copy_of(const struct buf *b)
{
    uint8_t *p = malloc(b->n ? b->n : 1);
    MUST(p);
    memcpy(p, b->p, b->n);
    return span_of(p, b->n);
}

static unsigned count(struct span in, const char *what)
{
    unsigned n = 0;
    size_t len = strlen(what);
    for (size_t i = 0; i + len <= in.n; i++)
        n += memcmp(in.p + i, what, len) == 0;
    return n;
}

/* Whether text is such a message. */
static bool update_walk(struct span text)
{
    struct update u, v, w;
    size_t size = text.n;
    int rc = update_parse(text, &u);
    if (rc) {
        MUST(rc == E_FORMAT || rc == E_RANGE);
        return false;
    }
    MUST(u.session_id.n > 0 && u.text.p >= text.p && u.text.p + u.text.n <= text.p + text.n);
    if (!u.rewrite) {
        MUST(count(u.text, "\"sessionId\"") == 1);
        MUST(count(u.text, "client_id") == u.client_id);
    }
    struct buf first, second;
    buf_init(&first, size + 512); /* what the relay sets aside for it */
    buf_init(&second, size + 1024);
    update_rewrite(&u, SPAN_LIT(ID), &first);
    MUST(!first.failed);
    struct span once = copy_of(&first);
    MUST(update_parse(once, &v) == 0);
    MUST(span_eq(v.session_id, SPAN_LIT(ID)));
    compare(&u, &v);
    MUST(v.part[0].complete && (v.kind == UPDATE_INPUT || v.part[1].complete));
    update_rewrite(&v, SPAN_LIT(ID), &second);
    MUST(span_eq(buf_span(&second), once));
    MUST(update_parse(buf_span(&second), &w) == 0);
    free((void *)(uintptr_t)once.p);
    buf_fini(&first);
    buf_fini(&second);
    return true;
}

#endif
