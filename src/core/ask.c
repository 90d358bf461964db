#include "core/ask.h"

#include "base/check.h"

enum ask_to ask_destination(enum ask_kind kind)
{
    switch (kind) {
    case ASK_ACCOUNT_FIND:
    case ASK_ACCOUNT_CREATE:
    case ASK_ACCOUNT_SET_PASSWORD:
    case ASK_ACCOUNT_TOUCH:
    case ASK_QUERY: return ASK_TO_STORE;
    case ASK_HASH_MAKE:
    case ASK_HASH_VERIFY:
    case ASK_HASH_OTP: return ASK_TO_HASH;
    case ASK_CLAIM:
    case ASK_RELEASE: return ASK_TO_PRESENCE;
    case ASK_COMMAND: return ASK_TO_STAFF;
    }
    UNREACHABLE();
}
