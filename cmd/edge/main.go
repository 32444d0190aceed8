// Command edge is a programmable front door for sandboxes.
//
// It is the only place that knows flags, files and the environment, and the only
// one that knows all packages: it reads edge.yaml (config*.go), opens what the
// file asks for (server.go), and serves it (serve.go) or serves it while it
// watches, rebuilds and reports (dev*.go).
//
// Inside a sandbox the same executable can be the init (hidden command "init").
package main

import (
	"context"
	"os"
	"os/signal"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], &terminal{
		in:     os.Stdin,
		out:    os.Stdout,
		err:    os.Stderr,
		getenv: os.Getenv,
		notify: func(c chan<- os.Signal, signals ...os.Signal) func() {
			signal.Notify(c, signals...)
			return func() { signal.Stop(c) }
		},
	}))
}
