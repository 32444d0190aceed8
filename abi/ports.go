package abi

import (
	"time"
)

// Access says who may use an exposure.
type Access string

// Who may use an exposure.
const (
	AccessToken  Access = "token"  // who knows the token in the URL
	AccessPublic Access = "public" // everybody; the URL has no token
	// AccessPlugin is whom a plugin lets in: its decision to proxy by exposure is
	// the only way there, and the URL has no token.
	AccessPlugin Access = "plugin"
)

// TokenIn says where a client shows an exposure's token.
type TokenIn string

// Where a token is shown.
const (
	// TokenInHost has it in the URL's host name, or in the path form's key.
	TokenInHost TokenIn = "host"
	// TokenInRequest keeps it out of them: a request shows it as the header
	// X-Edge-Token, as "Authorization: Bearer", as the query's edge_token, which a
	// browser changes for a cookie at a clean URL, or as that cookie.
	TokenInRequest TokenIn = "request"
)

// Host policies of an exposure: what its server sees as Host, and as Origin of its
// own pages, over HTTP and WebSocket alike. Anything else is the Host itself, in
// which ${port} is the port.
const (
	HostLocal   = "local"   // localhost:{port}; the default
	HostPreview = "preview" // as the client sent it
)

// What becomes of an exposure when its sandbox's machine ends.
const (
	OnRestartKeep   = "keep"   // it leads to the next one; the default
	OnRestartRevoke = "revoke" // it is taken back
)

// ExposePortRequest makes a port reachable by URL.
type ExposePortRequest struct {
	Port int    `json:"port"`
	Name string `json:"name,omitempty"`
	// Token is [a-z0-9_]{1,16}; 16 random characters by default.
	Token string `json:"token,omitempty"`
	// TTL ends the exposure after that long; default never.
	TTL    Duration `json:"ttl,omitempty"`
	Access Access   `json:"access,omitempty"` // default token
	// TokenIn is "host" (default) or "request". The other one is another URL.
	TokenIn TokenIn `json:"tokenIn,omitempty"`
	// IfExposed is "keep" (default: same token, same URL) or "error".
	IfExposed string `json:"ifExposed,omitempty"`
	// Wake says what wakes a sandbox that does not run; default "hold(30s)".
	Wake Wake `json:"wake,omitempty"`
	// Host is "local" (default), "preview" or a literal such as
	// "app.internal:${port}".
	Host string `json:"host,omitempty"`
	// OnRestart is "keep" (default) or "revoke".
	OnRestart string `json:"onRestart,omitempty"`
	// Policy takes the place, as a whole, of the one that the exposure has. Left
	// out, that one stays.
	Policy Policy `json:"policy,omitzero"`
	// MaxConnections bounds what may be open through the exposure at a time,
	// WebSockets and HTTP exchanges together; beyond it is 429
	// TOO_MANY_REQUESTS. 0, or left out, is no bound but the edge's own, or the
	// one that the exposure has.
	MaxConnections int `json:"maxConnections,omitempty"`
}

// ExposedPort is one exposure.
type ExposedPort struct {
	Port int    `json:"port"`
	Name string `json:"name,omitempty"`
	URL  string `json:"url"`
	// ExposedAt is the URL, for programs that know it by this name; the time is
	// CreatedAt.
	ExposedAt string `json:"exposedAt"`
	WSURL     string `json:"wsUrl"`
	// Status is "active", or "inactive" where the sandbox runs and it is known that
	// nothing listens on the port.
	Status string `json:"status,omitempty"`
	Access Access `json:"access"`
	// Token is what requests show, where it is not in the URL (tokenIn "request").
	Token     string     `json:"token,omitempty"`
	CreatedAt time.Time  `json:"createdAt"`
	ExpiresAt *time.Time `json:"expiresAt,omitempty"`
	// Connections counts live ones through this exposure.
	Connections int `json:"connections"`
	// Ended tells how the server ended that listened on the port last, if it was
	// started by startProcess, has ended, and nothing listens there now.
	Ended *ServerEnd `json:"ended,omitempty"`
}

// ServerEnd is how a process ended that listened on a port. It is for the sandbox's
// owner: those who only have a preview's URL are told no more than that it ended.
type ServerEnd struct {
	ProcessID string     `json:"processId"`
	ExitCode  *int       `json:"exitCode,omitempty"`
	Signal    string     `json:"signal,omitempty"`
	OOMKilled bool       `json:"oomKilled,omitempty"`
	EndedAt   *time.Time `json:"endedAt,omitempty"`
	// StderrTail is the end of what it printed as errors.
	StderrTail string `json:"stderrTail,omitempty"`
}

// ExposedPorts answers getExposedPorts, by port.
type ExposedPorts struct {
	Ports []ExposedPort `json:"ports"`
}

// UnexposePortRequest takes an exposure back.
type UnexposePortRequest struct {
	Port int `json:"port"`
	// Drain is how long what came through it may go on; new requests are refused
	// at once. Default 0; at most 1h.
	Drain Duration `json:"drain,omitempty"`
}

// PreviewLinkRequest asks for a link that shows nobody's token and ends by itself.
type PreviewLinkRequest struct {
	Port int `json:"port"` // exposed with tokenIn "request"
	// TTL is how long the link works, and what a browser got by it; default 1h, at
	// most 30 days, and never longer than the exposure.
	TTL Duration `json:"ttl,omitempty"`
	// Path, with its query, is where the link leads; default "/".
	Path string `json:"path,omitempty"`
}

// PreviewLink is a signed link. It is recorded nowhere: it ends with its time, with
// the exposure, or when the exposure gets another token.
type PreviewLink struct {
	URL       string    `json:"url"`
	ExpiresAt time.Time `json:"expiresAt"`
}

// ListeningPort is a TCP port that something in the sandbox listens on.
type ListeningPort struct {
	Port int `json:"port"`
	// Address is the one that is listened on: "127.0.0.1", "0.0.0.0", "::" or
	// another of the sandbox. It is left out where the sandbox was started by an
	// edge that could not tell.
	Address string `json:"address,omitempty"`
	// ProcessID is the process that was started under it, PID the one that
	// listens; left out where that cannot be told.
	ProcessID string `json:"processId,omitempty"`
	PID       int    `json:"pid,omitempty"`
	// URL is the preview's, if the port is exposed.
	URL string `json:"url,omitempty"`
}

// ListeningPorts answers getListeningPorts, by port.
type ListeningPorts struct {
	Ports []ListeningPort `json:"ports"`
}

// PortRequest names a port.
type PortRequest struct {
	Port int `json:"port"`
}

// PortTokenRequest asks about a token.
type PortTokenRequest struct {
	Port  int    `json:"port"`
	Token string `json:"token"`
}

// WebSocketOptions are what wsOpen takes besides sandbox and port.
type WebSocketOptions struct {
	Path      string          `json:"path,omitempty"` // default "/"
	Protocols []string        `json:"protocols,omitempty"`
	Headers   [][2]string     `json:"headers,omitempty"`
	Sandbox   *SandboxOptions `json:"sandbox,omitempty"`
	// Wait is as in Policy.
	Wait Duration `json:"wait,omitempty"`
}

// TargetOptions are the JSON that connect and proxy take.
type TargetOptions struct {
	Policy Policy `json:"policy,omitzero"`
	// Wake says what wakes a sandbox that does not run; default is what the
	// exposure says, if the request goes to one, else "hold(30s)".
	Wake    Wake            `json:"wake,omitempty"`
	Sandbox *SandboxOptions `json:"sandbox,omitempty"`
	// Stream, of connect with port 0, is what the client is connected with.
	Stream *StreamCall `json:"stream,omitempty"`
}
