package host

import (
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"edge/abi"
	"edge/sandboxmgr"
)

// SetPreviews has p asked about every request in preview form, before the exposure
// is looked up; what it passes over with Next is served as without it. With nil
// nobody is asked. It may be called at any time: a request sees the one before or
// the new one.
func (s *Server) SetPreviews(p *Plugin) {
	if p == nil {
		s.previews.Store(nil)
		return
	}
	s.previews.Store(&[]Plugin{*p})
}

// dispatchPreview has a request in preview form answered by the plugin that comes
// first, if there is one, or else by what is exposed.
func (x *exchange) dispatchPreview(p preview) {
	x.named = true
	if chain := x.s.previews.Load(); chain != nil {
		x.via = ViaPlugin
		if decided, _ := x.askEach(*chain); decided {
			return
		}
		x.plugin, x.decider = "", nil
	}
	x.via = ViaPreview
	x.tellPreview(p)
	x.servePreview(p, nil)
}

// servePreview answers a request for a preview: natively, or as the decision of a
// plugin. What is unknown, and what is not opened by what the request shows, is 404
// INVALID_TOKEN, whatever is wrong with it, and creates nothing. A sandbox that
// sleeps is woken and the request held meanwhile, as the exposure's wake says.
func (x *exchange) servePreview(p preview, d *abi.Proxy) {
	e, known := x.s.exposure(p)
	if d != nil && d.Sandbox.ID != "" && (strings.ToLower(d.Sandbox.ID) != e.Ref.ID || d.Sandbox.Binding != e.Ref.Binding) {
		known = false
	}
	a, ok := x.s.letIn(x.head, p, x.from.scheme, e, known, d != nil)
	if !ok {
		x.fail(errNoPreview())
		return
	}
	if problem := pathProblem(p.path); problem != "" { // the server's root is below the edge's
		x.fail(abi.Errorf(abi.CodeInvalidRequest, "the path in the preview %s", problem))
		return
	}
	pol, wake := abi.Policy{}, abi.Wake("")
	if d != nil {
		if err := x.mayReach(e.Ref, e.Port); err != nil {
			x.fail(err)
			return
		}
		pol, wake = d.Policy, d.Wake
	}
	v := x.newVisit(p, e, a)
	x.aim(target{ref: e.Ref, port: e.Port, exposure: true})
	switch {
	case v.prefix != "" && p.path == "" && !x.head.upgrade:
		x.addSlash()
	case a.byQuery && x.navigates():
		x.cleanAddress(v, a.until)
	default:
		x.relayVisit(v, pol, wake)
	}
}

// expects tells whether a request for a preview leads anywhere, before its body is
// asked for.
func (s *Server) expects(rc *fasthttp.RequestCtx, h *head, p preview) bool {
	if s.previews.Load() != nil {
		return true
	}
	scheme := "http"
	if c, ok := rc.Conn().(*clientConn); ok {
		from, _ := s.originOf(c, h.forwarding)
		scheme = from.scheme
	}
	e, known := s.exposure(p)
	_, ok := s.letIn(h, p, scheme, e, known, false)
	return ok
}

// relayVisit relays the request to what is exposed. wake, if given, comes over the
// exposure's.
func (x *exchange) relayVisit(v *visit, pol abi.Policy, wake abi.Wake) {
	e := &v.exposure
	t := target{
		ref: e.Ref, port: e.Port, policy: stricter(e.Policy, pol), wake: or(wake, e.Wake), exposure: true,
		ownName: v.label != "", maxConnections: e.MaxConnections, visit: v,
	}
	if !v.until.IsZero() { // what came by a link ends with it, sockets too
		t.policy.MaxDuration = least(t.policy.MaxDuration, max(1, abi.Duration(time.Until(v.until))))
	}
	t.live = func() bool { return x.s.boxes.StillExposed(e) }
	if v.prefix != "" {
		t.path = or(v.path, "/")
	}
	x.relay(t)
}

// errNoPreview is the one answer for a bad token and for what never existed.
func errNoPreview() *abi.Error {
	return abi.Errorf(abi.CodeInvalidToken, "there is no preview at this address, or it was not opened by the right token").
		WithSuggestion("ask for the preview's current URL, or for a new link: it may have expired or been taken back")
}

// addSlash sends the client to the same address with a slash after the key,
// without which the page's relative links would miss the preview.
func (x *exchange) addSlash() {
	location := x.head.path + "/"
	if x.head.hasQuery {
		location += "?" + x.head.query
	}
	x.redirect(308, location)
}

// redirect sends the client elsewhere, this time.
func (x *exchange) redirect(status int, location string) {
	ownAnswer(&x.rc.Response)
	x.rc.Response.SetStatusCode(status)
	h := &x.rc.Response.Header
	h.Set("Location", location)
	h.Set("Cache-Control", "no-store")
}

// proxyByExposure carries out a Proxy with port 0.
func (x *exchange) proxyByExposure(d *abi.Proxy) {
	if p, ok := x.s.previewOf(x.head.name, x.head.path); ok {
		x.servePreview(p, d)
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
	x.relay(target{
		ref: d.Sandbox, port: e.Port, policy: stricter(e.Policy, d.Policy), wake: or(d.Wake, e.Wake), exposure: true,
		maxConnections: e.MaxConnections, visit: x.newVisit(preview{}, e, admission{}),
		live: func() bool {
			now, err := x.onlyExposure(d.Sandbox)
			return err == nil && now.Port == e.Port
		},
	})
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
