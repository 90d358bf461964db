/* What a certificate says: for people, for pinning, and for the log. */
#include "os/cert_impl.h"

#include "base/check.h"
#include "base/err.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#define DAY_S INT64_C(86400)

enum row { IN_USE, ENDS, ENDED, NOT_BEGUN, NAMES };

static const struct log_row rows[] = {
    [IN_USE] = {LOG_INFO, "tls.certificate", "certificate in use"},
    [ENDS] = {LOG_WARN, "tls.certificate_ends",
              "certificate ends soon; clients that pin it need the new one: slipgate certificate "
              "renew"},
    [ENDED] = {LOG_WARN, "tls.certificate_ended",
               "certificate has ended; clients that check dates refuse it: slipgate certificate "
               "renew"},
    [NOT_BEGUN] = {LOG_WARN, "tls.certificate_not_begun",
                   "certificate is not valid yet; check the clock of this machine"},
    [NAMES] = {LOG_WARN, "tls.certificate_names",
               "certificate is not for these configured names; clients that check names refuse it: "
               "slipgate certificate renew"},
};

static void fingerprint(const X509 *x, const EVP_MD *md, char *to, size_t size)
{
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    *to = '\0';
    if (!X509_digest(x, md, hash, &n))
        return;
    CHECK(size >= 3 * (size_t)n);
    for (unsigned i = 0; i < n; i++)
        (void)snprintf(to + 3 * (size_t)i, size - 3 * (size_t)i, i + 1 < n ? "%02X:" : "%02X",
                       hash[i]);
}

static int64_t unix_of(const ASN1_TIME *t)
{
    struct tm tm;
    return t && ASN1_TIME_to_tm(t, &tm) ? (int64_t)timegm(&tm) : 0;
}

static void key_text(EVP_PKEY *key, char to[32])
{
    char group[24];
    size_t n;
    if (EVP_PKEY_get_base_id(key) == EVP_PKEY_EC &&
        EVP_PKEY_get_group_name(key, group, sizeof group, &n))
        (void)snprintf(to, 32, "EC %s", strcmp(group, "prime256v1") == 0 ? "P-256" : group);
    else
        (void)snprintf(to, 32, "%s %d", EVP_PKEY_get0_type_name(key), EVP_PKEY_get_bits(key));
    ERR_clear_error();
}

void cert_info(const struct cert *c, struct cert_info *ret)
{
    *ret = (struct cert_info){
        .not_before_s = unix_of(X509_get0_notBefore(c->leaf)),
        .not_after_s = unix_of(X509_get0_notAfter(c->leaf)),
    };
    if (X509_NAME_get_text_by_NID(X509_get_subject_name(c->leaf), NID_commonName, ret->subject,
                                  sizeof ret->subject) < 0)
        ret->subject[0] = '\0';
    fingerprint(c->leaf, EVP_sha1(), ret->sha1, sizeof ret->sha1);
    fingerprint(c->leaf, EVP_sha256(), ret->sha256, sizeof ret->sha256);
    key_text(c->key, ret->key);
}

/* Bytes that are no text of a name are shown as '?'. */
static int list_append(struct buf *to, const char *kind, struct span text)
{
    (void)buf_printf(to, "%s%s", to->n ? ", " : "", kind);
    int err = 0;
    for (size_t i = 0; i < text.n; i++)
        err = buf_append_byte(to, text.p[i] > ' ' && text.p[i] < 0x7f ? text.p[i] : '?');
    return err;
}

int cert_names(const struct cert *c, struct buf *to)
{
    int err = 0;
    GENERAL_NAMES *names = X509_get_ext_d2i(c->leaf, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; i < sk_GENERAL_NAME_num(names) && err == 0; i++) {
        int type;
        const ASN1_STRING *s = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &type);
        if (type != GEN_DNS && type != GEN_IPADD)
            continue;
        struct span bytes = {ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s)};
        char ip[INET6_ADDRSTRLEN];
        if (type == GEN_DNS)
            err = list_append(to, "DNS:", bytes);
        else if ((bytes.n == 4 || bytes.n == 16) &&
                 inet_ntop(bytes.n == 4 ? AF_INET : AF_INET6, bytes.p, ip, sizeof ip))
            err = list_append(to, "IP:", span_str(ip));
    }
    GENERAL_NAMES_free(names);
    ERR_clear_error();
    return err;
}

int cert_missing_names(const struct cert *c, const struct cert_setup *setup, struct buf *to)
{
    const char *const wanted[] = {setup->hostname, setup->public_ip};
    int err = 0;
    for (size_t i = 0; i < ARRAY_LEN(wanted) && err == 0; i++) {
        if (!*wanted[i] || X509_check_ip_asc(c->leaf, wanted[i], 0) == 1 ||
            (i == 0 && X509_check_host(c->leaf, wanted[i], 0, 0, NULL) == 1))
            continue;
        err = list_append(to, "", span_str(wanted[i]));
    }
    ERR_clear_error();
    return err;
}

/* "2031-01-02", or "?" for a date that is none. */
static void date_text(int64_t unix_s, char to[16])
{
    time_t t = (time_t)unix_s;
    struct tm tm;
    if (!gmtime_r(&t, &tm) || strftime(to, 16, "%Y-%m-%d", &tm) == 0)
        (void)snprintf(to, 16, "?");
}

void cert_report(const struct cert *c, const struct cert_setup *setup, int64_t unix_s,
                 struct log *log)
{
    struct cert_info info;
    char from[16], until[16];
    cert_info(c, &info);
    date_text(info.not_before_s, from);
    date_text(info.not_after_s, until);
    LOG(log, &rows[IN_USE], LF_STR("file", *c->path ? c->path : "-"),
        LF_STR("subject", info.subject), LF_STR("key", info.key), LF_STR("until", until),
        LF_STR("sha1", info.sha1), LF_STR("sha256", info.sha256));
    if (unix_s < info.not_before_s)
        LOG(log, &rows[NOT_BEGUN], LF_STR("from", from));
    else if (unix_s >= info.not_after_s)
        LOG(log, &rows[ENDED], LF_STR("until", until));
    else if (info.not_after_s - unix_s <= CERT_WARN_DAYS * DAY_S)
        LOG(log, &rows[ENDS], LF_STR("until", until),
            LF_INT("days_left", (info.not_after_s - unix_s) / DAY_S));
    struct buf missing;
    buf_init(&missing, 1024);
    (void)cert_missing_names(c, setup, &missing);
    if (missing.n > 0)
        LOG(log, &rows[NAMES], LF_SPAN("missing", buf_span(&missing)));
    buf_fini(&missing);
}
