package replay

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

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

func writeStream(a *actual) any {
	if a.verdict.Stream == nil {
		return nil
	}
	return a.verdict.Stream
}

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
