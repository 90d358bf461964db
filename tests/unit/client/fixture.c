#include "fixture.h"

static void on_descriptor(struct slipgate_client *c, void *user, int fd, unsigned events)
{
    struct fixture *f = CONTAINER_OF(user, struct fixture, r);
    (void)c;
    for (int i = 0; i < 2; i++)
        if (f->watched[i] == fd)
            f->watched[i] = -1;
    if (events == 0)
        return;
    int slot = f->watched[0] < 0 ? 0 : 1;
    assert_int_equal(f->watched[slot], -1);
    f->watched[slot] = fd;
}

int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    tiny_start(&f->t);
    slipgate_config_init(&f->cfg);
    f->cfg.host = "127.0.0.1";
    f->cfg.port = f->t.port;
    f->cfg.verify = SLIPGATE_VERIFY_PIN;
    f->cfg.pin = f->t.pin_sha256;
    f->cfg.user = &f->r;
    record_callbacks(&f->cfg.callbacks);
    f->cfg.callbacks.on_descriptor = on_descriptor;
    f->watched[0] = f->watched[1] = -1;
    f->now_us = 1000000;
    *state = f;
    return 0;
}

int teardown(void **state)
{
    struct fixture *f = *state;
    slipgate_destroy(f->c);
    assert_int_equal(f->watched[0], -1);
    assert_int_equal(f->watched[1], -1);
    tiny_stop(&f->t);
    free(f);
    return 0;
}

void create(struct fixture *f)
{
    assert_int_equal(slipgate_create(&f->c, &f->cfg), 0);
}

void turn(struct fixture *f)
{
    f->now_us += f->step_us;
    tiny_step(&f->t);
    (void)slipgate_poll(f->c, f->now_us);
    slipgate_wait(f->c, f->now_us, 1);
}

bool in_state(struct fixture *f, enum slipgate_state state)
{
    return slipgate_get_state(f->c) == state;
}

void expect_line(struct fixture *f, const char *expected)
{
    char line[1024];
    UNTIL(f, tiny_line(&f->t, line, sizeof line));
    assert_string_equal(line, expected);
}

void connect_client(struct fixture *f)
{
    assert_int_equal(slipgate_connect(f->c, f->now_us), 0);
    UNTIL(f, f->t.up);
    tiny_say(&f->t, WELCOME);
    UNTIL(f, in_state(f, SLIPGATE_CONNECTED));
}

void log_in(struct fixture *f)
{
    assert_int_equal(slipgate_login(f->c, "Ann", "pw"), 0);
    connect_client(f);
    expect_line(f, NAME_LINE);
    tiny_say(&f->t, NAME_OK "false}\n");
    UNTIL(f, in_state(f, SLIPGATE_AUTHENTICATED));
    record_clear(&f->r);
}
