/* Joins a room (the first that is open, or a new one), drives in a circle, and prints where the
 * others are: watch HOST PORT NAME PASSWORD [FINGERPRINT]
 * FINGERPRINT pins the server's certificate (`slipgate certificate show`); without it the system's
 * authorities decide. Ends at Ctrl-C. */
#include <slipgate/slipgate.h>

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#define STEP_US 50000 /* 20 updates a second */

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
    (void)number;
    stop = 1;
}

static void on_state(struct slipgate_client *c, void *user, enum slipgate_state state, int error,
                     const char *text)
{
    (void)user;
    if (error)
        printf("state %d: %s (%s)\n", (int)state, slipgate_error_text(error), text);
    if (state == SLIPGATE_AUTHENTICATED)
        slipgate_list_rooms(c);
    if (state == SLIPGATE_OFFLINE)
        stop = 1;
}

static void on_done(struct slipgate_client *c, void *user, enum slipgate_request request, int error,
                    const char *text)
{
    (void)user;
    if (error)
        printf("request %d: %s (%s)\n", (int)request, slipgate_error_text(error), text);
    if (error && request == SLIPGATE_REQUEST_LOGIN)
        slipgate_bye(c);
}

static void on_rooms(struct slipgate_client *c, void *user, const struct slipgate_room *rooms,
                     size_t n)
{
    size_t i = 0;
    (void)user;
    while (i < n && (rooms[i].active || rooms[i].players >= 20))
        i++;
    if (i < n)
        slipgate_join_room(c, rooms[i].id);
    else
        slipgate_create_room(c, "Sunday drive");
}

static void on_update(struct slipgate_client *c, void *user, const struct slipgate_update_in *u)
{
    (void)c, (void)user;
    printf("%s %.2f %.2f %.2f\n", u->sender_id, (double)u->position.x, (double)u->position.y,
           (double)u->position.z);
}

int main(int argc, char **argv)
{
    struct slipgate_config cfg;
    struct slipgate_client *c;
    if (argc < 5)
        return 2;
    slipgate_config_init(&cfg);
    cfg.host = argv[1];
    cfg.port = (uint16_t)strtoul(argv[2], NULL, 10);
    cfg.verify = argc > 5 ? SLIPGATE_VERIFY_PIN : SLIPGATE_VERIFY_CA;
    cfg.pin = argc > 5 ? argv[5] : NULL;
    cfg.callbacks.on_state = on_state;
    cfg.callbacks.on_done = on_done;
    cfg.callbacks.on_rooms = on_rooms;
    cfg.callbacks.on_update = on_update;
    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGINT, on_signal);
    if (slipgate_create(&c, &cfg) != 0)
        return 2;
    slipgate_login(c, argv[3], argv[4]);
    slipgate_connect(c, slipgate_clock_us());
    for (uint64_t next_us = 0; !stop; slipgate_wait(c, slipgate_clock_us(), 10)) {
        uint64_t now_us = slipgate_clock_us();
        slipgate_poll(c, now_us);
        if (now_us < next_us || slipgate_get_room_id(c)[0] == '\0')
            continue;
        double t = (double)now_us / 1e6;
        struct slipgate_update u = {
            {(float)(50 * cos(t)), -2, (float)(50 * sin(t))}, {0, 0, 0, 1}, NULL};
        slipgate_send_update(c, &u);
        next_us = now_us + STEP_US;
    }
    slipgate_destroy(c);
    return 0;
}
