/* One-time codes from an authenticator app (RFC 6238, by liboath): six digits, 30 seconds, SHA-1.
 * A code of the step before or after is right too, for clocks that differ. Any thread, after
 * otp_init. */
#ifndef SLIPGATE_OS_OTP_H
#define SLIPGATE_OS_OTP_H

#include "base/types.h"

/* Once before the first check; again is fine. E_CRYPTO. */
MUST_USE int otp_init(void);
/* 0 and the step the code is of (steps since 1970), so that it is used once; E_AUTH, E_CRYPTO. */
MUST_USE int otp_check(struct span key, struct span code, int64_t unix_ms, int64_t *step);

#endif
