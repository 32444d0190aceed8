// Package initproto is the protocol between the edge and the init of a sandbox:
// frames on plain stream connections which the init opens to the edge's Unix
// socket. Package initd speaks it inside, package initlink at the edge.
//
// A frame is
//
//	u32 length (big-endian; of what follows the type, at most MaxFrame)
//	u8  type
//	length bytes
//
// so that an End is 00000000 05 and a Data frame of "hi" is 00000002 04 6869.
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
// again. When the Result holds an error, the Data frames hold the error's
// details, which may be larger than a frame. Closing the connection is
// cancelling. A Call of OpTunnel is answered by Result alone and, unless that
// holds an error, the connection carries raw bytes from then on, each direction
// ended by shutting down that half.
//
// Version 2 adds streams. A Call of a streaming operation is answered by Result
// alone; unless that holds an error, which is answered like any call's, the
// connection is a stream from then on. Both sides send
//
//	(Text | Data)* End
//
// where a Text is one JSON object on one line, and a Data is one message of
// bytes. The init's End says that all went well; when something failed it sends
// a second Result, with the error and its details in the one frame, in place of
// the End. Either is the last that it sends. Closing the connection is
// cancelling, and a stream's connection carries no call afterwards. A Text of
// {"type":"end"} is 0000000e 07 and those 14 bytes.
//
// The version that an init speaks never changes under it: an edge speaks every
// version it ever shipped.
package initproto

// Version is the newest protocol version, MinVersion the oldest that is spoken.
const (
	Version    = 2
	MinVersion = 1
)

// SocketName is the edge's socket in the directory that both sides see.
const SocketName = "s"

// Bounds. A peer that exceeds one has broken the protocol.
const (
	MaxFrame = 64 << 10 // bytes in one frame
	MaxHello = 4 << 10  // bytes in a Hello, which is read before anything is known of the peer
	MaxBody  = 48 << 20 // bytes in the data frames of one call or answer
	// Parked is how many idle connections the init keeps open; MaxConns bounds
	// those that are parked or carry a call, MaxTunnels those that became a
	// tunnel, MaxStreams those that became a stream.
	Parked     = 4
	MaxConns   = 64
	MaxTunnels = 1024
	MaxStreams = 256
	// An init reads MaxLarge calls at a time whose body has more than LargeBody
	// bytes, and the rest of any other when one of those has been answered. The
	// edge does not send more at once, because it takes an init that does not
	// read for one that is broken.
	LargeBody = 1 << 20
	MaxLarge  = 4
)

// StreamVersion is the version that brought streams.
const StreamVersion = 2

// Type is a frame's type.
type Type byte

// The frame types.
const (
	TypeHello   Type = 1 // init -> edge, JSON Hello
	TypeWelcome Type = 2 // edge -> init, JSON Welcome
	TypeCall    Type = 3 // edge -> init, JSON Call
	TypeData    Type = 4 // not empty
	TypeEnd     Type = 5 // empty
	TypeResult  Type = 6 // init -> edge, JSON Result
	TypeText    Type = 7 // of a stream, one JSON object; since version 2
)
