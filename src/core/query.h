/* Queries: the rows the store keeps besides accounts and their passwords, as one table
 * (core/query.def). A service or a desk asks one with ASK_QUERY and parameters by value, and reads
 * the rows of the answer one by one; the store alone knows the SQL.
 *
 * What comes back was held against the table's columns before anybody sees it. Limits: QUERY_VALUES
 * a parameter list or row, QUERY_ROWS_MAX rows and QUERY_BYTES_MAX bytes an answer (E_LIMIT past
 * them: ask for fewer). */
#ifndef SLIPGATE_CORE_QUERY_H
#define SLIPGATE_CORE_QUERY_H

#include "base/buf.h"
#include "base/value.h"
#include "core/ask.h"

#define QUERY_VALUES    16u
#define QUERY_TEXT_MAX  8192u /* bytes of one text */
#define QUERY_ROWS_MAX  1000u
#define QUERY_BYTES_MAX (1u << 20)

enum query {
#define QUERY(name, parameters, columns, none) QUERY_##name,
#include "core/query.def"
#undef QUERY
    QUERY_N
};

struct query_row {
    const char *name, *parameters, *columns;
    int none;
};

/* By number; for the store and for tests. */
extern const struct query_row query_table[QUERY_N];

/* The ask of a query. v is borrowed until submit returns, as an ask's spans are. */
struct ask query_ask(enum query q, const struct value *v, size_t n);

/* Whether values fit a list of letters: their number, types, and the length and form of texts
 * (valid UTF-8 without NUL). E_RANGE, E_FORMAT, E_LIMIT. */
MUST_USE int query_check(const char *letters, const struct value *v, size_t n);

/* Rows, packed one behind the other. Appends one; errors stay in to->failed. */
void query_pack(struct buf *to, const struct value *v, size_t n);
/* Reads the row at *at and moves on: the number of its values, all of them set in v, or E_NOENT
 * behind the last. Texts are borrowed from rows. What was not packed is a bug (CHECK). */
MUST_USE int query_next(struct span rows, size_t *at, struct value v[QUERY_VALUES]);

/* Values by column, of a row that was checked: another type is a bug. Null is 0 and empty. */
int64_t query_int(const struct value *v);
struct span query_text(const struct value *v);

#endif
