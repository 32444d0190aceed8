//go:build !wasip1

package main

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"edge/abi"
	"edge/abi/guest/guesttest"
)

// sandbox has a server that is up and sends the messages.
func sandbox(socket *guesttest.Socket) *guesttest.Host {
	host := &guesttest.Host{OpenSocket: func(_ abi.SandboxRef, p int, _ abi.WebSocketOptions) (abi.Socket, error) {
		if p != server.Port {
			return nil, errors.New("wrong server.Port")
		}
		return socket, nil
	}}
	guesttest.On(host, abi.WaitForPort, func(_ guesttest.Call, req *abi.WaitForPortRequest) (*abi.WaitForPortResponse, error) {
		return &abi.WaitForPortResponse{Port: req.Port}, nil
	})
	return host
}

func TestReadings(t *testing.T) {
	t.Parallel()
	messages := slices.Repeat([]string{`{"seq":1,"value":20.5}`}, maxCount+1)
	for _, tt := range []struct {
		target string
		id     string
		count  int
	}{
		{"/ws/realtime", "data-processor", defaultCount},
		{"/ws/realtime?id=mine&n=1", "mine", 1},
		{"/ws/realtime?id=mine&n=50", "mine", maxCount},
	} {
		socket := guesttest.Script(messages...)
		result := sandbox(socket).Do(guesttest.Request("GET", tt.target))
		r := result.Respond()
		if r == nil || r.Status != 200 {
			t.Errorf("%s: answer %+v", tt.target, r)
			continue
		}
		var got answer
		if err := json.Unmarshal(r.Body, &got); err != nil || got.ID != tt.id || got.Count != tt.count || len(got.Readings) != tt.count {
			t.Errorf("%s: %s, %v", tt.target, r.Body, err)
		}
		if socket.Closed == nil || socket.Closed.Code != 1000 {
			t.Errorf("%s: the socket ended with %v", tt.target, socket.Closed)
		}
	}
}

func TestStartsTheServer(t *testing.T) {
	t.Parallel()
	host := sandbox(guesttest.Script(`1`, `2`, `3`, `4`, `5`))
	running := false
	guesttest.On(host, abi.WaitForPort, func(guesttest.Call, *abi.WaitForPortRequest) (*abi.WaitForPortResponse, error) {
		if !running {
			return nil, abi.Errorf(abi.CodeProcessExitedBeforeReady, "process %q has ended", server.ProcessID)
		}
		return &abi.WaitForPortResponse{}, nil
	})
	guesttest.On(host, abi.WriteFile, func(_ guesttest.Call, req *abi.WriteFileRequest) (*abi.WriteFileResponse, error) {
		if req.Path != server.Path || req.Content != string(server.Source) {
			t.Errorf("wrote %d bytes to %s", len(req.Content), req.Path)
		}
		return &abi.WriteFileResponse{}, nil
	})
	guesttest.On(host, abi.StartProcess, func(_ guesttest.Call, req *abi.StartProcessRequest) (*abi.Process, error) {
		running = true
		return nil, abi.Errorf(abi.CodeProcessAlreadyExists, "process %q already exists", req.ProcessID)
	})
	result := host.Do(guesttest.Request("GET", "/ws/realtime"))
	if r := result.Respond(); r == nil || r.Status != 200 {
		t.Errorf("answer %+v", r)
	}
	if got, want := result.Operations(), []string{"waitForPort", "writeFile", "startProcess", "waitForPort"}; !slices.Equal(got, want) {
		t.Errorf("operations %v, want %v", got, want)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, target string
		socket       *guesttest.Socket
		status       int
		says         string
	}{
		{"no number", "/ws/realtime?n=many", guesttest.Script(), 400, "many"},
		{"none", "/ws/realtime?n=0", guesttest.Script(), 400, "1 to 50"},
		{"too many", "/ws/realtime?n=51", guesttest.Script(), 400, "1 to 50"},
		{"bad id", "/ws/realtime?id=no_good", guesttest.Script(), 400, "INVALID_SANDBOX_ID"},
		{"the server closes early", "/ws/realtime", guesttest.Script("1", "2"), 502, "2 of 5"},
		{"the server talks no JSON", "/ws/realtime", guesttest.Script("hello"), 502, "not JSON"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := sandbox(tt.socket).Do(guesttest.Request("GET", tt.target)).Failed()
			if e == nil || e.Code.Status() != tt.status || !strings.Contains(e.Error(), tt.says) {
				t.Errorf("failed with %v, want %d with %q", e, tt.status, tt.says)
			}
		})
	}
}
