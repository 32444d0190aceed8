package remote

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"edge/abi"
)

const threeBoxes = `{"sandboxes":[
 {"binding":"Sandbox","id":"zeta","state":"running","connections":2,"why":["2 connections"],"labels":{"team":"a"},
  "listening":[{"port":3000,"processId":"web","address":"::1"},{"port":3000,"processId":"web","address":"127.0.0.1"},{"port":9229}],"future":1},
 {"binding":"Sandbox","id":"alpha","state":"running","paused":true,"connections":0},
 {"binding":"Py","id":"job","state":"stopped","connections":0,"why":["idle for 10m0s\u001b[2J"],"runtime":"docker"}]}`

func TestPs(t *testing.T) {
	t.Parallel()
	const head = "SANDBOX        STATE    UP  CONNS  SLEEPS  PORTS           WHY\n"
	tests := []struct {
		name string
		ps   psCommand
		want string
	}{
		{"running", psCommand{}, head +
			"Sandbox/alpha  paused    -      0       -\n" +
			"Sandbox/zeta   running   -      2       -  3000 web, 9229  2 connections\n"},
		{"all", psCommand{All: true}, head +
			"Py/job         stopped   -      0       -                  idle for 10m0s\uFFFD[2J\n" +
			"Sandbox/alpha  paused    -      0       -\n" +
			"Sandbox/zeta   running   -      2       -  3000 web, 9229  2 connections\n"},
		{"names", psCommand{All: true, Quiet: true}, "Py/job\nSandbox/alpha\nSandbox/zeta\n"},
		{"state", psCommand{Quiet: true, Filter: []string{"state=stopped", "state=paused"}}, "Py/job\nSandbox/alpha\n"},
		{"id and binding", psCommand{Quiet: true, Filter: []string{"id=z*", "binding=Sandbox"}}, "Sandbox/zeta\n"},
		{"label", psCommand{Quiet: true, Filter: []string{"label=team=a"}}, "Sandbox/zeta\n"},
		{"label of another", psCommand{Quiet: true, Filter: []string{"label=team=b"}}, ""},
		{"any label", psCommand{Quiet: true, Filter: []string{"label=team"}}, "Sandbox/zeta\n"},
		{"json", psCommand{Output: Output{"json"}, Filter: []string{"id=zeta"}}, `{
  "sandboxes": [
    {
      "binding": "Sandbox",
      "id": "zeta",
      "state": "running",
      "connections": 2,
      "why": [
        "2 connections"
      ],
      "labels": {
        "team": "a"
      },
      "listening": [
        {
          "port": 3000,
          "processId": "web",
          "address": "::1"
        },
        {
          "port": 3000,
          "processId": "web",
          "address": "127.0.0.1"
        },
        {
          "port": 9229
        }
      ],
      "future": 1
    }
  ]
}
`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e, s := startEdge(t), &screen{}
			e.list = threeBoxes
			if err := tt.ps.Run(t.Context(), s.env(e)); err != nil || s.out.String() != tt.want {
				t.Errorf("err %v, printed\n%s\nwant\n%s", err, &s.out, tt.want)
			}
		})
	}
	for _, bad := range []string{"state", "state=", "size=3", "id=[", "=x"} {
		s := &screen{}
		if err := (&psCommand{Filter: []string{bad}}).Run(t.Context(), s.env(startEdge(t))); !isCode(err, abi.CodeInvalidRequest) {
			t.Errorf("filter %q: %v", bad, err)
		}
	}
}

func TestResolve(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		bindings []string
		given    string
		want     string
		fails    string
	}{
		{"only binding", []string{"Sandbox"}, "One", "Sandbox/one", ""},
		{"in full", []string{"Sandbox", "Py"}, "Py/one", "Py/one", ""},
		{"in one of several", []string{"Sandbox", "Py"}, "lone", "Py/lone", ""},
		{"in several", []string{"Sandbox", "Py"}, "one", "", "INVALID_REQUEST: one could be Py/one or Sandbox/one"},
		{"in none of several", []string{"Sandbox", "Py"}, "two", "", "NOT_FOUND: no binding has a sandbox two"},
		{"none", nil, "one", "", "UNKNOWN_BINDING: the edge's configuration has no sandboxes"},
		{"bad id", []string{"Sandbox"}, "a_b", "", `INVALID_SANDBOX_ID: sandbox id "a_b" holds a character that is not a-z, 0-9 or "-"`},
		{"bad binding", []string{"Sandbox"}, "1x/one", "", `UNKNOWN_BINDING: "1x" cannot be a binding`},
		{"two slashes", []string{"Sandbox"}, "a/b/c", "", `INVALID_SANDBOX_ID: sandbox id "b/c" holds a character that is not a-z, 0-9 or "-"`},
		{"empty", []string{"Sandbox"}, "", "", `INVALID_SANDBOX_ID: sandbox id "" is empty`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e, s := startEdge(t), &screen{}
			e.bindings = tt.bindings
			e.list = `{"sandboxes":[{"binding":"Py","id":"lone"},{"binding":"Py","id":"one"},{"binding":"Sandbox","id":"one"}]}`
			client, err := Connection{}.open(t.Context(), s.env(e))
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			got, err := client.resolve(t.Context(), tt.given)
			if tt.fails != "" {
				if err == nil || err.Error() != tt.fails {
					t.Errorf("err = %v, want %s", err, tt.fails)
				}
				return
			}
			if err != nil || got.String() != tt.want {
				t.Errorf("resolve(%q) = %v, %v; want %s", tt.given, got, err, tt.want)
			}
		})
	}
}

func TestLifecycleVerbs(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		run     func(*testing.T, *Env) error
		op      string
		request string
	}{
		{"start", func(t *testing.T, env *Env) error {
			return (&startCommand{sandboxes{Sandboxes: []string{"one"}}}).Run(t.Context(), env)
		}, "start", `{}`},
		{"pause", func(t *testing.T, env *Env) error {
			return (&pauseCommand{sandboxes{Sandboxes: []string{"one"}}}).Run(t.Context(), env)
		}, "pause", `{}`},
		{"resume", func(t *testing.T, env *Env) error {
			return (&resumeCommand{sandboxes{Sandboxes: []string{"one"}}}).Run(t.Context(), env)
		}, "resume", `{}`},
		{"stop", func(t *testing.T, env *Env) error {
			return (&stopCommand{sandboxes: sandboxes{Sandboxes: []string{"one"}}, Signal: "INT", Time: Span(time.Second)}).Run(t.Context(), env)
		}, "stop", `{"signal":"INT","grace":1000}`},
		{"kill the sandbox", func(t *testing.T, env *Env) error {
			return (&killCommand{Sandbox: "one", Signal: "KILL"}).Run(t.Context(), env)
		}, "stop", `{"signal":"KILL"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e, s := startEdge(t), &screen{}
			var request string
			e.calls[tt.op] = func(_ Ref, body []byte) (any, error) {
				request = string(body)
				return abi.SandboxState{State: abi.StateRunning, Paused: tt.op == "pause"}, nil
			}
			if err := tt.run(t, s.env(e)); err != nil {
				t.Fatal(err)
			}
			if request != tt.request && request != strings.TrimSuffix(tt.request, "}")+`,"grace":0}` {
				t.Errorf("asked %s with %s, want %s", tt.op, request, tt.request)
			}
			if got := s.out.String(); got != "Sandbox/one\n" {
				t.Errorf("printed %q", got)
			}
		})
	}
}

// TestNothingToChange holds what the verbs say where the edge's answer shows that
// nothing was done: it is idempotent, and a person may have mistyped a name.
func TestNothingToChange(t *testing.T) {
	t.Parallel()
	one := sandboxes{Sandboxes: []string{"one"}}
	tests := []struct {
		name string
		verb interface {
			Run(context.Context, *Env) error
		}
		op    string
		state abi.State
		want  string
	}{
		{"stop", &stopCommand{sandboxes: one}, "stop", abi.StateAbsent, "NOT_FOUND: there is no sandbox Sandbox/one"},
		{"kill", &killCommand{Sandbox: "one", Signal: "KILL"}, "stop", abi.StateAbsent, "NOT_FOUND: there is no sandbox Sandbox/one"},
		{"pause", &pauseCommand{one}, "pause", abi.StateAbsent, "NOT_FOUND: there is no sandbox Sandbox/one"},
		{"pause a stopped one", &pauseCommand{one}, "pause", abi.StateStopped, "INVALID_REQUEST: Sandbox/one is stopped: there is nothing to pause"},
		{"resume a stopped one", &resumeCommand{one}, "resume", abi.StateStopped, "INVALID_REQUEST: Sandbox/one is stopped: there is nothing to resume"},
		{"top", &topCommand{Sandbox: "one"}, "getState", abi.StateAbsent, "NOT_FOUND: there is no sandbox Sandbox/one"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e, s := startEdge(t), &screen{}
			e.calls[tt.op] = func(Ref, []byte) (any, error) { return abi.SandboxState{State: tt.state}, nil }
			if err := tt.verb.Run(t.Context(), s.env(e)); err == nil || err.Error() != tt.want {
				t.Errorf("err = %v, want %s", err, tt.want)
			}
			if s.out.Len() > 0 {
				t.Errorf("printed %q", &s.out)
			}
		})
	}
}

// TestSeveralSandboxes goes on after one that fails, and says which it was.
func TestSeveralSandboxes(t *testing.T) {
	t.Parallel()
	e, s := startEdge(t), &screen{}
	e.calls["start"] = func(ref Ref, _ []byte) (any, error) {
		if ref.ID == "two" {
			return nil, abi.Errorf(abi.CodeQuotaExceeded, "too many")
		}
		return abi.SandboxState{}, nil
	}
	err := (&startCommand{sandboxes{Sandboxes: []string{"one", "two", "three"}}}).Run(t.Context(), s.env(e))
	if err == nil || err.Error() != "two: QUOTA_EXCEEDED: too many" {
		t.Errorf("err = %v", err)
	}
	if got := s.out.String(); got != "Sandbox/one\nSandbox/three\n" {
		t.Errorf("printed %q", got)
	}
}

func TestRm(t *testing.T) {
	t.Parallel()
	tests := []struct {
		state abi.State
		force bool
		fails string
	}{
		{abi.StateStopped, false, ""},
		{abi.StateRunning, false, "INVALID_REQUEST: Sandbox/one is running"},
		{abi.StateRunning, true, ""},
		{abi.StateAbsent, false, "NOT_FOUND: there is no sandbox Sandbox/one"},
		{abi.StateAbsent, true, ""},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.state, tt.force), func(t *testing.T) {
			t.Parallel()
			e, s, destroyed := startEdge(t), &screen{}, false
			e.calls["getState"] = func(Ref, []byte) (any, error) { return abi.SandboxState{State: tt.state}, nil }
			e.calls["destroy"] = func(Ref, []byte) (any, error) { destroyed = true; return abi.Empty{}, nil }
			err := (&rmCommand{sandboxes: sandboxes{Sandboxes: []string{"one"}}, Force: tt.force}).Run(t.Context(), s.env(e))
			if tt.fails == "" && (err != nil || !destroyed) || tt.fails != "" && (err == nil || err.Error() != tt.fails || destroyed) {
				t.Errorf("err %v, destroyed %v; want %q", err, destroyed, tt.fails)
			}
		})
	}
}

func TestInspect(t *testing.T) {
	t.Parallel()
	e, s := startEdge(t), &screen{}
	code := 3
	e.calls["inspect"] = func(Ref, []byte) (any, error) {
		in := abi.Inspection{
			Binding: "Sandbox", ID: "one", Network: "none", Persist: "all", Preset: "default", SleepAfter: abi.Duration(10 * time.Minute),
			Limits: []abi.Limit{{Name: "memory", Value: "1 GiB", By: "cgroup v1"}, {Name: "disk", Value: "none", By: "nothing"}},
			Facts:  map[string]string{"seccomp": "own profile", "engine": "20.10"},
			Labels: map[string]string{"team": "a"},
			Ports:  []abi.ExposedPort{{Port: 8080, URL: "http://x/"}},
		}
		in.State, in.ExitCode, in.Generation, in.Why, in.Runtime = abi.StateLost, &code, 4, []string{"out of memory"}, "docker"
		return in, nil
	}
	if err := (&inspectCommand{sandboxes: sandboxes{Sandboxes: []string{"one"}}}).Run(t.Context(), s.env(e)); err != nil {
		t.Fatal(err)
	}
	const want = `Sandbox/one
  state       lost, exit code 3, generation 4
  why         out of memory
  sleeps      after 10m without use
  has         0 processes, 0 connections
  runtime     docker
  preset      default
  network     none
  persist     all
  limits      memory  1 GiB     by cgroup v1
              disk    none
  facts       engine     20.10
              seccomp    own profile
  labels      team=a
  ports       8080  http://x/
`
	if s.out.String() != want {
		t.Errorf("printed\n%s\nwant\n%s", &s.out, want)
	}
}

func TestPorts(t *testing.T) {
	t.Parallel()
	e, s := startEdge(t), &screen{}
	e.list = threeBoxes
	var asked abi.ExposePortRequest
	e.calls["exposePort"] = func(_ Ref, body []byte) (any, error) {
		return abi.ExposedPort{Port: 8080, URL: "http://8080-one.localhost/"}, json.Unmarshal(body, &asked)
	}
	e.calls["getExposedPorts"] = func(ref Ref, _ []byte) (any, error) {
		if ref.ID == "job" {
			return abi.ExposedPorts{}, nil
		}
		return abi.ExposedPorts{Ports: []abi.ExposedPort{{Port: 8080, Name: "web", Access: abi.AccessPublic, Status: "active", URL: "http://" + ref.ID + "/", Connections: 1}}}, nil
	}
	e.calls["getListeningPorts"] = func(ref Ref, _ []byte) (any, error) {
		if ref.ID != "zeta" { // of an older edge
			return nil, abi.Errorf(abi.CodeUnknownOperation, "there is no operation")
		}
		return abi.ListeningPorts{Ports: []abi.ListeningPort{
			{Port: 80}, {Port: 5173, Address: "127.0.0.1", ProcessID: "vite"}, {Port: 5173, Address: "::1", ProcessID: "vite"}, {Port: 8080},
		}}, nil
	}
	expose := exposeCommand{port: port{Sandbox: "one", Port: 8080}, Name: "web", TTL: Span(time.Hour), Public: true, Wake: "never"}
	if err := expose.Run(t.Context(), s.env(e)); err != nil || s.out.String() != "http://8080-one.localhost/\n" {
		t.Errorf("expose: %v, %q", err, &s.out)
	}
	if asked.Port != 8080 || asked.Name != "web" || asked.Access != abi.AccessPublic || asked.TTL.D() != time.Hour || asked.Wake != abi.WakeNever {
		t.Errorf("asked for %+v", asked)
	}
	s = &screen{}
	if err := (&portsCommand{}).Run(t.Context(), s.env(e)); err != nil {
		t.Fatal(err)
	}
	const want = "SANDBOX        PORT  NAME  ACCESS  STATUS       CONNS  EXPIRES  URL\n" +
		"Sandbox/alpha  8080  web   public  active           1        -  http://alpha/\n" +
		"Sandbox/zeta   8080  web   public  active           1        -  http://zeta/\n" +
		"Sandbox/zeta     80        -       not exposed      -        -  only ports from 1024 on can be exposed\n" +
		"Sandbox/zeta   5173  vite  -       not exposed      -        -  edge expose Sandbox/zeta 5173\n"
	if s.out.String() != want {
		t.Errorf("printed\n%s\nwant\n%s", &s.out, want)
	}
	for name, bad := range map[string]exposeCommand{
		"public with a token": {Public: true, Token: "abc"}, "public and not": {Public: true, Access: "plugin"},
		"plugin with a token": {Access: "plugin", Token: "abc"}, "wake": {Wake: "sometimes"},
	} {
		if err := bad.Run(t.Context(), s.env(e)); !isCode(err, abi.CodeInvalidRequest) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestExposeOptions wants every flag to reach the edge, and a token that is not in
// the URL to be told beside it.
func TestExposeOptions(t *testing.T) {
	t.Parallel()
	e, s := startEdge(t), &screen{}
	var asked abi.ExposePortRequest
	e.calls["exposePort"] = func(_ Ref, body []byte) (any, error) {
		return abi.ExposedPort{Port: 8080, URL: "http://8080-one.localhost/", Token: "tok_en"}, json.Unmarshal(body, &asked)
	}
	expose := exposeCommand{
		port: port{Sandbox: "one", Port: 8080}, Token: "tok_en", TokenIn: "request", Access: "token", Wake: "hold(10s)", Host: "app:${port}",
		OnRestart: "revoke", IfExposed: "error", MaxConnections: 3,
		policyFlags: policyFlags{
			IdleTimeout: Span(time.Second), MaxDuration: Span(time.Minute), MaxBytes: 10 << 20, MaxMessageBytes: 1 << 10, MessagesPerSecond: 5,
			PingInterval: Span(time.Hour), AllowOrigin: []string{"https://a.example"}, Protocol: []string{"chat"},
		},
	}
	if err := expose.Run(t.Context(), s.env(e)); err != nil || s.out.String() != "http://8080-one.localhost/\n" || !strings.Contains(s.err.String(), "X-Edge-Token: tok_en") {
		t.Errorf("expose: %v, %q, %q", err, &s.out, &s.err)
	}
	want := abi.ExposePortRequest{
		Port: 8080, Token: "tok_en", TokenIn: "request", Access: "token", Wake: "hold(10s)", Host: "app:${port}", OnRestart: "revoke", IfExposed: "error", MaxConnections: 3,
		Policy: abi.Policy{
			IdleTimeout: abi.Duration(time.Second), MaxDuration: abi.Duration(time.Minute), MaxBytes: 10 << 20, MaxMessageBytes: 1 << 10, MessagesPerSecond: 5,
			PingInterval: abi.Duration(time.Hour), AllowOrigins: []string{"https://a.example"}, Protocols: []string{"chat"},
		},
	}
	if !reflect.DeepEqual(asked, want) {
		t.Errorf("asked for %+v, want %+v", asked, want)
	}
}

func TestUnexposeAndLink(t *testing.T) {
	t.Parallel()
	e, s := startEdge(t), &screen{}
	var gone abi.UnexposePortRequest
	e.calls["unexposePort"] = func(_ Ref, body []byte) (any, error) { return abi.Empty{}, json.Unmarshal(body, &gone) }
	if err := (&unexposeCommand{port: port{Sandbox: "one", Port: 8080}, Drain: Span(time.Minute)}).Run(t.Context(), s.env(e)); err != nil || gone.Drain.D() != time.Minute {
		t.Errorf("unexpose: %v, %+v", err, gone)
	}
	var asked abi.PreviewLinkRequest
	e.calls["createPreviewLink"] = func(_ Ref, body []byte) (any, error) {
		return abi.PreviewLink{URL: "http://x/a?edge_link=1"}, json.Unmarshal(body, &asked)
	}
	link := linkCommand{port: port{Sandbox: "one", Port: 8080}, TTL: Span(time.Hour), Path: "/a"}
	if err := link.Run(t.Context(), s.env(e)); err != nil || s.out.String() != "http://x/a?edge_link=1\n" || asked != (abi.PreviewLinkRequest{Port: 8080, TTL: abi.Duration(time.Hour), Path: "/a"}) {
		t.Errorf("link: %v, %q, %+v", err, &s.out, asked)
	}
}

func TestBytes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Bytes{
		"0": 0, "512": 512, "1KiB": 1 << 10, "1.5MiB": 3 << 19, "2GiB": 2 << 30,
		"": -1, "KiB": -1, "-1": -1, "1MB": -1, "1 MiB": -1, "0.1": -1, "nan": -1, "inf": -1, "9999999999GiB": -1,
	} {
		var got Bytes
		if err := got.UnmarshalText([]byte(text)); (err == nil) != (want >= 0) || err == nil && got != want {
			t.Errorf("%q: %d, %v", text, got, err)
		}
	}
}

func TestTopAndKill(t *testing.T) {
	t.Parallel()
	e, s := startEdge(t), &screen{}
	state, code := abi.StateRunning, 1
	e.calls["getState"] = func(Ref, []byte) (any, error) { return abi.SandboxState{State: state}, nil }
	e.calls["listProcesses"] = func(Ref, []byte) (any, error) {
		return abi.ProcessList{Processes: []abi.Process{
			{ID: "web", PID: 12, Status: abi.StatusRunning, Command: "bun run\nserver.ts", StartedAt: time.Now().Add(-time.Hour)},
			{ID: "old", PID: 3, Status: abi.StatusFailed, ExitCode: &code, OOMKilled: true, Command: "false", StartedAt: time.Now().Add(-25 * time.Hour)},
		}}, nil
	}
	e.calls["getListeningPorts"] = func(Ref, []byte) (any, error) {
		return abi.ListeningPorts{Ports: []abi.ListeningPort{{Port: 3000, ProcessID: "web"}, {Port: 3000, ProcessID: "web"}, {Port: 8080}, {Port: 9000, ProcessID: "web"}}}, nil
	}
	if err := (&topCommand{Sandbox: "one"}).Run(t.Context(), s.env(e)); err != nil {
		t.Fatal(err)
	}
	const want = "PROCESS  PID  STATUS   SINCE  EXIT           PORTS       COMMAND\n" +
		"web       12  running     1h  -              3000, 9000  bun run server.ts\n" +
		"old        -  failed      1d  out of memory              false\n"
	if s.out.String() != want {
		t.Errorf("printed\n%s\nwant\n%s", &s.out, want)
	}
	state = abi.StateStopped
	if err := (&topCommand{Sandbox: "one"}).Run(t.Context(), s.env(e)); !isCode(err, abi.CodeSandboxAsleep) {
		t.Errorf("top of a stopped sandbox: %v", err)
	}
	s = &screen{}
	var killed abi.KillRequest
	e.calls["killProcess"] = func(_ Ref, body []byte) (any, error) { return abi.Process{}, json.Unmarshal(body, &killed) }
	if err := (&killCommand{Sandbox: "one", Processes: []string{"web"}, Signal: "HUP"}).Run(t.Context(), s.env(e)); err != nil || s.out.String() != "web\n" {
		t.Errorf("kill: %v, %q", err, &s.out)
	}
	if killed.ProcessID != "web" || killed.Signal != "HUP" {
		t.Errorf("asked to kill %+v", killed)
	}
	if err := (&killCommand{Sandbox: "one", Processes: []string{"web"}, All: true}).Run(t.Context(), s.env(e)); !isCode(err, abi.CodeInvalidRequest) {
		t.Errorf("kill --all of one: %v", err)
	}
}
