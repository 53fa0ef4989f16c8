/* SPDX-License-Identifier: Apache-2.0 */
/* What a look-up reads from outside: DNS answers, hosts(5), resolv.conf(5). The first byte says which it is. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "endpoint/dns_data.h"
#include "endpoint/hosts.h"
#include "endpoint/resolv_conf.h"
#include "endpoint/service.h"
#include "endpoint/stub.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(int truth)
{
    if (!truth)
        abort();
}

static void check_addresses(const struct addresses *addresses)
{
    struct layer_address list[ADDRESSES_MAX];

    expect(addresses_interleave(addresses, list) == addresses_count(addresses));
}

/* Every record of every section, and what stands in those that we know. */
static void read_answer(const uint8_t *data, size_t size)
{
    uint8_t *packet = malloc(size + 1); /* of its own size, so that reading beyond is seen */
    struct dns_message message;
    struct dns_record record;
    struct dns_name owner;
    char text[200], host[HOST_SIZE];

    if (!packet)
        return;
    memcpy(packet, data, size);
    expect(stub_answer_expires(packet, size, 1) >= 1);
    if (dns_message_open(&message, packet, size) == 0) {
        if (message.question_count)
            (void)dns_message_owner(&message, &owner);
        while (dns_message_next(&message, &record) > 0) {
            struct dns_name again;
            char name[DNS_NAME_TEXT];
            struct dns_srv srv;
            struct dns_svcb svcb;

            expect(record.data >= packet && record.data + record.size <= packet + size);
            dns_name_print(&record.name, name);
            if (!dns_name_is_root(&record.name))
                expect(dns_name_parse(name, &again) == 0 && dns_name_equal(&again, &record.name));
            (void)dns_srv_read(&message, &record, &srv);
            if (dns_svcb_read(&message, &record, &svcb) == 0)
                expect(svcb.v4_count <= DNS_HINTS && svcb.v6_count <= DNS_HINTS);
            dns_data_print(&message, &record, text, sizeof text);
            expect(strlen(text) < sizeof text);
            if (!service_from_dns(&record.name, host))
                expect(dns_name_parse(host, &again) == 0 && dns_name_equal(&again, &record.name));
        }
    }
    free(packet);
}

static void read_files(const uint8_t *data, size_t size, int is_hosts)
{
    struct addresses addresses;
    struct resolv_conf conf;
    char name[64], first[HOST_SIZE], again[HOST_SIZE];
    int fd = memfd_create("fuzz", MFD_CLOEXEC);

    expect(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    if (is_hosts) {
        addresses_init(&addresses, 80);
        hosts_find(name, "a.example", &addresses);
        check_addresses(&addresses);
    } else {
        resolv_conf_read(name, &conf);
        expect(conf.server_count >= 1 && conf.server_count <= RESOLV_SERVERS);
        expect(conf.search_count <= RESOLV_SEARCH && conf.ndots <= RESOLV_NDOTS_MAX);
        for (unsigned i = 0; i < conf.search_count; i++) { /* a checked name is one, and stays as it is */
            expect(!host_name_check(conf.search[i], first) && !strcmp(first, conf.search[i]));
            expect(!host_name_check(first, again) && !strcmp(first, again));
        }
    }
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (data[0] % 4 < 2)
        read_answer(data + 1, size - 1);
    else
        read_files(data + 1, size - 1, data[0] % 4 == 2);
    return 0;
}
