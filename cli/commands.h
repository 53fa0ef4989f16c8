/* SPDX-License-Identifier: Apache-2.0 */
/* What the table of commands points at. Each returns the exit code. */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

struct tool;

int command_identity(struct tool *tool);
int command_listen(struct tool *tool);
int command_send(struct tool *tool);
int command_connect(struct tool *tool);
int command_ping(struct tool *tool);
int command_plot(struct tool *tool);
int command_top(struct tool *tool);
int command_probe(struct tool *tool);
int command_fetch(struct tool *tool);
int command_paths(struct tool *tool);
int command_resolve(struct tool *tool);
int command_properties(struct tool *tool);
int command_stacks(struct tool *tool);
int command_policy(struct tool *tool);
int command_forget(struct tool *tool);
int command_stats(struct tool *tool);
int command_run(struct tool *tool);
int command_mptcp(struct tool *tool);
int command_bench(struct tool *tool);

#endif
