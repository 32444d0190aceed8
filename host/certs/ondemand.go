package certs

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/certmagic"
)

// errWaiting is what a handshake ends with whose certificate is not there yet.
var errWaiting = errors.New("the certificate is not there yet")

// certificate is the one that is there for the name; else, where the name may have
// one, it is asked for, once for all who want it, and waited for.
func (a *client) certificate(hello *tls.ClientHelloInfo, name string) (*tls.Certificate, error) {
	if name == "" {
		name = a.domains[0]
	}
	if a.maySingle(name) != nil && !a.byWildcard(name) {
		return nil, nil // there may still be one of when it was allowed
	}
	if cert := a.have(hello, name); cert != nil {
		return cert, nil
	}
	if a.byWildcard(name) {
		return nil, errWaiting
	}
	done, err := a.ask(name)
	if err != nil {
		return nil, err
	}
	if err := a.await(hello, done); err != nil {
		return nil, err
	}
	if cert := a.have(hello, name); cert != nil {
		return cert, nil
	}
	return nil, a.failure(name)
}

// covers tells whether there is a certificate for the name or it may have one.
func (a *client) covers(name string) bool {
	return a.byWildcard(name) || validName(name) && a.maySingle(name) == nil
}

// byWildcard tells whether the name is among those that managed certificates are
// for: a wildcard stands for one label (RFC 6125, section 6.4.3).
func (a *client) byWildcard(name string) bool {
	if a.mayManaged(name) == nil {
		return true
	}
	_, parent, ok := strings.Cut(name, ".")
	return ok && a.mayManaged("*."+parent) == nil
}

// have returns a certificate that is for the name and has not run out, one that the
// client can use if there is.
func (a *client) have(hello *tls.ClientHelloInfo, name string) *tls.Certificate {
	var best *tls.Certificate
	for _, c := range a.cache.AllMatchingCertificates(name) {
		if c.Expired() || c.Leaf.VerifyHostname(name) != nil {
			continue
		}
		if hello.SupportsCertificate(&c.Certificate) == nil {
			return &c.Certificate
		}
		best = &c.Certificate
	}
	return best
}

// ask has the name's certificate made unless that is under way, and returns what is
// closed when the attempt is over. While it is too early to try again it fails.
func (a *client) ask(name string) (done <-chan struct{}, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	t := a.tries[name]
	switch {
	case a.closed:
		return nil, errWaiting
	case t == nil && len(a.tries) >= maxSingle:
		return nil, fmt.Errorf("%w: %d other names have one of their own", errWaiting, maxSingle)
	case t == nil:
		t = &try{}
		a.tries[name] = t
	case t.done != nil:
		return t.done, nil
	case time.Now().Before(t.next):
		return nil, t.wait()
	}
	t.done = make(chan struct{})
	a.work.Go(func() { a.runTry(a.single, name, t) })
	return t.done, nil
}

// wait is the error of those who come before the next attempt.
func (s *setback) wait() error {
	return fmt.Errorf("%w: the last attempt failed, and the next is at %s: %w", errWaiting, s.next.Format(time.TimeOnly), s.err)
}

// tooSoon is an error while the authority is not to be asked for the name again.
func (a *client) tooSoon(name string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if s := a.refused[name]; s != nil && time.Now().Before(s.next) {
		return s.wait()
	}
	return nil
}

// answered notes what became of asking the authority for a name.
func (a *client) answered(name string, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err == nil {
		delete(a.refused, name)
		return
	}
	s := a.refused[name]
	if s == nil {
		s = &setback{}
		a.refused[name] = s
	}
	s.note(err, a.pace)
}

// await waits for an attempt. The handshake's deadline is put off meanwhile: it is
// there for clients that are slow, and this one is not.
func (a *client) await(hello *tls.ClientHelloInfo, done <-chan struct{}) error {
	if hello.Conn != nil {
		_ = hello.Conn.SetDeadline(time.Now().Add(handshakeWait + 10*time.Second))
	}
	timer := time.NewTimer(handshakeWait)
	defer timer.Stop()
	select {
	case <-done:
		return nil
	case <-timer.C:
		return errWaiting
	case <-hello.Context().Done():
		return context.Cause(hello.Context())
	}
}

// failure is why the last attempt failed.
func (a *client) failure(name string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if t := a.tries[name]; t != nil && t.err != nil {
		return t.err
	}
	return errWaiting
}

// runTry is one attempt.
func (a *client) runTry(config *certmagic.Config, name string, t *try) {
	err := a.load(config, name)
	a.mu.Lock()
	defer a.mu.Unlock()
	close(t.done)
	t.done = nil
	if pause := t.note(err, a.pace); err != nil && a.ctx.Err() == nil {
		a.log.Warn("there is no certificate", "name", name, "again", pause, "error", err)
	}
}

// runManage sees to the managed names, one after the other, until each is there.
func (a *client) runManage() {
	todo := a.managed()
	for failures := 0; ; failures++ {
		var left []string
		for _, name := range todo {
			t := &try{done: make(chan struct{}), setback: setback{failures: failures}}
			if a.runTry(a.wild, name, t); t.err != nil {
				left = append(left, name)
			}
		}
		if todo = left; len(todo) == 0 {
			return
		}
		retries := a.pace.retries()
		select {
		case <-time.After(retries[min(failures, len(retries)-1)]):
		case <-a.ctx.Done():
			return
		}
	}
}

// runTidy forgets names that may have no certificate any more, so that theirs are
// not renewed, and what has long run out on disk.
func (a *client) runTidy() {
	every := a.pace.look
	if every == 0 {
		every = 10 * time.Minute
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			a.forget()
		case <-a.ctx.Done():
			return
		}
		err := certmagic.CleanStorage(a.ctx, a.single.Storage, certmagic.CleanStorageOptions{
			Logger: a.single.Logger, InstanceID: "edge", Interval: 24 * time.Hour, ExpiredCerts: true, ExpiredCertGracePeriod: kept,
		})
		if err != nil && a.ctx.Err() == nil {
			a.log.Warn("certificates that ran out stay on disk", "error", err)
		}
	}
}

// forget drops single names that are not allowed any more. A renewal that was under way
// puts its certificate in the place of one that was dropped, and so a name is remembered
// until there was none to drop.
func (a *client) forget() {
	a.mu.Lock()
	maps.DeleteFunc(a.refused, func(name string, s *setback) bool {
		return time.Now().After(s.next) && a.mayManaged(name) != nil && !a.allow(name)
	})
	var names []string
	for name, t := range a.tries {
		if t.done == nil {
			names = append(names, name)
		}
	}
	a.mu.Unlock()
	for _, name := range names {
		if a.allow(name) {
			continue
		}
		if slices.ContainsFunc(a.cache.AllMatchingCertificates(name), func(c certmagic.Certificate) bool { return slices.Contains(c.Names, name) }) {
			a.cache.RemoveManaged([]certmagic.SubjectIssuer{{Subject: name}})
			continue
		}
		a.mu.Lock()
		if t := a.tries[name]; t != nil && t.done == nil {
			delete(a.tries, name)
		}
		a.mu.Unlock()
	}
}
