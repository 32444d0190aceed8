package host

import (
	"strings"

	"edge/bridge"
)

// editAnswer returns the fields of a server's answer as they are true where the
// client is: addresses are the preview's, cookies stay with it, and nothing speaks
// for the neighbours of a preview, which share its domain, or in the path form its
// origin.
func (v *visit) editAnswer(status int, headers []bridge.Header) []bridge.Header {
	kept, policy := headers[:0], ""
	for _, h := range headers {
		switch len(h.Name) {
		case len("NEL"), len("Alt-Svc"), len("Report-To"), len("Reporting-Endpoints"), len("Service-Worker-Allowed"), len("Strict-Transport-Security"):
			if strings.EqualFold(h.Name, "Refresh") { // as long as Alt-Svc
				h.Value = v.refresh(h.Value)
			} else if v.prefix != "" && speaksForOrigin(h.Name) {
				continue
			}
		case len("Location"):
			if strings.EqualFold(h.Name, "Location") {
				h.Value = v.toClient(h.Value)
			}
		case len("Content-Location"):
			if strings.EqualFold(h.Name, "Content-Location") {
				h.Value = v.toClient(h.Value)
			}
		case len("Set-Cookie"):
			if strings.EqualFold(h.Name, "Set-Cookie") {
				var ok bool
				if h.Value, ok = v.setCookie(h.Value); !ok {
					continue
				}
			}
		case len("Clear-Site-Data"): // and Referrer-Policy
			switch {
			case strings.EqualFold(h.Name, "Clear-Site-Data"):
				if v.prefix != "" || clearsCookies(h.Value) {
					continue
				}
			case v.secret && strings.EqualFold(h.Name, "Referrer-Policy"):
				policy = laterPolicy(policy, h.Value)
				continue
			}
		case len("Access-Control-Allow-Origin"):
			if strings.EqualFold(h.Name, "Access-Control-Allow-Origin") {
				h.Value = v.allowedOrigin(h.Value)
			}
		}
		kept = append(kept, h)
	}
	return v.guard(status, kept, policy)
}

// guard adds what keeps an address that opens the preview from other sites, and an
// answer from those who do not open it: a cache in front of the edge goes by the
// address (RFC 9111, section 5.2.2.7; of directives that differ the stricter counts,
// section 4.2.1). policy is the server's own for referrers.
func (v *visit) guard(status int, headers []bridge.Header, policy string) []bridge.Header {
	if v.secret && status != 100 {
		if policy != "no-referrer" {
			policy = "same-origin"
		}
		headers = append(headers, bridge.Header{Name: "Referrer-Policy", Value: policy})
	}
	if v.shown && status >= 200 {
		headers = append(headers, bridge.Header{Name: "Cache-Control", Value: "private"})
	}
	return headers
}

// speaksForOrigin names fields that bind a whole origin, or the host, and not the
// path that they come from: a service worker that is allowed above its own path
// would see its neighbours' addresses, and their tokens.
func speaksForOrigin(name string) bool {
	switch {
	case strings.EqualFold(name, "Service-Worker-Allowed"),
		strings.EqualFold(name, "NEL"), strings.EqualFold(name, "Report-To"), strings.EqualFold(name, "Reporting-Endpoints"),
		strings.EqualFold(name, "Strict-Transport-Security"), strings.EqualFold(name, "Alt-Svc"):
		return true
	}
	return false
}

// clearsCookies tells whether a Clear-Site-Data (its specification, section 3.1)
// reaches cookies, which browsers then remove from the whole registrable domain.
func clearsCookies(value string) bool {
	return strings.Contains(value, "cookies") || strings.Contains(value, "*")
}

// laterPolicy is the referrer policy in force after one more header: the last token
// that is known counts (Referrer Policy, section 8.1).
func laterPolicy(policy, value string) string {
	for token := range strings.SplitSeq(value, ",") {
		switch token = strings.ToLower(strings.Trim(token, " \t")); token {
		case "no-referrer", "same-origin", "origin", "strict-origin", "origin-when-cross-origin",
			"strict-origin-when-cross-origin", "no-referrer-when-downgrade", "unsafe-url":
			policy = token
		}
	}
	return policy
}

// allowedOrigin is an Access-Control-Allow-Origin for the client: a server that
// allows itself has seen its own name as Origin, where the client sent the
// preview's.
func (v *visit) allowedOrigin(value string) string {
	if _, authority, rest, ok := splitAddress(value); ok && rest == "" && v.owns(authority) {
		return v.base()
	}
	return value
}

// refresh rewrites the address in a Refresh header, "5; url=/next", which browsers
// read as they do the one in a page (HTML, section 4.2.5.3).
func (v *visit) refresh(value string) string {
	at := refreshURL(value)
	if at < 0 {
		return value
	}
	ref, end := value[at:], ""
	if ref != "" && (ref[0] == '"' || ref[0] == '\'') {
		at++
		ref = ref[1:]
		if i := strings.IndexByte(ref, value[at-1]); i >= 0 {
			ref, end = ref[:i], ref[i:]
		}
	}
	return value[:at] + v.toClient(ref) + end
}

// refreshURL is where in a Refresh header its address begins, or -1: after the
// number, ";" or "," or a space, and perhaps "url=".
func refreshURL(value string) int {
	const space = " \t"
	rest := strings.TrimLeft(value, space)
	number := strings.TrimLeft(rest, "0123456789")
	if number == rest && !strings.HasPrefix(rest, ".") {
		return -1
	}
	rest = strings.TrimLeft(number, "0123456789.")
	after := strings.TrimLeft(rest, space)
	if after == "" || after == rest && after[0] != ';' && after[0] != ',' {
		return -1
	}
	if after[0] == ';' || after[0] == ',' {
		after = strings.TrimLeft(after[1:], space)
	}
	if len(after) >= 3 && strings.EqualFold(after[:3], "url") {
		if eq := strings.TrimLeft(after[3:], space); strings.HasPrefix(eq, "=") {
			after = strings.TrimLeft(eq[1:], space)
		}
	}
	if after == "" {
		return -1
	}
	return len(value) - len(after)
}

// setCookie returns a Set-Cookie (RFC 6265bis, section 5.6) that stays with the
// preview: without Domain, which would give it to the neighbours, and in the path
// form below the preview's own path. A cookie of the edge's own names is refused.
//
// A name that begins with "__Host-" promises a Path of "/", so that browsers do not
// take such a cookie in the path form: what it promises cannot be kept there.
func (v *visit) setCookie(cookie string) (string, bool) {
	pair, attributes, more := strings.Cut(cookie, ";")
	if name, value := cookiePair(pair); edgeCookie(name) || name == "" && edgeCookie(strings.TrimSpace(cutName(value))) {
		return "", false
	}
	if !more || v.prefix == "" && !mayHaveDomain(attributes) {
		return cookie, true
	}
	kept := append(make([]byte, 0, len(cookie)+len(v.prefix)), pair...)
	for attribute := range strings.SplitSeq(attributes, ";") {
		name, value, has := strings.Cut(attribute, "=")
		switch plain := strings.Trim(name, " \t"); {
		case strings.EqualFold(plain, "Domain"):
			continue
		case has && v.prefix != "" && strings.EqualFold(plain, "Path"):
			if path := strings.Trim(value, " \t"); strings.HasPrefix(path, "/") {
				attribute = name + "=" + v.cookiePath(path)
			}
		}
		kept = append(append(kept, ';'), attribute...)
	}
	return string(kept), true
}

// cookiePath is the path below the prefix. Browsers compare it as it is.
func (v *visit) cookiePath(path string) string {
	if after, own := strings.CutPrefix(path, v.prefix); own && (after == "" || after[0] == '/') {
		return path
	}
	return v.prefix + path
}

// mayHaveDomain is a quick look that spares most cookies the careful one.
func mayHaveDomain(attributes string) bool {
	for i := 0; i+len("domain") <= len(attributes); i++ {
		if attributes[i]|0x20 == 'd' && strings.EqualFold(attributes[i:i+len("domain")], "domain") {
			return true
		}
	}
	return false
}

// edgeCookie tells whether a cookie's name is one of the edge's own; browsers may
// take the prefix in any case.
func edgeCookie(name string) bool {
	return strings.EqualFold(name, plainCookie) || strings.EqualFold(name, hostCookie)
}

// cutName is what stands before the first "=": a cookie without a name is sent back
// as its value alone, in which that is read as a name.
func cutName(value string) string {
	name, _, _ := strings.Cut(value, "=")
	return name
}

var _ bridge.AnswerEditor = (*exchange)(nil)

// EditAnswer puts an exposure's answer into the client's words, and the explanation
// of the request into every final one.
func (x *exchange) EditAnswer(status int, headers []bridge.Header) []bridge.Header {
	if v := x.target.visit; v != nil {
		headers = v.editAnswer(status, headers)
	}
	if x.told != nil && (status >= 200 || status == 101) {
		headers = append(headers, bridge.Header{Name: explainHeader, Value: x.told.header()})
	}
	return headers
}
