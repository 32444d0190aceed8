package replay

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"edge/abi"
	"edge/plugins"
)

// Suite is a file of cases: requests that somebody wrote down, with what is
// expected of the decisions. What stands beside the cases holds for each of them,
// unless the case has its own.
type Suite struct {
	Surroundings
	Cases []Case `json:"cases"`
}

// Surroundings are what a decision depends on besides its request.
type Surroundings struct {
	// Time is what the clock shows when the request begins; 2026-01-01 by default.
	Time time.Time `json:"time,omitzero"`
	// Config and Secrets are the plugin's. Those of a case are added to those of its
	// suite.
	Config  map[string]json.RawMessage `json:"config,omitempty"`
	Secrets map[string]string          `json:"secrets,omitempty"`
	// Grants are the plugin's; without them everything is granted.
	Grants *CaseGrants `json:"grants,omitempty"`
	// KV is what the key-value store holds at first, added like Config.
	KV map[string]Text `json:"kv,omitempty"`
	// Preview says that the request is for a preview.
	Preview *bool `json:"preview,omitempty"`
	// Calls are answers to host calls. One takes the first that fits it; those of a
	// case come before those of its suite.
	Calls []Fake `json:"calls,omitempty"`
}

// Case is one request and what is expected of its decision.
type Case struct {
	Name string `json:"name"`
	Surroundings
	Request CaseRequest `json:"request"`
	// Expect is by key what is expected (see expectations); nil is nothing.
	Expect map[string]json.RawMessage `json:"expect,omitempty"`
}

// CaseRequest is a request as people write it.
type CaseRequest struct {
	// Method is GET, or POST if there is a body.
	Method string `json:"method,omitempty"`
	// URL is absolute, or a path: then Host is localhost if it is empty.
	URL     string  `json:"url"`
	Host    string  `json:"host,omitempty"`
	Headers Headers `json:"headers,omitempty"`
	Body    Text    `json:"body,omitempty"`
	// WebSocket adds what makes the request a WebSocket's handshake.
	WebSocket  bool   `json:"websocket,omitempty"`
	RemoteAddr string `json:"remoteAddr,omitempty"` // 192.0.2.1:1024 by default (RFC 5737)
}

// Fake is the answer to a host call that is made up. Without Answer and Error it is
// an empty answer.
type Fake struct {
	// Name is an operation's, or "fetch", "wsOpen", "wsURL".
	Name string `json:"name"`
	// Match is a part of the call's request; nil fits all of that name.
	Match  json.RawMessage `json:"match,omitempty"`
	Answer json.RawMessage `json:"answer,omitempty"`
	Error  *FakeError      `json:"error,omitempty"`
	// Times bounds how often it is used; 0 is without bound.
	Times int `json:"times,omitempty"`
}

// FakeError is an error that answers a host call.
type FakeError struct {
	Code    abi.Code        `json:"code"`
	Message string          `json:"message,omitempty"`
	Details json.RawMessage `json:"details,omitempty"`
}

// CaseGrants are grants as edge.yaml has them.
type CaseGrants struct {
	Sandboxes  map[string][]string `json:"sandboxes,omitempty"`
	Operations []string            `json:"operations,omitempty"`
	Ports      []int               `json:"ports,omitempty"`
	Fetch      []string            `json:"fetch,omitempty"`
	KV         bool                `json:"kv,omitempty"`
}

// ParseSuite reads a suite from JSON. The error names the place and what is wrong
// there.
func ParseSuite(text []byte) (*Suite, error) {
	var s Suite
	if err := strict(text, &s); err != nil {
		return nil, fmt.Errorf("%s", abi.JSONReason(err))
	}
	if len(s.Cases) == 0 {
		return nil, fmt.Errorf("it has no cases")
	}
	for i := range s.Cases {
		c := &s.Cases[i]
		if c.Name == "" {
			c.Name = fmt.Sprintf("case %d", i+1)
		}
		if err := c.check(s.Calls); err != nil {
			return nil, fmt.Errorf("%s: %w", c.Name, err)
		}
	}
	return &s, nil
}

func (c *Case) check(shared []Fake) error {
	if c.Request.URL == "" {
		return fmt.Errorf("its request has no url")
	}
	for _, f := range slices.Concat(c.Calls, shared) {
		if f.Name != callFetch && f.Name != callSocket && f.Name != callURL && abi.Lookup(f.Name) == nil {
			return fmt.Errorf("calls: there is no operation %q; want one of abi/REFERENCE.md, fetch, wsOpen or wsURL (kv has its own key)", f.Name)
		}
		if f.Error != nil && !slices.Contains(abi.Codes(), f.Error.Code) {
			return fmt.Errorf("calls: %s: there is no error %q", f.Name, f.Error.Code)
		}
		if f.Error != nil && f.Answer != nil {
			return fmt.Errorf("calls: %s: has both an answer and an error", f.Name)
		}
	}
	return checkExpect(c.Expect)
}

// Prepare returns the case with what it takes from its suite.
func (s *Suite) Prepare(c Case) Case {
	if c.Time.IsZero() {
		c.Time = s.Time
	}
	if c.Grants == nil {
		c.Grants = s.Grants
	}
	if c.Preview == nil {
		c.Preview = s.Preview
	}
	c.Config = merged(s.Config, c.Config)
	c.Secrets = merged(s.Secrets, c.Secrets)
	c.KV = merged(s.KV, c.KV)
	c.Calls = slices.Concat(c.Calls, s.Calls)
	return c
}

func merged[V any](under, over map[string]V) map[string]V {
	all := maps.Clone(under)
	if all == nil {
		all = map[string]V{}
	}
	maps.Copy(all, over)
	return all
}

// Spec is the plugin as the case wants it: alone in its instance, so that a case
// does not depend on those before it.
func (c *Case) Spec(name string) plugins.Spec {
	spec := plugins.Spec{Name: name, Config: c.Config, Secrets: c.Secrets, Isolation: plugins.IsolationFresh}
	if g := c.Grants; g != nil {
		spec.Grants = &plugins.Grants{Sandboxes: g.Sandboxes, Operations: g.Operations, Fetch: g.Fetch}
		for _, p := range g.Ports {
			spec.Grants.Ports = append(spec.Grants.Ports, plugins.PortRange{First: p, Last: p})
		}
		if g.KV {
			spec.Grants.KV = name
		}
	}
	return spec
}

// request is the case's request as a plugin gets it.
func (q *CaseRequest) request() *abi.Request {
	r := Request{ID: "case", Method: q.Method, URL: q.URL, RemoteAddr: q.RemoteAddr, Body: q.Body, ContentLength: int64(len(q.Body))}
	if r.Method == "" {
		r.Method = "GET"
		if len(q.Body) > 0 {
			r.Method = "POST"
		}
	}
	if r.RemoteAddr == "" {
		r.RemoteAddr = "192.0.2.1:1024"
	}
	if !strings.Contains(r.URL, "://") {
		host := q.Host
		if host == "" {
			host = "localhost"
		}
		r.URL = "http://" + host + "/" + strings.TrimPrefix(r.URL, "/")
	}
	req, _ := r.request()
	if q.Host != "" {
		req.Host = q.Host
	}
	if _, given := (&abi.Request{Headers: q.Headers}).Header("Host"); !given {
		req.Headers = append(req.Headers, abi.Header{Name: "Host", Value: req.Host})
	}
	req.Headers = append(req.Headers, q.Headers...)
	if q.WebSocket { // RFC 6455, section 1.2
		req.Headers = append(req.Headers, abi.Header{Name: "Connection", Value: "Upgrade"}, abi.Header{Name: "Upgrade", Value: "websocket"},
			abi.Header{Name: "Sec-WebSocket-Version", Value: "13"}, abi.Header{Name: "Sec-WebSocket-Key", Value: "dGhlIHNhbXBsZSBub25jZQ=="})
	}
	return req
}

// CaseResult is how a case went.
type CaseResult struct {
	Name string `json:"name"`
	// Failures are what is other than expected: Was is what was expected.
	Failures []Difference `json:"failures,omitempty"`
	Verdict  abi.Verdict  `json:"verdict"`
	Fuel     uint64       `json:"fuel"`
	Calls    []Call       `json:"calls,omitempty"`
	Output   []string     `json:"output,omitempty"`
	// Actual is what Expect would have to say of the decision.
	Actual map[string]json.RawMessage `json:"-"`
}

// Try decides the case's request on the trial, which was opened for its Spec.
func (c *Case) Try(ctx context.Context, trial *plugins.Trial) CaseResult {
	fakes, store := newFakes(c), newStore(c.KV)
	fakes.script.store, fakes.script.granted = store, c.Grants != nil
	req := c.Request.request()
	if !c.Time.IsZero() {
		trial.At(c.Time)
	}
	d, e, err := trial.Decide(ctx, req, fakes.script.services())
	a := actual{outcome: outcomeOf(d, err, e.Verdict, req), fuel: e.Fuel, calls: fakes.script.made(), kv: store.all(), output: trial.Output()}
	if a.body == nil {
		if r, ok := d.(*abi.Respond); ok {
			a.body = r.Body
		}
	}
	failures := a.check(c.Expect)
	for _, call := range fakes.unknown {
		failures = append(failures, Difference{What: "call", Is: call + ", which no entry of calls answers"})
	}
	return CaseResult{Name: c.Name, Failures: failures, Verdict: e.Verdict, Fuel: e.Fuel, Calls: a.calls, Output: a.output, Actual: a.expectations(c.Expect)}
}

// fakes answers a case's host calls.
type fakes struct {
	script  *script
	list    []Fake
	used    []int
	unknown []string
}

func newFakes(c *Case) *fakes {
	f := &fakes{list: c.Calls, used: make([]int, len(c.Calls))}
	f.script = &script{answer: f.answer, preview: func() bool { return c.Preview != nil && *c.Preview }}
	return f
}

// answer is the script's: the first entry that fits answers.
func (f *fakes) answer(c *Call) (json.RawMessage, error) {
	for i := range f.list {
		if f.fits(i, c) {
			return f.take(i)
		}
	}
	f.unknown = append(f.unknown, c.key())
	return nil, abi.Errorf(abi.CodeInternal, "the test has no answer to %s", c.Name)
}

// fits tells whether an entry answers a call.
func (f *fakes) fits(i int, c *Call) bool {
	fake := &f.list[i]
	return sameOperation(fake.Name, c.Name) && (fake.Times == 0 || f.used[i] < fake.Times) && (fake.Match == nil || within(fake.Match, c.Request))
}

// take is an entry's answer.
func (f *fakes) take(i int) (json.RawMessage, error) {
	f.used[i]++
	fake := &f.list[i]
	if fake.Error == nil {
		return fake.Answer, nil
	}
	e := abi.Errorf(fake.Error.Code, "%s", fake.Error.Message)
	if e.Message == "" {
		e.Message = "made up for a test"
	}
	e.Details = fake.Error.Details
	return nil, e
}

// sameOperation tells whether two names are of the same operation.
func sameOperation(a, b string) bool {
	return a == b || abi.Lookup(a) != nil && abi.Lookup(a) == abi.Lookup(b)
}
