/* The desk of accounts: what each operation changes, tells and audits, whom it refuses, and that it
 * answers once and keeps nothing whatever the store does. */
#include "account_desk_kit.h"

/* ---- what each operation does ---- */

static const struct effect {
    enum desk_op op;
    bool audited, tells;
    int notice; /* enum account_change; -1: none */
    const char *details;
} effects[] = {
    {DESK_CREATE, true, false, -1, "create level 2"},
    {DESK_SHOW, false, false, -1, ""},
    {DESK_LIST, false, false, -1, ""},
    {DESK_SET_LEVEL, true, true, ACCOUNT_STANDING, "level 2"},
    {DESK_SET_EMAIL, true, false, -1, "email"},
    {DESK_SET_DISPLAY, true, false, -1, "display name"},
    {DESK_SET_NOTES, true, false, -1, "notes"},
    {DESK_SET_SUSPENDED, true, true, ACCOUNT_SUSPENDED, "suspended on"},
    {DESK_SET_MUTED, true, true, ACCOUNT_STANDING, "muted on"},
    {DESK_UNLOCK, true, true, -1, "unlocked"},
    {DESK_SET_PASSWORD, true, true, ACCOUNT_SIGNED_OUT, "password"},
    {DESK_GRANT, true, true, -1, "grant kick"},
    {DESK_REVOKE, true, true, -1, "revoke kick"},
    {DESK_LOGOUT, true, true, ACCOUNT_SIGNED_OUT, "logout"},
    {DESK_OTP_ENROL, true, true, -1, "second factor enrolled"},
    {DESK_OTP_DISABLE, true, true, -1, "second factor disabled"},
    {DESK_EXPORT, true, false, -1, "exported"},
    {DESK_DELETE, true, true, ACCOUNT_SIGNED_OUT, "deleted"},
};
_Static_assert(ARRAY_LEN(effects) == DESK_OPS_N, "one row each");

static void prepare(enum desk_op op)
{
    struct stored *bob = find_id(2);
    if (op == DESK_REVOKE)
        (void)snprintf(bob->grant, sizeof bob->grant, "kick");
    bob->locked_until = T0 + 1000;
    bob->otp[0] = op == DESK_OTP_DISABLE ? 'x' : '\0';
}

/* What stands in the store when the operation is done. */
static bool is_done(enum desk_op op)
{
    const struct stored *bob = find_id(2), *eve = find_name(SPAN_LIT("eve"), false);
    switch (op) {
    case DESK_CREATE: return eve && eve->level == 2 && strcmp(eve->email, "eve@example.org") == 0;
    case DESK_SET_LEVEL: return bob->level == 2;
    case DESK_SET_EMAIL: return strcmp(bob->email, "bob@example.org") == 0;
    case DESK_SET_DISPLAY: return strcmp(bob->display, "Bob B.") == 0;
    case DESK_SET_NOTES: return strcmp(bob->notes, "likes cars") == 0;
    case DESK_SET_SUSPENDED: return bob->suspended == 1;
    case DESK_SET_MUTED: return bob->muted == 1;
    case DESK_UNLOCK: return bob->locked_until == 0;
    case DESK_SET_PASSWORD:
        return strcmp(bob->password, "$another one") == 0 && !bob->tokens && !bob->sessions;
    case DESK_GRANT: return strcmp(bob->grant, "kick") == 0;
    case DESK_REVOKE: return bob->grant[0] == '\0';
    case DESK_LOGOUT: return !bob->tokens && !bob->sessions;
    case DESK_OTP_ENROL:
        return bob->otp[0] && bob->recovery_n == RECOVERY_CODES && !bob->tokens && bob->sessions;
    case DESK_OTP_DISABLE: return !bob->otp[0] && !bob->tokens;
    case DESK_DELETE: return !bob;
    case DESK_SHOW:
    case DESK_LIST:
    case DESK_EXPORT: return w.json_n > 0;
    case DESK_OPS_N: break;
    }
    return false;
}

static void every_operation_does_tells_and_audits(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(effects); i++) {
        const struct effect *e = &effects[i];
        char wanted[128];
        open_desk();
        prepare(e->op);
        assert_int_equal(run_op(e->op), 0);
        assert_true(is_done(e->op));
        assert_int_equal(w.audited, e->audited);
        assert_int_equal(w.logged, e->audited);
        assert_int_equal(w.told, e->tells);
        assert_int_equal(w.noticed, e->notice >= 0);
        assert_true(w.done_audited);
        if (e->audited) {
            (void)snprintf(wanted, sizeof wanted, "server|root|#%d|%s",
                           e->op == DESK_CREATE ? 5 : 2, e->details);
            assert_string_equal(w.audit, wanted);
        }
        if (e->notice >= 0) {
            assert_int_equal(w.notice.u.account.change, e->notice);
            assert_int_equal(w.notice.u.account.id, 2);
        }
        close_desk();
    }
}

/* A change that is taken back is told too, but a suspension's end ends no session. */
static void off_is_told_as_on_is(void **state)
{
    (void)state;
    open_desk();
    struct desk_request r = request(DESK_SET_MUTED);
    find_id(2)->muted = 1;
    r.on = false;
    assert_int_equal(run(&r), 0);
    assert_int_equal(find_id(2)->muted, 0);
    assert_false(w.notice.u.account.muted);
    assert_string_equal(w.audit, "server|root|#2|muted off");
    r.op = DESK_SET_SUSPENDED;
    find_id(2)->suspended = 1;
    w.noticed = 0;
    assert_int_equal(run(&r), 0);
    assert_int_equal(w.noticed, 0);
    assert_int_equal(w.told, 2);
    close_desk();
}

/* ---- a store that goes wrong at any step ---- */

/* Nothing at all, or done and recorded; where the store only said that it failed it may have
 * changed all the same, which is what the answer says. */
static void look_at_the_wreck(const struct effect *e, enum mode mode)
{
    assert_int_not_equal(w.rc, 0);
    assert_true(w.why[0]);
    assert_int_equal(w.json_n, 0);
    if (mode != DOES_FAILS && w.audited == 0 && e->audited && e->op != DESK_EXPORT)
        assert_false(is_done(e->op));
    assert_int_equal(w.logged, w.audited);
    assert_true(w.audited || (!w.told && !w.noticed));
    assert_true(w.audited <= 1);
}

static void a_store_that_fails_at_any_step(void **state)
{
    (void)state;
    static const enum mode modes[] = {REFUSES, FAILS, DOES_FAILS};
    for (size_t i = 0; i < ARRAY_LEN(effects); i++) {
        open_desk();
        store.records = 150;
        store.bans = 3;
        prepare(effects[i].op);
        assert_int_equal(run_op(effects[i].op), 0);
        unsigned asks = store.asked;
        close_desk();
        assert_true(asks > 0 && asks < 40);
        for (unsigned at = 1; at <= asks; at++) {
            for (size_t m = 0; m < ARRAY_LEN(modes); m++) {
                open_desk();
                store.records = 150;
                store.bans = 3;
                prepare(effects[i].op);
                store.bad_at = at;
                store.bad = modes[m];
                (void)run_op(effects[i].op);
                look_at_the_wreck(&effects[i], modes[m]);
                close_desk();
            }
        }
    }
}

static void a_change_whose_record_is_late_or_lost(void **state)
{
    (void)state;
    open_desk();
    w.audit_waits = true;
    struct desk_request r = request(DESK_SET_LEVEL);
    assert_int_equal(ask(&r), 0);
    while (store.pending_n)
        give(0);
    assert_int_equal(w.answers, 0); /* done, in force, not yet said */
    assert_int_equal(w.noticed, 1);
    assert_int_equal(find_id(2)->level, 2);
    w.audit_rc = E_STORE;
    settle();
    assert_int_equal(w.answers, 1);
    assert_int_equal(w.rc, 0);
    assert_false(w.done_audited);
    /* Who is still waiting when all ends is not called any more. */
    w.answers = 0;
    assert_int_equal(ask(&r), 0);
    while (store.pending_n)
        give(0);
    close_desk();
    assert_int_equal(w.answers, 0);
}

static void many_at_once_in_any_order(void **state)
{
    (void)state;
    open_desk();
    struct desk_request r = request(DESK_SHOW), mute = request(DESK_SET_MUTED);
    for (unsigned i = 0; i < DESK_REQUESTS_MAX; i++)
        assert_int_equal(ask(i % 2 ? &r : &mute), 0);
    assert_int_equal(account_desk_live(w.desk), DESK_REQUESTS_MAX);
    assert_int_equal(ask(&r), E_BUSY);
    w.answers = 0;
    for (unsigned n = 0; store.pending_n; n++)
        give((n * 7919u) % store.pending_n);
    assert_int_equal(w.answers, DESK_REQUESTS_MAX);
    assert_int_equal(account_desk_live(w.desk), 0);
    assert_int_equal(w.audited, DESK_REQUESTS_MAX / 2);
    assert_int_equal(run(&r), 0);
    close_desk();
}

/* ---- who may ---- */

static void staff_reaches_only_below_itself(void **state)
{
    (void)state;
    for (unsigned by = 1; by <= 3; by++)
        for (unsigned target = 1; target <= 3; target++)
            assert_int_equal(account_desk_outranks((uint8_t)by, (uint8_t)target),
                             by > target || (by == 3 && target == 3));
    for (size_t i = 0; i < ARRAY_LEN(effects); i++) {
        open_desk();
        struct desk_request r = request(effects[i].op);
        r.by.level = LEVEL_GAME_MASTER;
        r.by.account = 3;
        if (r.op != DESK_CREATE && r.op != DESK_LIST)
            r.name = SPAN_LIT("ada");
        r.number = r.op == DESK_CREATE ? LEVEL_ADMIN : r.number;
        bool looks = r.op == DESK_SHOW || r.op == DESK_LIST;
        assert_int_equal(run(&r), looks ? 0 : E_REFUSED);
        assert_int_equal(w.audited + w.noticed + w.told, 0);
        close_desk();
    }
    open_desk();
    struct desk_request r = request(DESK_SET_LEVEL);
    r.by.level = LEVEL_GAME_MASTER;
    r.number = LEVEL_ADMIN;
    assert_int_equal(run(&r), E_REFUSED);
    assert_string_equal(w.why, "the level is above yours");
    close_desk();
}

static void the_last_admin_stays(void **state)
{
    (void)state;
    open_desk();
    find_id(4)->suspended = 1; /* ada, the other one */
    static const enum desk_op ops[] = {DESK_SET_LEVEL, DESK_SET_SUSPENDED, DESK_DELETE};
    for (size_t i = 0; i < ARRAY_LEN(ops); i++) {
        struct desk_request r = request(ops[i]);
        r.name = SPAN_LIT("root");
        assert_int_equal(run(&r), E_REFUSED);
        assert_string_equal(w.why, "this would leave no admin who can sign in");
        assert_true(w.mend[0]);
    }
    assert_int_equal(w.audited, 0);
    close_desk();
}

static struct desk_request own(enum desk_op op, const char *old)
{
    struct desk_request r = request(op);
    r.own = true;
    r.name = SPAN_NULL;
    r.id = 2;
    r.old = span_str(old);
    r.by = (struct desk_actor){.account = 2,
                               .level = LEVEL_PLAYER,
                               .name = SPAN_LIT("bob"),
                               .address = SPAN_LIT("192.0.2.1"),
                               .game = SPAN_LIT("racing"),
                               .session = SPAN_LIT("his-session")};
    return r;
}

static void owners_prove_themselves(void **state)
{
    (void)state;
    static const enum desk_op ops[] = {DESK_SET_PASSWORD, DESK_DELETE,      DESK_EXPORT,
                                       DESK_SET_EMAIL,    DESK_SET_DISPLAY, DESK_OTP_ENROL,
                                       DESK_OTP_DISABLE};
    for (size_t i = 0; i < ARRAY_LEN(ops); i++) {
        open_desk();
        struct stored before = *find_id(2);
        struct desk_request r = own(ops[i], "a guess");
        assert_int_equal(run(&r), E_AUTH);
        assert_string_equal(w.why, "the password is wrong");
        assert_memory_equal(&before, find_id(2), sizeof before);
        assert_int_equal(w.audited + w.noticed + w.told, 0);
        r = own(ops[i], "bob-secret");
        assert_int_equal(run(&r), 0);
        assert_non_null(strstr(w.audit, "racing|#2|#2|"));
        assert_non_null(strstr(w.audit, " (own)"));
        if (ops[i] == DESK_SET_PASSWORD)
            assert_string_equal(w.except, "his-session");
        if (ops[i] == DESK_DELETE)
            assert_string_equal(w.except, ""); /* nothing is left to be in */
        close_desk();
    }
}

/* ---- what is refused ---- */

static void names_and_levels_and_passwords(void **state)
{
    (void)state;
    static const char long_password[74] =
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
    const struct {
        struct span name, password, email;
        int64_t level;
        int rc;
    } rows[] = {
        {SPAN_LIT("eve"), SPAN_LIT("1234567"), SPAN_NULL, 1, E_RANGE},
        {SPAN_LIT("eve"), SPAN_LIT("12345678"), SPAN_NULL, 1, 0},
        {SPAN_LIT("eve"), SPAN_LIT("12345678"), SPAN_NULL, 0, 0},
        {SPAN_LIT("eve"), SPAN_LIT("12345678901"), SPAN_NULL, 2, E_RANGE},
        {SPAN_LIT("eve"), SPAN_LIT("123456789012"), SPAN_NULL, 2, 0},
        {SPAN_LIT("eve"), span_of(long_password, 72), SPAN_NULL, 1, 0},
        {SPAN_LIT("eve"), span_of(long_password, 73), SPAN_NULL, 1, E_RANGE},
        {SPAN_LIT("eve"),
         SPAN_LIT("1234\0"
                  "5678"),
         SPAN_NULL, 1, E_RANGE},
        {SPAN_LIT("eve"), SPAN_LIT(""), SPAN_NULL, 1, E_RANGE},
        {SPAN_LIT(""), SPAN_LIT("12345678"), SPAN_NULL, 1, E_RANGE},
        {SPAN_LIT("e\nve"), SPAN_LIT("12345678"), SPAN_NULL, 1, E_RANGE},
        {SPAN_LIT("e\xff"), SPAN_LIT("12345678"), SPAN_NULL, 1, E_RANGE},
        {SPAN_LIT("bob"), SPAN_LIT("12345678"), SPAN_NULL, 1, E_EXISTS},
        {SPAN_LIT("eve"), SPAN_LIT("12345678"), SPAN_NULL, 4, E_RANGE},
        {SPAN_LIT("eve"), SPAN_LIT("12345678"), SPAN_NULL, -1, E_RANGE},
        {SPAN_LIT("eve"), SPAN_LIT("12345678"), SPAN_LIT("eve@x"), 1, 0},
        {SPAN_LIT("eve"), SPAN_LIT("12345678"), SPAN_LIT("bob@x"), 1, E_EXISTS},
        {SPAN_LIT("eve"), SPAN_LIT("12345678"), SPAN_LIT("@x"), 1, E_RANGE},
        {SPAN_LIT("eve"), SPAN_LIT("12345678"), SPAN_LIT("x@"), 1, E_RANGE},
        {SPAN_LIT("eve"), SPAN_LIT("12345678"), SPAN_LIT("x"), 1, E_RANGE},
        {SPAN_LIT("eve"), SPAN_LIT("12345678"), SPAN_LIT("a b@x"), 1, E_RANGE},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        open_desk();
        (void)snprintf(find_id(2)->email, sizeof find_id(2)->email, "bob@x");
        struct desk_request r = request(DESK_CREATE);
        r.name = rows[i].name;
        r.password = rows[i].password;
        r.text = rows[i].email;
        r.number = rows[i].level;
        assert_int_equal(run(&r), rows[i].rc);
        assert_int_equal(store.adds, rows[i].rc == 0);
        close_desk();
    }
}

static void a_minimum_of_ones_own(void **state)
{
    (void)state;
    open_desk();
    account_desk_set_minimums(w.desk, 3, 20);
    struct desk_request r = request(DESK_SET_PASSWORD);
    r.password = SPAN_LIT("abc");
    assert_int_equal(run(&r), 0);
    assert_int_equal(find_id(2)->password_min, 3);
    r.name = SPAN_LIT("gm");
    assert_int_equal(run(&r), E_RANGE);
    r.password = SPAN_LIT("12345678901234567890");
    assert_int_equal(run(&r), 0);
    assert_int_equal(find_id(3)->password_min, 20);
    close_desk();
}

static void what_cannot_be_set(void **state)
{
    (void)state;
    static char notes[DESK_NOTES_MAX + 1];
    memset(notes, 'n', sizeof notes);
    const struct {
        enum desk_op op;
        struct span name, text;
        int64_t number;
        int rc;
    } rows[] = {
        {DESK_SHOW, SPAN_LIT("nobody"), SPAN_NULL, 0, E_NOENT},
        {DESK_SHOW, SPAN_LIT("no@body"), SPAN_NULL, 0, E_NOENT},
        {DESK_DELETE, SPAN_LIT("nobody"), SPAN_NULL, 0, E_NOENT},
        {DESK_SET_LEVEL, SPAN_LIT("bob"), SPAN_NULL, 0, E_RANGE},
        {DESK_SET_LEVEL, SPAN_LIT("bob"), SPAN_NULL, 4, E_RANGE},
        {DESK_SET_LEVEL, SPAN_LIT("bob"), SPAN_NULL, 257, E_RANGE},
        {DESK_SET_EMAIL, SPAN_LIT("bob"), SPAN_LIT("gm@x"), 0, E_EXISTS},
        {DESK_SET_EMAIL, SPAN_LIT("bob"), SPAN_LIT("gm"), 0, E_RANGE},
        {DESK_SET_DISPLAY, SPAN_LIT("bob"), SPAN_LIT("a\nb"), 0, E_RANGE},
        {DESK_SET_NOTES, SPAN_LIT("bob"), SPAN_LIT("\xff"), 0, E_RANGE},
        {DESK_GRANT, SPAN_LIT("bob"), SPAN_LIT(""), 0, E_RANGE},
        {DESK_GRANT, SPAN_LIT("bob"), SPAN_LIT("0123456789012345678901234567890123"), 0, E_RANGE},
        {DESK_GRANT, SPAN_LIT("gm"), SPAN_LIT("kick"), 0, E_EXISTS},
        {DESK_REVOKE, SPAN_LIT("gm"), SPAN_LIT("ban"), 0, E_NOENT},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        open_desk();
        (void)snprintf(find_id(3)->email, 8, "gm@x");
        (void)snprintf(find_id(3)->grant, 8, "kick");
        struct desk_request r = request(rows[i].op);
        r.name = rows[i].name;
        r.text = rows[i].text;
        r.number = rows[i].number;
        assert_int_equal(run(&r), rows[i].rc);
        assert_int_equal(w.audited + w.noticed + w.told, 0);
        close_desk();
    }
    open_desk();
    struct desk_request r = request(DESK_SET_NOTES);
    r.text = span_of(notes, DESK_NOTES_MAX + 1);
    assert_int_equal(run(&r), E_RANGE);
    r.text = span_of(notes, 63);
    assert_int_equal(run(&r), 0);
    r.text = SPAN_NULL;
    assert_int_equal(run(&r), 0);
    assert_string_equal(find_id(2)->notes, "");
    close_desk();
}

static void an_account_by_its_email_address(void **state)
{
    (void)state;
    open_desk();
    (void)snprintf(find_id(2)->email, 16, "bob@x");
    struct desk_request r = request(DESK_SHOW);
    r.name = SPAN_LIT("bob@x");
    assert_int_equal(run(&r), 0);
    assert_int_equal(w.account, 2);
    (void)snprintf(make("x", 1)->name, 16, "bob@x"); /* a name goes before an address */
    assert_int_equal(run(&r), 0);
    assert_int_equal(w.account, 5);
    close_desk();
}

/* ---- second factors ---- */

static struct span member(const char *name)
{
    struct json_val v;
    assert_int_equal(json_object(span_of(w.json, w.json_n), &name, 1, &v), JSON_OBJECT);
    return v.type == JSON_STRING ? span_of(v.raw.p + 1, v.raw.n - 2) : v.raw;
}

static void a_second_factor_is_shown_once_and_kept_sealed(void **state)
{
    (void)state;
    uint8_t key[SECRET_MAX];
    char hash[TOKEN_HASH + 1];
    open_desk();
    assert_int_equal(run_op(DESK_OTP_ENROL), 0);
    const struct stored *bob = find_id(2);
    assert_int_equal(otp_secret_open(span_str(bob->otp), w.secrets, 2, key), OTP_KEY);
    assert_true(otp_secret_open(span_str(bob->otp), w.secrets, 3, key) < 0);
    assert_int_equal(member("key").n, OTP_KEY_TEXT);
    assert_null(strstr(bob->otp, (const char *)member("key").p));
    struct span codes = member("recovery_codes");
    struct json_val v;
    size_t n = 0;
    for (size_t at = 0; json_next(codes, &at, &v); n++) {
        assert_int_equal(recovery_hash(span_of(v.raw.p + 1, v.raw.n - 2), hash), 0);
        assert_string_equal(hash, bob->recovery[n]);
    }
    assert_int_equal(n, RECOVERY_CODES);
    assert_int_equal(run_op(DESK_SHOW), 0);
    assert_null(strstr(w.json, "key"));
    close_desk();
}

static void a_server_without_secrets_enrols_nobody(void **state)
{
    (void)state;
    open_desk_with(false);
    find_id(2)->otp[0] = 'x';
    assert_int_equal(run_op(DESK_OTP_ENROL), E_SUPPORT);
    assert_int_equal(find_id(2)->otp[0], 'x');
    assert_int_equal(run_op(DESK_OTP_DISABLE), 0);
    close_desk();
}

/* ---- answers ---- */

static unsigned times(const char *needle)
{
    unsigned n = 0;
    for (const char *p = w.json; (p = strstr(p, needle)); p++)
        n++;
    return n;
}

static void an_export_is_paged_and_whole(void **state)
{
    (void)state;
    static const int64_t records[] = {0, 1, 99, 100, 101, 250};
    for (size_t i = 0; i < ARRAY_LEN(records); i++) {
        open_desk();
        store.records = records[i];
        store.bans = 1001; /* every second one is his */
        assert_int_equal(run_op(DESK_EXPORT), 0);
        assert_int_equal(times("\"role\":\"actor\""), records[i]);
        assert_int_equal(times("\"role\":\"target\""), records[i]);
        assert_int_equal(times("\"reason\":\"rude\""), 500);
        assert_int_equal(times("\"audit_complete\":true"), 1);
        static const char *const names[] = {"statistics", "addresses", "grants",
                                            "sessions",   "tokens",    "bans"};
        for (size_t k = 0; k < ARRAY_LEN(names); k++)
            assert_int_equal(member(names[k]).p[0], '[');
        assert_null(strstr(w.json, "bob-secret"));
        close_desk();
    }
}

static void an_export_that_is_too_long_is_cut_and_says_so(void **state)
{
    (void)state;
    open_desk();
    store.records = 9000;
    assert_int_equal(run_op(DESK_EXPORT), 0);
    assert_true(w.json_n <= DESK_OUT_MAX && w.json_n > DESK_OUT_MAX / 2);
    assert_int_equal(times("\"audit_complete\":false"), 1);
    close_desk();
}

static void a_list_has_its_ceiling(void **state)
{
    (void)state;
    static const struct {
        int64_t asked;
        unsigned rows;
    } table[] = {{1, 1}, {3, 3}, {0, 4}, {DESK_LIST_MAX + 1, 4}, {-1, 4}};
    open_desk();
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct desk_request r = request(DESK_LIST);
        r.number = table[i].asked;
        assert_int_equal(run(&r), 0);
        assert_int_equal(times("\"id\":"), table[i].rows);
    }
    close_desk();
}

/* Whatever was asked with a password leaves none in memory that is given back. */
static void passwords_are_wiped(void **state)
{
    (void)state;
    static const char secret[] = "correct-horse";
    alloc_secret(secret, sizeof secret - 1);
    open_desk();
    struct desk_request r = request(DESK_CREATE);
    r.password = SPAN_LIT("correct-horse");
    assert_int_equal(run(&r), 0);
    r = request(DESK_SET_PASSWORD);
    r.password = SPAN_LIT("correct-horse");
    assert_int_equal(run(&r), 0);
    r = own(DESK_EXPORT, "correct-horse");
    assert_int_equal(run(&r), 0);
    store.bad_at = store.asked + 2;
    store.bad = FAILS;
    r = own(DESK_DELETE, "correct-horse");
    assert_int_not_equal(run(&r), 0);
    r = request(DESK_CREATE); /* and a request that never comes to its end */
    r.password = SPAN_LIT("correct-horse");
    assert_int_equal(ask(&r), 0);
    close_desk();
    assert_int_equal(alloc_secret_leaks(), 0);
    alloc_secret(NULL, 0);
}

/* Each request for memory fails in turn: the desk refuses, or answers once. */
static void memory_fails(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(effects); i++) {
        bool fired = true;
        for (unsigned long n = 1; fired && n < 200; n++) {
            open_desk();
            store.records = 30;
            prepare(effects[i].op);
            struct desk_request r = request(effects[i].op);
            long blocks = alloc_live_blocks();
            alloc_fault_at(n);
            int rc = ask(&r);
            settle();
            fired = alloc_fault_fired();
            alloc_fault_at(0);
            assert_int_equal(w.answers, rc == 0);
            assert_true(rc == 0 || rc == E_NOMEM);
            assert_int_equal(account_desk_live(w.desk), 0);
            assert_int_equal(alloc_live_blocks(), blocks);
            if (rc == 0 && w.rc)
                assert_true(w.rc == E_LIMIT || w.rc == E_NOMEM || w.rc == E_BUSY ||
                            w.rc == E_CRYPTO);
            close_desk();
        }
        assert_false(fired);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_operation_does_tells_and_audits),
        cmocka_unit_test(off_is_told_as_on_is),
        cmocka_unit_test(a_store_that_fails_at_any_step),
        cmocka_unit_test(a_change_whose_record_is_late_or_lost),
        cmocka_unit_test(many_at_once_in_any_order),
        cmocka_unit_test(staff_reaches_only_below_itself),
        cmocka_unit_test(the_last_admin_stays),
        cmocka_unit_test(owners_prove_themselves),
        cmocka_unit_test(names_and_levels_and_passwords),
        cmocka_unit_test(a_minimum_of_ones_own),
        cmocka_unit_test(what_cannot_be_set),
        cmocka_unit_test(an_account_by_its_email_address),
        cmocka_unit_test(a_second_factor_is_shown_once_and_kept_sealed),
        cmocka_unit_test(a_server_without_secrets_enrols_nobody),
        cmocka_unit_test(an_export_is_paged_and_whole),
        cmocka_unit_test(an_export_that_is_too_long_is_cut_and_says_so),
        cmocka_unit_test(a_list_has_its_ceiling),
        cmocka_unit_test(passwords_are_wiped),
        cmocka_unit_test(memory_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
