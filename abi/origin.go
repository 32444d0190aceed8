package abi

import "strings"

// OriginPattern is one entry of Policy.AllowOrigins, read. It matches the origins
// (RFC 6454, section 6.2) that agree with each of its parts.
type OriginPattern struct {
	scheme string // lower case; empty is http or https; "null" is that origin alone
	host   string // lower case, of an IPv6 address with its brackets
	below  bool   // the names below host, and not host itself
	port   string // digits; empty is any port without a scheme, else the scheme's own
}

// nullOrigin is what browsers send for pages that have no site, such as files and
// sandboxed frames.
const nullOrigin = "null"

// maxOrigin is longer than a scheme and a host name (253, RFC 1035, section
// 2.3.4) with a port can be.
const maxOrigin = 300

// ParseOriginPattern reads "https://app.example.com", "app.example.com",
// "*.example.com", each with or without a scheme and a port, or "null". What it
// refuses is INVALID_REQUEST and says what was meant. Names are not case-sensitive,
// and those outside of ASCII are written as browsers send them ("xn--...").
func ParseOriginPattern(s string) (OriginPattern, error) {
	var p OriginPattern
	switch {
	case s == nullOrigin:
		return OriginPattern{scheme: nullOrigin}, nil
	case s == "*":
		return p, Errorf(CodeInvalidRequest, "\"*\" is every origin, which is what leaving the list out means")
	case len(s) > maxOrigin:
		return p, Errorf(CodeInvalidRequest, "%.60q... is longer than %d characters, and no origin is", s, maxOrigin)
	}
	rest, ascii := lowerASCII(s)
	if !ascii {
		return p, Errorf(CodeInvalidRequest, "%.60q is not ASCII; write the name as browsers send it (\"xn--...\")", s)
	}
	if scheme, authority, ok := strings.Cut(rest, "://"); ok {
		switch {
		case scheme == "ws" || scheme == "wss":
			return p, Errorf(CodeInvalidRequest, "%.60q is where a WebSocket leads; an origin is the page's, so want http or https", s)
		case !validScheme(scheme):
			return p, Errorf(CodeInvalidRequest, "%.60q has no scheme before \"://\"; want an origin like \"https://app.example.com\"", s)
		}
		p.scheme, rest = scheme, authority
	}
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		return p, Errorf(CodeInvalidRequest, "%.60q has a path; an origin ends with its host or port, %.60q", s, s[:len(s)-len(rest)+i])
	}
	rest, p.below = strings.CutPrefix(rest, "*.")
	var ok bool
	if p.host, p.port, ok = splitAuthority(rest); !ok || p.below && p.host[0] == '[' {
		return p, Errorf(CodeInvalidRequest, "%.60q is not an origin; want one like \"https://app.example.com\", \"app.example.com\" or \"*.example.com\"", s)
	}
	if p.port == defaultPort(p.scheme) && p.scheme != "" {
		p.port = "" // as origins are written
	}
	return p, nil
}

// Matches tells whether the value of an Origin header is an origin that the
// pattern allows. What is not exactly one origin matches nothing.
func (p OriginPattern) Matches(origin string) bool {
	if p.scheme == nullOrigin || origin == nullOrigin {
		return p.scheme == origin
	}
	if len(origin) > maxOrigin {
		return false
	}
	origin, ascii := lowerASCII(origin)
	scheme, authority, ok := strings.Cut(origin, "://")
	if !ok || !ascii || !validScheme(scheme) {
		return false
	}
	host, port, ok := splitAuthority(authority)
	if !ok {
		return false
	}
	own := defaultPort(scheme)
	port = orText(port, own)
	switch {
	case p.scheme == "" && own == "": // neither http nor https
		return false
	case p.scheme == "" && p.port != "" && p.port != port:
		return false
	case p.scheme != "" && (p.scheme != scheme || orText(p.port, own) != port):
		return false
	}
	return p.coversHost(host)
}

// coversHost tells whether host is the pattern's or, for "*.", below it.
func (p OriginPattern) coversHost(host string) bool {
	if !p.below {
		return host == p.host
	}
	name, ok := strings.CutSuffix(host, p.host)
	return ok && len(name) > 1 && name[len(name)-1] == '.'
}

// Intersect returns the pattern of what both match, and whether there is such an
// origin.
func (p OriginPattern) Intersect(o OriginPattern) (OriginPattern, bool) {
	if p.scheme == nullOrigin || o.scheme == nullOrigin {
		return p, p.scheme == o.scheme
	}
	if p.scheme == "" {
		p, o = o, p
	}
	// Now p has a scheme, unless neither has.
	switch {
	case o.scheme == "" && p.scheme != "":
		own := defaultPort(p.scheme)
		if own == "" || o.port != "" && o.port != orText(p.port, own) {
			return p, false
		}
	case p.scheme != o.scheme:
		return p, false
	case p.port == "" && p.scheme == "":
		p.port = o.port
	case p.port != o.port && (p.scheme != "" || o.port != ""):
		return p, false
	}
	if p.below && (!o.below || p.coversHost(o.host)) { // the narrower one first
		p.host, p.below, o.host, o.below = o.host, o.below, p.host, p.below
	}
	return p, p.host == o.host && p.below == o.below || o.below && o.coversHost(p.host)
}

// String writes the pattern as ParseOriginPattern reads it.
func (p OriginPattern) String() string {
	if p.scheme == nullOrigin {
		return nullOrigin
	}
	var b strings.Builder
	if p.scheme != "" {
		b.WriteString(p.scheme + "://")
	}
	if p.below {
		b.WriteString("*.")
	}
	b.WriteString(p.host)
	if p.port != "" {
		b.WriteString(":" + p.port)
	}
	return b.String()
}

// AllowsOrigin tells whether AllowOrigins admit the value of an Origin header.
func (p *Policy) AllowsOrigin(origin string) bool {
	if p.AllowOrigins == nil {
		return true
	}
	for _, entry := range p.AllowOrigins {
		if o, err := ParseOriginPattern(entry); err == nil && o.Matches(origin) {
			return true
		}
	}
	return false
}

// splitAuthority splits "host[:port]" in lower case. A host is labels of letters,
// digits, "-" and "_", or an address.
func splitAuthority(s string) (host, port string, ok bool) {
	host = s
	if strings.HasPrefix(s, "[") {
		end := strings.IndexByte(s, ']')
		if end < 3 || strings.Trim(s[1:end], "0123456789abcdef:.") != "" {
			return "", "", false
		}
		host, port = s[:end+1], s[end+1:]
		if port == "" {
			return host, "", true
		}
		port, ok = strings.CutPrefix(port, ":")
		return host, port, ok && validOriginPort(port)
	}
	if i := strings.IndexByte(s, ':'); i >= 0 {
		if host, port = s[:i], s[i+1:]; !validOriginPort(port) {
			return "", "", false
		}
	}
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return "", "", false
		}
	}
	return host, port, true
}

// validOriginPort accepts 1 to 65535 as URLs are written (WHATWG URL, section
// 4.5): without zeros in front.
func validOriginPort(s string) bool {
	if s == "" || len(s) > 5 || s[0] == '0' || strings.Trim(s, "0123456789") != "" {
		return false
	}
	return len(s) < 5 || s <= "65535"
}

// validScheme is RFC 3986, section 3.1, in lower case.
func validScheme(s string) bool {
	return s != "" && s[0] >= 'a' && s[0] <= 'z' && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789+-.") == ""
}

// defaultPort is the port that origins of a scheme leave out.
func defaultPort(scheme string) string {
	switch scheme {
	case "http":
		return "80"
	case "https":
		return "443"
	}
	return ""
}

// lowerASCII is s in lower case, and whether it is ASCII. The cases of other
// letters are left alone: some of them become ASCII ones.
func lowerASCII(s string) (string, bool) {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return s, false
		}
	}
	return strings.ToLower(s), true
}

func orText(s, def string) string {
	if s == "" {
		return def
	}
	return s
}
