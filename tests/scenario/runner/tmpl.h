/* Texts of scripts: $name is replaced by what was bound to it, in expected texts <name> is a hole
 * that takes what stands there, <*> takes it and forgets it. $$ and << stand for $ and <.
 *
 * A hole right behind " takes the string up to the next "; elsewhere in a text that begins with {
 * it takes one JSON value; in any other text what comes before the character behind the hole.
 * <name:id> takes exactly 32 digits of an id. */
#ifndef SLIPGATE_SCENARIO_TMPL_H
#define SLIPGATE_SCENARIO_TMPL_H

#include "base/buf.h"
#include "base/types.h"

#define VAR_NAME_MAX 80u
#define TMPL_MAX     (4u << 20) /* bytes of an expanded text */
#define TMPL_DEPTH   8u         /* `let` texts within `let` texts */
#define TMPL_HOLES   64u

struct var {
    char name[VAR_NAME_MAX];
    char *text;
    bool lazy; /* from `let`: itself expanded where it is used */
};

struct vars {
    struct var *v;
    size_t n, cap;
};

void vars_fini(struct vars *);
void vars_set(struct vars *, const char *name, struct span text, bool lazy);
const char *vars_get(const struct vars *, const char *name);

/* The length of the $name at p (without its $), 0 where there is none. [i] belongs to it. */
size_t tmpl_name(const char *p);
/* The length of the hole at p, < and > included, 0 where there is none; its parts. */
size_t tmpl_hole(const char *p, struct span *name, struct span *class);
/* Writes the name with [i] as the number that variable i has; false when it has none. */
bool tmpl_index(const struct vars *, struct span name, char to[VAR_NAME_MAX]);

/* The text with its names replaced. false: why says which name is not bound. */
bool tmpl_fill(const struct vars *, const char *text, struct buf *to, struct buf *why);
/* Compares got with the expected text and binds its holes. On a difference nothing is bound, *at is
 * where in got it begins and want the expected text as far as it is known. */
bool tmpl_match(struct vars *, const char *text, struct span got, struct buf *want, size_t *at);
/* The same as JSON values: `text` is an object (or any value) whose members must be in got, in any
 * order and among others; arrays element by element; holes take whole values. */
bool tmpl_holds(struct vars *, const char *text, struct span got, struct buf *why);

#endif
