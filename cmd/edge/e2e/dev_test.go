package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestEditWhileConnected writes a project with `edge plugin new`, serves it with
// `edge dev`, and edits it while a WebSocket is open: the new version answers,
// a version that does not compile changes nothing, and the socket stays.
func TestEditWhileConnected(t *testing.T) {
	e, source := newProject(t)
	ws := e.dial("/ws?id=edit")
	if err := echo(ws, "before the edit"); err != nil {
		t.Fatal(err)
	}

	edit(t, source, `"one"`, `"two"`)
	e.eventually("the new version answers", e.answers("two"))
	edit(t, source, `"two"`, `two and a half`)
	e.eventually("the compiler is heard", func() error {
		if said := e.log.String(); !strings.Contains(said, "main.go:") {
			return fmt.Errorf("edge dev said:\n%s", said)
		}
		return nil
	})
	if err := e.answers("two")(); err != nil {
		t.Errorf("the version before does not serve any more: %v", err)
	}
	edit(t, source, `two and a half`, `"three"`)
	e.eventually("the mended version answers", e.answers("three"))

	if err := echo(ws, "after three edits"); err != nil {
		t.Errorf("the socket from before: %v", err)
	}
	if err := echo(e.dial("/ws?id=edit"), "a new socket"); err != nil {
		t.Error(err)
	}
}

// answers checks what the plugin says at /version.
func (e *edge) answers(want string) func() error {
	return func() error {
		body, err := e.get("/version", 200)
		if err == nil && body != want {
			err = fmt.Errorf("version %q", body)
		}
		return err
	}
}

// newProject writes a project whose plugin is the echo example with a version,
// and starts `edge dev` in it.
func newProject(t *testing.T) (e *edge, source string) {
	t.Helper()
	dir := newFolder(t)
	cmd := exec.Command(binary, "plugin", "new", "chat")
	cmd.Dir = dir
	if err := output(cmd); err != nil {
		t.Fatal(err)
	}
	project := filepath.Join(dir, "chat")
	source = filepath.Join(project, "main.go")
	example := filepath.Join(root, "examples", "wasm", "echo")
	for _, name := range []string{"main.go", "server.ts"} {
		b, err := os.ReadFile(filepath.Join(example, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(project, name), b, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	const handler = "func handle(req *guest.Request) (guest.Response, error) {\n"
	edit(t, source, handler, handler+"\tif req.Path() == \"/version\" {\n\t\treturn guest.Text(200, \"one\"), nil\n\t}\n")

	e = &edge{t: t, addr: freeAddr(t), state: filepath.Join(dir, "s"), config: filepath.Join(project, "edge.yaml"), command: []string{"dev", project}}
	s := settings{runtime: "process", plugins: map[string]string{"chat": "."}, routes: [][2]string{{"/*", "chat"}}}
	if err := os.WriteFile(e.config, s.yaml(e), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.cleanSandboxes)
	e.start("GOPROXY=off", "GOFLAGS=-mod=mod")
	return e, source
}

// edit replaces old by new in a file, as an editor would: all of it at once.
func edit(t *testing.T, path, old, new string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(b), old, new, 1)
	if changed == string(b) {
		t.Fatalf("%s does not contain %s", path, old)
	}
	if err := os.WriteFile(path, []byte(changed), 0o644); err != nil {
		t.Fatal(err)
	}
}
