package testleak

import (
	"testing"
	"time"

	"go.uber.org/goleak"
)

// tests are tests that run so.
type tests func() int

func (t tests) Run() int { return t() }

// TestSettle waits for a goroutine that ends late, not for one that is ignored or when
// a test failed, and not for ever. It runs alone: another test's goroutines would count.
func TestSettle(t *testing.T) {
	ignored := goleak.IgnoreCurrent()
	late := make(chan struct{})
	ends := func() { <-late }
	goleak.VerifyNone(t, ignored)
	begin := tests(func() int { go ends(); return 0 })

	time.AfterFunc(time.Second, func() { close(late) })
	if code := (settling{begin, []goleak.Option{ignored}, time.Hour}).Run(); code != 0 || goleak.Find(ignored) != nil {
		t.Errorf("code %d, and %v", code, goleak.Find(ignored))
	}

	late = make(chan struct{})
	defer close(late)
	if code := (settling{begin, []goleak.Option{ignored}, time.Millisecond}).Run(); code != 0 || goleak.Find(ignored) == nil {
		t.Errorf("code %d, and nothing is left of what does not end", code)
	}
	if code := (settling{tests(func() int { return 3 }), []goleak.Option{ignored}, time.Hour}).Run(); code != 3 {
		t.Errorf("code %d, want the tests'", code)
	}
	if code := (settling{tests(func() int { return 0 }), []goleak.Option{goleak.IgnoreCurrent()}, time.Hour}).Run(); code != 0 {
		t.Errorf("code %d", code)
	}
}
