/* What the parser of conversation scripts refuses, and in which words. */
#include "script.h"
#include "tmpl.h"

#include "sim/alloc_fault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

struct refusal {
    const char *text, *want;
};

static void refuse(struct span text, const char *want)
{
    struct buf why;
    buf_init(&why, 4096);
    struct script *s = script_parse("dir/x.talk", text, &why);
    (void)buf_append_byte(&why, 0);
    if (s)
        fail_msg("accepted: %.*s", (int)(text.n < 200 ? text.n : 200), (const char *)text.p);
    if (!strstr((const char *)why.p, want))
        fail_msg("said: %s\nnot: %s", (const char *)why.p, want);
    buf_fini(&why);
}

static const struct refusal refusals[] = {
    {"", "dir/x.talk:1: the script holds no step"},
    {"# only words\n\n", "the script holds no step"},
    {"jump high",
     ":1: a line begins with a client's name (a capital letter) or one of server config"},
    {"client A\n\nclient", ":3: a client's name begins with a capital letter"},
    {"client ann", "a client's name begins with a capital letter"},
    {"client Abcdefghijklmnopqrstuvwxyzabcdefgh", "fewer than 32 characters"},
    {"client A up", "behind a client stands 'as NAME', 'from ADDRESS', 'slow' or 'no-welcome'"},
    {"client A as", "a player's name is missing"},
    {"client A as a\\b", "behind 'as' stands a name of at most 32 bytes, without \" \\ and <"},
    {"client A as <b>", "behind 'as' stands a name of at most 32 bytes"},
    {"client A as abcdefghijklmnopqrstuvwxyz0123456",
     "behind 'as' stands a name of at most 32 bytes"},
    {"client A as p$n", "nothing is bound to $n before this line"},
    {"client A as ann no-welcome", "'as' and 'no-welcome' do not mix"},
    {"client A from nowhere", "an address is IPv4 or IPv6, not 'nowhere'"},
    {"client A\nA>> from 1.2.3 {}", "an address is IPv4 or IPv6, not '1.2.3'"},
    {"client A from", "an address is missing"},
    {"client A from \"x", "a \" is missing at the end of an address"},
    {"B> {}", "no client B was opened before this line"},
    {"client A\nA jumps", "a client has no 'jumps'; it has >"},
    {"client A\nA>{}", "behind > stands a space; arrows are > < <~ >> <<"},
    {"client A\nA<", "what is expected is missing; ! stands for nothing"},
    {"client A\nA<~ $x", "nothing is bound to $x before this line"},
    {"client A\nA> $room", "nothing is bound to $room before this line"},
    {"client A no-welcome\nA> $A.id", "nothing is bound to $A.id before this line"},
    {"client A\nA< <r>\nA< <r>", ":3: <r> is bound already: write $r for the same"},
    {"client A\nA< <r:int>", "a hole is <name>, <name:id> or <*>, not :int"},
    {"client A\nA> split 0 {}", "the size of a piece is a number from 1 to 65536, not '0'"},
    {"client A\nA> raw x", "bytes are written \"with \\n escapes\" or `as they stand`"},
    {"client A\nA> raw \"x", "a \" is missing at the end of the bytes"},
    {"client A\nA> raw `x", "a ` is missing at the end of the bytes"},
    {"client A\nA> raw \"\\q\"", "escapes are \\n \\r \\t \\0 \\\" \\\\ and \\xHH, not \\q"},
    {"client A\nA> raw \"x\" * many", "how often is a number from 0"},
    {"client A\nA> raw \"xxxxxxxx\" * 4000000", "the bytes are more than"},
    {"client A\nA udp tcp", "a form is one of clear cbc gcm cbc-hmac, not 'tcp'"},
    {"client A\nA>>", "what is sent is missing"},
    {"client A\nA>> form x {}", "a form is one of"},
    {"client A\nA>> port 0 {}", "a port of the client is a number from 1 to 9"},
    {"client A\nA>> seq x {}", "a sequence is a number from 0"},
    {"client A\nA>> keys b {}", "a client's name begins with a capital letter"},
    {"client A\nA>> again {}", "nothing may follow here: '{}'"},
    {"client A\nA>> back {}", "nothing may follow here: '{}'"},
    {"client A\nA>> secret", "a secret is missing"},
    {"client A\nA>> conn b {}", "a client's name begins with a capital letter"},
    {"client A\nA>> add 0 {}", "how many bytes is a number from 1 to 1500"},
    {"client A\nA>> length x {}", "a length is a number from 0"},
    {"client A\nA>> gzip-cut x {}", "a size is a number from 0"},
    {"client A\nA>> bytes x", "bytes are written \"with \\n escapes\""},
    {"client A\nA> raw $", "among bytes stands $name, not '$'"},
    {"client A\nA> raw $A.id\"x\"", "among bytes stands $name, not '$A.id\"x\"'"},
    {"client A\nA> raw \"x\" $B.id", "nothing is bound to $B.id before this line"},
    {"client A\nA<<", "what is expected is missing"},
    {"client A\nA< ! more", NULL},
    {"client A\nA silent", "a time is written 200ms, 61s or 2m, not ''"},
    {"client A\nA silent 5", "a time is written 200ms, 61s or 2m, not '5'"},
    {"client A\nA silent 99999999s", "a time is a number from 0 to 1000000"},
    {"client A\nA closed loudly",
     "a reason is one of peer bye idle protocol slow kick drain error"},
    {"client A\nA close now", "nothing may follow here: 'now'"},
    {"advance fast", "a time is written"},
    {"server", "settings are missing: section.name=value"},
    {"server racing", "a setting is section.name=value, not 'racing'"},
    {"server room=5", "a setting is section.name=value"},
    {"server racing.room_size=\"5", "a \" is missing at the end of a value"},
    {"client A\nserver racing.room_size=5",
     "server stands before the first client; config changes"},
    {"client A\naccount x y", "account stands before the first client"},
    {"account", "the account's name is missing"},
    {"account x", "the account's password is missing"},
    {"let", "a name has letters, digits and _, not ''"},
    {"let 5 x", "a name has letters, digits and _, not '5'"},
    {"let x", "the text of x is missing"},
    {"repeat {", "how often is a number from 1 to 100000, not '{'"},
    {"repeat 3", "a block begins with { at the end of its line"},
    {"repeat 3 as 5 {", "a name has letters, digits and _, not '5'"},
    {"repeat 3 {\nadvance 1s", ":1: this block is never closed with }"},
    {"}", "} without a block that it ends"},
    {"advance 1s\nsim-only", "sim-only for the whole script stands before its first step"},
    {"live-only {\nadvance 1s", "this block is never closed"},
    {"kick all",
     "only the simulated world has 'kick': put it and what follows from it into a block"},
    {"close-room all", "only the simulated world has 'close-room'"},
    {"slow store 1s", "only the simulated world has 'slow'"},
    {"hold store", "only the simulated world has 'hold'"},
    {"answer all", "only the simulated world has 'answer'"},
    {"live-only {\nfail memory 1\n}", "only the simulated world has 'fail'"},
    {"sim-only\nkick A", "no client A was opened"},
    {"sim-only\nfail door failed",
     "what fails is one of find create set-password touch store, make"},
    {"sim-only\nfail find badly", "how it fails is one of refused failed busy lost, not 'badly'"},
    {"sim-only\nfail find lost 0", "how often is a number from 1"},
    {"sim-only\nfail memory 0", "which request for memory is a number from 1"},
    {"sim-only\nslow net 1s", "it is the store that can be slow: slow store 2s"},
    {"sim-only\nhold net", "it is the store that can be held: hold store"},
    {"sim-only\nanswer some", "how many answers (or all) is a number from 1"},
    {"expect-metric", "a metric is name or name{label=\"value\"}"},
    {"expect-metric x{a=\"b\" == 5", "a } is missing at the end of the labels"},
    {"expect-metric x > 5", "a relation is one of == >= <= +=, not '>'"},
    {"expect-metric x == many", "a metric's value is a number from 0"},
    {"expect-log login", "a record is named by its id, such as racing.login"},
    {"restart now", "nothing may follow here: 'now'"},
};

static void mistakes_are_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++)
        if (refusals[i].want)
            refuse(span_str(refusals[i].text), refusals[i].want);
}

static struct buf repeated(const char *head, const char *text, size_t n, const char *tail)
{
    struct buf b;
    buf_init(&b, 8u << 20);
    (void)buf_append_str(&b, head);
    for (size_t i = 0; i < n; i++)
        (void)buf_append_str(&b, text);
    (void)buf_append_str(&b, tail);
    assert_false(b.failed);
    return b;
}

static void limits_are_kept(void **state)
{
    static const struct {
        const char *head, *text;
        size_t n;
        const char *tail, *want;
    } cases[] = {
        {"", "# long enough to be too much\n", 40000, "", "a script holds at most 1048576 bytes"},
        {"client A\nA> ", "x", SCRIPT_LINE_MAX, "", "a line holds at most 65536 bytes"},
        {"client A\nA> x", "\\\n  xxxxxxxx", 9000, "", ":2: a line holds at most 65536 bytes"},
        {"", "advance 1s\n", SCRIPT_STEPS_MAX + 1, "", "a script holds at most 20000 steps"},
        {"", "repeat 1 {\n", SCRIPT_DEPTH_MAX + 1, "", "blocks stand at most 8 deep"},
        {"client A\nA< ", "<*>,", TMPL_HOLES + 1, "", "a text holds at most 64 holes"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf b = repeated(cases[i].head, cases[i].text, cases[i].n, cases[i].tail);
        refuse(buf_span(&b), cases[i].want);
        buf_fini(&b);
    }
    refuse(SPAN_LIT("client A\nA> \0{}"), "a NUL byte stands in the line");
}

/* Whatever stands in a file: it is read or refused, and no byte beyond it is looked at. */
static void every_beginning_and_every_damage_is_survived(void **state)
{
    static const char text[] =
        "server racing.room_size=3 racing.bind=\"::\"\naccount a b legacy\n"
        "client P[1] from 203.0.113.1 slow\nlet t {\"a\":\"$P[1].id\"} \\\n  x\n"
        "repeat 3 as i {\n  P[i]< {\"x\":<y[i]>,\"z\":\"<*>\"}\n}\n"
        "P[1]> raw \"\\x41\\n\" * 3 `b`\nP[1]>> port 2 corrupt -1 gzip $t\n"
        "P[1]>> conn P[1] add 1 gzip-cut -3 bytes \"a\" $P[1].id `c`\n"
        "sim-only {\n fail store lost 2\n}\nexpect-metric a{b=\"c\"} += 1\n";
    struct buf why;
    (void)state;
    buf_init(&why, 1u << 16);
    for (size_t n = 0; n < sizeof text; n++)
        for (unsigned c = 0; c < 256; c += c < 126 ? 1 : 43) {
            char *exact = malloc(n + 1);
            memcpy(exact, text, n);
            exact[n] = (char)c;
            buf_clear(&why);
            struct script *s = script_parse("x", span_of(exact, n + 1), &why);
            assert_true((s == NULL) == (why.n > 0));
            script_destroy(s);
            free(exact);
        }
    buf_fini(&why);
}

/* ---- texts ---- */

static bool match(struct vars *vs, const char *want, const char *got)
{
    struct buf words;
    size_t at;
    buf_init(&words, 4096);
    bool ok = tmpl_match(vs, want, span_str(got), &words, &at);
    buf_fini(&words);
    return ok;
}

static void holes_take_what_stands_there(void **state)
{
    struct vars vs = {0};
    (void)state;
    assert_true(
        match(&vs, "{\"a\":<x>,\"b\":\"<y>\"}", "{\"a\":[1,{\"c\":\"}\"}],\"b\":\"q\\\"\"}"));
    assert_string_equal(vars_get(&vs, "x"), "[1,{\"c\":\"}\"}]");
    assert_string_equal(vars_get(&vs, "y"), "q\\\"");
    assert_true(match(&vs, "{\"b\":\"$y\"}", "{\"b\":\"q\\\"\"}"));
    assert_true(match(&vs, "CONNECTED|<id:id>", "CONNECTED|0123456789abcdef0123456789abcdef"));
    assert_false(match(&vs, "CONNECTED|<jd:id>", "CONNECTED|0123456789ABCDEF0123456789abcdef"));
    assert_null(vars_get(&vs, "jd"));
    assert_false(match(&vs, "{\"a\":<n>}", "{\"a\":1,\"b\":2}"));
    assert_null(vars_get(&vs, "n"));
    assert_true(match(&vs, "<*>", ""));
    assert_true(match(&vs, "<<*> costs $$5", "<*> costs $5"));
    assert_true(match(&vs, "{\"a\":\"p-<m>-q\"}", "{\"a\":\"p-17-q\"}"));
    assert_string_equal(vars_get(&vs, "m"), "17");
    assert_false(match(&vs, "{\"a\":\"<k>\"}", "{\"a\":\"1\",\"b\":\"2\"}"));
    vars_fini(&vs);
}

static void values_are_compared_in_any_order(void **state)
{
    struct vars vs = {0};
    struct buf why;
    struct span got = span_str("{\"b\":[1,{\"c\":null}],\"a\":\"x\",\"z\":5}");
    (void)state;
    buf_init(&why, 4096);
    assert_true(tmpl_holds(&vs, "{\"a\":\"<v>\",\"b\":[<*>,{\"c\":<w>}]}", got, &why));
    assert_string_equal(vars_get(&vs, "v"), "x");
    assert_string_equal(vars_get(&vs, "w"), "null");
    assert_false(tmpl_holds(&vs, "{\"q\":1}", got, &why));
    assert_false(tmpl_holds(&vs, "{\"z\":6}", got, &why));
    assert_false(tmpl_holds(&vs, "{\"b\":[1]}", got, &why));
    assert_false(tmpl_holds(&vs, "{\"b\":[1,{},3]}", got, &why));
    assert_false(tmpl_holds(&vs, "{\"b\":", got, &why));
    buf_fini(&why);
    vars_fini(&vs);
}

static void a_text_within_itself_ends(void **state)
{
    struct vars vs = {0};
    struct buf to, why;
    (void)state;
    buf_init(&to, 4096);
    buf_init(&why, 4096);
    vars_set(&vs, "t", span_str("a $t"), true);
    assert_false(tmpl_fill(&vs, "$t", &to, &why));
    assert_non_null(memmem(why.p, why.n, "within itself", 13));
    buf_fini(&to);
    buf_fini(&why);
    vars_fini(&vs);
}

static void what_cannot_be_read_is_said(void **state)
{
    static const char *const paths[][2] = {
        {"/", "/: cannot be read"}, {"/nowhere/x.talk", "/nowhere/x.talk: cannot be opened"}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        struct buf why;
        buf_init(&why, 4096);
        assert_null(script_read(paths[i][0], &why));
        (void)buf_append_byte(&why, 0);
        assert_string_equal((const char *)why.p, paths[i][1]);
        buf_fini(&why);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_cannot_be_read_is_said),
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(limits_are_kept),
        cmocka_unit_test(every_beginning_and_every_damage_is_survived),
        cmocka_unit_test(holes_take_what_stands_there),
        cmocka_unit_test(values_are_compared_in_any_order),
        cmocka_unit_test(a_text_within_itself_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
