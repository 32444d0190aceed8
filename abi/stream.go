package abi

// Kind tells how an operation answers.
//
// Every stream is a Socket. A text message is one JSON object, a binary message
// is bytes of a file or a terminal. What is sent is held back while the other
// side does not read: a stream never grows in memory. A stream that ended well
// is *SocketClosed with code 1000; one that failed ends with the *Error.
type Kind int

// The kinds of operations.
const (
	// KindCall answers once, with one JSON object.
	KindCall Kind = iota
	// KindEvents sends events, and takes StreamInput where the operation says so.
	KindEvents
	// KindDownload sends one object and then bytes.
	KindDownload
	// KindUpload takes bytes and then StreamInput with InputEnd, and sends one
	// object: its answer.
	KindUpload
	// KindDuplex sends and takes events and bytes at any time.
	KindDuplex
)

// String returns the kind's word in the reference page.
func (k Kind) String() string {
	switch k {
	case KindCall:
		return "call"
	case KindEvents:
		return "events"
	case KindDownload:
		return "download"
	case KindUpload:
		return "upload"
	case KindDuplex:
		return "duplex"
	}
	return "unknown"
}

// Opcodes of messages on a Socket (RFC 6455, section 5.2).
const (
	OpcodeText   byte = 1
	OpcodeBinary byte = 2
)

// Bounds of a stream's messages, in bytes, each way.
const (
	MaxStreamText   = 64 << 10
	MaxStreamBinary = 64 << 10
)

// InputType says what a text message to a stream is.
type InputType string

// What a text message to a stream can be.
const (
	// InputEnd: no bytes follow any more. It ends an upload, and the standard
	// input of execStream.
	InputEnd InputType = "end"
	// InputResize: the terminal's window has another size.
	InputResize InputType = "resize"
	// InputSignal: the command of execStream, or what runs in the terminal's
	// foreground, gets a signal.
	InputSignal InputType = "signal"
)

// StreamInput is a text message to a stream. Binary messages are the bytes of an
// upload, the standard input of execStream, or what is typed into a terminal.
type StreamInput struct {
	Type InputType `json:"type"`
	// Cols and Rows are the window's size, of a resize: 1 to 1000 each.
	Cols int `json:"cols,omitempty"`
	Rows int `json:"rows,omitempty"`
	// Signal is a name or a number, of a signal.
	Signal Signal `json:"signal,omitempty"`
}
