package sandboxmgr

import (
	"context"
	"time"

	"edge/abi"
)

const (
	// maxTTL bounds an exposure's life; without a ttl it has no end.
	maxTTL = 10 * 365 * 24 * time.Hour
	// maxDrain bounds how long connections may go on after their exposure.
	maxDrain = time.Hour
)

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

// SameAddress tells whether who was let in by e would be by now as well: it is the
// same exposure, with the same access and token. Its other options may be others.
func (e *Exposure) SameAddress(now *Exposure) bool {
	return e.Ref.Binding == now.Ref.Binding && e.Ref.ID == now.Ref.ID && e.Port == now.Port && e.CreatedAt.Equal(now.CreatedAt) &&
		e.Access == now.Access && e.TokenIn == now.TokenIn && e.Token == now.Token
}

// StillExposed tells whether an exposure that was found before still is at its
// address. It is quicker than to look the address up again.
func (m *Manager) StillExposed(e *Exposure) bool {
	s := m.exposures.get(key{e.Ref.Binding, e.Ref.ID}, e.Port)
	return s != nil && !s.expired(time.Now()) && e.SameAddress(&s.Exposure)
}

// ExposureByLabel finds the live exposure whose URL has that whole first label,
// "{port}-{id}-{token}", or "{port}-{id}" of one whose label holds no secret. Case
// does not count, as in every host name. It looks in memory alone and takes the same
// time for every wrong token.
func (m *Manager) ExposureByLabel(label string) (Exposure, bool) {
	return m.exposures.find(lowerASCII(label))
}

// ExposureByPath finds the live exposure of a path "/_preview/{port}/{key}/",
// key being "{id}-{token}" or "{id}". Case counts, as in every path.
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
// another token, access or place of the token takes back what there was, with the
// connections that came through it.
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

// UnexposePort takes the URL back at once, and closes what came through it: at once,
// or what still goes on after the request's drain. Idempotent; once more with a
// shorter drain closes what is left earlier.
func (s *Sandbox) UnexposePort(ctx context.Context, req *abi.UnexposePortRequest) (*abi.Empty, error) {
	op := abi.UnexposePort.Name()
	if err := firstError(s.m.checkPort(req.Port), checkSpan("drain", req.Drain.D(), maxDrain)); err != nil {
		return nil, s.fail(op, err)
	}
	if err := s.m.exposures.takeBack(ctx, s.key, req.Port, req.Drain.D()); err != nil {
		return nil, s.fail(op, err)
	}
	return &abi.Empty{}, nil
}

// GetExposedPorts lists the sandbox's exposures, by port.
func (s *Sandbox) GetExposedPorts(ctx context.Context, _ *abi.Empty) (*abi.ExposedPorts, error) {
	list := &abi.ExposedPorts{Ports: []abi.ExposedPort{}}
	for _, e := range s.m.exposures.ofSandbox(s.key) {
		p, err := s.m.exposedPort(&e)
		if err != nil {
			return nil, s.fail(abi.GetExposedPorts.Name(), err)
		}
		list.Ports = append(list.Ports, *p)
	}
	s.tellEnds(ctx, list.Ports)
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

// ValidatePortToken tells whether a token is the port's, in constant time. An
// exposure that is not by token has none, so that no token is its own.
func (s *Sandbox) ValidatePortToken(_ context.Context, req *abi.PortTokenRequest) (*abi.BoolResponse, error) {
	if err := s.m.checkPort(req.Port); err != nil {
		return nil, s.fail(abi.ValidatePortToken.Name(), err)
	}
	e, _ := s.m.exposures.ofPort(s.key, req.Port)
	return &abi.BoolResponse{Value: s.m.TokenOpens(e, req.Token)}, nil
}

// What ExposedPort.Status says.
const (
	statusActive   = "active"
	statusInactive = "inactive"
)

// exposedPort is the exposure as the table's operations answer it.
func (m *Manager) exposedPort(e *Exposure) (*abi.ExposedPort, error) {
	url, wsURL, err := m.config.Previews.urls(e)
	if err != nil {
		return nil, err
	}
	p := &abi.ExposedPort{
		Port: e.Port, Name: e.Name, URL: url, ExposedAt: url, WSURL: wsURL, Status: statusActive, Access: e.Access,
		CreatedAt: e.CreatedAt, ExpiresAt: e.ExpiresAt,
		Connections: m.config.Connections.Count(e.Ref.Binding, e.Ref.ID, e.Port),
	}
	if e.takesToken() {
		p.Token = e.Token
	}
	if m.exposures.silent != nil && m.exposures.silent(key{e.Ref.Binding, e.Ref.ID}, e.Port) {
		p.Status = statusInactive
	}
	return p, nil
}
