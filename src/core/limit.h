/* Rate limits and who is spared by them.
 *
 * A bucket is one number: the time at which it will be full again (the generic cell rate algorithm,
 * ITU-T I.371), so it costs 8 bytes and no timer. A table keeps one bucket per address, IPv6 by
 * /64, with a ceiling; past it, and until idle ones were swept out, strangers are refused. */
#ifndef SLIPGATE_CORE_LIMIT_H
#define SLIPGATE_CORE_LIMIT_H

#include "base/addr.h"
#include "base/buf.h"
#include "base/hmap.h"
#include "base/types.h"

struct rate {
    nsec interval; /* between two events at the sustained rate; 0: no limit */
    nsec burst;    /* how far ahead of it a burst may run */
};

struct bucket {
    nsec full_at; /* zeroed: full */
};

/* per_s events a second, up to burst at once; per_s 0: no limit. */
struct rate rate_of(uint32_t per_s, uint32_t burst);
/* The same for long periods: n events each period, all of them at once if need be; n 0: no limit.
 */
struct rate rate_per(nsec period, uint32_t n);
/* Takes one event's worth if there is enough. */
bool bucket_take(struct bucket *b, const struct rate *r, nsec now);
/* Time until bucket_take will succeed: 0 if now. */
nsec bucket_wait(const struct bucket *b, const struct rate *r, nsec now);

struct addr_limit {
    struct hmap full_at; /* by address prefix */
    nsec swept;
};

void addr_limit_init(struct addr_limit *l, const uint64_t seed[2], uint32_t max);
void addr_limit_fini(struct addr_limit *l);
bool addr_limit_take(struct addr_limit *l, const struct addr *a, const struct rate *r, nsec now);
/* Forgets whoever has been quiet long enough to have a full bucket, and gives memory back. Taking
 * does it too when the table is full, but no more than once a second. */
void addr_limit_sweep(struct addr_limit *l, nsec now);
/* The key under which an address is counted: IPv4 whole, IPv6 its /64. */
void addr_limit_key(const struct addr *a, uint8_t key[16]);

/* How much of something each address has at once. */
struct addr_count {
    struct hmap n; /* by address prefix */
};

void addr_count_init(struct addr_count *c, const uint64_t seed[2], uint32_t max);
void addr_count_fini(struct addr_count *c);
/* False when it has `most` already, or there is no room to count it. */
MUST_USE bool addr_count_take(struct addr_count *c, const struct addr *a, uint32_t most);
/* Takes back what was taken. */
void addr_count_give(struct addr_count *c, const struct addr *a);

#define EXEMPT_NETS_MAX 32u

/* Sources that per-address limits spare: "loopback", "private", addresses and CIDR networks. */
struct exempt {
    bool loopback, private;
    uint8_t nets_n;
    struct {
        struct addr net;
        uint8_t bits; /* of the 128-bit form */
    } nets[EXEMPT_NETS_MAX];
};

/* Words separated by spaces or commas; "" or "none" spares nobody. E_FORMAT names the word in why;
 * *ret is then as it was. A network is of IPv4 or of IPv6: ::/0 does not hold 1.2.3.4. */
MUST_USE int exempt_parse(struct exempt *ret, const char *text, struct buf *why);
bool exempt_has(const struct exempt *e, const struct addr *a);

#endif
