package admin_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"edge/abi"
	"edge/host"
	"edge/host/admin"
	"edge/sandboxmgr"
	"edge/sandboxmgr/state"
)

// runtime runs machines that are nothing but a name.
type runtime struct {
	mu       sync.Mutex
	machines map[string]*machine
}

func (r *runtime) Name() string                { return "fake" }
func (r *runtime) Check(context.Context) error { return nil }

func (r *runtime) Start(_ context.Context, spec sandboxmgr.MachineSpec) (sandboxmgr.Machine, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := &machine{ended: make(chan struct{})}
	r.machines[spec.Name] = m
	return m, nil
}

func (r *runtime) Adopt(context.Context, string) (sandboxmgr.Machine, error) {
	return nil, sandboxmgr.ErrNoMachine
}

func (r *runtime) Remove(_ context.Context, name string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if m := r.machines[name]; m != nil {
		m.end()
	}
	delete(r.machines, name)
	return nil
}

type machine struct {
	once  sync.Once
	ended chan struct{}
}

func (m *machine) end()         { m.once.Do(func() { close(m.ended) }) }
func (m *machine) PID() int     { return 0 }
func (m *machine) Close() error { return nil }

func (m *machine) Dial(context.Context, int) (net.Conn, error) { return nil, syscall.ECONNREFUSED }

func (m *machine) Stop(context.Context, time.Duration) error {
	m.end()
	return nil
}

func (m *machine) Wait(ctx context.Context) (sandboxmgr.MachineExit, error) {
	select {
	case <-m.ended:
		return sandboxmgr.MachineExit{}, nil
	case <-ctx.Done():
		return sandboxmgr.MachineExit{}, ctx.Err()
	}
}

// agent is an init that knows two operations; what else it may be asked is none
// of this test.
type agent struct{ sandboxmgr.Init }

func (agent) SetPeer(int)                                   {}
func (agent) Ready(context.Context) (string, error)         { return "boot", nil }
func (agent) Broken() bool                                  { return false }
func (agent) Close() error                                  { return nil }
func (agent) Tunnel(context.Context, int) (net.Conn, error) { return nil, syscall.ECONNREFUSED }
func (agent) Call(_ context.Context, op string, req, resp any) error {
	if op != abi.Exec.Name() {
		return nil
	}
	b, err := json.Marshal(&abi.ExecResponse{Success: true, Stdout: req.(*abi.ExecRequest).Command})
	return errors.Join(err, json.Unmarshal(b, resp))
}

func (agent) Open(_ context.Context, op string, _ any) (abi.Socket, error) {
	return &script{messages: []string{`{"type":"start","pid":7}`, `{"type":"exit","exitCode":0}`}}, nil
}

// script is a stream that says its messages and ends.
type script struct{ messages []string }

func (s *script) Receive(context.Context) (byte, []byte, error) {
	if len(s.messages) == 0 {
		return 0, nil, &abi.SocketClosed{Code: 1000}
	}
	m := s.messages[0]
	s.messages = s.messages[1:]
	return abi.OpcodeText, []byte(m), nil
}

func (s *script) Send(context.Context, byte, []byte) error { return nil }
func (s *script) Close(int, string) error                  { return nil }

// TestManager asks a real manager: names, errors, states, lists and events as
// they are.
func TestManager(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "edge")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	store, err := state.Open(filepath.Join(dir, "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	events := new(admin.Events)
	manager, err := sandboxmgr.New(t.Context(), sandboxmgr.Config{
		Store: store, StateDir: dir, InitPath: "/init", Observe: events.Publish,
		OpenInit: func(string, string, *slog.Logger) (sandboxmgr.Init, error) { return agent{}, nil },
		Bindings: map[string]sandboxmgr.Binding{
			"Sandbox": {Runtime: &runtime{machines: map[string]*machine{}}, Image: "img", Env: map[string]string{"KEY": "SECRET"}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	server := &admin.Server{
		Operations: host.Operations{Sandboxes: manager}, Sandboxes: manager, Events: events,
		Token: strings.Repeat("t", 40),
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()
	client := &http.Client{Transport: &http.Transport{}}
	defer func() {
		client.CloseIdleConnections()
		if err := errors.Join(server.Shutdown(context.Background()), <-served); err != nil {
			t.Error(err)
		}
	}()
	request := func(method, path, body string) *http.Response {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, "http://"+ln.Addr().String()+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+server.Token)
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		return resp
	}
	watching := request("GET", "/v1/events?id=my-box", "")
	defer watching.Body.Close()
	for _, tt := range []struct {
		method, path, body string
		status             int
		want               []string
	}{
		{"GET", "/v1/sandboxes", "", 200, []string{`{"sandboxes":[]}`}},
		{"GET", "/v1/sandboxes/Sandbox/my-box", "", 200, []string{`"binding":"Sandbox","id":"my-box","state":"absent"`}},
		{"POST", "/v1/sandboxes/None/my-box/start", "", 404, []string{`"UNKNOWN_BINDING"`}},
		{"POST", "/v1/sandboxes/Sandbox/my_box/start", "", 400, []string{`"INVALID_SANDBOX_ID"`}},
		{"POST", "/v1/sandboxes/Sandbox/%00/start", "", 400, []string{`"INVALID_SANDBOX_ID"`}},
		{"POST", "/v1/sandboxes/Sandbox/my-box/exec", `{"comand":"ls"}`, 400, []string{`"INVALID_REQUEST"`, "comand"}},
		{"POST", "/v1/sandboxes/Sandbox/MY-Box/exec", `{"command":"ls"}`, 200, []string{`"success":true`, `"stdout":"ls"`}},
		{"POST", "/v1/sandboxes/Sandbox/my-box/execStream", `{"command":"ls"}`, 200, []string{"event: start\n", "event: exit\n"}},
		{"GET", "/v1/sandboxes?state=running", "", 200, []string{`{"sandboxes":[{"binding":"Sandbox","id":"my-box",`, `"state":"running","generation":1`}},
		{"GET", "/v1/sandboxes?state=stopped", "", 200, []string{`{"sandboxes":[]}`}},
		{"GET", "/v1/sandboxes?binding=Other", "", 200, []string{`{"sandboxes":[]}`}},
		{"GET", "/v1/sandboxes?state=asleep", "", 400, []string{`"INVALID_REQUEST"`, "asleep"}},
		{"GET", "/v1/bindings", "", 200, []string{`"name":"Sandbox","runtime":"fake","image":"img"`, `"network":"none"`}},
		{"DELETE", "/v1/sandboxes/Sandbox/my-box", "", 200, []string{"{}"}},
		{"GET", "/v1/sandboxes", "", 200, []string{`{"sandboxes":[]}`}},
		{"GET", "/v1/doctor", "", 501, []string{`"UNSUPPORTED"`}},
	} {
		resp := request(tt.method, tt.path, tt.body)
		b, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != tt.status || strings.Contains(string(b), "SECRET") {
			t.Errorf("%s %s: %d %s, %v", tt.method, tt.path, resp.StatusCode, b, err)
		}
		for _, want := range tt.want {
			if !strings.Contains(string(b), want) {
				t.Errorf("%s %s: no %s in %s", tt.method, tt.path, want, b)
			}
		}
	}
	var told strings.Builder
	for !strings.Contains(told.String(), "event: destroyed\n") {
		b := make([]byte, 4096)
		n, err := watching.Body.Read(b)
		told.Write(b[:n])
		if err != nil {
			t.Fatalf("after %s: %v", told.String(), err)
		}
	}
	if !strings.Contains(told.String(), "event: started\n") {
		t.Errorf("told: %s", told.String())
	}
}
