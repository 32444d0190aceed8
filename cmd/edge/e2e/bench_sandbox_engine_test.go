package e2e

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"

	"edge/sandboxmgr/netns"
)

// engine is a warm client of the Engine API: how the same is done without an edge.
type engine struct {
	*client.Client
	b testing.TB
}

func newEngine(b testing.TB) *engine {
	b.Helper()
	needDocker(b)
	c, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Close() })
	if _, err := c.Ping(b.Context()); err != nil {
		b.Fatal(err)
	}
	return &engine{c, b}
}

// exec creates an exec, starts it, reads to its end and inspects it: what it
// takes to run a command and know its exit code.
func (e *engine) exec(name string, argv ...string) {
	e.b.Helper()
	ctx := e.b.Context()
	made, err := e.ContainerExecCreate(ctx, name, container.ExecOptions{Cmd: argv, AttachStdout: true, AttachStderr: true})
	if err != nil {
		e.b.Fatal(err)
	}
	out, err := e.ContainerExecAttach(ctx, made.ID, container.ExecAttachOptions{})
	if err != nil {
		e.b.Fatal(err)
	}
	_, err = io.Copy(io.Discard, out.Reader)
	out.Close()
	if err != nil {
		e.b.Fatal(err)
	}
	if seen, err := e.ContainerExecInspect(ctx, made.ID); err != nil || seen.ExitCode != 0 {
		e.b.Fatalf("exec %+v, %v", seen, err)
	}
}

// serve creates and starts a container that is the trivial server and nothing
// else, without a network to be set up, and has its first byte. It returns the
// container's id.
func (e *engine) serve(gate *netns.Gate, img string) string {
	e.b.Helper()
	ctx := e.b.Context()
	made, err := e.ContainerCreate(ctx, &container.Config{Image: img, Cmd: serverArgv(guestPort)}, &container.HostConfig{NetworkMode: "none"}, nil, nil, "")
	if err != nil {
		e.b.Fatal(err)
	}
	if err := e.ContainerStart(ctx, made.ID, container.StartOptions{}); err != nil {
		e.b.Fatal(err)
	}
	seen, err := e.ContainerInspect(ctx, made.ID)
	if err != nil {
		e.b.Fatal(err)
	}
	space, err := gate.Open(seen.State.Pid)
	if err != nil {
		e.b.Fatal(err)
	}
	defer space.Close()
	c, err := dialUntil(ctx, func() (net.Conn, error) { return space.Dial(ctx, guestPort) })
	if err == nil {
		err = exchangeByte(c)
	}
	if err != nil {
		e.b.Fatal(err)
	}
	return made.ID
}

// dialUntil tries, each millisecond, until somebody listens.
func dialUntil(ctx context.Context, dial func() (net.Conn, error)) (net.Conn, error) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		c, err := dial()
		if !errors.Is(err, syscall.ECONNREFUSED) {
			return c, err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (e *engine) remove(id string) {
	e.b.Helper()
	if err := e.ContainerRemove(context.Background(), id, container.RemoveOptions{Force: true, RemoveVolumes: true}); err != nil {
		e.b.Error(err)
	}
}

var makeGuestImage sync.Mutex

// guestImage is edge-sandbox with the guest's program. It is made anew for each
// program, and removed by whoever ends last.
func guestImage(b testing.TB) string {
	b.Helper()
	e := newEngine(b)
	dir := guestProgram(b)
	program, err := os.ReadFile(filepath.Join(dir, "guest"))
	if err != nil {
		b.Fatal(err)
	}
	name := fmt.Sprintf("edge-bench:%d", os.Getpid())
	makeGuestImage.Lock()
	defer makeGuestImage.Unlock()
	if _, err := e.ImageInspect(b.Context(), name); err == nil {
		return name
	}
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	err = w.WriteHeader(&tar.Header{Name: "guest", Typeflag: tar.TypeReg, Mode: 0o755, Size: int64(len(program))})
	_, werr := w.Write(program)
	if err := errors.Join(err, werr, w.Close()); err != nil {
		b.Fatal(err)
	}
	ctx := b.Context()
	made, err := e.ContainerCreate(ctx, &container.Config{Image: "edge-sandbox"}, nil, nil, nil, "")
	if err != nil {
		b.Fatal(err)
	}
	defer e.remove(made.ID)
	if err := e.CopyToContainer(ctx, made.ID, "/usr/local/bin", &archive, container.CopyToContainerOptions{}); err != nil {
		b.Fatal(err)
	}
	if _, err := e.ContainerCommit(ctx, made.ID, container.CommitOptions{Reference: name}); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { e.removeGuestImage(name) })
	return name
}

// removeGuestImage removes the image and what an edge prepared from it.
func (e *engine) removeGuestImage(name string) {
	ctx := context.Background()
	seen, err := e.ImageInspect(ctx, name)
	if err != nil {
		e.b.Error(err)
		return
	}
	prepared := "edge-prepared:" + strings.TrimPrefix(seen.ID, "sha256:")[:32]
	if _, err := e.ImageInspect(ctx, prepared); err == nil {
		if _, err := e.ImageRemove(ctx, prepared, image.RemoveOptions{Force: true}); err != nil {
			e.b.Error(err)
		}
	}
	if _, err := e.ImageRemove(ctx, name, image.RemoveOptions{Force: true, PruneChildren: true}); err != nil {
		e.b.Error(err)
	}
}
