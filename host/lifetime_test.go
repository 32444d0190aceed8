package host

import (
	"context"
	"errors"
	"testing"
	"time"
)

// TestLifetime wants a request's context to be one of package context's in all but
// what it costs, asked before its end or after it.
func TestLifetime(t *testing.T) {
	t.Parallel()
	broken := errors.New("server over")
	for name, tt := range map[string]struct {
		asked      bool // for Done, before the end
		server     bool // the server ends, not the request
		err, cause error
	}{
		"request":        {false, false, context.Canceled, context.Canceled},
		"request, asked": {true, false, context.Canceled, context.Canceled},
		"server":         {false, true, context.Canceled, broken},
		"server, asked":  {true, true, context.Canceled, broken},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			l := &lifetime{server: server, arrival: time.Unix(7, 0)}
			var child context.Context
			if tt.asked {
				var stop context.CancelFunc
				child, stop = context.WithTimeout(l, time.Hour)
				defer stop()
			}
			if l.Err() != nil || context.Cause(l) != nil {
				t.Errorf("before its end: %v, %v", l.Err(), context.Cause(l))
			}
			if got, ok := context.WithoutCancel(l).Value(arrivalKey{}).(time.Time); !ok || !got.Equal(l.arrival) {
				t.Errorf("arrival %v", got)
			}
			if tt.server {
				cancel(broken)
				defer l.end()
			} else {
				l.end()
				l.end()
			}
			if l.Err() != tt.err || context.Cause(l) != tt.cause {
				t.Errorf("err %v, cause %v", l.Err(), context.Cause(l))
			}
			if !tt.asked {
				var stop context.CancelFunc
				child, stop = context.WithCancel(l)
				defer stop()
			}
			<-l.Done()
			<-child.Done()
			if child.Err() != tt.err || context.Cause(child) != tt.cause {
				t.Errorf("child: err %v, cause %v", child.Err(), context.Cause(child))
			}
		})
	}
}

// BenchmarkLifetime is a request's context that nobody waits for, and one that a
// plugin's decision waits for, beside what package context has.
func BenchmarkLifetime(b *testing.B) {
	server, cancel := context.WithCancelCause(b.Context())
	defer cancel(nil)
	b.Run("unasked", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			l := &lifetime{server: server}
			if l.Err() == nil {
				l.end()
			}
		}
	})
	b.Run("asked", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			l := &lifetime{server: server}
			if l.Done() != nil {
				l.end()
			}
		}
	})
	b.Run("context", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			ctx, stop := context.WithCancel(context.WithValue(server, arrivalKey{}, time.Time{}))
			_ = ctx.Done()
			stop()
		}
	})
}
