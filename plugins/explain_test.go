package plugins

import (
	"errors"
	"testing"
	"time"

	"edge/abi"
)

// TestExplanation asks how requests were decided.
func TestExplanation(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{})
	p := b.load(t, responding("fine"))
	for range 2 { // the second in the same instance
		var e abi.Explanation
		if _, err := p.Decide(WithExplanation(t.Context(), &e), newRequest()); err != nil {
			t.Fatal(err)
		}
		if e.Plugin != "p" || e.Digest != p.Digest() || e.Generation != 1 || e.Took <= 0 {
			t.Errorf("got %+v", e)
		}
		if v := e.Verdict; v.Decision != "respond" || v.Status != 200 || v.BodyBytes != 4 || len(v.BodySHA256) != 64 || v.Error != nil {
			t.Errorf("got the verdict %+v", v)
		}
	}
	decide(t, p, newRequest()) // nobody asks
}

// TestExplainedCanary tells whether a canary decided, for as long as it is one.
func TestExplainedCanary(t *testing.T) {
	t.Parallel()
	b, p := rollout(t, Config{}, func(s *Spec) { s.Canary = Canary{50, time.Hour} })
	b.offer(t, responding("new"))
	explain := func() abi.Explanation {
		var e abi.Explanation
		if _, err := p.Decide(WithExplanation(t.Context(), &e), newRequest()); err != nil {
			t.Fatal(err)
		}
		return e
	}
	for range 4 {
		if e := explain(); e.Canary != (e.Digest == digestOf(responding("new"))) {
			t.Errorf("got %+v", e)
		}
	}
	b.promote(p, p.canary.Load())
	if e := explain(); e.Canary || e.Digest != digestOf(responding("new")) {
		t.Errorf("after its promotion: %+v", e)
	}
}

// TestExplainedCalls bounds the calls that are named, and notes none after the
// decision.
func TestExplainedCalls(t *testing.T) {
	t.Parallel()
	var e abi.Explanation
	x := &exchange{account: &account{text: &e}}
	x.account.called("exec", nil, time.Millisecond)
	x.account.called("fetch", abi.Errorf(abi.CodeDenied, "no"), 0)
	x.account.called("kv.get", errors.New("within"), 0)
	for range maxExplained {
		x.account.called("kv.set", nil, 0)
	}
	x.account.conclude(time.Second, nil, abi.Errorf(abi.CodeTimeout, "late"))
	x.account.called("exec", nil, 0)
	if len(e.Calls) != maxExplained || e.More != 3 || e.Took != abi.Duration(time.Second) {
		t.Errorf("%d calls and %d more, took %v", len(e.Calls), e.More, e.Took)
	}
	if e.Calls[0].Code != "" || e.Calls[1].Code != abi.CodeDenied || e.Calls[2].Code != abi.CodeInternal {
		t.Errorf("got %+v", e.Calls[:3])
	}
	if e.Verdict.Decision != "error" || e.Verdict.Error.Code != abi.CodeTimeout {
		t.Errorf("got the verdict %+v", e.Verdict)
	}
	agent{}.called("exec", nil, 0) // nobody asks
}
