/* UPDATE and INPUT built member by member, in any order and spelling, whole or with parts missing:
 * what is read is what was built, with the documented defaults, and exactly what is incomplete or
 * doubtful is to be written anew. Then damaged: update_walk.h says what must hold. */
#include "update_walk.h"

struct made {
    struct span *in;
    struct buf text;
    bool input, nested, complete,
        plain; /* plain: no name at the top is spelt with escapes, no doubt about the sender */
    float value[8];
    bool given[8];
};

static const char *const axes[] = {"x", "y", "z", "x", "y", "z", "w"};
static const char *const controls[] = {"steering", "throttle", "brake", "timestamp"};

static void put_comma(struct made *m)
{
    if (m->text.p[m->text.n - 1] != '{')
        (void)buf_append_byte(&m->text, ',');
}

static void put_name(struct made *m, const char *name)
{
    put_comma(m);
    if (fuzz_chance(m->in, 6)) {
        (void)buf_printf(&m->text, "\"\\u%04x%s\": ", (unsigned char)name[0], name + 1);
        m->plain = false;
    } else {
        (void)buf_printf(&m->text, "\"%s\":", name);
    }
}

static void put_value(struct made *m, size_t i, const char *name, float fallback)
{
    uint32_t bits = (uint32_t)fuzz_number(m->in, 4);
    uint8_t how = (uint8_t)(bits & 7);
    memcpy(&m->value[i], &bits, sizeof bits);
    m->given[i] = how > 1 && (bits >> 23 & 0xff) != 0xff;
    if (m->given[i]) {
        put_name(m, name);
        json_put_float(&m->text, m->value[i]);
        return;
    }
    m->value[i] = fallback;
    m->complete = false;
    if (how == 1) {
        put_name(m, name);
        (void)buf_append_str(&m->text, "null");
    }
}

/* The last of an UPDATE's is the rotation's w. */
static float fallback_of(size_t i)
{
    return i == 6 ? 1 : 0;
}

static void put_part(struct made *m, const char *name, size_t from, size_t to)
{
    if (fuzz_chance(m->in, 24)) { /* missing whole */
        for (size_t i = from; i < to; i++)
            m->value[i] = fallback_of(i);
        m->complete = false;
        return;
    }
    put_name(m, name);
    (void)buf_append_byte(&m->text, '{');
    bool plain = m->plain; /* how values are spelt casts no doubt on the sender */
    for (size_t i = from; i < to; i++)
        put_value(m, i, m->input ? controls[i] : axes[i], fallback_of(i));
    m->plain = plain;
    (void)buf_append_byte(&m->text, '}');
}

static void put_head(struct made *m)
{
    static const char *const commands[][2] = {{"UPDATE", "INPUT"}, {"update", "Input"}};
    put_name(m, "command");
    (void)buf_printf(&m->text, "\"%s\"", commands[fuzz_chance(m->in, 64)][m->input]);
    put_name(m, "sessionId");
    (void)buf_append_str(&m->text, "\"" ID "\"");
}

static void put_body(struct made *m)
{
    if (!m->input) {
        put_part(m, "position", 0, 3);
        put_part(m, "rotation", 3, 7);
    } else if (m->nested) {
        put_part(m, "input", 0, 4);
    } else {
        for (size_t i = 0; i < 4; i++)
            put_value(m, i, controls[i], 0);
    }
}

static void put_more(struct made *m)
{
    uint8_t what = fuzz_byte(m->in);
    if (what & 1) {
        put_name(m, "client_id");
        (void)buf_append_str(&m->text, what & 2 ? "\"" ID "\"" : "\"somebody\"");
        m->plain &= (what & 2) != 0;
    }
    if (what & 4) {
        put_name(m, "lap");
        (void)buf_append_str(&m->text, "[1,{\"x\":2}]");
    }
    if (what & 8) {
        put_name(m, "roomId");
        (void)buf_append_str(&m->text, "\"r\"");
    }
}

static void as_built(const struct made *m, const struct update *u)
{
    MUST(u->kind == (m->input ? UPDATE_INPUT : UPDATE_POSITION));
    MUST(span_eq(u->session_id, SPAN_LIT(ID)));
    MUST(u->rewrite == (!m->complete || !m->plain));
    if (!m->input) {
        MUST(memcmp(u->position, m->value, 3 * sizeof(float)) == 0);
        MUST(memcmp(u->rotation, m->value + 3, 4 * sizeof(float)) == 0);
    }
    for (size_t i = 0; i < 4 && m->input; i++)
        MUST((u->part[0].value[i].type == JSON_NUMBER) == m->given[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = span_of(data, size);
    uint8_t form = fuzz_byte(&in);
    struct made m = {
        .in = &in, .input = form & 1, .nested = form & 2, .complete = true, .plain = true};
    struct update u;
    buf_init(&m.text, 4096);
    (void)buf_append_byte(&m.text, '{');
    void (*const parts[])(struct made *) = {put_head, put_body, put_more};
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        parts[(i + form / 4) % ARRAY_LEN(parts)](&m);
    (void)buf_append_byte(&m.text, '}');
    MUST(!m.text.failed);
    uint8_t *exact = fuzz_copy(buf_span(&m.text));
    struct span whole = span_of(exact, m.text.n);
    bool empty = m.input && !m.given[0] && !m.given[1] && !m.given[2];
    MUST(update_parse(whole, &u) == (empty ? E_FORMAT : 0));
    if (!empty)
        as_built(&m, &u);
    (void)update_walk(whole);
    for (int i = 0; i < 2; i++) {
        struct span bad = fuzz_damage(&in, whole);
        (void)update_walk(bad);
        fuzz_free(bad);
    }
    free(exact);
    buf_fini(&m.text);
    return 0;
}
