package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"edge/sandboxmgr"
)

// External is how clients reach the edge where something stands in front of it: the
// scheme and the port that URLs have. The zero value is what is listened on.
type External struct {
	Scheme string // "http" or "https"
	Port   int
}

// domains returns one domain name or a list of them.
func (v value) domains() []string {
	list, ok := v.node.(*ast.SequenceNode)
	if !ok {
		if name := v.checked("a domain name", checkDomain); name != "" {
			return []string{name}
		}
		return nil
	}
	var names []string
	v.list(func(_ int, item value) {
		switch name := item.checked("a domain name", checkDomain); {
		case slices.Contains(names, name):
			item.fail("%q stands there twice", name)
		case name != "":
			names = append(names, name)
		}
	})
	if len(list.Values) == 0 {
		v.fail("is empty; want a domain name, or a list of them")
	}
	return names
}

// external reads how clients reach the edge. What stands in front mostly ends TLS.
func (v value) external() External {
	e := External{Scheme: "https"}
	v.object(map[string]func(value){
		"scheme": func(v value) {
			if s, ok := v.oneOf([]string{"http", "https"}, nil); ok {
				e.Scheme = s
			}
		},
		"port": func(v value) {
			if n, ok := v.integer(1, maxPort); ok {
				e.Port = int(n)
			}
		},
	})
	if e.Port == 0 {
		e.Port = schemePort(e.Scheme)
	}
	return e
}

// schemePort is the port that URLs of a scheme mean when they name none.
func schemePort(scheme string) int {
	if scheme == "https" {
		return 443
	}
	return 80
}

// chooseDomains returns the first of the flag, the environment and the file that
// names domains; the first two separate them by commas.
func chooseDomains(f Flags, getenv func(string) string, c *Config) ([]string, error) {
	given := choose("domain", f.Domain, "EDGE_DOMAIN", getenv("EDGE_DOMAIN"), "", "", "")
	switch {
	case given.value != "":
	case len(c.Domains) > 0:
		return c.Domains, nil
	default:
		return []string{defaultDomain}, nil
	}
	names := strings.Split(given.value, ",")
	for i, name := range names {
		if err := checkDomain(name); err != nil {
			return nil, fmt.Errorf("%s: %w", given.from, err)
		}
		if slices.Contains(names[:i], name) {
			return nil, fmt.Errorf("%s: %q stands there twice", given.from, name)
		}
	}
	return names, nil
}

// previews says what preview URLs look like, of a server that is listening with
// the scheme on the port.
func (s *Settings) previews(scheme string, port int) sandboxmgr.PreviewConfig {
	if s.External != (External{}) {
		scheme, port = s.External.Scheme, s.External.Port
	}
	return sandboxmgr.PreviewConfig{Scheme: scheme, Domains: s.Domains, Port: port}
}
