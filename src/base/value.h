/* A value of a database row or of a query's parameter. */
#ifndef SLIPGATE_BASE_VALUE_H
#define SLIPGATE_BASE_VALUE_H

#include "base/types.h"

enum value_type { VALUE_NULL, VALUE_INT, VALUE_TEXT };

struct value {
    enum value_type type;
    union {
        int64_t i;
        struct span text; /* borrowed: from where the user of this header says */
    } u;
};

#define VALUE_OF_INT(x)  ((struct value){VALUE_INT, {.i = (x)}})
#define VALUE_OF_TEXT(x) ((struct value){VALUE_TEXT, {.text = (x)}})
#define VALUE_NOTHING    ((struct value){VALUE_NULL, {.i = 0}})

#endif
