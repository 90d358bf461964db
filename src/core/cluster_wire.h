/* A cluster message as bytes (core/cluster.h). Version 1, all of it and nothing behind it:
 *
 *   1 byte   version
 *   1 byte   enum cluster_kind
 *   8 bytes  id, most significant first; above 0
 *   1 byte   length of the node, 1 to NODE_MAX, and the node
 *   1 byte   length of the game, 0 to CLUSTER_GAME_MAX, and the game
 *
 * Processes of one installation may differ in version for as long as an update takes: a message of
 * another version, or of a kind not known here, is counted and passed over. */
#ifndef SLIPGATE_CORE_CLUSTER_WIRE_H
#define SLIPGATE_CORE_CLUSTER_WIRE_H

#include "core/cluster.h"

#define CLUSTER_VERSION   1u
#define CLUSTER_BYTES_MAX (12u + NODE_MAX + CLUSTER_GAME_MAX)

/* The number of bytes, or E_RANGE. */
MUST_USE int cluster_encode(const struct cluster_message *, struct span node,
                            uint8_t to[CLUSTER_BYTES_MAX]);
/* node and game point into bytes. E_FORMAT, E_SUPPORT (version or kind). */
MUST_USE int cluster_decode(struct span bytes, struct cluster_message *ret, struct span *node);

#endif
