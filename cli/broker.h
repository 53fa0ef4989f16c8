/* SPDX-License-Identifier: Apache-2.0 */
/* The sockets of a program that another makes (seccomp_unotify(2)): what `hawser run` is built on. */
#ifndef CLI_BROKER_H
#define CLI_BROKER_H

/* In the program that will exec(2): from here on its socket(2) calls for TCP are told to the broker at the other end of the
 * descriptor. Returns once the broker has begun. -errno */
int broker_hand_over(int to_broker);
/* What an error of broker_hand_over() means, for people. */
const char *broker_reason(int code);

/* The broker: answers until nobody is left whose sockets it makes. Closes all descriptors that it was started with. */
void broker_serve(int from_program);

#endif
