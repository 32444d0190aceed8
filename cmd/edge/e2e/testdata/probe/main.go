// Command probe is a plugin that tells what it sees of a sandbox: the echo
// server's process, its logs, the generation, and the port's exposure. At
// /probe/exec it only runs a command; at /probe/start it starts the Bun script
// that is the request's body and waits for its port; at /probe/connect and
// /probe/proxy it sends the request there.
package main

import (
	"io"
	"path"
	"strconv"

	"edge/abi/guest"
)

func main() {}

func init() { guest.Handle(probe) }

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
