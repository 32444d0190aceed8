package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestReadmePlugin builds the plugin of README.md, as a reader would.
func TestReadmePlugin(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(readme), "```go\n")
	code, _, closed := strings.Cut(rest, "```")
	if !found || !closed {
		t.Fatal("README.md shows no plugin in Go")
	}
	dir := t.TempDir()
	for name, content := range map[string]string{"main.go": code, "server.ts": "// a server\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	// An overlay makes it a package of this module without writing into it.
	home, err := filepath.Abs("testdata/readme")
	if err != nil {
		t.Fatal(err)
	}
	overlay := filepath.Join(dir, "overlay.json")
	content := `{"Replace":{"` + home + `/main.go":"` + dir + `/main.go","` + home + `/server.ts":"` + dir + `/server.ts"}}`
	if err := os.WriteFile(overlay, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "build", "-overlay", overlay, "-buildmode=c-shared", "-o", filepath.Join(dir, "plugin.wasm"), "./testdata/readme")
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("the plugin of README.md does not build: %v\n%s", err, out)
	}
}
