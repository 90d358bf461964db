/* Where a bot's car is: a pure function of its garage place and the time since the start, so that a
 * relayed position can be computed again and compared. The course is an oval along the garages; a
 * car leaves its place, speeds up, and merges into one of four lanes. Speeds stay below 60 units a
 * second and movements are smooth, as a server's plausibility checks expect. */
#ifndef SLIPGATE_BIN_CMD_BOTS_TRACK_H
#define SLIPGATE_BIN_CMD_BOTS_TRACK_H

#include "base/types.h"

struct bots_pose {
    float position[3]; /* x, y up, z; rounded to a thousandth */
    float rotation[4]; /* x, y, z, w: turned round the vertical axis; rounded to 1/10,000 */
};

/* The garage place of the nth player of a room, as the server assigns them. */
void bots_track_garage(size_t n, float ret[3]);
/* n: the player's number in its room; t_ms since the start, 0 or less: still in its garage place.
 */
struct bots_pose bots_track_pose(size_t n, const float garage[3], int64_t t_ms);

#endif
