package replay

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"edge/abi"
)

// actual is what became of a case.
type actual struct {
	outcome
	fuel   uint64
	calls  []Call
	kv     map[string]Text
	output []string
}

// expectation is one key of Case.Expect.
type expectation struct {
	key string
	// check tells how the case is other than wanted; nil if it is not.
	check func(a *actual, want json.RawMessage) []Difference
	// write returns what would be expected of what came out; nil if nothing is to
	// be said.
	write func(a *actual) any
}

// expectations are the keys of Case.Expect, in the order in which they are written.
func expectations() []expectation {
	return []expectation{
		{"decision", plain("decision", func(a *actual) any { return a.verdict.Decision }), func(a *actual) any { return a.verdict.Decision }},
		{"status", plain("status", func(a *actual) any { return a.verdict.Status }), func(a *actual) any { return nonzero(a.verdict.Status) }},
		{"headers", checkHeaders("header", func(a *actual) Headers { return pairs(a.verdict.Headers) }), writeHeaders},
		{"body", checkBody, writeBody},
		{"sandbox", checkSandbox, writeSandbox},
		{"port", plain("port", func(a *actual) any { return a.verdict.Port }), func(a *actual) any { return nonzero(a.verdict.Port) }},
		{"stream", plain("stream", func(a *actual) any { return a.verdict.Stream }), writeStream},
		{"policy", plain("policy", func(a *actual) any { return a.verdict.Policy }), writePolicy},
		{"wake", plain("wake", func(a *actual) any { return a.verdict.Wake }), func(a *actual) any { return nonzero(a.verdict.Wake) }},
		{"plan", plain("plan", func(a *actual) any { return a.verdict.Plan }), writePlan},
		{"error", checkError, writeError},
		{"request", checkRequest, nil},
		{"calls", checkMade, writeMade},
		{"kv", plain("kv", func(a *actual) any { return a.kv }), nil},
		{"output", checkOutput, nil},
		{"fuel", checkFuel, nil},
	}
}

// checkExpect refuses keys that there are not, and values that can never be met.
func checkExpect(expect map[string]json.RawMessage) error {
	var known []string
	for _, e := range expectations() {
		known = append(known, e.key)
	}
	for _, key := range slices.Sorted(maps.Keys(expect)) {
		if !slices.Contains(known, key) {
			return fmt.Errorf("expect: there is no key %q; want one of %s", key, strings.Join(known, ", "))
		}
		var err error
		switch value := expect[key]; key {
		case "body":
			_, err = readBodyWant(value)
		case "fuel":
			err = strict(value, new(fuelWant))
		case "headers":
			_, err = readHeaderWants(value)
		case "calls":
			_, err = readMadeWant(value)
		case "output":
			_, err = readList(value)
		case "request":
			err = strict(value, new(requestWant))
		}
		if err != nil {
			return fmt.Errorf("expect: %s: %s", key, abi.JSONReason(err))
		}
	}
	return nil
}

// check tells how what came out differs from what was expected.
func (a *actual) check(expect map[string]json.RawMessage) []Difference {
	var found []Difference
	for _, e := range expectations() {
		if want, given := expect[e.key]; given {
			found = append(found, e.check(a, want)...)
		}
	}
	return found
}

// expectations is what Expect would have to be: as it is, but for what did not hold;
// or, where nothing was expected, all that can be said of the decision.
func (a *actual) expectations(expect map[string]json.RawMessage) map[string]json.RawMessage {
	out := map[string]json.RawMessage{}
	for _, e := range expectations() {
		want, given := expect[e.key]
		switch {
		case given && len(e.check(a, want)) == 0:
			out[e.key] = want
			continue
		case !given && len(expect) > 0:
			continue
		}
		value := a.write(e, given)
		if value == nil {
			continue
		}
		if text, err := marshal(value); err == nil {
			out[e.key] = text
		}
	}
	return out
}

// write is what one key would have to say.
func (a *actual) write(e expectation, given bool) any {
	switch {
	case e.write != nil:
		return e.write(a)
	case !given:
		return nil
	case e.key == "kv":
		return a.kv
	case e.key == "output":
		return a.output
	case e.key == "fuel":
		return fuelWant{Max: a.fuel + a.fuel/10}
	case e.key == "request" && a.request != nil:
		return requestWant{Method: a.request.Method, URL: a.request.URL}
	}
	return nil
}

// plain is a key whose value is a part of what came out.
func plain(what string, get func(a *actual) any) func(a *actual, want json.RawMessage) []Difference {
	return func(a *actual, want json.RawMessage) []Difference {
		is, err := marshal(get(a))
		if err != nil || within(want, is) {
			return nil
		}
		return []Difference{{what, canonicalText(want), canonicalText(is)}}
	}
}

// canonicalText is a JSON text for people: a string without its quotes.
func canonicalText(text json.RawMessage) string {
	var s string
	if json.Unmarshal(text, &s) == nil {
		return s
	}
	if t := string(text); t == "0" || t == "null" || t == "{}" {
		return ""
	}
	return canonical(text)
}

// within tells whether part is a part of whole: each field of an object, each
// element of a list of the same length, and anything else alike.
func within(part, whole json.RawMessage) bool {
	p, ok := decoded(part)
	w, ok2 := decoded(whole)
	return ok && ok2 && contains(w, p)
}

func decoded(text json.RawMessage) (v any, ok bool) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	return v, d.Decode(&v) == nil
}

func contains(whole, part any) bool {
	switch part := part.(type) {
	case map[string]any:
		w, ok := whole.(map[string]any)
		if !ok {
			return false
		}
		for key, value := range part {
			if got, has := w[key]; !has && value != nil || !contains(got, value) {
				return false
			}
		}
		return true
	case []any:
		w, ok := whole.([]any)
		return ok && slices.EqualFunc(w, part, contains)
	case json.Number:
		w, ok := whole.(json.Number)
		return ok && sameNumber(w, part)
	}
	return whole == part
}

func sameNumber(a, b json.Number) bool {
	x, err := strconv.ParseFloat(string(a), 64)
	y, err2 := strconv.ParseFloat(string(b), 64)
	return a == b || err == nil && err2 == nil && x == y
}

func nonzero[T comparable](v T) any {
	var zero T
	if v == zero {
		return nil
	}
	return v
}

// ExpectKeys are the keys of Case.Expect, in the order in which they are written.
func ExpectKeys() []string {
	var keys []string
	for _, e := range expectations() {
		keys = append(keys, e.key)
	}
	return keys
}
