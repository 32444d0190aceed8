package host

import (
	"net/url"
	"strconv"
	"strings"

	"edge/abi"
	"edge/sandboxmgr"
)

// visit is a request that an exposure let in, between two views of one server: the
// client's, where the preview is, and the server's own, which believes to be where
// the Host policy says. What either says of addresses is put into the other's words:
// Host, Origin and Referer of the request here, of the answer what editAnswer knows.
type visit struct {
	// preview is the address; zero where a plugin's decision led here from another.
	preview
	exposure sandboxmgr.Exposure
	admission
	// client is the Host that the client sent, and scheme how it came.
	client, scheme string
	// prefix is what the client's paths begin with and the server's do not:
	// "/_preview/8080/a-tok"; empty but in the path form.
	prefix string
	// host is the Host that the server sees.
	host string
	// secret is set where the address, with what was in its query, opens the
	// preview for whoever reads it.
	secret bool
}

// newVisit is the visit of a request that was let in.
func (x *exchange) newVisit(p preview, e sandboxmgr.Exposure, a admission) *visit {
	v := &visit{preview: p, exposure: e, admission: a, client: x.head.host, scheme: x.from.scheme}
	if p.key != "" {
		v.prefix = previewPrefix + p.port + "/" + p.key
	}
	v.host = hostFor(&e, v.client)
	named := p != preview{}
	v.secret = a.byQuery || named && e.Token != "" && e.TokenIn != abi.TokenInRequest && e.Access != abi.AccessPublic && e.Access != abi.AccessPlugin
	return v
}

// base is the client's origin: "https://8080-a-tok.edge.example".
func (v *visit) base() string { return v.scheme + "://" + v.client }

// hostFor is the Host that an exposure's server sees of a client that sent client.
//
// By default a server sees itself as it would be opened inside of the sandbox, since
// development servers refuse hosts that they do not know. HostPreview is for servers
// that make addresses of their Host, a literal for those that know another name.
func hostFor(e *sandboxmgr.Exposure, client string) string {
	switch e.Host {
	case "", abi.HostLocal:
		var room [len("localhost:65535")]byte
		return string(strconv.AppendInt(append(room[:0], "localhost:"...), int64(e.Port), 10))
	case abi.HostPreview:
		return client
	}
	return strings.ReplaceAll(e.Host, "${port}", strconv.Itoa(e.Port))
}

// edit returns the field as the server sees it, and false for one that it does not.
// Of the headers that tell where a page is, Origin and Referer follow Host where
// they name the preview itself, because servers compare them; another site's stay
// as they are, so that servers can refuse them.
func (v *visit) edit(s *Server, hd abi.Header) (value string, keep bool) {
	switch len(hd.Name) {
	case len("Host"):
		if strings.EqualFold(hd.Name, "Host") && v.exposure.Host != abi.HostPreview {
			return v.host, true
		}
	case len("Origin"): // and Cookie
		if strings.EqualFold(hd.Name, "Origin") {
			return v.origin(hd.Value), true
		} else if strings.EqualFold(hd.Name, "Cookie") {
			return withoutSessions(hd.Value)
		}
	case len("Referer"):
		if strings.EqualFold(hd.Name, "Referer") {
			return v.referer(s, hd.Value)
		}
	case len("Authorization"):
		if v.bearer != "" && hd.Value == v.bearer && strings.EqualFold(hd.Name, "Authorization") {
			return "", false
		}
	}
	return hd.Value, true
}

// origin returns an Origin as the server sees it. One that only has the name which
// the server takes for its own, such as that of whatever listens on the client's own
// port 8080, is a stranger's, and becomes one of nobody (RFC 6454, section 7.3).
func (v *visit) origin(origin string) string {
	switch {
	case v.exposure.Host == abi.HostPreview:
		return origin
	case sameSite(origin, v.client):
		return "http://" + v.host
	case sameSite(origin, v.host):
		return "null"
	}
	return origin
}

// referer returns a Referer (RFC 9110, section 10.1.3) as the server sees it, less
// what opens a preview; false for one that names another preview, or a stranger by the
// server's own name.
func (v *visit) referer(s *Server, ref string) (string, bool) {
	scheme, authority, path, ok := splitAddress(ref)
	if !ok {
		return ref, true
	}
	if strings.EqualFold(authority, v.client) {
		switch rest, own := v.cutPrefix(path); {
		case own:
			path = rest
		case strings.HasPrefix(routePath(path), previewPrefix):
			return "", false
		}
		if v.exposure.Host != abi.HostPreview {
			scheme, authority = "http", v.host
		}
	} else if s.namesPreview(authority, path) || v.exposure.Host != abi.HostPreview && strings.EqualFold(authority, v.host) {
		return "", false
	}
	path, query, has := strings.Cut(path, "?")
	if has {
		if query, has = withoutProofs(query); has {
			path += "?" + query
		}
	}
	return scheme + "://" + authority + path, true
}

// cutPrefix returns the path as the server knows it, and whether it is the
// preview's: every path is, but in the path form.
func (v *visit) cutPrefix(path string) (string, bool) {
	if v.prefix == "" {
		return path, true
	}
	rest, ok := strings.CutPrefix(path, v.prefix)
	if !ok || rest != "" && rest[0] != '/' && rest[0] != '?' {
		return path, false
	}
	return rest, true
}

// namesPreview tells whether an address is in the form of a preview, which may hold
// a token.
func (s *Server) namesPreview(authority, path string) bool {
	name, ok := hostName(authority)
	if !ok {
		return strings.HasPrefix(routePath(path), previewPrefix)
	}
	_, ok = s.previewOf(name, routePath(path))
	return ok
}

// splitAddress splits an absolute http or https URL. rest begins with "/" or "?", or
// is empty.
func splitAddress(ref string) (scheme, authority, rest string, ok bool) {
	scheme, authority, ok = strings.Cut(ref, "://")
	if !ok || !strings.EqualFold(scheme, "http") && !strings.EqualFold(scheme, "https") {
		return "", "", "", false
	}
	if i := strings.IndexAny(authority, "/?#\\"); i >= 0 {
		authority, rest = authority[:i], authority[i:]
	}
	if rest != "" && (rest[0] == '\\' || rest[0] == '#') {
		rest = "/" + rest[1:]
	}
	return scheme, authority, rest, true
}

// toClient returns an address that the server made, of a redirect for one, as it
// leads the client there: the server's own names become the preview's, and in the
// path form a path gets the prefix. What leads elsewhere, and what is relative to the
// page, stays as it is.
func (v *visit) toClient(ref string) string {
	if _, authority, rest, ok := splitAddress(v.absolute(ref)); ok {
		if !v.owns(authority) {
			return ref
		}
		if rest == "" || rest[0] != '/' {
			rest = "/" + rest
		}
		if authority == v.client && strings.HasPrefix(rest, previewPrefix) {
			return ref // it knows where it is, or means another preview
		}
		return v.base() + v.withPrefix(rest)
	}
	switch {
	case v.prefix == "" || ref == "":
		return ref
	case ref[0] == '/' || ref[0] == '\\':
		return v.withPrefix(ref)
	case hasDots(ref):
		return v.climb(ref)
	}
	return ref
}

// absolute gives a reference that is so but for its scheme (RFC 3986, section 4.2)
// one; browsers take "\" for "/".
func (v *visit) absolute(ref string) string {
	if len(ref) > 1 && (ref[0] == '/' || ref[0] == '\\') && (ref[1] == '/' || ref[1] == '\\') {
		return "http://" + ref[2:]
	}
	return ref
}

// owns tells whether the authority of a URL is a name that the server has for
// itself: what it sees as Host, what it is told that the client calls it, or the
// port on the loopback.
func (v *visit) owns(authority string) bool {
	if strings.EqualFold(authority, v.host) || strings.EqualFold(authority, v.client) {
		return true
	}
	name, ok := strings.CutSuffix(authority, ":"+strconv.Itoa(v.exposure.Port))
	return ok && (strings.EqualFold(name, "localhost") || name == "127.0.0.1" || name == "[::1]" || name == "0.0.0.0")
}

// withPrefix puts the prefix before an absolute path, unless a server that read
// X-Forwarded-Prefix has done so. A path that climbs is made straight first, or it
// would climb out of the preview.
func (v *visit) withPrefix(path string) string {
	if v.prefix == "" {
		return path
	}
	path, rest := cutPath(path)
	if hasDots(path) || strings.Contains(path, `\`) {
		path = routePath(strings.ReplaceAll(path, `\`, "/"))
	}
	if after, own := strings.CutPrefix(path, v.prefix); own && (after == "" || after[0] == '/') {
		return path + rest
	}
	return v.prefix + path + rest
}

// climb resolves a relative path with dot segments (RFC 3986, section 5.2) at the
// server's own address, whose root it cannot leave.
func (v *visit) climb(ref string) string {
	base, err := url.Parse(v.path)
	if err != nil {
		return ref
	}
	r, err := url.Parse(ref)
	if err != nil || r.Scheme != "" {
		return ref
	}
	return v.withPrefix(base.ResolveReference(r).String())
}

// cutPath splits a path from query and fragment.
func cutPath(ref string) (path, rest string) {
	if i := strings.IndexAny(ref, "?#"); i >= 0 {
		return ref[:i], ref[i:]
	}
	return ref, ""
}

// hasDots tells whether a path may have dot segments, escaped ones too.
func hasDots(ref string) bool {
	path, _ := cutPath(ref)
	return strings.Contains(path, "..") || strings.Contains(path, "/.") || strings.Contains(strings.ToLower(path), "%2e")
}
