/* SPDX-License-Identifier: Apache-2.0 */
/* A program that knows sockets only: prints which protocol a TCP socket of either family has. */
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

int main(void)
{
    static const int families[] = {AF_INET, AF_INET6};

    for (int i = 0; i < 2; i++) {
        int fd = socket(families[i], SOCK_STREAM, i ? IPPROTO_TCP : 0), protocol = -1;
        socklen_t size = sizeof protocol;

        if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) < 0)
            return 1;
        printf("%d\n", protocol);
        close(fd);
    }
    return 0;
}
