/* UPDATE and INPUT as text: what is taken, with which defaults; what is relayed as it came and what
 * is written anew; whose message it is, whatever tricks are played with its keys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/err.h"
#include "games/racing/update.h"

#include <stdio.h>
#include <stdlib.h>

#define ID       "0123456789abcdef0123456789abcdef"
#define OTHER    "ffffffffffffffffffffffffffffffff"
#define POS      "'position':{'x':1,'y':2,'z':3}"
#define ROT      "'rotation':{'x':0,'y':0,'z':0,'w':1}"
#define SID      "'sessionId':'" ID "'"
#define UPDATE   "{'command':'UPDATE'," SID "," POS "," ROT "}"
#define CONTROLS "'steering':0.5,'throttle':1,'brake':0,'timestamp':12.5"

/* An exact copy with " for ', so that a read past its end is seen. */
static struct span exact(const char *text)
{
    size_t n = strlen(text);
    char *p = malloc(n ? n : 1);
    assert_non_null(p);
    for (size_t i = 0; i < n; i++)
        p[i] = text[i] == '\'' ? '"' : text[i];
    return span_of(p, n);
}

static void release(struct span s)
{
    free((void *)(uintptr_t)s.p);
}

static int parse(const char *text)
{
    struct span s = exact(text);
    struct update u;
    int rc = update_parse(s, &u);
    release(s);
    return rc;
}

static void assert_rewritten(const struct update *u, const char *want)
{
    struct buf b;
    struct span w = exact(want);
    buf_init(&b, 65536);
    update_rewrite(u, SPAN_LIT(ID), &b);
    assert_false(b.failed);
    if (b.n != w.n || memcmp(b.p, w.p, w.n) != 0)
        fail_msg("rewritten: %.*s, not %s", (int)b.n, (const char *)b.p, want);
    /* What was written anew is accepted, is this session's, and stays as it is. */
    struct update again;
    struct buf c;
    buf_init(&c, 65536);
    assert_int_equal(update_parse(buf_span(&b), &again), 0);
    assert_true(span_eq(again.session_id, SPAN_LIT(ID)));
    update_rewrite(&again, SPAN_LIT(ID), &c);
    assert_true(span_eq(buf_span(&c), buf_span(&b)));
    buf_fini(&b);
    buf_fini(&c);
    release(w);
}

/* relayed: NULL when it goes on as it came. */
static void assert_relay(const char *text, const char *relayed)
{
    struct span s = exact(text);
    struct update u;
    int rc = update_parse(s, &u);
    if (rc)
        fail_msg("%s: %s", text, err_name(rc));
    if (u.rewrite != (relayed != NULL))
        fail_msg("%s: rewrite is %d", text, u.rewrite);
    if (relayed)
        assert_rewritten(&u, relayed);
    release(s);
}

static void complete_messages_go_as_they_came(void **state)
{
    (void)state;
    static const char *const rows[] = {
        UPDATE,
        "{'command':'update'," SID "," POS "," ROT "}",
        "{'command':'UpDaTe'," SID "," POS "," ROT ",'timestamp':1750000000000}",
        "{" ROT "," POS "," SID ",'command':'UPDATE'}",
        "{ 'command' : 'UPDATE' , " SID " ,\n\t" POS "," ROT " }",
        "{'command':'UPDATE'," SID "," POS "," ROT ",'seq':7,'extra':{'a':[1,2,{'b':null}]}}",
        "{'command':'UPDATE'," SID ",'position':{'x':1e-5,'y':-2.5E+3,'z':0,'w':9},"
        "'rotation':{'w':1,'z':0,'y':0,'x':0,'extra':true}}",
        "{'command':'UPDATE'," SID "," POS "," ROT ",'client_id':'" ID "'}",
        "{'command':'UPDATE'," SID "," POS "," ROT ",'text':'a\\'b\\u0041'}",
        "{'command':'\\u0055PDATE'," SID "," POS "," ROT "}",
        "{'command':'UPDATE'," SID "," POS "," ROT ",'roomId':'x'}",
        "{'command':'INPUT'," SID ",'roomId':'x','input':{" CONTROLS "},'client_id':'" ID "'}",
        "{'command':'INPUT'," SID ",'input':{" CONTROLS "}}",
        "{'command':'INPUT'," SID ",'input':{" CONTROLS ",'nitro':true},'steering':'text'}",
        "{'command':'INPUT'," SID "," CONTROLS "}",
        "{'command':'input'," CONTROLS "," SID "}",
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_relay(rows[i], NULL);
}

static void what_stands_round_the_object_is_left_out(void **state)
{
    (void)state;
    static const char *const rows[] = {UPDATE "\n", " \r\n\t" UPDATE " \r\n\n", UPDATE};
    struct span want = exact(UPDATE);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct span s = exact(rows[i]);
        struct update u;
        assert_int_equal(update_parse(s, &u), 0);
        assert_true(span_eq(u.text, want));
        release(s);
    }
    release(want);
}

static void what_is_missing_is_filled_in(void **state)
{
    (void)state;
    static const struct {
        const char *text, *relayed;
    } rows[] = {
        {"{'command':'UPDATE'," SID "}",
         "{'command':'UPDATE'," SID ",'position':{'x':0,'y':0,'z':0},"
         "'rotation':{'x':0,'y':0,'z':0,'w':1}}"},
        {"{'command':'UPDATE'," SID ",'position':null,'rotation':null}",
         "{'command':'UPDATE'," SID ",'position':{'x':0,'y':0,'z':0},"
         "'rotation':{'x':0,'y':0,'z':0,'w':1}}"},
        {"{'command':'UPDATE'," SID ",'position':{},'rotation':{}}",
         "{'command':'UPDATE'," SID ",'position':{'x':0,'y':0,'z':0},"
         "'rotation':{'x':0,'y':0,'z':0,'w':1}}"},
        {"{'command':'UPDATE'," SID ",'position':{'y':5.25}," ROT "}",
         "{'command':'UPDATE'," SID ",'position':{'x':0,'y':5.25,'z':0}," ROT "}"},
        {"{'command':'UPDATE'," SID "," POS ",'rotation':{'x':0,'y':0.70710678,'z':0}}",
         "{'command':'UPDATE'," SID "," POS ",'rotation':{'x':0,'y':0.70710678,'z':0,'w':1}}"},
        {"{'command':'UPDATE'," SID "," POS ",'rotation':{'w':null,'z':null,'y':1,'x':-0}}",
         "{'command':'UPDATE'," SID "," POS ",'rotation':{'x':-0,'y':1,'z':0,'w':1}}"},
        /* everything else is kept, within the parts too */
        {"{'seq':7,'command':'UPDATE'," SID "," POS ",'speed':[1, 2]}",
         "{'command':'UPDATE'," SID ",'seq':7,'speed':[1, 2]," POS
         ",'rotation':{'x':0,'y':0,'z':0,'w':1}}"},
        {"{'command':'UPDATE'," SID ",'position':{'up':[1],'x':1,'\\u0079':2,'tag':'t'}," ROT "}",
         "{'command':'UPDATE'," SID ",'position':{'x':1,'y':2,'z':0,'up':[1],'tag':'t'}," ROT "}"},
        {"{'command':'INPUT'," SID ",'input':{'steering':0.5,'nitro':true,'name':'a\\nb'}}",
         "{'command':'INPUT'," SID ",'input':{'steering':0.5,'throttle':0,'brake':0,"
         "'timestamp':0,'nitro':true,'name':'a\\nb'}}"},
        {"{'command':'INPUT'," SID ",'brake':1}",
         "{'command':'INPUT'," SID ",'steering':0,'throttle':0,'brake':1,'timestamp':0}"},
        {"{'command':'INPUT'," SID ",'throttle':1,'gear':3,'timestamp':null}",
         "{'command':'INPUT'," SID ",'gear':3,'steering':0,'throttle':1,'brake':0,'timestamp':0}"},
        {"{'command':'INPUT'," SID ",'input':null,'throttle':1}",
         "{'command':'INPUT'," SID ",'input':null,'steering':0,'throttle':1,'brake':0,"
         "'timestamp':0}"},
        {"{'command':'INPUT'," SID ",'input':{'throttle':1},'steering':7}",
         "{'command':'INPUT'," SID ",'steering':7,'input':{'steering':0,'throttle':1,'brake':0,"
         "'timestamp':0}}"},
        {"{'command':'INPUT'," SID ",'roomId':'r','input':{'throttle':1},'client_id':'" ID "'}",
         "{'command':'INPUT'," SID ",'roomId':'r','input':{'steering':0,'throttle':1,'brake':0,"
         "'timestamp':0},'client_id':'" ID "'}"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_relay(rows[i].text, rows[i].relayed);
}

/* Whatever parser a receiver has, it must read the verified sender. */
static void doubtful_senders_are_written_anew(void **state)
{
    (void)state;
    static const struct {
        const char *text, *relayed;
    } rows[] = {
        {"{'sessionId':'" OTHER "','command':'UPDATE'," SID "," POS "," ROT "}", UPDATE},
        {"{'\\u0073essionId':'" OTHER "','command':'UPDATE'," SID "," POS "," ROT "}", UPDATE},
        {"{'\\u0073\\u0065\\u0073\\u0073\\u0069\\u006f\\u006e\\u0049\\u0064':'" OTHER
         "','command':'UPDATE'," SID "," POS "," ROT "}",
         UPDATE},
        {"{'command':'UPDATE','\\u0073essionId':'" ID "'," POS "," ROT "}", UPDATE},
        {"{'command':'UPDATE','sessionId':'\\u0030123456789abcdef0123456789abcdef'," POS "," ROT
         "}",
         UPDATE},
        {"{'comman\\u0064':'x','command':'UPDATE'," SID "," POS "," ROT "}", UPDATE},
        {"{'command':'UPDATE'," SID "," POS "," ROT ",'client_id':'" OTHER "'}",
         "{'command':'UPDATE'," SID "," POS "," ROT ",'client_id':'" ID "'}"},
        {"{'command':'UPDATE'," SID "," POS "," ROT ",'client_id':5}",
         "{'command':'UPDATE'," SID "," POS "," ROT ",'client_id':'" ID "'}"},
        {"{'client_id':'" OTHER "','command':'UPDATE'," SID "," POS "," ROT ",'client_id':'" ID
         "'}",
         "{'command':'UPDATE'," SID "," POS "," ROT ",'client_id':'" ID "'}"},
        {"{'client\\u005fid':'" OTHER "','command':'INPUT'," SID "," CONTROLS "}",
         "{'command':'INPUT'," SID "," CONTROLS ",'client_id':'" ID "'}"},
        {"{'client_id':null,'command':'INPUT'," SID "," CONTROLS "}",
         "{'command':'INPUT'," SID "," CONTROLS ",'client_id':'" ID "'}"},
        /* nested ones could mislead a parser that searches */
        {"{'command':'UPDATE'," SID "," POS "," ROT ",'x':{'sessionId':'" OTHER "'}}",
         "{'command':'UPDATE'," SID ",'x':{'sessionId':'" OTHER "'}," POS "," ROT "}"},
        /* an escaped key that is nobody's business */
        {"{'command':'UPDATE'," SID "," POS "," ROT ",'\\u0078':1}",
         "{'command':'UPDATE'," SID ",'\\u0078':1," POS "," ROT "}"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_relay(rows[i].text, rows[i].relayed);
}

static void others_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int rc;
    } rows[] = {
        {"", E_FORMAT},
        {" ", E_FORMAT},
        {"{", E_FORMAT},
        {"[]", E_FORMAT},
        {"null", E_FORMAT},
        {"{}", E_FORMAT},
        {UPDATE "x", E_FORMAT},
        {UPDATE UPDATE, E_FORMAT},
        {"{'command':'UPDATE'," POS "," ROT "}", E_FORMAT},
        {"{'command':'UPDATE','sessionId':''," POS "," ROT "}", E_FORMAT},
        {"{'command':'UPDATE','sessionId':null," POS "," ROT "}", E_FORMAT},
        {"{'command':'UPDATE','sessionId':5," POS "," ROT "}", E_FORMAT},
        {"{" SID "," POS "," ROT "}", E_FORMAT},
        {"{'command':null," SID "," POS "," ROT "}", E_FORMAT},
        {"{'command':5," SID "," POS "," ROT "}", E_FORMAT},
        {"{'command':''," SID "," POS "," ROT "}", E_FORMAT},
        {"{'command':'UPDATES'," SID "," POS "," ROT "}", E_FORMAT},
        {"{'command':'UPDAT'," SID "," POS "," ROT "}", E_FORMAT},
        {"{'command':'PING'," SID "}", E_FORMAT},
        {"{'command':'UPDATE'," SID ",'position':[]," ROT "}", E_FORMAT},
        {"{'command':'UPDATE'," SID ",'position':5," ROT "}", E_FORMAT},
        {"{'command':'UPDATE'," SID ",'position':'x'," ROT "}", E_FORMAT},
        {"{'command':'UPDATE'," SID ",'position':{'x':'1'}," ROT "}", E_FORMAT},
        {"{'command':'UPDATE'," SID ",'position':{'x':true}," ROT "}", E_FORMAT},
        {"{'command':'UPDATE'," SID ",'position':{'x':{}}," ROT "}", E_FORMAT},
        {"{'command':'UPDATE'," SID "," POS ",'rotation':{'w':[]}}", E_FORMAT},
        {"{'command':'UPDATE'," SID "," POS ",'rotation':false}", E_FORMAT},
        {"{'command':'UPDATE'," SID ",'position':{'x':NaN}," ROT "}", E_FORMAT},
        {"{'command':'UPDATE'," SID ",'position':{'x':Infinity}," ROT "}", E_FORMAT},
        {"{'command':'UPDATE'," SID ",'position':{'x':1e39}," ROT "}", E_RANGE},
        {"{'command':'UPDATE'," SID ",'position':{'x':-1e400}," ROT "}", E_RANGE},
        {"{'command':'UPDATE'," SID "," POS ",'rotation':{'x':3.5e38}}", E_RANGE},
        {"{'command':'INPUT'," SID "}", E_FORMAT},
        {"{'command':'INPUT'," SID ",'timestamp':5}", E_FORMAT},
        {"{'command':'INPUT'," SID ",'input':{}}", E_FORMAT},
        {"{'command':'INPUT'," SID ",'input':{'timestamp':1}}", E_FORMAT},
        {"{'command':'INPUT'," SID ",'input':[]}", E_FORMAT},
        {"{'command':'INPUT'," SID ",'input':5,'steering':1}", E_FORMAT},
        {"{'command':'INPUT'," SID ",'input':{'steering':'left'}}", E_FORMAT},
        {"{'command':'INPUT'," SID ",'steering':1,'brake':[]}", E_FORMAT},
        {"{'command':'INPUT'," SID ",'steering':1e39}", E_RANGE},
        {"{'command':'INPUT'," SID ",'steering':0,'timestamp':'now'}", E_FORMAT},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (parse(rows[i].text) != rows[i].rc)
            fail_msg("%s: %d", rows[i].text, parse(rows[i].text));
}

static void numbers_are_kept(void **state)
{
    (void)state;
    struct span s = exact("{'command':'UPDATE'," SID ",'position':{'x':1.5,'y':-2e2,'z':3.4e38},"
                          "'rotation':{'x':0.25,'y':null}}");
    struct update u;
    assert_int_equal(update_parse(s, &u), 0);
    assert_int_equal(u.kind, UPDATE_POSITION);
    assert_true(u.position[0] == 1.5f && u.position[1] == -200.0f && u.position[2] == 3.4e38f);
    assert_true(u.rotation[0] == 0.25f && u.rotation[1] == 0.0f && u.rotation[2] == 0.0f &&
                u.rotation[3] == 1.0f);
    release(s);
}

static void the_last_of_equal_keys_counts(void **state)
{
    (void)state;
    struct span s = exact("{'command':'INPUT','command':'UPDATE'," SID
                          ",'position':5,'position':{'x':1,'x':2,'y':0,'z':0},"
                          "'roomId':1,'roomId':'r'," ROT "}");
    struct update u;
    assert_int_equal(update_parse(s, &u), 0);
    assert_int_equal(u.kind, UPDATE_POSITION);
    assert_true(u.position[0] == 2.0f);
    assert_int_equal(u.room_id.type, JSON_STRING);
    release(s);
}

/* The room the relay gives the rewritten text (its own length and 512 bytes) is enough for the one
 * that grows most. */
static void growth_is_bounded(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "{'command':'INPUT','sessionId':'x','client_id':0,'brake':0}",
        "{'command':'UPDATE','sessionId':'x','client_id':0}",
        "{'command':'INPUT','sessionId':'x','input':{'brake':0},'client_id':0}",
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct span s = exact(rows[i]);
        struct update u;
        struct buf b;
        buf_init(&b, 4096);
        assert_int_equal(update_parse(s, &u), 0);
        assert_true(u.rewrite);
        update_rewrite(&u, SPAN_LIT(ID), &b);
        assert_in_range(b.n, 1, s.n + 256);
        buf_fini(&b);
        release(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(complete_messages_go_as_they_came),
        cmocka_unit_test(what_stands_round_the_object_is_left_out),
        cmocka_unit_test(what_is_missing_is_filled_in),
        cmocka_unit_test(doubtful_senders_are_written_anew),
        cmocka_unit_test(others_are_refused),
        cmocka_unit_test(numbers_are_kept),
        cmocka_unit_test(the_last_of_equal_keys_counts),
        cmocka_unit_test(growth_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
