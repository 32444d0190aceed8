package worker

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"edge/abi"
)

var update = flag.Bool("update", false, "write the files that tests compare with")

const operationTypes = "types/operations.d.ts"

// TestOperationTypes compares types/operations.d.ts with the operation table.
func TestOperationTypes(t *testing.T) {
	t.Parallel()
	d := newDeclarations(t)
	got := d.write()
	if *update {
		if err := os.WriteFile(operationTypes, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(operationTypes)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s does not say what the operation table says; write it with: go test ./plugins/worker -run TestOperationTypes -update", operationTypes)
	}
}

// declarations writes TypeScript's types of what operations take and answer, with the
// comments of the Go types.
type declarations struct {
	*abi.Descriptions
	done  map[reflect.Type]bool
	queue []reflect.Type
	asked map[reflect.Type]bool // a request, or part of one
	out   bytes.Buffer
}

func newDeclarations(t *testing.T) *declarations {
	t.Helper()
	said, err := abi.Describe()
	if err != nil {
		t.Fatal(err)
	}
	return &declarations{Descriptions: said, done: map[reflect.Type]bool{}, asked: map[reflect.Type]bool{}}
}

// write declares every operation's types and what they consist of.
func (d *declarations) write() []byte {
	d.out.WriteString(`// Written by "go test ./plugins/worker -run TestOperationTypes -update" from the
// operation table (abi/operation.go) and its comments. Do not edit.

declare module "@cloudflare/sandbox" {
  /** What the edge's operations take and answer, as abi/REFERENCE.md has it. */
  export namespace Api {
    /** A text like "10s", "5m" or "1h30m", or a number of milliseconds. */
    type Duration = string | number;
    /** A name ("TERM") or a number. */
    type Signal = string | number;
    /** RFC 3339. */
    type Time = string;
`)
	for _, row := range abi.Operations {
		d.want(reflect.TypeOf(row.NewRequest()).Elem(), true)
		d.want(reflect.TypeOf(row.NewResponse()).Elem(), false)
	}
	d.want(reflect.TypeFor[abi.SandboxOptions](), true)
	d.want(reflect.TypeFor[abi.WebSocketOptions](), true)
	d.want(reflect.TypeFor[abi.Policy](), true)
	for len(d.queue) > 0 {
		next := d.queue[0]
		d.queue = d.queue[1:]
		d.declare(next)
	}
	d.codes()
	d.out.WriteString("  }\n}\n")
	return d.out.Bytes()
}

// codes declares the codes of errors.
func (d *declarations) codes() {
	codes := abi.Codes()
	slices.Sort(codes)
	d.out.WriteString("    /** The codes of errors. */\n    type Code =")
	for _, c := range codes {
		fmt.Fprintf(&d.out, "\n      | %q", string(c))
	}
	d.out.WriteString(";\n")
}

// want has a type declared.
func (d *declarations) want(t reflect.Type, request bool) {
	if d.done[t] || t == reflect.TypeFor[abi.Empty]() {
		return
	}
	d.done[t], d.asked[t] = true, request
	d.queue = append(d.queue, t)
}

func (d *declarations) declare(t reflect.Type) {
	fmt.Fprintf(&d.out, "%s    interface %s {\n", comment("    ", d.Types[t.Name()]), t.Name())
	d.fields(t, d.asked[t])
	d.out.WriteString("    }\n")
}

// fields declares a type's fields, those of embedded types among them.
func (d *declarations) fields(t reflect.Type, request bool) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && name == "":
			d.fields(f.Type, request)
		case name != "" && name != "-":
			mark := ""
			if strings.Contains(options, "omit") {
				mark = "?"
			}
			fmt.Fprintf(&d.out, "%s      %s%s: %s;\n", comment("      ", d.Fields[t.Name()+"."+name]), name, mark, d.name(f.Type, request))
		}
	}
}

// comment is a doc comment of TypeScript, in lines of at most 120 characters.
func comment(indent, doc string) string {
	if doc == "" {
		return ""
	}
	doc = strings.ReplaceAll(doc, "*/", "*\\/")
	if len(indent)+len(doc) < 110 {
		return indent + "/** " + doc + " */\n"
	}
	lines, row := []string{}, ""
	for _, word := range strings.Fields(doc) {
		if len(indent)+len(row)+len(word) > 110 {
			lines, row = append(lines, row), ""
		}
		row += " " + word
	}
	return indent + "/**\n" + indent + " *" + strings.Join(append(lines, row), "\n"+indent+" *") + "\n" + indent + " */\n"
}

// name is a type as TypeScript calls it.
func (d *declarations) name(t reflect.Type, request bool) string {
	switch t {
	case reflect.TypeFor[abi.Duration]():
		if request {
			return "Duration"
		}
		return "number"
	case reflect.TypeFor[abi.Signal]():
		return "Signal"
	case reflect.TypeFor[abi.StatusRange]():
		return "number | { min?: number; max?: number }"
	case reflect.TypeFor[abi.Error]():
		return "{ code: Code; message: string; retryable: boolean; details?: unknown }"
	case reflect.TypeFor[abi.Wake]():
		return "\"never\" | \"http\" | \"ws\" | \"hold\" | `hold(${string})`"
	}
	if t.PkgPath() == "time" {
		return "Time"
	}
	switch t.Kind() {
	case reflect.Pointer:
		return d.name(t.Elem(), request)
	case reflect.Slice:
		return element(d.name(t.Elem(), request)) + "[]"
	case reflect.Array:
		return "[" + strings.Join(slices.Repeat([]string{d.name(t.Elem(), request)}, t.Len()), ", ") + "]"
	case reflect.Map:
		return "Record<string, " + d.value(t.Elem(), request) + ">"
	case reflect.Struct:
		d.want(t, request)
		return t.Name()
	case reflect.Bool:
		return "boolean"
	case reflect.String:
		if words := d.Values[t.Name()]; t.PkgPath() != "" && len(words) > 0 {
			return `"` + strings.Join(words, `" | "`) + `"`
		}
		return "string"
	}
	return "number"
}

// value is the type of a map's values: what is not to be sent may be undefined.
func (d *declarations) value(t reflect.Type, request bool) string {
	name := d.name(t, request)
	if t.Kind() == reflect.Pointer {
		name += " | null"
	}
	if request {
		name += " | undefined"
	}
	return name
}

// element is a type that [] is put behind.
func element(name string) string {
	if strings.Contains(name, " ") && !strings.HasPrefix(name, "[") {
		return "(" + name + ")"
	}
	return name
}
