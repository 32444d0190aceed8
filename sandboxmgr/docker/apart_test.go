package docker

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/client"
	"github.com/docker/docker/errdefs"

	"edge/sandboxmgr"
	"edge/sandboxmgr/runtimetest"
)

// proxy leads from TCP on the loopback interface to the local engine's socket, so
// that the engine can be taken for one on another computer.
type proxy struct {
	ln     net.Listener
	socket string
	wg     sync.WaitGroup

	mu    sync.Mutex            // guards all below
	conns map[net.Conn]struct{} // nil once closed
	down  bool
}

func newProxy(t testing.TB) *proxy {
	t.Helper()
	socket := strings.TrimPrefix(os.Getenv("DOCKER_HOST"), "unix://")
	if socket == "" {
		socket = strings.TrimPrefix(client.DefaultDockerHost, "unix://")
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{ln: ln, socket: socket, conns: make(map[net.Conn]struct{})}
	p.wg.Go(p.serve)
	t.Cleanup(func() {
		ln.Close()
		p.mu.Lock()
		for c := range p.conns {
			c.Close()
		}
		p.conns = nil
		p.mu.Unlock()
		p.wg.Wait()
	})
	return p
}

// cut breaks every connection that there is, as a network does.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.Close()
	}
}

// setDown breaks every connection, and new ones at once, for as long as down is
// set: an engine that is being restarted.
func (p *proxy) setDown(down bool) {
	p.mu.Lock()
	p.down = down
	p.mu.Unlock()
	if down {
		p.cut()
	}
}

func (p *proxy) serve() {
	for {
		c, err := p.ln.Accept()
		if err != nil {
			return
		}
		p.wg.Go(func() { p.carry(c) })
	}
}

func (p *proxy) carry(c net.Conn) {
	defer c.Close()
	engine, err := net.Dial("unix", p.socket)
	if err != nil {
		return
	}
	defer engine.Close()
	p.mu.Lock()
	if p.conns == nil || p.down {
		p.mu.Unlock()
		return
	}
	p.conns[c], p.conns[engine] = struct{}{}, struct{}{}
	p.mu.Unlock()
	var back sync.WaitGroup
	back.Go(func() {
		_, _ = io.Copy(c, engine)
		_ = c.(*net.TCPConn).CloseWrite()
	})
	_, _ = io.Copy(engine, c)
	_ = engine.(*net.UnixConn).CloseWrite()
	back.Wait()
	p.mu.Lock()
	delete(p.conns, c)
	delete(p.conns, engine)
	p.mu.Unlock()
}

// newApart is a bench on an engine that is reached over TCP and shares no folder
// with the edge.
func newApart(t testing.TB) (*bench, *proxy) {
	t.Helper()
	newBench(t) // skips without an engine
	p := newProxy(t)
	r, err := New(Config{Host: "tcp://" + p.ln.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	b := benchOn(t, r)
	b.Apart, b.Kill = true, b.kill
	return b, p
}

// TestApart: an engine that shares no files does all that another does.
func TestApart(t *testing.T) {
	t.Parallel()
	runtimetest.Run(t, func(t testing.TB) *runtimetest.Bench {
		b, _ := newApart(t)
		return b.Bench
	})
}

// TestApartMounts: nothing of the host is in the container, and what it has of
// the edge it cannot change, whoever it runs as.
func TestApartMounts(t *testing.T) {
	t.Parallel()
	for _, preset := range []string{presetStrict, presetDefault, presetTrusted} {
		t.Run(preset, func(t *testing.T) {
			t.Parallel()
			b, _ := newApart(t)
			b.Spec.Preset = preset
			_, g := b.Start(t)
			c := b.look(t)
			for _, m := range c.Mounts {
				if m.Type == mount.TypeBind {
					t.Errorf("mount %+v", m)
				}
			}
			for _, path := range []string{initTarget, edgeTarget + "/x"} {
				if a, err := g.Call(command{Write: path}); err != nil || a.Err == "" {
					t.Errorf("%s can be written (%v)", path, err)
				}
			}
			a, err := g.Call(command{Write: runTarget + "/x"})
			if err != nil || (a.Err == "") != (preset == presetTrusted) {
				t.Errorf("write in the relay's folder: %q, %v", a.Err, err)
			}
		})
	}
}

// TestApartReconnects: the init comes back when what leads to the engine breaks,
// when the relay is killed, and when another edge takes over.
func TestApartReconnects(t *testing.T) {
	t.Parallel()
	b, p := newApart(t)
	b.Spec.Preset = presetTrusted // whose user may kill the relay
	m, g := b.Start(t)
	wantGone := func() {
		t.Helper()
		if err := g.Conn.SetReadDeadline(time.Now().Add(60 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := g.Conn.Read(make([]byte, 1)); err != io.EOF {
			t.Fatalf("the connection that should be gone: %v", err)
		}
	}
	p.cut()
	wantGone()
	g = runtimetest.Accept(t, b.Socket)
	g.Do(t, command{Write: "/tmp/file", Text: "still the same"})

	p.setDown(true)
	wantGone()
	if err := b.rt.Check(t.Context()); !errors.Is(err, sandboxmgr.ErrRuntimeDown) {
		t.Errorf("Check = %v, want %v", err, sandboxmgr.ErrRuntimeDown)
	}
	p.setDown(false)
	g = runtimetest.Accept(t, b.Socket)

	// The guest's only other process is the relay; the first one ends when the
	// engine has noticed that nobody is at its other end.
	deadline := time.Now().Add(60 * time.Second)
	pids := others(t, g)
	for len(pids) > 1 && time.Now().Before(deadline) {
		pids = others(t, g)
	}
	if len(pids) != 1 {
		t.Errorf("relays %q: want one", pids)
	}
	for _, pid := range pids {
		kill(t, g, pid)
	}
	wantGone()
	g = runtimetest.Accept(t, b.Socket)
	if got := g.Do(t, command{Read: "/tmp/file"}); got != "still the same" {
		t.Errorf("after the relay was killed: %q", got)
	}

	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	wantGone()
	next, err := b.rt.Adopt(t.Context(), b.Spec.Name)
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	g = runtimetest.Accept(t, b.Socket)
	if got := g.Do(t, command{Read: "/tmp/file"}); got != "still the same" {
		t.Errorf("after another edge took over: %q", got)
	}
}

// others lists the processes beside the guest.
func others(t *testing.T, g *runtimetest.Guest) (pids []string) {
	t.Helper()
	for name := range strings.FieldsSeq(g.Do(t, command{List: "/proc"})) {
		if name[0] >= '0' && name[0] <= '9' && name != "1" {
			pids = append(pids, name)
		}
	}
	return pids
}

// kill has the guest kill a process; the connection may be gone before it answers.
func kill(t *testing.T, g *runtimetest.Guest, pid string) {
	t.Helper()
	var n uintptr
	for _, c := range pid {
		n = n*10 + uintptr(c-'0')
	}
	_, _ = g.Call(command{Kernel: []uintptr{sysKill, n, 9}})
}

// TestApartInit: the init's copy is there once for all sandboxes, is made whole
// again, and goes with the last of them.
func TestApartInit(t *testing.T) {
	t.Parallel()
	b, _ := newApart(t)
	b.Spec.Labels = map[string]string{"edge.owner": "apart-init"}
	m, _ := b.Start(t)
	volume := b.wish(t).initVolume
	other := *b.Bench
	other.Spec.Name += "-other"
	t.Cleanup(func() {
		if err := b.rt.Remove(context.Background(), other.Spec.Name); err != nil {
			t.Error(err)
		}
	})
	other.Spec.RunDir = runtimetest.RunDir(t)
	other.Socket = runtimetest.Listen(t, other.Spec.RunDir)
	second, _ := other.Start(t)
	b.Remove(t, m.PID())
	if _, err := b.rt.client.VolumeInspect(t.Context(), volume); err != nil {
		t.Errorf("the init's volume while a sandbox uses it: %v", err)
	}
	if err := b.rt.Remove(t.Context(), other.Spec.Name); err != nil {
		t.Fatal(err)
	}
	second.Close()
	if _, err := b.rt.client.VolumeInspect(t.Context(), volume); !errdefs.IsNotFound(err) {
		t.Errorf("the init's volume after the last sandbox: %v", err)
	}
}
