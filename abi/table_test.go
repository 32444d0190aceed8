package abi_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"edge/abi"
)

// published are the codes that users were promised. They are append-only.
const published = `INVALID_REQUEST INVALID_SANDBOX_ID INVALID_PORT UNKNOWN_BINDING UNKNOWN_OPERATION DENIED NOT_FOUND PROCESS_NOT_FOUND
	PROCESS_ALREADY_EXISTS PROCESS_READY_TIMEOUT PROCESS_EXITED_BEFORE_READY PORT_NOT_EXPOSED PORT_ALREADY_EXPOSED PORT_NOT_LISTENING
	INVALID_TOKEN UPGRADE_REQUIRED UPGRADE_FAILED FILE_NOT_FOUND FILE_EXISTS FILE_TOO_LARGE IS_DIRECTORY NOT_DIRECTORY PERMISSION_DENIED
	SESSION_NOT_FOUND SESSION_ALREADY_EXISTS COMMAND_NOT_FOUND BODY_TOO_LARGE UNSUPPORTED GIT_NOT_AVAILABLE GIT_FAILED IMAGE_NOT_FOUND
	RUNTIME_UNAVAILABLE SANDBOX_STARTING SANDBOX_ASLEEP SANDBOX_LOST SANDBOX_EXITED QUOTA_EXCEEDED TOO_MANY_REQUESTS TIMEOUT CANCELED
	PLUGIN_FAILED PLUGIN_OVERLOADED INTERNAL BACKEND_FAILED`

func TestCodesAreComplete(t *testing.T) {
	t.Parallel()
	rows := abi.Codes()
	for _, c := range declaredCodes(t) {
		if !slices.Contains(rows, c) {
			t.Errorf("%s has no row in the table of code.go", c)
		}
	}
	for _, c := range strings.Fields(published) {
		if !slices.Contains(rows, abi.Code(c)) {
			t.Errorf("%s was published and is gone", c)
		}
	}
	for _, c := range rows {
		if s := c.Status(); s < 400 || s > 599 {
			t.Errorf("%s has the status %d, which is no error", c, s)
		}
		if e := c.Errno(); e == abi.OK || e > abi.Internal {
			t.Errorf("%s has the errno %v", c, e)
		}
		if !regexp.MustCompile(`^[A-Z]+(_[A-Z]+)*$`).MatchString(string(c)) {
			t.Errorf("%q is not upper-case words", c)
		}
	}
	const unknown abi.Code = "NEVER_HEARD_OF"
	if unknown.Status() != 500 || unknown.Errno() != abi.Internal || unknown.Retryable() {
		t.Errorf("an unknown code is %d, %v, retryable %v", unknown.Status(), unknown.Errno(), unknown.Retryable())
	}
}

// declaredCodes returns the values of every Code constant in the source.
func declaredCodes(t *testing.T) []abi.Code {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "code.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var codes []abi.Code
	ast.Inspect(file, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if typ, ok := v.Type.(*ast.Ident); ok && typ.Name == "Code" {
			s, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			codes = append(codes, abi.Code(s))
		}
		return true
	})
	if len(codes) == 0 {
		t.Fatal("found no codes in code.go")
	}
	return codes
}

// TestErrnoGolden holds the numbers of SPEC.md, which are append-only.
func TestErrnoGolden(t *testing.T) {
	t.Parallel()
	names := strings.Fields("OK INVALID NOT_FOUND DENIED TIMEOUT BUSY QUOTA UNAVAILABLE TOO_LARGE CLOSED ALREADY UNSUPPORTED INTERNAL")
	spec, err := os.ReadFile("SPEC.md")
	if err != nil {
		t.Fatal(err)
	}
	for n, want := range names {
		if got := abi.Errno(n).String(); got != want {
			t.Errorf("errno %d is %s, want %s", n, got, want)
		}
		if row := fmt.Sprintf("| %d | `%s` |", n, want); !strings.Contains(string(spec), row) {
			t.Errorf("SPEC.md does not say %s", row)
		}
	}
	if got := abi.Errno(len(names)).String(); got != fmt.Sprintf("ERRNO_%d", len(names)) {
		t.Errorf("the first unknown errno is %s", got)
	}
}

func TestDecisionNumbers(t *testing.T) {
	t.Parallel()
	for want, d := range map[int]abi.Decision{1: &abi.Respond{}, 2: &abi.Connect{}, 3: &abi.Proxy{}, 4: &abi.Next{}} {
		if got := abi.DecisionNumber(d); got != want {
			t.Errorf("%T is %d, want %d", d, got, want)
		}
	}
}

func TestOperationsAreComplete(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, row := range abi.Operations {
		name := row.Name()
		if seen[name] {
			t.Errorf("%s stands in the table twice", name)
		}
		seen[name] = true
		if !regexp.MustCompile(`^[a-z][A-Za-z]+$`).MatchString(name) {
			t.Errorf("%q is no camelCase name", name)
		}
		if d := row.Doc(); d == "" || !strings.HasSuffix(d, ".") {
			t.Errorf("%s: doc %q is no sentence", name, d)
		}
		for _, c := range row.Errors() {
			if !slices.Contains(abi.Codes(), c) {
				t.Errorf("%s can fail with %s, which is no code", name, c)
			}
			if slices.Contains(abi.CommonErrors, c) {
				t.Errorf("%s lists %s, which every operation has", name, c)
			}
		}
		if got := abi.Lookup(name); got != row {
			t.Errorf("Lookup(%q) = %v", name, got)
		}
		for what, v := range map[string]any{"request": row.NewRequest(), "answer": row.NewResponse()} {
			b, err := json.Marshal(v)
			if err != nil {
				t.Errorf("%s: zero %s cannot be written: %v", name, what, err)
			}
			if !strings.HasPrefix(string(b), "{") {
				t.Errorf("%s: %s is %s, no object", name, what, b)
			}
			if strings.Contains(string(b), `"sandbox"`) {
				t.Errorf("%s: the %s has a field \"sandbox\", the envelope's own", name, what)
			}
		}
	}
	for alias, name := range abi.Aliases {
		row := abi.Lookup(alias)
		if row == nil || row.Name() != name || seen[alias] {
			t.Errorf("alias %s for %s: found %v; also a row: %v", alias, name, row, seen[alias])
		}
	}
	if got := abi.Lookup("noSuchOperation"); got != nil {
		t.Errorf("Lookup of nothing = %v", got)
	}
}

func TestNormalizeID(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		in, want, rule string
	}{
		{"a", "a", ""},
		{"MixedCase-1", "mixedcase-1", ""},
		{"a--b", "a--b", ""},
		{"0", "0", ""},
		{strings.Repeat("a", abi.MaxIDLength-1), strings.Repeat("a", abi.MaxIDLength-1), ""},
		{strings.Repeat("A", abi.MaxIDLength), strings.Repeat("a", abi.MaxIDLength), ""},
		{strings.Repeat("a", abi.MaxIDLength+1), "", "longer than 40"},
		{"", "", "empty"},
		{"-a", "", "begins or ends"},
		{"a-", "", "begins or ends"},
		{"-", "", "begins or ends"},
		{"a_b", "", "not a-z"},
		{"a.b", "", "not a-z"},
		{"a b", "", "not a-z"},
		{"../etc", "", "not a-z"},
		{"ä", "", "not a-z"},
		{"\u212a", "", "not a-z"}, // the Kelvin sign lower-cases to k
		{"a\x00b", "", "not a-z"},
		{"www", "", "reserved"},
		{"Admin", "", "reserved"},
		{"wwww", "wwww", ""},
	} {
		got, err := abi.NormalizeID(tt.in)
		if tt.rule == "" {
			if err != nil || got != tt.want {
				t.Errorf("NormalizeID(%q) = %q, %v; want %q", tt.in, got, err, tt.want)
			}
			continue
		}
		if !errors.Is(err, abi.CodeInvalidSandboxID.Err()) || !strings.Contains(err.Error(), tt.rule) || got != "" {
			t.Errorf("NormalizeID(%q) = %q, %v; want INVALID_SANDBOX_ID that says %q", tt.in, got, err, tt.rule)
		}
	}
	// A preview's label is "{port}-{id}-{token}" and must fit a DNS label.
	if n := len("65535-") + abi.MaxIDLength + len("-") + 16; n > 63 {
		t.Errorf("the longest preview label has %d characters", n)
	}
}

func FuzzNormalizeID(f *testing.F) {
	for _, s := range []string{"a", "Www", "-", "a-b", strings.Repeat("x", 41), "\u0130"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		id, err := abi.NormalizeID(s)
		if err != nil {
			return
		}
		if !regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$`).MatchString(id) {
			t.Errorf("%q was taken as %q", s, id)
		}
		if again, err := abi.NormalizeID(id); err != nil || again != id {
			t.Errorf("%q becomes %q, %v", id, again, err)
		}
	})
}

func TestValidBinding(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"S": true, "Sandbox": true, "a_1": true, strings.Repeat("a", 32): true,
		"": false, "1a": false, "_a": false, "a-b": false, "a b": false, "ä": false, strings.Repeat("a", 33): false,
	} {
		if got := abi.ValidBinding(name); got != want {
			t.Errorf("ValidBinding(%q) = %v", name, got)
		}
	}
}

func TestCheckPort(t *testing.T) {
	t.Parallel()
	for port, want := range map[int]bool{1023: false, 1024: true, 3000: true, 65535: true, 65536: false, 0: false, -1: false} {
		err := abi.CheckPort(port)
		if (err == nil) != want || err != nil && !errors.Is(err, abi.CodeInvalidPort.Err()) {
			t.Errorf("CheckPort(%d) = %v", port, err)
		}
	}
}

func TestAsError(t *testing.T) {
	t.Parallel()
	own := abi.Errorf(abi.CodeProcessAlreadyExists, "process %q already exists", "web").WithSuggestion("choose another").WithDetails(map[string]int{"pid": 7})
	secret := errors.New("dial unix /var/lib/secret.sock: no")
	for _, tt := range []struct {
		name string
		err  error
		code abi.Code
	}{
		{"own", own, abi.CodeProcessAlreadyExists},
		{"own, wrapped", fmt.Errorf("start: %w", own), abi.CodeProcessAlreadyExists},
		{"deadline", fmt.Errorf("wait: %w", context.DeadlineExceeded), abi.CodeTimeout},
		{"canceled", context.Canceled, abi.CodeCanceled},
		{"foreign", secret, abi.CodeInternal},
	} {
		e := abi.AsError(tt.err)
		if e.Code != tt.code {
			t.Errorf("%s: code %s, want %s", tt.name, e.Code, tt.code)
		}
		if strings.Contains(e.Error(), "secret") {
			t.Errorf("%s: the internal text got out: %v", tt.name, e)
		}
	}
	if abi.AsError(nil) != nil {
		t.Error("AsError(nil) is not nil")
	}
	if !errors.Is(own, abi.CodeProcessAlreadyExists.Err()) || errors.Is(own, abi.CodeTimeout.Err()) {
		t.Error("errors.Is does not go by the code")
	}
	if !strings.Contains(own.Error(), "already exists") {
		t.Errorf("%q does not say the words that callers test for", own)
	}
	b, err := json.Marshal(own)
	const want = `{"code":"PROCESS_ALREADY_EXISTS","message":"process \"web\" already exists","retryable":false,"started":"no","details":{"pid":7},"suggestion":"choose another"}`
	if err != nil || string(b) != want {
		t.Errorf("the error is written\n%s, %v; want\n%s", b, err, want)
	}
}
