//go:build !wasip1

package main

import (
	"testing"

	"edge/abi"
	"edge/abi/guest/guesttest"
)

// TestStartsAndConnects goes through a cold start. The plugin is the echo example
// with another server; that one's tests cover the pattern.
func TestStartsAndConnects(t *testing.T) {
	t.Parallel()
	host, running := new(guesttest.Host), false
	guesttest.On(host, abi.WaitForPort, func(_ guesttest.Call, req *abi.WaitForPortRequest) (*abi.WaitForPortResponse, error) {
		if !running {
			return nil, abi.Errorf(abi.CodeProcessNotFound, "there is no process %q", req.ProcessID)
		}
		return &abi.WaitForPortResponse{Port: req.Port}, nil
	})
	guesttest.On(host, abi.WriteFile, func(_ guesttest.Call, req *abi.WriteFileRequest) (*abi.WriteFileResponse, error) {
		if req.Path != server.Path || req.Content != string(server.Source) {
			t.Errorf("wrote %d bytes to %s", len(req.Content), req.Path)
		}
		return new(abi.WriteFileResponse), nil
	})
	guesttest.On(host, abi.StartProcess, func(_ guesttest.Call, req *abi.StartProcessRequest) (*abi.Process, error) {
		running = req.ProcessID == server.ProcessID && req.Command == "bun run "+server.Path
		return &abi.Process{ID: req.ProcessID}, nil
	})
	for target, id := range map[string]string{"/ws/json": "json-service", "/ws/json?id=mine": "mine"} {
		c, ok := host.Do(guesttest.WebSocket(target)).Decision.(*abi.Connect)
		if !ok || c.Port != server.Port || c.Sandbox.ID != id {
			t.Errorf("%s: decision %+v", target, c)
		}
	}
}
