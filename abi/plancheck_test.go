//go:build !wasip1

package abi

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestParsePlan(t *testing.T) {
	t.Parallel()
	p, err := ParsePlan([]byte(`{
		"sandbox": {"binding": "Sandbox", "id": "User-1", "sleepAfter": "5m"},
		"files": [{"path": "server.ts", "content": "x", "mode": "0755"}, {"path": "/b", "content": "AAE=", "encoding": "base64"}],
		"process": {"processId": "web", "argv": ["bun", "server.ts"], "cwd": "/workspace", "env": {"PORT": "8080"}},
		"ready": {"path": "/health", "status": 200, "interval": "50ms"},
		"then": "connect", "port": 8080, "policy": {"idleTimeout": "1m"}, "timeout": "1m",
		"fallback": {"status": 503, "headers": [["Retry-After", "5"]], "body": "starting"}}`))
	if err != nil {
		t.Fatal(err)
	}
	want := &Plan{
		Sandbox: SandboxRef{Binding: "Sandbox", ID: "user-1", SandboxOptions: SandboxOptions{SleepAfter: Duration(5 * time.Minute)}},
		Files:   []PlanFile{{Path: "server.ts", Content: "x", Mode: "0755"}, {Path: "/b", Content: "AAE=", Encoding: "base64"}},
		Process: &PlanProcess{ProcessID: "web", Argv: []string{"bun", "server.ts"}, Cwd: "/workspace", Env: map[string]string{"PORT": "8080"}},
		Ready:   &PlanReady{Path: "/health", Status: &StatusRange{200, 200}, Interval: Duration(50 * time.Millisecond)},
		Then:    PlanConnect, Port: 8080, Policy: Policy{IdleTimeout: Duration(time.Minute)}, Timeout: Duration(time.Minute),
		Fallback: &PlanAnswer{Status: 503, Headers: [][2]string{{"Retry-After", "5"}}, Body: "starting"},
	}
	if !reflect.DeepEqual(p, want) {
		t.Errorf("got\n%+v\nwant\n%+v", p, want)
	}
	least, err := ParsePlan([]byte(`{"sandbox":{"binding":"S","id":"a"},"then":"proxy","port":3000}`))
	if err != nil || least.Timeout.D() != DefaultPlanTimeout || DecisionNumber(least) != DecisionPlan {
		t.Errorf("the least plan: %+v, %v", least, err)
	}
}

func TestBadPlans(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		edit string // merged over a good plan
		code Code
		want string
	}{
		{"unknown field", `{"sanbox": 1}`, CodeInvalidRequest, `unknown field "sanbox"`},
		{"unknown field inside", `{"ready": {"prot": 1}}`, CodeInvalidRequest, `unknown field "prot"`},
		{"kind", `{"port": "8080"}`, CodeInvalidRequest, "port: want an integer"},
		{"binding", `{"sandbox": {"binding": "1", "id": "a"}}`, CodeUnknownBinding, `"1"`},
		{"id", `{"sandbox": {"binding": "S", "id": "a b"}}`, CodeInvalidSandboxID, `"a b"`},
		{"no port", `{"port": 0}`, CodeInvalidPort, "port 0"},
		{"low port", `{"port": 80}`, CodeInvalidPort, "port 80"},
		{"then", `{"then": "respond"}`, CodeInvalidRequest, `then is "respond"`},
		{"no then", `{"then": ""}`, CodeInvalidRequest, `then is ""`},
		{"timeout", `{"timeout": "11m"}`, CodeInvalidRequest, "more than 10m0s"},
		{"timeout below", `{"timeout": -1}`, CodeInvalidRequest, "duration -1"},
		{"files without process", `{"files": [{"path": "a", "content": ""}]}`, CodeInvalidRequest, "there is no process"},
		{"file without path", `{"process": {"processId": "p", "command": "x"}, "files": [{"path": "", "content": ""}]}`, CodeInvalidRequest, "is no path"},
		{"encoding", `{"process": {"processId": "p", "command": "x"}, "files": [{"path": "a", "encoding": "hex"}]}`, CodeInvalidRequest, `"hex"`},
		{"base64", `{"process": {"processId": "p", "command": "x"}, "files": [{"path": "a", "encoding": "base64", "content": "?"}]}`, CodeInvalidRequest, "not base64"},
		{"mode", `{"process": {"processId": "p", "command": "x"}, "files": [{"path": "a", "mode": "999"}]}`, CodeInvalidRequest, `"999"`},
		{"no process id", `{"process": {"command": "x"}}`, CodeInvalidRequest, "no processId"},
		{"process id", `{"process": {"processId": "a\u0001", "command": "x"}}`, CodeInvalidRequest, "control character"},
		{"no command", `{"process": {"processId": "p"}}`, CodeInvalidRequest, "neither command nor argv"},
		{"two commands", `{"process": {"processId": "p", "command": "x", "argv": ["x"]}}`, CodeInvalidRequest, "both command and argv"},
		{"empty program", `{"process": {"processId": "p", "argv": [""]}}`, CodeInvalidRequest, "is empty"},
		{"NUL", `{"process": {"processId": "p", "command": "a\u0000b"}}`, CodeInvalidRequest, "NUL"},
		{"mode of ready", `{"ready": {"mode": "udp"}}`, CodeInvalidRequest, `"udp"`},
		{"path of ready", `{"ready": {"path": "health"}}`, CodeInvalidRequest, "does not begin with /"},
		{"tcp with path", `{"ready": {"mode": "tcp", "path": "/"}}`, CodeInvalidRequest, "no meaning with mode tcp"},
		{"status", `{"ready": {"status": {"min": 300, "max": 200}}}`, CodeInvalidRequest, "300 to 200"},
		{"policy", `{"policy": {"maxBytes": -1}}`, CodeInvalidRequest, "policy: maxBytes"},
		{"fallback", `{"fallback": {"status": 101}}`, CodeInvalidRequest, "status 101"},
		{"header", `{"fallback": {"status": 503, "headers": [["a b", "c"]]}}`, CodeInvalidRequest, "no token"},
		{"value", `{"fallback": {"status": 503, "headers": [["a", "b\nc"]]}}`, CodeInvalidRequest, "control character"},
		{"framing", `{"fallback": {"status": 503, "headers": [["Content-Length", "3"]]}}`, CodeInvalidRequest, "the host's to write"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			plan := map[string]json.RawMessage{
				"sandbox": json.RawMessage(`{"binding":"Sandbox","id":"a"}`), "then": json.RawMessage(`"proxy"`), "port": json.RawMessage("8080"),
			}
			if err := json.Unmarshal([]byte(tt.edit), &plan); err != nil {
				t.Fatal(err)
			}
			text, err := json.Marshal(plan)
			if err != nil {
				t.Fatal(err)
			}
			_, err = ParsePlan(text)
			if !errors.Is(err, tt.code.Err()) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s with %q", err, tt.code, tt.want)
			}
		})
	}
	for _, text := range []string{"", "null", "[]", "{", "{}", `{"then":"proxy"} {}`} {
		if p, err := ParsePlan([]byte(text)); err == nil {
			t.Errorf("%q became %+v", text, p)
		}
	}
	if _, err := ParsePlan(make([]byte, MaxPlanBytes+1)); !errors.Is(err, CodeBodyTooLarge.Err()) {
		t.Errorf("a huge plan: %v", err)
	}
}

// FuzzPlan reads any bytes: what is accepted is read again from its own JSON as the
// same, and keeps to the bounds.
func FuzzPlan(f *testing.F) {
	f.Add([]byte(`{"sandbox":{"binding":"S","id":"a"},"then":"proxy","port":3000}`))
	f.Add([]byte(`{"sandbox":{"binding":"S","id":"a"},"then":"connect","port":3000,"process":{"processId":"p","argv":["a"]},"ready":{"status":200},"files":[{"path":"x","content":"y"}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := ParsePlan(text)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("%T is no *Error", err)
			}
			return
		}
		if p.Timeout <= 0 || p.Timeout.D() > MaxPlanTimeout || CheckPort(p.Port) != nil {
			t.Fatalf("out of bounds: %+v", p)
		}
		again, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		if len(again) > MaxPlanBytes {
			return // escapes may have made it longer
		}
		if _, err := ParsePlan(again); err != nil && p.Timeout >= Duration(time.Millisecond) {
			t.Fatalf("refused when written again: %v\n%s", err, again)
		}
	})
}
