// Command probe is a plugin that tells what it sees of a sandbox: the echo
// server's process, its logs, the generation, and the port's exposure. At
// /probe/exec it only runs a command.
package main

import (
	"strings"

	"edge/abi/guest"
)

func main() {}

func init() { guest.Handle(probe) }

func probe(req *guest.Request) (guest.Response, error) {
	box := guest.GetSandbox("Sandbox", req.Query().Get("id"))
	if strings.HasSuffix(req.Path(), "/exec") {
		r, err := box.Exec("exit 0")
		if err != nil {
			return nil, err
		}
		return guest.JSON(200, r), nil
	}
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
