package host

import (
	"net/netip"
	"strconv"
	"strings"

	"edge/abi"
)

// readTarget checks Host and target and splits the target. Host must be there
// once (RFC 9112, section 3.2), and an absolute target must agree with it.
func (h *head) readTarget(target string, hosts int) *refusal {
	if hosts != 1 {
		return refuse(400, "a request has exactly one Host header; this one has %d", hosts)
	}
	name, ok := hostName(h.host)
	if !ok {
		return refuse(400, "the Host header is not a host name with an optional port")
	}
	h.name = name
	if !abi.ValidValue(target) || strings.ContainsAny(target, " \t#") {
		return refuse(400, "the request target holds a space, a control character or \"#\"")
	}
	switch {
	case target != "" && target[0] == '/':
	case hasPrefixFold(target, "http://"):
		authority := target[len("http://"):]
		target = "/"
		if i := strings.IndexAny(authority, "/?"); i >= 0 {
			authority, target = authority[:i], authority[i:]
			if target[0] == '?' {
				target = "/" + target
			}
		}
		if !strings.EqualFold(authority, h.host) {
			return refuse(400, "the request target names another host than the Host header")
		}
	default:
		return refuse(400, "the request target is neither a path nor an http URL")
	}
	h.path, h.query, h.hasQuery = strings.Cut(target, "?")
	if problem := pathProblem(h.path); problem != "" {
		return refuse(400, "the path of the request %s", problem)
	}
	return nil
}

// hostName checks a Host header (RFC 3986, section 3.2.2, without user
// information and without percent-encoding) and returns the name in lower case
// without port and without one trailing dot: "a.example." is "a.example".
func hostName(host string) (name string, ok bool) {
	name = host
	if strings.HasPrefix(host, "[") {
		end := strings.IndexByte(host, ']')
		if end < 0 {
			return "", false
		}
		addr, err := netip.ParseAddr(host[1:end])
		if err != nil || !addr.Is6() || addr.Zone() != "" {
			return "", false
		}
		if end+1 == len(host) {
			return strings.ToLower(host), true
		}
		return strings.ToLower(host[:end+1]), host[end+1] == ':' && validPort(host[end+2:])
	}
	if i := strings.IndexByte(host, ':'); i >= 0 {
		if !validPort(host[i+1:]) {
			return "", false
		}
		name = host[:i]
	}
	name = strings.TrimSuffix(name, ".")
	if name == "" || len(name) > 253 {
		return "", false
	}
	upper, label := false, 0
	for i := 0; i < len(name); i++ {
		c := name[i]
		switch {
		case c >= 'A' && c <= 'Z':
			upper = true
		case c == '.':
			if label == 0 {
				return "", false
			}
			label = -1
		case (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_':
			return "", false
		}
		label++
	}
	if label == 0 {
		return "", false
	}
	if upper {
		name = strings.ToLower(name)
	}
	return name, true
}

// validPort accepts 1 to 65535 in at most five digits.
func validPort(s string) bool {
	if len(s) > 5 || !isDigits(s) {
		return false
	}
	n, err := strconv.Atoi(s)
	return err == nil && n > 0 && n <= 65535
}

// routePath returns the path that routes are matched against: unreserved
// characters decoded, runs of slashes made one, dot segments removed (RFC 3986,
// section 6.2.2). A backend may well do the same, so "/open/../admin" must not
// pass for a path under "/open". What is sent on is the path as it came.
func routePath(p string) string {
	if !strings.Contains(p, "//") && !strings.Contains(p, "/.") && strings.IndexByte(p, '%') < 0 {
		return p
	}
	p = decodeUnreserved(p)
	var segments []string
	rest := strings.Split(p, "/")[1:]
	for i, s := range rest {
		last := i == len(rest)-1
		switch s {
		case "", ".":
		case "..":
			if len(segments) > 0 {
				segments = segments[:len(segments)-1]
			}
		default:
			segments = append(segments, s)
			continue
		}
		if last {
			segments = append(segments, "")
		}
	}
	return "/" + strings.Join(segments, "/")
}

// decodeUnreserved decodes %XX where it stands for a letter, a digit or one of
// "-._~", which mean the same decoded.
func decodeUnreserved(p string) string {
	if strings.IndexByte(p, '%') < 0 {
		return p
	}
	b := make([]byte, 0, len(p))
	for i := 0; i < len(p); i++ {
		if p[i] == '%' && i+2 < len(p) {
			if n, err := strconv.ParseUint(p[i+1:i+3], 16, 8); err == nil && unreserved(byte(n)) {
				b = append(b, byte(n))
				i += 2
				continue
			}
		}
		b = append(b, p[i])
	}
	return string(b)
}

func unreserved(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~", c) >= 0
}

// domains returns preview domains as host names are compared with them.
func domains(names []string) []string {
	if len(names) == 0 {
		return []string{"localhost"}
	}
	ds := make([]string, len(names))
	for i, d := range names {
		ds[i] = strings.ToLower(strings.TrimSuffix(d, "."))
	}
	return ds
}
