//go:build !wasip1

package guest_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"edge/abi"
	"edge/abi/guest"
	"edge/abi/guest/guesttest"
)

// TestEveryOperationHasAMethod calls each method once. The fake host decodes what
// arrives with the table's own structs, and the table says if one was forgotten.
func TestEveryOperationHasAMethod(t *testing.T) {
	t.Parallel()
	host := new(guesttest.Host)
	answerAll(host)
	host.Handler = func(*guest.Request) (guest.Response, error) {
		return guest.Next(), callAll(guest.GetSandbox("Sandbox", "one"))
	}
	result := host.Do(guesttest.Request("GET", "/"))
	if result.Failed() != nil {
		t.Fatalf("%v %+v", result.Failed(), result.Logs)
	}
	called := result.Operations()
	for _, row := range abi.Operations {
		if !slices.Contains(called, row.Name()) {
			t.Errorf("no method calls %s", row.Name())
		}
	}
	for _, c := range result.Calls {
		if c.Sandbox.Binding != "Sandbox" || c.Sandbox.ID != "one" {
			t.Errorf("%s went to %+v", c.Name, c.Sandbox)
		}
	}
	var start *abi.StartProcessRequest
	for _, c := range result.Calls {
		if s, ok := c.Request.(*abi.StartProcessRequest); ok && start == nil {
			start = s
		}
	}
	if want := (&abi.StartProcessRequest{Command: "bun run x.ts", ProcessID: "web", Cwd: "/tmp"}); !reflect.DeepEqual(start, want) {
		t.Errorf("startProcess was asked %+v, want %+v", start, want)
	}
}

func answerAll(h *guesttest.Host) {
	running := &abi.Process{ID: "web", PID: 7, Status: abi.StatusRunning}
	zero(h, abi.Start)
	zero(h, abi.Stop)
	zero(h, abi.Destroy)
	zero(h, abi.GetState)
	zero(h, abi.Exec)
	fixed(h, abi.StartProcess, running)
	fixed(h, abi.ListProcesses, &abi.ProcessList{Processes: []abi.Process{*running}})
	fixed(h, abi.GetProcess, running)
	fixed(h, abi.KillProcess, &abi.Process{ID: "web", PID: 7, Status: abi.StatusKilled})
	fixed(h, abi.KillAllProcesses, &abi.KillAllResponse{Count: 3})
	zero(h, abi.GetLogs)
	zero(h, abi.WaitForPort)
	zero(h, abi.WaitForLog)
	zero(h, abi.WaitForExit)
	zero(h, abi.WriteFile)
	zero(h, abi.ReadFile)
	zero(h, abi.Pause)
	zero(h, abi.Resume)
	zero(h, abi.Touch)
	zero(h, abi.Inspect)
	zero(h, abi.SetEnvVars)
	fixed(h, abi.CreateSession, &abi.Session{ID: "work", Cwd: "/src"})
	fixed(h, abi.GetSession, &abi.Session{ID: "work"})
	zero(h, abi.DeleteSession)
	zero(h, abi.Mkdir)
	zero(h, abi.DeleteFile)
	zero(h, abi.RenameFile)
	zero(h, abi.MoveFile)
	fixed(h, abi.Exists, &abi.ExistsResponse{Exists: true})
	zero(h, abi.SetPermissions)
	zero(h, abi.ListFiles)
	zero(h, abi.SearchFiles)
	zero(h, abi.Checkout)
	script(h, abi.ExecStream, `{"type":"start","pid":7}`)
	script(h, abi.Terminal, `{"type":"ready","offset":3}`)
	script(h, abi.StreamLogs, `{"type":"stdout","data":"x","cursor":"1.1.0"}`)
	script(h, abi.Watch, `{"type":"ready"}`)
	script(h, abi.WriteFileStream, `{"path":"/workspace/a","size":3}`)
	script(h, abi.ReadFileStream, `{"name":"a","size":3}`)
	fixed(h, abi.ExposePort, &abi.ExposedPort{Port: 8080, URL: "http://x"})
	zero(h, abi.UnexposePort)
	fixed(h, abi.GetExposedPorts, &abi.ExposedPorts{Ports: make([]abi.ExposedPort, 2)})
	fixed(h, abi.IsPortExposed, &abi.BoolResponse{Value: true})
	fixed(h, abi.ValidatePortToken, &abi.BoolResponse{Value: true})
	fixed(h, abi.CreatePreviewLink, &abi.PreviewLink{URL: "http://x/?edge_link=1"})
	fixed(h, abi.GetListeningPorts, &abi.ListeningPorts{Ports: make([]abi.ListeningPort, 3)})
}

func zero[Req, Resp any](h *guesttest.Host, op *abi.Operation[Req, Resp]) { fixed(h, op, new(Resp)) }

func fixed[Req, Resp any](h *guesttest.Host, op *abi.Operation[Req, Resp], resp *Resp) {
	guesttest.On(h, op, func(guesttest.Call, *Req) (*Resp, error) { return resp, nil })
}

func script[Req, Event any](h *guesttest.Host, op *abi.StreamOperation[Req, Event], event string) {
	guesttest.OnStream(h, op, func(guesttest.Call, *Req) (abi.Socket, error) { return guesttest.Script(event), nil })
}

// callAll calls every method of a sandbox and of a process and returns what went
// wrong.
func callAll(s *guest.Sandbox) error {
	var failed []error
	check := func(what string, err error) {
		if err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", what, err))
		}
	}
	want := func(what string, ok bool) {
		if !ok {
			failed = append(failed, errors.New(what))
		}
	}
	_, err := s.Start()
	check("start", err)
	_, err = s.GetState()
	check("getState", err)
	_, err = s.Exec("", guest.ExecOptions{Argv: []string{"ls"}})
	check("exec", err)
	check("writeFile", s.WriteFile("/tmp/a", []byte("x")))
	_, err = s.ReadFile("/tmp/a")
	check("readFile", err)
	p, err := s.StartProcess("bun run x.ts", guest.StartProcessOptions{ProcessID: "web", Cwd: "/tmp"})
	check("startProcess", err)
	want("a process has its state", p != nil && p.PID == 7 && p.ID == "web")
	check("waitForPort", p.WaitForPort(8080, guest.WaitForPortOptions{Status: &guest.StatusRange{Min: 200, Max: 299}}))
	_, err = p.WaitForLog("ready", guest.WaitForLogOptions{Timeout: guest.Duration(time.Second)})
	check("waitForLog", err)
	_, err = p.GetLogs(guest.LogsOptions{Tail: 3})
	check("getLogs", err)
	status, err := p.GetStatus()
	check("getStatus", err)
	want("status is running", status == guest.StatusRunning)
	ps, err := s.ListProcesses()
	check("listProcesses", err)
	want("one process", len(ps) == 1 && ps[0].ID == "web")
	check("kill", p.Kill(guest.KillOptions{Signal: "INT"}))
	want("kill updates the state", p.Status == guest.StatusKilled)
	_, err = p.WaitForExit(guest.Duration(time.Second))
	check("waitForExit", err)
	n, err := s.KillAllProcesses()
	check("killAllProcesses", err)
	want("three killed", n == 3)
	exposed, err := s.ExposePort(8080, guest.ExposeOptions{Name: "web"})
	check("exposePort", err)
	want("the URL", exposed != nil && exposed.URL == "http://x")
	link, err := s.CreatePreviewLink(8080, guest.PreviewLinkOptions{Path: "/a"})
	check("createPreviewLink", err)
	want("the link", link != nil && link.URL == "http://x/?edge_link=1")
	list, err := s.GetExposedPorts()
	check("getExposedPorts", err)
	want("two exposures", len(list) == 2)
	yes, err := s.IsPortExposed(8080)
	check("isPortExposed", err)
	want("it is exposed", yes)
	yes, err = s.ValidatePortToken(8080, "t")
	check("validatePortToken", err)
	want("the token is good", yes)
	listening, err := s.GetListeningPorts()
	check("getListeningPorts", err)
	want("three ports are listened on", len(listening) == 3)
	check("closePort", s.ClosePort(8080))
	failed = append(failed, callFiles(s), callSessions(s), callStreams(s))
	_, err = s.Stop(guest.StopOptions{Grace: guest.Duration(time.Second)})
	check("stop", err)
	check("destroy", s.Destroy())
	return errors.Join(failed...)
}

func TestOperationErrors(t *testing.T) {
	t.Parallel()
	host := new(guesttest.Host)
	guesttest.On(host, abi.StartProcess, func(_ guesttest.Call, req *abi.StartProcessRequest) (*abi.Process, error) {
		return nil, abi.Errorf(abi.CodeProcessAlreadyExists, "process %q already exists", req.ProcessID)
	})
	guesttest.On(host, abi.Exec, func(guesttest.Call, *abi.ExecRequest) (*abi.ExecResponse, error) { return nil, errors.New("secret") })
	host.Handler = func(*guest.Request) (guest.Response, error) {
		s := guest.GetSandbox("Sandbox", "a")
		_, err := s.StartProcess("x", guest.StartProcessOptions{ProcessID: "web"})
		if !errors.Is(err, guest.ErrProcessExists) || !strings.Contains(err.Error(), "already exists") {
			return nil, fmt.Errorf("duplicate process: %w", err)
		}
		var e *guest.Error
		if !errors.As(err, &e) || e.Operation != "startProcess" {
			return nil, fmt.Errorf("operation %q", e.Operation)
		}
		if _, err := s.Exec("x"); guest.CodeOf(err) != abi.CodeInternal || strings.Contains(err.Error(), "secret") {
			return nil, fmt.Errorf("foreign error: %w", err)
		}
		if _, err := guest.GetSandbox("Sandbox", "bad id").Exec("x"); guest.CodeOf(err) != abi.CodeInvalidSandboxID {
			return nil, fmt.Errorf("bad id: %w", err)
		}
		return guest.Next(), nil
	}
	if result := host.Do(guesttest.Request("GET", "/")); result.Failed() != nil {
		t.Errorf("%+v", result.Logs)
	}
}

// TestFiles also covers answers that do not fit the first buffer.
func TestFiles(t *testing.T) {
	t.Parallel()
	files := map[string]*abi.WriteFileRequest{}
	host := new(guesttest.Host)
	guesttest.On(host, abi.WriteFile, func(_ guesttest.Call, req *abi.WriteFileRequest) (*abi.WriteFileResponse, error) {
		files[req.Path] = req
		return &abi.WriteFileResponse{Path: req.Path}, nil
	})
	guesttest.On(host, abi.ReadFile, func(_ guesttest.Call, req *abi.ReadFileRequest) (*abi.ReadFileResponse, error) {
		f := files[req.Path]
		return &abi.ReadFileResponse{Content: f.Content, Encoding: f.Encoding}, nil
	})
	contents := map[string][]byte{
		"empty": {}, "text": []byte("hällo\n"), "binary": {0, 255, 1, 254}, "long": []byte(strings.Repeat("x", 100_000)),
	}
	host.Handler = func(*guest.Request) (guest.Response, error) {
		s := guest.GetSandbox("Sandbox", "a")
		for name, content := range contents {
			if err := s.WriteFile(name, content, guest.WriteFileOptions{Mode: "0755"}); err != nil {
				return nil, err
			}
			got, err := s.ReadFile(name)
			if err != nil || string(got) != string(content) {
				return nil, fmt.Errorf("%s: %d bytes came back, %w", name, len(got), err)
			}
		}
		return guest.Next(), nil
	}
	if result := host.Do(guesttest.Request("GET", "/")); result.Failed() != nil {
		t.Fatalf("%+v", result.Logs)
	}
	if f := files["binary"]; f.Encoding != "base64" || f.Content != base64.StdEncoding.EncodeToString(contents["binary"]) || f.Mode != "0755" {
		t.Errorf("binary was sent as %+v", f)
	}
	if f := files["text"]; f.Encoding != "" || f.Content != "hällo\n" {
		t.Errorf("text was sent as %+v", f)
	}
}

func TestWebSocket(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 10_000)
	socket := guesttest.Script("one", "", long)
	var opened []any
	host := &guesttest.Host{OpenSocket: func(ref abi.SandboxRef, port int, opts abi.WebSocketOptions) (abi.Socket, error) {
		opened = append(opened, ref.ID, port, opts.Path)
		return socket, nil
	}}
	host.Handler = func(*guest.Request) (guest.Response, error) {
		ws, err := guest.GetSandbox("Sandbox", "a").WSOpen(8083, guest.WebSocketOptions{Path: "/feed"})
		if err != nil {
			return nil, err
		}
		if err := errors.Join(ws.SendText("hello"), ws.SendBinary([]byte{1})); err != nil {
			return nil, err
		}
		for _, want := range []string{"one", "", long} {
			m, err := ws.Recv(time.Second)
			if err != nil || m.Text() != want || m.Binary {
				return nil, fmt.Errorf("got %.20q, %w", m.Data, err)
			}
		}
		_, err = ws.Recv(time.Second)
		var closed *guest.SocketClosed
		if !errors.As(err, &closed) || closed.Code != 1000 {
			return nil, fmt.Errorf("after the last message: %w", err)
		}
		return guest.Next(), ws.Close(3000, "enough")
	}
	if result := host.Do(guesttest.Request("GET", "/")); result.Failed() != nil {
		t.Fatalf("%+v", result.Logs)
	}
	if !slices.Equal(socket.Sent, []string{"hello", "\x01"}) || socket.Closed == nil || socket.Closed.Code != 3000 || socket.Closed.Reason != "enough" {
		t.Errorf("sent %q, closed %v", socket.Sent, socket.Closed)
	}
	if fmt.Sprint(opened) != "[a 8083 /feed]" {
		t.Errorf("opened %v", opened)
	}
}

func TestWebSocketFailures(t *testing.T) {
	t.Parallel()
	silent := new(guesttest.Socket)
	host := &guesttest.Host{OpenSocket: func(_ abi.SandboxRef, port int, _ abi.WebSocketOptions) (abi.Socket, error) {
		if port != 8083 {
			return nil, abi.Errorf(abi.CodePortNotListening, "nothing listens on port %d", port)
		}
		return silent, nil
	}}
	host.Handler = func(*guest.Request) (guest.Response, error) {
		s := guest.GetSandbox("Sandbox", "a")
		if _, err := s.WSOpen(9999); guest.CodeOf(err) != abi.CodePortNotListening {
			return nil, fmt.Errorf("refused port: %w", err)
		}
		if _, err := s.WSOpen(80); guest.CodeOf(err) != abi.CodeInvalidPort {
			return nil, fmt.Errorf("bad port: %w", err)
		}
		ws, err := s.WSOpen(8083)
		if err != nil {
			return nil, err
		}
		for _, timeout := range []time.Duration{-1, 0, time.Microsecond, 5 * time.Millisecond} {
			if _, err := ws.Recv(timeout); !errors.Is(err, guest.ErrTimeout) {
				return nil, fmt.Errorf("silence for %v: %w", timeout, err)
			}
		}
		if err := ws.Close(1005, ""); guest.CodeOf(err) != guest.CodeInvalidRequest {
			return nil, fmt.Errorf("close code 1005: %w", err)
		}
		return guest.Next(), nil
	}
	if result := host.Do(guesttest.Request("GET", "/")); result.Failed() != nil {
		t.Fatalf("%+v", result.Logs)
	}
	if silent.Closed == nil || silent.Closed.Code != 1001 {
		t.Errorf("a socket that was left open ended with %v", silent.Closed)
	}
}
