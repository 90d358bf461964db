/* Pages of what is online: every row once, whatever order games tell them in, and however many. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "admin/operate.h"
#include "base/err.h"
#include "sim/alloc_fault.h"
#include "wire/json.h"

#define GAMES       2u
#define PLAYERS_MAX 4000u

static struct {
    unsigned n; /* of players, and as many rooms */
    bool seen[PLAYERS_MAX];
    char json[4u << 20];
    size_t json_n;
    unsigned answers, refusals;
} w;

static size_t count(void *ctx)
{
    (void)ctx;
    return GAMES;
}

static const char *name(void *ctx, size_t game)
{
    (void)ctx;
    return game ? "arena" : "racing";
}

/* Ids in no order. */
static struct span id_of(unsigned i, char text[40])
{
    return span_of(text, (size_t)snprintf(text, 40, "%08x-%u", i * 2654435761u, i));
}

static void players(void *ctx, size_t game, player_fn fn, void *fn_ctx)
{
    char text[40];
    (void)ctx;
    for (unsigned i = 0; i < w.n; i++) {
        struct player_view v = {.session = id_of(i, text), .name = SPAN_LIT("bob"), .level = 1};
        if (i % GAMES == game && !fn(fn_ctx, &v))
            return;
    }
}

static void rooms(void *ctx, size_t game, room_fn fn, void *fn_ctx)
{
    char text[40];
    (void)ctx;
    for (unsigned i = 0; i < w.n; i++) {
        struct room_view v = {.id = id_of(i, text)};
        if (i % GAMES == game && !fn(fn_ctx, &v))
            return;
    }
}

static void reply(void *ctx, uint64_t token, struct span result)
{
    (void)ctx;
    (void)token;
    w.answers++;
    assert_true(result.n < sizeof w.json);
    memcpy(w.json, result.p, result.n);
    w.json_n = result.n;
}

static void refuse(void *ctx, uint64_t token, const char *error, const char *mend)
{
    (void)ctx;
    (void)token;
    (void)error;
    (void)mend;
    w.refusals++;
}

static struct operate *open_operate(void)
{
    static const struct staff_games games = {
        .count = count, .name = name, .players = players, .rooms = rooms};
    struct operate_cfg cfg = {.games = &games, .reply = reply, .refuse = refuse};
    struct operate *o;
    assert_int_equal(operate_create(&o, &cfg), 0);
    return o;
}

static void run(struct operate *o, const char *command, const char *arguments)
{
    struct now now = {1, 1};
    struct desk_actor by = {.level = LEVEL_ADMIN, .name = SPAN_LIT("root")};
    operate_run(o, now, &by, span_str(command), span_str(arguments), 0);
}

/* Notes the rows of a page; how many there were. */
static unsigned note_rows(const char *member)
{
    static const char *const names[] = {"rows", "more", "after"};
    struct json_val v[3], row, id;
    unsigned n = 0, i;
    assert_int_equal(json_object(span_of(w.json, w.json_n), names, 3, v), JSON_OBJECT);
    for (size_t at = 0; json_next(v[0].raw, &at, &row); n++) {
        char text[64];
        assert_int_equal(json_object(row.raw, &member, 1, &id), JSON_OBJECT);
        int k = json_string(&id, text, sizeof text - 1);
        assert_true(k > 0);
        text[k] = '\0';
        i = (unsigned)strtoul(strchr(text, '-') + 1, NULL, 10);
        assert_true(i < w.n && !w.seen[i]);
        w.seen[i] = true;
    }
    assert_int_equal(v[1].type == JSON_TRUE, v[2].type == JSON_STRING);
    return n;
}

static bool next_page(char after[64])
{
    const char *names = "after";
    struct json_val v;
    assert_int_equal(json_object(span_of(w.json, w.json_n), &names, 1, &v), JSON_OBJECT);
    int n = v.type == JSON_STRING ? json_string(&v, after, 63) : 0;
    after[n] = '\0';
    return n > 0;
}

static void every_row_once_over_all_pages(void **state)
{
    (void)state;
    static const unsigned totals[] = {0, 1, 50, 1000, 1001, 2500, PLAYERS_MAX};
    static const unsigned pages[] = {1000, 7, 1};
    struct operate *o = open_operate();
    for (size_t t = 0; t < ARRAY_LEN(totals); t++) {
        for (size_t p = 0; p < ARRAY_LEN(pages); p++) {
            bool room = t % 2;
            char after[64] = "", arguments[160];
            unsigned all = 0, asked = 0;
            if (pages[p] < 1000 && totals[t] > 50)
                continue;
            memset(&w, 0, sizeof w);
            w.n = totals[t];
            do {
                (void)snprintf(arguments, sizeof arguments, "{\"after\":\"%s\",\"most\":%u}", after,
                               pages[p]);
                run(o, room ? "room list" : "session list", arguments);
                unsigned n = note_rows(room ? "room" : "session");
                assert_true(n <= pages[p]);
                all += n;
                asked++;
            } while (next_page(after));
            assert_int_equal(all, totals[t]);
            assert_int_equal(asked, w.n ? (w.n + pages[p] - 1) / pages[p] : 1);
        }
    }
    operate_destroy(o);
}

static void of_one_game(void **state)
{
    (void)state;
    struct operate *o = open_operate();
    memset(&w, 0, sizeof w);
    w.n = 21;
    run(o, "session list", "{\"game\":\"arena\"}");
    assert_int_equal(note_rows("session"), 10);
    run(o, "session list", "{\"name\":\"alice\"}");
    assert_int_equal(note_rows("session"), 0);
    run(o, "session list", "{\"most\":1001}");
    assert_int_equal(w.refusals, 1);
    alloc_fault_from(1);
    run(o, "session list", "{}");
    alloc_fault_at(0);
    assert_int_equal(w.refusals, 2);
    operate_destroy(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_once_over_all_pages),
        cmocka_unit_test(of_one_game),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
