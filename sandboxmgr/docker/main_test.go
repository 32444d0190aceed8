package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/errdefs"
	"go.uber.org/goleak"

	"edge/sandboxmgr/runtimetest"
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

// bench is a runtime on the engine with a machine's description.
type bench struct {
	*runtimetest.Bench
	rt *Runtime
}

type command = runtimetest.Command

func newBench(t testing.TB) *bench {
	t.Helper()
	r, err := New(Config{Host: os.Getenv("DOCKER_HOST")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	if err := r.Check(t.Context()); err != nil {
		runtimetest.Skip(t, "%v", err)
	}
	guest, err := buildGuest()
	if err != nil {
		t.Fatal(err)
	}
	importImage(t, r)
	b := &bench{Bench: runtimetest.NewBench(t, r), rt: r}
	b.Spec.Image, b.Spec.InitPath = testImage, guest
	b.Gone = b.gone
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
	if _, err := r.client.ImageInspect(t.Context(), testImage); err == nil {
		return
	}
	out, err := r.client.ImageImport(t.Context(), image.ImportSource{Source: &buf, SourceName: "-"}, testImage,
		image.ImportOptions{Changes: []string{"ENV OF_IMAGE=yes"}})
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if _, err := io.Copy(io.Discard, out); err != nil {
		t.Fatal(err)
	}
}

// wish is what the bench's container shall be like.
func (b *bench) wish(t testing.TB) wish {
	t.Helper()
	w, err := b.rt.wish(t.Context(), &b.Spec)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// removeAfter removes an image and what was prepared from it, after the bench's
// machine.
func (b *bench) removeAfter(t testing.TB, name string) {
	t.Helper()
	img, err := b.rt.inspectImage(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx := context.Background()
		if err := b.rt.Remove(ctx, b.Spec.Name); err != nil {
			t.Error(err)
		}
		b.rt.removeImage(ctx, preparedRef(img.ID))
		b.rt.removeImage(ctx, name)
	})
}

func (b *bench) look(t testing.TB) container.InspectResponse {
	t.Helper()
	c, err := b.rt.inspect(t.Context(), b.Spec.Name)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// gone checks that the engine has nothing of the machine any more.
func (b *bench) gone(t testing.TB, _ int) {
	t.Helper()
	for _, name := range []string{b.Spec.Name, b.Spec.Name + nextSuffix} {
		if _, err := b.rt.inspect(t.Context(), name); !errdefs.IsNotFound(err) {
			t.Errorf("container %s is still there (%v)", name, err)
		}
	}
	images, err := b.rt.client.ImageList(t.Context(), image.ListOptions{All: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range images {
		if i.Labels[labelSnapshot] == b.Spec.Name {
			t.Errorf("snapshot %s is still there", i.ID)
		}
	}
}
