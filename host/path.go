package host

import "strings"

// pathProblem says what in a target's path servers make different things of, or "":
// an escape that is none (RFC 3986, section 2.1), an escaped NUL, and dot segments that
// lead above the root, which some servers take for other files and some for none
// (section 5.2.4). An escaped slash counts as one.
func pathProblem(p string) string {
	escaped := strings.IndexByte(p, '%') >= 0
	if escaped {
		if problem := escapeProblem(p); problem != "" {
			return problem
		}
		p = slashes.Replace(decodeUnreserved(p))
	}
	if !strings.Contains(p, "/..") {
		return ""
	}
	depth := 0
	for s := range strings.SplitSeq(p, "/") {
		switch s {
		case "", ".":
		case "..":
			if depth--; depth < 0 {
				return "leads above the root"
			}
		default:
			depth++
		}
	}
	return ""
}

// slashes makes slashes of escaped ones.
var slashes = strings.NewReplacer("%2f", "/", "%2F", "/")

func escapeProblem(p string) string {
	for i := 0; i < len(p); i++ {
		if p[i] != '%' {
			continue
		}
		switch c, ok := unescaped(p[i:]); {
		case !ok:
			return "holds a \"%\" that no two hexadecimal digits follow"
		case c == 0:
			return "holds an escaped NUL"
		}
	}
	return ""
}

// validMethod tells whether a method is of upper case letters, "-" and "_", as all
// that are registered are (RFC 9110, section 16.1). Other tokens are mostly the rest of
// a body that is longer than its head said, with a request line behind it.
func validMethod(m string) bool {
	for i := 0; i < len(m); i++ {
		if c := m[i]; (c < 'A' || c > 'Z') && c != '-' && c != '_' {
			return false
		}
	}
	return m != "" && len(m) <= maxMethodBytes
}
