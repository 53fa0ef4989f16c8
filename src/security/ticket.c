/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A ticket's file: a magic, fields each with its length, the session's bytes, and the SHA-256 of all that. The sum is
 * there because GnuTLS reads its session bytes without much suspicion, and a file can be cut short by a crash.
 */
#include "security/trust.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gnutls/crypto.h>

#define MAGIC "hawser2\n"
#define SUM_SIZE 32

static void put_number(uint8_t **at, uint64_t value)
{
    value = htobe64(value);
    memcpy(*at, &value, sizeof value);
    *at += sizeof value;
}

static void put_bytes(uint8_t **at, const void *bytes, size_t size)
{
    put_number(at, size);
    memcpy(*at, bytes, size);
    *at += size;
}

struct reader {
    const uint8_t *at, *end;
    bool failed;
};

static uint64_t get_number(struct reader *reader)
{
    uint64_t value;

    if (reader->failed || (size_t)(reader->end - reader->at) < sizeof value) {
        reader->failed = true;
        return 0;
    }
    memcpy(&value, reader->at, sizeof value);
    reader->at += sizeof value;
    return be64toh(value);
}

static const uint8_t *get_bytes(struct reader *reader, size_t limit, size_t *ret_size)
{
    uint64_t size = get_number(reader);
    const uint8_t *bytes = reader->at;

    *ret_size = 0;
    if (reader->failed || size > limit || size > (size_t)(reader->end - reader->at)) {
        reader->failed = true;
        return NULL;
    }
    reader->at += size;
    *ret_size = size;
    return bytes;
}

static void get_string(struct reader *reader, char *string, size_t capacity)
{
    size_t size;
    const uint8_t *bytes = get_bytes(reader, capacity - 1, &size);

    if (bytes && memchr(bytes, '\0', size))
        reader->failed = true;
    if (reader->failed)
        return;
    memcpy(string, bytes, size);
    string[size] = '\0';
}

int ticket_label(const struct tls_config *config, enum security_over over, char *ret_label, size_t size)
{
    static const char *const overs[SECURITY_OVERS] = {"", " by quic", " by dtls"};
    const char *shown = trust_shows_identity(config) ? hawser_identity_name(config->identity) : "nobody";
    const char *mark = config->trust && config->trust->pki ? config->trust->anchors_mark : "";
    int length;

    if (!config->service || config->no_tickets)
        return -ENOENT;
    /* A ticket of TLS 1.2 is of no use to who speaks TLS 1.3 alone. */
    length = snprintf(ret_label, size, "%s%s%s as %s%s%s", config->service, config->any_tls ? " bare" : "", overs[over],
                      shown, *mark ? " by " : "", mark);
    return length < 0 || (size_t)length >= size ? -ENAMETOOLONG : 0;
}

static size_t whole_size(const struct ticket *ticket)
{
    return ticket->session_size + ticket->parameters_size + ticket->token_size;
}

int ticket_encode(const struct ticket *ticket, const char *service, uint8_t **ret_data, size_t *ret_size)
{
    size_t size = strlen(MAGIC) + 11 * 8 + strlen(service) + strlen(ticket->alpn) + strlen(ticket->key_name) +
                  strlen(ticket->name) + whole_size(ticket) + SUM_SIZE;
    uint8_t *data, *at;

    if (size > TICKET_FILE_MAX)
        return -EFBIG;
    data = at = malloc(size);
    if (!data)
        return -ENOMEM;
    memcpy(at, MAGIC, strlen(MAGIC));
    at += strlen(MAGIC);
    put_bytes(&at, service, strlen(service));
    put_bytes(&at, ticket->alpn, strlen(ticket->alpn));
    put_bytes(&at, ticket->key_name, strlen(ticket->key_name));
    put_bytes(&at, ticket->name, strlen(ticket->name));
    put_number(&at, ticket->verification);
    put_number(&at, ticket->max_early_data);
    put_number(&at, (uint64_t)ticket->expires);
    put_number(&at, ticket->fast_open_worked);
    put_number(&at, ticket->parameters_size);
    put_number(&at, ticket->token_size);
    put_bytes(&at, ticket->session, whole_size(ticket));
    if (gnutls_hash_fast(GNUTLS_DIG_SHA256, data, (size_t)(at - data), at) < 0) {
        free(data);
        return -EIO;
    }
    *ret_data = data;
    *ret_size = size;
    return 0;
}

static int read_fields(struct reader *reader, const char *service, struct ticket *ticket)
{
    const uint8_t *bytes;
    uint64_t verification, fast_open, parameters, token;
    size_t size;

    bytes = get_bytes(reader, TICKET_FILE_MAX, &size);
    if (reader->failed || size != strlen(service) || memcmp(bytes, service, size) != 0)
        return -ENOENT;
    get_string(reader, ticket->alpn, sizeof ticket->alpn);
    get_string(reader, ticket->key_name, sizeof ticket->key_name);
    get_string(reader, ticket->name, sizeof ticket->name);
    verification = get_number(reader);
    ticket->max_early_data = get_number(reader);
    ticket->expires = (int64_t)get_number(reader);
    fast_open = get_number(reader);
    parameters = get_number(reader);
    token = get_number(reader);
    bytes = get_bytes(reader, TICKET_FILE_MAX, &size);
    if (reader->failed || reader->at != reader->end || size == 0 || verification > HAWSER_VERIFICATION_KEY ||
        fast_open > 1 || parameters > UINT16_MAX || token > UINT16_MAX || size <= parameters + token)
        return -EINVAL;
    ticket->verification = (hawser_verification)verification;
    ticket->fast_open_worked = fast_open;
    ticket->session = malloc(size);
    if (!ticket->session)
        return -ENOMEM;
    memcpy(ticket->session, bytes, size);
    ticket->parameters_size = (uint16_t)parameters;
    ticket->token_size = (uint16_t)token;
    ticket->session_size = size - parameters - token;
    return 0;
}

int ticket_decode(const uint8_t *data, size_t size, const char *service, struct ticket *ret_ticket)
{
    struct ticket ticket = {.session = NULL};
    struct reader reader;
    uint8_t sum[SUM_SIZE];
    int r;

    if (size > TICKET_FILE_MAX || size < strlen(MAGIC) + SUM_SIZE || memcmp(data, MAGIC, strlen(MAGIC)) != 0)
        return -EINVAL;
    if (gnutls_hash_fast(GNUTLS_DIG_SHA256, data, size - SUM_SIZE, sum) < 0 ||
        memcmp(sum, data + size - SUM_SIZE, SUM_SIZE) != 0)
        return -EINVAL;
    reader = (struct reader){data + strlen(MAGIC), data + size - SUM_SIZE, false};
    r = read_fields(&reader, service, &ticket);
    if (r == 0)
        *ret_ticket = ticket;
    return r;
}

void ticket_clear(struct ticket *ticket)
{
    if (ticket->session)
        gnutls_memset(ticket->session, 0, whole_size(ticket));
    free(ticket->session);
    memset(ticket, 0, sizeof *ticket);
}
