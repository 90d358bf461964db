#include "base/err.h"

#include <stddef.h>

static const struct {
    int code;
    enum err_class class;
    const char *name, *text;
} table[] = {
#define E(name, number, class, text) {name, ERR_CLASS_##class, #name, text},
#include "base/err.def"
#undef E
};

static int find(int code)
{
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (table[i].code == code)
            return (int)i;
    return -1;
}

const char *err_name(int code)
{
    int i = find(code);
    return i < 0 ? "E_UNKNOWN" : table[i].name;
}

const char *err_text(int code)
{
    int i = find(code);
    return i < 0 ? "unknown error" : table[i].text;
}

enum err_class err_class(int code)
{
    int i = find(code);
    return i < 0 ? ERR_CLASS_BUG : table[i].class;
}
