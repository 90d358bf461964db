/* Configuration as tables: each module exports its rows, the program joins them, and everything
 * that shows or checks a key (config print, config check, the shipped file, the documentation) is
 * made from the rows. Keys are "section.name"; numbers carry their unit in the name (_s, _ms,
 * _bytes, _per_s). A value comes from, in rising precedence: default, file, environment, --set.
 *
 * A struct config is built once, read by everybody, and replaced whole at a reload. One thread.
 * docs/operations.md, "Configuration". */
#ifndef SLIPGATE_CORE_CONFIG_H
#define SLIPGATE_CORE_CONFIG_H

#include "base/buf.h"
#include "base/types.h"

enum config_type {
    CONFIG_INT,  /* min..max */
    CONFIG_BOOL, /* true|false, yes|no, on|off, 1|0 */
    CONFIG_TEXT, /* min to max bytes (max 0: CONFIG_TEXT_MAX) of UTF-8 without control characters */
    CONFIG_SECRET, /* text that is masked wherever it is shown and wiped when it goes */
    CONFIG_ADDR,   /* an IP address without port; empty too, unless min is 1 */
    CONFIG_ENUM,   /* one of choices, "a|b|c" */
};

#define CONFIG_TEXT_MAX 1024u
#define CONFIG_KEY_MAX  64u /* with its NUL */

enum config_when { CONFIG_LIVE, CONFIG_NEW_CONNECTIONS, CONFIG_RESTART };

enum config_source { CONFIG_DEFAULT, CONFIG_FILE, CONFIG_ENV, CONFIG_OPTION };

struct config_row {
    const char *key; /* "section.name": [a-z0-9] in the section, [a-z0-9_] in the name */
    enum config_type type;
    const char *fallback; /* the default, as text */
    int64_t min, max;
    const char *choices;
    enum config_when when;
    const char *meaning; /* one sentence; says the unit */
};

struct config_table {
    const struct config_row *rows;
    size_t n;
};

struct config;

/* rows must outlive the config; every value starts as its default (a default its own row
 * refuses is a bug and CHECKed). E_NOMEM. */
MUST_USE int config_create(struct config **ret, const struct config_table *tables, size_t n);
void config_destroy(struct config *); /* wipes secrets; NULL is fine */

/* Sets one key from text; a value that came from a stronger source stays (0 is returned). E_NOENT
 * (unknown key), E_RANGE, E_FORMAT, E_NOMEM; why then says what is wrong and how to mend it, naming
 * the key or the nearest known one, in one line without a full stop at the end. A secret's value is
 * never repeated in it. */
MUST_USE int config_set(struct config *, struct span key, struct span value, enum config_source,
                        struct buf *why);

/* The known key that is nearest to a misspelt one; NULL when none is near. */
const char *config_nearest(const struct config *, struct span key);
bool config_known(const struct config *, struct span key);
bool config_section_known(const struct config *, struct span section);

/* Gives every key that only a restart can change the value and source it has in `running`, and
 * appends the names of those that differed to `held`, separated by ", ". Both must be made from the
 * same tables. How many differed, or E_NOMEM. */
MUST_USE int config_hold_restart(struct config *next, const struct config *running,
                                 struct buf *held);

/* Values by key; a key that is not in the tables or has another type is a bug (CHECK). config_text
 * serves every type that is neither a number nor a truth value; its text is NUL-terminated and
 * lives as long as the config. config_enum gives the index of the choice. */
int64_t config_int(const struct config *, const char *key);
bool config_bool(const struct config *, const char *key);
const char *config_text(const struct config *, const char *key);
int config_enum(const struct config *, const char *key);
enum config_source config_source(const struct config *, const char *key);

/* For showing and comparing: every row in table order. */
size_t config_count(const struct config *);
const struct config_row *config_row_at(const struct config *, size_t i);
const char *config_text_at(const struct config *, size_t i); /* the canonical text, secrets too */
enum config_source config_source_at(const struct config *, size_t i);
/* What the row accepts, for people: "1 to 65535", "replace, refuse or allow". */
void config_row_range(const struct config_row *, struct buf *to);

#endif
