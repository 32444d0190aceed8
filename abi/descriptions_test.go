//go:build !wasip1

package abi_test

import (
	"bytes"
	"encoding"
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"

	"edge/abi"
)

const descriptionsFile = "descriptions.json"

// TestReferenceDescriptions fails when descriptions.json is not what the
// comments say. "go test ./abi -run TestReference -update" writes it.
func TestReferenceDescriptions(t *testing.T) {
	t.Parallel()
	want := describe(newReference(t))
	if *update {
		if err := os.WriteFile(descriptionsFile, want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(descriptionsFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is stale; write it with: go test ./abi -run TestReference -update", descriptionsFile)
	}
	d, err := abi.Describe()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(d.Fields["WaitForPortRequest.mode"], "`mode` is") || len(d.Values["FileType"]) != 4 || d.Values["Wake"] != nil {
		t.Errorf("descriptions are not as expected: %q, %q, %q", d.Fields["WaitForPortRequest.mode"], d.Values["FileType"], d.Values["Wake"])
	}
}

// describe writes what the reference knows of every type that the table reaches.
func describe(r *reference) []byte {
	d := &abi.Descriptions{Types: map[string]string{}, Fields: map[string]string{}, Values: map[string][]string{}}
	seen := map[reflect.Type]bool{}
	for _, row := range abi.Operations {
		r.describe(d, seen, reflect.TypeOf(row.NewRequest()))
		r.describe(d, seen, reflect.TypeOf(row.NewResponse()))
	}
	r.describe(d, seen, reflect.TypeFor[abi.SandboxRef]())
	r.describe(d, seen, reflect.TypeFor[abi.StreamInput]())
	r.describe(d, seen, reflect.TypeFor[abi.WebSocketOptions]())
	r.describe(d, seen, reflect.TypeFor[abi.Error]())
	b, err := json.MarshalIndent(d, "", "\t")
	if err != nil {
		r.t.Fatal(err)
	}
	return append(b, '\n')
}

func (r *reference) describe(d *abi.Descriptions, seen map[reflect.Type]bool, t reflect.Type) {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		r.describe(d, seen, t.Elem())
		return
	}
	if seen[t] || !strings.HasPrefix(t.PkgPath(), "edge/") {
		return
	}
	seen[t] = true
	d.Types[t.Name()] = jsonNamesOf(t, r.docs[t.Name()])
	switch {
	case t.Kind() == reflect.String && !readsItself(t):
		if values := r.values[t.Name()]; len(values) > 0 {
			d.Values[t.Name()] = values
		}
	case t.Kind() == reflect.Struct && !readsItself(t):
		for i := range t.NumField() {
			f := t.Field(i)
			r.describe(d, seen, f.Type)
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if doc := r.docs[t.Name()+"."+f.Name]; doc != "" && name != "" {
				d.Fields[t.Name()+"."+name] = jsonNamesOf(t, doc)
			}
		}
	}
}

// jsonNamesOf is jsonNames for any type.
func jsonNamesOf(t reflect.Type, doc string) string {
	if t.Kind() != reflect.Struct {
		return doc
	}
	return jsonNames(t, doc)
}

// readsItself tells whether JSON does not show the type as Go does.
func readsItself(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return p.Implements(reflect.TypeFor[json.Unmarshaler]()) || p.Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}
