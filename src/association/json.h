/* SPDX-License-Identifier: Apache-2.0 */
/* The members of JSON objects that tell of associations and strands; those who write them open and end the object. */
#ifndef ASSOCIATION_JSON_H
#define ASSOCIATION_JSON_H

#include "association/association.h"
#include "base/json.h"

void json_path(struct json *json, const char *name, const hawser_path *path);
void json_peer(struct json *json, const char *name, const hawser_peer *peer);
void json_strand(struct json *json, const hawser_strand_info *info);         /* all of it */
void json_strand_numbers(struct json *json, const hawser_strand_info *info); /* what changes */
void json_statistics(struct json *json, const hawser_statistics *statistics);
void json_association(struct json *json, const hawser_association *association);

#endif
