package admin

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"edge/abi"
	"edge/host"
)

// Connections are the live connections to sandboxes; host.Connections are.
type Connections interface {
	// List returns those that the filter fits, oldest first, at most limit.
	List(f host.ConnectionFilter, limit int) (list []host.Connection, more bool)
	// CloseID closes one, and says whether it was there.
	CloseID(id uint64, code int, reason string) bool
	// CloseMatching closes those that the filter fits, and counts them.
	CloseMatching(f host.ConnectionFilter, code int, reason string) int
}

var _ Connections = host.Connections{}

// The fixed path of live connections, and the form of path that names one.
const (
	connectionsPath = "/v1/connections"
	connectionPath  = connectionsPath + "/{connection}"
)

// maxConnections bounds one list.
const maxConnections = 10_000

// Connection is one live connection to a sandbox. It holds no token of a
// preview.
type Connection struct {
	ID          int64     `json:"id" doc:"Never used again while the edge runs."`
	Kind        string    `json:"kind" doc:"websocket, http (a request under way) or events (an answer of server-sent events)."`
	Binding     string    `json:"binding"`
	Sandbox     string    `json:"sandbox" doc:"The sandbox's id."`
	Generation  int64     `json:"generation" doc:"The run of the sandbox."`
	Port        int       `json:"port" doc:"0 of a stream, such as a terminal."`
	Plugin      string    `json:"plugin,omitempty" doc:"The plugin that decided, if one was asked."`
	Preview     bool      `json:"preview" doc:"Whether it came through an exposure."`
	Exposure    string    `json:"exposure,omitempty" doc:"The exposure's name, if it has one."`
	Client      string    `json:"client,omitempty" doc:"The client's address."`
	Request     string    `json:"request" doc:"The request's id, as in the log."`
	ConnectedAt time.Time `json:"connectedAt"`
}

// ConnectionList is the live connections that a query asks for, oldest first.
type ConnectionList struct {
	Connections []Connection `json:"connections"`
	Truncated   bool         `json:"truncated" doc:"Whether there are more than the 10,000 that are listed."`
}

// Closed is how many connections were closed.
type Closed struct {
	Closed int `json:"closed"`
}

// connectionParameters choose connections.
func connectionParameters() []parameter {
	return []parameter{
		{"binding", "Only to sandboxes of this binding."},
		{"id", "Only to sandboxes of this id."},
		{"plugin", "Only those that this plugin decided on."},
		{"port", "Only to this port."},
		{"exposure", "Only those that came through the exposure of this port."},
		{"client", "Only those of clients with this IP address."},
	}
}

// closeParameters say how connections are closed.
func closeParameters() []parameter {
	return []parameter{
		{"code", "The close code that WebSockets are sent: 1000 to 1014 as RFC 6455 lets a server send them, or 3000 to 4999. 1008 by default."},
		{"reason", "The reason that they are sent with it, at most 123 bytes. \"closed by the operator\" by default."},
	}
}

// listConnections answers with the live connections that the query wants.
func (x *exchange) listConnections() error {
	if x.s.Connections == nil {
		return errNoConnections()
	}
	values, err := knownQuery(x.r.URL.RawQuery, names(connectionParameters())...)
	if err != nil {
		return err
	}
	f, err := connectionFilter(values)
	if err != nil {
		return err
	}
	found, more := x.s.Connections.List(f, maxConnections)
	list := ConnectionList{Connections: make([]Connection, len(found)), Truncated: more}
	for i, c := range found {
		list.Connections[i] = Connection{
			ID: int64(c.ID), Kind: c.Kind, Binding: c.Binding, Sandbox: c.Sandbox, Generation: c.Generation, Port: c.Port,
			Plugin: c.Plugin, Preview: c.Exposure, Exposure: c.ExposureName, Client: c.Client, Request: c.Request, ConnectedAt: c.ConnectedAt.UTC(),
		}
	}
	return x.answerWith(list)
}

// closeConnections closes those that the query fits, which has to name
// something: nobody closes all of them by a misspelt name.
func (x *exchange) closeConnections() error {
	if x.s.Connections == nil {
		return errNoConnections()
	}
	values, err := knownQuery(x.r.URL.RawQuery, append(names(connectionParameters()), names(closeParameters())...)...)
	if err != nil {
		return err
	}
	f, err := connectionFilter(values)
	if err != nil {
		return err
	}
	if f == (host.ConnectionFilter{}) {
		return abi.Errorf(abi.CodeInvalidRequest, "the query does not say which connections are to be closed").
			WithSuggestion("give at least one of %s", strings.Join(names(connectionParameters()), ", "))
	}
	code, reason, err := closing(values)
	if err != nil {
		return err
	}
	return x.answerWith(Closed{x.s.Connections.CloseMatching(f, code, reason)})
}

// closeConnection closes the one that the path names.
func (x *exchange) closeConnection() error {
	if x.s.Connections == nil {
		return errNoConnections()
	}
	values, err := knownQuery(x.r.URL.RawQuery, names(closeParameters())...)
	if err != nil {
		return err
	}
	code, reason, err := closing(values)
	if err != nil {
		return err
	}
	id, err := strconv.ParseUint(x.address.id, 10, 63)
	if err != nil || !x.s.Connections.CloseID(id, code, reason) {
		return abi.Errorf(abi.CodeNotFound, "there is no connection %.40q", x.address.id).
			WithSuggestion("GET %s lists those that there are", connectionsPath)
	}
	return x.answerWith(Closed{1})
}

func errNoConnections() *abi.Error {
	return abi.Errorf(abi.CodeUnsupported, "this edge does not tell of its connections")
}

func names(list []parameter) []string {
	all := make([]string, len(list))
	for i, p := range list {
		all[i] = p.name
	}
	return all
}

// connectionFilter reads the parameters that choose; INVALID_REQUEST.
func connectionFilter(values url.Values) (f host.ConnectionFilter, err error) {
	for _, name := range names(connectionParameters()) {
		if values.Has(name) && values.Get(name) == "" {
			return f, abi.Errorf(abi.CodeInvalidRequest, "query parameter %s is empty", name)
		}
	}
	// Ids are lower case, whatever a caller writes.
	f.Binding, f.Sandbox, f.Plugin = values.Get("binding"), strings.ToLower(values.Get("id")), values.Get("plugin")
	if f.Port, err = queryPort(values, "port"); err != nil {
		return f, err
	}
	exposed, err := queryPort(values, "exposure")
	switch {
	case err != nil:
		return f, err
	case exposed != 0 && f.Port != 0 && exposed != f.Port:
		return f, abi.Errorf(abi.CodeInvalidRequest, "no connection is to port %d and through the exposure of %d", f.Port, exposed)
	case exposed != 0:
		f.Port, f.Exposure = exposed, true
	}
	if text := values.Get("client"); text != "" {
		if f.Client, err = netip.ParseAddr(text); err != nil {
			return f, abi.Errorf(abi.CodeInvalidRequest, "client %.60q: want an IP address, without a port", text)
		}
	}
	return f, nil
}

// queryPort is 0 when the parameter is not there.
func queryPort(values url.Values, name string) (int, error) {
	text := values.Get(name)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 {
		return 0, abi.Errorf(abi.CodeInvalidRequest, "%s %.20q: want a port, 1 to 65535", name, text)
	}
	return int(n), nil
}

// How connections are closed when the query does not say.
const (
	closedCode   = 1008
	closedReason = "closed by the operator"
)

// maxReason is what fits a close frame beside the code, in bytes (RFC 6455,
// section 5.5).
const maxReason = 123

// closing reads the parameters on the closing; INVALID_REQUEST.
func closing(values url.Values) (code int, reason string, err error) {
	code, reason = closedCode, closedReason
	if text := values.Get("code"); text != "" {
		if code, err = strconv.Atoi(text); err != nil || !serverCode(code) {
			return 0, "", abi.Errorf(abi.CodeInvalidRequest, "close code %.20q: a server sends 1000 to 1003, 1007 to 1009, 1011 to 1014 or 3000 to 4999", text)
		}
	}
	if values.Has("reason") {
		reason = values.Get("reason")
	}
	if len(reason) > maxReason || !utf8.ValidString(reason) {
		return 0, "", abi.Errorf(abi.CodeInvalidRequest, "the reason has %d bytes: want at most %d, in UTF-8", len(reason), maxReason)
	}
	return code, reason, nil
}

// serverCode tells whether a server may send a close code (RFC 6455, section
// 7.4): 1004 means nothing, 1005, 1006 and 1015 are never sent, 1010 is the
// client's, and what lies between these and 3000 is nobody's yet.
func serverCode(code int) bool {
	switch code {
	case 1000, 1001, 1002, 1003, 1007, 1008, 1009, 1011, 1012, 1013, 1014:
		return true
	}
	return code >= 3000 && code <= 4999
}
