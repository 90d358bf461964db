#include "store/entry.h"

#include "base/mem.h"

static size_t text_bytes(const struct value *v, size_t n)
{
    size_t bytes = 0;
    for (size_t i = 0; i < n; i++)
        bytes += v[i].type == VALUE_TEXT ? v[i].u.text.n : 0;
    return bytes;
}

static void copy(struct entry *e, const struct value *v)
{
    uint8_t *at = (uint8_t *)(e->v + e->n);
    for (size_t i = 0; i < e->n; i++) {
        e->v[i] = v[i];
        if (v[i].type != VALUE_TEXT)
            continue;
        if (v[i].u.text.n)
            memcpy(at, v[i].u.text.p, v[i].u.text.n);
        e->v[i].u.text.p = at;
        at += v[i].u.text.n;
    }
}

struct entry *entry_make(const struct ask *ask, struct ask_owner owner, int64_t unix_ms)
{
    struct value v[QUERY_VALUES];
    enum ask_op op;
    size_t n;
    int rc = ask_sql_parameters(ask, &op, v, &n);
    if (rc)
        n = 0;
    size_t size = sizeof(struct entry) + n * sizeof *v + text_bytes(v, n);
    struct entry *e = mem_zalloc(1, size);
    if (!e)
        return NULL;
    e->owner = owner;
    e->kind = ask->kind;
    e->op = op;
    e->refused = e->answer.rc = rc;
    e->unix_ms = unix_ms;
    e->size = size;
    e->n = n;
    buf_init(&e->rows, QUERY_BYTES_MAX);
    copy(e, v);
    return e;
}

void entry_clear(struct entry *e)
{
    buf_fini_secret(&e->rows);
    e->rows_n = 0;
    mem_wipe(&e->answer, sizeof e->answer);
}

void entry_free(struct entry *e)
{
    if (!e)
        return;
    buf_fini_secret(&e->rows);
    mem_free_secret(e, e->size);
}
