/* A conversation that does not go as scripted has to be noticed, and the words have to help. */
#include "play.h"

#include "sim/alloc_fault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define ANN                                                            \
    "client A\n"                                                       \
    "A> {\"command\":\"NAME\",\"name\":\"ann\",\"password\":\"pw\"}\n" \
    "A< "                                                              \
    "{\"command\":\"NAME_OK\",\"name\":\"ann\",\"authenticated\":true,\"udpEncryption\":true}\n"
#define PING "A> {\"command\":\"PING\"}\n"
#define PONG "A< {\"command\":\"PONG\"}\n"

/* Plays it in process; want NULL: it must go well, else what must be said. */
static void play_text(const char *text, const char *want)
{
    struct buf why;
    buf_init(&why, 1u << 20);
    struct script *s = script_parse("x.talk", span_str(text), &why);
    if (!s)
        fail_msg("%.*s", (int)why.n, (const char *)why.p);
    struct result r = play(s, back_sim(NULL), false, &why);
    (void)buf_append_byte(&why, 0);
    if (r.ok != (want == NULL) || (want && !strstr((const char *)why.p, want)))
        fail_msg("%s\nsaid: %s\nnot: %s", text, (const char *)why.p, want ? want : "nothing");
    buf_fini(&why);
    script_destroy(s);
}

static void what_does_not_come_as_written_is_a_failure(void **state)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"client A\n" PING PONG, NULL},
        {"client A\nA> raw \"x\" * 4194304\nA< <*>\nA closed protocol", NULL},
        {"client A\nsim-only {\nhold store\n}\n"
         "A> {\"command\":\"NAME\",\"name\":\"a\",\"password\":\"p\"}\nA> raw \"x\" * 4194304",
         "the server takes no more of what A sends"},
        {"client A\nA>> again", "A has sent no datagram yet"},
        {"client A\nA>> back", "A was sent no datagram yet"},
        {"client A\n" PING "A< {\"command\":\"PANG\"}",
         "x.talk:3: A expected: {\"command\":\"PANG\"}"},
        {"client A\n" PING "A< {\"command\":\"PANG\"}", "came: {\"command\":\"PONG\"}"},
        {"client A\n" PING "A< {\"command\":\"PANG\"}", "> {\"command\":\"PING\"}"},
        {"client A\n" PING PONG PONG,
         "x.talk:4: A expected: {\"command\":\"PONG\"}\n    but nothing came"},
        {"client A\n" PING "A< !", "A expected nothing, but there came: {\"command\":\"PONG\"}"},
        {"client A\n" PING "A silent 1s", "A expected nothing, but there came"},
        {"client A\n" PING, "A expected nothing, but there came: {\"command\":\"PONG\"}"},
        {"client A\nA closed", "A: the connection is still open"},
        {"client A\nA> {\"command\":\"BYE\"}\nA< <*>\nA closed idle",
         "does not say that the session ended with reason idle"},
        {"client A\nA> {\"command\":\"BYE\"}\nA closed", "A expected nothing"},
        {"client A\nA> {\"command\":\"BYE\"}\nA< <*>\n" PONG, "but the connection is closed"},
        {"client A\nA> {\"command\":\"BYE\"}\nA< <*>\nA silent 1s", "A: the connection is closed"},
        {"client A\n" PING "A<~ {\"command\":\"PANG\"}", "A expected a line that holds"},
        {"client A\n" PING "A<~ {\"x\":1}", "there is no member \"x\""},
        {"expect-metric slipgate_none == 0", "there is no metric slipgate_none"},
        {"expect-metric slipgate_racing_commands_total == 1",
         "slipgate_racing_commands_total is 0 (0 when it was looked at last); expected == 1"},
        {"client A\n" PING PONG "expect-metric slipgate_racing_commands_total += 1\n"
         "expect-metric slipgate_racing_commands_total += 1",
         "x.talk:5: slipgate_racing_commands_total is 1"},
        {"expect-log racing.login player=ann", "the log has no record: racing.login player=ann"},
        {ANN "expect-log racing.login player=an", "the log has no record"},
        {ANN "expect-no-log racing.login player=ann", "the log has: racing.login player=ann"},
        {"repeat 2 as n {\nclient P[n] as p$n\n}\nexpect-log racing.login player=p2", NULL},
        {"account ann x\nclient A as ann",
         "x.talk:2: A expected: {\"command\":\"NAME_OK\",\"name\":\"ann\""},
        {"server racing.none=5\nclient A",
         "the server does not start: unknown key \"racing.none\""},
        {"client A\nconfig racing.room_size=none",
         "the configuration is refused: racing.room_size"},
        {"repeat 2 as i {\nlive-only {\nclient P[i]\n}\nP[i]< !\n}",
         "client P[i] was never opened"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        play_text(cases[i].text, cases[i].want);
}

#define TWO                                                                                   \
    ANN "A> {\"command\":\"CREATE_ROOM\",\"name\":\"r\"}\nA< {\"command\":\"ROOM_CREATED\","  \
        "\"roomId\":\"<room:id>\",\"name\":\"r\"}\nclient B\nB> {\"command\":\"NAME\","       \
        "\"name\":\"bob\",\"password\":\"pw\"}\nB< <*>\nB> {\"command\":\"JOIN_ROOM\","       \
        "\"roomId\":\"$room\"}\nB< <*>\n"                                                     \
        "let a {\"command\":\"INPUT\",\"sessionId\":\"$A.id\",\"steering\":0,\"throttle\":1," \
        "\"brake\":0,\"timestamp\":1}\n"                                                      \
        "let b {\"command\":\"INPUT\",\"sessionId\":\"$B.id\",\"steering\":0,\"throttle\":1," \
        "\"brake\":0,\"timestamp\":1}\n"                                                      \
        "A>> $a\nB>> $b\n"

static void datagrams_that_do_not_come_as_written_are_failures(void **state)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        {TWO "A<< $b", NULL},
        {TWO "A<< $a", "A expected: {\"command\":\"INPUT\""},
        {TWO "A<< !", "A expected no datagram, but there came"},
        {TWO, "A expected no datagram, but there came"},
        {TWO "A<< $b\nA<< $b", "A expected the datagram: $b\n    but none came"},
        {TWO "A<< port 2 $b", "but none came"},
        {TWO "A udp clear\nA<< $b", "A: a datagram came, but it is not JSON and LF (form clear)"},
        {TWO "A<< $b\nA>> bytes $a \"\\r\\n\"\nB<< $a", NULL},
        {TWO "A<< $b\nA>> length 15 $a\nA>> cut -1 $a\nA>> add 1 $a\nB<< !\nA>> bytes $a\nB<< $a",
         NULL},
        {TWO "A<< $b\nA>> gzip-cut -1 $a\nA>> gzip-corrupt -5 $a\nA>> gzip gzip $a\nB<< !\n"
             "A>> gzip $a\nB<< $a",
         NULL},
        {TWO "A<< $b\nA>> back\nA>> form clear keys B $a\nB<< !", NULL},
        {TWO "A<< $b\nA> raw `{\"command\":\"RELAY_MESSAGE\",\"message\":\"x\",\"targetId\":\"` "
             "$A.id `\"}` \"\\n\"\nA<~ {\"senderId\":\"$A.id\"}\nA<~ {\"command\":\"RELAY_OK\"}\n",
         NULL},
        {TWO "A udp gcm\nA<< $b", "no keys were granted for this form"},
        {TWO "A udp gcm\nA>> $a", "the login granted no keys for this form"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        play_text(cases[i].text, cases[i].want);
}

/* A back end that is the simulated one but for its lines. */
static struct back_ops altered;
static bool (*real_line)(struct back *, unsigned, struct buf *);
static struct buf before;
static void *lost;

/* Every line but the welcome comes twice. */
static bool doubled_line(struct back *b, unsigned who, struct buf *to)
{
    if (before.n) {
        (void)buf_append_span(to, buf_span(&before));
        buf_clear(&before);
        return true;
    }
    if (!real_line(b, who, to))
        return false;
    if (to->p[0] == '{')
        (void)buf_append_span(&before, buf_span(to));
    return true;
}

/* Memory that counts as the service's is lost on the way. */
static bool leaking_line(struct back *b, unsigned who, struct buf *to)
{
    bool suspended = alloc_fault_suspend(false);
    if (!lost)
        lost = malloc(10);
    (void)alloc_fault_suspend(suspended);
    return real_line(b, who, to);
}

/* Under torture, where what is expected may fail to come, these must not pass. */
static void play_altered(bool (*line)(struct back *, unsigned, struct buf *), const char *text,
                         const char *want)
{
    struct back *b = back_sim(NULL);
    struct buf why;
    buf_init(&why, 1u << 20);
    buf_init(&before, 4096);
    altered = *b->ops;
    real_line = altered.line;
    altered.line = line;
    b->ops = &altered;
    struct script *s = script_parse("x.talk", span_str(text), &why);
    assert_non_null(s);
    struct result r = play(s, b, true, &why);
    (void)buf_append_byte(&why, 0);
    assert_false(r.ok);
    if (!strstr((const char *)why.p, want))
        fail_msg("said: %s", (const char *)why.p);
    buf_fini(&before);
    buf_fini(&why);
    script_destroy(s);
}

static void a_second_reply_is_noticed(void **state)
{
    (void)state;
    play_altered(doubled_line, "client A\n" PING PONG PONG, "A got 2 replies to 1 requests");
    play_text(
        "client A\nA> raw `{\"command\":\"PING\"}` \"\\n\" `{\"command\":\"PING\"}` \"\\n\"\n" PONG
            PONG,
        NULL);
    play_text("client A\nA> {\"command\":\"BATCH\",\"messages\":[{\"command\":\"PING\"},"
              "{\"command\":\"PING\"}]}\n" PONG PONG,
              NULL);
}

static void memory_that_is_not_given_back_is_noticed(void **state)
{
    (void)state;
    play_altered(leaking_line, "client A\n" PING PONG, "1 blocks of memory were not given back");
    bool suspended = alloc_fault_suspend(false);
    free(lost);
    (void)alloc_fault_suspend(suspended);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_does_not_come_as_written_is_a_failure),
        cmocka_unit_test(datagrams_that_do_not_come_as_written_are_failures),
        cmocka_unit_test(a_second_reply_is_noticed),
        cmocka_unit_test(memory_that_is_not_given_back_is_noticed),
    };
    (void)alloc_fault_suspend(true);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
