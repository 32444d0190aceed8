// Command echo is the plugin behind /ws/echo?id=ID: each id is a sandbox of its
// own, in which a WebSocket server sends back whatever it is sent.
package main

import (
	_ "embed"
	"time"

	"edge/abi/guest"
)

//go:embed server.ts
var script []byte

// server is what runs in each sandbox. It is started by the first request that
// needs it.
var server = guest.Server{
	ProcessID: "ws-echo", Port: 8080, Path: "/tmp/ws-echo.ts", Source: script, Command: "bun run /tmp/ws-echo.ts", Timeout: guest.Duration(20 * time.Second),
}

func init() { guest.Handle(handle) }

// main is linked and never run: the module is a library to the edge.
func main() {}

func handle(req *guest.Request) (guest.Response, error) {
	id := req.Query().Get("id")
	if id == "" {
		id = "echo-service"
	}
	sandbox := guest.GetSandbox("Sandbox", id)
	if err := sandbox.EnsureServer(server); err != nil {
		return nil, err
	}
	return sandbox.WSConnect(req, server.Port)
}
