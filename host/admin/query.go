package admin

import (
	"encoding/json"
	"net/url"
	"reflect"
	"strings"

	"edge/abi"
)

// queryRequest reads an operation's request from a query, for requests whose
// body is something else: "path=/tmp/a&mode=0600". A field that is no text is
// written as in JSON.
func queryRequest(a address, query string) (json.RawMessage, error) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil, abi.Errorf(abi.CodeInvalidRequest, "query: %v", err)
	}
	delete(values, "pretty")
	texts := textFields(reflect.TypeOf(a.row.NewRequest()).Elem())
	fields := map[string]json.RawMessage{}
	for name, vs := range values {
		if len(vs) != 1 {
			return nil, abi.Errorf(abi.CodeInvalidRequest, "query parameter %.40q is given %d times", name, len(vs))
		}
		if texts[name] {
			fields[name], err = json.Marshal(vs[0])
		} else if fields[name] = json.RawMessage(vs[0]); !json.Valid(fields[name]) {
			fields[name], err = json.Marshal(vs[0]) // a word: its field says what it wants
		}
		if err != nil {
			return nil, abi.Errorf(abi.CodeInvalidRequest, "query parameter %.40q: %v", name, err)
		}
	}
	body, err := json.Marshal(fields)
	if err != nil {
		return nil, abi.Errorf(abi.CodeInvalidRequest, "query: %v", err)
	}
	return addressed(a, body)
}

// textFields are the JSON names of t's fields that hold text.
func textFields(t reflect.Type) map[string]bool {
	texts := map[string]bool{}
	for f := range t.Fields() {
		if f.Type.Kind() == reflect.String {
			texts[jsonName(f)] = true
		}
	}
	return texts
}

// jsonName is the field's name in JSON.
func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}
