/* The control socket: how operators of the machine talk to the running server. A Unix stream
 * socket, control.sock in data.dir, for the user the server runs as and for root, and for one group
 * where a key names it; anybody else's connection is closed and reported.
 *
 * One JSON object (RFC 8259) a line in each direction, strictly in turn on a connection:
 *
 *   {"command":"ban add","arguments":{"address":"203.0.113.7"}}
 *   {"ok":true,"result":{"id":7}}
 *   {"ok":false,"error":"there is no such account","mend":"..."}
 *
 * Ceilings: CONTROL_LINKS_MAX connections, CONTROL_LINE_MAX bytes of a request, CONTROL_OUT_MAX of
 * what waits to be read, CONTROL_IDLE without a request. One thread, the loop's; nothing blocks. */
#ifndef SLIPGATE_ADMIN_CONTROL_H
#define SLIPGATE_ADMIN_CONTROL_H

#include "base/buf.h"
#include "base/log.h"
#include "core/config.h"
#include "core/loop.h"

#define CONTROL_LINKS_MAX 16u
#define CONTROL_LINE_MAX  65536u
#define CONTROL_OUT_MAX   (2u << 20)
#define CONTROL_IDLE      (300 * NSEC_PER_S)
#define CONTROL_FILE      "control.sock"
#define CONTROL_PATH_MAX  108u /* of a Unix socket, with its NUL */
#define CONTROL_NAME_MAX  64u

extern const struct config_row control_config[1];

struct control;
struct control_ref {
    struct ref r;
};

struct control_peer {
    uint32_t uid;
    char name[CONTROL_NAME_MAX]; /* the user's; "uid 1000" where there is none */
};

struct control_request {
    struct span command;   /* letters, digits, '-' and single blanks */
    struct span arguments; /* text of an object; "{}" where there was none */
};

struct control_cfg {
    struct loop *loop;
    struct log *log;
    const char *dir;   /* data.dir */
    const char *group; /* whose members may talk to us too; "" for none */
    void *ctx;
    /* A request; answered once, now or later, by control_reply. Spans are borrowed until return. */
    void (*request)(void *ctx, struct now, struct control_ref, const struct control_peer *,
                    const struct control_request *);
    /* Somebody who may not. */
    void (*stranger)(void *ctx, struct now, const struct control_peer *);
};

/* Takes a line apart: an object with "command", a string, and perhaps "arguments", an object, and
 * nothing else. E_FORMAT: why says what is wrong. command is borrowed from line or scratch. */
#define CONTROL_COMMAND_MAX 64u
MUST_USE int control_parse(struct span line, char scratch[CONTROL_COMMAND_MAX],
                           struct control_request *ret, struct buf *why);

/* The path of the socket; E_RANGE: dir is too long for one. */
MUST_USE int control_path(const char *dir, char path[CONTROL_PATH_MAX]);

/* Opens the socket; what a server that is no more has left of one is replaced. cfg's texts are read
 * until return. E_CONFIG, E_BUSY (a server is alive there), E_IO: why says in one line what is in
 * the way and how to mend it. E_NOMEM, E_FULL. */
MUST_USE int control_create(struct control **ret, const struct control_cfg *, struct buf *why);
/* Removes the socket; answers still owed are dropped. NULL is fine. */
void control_destroy(struct control *);

/* The answer: a whole object, without LF. Stale handles are fine. An answer of more than
 * CONTROL_OUT_MAX becomes an error. */
void control_reply(struct control *, struct control_ref, struct span json);
/* The same: {"ok":true,"result":RESULT}; RESULT empty: without one. */
void control_result(struct control *, struct control_ref, struct span result);
/* {"ok":false,...}; mend NULL: without one. */
void control_error(struct control *, struct control_ref, const char *error, const char *mend);

#endif
