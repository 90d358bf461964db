#include "tmpl.h"

#include "base/check.h"
#include "wire/json.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

/* A piece of an expected text: literal bytes, or a hole. */
struct piece {
    bool hole, in_string;
    bool id;
    char name[VAR_NAME_MAX]; /* "": forgotten */
    size_t at, n;            /* literal: where in the text buffer */
};

struct pieces {
    struct piece v[2 * TMPL_HOLES];
    size_t n;
    struct buf text;
};

/* ---- variables ---- */

void vars_fini(struct vars *vs)
{
    for (size_t i = 0; i < vs->n; i++)
        free(vs->v[i].text);
    free(vs->v);
    *vs = (struct vars){0};
}

static struct var *find(const struct vars *vs, const char *name)
{
    for (size_t i = vs->n; i-- > 0;)
        if (strcmp(vs->v[i].name, name) == 0)
            return &vs->v[i];
    return NULL;
}

void vars_set(struct vars *vs, const char *name, struct span text, bool lazy)
{
    struct var *v = find(vs, name);
    if (!v) {
        if (vs->n == vs->cap) {
            vs->cap = vs->cap ? 2 * vs->cap : 32;
            vs->v = realloc(vs->v, vs->cap * sizeof *vs->v);
            CHECK(vs->v);
        }
        v = &vs->v[vs->n++];
        *v = (struct var){0};
        (void)snprintf(v->name, sizeof v->name, "%s", name);
    }
    free(v->text);
    v->text = malloc(text.n + 1);
    CHECK(v->text);
    if (text.n)
        memcpy(v->text, text.p, text.n);
    v->text[text.n] = '\0';
    v->lazy = lazy;
}

const char *vars_get(const struct vars *vs, const char *name)
{
    const struct var *v = find(vs, name);
    return v ? v->text : NULL;
}

/* ---- names and holes ---- */

/* A word, perhaps with [i] behind it. */
static size_t word_length(const char *p)
{
    size_t n = 0;
    if (!isalpha((unsigned char)p[0]))
        return 0;
    while (isalnum((unsigned char)p[n]) || p[n] == '_')
        n++;
    if (p[n] != '[')
        return n;
    size_t m = n + 1;
    while (isalnum((unsigned char)p[m]))
        m++;
    return p[m] == ']' && m > n + 1 ? m + 1 : n;
}

size_t tmpl_name(const char *p)
{
    size_t n = word_length(p);
    if (n == 0 || p[n] != '.')
        return n;
    size_t m = word_length(p + n + 1);
    return m ? n + 1 + m : n;
}

size_t tmpl_hole(const char *p, struct span *name, struct span *class)
{
    size_t n = p[0] != '<' ? 0 : p[1] == '*' ? 1 : tmpl_name(p + 1);
    if (n == 0)
        return 0;
    *name = p[1] == '*' ? SPAN_NULL : span_of(p + 1, n);
    *class = SPAN_NULL;
    size_t end = 1 + n;
    if (p[end] == ':') {
        size_t m = word_length(p + end + 1);
        *class = span_of(p + end + 1, m);
        end += 1 + m;
    }
    return p[end] == '>' ? end + 1 : 0;
}

bool tmpl_index(const struct vars *vs, struct span name, char to[VAR_NAME_MAX])
{
    const char *p = (const char *)name.p;
    size_t n = 0, i = 0;
    while (i < name.n && n + 1 < VAR_NAME_MAX) {
        to[n++] = p[i++];
        if (to[n - 1] != '[' || isdigit((unsigned char)p[i]))
            continue;
        char variable[VAR_NAME_MAX];
        size_t m = 0;
        while (i + m < name.n && p[i + m] != ']')
            m++;
        (void)snprintf(variable, sizeof variable, "%.*s", (int)m, p + i);
        const char *number = vars_get(vs, variable);
        if (!number)
            return false;
        n += (size_t)snprintf(to + n, VAR_NAME_MAX - n, "%s", number);
        if (n >= VAR_NAME_MAX)
            return false;
        i += m;
    }
    to[n] = '\0';
    return i == name.n;
}

/* ---- filling in ---- */

/* With `holes` the text stays in the language: only `let` texts are put in. */
static bool fill(const struct vars *vs, const char *text, bool holes, unsigned depth,
                 struct buf *to, struct buf *why)
{
    for (const char *p = text; *p;) {
        size_t n = *p == '$' ? tmpl_name(p + 1) : 0;
        char name[VAR_NAME_MAX];
        if (*p == '$' && p[1] == '$') {
            (void)buf_append(to, "$$", holes ? 2 : 1);
            p += 2;
            continue;
        }
        if (n == 0) {
            (void)buf_append_byte(to, (uint8_t)*p++);
            continue;
        }
        const struct var *v = tmpl_index(vs, span_of(p + 1, n), name) ? find(vs, name) : NULL;
        if (!v || depth == 0) {
            (void)buf_printf(why,
                             v ? "$%.*s is a text within itself, or within too many"
                               : "nothing is bound to $%.*s",
                             (int)n, p + 1);
            return false;
        }
        if (v->lazy && !fill(vs, v->text, holes, depth - 1, to, why))
            return false;
        if (!v->lazy && holes)
            (void)buf_append(to, p, n + 1);
        if (!v->lazy && !holes)
            (void)buf_append_str(to, v->text);
        p += n + 1;
    }
    return true;
}

bool tmpl_fill(const struct vars *vs, const char *text, struct buf *to, struct buf *why)
{
    return fill(vs, text, false, TMPL_DEPTH, to, why) && !to->failed;
}

/* ---- expected texts ---- */

static void add_literal(struct pieces *ps, const char *p, size_t n)
{
    struct piece *last = ps->n ? &ps->v[ps->n - 1] : NULL;
    if (!last || last->hole) {
        CHECK(ps->n < ARRAY_LEN(ps->v));
        last = &ps->v[ps->n++];
        *last = (struct piece){.at = ps->text.n};
    }
    (void)buf_append(&ps->text, p, n);
    last->n = ps->text.n - last->at;
}

/* Whether the expected text so far ends inside a JSON string. */
static bool inside_string(const struct pieces *ps)
{
    bool in = false;
    for (size_t i = 0; i < ps->text.n; i++)
        if (ps->text.p[i] == '\\' && in)
            i++;
        else if (ps->text.p[i] == '"')
            in = !in;
    return in;
}

static bool cut_pieces(const struct vars *vs, const char *text, struct pieces *ps, struct buf *why)
{
    for (const char *p = text; *p;) {
        struct span name, class;
        size_t n = tmpl_hole(p, &name, &class), m = *p == '$' ? tmpl_name(p + 1) : 0;
        char whole[VAR_NAME_MAX];
        if ((p[0] == '$' && p[1] == '$') || (p[0] == '<' && p[1] == '<')) {
            add_literal(ps, p, 1);
            p += 2;
        } else if (n) {
            CHECK(ps->n < ARRAY_LEN(ps->v)); /* the parser counts them */
            struct piece *h = &ps->v[ps->n];
            *h = (struct piece){.hole = true, .in_string = inside_string(ps)};
            h->id = span_eq(class, SPAN_LIT("id"));
            if (name.n && !tmpl_index(vs, name, h->name)) {
                (void)buf_printf(why, "nothing is bound to the index of %.*s", (int)name.n,
                                 (const char *)name.p);
                return false;
            }
            ps->n++;
            p += n;
        } else if (m) {
            const struct var *v = tmpl_index(vs, span_of(p + 1, m), whole) ? find(vs, whole) : NULL;
            if (!v) {
                (void)buf_printf(why, "nothing is bound to $%.*s", (int)m, p + 1);
                return false;
            }
            add_literal(ps, v->text, strlen(v->text));
            p += m + 1;
        } else {
            add_literal(ps, p++, 1);
        }
    }
    return true;
}

/* How long the JSON value at p is. */
static size_t value_length(const uint8_t *p, size_t n)
{
    size_t depth = 0;
    bool in = false;
    for (size_t i = 0; i < n; i++) {
        uint8_t c = p[i];
        if (in) {
            i += c == '\\';
            in = c != '"';
            if (!in && depth == 0)
                return i + 1;
        } else if (c == '"') {
            in = true;
        } else if (c == '{' || c == '[') {
            depth++;
        } else if (depth == 0 && (c == ',' || c == '}' || c == ']')) {
            return i;
        } else if ((c == '}' || c == ']') && --depth == 0) {
            return i + 1;
        }
    }
    return n;
}

/* How much a hole takes of what is left. SIZE_MAX: it cannot be filled. */
static size_t take(const struct pieces *ps, size_t i, bool json, struct span rest)
{
    const struct piece *h = &ps->v[i];
    size_t n = 0;
    if (h->id) {
        while (n < rest.n && n < 32 && isxdigit(rest.p[n]) && !isupper(rest.p[n]))
            n++;
        return n == 32 ? n : SIZE_MAX;
    }
    if (json && !h->in_string)
        return value_length(rest.p, rest.n);
    if (i + 1 == ps->n)
        return rest.n;
    const struct piece *next = &ps->v[i + 1];
    struct span literal = span_of(ps->text.p + next->at, next->n);
    if (next->hole)
        return SIZE_MAX;
    while (n < rest.n &&
           !(rest.n - n >= literal.n && memcmp(rest.p + n, literal.p, literal.n) == 0)) {
        if (h->in_string && rest.p[n] == '"')
            return n;
        n += 1 + (h->in_string && rest.p[n] == '\\' && n + 1 < rest.n);
    }
    return n;
}

static void describe(const struct pieces *ps, struct buf *want)
{
    for (size_t i = 0; i < ps->n; i++)
        if (ps->v[i].hole)
            (void)buf_printf(want, "<%s>", ps->v[i].name[0] ? ps->v[i].name : "*");
        else
            (void)buf_append(want, ps->text.p + ps->v[i].at, ps->v[i].n);
}

static bool compare(const struct pieces *ps, struct span got, struct span *taken, size_t *at)
{
    bool json = ps->n && !ps->v[0].hole && ps->text.p[0] == '{';
    struct span rest = got;
    for (size_t i = 0; i < ps->n; i++) {
        const struct piece *x = &ps->v[i];
        size_t n = x->hole ? take(ps, i, json, rest) : x->n;
        if (x->hole && n <= rest.n) {
            taken[i] = span_of(rest.p, n);
        } else {
            size_t same = 0;
            while (!x->hole && same < n && same < rest.n &&
                   rest.p[same] == ps->text.p[x->at + same])
                same++;
            *at = (size_t)(rest.p - got.p) + same;
            if (n > rest.n || same < n)
                return false;
        }
        rest = span_skip(rest, n);
    }
    *at = got.n - rest.n;
    return rest.n == 0;
}

bool tmpl_match(struct vars *vs, const char *text, struct span got, struct buf *want, size_t *at)
{
    struct pieces ps = {.n = 0};
    struct span taken[2 * TMPL_HOLES];
    struct buf flat;
    buf_init(&flat, TMPL_MAX);
    buf_init(&ps.text, TMPL_MAX);
    *at = 0;
    bool ok = fill(vs, text, true, TMPL_DEPTH, &flat, want) && buf_append_byte(&flat, 0) == 0 &&
              cut_pieces(vs, (const char *)flat.p, &ps, want);
    if (ok) {
        describe(&ps, want);
        ok = compare(&ps, got.p ? got : span_of("", 0), taken, at);
    }
    for (size_t i = 0; ok && i < ps.n; i++)
        if (ps.v[i].hole && ps.v[i].name[0])
            vars_set(vs, ps.v[i].name, taken[i], false);
    buf_fini(&flat);
    buf_fini(&ps.text);
    return ok;
}

/* ---- as JSON values ---- */

/* Holes outside of strings become strings, so that the text is JSON. */
static void quote_holes(const char *text, struct buf *to)
{
    bool in = false;
    for (const char *p = text; *p;) {
        struct span name, class;
        size_t n = in ? 0 : tmpl_hole(p, &name, &class);
        if (n) {
            (void)buf_append_byte(to, '"');
            (void)buf_append(to, p, n);
            (void)buf_append_byte(to, '"');
            p += n;
            continue;
        }
        if (in && *p == '\\' && p[1])
            (void)buf_append_byte(to, (uint8_t)*p++);
        else if (*p == '"')
            in = !in;
        (void)buf_append_byte(to, (uint8_t)*p++);
    }
}

static struct span bare(const struct json_val *v)
{
    return v->type == JSON_STRING ? span_of(v->raw.p + 1, v->raw.n - 2) : v->raw;
}

static bool holds(struct vars *, const struct json_val *want, const struct json_val *got,
                  struct buf *why);

static bool holds_members(struct vars *vs, struct span want, struct span got, struct buf *why)
{
    struct json_val x, y, found;
    struct span name, other;
    for (size_t at = 0; json_member(want, &at, &name, &x);) {
        found.type = JSON_ABSENT;
        for (size_t i = 0; json_member(got, &i, &other, &y);)
            if (span_eq(name, other))
                found = y;
        if (found.type == JSON_ABSENT) {
            (void)buf_printf(why, "there is no member \"%.*s\"", (int)name.n, (const char *)name.p);
            return false;
        }
        if (!holds(vs, &x, &found, why))
            return false;
    }
    return true;
}

static bool holds_elements(struct vars *vs, struct span want, struct span got, struct buf *why)
{
    struct json_val x, y;
    size_t i = 0, j = 0;
    for (;;) {
        bool more = json_next(want, &i, &x), theirs = json_next(got, &j, &y);
        if (more != theirs) {
            (void)buf_append_str(why, more ? "an array is too short" : "an array is too long");
            return false;
        }
        if (!more)
            return true;
        if (!holds(vs, &x, &y, why))
            return false;
    }
}

static bool holds(struct vars *vs, const struct json_val *want, const struct json_val *got,
                  struct buf *why)
{
    struct span name, class, text = bare(want);
    char hole[VAR_NAME_MAX + 40], whole[VAR_NAME_MAX];
    (void)snprintf(hole, sizeof hole, "%.*s", (int)text.n, (const char *)text.p);
    if (want->type == JSON_STRING && text.n > 2 && tmpl_hole(hole, &name, &class) == text.n) {
        if (name.n && tmpl_index(vs, name, whole))
            vars_set(vs, whole, bare(got), false);
        return true;
    }
    if (want->type == got->type && want->type == JSON_OBJECT)
        return holds_members(vs, want->raw, got->raw, why);
    if (want->type == got->type && want->type == JSON_ARRAY)
        return holds_elements(vs, want->raw, got->raw, why);
    if (want->type == got->type && span_eq(want->raw, got->raw))
        return true;
    (void)buf_printf(why, "it has %.*s where %.*s was expected", (int)got->raw.n,
                     (const char *)got->raw.p, (int)want->raw.n, (const char *)want->raw.p);
    return false;
}

bool tmpl_holds(struct vars *vs, const char *text, struct span got, struct buf *why)
{
    struct buf flat, quoted;
    buf_init(&flat, TMPL_MAX);
    buf_init(&quoted, TMPL_MAX);
    bool ok = fill(vs, text, false, TMPL_DEPTH, &flat, why) && buf_append_byte(&flat, 0) == 0;
    if (ok) {
        quote_holes((const char *)flat.p, &quoted);
        struct json_val want = {.raw = buf_span(&quoted)}, theirs = {.raw = got};
        int a = json_check(want.raw), b = json_check(got);
        if (a <= 0)
            (void)buf_append_str(why, "the expected text is no JSON");
        else if (b <= 0)
            (void)buf_append_str(why, "it is no JSON");
        want.type = a > 0 ? (enum json_type)a : JSON_ABSENT;
        theirs.type = b > 0 ? (enum json_type)b : JSON_ABSENT;
        ok = a > 0 && b > 0 && holds(vs, &want, &theirs, why);
    }
    buf_fini(&flat);
    buf_fini(&quoted);
    return ok;
}
