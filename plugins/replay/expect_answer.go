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
