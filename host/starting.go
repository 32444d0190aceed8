package host

import (
	"context"
	"errors"
	"time"

	"edge/abi"
)

// A program, and a WebSocket, is held until what it wants has started, for as long as
// the exposure's wake says. A person's browser is held for a moment, and then shown
// what is awaited, by a page that asks again: the start goes on meanwhile.
const (
	// pageHold is that moment; with a short hold it is half of that.
	pageHold = 3 * time.Second
	// pageReload is how long the page waits before it asks again.
	pageReload = 2 * time.Second
	// pageWindow is for how long after a sandbox's start a closed port is taken for
	// one whose server is still starting, unless the policy's wait is longer.
	pageWindow = 30 * time.Second
)

var errPageHold = errors.New("a browser was held long enough")

// errStarting is answered while a sandbox, or the server in it, starts.
func errStarting(what string) *abi.Error {
	e := abi.Errorf(abi.CodeSandboxStarting, "%s is starting", what).WithStarted(abi.StartedNo)
	e.RetryAfterMs = pageReload.Milliseconds()
	return e
}

// showsPage tells whether a person looks at a preview, who is better told something
// than held: a browser goes to the address (Fetch Metadata, Sec-Fetch-Mode).
func (x *exchange) showsPage() bool {
	if !x.target.exposure || x.fallback != nil || x.head.method != "GET" || !x.navigates() {
		return false
	}
	for _, mode := range x.req.HeaderValues("Sec-Fetch-Mode") {
		if mode != "navigate" {
			return false
		}
	}
	return true
}

// pagePatience is how long a browser is held.
func pagePatience(wake abi.Wake) time.Duration {
	_, _, hold, err := wake.Parse()
	if err != nil || hold == 0 {
		return pageHold
	}
	return min(pageHold, hold/2)
}

// wake makes sure that the target's sandbox runs, for as long as the client is
// there to be answered.
func (x *exchange) wake(box sandbox) (*dialer, error) {
	x.watchClient()
	defer x.unwatchClient()
	if !x.showsPage() {
		return newDialer(&x.ctx, box, x.target.port, x.target.wake, x.head.upgrade, x.s.StartTimeout)
	}
	ctx, cancel := context.WithTimeoutCause(&x.ctx, pagePatience(x.target.wake), errPageHold)
	defer cancel()
	d, err := newDialer(ctx, box, x.target.port, x.target.wake, false, x.s.StartTimeout)
	if err != nil && x.ctx.Err() == nil && errors.Is(context.Cause(ctx), errPageHold) && errors.Is(err, context.DeadlineExceeded) {
		return nil, errStarting("the sandbox behind this preview")
	}
	return d, err
}

// carryOrAwait carries the exchange. A server that may still be coming up in a
// sandbox that has just started is waited for; nothing was sent, so that nothing is
// done twice. rising tells that one was started for this very request.
func (x *exchange) carryOrAwait(d *dialer, rising bool) error {
	err := x.carry(d)
	if !isRefused(err) {
		return err
	}
	if x.showsPage() {
		return x.carryOrShow(d, err)
	}
	if !rising && !d.readySince(x.start) {
		return err
	}
	if err := x.await(d, x.target.policy.Wait.Or(defaultWait)); err != nil {
		return err
	}
	return x.carry(d)
}

// carryOrShow is carryOrAwait after a refusal, for a person's browser.
func (x *exchange) carryOrShow(d *dialer, refusal error) error {
	window := max(pageWindow, x.target.policy.Wait.D())
	if serverEnded(refusal) || !d.readySince(x.start.Add(-window)) {
		return refusal
	}
	if left := pagePatience(x.target.wake) - time.Since(x.start); left > 0 {
		refusal = x.await(d, left)
		if refusal == nil {
			refusal = x.carry(d)
		}
	}
	if !isRefused(refusal) || serverEnded(refusal) {
		return refusal
	}
	return errStarting("the server behind this preview")
}

// await waits for the target's port, for as long as the client is there to be
// answered, and for at most that long.
func (x *exchange) await(d *dialer, wait time.Duration) error {
	x.watchClient()
	defer x.unwatchClient()
	return d.await(&x.ctx, wait)
}

// defaultWait is how long a refused port is tried again on a sandbox that the
// request itself started.
const defaultWait = 10 * time.Second
