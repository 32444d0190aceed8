// Command go is the guest of the platform's benchmarks in Go: it makes three host
// calls a request.
package main

import "edge/abi/guest"

func init() { guest.Handle(handle) }

func main() {}

func handle(req *guest.Request) (guest.Response, error) {
	if req.Path() == "" {
		return nil, nil
	}
	accept := req.Header("Accept")
	return guest.Text(200, accept), nil
}
