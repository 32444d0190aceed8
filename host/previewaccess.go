package host

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	"edge/abi"
	"edge/sandboxmgr"
)

// accessKeeper knows what opens an exposure. It takes as long for an exposure that
// there is not, the zero one, which nothing opens.
type accessKeeper interface {
	TokenOpens(e sandboxmgr.Exposure, token string) bool
	SignAccess(e sandboxmgr.Exposure, until time.Time) string
	AccessSigned(e sandboxmgr.Exposure, signed string, now time.Time) (until time.Time, ok bool)
}

var _ accessKeeper = (*sandboxmgr.Manager)(nil)

const (
	// maxProofs bounds of each kind how many are looked at. A browser may have
	// more than one cookie of the name, of which any may be the right one: a page
	// of a neighbour can set one for the whole domain.
	maxProofs = 8
	// sessionLife is how long a browser that showed a token is let in without.
	sessionLife = 7 * 24 * time.Hour
)

// admission is how a request was let in to an exposure.
type admission struct {
	// until ends what let it in; zero is as long as the exposure.
	until time.Time
	// shown is set if the request showed what opens it beside its address,
	// and byQuery if that stands in the query.
	shown, byQuery bool
	// bearer is the Authorization that was the token; empty if none was.
	bearer string
}

// letIn tells whether a request may use the exposure that its address names. known
// tells whether there is one. Whatever is wrong, the work is the same, so that the
// time tells nothing: an exposure that only a plugin opens, and one that is not
// there, have all that is shown compared too. byPlugin is set where a plugin has let
// the request in.
func (s *Server) letIn(h *head, p preview, scheme string, e sandboxmgr.Exposure, known, byPlugin bool) (admission, bool) {
	if known {
		switch {
		case e.Access == abi.AccessPlugin && byPlugin, e.Access == abi.AccessPublic:
			return admission{}, true
		case e.Access != abi.AccessPlugin && e.TokenIn != abi.TokenInRequest:
			return admission{}, true // the address is the token
		case e.Access == abi.AccessPlugin:
			e = sandboxmgr.Exposure{}
		}
	} else {
		e = sandboxmgr.Exposure{}
	}
	if s.boxes == nil {
		return admission{}, false
	}
	a := admission{}
	open := h.token != "" && s.boxes.TokenOpens(e, h.token)
	if bearer, ok := s.bearer(h, e); ok {
		open, a.bearer = true, bearer
	}
	if until, ok := s.openedByQuery(h, e); ok {
		a.byQuery, a.until = true, until
	}
	if !open && !a.byQuery {
		a.until, open = s.openedByCookie(h, p, scheme, e)
	}
	a.shown = open || a.byQuery
	return a, a.shown
}

// bearer returns the Authorization header (RFC 6750, section 2.1) that is the token.
// Any other is between the client and the server.
func (s *Server) bearer(h *head, e sandboxmgr.Exposure) (value string, ok bool) {
	looked := 0
	for _, hd := range h.headers {
		if !strings.EqualFold(hd.Name, "Authorization") {
			continue
		}
		if token, is := bearerToken(hd.Value); is && s.boxes.TokenOpens(e, token) {
			value, ok = hd.Value, true
		}
		if looked++; looked == maxProofs {
			break
		}
	}
	return value, ok
}

func bearerToken(authorization string) (token string, ok bool) {
	scheme, token, ok := strings.Cut(authorization, " ")
	return strings.TrimLeft(token, " "), ok && strings.EqualFold(scheme, "Bearer")
}

// openedByQuery looks at what the query shows. until is zero for a token.
func (s *Server) openedByQuery(h *head, e sandboxmgr.Exposure) (until time.Time, ok bool) {
	looked := 0
	for query := h.query; query != "" && looked < maxProofs; {
		var part string
		part, query, _ = strings.Cut(query, "&")
		if !isProof(part) {
			continue
		}
		looked++
		name, value, _ := strings.Cut(part, "=")
		if plain, err := url.QueryUnescape(value); err == nil {
			value = plain
		}
		if formNameIs(name, tokenQuery) {
			if s.boxes.TokenOpens(e, value) {
				return time.Time{}, true
			}
		} else if t, is := s.boxes.AccessSigned(e, value, time.Now()); is {
			until, ok = t, true
		}
	}
	return until, ok
}

// openedByCookie looks at the sessions that the request's cookies hold.
func (s *Server) openedByCookie(h *head, p preview, scheme string, e sandboxmgr.Exposure) (until time.Time, ok bool) {
	want, looked := sessionCookie(p, scheme), 0
	for _, hd := range h.headers {
		if !strings.EqualFold(hd.Name, "Cookie") {
			continue
		}
		for pair := range strings.SplitSeq(hd.Value, ";") {
			name, value := cookiePair(pair)
			if name != want || looked == maxProofs {
				continue
			}
			looked++
			if t, is := s.boxes.AccessSigned(e, value, time.Now()); is {
				until, ok = t, true
			}
		}
	}
	return until, ok && ownPage(h, e.Policy)
}

// ownPage tells whether a request whose cookie speaks for it comes from a page of
// the preview's own, or is a browser going there. The cookie alone is no proof of
// that: browsers send it with what pages of the same site ask for, and all previews
// of a domain are one site. Other origins may be allowed by the exposure's policy.
//
// What Sec-Fetch-Site says (Fetch Metadata, section 2.3) no page can change. It
// comes over https: and to localhost alone; elsewhere there is Origin.
func ownPage(h *head, pol abi.Policy) bool {
	site, mode := "", ""
	for _, hd := range h.headers {
		switch len(hd.Name) {
		case len("Sec-Fetch-Site"): // and Sec-Fetch-Mode
			if strings.EqualFold(hd.Name, "Sec-Fetch-Site") {
				site = hd.Value
			} else if strings.EqualFold(hd.Name, "Sec-Fetch-Mode") {
				mode = hd.Value
			}
		}
	}
	switch {
	case h.origins > 1:
		return false
	case h.origins == 1 && sameSite(h.origin, h.host):
		return true
	case h.origins == 1:
		// A page that tells nobody where it is has this origin, to itself too.
		return h.origin == "null" && site == "same-origin" || pol.AllowOrigins != nil && pol.AllowsOrigin(h.origin)
	case site == "same-site", site == "cross-site":
		return mode == "navigate"
	}
	return true
}

// sessionCookie is the name of the cookie that lets a browser in. In the path form,
// where the whole host is not the preview's, it is bound to a path and cannot have
// the stricter name.
func sessionCookie(p preview, scheme string) string {
	if scheme == "https" && p.label != "" {
		return hostCookie
	}
	return plainCookie
}

// navigates tells whether a browser goes to the address with a person before it:
// then a token in the address must not stay there.
func (x *exchange) navigates() bool {
	return (x.head.method == "GET" || x.head.method == "HEAD") && !x.head.upgrade && x.wantsPage()
}

// pathReference is a path as a reference to it: one that begins with two slashes would
// be read as the name of another host (RFC 3986, section 4.2), of which browsers take
// either for "\\".
func pathReference(path string) string {
	if len(path) > 1 && (path[1] == '/' || path[1] == '\\') {
		return "/." + path
	}
	return path
}

// cleanAddress sends a browser, which showed a token or a link in the query, to the
// same address without, and gives it a session.
func (x *exchange) cleanAddress(v *visit, until time.Time) {
	now := time.Now()
	if until.IsZero() {
		until = now.Add(sessionLife)
	}
	if end := v.exposure.ExpiresAt; end != nil && end.Before(until) {
		until = *end
	}
	// A path alone: the client knows better than the edge by which scheme it came,
	// where a proxy that is not trusted ends TLS.
	location := pathReference(x.head.path)
	if query, any := withoutProofs(x.head.query); any {
		location += "?" + query
	}
	cookie := sessionCookie(v.preview, x.from.scheme) + "=" + x.s.boxes.SignAccess(v.exposure, until) +
		"; Path=" + v.prefix + "/; Max-Age=" + strconv.FormatInt(int64(until.Sub(now)/time.Second), 10) + "; HttpOnly; SameSite=Lax"
	if x.from.scheme == "https" {
		cookie += "; Secure"
	}
	x.redirect(302, location)
	x.rc.Response.Header.Add("Set-Cookie", cookie)
	x.rc.Response.Header.Set("Referrer-Policy", "no-referrer")
}
