package plugins

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"edge/abi"
)

// ErrRefused is a module that cannot be a plugin here: it is no module, wants
// what the edge does not have, or fails before it serves. The text says why in
// one line.
var ErrRefused = errors.New("module refused")

// ErrClosed is the use of a registry after Close.
var ErrClosed = errors.New("plugins: the registry is closed")

// errFault is a pointer or a length outside the module's memory.
var errFault = errors.New("a pointer or length outside memory was passed to the host")

// exitError is a guest's call of proc_exit.
type exitError uint32

func (e exitError) Error() string { return fmt.Sprintf("it called proc_exit(%d)", uint32(e)) }

// guestError is what went wrong while an instance was made. Error is one line;
// the trap's stack is in the error it wraps.
type guestError struct {
	step string
	err  error
}

func (e *guestError) Error() string {
	if errors.Is(e.err, context.DeadlineExceeded) {
		return e.step + " did not return in time"
	}
	return e.step + ": " + firstLine(e.err)
}

// firstLine is err without the guest's stack.
func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return strings.TrimSuffix(line, " (recovered by wazero)")
}

func (e *guestError) Unwrap() error { return e.err }

// trace is err's whole text with the guest's stack, which is for the log alone.
func trace(err error) string {
	var g *guestError
	if errors.As(err, &g) {
		err = g.err
	}
	return err.Error()
}

// log is the registry's log with the generation's name on every line.
func (g *generation) log() *slog.Logger { return g.logger }

// failed logs why an instance is discarded: once, with the trap.
func (g *generation) failed(x *exchange, err error) {
	id := ""
	if x != nil {
		id = x.id
	}
	g.log().Error("plugin failed", "request", id, "err", trace(err))
}

// failure is what a client is told of an instance's end: nothing of what happened
// inside.
func (g *generation) failure(err error) *abi.Error {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return g.missed()
	case errors.Is(err, errCompute):
		return abi.Errorf(abi.CodeTimeout, "plugin %q computed for longer than the %s that a request may take", g.spec.Name, g.spec.Compute).
			WithStarted(abi.StartedMaybe)
	}
	return abi.Errorf(abi.CodePluginFailed, "plugin %q failed; the edge's log has the details", g.spec.Name).WithStarted(abi.StartedMaybe)
}

// missed is what a client is told at the request's deadline.
func (g *generation) missed() *abi.Error {
	return abi.Errorf(abi.CodeTimeout, "plugin %q did not answer within its deadline of %s", g.spec.Name, g.spec.Deadline).
		WithStarted(abi.StartedMaybe)
}

// retryAfter is when a client that found a plugin busy may come again.
const retryAfter = time.Second

// overloaded is what a client is told if no guest got the request in time.
func (g *generation) overloaded() *abi.Error {
	return later(abi.Errorf(abi.CodePluginOverloaded, "plugin %q is busy with other requests", g.spec.Name))
}

// tooManyWait is what a guest is told that would wait in a host call while as many
// wait as may.
func (g *generation) tooManyWait() *abi.Error {
	return later(abi.Errorf(abi.CodePluginOverloaded, "%d requests of plugin %q wait in host calls already", g.spec.MaxParked, g.spec.Name))
}

func later(e *abi.Error) *abi.Error {
	e.RetryAfterMs = retryAfter.Milliseconds()
	return e
}

// tooLarge refuses a result that is larger than any host call's may be.
func (g *generation) tooLarge(result []byte) *abi.Error {
	if most := g.spec.ResultBytes; len(result) > most {
		return abi.Errorf(abi.CodeBodyTooLarge, "the result has %d bytes; %d are the most", len(result), most).WithStarted(abi.StartedYes)
	}
	return nil
}

// sayable is err as the guest may see it; what it may not see is logged.
func (g *generation) sayable(err error) *abi.Error {
	e := abi.AsError(err)
	if e.Code == abi.CodeInternal {
		g.log().Error("host call failed", "err", err)
	}
	return e
}

// refusal is err as the reason why a module is not taken.
func refusal(err error) error {
	if err == nil {
		return nil
	}
	return &RefusedError{Err: err}
}

// uncompiled is why a module was not compiled: the end of ctx, which says nothing of
// the module, or what is wrong with it.
func uncompiled(ctx context.Context, err error) error {
	if ended := ctx.Err(); ended != nil {
		return ended
	}
	return refusal(&guestError{"compiling it", err})
}

// unserved turns an error of pool.take into what Decide returns.
func (g *generation) unserved(err error) *abi.Error {
	var guest *guestError
	switch {
	case errors.As(err, &guest):
		g.failed(nil, err)
		g.unmade(err)
		return g.failure(nil)
	case errors.Is(err, errCrashLoop):
		g.unmade(err)
		return abi.Errorf(abi.CodePluginFailed, "plugin %q fails again and again; the edge tries it again in a moment", g.spec.Name)
	case errors.Is(err, errGivenUp):
		return g.failure(nil)
	case errors.Is(err, errOverloaded), errors.Is(err, context.DeadlineExceeded):
		return g.overloaded()
	case errors.Is(err, context.Canceled):
		return abi.AsError(err)
	}
	g.failed(nil, err)
	return g.failure(nil)
}
