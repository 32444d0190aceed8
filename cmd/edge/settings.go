package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"edge/host"
)

// Defaults of what flags, environment and file can all say.
const (
	defaultListen    = ":8787"
	defaultDomain    = "localhost"
	serveLogLevel    = "info"
	devLogLevel      = "warn" // the console tells what happens
	defaultLogFormat = "text"

	// localState is the state folder beside the file; systemState is what a
	// server under root uses.
	localState  = ".edge"
	systemState = "/var/lib/edge"
)

// Flags are the settings that a command line can say, empty where it does not.
type Flags struct {
	Listen      string `placeholder:"HOST:PORT" help:"Address to listen on; EDGE_LISTEN. Default :8787."`
	Domain      string `placeholder:"NAME,..." help:"Domains that preview names end in, that of new URLs first; EDGE_DOMAIN. Default localhost."`
	State       string `placeholder:"DIR" help:"Folder that outlives the process; EDGE_STATE."`
	AdminListen string `placeholder:"HOST:PORT" help:"Address of the admin API, or off; EDGE_ADMIN_LISTEN. Default 127.0.0.1:8788."`
	LogLevel    string `placeholder:"LEVEL" help:"debug, info, warn or error; EDGE_LOG_LEVEL. Default info, in dev warn (of plugins info)."`
	LogFormat   string `placeholder:"FORMAT" help:"text or json; EDGE_LOG_FORMAT. Default text, in dev lines for people."`
}

// Settings are the values in force: flag over environment over file over
// default.
type Settings struct {
	Listen string
	// Domains are what preview names end in; the first is that of new URLs.
	Domains  []string
	External External
	// State is an absolute path.
	State     string
	LogLevel  slog.Level
	LogFormat string // text or json
	Admin     AdminSettings
}

// choice is one value with where it came from, for messages.
type choice struct{ value, from string }

// choose returns the first that is not empty.
func choose(flag, flagValue, env, envValue, file, fileValue, otherwise string) choice {
	switch {
	case flagValue != "":
		return choice{flagValue, "--" + flag}
	case envValue != "":
		return choice{envValue, env}
	case fileValue != "":
		return choice{fileValue, file}
	}
	return choice{otherwise, "default"}
}

// settle decides every setting. state and level are the defaults of the state
// folder and the log level, which commands have of their own.
func settle(f Flags, getenv func(string) string, c *Config, state, level string) (Settings, error) {
	listen := choose("listen", f.Listen, "EDGE_LISTEN", getenv("EDGE_LISTEN"), c.File, c.Listen, defaultListen)
	if err := checkAddress(listen.value); err != nil {
		return Settings{}, fmt.Errorf("%s: %w", listen.from, err)
	}
	domains, err := chooseDomains(f, getenv, c)
	if err != nil {
		return Settings{}, err
	}
	dir := choose("state", f.State, "EDGE_STATE", getenv("EDGE_STATE"), c.File, c.State, state)
	abs, err := filepath.Abs(dir.value)
	if err != nil {
		return Settings{}, fmt.Errorf("%s: %w", dir.from, err)
	}
	s := Settings{Listen: listen.value, Domains: domains, External: c.External, State: abs}
	if err := s.settleAdmin(f.AdminListen, getenv("EDGE_ADMIN_LISTEN"), c); err != nil {
		return Settings{}, err
	}
	if err := c.refuseShownSecrets(s); err != nil {
		return Settings{}, err
	}
	if err := c.checkTLS(s); err != nil {
		return Settings{}, err
	}
	err = s.settleLog(f, getenv, level)
	return s, err
}

func (s *Settings) settleLog(f Flags, getenv func(string) string, usual string) error {
	level := choose("log-level", f.LogLevel, "EDGE_LOG_LEVEL", getenv("EDGE_LOG_LEVEL"), "", "", usual)
	switch strings.ToLower(level.value) {
	case "debug", "info", "warn", "error":
		if err := s.LogLevel.UnmarshalText([]byte(level.value)); err != nil {
			return fmt.Errorf("%s: %w", level.from, err)
		}
	default:
		return fmt.Errorf("%s: %q is not a log level; want debug, info, warn or error", level.from, level.value)
	}
	format := choose("log-format", f.LogFormat, "EDGE_LOG_FORMAT", getenv("EDGE_LOG_FORMAT"), "", "", defaultLogFormat)
	if format.value != "text" && format.value != "json" {
		return fmt.Errorf("%s: %q is not a log format; want text or json", format.from, format.value)
	}
	s.LogFormat = format.value
	return nil
}

// localStateOf is the state folder beside the file.
func localStateOf(c *Config) string { return filepath.Join(c.Dir, localState) }

// serverState is the state folder of a server that was told none: the system's
// when it runs as root, else the one beside the file.
func serverState(c *Config) string { return stateFor(c, os.Geteuid()) }

func stateFor(c *Config, uid int) string {
	if uid == 0 {
		return systemState
	}
	return localStateOf(c)
}

// logRequests has a line written to w for each request, if the settings want lines
// that are not warnings, and all other logs written through the same hands: in
// order, and at once with all that came before. The returned function writes what
// is still kept back.
func (o *serverOptions) logRequests(w io.Writer) (end func()) {
	lines := host.NewAccessLog(w, o.settings.LogFormat == "json")
	o.log = o.settings.logger(lines)
	if o.settings.LogLevel <= slog.LevelInfo {
		o.access = lines
	}
	return lines.Close
}

// logger writes to w as the settings say.
func (s Settings) logger(w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: s.LogLevel}
	if s.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}
