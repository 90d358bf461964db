#include "games/racing/cheat.h"

#include "wire/text.h"

static uint32_t number(const struct config *c, const char *key)
{
    return (uint32_t)config_int(c, key);
}

void settings_load(struct settings *s, const struct config *c)
{
    *s = (struct settings){
        .idle = number(c, "racing.idle_timeout_s") * NSEC_PER_S,
        .room_size = number(c, "racing.room_size"),
        .max_rooms = number(c, "racing.max_rooms"),
        .rooms_per_addr = number(c, "racing.rooms_per_address"),
        .registrations_per_hour = number(c, "racing.registrations_per_hour"),
        .name_max = number(c, "racing.name_max_bytes"),
        .password_min = number(c, "racing.password_min_length"),
        .line_max = number(c, "racing.line_max_bytes"),
        .relay_max = number(c, "racing.relay_max_bytes"),
        .room_events = config_bool(c, "racing.room_events"),
        .start_reply = config_bool(c, "racing.start_reply"),
        .fold_names = config_enum(c, "racing.name_case") == 1,
        .relay_room_only = config_enum(c, "racing.relay_scope") == 1,
        .require_aead = config_bool(c, "racing.udp_require_aead"),
        .any_address = config_bool(c, "racing.udp_any_address"),
        .single_login = (enum single_login)config_enum(c, "racing.single_login"),
        .plaintext = (enum plaintext)config_enum(c, "racing.udp_plaintext"),
        .commands = rate_of(number(c, "racing.commands_per_s"), number(c, "racing.commands_burst")),
        .datagrams =
            rate_of(number(c, "racing.datagrams_per_s"), number(c, "racing.datagrams_burst")),
        .strangers =
            rate_of(number(c, "racing.strangers_per_s"), number(c, "racing.strangers_per_s")),
        .datagrams_per_s = number(c, "racing.datagrams_per_s"),
        .strangers_per_s = number(c, "racing.strangers_per_s"),
    };
    cheat_load(s, c);
    const char *secret = config_text(c, "racing.udp_shared_secret");
    s->secret_n = strnlen(secret, sizeof s->secret);
    memcpy(s->secret, secret, s->secret_n);
}

/* An id made only of digits, or of digits and one 'e', would be read as a number by clients that
 * guess types, so one is drawn again until another letter is in it. */
static bool looks_like_number(const char *id)
{
    return strpbrk(id, "abcdf") == NULL;
}

void id_make(struct host *host, char id[ID_LEN + 1])
{
    uint8_t b[16];
    do {
        host_entropy(host, b, sizeof b);
        b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
        b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
        hex_encode(b, sizeof b, id);
    } while (looks_like_number(id));
}
