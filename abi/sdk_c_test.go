package abi_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"edge/abi"
)

// TestReferenceC fails when the C SDK's objects and operations are not the
// contract's.
func TestReferenceC(t *testing.T) {
	t.Parallel()
	header, source := cTypes(newReference(t))
	sameFile(t, "c/edge_types.h", header)
	sameFile(t, "c/edge_types.c", source)
}

// TestCSDK runs the C SDK's own tests, and those of the examples, natively and
// with every access to memory checked.
func TestCSDK(t *testing.T) {
	t.Parallel()
	compile := checkedCompiler(t)
	t.Run("sdk", func(t *testing.T) {
		t.Parallel()
		runTool(t, compile(t, "c/testdata/sdk_test.c"))
	})
	tests, err := filepath.Glob("../examples/wasm/*/plugin_test.c")
	if err != nil || len(tests) == 0 {
		t.Fatalf("%d examples, %v", len(tests), err)
	}
	for _, test := range tests {
		t.Run(filepath.Base(filepath.Dir(test)), func(t *testing.T) {
			t.Parallel()
			runTool(t, compile(t, test, filepath.Join(filepath.Dir(test), "plugin.c")))
		})
	}
}

// checkedCompiler returns what compiles C with the SDK to a program. Where no
// compiler here can check accesses to memory they are not checked, and in CI the
// test fails.
func checkedCompiler(t *testing.T) func(t *testing.T, sources ...string) (program string) {
	t.Helper()
	sdk, err := filepath.Glob("c/edge_*.c")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	server, err := os.ReadFile("../examples/wasm/echo/server.ts")
	if err != nil {
		t.Fatal(err)
	}
	probe := filepath.Join(dir, "probe.c")
	for name, content := range map[string]string{probe: "int main(void) { return 0; }\n", filepath.Join(dir, "server.inc"): strconv.Quote(string(server))} {
		if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	compiler, flags := needTool(t, "clang", "gcc"), []string{"-fsanitize=address,undefined", "-fno-sanitize-recover=all"}
	if !sanitizes(t, &compiler, flags, probe) {
		if os.Getenv("CI") == "true" {
			t.Fatal("CI must have a C compiler with the address sanitizer")
		}
		t.Log("NOT CHECKED: no C compiler here can check accesses to memory")
		flags = nil
	}
	return func(t *testing.T, sources ...string) string {
		t.Helper()
		program := filepath.Join(t.TempDir(), "program")
		args := append([]string{"-std=c11", "-g", "-O1", "-Wall", "-Wextra", "-Werror", "-I", "c", "-I", dir, "-o", program, "c/fake/edge_fake.c"}, flags...)
		runTool(t, compiler, append(append(args, sdk...), sources...)...)
		return program
	}
}

// sanitizes finds a compiler that links with the flags.
func sanitizes(t *testing.T, compiler *string, flags []string, probe string) bool {
	t.Helper()
	for _, name := range []string{"clang", "gcc"} {
		args := append([]string{"-o", filepath.Join(t.TempDir(), "probe"), probe}, flags...)
		if exec.CommandContext(t.Context(), name, args...).Run() == nil {
			*compiler = name
			return true
		}
	}
	return false
}

// TestCHasEveryOperation looks for each row's name in the C SDK's sources.
func TestCHasEveryOperation(t *testing.T) {
	t.Parallel()
	sources := readSources(t, "c/edge_*.c")
	for _, row := range abi.Operations {
		if !strings.Contains(sources, fmt.Sprintf("sandbox, %q, ", row.Name())) {
			t.Errorf("the C SDK does not have the operation %s", row.Name())
		}
	}
}

const cNote = "/* Written by `go test ./abi -run TestReference -update` from the types of the\n * operation table and their comments. Do not edit. */\n"

// cTypes writes edge_types.h and edge_types.c.
func cTypes(r *reference) (header, source []byte) {
	var h, c bytes.Buffer
	h.WriteString(cNote + "\n#ifndef EDGE_TYPES_H\n#define EDGE_TYPES_H\n\n")
	c.WriteString(cNote + "\n#include \"edge_internal.h\"\n")
	cCodes(&h, &c, r)
	h.WriteString(cComment("", "What operations take and answer. An option that holds nothing (no text, 0, no items, NULL) is left out, and the edge's default counts. Spans are in milliseconds, times are RFC 3339. Whatever an answer points to belongs to the request and ends with it."))
	for _, rec := range r.records() {
		cRecord(&h, &c, r, rec)
	}
	h.WriteString("\n" + cComment("", "The operations. An answer may be NULL, which leaves it with the edge."))
	for _, row := range abi.Operations {
		cOperation(&h, &c, row)
	}
	for _, name := range []string{"not_ready", "lost", "socket_closed", "sandbox_event"} {
		cReader(&h, &c, "Reads an error's details, or an event; false if it is none.", "edge_"+name)
	}
	h.WriteString("\n#endif\n")
	return h.Bytes(), c.Bytes()
}

// cCodes writes the error table.
func cCodes(h, c *bytes.Buffer, r *reference) {
	h.WriteString(cComment("", r.docs["Code"]))
	h.WriteString("typedef enum edge_code {\n\tEDGE_CODE_UNKNOWN = 0, /* one that is newer than this SDK */\n")
	c.WriteString("\nconst edge_code_row edge_code_rows[] = {\n\t[EDGE_CODE_UNKNOWN] = {\"\", EDGE_INTERNAL, 500, false},\n")
	for _, code := range sortedCodes() {
		fmt.Fprintf(h, "\tEDGE_CODE_%s,\n", code)
		fmt.Fprintf(c, "\t[EDGE_CODE_%s] = {%q, EDGE_%s, %d, %t},\n", code, code, code.Errno(), code.Status(), code.Retryable())
	}
	h.WriteString("} edge_code;\n\n")
	c.WriteString("};\n\nconst size_t edge_code_count = sizeof edge_code_rows / sizeof edge_code_rows[0];\n")
}

// cName is a type's name in C; a decision has the name of its function.
func cName(name string) string {
	if name == "Plan" {
		name = "PlanSteps"
	}
	return "edge_" + snake(name)
}

// cRecord writes an object's struct, and the table by which it is written and
// read.
func cRecord(h, c *bytes.Buffer, r *reference, rec record) {
	name := cName(rec.name)
	h.WriteString("\n" + cComment("", snakeDoc(rec.doc, snake)) + "typedef struct " + name + " {\n")
	fmt.Fprintf(c, "\nstatic const edge_field %s_fields[] = {\n", name)
	for _, f := range rec.fields {
		typ, kind, of := cType(r.t, f.typ)
		doc := snakeDoc(f.doc, snake)
		if doc != "" {
			h.WriteString(cComment("\t", doc))
		}
		fmt.Fprintf(h, "\t%s%s;\n", typ, cField(f))
		of = strings.TrimSpace(of)
		if of == "" {
			of = "NULL"
		} else {
			of = "&" + of + "_record"
		}
		fmt.Fprintf(c, "\t{%q, offsetof(%s, %s), %s, %t, %s},\n", f.json, name, cField(f), kind, f.always, of)
	}
	fmt.Fprintf(h, "} %s;\n", name)
	fmt.Fprintf(c, "};\nconst edge_record %s_record = {%[1]s_fields, sizeof %[1]s_fields / sizeof %[1]s_fields[0], sizeof(%[1]s)};\n", name)
}

// cField is a field's name; spans say their unit.
func cField(f recordField) string {
	if f.typ == reflect.TypeFor[abi.Duration]() {
		return snake(f.json) + "_ms"
	}
	return snake(f.json)
}

// cType is a field's type with the space after it, the kind in its table, and the
// record that it is made of.
func cType(t *testing.T, typ reflect.Type) (decl, kind, of string) {
	switch typ {
	case reflect.TypeFor[abi.Duration]():
		return "int64_t ", "EDGE_FIELD_INT", ""
	case reflect.TypeFor[time.Time](), reflect.TypeFor[*time.Time]():
		return "edge_str ", "EDGE_FIELD_STR", ""
	case reflect.TypeFor[json.RawMessage]():
		return "edge_str ", "EDGE_FIELD_RAW", ""
	case reflect.TypeFor[[][2]string]():
		return "edge_pairs ", "EDGE_FIELD_HEADERS", ""
	}
	switch typ.Kind() {
	case reflect.String:
		return "edge_str ", "EDGE_FIELD_STR", ""
	case reflect.Bool:
		return "bool ", "EDGE_FIELD_BOOL", ""
	case reflect.Int, reflect.Int64:
		return "int64_t ", "EDGE_FIELD_INT", ""
	case reflect.Map:
		return "edge_pairs ", "EDGE_FIELD_PAIRS", ""
	case reflect.Struct:
		name := cName(sdkName(typ))
		return name + " ", "EDGE_FIELD_RECORD", name
	case reflect.Pointer:
		switch elem := typ.Elem(); elem.Kind() {
		case reflect.Int, reflect.Int64:
			return "edge_maybe_int ", "EDGE_FIELD_MAYBE_INT", ""
		case reflect.Struct:
			name := cName(sdkName(elem))
			return "const " + name + " *", "EDGE_FIELD_POINTER", name
		}
	case reflect.Slice:
		switch elem := typ.Elem(); elem.Kind() {
		case reflect.String:
			return "edge_strs ", "EDGE_FIELD_STRS", ""
		case reflect.Struct:
			name := cName(sdkName(elem))
			return "struct { const " + name + " *items; size_t count; } ", "EDGE_FIELD_LIST", name
		}
	}
	t.Fatalf("the C SDK has no type for %s", typ)
	return "", "", ""
}

// cOperation writes an operation's function.
func cOperation(h, c *bytes.Buffer, row abi.Row) {
	request, answer := reflect.TypeOf(row.NewRequest()).Elem(), reflect.TypeOf(row.NewResponse()).Elem()
	empty := reflect.TypeFor[abi.Empty]()
	params, in, out := "edge_sandbox *sandbox", "NULL, NULL", "NULL, NULL"
	if request != empty {
		name := cName(sdkName(request))
		params += ", const " + name + " *options"
		in = "&" + name + "_record, options"
	}
	doc, call := row.Doc(), "edge_call"
	switch {
	case row.Kind() != abi.KindCall:
		params += ", edge_socket **stream"
		out, call = "stream", "edge_open"
		doc += " A stream of " + cName(sdkName(answer)) + "."
	case answer != empty:
		name := cName(sdkName(answer))
		params += ", " + name + " *answer"
		out = "&" + name + "_record, answer"
	}
	signature := fmt.Sprintf("edge_errno edge_sandbox_%s(%s)", snake(row.Name()), params)
	h.WriteString("\n" + cComment("", doc) + signature + ";\n")
	fmt.Fprintf(c, "\n%s\n{\n\treturn %s(sandbox, %q, %s, %s);\n}\n", signature, call, row.Name(), in, out)
	if row.Kind() != abi.KindCall {
		cReader(h, c, "Reads a text message of such a stream; false if it is none.", cName(sdkName(answer)))
	}
}

// cReader writes the function that reads an object, once.
func cReader(h, c *bytes.Buffer, doc, name string) {
	reader := fmt.Sprintf("bool edge_read_%s(edge_request *req, edge_str json, %s *out)", strings.TrimPrefix(name, "edge_"), name)
	if !strings.Contains(h.String(), reader) {
		h.WriteString("\n" + cComment("", doc) + reader + ";\n")
		fmt.Fprintf(c, "\n%s\n{\n\treturn edge_read(req, json, &%s_record, out);\n}\n", reader, name)
	}
}

func cComment(indent, text string) string {
	lines := strings.Split(strings.TrimSpace(wrapDoc(indent+" *", text)), "\n")
	if len(lines) == 1 {
		return indent + "/*" + strings.TrimPrefix(strings.TrimSpace(lines[0]), "*") + " */\n"
	}
	lines[0] = indent + "/*" + strings.TrimPrefix(strings.TrimSpace(lines[0]), "*")
	return strings.Join(lines, "\n") + " */\n"
}
