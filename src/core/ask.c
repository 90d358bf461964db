#include "core/ask.h"

enum ask_to ask_destination(enum ask_kind kind)
{
    return kind == ASK_HASH_MAKE || kind == ASK_HASH_VERIFY ? ASK_TO_HASH : ASK_TO_STORE;
}
