#include "bin/rows_tls.h"

#include "bin/rows.h"

/* Published in the protocol's document: what its tools try. The file's mode protects the key. */
#define DEFAULT_PASSWORD "RacingServer2024!"

static const struct config_row rows[] = {
    {"tls.certificate", CONFIG_TEXT, "", 0, 0, NULL, CONFIG_LIVE,
     "PFX or PEM file with the server's certificate, and in PEM those above it. Nothing: "
     "server.pfx "
     "in data.dir, made at the first start. A changed file is noticed and used for new "
     "connections."},
    {"tls.key", CONFIG_TEXT, "", 0, 0, NULL, CONFIG_LIVE,
     "PEM file with the private key. Nothing: it is in the certificate's file."},
    {"tls.password", CONFIG_SECRET, DEFAULT_PASSWORD, 0, 0, NULL, CONFIG_LIVE,
     "Password of the PFX or of the encrypted key; a made file gets it too. The default and the "
     "empty password are tried after it."},
    {"tls.hostname", CONFIG_TEXT, "racing-server", 1, CERT_HOSTNAME_MAX, NULL, CONFIG_LIVE,
     "Name players connect to, for a certificate that is made; a warning says when the one in use "
     "is not for it. SERVER_HOSTNAME sets it too."},
    {"tls.public_ip", CONFIG_ADDR, "89.114.116.19", 0, 0, NULL, CONFIG_LIVE,
     "Address players connect to, for a certificate that is made. Nothing: none. SERVER_PUBLIC_IP "
     "sets it too."},
    {"tls.key_type", CONFIG_ENUM, "p256", 0, 0, "p256|rsa2048", CONFIG_LIVE,
     "Key of a certificate that is made: p256 is faster, rsa2048 suits the oldest clients."},
};

const struct config_table rows_tls = {rows, ARRAY_LEN(rows)};

static const struct log_row public_ip_unset = {LOG_WARN, "tls.public_ip_unset",
                                               "certificate made for the default address; set "
                                               "tls.public_ip to the one players connect to (or to "
                                               "nothing), then: slipgate certificate renew"};

/* A default name is in a certificate of ours and says nothing about one that was brought. */
static const char *name(const struct config *c, const char *key)
{
    bool brought = *config_text(c, "tls.certificate") != '\0';
    return brought && config_source(c, key) == CONFIG_DEFAULT ? "" : config_text(c, key);
}

void rows_tls_setup(const struct config *c, struct cert_setup *ret)
{
    *ret = (struct cert_setup){
        .data_dir = config_text(c, "data.dir"),
        .certificate = config_text(c, "tls.certificate"),
        .key = config_text(c, "tls.key"),
        .password = config_text(c, "tls.password"),
        .default_password = DEFAULT_PASSWORD,
        .hostname = name(c, "tls.hostname"),
        .public_ip = name(c, "tls.public_ip"),
        .key_type = config_enum(c, "tls.key_type") == 0 ? CERT_KEY_P256 : CERT_KEY_RSA2048,
    };
}

void rows_tls_warn_made(const struct config *c, struct log *log)
{
    if (config_source(c, "tls.public_ip") == CONFIG_DEFAULT)
        LOG(log, &public_ip_unset, LF_STR("public_ip", config_text(c, "tls.public_ip")));
}
