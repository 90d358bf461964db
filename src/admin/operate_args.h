/* Arguments of operations: one name each for all of them, so that an operation's row says with two
 * sets which it needs and which it may have. Internal to operate*.c and its fuzz target. */
#ifndef SLIPGATE_ADMIN_OPERATE_ARGS_H
#define SLIPGATE_ADMIN_OPERATE_ARGS_H

#include "base/buf.h"
#include "base/types.h"

/* X(NAME, member, kind, least, most): bytes of a text, or values of a number; flags have none. */
#define OPERATE_ARGS(X)                             \
    X(ACCOUNT, account, TEXT, 1, 255)               \
    X(ADDRESS, address, TEXT, 1, 64)                \
    X(AFTER, after, TEXT, 0, 255)                   \
    X(AFTER_ID, after_id, NUMBER, 0, INT64_MAX)     \
    X(ALL, all, FLAG, 0, 0)                         \
    X(COMMAND, command, TEXT, 1, 33)                \
    X(DISPLAY_NAME, display_name, TEXT, 0, 255)     \
    X(EMAIL, email, TEXT, 0, 254)                   \
    X(EVIDENCE, evidence, TEXT, 0, 127)             \
    X(FOR_S, for_s, NUMBER, 0, INT64_C(3155760000)) \
    X(FORCE, force, FLAG, 0, 0)                     \
    X(FROM_LINE, from_line, NUMBER, 1, UINT32_MAX)  \
    X(GAME, game, TEXT, 0, 31)                      \
    X(ID, id, NUMBER, 1, INT64_MAX)                 \
    X(LEVEL, level, NUMBER, 1, 3)                   \
    X(LINE, line, TEXT, 1, 1024)                    \
    X(LINES, lines, TEXT, 0, 65536)                 \
    X(MOST, most, NUMBER, 1, 1000)                  \
    X(NAME, name, TEXT, 1, 255)                     \
    X(NOTES, notes, TEXT, 0, 4096)                  \
    X(PASSWORD, password, TEXT, 0, 1024)            \
    X(REASON, reason, TEXT, 0, 255)                 \
    X(ROOM, room, TEXT, 1, 64)                      \
    X(SESSION, session, TEXT, 1, 64)                \
    X(STOP, stop, FLAG, 0, 0)

enum operate_arg {
#define X(NAME, member, kind, least, most) ARG_##NAME,
    OPERATE_ARGS(X)
#undef X
        ARGS_N
};

#define ARG(NAME) (1u << ARG_##NAME)

struct operate_args {
    uint32_t given; /* ARG(...) bits */
    struct span text[ARGS_N];
    int64_t number[ARGS_N];
    struct buf room; /* unescaped texts */
};

/* Reads the text of an object. Texts are valid UTF-8 without NUL, borrowed from the object or from
 * room. E_FORMAT, E_RANGE, E_NOMEM: why names the argument. Call fini in any case. */
MUST_USE int operate_args_read(struct operate_args *, struct span object, uint32_t need,
                               uint32_t may, struct buf *why);
void operate_args_fini(struct operate_args *);
/* The same, as the row of an operation wants them. */
struct operate_row;
MUST_USE int operate_read(const struct operate_row *, struct operate_args *, struct span object,
                          struct buf *why);

static inline bool arg_given(const struct operate_args *a, enum operate_arg arg)
{
    return (a->given >> arg & 1u) != 0;
}

#endif
