package e2e

import (
	"archive/tar"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fasthttp/websocket"

	"edge/abi"
)

// workers is an edge that serves Workers, each on the path that its name is and all
// below it.
type workers struct {
	*edge
	// dir has their sources, NAME.ts.
	dir string
}

// newWorkers starts an edge with Workers of these sources, by name. A bound of a
// request that s does not set is one that none reaches: on a machine that has no time
// for them, the defaults would end requests.
func newWorkers(t testing.TB, s settings, sources map[string]string) *workers {
	t.Helper()
	w := &workers{dir: t.TempDir()}
	for _, bound := range [][2]string{{", deadline: ", "10m"}, {", compute: ", "1m"}, {", queue: ", "10m"}} {
		if key, far := bound[0], bound[1]; !strings.Contains(s.pluginKeys, key) {
			s.pluginKeys += key + far
		}
	}
	s.limits = cmp.Or(s.limits, "headTimeout: 10m, handshakeTimeout: 10m")
	s.plugins = map[string]string{}
	for name, source := range sources {
		file := filepath.Join(w.dir, name+".ts")
		if err := os.WriteFile(file, []byte(source), 0o644); err != nil {
			t.Fatal(err)
		}
		s.plugins[name] = file
		s.routes = append(s.routes, [2]string{"/" + name, name}, [2]string{"/" + name + "/*", name})
	}
	w.edge = newEdge(t, s)
	return w
}

// seed is a program of testdata/seeds as it stands there, but for these changes, each
// an old text and the new one.
func seed(t testing.TB, name string, changes ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "seeds", name))
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	for i := 0; i+1 < len(changes); i += 2 {
		if !strings.Contains(text, changes[i]) {
			t.Fatalf("%s does not contain %q", name, changes[i])
		}
		text = strings.ReplaceAll(text, changes[i], changes[i+1])
	}
	return text
}

// sdk is the line that fragments lack, and that every Worker begins with.
const sdk = `import { connect, getSandbox, proxyToSandbox } from "@cloudflare/sandbox";
export { Sandbox } from "@cloudflare/sandbox";
`

// framed is a Worker around a fragment: lines that come before it, the fragment, and
// what the Worker answers then, an expression.
func framed(before, fragment, answer string) string {
	return sdk + fmt.Sprintf(`
export default {
  async fetch(request: Request, env: any, ctx: any): Promise<Response> {
%s
%s
    return %s;
  },
};
`, before, fragment, answer)
}

// inSandbox is the line that most fragments take for granted.
func inSandbox(id string) string {
	return fmt.Sprintf("    const sandbox = getSandbox(env.Sandbox, %q);", id)
}

// ask is a GET of a Worker's path that must succeed; its answer is decoded into v
// unless that is nil.
func (w *workers) ask(path string, v any) string {
	w.t.Helper()
	return w.askFor(path, 200, v)
}

// askFor is ask with another status.
func (w *workers) askFor(path string, status int, v any) string {
	w.t.Helper()
	body, err := w.get(path, status)
	if err != nil {
		w.t.Fatal(err)
	}
	if v != nil {
		if err := json.Unmarshal([]byte(body), v); err != nil {
			w.t.Fatalf("%s: %v: %.300s", path, err, body)
		}
	}
	return body
}

// said waits until the edge's log has the text.
func (w *workers) said(text string) {
	w.t.Helper()
	eventually(w.t, fmt.Sprintf("the log says %q", text), func() error {
		if !strings.Contains(w.log.String(), text) {
			return errors.New("it does not")
		}
		return nil
	})
}

// box is the sandbox of that id, which the tests prepare as an administrator would.
func (w *workers) box(id string) *box { return &box{e: w.edge, id: id} }

// must is call without an error.
func (b *box) must(t testing.TB, op string, request, answer any) {
	t.Helper()
	if err := b.call(op, request, answer); err != nil {
		t.Fatalf("%s %s: %v", b.id, op, err)
	}
}

// write writes files, by path and content in turn.
func (b *box) write(t testing.TB, files ...string) {
	t.Helper()
	for i := 0; i+1 < len(files); i += 2 {
		b.must(t, "writeFile", &abi.WriteFileRequest{Path: files[i], Content: files[i+1]}, nil)
	}
}

// listens waits until the sandbox listens on a port. A process that is named must not
// end before.
func (b *box) listens(t testing.TB, port int, process string) {
	t.Helper()
	b.must(t, "waitForPort", &abi.WaitForPortRequest{Port: port, ProcessID: process, Timeout: abi.Duration(patience)}, nil)
}

// run runs a command line that must succeed.
func (b *box) run(t testing.TB, command string) string {
	t.Helper()
	var out abi.ExecResponse
	b.must(t, "exec", &abi.ExecRequest{Command: command}, &out)
	if !out.Success {
		t.Fatalf("%s: %s: exit code %d: %s%s", b.id, command, out.ExitCode, out.Stdout, out.Stderr)
	}
	return out.Stdout
}

// install puts npm packages and what they depend on into /workspace/node_modules, as
// npm install does where there is a network.
func (b *box) install(t testing.TB, names ...string) {
	t.Helper()
	folders := map[string]bool{}
	for _, name := range names {
		if err := addPackage(folders, name); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(binary, "exec", "--admin", filepath.Join(b.e.state, "run", "admin.sock"), "-i", b.id, "tar", "-x", "-C", "/workspace")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	packed := errors.Join(packModules(in, folders), in.Close())
	if err := errors.Join(packed, cmd.Wait()); err != nil {
		t.Fatalf("install %v: %v\n%s", names, err, said.String())
	}
}

// addPackage adds the name of a package of node_modules and of those that it depends
// on. Optional ones may be missing.
func addPackage(names map[string]bool, name string) error {
	if names[name] {
		return nil
	}
	text, err := os.ReadFile(filepath.Join(root, "node_modules", name, "package.json"))
	if err != nil {
		return err
	}
	names[name] = true
	var manifest struct{ Dependencies, OptionalDependencies, PeerDependencies map[string]string }
	if err := json.Unmarshal(text, &manifest); err != nil {
		return err
	}
	for dependency := range manifest.Dependencies {
		_, optional := manifest.OptionalDependencies[dependency]
		missing := addPackage(names, dependency)
		if !optional || !errors.Is(missing, fs.ErrNotExist) {
			err = errors.Join(err, missing)
		}
	}
	for _, more := range []map[string]string{manifest.OptionalDependencies, manifest.PeerDependencies} {
		for dependency := range more {
			if missing := addPackage(names, dependency); !errors.Is(missing, fs.ErrNotExist) {
				err = errors.Join(err, missing)
			}
		}
	}
	return err
}

// packModules writes the packages as a tar archive, with the commands of node_modules
// that belong to them.
func packModules(w io.Writer, names map[string]bool) error {
	archive, modules := tar.NewWriter(w), filepath.Join(root, "node_modules")
	for name := range names {
		err := filepath.WalkDir(filepath.Join(modules, name), func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			info, err := d.Info()
			if err != nil {
				return err
			}
			below, err := filepath.Rel(root, path)
			if err != nil {
				return err
			}
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			return addFile(archive, &tar.Header{Name: filepath.ToSlash(below), Mode: int64(info.Mode().Perm()), Size: int64(len(content))}, content)
		})
		if err != nil {
			return err
		}
	}
	commands, err := os.ReadDir(filepath.Join(modules, ".bin"))
	if err != nil {
		return err
	}
	for _, c := range commands {
		link, err := os.Readlink(filepath.Join(modules, ".bin", c.Name()))
		if err != nil {
			return err
		}
		if owner, _, _ := strings.Cut(strings.TrimPrefix(link, "../"), "/"); names[owner] {
			header := &tar.Header{Typeflag: tar.TypeSymlink, Name: "node_modules/.bin/" + c.Name(), Linkname: link, Mode: 0o777}
			if err := addFile(archive, header, nil); err != nil {
				return err
			}
		}
	}
	return archive.Close()
}

func addFile(archive *tar.Writer, header *tar.Header, content []byte) error {
	if err := archive.WriteHeader(header); err != nil {
		return err
	}
	_, err := archive.Write(content)
	return err
}

// needTools asks make for the packages that sandboxes are given, and for the Node
// that runs them where there is no image.
func needTools(t testing.TB) {
	t.Helper()
	if err := makeTargets("tools"); err != nil {
		t.Fatal(err)
	}
}

// withNode are the keys of a binding whose sandboxes have Node, npm, Bun and Python.
// Debian has no python, which images often have: more has a folder with one.
func withNode(t testing.TB, runtime string) string {
	t.Helper()
	if runtime == "docker" {
		return "image: edge-sandbox"
	}
	needTools(t)
	more := t.TempDir()
	if err := os.Chmod(more, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(more, "python"), []byte("#!/bin/sh\nexec /usr/bin/python3 \"$@\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("tools: [%q, %q, %q]", filepath.Join(root, "bin", "node"), filepath.Join(root, "bin", "tools"), more)
}

// socketURL is an address that a Worker gave, as Go's client wants it.
func socketURL(url string) string {
	if rest, ok := strings.CutPrefix(url, "http"); ok {
		return "ws" + rest
	}
	return url
}

// exchange sends a text over a new WebSocket and wants an answer.
func exchange(t testing.TB, url, send, want string) *websocket.Conn {
	t.Helper()
	ws, err := dialURL(socketURL(url))
	if err != nil {
		t.Fatalf("%s: %v", url, err)
	}
	t.Cleanup(func() { ws.Close() })
	answers(t, ws, send, want)
	return ws
}

// answers sends a text and wants an answer.
func answers(t testing.TB, ws *websocket.Conn, send, want string) {
	t.Helper()
	if err := ws.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if err := ws.WriteMessage(websocket.TextMessage, []byte(send)); err != nil {
		t.Fatal(err)
	}
	_, got, err := ws.ReadMessage()
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%q was answered %q, want %q", send, got, want)
	}
}

// clientProgram runs a client of the seeds with Bun, outside of every sandbox, until
// it has printed the text.
func clientProgram(t testing.TB, program, want string) {
	t.Helper()
	said, end := startClient(t, program)
	defer end()
	eventually(t, fmt.Sprintf("the client prints %q", want), func() error {
		if !strings.Contains(said.String(), want) {
			return fmt.Errorf("it printed %q", said)
		}
		return nil
	})
}

// startClient runs such a client until end is called. What it prints is in said.
func startClient(t testing.TB, program string) (said *logBuffer, end func()) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "client.ts")
	if err := os.WriteFile(file, []byte(program), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(root, "bin", "tools", "bun"), "run", file)
	said = &logBuffer{}
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan struct{})
	go wait(cmd, exited)
	return said, func() {
		_ = cmd.Process.Kill() // it may have ended
		<-exited
	}
}
