package host

import (
	"slices"
	"strings"

	"edge/abi"
	"edge/sandboxmgr"
)

// previewPrefix begins the path form of a preview URL.
const previewPrefix = "/" + previewWord + "/"

const previewWord = "_preview"

// preview is a request's address in preview form. Whether there is such an
// exposure is another question.
type preview struct {
	label     string // host form: the whole label
	port, key string // path form
	path      string // path form: what the server is to see; empty if the slash after the key is missing
}

// previewOf tells whether a request is for a preview: a host of one label that
// begins with digits and "-" directly under a domain, or a path under
// /_preview/. Nothing else reads the label: it is looked up whole. name is the
// host in lower case, without port and trailing dot.
func (s *Server) previewOf(name, path string) (preview, bool) {
	if label, ok := previewLabel(name, s.Domains); ok {
		return preview{label: label}, true
	}
	rest, ok := strings.CutPrefix(path, previewPrefix)
	if !ok {
		return preview{}, false
	}
	var p preview
	p.port, rest, _ = strings.Cut(rest, "/")
	key, rest, slash := strings.Cut(rest, "/")
	p.key = key
	if slash {
		p.path = "/" + rest
	}
	return p, true
}

// previewLabel returns the label of a preview host, which stands directly under one
// of the domains.
func previewLabel(name string, domains []string) (string, bool) {
	label, domain, ok := strings.Cut(name, ".")
	if !ok || len(label) > 63 || !slices.Contains(domains, domain) {
		return "", false
	}
	port, rest, ok := strings.Cut(label, "-")
	return label, ok && rest != "" && isDigits(port)
}

// exposure looks the preview up, in memory.
func (s *Server) exposure(p preview) (sandboxmgr.Exposure, bool) {
	switch {
	case s.boxes == nil:
		return sandboxmgr.Exposure{}, false
	case p.label != "":
		return s.boxes.ExposureByLabel(p.label)
	}
	return s.boxes.ExposureByPath(p.port, p.key)
}

// servePreview answers a request for a preview without asking any plugin. What
// is unknown is 404 INVALID_TOKEN, whatever is wrong with it, and creates
// nothing. A sandbox that sleeps is woken and the request held meanwhile, as the
// exposure's wake says.
func (x *exchange) servePreview(p preview) {
	e, ok := x.s.exposure(p)
	if !ok {
		x.fail(errNoPreview())
		return
	}
	x.aim(target{ref: e.Ref, port: e.Port, exposure: true})
	if p.label == "" && p.path == "" && !x.head.upgrade {
		x.addSlash()
		return
	}
	x.relayExposure(e, p, abi.Policy{}, "")
}

// relayExposure relays the request to what is exposed. wake, if given, comes over
// the exposure's.
func (x *exchange) relayExposure(e sandboxmgr.Exposure, p preview, pol abi.Policy, wake abi.Wake) {
	t := target{ref: e.Ref, port: e.Port, policy: stricter(e.Policy, pol), wake: or(wake, e.Wake), exposure: true, ownName: p.label != "", maxConnections: e.MaxConnections}
	t.live = func() bool {
		now, ok := x.s.exposure(p)
		return ok && now.Ref.Binding == e.Ref.Binding && now.Ref.ID == e.Ref.ID && now.Port == e.Port
	}
	if p.label == "" {
		t.path = or(p.path, "/")
	}
	x.relay(t)
}

// errNoPreview is the one answer for a bad token and for what never existed.
func errNoPreview() *abi.Error {
	return abi.Errorf(abi.CodeInvalidToken, "there is no preview at this address").
		WithSuggestion("ask for the preview's current URL; it may have expired or been taken back")
}

// addSlash sends the client to the same address with a slash after the key,
// without which the page's relative links would miss the preview.
func (x *exchange) addSlash() {
	location := x.head.path + "/"
	if x.head.hasQuery {
		location += "?" + x.head.query
	}
	ownAnswer(&x.rc.Response)
	x.rc.Response.SetStatusCode(308)
	x.rc.Response.Header.Set("Location", location)
	x.rc.Response.Header.Set("Cache-Control", "no-store")
}

// loggedHost is a host name for logs: a label that looks like a preview's,
// right or wrong, has a "*" in the place of its token.
func loggedHost(name string) string {
	if !strings.Contains(name, "-") {
		return name
	}
	labels := strings.Split(name, ".")
	for i, label := range labels {
		if port, rest, ok := strings.Cut(label, "-"); ok && isDigits(port) && strings.ContainsAny(rest, "-_") {
			labels[i] = withoutToken(label)
		}
	}
	return strings.Join(labels, ".")
}

// loggedPath is a path for logs, less the token of a preview's path form.
func loggedPath(path string) string {
	plain := routePath(path)
	rest, ok := strings.CutPrefix(plain, previewPrefix)
	if !ok {
		if short := beforePreview(plain); short != plain {
			return short
		}
		return path
	}
	port, rest, _ := strings.Cut(rest, "/")
	key, rest, slash := strings.Cut(rest, "/")
	if slash {
		rest = "/" + rest
	}
	return previewPrefix + withoutToken(port) + "/" + withoutToken(key) + beforePreview(rest)
}

// beforePreview leaves out what follows the path form's word where it does not begin
// the path, or is misspelt: a token may stand there.
func beforePreview(path string) string {
	for i := 0; i+len(previewWord) <= len(path); i++ {
		if path[i] == previewWord[0] && strings.EqualFold(path[i:i+len(previewWord)], previewWord) {
			return path[:i+len(previewWord)] + "*"
		}
	}
	return path
}

// withoutToken replaces what follows the last "-": an id may hold one, a token
// may not.
func withoutToken(key string) string {
	if i := strings.LastIndexByte(strings.TrimRight(key, "-"), '-'); i >= 0 {
		return key[:i+1] + "*"
	}
	return key
}

// proxyByExposure carries out a Proxy with port 0.
func (x *exchange) proxyByExposure(d *abi.Proxy) {
	if p, ok := x.s.previewOf(x.head.name, x.head.path); ok {
		e, ok := x.s.exposure(p)
		if !ok || d.Sandbox.ID != "" && (strings.ToLower(d.Sandbox.ID) != e.Ref.ID || d.Sandbox.Binding != e.Ref.Binding) {
			x.fail(errNoPreview())
			return
		}
		if err := x.mayReach(e.Ref, e.Port); err != nil {
			x.fail(err)
			return
		}
		x.relayExposure(e, p, d.Policy, d.Wake)
		return
	}
	e, err := x.onlyExposure(d.Sandbox)
	if err == nil {
		err = x.mayReach(e.Ref, e.Port)
	}
	if err != nil {
		x.fail(err)
		return
	}
	x.relay(target{ref: d.Sandbox, port: e.Port, policy: stricter(e.Policy, d.Policy), wake: or(d.Wake, e.Wake), exposure: true, maxConnections: e.MaxConnections, live: func() bool {
		now, err := x.onlyExposure(d.Sandbox)
		return err == nil && now.Port == e.Port
	}})
}

// onlyExposure returns the exposure of a sandbox's only exposed port.
func (x *exchange) onlyExposure(ref abi.SandboxRef) (sandboxmgr.Exposure, error) {
	if ref.ID == "" || x.s.boxes == nil {
		return sandboxmgr.Exposure{}, abi.Errorf(abi.CodeNotFound, "the request is not for a preview, and no sandbox was named")
	}
	box, err := x.s.boxes.sandbox(ref)
	if err != nil {
		return sandboxmgr.Exposure{}, err
	}
	all := box.Exposures()
	if len(all) != 1 {
		return sandboxmgr.Exposure{}, abi.Errorf(abi.CodeNotFound, "sandbox %q has %d exposed ports, and the request does not say which is meant",
			box.Ref().ID, len(all)).WithSuggestion("expose exactly one port, or name the port in the decision")
	}
	return all[0], nil
}
