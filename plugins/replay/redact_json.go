package replay

import (
	"encoding/json"
	"slices"

	"edge/abi"
)

// json replaces what is confidential within JSON, by the names of its fields too.
// Everything else stays as it is, to the byte: a plugin may answer with what it was
// answered. What is no JSON is treated as a text.
func (r *redactor) json(text json.RawMessage) json.RawMessage {
	switch {
	case r == nil || len(text) == 0:
		return text
	case !json.Valid(text):
		return json.RawMessage(r.text(string(text)))
	}
	w := jsonWalk{redactor: r, in: text}
	for w.at < len(w.in) {
		w.step()
	}
	return w.out
}

// jsonWalk goes through a valid JSON text once.
type jsonWalk struct {
	redactor *redactor
	in, out  []byte
	at       int
	open     []jsonPlace // the objects and arrays around at
	key      bool        // the next string is a field's name
	name     string      // of the field whose value comes
}

// jsonPlace is an object or an array, and the name of the field that it is in.
type jsonPlace struct {
	object bool
	name   string
}

// step copies the next token, or what stands in its place.
func (w *jsonWalk) step() {
	c := w.in[w.at]
	switch c {
	case '"':
		w.text()
		return
	case '[':
		if w.header() {
			return
		}
		w.open = append(w.open, jsonPlace{false, w.name})
	case '{':
		w.open = append(w.open, jsonPlace{true, w.name})
		w.key = true
	case '}', ']':
		w.name = w.open[len(w.open)-1].name
		w.open = w.open[:len(w.open)-1]
		w.key = false
	case ',':
		w.key = len(w.open) > 0 && w.open[len(w.open)-1].object
	}
	w.out = append(w.out, c)
	w.at++
}

// text copies a string, or what stands for it.
func (w *jsonWalk) text() {
	raw, s := w.stringAt(w.at)
	w.at += len(raw)
	switch {
	case w.key:
		w.name, w.key = s, false
		w.out = append(w.out, raw...)
		return
	case w.name != "" && isConfidential(w.name):
		w.put(raw, s, w.redactor.placeholder(s))
		return
	}
	w.put(raw, s, w.redactor.text(s))
}

// put writes a string as it was, unless it changed.
func (w *jsonWalk) put(raw []byte, was, is string) {
	if was == is {
		w.out = append(w.out, raw...)
		return
	}
	text, _ := marshal(is) // a string is always JSON
	w.out = append(w.out, text...)
}

// header copies an array of two strings of which the first may be a header's name,
// and is false if there is none at at.
func (w *jsonWalk) header() bool {
	at := w.blank(w.at + 1)
	if w.in[at] != '"' {
		return false
	}
	rawName, name := w.stringAt(at)
	comma := w.blank(at + len(rawName))
	if w.in[comma] != ',' {
		return false
	}
	value := w.blank(comma + 1)
	if w.in[value] != '"' {
		return false
	}
	rawValue, s := w.stringAt(value)
	end := w.blank(value + len(rawValue))
	if w.in[end] != ']' || !abi.ValidToken(name) {
		return false
	}
	w.out = append(w.out, w.in[w.at:value]...)
	w.put(rawValue, s, w.redactor.header(abi.Header{Name: name, Value: s}).Value)
	w.out = append(w.out, w.in[value+len(rawValue):end+1]...)
	w.at = end + 1
	return true
}

// blank skips white space.
func (w *jsonWalk) blank(at int) int {
	for slices.Contains([]byte(" \t\r\n"), w.in[at]) {
		at++
	}
	return at
}

// stringAt returns the string that begins at at, as it stands there and decoded.
func (w *jsonWalk) stringAt(at int) (raw []byte, s string) {
	end := at + 1
	for w.in[end] != '"' {
		if w.in[end] == '\\' {
			end++
		}
		end++
	}
	raw = w.in[at : end+1]
	_ = json.Unmarshal(raw, &s) // it is valid
	return raw, s
}
