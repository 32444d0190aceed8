package abi_test

import (
	"bytes"
	"maps"
	"os"
	"os/exec"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"edge/abi"
)

// record is a JSON object of the contract as an SDK in another language has it.
type record struct {
	name   string // the SDK's: "ExecOptions"
	doc    string // other fields are called by their JSON names, in backquotes
	fields []recordField
}

type recordField struct {
	json string
	doc  string
	typ  reflect.Type
	// always is set for a field that is written also when it holds nothing.
	always bool
}

// sdkNames are the names that SDKs give to types, where they are not the
// contract's: those of package guest.
var sdkNames = map[string]string{
	"ExecResponse":         "ExecResult",
	"LogsResponse":         "Logs",
	"WaitForLogResponse":   "LogMatch",
	"ExposePortRequest":    "ExposeOptions",
	"CreateSessionRequest": "SessionOptions",
	"ListFilesResponse":    "FileList",
	"SearchFilesResponse":  "SearchResult",
	"CheckoutResponse":     "CheckoutResult",
	"SessionRequest":       "NamedSession",
	"Process":              "ProcessState",
	"Session":              "SessionState",
	"ProcessRequest":       "NamedProcess",
	"PathRequest":          "NamedPath",
	"PortRequest":          "NamedPort",
	"PortTokenRequest":     "TokenOptions",
}

func sdkName(t reflect.Type) string {
	if name, ok := sdkNames[t.Name()]; ok {
		return name
	}
	name, isRequest := strings.CutSuffix(t.Name(), "Request")
	if isRequest {
		return name + "Options"
	}
	return name
}

// records returns every object that the operations, and the calls that are none,
// take and give, each after those it is made of.
func (r *reference) records() []record {
	var all []record
	seen := map[reflect.Type]bool{}
	var add func(t reflect.Type)
	add = func(t reflect.Type) {
		switch t.Kind() {
		case reflect.Pointer, reflect.Slice:
			add(t.Elem())
			return
		case reflect.Struct:
		default:
			return
		}
		if seen[t] || t == reflect.TypeFor[time.Time]() || t == reflect.TypeFor[abi.Empty]() {
			return
		}
		seen[t] = true
		rec := record{name: sdkName(t), doc: jsonNames(t, strings.Replace(r.docs[t.Name()], t.Name()+" ", sdkName(t)+" ", 1))}
		r.recordFields(&rec, t)
		for _, f := range rec.fields {
			add(f.typ)
		}
		all = append(all, rec)
	}
	add(reflect.TypeFor[abi.Error]())
	for _, row := range abi.Operations {
		add(reflect.TypeOf(row.NewRequest()))
		add(reflect.TypeOf(row.NewResponse()))
	}
	for _, t := range []reflect.Type{
		reflect.TypeFor[abi.SandboxOptions](), reflect.TypeFor[abi.StreamInput](), reflect.TypeFor[abi.SandboxEvent](),
		reflect.TypeFor[abi.SocketClosed](), reflect.TypeFor[abi.WebSocketOptions](), reflect.TypeFor[abi.TargetOptions](),
		reflect.TypeFor[abi.NotReady](), reflect.TypeFor[abi.Lost](), reflect.TypeFor[abi.Plan](),
	} {
		add(t)
	}
	return all
}

// recordFields adds the type's fields, those of embedded structs flattened.
func (r *reference) recordFields(rec *record, t reflect.Type) {
	if t == reflect.TypeFor[abi.StatusRange]() { // which writes itself
		for _, name := range []string{"min", "max"} {
			rec.fields = append(rec.fields, recordField{json: name, typ: reflect.TypeFor[int](), always: true})
		}
		return
	}
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			r.recordFields(rec, f.Type)
			continue
		}
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		rec.fields = append(rec.fields, recordField{
			json: name, doc: jsonNames(t, r.docs[t.Name()+"."+f.Name]), typ: f.Type, always: !strings.Contains(options, "omit"),
		})
	}
}

// snake makes snake_case of a name: "processId" and "ProcessID" are process_id.
func snake(name string) string {
	var b strings.Builder
	runes := []rune(name)
	for i, c := range runes {
		if unicode.IsUpper(c) && i > 0 {
			small := unicode.IsLower(runes[i-1]) || unicode.IsDigit(runes[i-1])
			if small || i+1 < len(runes) && unicode.IsLower(runes[i+1]) {
				b.WriteByte('_')
			}
		}
		b.WriteRune(unicode.ToLower(c))
	}
	return b.String()
}

var quotedName = regexp.MustCompile("`[a-zA-Z]+`")

// snakeDoc gives the fields in a comment the SDK's names.
func snakeDoc(doc string, rename func(string) string) string {
	return quotedName.ReplaceAllStringFunc(doc, func(q string) string {
		return "`" + rename(strings.Trim(q, "`")) + "`"
	})
}

// wrapDoc breaks a comment into lines of at most 90 bytes with the prefix.
func wrapDoc(prefix, doc string) string {
	var b strings.Builder
	column := 0
	for _, w := range strings.Fields(doc) {
		switch {
		case column == 0:
			b.WriteString(prefix)
			column = len(prefix)
		case column+1+len(w) > 90:
			b.WriteString("\n" + prefix)
			column = len(prefix)
		}
		b.WriteString(" " + w)
		column += 1 + len(w)
	}
	if column > 0 {
		b.WriteByte('\n')
	}
	return b.String()
}

// sameFile compares a generated file, or writes it with -update.
func sameFile(t *testing.T, name string, want []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is stale; write it with: go test ./abi -run TestReference -update", name)
	}
}

// sortedCodes are the error codes by name.
func sortedCodes() []abi.Code {
	codes := abi.Codes()
	slices.Sort(codes)
	return codes
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// needTool returns the first of the programs that is there. Without one the test
// is skipped, loudly, and in CI it fails.
func needTool(t *testing.T, names ...string) string {
	t.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("CI must have %s", names[0])
	}
	t.Skipf("SKIPPED, NOT TESTED: needs %s", names[0])
	return ""
}

func runTool(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}
