/* SPDX-License-Identifier: Apache-2.0 */
/* ub_ctx_resolvconf() is not used: it cuts zones off addresses, knows no ports, and drops the search list. */
#include "endpoint/resolv_conf.h"

#include <stdio.h>
#include <string.h>

#include "endpoint/addresses.h"
#include "endpoint/lines.h"
#include "endpoint/port.h"

#define LINE_SIZE 1024

static bool is_server(const char *text)
{
    char address[RESOLV_SERVER_SIZE], *port;
    struct addresses parsed;
    uint16_t number = 0;

    if (strlen(text) >= sizeof address)
        return false;
    memcpy(address, text, strlen(text) + 1);
    if ((port = strchr(address, '@'))) {
        *port++ = '\0';
        if (!port_is_number(port) || port_parse(port, &number) < 0)
            return false;
    }
    addresses_init(&parsed, number);
    return addresses_add_text(&parsed, address) == 0;
}

static void read_server(struct resolv_conf *conf, char *rest)
{
    const char *word = lines_word(&rest);

    if (word && conf->server_count < RESOLV_SERVERS && is_server(word))
        memcpy(conf->server[conf->server_count++], word, strlen(word) + 1);
}

/* The last of the search and domain lines holds. */
static void read_search(struct resolv_conf *conf, char *rest)
{
    const char *word;

    conf->search_count = 0;
    while (conf->search_count < RESOLV_SEARCH && (word = lines_word(&rest)))
        if (!host_name_check(word, conf->search[conf->search_count]))
            conf->search_count++;
}

static void read_options(struct resolv_conf *conf, char *rest)
{
    const char *word;
    uint16_t number;

    while ((word = lines_word(&rest)))
        if (!strncmp(word, "ndots:", 6) && port_is_number(word + 6) && port_parse(word + 6, &number) == 0)
            conf->ndots = number < RESOLV_NDOTS_MAX ? number : RESOLV_NDOTS_MAX;
}

static void read_line(struct resolv_conf *conf, char *line)
{
    const char *word = lines_word(&line);

    if (!word)
        return;
    if (!strcmp(word, "nameserver"))
        read_server(conf, line);
    else if (!strcmp(word, "search") || !strcmp(word, "domain"))
        read_search(conf, line);
    else if (!strcmp(word, "options"))
        read_options(conf, line);
}

void resolv_conf_read(const char *file, struct resolv_conf *ret_conf)
{
    char line[LINE_SIZE];
    FILE *stream = fopen(file, "re");

    memset(ret_conf, 0, sizeof *ret_conf);
    ret_conf->ndots = 1;
    while (stream && lines_next(stream, "#;", line, sizeof line))
        read_line(ret_conf, line);
    if (stream)
        fclose(stream);
    if (ret_conf->server_count == 0)
        snprintf(ret_conf->server[ret_conf->server_count++], RESOLV_SERVER_SIZE, "127.0.0.1");
}
