package docker

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"edge/sandboxmgr"
)

// folder writes files and returns where.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestBuildImage: an image is built from a folder, has what is not excluded, says
// what it runs, and is built anew when the folder has changed.
func TestBuildImage(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	name := fmt.Sprintf("Test%d", os.Getpid())
	dir := folder(t, map[string]string{
		"build/Dockerfile": "FROM " + testImage + "\nCOPY . /app\nWORKDIR /app\nENTRYPOINT [\"/app/run\"]\nCMD [\"a\",\"b\"]\n",
		"run":              "one", "secret/key": "x", "deep/note.tmp": "x", "deep/keep.tmp": "x",
		".dockerignore": "# what is not sent\nsecret\n**/*.tmp\n!deep/keep.tmp\nbuild\n",
	})
	var ids []string
	for _, content := range []string{"one", "one", "two"} {
		if err := os.WriteFile(filepath.Join(dir, "run"), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		image, err := b.rt.BuildImage(t.Context(), name, dir, "build/Dockerfile")
		if err != nil {
			t.Fatal(err)
		}
		img, err := b.rt.inspectImage(t.Context(), image)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, img.ID)
		b.Spec.Image = image
	}
	b.removeAfter(t, b.Spec.Image)
	if ids[0] != ids[1] || ids[1] == ids[2] {
		t.Errorf("images %q: want the same for the same, another for another", ids)
	}
	if _, err := b.rt.inspectImage(t.Context(), ids[0]); err == nil {
		t.Error("the replaced image stays behind")
	}
	argv, cwd, user, err := b.rt.ImageCommand(t.Context(), b.Spec.Image)
	if err != nil || !slices.Equal(argv, []string{"/app/run", "a", "b"}) || cwd != "/app" || user != "" {
		t.Errorf("command %q in %q as %q, %v", argv, cwd, user, err)
	}
	_, g := b.Start(t)
	if got := strings.Fields(g.Do(t, command{List: "/app"})); !slices.Equal(got, []string{".dockerignore", "build", "deep", "run"}) {
		t.Errorf("/app holds %q", got)
	}
	for _, want := range []string{b.Spec.Image, ""} { // its machine keeps what it is made of
		if got, err := b.rt.RemoveImage(t.Context(), name); got != want || err != nil {
			t.Errorf("removed %q, %v; want %q", got, err, want)
		}
	}
	if got := g.Do(t, command{List: "/app"}); got == "" {
		t.Error("the machine lost its files")
	}
	if got := strings.Fields(g.Do(t, command{List: "/app/deep"})); !slices.Equal(got, []string{"keep.tmp"}) {
		t.Errorf("/app/deep holds %q", got)
	}
	if got := g.Do(t, command{Read: "/app/run"}); got != "two" {
		t.Errorf("run holds %q", got)
	}
}

func TestBuildErrors(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for _, tt := range []struct {
		name, dockerfile, want string
		files                  map[string]string
	}{
		{"no Dockerfile", "", "there is no file", nil},
		{"outside", "../Dockerfile", "not in the folder", nil},
		{"syntax", "", "build failed: Error response from daemon: dockerfile parse error", map[string]string{"Dockerfile": "FROM " + testImage + "\nNONSENSE\n"}},
		{"a step fails", "", "build failed: COPY failed", map[string]string{"Dockerfile": "FROM " + testImage + "\nCOPY absent /\n"}},
		{"ignore file", "", "dockerignore", map[string]string{"Dockerfile": "FROM " + testImage, ".dockerignore": "[a-"}},
	} {
		_, err := b.rt.BuildImage(t.Context(), "TestErrors", folder(t, tt.files), tt.dockerfile)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
	if _, _, _, err := b.rt.ImageCommand(t.Context(), "edge-no-such-image"); !errors.Is(err, sandboxmgr.ErrNoImage) {
		t.Errorf("ImageCommand = %v, want %v", err, sandboxmgr.ErrNoImage)
	}
}

// TestPack: links stay links, owners are not told, and what is no file is left
// out.
func TestPack(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"Dockerfile": "FROM x", "a/b": "text"})
	if err := os.Symlink("../outside", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	var buf bytes.Buffer
	if err := pack(&buf, dir, "Dockerfile"); err != nil {
		t.Fatal(err)
	}
	var got []string
	for r := tar.NewReader(&buf); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, h.Name+" "+h.Linkname)
		if h.Uid != 0 || h.Uname != "" {
			t.Errorf("%s is %d %q", h.Name, h.Uid, h.Uname)
		}
	}
	if want := []string{"Dockerfile ", "a/ ", "a/b ", "link ../outside"}; !slices.Equal(got, want) {
		t.Errorf("archive of %q, want %q", got, want)
	}
}

func FuzzReadBuild(f *testing.F) {
	f.Add([]byte(`{"stream":"Step 1/1\n"}{"error":"no"}`))
	f.Add([]byte(`{"stream":1}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		if err := readBuild(bytes.NewReader(in)); err != nil && len(err.Error()) > len(in)+(lastLines+1)*(maxBuildLine+1)+1000 {
			t.Errorf("an error of %d bytes", len(err.Error()))
		}
	})
}

func FuzzFindAccount(f *testing.F) {
	f.Add("root:x:0:0::/root:/bin/sh\nweb:x:33:44::/home/web:/bin/sh", "web")
	f.Add("web:x:-1:44::/", "web")
	f.Fuzz(func(t *testing.T, passwd, name string) {
		_, _ = findAccount(strings.NewReader(passwd), name) // must return
	})
}

func FuzzOutput(f *testing.F) {
	f.Add([]byte("\x01\x00\x00\x00\x00\x00\x00\x02hi\x02\x00\x00\x00\x00\x00\x00\x03err"))
	f.Fuzz(func(t *testing.T, in []byte) {
		o := newOutput(bytes.NewReader(in))
		got, _ := io.ReadAll(o)
		if len(got) > len(in) || len(o.said) > maxComplaint {
			t.Errorf("%d bytes and %d of complaint out of %d", len(got), len(o.said), len(in))
		}
	})
}
