package host

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"

	"edge/abi"
	"edge/bridge"
)

// explainHeader asks for the explanation of a request, with the admin API's token
// as its value, and holds it in the answer: a JSON array with one abi.Explanation
// for each plugin that was asked. The gate takes it out of every request.
const explainHeader = "X-Edge-Explain"

// maxExplained bounds the header's value, in bytes: some clients read no head that
// is larger.
const maxExplained = 8 << 10

// The verdicts of requests that no plugin was asked about.
const (
	verdictEdge    = "edge"
	verdictPreview = "preview"
)

// told is what the client of one request is told of how it was decided.
type told struct{ explanations []abi.Explanation }

func (t *told) add(e abi.Explanation) { t.explanations = append(t.explanations, e) }

// mayBeTold returns where to note the explanation of a request with that value in
// the header, or nil: it is not the token, or there is none.
func (s *Server) mayBeTold(value string) *told {
	if value == "" || s.ExplainToken == nil {
		return nil
	}
	token := s.ExplainToken()
	// Digests, because the comparison tells lengths apart.
	want, got := sha256.Sum256([]byte(token)), sha256.Sum256([]byte(value))
	if token == "" || subtle.ConstantTimeCompare(want[:], got[:]) != 1 {
		return nil
	}
	return &told{}
}

// tellPreview notes that a request is for a preview, about which no plugin is asked.
func (x *exchange) tellPreview(p preview) {
	if x.told == nil {
		return
	}
	v := abi.Verdict{Decision: verdictPreview}
	if e, ok := x.s.exposure(p); ok {
		v.Sandbox, v.Port, v.Policy, v.Wake = &e.Ref, e.Port, &e.Policy, e.Wake
	}
	x.told.add(abi.Explanation{Verdict: v})
}

// header returns the header's value.
func (t *told) header() string {
	if len(t.explanations) == 0 {
		t.add(abi.Explanation{Verdict: abi.Verdict{Decision: verdictEdge}})
	}
	for _, shorten := range []func(*abi.Explanation){nil, withoutContent, withoutCalls, verdictAlone} {
		for i := range t.explanations {
			if shorten != nil {
				shorten(&t.explanations[i])
			}
		}
		text, err := json.Marshal(t.explanations)
		if err != nil {
			break // details that are no JSON
		}
		if value := asciiJSON(text); len(value) <= maxExplained {
			return value
		}
	}
	return "[]"
}

// withoutContent leaves out of a verdict what may be long in it.
func withoutContent(e *abi.Explanation) {
	e.Verdict.Headers = nil
	if p := e.Verdict.Plan; p != nil {
		short := *p
		short.Files, short.Fallback = nil, nil
		e.Verdict.Plan = &short
	}
	if v := e.Verdict.Error; v != nil {
		short := *v
		short.Details = nil
		e.Verdict.Error = &short
	}
}

// withoutCalls leaves out the calls, but for their number.
func withoutCalls(e *abi.Explanation) { e.More, e.Calls = e.More+len(e.Calls), nil }

// verdictAlone leaves out all but what was decided, by whom.
func verdictAlone(e *abi.Explanation) {
	*e = abi.Explanation{Plugin: e.Plugin, Generation: e.Generation, Verdict: abi.Verdict{Decision: e.Verdict.Decision, Status: e.Verdict.Status}}
}

// asciiJSON is JSON in which every other character is escaped (RFC 8259, section
// 7), as a header's value has to be.
func asciiJSON(text []byte) string {
	out := make([]byte, 0, len(text))
	for _, r := range string(text) {
		switch {
		case r < 0x7f:
			out = append(out, byte(r))
		case r < 0x10000:
			out = appendEscape(out, uint16(r))
		default:
			r -= 0x10000
			out = appendEscape(out, 0xd800|uint16(r>>10))
			out = appendEscape(out, 0xdc00|uint16(r&0x3ff))
		}
	}
	return string(out)
}

func appendEscape(dst []byte, unit uint16) []byte {
	const digits = "0123456789abcdef"
	return append(dst, '\\', 'u', digits[unit>>12], digits[unit>>8&15], digits[unit>>4&15], digits[unit&15])
}

// showAnswer puts the explanation into an answer of the edge's own.
func (x *exchange) showAnswer() {
	if x.told != nil && !x.relayed {
		x.rc.Response.Header.Set(explainHeader, x.told.header())
	}
}

// showRelayed has the answer of a sandbox's server edited, if there is anything to.
func (x *exchange) showRelayed(h *bridge.Head) {
	if x.told != nil || x.target.visit != nil {
		h.Answer = x
	}
}
