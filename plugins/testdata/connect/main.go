// Command connect is the least a plugin in Go can be: it sends every WebSocket to
// one port of a sandbox.
package main

import "edge/abi/guest"

func init() { guest.Handle(handle) }

// main is linked and never run: the module is a library to the edge.
func main() {}

func handle(req *guest.Request) (guest.Response, error) {
	return guest.GetSandbox("Sandbox", "bench").WSConnect(req, 8080)
}
