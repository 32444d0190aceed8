package worker

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
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
	docs   map[string]string   // of a type, "ExecRequest", or of a field of it, "ExecRequest.Command"
	values map[string][]string // of a type of words
	done   map[reflect.Type]bool
	queue  []reflect.Type
	asked  map[reflect.Type]bool // a request, or part of one
	out    bytes.Buffer
}

// newDeclarations reads the comments of the package abi.
func newDeclarations(t *testing.T) *declarations {
	t.Helper()
	d := &declarations{docs: map[string]string{}, values: map[string][]string{}, done: map[reflect.Type]bool{}, asked: map[reflect.Type]bool{}}
	files, err := filepath.Glob("../../abi/*.go")
	if err != nil || len(files) == 0 {
		t.Fatal("the package abi is not there: ", err)
	}
	set := token.NewFileSet()
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(set, file, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range f.Decls {
			if g, ok := decl.(*ast.GenDecl); ok {
				d.collect(g)
			}
		}
	}
	return d
}

// collect takes the comments of types and fields, and the values of words.
func (d *declarations) collect(g *ast.GenDecl) {
	for _, spec := range g.Specs {
		switch s := spec.(type) {
		case *ast.TypeSpec:
			d.docs[s.Name.Name] = text(g.Doc)
			if st, ok := s.Type.(*ast.StructType); ok {
				for _, f := range st.Fields.List {
					for _, name := range f.Names {
						d.docs[s.Name.Name+"."+name.Name] = text(f.Doc) + text(f.Comment)
					}
				}
			}
		case *ast.ValueSpec:
			if id, ok := s.Type.(*ast.Ident); ok && g.Tok == token.CONST && len(s.Values) == 1 {
				if lit, ok := s.Values[0].(*ast.BasicLit); ok && lit.Kind == token.STRING {
					d.values[id.Name] = append(d.values[id.Name], lit.Value)
				}
			}
		}
	}
}

// text is a comment on one line.
func text(g *ast.CommentGroup) string { return strings.Join(strings.Fields(g.Text()), " ") }

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
	fmt.Fprintf(&d.out, "%s    interface %s {\n", comment("    ", d.said(t, d.docs[t.Name()])), t.Name())
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
			fmt.Fprintf(&d.out, "%s      %s%s: %s;\n", comment("      ", d.said(t, d.docs[t.Name()+"."+f.Name])), name, mark, d.name(f.Type, request))
		}
	}
}

// said is a comment with the names of fields as JSON has them.
func (d *declarations) said(t reflect.Type, doc string) string {
	for i := range t.NumField() {
		f := t.Field(i)
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" {
			doc = regexp.MustCompile(`\b`+f.Name+`\b`).ReplaceAllString(doc, "`"+name+"`")
		}
	}
	return strings.ReplaceAll(doc, "*/", "*\\/")
}

// comment is a doc comment of TypeScript, in lines of at most 120 characters.
func comment(indent, doc string) string {
	if doc == "" {
		return ""
	}
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
		if words := d.values[t.Name()]; t.PkgPath() != "" && len(words) > 0 {
			return strings.Join(words, " | ")
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
