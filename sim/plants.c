#include "sim/plants.h"

#include "base/plant.h"

#include <string.h>

enum plant plant_set = PLANT_NONE;

#define PLANT(id, fault, what) [PLANT_##id] = {#id, fault, what},
static const struct plant_row rows[PLANTS_N] = {
    [PLANT_NONE] = {"NONE", "", "nothing"},
#include "base/plant.def"
};
#undef PLANT

const struct plant_row *plant_row(size_t i)
{
    return i < PLANTS_N ? &rows[i] : NULL;
}

/* As on the command line. */
static char small(char c)
{
    if (c == '_')
        return '-';
    if (c >= 'A' && c <= 'Z')
        return "abcdefghijklmnopqrstuvwxyz"[c - 'A'];
    return c;
}

const char *plant_name(const struct plant_row *r, char to[64])
{
    size_t i = 0;
    for (; i < 63 && r->name[i]; i++)
        to[i] = small(r->name[i]);
    to[i] = '\0';
    return to;
}

/* Case and the two kinds of hyphens do not count. */
static bool same(const char *id, const char *name)
{
    for (; *id && *name; id++, name++)
        if (small(*id) != small(*name))
            return false;
    return *id == *name;
}

bool plant_choose(const char *name)
{
    for (size_t i = 0; i < PLANTS_N; i++)
        if (same(rows[i].name, name)) {
            plant_set = (enum plant)i;
            return true;
        }
    return false;
}
