package remote

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"edge/abi"
)

func TestCall(t *testing.T) {
	t.Parallel()
	e := startEdge(t)
	e.calls["exec"] = func(_ Ref, body []byte) (any, error) { return json.RawMessage(body), nil }
	e.streams["watch"] = func(s *serverStream, request []byte) {
		s.event(abi.WatchEvent{Type: abi.WatchReady})
		s.event(json.RawMessage(request))
		s.end()
	}
	e.streams["readFileStream"] = func(s *serverStream, _ []byte) {
		s.event(abi.FileInfo{Name: "a"})
		_ = s.conn.WriteMessage(2, []byte{0, 0xff, '\n'})
		s.end()
	}
	e.streams["writeFileStream"] = func(s *serverStream, _ []byte) {
		_, data, _ := s.conn.ReadMessage()
		_, end, _ := s.conn.ReadMessage()
		s.event(map[string]string{"data": string(data), "end": string(end)})
		s.end()
	}
	e.streams["streamLogs"] = func(s *serverStream, _ []byte) { s.fail(abi.Errorf(abi.CodeProcessNotFound, "no such process")) }
	tests := []struct {
		name           string
		call           callCommand
		in, out, fails string
	}{
		{"call", callCommand{Operation: "exec", Request: `{"command":"true"}`}, "", "{\n  \"command\": \"true\"\n}\n", ""},
		{"from standard input", callCommand{Operation: "exec", Request: "-"}, `{"a":1}`, "{\n  \"a\": 1\n}\n", ""},
		{"nothing", callCommand{Operation: "exec"}, "", "{}\n", ""},
		{"events", callCommand{Operation: "watch", Request: `{"path":"/"}`}, "", "{\"type\":\"ready\"}\n{\"path\":\"/\"}\n", ""},
		{"download", callCommand{Operation: "readFileStream", Request: `{"path":"a"}`}, "", "\x00\xff\n", ""},
		{"upload", callCommand{Operation: "writeFileStream", Request: `{"path":"a"}`}, "some bytes", `{"data":"some bytes","end":"{\"type\":\"end\"}"}` + "\n", ""},
		{"failed stream", callCommand{Operation: "streamLogs"}, "", "", "PROCESS_NOT_FOUND: no such process"},
		{"unknown", callCommand{Operation: "getlogs"}, "", "", `UNKNOWN_OPERATION: there is no operation "getlogs"`},
		{"no JSON", callCommand{Operation: "exec", Request: "{command}"}, "", "", "INVALID_REQUEST: the request is not a JSON object: invalid character 'c' looking for beginning of object key string"},
		{"no object", callCommand{Operation: "exec", Request: "[]"}, "", "", "INVALID_REQUEST: the request is not a JSON object: json: cannot unmarshal array into Go value of type map[string]json.RawMessage"},
		{"stdin twice", callCommand{Operation: "writeFileStream", Request: "-"}, "", "", "INVALID_REQUEST: writeFileStream takes bytes from standard input, so its request cannot come from there"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := &screen{in: strings.NewReader(tt.in)}
			tt.call.Sandbox = "one"
			err := tt.call.Run(t.Context(), s.env(e))
			if tt.fails != "" {
				if err == nil || err.Error() != tt.fails {
					t.Errorf("err = %v, want %s", err, tt.fails)
				}
				return
			}
			if err != nil || s.out.String() != tt.out {
				t.Errorf("err %v, printed %q, want %q", err, &s.out, tt.out)
			}
		})
	}
}

// TestEveryOperationCanBeCalled walks the table: no row is unknown to call.
func TestEveryOperationCanBeCalled(t *testing.T) {
	t.Parallel()
	e := startEdge(t)
	for _, row := range abi.Operations {
		t.Run(row.Name(), func(t *testing.T) {
			t.Parallel()
			s := &screen{}
			// The edge of this test has none of them: it is asked, and says so.
			err := (&callCommand{Sandbox: "one", Operation: row.Name()}).Run(t.Context(), s.env(e))
			if !isCode(err, abi.CodeUnknownOperation) && !isCode(err, abi.CodeUnsupported) {
				t.Errorf("call %s: %v", row.Name(), err)
			}
		})
	}
}

func TestNotRunningNamesWhatWasTried(t *testing.T) {
	t.Parallel()
	socket := t.TempDir() + "/admin.sock"
	_, err := Dial(t.Context(), []Address{{Socket: socket, From: "edge.yaml"}, {URL: "http://127.0.0.1:1", From: "--admin"}})
	var none *NotRunning
	want := "no edge answers; tried " + socket + " (edge.yaml: there is no such socket), http://127.0.0.1:1 (--admin: nobody listens)"
	if !errors.As(err, &none) || err.Error() != want {
		t.Errorf("err = %v, want %s", err, want)
	}
}

func TestWrongToken(t *testing.T) {
	t.Parallel()
	e, s := startEdge(t), &screen{}
	env := s.env(e)
	env.Locate = func(Connection) ([]Address, error) { return []Address{{URL: e.server.URL, From: "test"}}, nil }
	err := (&psCommand{}).Run(t.Context(), env)
	var denied *abi.Error
	if !errors.As(err, &denied) || denied.Code != abi.CodeDenied || denied.Suggestion != tokenHint {
		t.Errorf("err = %+v", err)
	}
}

func TestParseAddress(t *testing.T) {
	t.Parallel()
	tests := []struct{ text, socket, url string }{
		{"127.0.0.1:8788", "", "http://127.0.0.1:8788"},
		{"[::1]:1", "", "http://[::1]:1"},
		{"localhost:1", "", "http://localhost:1"},
		{"https://edge.example", "", "https://edge.example"},
		{"http://a:1/", "", "http://a:1"},
		{"/run/admin.sock", "/run/admin.sock", ""},
		{"unix:///run/admin.sock", "/run/admin.sock", ""},
		{"admin.sock", "admin.sock", ""},
		{"./a:b/admin.sock", "./a:b/admin.sock", ""},
	}
	for _, tt := range tests {
		if got, err := ParseAddress(tt.text, "x"); err != nil || got.Socket != tt.socket || got.URL != tt.url {
			t.Errorf("ParseAddress(%q) = %+v, %v", tt.text, got, err)
		}
	}
	for _, bad := range []string{"", "ftp://a", "http://", "http://a/v1", "http://a?x", "http://u:p@a", "unix://"} {
		if got, err := ParseAddress(bad, "x"); err == nil {
			t.Errorf("ParseAddress(%q) = %+v", bad, got)
		}
	}
}
