/* JSON (RFC 8259), as much as plugins and their edge need of it. It is part of edge.h. */

#ifndef EDGE_JSON_H
#define EDGE_JSON_H

/* A text that is written piece by piece. In an object a key comes before each value; what
 * was begun is ended by whoever began it. */
edge_json *edge_json_new(edge_request *req);
void edge_json_object(edge_json *json);
void edge_json_end_object(edge_json *json);
void edge_json_array(edge_json *json);
void edge_json_end_array(edge_json *json);
void edge_json_key(edge_json *json, const char *name);
void edge_json_key_str(edge_json *json, edge_str name);
void edge_json_string(edge_json *json, edge_str text); /* bytes that are not UTF-8 become U+FFFD */
void edge_json_int(edge_json *json, int64_t n);
void edge_json_bool(edge_json *json, bool b);
void edge_json_null(edge_json *json);
void edge_json_raw(edge_json *json, edge_str text); /* that is JSON already */

/* What was written so far. */
edge_str edge_json_text(edge_json *json);

typedef enum edge_kind { EDGE_NULL, EDGE_BOOL, EDGE_NUMBER, EDGE_STRING, EDGE_ARRAY, EDGE_OBJECT } edge_kind;

/* A value that was read. Items of a list and fields of an object are linked by next. */
struct edge_value {
	edge_kind kind;
	bool boolean;
	edge_str text; /* of a string, decoded; of anything else, as it was written */
	edge_str name; /* of a field */
	const edge_value *first, *next;
	size_t count; /* of items or fields */
};

/* How deep a text may be nested. */
#define EDGE_JSON_DEPTH 64

/* Reads a text, which must stay as long as the value; NULL if it is not JSON, or nested too
 * deep. */
const edge_value *edge_json_parse(edge_request *req, edge_str text);

/* A field of an object: of several of the name the last; NULL if there is none, or value
 * is NULL or no object. */
const edge_value *edge_get(const edge_value *value, const char *name);

/* What a value holds, or the default if it is NULL or of another kind. */
edge_str edge_as_str(const edge_value *value, edge_str otherwise);
int64_t edge_as_int(const edge_value *value, int64_t otherwise);
bool edge_as_bool(const edge_value *value, bool otherwise);

#endif
