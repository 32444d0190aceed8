package source

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestFolderIsFollowed wants the newest version to be taken when it lies there, and
// the one before when it is removed.
func TestFolderIsFollowed(t *testing.T) {
	t.Parallel()
	dir, o := t.TempDir(), newOffers()
	write(t, filepath.Join(dir, "v1.wasm"), string(module("one")))
	run(t, &Follower{Source: NewVersions(dir), Offer: o.offer, Poll: time.Hour})
	want := func(text string) {
		t.Helper()
		if m := o.next(t); string(m.Bytes) != string(module(text)) {
			t.Errorf("%q was taken, not %q", m.Bytes, text)
		}
	}
	want("one")
	write(t, filepath.Join(dir, "v2.wasm"), string(module("two")))
	want("two")
	write(t, filepath.Join(dir, "v10.wasm"), string(module("ten")))
	want("ten")
	write(t, filepath.Join(dir, "v3.wasm"), string(module("three"))) // not the newest
	if err := os.Remove(filepath.Join(dir, "v10.wasm")); err != nil {
		t.Fatal(err)
	}
	want("three")
	o.none(t)
}

// TestFolderIsMadeAnew wants a folder that went and came back to be followed on.
func TestFolderIsMadeAnew(t *testing.T) {
	t.Parallel()
	dir, o := filepath.Join(t.TempDir(), "versions"), newOffers()
	f := &Follower{Source: NewVersions(dir), Offer: o.offer, Poll: time.Hour, retry: 10 * time.Millisecond}
	run(t, f)
	eventually(t, "the folder is missed", func() bool { return f.Problem() != "" })
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "v1.wasm"), string(module("one")))
	o.next(t)
	eventually(t, "nothing is wrong", func() bool { return f.Problem() == "" })
}

// TestLayoutIsFollowed wants a tag that moves to be taken.
func TestLayoutIsFollowed(t *testing.T) {
	t.Parallel()
	l, o := newLayout(t), newOffers()
	l.push("stable", module("one"))
	run(t, &Follower{Source: l.source("stable"), Offer: o.offer, Poll: time.Hour})
	o.next(t)
	l.push("other", module("other"))
	l.push("stable", module("two"))
	if m := o.next(t); string(m.Bytes) != string(module("two")) {
		t.Errorf("%q was taken", m.Bytes)
	}
	o.none(t)
}

// TestRegistryIsFollowed wants a tag that moved to be taken at the next poll, and a
// registry that goes away to be told of once for each reason, and followed again
// when it is back.
func TestRegistryIsFollowed(t *testing.T) {
	t.Parallel()
	s, o, log := startRegistry(t), newOffers(), new(logLines)
	s.push("v1", artifact{layer: module("one")})
	f := &Follower{
		Plugin: "chat", Name: "oci://chat", Source: s.source(t, ":v1", ""), Offer: o.offer,
		Poll: 10 * time.Millisecond, retry: 5 * time.Millisecond, Log: log.logger(),
	}
	run(t, f)
	o.next(t)
	s.push("v1", artifact{layer: module("two")})
	if m := o.next(t); string(m.Bytes) != string(module("two")) {
		t.Errorf("%q was taken", m.Bytes)
	}
	failing := func(status int) func(w http.ResponseWriter, _ *http.Request) bool {
		return func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(status); return true }
	}
	for i, status := range []int{503, 403} {
		s.intercept(failing(status))
		eventually(t, "the failure is told", func() bool { return log.count("does not follow its source") == i+1 })
		s.requests()
		eventually(t, "it is asked again", func() bool { return len(s.requests()) > 0 })
	}
	if !strings.Contains(f.Problem(), "403") {
		t.Errorf("the problem is %q", f.Problem())
	}
	s.push("v1", artifact{layer: module("three")})
	s.intercept(nil)
	if m := o.next(t); string(m.Bytes) != string(module("three")) {
		t.Errorf("%q was taken", m.Bytes)
	}
	eventually(t, "all is well", func() bool { return f.Problem() == "" && log.count("follows its source again") == 1 })
	if n := log.count("does not follow its source"); n != 2 {
		t.Errorf("%d lines tell of two failures", n)
	}
	o.none(t)
}

// TestRefusedOnce wants a version that was refused not to be offered again, until
// somebody asks, and what is not the module's fault to be tried again.
func TestRefusedOnce(t *testing.T) {
	t.Parallel()
	s, o := startRegistry(t), newOffers()
	s.push("v1", artifact{layer: module("one")})
	offered, failure := 0, error(ErrRefused)
	o.refuse = func(Module) error { offered++; return failure }
	f := &Follower{Source: s.source(t, ":v1", ""), Offer: o.offer}
	if err := f.Sync(t.Context()); !errors.Is(err, ErrRefused) || f.Problem() != "" {
		t.Errorf("error %v, problem %q", err, f.Problem())
	}
	if err := f.Sync(t.Context()); err != nil || offered != 1 {
		t.Errorf("error %v, offered %d times", err, offered)
	}
	f.Retry()
	failure = errors.New("the disk is full")
	for range 2 {
		if err := f.Sync(t.Context()); !errors.Is(err, failure) || !strings.Contains(f.Problem(), "the disk is full") {
			t.Errorf("error %v, problem %q", err, f.Problem())
		}
	}
	failure = nil
	if err := f.Sync(t.Context()); err != nil || offered != 4 || f.Problem() != "" {
		t.Errorf("error %v, offered %d times, problem %q", err, offered, f.Problem())
	}
}

// TestMemory wants a restart not to take again what was taken, unless the source is
// another, the memory is spoilt, or it is told to forget.
func TestMemory(t *testing.T) {
	t.Parallel()
	s, o := startRegistry(t), newOffers()
	s.push("v1", artifact{layer: module("one")})
	file := filepath.Join(t.TempDir(), "sub", "chat.json")
	follower := func(name string) *Follower {
		return &Follower{Name: name, Source: s.source(t, ":v1", ""), Offer: o.offer, Memory: file}
	}
	taken := func(f *Follower) bool {
		t.Helper()
		if err := f.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		select {
		case <-o.taken:
			return true
		default:
			return false
		}
	}
	for _, tt := range []struct {
		what string
		name string
		do   func(f *Follower)
		want bool
	}{
		{"first start", "a", nil, true},
		{"restart", "a", nil, false},
		{"other source", "b", nil, true},
		{"restart of that", "b", nil, false},
		{"nothing serves", "b", (*Follower).Forget, true},
		{"spoilt", "b", func(*Follower) { write(t, file, "{") }, true},
		{"after that", "b", nil, false},
	} {
		f := follower(tt.name)
		if tt.do != nil {
			tt.do(f)
		}
		if got := taken(f); got != tt.want {
			t.Errorf("%s: taken %t, want %t", tt.what, got, tt.want)
		}
	}
	s.push("v1", artifact{layer: module("two")})
	if !taken(follower("b")) {
		t.Error("a tag that moved while nobody looked was not taken")
	}
}

// stubSource fails as often as it is told to.
type stubSource struct {
	failures int
	looked   []time.Time
}

func (s *stubSource) Look(context.Context) (Version, error) {
	s.looked = append(s.looked, time.Now())
	if s.failures > 0 {
		s.failures--
		return "", errors.New("down")
	}
	return "1", nil
}
func (*stubSource) Fetch(context.Context, Version) (Module, error) { return Module{}, nil }
func (*stubSource) Folder() string                                 { return "" }
func (*stubSource) Concerns(string) bool                           { return false }

// TestBackOff wants the pauses between failures to grow, and the source's own
// interval when it answers.
func TestBackOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &stubSource{failures: 14}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Hour)
		defer cancel()
		(&Follower{Source: s, Offer: newOffers().offer, Poll: time.Minute}).Run(ctx)
		want := firstRetry
		for i := 1; i < len(s.looked); i++ {
			pause := s.looked[i].Sub(s.looked[i-1])
			switch {
			case i > 14:
				if pause != time.Minute {
					t.Errorf("pause %d of a source that answers is %v", i, pause)
				}
			case pause > want || pause < want*3/4:
				t.Errorf("pause %d is %v; want about %v", i, pause, want)
			}
			want = min(2*want, lastRetry)
		}
		if len(s.looked) < 60 {
			t.Errorf("it was looked at %d times in two hours", len(s.looked))
		}
	})
}

// TestCalledOff wants the end of a look that was called off not to be told as the
// source's failure.
func TestCalledOff(t *testing.T) {
	t.Parallel()
	s, log := startRegistry(t), new(logLines)
	ctx, cancel := context.WithCancel(t.Context())
	s.intercept(func(_ http.ResponseWriter, r *http.Request) bool { cancel(); <-r.Context().Done(); return true })
	f := &Follower{Source: s.source(t, ":v1", ""), Offer: newOffers().offer, Log: log.logger()}
	if err := f.Sync(ctx); !errors.Is(err, context.Canceled) || f.Problem() != "" || log.count("") > 1 {
		t.Errorf("error %v, problem %q", err, f.Problem())
	}
}
