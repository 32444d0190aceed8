package guest

import (
	"encoding/json"

	"edge/abi"
	"edge/abi/guest/internal/edge1"
)

// ExposePort makes a port reachable by a preview URL. Exposing again changes
// what is given and keeps the rest, token and URL first of all.
func (s *Sandbox) ExposePort(port int, opts ...ExposeOptions) (*ExposedPort, error) {
	in := last(opts)
	in.Port = port
	return call(s, abi.ExposePort, &in)
}

// UnexposePort takes the URL back at once, and closes the live connections that came
// through it, at once or after the options' Drain. A port that is not exposed is no
// error.
func (s *Sandbox) UnexposePort(port int, opts ...UnexposePortOptions) error {
	in := last(opts)
	in.Port = port
	return tell(s, abi.UnexposePort, &in)
}

// ClosePort is UnexposePort by its other name.
func (s *Sandbox) ClosePort(port int, opts ...UnexposePortOptions) error {
	return s.UnexposePort(port, opts...)
}

// CreatePreviewLink signs a link to a port that is exposed with TokenIn "request". It
// shows no token and ends by itself.
func (s *Sandbox) CreatePreviewLink(port int, opts ...PreviewLinkOptions) (*PreviewLink, error) {
	in := last(opts)
	in.Port = port
	return call(s, abi.CreatePreviewLink, &in)
}

// GetExposedPorts returns the sandbox's exposures, by port.
func (s *Sandbox) GetExposedPorts() ([]ExposedPort, error) {
	out, err := call(s, abi.GetExposedPorts, &abi.Empty{})
	if err != nil {
		return nil, err
	}
	return out.Ports, nil
}

// IsPortExposed tells whether a port is exposed.
func (s *Sandbox) IsPortExposed(port int) (bool, error) {
	out, err := call(s, abi.IsPortExposed, &abi.PortRequest{Port: port})
	return err == nil && out.Value, err
}

// ValidatePortToken tells whether a token is the port's.
func (s *Sandbox) ValidatePortToken(port int, token string) (bool, error) {
	out, err := call(s, abi.ValidatePortToken, &abi.PortTokenRequest{Port: port, Token: token})
	return err == nil && out.Value, err
}

// GetListeningPorts returns the TCP ports that something in the sandbox listens on,
// exposed or not. It starts nothing: a sandbox that does not run has none.
func (s *Sandbox) GetListeningPorts() ([]ListeningPort, error) {
	out, err := call(s, abi.GetListeningPorts, &abi.Empty{})
	if err != nil {
		return nil, err
	}
	return out.Ports, nil
}

// WSConnect decides to splice the client's WebSocket with a port of the sandbox:
// the frames do not pass through the plugin, and the handler is done when it has
// returned the Response. Refused here are a request that is no upgrade
// (UPGRADE_REQUIRED, answered 426), a bad id and a bad port; whether anything
// listens on the port shows afterwards and is answered by the host.
func (s *Sandbox) WSConnect(req *Request, port int, policy ...Policy) (Response, error) {
	if !req.IsUpgrade() {
		return nil, errNoUpgrade()
	}
	if err := s.check("wsConnect", port); err != nil {
		return nil, err
	}
	return &target{name: "wsConnect", tell: edge1.Connect, sandbox: s, port: port, policy: wanted(policy)}, nil
}

// ConnectTerminal decides to give the client's WebSocket to a terminal of the sandbox:
// what is typed and printed are its binary messages, StreamInput and TerminalEvent its
// texts, and none of them passes through the plugin. Refused here are a request that
// is no upgrade (UPGRADE_REQUIRED, answered 426) and a bad id; a terminal that cannot be
// opened is answered by the host.
func (s *Sandbox) ConnectTerminal(req *Request, opts TerminalOptions, policy ...Policy) (Response, error) {
	if !req.IsUpgrade() {
		return nil, errNoUpgrade()
	}
	if err := s.live("connectTerminal"); err != nil {
		return nil, err
	}
	if _, err := abi.NormalizeID(s.ref.ID); err != nil {
		return nil, err
	}
	request, err := json.Marshal(&opts)
	if err != nil {
		return nil, abi.Errorf(abi.CodeInvalidRequest, "connectTerminal: %v", err)
	}
	stream := &abi.StreamCall{Name: abi.Terminal.Name(), Request: request}
	return &target{name: "connectTerminal", tell: edge1.Connect, sandbox: s, policy: wanted(policy), stream: stream}, nil
}

// errNoUpgrade is what a request is refused with that asks for no WebSocket.
func errNoUpgrade() *abi.Error {
	return abi.Errorf(abi.CodeUpgradeRequired, "this address speaks WebSocket only").
		WithSuggestion("connect with a WebSocket client, which sends Upgrade: websocket and Connection: Upgrade")
}

// Connect is Sandbox.WSConnect in the order connect(sandbox, request, port).
func Connect(s *Sandbox, req *Request, port int, policy ...Policy) (Response, error) {
	return s.WSConnect(req, port, policy...)
}

// ProxyTo decides to relay the request, upgrade or not, to a port of the sandbox,
// with what was edited on it. Refused here are a bad id and a bad port.
func (s *Sandbox) ProxyTo(_ *Request, port int, policy ...Policy) (Response, error) {
	if err := s.check("proxyTo", port); err != nil {
		return nil, err
	}
	return &target{name: "proxyTo", tell: edge1.Proxy, sandbox: s, port: port, policy: wanted(policy)}, nil
}

// anyPort lets the host choose the port by the request's preview.
const anyPort = 0

// ProxyToSandbox decides to serve a preview of this sandbox; a request for no
// preview goes to the sandbox's only exposed port. None or several exposed is
// answered 404.
func (s *Sandbox) ProxyToSandbox(_ *Request, policy ...Policy) (Response, error) {
	if err := s.live("proxyToSandbox"); err != nil {
		return nil, err
	}
	if _, err := abi.NormalizeID(s.ref.ID); err != nil {
		return nil, err
	}
	return &target{name: "proxyToSandbox", tell: edge1.Proxy, sandbox: s, port: anyPort, policy: wanted(policy)}, nil
}

// ProxyToSandbox decides to relay the request to the exposure that its host or
// path names. A request that names none is ErrNotPreview, and the handler goes
// on to decide otherwise. Without an error the decision is made, and the handler
// must return the Response.
func ProxyToSandbox(req *Request) (Response, error) {
	if err := req.decide("proxyToSandbox", edge1.Proxy(req.handle, "", "", anyPort, nil)); err != nil {
		return nil, err
	}
	return made{}, nil
}

// check returns what the host would say of the handle and the port, early enough
// for the handler to act on it.
func (s *Sandbox) check(call string, port int) error {
	if err := s.live(call); err != nil {
		return err
	}
	if _, err := abi.NormalizeID(s.ref.ID); err != nil {
		return err
	}
	return abi.CheckPort(port)
}
