package sandboxmgr

import (
	"context"
	"crypto/subtle"
	"time"

	"edge/abi"
)

// maxTTL bounds an exposure's life; without a ttl it has no end.
const maxTTL = 10 * 365 * 24 * time.Hour

// Exposure is a port that a preview URL reaches.
type Exposure struct {
	Ref     abi.SandboxRef // binding and id alone
	Port    int
	Name    string
	Token   string // empty unless Access is token
	Access  abi.Access
	TokenIn abi.TokenIn // "" is host
	// Host is the Host policy (abi.HostLocal and its neighbours); "" is local.
	Host      string
	OnRestart string // "" is keep
	CreatedAt time.Time
	ExpiresAt *time.Time
	// Wake says what starts the sandbox when it does not run.
	Wake   abi.Wake
	Policy abi.Policy
	// MaxConnections bounds what is open through the exposure at a time; 0 is no
	// bound of its own.
	MaxConnections int
}

// ExposureByLabel finds the live exposure whose URL has that whole first label,
// "{port}-{id}-{token}" or "{port}-{id}". Case does not count, as in every host
// name. It looks in memory alone and takes the same time for every wrong token.
func (m *Manager) ExposureByLabel(label string) (Exposure, bool) {
	return m.exposures.find(lowerASCII(label))
}

// ExposureByPath finds the live exposure of a path "/_preview/{port}/{key}/",
// key being "{id}-{token}" or "{id}".
func (m *Manager) ExposureByPath(port, key string) (Exposure, bool) {
	for i := range len(port) {
		if port[i] < '0' || port[i] > '9' {
			return Exposure{}, false
		}
	}
	return m.exposures.find(port + "-" + key)
}

// ExposePort makes a port reachable by URL. It starts nothing. Exposing again
// changes what the request gives and keeps the rest, token and URL first of all;
// another token is another URL, and the old one is taken back with what came
// through it.
func (s *Sandbox) ExposePort(ctx context.Context, req *abi.ExposePortRequest) (*abi.ExposedPort, error) {
	op := abi.ExposePort.Name()
	if err := s.m.checkExposePort(req); err != nil {
		return nil, s.fail(op, err)
	}
	e, err := s.m.exposures.put(ctx, s.key, req)
	if err != nil {
		return nil, s.fail(op, err)
	}
	p, err := s.m.exposedPort(&e)
	if err != nil {
		return nil, s.fail(op, err)
	}
	return p, nil
}

// UnexposePort takes the URL back and closes what came through it. Idempotent.
func (s *Sandbox) UnexposePort(ctx context.Context, req *abi.UnexposePortRequest) (*abi.Empty, error) {
	op := abi.UnexposePort.Name()
	if err := s.m.checkPort(req.Port); err != nil {
		return nil, s.fail(op, err)
	}
	if err := s.m.exposures.remove(ctx, s.key, req.Port, "the port is no longer exposed"); err != nil {
		return nil, s.fail(op, err)
	}
	return &abi.Empty{}, nil
}

// GetExposedPorts lists the sandbox's exposures, by port.
func (s *Sandbox) GetExposedPorts(context.Context, *abi.Empty) (*abi.ExposedPorts, error) {
	list := &abi.ExposedPorts{Ports: []abi.ExposedPort{}}
	for _, e := range s.m.exposures.ofSandbox(s.key) {
		p, err := s.m.exposedPort(&e)
		if err != nil {
			return nil, s.fail(abi.GetExposedPorts.Name(), err)
		}
		list.Ports = append(list.Ports, *p)
	}
	return list, nil
}

// Exposures returns what is exposed of the sandbox, by port, from memory.
func (s *Sandbox) Exposures() []Exposure { return s.m.exposures.ofSandbox(s.key) }

// IsPortExposed tells whether a port is exposed.
func (s *Sandbox) IsPortExposed(_ context.Context, req *abi.PortRequest) (*abi.BoolResponse, error) {
	if err := s.m.checkPort(req.Port); err != nil {
		return nil, s.fail(abi.IsPortExposed.Name(), err)
	}
	_, ok := s.m.exposures.ofPort(s.key, req.Port)
	return &abi.BoolResponse{Value: ok}, nil
}

// ValidatePortToken tells whether a token is the port's, in constant time. A
// public exposure has none, so that no token is its own.
func (s *Sandbox) ValidatePortToken(_ context.Context, req *abi.PortTokenRequest) (*abi.BoolResponse, error) {
	if err := s.m.checkPort(req.Port); err != nil {
		return nil, s.fail(abi.ValidatePortToken.Name(), err)
	}
	e, ok := s.m.exposures.ofPort(s.key, req.Port)
	same := subtle.ConstantTimeCompare([]byte(e.Token), []byte(req.Token)) == 1
	return &abi.BoolResponse{Value: ok && same && e.Token != ""}, nil
}

// exposedPort is the exposure as the table's operations answer it.
func (m *Manager) exposedPort(e *Exposure) (*abi.ExposedPort, error) {
	url, wsURL, err := m.config.Previews.urls(e.Port, e.Ref.ID, e.Token)
	if err != nil {
		return nil, err
	}
	return &abi.ExposedPort{
		Port: e.Port, Name: e.Name, URL: url, ExposedAt: url, WSURL: wsURL, Status: "active",
		CreatedAt: e.CreatedAt, ExpiresAt: e.ExpiresAt,
		Connections: m.config.Connections.Count(e.Ref.Binding, e.Ref.ID, e.Port),
	}, nil
}

const (
	ifExposedKeep  = "keep"
	ifExposedError = "error"
	maxName        = 256 // bytes
	maxToken       = 16  // characters
	shortToken     = 8   // one that is shorter is warned about
)

func (m *Manager) checkExposePort(req *abi.ExposePortRequest) error {
	_, _, _, wake := req.Wake.Parse()
	err := firstError(
		m.checkPort(req.Port), wake, req.Policy.Check(),
		checkText("name", req.Name, maxName),
		checkSpan("ttl", req.TTL.D(), maxTTL),
		checkOneOf("access", string(req.Access), string(abi.AccessToken), string(abi.AccessPublic)),
		checkOneOf("ifExposed", req.IfExposed, ifExposedKeep, ifExposedError),
	)
	switch {
	case err == nil && req.MaxConnections < 0:
		return invalid("maxConnections is %d; want a number above 0, or 0 for no bound", req.MaxConnections)
	case err != nil || req.Token == "":
		return err
	case req.Access == abi.AccessPublic:
		return invalid("access is public, which has no token; leave one of them out")
	case !validToken(req.Token):
		// The token itself is a secret, and stays out of the message.
		return invalid("the token has %d characters; want 1 to %d of a-z, 0-9 and \"_\"", len(req.Token), maxToken)
	}
	return nil
}

func validToken(token string) bool {
	if token == "" || len(token) > maxToken {
		return false
	}
	for i := range len(token) {
		if c := token[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return true
}

func lowerASCII(s string) string {
	for i := range len(s) {
		if s[i] >= 'A' && s[i] <= 'Z' {
			b := []byte(s)
			for j, c := range b {
				if c >= 'A' && c <= 'Z' {
					b[j] = c + 'a' - 'A'
				}
			}
			return string(b)
		}
	}
	return s
}

// revise returns what exposing again makes of e, and whether that is another
// URL.
func (e Exposure) revise(req *abi.ExposePortRequest, now time.Time) (next Exposure, moved bool) {
	next = e
	if req.Name != "" {
		next.Name = req.Name
	}
	if req.TTL > 0 {
		next.ExpiresAt = expiry(req.TTL, now)
	}
	if !req.Policy.IsZero() {
		next.Policy = req.Policy
	}
	if req.Wake != "" {
		next.Wake = req.Wake
	}
	if req.MaxConnections != 0 {
		next.MaxConnections = req.MaxConnections
	}
	if req.Token != "" {
		next.Token, next.Access = req.Token, abi.AccessToken
	}
	switch req.Access {
	case abi.AccessPublic:
		next.Token, next.Access = "", abi.AccessPublic
	case abi.AccessToken:
		next.Access = abi.AccessToken
		if next.Token == "" {
			next.Token = randomToken()
		}
	}
	return next, next.Token != e.Token
}

// same tells whether what can be revised is the same.
func (e *Exposure) same(o *Exposure) bool {
	return e.Name == o.Name && e.Token == o.Token && e.Access == o.Access && e.Policy.Equal(o.Policy) && e.MaxConnections == o.MaxConnections && e.Wake == o.Wake && e.ExpiresAt == o.ExpiresAt
}

func expiry(ttl abi.Duration, now time.Time) *time.Time {
	if ttl == 0 {
		return nil
	}
	t := now.Add(ttl.D())
	return &t
}
