package admin

import (
	"encoding/json"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"edge/abi"
)

// theDocument is the document as it is served.
func theDocument(t *testing.T) string {
	t.Helper()
	w := start(t, &Server{Version: "1.2.3", Operations: &fakeOperations{operate: echoed}})
	got := w.ask("GET", "/v1/openapi.json", "")
	if got.StatusCode != 200 || got.err != nil {
		t.Fatalf("%d %s", got.StatusCode, got.body)
	}
	return got.body
}

// TestOpenAPI has a validator look at the document, and wants every operation in
// it, with every method that serves it.
func TestOpenAPI(t *testing.T) {
	t.Parallel()
	text := theDocument(t)
	doc, err := openapi3.NewLoader().LoadFromData([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if doc.OpenAPI != "3.1.0" || doc.Info.Version != "1.2.3" {
		t.Errorf("OpenAPI %s of version %s", doc.OpenAPI, doc.Info.Version)
	}
	for _, row := range abi.Operations {
		path := doc.Paths.Value(sandboxPath + "/" + row.Name())
		if path == nil {
			t.Errorf("operation %s is not described", row.Name())
			continue
		}
		for _, m := range operationMethods(row.Kind()) {
			op := path.GetOperation(m.name)
			if m.name == http.MethodPost && row.Kind() == abi.KindDuplex {
				continue
			}
			if op == nil || op.Summary != row.Doc() || op.OperationID == "" {
				t.Errorf("%s %s is not described", m.name, row.Name())
				continue
			}
			for _, code := range row.Errors() {
				if m.name != http.MethodGet && !strings.Contains(*op.Responses.Status(code.Status()).Value.Description, string(code)) {
					t.Errorf("%s does not tell of %s", row.Name(), code)
				}
			}
		}
	}
	for _, r := range resources() {
		for _, m := range r.methods {
			if path := doc.Paths.Value(r.path); path == nil || path.GetOperation(m.name) == nil {
				t.Errorf("%s %s is not described", m.name, r.path)
			}
		}
	}
	if len(doc.Paths.Map()) != len(abi.Operations)+len(resources()) {
		t.Errorf("%d paths for %d operations and %d resources", len(doc.Paths.Map()), len(abi.Operations), len(resources()))
	}
	ids := map[string]bool{}
	for _, path := range doc.Paths.Map() {
		for _, op := range path.Operations() {
			if ids[op.OperationID] {
				t.Errorf("there are two operations %s", op.OperationID)
			}
			ids[op.OperationID] = true
		}
	}
	if sleep := doc.Components.Schemas["SandboxOptions"]; sleep == nil || sleep.Value.Properties["sleepAfter"] == nil {
		t.Error("the options of a sandbox are not described")
	}
	if mode := doc.Components.Schemas["WaitForPortRequest"].Value.Properties["mode"]; !strings.Contains(mode.Value.Description, "`path` or `status`") {
		t.Errorf("mode is described as %q", mode.Value.Description)
	}
}

// TestOpenAPIReferences wants what every reference names, extensions included.
func TestOpenAPIReferences(t *testing.T) {
	t.Parallel()
	var doc any
	if err := json.Unmarshal([]byte(theDocument(t)), &doc); err != nil {
		t.Fatal(err)
	}
	n := 0
	eachReference(doc, func(ref string) {
		n++
		at := doc
		for part := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
			o, _ := at.(map[string]any)
			at = o[part]
		}
		if at == nil {
			t.Errorf("nothing is at %s", ref)
		}
	})
	if n < 2*len(abi.Operations) {
		t.Errorf("only %d references were looked at", n)
	}
}

func eachReference(v any, look func(string)) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			eachReference(e, look)
		}
	case map[string]any:
		for name, e := range v {
			if ref, ok := e.(string); ok && name == "$ref" {
				look(ref)
			}
			eachReference(e, look)
		}
	}
}

// TestSchemasFitTheTypes encodes a full and an empty value of each request and
// answer, and has a JSON Schema validator compare them with the document.
func TestSchemasFitTheTypes(t *testing.T) {
	t.Parallel()
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(theDocument(t)))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	if err := c.AddResource("doc.json", doc); err != nil {
		t.Fatal(err)
	}
	types := map[string]reflect.Type{"Event": reflect.TypeFor[Event](), "SandboxList": reflect.TypeFor[SandboxList](), "BindingList": reflect.TypeFor[BindingList](),
		"PluginList": reflect.TypeFor[PluginList](), "PluginDetail": reflect.TypeFor[PluginDetail](), "RollbackRequest": reflect.TypeFor[RollbackRequest](),
		"Findings": reflect.TypeFor[Findings](), "Failure": reflect.TypeFor[Failure](), "StreamInput": reflect.TypeFor[abi.StreamInput]()}
	for _, row := range abi.Operations {
		for _, v := range []any{row.NewRequest(), row.NewResponse()} {
			types[reflect.TypeOf(v).Elem().Name()] = reflect.TypeOf(v).Elem()
		}
	}
	for _, name := range slices.Sorted(maps.Keys(types)) {
		schema, err := c.Compile("doc.json#/components/schemas/" + name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		v := reflect.New(types[name])
		populate(v.Elem(), 0)
		b, err := json.Marshal(v.Interface())
		if err != nil {
			t.Fatal(err)
		}
		instance, err := jsonschema.UnmarshalJSON(strings.NewReader(string(b)))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(instance); err != nil {
			t.Errorf("%s does not fit its schema: %v\n%s", name, err, b)
		}
		if o := instance.(map[string]any); len(o) > 0 {
			for k := range o {
				o[k] = []any{[]any{nil}} // of no field's type
			}
			if schema.Validate(o) == nil {
				t.Errorf("the schema of %s takes anything", name)
			}
		}
	}
}

// populate sets every field to something.
func populate(v reflect.Value, depth int) {
	switch {
	case v.Type() == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(time.Unix(1e9, 0).UTC()))
		return
	case v.Type() == reflect.TypeFor[abi.Wake]():
		v.SetString("hold(10s)")
		return
	case v.Type() == reflect.TypeFor[abi.Code]():
		v.SetString(string(abi.CodeInternal))
		return
	case v.Type() == reflect.TypeFor[json.RawMessage]():
		v.SetBytes([]byte(`{"a":1}`))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString("x")
		if d, err := abi.Describe(); err == nil && d.Values[v.Type().Name()] != nil && v.Type().PkgPath() != "" {
			v.SetString(d.Values[v.Type().Name()][0])
		}
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(7 * time.Millisecond))
	case reflect.Float64:
		v.SetFloat(1.5)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		populate(v.Elem(), depth+1)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		populate(v.Index(0), depth+1)
	case reflect.Map:
		e := reflect.New(v.Type().Elem()).Elem()
		if e.Kind() != reflect.Pointer { // of pointers null is the interesting one
			populate(e, depth+1)
		}
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf("k"), e)
	case reflect.Struct:
		for i := range v.NumField() {
			populate(v.Field(i), depth+1)
		}
	}
}
