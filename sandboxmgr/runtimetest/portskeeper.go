package runtimetest

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"edge/abi"
	"edge/sandboxmgr"
	"edge/sandboxmgr/state"
)

// keeper is a manager with one sandbox on a bench's runtime, and what it told.
type keeper struct {
	*sandboxmgr.Sandbox
	bench   *Bench
	dir     string
	program string
	network string

	manager *sandboxmgr.Manager
	store   *state.Store
	sleep   time.Duration

	mu     sync.Mutex
	events []string // "portOpened 8080 by process web"
}

func newKeeper(t *testing.T, b *Bench, program, network string) *keeper {
	t.Helper()
	k := &keeper{bench: b, dir: RunDir(t), program: program, network: network}
	t.Cleanup(func() {
		if k.manager == nil {
			return
		}
		if _, err := k.Destroy(context.Background(), &abi.Empty{}); err != nil {
			t.Errorf("Destroy: %v", err)
		}
		k.close(t)
	})
	k.open(t)
	return k
}

// open opens the manager, anew after close.
func (k *keeper) open(t *testing.T) {
	t.Helper()
	var err error
	if k.store, err = state.Open(filepath.Join(k.dir, "state.db")); err != nil {
		t.Fatal(err)
	}
	binding := sandboxmgr.Binding{Runtime: k.bench.Runtime, Image: k.bench.Spec.Image, Network: k.network, SleepAfter: k.sleep, MemoryBytes: wickedMemory}
	k.manager, err = sandboxmgr.New(t.Context(), sandboxmgr.Config{
		StateDir: k.dir, Store: k.store, InitPath: k.program, Observe: k.observe,
		Bindings: map[string]sandboxmgr.Binding{"Sandbox": binding},
	})
	if err != nil {
		t.Fatal(errors.Join(err, k.store.Close()))
	}
	if k.Sandbox, err = k.manager.Sandbox(abi.SandboxRef{Binding: "Sandbox", ID: "ports"}); err != nil {
		t.Fatal(err)
	}
}

func (k *keeper) close(t *testing.T) {
	t.Helper()
	if err := errors.Join(k.manager.Close(), k.store.Close()); err != nil {
		t.Error(err)
	}
}

func (k *keeper) observe(e sandboxmgr.Event) {
	if e.Kind != sandboxmgr.EventPortOpened && e.Kind != sandboxmgr.EventPortClosed {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.events = append(k.events, string(e.Kind)+" "+e.Text)
}

// told waits until the events of ports so far are those, in this order.
func (k *keeper) told(t *testing.T, want ...string) {
	t.Helper()
	k.until(t, fmt.Sprintf("events %q", want), func() (string, bool) {
		k.mu.Lock()
		defer k.mu.Unlock()
		return fmt.Sprintf("%q", k.events), slices.Equal(k.events, want)
	})
}

// until waits until ok says so; what it sees meanwhile is for the failure.
func (k *keeper) until(t *testing.T, what string, ok func() (sees string, done bool)) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		sees, done := ok()
		if done {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("never came: %s; instead: %s", what, sees)
		}
	}
}

// start starts a process of the wicked program and waits for its port, if that is not
// 0.
func (k *keeper) start(t *testing.T, id string, port int, args ...string) {
	t.Helper()
	_, err := k.StartProcess(t.Context(), &abi.StartProcessRequest{ProcessID: id, Argv: append([]string{"/.edge/init"}, args...)})
	if err == nil && port != 0 {
		_, err = k.WaitForPort(t.Context(), &abi.WaitForPortRequest{Port: port})
	}
	if err != nil {
		t.Fatalf("%s: %v", id, err)
	}
}

func (k *keeper) kill(t *testing.T, id string) {
	t.Helper()
	if _, err := k.KillProcess(t.Context(), &abi.KillRequest{ProcessID: id}); err != nil {
		t.Fatal(err)
	}
}

// heard lists what listens: "8080 127.0.0.1 web".
func (k *keeper) heard(t *testing.T) []string {
	t.Helper()
	list, err := k.GetListeningPorts(t.Context(), &abi.Empty{})
	if err != nil {
		t.Fatal(err)
	}
	all := []string{}
	for _, p := range list.Ports {
		if p.PID <= 1 {
			t.Errorf("port %d of process %d", p.Port, p.PID)
		}
		all = append(all, fmt.Sprintf("%d %s %s", p.Port, p.Address, p.ProcessID))
	}
	return all
}

func (k *keeper) wantHeard(t *testing.T, want ...string) {
	t.Helper()
	if got := k.heard(t); !slices.Equal(got, want) {
		t.Errorf("%q listen, want %q", got, want)
	}
}

// exposed waits until the exposure of a port is in that state, and returns it.
func (k *keeper) exposed(t *testing.T, port int, status string) (e abi.ExposedPort) {
	t.Helper()
	k.until(t, fmt.Sprintf("port %d %s", port, status), func() (string, bool) {
		list, err := k.GetExposedPorts(t.Context(), &abi.Empty{})
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(list.Ports, func(p abi.ExposedPort) bool { return p.Port == port })
		e = list.Ports[i]
		return e.Status, e.Status == status
	})
	return e
}

// get asks a server in the sandbox by the path that previews take.
func (k *keeper) get(t *testing.T, port int, path string) (string, error) {
	t.Helper()
	c, _, err := k.Dial(t.Context(), port)
	if err != nil {
		return "", err
	}
	defer c.Close()
	return askOver(c, path)
}

func askOver(c net.Conn, path string) (string, error) {
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return "", err
	}
	if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", path); err != nil {
		return "", err
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return string(body), err
}

// refusal dials a closed port and returns what its error's details say.
func (k *keeper) refusal(t *testing.T, port int) abi.NotReady {
	t.Helper()
	c, _, err := k.Dial(t.Context(), port)
	if err == nil {
		c.Close()
	}
	var e *abi.Error
	if !errors.As(err, &e) || e.Code != abi.CodePortNotListening {
		t.Fatalf("dial of port %d: %v", port, err)
	}
	var n abi.NotReady
	if err := json.Unmarshal(e.Details, &n); err != nil {
		t.Fatal(err)
	}
	return n
}
