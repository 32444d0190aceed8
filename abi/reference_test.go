package abi_test

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
	"strconv"
	"strings"
	"testing"
	"time"

	"edge/abi"
)

var update = flag.Bool("update", false, "write REFERENCE.md instead of comparing it")

const referenceFile = "REFERENCE.md"

// TestReference fails when REFERENCE.md is not what the operation table, the
// error table and their comments say. "go test ./abi -run TestReference -update"
// writes it.
func TestReference(t *testing.T) {
	t.Parallel()
	want := newReference(t).write()
	if *update {
		if err := os.WriteFile(referenceFile, want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(referenceFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is stale; write it with: go test ./abi -run TestReference -update", referenceFile)
	}
}

// reference writes the page: what the types say comes from reflection, what they
// mean from the comments in the sources.
type reference struct {
	t    *testing.T
	out  bytes.Buffer
	docs map[string]string // "Type" and "Type.Field" to their comments
	// values are the texts of a type's constants, by its name.
	values map[string][]string
	// used are structs that fields refer to, in the order met, to be described
	// after the operations.
	used []reflect.Type
}

func newReference(t *testing.T) *reference {
	t.Helper()
	r := &reference{t: t, docs: map[string]string{}, values: map[string][]string{}}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), f, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, r.collect)
	}
	return r
}

// collect keeps the comments of types and their fields, and what constants hold.
func (r *reference) collect(n ast.Node) bool {
	decl, ok := n.(*ast.GenDecl)
	switch {
	case ok && decl.Tok == token.CONST:
		r.collectValues(decl)
		return true
	case !ok || decl.Tok != token.TYPE:
		return true
	}
	for _, spec := range decl.Specs {
		ts := spec.(*ast.TypeSpec)
		doc := ts.Doc.Text()
		if doc == "" {
			doc = decl.Doc.Text()
		}
		r.docs[ts.Name.Name] = line(doc)
		st, ok := ts.Type.(*ast.StructType)
		if !ok {
			continue
		}
		for _, f := range st.Fields.List {
			for _, name := range f.Names {
				r.docs[ts.Name.Name+"."+name.Name] = line(f.Doc.Text() + " " + f.Comment.Text())
			}
		}
	}
	return true
}

// collectValues keeps the texts of typed constants, in the order of the source.
func (r *reference) collectValues(decl *ast.GenDecl) {
	for _, spec := range decl.Specs {
		vs := spec.(*ast.ValueSpec)
		name, ok := vs.Type.(*ast.Ident)
		if !ok {
			continue
		}
		for _, v := range vs.Values {
			lit, ok := v.(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				continue
			}
			text, err := strconv.Unquote(lit.Value)
			if err != nil {
				r.t.Fatal(err)
			}
			r.values[name.Name] = append(r.values[name.Name], text)
		}
	}
}

// line makes one line of a comment.
func line(s string) string { return strings.Join(strings.Fields(s), " ") }

func (r *reference) printf(format string, args ...any) { fmt.Fprintf(&r.out, format, args...) }

func (r *reference) write() []byte {
	r.printf("# Operations\n\n")
	r.printf("Written by `go test ./abi -run TestReference -update` from the operation table (`operation.go`), the error table (`code.go`) and their comments. Do not edit.\n\n")
	r.printf("An operation is called with one JSON object: `sandbox`, which names the sandbox, and beside it the operation's own fields. ")
	r.printf("A field that the operation does not have is `INVALID_REQUEST`. A *duration* is a text like `\"10s\"`, `\"5m\"` or `\"1h30m\"`, or a number of milliseconds; ")
	r.printf("in answers it is the number. A *time* is RFC 3339. Fields without \"required\" may be left out.\n\n")
	r.printf("```json\n{\"sandbox\": {\"binding\": \"Sandbox\", \"id\": \"my-sandbox\"}, \"command\": \"ls -la\", \"timeout\": \"10s\"}\n```\n\n")
	r.index()
	for _, row := range abi.Operations {
		r.operation(row)
	}
	r.printf("## Objects\n\n")
	r.object(reflect.TypeFor[abi.SandboxRef](), "sandbox")
	r.object(reflect.TypeFor[abi.StreamInput](), "StreamInput")
	for i := 0; i < len(r.used); i++ { // grows as objects refer to others
		r.object(r.used[i], r.used[i].Name())
	}
	r.errors()
	return append(bytes.TrimRight(r.out.Bytes(), "\n"), '\n')
}

func (r *reference) index() {
	r.printf("| operation | |\n|---|---|\n")
	for _, row := range abi.Operations {
		r.printf("| [`%s`](#%s) | %s |\n", row.Name(), strings.ToLower(row.Name()), row.Doc())
	}
	aliases := make([]string, 0, len(abi.Aliases))
	for a, name := range abi.Aliases {
		aliases = append(aliases, fmt.Sprintf("`%s` for `%s`", a, name))
	}
	slices.Sort(aliases)
	r.printf("\nOther names that are taken too: %s.\n\n", strings.Join(aliases, ", "))
}

func (r *reference) operation(row abi.Row) {
	req, resp := reflect.TypeOf(row.NewRequest()).Elem(), reflect.TypeOf(row.NewResponse()).Elem()
	r.printf("## %s\n\n%s\n\n", row.Name(), row.Doc())
	if more := r.moreOf(req); more != "" {
		r.printf("%s\n\n", more)
	}
	r.fields("Request", req, true)
	if text, ok := kinds[row.Kind()]; ok {
		r.printf("%s\n\n", text)
	}
	if r.shared(resp) {
		r.printf("Answer: %s.\n\n", r.typeName(resp))
	} else {
		if more := r.moreOf(resp); more != "" {
			r.printf("%s\n\n", more)
		}
		what := "Answer"
		if row.Kind() == abi.KindEvents || row.Kind() == abi.KindDuplex {
			what = "Event"
		}
		r.fields(what, resp, false)
	}
	if codes := row.Errors(); len(codes) > 0 {
		r.printf("Errors: %s, and those of every operation.\n\n", codeList(codes))
	}
}

// kinds say what a stream is made of.
var kinds = map[abi.Kind]string{
	abi.KindEvents:   "A stream of events, each a JSON object.",
	abi.KindDownload: "A stream: one JSON object, then bytes.",
	abi.KindUpload:   "A stream that takes bytes and then [`{\"type\": \"end\"}`](#streaminput), and gives one JSON object.",
	abi.KindDuplex:   "A stream both ways: bytes, events, and [inputs](#streaminput).",
}

// moreOf is what a struct's comment says after its first sentence, which the
// operation's own repeats.
func (r *reference) moreOf(t reflect.Type) string {
	_, more, _ := strings.Cut(r.docs[t.Name()], ". ")
	return jsonNames(t, more)
}

// shared tells whether several operations answer with the type.
func (r *reference) shared(t reflect.Type) bool {
	n := 0
	for _, row := range abi.Operations {
		if reflect.TypeOf(row.NewResponse()).Elem() == t {
			n++
		}
	}
	return n > 1 && t.NumField() > 0
}

func (r *reference) fields(what string, t reflect.Type, request bool) {
	if t.NumField() == 0 {
		r.printf("%s: nothing.\n\n", what)
		return
	}
	r.printf("| %s | type | |\n|---|---|---|\n", strings.ToLower(what))
	r.rows(t, request)
	r.printf("\n")
}

func (r *reference) rows(t reflect.Type, request bool) {
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			r.rows(f.Type, request)
			continue
		}
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		typ := r.typeName(f.Type)
		if request && !strings.Contains(options, "omit") {
			typ += ", required"
		}
		doc := jsonNames(t, strings.ReplaceAll(r.docs[t.Name()+"."+f.Name], "|", "\\|"))
		r.printf("| `%s` | %s | %s |\n", name, typ, doc)
	}
}

var word = regexp.MustCompile(`\w+`)

// jsonNames replaces the names of t's fields in a comment by those in JSON.
func jsonNames(t reflect.Type, doc string) string {
	return word.ReplaceAllStringFunc(doc, func(w string) string {
		f, ok := t.FieldByName(w)
		if !ok || f.Anonymous {
			return w
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		return "`" + name + "`"
	})
}

func (r *reference) object(t reflect.Type, title string) {
	doc := strings.Replace(r.docs[t.Name()], t.Name(), "`"+title+"`", 1)
	r.printf("### %s\n\n%s\n\n", title, jsonNames(t, doc))
	r.fields("Field", t, t == reflect.TypeFor[abi.SandboxRef]())
}

// named are types that JSON shows as something else than Go does.
var named = map[reflect.Type]string{
	reflect.TypeFor[abi.Duration]():    "duration",
	reflect.TypeFor[abi.Signal]():      "signal name or number",
	reflect.TypeFor[abi.StatusRange](): "number or `{min, max}`",
	reflect.TypeFor[time.Time]():       "time",
	reflect.TypeFor[abi.Status]():      "`starting`, `running`, `completed`, `failed`, `killed` or `error`",
	reflect.TypeFor[abi.State]():       "`absent`, `starting`, `running`, `stopping`, `stopped` or `lost`",
	reflect.TypeFor[abi.Access]():      "`token`, `public` or `plugin`",
	reflect.TypeFor[abi.TokenIn]():     "`host` or `request`",
	reflect.TypeFor[abi.IfRunning]():   "`error`, `reuse` or `restart`",
	reflect.TypeFor[abi.Wake]():        "`never`, `http`, `ws` or `hold(span)`",
	reflect.TypeFor[abi.FileType]():    "`file`, `directory`, `symlink` or `other`",
	reflect.TypeFor[abi.InputType]():   "`end`, `resize` or `signal`",

	reflect.TypeFor[abi.ExecEventType]():     "`start`, `stdout`, `stderr` or `exit`",
	reflect.TypeFor[abi.LogEventType]():      "`stdout`, `stderr`, `dropped` or `exit`",
	reflect.TypeFor[abi.WatchEventType]():    "`ready`, `create`, `modify`, `delete`, `move` or `overflow`",
	reflect.TypeFor[abi.TerminalEventType](): "`ready`, `exit`, `taken` or `error`",
	reflect.TypeFor[abi.Error]():             "[error](#errors)",
}

func (r *reference) typeName(t reflect.Type) string {
	if name, ok := named[t]; ok {
		return name
	}
	switch t.Kind() {
	case reflect.Pointer:
		return r.typeName(t.Elem())
	case reflect.Map:
		if t.Elem().Kind() == reflect.Pointer {
			return "object of " + r.typeName(t.Elem()) + " or null"
		}
		return "object of " + r.typeName(t.Elem())
	case reflect.String:
		if t != reflect.TypeFor[string]() {
			r.t.Errorf("the reference has no words for the values of %s", t)
		}
		return "string"
	case reflect.Bool:
		return "boolean"
	case reflect.Int, reflect.Int64:
		return "number"
	case reflect.Slice:
		return "list of " + r.typeName(t.Elem())
	case reflect.Struct:
		if !slices.Contains(r.used, t) {
			r.used = append(r.used, t)
		}
		return fmt.Sprintf("[%s](#%s)", t.Name(), strings.ToLower(t.Name()))
	}
	r.t.Errorf("the reference has no words for the type %s", t)
	return t.String()
}

func (r *reference) errors() {
	r.printf("## Errors\n\n")
	r.printf("An error is `{code, message, operation, retryable, retryAfterMs?, started, details?, suggestion?}`. `started` is `no`, `maybe` or `yes`: how far the operation had come.\n\n")
	r.printf("Every operation can fail with %s.\n\n", codeList(abi.CommonErrors))
	r.printf("| code | errno | HTTP status | the same call may succeed later |\n|---|---|---|---|\n")
	codes := abi.Codes()
	slices.Sort(codes)
	for _, c := range codes {
		later := ""
		if c.Retryable() {
			later = "yes"
		}
		r.printf("| `%s` | %d `%s` | %d | %s |\n", c, c.Errno(), c.Errno(), c.Status(), later)
	}
}

func codeList(codes []abi.Code) string {
	texts := make([]string, len(codes))
	for i, c := range codes {
		texts[i] = "`" + string(c) + "`"
	}
	return strings.Join(texts, ", ")
}
