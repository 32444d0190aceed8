package sandboxmgr

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"edge/abi"
)

// TestFileRequestsAreChecked has each limit one below, at, and one above, and what
// is refused before a sandbox is started for it.
func TestFileRequestsAreChecked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, row := range abi.Operations {
		w.handle[row.Name()] = func(*machine, json.RawMessage) (any, error) { return row.NewResponse(), nil }
	}
	e := newEdge(t, w, newMemory(), nil)
	longest := strings.Repeat("p", abi.MaxPathBytes)
	// Each field that is a path, in a request that is good without it.
	paths := []struct{ op, field, rest string }{
		{"writeFile", "path", `"content":"x"`}, {"readFile", "path", ``}, {"writeFileStream", "path", ``}, {"readFileStream", "path", ``},
		{"mkdir", "path", ``}, {"deleteFile", "path", ``}, {"renameFile", "oldPath", `"newPath":"n"`}, {"renameFile", "newPath", `"oldPath":"o"`},
		{"moveFile", "sourcePath", `"destinationPath":"d"`}, {"moveFile", "destinationPath", `"sourcePath":"s"`}, {"exists", "path", ``},
		{"setPermissions", "path", `"mode":"0644"`}, {"listFiles", "path", ``}, {"searchFiles", "path", `"glob":"*"`}, {"watch", "path", ``},
		{"checkout", "targetDir", `"url":"/r"`},
	}
	optional := map[string]bool{"searchFiles": true, "checkout": true}
	for _, tt := range paths {
		for path, good := range map[string]bool{
			"a": true, "/a/../b": true, "ä €": true, longest[1:]: true, longest: true, longest + "p": false, `a\u0000b`: false, "": optional[tt.op],
		} {
			request := fmt.Sprintf(`{"%s":"%s"`, tt.field, path)
			if tt.rest != "" {
				request += "," + tt.rest
			}
			checked(t, e, tt.op, request+"}", good, tt.field)
		}
	}
	globs := func(n int) string { return strings.TrimSuffix(strings.Repeat(`"*",`, n), ",") }
	for _, tt := range []struct {
		op, request string
		good        bool
		names       string // what a refusal names
	}{
		{"mkdir", `{"path":"a","mode":"0777"}`, true, ""}, {"mkdir", `{"path":"a","mode":"1000"}`, false, "mode"}, {"mkdir", `{"path":"a","mode":"8"}`, false, "mode"},
		{"writeFileStream", `{"path":"a","mode":"777"}`, true, ""}, {"writeFileStream", `{"path":"a","mode":"-1"}`, false, "mode"},
		{"setPermissions", `{"path":"a","mode":"0"}`, true, ""}, {"setPermissions", `{"path":"a"}`, false, "mode"}, {"setPermissions", `{"path":"a","mode":"x"}`, false, "mode"},
		{"readFileStream", `{"path":"a","offset":9223372036854775807,"length":9223372036854775807}`, true, ""},
		{"readFileStream", `{"path":"a","offset":-1}`, false, "offset"}, {"readFileStream", `{"path":"a","length":-1}`, false, "length"},
		{"listFiles", `{"path":"a","limit":0}`, true, ""}, {"listFiles", `{"path":"a","limit":-1}`, false, "limit"},
		{"listFiles", `{"path":"a","limit":99999}`, true, ""}, {"listFiles", `{"path":"a","limit":100000}`, true, ""}, {"listFiles", `{"path":"a","limit":100001}`, false, "limit"},
		{"searchFiles", `{}`, false, "glob"}, {"searchFiles", `{"text":"x"}`, true, ""}, {"searchFiles", `{"glob":"x"}`, true, ""},
		{"searchFiles", `{"text":"x","limit":9999}`, true, ""}, {"searchFiles", `{"text":"x","limit":10000}`, true, ""}, {"searchFiles", `{"text":"x","limit":10001}`, false, "limit"},
		{"searchFiles", `{"glob":"` + longest[1:] + `"}`, true, ""}, {"searchFiles", `{"glob":"` + longest + `"}`, true, ""}, {"searchFiles", `{"glob":"x` + longest + `"}`, false, "glob"},
		{"searchFiles", `{"text":"` + longest + `"}`, true, ""}, {"searchFiles", `{"text":"x` + longest + `"}`, false, "text"}, {"searchFiles", `{"text":"\u0000"}`, false, "text"},
		{"watch", `{"path":"a","include":[` + globs(63) + `]}`, true, ""}, {"watch", `{"path":"a","exclude":[` + globs(64) + `]}`, true, ""},
		{"watch", `{"path":"a","include":[` + globs(65) + `]}`, false, "include"}, {"watch", `{"path":"a","exclude":[""]}`, false, "exclude"},
		{"watch", `{"path":"a","exclude":["x` + longest + `"]}`, false, "exclude"},
		{"checkout", `{"url":"https://example.org/x"}`, true, ""}, {"checkout", `{}`, false, "url"}, {"checkout", `{"url":"-x"}`, false, "url"},
		{"checkout", `{"url":"/x","branch":"-x"}`, false, "branch"}, {"checkout", `{"url":"/x","depth":-1}`, false, "depth"}, {"checkout", `{"url":"/x","depth":1}`, true, ""},
		{"checkout", `{"url":"` + longest + `"}`, true, ""}, {"checkout", `{"url":"x` + longest + `"}`, false, "url"}, {"checkout", `{"url":"/x","timeout":"24h"}`, true, ""}, {"checkout", `{"url":"/x","timeout":86400001}`, false, "timeout"},
	} {
		checked(t, e, tt.op, tt.request, tt.good, tt.names)
	}
}

// checked carries out a request, which must be good, or be refused by a message that
// names the field.
func checked(t *testing.T, e *edge, name, request string, good bool, field string) {
	t.Helper()
	sb, err := e.Sandbox(abi.SandboxRef{Binding: "B", ID: "s"})
	if err != nil {
		t.Fatal(err)
	}
	got, err := op(t.Context(), sb, name, request)
	switch {
	case good && err != nil:
		t.Errorf("%s %.80s: %v", name, request, err)
	case good:
		if sock, ok := got.(abi.Socket); ok {
			sock.Close(1000, "")
		}
	default:
		if refusal := wantCode(t, err, abi.CodeInvalidRequest); refusal != nil && (!strings.Contains(refusal.Message, field) || refusal.Operation != name) {
			t.Errorf("%s %.80s: says %.200q", name, request, refusal.Message)
		}
	}
}

// TestCheckoutTimeout: without one of its own a checkout has the binding's.
func TestCheckoutTimeout(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var sent abi.CheckoutRequest
	w.handle["checkout"] = func(_ *machine, body json.RawMessage) (any, error) {
		return &abi.CheckoutResponse{Commit: "c"}, json.Unmarshal(body, &sent)
	}
	e := newEdge(t, w, newMemory(), nil)
	sb, err := e.Sandbox(abi.SandboxRef{Binding: "B", ID: "s"})
	if err != nil {
		t.Fatal(err)
	}
	const short = abi.Duration(7 * time.Second)
	for timeout, want := range map[abi.Duration]abi.Duration{0: abi.Duration(sb.binding().ExecTimeout), short: short} {
		if _, err := sb.Checkout(t.Context(), &abi.CheckoutRequest{URL: "/r", Timeout: timeout}); err != nil {
			t.Fatal(err)
		}
		if sent.Timeout != want || want == 0 {
			t.Errorf("sent %v, want %v", sent.Timeout, want)
		}
	}
}
