/* Every query, asked one after another of a store that is empty, as lines of a table: what is asked
 * with what, and what comes back. The same for every database. */
#ifndef SLIPGATE_TESTS_QUERY_STORIES_H
#define SLIPGATE_TESTS_QUERY_STORIES_H

#include "core/query.h"
#include "store_kit.h"

#define STORY_ROWS_SIZE 16384u

/* Asks with parameters as text: 12 'text' ~ (null). The answer's code; rows as text: "12 'a' ~;
 * ..." and "()" for one without values. A failure of the kit ends the test. */
int story_ask(struct kit *, enum query, const char *parameters, char rows[STORY_ROWS_SIZE]);

/* Plays all of them; ends the test, naming the line, where an answer is another. Every query has to
 * come with an answer that did or found something and, where it can, with one that did not. */
void stories_play(struct kit *);

#endif
