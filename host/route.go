package host

import (
	"fmt"
	"strings"
)

// Route says which plugins see the requests for a host and a path.
type Route struct {
	// Host is a name ("app.example.com", matched without port and case), "*"
	// or empty for every host, or "*.example.com" for the names below it.
	Host string
	// Path is a whole path, or one that ends in "/*" for all below it ("/ws/*"
	// is not "/ws"); "*", "/*" or empty is every path.
	Path string
	// Chain is asked in order until a plugin decides something else than Next.
	Chain []Plugin
}

// Plugin is a decider with the name it has in logs.
type Plugin struct {
	Name    string
	Decider Decider
	// OnFailure is what becomes of a request when the plugin fails.
	OnFailure OnFailure
}

// SetRoutes replaces the routes, all at once: a request sees the old ones or the
// new ones. The first route that matches a request has it. The error names the
// first bad route; nothing is replaced then.
func (s *Server) SetRoutes(routes []Route) error {
	set := make([]Route, len(routes))
	for i, r := range routes {
		var err error
		if set[i], err = r.normalized(); err != nil {
			return fmt.Errorf("route %d: %w", i+1, err)
		}
	}
	s.routes.Store(&set)
	return nil
}

func (r Route) normalized() (Route, error) {
	if r.Host == "" {
		r.Host = "*"
	}
	if name := strings.TrimPrefix(r.Host, "*."); r.Host != "*" {
		low, ok := hostName(name)
		if !ok || strings.Contains(name, ":") {
			return r, fmt.Errorf("host %q: want a name without a port, \"*\" or \"*.name\"", r.Host)
		}
		r.Host = strings.TrimSuffix(r.Host, name) + low
	}
	if r.Path == "" || r.Path == "*" {
		r.Path = "/*"
	}
	if r.Path[0] != '/' || strings.Contains(strings.TrimSuffix(r.Path, "/*"), "*") {
		return r, fmt.Errorf("path %q: want \"/path\" or \"/path/*\"", r.Path)
	}
	if plain := strings.TrimSuffix(r.Path, "*"); routePath(plain) != plain {
		return r, fmt.Errorf("path %q: no request has it; write it as %q", r.Path, routePath(plain))
	}
	if len(r.Chain) == 0 {
		return r, fmt.Errorf("no plugin is named")
	}
	for _, p := range r.Chain {
		if p.Decider == nil {
			return r, fmt.Errorf("plugin %q does not exist", p.Name)
		}
	}
	return r, nil
}

// route returns the chain of the first route for a host name and a path, or
// nil.
func (s *Server) route(name, path string) []Plugin {
	routes := s.routes.Load()
	if routes == nil {
		return nil
	}
	path = routePath(path)
	for i := range *routes {
		if r := &(*routes)[i]; r.matches(name, path) {
			return r.Chain
		}
	}
	return nil
}

func (r *Route) matches(name, path string) bool {
	switch {
	case r.Host == "*":
	case r.Host[0] == '*': // "*.example.com"
		if len(name) < len(r.Host) || !strings.HasSuffix(name, r.Host[1:]) {
			return false
		}
	case r.Host != name:
		return false
	}
	if prefix, ok := strings.CutSuffix(r.Path, "*"); ok {
		return strings.HasPrefix(path, prefix)
	}
	return r.Path == path
}
