package docker

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/errdefs"
	"go.uber.org/goleak"

	"edge/sandboxmgr"
)

// testImage has a folder for temporary files and nothing else.
const testImage = "edge-runtime-test:latest"

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if guest, err := buildGuest(); err == nil {
			os.RemoveAll(filepath.Dir(guest))
		}
		os.Exit(code)
	}))
}

// buildGuest builds the containers' init, once for all tests.
var buildGuest = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "edge-guest")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "guest")
	cmd := exec.Command("go", "build", "-o", path, "testdata/guest/main.go")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		os.RemoveAll(dir)
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, os.Chmod(dir, 0o755)
})

// bench is a runtime on the engine, a machine's description, and the socket
// that its init connects to.
type bench struct {
	*Runtime
	spec sandboxmgr.MachineSpec
	ln   net.Listener
}

func newBench(t testing.TB) *bench {
	t.Helper()
	r, err := New(Config{Host: os.Getenv("DOCKER_HOST")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	if err := r.Check(t.Context()); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skipf("SKIPPED: %v", err)
	}
	guest, err := buildGuest()
	if err != nil {
		t.Fatal(err)
	}
	importImage(t, r)
	b := &bench{Runtime: r, spec: sandboxmgr.MachineSpec{
		Name:     fmt.Sprintf("edge.test%d.Sandbox.%s", os.Getpid(), strings.ToLower(strings.ReplaceAll(t.Name(), "/", "-"))),
		Labels:   map[string]string{"edge.owner": "test"},
		Image:    testImage,
		RunDir:   runDir(t),
		InitPath: guest,
		Env:      map[string]string{"EDGE_INIT_TOKEN": "secret"},
	}}
	b.ln = listen(t, b.spec.RunDir)
	t.Cleanup(func() {
		if err := r.Remove(context.Background(), b.spec.Name); err != nil {
			t.Errorf("Remove: %v", err)
		}
	})
	return b
}

var importing sync.Mutex

func importImage(t testing.TB, r *Runtime) {
	t.Helper()
	importing.Lock() // a second import would leave the first without a name
	defer importing.Unlock()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	err := errors.Join(w.WriteHeader(&tar.Header{Name: "tmp/", Typeflag: tar.TypeDir, Mode: 0o1777}), w.Close())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.engine.ImageInspect(t.Context(), testImage); err == nil {
		return
	}
	out, err := r.engine.ImageImport(t.Context(), image.ImportSource{Source: &buf, SourceName: "-"}, testImage,
		image.ImportOptions{Changes: []string{"ENV OF_IMAGE=yes"}})
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if _, err := io.Copy(io.Discard, out); err != nil {
		t.Fatal(err)
	}
}

// runDir makes a folder whose path leaves room for a socket's name.
func runDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "edge")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func listen(t testing.TB, dir string) net.Listener {
	t.Helper()
	ln, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	if err := os.Chmod(filepath.Join(dir, "s"), 0o666); err != nil {
		t.Fatal(err)
	}
	return ln
}

func (b *bench) start(t testing.TB) (sandboxmgr.Machine, *guest) {
	t.Helper()
	m, err := b.Start(t.Context(), b.spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m, accept(t, b.ln)
}

func (b *bench) stop(t testing.TB, m sandboxmgr.Machine) {
	t.Helper()
	if err := m.Stop(t.Context(), 20*time.Second); err != nil {
		t.Fatal(err)
	}
}

func (b *bench) look(t testing.TB) container.InspectResponse {
	t.Helper()
	c, err := b.inspect(t.Context(), b.spec.Name)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// gone checks that the engine has nothing of the machine any more.
func (b *bench) gone(t testing.TB) {
	t.Helper()
	for _, name := range []string{b.spec.Name, b.spec.Name + nextSuffix} {
		if _, err := b.inspect(t.Context(), name); !errdefs.IsNotFound(err) {
			t.Errorf("container %s is still there (%v)", name, err)
		}
	}
	images, err := b.engine.ImageList(t.Context(), image.ListOptions{All: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range images {
		if i.Labels[labelSnapshot] == b.spec.Name {
			t.Errorf("snapshot %s is still there", i.ID)
		}
	}
}

// guest is the init's end of the socket.
type guest struct {
	conn net.Conn
	in   *bufio.Reader
}

func accept(t testing.TB, ln net.Listener) *guest {
	t.Helper()
	ln.(*net.UnixListener).SetDeadline(time.Now().Add(30 * time.Second))
	c, err := ln.Accept()
	if err != nil {
		t.Fatalf("the init did not connect: %v", err)
	}
	t.Cleanup(func() { c.Close() })
	return &guest{conn: c, in: bufio.NewReader(c)}
}

type command struct {
	Write, Text string
	Read        string
	Env         string
	Eat         int
}

type answer struct{ Text, Err string }

func (g *guest) call(cmd command) (a answer, err error) {
	g.conn.SetDeadline(time.Now().Add(30 * time.Second))
	b, err := json.Marshal(cmd)
	if err != nil {
		return a, err
	}
	if _, err := g.conn.Write(append(b, '\n')); err != nil {
		return a, err
	}
	line, err := g.in.ReadBytes('\n')
	if err != nil {
		return a, err
	}
	return a, json.Unmarshal(line, &a)
}

// do runs a command that succeeds and returns its text.
func (g *guest) do(t testing.TB, cmd command) string {
	t.Helper()
	a, err := g.call(cmd)
	if err != nil || a.Err != "" {
		t.Fatalf("%+v: %v %s", cmd, err, a.Err)
	}
	return a.Text
}

func waitEnd(t testing.TB, m sandboxmgr.Machine) sandboxmgr.MachineExit {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	exit, err := m.Wait(ctx)
	if err != nil {
		t.Fatalf("Wait: %v", err)
	}
	return exit
}
