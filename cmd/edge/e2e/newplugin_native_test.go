package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestReadmeRust follows the README of a new Rust project, and then builds and
// tests it with Cargo too, which may fetch nothing.
func TestReadmeRust(t *testing.T) {
	target := "/usr/lib/rustlib/wasm32-unknown-unknown"
	_, err := os.Stat(target)
	need(t, err == nil, "Debian's rustc and libstd-rust-dev-wasm32")
	project := followReadmeOfMake(t, "rust", filepath.Join("src", "lib.rs"))
	cargo, err := exec.LookPath("cargo")
	need(t, err == nil, "cargo")
	t.Setenv("CARGO_HOME", t.TempDir()) // where nothing was fetched before
	edit(t, filepath.Join(project, "src", "lib.rs"), "Hello again.", "Hello from hello.")
	shell(t, project, cargo+" test --offline --quiet")
}

// TestReadmeC follows the README of a new C project.
func TestReadmeC(t *testing.T) {
	for _, tool := range []string{"clang", "wasm-ld"} {
		_, err := exec.LookPath(tool)
		need(t, err == nil, tool)
	}
	_, err := os.Stat("/usr/include/wasm32-wasi")
	need(t, err == nil, "Debian's wasi-libc")
	followReadmeOfMake(t, "c", "plugin.c")
}

// TestReadmeGo follows the README of a new Go project, which edge dev builds.
func TestReadmeGo(t *testing.T) {
	e, project := followReadme(t, "go")
	within(t, buildPatience, "the module is built", func() error {
		_, err := e.get("/", 200)
		return err
	})
	e.newProjectServes(t, project, "main.go", "true")
}

// followReadmeOfMake follows the README of a project that make builds.
func followReadmeOfMake(t *testing.T, lang, source string) (project string) {
	t.Helper()
	_, err := exec.LookPath("make")
	need(t, err == nil, "make")
	e, project := followReadme(t, lang)
	e.newProjectServes(t, project, source, "make")
	return project
}

// newProjectServes looks whether a new project does what its README says: the plugin
// answers, its WebSocket is routed, and it stays open while what was edited is
// built and loaded.
func (e *edge) newProjectServes(t *testing.T, project, source, build string) {
	t.Helper()
	if body, err := e.get("/", 200); err != nil || !strings.HasPrefix(body, "Hello from hello.") {
		t.Errorf("GET / = %q, %v", body, err)
	}
	if body, err := e.get("/run?id=one", 200); err != nil || !strings.HasPrefix(body, "hello from a sandbox, process ") {
		t.Errorf("GET /run?id=one = %q, %v", body, err)
	}
	if body, err := e.get("/run?id=no_good", 400); err != nil || !strings.Contains(body, "INVALID_SANDBOX_ID") {
		t.Errorf("GET /run?id=no_good = %q, %v", body, err)
	}
	ws := e.dial("/ws?id=one")
	if err := echo(ws, "through the new plugin"); err != nil {
		t.Fatal(err)
	}
	edit(t, filepath.Join(project, source), "Hello from hello.", "Hello again.")
	shell(t, project, build)
	e.eventually("the new module answers", func() error {
		body, err := e.get("/", 200)
		if err == nil && !strings.HasPrefix(body, "Hello again.") {
			err = fmt.Errorf("GET / = %q", body)
		}
		return err
	})
	if err := echo(ws, "after the reload"); err != nil {
		t.Errorf("the socket from before: %v", err)
	}
}
