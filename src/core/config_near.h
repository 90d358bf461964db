/* Nearest key: which of the words offered is most likely what somebody meant to type. Distance is
 * the number of letters added, left out, changed, or swapped with their neighbour; a word without a
 * section is compared with the name alone. Pure; words are borrowed. */
#ifndef SLIPGATE_CORE_CONFIG_NEAR_H
#define SLIPGATE_CORE_CONFIG_NEAR_H

#include "base/types.h"

#define NEAR_WORD_MAX 63u /* longer words are near nothing */

struct near {
    struct span word;
    const char *best; /* the nearest so far; NULL: none is near enough */
    size_t distance;
};

/* Up to a third of the word may be wrong, at least two letters. */
void near_init(struct near *, struct span word);
void near_offer(struct near *, const char *key);
size_t near_distance(struct span a, struct span b); /* both up to NEAR_WORD_MAX bytes */

#endif
