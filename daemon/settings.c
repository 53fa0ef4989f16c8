/* SPDX-License-Identifier: Apache-2.0 */
#include "settings.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "hawserd.h"

#define MANAGER "/proc/sys/net/mptcp/pm_type"
#define SCHEDULER "/proc/sys/net/mptcp/scheduler"

static int write_setting(const char *file, const char *value)
{
    FILE *setting = fopen(file, "we");
    int r;

    if (!setting)
        return -errno;
    r = fputs(value, setting) < 0 ? -errno : 0;
    /* It is the last write that the kernel answers. */
    return fclose(setting) < 0 && r == 0 ? -errno : r;
}

void settings_take_over(char ret_before[8])
{
    FILE *setting = fopen(MANAGER, "re");
    char value[8] = "";
    int r = setting ? 0 : -errno;

    ret_before[0] = '\0';
    if (setting && !fgets(value, sizeof value, setting))
        r = -EIO;
    if (setting)
        fclose(setting);
    if (r == 0 && value[0] == '1')
        return;
    if (r == 0)
        r = write_setting(MANAGER, "1");
    if (r < 0)
        say("%s: %s", MANAGER, strerror(-r));
    else
        strcpy(ret_before, value);
}

void settings_give_back(const char *before)
{
    int r = *before ? write_setting(MANAGER, before) : 0;

    if (r < 0)
        say("%s: %s", MANAGER, strerror(-r));
}

void settings_scheduler(const char *name)
{
    int r = write_setting(SCHEDULER, name);

    if (r < 0)
        say("the scheduler %s: %s%s", name, strerror(-r),
            r == -ENOENT ? " (net.mptcp.available_schedulers lists those of this kernel)" : "");
}
