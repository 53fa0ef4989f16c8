/* SPDX-License-Identifier: Apache-2.0 */
/* The namespace's settings of MPTCP (sysctl net.mptcp), where the operator has hawserd change them. */
#ifndef DAEMON_SETTINGS_H
#define DAEMON_SETTINGS_H

/* The userspace path manager for connections that begin from now on; what was before goes to ret_before, and settings_give_back()
 * makes it so again. Both say what does not work. */
void settings_take_over(char ret_before[8]);
void settings_give_back(const char *before); /* "" is nothing */
void settings_scheduler(const char *name);

#endif
