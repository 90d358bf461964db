/* Who may use which moderation command: words, the table's rows, and the rules, without any state.
 * docs/moderation.md. */
#ifndef SLIPGATE_ADMIN_STAFF_RULES_H
#define SLIPGATE_ADMIN_STAFF_RULES_H

#include "base/buf.h"
#include "base/types.h"

struct staff_job;

enum staff_gate {
    GATE_NONE,
    GATE_TELEPORT,
    GATE_ITEMS,
    GATE_PLAYERS,
    GATE_DATABASE,
    GATE_ACCOUNTS,
    GATE_SHUTDOWN,
    GATE_SNOOP,
    GATES_N
};

/* A line taken apart; words point into room. */
struct staff_words {
    size_t n;
    struct span word[32];
    struct span rest[32]; /* from this word to the end of the line, as typed */
    uint8_t room[1024];
};

/* Splits a line, its '/' aside: blanks part words, double quotes keep them together and are taken
 * off. Empty words only from "". E_LIMIT: too long or too many words; E_FORMAT: not UTF-8 or with
 * control characters; E_NOENT: nothing but blanks. */
MUST_USE int staff_split(struct span line, struct staff_words *ret);

struct staff_row {
    const char *name, *alias; /* lower case */
    const char *sub;          /* first words behind the name that make it this row; NULL: any */
    uint8_t level;
    enum staff_gate gate;
    bool lasting;    /* answered when its record is safe */
    uint32_t secret; /* bits of the words that are passwords; the command is word 0 */
    const char *form, *help;
    int (*run)(struct staff_job *); /* 0: done; 1: it finishes later */
};

extern const struct staff_row staff_rows[];
extern const size_t staff_rows_n;

/* The row of a line, or NULL. */
const struct staff_row *staff_find(const struct staff_words *);
/* The first row of a word. */
const struct staff_row *staff_find_word(struct span word);
bool staff_same(struct span word, const char *lower); /* letter case of A to Z aside */

struct staff_policy {
    bool open[GATES_N];
    bool log_all;
    char disabled[1024]; /* words, separated by blanks or commas */
};

extern const char *const staff_gate_keys[GATES_N]; /* configuration keys; NULL for GATE_NONE */

enum staff_verdict {
    STAFF_BY_LEVEL, /* allowed */
    STAFF_BY_GRANT, /* allowed */
    STAFF_DISABLED,
    STAFF_GATE_SHUT,
    STAFF_LEVEL_LOW, /* unless there is a grant */
};

/* granted: there is a grant for the row's name. */
enum staff_verdict staff_judge(const struct staff_policy *, const struct staff_row *, uint8_t level,
                               bool granted);
static inline bool staff_allows(enum staff_verdict v)
{
    return v == STAFF_BY_LEVEL || v == STAFF_BY_GRANT;
}

/* The line without what must not be kept, for the audit. */
void staff_redact(const struct staff_words *, const struct staff_row *, struct buf *to);

#endif
