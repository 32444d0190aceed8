// Command broadcast is the plugin behind /ws/broadcast?id=ROOM: each room is a
// sandbox, and who is connected to it reads what the others write.
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
	ProcessID: "ws-broadcast", Port: 8081, Path: "/tmp/ws-broadcast.ts", Source: script, Command: "bun run /tmp/ws-broadcast.ts", Timeout: guest.Duration(20 * time.Second),
}

func init() { guest.Handle(handle) }

// main is linked and never run: the module is a library to the edge.
func main() {}

func handle(req *guest.Request) (guest.Response, error) {
	id := req.Query().Get("id")
	if id == "" {
		id = "shared-room"
	}
	sandbox := guest.GetSandbox("Sandbox", id)
	if err := sandbox.EnsureServer(server); err != nil {
		return nil, err
	}
	return sandbox.WSConnect(req, server.Port)
}
