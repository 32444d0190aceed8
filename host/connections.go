package host

import (
	"net/netip"
	"time"

	"edge/abi"
	"edge/bridge"
	"edge/sandboxmgr"
)

// Connections are the live connections to sandboxes: the sandbox manager closes
// and counts them, and the admin API lists them. Its nil fields mean that there
// are none.
type Connections struct {
	Table *bridge.Table
	Relay *bridge.Relay
	// Sandboxes know what exposures are called.
	Sandboxes *sandboxmgr.Manager
}

var _ sandboxmgr.Connections = Connections{}

// Through returns the ids of the connections that came through an exposure.
func (c Connections) Through(binding, id string, port int) []uint64 {
	if c.Table == nil {
		return nil
	}
	list, _ := c.Table.Select(bridge.Filter{Binding: binding, ID: id, Port: port, Exposure: true}, 0)
	ids := make([]uint64, len(list))
	for i, e := range list {
		ids[i] = e.ID
	}
	return ids
}

// Close is CloseID of each of them.
func (c Connections) Close(ids []uint64, code int, reason string) {
	for _, id := range ids {
		c.CloseID(id, code, reason)
	}
}

// CloseSockets closes the WebSockets to one run of a sandbox.
func (c Connections) CloseSockets(binding, id string, generation int64, code int, reason string) {
	if c.Table == nil {
		return
	}
	list, _ := c.Table.Select(bridge.Filter{Binding: binding, ID: id}, 0)
	for _, e := range list {
		if e.Kind == bridge.KindWebSocket && e.Owner.Generation == generation {
			c.Table.CloseID(e.ID, code, reason)
		}
	}
}

// CloseSandbox closes every connection to one run of a sandbox, idle ones in the
// pools included.
func (c Connections) CloseSandbox(binding, id string, generation int64, code int, reason string) {
	if c.Table != nil {
		c.Table.CloseSandbox(binding, id, func(o bridge.Owner) bool { return o.Generation == generation }, code, reason)
	}
	if c.Relay != nil {
		c.Relay.CloseUpstream(generationKey(binding, id, generation))
	}
}

// Count counts a sandbox's live connections: all of them for port 0, else those
// that came through the exposure of that port.
func (c Connections) Count(binding, id string, port int) int {
	switch {
	case c.Table == nil:
		return 0
	case port == 0:
		return c.Table.CountSandbox(binding, id, nil)
	}
	return c.Table.CountSandbox(binding, id, func(o bridge.Owner) bool { return o.Exposure && o.Port == port })
}

// CountBindings counts the live connections to each binding's sandboxes.
func (c Connections) CountBindings() map[string]int {
	if c.Table == nil {
		return nil
	}
	return c.Table.CountBindings()
}

// Connection is one live connection to a sandbox: a request under way or a
// WebSocket. It holds no secret.
type Connection struct {
	ID         uint64
	Kind       string // "http", "events" or "websocket"
	Binding    string
	Sandbox    string // its id
	Generation int64
	Port       int
	// Exposure says that it came through an exposure of that port; ExposureName
	// is what that is called, if it is known.
	Exposure     bool
	ExposureName string
	Plugin       string // who decided, if anybody
	Request      string // its id, as in the log
	Client       string // its address
	ConnectedAt  time.Time
}

// ConnectionFilter says which connections are meant: those that all its fields
// fit. The zero value of a field fits any.
type ConnectionFilter struct {
	Binding, Sandbox string
	Plugin           string
	Port             int
	Exposure         bool // only those through an exposure
	Client           netip.Addr
}

func (f ConnectionFilter) bridge() bridge.Filter {
	return bridge.Filter{Binding: f.Binding, ID: f.Sandbox, Plugin: f.Plugin, Port: f.Port, Exposure: f.Exposure, Client: f.Client}
}

// List returns the live connections that f fits, oldest first: the first limit
// of them, 0 being all. more tells that there are others.
func (c Connections) List(f ConnectionFilter, limit int) (list []Connection, more bool) {
	if c.Table == nil {
		return nil, false
	}
	entries, more := c.Table.Select(f.bridge(), limit)
	list = make([]Connection, len(entries))
	for i, e := range entries {
		o := e.Owner
		list[i] = Connection{
			ID: e.ID, Kind: string(e.Kind), Binding: o.Binding, Sandbox: o.ID, Generation: o.Generation, Port: o.Port,
			Exposure: o.Exposure, Plugin: o.Plugin, Request: o.Request, ConnectedAt: e.Since,
		}
		if e.Remote != nil {
			list[i].Client = e.Remote.String()
		}
		if o.Exposure {
			list[i].ExposureName = c.exposureName(o)
		}
	}
	return list, more
}

// exposureName is the name of the exposure that there is now of the port; it may
// have none, or be gone while its connections close.
func (c Connections) exposureName(o bridge.Owner) string {
	if c.Sandboxes == nil {
		return ""
	}
	box, err := c.Sandboxes.Sandbox(abi.SandboxRef{Binding: o.Binding, ID: o.ID})
	if err != nil {
		return ""
	}
	for _, e := range box.Exposures() {
		if e.Port == o.Port {
			return e.Name
		}
	}
	return ""
}

// CloseID closes one connection and says whether it was there. Of code and
// reason a WebSocket's client and server are told; any other connection is cut.
// It does not wait for the end.
func (c Connections) CloseID(id uint64, code int, reason string) bool {
	return c.Table != nil && c.Table.CloseID(id, code, reason)
}

// CloseMatching is CloseID of all that f fits, and returns how many that were.
func (c Connections) CloseMatching(f ConnectionFilter, code int, reason string) int {
	if c.Table == nil {
		return 0
	}
	return c.Table.CloseFiltered(f.bridge(), code, reason)
}
