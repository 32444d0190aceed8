package acceptance

import (
	"bytes"
	"encoding/json"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"edge/abi"
)

// sandbox is one sandbox of a test.
type sandbox struct {
	t    testing.TB
	edge *edge
	// path is where the admin API has it.
	path string
	// processes are those that serve started.
	processes []string
}

// newSandbox names a sandbox, which the first call starts and the end of the test
// destroys. Tests that run at the same time must not share an id.
func newSandbox(t testing.TB, p place, id string) *sandbox {
	t.Helper()
	e := edges[p.scheme]
	s := &sandbox{t: t, edge: e, path: "/v1/sandboxes/" + p.runtime + "/" + id + "-" + p.runtime}
	from := e.log.size()
	t.Cleanup(func() {
		if t.Failed() {
			s.tell()
			t.Logf("edge said meanwhile:\n%s", s.logged(from))
		}
		call(s, abi.Destroy, abi.Empty{})
	})
	return s
}

// call carries out an operation, which must work.
func call[Req, Resp any](s *sandbox, op *abi.Operation[Req, Resp], request Req) Resp {
	s.t.Helper()
	answer, err := try(s, op, request)
	if err != nil {
		s.t.Fatalf("%s: %v", op.Name(), err)
	}
	return answer
}

// try carries out an operation.
func try[Req, Resp any](s *sandbox, op *abi.Operation[Req, Resp], request Req) (answer Resp, err error) {
	body, err := json.Marshal(request)
	if err != nil {
		return answer, err
	}
	req, err := http.NewRequest(http.MethodPost, s.url(op), bytes.NewReader(body))
	if err != nil {
		return answer, err
	}
	err = s.ask(req, &answer)
	return answer, err
}

// url is where the admin API has an operation.
func (s *sandbox) url(op abi.Row) string { return "http://edge" + s.path + "/" + op.Name() }

// ask sends a request to the admin API and reads its answer.
func (s *sandbox) ask(req *http.Request, answer any) error {
	resp, err := s.edge.admin().Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode < 300 {
		return json.Unmarshal(body, answer)
	}
	var failure struct{ Error *abi.Error }
	if err := json.Unmarshal(body, &failure); err != nil {
		return err
	}
	return failure.Error
}

// write writes a file below /workspace.
func (s *sandbox) write(name, content string) {
	s.t.Helper()
	call(s, abi.WriteFile, abi.WriteFileRequest{Path: path.Join(abi.DefaultCwd, name), Content: content})
}

// copyIn writes the files of a folder of testdata into /workspace.
func (s *sandbox) copyIn(folder string) {
	s.t.Helper()
	from := filepath.Join("testdata", folder)
	err := filepath.WalkDir(from, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		below, err := filepath.Rel(from, name)
		if err != nil {
			return err
		}
		s.write(filepath.ToSlash(below), string(content))
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

// edit changes a text in a file below /workspace, as a person would.
func (s *sandbox) edit(name, from, to string) {
	s.t.Helper()
	name = path.Join(abi.DefaultCwd, name)
	content := call(s, abi.ReadFile, abi.ReadFileRequest{Path: name}).Content
	if !strings.Contains(content, from) {
		s.t.Fatalf("%s does not hold %q:\n%s", name, from, content)
	}
	call(s, abi.WriteFile, abi.WriteFileRequest{Path: name, Content: strings.Replace(content, from, to, 1)})
}

// exec runs a command in /workspace, which must succeed, and returns its output.
func (s *sandbox) exec(command string) string {
	s.t.Helper()
	r := call(s, abi.Exec, abi.ExecRequest{Command: command})
	if !r.Success {
		s.t.Fatalf("%s: exit code %d\n%s%s", command, r.ExitCode, r.Stdout, r.Stderr)
	}
	return r.Stdout
}

// unpack writes the content of a tar archive into a folder below /workspace. The
// archive is streamed in as one file.
func (s *sandbox) unpack(folder string, archive io.Reader) {
	s.t.Helper()
	const name = "/workspace/.archive.tar"
	req, err := http.NewRequest(http.MethodPut, s.url(abi.WriteFileStream)+"?path="+url.QueryEscape(name), archive)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.ask(req, &abi.WriteFileResponse{}); err != nil {
		s.t.Fatalf("upload of %s: %v", name, err)
	}
	s.exec("mkdir -p " + folder + " && tar -x -f " + name + " -C " + folder + " && rm " + name)
}

// serve starts a server in /workspace and waits until its port can be reached.
func (s *sandbox) serve(processID, command string, port int) {
	s.t.Helper()
	start := time.Now()
	call(s, abi.StartProcess, abi.StartProcessRequest{ProcessID: processID, Command: command})
	s.processes = append(s.processes, processID)
	call(s, abi.WaitForPort, abi.WaitForPortRequest{Port: port, ProcessID: processID, Timeout: abi.Duration(patience / 2)})
	s.t.Logf("%s listens after %v", processID, time.Since(start).Round(time.Millisecond))
}

// expose makes a port reachable and returns its URL, which ends in a slash.
func (s *sandbox) expose(request abi.ExposePortRequest) string {
	s.t.Helper()
	return call(s, abi.ExposePort, request).URL
}

// refuses asks a server that is exposed for something, from a page of its own, and
// wants this refusal when it sees the Host and Origin of the preview, and not when it
// sees those that it has by itself.
func (s *sandbox) refuses(port int, path string, status int, text string) {
	s.t.Helper()
	for _, policy := range []string{abi.HostPreview, abi.HostLocal} {
		url := s.expose(abi.ExposePortRequest{Port: port, Host: policy})
		req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, strings.TrimSuffix(url, "/")+path, nil)
		if err != nil {
			s.t.Fatal(err)
		}
		req.Header.Set("Origin", strings.TrimSuffix(url, "/"))
		resp, err := s.edge.client().Do(req)
		if err != nil {
			s.t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			s.t.Fatal(err)
		}
		refused := resp.StatusCode == status && strings.Contains(string(body), text)
		if refused != (policy == abi.HostPreview) {
			s.t.Errorf("with the policy %q %s is answered %d %.300q; refused would be %d with %q", policy, path, resp.StatusCode, body, status, text)
		}
	}
}

// logged is what the edge has logged of this sandbox since its first n bytes, and what
// it warned of.
func (s *sandbox) logged(n int) string {
	var b strings.Builder
	for line := range strings.Lines(s.edge.log.since(n)) {
		if strings.Contains(line, path.Base(s.path)) || !strings.Contains(line, "level=INFO") {
			b.WriteString(line)
		}
	}
	return b.String()
}

// tell logs what the servers printed last.
func (s *sandbox) tell() {
	for _, id := range s.processes {
		r, err := try(s, abi.GetLogs, abi.LogsRequest{ProcessID: id, Tail: 100})
		s.t.Logf("%s printed (%v):\n%s%s", id, err, r.Stdout, r.Stderr)
	}
}
