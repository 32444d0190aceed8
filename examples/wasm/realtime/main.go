// Command realtime is the plugin behind /ws/realtime?id=ID&n=COUNT. The client
// speaks plain HTTP; the plugin itself opens a WebSocket to a server in the
// sandbox, reads some messages, and answers with them in JSON.
package main

import (
	_ "embed"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"edge/abi/guest"
)

const (
	defaultCount = 5
	maxCount     = 50
	// patience is how long the next reading may take; the server sends one
	// every 50 ms.
	patience = 5 * time.Second
)

//go:embed server.ts
var script []byte

// server is what runs in each sandbox. It is started by the first request that
// needs it.
var server = guest.Server{
	ProcessID: "ws-realtime", Port: 8083, Path: "/tmp/ws-realtime.ts", Source: script, Command: "bun run /tmp/ws-realtime.ts", Timeout: guest.Duration(20 * time.Second),
}

func init() { guest.Handle(handle) }

// main is linked and never run: the module is a library to the edge.
func main() {}

// answer is what the client gets.
type answer struct {
	ID       string            `json:"id"`
	Count    int               `json:"count"`
	Readings []json.RawMessage `json:"readings"`
}

func handle(req *guest.Request) (guest.Response, error) {
	id := req.Query().Get("id")
	if id == "" {
		id = "data-processor"
	}
	n, err := count(req.Query().Get("n"))
	if err != nil {
		return nil, err
	}
	sandbox := guest.GetSandbox("Sandbox", id)
	if err := sandbox.EnsureServer(server); err != nil {
		return nil, err
	}
	readings, err := collect(sandbox, n)
	if err != nil {
		return nil, err
	}
	return guest.JSON(200, answer{ID: sandbox.ID(), Count: len(readings), Readings: readings}), nil
}

// count reads the parameter n.
func count(s string) (int, error) {
	if s == "" {
		return defaultCount, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > maxCount {
		return 0, guest.Errorf(guest.CodeInvalidRequest, "n is %.20q; want a number from 1 to %d", s, maxCount)
	}
	return n, nil
}

// collect reads n messages of the sandbox's server.
func collect(sandbox *guest.Sandbox, n int) ([]json.RawMessage, error) {
	ws, err := sandbox.WSOpen(server.Port)
	if err != nil {
		return nil, err
	}
	readings := make([]json.RawMessage, 0, n)
	for len(readings) < n {
		m, err := ws.Recv(patience)
		if closed := new(guest.SocketClosed); errors.As(err, &closed) {
			return nil, guest.Errorf(guest.CodeUpgradeFailed, "the server in the sandbox closed after %d of %d readings", len(readings), n)
		}
		if err != nil {
			return nil, err
		}
		if !json.Valid(m.Data) {
			return nil, guest.Errorf(guest.CodeUpgradeFailed, "the server in the sandbox sent something that is not JSON")
		}
		readings = append(readings, m.Data)
	}
	return readings, ws.Close(1000, "enough")
}
