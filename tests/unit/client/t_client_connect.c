/* The whole client over real sockets: trust, logins, datagrams, losing the connection and coming
 * back. The clock is the test's own, so that pauses and time-outs take no time. */
#include "fixture.h"

/* ---- trust ---- */

static void assert_refused(struct fixture *f)
{
    create(f);
    assert_int_equal(slipgate_login(f->c, "Ann", "pw"), 0);
    assert_int_equal(slipgate_connect(f->c, f->now_us), 0);
    UNTIL(f, in_state(f, SLIPGATE_OFFLINE));
    assert_non_null(strstr(f->r.text, "state offline -8 "));
    tiny_step(&f->t);
    assert_int_equal(f->t.in_n, 0); /* not a byte went to the stranger */
    assert_int_equal(f->t.connections, 1);
}

static void test_pin(void **state)
{
    struct fixture *f = *state;
    create(f);
    connect_client(f);
    assert_record(&f->r, "state connecting 0 \nstate connected 0 \n");
    assert_string_equal(slipgate_get_session_id(f->c), ME);
}

static void test_pin_sha1_with_colons(void **state)
{
    struct fixture *f = *state;
    f->cfg.pin = f->t.pin_sha1;
    create(f);
    connect_client(f);
}

static void test_wrong_pin(void **state)
{
    struct fixture *f = *state;
    f->t.pin_sha256[10] = f->t.pin_sha256[10] == '0' ? '1' : '0';
    assert_refused(f);
}

static void test_malformed_pins(void **state)
{
    static const char *const pins[] = {NULL,
                                       "",
                                       "00",
                                       "zz",
                                       "0011223344556677889900112233445566778",
                                       "00112233445566778899001122334455667788990"};
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_LEN(pins); i++) {
        f->cfg.pin = pins[i];
        assert_int_equal(slipgate_create(&f->c, &f->cfg), SLIPGATE_E_ARGUMENT);
    }
}

static void test_authority_file(void **state)
{
    struct fixture *f = *state;
    f->cfg.verify = SLIPGATE_VERIFY_CA;
    f->cfg.ca_file = f->t.ca_path;
    create(f);
    connect_client(f);
}

static void test_authority_file_and_name(void **state)
{
    struct fixture *f = *state;
    f->cfg.verify = SLIPGATE_VERIFY_CA;
    f->cfg.ca_file = f->t.ca_path;
    f->cfg.server_name = "localhost";
    create(f);
    connect_client(f);
}

static void test_wrong_name(void **state)
{
    struct fixture *f = *state;
    f->cfg.verify = SLIPGATE_VERIFY_CA;
    f->cfg.ca_file = f->t.ca_path;
    f->cfg.server_name = "other.example";
    assert_refused(f);
}

static void test_wrong_address_name(void **state)
{
    struct fixture *f = *state;
    f->cfg.verify = SLIPGATE_VERIFY_CA;
    f->cfg.ca_file = f->t.ca_path;
    f->cfg.server_name = "127.0.0.2";
    assert_refused(f);
}

static void test_unknown_authority(void **state)
{
    struct fixture *f = *state;
    f->cfg.verify = SLIPGATE_VERIFY_CA;
    assert_refused(f);
}

static void test_missing_authority_file(void **state)
{
    struct fixture *f = *state;
    f->cfg.verify = SLIPGATE_VERIFY_CA;
    f->cfg.ca_file = "/nonexistent.pem";
    assert_int_equal(slipgate_create(&f->c, &f->cfg), SLIPGATE_E_CERTIFICATE);
}

static void test_no_verification(void **state)
{
    struct fixture *f = *state;
    f->cfg.verify = SLIPGATE_VERIFY_NONE;
    f->cfg.pin = NULL;
    create(f);
    connect_client(f);
}

/* ---- not getting through ---- */

static void test_nobody_listens(void **state)
{
    struct fixture *f = *state;
    struct tiny_server gone;
    tiny_start(&gone);
    tiny_stop(&gone);
    f->cfg.port = gone.port;
    f->cfg.reconnect = false;
    create(f);
    (void)slipgate_connect(f->c, f->now_us); /* loopback may refuse at once */
    UNTIL(f, in_state(f, SLIPGATE_OFFLINE));
    assert_record(&f->r, "state connecting 0 \nstate offline -6 Connection refused\n");
}

static void test_unknown_host(void **state)
{
    struct fixture *f = *state;
    f->cfg.host = "no.such.host.invalid";
    f->cfg.reconnect = false;
    create(f);
    assert_int_equal(slipgate_connect(f->c, f->now_us), SLIPGATE_E_RESOLVE);
    assert_true(in_state(f, SLIPGATE_OFFLINE));
}

static void test_silent_server(void **state)
{
    struct fixture *f = *state;
    f->t.silent = true;
    create(f);
    assert_int_equal(slipgate_connect(f->c, f->now_us), 0);
    UNTIL(f, f->t.connections == 1);
    assert_int_equal(slipgate_deadline_us(f->c), f->now_us + 10000000);
    f->now_us += 9999999;
    turn(f);
    assert_true(in_state(f, SLIPGATE_CONNECTING));
    f->now_us++;
    turn(f);
    assert_true(in_state(f, SLIPGATE_WAITING));
    assert_record(&f->r, "state connecting 0 \nstate waiting -9 \n");
}

static void test_no_welcome(void **state)
{
    struct fixture *f = *state;
    f->cfg.reconnect = false;
    create(f);
    assert_int_equal(slipgate_connect(f->c, f->now_us), 0);
    UNTIL(f, f->t.up && f->c->link.stage == SGC_LINK_UP);
    f->now_us += 10000000;
    turn(f);
    assert_record(&f->r, "state connecting 0 \nstate offline -9 no welcome\n");
}

/* ---- playing ---- */

static void test_login_and_datagrams(void **state)
{
    struct fixture *f = *state;
    char datagram[512];
    size_t n;
    f->cfg.udp_register = false;
    create(f);
    log_in(f);
    struct slipgate_update u = {{1, 2, 3}, {0, 0, 0, 1}, NULL};
    assert_int_equal(slipgate_send_update(f->c, &u), 0);
    UNTIL(f, (n = tiny_datagram(&f->t, datagram, sizeof datagram)) > 0);
    static const char text[] =
        "{\"command\":\"UPDATE\",\"sessionId\":\"" ME "\",\"position\":{\"x\":1,"
        "\"y\":2,\"z\":3},\"rotation\":{\"x\":0,\"y\":0,\"z\":0,\"w\":1}}\n";
    assert_int_equal(n, strlen(text));
    assert_memory_equal(datagram, text, n);
    tiny_send_datagram(&f->t, "{\"command\":\"UPDATE\",\"sessionId\":\"p2\",\"n\":1}\n");
    tiny_send_datagram(&f->t, "nonsense");
    tiny_send_datagram(&f->t, "{\"command\":\"INPUT\",\"sessionId\":\"p2\",\"brake\":1}\n");
    struct slipgate_stats stats = {.size = sizeof stats};
    UNTIL(f, (slipgate_get_stats(f->c, &stats), stats.datagrams_in == 3));
    assert_record(&f->r, "update p2 at 0 0 0 turned 0 0 0 1: {\"command\":\"UPDATE\",\"sessionId\":"
                         "\"p2\",\"n\":1}\ninput p2 0 0 1 at 0.000000: {\"command\":\"INPUT\","
                         "\"sessionId\":\"p2\",\"brake\":1}\n");
    assert_int_equal(stats.datagrams_bad, 1);
    assert_int_equal(stats.datagrams_out, 1);
}

static void test_registers_its_datagram_address(void **state)
{
    struct fixture *f = *state;
    char datagram[512];
    size_t n;
    create(f);
    log_in(f);
    UNTIL(f, (n = tiny_datagram(&f->t, datagram, sizeof datagram)) > 0);
    static const char text[] = "{\"command\":\"INPUT\",\"sessionId\":\"" ME
                               "\",\"steering\":0,\"throttle\":0,\"brake\":0,\"timestamp\":0}\n";
    assert_int_equal(n, strlen(text));
    assert_memory_equal(datagram, text, n);
}

static void test_answers_in_single_bytes(void **state)
{
    struct fixture *f = *state;
    create(f);
    log_in(f);
    assert_int_equal(slipgate_create_room(f->c, "Oval"), 0);
    expect_line(f, "{\"command\":\"CREATE_ROOM\",\"name\":\"Oval\"}");
    const char *answer = "{\"command\":\"ROOM_CREATED\",\"roomId\":\"r1\",\"name\":\"Oval\"}\n";
    for (size_t i = 0; answer[i]; i++) {
        char one[2] = {answer[i], '\0'};
        tiny_say(&f->t, one);
        turn(f);
    }
    UNTIL(f, slipgate_get_room_id(f->c)[0]);
    assert_record(&f->r, "room created r1\ndone create 0 \n");
}

/* Every request in its words; the answers are the session's tests' affair. */
static void test_every_request(void **state)
{
    struct fixture *f = *state;
    create(f);
    assert_int_equal(slipgate_list_rooms(f->c), SLIPGATE_E_STATE);
    log_in(f);
    assert_int_equal(slipgate_create_room(f->c, "O\"val"), 0);
    assert_int_equal(slipgate_join_room(f->c, "r1"), 0);
    assert_int_equal(slipgate_leave_room(f->c), 0);
    assert_int_equal(slipgate_list_rooms(f->c), 0);
    assert_int_equal(slipgate_list_players(f->c), 0);
    assert_int_equal(slipgate_start_game(f->c), 0);
    assert_int_equal(slipgate_send_message(f->c, "p2", "hi"), 0);
    assert_int_equal(slipgate_ask_player_info(f->c), 0);
    assert_int_equal(slipgate_ping(f->c, f->now_us), 0);
    assert_int_equal(slipgate_authenticate(f->c, "pw2"), 0);
    assert_int_equal(slipgate_create_room(f->c, NULL), SLIPGATE_E_ARGUMENT);
    expect_line(f, "{\"command\":\"CREATE_ROOM\",\"name\":\"O\\\"val\"}");
    expect_line(f, "{\"command\":\"JOIN_ROOM\",\"roomId\":\"r1\"}");
    expect_line(f, "{\"command\":\"LEAVE_ROOM\"}");
    expect_line(f, "{\"command\":\"LIST_ROOMS\"}");
    expect_line(f, "{\"command\":\"GET_ROOM_PLAYERS\"}");
    expect_line(f, "{\"command\":\"START_GAME\"}");
    expect_line(f, "{\"command\":\"RELAY_MESSAGE\",\"targetId\":\"p2\",\"message\":\"hi\"}");
    expect_line(f, "{\"command\":\"PLAYER_INFO\"}");
    expect_line(f, "{\"command\":\"PING\"}");
    expect_line(f, "{\"command\":\"AUTHENTICATE\",\"password\":\"pw2\"" OFFER "}");
    assert_string_equal(f->c->password, "pw2"); /* for the next reconnect */
    assert_string_equal(slipgate_get_name(f->c), "Ann");
}

static void test_update_text(void **state)
{
    static const char expected[] =
        "{\"command\":\"UPDATE\",\"sessionId\":\"s\",\"position\":{\"x\":1,\"y\":2,\"z\":3},"
        "\"rotation\":{\"x\":0,\"y\":0,\"z\":0,\"w\":1},\"n\":1}";
    struct slipgate_update u = {{1, 2, 3}, {0, 0, 0, 1}, "\"n\":1"};
    char text[256];
    (void)state;
    int n = (int)strlen(expected);
    assert_int_equal(slipgate_update_text(text, sizeof text, "s", &u), n);
    assert_memory_equal(text, expected, strlen(expected));
    assert_int_equal(slipgate_update_text(text, strlen(expected), "s", &u), n);
    assert_int_equal(slipgate_update_text(text, strlen(expected) - 1, "s", &u), SLIPGATE_E_FULL);
    u.extra = "\"n\"";
    assert_int_equal(slipgate_update_text(text, sizeof text, "s", &u), SLIPGATE_E_ARGUMENT);
}

static void test_texts_differ(void **state)
{
    (void)state;
    for (int a = SLIPGATE_E_SYSTEM - 1; a <= 0; a++)
        for (int b = a + 1; b <= 0; b++)
            assert_string_not_equal(slipgate_error_text(a), slipgate_error_text(b));
    assert_string_equal(slipgate_version(), SLIPGATE_VERSION);
}

static void test_bye(void **state)
{
    struct fixture *f = *state;
    create(f);
    log_in(f);
    assert_int_equal(slipgate_bye(f->c), 0);
    expect_line(f, "{\"command\":\"BYE\"}");
    tiny_say(&f->t, "{\"command\":\"BYE_OK\"}\n");
    tiny_drop(&f->t, false);
    UNTIL(f, in_state(f, SLIPGATE_OFFLINE));
    assert_record(&f->r, "done bye 0 \nstate offline 0 \n");
    assert_int_equal(slipgate_deadline_us(f->c), UINT64_MAX);
}

static void test_close_and_connect_again(void **state)
{
    struct fixture *f = *state;
    create(f);
    log_in(f);
    slipgate_close(f->c);
    assert_record(&f->r, "state offline 0 \n");
    assert_int_equal(slipgate_ping(f->c, f->now_us), SLIPGATE_E_STATE);
    tiny_drop(&f->t, false);
    log_in(f);
}

static void close_on_login(struct slipgate_client *c, void *user, const char *name,
                           bool authenticated, enum slipgate_udp_mode mode)
{
    (void)user, (void)name, (void)authenticated, (void)mode;
    assert_int_equal(slipgate_poll(c, 0), SLIPGATE_E_STATE);
    slipgate_close(c);
}

static void test_close_inside_a_callback(void **state)
{
    struct fixture *f = *state;
    f->cfg.callbacks.on_login = close_on_login;
    create(f);
    assert_int_equal(slipgate_login(f->c, "Ann", "pw"), 0);
    connect_client(f);
    expect_line(f, NAME_LINE);
    tiny_say(&f->t, NAME_OK "true}\n");
    UNTIL(f, in_state(f, SLIPGATE_OFFLINE));
    assert_non_null(strstr(f->r.text, "state offline 0 \n"));
}

static void connect_when_offline(struct slipgate_client *c, void *user, enum slipgate_state state,
                                 int error, const char *text)
{
    (void)user, (void)error, (void)text;
    if (state == SLIPGATE_OFFLINE)
        assert_int_equal(slipgate_connect(c, 0), 0);
}

static void test_connect_inside_a_callback(void **state)
{
    struct fixture *f = *state;
    f->cfg.reconnect = false;
    f->cfg.callbacks.on_state = connect_when_offline;
    create(f);
    connect_client(f);
    tiny_drop(&f->t, false);
    UNTIL(f, f->t.up);
    assert_int_equal(f->t.connections, 2);
    tiny_say(&f->t, WELCOME);
    UNTIL(f, in_state(f, SLIPGATE_CONNECTED));
    slipgate_destroy(f->c); /* its close must not connect again */
    f->c = NULL;
}

/* ---- losing the connection ---- */

static void test_comes_back_with_login_and_room(void **state)
{
    struct fixture *f = *state;
    create(f);
    log_in(f);
    assert_int_equal(slipgate_join_room(f->c, "r1"), 0);
    expect_line(f, "{\"command\":\"JOIN_ROOM\",\"roomId\":\"r1\"}");
    tiny_say(&f->t, "{\"command\":\"JOIN_OK\",\"roomId\":\"r1\"}\n");
    UNTIL(f, slipgate_get_room_id(f->c)[0]);
    record_clear(&f->r);
    tiny_drop(&f->t, false);
    UNTIL(f, in_state(f, SLIPGATE_WAITING));
    assert_record(&f->r, "state waiting -11 \n");
    uint64_t due_us = slipgate_deadline_us(f->c);
    assert_true(due_us >= f->now_us + 250000 && due_us <= f->now_us + 500000);
    f->now_us = due_us - 1;
    turn(f);
    assert_true(in_state(f, SLIPGATE_WAITING));
    f->now_us = due_us;
    UNTIL(f, f->t.up);
    tiny_say(&f->t, WELCOME);
    expect_line(f, NAME_LINE);
    tiny_say(&f->t, NAME_OK "true}\n");
    expect_line(f, "{\"command\":\"JOIN_ROOM\",\"roomId\":\"r1\"}");
    tiny_say(&f->t, "{\"command\":\"JOIN_OK\",\"roomId\":\"r1\"}\n");
    UNTIL(f, slipgate_get_room_id(f->c)[0]);
    assert_record(&f->r,
                  "state connecting 0 \nstate connected 0 \nstate authenticated 0 \n"
                  "login Ann yes aes-256-cbc\ndone login 0 \nroom joined r1\ndone join 0 \n");
}

static void lose_in_room(struct fixture *f)
{
    log_in(f);
    assert_int_equal(slipgate_join_room(f->c, "r1"), 0);
    expect_line(f, "{\"command\":\"JOIN_ROOM\",\"roomId\":\"r1\"}");
    tiny_say(&f->t, "{\"command\":\"JOIN_OK\",\"roomId\":\"r1\"}\n");
    UNTIL(f, slipgate_get_room_id(f->c)[0]);
    tiny_drop(&f->t, true);
    UNTIL(f, in_state(f, SLIPGATE_WAITING));
    f->now_us = slipgate_deadline_us(f->c);
    UNTIL(f, f->t.up);
    record_clear(&f->r);
    tiny_say(&f->t, WELCOME);
    expect_line(f, NAME_LINE);
}

#define ASKS_TOKEN \
    "{\"command\":\"NAME\",\"name\":\"Ann\",\"password\":\"pw\",\"resume\":\"\"" OFFER "}"
#define SHOWS_TOKEN(t) "{\"command\":\"NAME\",\"name\":\"Ann\",\"resume\":\"" t "\"" OFFER "}"

/* Lost and there again, up to its welcome. */
static void lose(struct fixture *f)
{
    tiny_drop(&f->t, true);
    UNTIL(f, in_state(f, SLIPGATE_WAITING));
    f->now_us = slipgate_deadline_us(f->c);
    UNTIL(f, f->t.up);
    record_clear(&f->r);
    tiny_say(&f->t, WELCOME);
}

static void log_in_for_token(struct fixture *f, const char *answer)
{
    f->cfg.resume = true;
    create(f);
    assert_int_equal(slipgate_login(f->c, "Ann", "pw"), 0);
    connect_client(f);
    expect_line(f, ASKS_TOKEN);
    tiny_say(&f->t, answer);
    UNTIL(f, in_state(f, SLIPGATE_AUTHENTICATED));
}

static void test_comes_back_with_a_token(void **state)
{
    struct fixture *f = *state;
    log_in_for_token(f, NAME_OK "true,\"resumeToken\":\"t1\"}\n");
    lose(f);
    expect_line(f, SHOWS_TOKEN("t1"));
    tiny_say(&f->t, "{\"command\":\"ERROR\",\"message\":\"Server is busy. Please try again.\"}\n");
    UNTIL(f, in_state(f, SLIPGATE_WAITING));
    lose(f);
    expect_line(f, SHOWS_TOKEN("t1")); /* it may still be good */
    tiny_say(&f->t, NAME_OK "true,\"resumeToken\":\"t2\"}\n");
    UNTIL(f, in_state(f, SLIPGATE_AUTHENTICATED));
    lose(f);
    expect_line(f, SHOWS_TOKEN("t2"));
    slipgate_close(f->c);
    assert_int_equal(f->c->token[0], '\0');
}

static void test_falls_back_to_the_password(void **state)
{
    struct fixture *f = *state;
    log_in_for_token(f, NAME_OK "true,\"resumeToken\":\"t1\"}\n");
    lose(f);
    expect_line(f, SHOWS_TOKEN("t1"));
    tiny_say(&f->t, "{\"command\":\"AUTH_FAILED\",\"message\":\"Invalid resume token.\"}\n");
    expect_line(f, ASKS_TOKEN);
    tiny_say(&f->t, NAME_OK "true}\n"); /* and no token this time */
    UNTIL(f, in_state(f, SLIPGATE_AUTHENTICATED));
    assert_record(&f->r, "state connected 0 \nstate authenticated 0 \n"
                         "login Ann yes aes-256-cbc\ndone login 0 \n");
    lose(f);
    expect_line(f, ASKS_TOKEN);
    tiny_say(&f->t, "{\"command\":\"AUTH_FAILED\",\"message\":\"Invalid password.\"}\n");
    UNTIL(f, in_state(f, SLIPGATE_OFFLINE));
}

static void test_room_is_gone(void **state)
{
    struct fixture *f = *state;
    create(f);
    lose_in_room(f);
    tiny_say(&f->t, NAME_OK "true}\n");
    expect_line(f, "{\"command\":\"JOIN_ROOM\",\"roomId\":\"r1\"}");
    tiny_say(&f->t, "{\"command\":\"ERROR\",\"message\":\"Room not found.\"}\n");
    UNTIL(f, strstr(f->r.text, "done join"));
    assert_non_null(strstr(f->r.text, "room left r1\ndone join -15 Room not found.\n"));
}

static void test_password_changed_meanwhile(void **state)
{
    struct fixture *f = *state;
    create(f);
    lose_in_room(f);
    tiny_say(&f->t, "{\"command\":\"AUTH_FAILED\",\"message\":\"Invalid password.\"}\n");
    UNTIL(f, in_state(f, SLIPGATE_OFFLINE));
    assert_record(&f->r,
                  "state connected 0 \ndone login -13 Invalid password.\nstate offline -13 \n");
    assert_int_equal(f->c->password[0], '\0');
}

static void test_busy_while_coming_back(void **state)
{
    struct fixture *f = *state;
    create(f);
    lose_in_room(f);
    tiny_say(&f->t, "{\"command\":\"ERROR\",\"message\":\"Server is busy. Please try again.\"}\n");
    UNTIL(f, in_state(f, SLIPGATE_WAITING));
    tiny_drop(&f->t, false);
    f->now_us = slipgate_deadline_us(f->c);
    UNTIL(f, f->t.up);
    tiny_say(&f->t, WELCOME);
    expect_line(f, NAME_LINE);
    tiny_say(&f->t, NAME_OK "true}\n");
    expect_line(f, "{\"command\":\"JOIN_ROOM\",\"roomId\":\"r1\"}");
}

static void test_kicked_is_not_coming_back(void **state)
{
    struct fixture *f = *state;
    create(f);
    log_in(f);
    tiny_say(&f->t,
             "{\"command\":\"BYE_ADMIN\",\"message\":\"Signed in from another connection\"}\n");
    UNTIL(f, in_state(f, SLIPGATE_OFFLINE));
    assert_record(&f->r, "state offline -12 Signed in from another connection\n");
}

static void test_tries_end(void **state)
{
    struct fixture *f = *state;
    f->cfg.reconnect_tries = 2;
    create(f);
    log_in(f);
    tiny_drop(&f->t, false);
    for (int i = 0; i < 2; i++) {
        UNTIL(f, in_state(f, SLIPGATE_WAITING));
        f->now_us = slipgate_deadline_us(f->c);
        UNTIL(f, f->t.fd >= 0);
        tiny_drop(&f->t, true);
    }
    UNTIL(f, in_state(f, SLIPGATE_OFFLINE));
    assert_int_equal(f->t.connections, 3);
}

static void test_without_reconnect(void **state)
{
    struct fixture *f = *state;
    f->cfg.reconnect = false;
    create(f);
    log_in(f);
    for (size_t i = 0; i <= SGC_PASSWORD_MAX; i++)
        assert_int_equal(f->c->password[i], 0);
    assert_int_equal(slipgate_list_rooms(f->c), 0);
    tiny_drop(&f->t, false);
    UNTIL(f, in_state(f, SLIPGATE_OFFLINE));
    assert_record(&f->r, "done rooms -11 \nstate offline -11 \n");
}

/* Requests on a connection that the server has reset: the process must survive the writes. */
static void test_no_broken_pipe(void **state)
{
    struct fixture *f = *state;
    f->cfg.reconnect = false;
    create(f);
    log_in(f);
    (void)signal(SIGPIPE, SIG_DFL);
    tiny_drop(&f->t, true);
    for (int i = 0; i < 10; i++)
        (void)slipgate_ping(f->c, f->now_us);
    UNTIL(f, in_state(f, SLIPGATE_OFFLINE));
    (void)signal(SIGPIPE, SIG_IGN);
    assert_non_null(strstr(f->r.text, "state offline -11 "));
}

/* ---- event loops ---- */

static void test_descriptors_are_told(void **state)
{
    struct fixture *f = *state;
    struct slipgate_descriptor d[2];
    create(f);
    assert_int_equal(slipgate_descriptors(f->c, d), 0);
    log_in(f);
    assert_int_equal(slipgate_descriptors(f->c, d), 2);
    assert_true(f->watched[0] == d[0].fd || f->watched[1] == d[0].fd);
    assert_true(f->watched[0] == d[1].fd || f->watched[1] == d[1].fd);
    assert_int_equal(d[0].events, SLIPGATE_IO_IN);
    tiny_say(&f->t, "{\"command\":\"PONG\"}\n{\"command\":\"X\"}\n");
    time_t end = time(NULL) + PATIENCE_S;
    while (!strstr(f->r.text, "line ") && time(NULL) < end)
        (void)slipgate_handle(f->c, d[0].fd, SLIPGATE_IO_IN, f->now_us);
    assert_record(&f->r, "line {\"command\":\"X\"}\n");
    slipgate_close(f->c);
    assert_int_equal(slipgate_descriptors(f->c, d), 0);
    assert_int_equal(f->watched[0], -1);
    assert_int_equal(f->watched[1], -1);
}

/* Two clients share trust and buffers. */
static void test_shared(void **state)
{
    struct fixture *f = *state;
    struct slipgate_shared *shared;
    assert_int_equal(slipgate_shared_create(&shared, &f->cfg), 0);
    f->cfg.shared = shared;
    f->cfg.pin = NULL; /* the shared part has it */
    create(f);
    connect_client(f);
    slipgate_destroy(f->c);
    tiny_drop(&f->t, false);
    create(f);
    connect_client(f);
    slipgate_destroy(f->c);
    f->c = NULL;
    slipgate_shared_destroy(shared);
}

static void test_bad_configurations(void **state)
{
    struct fixture *f = *state;
    struct slipgate_config good = f->cfg;
    char long_host[300];
    memset(long_host, 'h', sizeof long_host);
    long_host[299] = '\0';
    f->cfg.host = NULL;
    assert_int_equal(slipgate_create(&f->c, &f->cfg), SLIPGATE_E_ARGUMENT);
    f->cfg.host = long_host;
    assert_int_equal(slipgate_create(&f->c, &f->cfg), SLIPGATE_E_ARGUMENT);
    f->cfg = good;
    f->cfg.port = 0;
    assert_int_equal(slipgate_create(&f->c, &f->cfg), SLIPGATE_E_ARGUMENT);
    f->cfg = good;
    f->cfg.size = 8;
    assert_int_equal(slipgate_create(&f->c, &f->cfg), SLIPGATE_E_ARGUMENT);
    f->cfg = good;
    f->cfg.size++;
    assert_int_equal(slipgate_create(&f->c, &f->cfg), SLIPGATE_E_ARGUMENT);
    f->cfg = good;
    f->cfg.link = "delay_ms = -1";
    assert_int_equal(slipgate_create(&f->c, &f->cfg), SLIPGATE_E_ARGUMENT);
    f->cfg = good;
    assert_int_equal(slipgate_create(NULL, &f->cfg), SLIPGATE_E_ARGUMENT);
    assert_int_equal(slipgate_create(&f->c, NULL), SLIPGATE_E_ARGUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_pin),
        TEST(test_pin_sha1_with_colons),
        TEST(test_wrong_pin),
        TEST(test_malformed_pins),
        TEST(test_authority_file),
        TEST(test_authority_file_and_name),
        TEST(test_wrong_name),
        TEST(test_wrong_address_name),
        TEST(test_unknown_authority),
        TEST(test_missing_authority_file),
        TEST(test_no_verification),
        TEST(test_nobody_listens),
        TEST(test_unknown_host),
        TEST(test_silent_server),
        TEST(test_no_welcome),
        TEST(test_login_and_datagrams),
        TEST(test_registers_its_datagram_address),
        TEST(test_answers_in_single_bytes),
        TEST(test_every_request),
        cmocka_unit_test(test_update_text),
        cmocka_unit_test(test_texts_differ),
        TEST(test_bye),
        TEST(test_close_and_connect_again),
        TEST(test_close_inside_a_callback),
        TEST(test_connect_inside_a_callback),
        TEST(test_comes_back_with_login_and_room),
        TEST(test_comes_back_with_a_token),
        TEST(test_falls_back_to_the_password),
        TEST(test_room_is_gone),
        TEST(test_password_changed_meanwhile),
        TEST(test_busy_while_coming_back),
        TEST(test_kicked_is_not_coming_back),
        TEST(test_tries_end),
        TEST(test_without_reconnect),
        TEST(test_no_broken_pipe),
        TEST(test_descriptors_are_told),
        TEST(test_shared),
        TEST(test_bad_configurations),
    };
    /* The server's side may write to a client that has left; the client's must not need this. */
    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
