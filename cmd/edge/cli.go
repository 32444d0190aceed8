package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/alecthomas/kong"

	"edge/sandboxmgr/initd"
	"edge/sandboxmgr/process"
)

// Exit codes.
const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 2 // the command line or the configuration is wrong
)

// terminal is what a command sees of its surroundings.
type terminal struct {
	out, err io.Writer
	getenv   func(string) string
	// notify has signals sent to c until the returned function is called.
	notify func(c chan<- os.Signal, signals ...os.Signal) (stop func())
}

// commands is the command line.
type commands struct {
	Serve   serveCommand   `cmd:"" help:"Serve what edge.yaml says."`
	Dev     devCommand     `cmd:"" help:"Serve a project while you edit it: rebuild, reload, report."`
	Clean   cleanCommand   `cmd:"" help:"Destroy every sandbox of a state folder, with all it wrote."`
	Plugin  pluginCommands `cmd:"" help:"Write and check plugins."`
	Version versionCommand `cmd:"" help:"Tell what this binary is."`
}

type pluginCommands struct {
	Check pluginCheckCommand `cmd:"" help:"Tell whether modules would be loaded, and why not."`
	New   pluginNewCommand   `cmd:"" help:"Write a project that builds offline with this binary's SDK."`
}

// usageError is a mistake in what the user wrote, as opposed to a failure.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// run carries one command line out and returns the exit code.
func run(ctx context.Context, args []string, t *terminal) int {
	// What runs inside a sandbox comes first: it shall stay small and start fast.
	if len(args) > 0 {
		switch args[0] {
		case "init":
			return initd.Main(args[1:])
		case process.StageCommand:
			return process.Stage(args[1:])
		}
	}
	err := dispatch(ctx, args, t)
	if err == nil {
		return exitOK
	}
	report(t.err, err)
	var usage usageError
	if errors.As(err, &usage) {
		return exitUsage
	}
	return exitFailure
}

func dispatch(ctx context.Context, args []string, t *terminal) error {
	exited := false
	parser, err := kong.New(&commands{},
		kong.Name("edge"),
		kong.Description("A programmable front door for sandboxes: a WebAssembly plugin decides, native Go carries it out."),
		kong.Writers(t.out, t.err),
		kong.Exit(func(int) { exited = true }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(t),
	)
	if err != nil {
		return err
	}
	command, err := parser.Parse(args)
	switch {
	case exited: // --help has been printed
		return nil
	case err != nil:
		return usageError{fmt.Errorf("%w; edge --help says more", err)}
	}
	return command.Run()
}

// report prints an error, each of its lines behind the program's name unless the
// line begins with a file's place.
func report(w io.Writer, err error) {
	var p problem
	prefix := "edge: "
	if errors.As(err, &p) {
		prefix = ""
	}
	for line := range strings.SplitSeq(err.Error(), "\n") {
		fmt.Fprintln(w, prefix+line)
	}
}
