/* The two messages that travel in datagrams, UPDATE and INPUT, as text (docs/protocol-racing.md,
 * "Datagram messages"). A message that is complete and honest is relayed byte for byte; one with
 * missing values or a doubtful sender is written anew, everything else in it kept. Pure. */
#ifndef SLIPGATE_GAMES_RACING_UPDATE_H
#define SLIPGATE_GAMES_RACING_UPDATE_H

#include "base/buf.h"
#include "base/types.h"
#include "wire/json.h"

enum update_kind { UPDATE_POSITION, UPDATE_INPUT };

#define UPDATE_PARTS  2u
#define UPDATE_VALUES 4u

struct update_part {  /* position, rotation, input; or the controls of a flat INPUT */
    const char *name; /* NULL: its values stand at the top of the message */
    struct span raw;  /* the object, empty when there was none */
    struct json_val value[UPDATE_VALUES];
    bool complete;
};

struct update {
    enum update_kind kind;
    struct span text;       /* the object, without what stood round it */
    struct span session_id; /* as claimed */
    struct json_val room_id;
    bool rewrite;   /* relay update_rewrite's text instead of the received one */
    bool client_id; /* it has one */
    struct update_part part[UPDATE_PARTS];
    float position[3], rotation[4]; /* UPDATE_POSITION, defaults filled in */
    uint8_t scratch[64];
};

/* Reads a message; spans point into text or into ret. E_FORMAT: not an object, not one of the two
 * commands, no session id, a value of the wrong type; E_RANGE: a number that is no finite float. */
MUST_USE int update_parse(struct span text, struct update *ret);
/* Writes the message with the verified session id and defaults in place of what is missing. */
void update_rewrite(const struct update *, struct span session_id, struct buf *to);

#endif
