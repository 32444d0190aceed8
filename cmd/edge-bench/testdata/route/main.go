// Command route is the plugin that the benchmark's edge decides with: all goes to
// one port of one sandbox. At /policy a WebSocket gets a policy with timers.
package main

import (
	"time"

	"edge/abi/guest"
)

const port = 9000

func init() { guest.Handle(route) }

// main is linked and never run: the module is a library to the edge.
func main() {}

func route(req *guest.Request) (guest.Response, error) {
	box := guest.GetSandbox("Sandbox", "bench")
	switch {
	case !req.IsUpgrade():
		return box.ProxyTo(req, port)
	case req.Path() == "/policy":
		return box.WSConnect(req, port, guest.Policy{
			IdleTimeout: guest.Duration(time.Hour), MaxDuration: guest.Duration(24 * time.Hour), MaxMessageBytes: 1 << 30,
		})
	}
	return box.WSConnect(req, port)
}
