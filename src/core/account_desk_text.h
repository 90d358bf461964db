/* Writing JSON objects member by member: for answers to staff, owners and scripts. The buffer holds
 * the object so far, which decides about commas; errors stay in it. */
#ifndef SLIPGATE_CORE_ACCOUNT_DESK_TEXT_H
#define SLIPGATE_CORE_ACCOUNT_DESK_TEXT_H

#include "base/buf.h"
#include "core/query.h"

/* Begins a member, with a comma where one is needed. */
void desk_member(struct buf *out, const char *name);
void desk_put_text(struct buf *out, const char *name, struct span text);
void desk_put_int(struct buf *out, const char *name, int64_t v);
void desk_put_bool(struct buf *out, const char *name, bool v);
void desk_put_value(struct buf *out, const char *name, const struct value *v);
/* An account's row (QUERY_ACCOUNT) as members of an object. */
void desk_put_account(struct buf *out, const struct value v[QUERY_VALUES]);

#endif
