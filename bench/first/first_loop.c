/* SPDX-License-Identifier: Apache-2.0 */
/* A connected socket by a getaddrinfo() loop: the baseline of `connect`. */
#include "first.h"
#include "loop.h"

int main(int argc, char **argv)
{
    int64_t began = first_now_us(), connected;
    int fd;

    if (argc != 4)
        return 2;
    fd = loop_connect(argv[1], argv[2]);
    connected = first_now_us();
    if (fd < 0)
        return 1;
    first_print(began, connected, connected, false);
    return 0;
}
