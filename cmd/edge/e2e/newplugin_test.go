package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestReadmeAssemblyScript follows the README of a new AssemblyScript project.
func TestReadmeAssemblyScript(t *testing.T) {
	for _, tool := range []string{"node", "npm"} {
		_, err := exec.LookPath(tool)
		need(t, err == nil, tool)
	}
	e, project := followReadme(t, "assemblyscript")
	e.newProjectServes(t, project, filepath.Join("assembly", "index.ts"), "npm run build")
}

// TestReadmeTypeScript follows the README of a new project in TypeScript, which needs
// nothing but the edge.
func TestReadmeTypeScript(t *testing.T) {
	e, project := followReadme(t, "typescript")
	e.eventually("the Worker is built", func() error {
		_, err := e.get("/", 200)
		return err
	})
	e.newProjectServes(t, project, "worker.ts", "true")
}

// newFolder makes a folder for a project, in whose state folder sockets' paths are short
// enough, and removes it at the end of the test.
func newFolder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "edge-new-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("leftovers: %v", err)
		}
	})
	return dir
}

// followReadme writes a project into an empty folder with `edge plugin new`, and
// says there what its README says, word for word: the first commands that it shows.
// The last of them, which begins with "edge dev", runs when it returns.
func followReadme(t *testing.T, lang string) (e *edge, project string) {
	t.Helper()
	dir := newFolder(t)
	bin := t.TempDir() // so that "edge" is the one under test
	if err := os.Symlink(binary, filepath.Join(bin, "edge")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	shell(t, dir, "edge plugin new --lang "+lang+" hello")
	project = filepath.Join(dir, "hello")
	readme, err := os.ReadFile(filepath.Join(project, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range firstCommands(string(readme)) {
		if serve, ok := strings.CutPrefix(line, "edge "); ok && strings.HasPrefix(serve, "dev") {
			e = &edge{t: t, addr: freeAddr(t), state: filepath.Join(project, ".edge"), config: filepath.Join(project, "edge.yaml"), command: strings.Fields(serve), dir: project}
			t.Cleanup(e.cleanSandboxes)
			e.start("EDGE_LISTEN=" + e.addr)
			return e, project
		}
		shell(t, project, line)
	}
	t.Fatalf("the README does not say edge dev:\n%s", readme)
	return nil, ""
}

// firstCommands are the lines of a page's first block that is set in by four
// columns, without their remarks.
func firstCommands(page string) (commands []string) {
	for line := range strings.Lines(page) {
		command, ok := strings.CutPrefix(line, "    ")
		if !ok {
			if len(commands) > 0 {
				return commands
			}
			continue
		}
		command, _, _ = strings.Cut(command, " #")
		commands = append(commands, strings.TrimSpace(command))
	}
	return commands
}

// shell runs a command line in a folder.
func shell(t *testing.T, dir, line string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", line)
	cmd.Dir = dir
	if err := output(cmd); err != nil {
		t.Fatalf("%s: %v", line, err)
	}
}
