/* Making the server's own certificate: X.509 version 3 (RFC 5280), self-signed.
 *
 * Names and addresses are everything a player may type to reach this machine. An address is also
 * given as a DNS name, because clients of the documented kind compare text with text. Key usage of
 * an elliptic curve key is digitalSignature alone: such a key cannot encipher another (RFC 8422
 * section 5.2). */
#include "os/cert_impl.h"

#include "base/err.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#define DAY_S       INT64_C(86400)
#define VALID_YEARS 5

/* A host name as X.509 and clients take it: letters, digits, '-' and '_' in labels of 1 to 63. */
static bool is_dns_name(const char *name)
{
    size_t label = 0;
    for (const char *p = name; *p; p++) {
        bool dot = *p == '.';
        if (!dot && !(*p >= 'a' && *p <= 'z') && !(*p >= 'A' && *p <= 'Z') &&
            !(*p >= '0' && *p <= '9') && *p != '-' && *p != '_')
            return false;
        if (dot ? label == 0 : label == 63)
            return false;
        label = dot ? 0 : label + 1;
    }
    return label > 0 && strlen(name) <= 253;
}

/* The address's bytes in network order, their count, or 0 when the text is no address. */
static size_t ip_bytes(const char *text, uint8_t to[16])
{
    if (inet_pton(AF_INET, text, to) == 1)
        return 4;
    return inet_pton(AF_INET6, text, to) == 1 ? 16 : 0;
}

/* Adds a name unless it is there already or the list is full. */
static bool add_name(GENERAL_NAMES *names, int type, const void *bytes, size_t n)
{
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_STRING *value =
        ASN1_STRING_type_new(type == GEN_DNS ? V_ASN1_IA5STRING : V_ASN1_OCTET_STRING);
    if (!name || !value || !ASN1_STRING_set(value, bytes, (int)n)) {
        GENERAL_NAME_free(name);
        ASN1_STRING_free(value);
        return false;
    }
    GENERAL_NAME_set0_value(name, type, value);
    bool add = sk_GENERAL_NAME_num(names) < (int)CERT_NAMES_MAX;
    for (int i = 0; add && i < sk_GENERAL_NAME_num(names); i++)
        add = GENERAL_NAME_cmp(sk_GENERAL_NAME_value(names, i), name) != 0;
    if (add && sk_GENERAL_NAME_push(names, name) > 0)
        return true;
    GENERAL_NAME_free(name);
    return !add;
}

static bool add_dns(GENERAL_NAMES *names, const char *name)
{
    return add_name(names, GEN_DNS, name, strlen(name));
}

static bool add_ip(GENERAL_NAMES *names, const char *text)
{
    uint8_t ip[16];
    size_t n = ip_bytes(text, ip);
    return n == 0 || add_name(names, GEN_IPADD, ip, n);
}

static bool add_sockaddr(GENERAL_NAMES *names, const struct sockaddr *addr)
{
    /* Copied out: the members need not be aligned for their types. */
    if (addr && addr->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, addr, sizeof in);
        return add_name(names, GEN_IPADD, &in.sin_addr, 4);
    }
    if (addr && addr->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, addr, sizeof in6);
        return add_name(names, GEN_IPADD, &in6.sin6_addr, 16);
    }
    return true;
}

/* The machine's own names, and what they resolve to. */
static bool add_machine(GENERAL_NAMES *names)
{
    char host[256] = "";
    if (gethostname(host, sizeof host - 1) != 0 || !is_dns_name(host))
        return true;
    bool ok = add_dns(names, host);
    struct addrinfo *found = NULL, hints = {.ai_socktype = SOCK_STREAM};
    if (getaddrinfo(host, NULL, &hints, &found) == 0) {
        for (const struct addrinfo *a = found; a && ok; a = a->ai_next)
            ok = add_sockaddr(names, a->ai_addr);
        freeaddrinfo(found);
    }
    host[strcspn(host, ".")] = '\0';
    return ok && add_dns(names, host);
}

static bool add_interfaces(GENERAL_NAMES *names)
{
    struct ifaddrs *all = NULL;
    if (getifaddrs(&all) != 0)
        return true;
    bool ok = true;
    for (const struct ifaddrs *i = all; i && ok; i = i->ifa_next)
        if (i->ifa_flags & IFF_UP)
            ok = add_sockaddr(names, i->ifa_addr);
    freeifaddrs(all);
    return ok;
}

/* What was configured comes first, so that only addresses of interfaces fall to the limit. */
static bool add_names(GENERAL_NAMES *names, const struct cert_setup *setup)
{
    uint8_t ip[16];
    char wildcard[CERT_HOSTNAME_MAX + 3];
    (void)snprintf(wildcard, sizeof wildcard, "*.%s", setup->hostname);
    bool ok = add_dns(names, setup->hostname) && add_ip(names, setup->hostname) &&
              add_dns(names, "localhost");
    if (ip_bytes(setup->hostname, ip) == 0)
        ok = ok && add_dns(names, wildcard);
    if (*setup->public_ip)
        ok = ok && add_dns(names, setup->public_ip) && add_ip(names, setup->public_ip);
    ok = ok && add_ip(names, "127.0.0.1") && add_ip(names, "::1") && add_ip(names, "0.0.0.0") &&
         add_ip(names, "::");
    return ok && add_machine(names) && add_interfaces(names);
}

static bool add_extension(X509 *x, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, x, x, NULL, NULL, 0);
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    bool ok = ext && X509_add_ext(x, ext, -1);
    X509_EXTENSION_free(ext);
    return ok;
}

static bool set_extensions(X509 *x, const struct cert_setup *setup)
{
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    bool ok = names && add_names(names, setup) &&
              add_extension(x, NID_basic_constraints, "critical,CA:FALSE") &&
              add_extension(x, NID_key_usage,
                            setup->key_type == CERT_KEY_P256
                                ? "critical,digitalSignature"
                                : "critical,digitalSignature,keyEncipherment") &&
              add_extension(x, NID_ext_key_usage, "serverAuth") &&
              add_extension(x, NID_subject_key_identifier, "hash") &&
              X509_add1_ext_i2d(x, NID_subject_alt_name, names, 0, X509V3_ADD_DEFAULT) == 1;
    GENERAL_NAMES_free(names);
    return ok;
}

/* 127 unpredictable bits (RFC 5280 section 4.1.2.2 asks for a positive number). */
static bool set_serial(X509 *x)
{
    BIGNUM *n = BN_new();
    bool ok = n && BN_rand(n, 127, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) &&
              BN_to_ASN1_INTEGER(n, X509_get_serialNumber(x));
    BN_free(n);
    return ok;
}

static bool set_dates(X509 *x, int64_t unix_s)
{
    time_t now = (time_t)unix_s;
    struct tm end;
    if (!gmtime_r(&now, &end))
        return false;
    end.tm_year += VALID_YEARS;
    return ASN1_TIME_set(X509_getm_notBefore(x), (time_t)(unix_s - DAY_S)) &&
           ASN1_TIME_set(X509_getm_notAfter(x), timegm(&end));
}

static bool fill(X509 *x, EVP_PKEY *key, const struct cert_setup *setup, int64_t unix_s)
{
    X509_NAME *name = X509_get_subject_name(x);
    return X509_set_version(x, X509_VERSION_3) && set_serial(x) && set_dates(x, unix_s) &&
           X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                      (const unsigned char *)setup->hostname, -1, -1, 0) &&
           X509_set_issuer_name(x, name) && X509_set_pubkey(x, key) && set_extensions(x, setup) &&
           X509_sign(x, key, EVP_sha256()) > 0;
}

static int check_setup(const struct cert_setup *setup, struct buf *why)
{
    uint8_t ip[16];
    if (strlen(setup->hostname) > CERT_HOSTNAME_MAX ||
        (!is_dns_name(setup->hostname) && ip_bytes(setup->hostname, ip) == 0))
        return CERT_FAIL(why, E_CONFIG,
                         "tls.hostname is not a host name of at most %u bytes; set it to the name "
                         "players connect to",
                         CERT_HOSTNAME_MAX);
    if (*setup->public_ip && ip_bytes(setup->public_ip, ip) == 0)
        return CERT_FAIL(
            why, E_CONFIG,
            "tls.public_ip is not an IP address; give one, or leave it empty for none");
    return 0;
}

int cert_make(struct cert **ret, const struct cert_setup *setup, int64_t unix_s, struct buf *why)
{
    int err = check_setup(setup, why);
    if (err)
        return err;
    struct cert *c = mem_zalloc(1, sizeof *c);
    if (!c)
        return CERT_FAIL(why, E_NOMEM, "no memory for a certificate");
    c->leaf = X509_new();
    c->chain = sk_X509_new_null();
    c->key = setup->key_type == CERT_KEY_P256 ? EVP_EC_gen("P-256") : EVP_RSA_gen(2048);
    if (!c->leaf || !c->chain || !c->key || !fill(c->leaf, c->key, setup, unix_s)) {
        err = CERT_FAIL(why, E_CRYPTO, "cannot make a certificate: %s", cert_reason());
        cert_destroy(c);
        return err;
    }
    *ret = c;
    return 0;
}
