// Package remote is the edge's command line for people and scripts: the verbs
// that work on the sandboxes of an edge that runs, in the habits of docker's.
//
// It is a client of the admin API and knows nothing else of the edge: a verb
// finds the edge (Connection, Env.Locate), names a sandbox ("[BINDING/]ID"),
// and calls one operation of the table in package abi, or follows a stream of
// one. The verbs are structs whose tags say what their flags are called; the
// command that embeds Commands parses them and calls Run.
//
// What sandboxes say is foreign text: it is printed as it is only where it is the
// output that was asked for (exec, run, logs, cp), and else without its control
// characters.
package remote

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"time"

	"edge/abi"
)

// Env is what the verbs see of their surroundings. All fields are needed.
type Env struct {
	In       io.Reader
	Out, Err io.Writer
	Getenv   func(string) string
	// Notify has signals sent to c until the returned function is called.
	Notify func(c chan<- os.Signal, signals ...os.Signal) (stop func())
	// Locate tells where the edge may be, the likeliest first.
	Locate func(Connection) ([]Address, error)
}

// Connection are the flags that say which edge is meant.
type Connection struct {
	Admin     string `placeholder:"ADDRESS" group:"connection" help:"Admin API of the edge: a URL, HOST:PORT or the path of its socket; EDGE_ADMIN."`
	TokenFile string `placeholder:"FILE" group:"connection" complete:"file" help:"File with the token for an address; else EDGE_ADMIN_TOKEN, or the token of the configuration that names the address."`
	Config    string `short:"c" placeholder:"FILE" group:"connection" complete:"file" help:"Configuration of the edge; default edge.yaml."`
}

// Commands are the verbs, for embedding in a command line.
type Commands struct {
	Ps      psCommand      `cmd:"" group:"sandboxes" help:"List sandboxes."`
	Inspect inspectCommand `cmd:"" group:"sandboxes" help:"Tell all about sandboxes."`
	Start   startCommand   `cmd:"" group:"sandboxes" help:"Start sandboxes; those that there are not are made."`
	Stop    stopCommand    `cmd:"" group:"sandboxes" help:"Stop sandboxes; what they keep is as persist says."`
	Pause   pauseCommand   `cmd:"" group:"sandboxes" help:"Freeze all that runs in sandboxes, until resume or their next use."`
	Resume  resumeCommand  `cmd:"" aliases:"unpause" group:"sandboxes" help:"Let paused sandboxes run on."`
	Rm      rmCommand      `cmd:"" group:"sandboxes" help:"Destroy sandboxes with all they wrote."`
	Events  eventsCommand  `cmd:"" group:"sandboxes" help:"Tell of starts, stops and failures while they happen."`

	Exec execCommand `cmd:"" group:"processes" help:"Run a command in a sandbox."`
	Run  runCommand  `cmd:"" group:"processes" help:"Start a process that lives on, and follow it; the sandbox is made if need be."`
	Logs logsCommand `cmd:"" group:"processes" help:"Print what a process printed."`
	Top  topCommand  `cmd:"" group:"processes" help:"List the processes of a sandbox."`
	Kill killCommand `cmd:"" group:"processes" help:"Signal processes, or end a sandbox at once."`

	Cp cpCommand `cmd:"" group:"files" help:"Copy files and folders into a sandbox and out of it."`
	Ls lsCommand `cmd:"" group:"files" help:"List a folder of a sandbox."`

	Expose   exposeCommand   `cmd:"" group:"ports" help:"Make a port reachable by URL; prints it."`
	Unexpose unexposeCommand `cmd:"" group:"ports" help:"Take the URL of a port back."`
	Link     linkCommand     `cmd:"" group:"ports" help:"Sign a link to a port that is exposed with --token-in request; prints it."`
	Ports    portsCommand    `cmd:"" group:"ports" help:"List exposed ports, and those that something listens on."`

	Connections connectionsCommand `cmd:"" aliases:"conns" group:"ports" help:"List and close live connections."`

	Call callCommand `cmd:"" group:"sandboxes" help:"Carry out any operation."`
}

// Groups are the headings of the verbs in a help text, by the key that their
// tags name.
func Groups() map[string]string {
	return map[string]string{
		"sandboxes": "Sandboxes of a running edge:", "processes": "Commands and processes:", "files": "Files:", "ports": "Ports and connections:",
		"policy": "Bounds of each connection:", "connection": "Which edge:",
	}
}

// Output is the flag of every verb that reads.
type Output struct {
	Format string `short:"o" enum:"table,json" default:"table" placeholder:"FORMAT" help:"table or json; default table."`
}

func (o Output) json() bool { return o.Format == "json" }

// Span is a length of time as people write it, "30s", or a number of
// milliseconds.
type Span time.Duration

// UnmarshalText reads a span.
func (s *Span) UnmarshalText(text []byte) error {
	d, err := abi.ParseDuration(string(text))
	*s = Span(d)
	return err
}

func (s Span) duration() abi.Duration { return abi.Duration(s) }

// open finds the edge and returns a client of it, which the caller closes.
func (c Connection) open(ctx context.Context, env *Env) (*Client, error) {
	addresses, err := env.Locate(c)
	if err != nil {
		return nil, err
	}
	return Dial(ctx, addresses)
}

// ExitCode is how a command of a sandbox ended, where that is how this one ends.
// It is no error of the edge: nothing is printed.
type ExitCode int

func (ExitCode) Error() string { return "the command failed" }

// Exit codes of exec and run that are not the command's own, as docker has them.
const (
	ExitFailed        = 125 // the edge could not run it
	ExitNotExecutable = 126
	ExitNotFound      = 127
	exitInterrupted   = 130 // 128 + SIGINT
)

// Failure is an error that decides the exit code.
type Failure struct {
	Code int
	Err  error
}

func (f *Failure) Error() string { return f.Err.Error() }

// Unwrap returns the error.
func (f *Failure) Unwrap() error { return f.Err }

// each does one thing for every sandbox named, goes on after errors, and
// returns them all.
func each(names []string, do func(name string) error) error {
	var errs []error
	for _, name := range names {
		if err := do(name); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// pairs reads "K=V" flags; "K" alone takes the value of this environment, if it
// has one, as docker does.
func pairs(list []string, getenv func(string) string) (map[string]string, error) {
	env := map[string]string{}
	for _, entry := range list {
		name, value, found := strings.Cut(entry, "=")
		if name == "" {
			return nil, errors.New("--env " + entry + ": want NAME=VALUE")
		}
		if !found {
			if value = getenv(name); value == "" {
				continue
			}
		}
		env[name] = value
	}
	return env, nil
}
