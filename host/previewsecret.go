package host

import (
	"strings"
)

// The names by which a request shows what opens a preview whose token is not in its
// address (abi.TokenInRequest). No server in a sandbox sees any of them.
const (
	tokenHeader = "X-Edge-Token" // the token
	tokenQuery  = "edge_token"   // the token
	linkQuery   = "edge_link"    // a signed link's signature
	// The cookie that a browser gets for either of the two. Its value is a signed
	// session and never the token. The first name is for what https: brings alone
	// to this one host (RFC 6265bis, section 4.1.3.2).
	hostCookie  = "__Host-edge-preview"
	plainCookie = "edge-preview"
)

// withoutProofs returns a query less every edge_token and edge_link, however they
// are escaped, and whether anything is left, which may be empty: "a&&b" keeps its
// empty part. Every other byte stays as and where it is.
func withoutProofs(query string) (rest string, any bool) {
	if !holdsProof(query) {
		return query, true
	}
	kept := make([]byte, 0, len(query))
	for part := range strings.SplitSeq(query, "&") {
		if isProof(part) {
			continue
		}
		if any {
			kept = append(kept, '&')
		}
		kept = append(kept, part...)
		any = true
	}
	return string(kept), any
}

func holdsProof(query string) bool {
	for query != "" {
		var part string
		part, query, _ = strings.Cut(query, "&")
		if isProof(part) {
			return true
		}
	}
	return false
}

func isProof(part string) bool {
	name, _, _ := strings.Cut(part, "=")
	return formNameIs(name, tokenQuery) || formNameIs(name, linkQuery)
}

// formNameIs tells whether a name of a query, percent-encoded or not (URL Standard,
// section 5.1), is want.
func formNameIs(name, want string) bool {
	if len(name) < len(want) || len(name) > 3*len(want) {
		return false
	}
	i := 0
	for ; name != "" && i < len(want); i++ {
		c := name[0]
		if c == '%' {
			var ok bool
			if c, ok = unescaped(name); !ok {
				return false
			}
			name = name[2:]
		}
		if c != want[i] {
			return false
		}
		name = name[1:]
	}
	return name == "" && i == len(want)
}

// unescaped is the byte of the "%XX" that s begins with.
func unescaped(s string) (byte, bool) {
	if len(s) < 3 {
		return 0, false
	}
	hi, ok := hexDigit(s[1])
	lo, also := hexDigit(s[2])
	return hi<<4 | lo, ok && also
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10, true
	}
	return 0, false
}

// withoutSessions returns a Cookie header's value (RFC 6265, section 5.4) less the
// edge's own cookies, and whether any other is left.
func withoutSessions(cookies string) (rest string, any bool) {
	if !strings.Contains(cookies, plainCookie) { // of both names a part
		return cookies, true
	}
	kept := make([]byte, 0, len(cookies))
	for pair := range strings.SplitSeq(cookies, ";") {
		switch {
		case isSession(pair):
		case any:
			kept = append(append(kept, ';'), pair...)
		default:
			kept = append(kept, strings.TrimLeft(pair, " \t")...)
			any = len(kept) > 0
		}
	}
	return string(kept), any
}

func isSession(pair string) bool {
	name, _ := cookiePair(pair)
	return name == hostCookie || name == plainCookie
}

// cookiePair splits "name=value" as browsers and servers do: what has no "=" is a
// value without a name (RFC 6265bis, section 5.6).
func cookiePair(pair string) (name, value string) {
	name, value, ok := strings.Cut(pair, "=")
	if !ok {
		name, value = "", pair
	}
	return strings.Trim(name, " \t"), strings.Trim(value, " \t")
}
