//go:build !wasip1

package main

import (
	"strconv"
	"strings"
	"testing"

	"edge/abi"
	"edge/abi/guest/guesttest"
)

// TestConnects has the server up already; what EnsureServer does about one that
// is not is the SDK's to test.
func TestConnects(t *testing.T) {
	t.Parallel()
	host := new(guesttest.Host)
	guesttest.On(host, abi.WaitForPort, func(_ guesttest.Call, req *abi.WaitForPortRequest) (*abi.WaitForPortResponse, error) {
		if req.ProcessID != server.ProcessID {
			return nil, abi.Errorf(abi.CodeProcessNotFound, "there is no process %q", req.ProcessID)
		}
		return &abi.WaitForPortResponse{Port: req.Port}, nil
	})
	for target, id := range map[string]string{"/ws/broadcast": "shared-room", "/ws/broadcast?id=mine": "mine"} {
		c, ok := host.Do(guesttest.WebSocket(target)).Decision.(*abi.Connect)
		if !ok || c.Port != server.Port || c.Sandbox.ID != id {
			t.Errorf("%s: decision %+v", target, c)
		}
	}
}

// TestServer wants the command to run the script that was written, on the port
// that is waited for.
func TestServer(t *testing.T) {
	t.Parallel()
	if server.Command != "bun run "+server.Path || len(server.Source) == 0 {
		t.Errorf("%q runs %q, %d bytes", server.Command, server.Path, len(server.Source))
	}
	if !strings.Contains(string(server.Source), strconv.Itoa(server.Port)) {
		t.Errorf("the script does not listen on port %d", server.Port)
	}
}
