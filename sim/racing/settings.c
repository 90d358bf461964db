#include "sim/racing/racing_sim.h"

#include <stdio.h>

struct draw {
    struct sim *sim;
    char (*ret)[96];
    size_t n;
};

static uint64_t below(struct draw *d, uint64_t n)
{
    return sim_below(d->sim, CHANCE_BOTS, n);
}

static void text(struct draw *d, const char *key, const char *value)
{
    (void)snprintf(d->ret[d->n++], 96, "racing.%s=%s", key, value);
}

static uint32_t number(struct draw *d, const char *key, const uint32_t *of, size_t n)
{
    uint32_t v = of[below(d, n)];
    (void)snprintf(d->ret[d->n++], 96, "racing.%s=%u", key, v);
    return v;
}

#define NUMBER(d, key, ...) \
    number(d, key, (const uint32_t[]){__VA_ARGS__}, ARRAY_LEN(((const uint32_t[]){__VA_ARGS__})))

static const char *choice(struct draw *d, const char *key, const char *const *of, size_t n)
{
    const char *v = of[below(d, n)];
    text(d, key, v);
    return v;
}

#define CHOICE(d, key, ...)                            \
    choice(d, key, (const char *const[]){__VA_ARGS__}, \
           ARRAY_LEN(((const char *const[]){__VA_ARGS__})))

static bool yes(const char *v)
{
    return strcmp(v, "true") == 0;
}

/* Rooms and what is in them. */
static void draw_rooms(struct draw *d)
{
    (void)NUMBER(d, "room_size", RULES_ROOM_MIN, 4, 6, 20, 20, 64);
    (void)NUMBER(d, "max_rooms", 8, 20, 100, 1000);
    (void)CHOICE(d, "room_events", "false", "true");
    (void)CHOICE(d, "start_reply", "true", "true", "false");
    (void)CHOICE(d, "relay_scope", "server", "server", "room");
}

static void draw_logins(struct draw *d)
{
    (void)CHOICE(d, "single_login", "replace", "replace", "refuse", "allow");
    (void)CHOICE(d, "name_case", "exact", "exact", "fold");
    (void)NUMBER(d, "name_max_bytes", RULES_NAME, 64, 64);
    (void)NUMBER(d, "password_min_length", 1, 1, 6, RULES_PASSWORD);
}

static void draw_limits(struct draw *d, struct rules *r)
{
    r->idle_s = NUMBER(d, "idle_timeout_s", 5, 20, 60, 60);
    r->line_max = NUMBER(d, "line_max_bytes", 1024, 4096, 65536, 65536);
    r->relay_max = NUMBER(d, "relay_max_bytes", 64, 4096, 32768, 32768);
    (void)NUMBER(d, "commands_per_s", 0, 10, 50, 50);
    (void)NUMBER(d, "commands_burst", 1, 20, 100);
    (void)NUMBER(d, "datagrams_per_s", 0, 30, 300, 300);
    (void)NUMBER(d, "datagrams_burst", 5, 300);
    (void)NUMBER(d, "strangers_per_s", 20, 100);
}

static void draw_datagrams(struct draw *d, struct rules *r)
{
    r->no_plain =
        strcmp(CHOICE(d, "udp_plaintext", "until_encrypted", "until_encrypted", "on", "off"),
               "off") == 0;
    r->require_aead = yes(CHOICE(d, "udp_require_aead", "false", "false", "false", "true"));
    (void)CHOICE(d, "udp_any_address", "false", "false", "true");
    (void)snprintf(r->secret, sizeof r->secret, "%s",
                   CHOICE(d, "udp_shared_secret", "RacingServerUDP2024!", "RacingServerUDP2024!",
                          "another secret"));
}

size_t racing_settings(struct sim *s, char ret[SIM_SETTINGS_MAX][96])
{
    struct draw d = {s, ret, 0};
    struct rules *r = &racing_sim(s)->rules;
    draw_rooms(&d);
    draw_logins(&d);
    draw_limits(&d, r);
    draw_datagrams(&d, r);
    static const char *const spared[] = {"loopback private", "loopback private", "none",
                                         "192.0.2.0/24,10.2.0.0/16"};
    (void)snprintf(d.ret[d.n++], 96, "limits.exempt=%s", spared[below(&d, ARRAY_LEN(spared))]);
    return d.n;
}
