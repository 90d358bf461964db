/* `slipgate audit export` and `verify`: a chain as lines of JSON, and whether it is whole, from the
 * store or from such lines. */
#include "base/err.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "bin/cmd_audit.h"
#include "os/audit_key.h"
#include "wire/json.h"
#include "wire/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define HEADER_MAX 512u

/* ---- the first line of a chain: {"audit":"slipgate","node":"main","public_key":"..."} */

void audit_header_write(struct buf *to, struct span node, const uint8_t public_key[CHAIN_KEY])
{
    char key[2 * CHAIN_KEY + 1];
    hex_encode(public_key, CHAIN_KEY, key);
    (void)buf_append_str(to, "{\"audit\":\"slipgate\",\"node\":");
    json_put_string(to, utf8_valid(node) ? node : SPAN_LIT("?"));
    (void)buf_printf(to, ",\"public_key\":\"%s\"}", key);
}

int audit_header_read(struct span line, char node[NODE_MAX + 1])
{
    static const char *const names[] = {"audit", "node", "public_key"};
    struct json_val v[ARRAY_LEN(names)];
    char audit[16];
    if (line.n > HEADER_MAX || json_object(line, names, ARRAY_LEN(names), v) != JSON_OBJECT)
        return E_FORMAT;
    int n = json_string(&v[0], audit, sizeof audit);
    if (n < 0 || !span_eq(span_of(audit, (size_t)n), SPAN_LIT("slipgate")))
        return E_FORMAT;
    n = json_string(&v[1], node, NODE_MAX);
    if (n <= 0)
        return E_FORMAT;
    node[n] = '\0';
    return 0;
}

int audit_public_key(const struct config *config, uint8_t ret[CHAIN_KEY], struct buf *why)
{
    uint8_t key[CHAIN_KEY];
    int rc = audit_key_open(key, config_text(config, "data.dir"), NULL, why);
    if (rc == 0)
        rc = chain_public_key(key, ret);
    mem_wipe(key, sizeof key);
    return rc;
}

/* ---- export */

struct export
{
    struct buf line;
    uint8_t key[CHAIN_KEY];
};

static int put_line(struct export *e)
{
    (void)buf_append_byte(&e->line, '\n');
    bool good = !e->line.failed && fwrite(e->line.p, 1, e->line.n, stdout) == e->line.n;
    buf_clear(&e->line);
    return good ? 0 : E_IO;
}

static int export_head(void *ctx, const struct chain_head *h)
{
    struct export *e = ctx;
    chain_head_write(&e->line, h);
    return put_line(e);
}

static int export_begin(void *ctx, struct span node, const struct chain_head *cut)
{
    struct export *e = ctx;
    audit_header_write(&e->line, node, e->key);
    int rc = put_line(e);
    return rc == 0 && cut ? export_head(e, cut) : rc;
}

/* A record that somebody made unfit to be one is exported as what is wrong with it, so that whoever
 * verifies the export meets it too. */
static int export_record(void *ctx, const struct audit_row *row)
{
    struct export *e = ctx;
    struct buf why;
    buf_init(&why, 256);
    if (audit_check(&row->r, &why)) {
        (void)buf_printf(&e->line, "{\"seq\":%" PRIu64 ",\"unfit\":", row->r.seq);
        json_put_string(&e->line, buf_span(&why));
        (void)buf_append_byte(&e->line, '}');
    } else {
        audit_line_write(&e->line, &row->r, &row->link);
    }
    buf_fini(&why);
    return put_line(e);
}

/* Whether a chain is wanted; --node wants one. */
static bool wanted(const struct cmdline *line, const struct audit_node *node)
{
    const char *name = cmdline_option(line, "node");
    return !name || strcmp(name, node->name) == 0;
}

static int with_nodes(const struct cmdline *line, const struct config *config,
                      int (*fn)(struct audit_db *, const struct audit_node *, void *ctx), void *ctx)
{
    struct audit_node nodes[AUDIT_NODES_MAX];
    struct audit_db db;
    struct buf why;
    size_t n = 0;
    buf_init(&why, 2048);
    int rc = audit_db_open(&db, config, &why);
    if (rc == 0) {
        const char *own = cmdline_option(line, "node");
        rc = audit_db_nodes(&db, own ? own : config_text(config, "server.node"), nodes, &n);
        for (size_t i = 0; i < n && rc == 0; i++)
            if (wanted(line, &nodes[i]))
                rc = fn(&db, &nodes[i], ctx);
        audit_db_close(&db);
    }
    int code = rc ? audit_failed(rc, &why) : EXIT_FINE;
    buf_fini(&why);
    return code;
}

static int export_node(struct audit_db *db, const struct audit_node *node, void *ctx)
{
    const struct audit_walk walk = {export_begin, export_record, export_head, ctx};
    return audit_walk_store(db, node->name, &walk);
}

int audit_export(const struct cmdline *line, const struct config *config)
{
    struct export e;
    struct buf why;
    buf_init(&why, 2048);
    buf_init(&e.line, AUDIT_LINE_MAX + HEADER_MAX);
    int rc = audit_public_key(config, e.key, &why);
    int code = rc ? audit_failed(rc, &why) : with_nodes(line, config, export_node, &e);
    buf_fini(&e.line);
    buf_fini(&why);
    return code;
}

/* ---- verify */

struct verify {
    struct chain_hasher *hasher;
    struct chain_verifier v;
    uint8_t keys[CHAIN_KEYS_MAX][CHAIN_KEY];
    size_t keys_n;
    struct chain_head given; /* of --head; seq 0: none */
    bool given_fed;
    const char *only; /* --node, NULL: all */
    size_t chains;
    char node[NODE_MAX + 1]; /* "": none under way */
    bool bad;
};

static int feed_given(struct verify *v, uint64_t below)
{
    bool ours = v->given.seq && !v->given_fed;
    if (!ours || v->given.seq >= below)
        return 0;
    v->given_fed = true;
    return chain_verify_head(&v->v, &v->given);
}

static int verify_end(void *ctx)
{
    struct verify *v = ctx;
    struct chain_report report;
    char words[CHAIN_WORDS_MAX];
    if (!v->node[0])
        return 0;
    int rc = feed_given(v, UINT64_MAX);
    if (rc)
        return rc;
    chain_verify_report(&v->v, &report);
    printf("%s: %s\n", v->node, chain_words(&report, words));
    v->bad = v->bad || (report.fault != CHAIN_GOOD && report.fault != CHAIN_UNSIGNED);
    v->node[0] = '\0';
    return 0;
}

static int verify_begin(void *ctx, struct span node, const struct chain_head *cut)
{
    struct verify *v = ctx;
    struct chain chain;
    int rc = verify_end(v);
    if (rc)
        return rc;
    if (v->given.seq && v->chains++ > 0) {
        (void)command_wrong("--head is of one chain: say which with --node");
        return E_CONFIG;
    }
    memcpy(v->node, node.p, node.n);
    v->node[node.n] = '\0';
    v->given_fed = false;
    rc = chain_begin(&chain, v->hasher, node);
    return rc ? rc
              : chain_verify_begin(&v->v, v->hasher, &chain.origin,
                                   (const uint8_t(*)[CHAIN_KEY])v->keys, v->keys_n, cut);
}

/* What is no record has bytes that no hash belongs to. */
static int verify_record(void *ctx, const struct audit_row *row)
{
    struct verify *v = ctx;
    uint8_t bytes[AUDIT_BYTES_MAX];
    int rc = feed_given(v, row->r.seq);
    int n = audit_encode(&row->r, bytes, sizeof bytes);
    if (rc)
        return rc;
    return chain_verify_record(&v->v, row->r.seq, span_of(bytes, n < 0 ? 0 : (size_t)n),
                               &row->link);
}

static int verify_head(void *ctx, const struct chain_head *h)
{
    struct verify *v = ctx;
    int rc = feed_given(v, h->seq);
    return rc ? rc : chain_verify_head(&v->v, h);
}

static int verify_node(struct audit_db *db, const struct audit_node *node, void *ctx)
{
    const struct audit_walk walk = {verify_begin, verify_record, verify_head, ctx};
    int rc = audit_walk_store(db, node->name, &walk);
    return rc ? rc : verify_end(ctx);
}

/* ---- verify: a file */

struct reader {
    FILE *file;
    char *line;
    size_t cap;
    uint64_t number;
    struct verify *v;
    /* The header and what is to be a cut are kept until it is known which. */
    char node[NODE_MAX + 1];
    bool begun;
};

static int begin_file_node(struct reader *r, const struct chain_head *cut)
{
    r->begun = true;
    return verify_begin(r->v, span_str(r->node), cut);
}

static int end_file_node(struct reader *r)
{
    bool empty = r->node[0] && !r->begun && !(r->v->only && strcmp(r->v->only, r->node) != 0);
    int rc = empty ? begin_file_node(r, NULL) : 0;
    return rc ? rc : verify_end(r->v);
}

static int read_head(struct reader *r, struct span text)
{
    struct chain_head h;
    if (chain_head_read(&h, text, NULL)) {
        r->v->bad = true;
        printf("line %llu: a head was damaged\n", (unsigned long long)r->number);
        return 0;
    }
    if (!r->begun && h.kind == CHAIN_CUT)
        return begin_file_node(r, &h);
    int rc = r->begun ? 0 : begin_file_node(r, NULL);
    return rc ? rc : verify_head(r->v, &h);
}

/* A line that is no record stands in the place of the next one. */
static int read_record(struct reader *r, struct span text)
{
    struct audit_room room;
    struct audit_row row;
    int rc = r->begun ? 0 : begin_file_node(r, NULL);
    if (rc)
        return rc;
    if (audit_line_read(&row.r, &row.link, &room, text, NULL))
        row = (struct audit_row){.r.seq = r->v->v.at.seq + 1};
    return verify_record(r->v, &row);
}

static int read_line(struct reader *r, struct span text)
{
    char node[NODE_MAX + 1];
    if (audit_header_read(text, node) == 0) {
        int rc = end_file_node(r);
        memcpy(r->node, node, sizeof node);
        r->begun = false;
        return rc;
    }
    if (!r->node[0]) {
        (void)command_failed("line %llu is not the first line of an export",
                             (unsigned long long)r->number);
        return E_FORMAT;
    }
    if (r->v->only && strcmp(r->v->only, r->node) != 0)
        return 0;
    return chain_head_line(text) ? read_head(r, text) : read_record(r, text);
}

static int read_lines(struct reader *r)
{
    int rc = 0;
    ssize_t n;
    while (rc == 0 && (n = getline(&r->line, &r->cap, r->file)) > 0) {
        r->number++;
        if (r->line[n - 1] == '\n')
            n--;
        rc = read_line(r, span_of(r->line, (size_t)n));
    }
    if (rc == 0 && ferror(r->file)) {
        (void)command_failed("cannot read the export: %s", strerror(errno));
        return E_IO;
    }
    if (rc == 0 && r->number == 0) {
        (void)command_failed("the file is empty");
        return E_FORMAT;
    }
    return rc ? rc : end_file_node(r);
}

static int verify_file(struct verify *v, const char *path)
{
    struct reader r = {.v = v};
    r.file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    if (!r.file)
        return command_failed("%s: %s", path, strerror(errno));
    int rc = read_lines(&r);
    if (r.file != stdin)
        (void)fclose(r.file);
    free(r.line);
    return rc == E_CRYPTO || rc == E_NOMEM ? command_failed("audit: %s", err_text(rc))
           : rc == E_CONFIG                ? EXIT_USAGE
           : rc                            ? EXIT_FAILED
                                           : EXIT_FINE;
}

/* ---- verify: what is given on the command line */

static int add_key(struct verify *v, const char *hex)
{
    if (v->keys_n == CHAIN_KEYS_MAX)
        return command_wrong("more than %u keys", CHAIN_KEYS_MAX);
    if (hex_decode(span_str(hex), v->keys[v->keys_n], CHAIN_KEY))
        return command_wrong("--key %s is not 64 hexadecimal digits", hex);
    v->keys_n++;
    return EXIT_FINE;
}

/* Those of --key, and our own where there is one. */
static int take_keys(struct verify *v, const struct cmdline *line, const struct config *config)
{
    struct buf why;
    for (size_t i = 0; i < line->options_n; i++) {
        int code = strcmp(line->options[i].row->name, "key") == 0
                       ? add_key(v, line->options[i].value)
                       : EXIT_FINE;
        if (code)
            return code;
    }
    if (v->keys_n == CHAIN_KEYS_MAX)
        return EXIT_FINE;
    buf_init(&why, 2048);
    int rc = audit_public_key(config, v->keys[v->keys_n], &why), code = EXIT_FINE;
    if (rc == 0)
        v->keys_n++;
    else if (v->keys_n == 0)
        code = command_failed("%.*s; or give the public key with --key", (int)why.n,
                              (const char *)why.p);
    buf_fini(&why);
    return code;
}

/* The head itself, or a file that holds it. */
static int take_head(struct verify *v, const char *given)
{
    char text[CHAIN_LINE_MAX + 1];
    struct buf why;
    if (!given)
        return EXIT_FINE;
    if (given[0] != '{') {
        FILE *f = fopen(given, "re");
        size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
        if (!f)
            return command_failed("--head %s: %s", given, strerror(errno));
        (void)fclose(f);
        text[n] = '\0';
        text[strcspn(text, "\r\n")] = '\0';
        given = text;
    }
    buf_init(&why, 256);
    int rc = chain_head_read(&v->given, span_str(given), &why);
    int code =
        rc ? command_wrong("--head is no head: %.*s", (int)why.n, (const char *)why.p) : EXIT_FINE;
    buf_fini(&why);
    return code;
}

int audit_verify(const struct cmdline *line, const struct config *config)
{
    struct verify *v = mem_zalloc(1, sizeof *v);
    const char *file = cmdline_option(line, "file");
    if (!v || chain_hasher_create(&v->hasher)) {
        mem_free(v);
        return command_failed("audit: %s", err_text(E_NOMEM));
    }
    v->only = cmdline_option(line, "node");
    int code = take_keys(v, line, config);
    if (code == EXIT_FINE)
        code = take_head(v, cmdline_option(line, "head"));
    if (code == EXIT_FINE)
        code = file ? verify_file(v, file) : with_nodes(line, config, verify_node, v);
    if (code == EXIT_FINE && v->bad)
        code = EXIT_FAILED;
    chain_hasher_destroy(v->hasher);
    mem_free(v);
    return code;
}
