package plugins

import (
	"context"
	"time"
)

// agent is in whose name a host call works: what it reaches, and who notes it. It
// is taken when the guest calls; the work may go on when the request is over.
type agent struct {
	gen      *generation
	services *Services
	account  *account // nil: nobody asked
}

// agent is a call's of x. A call of request 0 goes where those of the request go
// that the guest works on, so that a trial or a recording has it too.
func (in *instance) agent(x *exchange) agent {
	if x == in.background {
		if at := in.stint.x; at != nil && at != x {
			x.own, x.account = at.own, at.account
		}
	}
	return agent{x.gen, x.services(), x.account}
}

// called notes one piece of work that the guest asked the host for: its name
// ("exec", "fetch", "kv.get", "wsOpen"), how it failed, or nil, and how long it
// took. Any goroutine may call it.
func (a agent) called(name string, err error, took time.Duration) {
	if a.account != nil {
		a.account.called(name, err, took)
	}
}

// callContext is the context of a call of x that was started. One of request 0
// has the plugin's deadline to itself, and once another version serves, no more
// than that from then on.
func (x *exchange) callContext() (context.Context, context.CancelFunc) {
	if x.handle != 0 {
		return x.work(), func() {}
	}
	return context.WithDeadline(x.work(), x.gen.backgroundEnd(time.Now()))
}

// own is the services if they are not the registry's.
func (a agent) own() *Services {
	if a.gen == nil || a.services == a.gen.services() {
		return nil
	}
	return a.services
}
