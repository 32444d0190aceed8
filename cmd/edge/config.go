package main

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
)

// Config is what edge.yaml says, checked, with the defaults filled in and all
// paths absolute. It is this command's own view: the packages it is given to
// have types of their own.
type Config struct {
	// File is the path as the user gave it, for messages; Dir is its folder,
	// absolute, which paths in the file are relative to.
	File, Dir string

	// Listen is "host:port". Empty if the file does not say, as are Domains and
	// State: flags and environment come before the file, defaults after it.
	Listen string
	// Domains are what preview names end in; the first is that of new URLs.
	Domains []string
	// External is how clients reach the edge, if not as it listens.
	External External
	// Proxies are those in front.
	Proxies Proxies
	// TLS is how clients are spoken to.
	TLS TLS
	// State is the folder that outlives the process.
	State string
	// Admin is how the admin API is reached.
	Admin Admin
	// ReservedPorts are ports that no sandbox may expose or be connected to.
	ReservedPorts []int
	// Limits are how much is carried at a time.
	Limits Limits

	Sandboxes []Sandbox // in the order of the file, as are the others
	Plugins   []Plugin
	Routes    []Route
	// PreviewPlugin is asked about previews before the edge serves them; empty is
	// nobody.
	PreviewPlugin string

	// shown are the folders that sandboxes see; settle looks at them once the
	// state folder is known.
	shown []shownFolder
	// warnings are what the log is told when the configuration comes into force.
	warnings []problem
	// lookupEnv is where secrets of the environment are found, while reading.
	lookupEnv func(string) (string, bool)
	// worker: there is no file but a Worker's source.
	worker bool
	// noPlugins has neither plugins nor routes read.
	noPlugins bool
}

// LoadConfig reads and checks a configuration file. Its error has one line for
// each problem, "edge.yaml:12:5: what is wrong and what was meant". In place of one, a
// Worker's source is a project of one plugin.
func LoadConfig(file string) (*Config, error) { return loadConfig(file, os.LookupEnv) }

// loadWithoutPlugins is LoadConfig without plugins and routes, for what runs none:
// neither their modules nor their secrets need to be there.
func loadWithoutPlugins(file string) (*Config, error) {
	return readConfig(file, &Config{noPlugins: true})
}

// loadConfig is LoadConfig with another environment.
func loadConfig(file string, lookupEnv func(string) (string, bool)) (*Config, error) {
	return readConfig(file, &Config{lookupEnv: lookupEnv})
}

// readConfig reads the file into c.
func readConfig(file string, c *Config) (*Config, error) {
	dir, err := filepath.Abs(filepath.Dir(file))
	if err != nil {
		return nil, problem{place{file: file}, err.Error()}
	}
	read := readDocument
	if isWorkerSource(file) {
		read = workerDocument
	}
	doc, root, err := read(file)
	if err != nil {
		return nil, err
	}
	c.File, c.Dir, c.Limits = file, dir, defaultLimits()
	c.read(root)
	if err := doc.err(); err != nil {
		return nil, err
	}
	if isWorkerSource(file) {
		if err := c.readWorkerVariables(); err != nil {
			return nil, err
		}
	}
	c.lookupEnv = nil
	return c, nil
}

// warn has the log told of something that is not wrong enough to refuse.
func (c *Config) warn(v value, format string, args ...any) {
	c.warnings = append(c.warnings, problem{v.place(), fmt.Sprintf(format, args...)})
}

// tellWarnings logs what the configuration was warned about.
func (c *Config) tellWarnings(log *slog.Logger) {
	for _, w := range c.warnings {
		log.Warn(w.text, "at", w.place.String())
	}
}

func (c *Config) read(root value) {
	var plugins, routes, previews, proxyProtocol, external value
	root.object(map[string]func(value){
		"listen":         func(v value) { c.Listen = v.checked("an address like \":8787\"", checkAddress) },
		"domain":         func(v value) { c.Domains = v.domains() },
		"trustedProxies": c.readTrustedProxies,
		"proxyProtocol":  func(v value) { proxyProtocol = v },
		"external":       func(v value) { external, c.External = v, v.external() },
		"state":          func(v value) { c.State = c.folder(v) },
		"admin":          func(v value) { c.Admin = v.admin() },
		"reservedPorts":  func(v value) { c.ReservedPorts = v.ports() },
		"limits":         c.Limits.read,
		"sandboxes":      c.readSandboxes,
		"plugins":        func(v value) { plugins = v },
		"routes":         func(v value) { routes = v },

		"tls": func(v value) { // what runs nothing needs no certificates
			if !c.noPlugins {
				c.readTLS(v)
			}
		},
		"previews": func(v value) { previews = v },
	})
	if proxyProtocol.node != nil {
		c.readProxyProtocol(proxyProtocol)
	}
	if c.noPlugins {
		return
	}
	if external.node != nil {
		c.warnOfScheme(external)
	}
	// Plugins name bindings and routes plugins, wherever in the file those stand.
	if plugins.node != nil {
		c.readPlugins(plugins)
	}
	if routes.node != nil {
		c.readRoutes(routes)
	}
	if previews.node != nil {
		c.readPreviews(previews)
	}
}

// checked returns the text if check has nothing against it.
func (v value) checked(want string, check func(string) error) string {
	s, ok := v.text(want)
	if !ok {
		return ""
	}
	if err := check(s); err != nil {
		v.fail("%v", err)
		return ""
	}
	return s
}

// folder returns the path that v names, relative to the file's folder.
func (c *Config) folder(v value) string {
	s, ok := v.text("a path")
	if !ok {
		return ""
	}
	return c.abs(s)
}

func (c *Config) abs(path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(c.Dir, path)
}

func (v value) ports() []int {
	var ports []int
	v.list(func(_ int, item value) {
		if n, ok := item.integer(minPort, maxPort); ok {
			ports = append(ports, int(n))
		}
	})
	return ports
}
