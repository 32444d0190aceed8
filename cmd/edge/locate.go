package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"edge/cmd/edge/remote"
)

// remoteEnv is what the verbs on a running edge see of their surroundings.
func (t *terminal) remoteEnv() *remote.Env {
	return &remote.Env{In: t.in, Out: t.out, Err: t.err, Getenv: t.getenv, Notify: t.notify, Locate: t.locate}
}

// locate tells where the edge may be that is meant: where --admin or EDGE_ADMIN
// say, else where the configuration puts its socket, else where edges put it that
// were told nothing.
func (t *terminal) locate(c remote.Connection) ([]remote.Address, error) {
	text, from := c.Admin, "--admin"
	if text == "" {
		text, from = t.getenv("EDGE_ADMIN"), "EDGE_ADMIN"
	}
	if text != "" && c.Admin == "" && c.Config != "" {
		text = "" // a flag comes before the environment
	}
	if text == "" && c.TokenFile != "" {
		return nil, usageError{errors.New("--token-file: an edge that is found by its socket asks for no token; name its address with --admin HOST:PORT, or leave the file out")}
	}
	known, err := t.knownEdges(c)
	if text == "" {
		if err != nil {
			return nil, usageError{err}
		}
		return known.addresses, nil
	}
	address, err := remote.ParseAddress(text, from)
	if err != nil {
		return nil, usageError{err}
	}
	switch {
	case address.Socket == "":
		address.Token, err = t.adminToken(c, address, known.tokens)
	case c.TokenFile != "":
		return nil, usageError{fmt.Errorf("--token-file: the socket %s asks for no token; leave the file out", address.Socket)}
	}
	return []remote.Address{address}, err
}

// edges are places of edges, and the files with the tokens of those whose
// configuration names an address.
type edges struct {
	addresses []remote.Address
	tokens    []tokenFile
}

// tokenFile holds the token for the address listen, "host:port".
type tokenFile struct{ listen, path string }

// opens tells whether the token is for the address. Whoever else listens on this
// machine must not be sent it.
func (f tokenFile) opens(a remote.Address) bool {
	host, port, err := net.SplitHostPort(f.listen)
	name, isHTTP := strings.CutPrefix(a.URL, "http://")
	askedHost, askedPort, askedErr := net.SplitHostPort(name)
	if err != nil || askedErr != nil || !isHTTP || !a.Local() || port != askedPort {
		return false
	}
	ip, asked := net.ParseIP(host), net.ParseIP(askedHost)
	return strings.EqualFold(host, askedHost) || ip != nil && (ip.IsUnspecified() || ip.Equal(asked))
}

func (e *edges) add(a AdminSettings, from string) {
	same := func(known remote.Address) bool { return sameFile(known.Socket, a.Socket) }
	if slices.ContainsFunc(e.addresses, same) {
		return
	}
	e.addresses = append(e.addresses, remote.Address{Socket: a.Socket, From: from})
	e.tokens = append(e.tokens, tokenFile{a.Listen, a.Token})
}

// sameFile tells whether two paths are written differently at most.
func sameFile(a, b string) bool {
	absA, errA := filepath.Abs(a)
	absB, errB := filepath.Abs(b)
	return errA == nil && errB == nil && absA == absB
}

// knownEdges are those of the configuration and of the default state folders.
func (t *terminal) knownEdges(c remote.Connection) (edges, error) {
	var e edges
	file := c.Config
	if file == "" {
		file = configSource
	}
	config, err := adminConfig(file)
	switch {
	case errors.Is(err, fs.ErrNotExist) && c.Config == "":
		config = &Config{Dir: "."}
	case err != nil:
		return e, err
	case config.Admin.Off:
		return e, fmt.Errorf("%s turns the admin API off; name another edge with --admin or EDGE_ADMIN", file)
	default:
		for _, state := range statesOf(config, t.getenv("EDGE_STATE")) {
			paths := adminPaths(config.Admin, state)
			paths.Listen = config.Admin.Listen // empty where the file does not say
			e.add(paths, file)
		}
		if c.Config != "" {
			return e, nil
		}
	}
	if state := t.getenv("EDGE_STATE"); state != "" {
		e.add(adminPaths(Admin{}, state), "EDGE_STATE")
	}
	e.add(adminPaths(Admin{}, localState), "of an edge dev here")
	e.add(adminPaths(Admin{}, systemState), "of the system's edge")
	return e, nil
}

// statesOf are the folders that an edge of that configuration may use: the one
// that is named, else those of edge dev and of edge serve.
func statesOf(c *Config, env string) []string {
	if named := choose("state", "", "EDGE_STATE", env, c.File, c.State, ""); named.value != "" {
		return []string{named.value}
	}
	return []string{localStateOf(c), serverState(c)}
}

// adminConfig reads what of a configuration says where its edge is. What is
// wrong with the rest is not its business.
func adminConfig(file string) (*Config, error) {
	dir, err := filepath.Abs(filepath.Dir(file))
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(file); err != nil {
		return nil, fmt.Errorf("%s: %w", file, errors.Unwrap(err))
	}
	doc, root, err := readDocument(file)
	if err != nil {
		return nil, err
	}
	c := &Config{File: file, Dir: dir}
	for _, e := range root.mapping() {
		switch name, _ := root.key(e); name {
		case "state":
			c.State = c.folder(root.child(name, e))
		case "admin":
			c.Admin = root.child(name, e).admin()
		}
	}
	return c, doc.err()
}

// adminToken is the token for an address: of the file that is named, of the
// environment, or, for the address that the configuration names, of its edge.
// Without any there is none, and the edge says how to name one.
func (t *terminal) adminToken(c remote.Connection, a remote.Address, files []tokenFile) (string, error) {
	if c.TokenFile != "" {
		b, err := os.ReadFile(c.TokenFile)
		if err != nil {
			return "", usageError{fmt.Errorf("--token-file: %w", err)}
		}
		token := strings.TrimSpace(string(b))
		if token == "" || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return "", usageError{fmt.Errorf("--token-file: %s does not hold a token", c.TokenFile)}
		}
		return token, nil
	}
	if token := t.getenv("EDGE_ADMIN_TOKEN"); token != "" {
		return token, nil
	}
	for _, file := range files {
		if !file.opens(a) {
			continue
		}
		if b, err := os.ReadFile(file.path); err == nil {
			return strings.TrimSpace(string(b)), nil
		}
	}
	return "", nil
}
