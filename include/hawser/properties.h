/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Properties: what a program wants of a line, in the words of RFC 9622 (sections 6.2, 8.1, 9.1.3). One table says name,
 * stage, type, default and meaning; it makes the parser, the printer, `hawser properties` and the manual's table
 * (docs/properties.md, which also maps every action and event). Each property is honoured or refused with a reason.
 */
#ifndef HAWSER_PROPERTIES_H
#define HAWSER_PROPERTIES_H

#include <stdbool.h>
#include <stddef.h>

#ifndef HAWSER_API
#if defined(HAWSER_BUILD)
#define HAWSER_API __attribute__((visibility("default")))
#else
#define HAWSER_API
#endif
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* How strongly a property is wanted (RFC 9622 section 6.2): require and prohibit are met or establishment fails. */
typedef enum hawser_preference {
    HAWSER_NO_PREFERENCE,
    HAWSER_REQUIRE,
    HAWSER_PREFER,
    HAWSER_AVOID,
    HAWSER_PROHIBIT,
} hawser_preference;
HAWSER_API const char *hawser_preference_name(hawser_preference preference); /* "require" */

typedef enum hawser_property_stage {
    HAWSER_SELECTION,   /* fixed once establishment begins */
    HAWSER_CONNECTION,  /* may change later: hawser_association_set_property() */
    HAWSER_PER_MESSAGE, /* in a set of properties: the default for messages that say nothing */
    HAWSER_READ_ONLY    /* what an association tells: hawser_association_get_property() */
} hawser_property_stage;

typedef enum hawser_property_type {
    HAWSER_PREFERENCE,  /* "require", "prefer", "none", "avoid", "prohibit" */
    HAWSER_BOOLEAN,     /* "true", "false" */
    HAWSER_INTEGER,     /* "100"; where said so also "full" */
    HAWSER_DURATION,    /* "200ms", "10s", "disabled" */
    HAWSER_RATE,        /* bits per second: "8M", "unlimited" */
    HAWSER_ENUMERATION, /* one of values */
    HAWSER_SET,         /* of "require:VALUE", "avoid:VALUE" and so on, with commas */
} hawser_property_type;

typedef struct hawser_properties hawser_properties;
struct hawser_association;

/* A set with every property at its default. Counted; not bound to a context; used by one thread at a time. Calls that take
 * it copy it, so that later changes do not reach what was made from it (RFC 9622 section 1.1). */
HAWSER_API int hawser_properties_new(hawser_properties **ret_properties);
HAWSER_API int hawser_properties_copy(const hawser_properties *properties, hawser_properties **ret_properties);
HAWSER_API hawser_properties *hawser_properties_ref(hawser_properties *properties);
HAWSER_API hawser_properties *hawser_properties_unref(hawser_properties *properties);
/*
 * Sets a property from text; names are case-insensitive, "multi-streaming", "multiStreaming" and "multistreaming" are one.
 * A preference of a set is added: ("interface", "prohibit:wifi"); "" empties the set. Errors: -HAWSER_EPROPERTY;
 * hawser_properties_wrong() then has the sentence: no such name (with the nearest one), a value that it does not take
 * (with those it takes), or one that hawser cannot give (with why).
 */
HAWSER_API int hawser_properties_set(hawser_properties *properties, const char *name, const char *value);
/* RFC 9622 section 6.2's Require, Prefer, Avoid, Prohibit: value is NULL, or a member of a set ("wifi"), or, for an
 * enumeration or boolean, the value that is wanted that much. */
HAWSER_API int hawser_properties_want(hawser_properties *properties, hawser_preference preference, const char *name,
                                      const char *value);
/* The value as text that hawser_properties_set() takes; its length as snprintf() tells, or -HAWSER_EPROPERTY. */
HAWSER_API int hawser_properties_get(const hawser_properties *properties, const char *name, char *ret_text,
                                     size_t size);
HAWSER_API const char *hawser_properties_wrong(const hawser_properties *properties); /* of the last failed call; "" */

/* The table, by index from 0; -ENOENT past the last. */
typedef struct hawser_property_info {
    const char *name; /* as RFC 9622 spells it: "preserveMsgBoundaries" */
    hawser_property_stage stage;
    hawser_property_type type;
    const char *values;        /* of an enumeration, with commas; else "" */
    const char *default_value; /* as text */
    const char *summary;       /* one line */
    const char *source;        /* "RFC 9622 6.2.1", or "hawser" */
    const char *effect;        /* what hawser does with it, or why it refuses another value than the default */
} hawser_property_info;
HAWSER_API int hawser_property_info_get(unsigned index, hawser_property_info *ret_info);
/* What a stack ("tls/tcp") gives of a selection property, over hawser/1 or bare: "yes", "no", or a few words. */
HAWSER_API const char *hawser_property_offered(unsigned index, const char *stack, bool bare);

/*
 * Changes a connection property, or a default for messages, of an association (RFC 9622 section 8, SetProperty). It holds
 * from now on; the association goes on as it was when it is refused: -HAWSER_EPROPERTY and a sentence in ret_reason
 * (no such property, a value it does not take, fixed once establishment began, not given by this stack); -ENOTCONN.
 */
HAWSER_API int hawser_association_set_property(struct hawser_association *association, const char *name,
                                               const char *value, char *ret_reason, size_t size);
/*
 * The value as text; its length as snprintf() tells. Once established, a preference reads "true" or "false": whether the
 * line has it (RFC 9622 section 8). Read-only ones are told here alone. -HAWSER_EPROPERTY: there is no such property.
 */
HAWSER_API int hawser_association_get_property(const struct hawser_association *association, const char *name,
                                               char *ret_text, size_t size);

#ifdef __cplusplus
}
#endif

#endif
