package sandboxmgr

import (
	"net/netip"
	"strconv"
	"strings"
	"time"

	"edge/abi"
)

const (
	ifExposedKeep  = "keep"
	ifExposedError = "error"
	maxName        = 256 // bytes
	maxToken       = 16  // characters
	shortToken     = 8   // one that is shorter is warned about
	// maxHost is the longest host name with a port (RFC 1035, section 2.3.4).
	maxHost = 253 + len(":65535")
)

func (m *Manager) checkExposePort(req *abi.ExposePortRequest) error {
	_, _, _, wake := req.Wake.Parse()
	err := firstError(
		m.checkPort(req.Port), wake, req.Policy.Check(),
		checkText("name", req.Name, maxName),
		checkSpan("ttl", req.TTL.D(), maxTTL),
		checkOneOf("access", string(req.Access), string(abi.AccessToken), string(abi.AccessPublic), string(abi.AccessPlugin)),
		checkOneOf("tokenIn", string(req.TokenIn), string(abi.TokenInHost), string(abi.TokenInRequest)),
		checkOneOf("onRestart", req.OnRestart, abi.OnRestartKeep, abi.OnRestartRevoke),
		checkOneOf("ifExposed", req.IfExposed, ifExposedKeep, ifExposedError),
		checkHost(req.Host, req.Port),
	)
	noToken := req.Access == abi.AccessPublic || req.Access == abi.AccessPlugin
	switch {
	case err == nil && req.MaxConnections < 0:
		return invalid("maxConnections is %d; want a number above 0, or 0 for no bound", req.MaxConnections)
	case err == nil && noToken && (req.Token != "" || req.TokenIn != ""):
		return invalid("access is %s, which has no token; leave access out, or token and tokenIn", req.Access)
	case err != nil || req.Token == "":
		return err
	}
	return checkToken(req.Token)
}

// checkToken checks a token that somebody chose. It is a secret, and stays out of
// the message.
func checkToken(token string) error {
	switch {
	case len(token) > maxToken:
		return invalid("the token has %d characters; want 1 to %d of a-z, 0-9 and \"_\"", len(token), maxToken)
	case !validToken(token):
		return invalid("the token has a character that is none of a-z, 0-9 and \"_\"")
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

// checkHost checks a Host policy: one of the two words, or a Host value (RFC 9110,
// section 7.2) in which ${port} is the port.
func checkHost(policy string, port int) error {
	host := strings.ReplaceAll(policy, "${port}", strconv.Itoa(port))
	switch word := strings.ToLower(policy); {
	case policy == "" || policy == abi.HostLocal || policy == abi.HostPreview:
		return nil
	case word == abi.HostLocal || word == abi.HostPreview:
		return invalid("host is %q; want %q", policy, word)
	case len(host) > maxHost:
		return invalid("host has %d characters; at most %d are possible", len(host), maxHost)
	}
	name, number, hasPort := host, "", false
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		name, number, hasPort = host[:i], host[i+1:], true
	}
	n, err := strconv.ParseUint(number, 10, 16)
	if validHostName(name) && (!hasPort || err == nil && n > 0 && strconv.FormatUint(n, 10) == number) {
		return nil
	}
	return invalid("host is %.80q; want %q, %q or a host name with an optional port, like \"app.internal:${port}\"", policy, abi.HostLocal, abi.HostPreview)
}

// validHostName accepts names, with "_" and one trailing dot as people have them, and
// addresses, of IPv6 in brackets.
func validHostName(name string) bool {
	if inner, ok := strings.CutPrefix(name, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		addr, err := netip.ParseAddr(inner)
		return ok && err == nil && addr.Is6() && addr.Zone() == ""
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(name, "."), ".") {
		if !validLabel(strings.ReplaceAll(lowerASCII(label), "_", "x")) {
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

// newExposure is what a request makes of a port that is not exposed. The token is
// empty where it is to be a random one.
func newExposure(k key, req *abi.ExposePortRequest, now time.Time) Exposure {
	e := Exposure{Ref: k.ref(), Port: req.Port, Access: abi.AccessToken, CreatedAt: now}
	return e.revise(req, now)
}

// revise returns what exposing again makes of e. The token is empty where it is to
// be a random one: it was in no URL then, or is to be there no more, or no less.
func (e Exposure) revise(req *abi.ExposePortRequest, now time.Time) Exposure {
	next := e
	if req.Name != "" {
		next.Name = req.Name
	}
	if req.TTL > 0 {
		// Without the monotonic reading: a machine that was suspended has lived on.
		t := now.Round(0).Add(req.TTL.D())
		next.ExpiresAt = &t
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
	if req.Host != "" {
		next.Host = unless(abi.HostLocal, req.Host)
	}
	if req.OnRestart != "" {
		next.OnRestart = unless(abi.OnRestartKeep, req.OnRestart)
	}
	next.admit(req)
	return next
}

// unless is the value, or "" if it is the default.
func unless[S ~string](usual, value S) S {
	if value == usual {
		return ""
	}
	return value
}

// admit revises who is let in. What is about tokens means an exposure by token.
func (e *Exposure) admit(req *abi.ExposePortRequest) {
	was := *e
	if req.TokenIn != "" {
		e.Access, e.TokenIn = abi.AccessToken, unless(abi.TokenInHost, req.TokenIn)
	}
	if req.Access != "" {
		e.Access = req.Access
	}
	switch {
	case req.Token != "":
		e.Access, e.Token = abi.AccessToken, req.Token
	case e.Access != abi.AccessToken || e.TokenIn != was.TokenIn:
		e.Token = ""
	}
}

// same tells whether what can be revised is the same.
func (e *Exposure) same(o *Exposure) bool {
	return e.SameAddress(o) && e.Name == o.Name && e.Policy.Equal(o.Policy) && e.MaxConnections == o.MaxConnections &&
		e.Wake == o.Wake && e.ExpiresAt == o.ExpiresAt && e.Host == o.Host && e.OnRestart == o.OnRestart
}
