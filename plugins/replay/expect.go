package replay

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"edge/abi"
)

// maxGolden bounds a body that is written into a file of cases, in bytes.
const maxGolden = 4 << 10

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

// checkHeaders wants each header with its value; null wants none of that name.
func checkHeaders(what string, get func(a *actual) Headers) func(a *actual, want json.RawMessage) []Difference {
	return func(a *actual, want json.RawMessage) []Difference {
		list, err := readHeaderWants(want)
		if err != nil {
			return []Difference{{what, string(want), err.Error()}}
		}
		var found differences
		hs := abi.Request{Headers: get(a)}
		for _, name := range slices.Sorted(maps.Keys(list)) {
			value, has := hs.Header(name)
			switch wanted := list[name]; {
			case wanted == nil && has:
				found.text(what+" "+name, "none", value)
			case wanted != nil && (!has || !slices.Contains(hs.HeaderValues(name), *wanted)):
				found.text(what+" "+name, *wanted, value)
			}
		}
		return found
	}
}

// readHeaderWants reads names with values; nil is none of that name.
func readHeaderWants(text json.RawMessage) (map[string]*string, error) {
	var list map[string]any
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&list); err != nil {
		return nil, fmt.Errorf("want an object of names and values")
	}
	wants := map[string]*string{}
	for name, v := range list {
		switch v := v.(type) {
		case nil:
			wants[name] = nil
		case string, json.Number, bool:
			wants[name] = new(fmt.Sprint(v))
		default:
			return nil, fmt.Errorf("the value of %s is neither a text nor null", name)
		}
	}
	return wants, nil
}

func writeHeaders(a *actual) any {
	if len(a.verdict.Headers) == 0 {
		return nil
	}
	list := map[string]string{}
	for _, h := range a.verdict.Headers {
		if _, twice := list[h[0]]; !twice {
			list[h[0]] = h[1]
		}
	}
	return list
}

// bodyWant is what is wanted of a body: all of it, or one of the others.
type bodyWant struct {
	Equals   *Text           `json:"equals,omitempty"`
	Contains string          `json:"contains,omitempty"`
	Matches  string          `json:"matches,omitempty"` // RE2
	JSON     json.RawMessage `json:"json,omitempty"`    // a part of it
	SHA256   string          `json:"sha256,omitempty"`
}

func readBodyWant(text json.RawMessage) (bodyWant, error) {
	var w bodyWant
	if len(text) > 0 && text[0] == '"' {
		w.Equals = new(Text)
		return w, json.Unmarshal(text, w.Equals)
	}
	if err := strict(text, &w); err != nil {
		return w, err
	}
	_, err := regexp.Compile(w.Matches)
	return w, err
}

func checkBody(a *actual, want json.RawMessage) []Difference {
	w, err := readBodyWant(want)
	if err != nil {
		return []Difference{{"body", string(want), err.Error()}}
	}
	is := string(a.body)
	switch {
	case w.Equals != nil && !bytes.Equal(*w.Equals, a.body):
		return []Difference{{"body", string(*w.Equals), is}}
	case !strings.Contains(is, w.Contains):
		return []Difference{{"body", "contains " + strconv.Quote(w.Contains), is}}
	case w.JSON != nil && !within(w.JSON, json.RawMessage(a.body)):
		return []Difference{{"body", canonical(w.JSON), canonical(a.body)}}
	case w.SHA256 != "" && w.SHA256 != a.verdict.BodySHA256:
		return []Difference{{"body", "sha256 " + w.SHA256, "sha256 " + a.verdict.BodySHA256}}
	case w.Matches != "" && !regexp.MustCompile(w.Matches).MatchString(is):
		return []Difference{{"body", "matches " + w.Matches, is}}
	}
	return nil
}

func writeBody(a *actual) any {
	switch {
	case len(a.body) == 0:
		return nil
	case len(a.body) > maxGolden:
		return bodyWant{SHA256: a.verdict.BodySHA256}
	case a.body.opcode() == 1:
		return a.body
	}
	return bodyWant{Equals: &a.body}
}

// checkSandbox wants "Binding/id", or a part of the reference.
func checkSandbox(a *actual, want json.RawMessage) []Difference {
	is, _ := marshal(a.verdict.Sandbox)
	name := sandboxName(a)
	if canonicalText(want) == name || within(want, is) {
		return nil
	}
	return []Difference{{"sandbox", canonicalText(want), name}}
}

func sandboxName(a *actual) string {
	ref := a.verdict.Sandbox
	if ref == nil && a.verdict.Plan != nil {
		ref = &a.verdict.Plan.Sandbox
	}
	if ref == nil || ref.Binding == "" {
		return ""
	}
	return ref.Binding + "/" + ref.ID
}

func writeSandbox(a *actual) any { return nonzero(sandboxName(a)) }

func writePolicy(a *actual) any {
	if a.verdict.Policy == nil || a.verdict.Policy.IsZero() {
		return nil
	}
	return a.verdict.Policy
}

func writePlan(a *actual) any {
	if a.verdict.Plan == nil {
		return nil
	}
	return a.verdict.Plan
}

// checkError wants a code, or a part of the error.
func checkError(a *actual, want json.RawMessage) []Difference {
	is, _ := marshal(a.verdict.Error)
	code := ""
	if a.verdict.Error != nil {
		code = string(a.verdict.Error.Code)
	}
	if canonicalText(want) == code || within(want, is) {
		return nil
	}
	return []Difference{{"error", canonicalText(want), canonicalText(is)}}
}

func writeError(a *actual) any {
	if a.verdict.Error == nil {
		return nil
	}
	return a.verdict.Error.Code
}

// requestWant is what is wanted of the request that goes on.
type requestWant struct {
	Method  string          `json:"method,omitempty"`
	URL     string          `json:"url,omitempty"` // or the path with its query
	Headers json.RawMessage `json:"headers,omitempty"`
}

func checkRequest(a *actual, want json.RawMessage) []Difference {
	var w requestWant
	if err := strict(want, &w); err != nil {
		return []Difference{{"request", string(want), err.Error()}}
	}
	if a.request == nil {
		return []Difference{{"request", "goes on", "does not: the decision is " + a.verdict.Decision}}
	}
	var found differences
	if w.Method != "" {
		found.text("request's method", w.Method, a.request.Method)
	}
	if w.URL != "" && w.URL != a.request.URL {
		is, _ := a.request.request()
		found.text("request's URL", w.URL, is.Target())
	}
	if w.Headers != nil {
		found = append(found, checkHeaders("request's header", func(a *actual) Headers { return a.request.Headers })(a, w.Headers)...)
	}
	return found
}

// madeWant is a call that is wanted: its name, or with a part of its request.
type madeWant struct {
	Name  string          `json:"name"`
	Match json.RawMessage `json:"match,omitempty"`
}

func readMadeWant(text json.RawMessage) ([]madeWant, error) {
	var items []json.RawMessage
	if err := json.Unmarshal(text, &items); err != nil {
		return nil, err
	}
	list := make([]madeWant, len(items))
	for i, item := range items {
		if item[0] == '"' {
			if err := json.Unmarshal(item, &list[i].Name); err != nil {
				return nil, err
			}
		} else if err := strict(item, &list[i]); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func (w madeWant) String() string {
	if w.Match == nil {
		return w.Name
	}
	return w.Name + " " + canonical(w.Match)
}

// checkMade wants calls in that order; others may be between them. An empty list
// wants no call at all.
func checkMade(a *actual, want json.RawMessage) []Difference {
	list, err := readMadeWant(want)
	if err != nil {
		return []Difference{{"calls", string(want), err.Error()}}
	}
	var made []Call
	for _, c := range a.calls {
		if c.Name != callPreview {
			made = append(made, c)
		}
	}
	if len(list) == 0 && len(made) > 0 {
		return []Difference{{"calls", "none", strings.Join(keys(made), ", ")}}
	}
	for _, w := range list {
		i := slices.IndexFunc(made, func(c Call) bool {
			return sameOperation(w.Name, c.Name) && (w.Match == nil || within(w.Match, c.Request))
		})
		if i < 0 {
			is := strings.Join(keys(a.calls), ", ")
			if is == "" {
				is = "none"
			}
			return []Difference{{"calls", w.String(), is}}
		}
		made = made[i+1:]
	}
	return nil
}

func writeMade(a *actual) any {
	list := []string{}
	for _, c := range a.calls {
		if c.Name != callPreview {
			list = append(list, c.Name)
		}
	}
	return list
}

func readList(text json.RawMessage) ([]string, error) {
	var one string
	if json.Unmarshal(text, &one) == nil {
		return []string{one}, nil
	}
	var list []string
	return list, json.Unmarshal(text, &list)
}

// checkOutput wants texts that stand in lines of the output.
func checkOutput(a *actual, want json.RawMessage) []Difference {
	list, err := readList(want)
	if err != nil {
		return []Difference{{"output", string(want), err.Error()}}
	}
	var found []Difference
	for _, text := range list {
		if !slices.ContainsFunc(a.output, func(line string) bool { return strings.Contains(line, text) }) {
			found = append(found, Difference{"output", text, strings.Join(a.output, " | ")})
		}
	}
	return found
}

// fuelWant is what is wanted of the fuel.
type fuelWant struct {
	Max uint64 `json:"max"`
}

func checkFuel(a *actual, want json.RawMessage) []Difference {
	var w fuelWant
	if err := strict(want, &w); err != nil || a.fuel <= w.Max {
		return nil
	}
	return []Difference{{"fuel", fmt.Sprintf("at most %d", w.Max), strconv.FormatUint(a.fuel, 10)}}
}

// ExpectKeys are the keys of Case.Expect, in the order in which they are written.
func ExpectKeys() []string {
	var keys []string
	for _, e := range expectations() {
		keys = append(keys, e.key)
	}
	return keys
}
