#include "bin/cmd_bots_track.h"

#include <math.h>

#define PI           3.14159265358979323846
#define STRAIGHT     140.0 /* length of each straight, along x */
#define RADIUS       40.0  /* of the inner lane's bends */
#define FIRST_X      75.0  /* where the straight along the garages begins; it leads to smaller x */
#define LANE_Z       6.0   /* of the inner lane on that straight */
#define LANES        4
#define LANE_WIDTH   4.0
#define SPEED        38.0 /* units a second */
#define SPEED_SPREAD 0.35 /* from one car to the next in a room of 20: under 45 */
#define ACCELERATE_S 3.0
#define MERGE_S      4.0
#define HONEST       0.95 /* of the limit */

struct point {
    double x, z, heading; /* heading 0: towards greater z; radians */
};

/* docs/protocol-racing.md, "Starting a race": the garages. */
void bots_track_garage(size_t n, float ret[3])
{
    static const float x[20] = {66, 60, 54, 47,  41,  35,  28,  22,  16,  9,
                                3,  -3, -9, -15, -22, -28, -34, -41, -47, -54};
    ret[0] = x[n % ARRAY_LEN(x)];
    ret[1] = -2;
    ret[2] = 0.8f;
}

/* The point at distance s along a lane. Distances are those of a lane with bends of radius pace:
 * the inner one's, where the outer lanes are a little faster in the bends, or the lane's own. */
static struct point on_lane(double s, int lane, double pace)
{
    double bend = PI * pace, out = LANE_WIDTH * lane, r = RADIUS + out;
    s = fmod(s, 2 * STRAIGHT + 2 * bend);
    if (s < STRAIGHT)
        return (struct point){FIRST_X - s, LANE_Z - out, -PI / 2};
    s -= STRAIGHT;
    if (s < bend) {
        double a = s / pace;
        return (struct point){FIRST_X - STRAIGHT - r * sin(a), LANE_Z + RADIUS - r * cos(a),
                              -PI / 2 + a};
    }
    s -= bend;
    if (s < STRAIGHT)
        return (struct point){FIRST_X - STRAIGHT + s, LANE_Z + 2 * RADIUS + out, PI / 2};
    s -= STRAIGHT;
    double a = s / pace;
    return (struct point){FIRST_X + r * sin(a), LANE_Z + RADIUS + r * cos(a), PI / 2 + a};
}

static double smooth(double t)
{
    return t <= 0 ? 0 : t >= 1 ? 1 : t * t * (3 - 2 * t);
}

static float rounded(double v, double steps)
{
    double r = round(v * steps) / steps;
    return (float)(r == 0 ? 0 : r); /* no -0 */
}

static double way_after(double t, double speed)
{
    return speed * (t - ACCELERATE_S * (1 - exp(-t / ACCELERATE_S)));
}

/* What a cheat adds to the way after t seconds, and how far beside the course he is. */
static double cheated(const struct bots_drive *d, int64_t t_ms, double *beside)
{
    *beside = 0;
    if (t_ms < d->cheat_ms || t_ms <= 0)
        return 0;
    int64_t past = t_ms - d->cheat_ms;
    if (past / BOTS_JUMP_MS % 2 == 0)
        *beside = d->jump;
    return d->pace > 0 ? (d->pace - HONEST) * d->limit * (double)past / 1000 : 0;
}

struct bots_pose bots_track_pose(size_t n, const float garage[3], int64_t t_ms)
{
    return bots_track_drive(n, garage, t_ms, &(struct bots_drive){0});
}

struct bots_pose bots_track_drive(size_t n, const float garage[3], int64_t t_ms,
                                  const struct bots_drive *d)
{
    double t = t_ms <= 0 ? 0 : (double)t_ms / 1000, beside;
    bool limited = d->limit > 0;
    int lane = (int)(n % LANES);
    double speed = limited ? HONEST * d->limit : SPEED + SPEED_SPREAD * (double)(n % 20);
    double way = way_after(t, speed) + cheated(d, t_ms, &beside);
    double merged = smooth(t / MERGE_S);
    struct point p = on_lane(FIRST_X - (double)garage[0] + way, lane,
                             limited ? RADIUS + LANE_WIDTH * lane : RADIUS);
    double x = p.x, z = (double)garage[2] + merged * (p.z - (double)garage[2]) + beside;
    return (struct bots_pose){
        .position = {rounded(x, 1000), rounded((double)garage[1], 1000), rounded(z, 1000)},
        .rotation = {0, rounded(sin(p.heading / 2), 10000), 0, rounded(cos(p.heading / 2), 10000)},
    };
}
