/* The `tls` section as the certificate's code takes it. */
#ifndef SLIPGATE_BIN_ROWS_TLS_H
#define SLIPGATE_BIN_ROWS_TLS_H

#include "base/log.h"
#include "core/config.h"
#include "os/cert.h"

/* The texts are the configuration's own and live as long as it. */
void rows_tls_setup(const struct config *c, struct cert_setup *ret);
/* For a certificate that is made here: warns while its public address is the default, which is
 * hardly this machine's (docs/operations.md, "Certificate"). */
void rows_tls_warn_made(const struct config *c, struct log *log);

#endif
