package replay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"edge/abi"
	"edge/plugins"
)

// Run decides the requests of a recording again.
type Run struct {
	// Plugin is whose requests are decided; those of others are passed over. Empty
	// is that of the first line, and a request of another one is an error.
	Plugin string
	// Open opens the trial that decides what was recorded under the settings. Run
	// closes it.
	Open func(ctx context.Context, s Settings) (*plugins.Trial, error)
	// Most bounds the requests; 0 is all of them.
	Most int
	// Report is told of each request; nil: nobody is.
	Report func(Result)
}

// Result is how one recorded request is decided now.
type Result struct {
	Line    int    `json:"line"` // of the file
	Request string `json:"request"`
	// Differences are how the decision and the calls differ from what was recorded.
	Differences []Difference `json:"differences,omitempty"`
	// Incomparable is why the two cannot be compared, if they cannot.
	Incomparable string      `json:"incomparable,omitempty"`
	Verdict      abi.Verdict `json:"verdict"` // now
	// FuelWas and Fuel are what the guest executed then and now.
	FuelWas uint64 `json:"fuelWas,omitempty"`
	Fuel    uint64 `json:"fuel,omitempty"`
	// Output is what the guest logged now.
	Output []string `json:"output,omitempty"`
}

// Summary counts a Run's results.
type Summary struct {
	Plugin       string         `json:"plugin"`
	Same         int            `json:"same"`
	Different    int            `json:"different"`
	Incomparable map[string]int `json:"incomparable,omitempty"` // requests by why
	Dropped      int            `json:"dropped,omitempty"`      // requests that were not recorded
	Unreadable   int            `json:"unreadable,omitempty"`   // lines
	// FuelWas and Fuel are those of the requests that are the same.
	FuelWas uint64 `json:"fuelWas,omitempty"`
	Fuel    uint64 `json:"fuel,omitempty"`
	// First is the first result that differs.
	First *Result `json:"-"`
}

// Requests is how many requests were looked at.
func (s *Summary) Requests() int { return s.Same + s.Different + s.incomparable() }

func (s *Summary) incomparable() (n int) {
	for _, k := range s.Incomparable {
		n += k
	}
	return n
}

// String is "120 requests: 117 same, 2 different, 1 not comparable (why)".
func (s *Summary) String() string {
	noun := "requests"
	if s.Requests() == 1 {
		noun = "request"
	}
	text := fmt.Sprintf("%d %s: %d same, %d different", s.Requests(), noun, s.Same, s.Different)
	if n := s.incomparable(); n > 0 {
		var why []string
		for _, reason := range slices.Sorted(maps.Keys(s.Incomparable)) {
			why = append(why, fmt.Sprintf("%d because %s", s.Incomparable[reason], reason))
		}
		text += fmt.Sprintf(", %d not comparable (%s)", n, strings.Join(why, "; "))
	}
	if s.Dropped > 0 {
		text += fmt.Sprintf("; %d were not recorded", s.Dropped)
	}
	if s.Unreadable > 0 {
		text += fmt.Sprintf("; %d lines cannot be read", s.Unreadable)
	}
	return text
}

func (s *Summary) count(r *Result) {
	switch {
	case r.Incomparable != "":
		if s.Incomparable == nil {
			s.Incomparable = map[string]int{}
		}
		s.Incomparable[r.Incomparable]++
	case len(r.Differences) > 0:
		s.Different++
		if s.First == nil {
			s.First = r
		}
	default:
		s.Same++
		s.FuelWas += r.FuelWas
		s.Fuel += r.Fuel
	}
}

// Do decides the recording's requests, one after the other. The error is the
// file's, Open's or ctx's; differences are none.
func (run Run) Do(ctx context.Context, from io.Reader) (Summary, error) {
	s := Summary{Plugin: run.Plugin}
	var trial *plugins.Trial
	defer func() {
		if trial != nil {
			trial.Close()
		}
	}()
	r := NewReader(from)
	for run.Most == 0 || s.Requests() < run.Most {
		l, err := r.Next()
		var bad errLine
		switch {
		case errors.Is(err, io.EOF):
			return s, nil
		case errors.As(err, &bad):
			s.Unreadable++
			continue
		case err != nil:
			return s, err
		}
		s.Dropped += l.Dropped
		if mine, err := run.mine(&s, l, r.Number()); err != nil {
			return s, err
		} else if !mine {
			continue
		}
		if l.Settings != nil || trial == nil {
			if trial != nil {
				trial.Close()
				trial = nil
			}
			settings := Settings{}
			if l.Settings != nil {
				settings = *l.Settings
			}
			if trial, err = run.Open(ctx, settings); err != nil {
				return s, err
			}
		}
		if l.Request == nil {
			continue
		}
		result := decide(ctx, trial, l)
		if ctx.Err() != nil {
			return s, context.Cause(ctx)
		}
		result.Line = r.Number()
		s.count(&result)
		if run.Report != nil {
			run.Report(result)
		}
	}
	return s, nil
}

// mine tells whether a line is of the plugin whose requests are decided.
func (run Run) mine(s *Summary, l *Line, number int) (bool, error) {
	switch {
	case l.Plugin == "":
		return false, nil
	case s.Plugin == "":
		s.Plugin = l.Plugin
	case s.Plugin != l.Plugin && run.Plugin == "":
		return false, fmt.Errorf("line %d is of the plugin %q, and lines before are of %q: name one of them", number, l.Plugin, s.Plugin)
	}
	return s.Plugin == l.Plugin, nil
}

// decide has the trial decide the request of a line and compares.
func decide(ctx context.Context, trial *plugins.Trial, l *Line) Result {
	result := Result{Request: l.Request.Method + " " + l.Request.URL + l.Request.Path}
	if l.Explanation == nil {
		result.Incomparable = "the line has no decision"
		return result
	}
	result.FuelWas = l.Explanation.Fuel
	if why := l.undecided(); why != "" {
		result.Incomparable = why
		return result
	}
	replies := newReplies(l)
	req, body := l.Request.request()
	trial.At(l.Time)
	d, e, err := trial.Decide(ctx, req, replies.script.services())
	result.Verdict, result.Fuel, result.Output = e.Verdict, e.Fuel, trial.Output()
	is := outcomeOf(d, err, e.Verdict, req)
	was := outcome{verdict: l.Explanation.Verdict, body: l.Body, whole: l.hasBody(), request: l.Edited}
	if was.request == nil {
		was.request = l.Request
	}
	var found differences = was.compare(is)
	found.calls(l.Calls, replies.script.made(), !trial.Async())
	result.Differences = found
	result.Incomparable = replies.script.short
	if body.short {
		result.Incomparable = "it reads more of the request's body than was recorded"
	}
	return result
}

// undecided is why the line's decision was none of the plugin's, or empty.
func (l *Line) undecided() string {
	if l.Undecided == "" {
		return ""
	}
	return "it was not decided then (" + string(l.Undecided) + ")"
}

// hasBody tells whether the answer's body was kept.
func (l *Line) hasBody() bool {
	v := l.Explanation.Verdict
	return v.Decision == "respond" && !v.Streamed && (len(l.Body) > 0 || v.BodyBytes == 0)
}

// outcomeOf is what a trial decided.
func outcomeOf(d abi.Decision, err error, v abi.Verdict, req *abi.Request) outcome {
	o := outcome{verdict: v}
	switch d := d.(type) {
	case *abi.Respond:
		o.body, o.whole = d.Body, err == nil && !v.Streamed
	case *abi.Next, *abi.Proxy, *abi.Connect, *abi.Plan:
		o.request = requestOf(req)
	}
	return o
}

// replies answers a request's calls as they were answered before: each recorded
// call once, and the first that is the same.
type replies struct {
	script *script
	left   []Call
	more   bool
}

func newReplies(l *Line) *replies {
	r := &replies{left: slices.Clone(l.Calls), more: l.More > 0}
	r.script = &script{answer: r.answer}
	return r
}

// errUnrecorded answers a call that the recorded plugin did not make.
var errUnrecorded = abi.Errorf(abi.CodeInternal, "the recording has no answer to this call")

// answer is the script's.
func (r *replies) answer(c *Call) (json.RawMessage, error) {
	key := c.key()
	i := slices.IndexFunc(r.left, func(recorded Call) bool { return recorded.key() == key })
	if i < 0 {
		i = slices.IndexFunc(r.left, func(recorded Call) bool { return alike(recorded.key(), key) })
	}
	if i >= 0 {
		recorded := r.left[i]
		r.left = slices.Delete(r.left, i, i+1)
		switch {
		case recorded.Missing != "" && recorded.Error == nil:
			r.script.lacks(recorded.Missing)
			return nil, errUnrecorded
		case recorded.Error != nil:
			return nil, recorded.Error
		}
		return recorded.Answer, nil
	}
	if r.more {
		r.script.lacks(fmt.Sprintf("more than %d calls of it were not recorded", maxCalls))
	}
	return nil, errUnrecorded
}
