package admin

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"edge/abi"
	"edge/host"
)

// FuzzAddress feeds paths to the parser: it answers with an *abi.Error or with
// something that serves.
func FuzzAddress(f *testing.F) {
	for _, seed := range []string{"/healthz", "/v1/sandboxes", box, box + "/exec", box + "/fly", "/v1/connections/1", connectionPath, "/v1/sandboxes/%41/%2F/exec", "/v1/sandboxes/a/b/%zz", "//", "", sandboxPath} {
		f.Add(seed)
	}
	all := resources()
	f.Fuzz(func(t *testing.T, path string) {
		a, err := parseAddress(all, path)
		if err != nil {
			if e, ok := err.(*abi.Error); !ok || e.Code.Status() >= 500 {
				t.Errorf("%q: %v", path, err)
			}
			return
		}
		if a.resource == nil || len(a.resource.methods) == 0 || a.resource.allow() == "" {
			t.Errorf("%q is served by nobody", path)
		}
		if a.row != nil && (a.binding == "" || a.id == "") {
			t.Errorf("%q addresses %q %q", path, a.binding, a.id)
		}
	})
}

// FuzzBody feeds request bodies: what gets through names the sandbox of the path
// and no other, and holds every other field.
func FuzzBody(f *testing.F) {
	for _, seed := range []string{`{}`, ``, `null`, `{"a":1}`, `{"sandbox":{"binding":"B","id":"A"},"x":"y"}`, `{"sandbox":null}`, `{"Sandbox":{"id":"other"}}`,
		`{"sandbox":{"sleepAfter":"1m"},"sandbox":{"id":"other"}}`, " {\n}\t", `{"ſandbox":{}}`, `[{}]`, `{"a":1}x`, "{\"a\":\"\xff\"}"} {
		f.Add([]byte(seed))
	}
	a := address{binding: "B", id: "a", row: abi.Exec}
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := addressed(a, body)
		if err != nil {
			if e, ok := err.(*abi.Error); !ok || e.Code != abi.CodeInvalidRequest {
				t.Errorf("%q: %v", body, err)
			}
			return
		}
		in, out := map[string]json.RawMessage{}, map[string]json.RawMessage{}
		if len(bytes.TrimLeft(body, " \t\r\n")) > 0 {
			if err := json.Unmarshal(body, &in); err != nil {
				t.Fatalf("%q was taken: %v", body, err)
			}
		}
		if err := json.Unmarshal(got, &out); err != nil {
			t.Fatalf("%q became %q: %v", body, got, err)
		}
		var ref abi.SandboxRef
		if err := json.Unmarshal(out["sandbox"], &ref); err != nil || ref.Binding != "B" || ref.ID != "a" {
			t.Errorf("%q names %s", body, out["sandbox"])
		}
		delete(in, "sandbox")
		delete(out, "sandbox")
		if len(in) != len(out) {
			t.Errorf("%q became %q", body, got)
		}
		if ref, _, err := abi.SplitCall(a.row, got); err == nil && (ref.Binding != "B" || ref.ID != "a") {
			t.Errorf("%q is carried out in %v", body, ref)
		}
	})
}

// FuzzQuery feeds queries to everything that reads one.
func FuzzQuery(f *testing.F) {
	for _, seed := range []string{"", "pretty", "path=a&mode=0600", "path=a&path=b", "sandbox={}", "sandbox={\"id\":\"x\"}", "%zz", "binding=B&label=a=b&label=c&state=running", "offset=5", "a;b", "length=[1", "path=%00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		for _, row := range []abi.Row{abi.WriteFileStream, abi.ReadFileStream} {
			a := address{binding: "B", id: "a", row: row}
			body, err := queryRequest(a, query)
			if err != nil {
				if e, ok := err.(*abi.Error); !ok || e.Code != abi.CodeInvalidRequest {
					t.Errorf("%q: %v", query, err)
				}
				continue
			}
			if ref, _, err := abi.SplitCall(row, body); err == nil && (ref.Binding != "B" || ref.ID != "a") {
				t.Errorf("%q is carried out in %v", query, ref)
			}
		}
		if _, err := parseFilter(query); err != nil {
			if _, ok := err.(*abi.Error); !ok {
				t.Errorf("%q: %v", query, err)
			}
		}
	})
}

// FuzzRelay feeds what a sandbox may say to the event writer and the header of a
// download: neither lets it write lines of its own.
func FuzzRelay(f *testing.F) {
	for _, seed := range []string{`{"type":"a","cursor":"b"}`, `{"type":"a\nb"}`, `{"type":"\u2028"}`, "{\"type\":\"x\",\n\"a\":1}", `"x"`, `{"a":"\u0085"}`, "{\"a\":\"\x7fä\"}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, msg []byte) {
		if name, id, data, err := frame(msg); err == nil {
			var buf bytes.Buffer
			writeEvent(&buf, name, id, data)
			lines := strings.Split(strings.TrimSuffix(buf.String(), "\n\n"), "\n")
			for i, line := range lines {
				last := i == len(lines)-1
				if strings.HasPrefix(line, "data: ") != last || !last && !strings.HasPrefix(line, "event: ") && !strings.HasPrefix(line, "id: ") || strings.Contains(line, "\r") {
					t.Errorf("%q became %q", msg, buf.String())
				}
			}
		}
		if info, err := asciiJSON(msg); err == nil {
			if strings.ContainsFunc(info, func(r rune) bool { return r < ' ' || r > '~' }) || !json.Valid([]byte(info)) {
				t.Errorf("%q became %q", msg, info)
			}
		}
	})
}

// FuzzConnectionQuery feeds queries on connections: what gets through closes with
// what a close frame can hold, and is INVALID_REQUEST otherwise.
func FuzzConnectionQuery(f *testing.F) {
	for _, seed := range []string{"", "binding=A&id=B", "exposure=80&port=80", "client=::1%25eth0", "client=127.0.0.1", "code=1005", "code=4999&reason=x", "reason=%ff", "port=99999"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		values, err := knownQuery(query, append(names(connectionParameters()), names(closeParameters())...)...)
		if err == nil {
			var filter host.ConnectionFilter
			if filter, err = connectionFilter(values); err == nil && (filter.Port < 0 || filter.Port > 65535 || filter.Exposure && filter.Port == 0) {
				t.Errorf("%q became %+v", query, filter)
			}
		}
		if err == nil {
			var code int
			var reason string
			if code, reason, err = closing(values); err == nil && (code < 1000 || code > 4999 || len(reason) > 123 || !utf8.ValidString(reason)) {
				t.Errorf("%q became %d %q", query, code, reason)
			}
		}
		if e, ok := err.(*abi.Error); err != nil && (!ok || e.Code != abi.CodeInvalidRequest) {
			t.Errorf("%q: %v", query, err)
		}
	})
}
