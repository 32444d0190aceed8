package abi_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"edge/abi"
)

// TestReferenceRust fails when the Rust SDK's objects are not the contract's.
func TestReferenceRust(t *testing.T) {
	t.Parallel()
	sameFile(t, "rust/src/types.rs", rustTypes(newReference(t)))
}

// TestRustHasEveryOperation looks for each row's name, and each code's, in the
// Rust SDK's sources.
func TestRustHasEveryOperation(t *testing.T) {
	t.Parallel()
	sources := readSources(t, "rust/src/*.rs")
	for _, row := range abi.Operations {
		if !strings.Contains(sources, fmt.Sprintf("%q", row.Name())) {
			t.Errorf("the Rust SDK does not have the operation %s", row.Name())
		}
	}
}

// TestRustSDK runs the Rust SDK's own tests, and those of the examples, natively.
func TestRustSDK(t *testing.T) {
	t.Parallel()
	rustc := needTool(t, "/usr/bin/rustc", "rustc")
	dir := t.TempDir()
	strict := []string{"--edition", "2021", "-D", "warnings"}
	compile := func(t *testing.T, args ...string) {
		t.Helper()
		runTool(t, rustc, append(args, strict...)...)
	}
	t.Run("sdk", func(t *testing.T) {
		t.Parallel()
		compile(t, "--test", "--crate-name", "edge", "-o", filepath.Join(dir, "sdk"), "rust/src/lib.rs")
		runTool(t, filepath.Join(dir, "sdk"), "--quiet")
	})
	t.Run("examples", func(t *testing.T) {
		t.Parallel()
		compile(t, "--crate-type", "rlib", "--crate-name", "edge", "--out-dir", dir, "rust/src/lib.rs")
		examples, err := filepath.Glob("../examples/wasm/*/lib.rs")
		if err != nil || len(examples) == 0 {
			t.Fatalf("%d examples, %v", len(examples), err)
		}
		for _, example := range examples {
			compile(t, "--test", "--crate-name", "plugin", "--extern", "edge="+filepath.Join(dir, "libedge.rlib"), "-o", filepath.Join(dir, "example"), example)
			runTool(t, filepath.Join(dir, "example"), "--quiet")
		}
	})
}

func readSources(t *testing.T, pattern string) string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %d files, %v", pattern, len(files), err)
	}
	var all strings.Builder
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(b)
	}
	return all.String()
}

// rustTypes writes types.rs.
func rustTypes(r *reference) []byte {
	var b bytes.Buffer
	b.WriteString("// Written by `go test ./abi -run TestReference -update` from the types of the\n// operation table and their comments. Do not edit.\n\n")
	b.WriteString("//! What operations take and answer. An option that holds nothing (an empty text, 0,\n//! an empty list, `None`) is left out, and the edge's default counts.\n\n")
	b.WriteString("use crate::error::Error;\nuse crate::json::Value;\nuse std::collections::BTreeMap;\nuse std::time::Duration;\n")
	for _, v := range sortedKeys(r.values) {
		if rustWords[v] {
			writeRustWords(&b, r, v)
		}
	}
	writeRustCodes(&b, r)
	for _, rec := range r.records() {
		if rec.name == "Error" { // error.rs
			continue
		}
		doc := snakeDoc(rec.doc, rustField)
		b.WriteString("\nrecord! {\n" + wrapDoc("    ///", doc) + "    pub struct " + rec.name + " {\n")
		for _, f := range rec.fields {
			b.WriteString(wrapDoc("        ///", rustTime(f.typ, snakeDoc(f.doc, rustField))))
			always := ""
			if f.always {
				always = " always"
			}
			fmt.Fprintf(&b, "        pub %s: %s = %q%s,\n", rustField(f.json), rustType(r.t, f), f.json, always)
		}
		b.WriteString("    }\n}\n")
	}
	return b.Bytes()
}

// rustWords are the types with a fixed set of texts that have a Rust type.
var rustWords = map[string]bool{
	"Access": true, "ExecEventType": true, "FileType": true, "IfRunning": true, "InputType": true, "LogEventType": true,
	"SandboxEventType": true, "Started": true, "State": true, "Status": true, "TerminalEventType": true, "WatchEventType": true,
}

func writeRustWords(b *bytes.Buffer, r *reference, name string) {
	b.WriteString("\nwords! {\n" + wrapDoc("    ///", r.docs[name]) + "    pub enum " + name + " {\n")
	for _, v := range r.values[name] {
		fmt.Fprintf(b, "        %s = %q,\n", strings.ToUpper(v[:1])+v[1:], v)
	}
	b.WriteString("    }\n}\n")
}

// writeRustCodes writes the error table.
func writeRustCodes(b *bytes.Buffer, r *reference) {
	codes := sortedCodes()
	variant := func(c abi.Code) string {
		var name strings.Builder
		for _, w := range strings.Split(string(c), "_") {
			name.WriteString(w[:1] + strings.ToLower(w[1:]))
		}
		return name.String()
	}
	b.WriteString("\nwords! {\n" + wrapDoc("    ///", r.docs["Code"]) + "    pub enum Code {\n")
	for _, c := range codes {
		fmt.Fprintf(b, "        %s = %q,\n", variant(c), string(c))
	}
	b.WriteString("    }\n}\n\nimpl Code {\n    /// The code's error number; an unknown code is 12, `INTERNAL`.\n    pub fn errno(&self) -> u32 {\n        match self {\n")
	for _, c := range codes {
		fmt.Fprintf(b, "            Code::%s => %d,\n", variant(c), c.Errno())
	}
	b.WriteString("            Code::Unknown(_) => 12,\n        }\n    }\n\n    /// The HTTP status of an answer that carries the code; an unknown code is 500.\n    pub fn status(&self) -> u16 {\n        match self {\n")
	for _, c := range codes {
		fmt.Fprintf(b, "            Code::%s => %d,\n", variant(c), c.Status())
	}
	b.WriteString("            Code::Unknown(_) => 500,\n        }\n    }\n\n    /// Whether the same call may succeed later without a change.\n    pub fn retryable(&self) -> bool {\n        matches!(\n            self,\n")
	first := true
	for _, c := range codes {
		if c.Retryable() {
			lead := "                | "
			if first {
				lead, first = "            ", false
			}
			fmt.Fprintf(b, "%sCode::%s\n", lead, variant(c))
		}
	}
	b.WriteString("        )\n    }\n}\n")
}

// rustField is a JSON field's name in Rust, where some are keywords.
func rustField(json string) string {
	switch json {
	case "type":
		return "kind"
	case "match":
		return "matched"
	}
	return snake(json)
}

// rustTime says of texts that they are times.
func rustTime(t reflect.Type, doc string) string {
	if t == reflect.TypeFor[time.Time]() || t == reflect.TypeFor[*time.Time]() {
		return strings.TrimSpace(doc + " RFC 3339.")
	}
	return doc
}

func rustType(t *testing.T, f recordField) string {
	if f.json == "port" {
		return "u16"
	}
	return rustTypeOf(t, f.typ)
}

func rustTypeOf(t *testing.T, typ reflect.Type) string {
	switch typ {
	case reflect.TypeFor[abi.Duration]():
		return "Duration"
	case reflect.TypeFor[time.Time]():
		return "String"
	case reflect.TypeFor[*time.Time]():
		return "String"
	case reflect.TypeFor[json.RawMessage]():
		return "Value"
	case reflect.TypeFor[[][2]string]():
		return "Vec<(String, String)>"
	}
	switch typ.Kind() {
	case reflect.String:
		if rustWords[typ.Name()] {
			return typ.Name()
		}
		return "String"
	case reflect.Bool:
		return "bool"
	case reflect.Int, reflect.Int64:
		return "i64"
	case reflect.Pointer:
		return "Option<" + rustTypeOf(t, typ.Elem()) + ">"
	case reflect.Slice:
		return "Vec<" + rustTypeOf(t, typ.Elem()) + ">"
	case reflect.Map:
		return "BTreeMap<String, " + rustTypeOf(t, typ.Elem()) + ">"
	case reflect.Struct:
		return sdkName(typ)
	}
	t.Fatalf("the Rust SDK has no type for %s", typ)
	return ""
}
