//go:build !wasip1

package guest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"edge/abi"
	"edge/abi/guest"
	"edge/abi/guest/guesttest"
)

// callFiles calls every method on files.
func callFiles(s *guest.Sandbox) error {
	there, err := s.Exists("a")
	if !there {
		err = errors.Join(err, errors.New("exists: no"))
	}
	_, listed := s.ListFiles("/workspace", guest.ListFilesOptions{Recursive: true})
	_, found := s.SearchFiles(guest.SearchFilesOptions{Glob: "*.go"})
	_, cloned := s.GitCheckout("https://example.com/x.git", guest.CheckoutOptions{Depth: 1})
	return errors.Join(err, listed, found, cloned,
		s.Mkdir("a", guest.MkdirOptions{Recursive: true}), s.DeleteFile("a"), s.RenameFile("a", "b"), s.MoveFile("a", "b"), s.SetPermissions("a", "0755"))
}

// callSessions calls every method on sessions and settings.
func callSessions(s *guest.Sandbox) error {
	work, err := s.CreateSession(guest.SessionOptions{ID: "work", Cwd: "/src"})
	if err != nil || work.Cwd != "/src" {
		return fmt.Errorf("createSession: %+v: %w", work, err)
	}
	again, err := s.GetSession("work")
	if err != nil {
		return err
	}
	_, ran := again.Exec("ls")
	_, streamed := again.ExecStream("ls")
	_, started := again.StartProcess("server")
	_, paused := s.Pause()
	_, resumed := s.Resume()
	_, touched := s.Touch()
	_, inspected := s.Inspect()
	return errors.Join(ran, streamed, started, paused, resumed, touched, inspected, work.Delete(),
		s.SetEnvVars(map[string]string{"A": "1"}), s.UnsetEnvVars("B"))
}

// callStreams opens every stream and reads its first event.
func callStreams(s *guest.Sandbox) error {
	run, err1 := s.ExecStream("make")
	term, err2 := s.Terminal(guest.TerminalOptions{Cols: 100})
	logs, err3 := s.StreamLogs("web", guest.StreamLogsOptions{Follow: true})
	watch, err4 := s.Watch("src")
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return err
	}
	started, _, err1 := run.Next()
	ready, _, err2 := term.Next()
	line, _, err3 := logs.Next()
	_, _, err4 = watch.Next()
	size, err5 := s.WriteFileFrom("a", strings.NewReader("abc"))
	info, content, err6 := s.OpenFile("a")
	if err := errors.Join(err1, err2, err3, err4, err5, err6); err != nil {
		return err
	}
	if started.PID != 7 || ready.Offset != 3 || line.Cursor != "1.1.0" || size != 3 || info.Name != "a" {
		return fmt.Errorf("first events: %+v %+v %+v %d %+v", started, ready, line, size, info)
	}
	byName, err := s.Open("watch", map[string]string{"path": "src"})
	if err != nil {
		return err
	}
	if ev, _, err := byName.Next(); err != nil || string(*ev) != `{"type":"ready"}` {
		return fmt.Errorf("by name: %s: %w", *ev, err)
	}
	var there abi.ExistsResponse
	if err := s.Call("exists", map[string]string{"path": "a"}, &there); err != nil || !there.Exists {
		return fmt.Errorf("exists by name: %+v: %w", there, err)
	}
	return errors.Join(byName.Close(), run.Close(), term.Close(), logs.Close(), watch.Close(), content.Close())
}

// TestStream takes one apart: bytes, events, input, the end, a failure.
func TestStream(t *testing.T) {
	t.Parallel()
	good := &guesttest.Socket{Messages: []string{`{"type":"ready","id":"t"}`}, Binary: [][]byte{{0xff, 0}}, End: &abi.SocketClosed{Code: 1000}}
	host := new(guesttest.Host)
	guesttest.OnStream(host, abi.Terminal, func(c guesttest.Call, req *abi.TerminalRequest) (abi.Socket, error) {
		if req.Shell == "none" {
			return nil, abi.Errorf(abi.CodeCommandNotFound, "there is no none")
		}
		return good, nil
	})
	failing := &guesttest.Socket{Failure: abi.Errorf(abi.CodeTimeout, "too late")}
	guesttest.OnStream(host, abi.ExecStream, func(guesttest.Call, *abi.ExecStreamRequest) (abi.Socket, error) { return failing, nil })
	host.Handler = func(*guest.Request) (guest.Response, error) {
		s := guest.GetSandbox("Sandbox", "a")
		if _, err := s.Terminal(guest.TerminalOptions{Shell: "none"}); guest.CodeOf(err) != abi.CodeCommandNotFound {
			return nil, fmt.Errorf("no shell: %w", err)
		}
		term, err := s.Terminal()
		if err != nil {
			return nil, err
		}
		ev, data, err := term.Next()
		if err != nil || ev.ID != "t" || data != nil {
			return nil, fmt.Errorf("first: %+v %q: %w", ev, data, err)
		}
		ev, data, err = term.Next()
		if err != nil || ev != nil || string(data) != "\xff\x00" {
			return nil, fmt.Errorf("second: %+v %q: %w", ev, data, err)
		}
		long := make([]byte, abi.MaxStreamBinary+1)
		if n, err := term.Write(long); n != len(long) || err != nil {
			return nil, fmt.Errorf("wrote %d: %w", n, err)
		}
		if err := errors.Join(term.Send(guest.StreamInput{Type: abi.InputResize, Cols: 90, Rows: 30}), term.CloseInput()); err != nil {
			return nil, err
		}
		if _, _, err := term.Next(); !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("end: %w", err)
		}
		run, err := s.ExecStream("x")
		if err != nil {
			return nil, err
		}
		if _, _, err := run.Next(); guest.CodeOf(err) != abi.CodeTimeout {
			return nil, fmt.Errorf("failure: %w", err)
		}
		return guest.Next(), nil
	}
	if result := host.Do(guesttest.Request("GET", "/")); result.Failed() != nil {
		t.Fatalf("%v %+v", result.Failed(), result.Logs)
	}
	var sizes []int
	for _, s := range good.Sent {
		sizes = append(sizes, len(s))
	}
	if want := []string{`{"type":"resize","cols":90,"rows":30}`, `{"type":"end"}`}; !slices.Equal(good.Sent[2:], want) || sizes[0] != abi.MaxStreamBinary || sizes[1] != 1 {
		t.Errorf("sent %v %q", sizes, good.Sent[2:])
	}
}

// TestFileContents reads and writes content that comes in pieces.
func TestFileContents(t *testing.T) {
	t.Parallel()
	content := strings.Repeat("0123456789", 20_000)
	host := new(guesttest.Host)
	up := guesttest.Script(`{"path":"/workspace/a","size":200000}`)
	guesttest.OnStream(host, abi.WriteFileStream, func(_ guesttest.Call, req *abi.WriteFileStreamRequest) (abi.Socket, error) {
		if req.Path != "a" || req.Mode != "0600" {
			return nil, abi.Errorf(abi.CodeInvalidRequest, "asked %+v", req)
		}
		return up, nil
	})
	guesttest.OnStream(host, abi.ReadFileStream, func(_ guesttest.Call, req *abi.ReadFileStreamRequest) (abi.Socket, error) {
		s := guesttest.Script(`{"name":"a","size":200000}`)
		for piece := range slices.Chunk([]byte(content), 1000) {
			s.Binary = append(s.Binary, piece)
		}
		return s, nil
	})
	host.Handler = func(*guest.Request) (guest.Response, error) {
		s := guest.GetSandbox("Sandbox", "a")
		size, err := s.WriteFileFrom("a", strings.NewReader(content), guest.WriteFileOptions{Mode: "0600"})
		if err != nil || size != 200_000 {
			return nil, fmt.Errorf("wrote %d: %w", size, err)
		}
		info, r, err := s.OpenFile("a", guest.ReadFileStreamOptions{Offset: 0})
		if err != nil || info.Size != 200_000 {
			return nil, fmt.Errorf("opened %+v: %w", info, err)
		}
		defer r.Close()
		got, err := io.ReadAll(r)
		if err != nil || string(got) != content {
			return nil, fmt.Errorf("read %d bytes: %w", len(got), err)
		}
		return guest.Next(), nil
	}
	if result := host.Do(guesttest.Request("GET", "/")); result.Failed() != nil {
		t.Fatalf("%v %+v", result.Failed(), result.Logs)
	}
	if sent := strings.Join(up.Sent, ""); sent != content+`{"type":"end"}` {
		t.Errorf("sent %d bytes", len(sent))
	}
}

// TestFilesOfAWickedSandbox has bytes come where an object must.
func TestFilesOfAWickedSandbox(t *testing.T) {
	t.Parallel()
	host := new(guesttest.Host)
	bytes := func() (abi.Socket, error) { return &guesttest.Socket{Binary: [][]byte{{1}}}, nil }
	guesttest.OnStream(host, abi.WriteFileStream, func(guesttest.Call, *abi.WriteFileStreamRequest) (abi.Socket, error) { return bytes() })
	guesttest.OnStream(host, abi.ReadFileStream, func(guesttest.Call, *abi.ReadFileStreamRequest) (abi.Socket, error) { return bytes() })
	host.Handler = func(*guest.Request) (guest.Response, error) {
		s := guest.GetSandbox("Sandbox", "a")
		if _, err := s.WriteFileFrom("a", strings.NewReader("x")); guest.CodeOf(err) != abi.CodeInternal {
			return nil, fmt.Errorf("upload: %w", err)
		}
		if _, _, err := s.OpenFile("a"); guest.CodeOf(err) != abi.CodeInternal {
			return nil, fmt.Errorf("download: %w", err)
		}
		return guest.Next(), nil
	}
	if result := host.Do(guesttest.Request("GET", "/")); result.Failed() != nil {
		t.Fatalf("%v %+v", result.Failed(), result.Logs)
	}
}

func TestSandboxEvents(t *testing.T) {
	t.Parallel()
	var told []guest.SandboxEvent
	host := new(guesttest.Host)
	zero(host, abi.GetState)
	host.Handler = func(*guest.Request) (guest.Response, error) { return guest.Next(), nil }
	if got := host.Tell(abi.SandboxEvent{}); got.Errno != abi.Unsupported {
		t.Errorf("without a hook: %v", got.Errno)
	}
	guest.OnSandboxEvent(func(s *guest.Sandbox, ev guest.SandboxEvent) error {
		told = append(told, ev)
		if ev.Type == guest.SandboxFailed {
			return ev.Error
		}
		_, err := s.GetState()
		return err
	})
	defer guest.OnSandboxEvent(nil)
	code := 137
	events := []abi.SandboxEvent{
		{Type: abi.SandboxStarted, Binding: "Sandbox", ID: "a", Generation: 1},
		{Type: abi.SandboxStopped, Binding: "Sandbox", ID: "a", Generation: 1, Reason: strings.Repeat("long ", 1000), ExitCode: &code},
	}
	for _, ev := range events {
		result := host.Tell(ev)
		if result.Errno != abi.OK || !slices.Equal(result.Operations(), []string{"getState"}) {
			t.Errorf("%s: %v %v", ev.Type, result.Errno, result.Operations())
		}
	}
	failed := host.Tell(abi.SandboxEvent{Type: abi.SandboxFailed, Binding: "Sandbox", ID: "a", Error: abi.Errorf(abi.CodeImageNotFound, "no image")})
	if failed.Errno != abi.NotFound || len(failed.Logs) == 0 {
		t.Errorf("a hook that fails: %v %v", failed.Errno, failed.Logs)
	}
	if len(told) != 3 || told[1].ExitCode == nil || *told[1].ExitCode != 137 || told[1].Reason != events[1].Reason {
		t.Errorf("told %+v", told)
	}
}

var _ abi.Socket = (*guesttest.Socket)(nil)

// TestStreamDeadline has a stream that never says anything.
func TestStreamDeadline(t *testing.T) {
	t.Parallel()
	host := new(guesttest.Host)
	guesttest.OnStream(host, abi.Watch, func(guesttest.Call, *abi.WatchRequest) (abi.Socket, error) { return new(guesttest.Socket), nil })
	host.Handler = func(*guest.Request) (guest.Response, error) {
		w, err := guest.GetSandbox("Sandbox", "a").Watch(".")
		if err != nil {
			return nil, err
		}
		if _, _, err := w.NextWithin(0); !errors.Is(err, guest.ErrTimeout) || errors.Is(err, context.DeadlineExceeded) {
			return nil, fmt.Errorf("silence: %w", err)
		}
		return guest.Next(), nil
	}
	if result := host.Do(guesttest.Request("GET", "/")); result.Failed() != nil {
		t.Fatalf("%+v", result.Logs)
	}
}
