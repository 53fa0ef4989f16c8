/* SPDX-License-Identifier: Apache-2.0 */
/* What type an interface is of. */
#include "path/internal.h"

#include <linux/if_arp.h>
#include <linux/wireless.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#ifndef ARPHRD_RAWIP
#define ARPHRD_RAWIP 519
#endif

/* By the name of the driver that made it (IFLA_INFO_KIND). Those that join real links are as these. */
static const char *by_kind(const char *kind)
{
    static const struct {
        const char *word, *type;
    } words[] = {
        {"bond", "ethernet"}, {"team", "ethernet"},    {"vlan", "ethernet"}, {"wireguard", "tunnel"},
        {"ipip", "tunnel"},   {"sit", "tunnel"},       {"gre", "tunnel"},    {"gretap", "tunnel"},
        {"ip6gre", "tunnel"}, {"ip6gretap", "tunnel"}, {"ip6tnl", "tunnel"}, {"vti", "tunnel"},
        {"vti6", "tunnel"},   {"xfrm", "tunnel"},      {"vxlan", "tunnel"},  {"geneve", "tunnel"},
        {"erspan", "tunnel"}, {"ovpn", "tunnel"},      {"gtp", "tunnel"},    {"rmnet", "cellular"},
        {"wwan", "cellular"},
    };

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(words[i].word, kind) == 0)
            return words[i].type;
    return *kind ? "virtual" : NULL;
}

static const char *by_hardware(unsigned hardware)
{
    switch (hardware) {
    case ARPHRD_LOOPBACK:
        return "loopback";
    case ARPHRD_ETHER:
        return "ethernet";
    case ARPHRD_IEEE80211:
    case ARPHRD_IEEE80211_PRISM:
    case ARPHRD_IEEE80211_RADIOTAP:
        return "wifi";
    case ARPHRD_RAWIP:
        return "cellular";
    case ARPHRD_NONE: /* tun */
    case ARPHRD_TUNNEL:
    case ARPHRD_TUNNEL6:
    case ARPHRD_SIT:
    case ARPHRD_IPGRE:
    case ARPHRD_IP6GRE:
        return "tunnel";
    default:
        return "other";
    }
}

/* The file system may be of another network name space, with another interface of this name: the index tells. */
static const char *by_uevent(const struct interface *interface)
{
    char path[64], line[128];
    const char *type = NULL;
    unsigned index = 0;
    FILE *file;

    snprintf(path, sizeof path, "/sys/class/net/%s/uevent", interface->name);
    if (!(file = fopen(path, "re")))
        return NULL;
    while (fgets(line, sizeof line, file)) {
        if (strcmp(line, "DEVTYPE=wlan\n") == 0)
            type = "wifi";
        else if (strcmp(line, "DEVTYPE=wwan\n") == 0)
            type = "cellular";
        else if (strncmp(line, "IFINDEX=", 8) == 0)
            index = (unsigned)strtoul(line + 8, NULL, 10);
    }
    fclose(file);
    return index == interface->index ? type : NULL;
}

static bool has_radio(const struct interface *interface)
{
    struct iwreq request = {0};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool radio;

    if (fd < 0)
        return false;
    snprintf(request.ifr_name, sizeof request.ifr_name, "%s", interface->name);
    radio = ioctl(fd, SIOCGIWNAME, &request) == 0;
    close(fd);
    return radio;
}

static const char *find(const struct interface *interface)
{
    const char *type = interface->flags & IFF_LOOPBACK ? "loopback" : by_kind(interface->kind);

    /* A tun device has the same driver whether it carries packets or frames. */
    if (strcmp(interface->kind, "tun") == 0 && interface->hardware == ARPHRD_NONE)
        type = "tunnel";
    if (!type)
        type = by_uevent(interface);
    if (!type && interface->hardware == ARPHRD_ETHER && has_radio(interface))
        type = "wifi";
    return type ? type : by_hardware(interface->hardware);
}

const char *kind_of(struct paths *paths, const struct interface *interface)
{
    struct kind *entry;

    for (size_t i = 0; i < KINDS; i++)
        if (paths->kinds[i].index == interface->index && strcmp(paths->kinds[i].name, interface->name) == 0)
            return paths->kinds[i].type;
    entry = &paths->kinds[paths->kind_next++ % KINDS];
    entry->index = interface->index;
    snprintf(entry->name, sizeof entry->name, "%s", interface->name);
    entry->type = find(interface);
    return entry->type;
}

int kind_cost(const char *type)
{
    static const struct {
        const char *type;
        int cost;
    } costs[] = {{"wifi", 10}, {"other", 20}, {"cellular", 100}};

    for (size_t i = 0; i < sizeof costs / sizeof *costs; i++)
        if (strcmp(costs[i].type, type) == 0)
            return costs[i].cost;
    return 0;
}
