#include "admin/staff_rules.h"

#include "base/err.h"
#include "base/utf8.h"

#include <ctype.h>

const char *const staff_gate_keys[GATES_N] = {
    [GATE_TELEPORT] = "staff.can_teleport",
    [GATE_ITEMS] = "staff.can_create_items",
    [GATE_PLAYERS] = "staff.can_modify_players",
    [GATE_DATABASE] = "staff.admin_can_access_database",
    [GATE_ACCOUNTS] = "staff.admin_can_modify_accounts",
    [GATE_SHUTDOWN] = "staff.admin_can_shutdown",
    [GATE_SNOOP] = "staff.snoop",
};

/* ---- words ---- */

/* One word from line[*at] on, into room; its length. */
static size_t take_word(struct span line, size_t *at, uint8_t *room)
{
    bool quoted = false;
    size_t n = 0;
    for (; *at < line.n; (*at)++) {
        uint8_t c = line.p[*at];
        if (c == '"') {
            quoted = !quoted;
            continue;
        }
        if (c == ' ' && !quoted)
            break;
        room[n++] = c;
    }
    return n;
}

int staff_split(struct span line, struct staff_words *w)
{
    size_t used = 0;
    w->n = 0;
    if (line.n && line.p[0] == '/')
        line = span_skip(line, 1);
    if (line.n > sizeof w->room)
        return E_LIMIT;
    if (!utf8_is_name(line, 0, sizeof w->room))
        return E_FORMAT;
    for (size_t at = 0;;) {
        while (at < line.n && line.p[at] == ' ')
            at++;
        if (at == line.n)
            break;
        if (w->n == ARRAY_LEN(w->word))
            return E_LIMIT;
        w->rest[w->n] = span_skip(line, at);
        size_t n = take_word(line, &at, w->room + used);
        w->word[w->n++] = span_of(w->room + used, n);
        used += n;
    }
    return w->n && w->word[0].n ? 0 : E_NOENT;
}

bool staff_same(struct span word, const char *lower)
{
    size_t n = strlen(lower);
    if (word.n != n)
        return false;
    for (size_t i = 0; i < n; i++) {
        uint8_t c = word.p[i];
        if (c >= 'A' && c <= 'Z')
            c = (uint8_t)(c - 'A' + 'a');
        if (c != (uint8_t)lower[i])
            return false;
    }
    return true;
}

/* ---- rows ---- */

static bool is_named(const struct staff_row *r, struct span word)
{
    return staff_same(word, r->name) || (r->alias && staff_same(word, r->alias));
}

static bool has_sub(const struct staff_row *r, const struct staff_words *w)
{
    const char *s = r->sub ? r->sub : "";
    for (size_t i = 1; *s; i++) {
        char one[32];
        size_t n = strcspn(s, " ");
        if (i >= w->n || n >= sizeof one)
            return false;
        memcpy(one, s, n);
        one[n] = '\0';
        if (!staff_same(w->word[i], one))
            return false;
        s += n;
        s += strspn(s, " ");
    }
    return true;
}

const struct staff_row *staff_find(const struct staff_words *w)
{
    for (size_t i = 0; i < staff_rows_n && w->n; i++)
        if (is_named(&staff_rows[i], w->word[0]) && has_sub(&staff_rows[i], w))
            return &staff_rows[i];
    return NULL;
}

const struct staff_row *staff_find_word(struct span word)
{
    for (size_t i = 0; i < staff_rows_n; i++)
        if (!staff_rows[i].sub && is_named(&staff_rows[i], word))
            return &staff_rows[i];
    return NULL;
}

/* ---- rules ---- */

static bool is_disabled(const struct staff_policy *p, const struct staff_row *r)
{
    const char *s = p->disabled;
    while (*(s += strspn(s, " ,"))) {
        size_t n = strcspn(s, " ,");
        struct span word = span_of(s, n);
        if (n && word.p[0] == '/')
            word = span_skip(word, 1);
        if (is_named(r, word))
            return true;
        s += n;
    }
    return false;
}

enum staff_verdict staff_judge(const struct staff_policy *p, const struct staff_row *r,
                               uint8_t level, bool granted)
{
    if (is_disabled(p, r))
        return STAFF_DISABLED;
    if (r->gate != GATE_NONE && !p->open[r->gate])
        return STAFF_GATE_SHUT;
    if (level >= r->level)
        return STAFF_BY_LEVEL;
    return granted ? STAFF_BY_GRANT : STAFF_LEVEL_LOW;
}

/* Whether a form of the row begins with this word; they are parted by " | ". */
static bool begins_form(const struct staff_row *r, struct span word)
{
    for (const char *s = r->form; s; s = strchr(s, '|')) {
        char one[32];
        s += strspn(s, "| ");
        size_t n = strcspn(s, " |");
        if (n >= sizeof one)
            continue;
        memcpy(one, s, n);
        one[n] = '\0';
        if (staff_same(word, one))
            return true;
    }
    return false;
}

/* Behind a password nothing is shown: it may be the rest of one with blanks that was not quoted.
 * Nor behind a mistyped word, where one might stand. */
void staff_redact(const struct staff_words *w, const struct staff_row *r, struct buf *to)
{
    size_t mistyped = r->secret && !r->sub && w->n > 1 && !begins_form(r, w->word[1]) ? 2 : w->n;
    bool hidden = false;
    (void)buf_append_byte(to, '/');
    for (size_t i = 0; i < w->n; i++) {
        if (i)
            (void)buf_append_byte(to, ' ');
        hidden = hidden || i >= mistyped || (r->secret >> i & 1u);
        if (hidden)
            (void)buf_append_str(to, "***");
        else
            (void)buf_append_span(to, w->word[i]);
    }
}
