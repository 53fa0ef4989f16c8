/* SPDX-License-Identifier: Apache-2.0 */
/* Reading, matching and altering IP packets. */
#include <netinet/in.h>
#include <string.h>

#include "link.h"

enum { OPTION_END = 0, OPTION_NOP = 1, OPTION_MSS = 2, OPTION_MPTCP = 30, FIN = 1, SYN = 2, RST = 4, ACK = 16 };

static unsigned get16(const uint8_t *p)
{
    return (unsigned)p[0] << 8 | p[1];
}

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static void put16(uint8_t *p, unsigned value)
{
    p[0] = (uint8_t)(value >> 8);
    p[1] = (uint8_t)value;
}

static void put32(uint8_t *p, uint32_t value)
{
    put16(p, value >> 16);
    put16(p + 2, value & 0xffff);
}

static void map4(uint8_t to[16], const uint8_t *address)
{
    memset(to, 0, 10);
    to[10] = to[11] = 0xff;
    memcpy(to + 12, address, 4);
}

static uint8_t *find_option(uint8_t *tcp, size_t header, int wanted)
{
    for (size_t at = 20; at < header;) {
        if (tcp[at] == OPTION_END)
            return NULL;
        if (tcp[at] == OPTION_NOP) {
            at++;
            continue;
        }
        if (at + 1 >= header || tcp[at + 1] < 2 || at + tcp[at + 1] > header)
            return NULL;
        if (tcp[at] == wanted)
            return tcp + at;
        at += tcp[at + 1];
    }
    return NULL;
}

static void parse_tcp(struct parsed *p)
{
    size_t header = (size_t)(p->transport[12] >> 4) * 4;
    int flags = p->transport[13];

    if (header < 20 || header > p->transport_size)
        return;
    p->syn = (flags & SYN) && !(flags & ACK);
    p->synack = (flags & SYN) && (flags & ACK);
    p->has_data = p->transport_size > header;
    p->mptcp = find_option(p->transport, header, OPTION_MPTCP);
}

bool parse(uint8_t *data, size_t size, struct parsed *ret_packet)
{
    struct parsed *p = ret_packet;
    size_t head;

    memset(p, 0, sizeof *p);
    p->data = data;
    p->size = size;
    if (size >= 20 && data[0] >> 4 == 4) {
        p->family = 4;
        head = (size_t)(data[0] & 15) * 4;
        p->protocol = data[9];
        map4(p->source, data + 12);
        map4(p->destination, data + 16);
    } else if (size >= 40 && data[0] >> 4 == 6) {
        p->family = 6;
        head = 40;
        p->protocol = data[6];
        memcpy(p->source, data + 8, 16);
        memcpy(p->destination, data + 24, 16);
    } else {
        return false;
    }
    if (head + 8 > size)
        return true;
    p->transport = data + head;
    p->transport_size = size - head;
    if (p->protocol == IPPROTO_TCP || p->protocol == IPPROTO_UDP) {
        p->source_port = get16(p->transport);
        p->destination_port = get16(p->transport + 2);
    }
    if (p->protocol == IPPROTO_TCP && p->transport_size >= 20)
        parse_tcp(p);
    if (p->protocol == IPPROTO_UDP)
        p->has_data = p->transport_size > 8;
    return true;
}

static bool same(const uint8_t a[16], const uint8_t b[16])
{
    return memcmp(a, b, 16) == 0;
}

bool rule_matches(const struct rule *r, unsigned direction, const struct parsed *p)
{
    return (r->directions & 1u << direction) && (!r->family || r->family == p->family) &&
           (!r->protocol || r->protocol == p->protocol ||
            (r->protocol == IPPROTO_ICMP && p->protocol == IPPROTO_ICMPV6)) &&
           (!r->has_source || same(r->source, p->source)) &&
           (!r->has_destination || same(r->destination, p->destination)) &&
           (!r->has_either || same(r->either, p->source) || same(r->either, p->destination)) &&
           (!r->source_port || r->source_port == p->source_port) &&
           (!r->destination_port || r->destination_port == p->destination_port) &&
           (!r->port || r->port == p->source_port || r->port == p->destination_port) && (!r->syn || p->syn) &&
           (!r->synack || p->synack) && (!r->data || p->has_data) && (!r->mptcp || p->mptcp) &&
           (!r->larger || p->size > r->larger) && (!r->first || r->hits < r->first);
}

static uint32_t sum(const uint8_t *data, size_t size, uint32_t start)
{
    for (; size > 1; size -= 2, data += 2)
        start += get16(data);
    return size ? start + ((uint32_t)data[0] << 8) : start;
}

static unsigned fold(uint32_t s)
{
    while (s >> 16)
        s = (s & 0xffff) + (s >> 16);
    return ~s & 0xffff;
}

static void tcp_checksum(uint8_t *ip, int family, uint8_t *tcp, size_t size)
{
    size_t addresses = family == 4 ? 8 : 32;
    uint32_t s = sum(ip + (family == 4 ? 12 : 8), addresses, IPPROTO_TCP + (uint32_t)size);

    put16(tcp + 16, 0);
    put16(tcp + 16, fold(sum(tcp, size, s)));
}

void strip_mptcp(struct parsed *p)
{
    uint8_t *option;

    while ((option = find_option(p->transport, (size_t)(p->transport[12] >> 4) * 4, OPTION_MPTCP)))
        memset(option, OPTION_NOP, option[1]);
    p->mptcp = NULL;
    tcp_checksum(p->data, p->family, p->transport, p->transport_size);
}

void clamp_mss(struct parsed *p, unsigned most)
{
    uint8_t *option =
        p->syn || p->synack ? find_option(p->transport, (size_t)(p->transport[12] >> 4) * 4, OPTION_MSS) : NULL;

    if (!option || option[1] != 4 || get16(option + 2) <= most)
        return;
    put16(option + 2, most);
    tcp_checksum(p->data, p->family, p->transport, p->transport_size);
}

static void udp_checksum(uint8_t *ip, uint8_t *udp, size_t size)
{
    unsigned value;

    put16(udp + 6, 0);
    value = fold(sum(udp, size, sum(ip + 12, 8, IPPROTO_UDP + (uint32_t)size)));
    put16(udp + 6, value ? value : 0xffff);
}

void rewrite(struct parsed *p, bool source, const uint8_t address[4], unsigned port)
{
    memcpy(p->data + (source ? 12 : 16), address, 4);
    put16(p->transport + (source ? 0 : 2), port);
    put16(p->data + 10, 0);
    put16(p->data + 10, fold(sum(p->data, (size_t)(p->transport - p->data), 0)));
    if (p->protocol == IPPROTO_TCP)
        tcp_checksum(p->data, 4, p->transport, p->transport_size);
    else
        udp_checksum(p->data, p->transport, p->transport_size);
}

/* What the packet covers in the space of sequence numbers. */
static uint32_t covers(const struct parsed *p)
{
    size_t header = (size_t)(p->transport[12] >> 4) * 4;
    int flags = p->transport[13];

    return (uint32_t)(p->transport_size - header) + ((flags & SYN) ? 1 : 0) + ((flags & FIN) ? 1 : 0);
}

size_t make_reset(const struct parsed *p, bool onward, uint8_t ret_data[PACKET])
{
    size_t head = p->family == 4 ? 20 : 40, size = head + 20;
    uint8_t *tcp = ret_data + head;

    memset(ret_data, 0, size);
    if (p->family == 4) {
        ret_data[0] = 0x45;
        put16(ret_data + 2, (unsigned)size);
        ret_data[8] = 64;
        ret_data[9] = IPPROTO_TCP;
        memcpy(ret_data + 12, (onward ? p->source : p->destination) + 12, 4);
        memcpy(ret_data + 16, (onward ? p->destination : p->source) + 12, 4);
        put16(ret_data + 10, fold(sum(ret_data, 20, 0)));
    } else {
        ret_data[0] = 0x60;
        put16(ret_data + 4, 20);
        ret_data[6] = IPPROTO_TCP;
        ret_data[7] = 64;
        memcpy(ret_data + 8, onward ? p->source : p->destination, 16);
        memcpy(ret_data + 24, onward ? p->destination : p->source, 16);
    }
    put16(tcp, onward ? p->source_port : p->destination_port);
    put16(tcp + 2, onward ? p->destination_port : p->source_port);
    if (onward) {
        memcpy(tcp + 4, p->transport + 4, 8);
    } else {
        memcpy(tcp + 4, p->transport + 8, 4);
        put32(tcp + 8, get32(p->transport + 4) + covers(p));
    }
    tcp[12] = 5 << 4;
    tcp[13] = onward && !(p->transport[13] & ACK) ? RST : RST | ACK;
    tcp_checksum(ret_data, p->family, tcp, 20);
    return size;
}
