package plugins

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

type workKey struct{}

// TestWork ends what hangs on it, at its deadline or before, with the reason.
func TestWork(t *testing.T) {
	t.Parallel()
	values := context.WithValue(t.Context(), workKey{}, "value")
	for name, tt := range map[string]struct {
		after time.Duration
		end   func(w *work)
		want  error
	}{
		"deadline":              {time.Millisecond, nil, context.DeadlineExceeded},
		"deadline that is past": {-time.Second, nil, context.DeadlineExceeded},
		"ended":                 {time.Hour, func(w *work) { w.end(context.Canceled) }, context.Canceled},
		"ended twice":           {time.Hour, func(w *work) { w.end(context.Canceled); w.end(context.DeadlineExceeded) }, context.Canceled},
		"moved to before":       {time.Hour, func(w *work) { w.move(time.Now()) }, context.DeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWork(values, time.Now().Add(tt.after))
			child, cancel := context.WithCancel(w)
			defer cancel()
			grandchild, cancelThat := context.WithTimeout(child, 2*time.Hour)
			defer cancelThat()
			ran := make(chan struct{})
			stop := context.AfterFunc(w, func() { close(ran) })
			if tt.end != nil {
				if stopped := context.AfterFunc(w, func() { t.Error("it was stopped") }); !stopped() {
					t.Error("it ran before the end")
				}
				tt.end(w)
			}
			<-grandchild.Done()
			<-ran
			if stop() {
				t.Error("stopped after it ran")
			}
			if !errors.Is(w.Err(), tt.want) || !errors.Is(child.Err(), tt.want) || w.Value(workKey{}) != "value" {
				t.Errorf("got %v and %v, want %v", w.Err(), child.Err(), tt.want)
			}
			if w.move(time.Now().Add(time.Hour)) {
				t.Error("the end was moved after it came")
			}
			late := make(chan struct{})
			context.AfterFunc(w, func() { close(late) })
			<-late
		})
	}
}

// TestWorkMoves puts the end off: what hangs on the work lives on.
func TestWorkMoves(t *testing.T) {
	t.Parallel()
	still(t, testWorkMoves)
}

func testWorkMoves(t *testing.T) {
	w := newWork(t.Context(), time.Now().Add(10*time.Millisecond))
	defer w.end(context.Canceled)
	later := time.Now().Add(time.Hour)
	if !w.move(later) {
		t.Fatal("it had ended")
	}
	select {
	case <-w.Done():
		t.Error("it ended when it would have before")
	case <-time.After(30 * time.Millisecond):
	}
	if d, ok := w.Deadline(); !ok || !d.Equal(later) {
		t.Errorf("the deadline is %v", d)
	}
	none := newWork(t.Context(), time.Time{})
	defer none.end(context.Canceled)
	if _, ok := none.Deadline(); ok || none.move(later) {
		t.Error("it has a deadline")
	}
}

// TestWorkHammer ends works while others hang something on them.
func TestWorkHammer(t *testing.T) {
	t.Parallel()
	for range 200 {
		w := newWork(t.Context(), time.Now().Add(50*time.Microsecond))
		var ran, stopped atomic.Int32
		var wg, tasks sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				tasks.Add(1)
				if stop := context.AfterFunc(w, func() { ran.Add(1); tasks.Done() }); stop() {
					stopped.Add(1)
					tasks.Done()
				}
			})
		}
		wg.Go(func() { w.move(time.Now().Add(20 * time.Microsecond)) })
		wg.Wait()
		w.end(context.Canceled)
		tasks.Wait()
		if ran.Load()+stopped.Load() != 4 {
			t.Fatalf("%d ran and %d were stopped", ran.Load(), stopped.Load())
		}
	}
}
