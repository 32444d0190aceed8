package initproto

import (
	"bytes"
	"encoding/json"
	"fmt"

	"edge/abi"
)

// Hello opens a connection: which versions the init speaks, its proof that it
// is the init, and which boot of it this is.
type Hello struct {
	Min   int    `json:"min"`
	Max   int    `json:"max"`
	Token string `json:"token"`
	// Boot is another one each time an init starts, so that an edge which comes
	// back can tell whether the processes it remembers still are.
	Boot string `json:"boot"`
	// Init is the init's own release, for people.
	Init string `json:"init,omitempty"`
}

// Welcome accepts a Hello and fixes the version.
type Welcome struct {
	Version int `json:"version"`
}

// Call begins a call. TimeoutMs is how long the edge will wait, 0 without end.
type Call struct {
	Op        string `json:"op"`
	TimeoutMs int64  `json:"timeoutMs,omitempty"`
}

// Result begins an answer. Error has no details here: they are in the Data
// frames.
type Result struct {
	Error *abi.Error `json:"error,omitempty"`
}

// The init's own operations, beside those of abi's table that it carries out.
const (
	OpPing           = "ping"           // Empty -> PingResponse
	OpListeningPorts = "listeningPorts" // PortsRequest -> PortList
	OpWatchPorts     = "watchPorts"     // Empty -> stream of PortsEvent; since release 3
	OpShutdown       = "shutdown"       // abi.StopRequest -> Empty; the init ends after its answer
	OpTunnel         = "tunnel"         // TunnelRequest -> raw bytes
)

// PingResponse tells that the init is alive and how much it looks after.
type PingResponse struct {
	Boot      string `json:"boot"`
	Processes int    `json:"processes"` // started by startProcess and running
	// Terminals counts those whose program runs, held by a connection or not.
	Terminals int `json:"terminals,omitempty"`
}

// TunnelRequest names the port that a tunnel leads to.
type TunnelRequest struct {
	Port int `json:"port"`
}

// Negotiate returns the newest version that both ends speak.
func Negotiate(h Hello) (int, error) {
	v := min(h.Max, Version)
	if v < MinVersion || v < h.Min {
		return 0, fmt.Errorf("%w: the init speaks versions %d to %d, this edge %d to %d", ErrProtocol, h.Min, h.Max, MinVersion, Version)
	}
	return v, nil
}

// EncodeBody returns v as the JSON of a body, without the escapes that only HTML
// needs. A nil v is an empty object.
func EncodeBody(v any) ([]byte, error) {
	if v == nil {
		return []byte("{}"), nil
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("encode body: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte{'\n'}), nil
}
