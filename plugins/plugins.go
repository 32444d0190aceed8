// Package plugins runs routing code: WebAssembly modules that decide what to do
// with a request. It loads them as generations, keeps bounded pools of
// instances, and replaces a generation under load without losing a request.
//
// It is the only package that knows wazero. What a plugin may ask for is given
// to it through small interfaces (Operations, Sockets, Previews); it knows
// neither sandboxes nor the server.
package plugins

import (
	"context"
	"encoding/json"

	"edge/abi"
)

// Operations carries out one operation of the table for a plugin. The body is
// the operation's JSON with its "sandbox" (abi.SplitCall reads it); the answer is
// the response's JSON. Errors are *abi.Error, or become INTERNAL.
type Operations interface {
	Operate(ctx context.Context, name string, body json.RawMessage) (json.RawMessage, error)
}

// Streams begins one operation of the table that is a stream. ctx bounds the
// opening alone; whoever asked closes the socket. Body and errors are as of
// Operations.
type Streams interface {
	Open(ctx context.Context, name string, body json.RawMessage) (abi.Socket, error)
}

// Sockets opens a WebSocket to a port of a sandbox with the plugin as client.
type Sockets interface {
	OpenSocket(ctx context.Context, ref abi.SandboxRef, port int, opts abi.WebSocketOptions) (abi.Socket, error)
}

// Previews tells whether a request is for a preview: what proxy with port 0 asks
// before it makes a decision.
type Previews interface {
	// NamesPreview is true if the request's host or path is in preview form,
	// whether or not the exposure exists.
	NamesPreview(req *abi.Request) bool
}
