package host

import (
	"time"

	"edge/abi"
)

// EventKind says what happened.
type EventKind string

// The kinds of events.
const (
	EventAnswered        EventKind = "answered"        // a request was answered to its end
	EventWebSocketOpened EventKind = "websocketOpened" // client and sandbox are joined
	EventWebSocketClosed EventKind = "websocketClosed"
)

// Event is one thing that happened to a request, for a person who watches. It
// holds no secret: a preview's token is left out of Host and Path, and there is
// no query.
type Event struct {
	Kind               EventKind
	Request            string // its id
	Method, Host, Path string
	Status             int
	Plugin             string // who decided, if anybody
	Sandbox            abi.SandboxRef
	Port               int
	Preview            bool // through an exposure
	BytesIn, BytesOut  int64
	Messages           int64 // both ways
	Duration           time.Duration
	Close              string // how a WebSocket ended
}
