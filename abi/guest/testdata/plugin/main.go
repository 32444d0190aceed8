// Command plugin does a little of everything, by path, for the test that runs
// it as a module.
package main

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"time"

	"edge/abi/guest"
)

var greeting = "hello"

func init() {
	guest.Handle(handle)
	guest.Init(func() error {
		_, err := guest.Config("greeting", &greeting)
		return err
	})
	guest.OnSandboxEvent(func(s *guest.Sandbox, ev guest.SandboxEvent) error {
		guest.Log(guest.LevelInfo, string(ev.Type)+" "+s.ID())
		return nil
	})
	guest.SelfTest(func() error {
		if greeting == "broken" {
			return errors.New("the greeting is broken")
		}
		return nil
	})
}

func main() {}

func handle(req *guest.Request) (guest.Response, error) {
	sandbox := guest.GetSandbox("Sandbox", "one")
	switch req.Path() {
	case "/config":
		return guest.Text(200, greeting), nil
	case "/view":
		body, err := req.ReadBody(1 << 20)
		if err != nil {
			return nil, err
		}
		hs, err := req.Headers()
		if err != nil {
			return nil, err
		}
		return guest.JSON(200, map[string]any{
			"method": req.Method(), "query": req.Query().Get("q"), "header": req.Header("x-long"), "headers": len(hs), "body": len(body),
		}), nil
	case "/services":
		return services(req)
	case "/fetch":
		a, err := guest.Fetch(req.Query().Get("url"), guest.FetchOptions{Method: "POST", SendBody: true})
		if err != nil {
			return nil, err
		}
		return guest.Stream(a.Status, a.Headers, func(w io.Writer) error {
			_, err := io.Copy(w, a.Body)
			return err
		}), nil
	case "/plan":
		return sandbox.Plan(guest.PlanOptions{Port: 8080, Process: &guest.PlanProcess{ProcessID: "web", Command: "run"}})
	case "/exec":
		out, err := sandbox.Exec("repeat", guest.ExecOptions{Stdin: req.Query().Get("q"), MaxOutput: 5_000})
		if err != nil {
			return nil, err
		}
		return guest.Text(200, out.Stdout), nil
	case "/collect":
		q := req.Query().Get("q")
		runtime.GC()
		out, err := sandbox.Exec("repeat", guest.ExecOptions{Stdin: q})
		if err != nil {
			return nil, err
		}
		runtime.GC()
		return guest.Text(200, out.Stdout), nil
	case "/ws":
		ws, err := sandbox.WSOpen(8080)
		if err != nil {
			return nil, err
		}
		return collect(ws)
	case "/follow":
		run, err := sandbox.ExecStream("repeat", guest.ExecStreamOptions{Stdin: req.Query().Get("q")})
		if err != nil {
			return nil, err
		}
		return follow(run)
	case "/stream":
		return guest.Stream(200, nil, func(w io.Writer) error {
			for range 100 {
				if _, err := io.WriteString(w, strings.Repeat("x", 1000)); err != nil {
					return err
				}
			}
			return nil
		}), nil
	case "/edit":
		if err := errors.Join(req.SetPath("/new"), req.SetHeader("X-Edited", "yes"), req.DelHeader("X-Gone")); err != nil {
			return nil, err
		}
		return sandbox.ProxyTo(req, 9000)
	case "/guarded":
		if req.IsPreview() {
			return guest.Text(401, "who are you?"), nil
		}
		return guest.ProxyToSandbox(req)
	case "/preview":
		return guest.ProxyToSandbox(req)
	case "/next":
		guest.Log(guest.LevelInfo, "passing on", "path", req.Path())
		return guest.Next(), nil
	case "/policy":
		return sandbox.WSConnect(req, 8080, guest.Policy{MaxBytes: 7})
	case "/panic":
		var m map[string]int
		m["x"] = 1
	}
	return sandbox.WSConnect(req, 8080)
}

// collect reads until the other side closes.
func collect(ws *guest.WebSocket) (guest.Response, error) {
	if err := ws.SendText("start"); err != nil {
		return nil, err
	}
	var all []byte
	for {
		m, err := ws.Recv(time.Second)
		if closed := new(guest.SocketClosed); errors.As(err, &closed) {
			return guest.Bytes(200, "", all), nil
		}
		if err != nil {
			return nil, err
		}
		all = append(all, m.Data...)
	}
}

// follow answers with what a command's events say.
func follow(run *guest.EventStream[guest.ExecEvent]) (guest.Response, error) {
	var all strings.Builder
	for {
		ev, _, err := run.Next()
		switch {
		case errors.Is(err, io.EOF):
			return guest.Text(200, all.String()), nil
		case err != nil:
			return nil, err
		case ev.PID != 0:
			fmt.Fprint(&all, ev.PID)
		case ev.ExitCode != nil:
			fmt.Fprint(&all, *ev.ExitCode)
		}
		all.WriteString(ev.Data)
	}
}

// services uses what is no sandbox's.
func services(req *guest.Request) (guest.Response, error) {
	secret, found := guest.Secret("token")
	var random [100_000]byte
	guest.Random(random[:])
	if !found || guest.Now().Unix() < 0 || guest.Monotonic() == 0 || random[99_999] == random[99_998] && random[99_998] == random[99_997] {
		return nil, errors.New("no secret, no time or no randomness")
	}
	if err := errors.Join(guest.Count("hits", 2, "path", req.Path()), guest.Observe("took_seconds", 0.25)); err != nil {
		return nil, err
	}
	store := guest.KV()
	revision, err := store.Set("long", []byte(req.Query().Get("q")), guest.KVSetOptions{IfRevision: guest.Revision(0)})
	if err != nil {
		return nil, err
	}
	value, again, err := store.Get("long")
	if err != nil || again != revision {
		return nil, fmt.Errorf("revision %d, then %d: %w", revision, again, err)
	}
	return guest.Text(200, secret+" "+string(value)), nil
}
