package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"edge/abi"
	"edge/sandboxmgr"
	"edge/sandboxmgr/docker"
	"edge/sandboxmgr/initlink"
	"edge/sandboxmgr/process"
	sandboxstate "edge/sandboxmgr/state"
)

// guestPort is where the trivial server listens.
const guestPort = 8080

// lab is a manager of real sandboxes in this process: what the edge does, less
// HTTP.
type lab struct {
	*sandboxmgr.Manager
	b      *testing.B
	next   atomic.Int64
	hellos chan struct{} // one for each init that said hello
}

// limits are those that a configuration gives by default.
func limits(b sandboxmgr.Binding) sandboxmgr.Binding {
	b.MemoryBytes, b.CPUs, b.PIDs = 1<<30, 1, 512
	return b
}

// serving has the trivial server run at every start, and waited for.
func serving(b sandboxmgr.Binding) sandboxmgr.Binding {
	server := abi.StartProcessRequest{ProcessID: "server", Argv: serverArgv(guestPort)}
	b.Start = []sandboxmgr.Autostart{{StartProcessRequest: server, Port: guestPort}}
	return b
}

func serverArgv(port int) []string { return []string{"guest", "serve", fmt.Sprint(port)} }

// labRuntimes are what a lab's bindings are made of: each has the guest's program.
type labRuntimes struct{ process, docker sandboxmgr.Binding }

// newLab opens a manager, without the bindings on docker where there is no engine.
// The benchmark's end destroys its sandboxes.
func newLab(b *testing.B, bindings func(r labRuntimes) map[string]sandboxmgr.Binding) *lab {
	b.Helper()
	dir, err := os.MkdirTemp("", "edge-lab-")
	if err != nil {
		b.Fatal(err)
	}
	init := copyInit(b, dir)
	byProcess, err := process.New(process.Config{StateDir: dir, Executable: init})
	if err == nil {
		err = byProcess.Check(b.Context())
	}
	if err != nil {
		need(b, false, fmt.Sprintf("the process runtime: %v", err))
	}
	byDocker, err := docker.New(docker.Config{Host: os.Getenv("DOCKER_HOST")})
	if err != nil {
		b.Fatal(err)
	}
	store, err := sandboxstate.Open(filepath.Join(dir, "state.db"))
	if err != nil {
		b.Fatal(err)
	}
	r := labRuntimes{process: limits(sandboxmgr.Binding{Runtime: byProcess, Tools: []string{guestProgram(b)}})}
	if findDocker() == nil {
		r.docker = limits(sandboxmgr.Binding{Runtime: byDocker, Image: guestImage(b)})
	}
	known := bindings(r)
	maps.DeleteFunc(known, func(_ string, b sandboxmgr.Binding) bool { return b.Runtime == nil })
	l := &lab{b: b, hellos: make(chan struct{}, 1000)}
	l.Manager, err = sandboxmgr.New(context.Background(), sandboxmgr.Config{
		StateDir: dir, Store: store, InitPath: init, OpenInit: l.openInit, Bindings: known,
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		for _, known := range l.List() {
			l.destroy(l.open(known.Ref.Binding, known.Ref.ID))
		}
		if err := errors.Join(l.Manager.Close(), byDocker.Close(), store.Close(), os.RemoveAll(dir)); err != nil {
			b.Error(err)
		}
	})
	return l
}

// copyInit puts the sandboxes' init into a folder: make may build another one
// meanwhile.
func copyInit(b *testing.B, dir string) string {
	b.Helper()
	program, err := os.ReadFile(filepath.Join(root, "cmd", "edge", "assets", "init-linux-"+runtime.GOARCH))
	path := filepath.Join(dir, "init")
	if err == nil {
		err = os.WriteFile(path, program, 0o755)
	}
	if err != nil {
		b.Fatal(err)
	}
	return path
}

func (l *lab) open(binding, id string) *sandboxmgr.Sandbox {
	l.b.Helper()
	s, err := l.Sandbox(abi.SandboxRef{Binding: binding, ID: id})
	if err != nil {
		l.b.Fatal(err)
	}
	return s
}

// fresh is a sandbox that has never been.
func (l *lab) fresh(binding string) *sandboxmgr.Sandbox {
	return l.open(binding, fmt.Sprintf("bench-%d", l.next.Add(1)))
}

// started is one that runs.
func (l *lab) started(binding string) *sandboxmgr.Sandbox {
	l.b.Helper()
	s := l.fresh(binding)
	if _, err := s.Start(l.b.Context(), &abi.Empty{}); err != nil {
		l.b.Fatal(err)
	}
	return s
}

func (l *lab) destroy(s *sandboxmgr.Sandbox) {
	l.b.Helper()
	if _, err := s.Destroy(context.Background(), &abi.Empty{}); err != nil {
		l.b.Error(err)
	}
}

func (l *lab) exec(s *sandboxmgr.Sandbox, argv ...string) {
	l.b.Helper()
	got, err := s.Exec(l.b.Context(), &abi.ExecRequest{Argv: argv})
	if err != nil || !got.Success {
		l.b.Fatalf("%q: %+v, %v", argv, got, err)
	}
}

// serve starts the trivial server on a port.
func (l *lab) serve(s *sandboxmgr.Sandbox, port int) {
	l.b.Helper()
	id := fmt.Sprint("server-", port)
	if _, err := s.StartProcess(l.b.Context(), &abi.StartProcessRequest{ProcessID: id, Argv: serverArgv(port)}); err != nil {
		l.b.Fatal(err)
	}
}

func (l *lab) kill(s *sandboxmgr.Sandbox, port int) {
	l.b.Helper()
	req := &abi.KillRequest{ProcessID: fmt.Sprint("server-", port), Signal: abi.Signal("SIGKILL")}
	if _, err := s.KillProcess(l.b.Context(), req); err != nil {
		l.b.Fatal(err)
	}
}

func (l *lab) waitForPort(s *sandboxmgr.Sandbox, port int) {
	l.b.Helper()
	req := &abi.WaitForPortRequest{Port: port, ProcessID: fmt.Sprint("server-", port)}
	if _, err := s.WaitForPort(l.b.Context(), req); err != nil {
		l.b.Fatal(err)
	}
}

// awaitHello waits for the first hello of an init of which nobody has been told
// yet: that of a sandbox started ahead, for one.
func (l *lab) awaitHello() {
	l.b.Helper()
	select {
	case <-l.hellos:
	case <-time.After(patience):
		l.b.Fatalf("no init said hello within %s", patience)
	}
}

// openInit is the manager's own, with the first hello told.
func (l *lab) openInit(dir, token string, log *slog.Logger) (sandboxmgr.Init, error) {
	link, err := initlink.Open(initlink.Config{Dir: dir, Token: token, Log: log})
	if err != nil {
		return nil, err
	}
	return &heardInit{Link: link, hellos: l.hellos}, nil
}

// heardInit tells its first hello.
type heardInit struct {
	*initlink.Link
	once   sync.Once
	hellos chan<- struct{}
}

func (i *heardInit) Ready(ctx context.Context) (boot string, err error) {
	h, err := i.Link.Ready(ctx)
	if err == nil {
		i.once.Do(i.tell)
	}
	return h.Boot, err
}

func (i *heardInit) tell() {
	select {
	case i.hellos <- struct{}{}:
	default: // nobody waits for so many
	}
}

// firstByte connects, asks, and has the first byte of the answer.
func (l *lab) firstByte(s *sandboxmgr.Sandbox, port int) {
	l.b.Helper()
	c, _, err := s.Dial(l.b.Context(), port)
	if err == nil {
		err = exchangeByte(c)
	}
	if err != nil {
		l.b.Fatal(err)
	}
}

// exchangeByte asks the trivial server for a byte and closes the connection.
func exchangeByte(c net.Conn) error {
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	b := []byte{'?'}
	if _, err := c.Write(b); err != nil {
		return err
	}
	_, err := io.ReadFull(c, b)
	return err
}
