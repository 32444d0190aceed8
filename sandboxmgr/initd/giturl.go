package initd

import (
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	"edge/abi"
)

// repository is what a checkout clones.
type repository struct {
	url   string // as git gets it
	host  string // empty for one inside the sandbox
	name  string // the folder it gets by default; empty if the URL has none
	local bool   // a path, which git clones by links unless it is told not to
}

// gitSchemes are the transports that are offered. Others run programs, or are
// none of git's own.
var gitSchemes = []string{"https", "http", "ssh", "git", "file"}

// parseRepository checks a URL, or a path inside the sandbox.
func parseRepository(text string) (*repository, error) {
	switch {
	case text == "":
		return nil, abi.Errorf(abi.CodeInvalidRequest, "url is empty")
	case text[0] == '-':
		return nil, abi.Errorf(abi.CodeInvalidRequest, "url begins with \"-\"")
	case strings.ContainsFunc(text, func(c rune) bool { return c < ' ' || c == 0x7f }):
		return nil, abi.Errorf(abi.CodeInvalidRequest, "url holds a control character")
	}
	r := &repository{url: text}
	scheme, rest, isURL := strings.Cut(text, "://")
	host, below, colon := strings.Cut(text, ":")
	switch {
	case isURL && !strings.ContainsAny(scheme, "/:"):
		if !slices.Contains(gitSchemes, strings.ToLower(scheme)) {
			return nil, abi.Errorf(abi.CodeInvalidRequest, "url has the scheme %.40q", scheme).
				WithSuggestion("use one of %s, or a path inside the sandbox", strings.Join(gitSchemes, ", "))
		}
		authority, path, _ := strings.Cut(rest, "/")
		r.host = authority[strings.LastIndexByte(authority, '@')+1:]
		r.name = repositoryName(path)
		return r, nil
	case colon && strings.HasPrefix(below, ":"):
		return nil, abi.Errorf(abi.CodeInvalidRequest, "url names the helper %.40q", host).
			WithSuggestion("use one of %s, or a path inside the sandbox", strings.Join(gitSchemes, ", "))
	case colon && !strings.Contains(host, "/"): // user@host:path
		r.host = host[strings.LastIndexByte(host, '@')+1:]
		r.name = repositoryName(below)
		return r, nil
	}
	path, err := resolvePath(text)
	if err != nil {
		return nil, err
	}
	r.url, r.local, r.name = path, true, repositoryName(path)
	return r, nil
}

// repositoryName is the last part of a repository's path that says something.
func repositoryName(p string) string {
	p = strings.TrimSuffix(strings.TrimRight(p, "/ "), "/.git")
	name := strings.TrimSuffix(path.Base(p), ".git")
	if name == "." || name == ".." || name == "/" {
		return ""
	}
	return name
}

// remote tells whether the repository is to be reached over a network.
func (r *repository) remote() bool {
	host, _, _ := strings.Cut(r.host, ":")
	return host != "" && host != "localhost" && !strings.HasPrefix(host, "127.") && !strings.HasPrefix(host, "[")
}

// redactor takes credentials out of what git says.
type redactor struct {
	inURL   *regexp.Regexp
	secrets []string
}

// minSecret is the shortest secret that is looked for by itself: shorter ones are
// words of the text.
const minSecret = 4

// newRedactor knows the credentials in the URL that was asked for.
func newRedactor(asked string) *redactor {
	r := &redactor{inURL: regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://)[^/\s'"]*@`)}
	scheme, rest, _ := strings.Cut(asked, "://")
	authority, _, _ := strings.Cut(rest, "/")
	userinfo := authority[:max(0, strings.LastIndexByte(authority, '@'))]
	user, password, _ := strings.Cut(userinfo, ":")
	secrets := []string{password}
	if password == "" && strings.HasPrefix(strings.ToLower(scheme), "http") { // a token
		secrets = []string{user}
	}
	for _, s := range secrets {
		for _, form := range []func(string) (string, error){verbatim, url.PathUnescape} {
			if plain, err := form(s); err == nil && len(plain) >= minSecret {
				r.secrets = append(r.secrets, plain)
			}
		}
	}
	return r
}

func verbatim(s string) (string, error) { return s, nil }

// clean returns the text without credentials.
func (r *redactor) clean(text string) string {
	text = r.inURL.ReplaceAllString(text, "$1")
	for _, s := range r.secrets {
		text = strings.ReplaceAll(text, s, "***")
	}
	return text
}
