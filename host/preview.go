package host

import (
	"slices"
	"strings"

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

// loggedHost is a host name for logs: a label that looks like a preview's,
// right or wrong, has a "*" in the place of its token.
func loggedHost(name string) string {
	if !strings.Contains(name, "-") {
		return name
	}
	logged, done := "", 0 // of name, what logged has
	for at := 0; at < len(name); at++ {
		label, _, _ := strings.Cut(name[at:], ".")
		if port, rest, ok := strings.Cut(label, "-"); ok && isDigits(port) && strings.ContainsAny(rest, "-_") {
			logged += name[done:at] + withoutToken(label)
			done = at + len(label)
		}
		at += len(label)
	}
	return logged + name[done:]
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
