#include "parse.h"

#include "base/addr.h"
#include "base/check.h"
#include "core/ask.h"
#include "sim/ask_fake.h"
#include "tmpl.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const forms[FORMS] = {"clear", "cbc", "gcm", "cbc-hmac"};
static const char *const relations[] = {"==", ">=", "<=", "+="};

const char *form_word(enum form f)
{
    return forms[f];
}

const char *relation_word(enum relation r)
{
    return relations[r];
}

/* ---- words ---- */

static void skip_space(struct parser *in)
{
    while (*in->p == ' ' || *in->p == '\t')
        in->p++;
}

static struct span next_word(struct parser *in)
{
    skip_space(in);
    size_t n = strcspn(in->p, " \t");
    struct span w = span_of(in->p, n);
    in->p += n;
    return w;
}

static bool take_word(struct parser *in, const char *word)
{
    const char *before = in->p;
    struct span w = next_word(in);
    if (span_eq(w, span_str(word)))
        return true;
    in->p = before;
    return false;
}

static bool at_end(struct parser *in)
{
    skip_space(in);
    return *in->p == '\0';
}

/* A word that may be quoted "like this" to hold spaces; without its quotes. */
static char *value_word(struct parser *in, const char *what)
{
    skip_space(in);
    struct span w;
    if (*in->p == '"') {
        const char *end = strchr(in->p + 1, '"');
        if (!end) {
            (void)parse_fail(in, "a \" is missing at the end of %s", what);
            return NULL;
        }
        w = span_of(in->p + 1, (size_t)(end - in->p - 1));
        in->p = end + 1;
    } else {
        w = next_word(in);
        if (w.n == 0) {
            (void)parse_fail(in, "%s is missing", what);
            return NULL;
        }
    }
    return parse_keep(in, w);
}

static char *address(struct parser *in)
{
    struct addr a;
    char *text = value_word(in, "an address");
    if (text && addr_parse(&a, text) != 0)
        (void)parse_fail(in, "an address is IPv4 or IPv6, not '%s'", text);
    return text;
}

/* Every $name of a text must have been bound by an earlier line, and no hole binds what is bound.
 */
static void check_text(struct parser *in, const char *text, bool holes)
{
    size_t count = 0;
    for (const char *p = text; *p;) {
        struct span name, class;
        size_t n = *p == '$' ? tmpl_name(p + 1) : 0, m = holes ? tmpl_hole(p, &name, &class) : 0;
        if ((p[0] == '$' && p[1] == '$') || (holes && p[0] == '<' && p[1] == '<')) {
            p += 2;
        } else if (n) {
            if (!parse_knows(in, '$', span_of(p + 1, n)))
                (void)parse_fail(in, "nothing is bound to $%.*s before this line", (int)n, p + 1);
            p += n + 1;
        } else if (m) {
            if (class.n && !span_eq(class, SPAN_LIT("id")))
                (void)parse_fail(in, "a hole is <name>, <name:id> or <*>, not :%.*s", (int)class.n,
                                 (const char *)class.p);
            if (name.n && parse_knows(in, '$', name))
                (void)parse_fail(in,
                                 "<%.*s> is bound already: write $%.*s for the same, or "
                                 "another name",
                                 (int)name.n, (const char *)name.p, (int)name.n,
                                 (const char *)name.p);
            if (name.n)
                parse_learn(in, '$', name);
            count++;
            p += m;
        } else {
            p++;
        }
    }
    if (count > TMPL_HOLES)
        (void)parse_fail(in, "a text holds at most %u holes", TMPL_HOLES);
}

static char *rest_of_line(struct parser *in, bool holes)
{
    skip_space(in);
    char *text = parse_keep(in, span_str(in->p));
    check_text(in, text, holes);
    in->p += strlen(in->p);
    return text;
}

static uint64_t number(struct parser *in, struct span w, const char *what, uint64_t min,
                       uint64_t max)
{
    char text[24], *end;
    (void)snprintf(text, sizeof text, "%.*s", (int)w.n, (const char *)w.p);
    unsigned long long v = strtoull(text, &end, 10);
    if (w.n == 0 || w.n > 20 || !isdigit((unsigned char)text[0]) || *end || v < min || v > max) {
        (void)parse_fail(in, "%s is a number from %llu to %llu, not '%.*s'", what,
                         (unsigned long long)min, (unsigned long long)max, (int)w.n,
                         (const char *)w.p);
        return min;
    }
    return v;
}

static nsec duration(struct parser *in)
{
    struct span w = next_word(in);
    size_t n = 0;
    while (n < w.n && isdigit(w.p[n]))
        n++;
    struct span unit = span_skip(w, n);
    uint64_t scale = unit.n == 2 && memcmp(unit.p, "ms", 2) == 0 ? NSEC_PER_MS
                     : unit.n == 1 && unit.p[0] == 's'           ? NSEC_PER_S
                     : unit.n == 1 && unit.p[0] == 'm'           ? 60 * NSEC_PER_S
                                                                 : 0;
    if (n == 0 || n == w.n || scale == 0) {
        (void)parse_fail(in, "a time is written 200ms, 61s or 2m, not '%.*s'", (int)w.n,
                         (const char *)w.p);
        return 0;
    }
    return scale * number(in, span_of(w.p, n), "a time", 0, 1000000);
}

/* The place of a word in a list, or -1 with the list in the message. */
static int choice(struct parser *in, const char *what, const char *const *list, size_t n)
{
    struct span w = next_word(in);
    char all[200];
    size_t used = 0;
    for (size_t i = 0; i < n; i++) {
        if (span_eq(w, span_str(list[i])))
            return (int)i;
        used += (size_t)snprintf(all + used, sizeof all - used, " %s", list[i]);
    }
    (void)parse_fail(in, "%s is one of%s, not '%.*s'", what, all, (int)w.n, (const char *)w.p);
    return -1;
}

/* ---- raw bytes: "with \n escapes", `as they stand`, each perhaps * N; $name ---- */

static int hex_digit(char c)
{
    return isdigit((unsigned char)c)    ? c - '0'
           : isxdigit((unsigned char)c) ? (c | 32) - 'a' + 10
                                        : -1;
}

static size_t escape(struct parser *in, const char *p, struct buf *to)
{
    static const char from[] = "nrt0\"\\", byte[] = "\n\r\t\0\"\\";
    const char *at = p[1] ? strchr(from, p[1]) : NULL;
    if (at) {
        (void)buf_append_byte(to, (uint8_t)byte[at - from]);
        return 2;
    }
    if (p[1] == 'x' && hex_digit(p[2]) >= 0 && hex_digit(p[3]) >= 0) {
        (void)buf_append_byte(to, (uint8_t)(hex_digit(p[2]) * 16 + hex_digit(p[3])));
        return 4;
    }
    (void)parse_fail(in, "escapes are \\n \\r \\t \\0 \\\" \\\\ and \\xHH, not \\%c",
                     p[1] ? p[1] : ' ');
    return 1;
}

/* $name, which stands for its text when the step is played. */
static bool raw_name(struct parser *in, struct step *x)
{
    size_t n = tmpl_name(in->p + 1);
    if (n == 0 || (in->p[n + 1] && in->p[n + 1] != ' ' && in->p[n + 1] != '\t'))
        return parse_fail(in, "among bytes stands $name, not '%s'", in->p);
    char *text = parse_keep(in, span_of(in->p, n + 1));
    check_text(in, text, false);
    x->inserts = realloc(x->inserts, (x->inserts_n + 1) * sizeof *x->inserts);
    CHECK(x->inserts);
    x->inserts[x->inserts_n++] = (struct insert){x->bytes.n, text};
    in->p += n + 1;
    return true;
}

static bool raw_piece(struct parser *in, struct step *x)
{
    struct buf *to = &x->bytes;
    char quote = *in->p;
    size_t before = to->n, times = 1;
    if (quote == '$')
        return raw_name(in, x);
    if (quote != '"' && quote != '`')
        return parse_fail(in, "bytes are written \"with \\n escapes\" or `as they stand`");
    const char *p = in->p + 1;
    while (*p && *p != quote && !in->failed)
        if (quote == '"' && *p == '\\')
            p += escape(in, p, to);
        else
            (void)buf_append_byte(to, (uint8_t)*p++);
    if (*p != quote)
        return parse_fail(in, "a %c is missing at the end of the bytes", quote);
    in->p = p + 1;
    if (take_word(in, "*"))
        times = number(in, next_word(in), "how often", 0, TMPL_MAX);
    size_t n = to->n - before;
    if (n && times > (TMPL_MAX - before) / n)
        return parse_fail(in, "the bytes are more than %u", TMPL_MAX);
    if (times == 0)
        to->n = before;
    for (size_t i = 1; i < times && n; i++) {
        uint8_t *room = buf_reserve(to, n);
        CHECK(room);
        memcpy(room, to->p + before, n);
        buf_commit(to, n);
    }
    return true;
}

static void raw_bytes(struct parser *in, struct step *x)
{
    while (!in->failed && !at_end(in))
        if (!raw_piece(in, x))
            return;
}

/* ---- datagrams ---- */

static int64_t signed_number(struct parser *in, const char *what)
{
    struct span w = next_word(in);
    bool minus = w.n && w.p[0] == '-';
    int64_t v = (int64_t)number(in, span_skip(w, minus), what, 0, INT64_MAX);
    return minus ? -v : v;
}

static struct span client_word(struct parser *in);

static int64_t packed(struct parser *in, struct cast *c, const char *what)
{
    c->gzip += c->gzip == 0;
    return signed_number(in, what);
}

static void cast_words(struct parser *in, struct cast *c)
{
    for (;;) {
        if (take_word(in, "form"))
            c->form = choice(in, "a form", forms, FORMS);
        else if (take_word(in, "keys"))
            c->keys = parse_keep(in, client_word(in));
        else if (take_word(in, "conn"))
            c->conn = parse_keep(in, client_word(in));
        else if (take_word(in, "secret"))
            c->secret = value_word(in, "a secret");
        else if (take_word(in, "from"))
            c->from = address(in);
        else if (take_word(in, "port"))
            c->port = (uint32_t)number(in, next_word(in), "a port of the client", 1, 9);
        else if (take_word(in, "seq"))
            c->seq = signed_number(in, "a sequence");
        else if (take_word(in, "corrupt"))
            c->corrupt = signed_number(in, "a byte's place");
        else if (take_word(in, "cut"))
            c->cut = signed_number(in, "a size");
        else if (take_word(in, "add"))
            c->add = (int64_t)number(in, next_word(in), "how many bytes", 1, 1500);
        else if (take_word(in, "length"))
            c->length = signed_number(in, "a length");
        else if (take_word(in, "gzip"))
            c->gzip++;
        else if (take_word(in, "gzip-corrupt"))
            c->gzip_corrupt = packed(in, c, "a byte's place");
        else if (take_word(in, "gzip-cut"))
            c->gzip_cut = packed(in, c, "a size");
        else
            return;
        if (in->failed)
            return;
    }
}

static void parse_cast(struct parser *in, struct step *x)
{
    struct cast *c = x->cast;
    cast_words(in, c);
    if (take_word(in, "again")) {
        c->again = true;
    } else if (take_word(in, "back")) {
        c->back = true;
    } else if (take_word(in, "raw")) {
        c->raw = true;
        raw_bytes(in, x);
    } else if (take_word(in, "bytes")) {
        c->bytes = true;
        raw_bytes(in, x);
    } else if (at_end(in)) {
        (void)parse_fail(in, "what is sent is missing");
    } else {
        x->text = rest_of_line(in, false);
    }
}

static struct cast *new_cast(void)
{
    struct cast *c = calloc(1, sizeof *c);
    CHECK(c);
    c->form = -1;
    c->port = 1;
    c->seq = -1;
    c->corrupt = c->cut = c->length = c->gzip_corrupt = c->gzip_cut = INT64_MIN;
    return c;
}

/* ---- what clients do ---- */

static struct span client_word(struct parser *in)
{
    skip_space(in);
    size_t n = isupper((unsigned char)*in->p) ? strcspn(in->p, " \t<>") : 0;
    struct span name = span_of(in->p, n);
    if (n == 0 || n >= SCRIPT_NAME_MAX || tmpl_name(in->p) != n || memchr(in->p, '.', n))
        (void)parse_fail(in,
                         "a client's name begins with a capital letter, has letters, digits, _ and "
                         "perhaps [i], and fewer than %u characters",
                         SCRIPT_NAME_MAX);
    in->p += n;
    return name;
}

static void known_client(struct parser *in, struct span name)
{
    if (!in->failed && !parse_knows(in, 'C', name))
        (void)parse_fail(in, "no client %.*s was opened before this line", (int)name.n,
                         (const char *)name.p);
}

/* `as NAME`: what nearly every client does first, in one word. The password is pw. */
static void parse_login(struct parser *in, char *who, const char *name)
{
    char text[2][SCRIPT_NAME_MAX + 100];
    if (strlen(name) > SCRIPT_NAME_MAX || strpbrk(name, "\"\\<")) {
        (void)parse_fail(in, "behind 'as' stands a name of at most %u bytes, without \" \\ and <",
                         SCRIPT_NAME_MAX);
        return;
    }
    (void)snprintf(text[0], sizeof text[0],
                   "{\"command\":\"NAME\",\"name\":\"%s\",\"password\":\"pw\"}", name);
    (void)snprintf(text[1], sizeof text[1],
                   "{\"command\":\"NAME_OK\",\"name\":\"%s\",\"authenticated\":true,"
                   "\"udpEncryption\":true}",
                   name);
    check_text(in, text[0], false);
    for (size_t i = 0; i < 2; i++) {
        struct step *x = parse_add(in, i ? STEP_EXPECT : STEP_SEND);
        x->who = who;
        x->text = parse_keep(in, span_str(text[i]));
    }
}

static void parse_client(struct parser *in)
{
    struct step *x = parse_add(in, STEP_CLIENT);
    struct span name = client_word(in);
    static const char *const bound[] = {".id", ".short"};
    char *who = parse_keep(in, name), *player = NULL;
    x->who = who;
    while (!at_end(in) && !in->failed)
        if (take_word(in, "as"))
            player = value_word(in, "a player's name");
        else if (take_word(in, "from"))
            x->text = address(in);
        else if (take_word(in, "slow"))
            x->n |= CLIENT_SLOW;
        else if (take_word(in, "no-welcome"))
            x->n |= CLIENT_NO_WELCOME;
        else
            (void)parse_fail(
                in, "behind a client stands 'as NAME', 'from ADDRESS', 'slow' or 'no-welcome'");
    if (player && x->n & CLIENT_NO_WELCOME)
        (void)parse_fail(in, "who logs in has taken the welcome: 'as' and 'no-welcome' do not mix");
    in->opened = true;
    parse_learn(in, 'C', name);
    for (size_t i = 0; i < ARRAY_LEN(bound) && !(x->n & CLIENT_NO_WELCOME); i++) {
        char variable[SCRIPT_NAME_MAX + 8];
        (void)snprintf(variable, sizeof variable, "%s%s", x->who, bound[i]);
        parse_learn(in, '$', span_str(variable));
    }
    if (player && !in->failed)
        parse_login(in, who, player);
}

static void parse_send(struct parser *in, struct span who)
{
    enum step_kind kind = STEP_SEND;
    uint64_t n = 0;
    if (take_word(in, "raw"))
        kind = STEP_RAW;
    else if (take_word(in, "split")) {
        kind = STEP_SPLIT;
        n = number(in, next_word(in), "the size of a piece", 1, SCRIPT_LINE_MAX);
    }
    struct step *x = parse_add(in, kind);
    x->who = parse_keep(in, who);
    x->n = n;
    if (kind == STEP_RAW)
        raw_bytes(in, x);
    else
        x->text = rest_of_line(in, false);
}

/* `A> `, `A>> `, `A< `, `A<~ `, `A<< ` */
static void parse_arrow(struct parser *in, struct span who)
{
    static const struct {
        const char *arrow;
        enum step_kind kind;
    } arrows[] = {{">>", STEP_CAST},
                  {">", STEP_SEND},
                  {"<<", STEP_CATCH},
                  {"<~", STEP_HOLDS},
                  {"<", STEP_EXPECT}};
    size_t i = 0;
    while (i < ARRAY_LEN(arrows) && strncmp(in->p, arrows[i].arrow, strlen(arrows[i].arrow)) != 0)
        i++;
    CHECK(i < ARRAY_LEN(arrows));
    in->p += strlen(arrows[i].arrow);
    if (*in->p != ' ' && *in->p != '\0') {
        (void)parse_fail(in, "behind %s stands a space; arrows are > < <~ >> <<", arrows[i].arrow);
        return;
    }
    if (arrows[i].kind == STEP_SEND) {
        parse_send(in, who);
        return;
    }
    struct step *x = parse_add(in, arrows[i].kind);
    x->who = parse_keep(in, who);
    bool dgram = x->kind == STEP_CAST || x->kind == STEP_CATCH;
    x->cast = dgram ? new_cast() : NULL;
    if (x->kind == STEP_CAST) {
        parse_cast(in, x);
        return;
    }
    if (x->kind == STEP_CATCH && take_word(in, "port"))
        x->cast->port = (uint32_t)number(in, next_word(in), "a port of the client", 1, 9);
    if (at_end(in))
        (void)parse_fail(in, "what is expected is missing; ! stands for nothing");
    else if (strcmp(in->p, "!") == 0 && x->kind != STEP_HOLDS) {
        x->kind = dgram ? STEP_CATCH_NONE : STEP_QUIET;
        in->p++;
    } else
        x->text = rest_of_line(in, true);
}

static const struct {
    const char *word;
    enum step_kind kind;
} verbs[] = {{"udp", STEP_UDP},       {"silent", STEP_SILENT}, {"closed", STEP_CLOSED},
             {"close", STEP_CLOSE},   {"reset", STEP_RESET},   {"half-close", STEP_HALF_CLOSE},
             {"stalls", STEP_STALLS}, {"reads", STEP_READS},   {"forget", STEP_FORGET}};

static void parse_verb(struct parser *in, struct span who)
{
    static const char *const whys[] = {"peer", "bye",  "idle",  "protocol",
                                       "slow", "kick", "drain", "error"};
    struct span w = next_word(in);
    size_t i = 0;
    while (i < ARRAY_LEN(verbs) && !span_eq(w, span_str(verbs[i].word)))
        i++;
    if (i == ARRAY_LEN(verbs)) {
        (void)parse_fail(
            in,
            "a client has no '%.*s'; it has > < <~ >> << udp silent closed close reset "
            "half-close stalls reads forget",
            (int)w.n, (const char *)w.p);
        return;
    }
    struct step *x = parse_add(in, verbs[i].kind);
    x->who = parse_keep(in, who);
    if (x->kind == STEP_UDP)
        x->n = (uint64_t)choice(in, "a form", forms, FORMS);
    else if (x->kind == STEP_SILENT)
        x->n = duration(in);
    else if (x->kind == STEP_CLOSED && !at_end(in)) {
        int at = choice(in, "a reason", whys, ARRAY_LEN(whys));
        x->text = at < 0 ? NULL : parse_keep(in, span_str(whys[at]));
    }
}

static void parse_client_step(struct parser *in)
{
    struct span who = client_word(in);
    if (in->failed)
        return;
    if (*in->p == '<' || *in->p == '>') {
        known_client(in, who);
        parse_arrow(in, who);
    } else {
        known_client(in, who);
        parse_verb(in, who);
    }
}

/* ---- what the server and its world do ---- */

static void parse_settings(struct parser *in, enum step_kind kind)
{
    if (kind == STEP_SERVER && in->opened)
        (void)parse_fail(in, "server stands before the first client; config changes a running one");
    if (at_end(in) && kind == STEP_SERVER)
        (void)parse_fail(in, "settings are missing: section.name=value");
    do {
        const char *start = in->p;
        size_t n = strcspn(start, " \t=");
        if (*start && (start[n] != '=' || !memchr(start, '.', n))) {
            (void)parse_fail(in, "a setting is section.name=value, not '%s'", start);
            return;
        }
        struct step *x = parse_add(in, kind);
        x->who = parse_keep(in, span_of(start, n));
        in->p += n + (start[n] == '=');
        x->text = *in->p && *in->p != ' ' ? value_word(in, "a value") : parse_keep(in, SPAN_NULL);
        x->n = !at_end(in); /* more of them follow */
    } while (!in->failed && !at_end(in));
}

static void parse_account(struct parser *in)
{
    struct step *x = parse_add(in, STEP_ACCOUNT);
    if (in->opened)
        (void)parse_fail(in, "account stands before the first client");
    x->who = value_word(in, "the account's name");
    x->text = value_word(in, "the account's password");
    x->n = take_word(in, "legacy");
}

static void parse_let(struct parser *in)
{
    struct span name = next_word(in);
    struct step *x = parse_add(in, STEP_LET);
    if (name.n == 0 || tmpl_name((const char *)name.p) != name.n || name.n >= SCRIPT_NAME_MAX)
        (void)parse_fail(in, "a name has letters, digits and _, not '%.*s'", (int)name.n,
                         (const char *)name.p);
    x->who = parse_keep(in, name);
    if (at_end(in))
        (void)parse_fail(in, "the text of %s is missing", x->who);
    x->text = rest_of_line(in, false);
    parse_learn(in, '$', name);
}

static void parse_repeat(struct parser *in)
{
    struct step *x = parse_add(in, STEP_REPEAT);
    x->n = number(in, next_word(in), "how often", 1, SCRIPT_REPEAT_MAX);
    if (take_word(in, "as")) {
        struct span name = next_word(in);
        if (name.n == 0 || tmpl_name((const char *)name.p) != name.n || name.n >= SCRIPT_NAME_MAX)
            (void)parse_fail(in, "a name has letters, digits and _, not '%.*s'", (int)name.n,
                             (const char *)name.p);
        x->who = parse_keep(in, name);
        parse_learn(in, '$', name);
    }
    parse_open(in);
}

static void parse_fault(struct parser *in)
{
    static const char *const hows[] = {"refused", "failed", "busy",
                                       "lost"}; /* enum ask_fault, - 1 */
    static const struct {
        const char *word;
        unsigned kinds;
    } whats[] = {{"find", 1u << ASK_ACCOUNT_FIND},
                 {"create", 1u << ASK_ACCOUNT_CREATE},
                 {"set-password", 1u << ASK_ACCOUNT_SET_PASSWORD},
                 {"touch", 1u << ASK_ACCOUNT_TOUCH},
                 {"make", 1u << ASK_HASH_MAKE},
                 {"verify", 1u << ASK_HASH_VERIFY},
                 {"store", (1u << ASK_HASH_MAKE) - 1},
                 {"hash", (1u << ASK_HASH_MAKE) | (1u << ASK_HASH_VERIFY)}};
    if (take_word(in, "memory")) {
        parse_add(in, STEP_FAIL_MEMORY)->n =
            number(in, next_word(in), "which request for memory", 1, 1000000);
        return;
    }
    struct step *x = parse_add(in, STEP_FAIL);
    struct span w = next_word(in);
    for (size_t i = 0; i < ARRAY_LEN(whats); i++)
        if (span_eq(w, span_str(whats[i].word)))
            x->n = whats[i].kinds;
    if (x->n == 0) {
        (void)parse_fail(in,
                         "what fails is one of find create set-password touch store, make verify "
                         "hash, memory, not '%.*s'",
                         (int)w.n, (const char *)w.p);
        return;
    }
    int how = choice(in, "how it fails", hows, ARRAY_LEN(hows));
    x->m = how < 0 ? 0 : (uint64_t)how + 1;
    x->times = at_end(in) ? 1 : number(in, next_word(in), "how often", 1, 1000000);
}

static void parse_metric(struct parser *in)
{
    struct step *x = parse_add(in, STEP_METRIC);
    skip_space(in);
    size_t n = strcspn(in->p, " \t{");
    if (in->p[n] == '{') {
        const char *end = strchr(in->p + n, '}');
        if (!end)
            (void)parse_fail(in, "a } is missing at the end of the labels");
        n = end ? (size_t)(end + 1 - in->p) : strlen(in->p);
    }
    if (n == 0)
        (void)parse_fail(in, "a metric is name or name{label=\"value\"}");
    x->who = parse_keep(in, span_of(in->p, n));
    in->p += n;
    int r = choice(in, "a relation", relations, ARRAY_LEN(relations));
    x->n = (uint64_t)(r < 0 ? 0 : r);
    x->text = parse_keep(in, next_word(in));
    (void)number(in, span_str(x->text), "a metric's value", 0, UINT32_MAX);
}

static void parse_log(struct parser *in, bool absent)
{
    struct step *x = parse_add(in, STEP_LOG);
    x->n = absent;
    x->who = parse_keep(in, next_word(in));
    if (!strchr(x->who, '.'))
        (void)parse_fail(in, "a record is named by its id, such as racing.login");
    skip_space(in);
    x->text = rest_of_line(in, false);
}

static void parse_only(struct parser *in, uint64_t which)
{
    parse_add(in, STEP_ONLY)->n = which;
    parse_open(in);
}

static void parse_kick(struct parser *in)
{
    struct step *x = parse_add(in, STEP_KICK);
    if (take_word(in, "all"))
        return;
    struct span who = client_word(in);
    known_client(in, who);
    x->who = parse_keep(in, who);
}

static void parse_close_room(struct parser *in)
{
    struct step *x = parse_add(in, STEP_CLOSE_ROOM);
    if (!take_word(in, "all"))
        x->text = rest_of_line(in, false);
}

static void parse_slow(struct parser *in, bool hold)
{
    struct step *x = parse_add(in, STEP_SLOW);
    if (!take_word(in, "store"))
        (void)parse_fail(in, hold ? "it is the store that can be held: hold store"
                                  : "it is the store that can be slow: slow store 2s");
    x->n = hold ? NSEC_NEVER : duration(in);
}

static void parse_answer(struct parser *in)
{
    struct step *x = parse_add(in, STEP_ANSWER);
    if (!take_word(in, "all"))
        x->n = number(in, next_word(in), "how many answers (or all)", 1, 1000000);
}

/* Words that begin a line, except clients' names. */
static const char *const words[] = {
    "server",    "config",  "account", "client", "let",           "repeat",     "sim-only",
    "live-only", "advance", "drain",   "kick",   "close-room",    "fail",       "slow",
    "hold",      "answer",  "restart", "crash",  "expect-metric", "expect-log", "expect-no-log"};

enum word {
    W_SERVER,
    W_CONFIG,
    W_ACCOUNT,
    W_CLIENT,
    W_LET,
    W_REPEAT,
    W_SIM,
    W_LIVE,
    W_ADVANCE,
    W_DRAIN,
    W_KICK,
    W_CLOSE_ROOM,
    W_FAIL,
    W_SLOW,
    W_HOLD,
    W_ANSWER,
    W_RESTART,
    W_CRASH,
    W_METRIC,
    W_LOG,
    W_NO_LOG,
    WORDS
};

/* What the real server cannot be made to do stands in marked blocks, with what follows from it. */
static void sim_word(struct parser *in, enum word w)
{
    bool marked = in->s->sim_only;
    for (size_t i = 0; i < in->depth; i++) {
        const struct step *x = &in->s->steps[in->open_blocks[i]];
        marked |= x->kind == STEP_ONLY && x->n == ONLY_SIM;
    }
    if (!marked && (w == W_KICK || w == W_CLOSE_ROOM || w == W_FAIL || w == W_SLOW || w == W_HOLD ||
                    w == W_ANSWER))
        (void)parse_fail(
            in,
            "only the simulated world has '%s': put it and what follows from it into a "
            "block sim-only { }",
            words[w]);
}

static void parse_world_step(struct parser *in, enum word w)
{
    sim_word(in, w);
    switch (w) {
    case W_SERVER: parse_settings(in, STEP_SERVER); break;
    case W_CONFIG: parse_settings(in, STEP_CONFIG); break;
    case W_ACCOUNT: parse_account(in); break;
    case W_CLIENT: parse_client(in); break;
    case W_LET: parse_let(in); break;
    case W_REPEAT: parse_repeat(in); break;
    case W_SIM: parse_only(in, ONLY_SIM); break;
    case W_LIVE: parse_only(in, ONLY_LIVE); break;
    case W_ADVANCE: {
        nsec by = duration(in);
        parse_add(in, STEP_ADVANCE)->n = by;
        break;
    }
    case W_DRAIN: {
        nsec by = duration(in);
        parse_add(in, STEP_DRAIN)->n = by;
        break;
    }
    case W_KICK: parse_kick(in); break;
    case W_CLOSE_ROOM: parse_close_room(in); break;
    case W_FAIL: parse_fault(in); break;
    case W_SLOW: parse_slow(in, false); break;
    case W_HOLD: parse_slow(in, true); break;
    case W_ANSWER: parse_answer(in); break;
    case W_RESTART: (void)parse_add(in, STEP_RESTART); break;
    case W_CRASH: (void)parse_add(in, STEP_CRASH); break;
    case W_METRIC: parse_metric(in); break;
    case W_LOG: parse_log(in, false); break;
    case W_NO_LOG: parse_log(in, true); break;
    case WORDS:
    default: UNREACHABLE();
    }
}

void parse_step(struct parser *in)
{
    const char *start = in->p;
    struct span w = next_word(in);
    size_t i = 0;
    _Static_assert(ARRAY_LEN(words) == WORDS, "one word each");
    while (i < WORDS && !span_eq(w, span_str(words[i])))
        i++;
    skip_space(in);
    if (i < WORDS) {
        parse_world_step(in, (enum word)i);
    } else if (isupper((unsigned char)*start)) {
        in->p = start;
        parse_client_step(in);
    } else {
        (void)parse_fail(
            in,
            "a line begins with a client's name (a capital letter) or one of server config "
            "account client let repeat sim-only live-only advance drain kick close-room "
            "fail slow hold answer restart crash expect-metric expect-log "
            "expect-no-log, not '%.*s'",
            (int)w.n, (const char *)w.p);
    }
    if (!in->failed && !at_end(in))
        (void)parse_fail(in, "nothing may follow here: '%s'", in->p);
}
