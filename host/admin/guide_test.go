package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"edge/abi"
	"edge/host"
	"edge/sandboxmgr"
)

// example is a block of API.md with the one after it: what it prints.
var example = regexp.MustCompile("(?s)```sh\n(.*?)```\n\n```(?:json|text)\n(.*?)```")

// TestGuide runs the examples of API.md in a shell and compares what they print
// with what the page says.
func TestGuide(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("the examples use the Unix socket, which Linux alone has")
	}
	curl, err := exec.LookPath("curl")
	if err != nil {
		missing(t, "curl is not installed")
	}
	if help, err := exec.Command(curl, "--help", "all").Output(); err != nil || !bytes.Contains(help, []byte("--json")) {
		missing(t, "curl is older than 7.82 and has no --json")
	}
	page, err := os.ReadFile("API.md")
	if err != nil {
		t.Fatal(err)
	}
	examples := example.FindAllStringSubmatch(string(page), -1)
	if n := strings.Count(string(page), "```sh\n"); n < 8 || n != len(examples) {
		t.Fatalf("%d of %d examples say what they print", len(examples), n)
	}
	dir := t.TempDir()
	addr := serveGuide(t, dir)
	for _, e := range examples {
		command := strings.ReplaceAll(e[1], "127.0.0.1:8788", addr)
		cmd := exec.CommandContext(t.Context(), "sh", "-e", "-c", command)
		cmd.Dir = dir
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Errorf("%s%v\n%s", e[1], err, stderr.String())
		}
		got := strings.TrimSpace(strings.ReplaceAll(string(out), "\r\n", "\n"))
		if want := strings.TrimSpace(e[2]); clean(got) != clean(want) {
			t.Errorf("%s\nprints\n%s\nand not\n%s", e[1], got, want)
		}
	}
}

// clean leaves out what depends on the machine.
func clean(s string) string {
	return regexp.MustCompile(`"go":"[^"]*","os":"[^"]*","arch":"[^"]*"`).ReplaceAllString(s, `"go":""`)
}

// serveGuide serves the page's world from dir.
func serveGuide(t *testing.T, dir string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(dir, ".edge", "run"), 0o700); err != nil {
		t.Fatal(err)
	}
	token, err := LoadToken(filepath.Join(dir, ".edge", "admin.token"))
	if err != nil {
		t.Fatal(err)
	}
	unix, err := Listen(filepath.Join(dir, ".edge", "run", "admin.sock"))
	if err != nil {
		t.Fatal(err)
	}
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{
		Operations: &fakeOperations{operate: guideCall, open: stream(t, guideStream)}, Sandboxes: guideList{},
		Token: token, Version: "1.0.0", Connections: guideConnections(), Metrics: fakeMetrics{},
		Plugins: &fakePlugins{number: 1, digest: "4f2a90c13b7e"},
		Doctor: func(context.Context) ([]sandboxmgr.Finding, error) {
			return []sandboxmgr.Finding{{Name: "docker engine", Level: "ok", Text: "version 20.10"}}, nil
		},
	}
	served := make(chan error, 2)
	go func() { served <- s.Serve(tcp) }()
	go func() { served <- s.ServeUnix(unix) }()
	t.Cleanup(func() {
		if err := s.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		for range 2 {
			if err := <-served; err != nil {
				t.Error(err)
			}
		}
	})
	return tcp.Addr().String()
}

// guideCall checks a call as a sandbox would, and answers what the page shows.
func guideCall(_ context.Context, name string, body json.RawMessage) (json.RawMessage, error) {
	if _, _, err := abi.SplitCall(abi.Lookup(name), body); err != nil {
		return nil, err
	}
	running := abi.SandboxState{State: abi.StateRunning, Generation: 1}
	switch name {
	case abi.Exec.Name():
		return json.Marshal(&abi.ExecResponse{Success: true, Stdout: "hello\n", Duration: abi.Duration(2 * time.Millisecond)})
	case abi.Touch.Name():
		return json.Marshal(&running)
	case abi.Inspect.Name():
		return json.Marshal(&abi.Inspection{Binding: "Sandbox", ID: "my-box", SandboxState: running, Network: "none", Persist: "all", SleepAfter: abi.Duration(10 * time.Minute)})
	}
	return json.RawMessage("{}"), nil
}

// guideStream is the sandbox's end of whatever stream the request looks like.
func guideStream(s *fakeStream, body json.RawMessage) error {
	var req struct {
		Command, Path, Since, Mode string
	}
	if err := json.Unmarshal(body, &req); err != nil {
		return err
	}
	var messages []message
	say := func(opcode byte, text string) { messages = append(messages, message{opcode, []byte(text)}) }
	switch {
	case req.Since == "12.0":
		say(abi.OpcodeText, `{"type":"stdout","data":"what came after\n","cursor":"31.0"}`)
	case req.Command == "echo hello":
		say(abi.OpcodeText, `{"type":"start","pid":7}`)
		say(abi.OpcodeText, `{"type":"stdout","data":"hello\n"}`)
		say(abi.OpcodeText, `{"type":"exit","exitCode":0,"duration":2}`)
	case req.Mode == "0600":
		return guideUpload(s, req.Path)
	default:
		say(abi.OpcodeText, `{"name":"notes.txt","path":"/workspace/notes.txt","type":"file","size":7,"mode":"0644","modifiedAt":"2026-01-02T03:04:05Z"}`)
		say(abi.OpcodeBinary, "a file\n")
	}
	for _, m := range messages {
		if err := s.send(m.opcode, m.payload); err != nil {
			return err
		}
	}
	return nil
}

func guideUpload(s *fakeStream, path string) error {
	for size := 0; ; {
		m, err := s.next()
		if err != nil {
			return err
		}
		if m.opcode == abi.OpcodeText {
			b, err := json.Marshal(&abi.WriteFileResponse{Path: path, Size: int64(size)})
			if err != nil {
				return err
			}
			return s.send(abi.OpcodeText, b)
		}
		size += len(m.payload)
	}
}

// guideConnections are the live ones in the page's world.
func guideConnections() *fakeConnections {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	box := host.Connection{Kind: "websocket", Binding: "Sandbox", Sandbox: "my-box", Generation: 1, Port: 8080, ConnectedAt: at}
	chat, preview := box, box
	chat.ID, chat.Plugin, chat.Client, chat.Request = 41, "chat", "203.0.113.7:50123", "9f2c41d0a7be-1j"
	preview.ID, preview.Exposure, preview.ExposureName, preview.Client, preview.Request = 43, true, "web", "198.51.100.2:40001", "9f2c41d0a7be-1k"
	return &fakeConnections{all: []host.Connection{chat, preview}}
}

// guideList is what there is in the page's world.
type guideList struct{}

func (guideList) List() []sandboxmgr.Status {
	running := abi.SandboxState{State: abi.StateRunning, Generation: 1}
	return []sandboxmgr.Status{
		{Ref: abi.SandboxRef{Binding: "Sandbox", ID: "other"}, SandboxState: running, Labels: map[string]string{"team": "b"}},
		{Ref: abi.SandboxRef{Binding: "Sandbox", ID: "my-box"}, SandboxState: running, Labels: map[string]string{"team": "a"}},
		{Ref: abi.SandboxRef{Binding: "Other", ID: "z"}, SandboxState: abi.SandboxState{State: abi.StateStopped}},
	}
}

func (guideList) Bindings() map[string]sandboxmgr.Binding {
	return map[string]sandboxmgr.Binding{"Sandbox": {
		Runtime: named("docker"), Image: "edge-sandbox", Preset: "default", Network: "none", Persist: "all", MemoryBytes: 1 << 30, CPUs: 1, PIDs: 512,
		SleepAfter: 10 * time.Minute, ExecTimeout: 10 * time.Minute, Env: map[string]string{"SECRET": "x"},
	}}
}

// named is a runtime of which only the name is asked.
type named string

func (n named) Name() string { return string(n) }

func (named) Start(context.Context, sandboxmgr.MachineSpec) (sandboxmgr.Machine, error) {
	return nil, sandboxmgr.ErrRuntimeDown
}
func (named) Adopt(context.Context, string) (sandboxmgr.Machine, error) {
	return nil, sandboxmgr.ErrNoMachine
}
func (named) Remove(context.Context, string) error { return nil }
func (named) Check(context.Context) error          { return nil }

// TestList wants what a query asks for, by binding and id.
func TestList(t *testing.T) {
	t.Parallel()
	w := start(t, &Server{Operations: &fakeOperations{}, Sandboxes: guideList{}})
	for query, want := range map[string]string{
		"":                           "z my-box other",
		"?binding=Sandbox":           "my-box other",
		"?binding=none":              "",
		"?state=stopped":             "z",
		"?label=team":                "my-box other",
		"?label=team=b":              "other",
		"?label=team=a&label=team=b": "",
		"?label=team=&pretty":        "",
		"?label=none":                "",
		"?binding=Sandbox&label=team=a&state=lost": "",
	} {
		got := w.ask("GET", "/v1/sandboxes"+query, "")
		var list SandboxList
		if err := json.Unmarshal([]byte(got.body), &list); err != nil || list.Sandboxes == nil {
			t.Fatalf("%s: %s", query, got.body)
		}
		var ids []string
		for _, e := range list.Sandboxes {
			ids = append(ids, e.ID)
		}
		if strings.Join(ids, " ") != want {
			t.Errorf("%s: %q, want %q", query, ids, want)
		}
	}
	for _, query := range []string{"?stat=running", "?state=x", "?binding=a&binding=b", "?%zz"} {
		if got := w.ask("GET", "/v1/sandboxes"+query, ""); got.StatusCode != 400 {
			t.Errorf("%s: %d %s", query, got.StatusCode, got.body)
		}
	}
}
