#include "core/limits.h"
#include "games/racing/tables.h"

static const struct limit_row rows[] = {
    {"racing.links_per_address", "connections of one address at once",
     "when a connection is accepted: it is closed"},
    {"racing.registrations_per_hour", "accounts registered from one address in an hour",
     "at `NAME`, before the password is hashed: `AUTH_FAILED`"},
    {"racing.rooms_per_address", "rooms at once made from one address",
     "at `CREATE_ROOM`: `ERROR`"},
    {"racing.max_rooms", "rooms at once", "at `CREATE_ROOM`: `ERROR`"},
    {"racing.room_size", "players of a room", "at `JOIN_ROOM`: `ERROR`"},
    {"racing.line_max_bytes", "bytes of a line", "as they arrive: the session ends"},
    {"racing.commands_per_s", "lines of a session per second",
     "before a line is read: it waits, and TCP with it"},
    {"racing.commands_burst", "lines of a session at once", "likewise"},
    {"racing.relay_max_bytes", "bytes of a `RELAY_MESSAGE` text", "at the message: `ERROR`"},
    {"racing.datagrams_per_s", "datagrams of a session per second",
     "before a datagram is opened: it is dropped"},
    {"racing.datagrams_burst", "datagrams of a session at once", "likewise"},
    {"racing.invalid_datagrams_per_min", "datagrams of a session in a minute that are no messages",
     "as `racing.invalid_datagrams` says: by default it is recorded"},
    {"racing.strangers_per_s", "datagrams per second of one address from no known endpoint",
     "before a datagram is opened: it is dropped"},
    {"racing.idle_timeout_s", "seconds of silence of a session", "by the clock: it ends"},
};

const struct limit_table racing_limits = {rows, ARRAY_LEN(rows)};
