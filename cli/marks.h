/* SPDX-License-Identifier: Apache-2.0 */
/* hawser send: what is said of each message beside its bytes. */
#ifndef CLI_MARKS_H
#define CLI_MARKS_H

#include "tool.h"

struct marks {
    hawser_reliability reliability;
    unsigned resends;
    double probability;
    int64_t lifetime_us;
    uint64_t pace; /* bits per second */
    bool timestamp;
    uint32_t coordinates[HAWSER_COORDINATES_MAX];
    size_t coordinate_count;
};

/* From the options. 0, or negative with a sentence said. */
int marks_read(struct tool *tool, struct marks *ret_marks);
/* The coordinates stay the marks'. */
void marks_put(const struct marks *marks, hawser_message_options *options);
/* The fields `timestamp_us` and `coordinates`, of messages that have any. */
void marks_tell(struct json *json, const hawser_marks *marks);

#endif
