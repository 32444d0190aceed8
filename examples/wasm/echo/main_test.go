//go:build !wasip1

package main

import (
	"slices"
	"testing"

	"edge/abi"
	"edge/abi/guest/guesttest"
)

// sandbox answers the operations of EnsureServer like a sandbox whose server is
// in the given state.
func sandbox(running bool, startErr error) *guesttest.Host {
	host := new(guesttest.Host)
	guesttest.On(host, abi.WaitForPort, func(_ guesttest.Call, req *abi.WaitForPortRequest) (*abi.WaitForPortResponse, error) {
		if !running {
			return nil, abi.Errorf(abi.CodeProcessNotFound, "there is no process %q", req.ProcessID)
		}
		return &abi.WaitForPortResponse{Port: req.Port}, nil
	})
	guesttest.On(host, abi.WriteFile, func(_ guesttest.Call, req *abi.WriteFileRequest) (*abi.WriteFileResponse, error) {
		return &abi.WriteFileResponse{Path: req.Path}, nil
	})
	guesttest.On(host, abi.StartProcess, func(_ guesttest.Call, req *abi.StartProcessRequest) (*abi.Process, error) {
		running = true
		return &abi.Process{ID: req.ProcessID, Status: abi.StatusRunning}, startErr
	})
	return host
}

func TestConnects(t *testing.T) {
	t.Parallel()
	exists := abi.Errorf(abi.CodeProcessAlreadyExists, "process %q already exists", server.ProcessID)
	cold := []string{"waitForPort", "writeFile", "startProcess", "waitForPort"}
	for _, tt := range []struct {
		name       string
		host       *guesttest.Host
		target, id string
		operations []string
	}{
		{"a server that is up costs one operation", sandbox(true, nil), "/ws/echo?id=mine", "mine", []string{"waitForPort"}},
		{"a missing server is written and started", sandbox(false, nil), "/ws/echo?id=mine", "mine", cold},
		{"already exists is success", sandbox(false, exists), "/ws/echo?id=mine", "mine", cold},
		{"without an id", sandbox(true, nil), "/ws/echo", "echo-service", []string{"waitForPort"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			result := tt.host.Do(guesttest.WebSocket(tt.target))
			c, ok := result.Decision.(*abi.Connect)
			if !ok || c.Port != server.Port || c.Sandbox.ID != tt.id || c.Sandbox.Binding != "Sandbox" {
				t.Errorf("decision %+v; log %+v", result.Decision, result.Logs)
			}
			if got := result.Operations(); !slices.Equal(got, tt.operations) {
				t.Errorf("operations %v, want %v", got, tt.operations)
			}
		})
	}
}

func TestStartsTheServerUnderItsID(t *testing.T) {
	t.Parallel()
	result := sandbox(false, nil).Do(guesttest.WebSocket("/ws/echo"))
	for _, c := range result.Calls {
		switch req := c.Request.(type) {
		case *abi.WriteFileRequest:
			if req.Path != server.Path || req.Content != string(server.Source) {
				t.Errorf("wrote %d bytes to %s", len(req.Content), req.Path)
			}
		case *abi.StartProcessRequest:
			if req.Command != "bun run "+server.Path || req.ProcessID != server.ProcessID {
				t.Errorf("started %+v", req)
			}
		case *abi.WaitForPortRequest:
			if req.Port != server.Port || req.ProcessID != server.ProcessID {
				t.Errorf("waited for %+v", req)
			}
		}
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	failed := new(guesttest.Host)
	guesttest.On(failed, abi.WaitForPort, func(guesttest.Call, *abi.WaitForPortRequest) (*abi.WaitForPortResponse, error) {
		return nil, abi.Errorf(abi.CodeRuntimeUnavailable, "no engine answers")
	})
	for _, tt := range []struct {
		name   string
		host   *guesttest.Host
		req    *abi.Request
		status int
	}{
		{"bad id", sandbox(true, nil), guesttest.WebSocket("/ws/echo?id=Not%20Good"), 400},
		{"reserved id", sandbox(true, nil), guesttest.WebSocket("/ws/echo?id=www"), 400},
		{"no upgrade", sandbox(true, nil), guesttest.Request("GET", "/ws/echo"), 426},
		{"a server that does not start", sandbox(false, abi.Errorf(abi.CodeCommandNotFound, "no bun")), guesttest.WebSocket("/ws/echo"), 404},
		{"no runtime", failed, guesttest.WebSocket("/ws/echo"), 503},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if e := tt.host.Do(tt.req).Failed(); e == nil || e.Code.Status() != tt.status {
				t.Errorf("failed with %v, want %d", e, tt.status)
			}
		})
	}
}
