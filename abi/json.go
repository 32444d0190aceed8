package abi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// strictJSON decodes exactly one value and refuses fields that v does not have:
// a misspelt option must not be silently a default.
func strictJSON(b []byte, v any) error {
	if len(b) == 0 {
		return errors.New("missing")
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if d.More() {
		return errors.New("more than one JSON value")
	}
	return nil
}

// JSONReason says in the words of JSON why a text could not be decoded: which
// field, what was wanted there, and what was found. No Go type is named.
func JSONReason(err error) string {
	var t *json.UnmarshalTypeError
	if !errors.As(err, &t) {
		return strings.TrimPrefix(err.Error(), "json: ")
	}
	text := fmt.Sprintf("want %s, not %s", jsonKind(t.Type), t.Value) // like "number 1.5"
	// Structs that are embedded are in the path, with their Go names.
	path := slices.DeleteFunc(strings.Split(t.Field, "."), func(s string) bool { return s == "" || 'A' <= s[0] && s[0] <= 'Z' })
	if len(path) > 0 {
		text = strings.Join(path, ".") + ": " + text
	}
	return text
}

// jsonKind is what JSON calls values that become a type.
func jsonKind(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Pointer:
		return jsonKind(t.Elem())
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "a string"
	case reflect.Slice, reflect.Array:
		return "an array"
	case reflect.Struct, reflect.Map:
		return "an object"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "an integer that is not negative"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return "an integer"
	}
	return "another value"
}

// fieldNames are the names that a struct's fields have in JSON, in order.
func fieldNames(t reflect.Type) []string {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	var names []string
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.IsExported() && !f.Anonymous && name != "" && name != "-" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
