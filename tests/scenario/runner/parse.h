/* What the two halves of the parser share: parse.c reads lines and blocks, parse_steps.c what
 * stands in one line. */
#ifndef SLIPGATE_SCENARIO_PARSE_H
#define SLIPGATE_SCENARIO_PARSE_H

#include "script.h"

struct parser {
    struct script *s;
    struct buf *why;
    const char *p; /* where in the line it is */
    unsigned line;
    bool failed;
    bool opened; /* a client was opened before */
    uint32_t open_blocks[SCRIPT_DEPTH_MAX];
    size_t depth;
    struct buf names; /* known clients ("A"), variables ("$A.id"), each with a NUL, [i] as [] */
};

/* One step from one line, p at its first word. Errors go to parse_fail. */
void parse_step(struct parser *);

/* Says what is wrong, once. Returns false. */
bool parse_fail(struct parser *, const char *format, ...) PRINTF_LIKE(2, 3);
struct step *parse_add(struct parser *, enum step_kind);
char *parse_keep(struct parser *, struct span);
/* A block begins with the step just added: its line must end with {. */
void parse_open(struct parser *);
void parse_learn(struct parser *, char kind, struct span name);
bool parse_knows(const struct parser *, char kind, struct span name);

#endif
