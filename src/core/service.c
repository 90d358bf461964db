#include "core/service.h"

#include "base/check.h"

const char *close_why_text(enum close_why why)
{
    switch (why) {
    case CLOSE_BY_PEER: return "peer";
    case CLOSE_BYE: return "bye";
    case CLOSE_IDLE: return "idle";
    case CLOSE_PROTOCOL: return "protocol";
    case CLOSE_SLOW: return "slow";
    case CLOSE_KICK: return "kick";
    case CLOSE_DRAIN: return "drain";
    case CLOSE_ERROR: return "error";
    }
    UNREACHABLE();
}
