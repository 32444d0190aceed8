package host

import (
	"slices"
	"strings"

	"edge/abi"
)

// noteReferer looks at the page that asks for an address which is no preview's. If
// that is a preview's own, its address may hold a token: whoever answers now is told
// no more of it than the origin, and nothing if a token may be in that. The path form
// of this host is remembered (strayed).
func (x *exchange) noteReferer() {
	for i := range x.head.headers {
		if hd := &x.head.headers[i]; len(hd.Name) == len("Referer") && strings.EqualFold(hd.Name, "Referer") {
			scheme, authority, path, ok := splitAddress(hd.Value)
			if !ok || !x.s.namesPreview(authority, path) {
				continue
			}
			hd.Value = ""
			if name, ok := hostName(authority); ok {
				if _, secret := previewLabel(name, x.s.Domains); !secret {
					hd.Value = scheme + "://" + authority + "/"
				}
			}
			if strings.EqualFold(authority, x.head.host) {
				x.strayed = pathPrefix(path)
			}
		}
	}
	x.head.headers = slices.DeleteFunc(x.head.headers, func(hd abi.Header) bool {
		return hd.Value == "" && strings.EqualFold(hd.Name, "Referer")
	})
	x.req.Headers = x.head.headers
}

// pathPrefix is what all paths of a preview in the path form begin with, for a path
// of one; empty if there can be no such preview.
func pathPrefix(path string) string {
	rest, ok := strings.CutPrefix(path, previewPrefix)
	if !ok {
		return ""
	}
	port, rest, _ := strings.Cut(rest, "/")
	key, _, slash := strings.Cut(rest, "/")
	if !slash || !isDigits(port) || len(port) > 5 || key == "" || len(key) > 63 {
		return ""
	}
	for i := range len(key) {
		if c := key[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return ""
		}
	}
	return previewPrefix + port + "/" + key
}

// returnStray sends a request that nobody serves into the preview in the path form
// whose page made it: a link to "/style.css" leaves the preview there. Whether there
// is such a preview is not asked here, so that nobody learns it by asking.
func (x *exchange) returnStray() bool {
	if x.strayed == "" || x.head.asksUpgrade {
		return false
	}
	location := x.strayed + x.head.path
	if x.head.hasQuery {
		location += "?" + x.head.query
	}
	x.redirect(307, location)
	x.rc.Response.Header.Set("Vary", "Referer")
	x.rc.Response.Header.Set("Referrer-Policy", "same-origin")
	return true
}
