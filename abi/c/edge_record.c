/* Objects, written and read by the tables of edge_types.c. */

#include "edge_internal.h"

/* A list of records, whatever they are. */
typedef struct list {
	const void *items;
	size_t count;
} list;

static const void *at(const void *object, const edge_field *field)
{
	return (const char *)object + field->offset;
}

static bool field_is_empty(const edge_field *field, const void *v)
{
	switch (field->kind) {
	case EDGE_FIELD_STR:
	case EDGE_FIELD_RAW:
		return ((const edge_str *)v)->len == 0;
	case EDGE_FIELD_BOOL:
		return !*(const bool *)v;
	case EDGE_FIELD_INT:
		return *(const int64_t *)v == 0;
	case EDGE_FIELD_MAYBE_INT:
		return !((const edge_maybe_int *)v)->set;
	case EDGE_FIELD_STRS:
	case EDGE_FIELD_PAIRS:
	case EDGE_FIELD_HEADERS:
	case EDGE_FIELD_LIST:
		return ((const list *)v)->count == 0;
	case EDGE_FIELD_RECORD:
		return edge_is_empty(field->record, v);
	case EDGE_FIELD_POINTER:
		return !*(const void *const *)v;
	}
	return true;
}

bool edge_is_empty(const edge_record *record, const void *object)
{
	for (size_t i = 0; i < record->count; i++)
		if (!field_is_empty(&record->fields[i], at(object, &record->fields[i])))
			return false;
	return true;
}

static void write_pairs(edge_json *json, const edge_pairs *pairs)
{
	edge_json_object(json);
	for (size_t i = 0; i < pairs->count; i++) {
		edge_json_key_str(json, pairs->items[i].name);
		if (pairs->items[i].value.ptr)
			edge_json_string(json, pairs->items[i].value);
		else
			edge_json_null(json);
	}
	edge_json_end_object(json);
}

static void write_headers(edge_json *json, const edge_pairs *headers)
{
	edge_json_array(json);
	for (size_t i = 0; i < headers->count; i++) {
		edge_json_array(json);
		edge_json_string(json, headers->items[i].name);
		edge_json_string(json, headers->items[i].value);
		edge_json_end_array(json);
	}
	edge_json_end_array(json);
}

static void write_field(edge_json *json, const edge_field *field, const void *v)
{
	switch (field->kind) {
	case EDGE_FIELD_STR:
		edge_json_string(json, *(const edge_str *)v);
		return;
	case EDGE_FIELD_RAW:
		edge_json_raw(json, *(const edge_str *)v);
		return;
	case EDGE_FIELD_BOOL:
		edge_json_bool(json, *(const bool *)v);
		return;
	case EDGE_FIELD_INT:
		edge_json_int(json, *(const int64_t *)v);
		return;
	case EDGE_FIELD_MAYBE_INT:
		edge_json_int(json, ((const edge_maybe_int *)v)->value);
		return;
	case EDGE_FIELD_STRS: {
		const edge_strs *strs = v;
		edge_json_array(json);
		for (size_t i = 0; i < strs->count; i++)
			edge_json_string(json, strs->items[i]);
		edge_json_end_array(json);
		return;
	}
	case EDGE_FIELD_PAIRS:
		write_pairs(json, v);
		return;
	case EDGE_FIELD_HEADERS:
		write_headers(json, v);
		return;
	case EDGE_FIELD_RECORD:
		edge_write(json, field->record, v);
		return;
	case EDGE_FIELD_POINTER:
		edge_write(json, field->record, *(const void *const *)v);
		return;
	case EDGE_FIELD_LIST: {
		const list *items = v;
		edge_json_array(json);
		for (size_t i = 0; i < items->count; i++)
			edge_write(json, field->record, (const char *)items->items + i * field->record->size);
		edge_json_end_array(json);
	}
	}
}

void edge_write_fields(edge_json *json, const edge_record *record, const void *object)
{
	for (size_t i = 0; i < record->count; i++) {
		const edge_field *field = &record->fields[i];
		const void *v = at(object, field);
		if (field->always || !field_is_empty(field, v)) {
			edge_json_key(json, field->name);
			write_field(json, field, v);
		}
	}
}

void edge_write(edge_json *json, const edge_record *record, const void *object)
{
	edge_json_object(json);
	edge_write_fields(json, record, object);
	edge_json_end_object(json);
}

/* ---- Reading ---- */

static bool read_str(const edge_value *value, edge_str *out)
{
	*out = value->text;
	return value->kind == EDGE_STRING;
}

/* Reads a whole number; a fraction, which spans may have, is dropped. */
static bool read_int(const edge_value *value, int64_t *out)
{
	if (value->kind != EDGE_NUMBER)
		return false;
	edge_value whole = *value;
	for (size_t i = 0; i < whole.text.len; i++)
		if (whole.text.ptr[i] == '.')
			whole.text.len = i;
	*out = edge_as_int(&whole, 0);
	return *out != 0 || edge_as_int(&whole, 1) == 0;
}

static bool read_strs(edge_request *req, const edge_value *value, edge_strs *out)
{
	if (value->kind != EDGE_ARRAY)
		return false;
	edge_str *items = edge_alloc_items(req, value->count, sizeof *items);
	*out = (edge_strs){items, value->count};
	for (const edge_value *v = value->first; v; v = v->next)
		if (!read_str(v, items++))
			return false;
	return true;
}

static bool read_pairs(edge_request *req, const edge_value *value, edge_pairs *out)
{
	if (value->kind != EDGE_OBJECT)
		return false;
	edge_pair *items = edge_alloc_items(req, value->count, sizeof *items);
	*out = (edge_pairs){items, value->count};
	for (const edge_value *v = value->first; v; v = v->next, items++) {
		items->name = v->name;
		if (!read_str(v, &items->value))
			return false;
	}
	return true;
}

static bool read_headers(edge_request *req, const edge_value *value, edge_pairs *out)
{
	if (value->kind != EDGE_ARRAY)
		return false;
	edge_pair *items = edge_alloc_items(req, value->count, sizeof *items);
	*out = (edge_pairs){items, value->count};
	for (const edge_value *v = value->first; v; v = v->next, items++)
		if (v->kind != EDGE_ARRAY || v->count != 2 || !read_str(v->first, &items->name) || !read_str(v->first->next, &items->value))
			return false;
	return true;
}

static bool read_list(edge_request *req, const edge_value *value, const edge_record *record, list *out)
{
	if (value->kind != EDGE_ARRAY)
		return false;
	char *items = edge_alloc_items(req, value->count, record->size);
	*out = (list){items, value->count};
	for (const edge_value *v = value->first; v; v = v->next, items += record->size)
		if (!edge_read_value(req, v, record, items))
			return false;
	return true;
}

/* A string as JSON again. */
static edge_str written(edge_request *req, edge_str text)
{
	edge_json *json = edge_json_new(req);
	edge_json_string(json, text);
	return edge_json_text(json);
}

static bool read_field(edge_request *req, const edge_field *field, const edge_value *value, void *out)
{
	switch (field->kind) {
	case EDGE_FIELD_STR:
		return read_str(value, out);
	case EDGE_FIELD_RAW:
		*(edge_str *)out = value->kind == EDGE_STRING ? written(req, value->text) : value->text;
		return true;
	case EDGE_FIELD_BOOL:
		*(bool *)out = value->boolean;
		return value->kind == EDGE_BOOL;
	case EDGE_FIELD_INT:
		return read_int(value, out);
	case EDGE_FIELD_MAYBE_INT:
		((edge_maybe_int *)out)->set = true;
		return read_int(value, &((edge_maybe_int *)out)->value);
	case EDGE_FIELD_STRS:
		return read_strs(req, value, out);
	case EDGE_FIELD_PAIRS:
		return read_pairs(req, value, out);
	case EDGE_FIELD_HEADERS:
		return read_headers(req, value, out);
	case EDGE_FIELD_RECORD:
		return edge_read_value(req, value, field->record, out);
	case EDGE_FIELD_POINTER: {
		void *object = edge_alloc(req, field->record->size);
		*(const void **)out = object;
		return edge_read_value(req, value, field->record, object);
	}
	case EDGE_FIELD_LIST:
		return read_list(req, value, field->record, out);
	}
	return false;
}

bool edge_read_value(edge_request *req, const edge_value *value, const edge_record *record, void *object)
{
	memset(object, 0, record->size);
	if (!value || value->kind != EDGE_OBJECT)
		return false;
	for (size_t i = 0; i < record->count; i++) {
		const edge_field *field = &record->fields[i];
		const edge_value *v = edge_get(value, field->name);
		if (v && v->kind != EDGE_NULL && !read_field(req, field, v, (char *)object + field->offset))
			return false;
	}
	return true;
}

bool edge_read(edge_request *req, edge_str json, const edge_record *record, void *object)
{
	return edge_read_value(req, edge_json_parse(req, json), record, object);
}
