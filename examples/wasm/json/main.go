// Command json is the plugin behind /ws/json?id=ID: requests in JSON (ping, exec,
// info) to a server in the sandbox.
package main

import (
	_ "embed"
	"errors"
	"time"

	"edge/abi/guest"
)

const (
	port      = 8082
	processID = "ws-json"
	script    = "/tmp/ws-json.ts"
)

//go:embed server.ts
var server []byte

func init() { guest.Handle(handle) }

// main is linked and never run: the module is a library to the edge.
func main() {}

func handle(req *guest.Request) (guest.Response, error) {
	id := req.Query().Get("id")
	if id == "" {
		id = "json-service"
	}
	sandbox := guest.GetSandbox("Sandbox", id)
	if err := ensureServer(sandbox); err != nil {
		return nil, err
	}
	return sandbox.WSConnect(req, port)
}

// ensureServer returns when the server can be reached. Waiting for the port comes
// first, because with a process id it answers three questions in one call: is the
// process there, does it run, does it listen. So a server that is up costs one
// operation, one that another request is starting is waited for, and only one
// that is missing, or has ended, is written and started.
func ensureServer(sandbox *guest.Sandbox) error {
	ready := guest.WaitForPortOptions{ProcessID: processID, Timeout: guest.Duration(20 * time.Second)}
	err := sandbox.WaitForPort(port, ready)
	if !errors.Is(err, guest.ErrProcessNotFound) && !errors.Is(err, guest.ErrProcessExited) {
		return err
	}
	if err := sandbox.WriteFile(script, server); err != nil {
		return err
	}
	_, err = sandbox.StartProcess("bun run "+script, guest.StartProcessOptions{ProcessID: processID})
	if err != nil && !errors.Is(err, guest.ErrProcessExists) { // "already exists": another request was faster
		return err
	}
	return sandbox.WaitForPort(port, ready)
}
