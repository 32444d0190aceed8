package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

type serveCommand struct {
	Flags
	Config string        `short:"c" default:"edge.yaml" placeholder:"FILE" help:"Configuration; default edge.yaml."`
	Drain  time.Duration `default:"10s" placeholder:"SPAN" help:"How long requests and WebSockets may go on after SIGTERM; default 10s."`
	RecordFlags
}

// Run serves until SIGTERM or SIGINT. A second one skips the draining. SIGHUP
// reads the configuration again and reloads the plugins.
func (c *serveCommand) Run(ctx context.Context, t *terminal) (err error) {
	o, err := c.configure(c.Config, LoadConfig, t, serverState, serveLogLevel)
	if err != nil {
		return err
	}
	if err := refuseFolders(o.config); err != nil {
		return usageError{err}
	}
	o.drain = c.Drain
	defer o.logRequests(t.err)()
	recorder, err := c.RecordFlags.open(o.log)
	if err != nil {
		return err
	}
	if recorder != nil {
		o.recorder = recorder
		defer func() { err = errors.Join(err, recorder.Close()) }() // the plugins are closed by then
	}
	signals := make(chan os.Signal, 4)
	defer t.notify(signals, syscall.SIGTERM, os.Interrupt, syscall.SIGHUP)()
	starting, started := t.interruptible(ctx)
	defer started()

	s, err := openServer(starting, o)
	if err != nil {
		if starting.Err() == nil {
			err = diagnosed{err, missing(ctx, o)}
		}
		return err
	}
	if err := s.start(starting, o.config); err != nil {
		return errors.Join(err, s.release(ctx))
	}
	started()
	s.announce()
	return s.attend(ctx, c.Config, signals)
}

// diagnosed is why a start failed, and what the doctor found.
type diagnosed struct {
	error
	findings []string
}

func (d diagnosed) Unwrap() error { return d.error }

func (d diagnosed) Error() string {
	return strings.Join(append([]string{d.error.Error()}, d.findings...), "\n")
}

// refuseFolders names the command for each plugin that must be built first.
func refuseFolders(c *Config) error {
	var errs []error
	for _, p := range c.Plugins {
		if p.Kind == sourceGo {
			errs = append(errs, problem{p.At, fmt.Sprintf("plugins.%s.source: is a folder, and serve takes modules only; build it and name the file:\n"+
				"  %s\nor serve it while you edit it: edge dev %s", p.Name, buildCommand(p.Source, p.Name), filepath.Dir(c.File))})
		}
	}
	return errors.Join(errs...)
}

// buildCommand is what a person types to build the plugin in a folder.
func buildCommand(folder, plugin string) string {
	return fmt.Sprintf("(cd %s && GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -o %s.wasm .)", folder, plugin)
}

// start loads every plugin and puts the routes in force; the first plugin that
// cannot be loaded is the error.
func (s *server) start(ctx context.Context, c *Config) error {
	for _, p := range c.Plugins {
		err := s.renew(ctx, p, false)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			return err
		}
	}
	return s.route(c, false)
}

// announce is the one line of a start.
func (s *server) announce() {
	for _, n := range s.runtimes.notes {
		s.log.Info("runtime", "is", n)
	}
	s.log.Info("descriptors", "allow", s.config.Limits.describe(budgetDescriptors(s.config.Sandboxes)))
	s.log.Info("serving", "url", s.url(), "listen", s.listener.Addr().String(), "admin", s.settings.Admin.Socket, "plugins", s.describePlugins(), "state", s.settings.State)
}

// attend serves and does what signals say, until the server has ended. Reloading
// takes as long as modules do, and no signal waits for it: one that ends the
// server calls it off, and another SIGHUP has it done once more.
func (s *server) attend(ctx context.Context, file string, signals <-chan os.Signal) error {
	working, stop := context.WithCancel(ctx)
	defer stop()
	served, watched, hangups := make(chan error, 1), make(chan error, 1), make(chan struct{}, 1)
	s.admin.begin()
	go s.runHost(served)
	go s.runWatch(working, watched)
	tidied := make(chan struct{})
	go runTidy(working, tidied)
	var reloads sync.WaitGroup
	reloads.Go(func() { s.runHangups(working, file, hangups) })
	rest := func() {
		stop()
		<-watched
		<-tidied
		reloads.Wait()
	}
	for {
		select {
		case err := <-served:
			rest()
			return errors.Join(err, s.release(ctx))
		case sig := <-signals:
			if sig == syscall.SIGHUP {
				select {
				case hangups <- struct{}{}:
				default: // it has not begun with the last one yet
				}
				continue
			}
			s.log.Info("draining; the signal again skips that", "signal", sig.String())
			stop()
			err := s.end(ctx, signals)
			rest()
			return errors.Join(err, <-served)
		case <-ctx.Done():
			err := s.end(context.WithoutCancel(ctx), signals)
			rest()
			return errors.Join(err, <-served)
		}
	}
}

// runHangups reloads for each hangup, until ctx ends.
func (s *server) runHangups(ctx context.Context, file string, hangups <-chan struct{}) {
	for {
		select {
		case <-hangups:
			s.hangup(ctx, file)
		case <-ctx.Done():
			return
		}
	}
}

// runHost serves until the server is shut down.
func (s *server) runHost(served chan<- error) { served <- s.serveListener() }

// runWatch reloads plugins whose modules change, until ctx ends.
func (s *server) runWatch(ctx context.Context, watched chan<- error) {
	err := s.registry.Watch(ctx)
	if err != nil && ctx.Err() == nil {
		s.log.Error("modules are not watched any more; SIGHUP still reloads them", "error", err)
	}
	watched <- err
}

// end shuts the server down. A signal meanwhile skips the draining, a second one
// everything.
func (s *server) end(ctx context.Context, signals <-chan os.Signal) error {
	ended := make(chan error, 1)
	go s.runShutdown(ctx, ended)
	select {
	case err := <-ended:
		return err
	case <-signals:
	}
	s.log.Info("not draining any longer; the signal again ends the process as it is")
	hurried := make(chan struct{})
	go s.runHurry(hurried)
	select {
	case err := <-ended:
		<-hurried
		return err
	case <-signals:
		return errors.New("ended by the third signal")
	}
}

func (s *server) runShutdown(ctx context.Context, ended chan<- error) { ended <- s.shutdown(ctx) }

func (s *server) runHurry(hurried chan<- struct{}) {
	defer close(hurried)
	s.hurry()
}

// hangup reads the configuration again and takes it over as far as that can be
// done while serving. A bad one changes nothing.
func (s *server) hangup(ctx context.Context, file string) {
	begin := time.Now()
	config, err := LoadConfig(file)
	if err == nil {
		err = refuseFolders(config)
	}
	if err != nil {
		s.log.Error("reload refused; everything stays as it is", "error", err)
		return
	}
	restart, err := s.reload(ctx, config)
	switch {
	case ctx.Err() != nil:
		return // called off
	case err != nil:
		s.log.Error("reload refused; routes stay as they are", "error", err)
		return
	case len(restart) > 0:
		s.log.Warn("some changes need a restart", "keys", strings.Join(restart, ", "))
	}
	s.log.Info("reloaded", "plugins", s.describePlugins(), "took", time.Since(begin).Round(time.Millisecond))
}
