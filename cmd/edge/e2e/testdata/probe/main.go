// Command probe is a plugin that tells what it sees of a sandbox: the echo
// server's process, its logs, the generation, and the port's exposure. At
// /probe/exec it only runs a command; at /probe/start it starts the Bun script
// that is the request's body and waits for its port; at /probe/connect and
// /probe/proxy it sends the request there. At /probe/call and /probe/open it
// carries out any operation. Its hook logs what happens to sandboxes.
package main

import (
	"encoding/json"
	"errors"
	"io"
	"path"
	"strconv"

	"edge/abi/guest"
)

func main() {}

func init() {
	guest.Handle(probe)
	guest.OnSandboxEvent(func(s *guest.Sandbox, ev guest.SandboxEvent) error {
		guest.Log(guest.LevelInfo, "hook", "event", string(ev.Type), "sandbox", s.ID(), "reason", ev.Reason)
		return nil
	})
}

func probe(req *guest.Request) (guest.Response, error) {
	box := guest.GetSandbox("Sandbox", req.Query().Get("id"))
	port, _ := strconv.Atoi(req.Query().Get("port")) // none is 0, which no operation takes
	switch path.Base(req.Path()) {
	case "exec":
		r, err := box.Exec("exit 0")
		if err != nil {
			return nil, err
		}
		return guest.JSON(200, r), nil
	case "start":
		return start(req, box, port)
	case "call":
		return call(req, box)
	case "open":
		return open(req, box)
	case "connect":
		return box.WSConnect(req, port)
	case "proxy":
		return box.ProxyTo(req, port)
	}
	return look(box)
}

func start(req *guest.Request, box *guest.Sandbox, port int) (guest.Response, error) {
	script, err := io.ReadAll(req.Body())
	if err != nil {
		return nil, err
	}
	if err := box.WriteFile("/tmp/script.ts", script); err != nil {
		return nil, err
	}
	p, err := box.StartProcess("bun run /tmp/script.ts", guest.StartProcessOptions{IfRunning: guest.IfRunningRestart, ProcessID: "script"})
	if err != nil {
		return nil, err
	}
	if err := p.WaitForPort(port); err != nil {
		return nil, err
	}
	return guest.Text(200, "started"), nil
}

func look(box *guest.Sandbox) (guest.Response, error) {
	state, err := box.GetState()
	if err != nil {
		return nil, err
	}
	server, err := box.GetProcess("ws-echo")
	if err != nil {
		return nil, err
	}
	logs, err := server.GetLogs()
	if err != nil {
		return nil, err
	}
	exposed, err := box.ExposePort(8080)
	if err != nil {
		return nil, err
	}
	return guest.JSON(200, map[string]any{
		"pid": server.PID, "startedAt": server.StartedAt, "generation": state.Generation, "url": exposed.URL, "stdout": logs.Stdout,
	}), nil
}

// call carries out the operation "op" with the body as its request.
func call(req *guest.Request, box *guest.Sandbox) (guest.Response, error) {
	body, err := req.ReadBody(maxBody)
	if err != nil {
		return nil, err
	}
	var answer json.RawMessage
	if err := box.Call(req.Query().Get("op"), json.RawMessage(body), &answer); err != nil {
		return nil, err
	}
	return guest.Bytes(200, "application/json", answer), nil
}

const maxBody = 64 << 20

// message is one message of a stream, as JSON carries it: text, or bytes.
type message struct {
	Text  json.RawMessage `json:"text,omitempty"`
	Bytes []byte          `json:"bytes,omitempty"`
}

// open opens the stream "op", sends what the body says after the first event,
// and answers with all that came of it.
func open(req *guest.Request, box *guest.Sandbox) (guest.Response, error) {
	body, err := req.ReadBody(maxBody)
	if err != nil {
		return nil, err
	}
	var in struct {
		Request json.RawMessage `json:"request"`
		Send    []message       `json:"send"`
		// Until ends the reading after a text message of that type.
		Until string `json:"until"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, err
	}
	stream, err := box.Open(req.Query().Get("op"), in.Request)
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	for _, m := range in.Send {
		if err := send(stream, m); err != nil {
			return nil, err
		}
	}
	var out struct {
		Messages []message    `json:"messages"`
		Error    *guest.Error `json:"error,omitempty"`
	}
	for {
		event, data, err := stream.Next()
		switch {
		case errors.Is(err, io.EOF):
			return guest.JSON(200, out), nil
		case errors.As(err, &out.Error):
			return guest.JSON(200, out), nil
		case err != nil:
			return nil, err
		case event == nil:
			out.Messages = append(out.Messages, message{Bytes: data})
			continue
		}
		out.Messages = append(out.Messages, message{Text: *event})
		var typed struct{ Type string }
		if err := json.Unmarshal(*event, &typed); err != nil {
			return nil, err
		}
		if in.Until != "" && typed.Type == in.Until {
			return guest.JSON(200, out), nil
		}
	}
}

func send(stream *guest.EventStream[json.RawMessage], m message) error {
	if m.Text == nil {
		_, err := stream.Write(m.Bytes)
		return err
	}
	var in guest.StreamInput
	if err := json.Unmarshal(m.Text, &in); err != nil {
		return err
	}
	return stream.Send(in)
}
