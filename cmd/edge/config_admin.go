package main

import (
	"fmt"
	"net"
	"path/filepath"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// Defaults of the admin API. Both paths are relative to the state folder.
const (
	defaultAdminListen = "127.0.0.1:8788"
	defaultAdminSocket = "run/admin.sock"
	defaultAdminToken  = "admin.token"

	off = "off"
)

// Admin is how the file says that the admin API is reached. Fields are empty
// where it does not say.
type Admin struct {
	// Off is set when there is to be no admin API.
	Off bool
	// Listen is "host:port", or off for the socket alone.
	Listen string
	// Socket and Token are paths, relative to the state folder or absolute.
	Socket, Token string
}

// admin reads the admin section: off, or a mapping.
func (v value) admin() Admin {
	if s, _, ok := v.scalar(); ok {
		if s == off || s == "false" {
			return Admin{Off: true}
		}
		v.fail("is %q; want off, or a mapping with listen, socket and token", s)
		return Admin{}
	}
	if _, isList := v.node.(*ast.SequenceNode); isList {
		v.fail("is a list; want off, or a mapping with listen, socket and token")
		return Admin{}
	}
	var a Admin
	v.object(map[string]func(value){
		"listen": func(v value) { a.Listen = v.adminListen() },
		"socket": func(v value) { a.Socket = v.checked("a path like "+defaultAdminSocket, checkAdminPath) },
		"token":  func(v value) { a.Token = v.checked("a path like "+defaultAdminToken, checkAdminPath) },
	})
	return a
}

// adminListen reads an address, or off.
func (v value) adminListen() string {
	if s, _, ok := v.scalar(); ok && s == "false" {
		return off
	}
	return v.checked("off or an address like \""+defaultAdminListen+"\"", checkAdminListen)
}

// checkAdminListen returns an error unless s is off or an address whose host is
// named: who wants all addresses has to write them.
func checkAdminListen(s string) error {
	if s == off {
		return nil
	}
	host, _, err := net.SplitHostPort(s)
	if err != nil {
		return fmt.Errorf("%q is not an address; want off or \"host:port\" like %q", s, defaultAdminListen)
	}
	if host == "" {
		return fmt.Errorf("%q names no host; want \"127.0.0.1%s\", or \"0.0.0.0%s\" if other machines shall reach the admin API, which does not encrypt", s, s, s)
	}
	return checkAddress(s)
}

// checkAdminPath returns an error for a path that leaves the state folder
// without saying so.
func checkAdminPath(s string) error {
	if strings.HasSuffix(s, "/") {
		return fmt.Errorf("%q is a folder; want a file's path", s)
	}
	if !filepath.IsAbs(s) && !filepath.IsLocal(s) {
		return fmt.Errorf("%q leaves the state folder, which it is relative to; want a path inside or an absolute one", s)
	}
	return nil
}

// AdminSettings are where the admin API is in force.
type AdminSettings struct {
	// Listen is "host:port", empty for the socket alone. The default one is not
	// insisted on: an edge whose port is taken does without it.
	Listen string
	// Socket and Token are absolute paths, both empty when there is no admin API.
	Socket, Token string
}

// settleAdmin decides where the admin API listens: flag over environment over
// file over default. An address in flag or environment turns it on even if the
// file says off.
func (s *Settings) settleAdmin(flag, env string, c *Config) error {
	listen := choose("admin-listen", flag, "EDGE_ADMIN_LISTEN", env, c.File, c.Admin.Listen, "")
	if listen.value != "" {
		if err := checkAdminListen(listen.value); err != nil {
			return fmt.Errorf("%s: %w", listen.from, err)
		}
	}
	if c.Admin.Off && (listen.value == "" || listen.value == off) {
		return nil
	}
	s.Admin = adminPaths(c.Admin, s.State)
	switch listen.value {
	case "":
		s.Admin.Listen = defaultAdminListen
	case off:
	default:
		s.Admin.Listen = listen.value
	}
	return nil
}

// adminPaths are the socket and the token file of an edge with that state folder.
func adminPaths(a Admin, state string) AdminSettings {
	in := func(path, otherwise string) string {
		if path == "" {
			path = otherwise
		}
		if filepath.IsAbs(path) {
			return filepath.Clean(path)
		}
		return filepath.Join(state, path)
	}
	return AdminSettings{Socket: in(a.Socket, defaultAdminSocket), Token: in(a.Token, defaultAdminToken)}
}
