//go:build !wasip1

package tck

import (
	"context"
	"encoding/base64"
	"sync"
	"unicode/utf8"

	"edge/abi"
)

// socket plays a Socket.
type socket struct {
	script  *Script
	end     *abi.SocketClosed
	failure *abi.Error

	mu       sync.Mutex
	messages []message
}

type message struct {
	opcode  byte
	payload []byte
}

var _ abi.Socket = (*socket)(nil)

// Receive implements abi.Socket.
func (k *socket) Receive(ctx context.Context) (byte, []byte, error) {
	k.mu.Lock()
	if len(k.messages) > 0 {
		m := k.messages[0]
		k.messages = k.messages[1:]
		k.mu.Unlock()
		return m.opcode, m.payload, nil
	}
	k.mu.Unlock()
	switch {
	case k.failure != nil:
		return 0, nil, k.failure
	case k.end != nil:
		return 0, nil, k.end
	}
	<-ctx.Done()
	return 0, nil, ctx.Err()
}

// Send implements abi.Socket.
func (k *socket) Send(_ context.Context, opcode byte, payload []byte) error {
	text := string(payload)
	if opcode == abi.OpcodeBinary || !utf8.ValidString(text) {
		k.script.note("send", "binary", base64.StdEncoding.EncodeToString(payload))
		return nil
	}
	k.script.note("send", "text", text)
	return nil
}

// Close implements abi.Socket. The host's own good-bye at the request's end is not
// the guest's doing.
func (k *socket) Close(code int, reason string) error {
	if code != 1001 && code != 1009 {
		k.script.note("close", "code", code, "reason", reason)
	}
	return nil
}

// Handshake is one in which nothing was chosen.
func (k *socket) Handshake() abi.WebSocketHead {
	return abi.WebSocketHead{Status: 101, Headers: [][2]string{}}
}
