package main

import (
	"context"
	"errors"
	"os"
	"sync"
	"syscall"
)

// errInterrupted is why work ends that a signal called off.
var errInterrupted = errors.New("interrupted")

// interruptible returns a context that ends with SIGTERM or SIGINT. The returned
// function stops that and may be called more than once.
func (t *terminal) interruptible(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	signals := make(chan os.Signal, 1)
	stop := t.notify(signals, syscall.SIGTERM, os.Interrupt)
	quit, done := make(chan struct{}), make(chan struct{})
	go cancelOnSignal(signals, quit, done, cancel)
	return ctx, sync.OnceFunc(func() {
		stop()
		close(quit)
		<-done
	})
}

// cancelOnSignal ends the context with the first signal, and itself with quit.
func cancelOnSignal(signals <-chan os.Signal, quit <-chan struct{}, done chan<- struct{}, cancel context.CancelCauseFunc) {
	defer close(done)
	select {
	case <-signals:
		cancel(errInterrupted)
	case <-quit:
	}
}
