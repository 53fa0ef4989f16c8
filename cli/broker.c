/* SPDX-License-Identifier: Apache-2.0 */
#include "broker.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <netinet/in.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif
/* Debian 12's headers have all of these; older ones do not. */
#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

#if defined(__x86_64__)
#define ARCH_OURS AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH_OURS AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define ARCH_OURS AUDIT_ARCH_RISCV64
#elif defined(__powerpc64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define ARCH_OURS AUDIT_ARCH_PPC64LE
#elif defined(__s390x__)
#define ARCH_OURS AUDIT_ARCH_S390X
#elif defined(__i386__)
#define ARCH_OURS AUDIT_ARCH_I386
#elif defined(__arm__)
#define ARCH_OURS AUDIT_ARCH_ARM
#endif

#define TYPE_MASK 0xf /* of a socket's type: what SOCK_CLOEXEC and SOCK_NONBLOCK leave */

/* ------------------------------------------------------------------------------------------------------ the program */

#ifdef ARCH_OURS

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define ARGUMENT(n) (offsetof(struct seccomp_data, args) + 8 * (n))
#else
#define ARGUMENT(n) (offsetof(struct seccomp_data, args) + 8 * (n) + 4)
#endif
#define LOAD(offset) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (offset))
#define IF_EQUAL(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), (yes), (no))
#define RETURN(what) BPF_STMT(BPF_RET | BPF_K, (what))

/* socket(AF_INET or AF_INET6, SOCK_STREAM, 0 or IPPROTO_TCP) is told; all else goes its way. */
static int install(unsigned long flags)
{
    struct sock_filter filter[] = {
        LOAD(offsetof(struct seccomp_data, arch)),
        IF_EQUAL(ARCH_OURS, 1, 0),
        RETURN(SECCOMP_RET_ALLOW), /* a program for another processor, such as i386 on x86-64: plain TCP */
        LOAD(offsetof(struct seccomp_data, nr)),
        IF_EQUAL(__NR_socket, 1, 0),
        RETURN(SECCOMP_RET_ALLOW),
        LOAD(ARGUMENT(0)),
        IF_EQUAL(AF_INET, 2, 0),
        IF_EQUAL(AF_INET6, 1, 0),
        RETURN(SECCOMP_RET_ALLOW),
        LOAD(ARGUMENT(1)),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, TYPE_MASK),
        IF_EQUAL(SOCK_STREAM, 1, 0),
        RETURN(SECCOMP_RET_ALLOW),
        LOAD(ARGUMENT(2)),
        IF_EQUAL(0, 2, 0),
        IF_EQUAL(IPPROTO_TCP, 1, 0),
        RETURN(SECCOMP_RET_ALLOW),
        RETURN(SECCOMP_RET_USER_NOTIF),
    };
    struct sock_fprog program = {.len = sizeof filter / sizeof *filter, .filter = filter};

    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}

static int listen_to_ourselves(void)
{
    /* A call that was told stays told while signals come (Linux 5.19): Go's runtime sends many. */
    int fd = install(SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV);

    return fd < 0 && errno == EINVAL ? install(SECCOMP_FILTER_FLAG_NEW_LISTENER) : fd;
}

#else

static int listen_to_ourselves(void)
{
    errno = ENOSYS;
    return -1;
}

#endif

static int send_descriptor(int socket, int fd)
{
    char byte = 0;
    struct iovec part = {&byte, 1};
    union {
        char space[CMSG_SPACE(sizeof fd)];
        struct cmsghdr align;
    } control = {{0}};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);

    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(head), &fd, sizeof fd);
    return sendmsg(socket, &message, MSG_NOSIGNAL) == 1 ? 0 : -errno;
}

int broker_hand_over(int to_broker)
{
    char byte;
    int fd, r;

    fd = listen_to_ourselves();
    /* Without CAP_SYS_ADMIN a filter must not go into programs that gain rights: with this they gain none. */
    if (fd < 0 && errno == EACCES && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)
        fd = listen_to_ourselves();
    if (fd < 0)
        return -errno;
    r = send_descriptor(to_broker, fd);
    close(fd);
    if (r < 0)
        return r;
    return recv(to_broker, &byte, 1, 0) == 1 ? 0 : -EIO;
}

const char *broker_reason(int code)
{
    switch (-code) {
    case EBUSY:
        return "something else watches its system calls already, and only one can (seccomp_unotify(2))";
    case ENOSYS:
    case EINVAL:
        return "it takes Linux 5.14 or later with seccomp filters";
    default:
        return strerror(-code);
    }
}

/* ------------------------------------------------------------------------------------------------------- the broker */

/* How large the kernel's structures are; ours may be smaller than a later kernel's. */
struct mail {
    struct seccomp_notif_sizes sizes;
    struct seccomp_notif *call;
    struct seccomp_notif_resp *answer;
};

static bool mail_open(struct mail *mail)
{
    if (syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &mail->sizes) < 0)
        return false;
    if (mail->sizes.seccomp_notif < sizeof *mail->call)
        mail->sizes.seccomp_notif = sizeof *mail->call;
    if (mail->sizes.seccomp_notif_resp < sizeof *mail->answer)
        mail->sizes.seccomp_notif_resp = sizeof *mail->answer;
    mail->call = calloc(1, mail->sizes.seccomp_notif);
    mail->answer = calloc(1, mail->sizes.seccomp_notif_resp);
    return mail->call && mail->answer;
}

static int receive_descriptor(int socket)
{
    char byte;
    int fd = -1;
    struct iovec part = {&byte, 1};
    union {
        char space[CMSG_SPACE(sizeof fd)];
        struct cmsghdr align;
    } control;
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    struct cmsghdr *head;

    if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) != 1)
        return -1;
    head = CMSG_FIRSTHDR(&message);
    if (head && head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS &&
        head->cmsg_len == CMSG_LEN(sizeof fd))
        memcpy(&fd, CMSG_DATA(head), sizeof fd);
    return fd;
}

/* A socket belongs to the network namespace and the user of whoever makes it. Where the program's are not ours, it has to
 * make its sockets itself: plain ones. The file system's user is the one that counts. */
static bool is_like_us(pid_t pid)
{
    struct stat theirs, ours;
    char path[64], line[256];
    unsigned real, effective, saved, files;
    bool same = false;
    FILE *file;

    snprintf(path, sizeof path, "/proc/%d/ns/net", (int)pid);
    if (stat(path, &theirs) < 0 || stat("/proc/self/ns/net", &ours) < 0 || theirs.st_ino != ours.st_ino ||
        theirs.st_dev != ours.st_dev)
        return false;
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "Uid: %u %u %u %u", &real, &effective, &saved, &files) == 4)
            same = effective == geteuid() && files == geteuid();
    if (file)
        fclose(file);
    return same;
}

static void answer_ours(int listener, struct mail *mail, int fd)
{
    struct seccomp_notif_addfd add = {
        .id = mail->call->id,
        .flags = SECCOMP_ADDFD_FLAG_SEND, /* and the call returns its number, in one step */
        .srcfd = (uint32_t)fd,
        .newfd_flags = mail->call->data.args[1] & SOCK_CLOEXEC ? O_CLOEXEC : 0,
    };

    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &add) >= 0 || errno == ENOENT)
        return;
    mail->answer->error = -errno; /* its table is full: EMFILE, as socket(2) says */
    ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, mail->answer);
}

/* A call that is over by now (its thread was killed) answers ENOENT to whatever we do, and leaves nothing. */
static void answer_call(int listener, struct mail *mail)
{
    int fd = -1;

    memset(mail->call, 0, mail->sizes.seccomp_notif);
    memset(mail->answer, 0, mail->sizes.seccomp_notif_resp);
    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, mail->call) < 0)
        return;
    mail->answer->id = mail->call->id;
    if (is_like_us((pid_t)mail->call->pid))
        fd = socket((int)mail->call->data.args[0], (int)mail->call->data.args[1] | SOCK_CLOEXEC, IPPROTO_MPTCP);
    if (fd >= 0) {
        answer_ours(listener, mail, fd);
        close(fd);
        return;
    }
    /* What we cannot make, the program tries by itself, and gets what it would have without us. */
    mail->answer->flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
    ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, mail->answer);
}

/* Whoever reads what the program writes waits for the last copy to be closed. */
static void close_others(int one, int two)
{
    unsigned low = (unsigned)(one < two ? one : two), high = (unsigned)(one < two ? two : one);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    for (int fd = 0; null >= 0 && fd <= STDERR_FILENO; fd++)
        dup2(null, fd);
    if (low > 3)
        close_range(3, low - 1, 0);
    if (high > low + 1)
        close_range(low + 1, high - 1, 0);
    close_range(high + 1, ~0U, 0);
}

static void serve(int listener, struct mail *mail)
{
    struct pollfd polled = {.fd = listener, .events = POLLIN};

    for (;;) {
        if (poll(&polled, 1, -1) < 0) {
            if (errno != EINTR)
                return;
        } else if (polled.revents & POLLIN) {
            answer_call(listener, mail);
        } else {
            return; /* POLLHUP: nobody has the filter any more */
        }
    }
}

void broker_serve(int from_program)
{
    struct mail mail = {.call = NULL};
    int listener = receive_descriptor(from_program);

    prctl(PR_SET_NAME, "hawser-broker");
    if (listener >= 0 && mail_open(&mail) && chdir("/") == 0) {
        close_others(listener, from_program);
        if (send(from_program, "", 1, MSG_NOSIGNAL) == 1) {
            close(from_program);
            serve(listener, &mail);
        }
    }
    free(mail.call);
    free(mail.answer);
}
