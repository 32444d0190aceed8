package admin

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"edge/abi"
)

// object is a JSON object of the document.
type object = map[string]any

// schemas makes JSON schemas (2020-12, as OpenAPI 3.1 has them) of Go types, and
// keeps those of named types to be referred to.
type schemas struct {
	docs  *abi.Descriptions
	made  object
	types map[string]reflect.Type
	err   error // the first thing that could not be described
}

func newSchemas(docs *abi.Descriptions) *schemas {
	return &schemas{docs: docs, made: object{}, types: map[string]reflect.Type{}}
}

// of returns the schema of v's type, v being a pointer to a value of it.
func (g *schemas) of(v any) object { return g.schema(reflect.TypeOf(v)) }

// written are the types whose JSON is not what their Go type shows.
func written(t reflect.Type) (object, bool) {
	str, num := object{"type": "string"}, object{"type": "number", "minimum": 0}
	switch t {
	case reflect.TypeFor[time.Time]():
		return object{"type": "string", "format": "date-time"}, true
	case reflect.TypeFor[json.RawMessage]():
		return object{}, true
	case reflect.TypeFor[abi.Duration]():
		return object{"anyOf": []object{str, num}, "examples": []any{"10s", 1500}}, true
	case reflect.TypeFor[abi.Signal]():
		return object{"anyOf": []object{str, {"type": "integer"}}, "examples": []any{"TERM", 9}}, true
	case reflect.TypeFor[abi.Wake]():
		return object{"type": "string", "pattern": `^(never|http|ws|hold|hold\(.+\))?$`, "examples": []any{"hold(30s)"}}, true
	case reflect.TypeFor[abi.StatusRange]():
		return object{"anyOf": []object{{"type": "integer"}, {
			"type": "object", "properties": object{"min": object{"type": "integer"}, "max": object{"type": "integer"}},
		}}}, true
	case reflect.TypeFor[abi.Code]():
		codes := abi.Codes()
		slices.Sort(codes)
		return object{"type": "string", "enum": codes}, true
	}
	return nil, false
}

// schema returns t's schema: a reference if t has a name of ours.
func (g *schemas) schema(t reflect.Type) object {
	if t.Kind() == reflect.Pointer {
		return g.schema(t.Elem())
	}
	if !strings.HasPrefix(t.PkgPath(), "edge/") {
		return g.build(t)
	}
	if known, ok := g.types[t.Name()]; ok && known != t {
		g.fail("there are two types %s", t.Name())
	}
	if _, ok := g.types[t.Name()]; !ok {
		g.types[t.Name()] = t // before it is built: a type may hold itself
		g.made[t.Name()] = describe(g.build(t), g.docs.Types[t.Name()])
	}
	return object{"$ref": "#/components/schemas/" + t.Name()}
}

// build returns the schema itself.
func (g *schemas) build(t reflect.Type) object {
	if s, ok := written(t); ok {
		return s
	}
	switch t.Kind() {
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Int, reflect.Int64:
		return object{"type": "integer"}
	case reflect.Float64:
		return object{"type": "number"}
	case reflect.String:
		if values := g.docs.Values[t.Name()]; values != nil && t.PkgPath() != "" {
			return object{"type": "string", "enum": values}
		}
		return object{"type": "string"}
	case reflect.Slice:
		return object{"type": "array", "items": g.schema(t.Elem())}
	case reflect.Map:
		return g.dictionary(t)
	case reflect.Struct:
		s := object{"type": "object", "properties": object{}}
		var required []string
		g.fields(t, s["properties"].(object), &required)
		if len(required) > 0 {
			s["required"] = required
		}
		return s
	}
	g.fail("no schema for %s", t)
	return object{}
}

// dictionary is an object with any names; null is a value where Go has pointers.
func (g *schemas) dictionary(t reflect.Type) object {
	if t.Key().Kind() != reflect.String {
		g.fail("no schema for %s", t)
	}
	if t.Elem().Kind() == reflect.Interface {
		return object{"type": "object"}
	}
	value := g.schema(t.Elem())
	if t.Elem().Kind() == reflect.Pointer {
		value = object{"anyOf": []object{value, {"type": "null"}}}
	}
	return object{"type": "object", "additionalProperties": value}
}

// fields adds t's fields, those of embedded structs as its own.
func (g *schemas) fields(t reflect.Type, properties object, required *[]string) {
	for f := range t.Fields() {
		if f.Anonymous {
			g.fields(f.Type, properties, required)
			continue
		}
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" {
			g.fail("field %s.%s has no name in JSON", t.Name(), f.Name)
			continue
		}
		doc := g.docs.Fields[t.Name()+"."+name]
		if own := f.Tag.Get("doc"); own != "" {
			doc = own
		}
		properties[name] = describe(maps.Clone(g.schema(f.Type)), doc)
		if !strings.Contains(options, "omit") {
			*required = append(*required, name)
		}
	}
}

// describe adds a description, if there is one.
func describe(s object, doc string) object {
	if doc != "" {
		s["description"] = doc
	}
	return s
}

func (g *schemas) fail(format string, args ...any) {
	if g.err == nil {
		g.err = fmt.Errorf(format, args...)
	}
}
