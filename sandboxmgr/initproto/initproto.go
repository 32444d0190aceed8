// Package initproto is the protocol between the edge and the init of a sandbox:
// frames on plain stream connections which the init opens to the edge's Unix
// socket.
//
// A frame is
//
//	u32 length (big-endian; of what follows the type, at most MaxFrame)
//	u8  type
//	length bytes
//
// One connection carries one call at a time. The init says Hello, the edge says
// Welcome (or closes), and the connection is parked. The edge then sends
//
//	Call{op, timeoutMs} Data* End
//
// where the Data frames hold the operation's JSON request, and the init answers
//
//	Result{error?} Data* End
//
// with the JSON answer in the Data frames, after which the connection is parked
// again. Closing it is cancelling. A Call of OpTunnel is answered by Result and,
// unless that holds an error, the connection carries raw bytes from then on.
//
// The version that an init speaks never changes under it: an edge speaks every
// version it ever shipped.
package initproto

// Version is the newest protocol version.
const (
	Version    = 1
	MinVersion = 1
)

// Bounds. A peer that exceeds one has broken the protocol.
const (
	MaxFrame = 64 << 10 // bytes in one frame
	MaxBody  = 48 << 20 // bytes in the data frames of one call or answer
	// Parked is how many idle connections the init keeps open; MaxConns bounds
	// all of them together.
	Parked   = 4
	MaxConns = 64
)

// Type is a frame's type.
type Type byte

// The frame types.
const (
	TypeHello   Type = 1 // init -> edge, JSON Hello
	TypeWelcome Type = 2 // edge -> init, JSON Welcome
	TypeCall    Type = 3 // edge -> init, JSON Call
	TypeData    Type = 4
	TypeEnd     Type = 5 // empty
	TypeResult  Type = 6 // init -> edge, JSON Result
)
