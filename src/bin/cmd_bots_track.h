/* Where a bot's car is: a pure function of its garage place, the time since the start and how it is
 * driven, so that a relayed position can be computed again and compared. The course is an oval
 * along the garages; a car leaves its place, speeds up, and merges into one of four lanes.
 * Movements are smooth, as a server's plausibility checks expect, and speeds stay below 60 units a
 * second unless told otherwise. And a cheat's, to see that those checks find him. */
#ifndef SLIPGATE_BIN_CMD_BOTS_TRACK_H
#define SLIPGATE_BIN_CMD_BOTS_TRACK_H

#include "base/types.h"

struct bots_pose {
    float position[3]; /* x, y up, z; rounded to a thousandth */
    float rotation[4]; /* x, y, z, w: turned round the vertical axis; rounded to 1/10,000 */
};

/* The garage place of the nth player of a room, as the server assigns them. */
void bots_track_garage(size_t n, float ret[3]);
struct bots_drive {
    double limit; /* units a second: the car drives at 95 % of it; 0: as it likes, below 60 */
    double pace;  /* from cheat_ms on it drives so many times the limit; 0: it does not */
    double jump;  /* from cheat_ms on it is so many units beside the course and back, in turns */
    int64_t cheat_ms; /* since the start */
};

#define BOTS_JUMP_MS 3000 /* from one jump to the next */

/* n: the player's number in its room; t_ms since the start, 0 or less: still in its garage place.
 */
struct bots_pose bots_track_pose(size_t n, const float garage[3], int64_t t_ms);
/* The same with the limit given, or cheating. */
struct bots_pose bots_track_drive(size_t n, const float garage[3], int64_t t_ms,
                                  const struct bots_drive *);

#endif
