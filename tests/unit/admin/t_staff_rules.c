/* Who may use which command: every command, level, grant and switch; words; redaction. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "admin/staff_rules.h"
#include "base/err.h"

static struct staff_policy open_policy(void)
{
    struct staff_policy p = {.log_all = true};
    for (size_t i = 0; i < GATES_N; i++)
        p.open[i] = true;
    return p;
}

static void every_command_level_grant_and_switch(void **state)
{
    (void)state;
    for (size_t i = 0; i < staff_rows_n; i++)
        for (uint8_t level = 0; level <= 3; level++)
            for (int mask = 0; mask < 8; mask++) {
                const struct staff_row *r = &staff_rows[i];
                bool granted = mask & 1, shut = mask & 2, disabled = mask & 4;
                struct staff_policy p = open_policy();
                if (shut && r->gate != GATE_NONE)
                    p.open[r->gate] = false;
                if (disabled)
                    (void)snprintf(p.disabled, sizeof p.disabled, "other, %s", r->name);
                bool expect =
                    !disabled && !(shut && r->gate != GATE_NONE) && (level >= r->level || granted);
                assert_int_equal(staff_allows(staff_judge(&p, r, level, granted)), expect);
            }
}

static void a_switch_shuts_its_own_commands_alone(void **state)
{
    (void)state;
    for (int gate = GATE_NONE + 1; gate < (int)GATES_N; gate++) {
        struct staff_policy p = open_policy();
        p.open[gate] = false;
        assert_non_null(staff_gate_keys[gate]);
        for (size_t i = 0; i < staff_rows_n; i++)
            assert_int_equal(staff_judge(&p, &staff_rows[i], 3, true) == STAFF_GATE_SHUT,
                             (int)staff_rows[i].gate == gate);
    }
}

/* The levels and switches of docs/moderation.md: a change of the table is a change of this. */
static void levels_and_switches(void **state)
{
    static const struct {
        const char *line;
        uint8_t level;
        enum staff_gate gate;
    } rows[] = {
        {"kick", 2, GATE_NONE},
        {"ban", 2, GATE_NONE},
        {"mute", 2, GATE_NONE},
        {"jump", 2, GATE_TELEPORT},
        {"announce", 2, GATE_NONE},
        {"clientlist", 2, GATE_NONE},
        {"sameip", 2, GATE_NONE},
        {"gminfo", 2, GATE_NONE},
        {"player", 2, GATE_PLAYERS},
        {"item", 2, GATE_ITEMS},
        {"heal", 2, GATE_PLAYERS},
        {"team", 2, GATE_NONE},
        {"plvl", 3, GATE_ACCOUNTS},
        {"account", 3, GATE_ACCOUNTS},
        {"shutdown", 3, GATE_SHUTDOWN},
        {"snoop", 3, GATE_SNOOP},
        {"password", 1, GATE_NONE},
        {"account export", 1, GATE_NONE},
        {"account delete own", 1, GATE_NONE},
    };
    struct staff_words w;
    assert_int_equal(ARRAY_LEN(rows), staff_rows_n);
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(staff_split(span_str(rows[i].line), &w), 0);
        const struct staff_row *r = staff_find(&w);
        assert_non_null(r);
        assert_int_equal(r->level, rows[i].level);
        assert_int_equal(r->gate, rows[i].gate);
    }
}

static void names_and_aliases_are_exact(void **state)
{
    (void)state;
    assert_ptr_equal(staff_find_word(SPAN_LIT("k")), staff_find_word(SPAN_LIT("KICK")));
    assert_ptr_equal(staff_find_word(SPAN_LIT("te")), staff_find_word(SPAN_LIT("team")));
    static const char *const none[] = {"", "ki", "kic", "kicks", "tea", "/kick", "kick ", "t"};
    for (size_t i = 0; i < ARRAY_LEN(none); i++)
        assert_null(staff_find_word(span_str(none[i])));
    for (size_t i = 0; i < staff_rows_n; i++)
        for (size_t k = 0; k < i; k++)
            if (staff_rows[i].alias)
                assert_false(staff_same(span_str(staff_rows[i].alias), staff_rows[k].name));
}

static void check_split(const char *line, int rc, const char *joined)
{
    struct staff_words w;
    char got[2048] = "";
    size_t used = 0;
    assert_int_equal(staff_split(span_str(line), &w), rc);
    for (size_t i = 0; rc == 0 && i < w.n; i++)
        used += (size_t)snprintf(got + used, sizeof got - used, "%s%.*s", i ? "|" : "",
                                 (int)w.word[i].n, (const char *)w.word[i].p);
    if (rc == 0)
        assert_string_equal(got, joined);
}

static void lines_are_split_at_blanks_outside_quotes(void **state)
{
    char line[1100];
    (void)state;
    check_split("/kick bob", 0, "kick|bob");
    check_split("kick   bob  ", 0, "kick|bob");
    check_split("/ban account \"a b\" why not", 0, "ban|account|a b|why|not");
    check_split("/a \"\" b", 0, "a||b");
    check_split("/a b\"c d\"e", 0, "a|bc de");
    check_split("/a \"open to the end", 0, "a|open to the end");
    check_split("", E_NOENT, NULL);
    check_split("/", E_NOENT, NULL);
    check_split("/   ", E_NOENT, NULL);
    check_split("/\"\" a", E_NOENT, NULL);
    check_split("/a\tb", E_FORMAT, NULL);
    check_split("/a \xff", E_FORMAT, NULL);
    memset(line, 'x', sizeof line);
    line[1025] = '\0';
    line[0] = '/';
    check_split(line, 0, line + 1);
    line[1025] = 'x';
    line[1026] = '\0';
    check_split(line, E_LIMIT, NULL);
    for (size_t i = 0; i < 33; i++)
        memcpy(line + 2 * i, "a ", 2);
    line[64] = '\0';
    assert_int_equal(staff_split(span_str(line), &(struct staff_words){0}), 0);
    line[64] = 'a';
    line[65] = '\0';
    assert_int_equal(staff_split(span_str(line), &(struct staff_words){0}), E_LIMIT);
}

static void check_redacted(const char *line, const char *expect)
{
    struct staff_words w;
    struct buf b;
    buf_init(&b, 4096);
    assert_int_equal(staff_split(span_str(line), &w), 0);
    const struct staff_row *r = staff_find(&w);
    assert_non_null(r);
    staff_redact(&w, r, &b);
    (void)buf_append_byte(&b, '\0');
    assert_string_equal((const char *)b.p, expect);
    buf_fini(&b);
}

static void passwords_are_left_out(void **state)
{
    (void)state;
    check_redacted("/kick bob", "/kick bob");
    check_redacted("/password old new", "/password *** ***");
    check_redacted("/password old new twice", "/password *** *** ***");
    check_redacted("/password old correct horse battery staple", "/password *** *** *** *** ***");
    check_redacted("/account create joe secret", "/account create joe ***");
    check_redacted("/account exprt secret", "/account exprt ***");
    check_redacted("/account creat joe secret", "/account creat *** ***");
    check_redacted("/account Status joe", "/account Status joe");
    check_redacted("/account", "/account");
    check_redacted("/account changepassword joe correct horse",
                   "/account changepassword joe *** ***");
    check_redacted("/ACCOUNT changepassword joe secret", "/ACCOUNT changepassword joe ***");
    check_redacted("/account export secret", "/account export ***");
    check_redacted("/account delete own secret", "/account delete own ***");
    check_redacted("/account delete joe", "/account delete joe");
}

static void some_text_of_every_row(void **state)
{
    (void)state;
    for (size_t i = 0; i < staff_rows_n; i++) {
        const struct staff_row *r = &staff_rows[i];
        assert_non_null(r->run);
        assert_true(r->help[0] && r->level >= 1 && r->level <= 3);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_command_level_grant_and_switch),
        cmocka_unit_test(a_switch_shuts_its_own_commands_alone),
        cmocka_unit_test(levels_and_switches),
        cmocka_unit_test(names_and_aliases_are_exact),
        cmocka_unit_test(lines_are_split_at_blanks_outside_quotes),
        cmocka_unit_test(passwords_are_left_out),
        cmocka_unit_test(some_text_of_every_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
