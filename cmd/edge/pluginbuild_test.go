package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// goProject writes a folder with a module of its own.
func goProject(t *testing.T, main string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{
		"go.mod": "module example.com/app\n\ngo 1.26.0\n", "main.go": main, "part/part.go": "package part\n\nconst Answer = 42\n",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const goodMain = "package main\n\nimport \"example.com/app/part\"\n\nvar X = part.Answer\n\nfunc main() {}\n"

func TestBuilderMakesAModule(t *testing.T) {
	t.Parallel()
	b := pluginBuilder{dir: filepath.Join(t.TempDir(), "build")}
	folder := goProject(t, goodMain)
	module, err := b.build(t.Context(), "app", folder)
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(module)
	if err != nil || !strings.HasPrefix(string(content), "\x00asm") {
		t.Errorf("%s begins with %q (%v), not with a module's magic", module, content[:min(4, len(content))], err)
	}
	entries, err := os.ReadDir(b.dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("%s holds %v (%v), want the module alone", b.dir, entries, err)
	}

	dirs, err := b.packageDirs(t.Context(), folder)
	slices.Sort(dirs)
	if want := []string{folder, filepath.Join(folder, "part")}; err != nil || !slices.Equal(dirs, want) {
		t.Errorf("packageDirs = %q, %v; want %q", dirs, err, want)
	}
}

func TestBuilderShowsTheCompilersLines(t *testing.T) {
	t.Parallel()
	b := pluginBuilder{dir: t.TempDir()}
	folder := goProject(t, goodMain)
	before, err := b.build(t.Context(), "app", folder)
	if err != nil {
		t.Fatal(err)
	}
	old, err := fileDigest(before)
	if err != nil {
		t.Fatal(err)
	}
	edit(t, filepath.Join(folder, "main.go"), "part.Answer", "part.Anser")
	_, err = b.build(t.Context(), "app", folder)
	var be *buildError
	if !errors.As(err, &be) || len(be.lines) != 1 || !strings.HasSuffix(be.lines[0], "main.go:5:14: undefined: part.Anser") {
		t.Errorf("build = %v, want the compiler's line", err)
	}
	if now, err := fileDigest(before); err != nil || now != old {
		t.Errorf("the old module is %s (%v), was %s", now, err, old)
	}
}
