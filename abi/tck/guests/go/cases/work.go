package cases

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"edge/abi/guest"
)

func operations() map[string]guest.Handler {
	return map[string]guest.Handler{
		"exec": exec, "exec-error": exec, "exec-large": exec,
		"processes": processes,
		"files":     files,
		"binary":    binary,
		"ports":     ports,
		"links":     links,
		"life":      life,
		"ensure": func(r *guest.Request) (guest.Response, error) {
			server := guest.Server{ProcessID: "srv", Port: 8080, Path: "/tmp/s", Source: []byte("code"), Command: "run /tmp/s"}
			if err := one().EnsureServer(server); err != nil {
				return nil, err
			}
			return one().WSConnect(r, server.Port)
		},
	}
}

func exec(*guest.Request) (guest.Response, error) {
	result, err := one().Exec("echo hi", guest.ExecOptions{Cwd: "/tmp", Timeout: guest.Duration(5 * time.Second)})
	if err != nil {
		return nil, err
	}
	return text(result.Stdout)
}

func processes(*guest.Request) (guest.Response, error) {
	s := one()
	p, err := s.StartProcess("serve", guest.StartProcessOptions{ProcessID: "p", Cwd: "/app", IfRunning: guest.IfRunningReuse})
	if err != nil {
		return nil, err
	}
	if err := p.WaitForPort(8080, guest.WaitForPortOptions{Timeout: guest.Duration(2 * time.Second)}); err != nil {
		return nil, err
	}
	line, err := p.WaitForLog("ready")
	if err != nil {
		return nil, err
	}
	logs, err := p.GetLogs(guest.LogsOptions{Tail: 10})
	if err != nil {
		return nil, err
	}
	status, err := p.GetStatus()
	if err != nil {
		return nil, err
	}
	all, err := s.ListProcesses()
	if err != nil {
		return nil, err
	}
	if err := p.Kill(guest.KillOptions{Signal: "INT"}); err != nil {
		return nil, err
	}
	exit, err := s.WaitForExit("p", 0)
	if err != nil {
		return nil, err
	}
	return text("p", line.Line, logs.Stdout, string(status), strconv.Itoa(len(all)), strconv.Itoa(exit.ExitCode))
}

func files(*guest.Request) (guest.Response, error) {
	s := one()
	if err := s.Mkdir("d", guest.MkdirOptions{Recursive: true}); err != nil {
		return nil, err
	}
	if err := s.WriteFile("d/f", []byte("text"), guest.WriteFileOptions{Mode: "0600"}); err != nil {
		return nil, err
	}
	read, err := s.ReadFile("d/f")
	if err != nil {
		return nil, err
	}
	exists, err := s.Exists("d/f")
	if err != nil {
		return nil, err
	}
	list, err := s.ListFiles("d")
	if err != nil {
		return nil, err
	}
	err = errors.Join(s.RenameFile("d/f", "d/g"), s.MoveFile("d/g", "e/"), s.SetPermissions("e/g", "0755"), s.DeleteFile("d", guest.DeleteFileOptions{Recursive: true}))
	if err != nil {
		return nil, err
	}
	return text(string(read), strconv.FormatBool(exists), list.Files[0].Name)
}

func binary(*guest.Request) (guest.Response, error) {
	if err := one().WriteFile("b", []byte{0, 255}); err != nil {
		return nil, err
	}
	b, err := one().ReadFile("b")
	if err != nil {
		return nil, err
	}
	return text(fmt.Sprint(len(b), b[len(b)-1]))
}

func ports(*guest.Request) (guest.Response, error) {
	s := one()
	exposed, err := s.ExposePort(8080, guest.ExposeOptions{Name: "web", TTL: guest.Duration(time.Hour), Token: "tok_1"})
	if err != nil {
		return nil, err
	}
	all, err := s.GetExposedPorts()
	if err != nil {
		return nil, err
	}
	is, err := s.IsPortExposed(8080)
	if err != nil {
		return nil, err
	}
	valid, err := s.ValidatePortToken(8080, "tok_1")
	if err != nil {
		return nil, err
	}
	if err := s.UnexposePort(8080); err != nil {
		return nil, err
	}
	return text(exposed.URL, strconv.Itoa(len(all)), strconv.FormatBool(is), strconv.FormatBool(valid))
}

func links(*guest.Request) (guest.Response, error) {
	s := one()
	exposed, err := s.ExposePort(8080, guest.ExposeOptions{TokenIn: "request", Host: "app:${port}", OnRestart: "revoke"})
	if err != nil {
		return nil, err
	}
	link, err := s.CreatePreviewLink(8080, guest.PreviewLinkOptions{TTL: guest.Duration(10 * time.Minute), Path: "/a?b=c"})
	if err != nil {
		return nil, err
	}
	if err := s.UnexposePort(8080, guest.UnexposePortOptions{Drain: guest.Duration(30 * time.Second)}); err != nil {
		return nil, err
	}
	return text(exposed.Token, link.URL)
}

func life(*guest.Request) (guest.Response, error) {
	s := one()
	for _, call := range []func() (*guest.SandboxState, error){s.Start, s.Touch, s.Pause, s.Resume} {
		if _, err := call(); err != nil {
			return nil, err
		}
	}
	state, err := s.GetState()
	if err != nil {
		return nil, err
	}
	if err := s.SetEnvVars(map[string]string{"A": "1"}); err != nil {
		return nil, err
	}
	session, err := s.CreateSession(guest.SessionOptions{ID: "s", Cwd: "/app"})
	if err != nil {
		return nil, err
	}
	id, err := session.Exec("id")
	if err != nil {
		return nil, err
	}
	if err := session.Delete(); err != nil {
		return nil, err
	}
	if _, err := s.Stop(guest.StopOptions{Signal: "INT"}); err != nil {
		return nil, err
	}
	if err := s.Destroy(); err != nil {
		return nil, err
	}
	return text(string(state.State), session.ID, id.Stdout)
}

func streams() map[string]guest.Handler {
	return map[string]guest.Handler{
		"socket":       socket,
		"socket-close": socketClose,
		"socket-refused": func(*guest.Request) (guest.Response, error) {
			if _, err := one().WSOpen(8080); err != nil {
				return nil, err
			}
			return text("opened")
		},
		"events": events,
		"events-failed": func(*guest.Request) (guest.Response, error) {
			stream, err := one().ExecStream("make")
			if err != nil {
				return nil, err
			}
			for err == nil {
				_, _, err = stream.Next()
			}
			return nil, errors.Join(err, stream.Close())
		},
		"download": download,
	}
}

func socket(*guest.Request) (guest.Response, error) {
	ws, err := one().WSOpen(8080, guest.WebSocketOptions{Path: "/feed"})
	if err != nil {
		return nil, err
	}
	if err := errors.Join(ws.SendText("hi"), ws.SendBinary([]byte{0, 1})); err != nil {
		return nil, err
	}
	var said strings.Builder
	for {
		m, err := ws.Recv(5 * time.Second)
		if closed := new(guest.SocketClosed); errors.As(err, &closed) {
			return text(fmt.Sprintf("%sclosed %d %s", said.String(), closed.Code, closed.Reason))
		}
		if err != nil {
			return nil, err
		}
		said.WriteString(m.Text() + "|")
	}
}

func socketClose(*guest.Request) (guest.Response, error) {
	ws, err := one().WSOpen(8080)
	if err != nil {
		return nil, err
	}
	_, refused := ws.Recv(time.Millisecond)
	if err := ws.Close(3000, "bye"); err != nil {
		return nil, err
	}
	return text(string(guest.CodeOf(refused)))
}

func events(*guest.Request) (guest.Response, error) {
	stream, err := one().ExecStream("make", guest.ExecStreamOptions{Input: true})
	if err != nil {
		return nil, err
	}
	if _, err := stream.Write([]byte("in")); err != nil {
		return nil, err
	}
	if err := stream.CloseInput(); err != nil {
		return nil, err
	}
	var types []string
	var data string
	for {
		event, _, err := stream.Next()
		if err == io.EOF {
			if err := stream.Close(); err != nil {
				return nil, err
			}
			return text(strings.Join(types, ","), data)
		}
		if err != nil {
			return nil, err
		}
		types, data = append(types, string(event.Type)), data+event.Data
	}
}

func download(*guest.Request) (guest.Response, error) {
	info, r, err := one().OpenFile("big")
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(r)
	if err := errors.Join(err, r.Close()); err != nil {
		return nil, err
	}
	return text(fmt.Sprint(info.Size, len(b)))
}
