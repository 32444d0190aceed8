package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"edge/abi"
	"edge/cmd/edge/remote"
	"edge/sandboxmgr/initd"
	"edge/sandboxmgr/process"
)

// Exit codes. Those of exec and run are the command's own, or docker's 125, 126
// and 127 (remote.ExitFailed).
const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 2 // the command line or the configuration is wrong
)

// terminal is what a command sees of its surroundings.
type terminal struct {
	in       io.Reader
	out, err io.Writer
	getenv   func(string) string
	// notify has signals sent to c until the returned function is called.
	notify func(c chan<- os.Signal, signals ...os.Signal) (stop func())
}

// commands is the command line.
type commands struct {
	Serve   serveCommand       `cmd:"" help:"Serve what edge.yaml says."`
	Init    initCommand        `cmd:"" help:"Write edge.yaml for a Worker in TypeScript; --from-wrangler takes wrangler's file over."`
	Dev     devCommand         `cmd:"" help:"Serve a project while you edit it: rebuild, reload, report."`
	Build   workerBuildCommand `cmd:"" help:"Make a module of a Worker in TypeScript or JavaScript."`
	Clean   cleanCommand       `cmd:"" help:"Destroy every sandbox of a state folder, with all it wrote, and images built for them."`
	Plugin  pluginCommands     `cmd:"" help:"Write and check plugins, and see and change those of a running edge."`
	Types   typesCommand       `cmd:"" help:"Write the TypeScript declarations of what Workers have here, for editors."`
	Trust   trustCommand       `cmd:"" help:"Have this machine believe the edge's own certificates (tls: internal)."`
	Doctor  doctorCommand      `cmd:"" help:"Find what is wrong with this machine and the configuration, and what mends it."`
	Version versionCommand     `cmd:"" help:"Tell what this binary is."`

	remote.Commands

	Completion completionCommand `cmd:"" help:"Print a script that completes edge's command lines in a shell."`
	Complete   completeCommand   `cmd:"" name:"__complete" hidden:"" passthrough:"" help:"Tell what the last word may become."`
}

type pluginCommands struct {
	New    pluginNewCommand    `cmd:"" help:"Write a project that builds offline with this binary's SDK."`
	Check  pluginCheckCommand  `cmd:"" help:"Tell whether modules would be loaded, and why not, and what they need."`
	Test   pluginTestCommand   `cmd:"" help:"Decide requests that you wrote down, with made-up sandboxes, and compare."`
	Bench  pluginBenchCommand  `cmd:"" help:"Measure how fast a module decides."`
	Replay pluginReplayCommand `cmd:"" help:"Decide recorded requests again with another module, and compare."`

	remote.PluginCommands
}

// usageError is a mistake in what the user wrote, as opposed to a failure.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// noConfig is the error of a configuration that there is not.
type noConfig struct{ error }

func (e noConfig) Unwrap() error { return e.error }

// run carries one command line out and returns the exit code.
func run(ctx context.Context, args []string, t *terminal) int {
	// What runs inside a sandbox comes first: it shall stay small and start fast.
	if len(args) > 0 {
		switch {
		case args[0] == "init" && initd.Asked(args[1:]):
			return initd.Main(args[1:])
		case args[0] == process.StageCommand:
			return process.Stage(args[1:])
		}
	}
	err := dispatch(ctx, args, t)
	if err == nil {
		return exitOK
	}
	var code remote.ExitCode
	if errors.As(err, &code) {
		return int(code)
	}
	report(t.err, err)
	return exitCode(err)
}

// exitCode is what an error means to who called.
func exitCode(err error) int {
	var usage usageError
	var failure *remote.Failure
	switch {
	case errors.As(err, &failure):
		return failure.Code
	case errors.As(err, &usage):
		return exitUsage
	}
	return exitFailure
}

func dispatch(ctx context.Context, args []string, t *terminal) error {
	exited := false
	parser, err := newParser(ctx, t, func(int) { exited = true })
	if err != nil {
		return err
	}
	args = habitual(args)
	command, err := parser.Parse(args)
	switch {
	case exited: // --help has been printed
		return nil
	case err != nil:
		return misuse(args, misread(err))
	}
	return command.Run()
}

// habitual turns what hands type at any program, "help VERB" and "--version",
// into this one's words.
func habitual(args []string) []string {
	if len(args) == 0 {
		return args
	}
	switch args[0] {
	case "help":
		return append(slices.Clone(args[1:]), "--help")
	case "--version", "-v":
		return append([]string{"version"}, args[1:]...)
	}
	return args
}

// misread says what the parser did not understand, and which help text says more.
func misread(err error) error {
	var p *kong.ParseError
	if !errors.As(err, &p) {
		return err
	}
	// A flag that may be left out has "" among its values, which nobody types.
	if before, after, ok := strings.Cut(err.Error(), ` must be one of "",`); ok {
		err = errors.New(before + " must be one of " + after)
	}
	verb := p.Context.Selected()
	if verb != nil {
		return fmt.Errorf("%w; %s --help says more", err, verb.FullPath())
	}
	if name, ok := strings.CutPrefix(err.Error(), "unexpected argument "); ok {
		err = fmt.Errorf("there is no command %s", name)
	}
	return fmt.Errorf("%w; edge --help says more", err)
}

// misuse is a mistake in the command line. Where the exit code is the command's
// own, it is told as docker does.
func misuse(args []string, err error) error {
	if len(args) > 0 && (args[0] == "exec" || args[0] == "run") {
		return &remote.Failure{Code: remote.ExitFailed, Err: err}
	}
	return usageError{err}
}

// newParser returns the parser of the command line; exit is called when it has
// printed a help text.
func newParser(ctx context.Context, t *terminal, exit func(int)) (*kong.Kong, error) {
	var groups []kong.Group
	for _, key := range []string{"sandboxes", "processes", "files", "ports", "policy", "connection"} {
		groups = append(groups, kong.Group{Key: key, Title: remote.Groups()[key]})
	}
	return kong.New(&commands{},
		kong.Name("edge"),
		kong.Description("A programmable front door for sandboxes: a WebAssembly plugin decides, native Go carries it out."),
		kong.Writers(t.out, t.err),
		kong.Exit(exit),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: false}),
		kong.ExplicitGroups(groups),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(t, t.remoteEnv()),
	)
}

// report prints an error, each of its lines behind the program's name unless the
// line begins with a file's place, and after it what to do.
func report(w io.Writer, err error) {
	var p problem
	prefix := "edge: "
	if errors.As(err, &p) {
		prefix = ""
	}
	for line := range strings.SplitSeq(err.Error(), "\n") {
		fmt.Fprintln(w, prefix+printable(line))
	}
	if text := suggestion(err); text != "" {
		fmt.Fprintln(w, prefix+printable(text))
	}
}

// suggestion is what an error says should be done, if it does.
func suggestion(err error) string {
	var e *abi.Error
	var n *remote.NotRunning
	var none noConfig
	switch {
	case errors.As(err, &e):
		return strings.ReplaceAll(e.Suggestion, "\n", " ")
	case errors.As(err, &n):
		return n.Suggestion()
	case errors.As(err, &none):
		return `the line "sandboxes: {Sandbox: {}}" is enough for one; edge init writes it for a Worker (edge dev worker.ts needs none), edge plugin new DIR a whole project`
	}
	return ""
}
