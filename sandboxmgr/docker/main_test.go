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
	"strings"
	"sync"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/errdefs"
	"go.uber.org/goleak"

	"edge/cmd/edge/testleak"
	"edge/sandboxmgr/runtimetest"
)

// testImage has a folder for temporary files and this computer's shell with a few
// tools.
const testImage = "edge-runtime-test:shell"

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(testleak.Settle(m), goleak.Cleanup(func(code int) {
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
	return benchOn(t, r)
}

// benchOn is a bench on a runtime that works.
func benchOn(t testing.TB, r *Runtime) *bench {
	t.Helper()
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

// kill kills the container's init through the engine.
func (b *bench) kill(t testing.TB) {
	t.Helper()
	if err := b.rt.client.ContainerKill(t.Context(), b.Spec.Name, "KILL"); err != nil {
		t.Fatal(err)
	}
}

var importing sync.Mutex

func importImage(t testing.TB, r *Runtime) {
	t.Helper()
	importing.Lock() // a second import would leave the first without a name
	defer importing.Unlock()
	if _, err := r.client.ImageInspect(t.Context(), testImage); err == nil {
		return
	}
	var buf bytes.Buffer
	packShell(t, &buf)
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

// packShell writes an archive of this computer's shell, a few tools, and the
// libraries that they need.
func packShell(t testing.TB, to io.Writer) {
	t.Helper()
	files := make(map[string]bool)
	for _, name := range []string{"sh", "wc", "tty", "stty", "sleep", "cat"} {
		path, err := exec.LookPath(name)
		if err != nil {
			runtimetest.Skip(t, "no %s to make an image of: %v", name, err)
		}
		libraries, err := exec.Command("ldd", path).Output()
		if err != nil {
			runtimetest.Skip(t, "what %s needs cannot be told: %v", path, err)
		}
		files["/bin/"+name] = true
		for field := range strings.FieldsSeq(string(libraries)) {
			if strings.HasPrefix(field, "/") {
				files[field] = true
			}
		}
	}
	w := tar.NewWriter(to)
	err := w.WriteHeader(&tar.Header{Name: "tmp/", Typeflag: tar.TypeDir, Mode: 0o1777})
	folders := map[string]bool{"/": true}
	for path := range files {
		for dir := filepath.Dir(path); !folders[dir]; dir = filepath.Dir(dir) {
			folders[dir] = true
			err = errors.Join(err, w.WriteHeader(&tar.Header{Name: dir[1:] + "/", Typeflag: tar.TypeDir, Mode: 0o755}))
		}
		b, rerr := os.ReadFile(path)
		err = errors.Join(err, rerr, w.WriteHeader(&tar.Header{Name: path[1:], Typeflag: tar.TypeReg, Mode: 0o755, Size: int64(len(b))}))
		_, werr := w.Write(b)
		err = errors.Join(err, werr)
	}
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
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
