package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"edge/sandboxmgr"
	"edge/sandboxmgr/runtimetest"
)

// fake is an engine with one container whose answers a test decides.
type fake struct {
	mu       sync.Mutex
	state    map[string]any // of the container; nil: there is none
	labels   map[string]string
	created  int
	sysctls  map[string]string // of the last create
	waits    int
	breaks   map[string]int // how often the connection breaks after an operation was done
	dying    int            // how often a container cannot be deleted
	lags     int            // how often a paused container is said not to be
	onCreate func()         // unless nil; may block
	onStart  func(f *fake) error
	onWait   func(f *fake, w http.ResponseWriter, n int)
}

const fakeID = "0123456789abcdef"

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	if i := strings.Index(path[1:], "/"); strings.HasPrefix(path, "/v") && i >= 0 {
		path = path[i+1:]
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Api-Version", "1.41")
	if strings.HasSuffix(path, "/wait") {
		f.mu.Lock()
		f.waits++
		n := f.waits
		f.mu.Unlock()
		if f.onWait == nil { // the container runs
			<-r.Context().Done()
			return
		}
		f.onWait(f, w, n) // may block
		return
	}
	if path == "/containers/create" && f.onCreate != nil {
		f.onCreate()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if op := path[strings.LastIndex(path, "/")+1:]; f.breaks[op] > 0 {
		f.breaks[op]--
		f.do(httptest.NewRecorder(), r, path)
		panic(http.ErrAbortHandler)
	}
	f.do(w, r, path)
}

// do does what a request asks for. The caller holds mu.
func (f *fake) do(w http.ResponseWriter, r *http.Request, path string) {
	switch {
	case path == "/_ping":
		fmt.Fprint(w, "OK")
	case path == "/version":
		fmt.Fprint(w, `{"Version":"20.10.24","ApiVersion":"1.41"}`)
	case path == "/info":
		fmt.Fprint(w, `{"CgroupVersion":"1","Driver":"overlay2","Runtimes":{"runc":{}},"DefaultRuntime":"runc"}`)
	case strings.HasPrefix(path, "/images/"):
		fmt.Fprintf(w, `{"Id":"sha256:%064d","Config":{"User":"10001:10001"}}`, 1)
	case path == "/containers/create":
		f.create(w, r)
	case f.state == nil || strings.HasSuffix(path, "/rename"):
		http.Error(w, `{"message":"No such container"}`, http.StatusNotFound)
	case strings.HasSuffix(path, "/json"):
		json.NewEncoder(w).Encode(map[string]any{
			"Id": fakeID, "Name": "/m", "State": f.state, "HostConfig": map[string]any{"Runtime": "runsc"},
			"Config": map[string]any{"Labels": f.labels},
		})
	case strings.HasSuffix(path, "/start"):
		if err := f.onStart(f); err != nil {
			w.WriteHeader(http.StatusInternalServerError)
			json.NewEncoder(w).Encode(map[string]string{"message": err.Error()})
			return
		}
		f.state["Running"], f.state["Status"] = true, "running"
		w.WriteHeader(http.StatusNoContent)
	case strings.HasSuffix(path, "/stop"):
		f.state["Running"], f.state["Status"] = false, "exited"
		w.WriteHeader(http.StatusNoContent)
	case strings.HasSuffix(path, "/unpause") && f.lags > 0:
		f.lags--
		w.WriteHeader(http.StatusConflict)
		json.NewEncoder(w).Encode(map[string]string{"message": "Container is not paused"})
	case strings.HasSuffix(path, "/pause"), strings.HasSuffix(path, "/unpause"):
		f.state["Paused"] = strings.HasSuffix(path, "/pause")
		w.WriteHeader(http.StatusNoContent)
	case r.Method == http.MethodDelete && f.dying > 0:
		f.dying--
		w.WriteHeader(http.StatusInternalServerError)
		json.NewEncoder(w).Encode(map[string]string{"message": "Could not kill running container, cannot remove"})
	case strings.HasSuffix(path, "/wait"):
		fmt.Fprint(w, `{"StatusCode":137}`)
	case r.Method == http.MethodDelete:
		f.state = nil
		w.WriteHeader(http.StatusNoContent)
	default:
		http.Error(w, `{"message":"not in the fake"}`, http.StatusNotImplemented)
	}
}

func (f *fake) create(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Labels     map[string]string
		HostConfig struct{ Sysctls map[string]string }
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	f.created++
	f.labels, f.sysctls = body.Labels, body.HostConfig.Sysctls
	f.state = map[string]any{"Status": "created", "Running": false, "StartedAt": "t1"}
	w.WriteHeader(http.StatusCreated)
	fmt.Fprintf(w, `{"Id":%q}`, fakeID)
}

func newFake(t *testing.T, f *fake) *Runtime {
	t.Helper()
	path := filepath.Join(runtimetest.RunDir(t), "s")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	srv := &httptest.Server{Listener: ln, Config: &http.Server{Handler: f}}
	srv.Start()
	t.Cleanup(srv.Close)
	r, err := New(Config{Host: "unix://" + path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// TestWaitThroughRestart: an engine that goes away under a Wait is asked again,
// and the state of the container is what counts.
func TestWaitThroughRestart(t *testing.T) {
	t.Parallel()
	running := func() map[string]any {
		return map[string]any{"Status": "running", "Running": true, "StartedAt": "t1"}
	}
	tests := []struct {
		name string
		last map[string]any // the state after the third wait
		want sandboxmgr.MachineExit
	}{
		{"ended", map[string]any{"Status": "exited", "StartedAt": "t1", "ExitCode": 137, "OOMKilled": true},
			sandboxmgr.MachineExit{Code: 137, OOMKilled: true}},
		{"started by somebody else", map[string]any{"Status": "running", "Running": true, "StartedAt": "t2"},
			sandboxmgr.MachineExit{Code: exitUnknown}},
		{"removed", nil, sandboxmgr.MachineExit{Code: exitUnknown}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := &fake{state: running()}
			f.onWait = func(f *fake, w http.ResponseWriter, n int) {
				if n < 3 {
					panic(http.ErrAbortHandler) // the connection breaks
				}
				f.mu.Lock()
				f.state = tt.last
				f.mu.Unlock()
				fmt.Fprint(w, `{"StatusCode":0}`)
			}
			r := newFake(t, f)
			m, err := r.Adopt(t.Context(), "m")
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			exit, err := m.Wait(t.Context())
			if err != nil || exit != tt.want {
				t.Errorf("Wait = %+v, %v; want %+v", exit, err, tt.want)
			}
		})
	}
}

// TestResumeOfAnEngineThatLags: an engine that has not noted yet that it paused a
// container is asked again.
func TestResumeOfAnEngineThatLags(t *testing.T) {
	t.Parallel()
	for lags, works := range map[int]bool{freezeTries - 1: true, freezeTries: false} {
		f := &fake{state: map[string]any{"Status": "paused", "Running": true, "Paused": true}, lags: lags}
		m, err := newFake(t, f).Adopt(t.Context(), "m")
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		if err := m.(sandboxmgr.Pauser).Resume(t.Context()); (err == nil) != works {
			t.Errorf("refused %d times: %v", lags, err)
		}
	}
}

// TestOtherKernel: a runtime with a network of its own cannot be dialled into,
// and its process is not the init.
func TestOtherKernel(t *testing.T) {
	t.Parallel()
	r := newFake(t, &fake{state: map[string]any{"Status": "running", "Running": true, "Pid": 1}})
	m, err := r.Adopt(t.Context(), "m")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Dial(t.Context(), 80); !errors.Is(err, sandboxmgr.ErrNoDial) || !strings.Contains(err.Error(), "runsc") {
		t.Errorf("Dial = %v, want %v", err, sandboxmgr.ErrNoDial)
	}
	if m.PID() != 0 {
		t.Errorf("PID = %d, want 0", m.PID())
	}
}

// TestVirtual: a runtime that makes virtual machines gets the init in a volume,
// also from an engine that shares the edge's files.
func TestVirtual(t *testing.T) {
	t.Parallel()
	init := filepath.Join(t.TempDir(), "init")
	if err := os.WriteFile(init, []byte("init"), 0o755); err != nil {
		t.Fatal(err)
	}
	r := newFake(t, &fake{})
	for runtime, want := range map[string]bool{"": false, "runc": false, "runsc": false, "kata": true, "io.containerd.kata.v2": true} {
		w, err := r.wish(t.Context(), &sandboxmgr.MachineSpec{Name: "m", InitPath: init, OCIRuntime: runtime})
		if err != nil || (w.initVolume != "") != want {
			t.Errorf("%q: volume %q, %v", runtime, w.initVolume, err)
		}
	}
}

// TestIPv6Refused: an engine that cannot turn IPv6 on gets containers without.
func TestIPv6Refused(t *testing.T) {
	t.Parallel()
	f := &fake{onStart: func(f *fake) error {
		if len(f.sysctls) > 0 {
			return errors.New(`OCI runtime create failed: sysctl "net.ipv6.conf.all.disable_ipv6" is not in a separate kernel namespace`)
		}
		return nil
	}}
	r := newFake(t, f)
	for range 2 {
		m, err := r.Start(t.Context(), sandboxmgr.MachineSpec{Name: "m", Image: "i"})
		if err != nil {
			t.Fatal(err)
		}
		m.Close()
	}
	if f.created != 2 || len(f.sysctls) != 0 {
		t.Errorf("%d containers made, the last with %v: want 2, and none", f.created, f.sysctls)
	}
}

// TestRestartMeanwhile: an engine that goes away in the middle of a call has done
// what it was asked or not; the next call finds out, and nothing is there twice.
func TestRestartMeanwhile(t *testing.T) {
	t.Parallel()
	for _, op := range []string{"create", "start", "json", "stop", "version", "info"} {
		t.Run(op, func(t *testing.T) {
			t.Parallel()
			f := &fake{breaks: map[string]int{op: 1}, onStart: func(*fake) error { return nil }}
			r := newFake(t, f)
			spec := sandboxmgr.MachineSpec{Name: "m", Image: "i"}
			m, err := r.Start(t.Context(), spec)
			if err != nil {
				if !errors.Is(err, sandboxmgr.ErrRuntimeDown) {
					t.Errorf("Start = %v, want %v", err, sandboxmgr.ErrRuntimeDown)
				}
				if m, err = r.Start(t.Context(), spec); err != nil {
					t.Fatalf("Start again = %v", err)
				}
			}
			defer m.Close()
			if err := m.Stop(t.Context(), 0); err != nil {
				if !errors.Is(err, sandboxmgr.ErrRuntimeDown) {
					t.Errorf("Stop = %v, want %v", err, sandboxmgr.ErrRuntimeDown)
				}
				if err := m.Stop(t.Context(), 0); err != nil {
					t.Fatalf("Stop again = %v", err)
				}
			}
			if f.breaks[op] != 0 {
				t.Error("nothing broke")
			}
			if f.created != 1 || f.state["Running"] != false {
				t.Errorf("%d containers made, the last %v", f.created, f.state)
			}
		})
	}
}

// TestFailedStart: a container that never ran does not stay.
func TestFailedStart(t *testing.T) {
	t.Parallel()
	f := &fake{onStart: func(*fake) error { return errors.New("no space left on device") }}
	r := newFake(t, f)
	_, err := r.Start(t.Context(), sandboxmgr.MachineSpec{Name: "m", Image: "i"})
	if err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("Start = %v", err)
	}
	if f.state != nil {
		t.Error("the container is still there")
	}
}

// TestEngineDown: whatever is wrong with the engine, the error is the same and
// says what to do.
func TestEngineDown(t *testing.T) {
	t.Parallel()
	dir := runtimetest.RunDir(t)
	hung, err := net.Listen("unix", filepath.Join(dir, "hung"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { hung.Close() }) // takes connections and says nothing
	for name, tt := range map[string]struct{ host, want string }{
		"absent": {"unix://" + filepath.Join(dir, "absent"), "start dockerd"},
		"hung":   {"unix://" + filepath.Join(dir, "hung"), "restart dockerd"},
		"closed": {"tcp://127.0.0.1:1", "start dockerd"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := New(Config{Host: tt.host})
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			if err := r.Check(t.Context()); !errors.Is(err, sandboxmgr.ErrRuntimeDown) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Check = %v, want %v with %q", err, sandboxmgr.ErrRuntimeDown, tt.want)
			}
			if name == "hung" {
				return // each call would take a minute
			}
			if _, err := r.Adopt(t.Context(), "m"); !errors.Is(err, sandboxmgr.ErrRuntimeDown) {
				t.Errorf("Adopt = %v, want %v", err, sandboxmgr.ErrRuntimeDown)
			}
			if _, err := r.Start(t.Context(), sandboxmgr.MachineSpec{Name: "m"}); !errors.Is(err, sandboxmgr.ErrRuntimeDown) {
				t.Errorf("Start = %v, want %v", err, sandboxmgr.ErrRuntimeDown)
			}
		})
	}
	if _, err := New(Config{Host: "nonsense"}); err == nil {
		t.Error("New with a bad address succeeded")
	}
}

// TestAlone: calls for one name follow each other, and one that is cancelled
// while it waits goes.
func TestAlone(t *testing.T) {
	t.Parallel()
	r := newFake(t, &fake{})
	entered, leave := make(chan struct{}), make(chan struct{})
	first := make(chan error, 1)
	hold := func() error {
		close(entered)
		<-leave
		return nil
	}
	go func() { first <- r.alone(context.Background(), "m", hold) }()
	<-entered
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := r.alone(ctx, "m", func() error { return errors.New("not alone") }); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("second = %v, want the deadline", err)
	}
	close(leave)
	if err := errors.Join(<-first, r.alone(t.Context(), "m", func() error { return nil })); err != nil {
		t.Error(err)
	}
}

// TestRemoveOfADyingOne asks an engine again that could not end a container.
func TestRemoveOfADyingOne(t *testing.T) {
	t.Parallel()
	for dying, works := range map[int]bool{removeTries - 1: true, removeTries: false} {
		f := &fake{state: map[string]any{"Status": "running", "Running": true}, dying: dying}
		rt := newFake(t, f)
		if err := rt.Remove(t.Context(), "m"); (err == nil) != works {
			t.Errorf("refused %d times: %v", dying, err)
		}
	}
}
