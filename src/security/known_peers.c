/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys of first use: the file known_peers under the state directory, a line each: the service, a space, the key name.
 * In a service's name, bytes that would break the line are written %XX. The file is replaced as a whole, under a lock,
 * so a reader sees all of it without one.
 */
#include "security/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define FILE_NAME "known_peers"
#define LOCK_NAME "known_peers.lock"
#define FILE_LIMIT (16 << 20)

static void add_line(struct text *store, const char *service, const char *key_name)
{
    for (const unsigned char *c = (const unsigned char *)service; *c; c++)
        if (*c <= ' ' || *c == '%' || *c == '#' || *c == 0x7f)
            text_printf(store, "%%%02X", *c);
        else
            text_add_bytes(store, (const char *)c, 1);
    text_printf(store, " %s\n", key_name);
}

int known_peers_search(const char *store, const char *service, char ret_name[KEY_NAME_SIZE])
{
    struct text line;
    const char *found = NULL;
    size_t prefix;

    text_init(&line);
    add_line(&line, service, "");
    if (text_failed(&line)) {
        text_free(&line);
        return -ENOMEM;
    }
    prefix = line.size - 1; /* with the space, without the end of line */
    for (const char *at = store; at && *at && !found; at = strchr(at, '\n'), at = at ? at + 1 : NULL)
        if (strncmp(at, text_string(&line), prefix) == 0)
            found = at + prefix;
    text_free(&line);
    if (!found)
        return -ENOENT;
    char name[KEY_NAME_SIZE] = "";
    size_t size = strcspn(found, "\n");
    if (size == sizeof name - 1)
        memcpy(name, found, size);
    if (!key_name_valid(name))
        return -EINVAL; /* the line says something; not to know what must not open the door */
    memcpy(ret_name, name, sizeof name);
    return 0;
}

static int read_store(int directory, uint8_t **ret_data)
{
    size_t size;

    return state_read(directory, FILE_NAME, FILE_LIMIT, true, ret_data, &size);
}

int known_peers_find(hawser_context *context, const char *service, char ret_name[KEY_NAME_SIZE])
{
    struct security *security = security_of(context);
    uint8_t *data;
    int directory, r;

    if (!security)
        return -ENOMEM;
    if (!*loop_state_dir(context))
        return known_peers_search(text_string(&security->known_peers), service, ret_name);
    r = state_open(loop_state_dir(context), NULL, &directory);
    if (r < 0)
        return r;
    r = read_store(directory, &data);
    close(directory);
    if (r < 0)
        return r;
    r = known_peers_search((const char *)data, service, ret_name);
    free(data);
    return r;
}

static int append_line(const char *old, const char *service, const char *key_name, struct text *store)
{
    char known[KEY_NAME_SIZE];
    int r = known_peers_search(old, service, known);

    if (r != -ENOENT)
        return r == 0 ? -EEXIST : r;
    text_add(store, old);
    if (*old && old[strlen(old) - 1] != '\n')
        text_add(store, "\n");
    add_line(store, service, key_name);
    return text_failed(store) ? -ENOMEM : 0;
}

static int rewrite(int directory, const char *service, const char *key_name)
{
    uint8_t *data = NULL;
    struct text store;
    int r = read_store(directory, &data);

    if (r < 0 && r != -ENOENT)
        return r;
    text_init(&store);
    r = append_line(data ? (const char *)data : "", service, key_name, &store);
    if (r == 0)
        r = state_write(directory, FILE_NAME, text_string(&store), store.size, STATE_REPLACE | STATE_DURABLE);
    text_free(&store);
    free(data);
    return r;
}

static int add_to_memory(struct text *store, const char *service, const char *key_name)
{
    char known[KEY_NAME_SIZE];
    int r = known_peers_search(text_string(store), service, known);

    if (r != -ENOENT)
        return r == 0 ? -EEXIST : r;
    add_line(store, service, key_name);
    return text_failed(store) ? -ENOMEM : 0;
}

int known_peers_add(hawser_context *context, const char *service, const char *key_name)
{
    struct security *security = security_of(context);
    int directory, lock, r;

    if (!security)
        return -ENOMEM;
    if (!*loop_state_dir(context))
        return add_to_memory(&security->known_peers, service, key_name);
    r = state_open(loop_state_dir(context), NULL, &directory);
    if (r < 0)
        return r;
    lock = openat(directory, LOCK_NAME, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (lock < 0 || flock(lock, LOCK_EX) < 0)
        r = -errno;
    else
        r = rewrite(directory, service, key_name);
    if (lock >= 0)
        close(lock);
    close(directory);
    return r;
}
