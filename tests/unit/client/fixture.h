/* What tests of the whole client share: a client, a tiny server for it, and a clock of their own,
 * so that pauses and time-outs take no time. */
#ifndef SLIPGATE_TESTS_CLIENT_FIXTURE_H
#define SLIPGATE_TESTS_CLIENT_FIXTURE_H

#include "base/types.h"
#include "client/client.h"
#include "record.h"
#include "tiny_server.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#define ME      "0123456789abcdef0123456789abcdef"
#define WELCOME "CONNECTED|" ME "\n"
#define NAME_OK \
    "{\"command\":\"NAME_OK\",\"name\":\"Ann\",\"authenticated\":true,\"udpEncryption\":"
#define PATIENCE_S 20

struct fixture {
    struct tiny_server t;
    struct slipgate_config cfg;
    struct slipgate_client *c;
    struct record r;
    uint64_t now_us;
    int watched[2];   /* as on_descriptor tells */
    uint32_t step_us; /* the clock moves so far each turn; 0: it stands still */
};

/* Of every test: *state becomes the fixture. */
int setup(void **state);
int teardown(void **state);
void create(struct fixture *f);
/* The server does what it can, the client is polled, and a millisecond of real time may pass. */
void turn(struct fixture *f);

/* Turns until the condition holds; real time is bounded. */
#define UNTIL(f, condition)                         \
    do {                                            \
        time_t until_end = time(NULL) + PATIENCE_S; \
        while (!(condition)) {                      \
            turn(f);                                \
            assert_true(time(NULL) < until_end);    \
        }                                           \
    } while (0)

bool in_state(struct fixture *f, enum slipgate_state state);
void expect_line(struct fixture *f, const char *expected);
void connect_client(struct fixture *f);

#define OFFER     ",\"udpAead\":[\"aes-256-gcm\",\"aes-256-cbc-hmac-sha256\"],\"udpPack\":true"
#define NAME_LINE "{\"command\":\"NAME\",\"name\":\"Ann\",\"password\":\"pw\"" OFFER "}"

/* Logged in, UDP in the clear. */
void log_in(struct fixture *f);

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
