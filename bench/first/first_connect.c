/* SPDX-License-Identifier: Apache-2.0 */
/* A connected socket by hawser_connect(). */
#include <hawser/connect.h>
#include <hawser/hawser.h>

#include "first.h"

int main(int argc, char **argv)
{
    int64_t began = first_now_us(), connected;
    char endpoint[300];
    int fd, r;

    if (argc != 4)
        return 2;
    snprintf(endpoint, sizeof endpoint, "%s:%s", argv[1], argv[2]);
    r = hawser_connect(endpoint, HAWSER_CONNECT(.state_dir = argv[3]), &fd, NULL);
    connected = first_now_us();
    if (r < 0) {
        fprintf(stderr, "first_connect: %s\n", hawser_strerror(r));
        return 1;
    }
    first_print(began, connected, connected, false);
    return 0;
}
