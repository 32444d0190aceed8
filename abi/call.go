package abi

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
)

// OperationCall is the envelope around every operation's JSON: the request's
// own fields stand beside "sandbox".
type OperationCall struct {
	Sandbox SandboxRef `json:"sandbox"`
}

// SplitCall reads an operation's JSON: whom it addresses, and the request of
// the row r. A field that the row does not have is INVALID_REQUEST.
func SplitCall(r Row, body []byte) (SandboxRef, any, error) {
	if ref, req, ok := splitPlain(r, body); ok {
		return ref, req, nil
	}
	return splitAny(r, body)
}

// splitAny is SplitCall by the book.
func splitAny(r Row, body []byte) (SandboxRef, any, error) {
	var call OperationCall
	fields := map[string]json.RawMessage{}
	if err := json.Unmarshal(body, &fields); err != nil {
		return SandboxRef{}, nil, Errorf(CodeInvalidRequest, "%s: the request is not a JSON object: %s", r.Name(), JSONReason(err))
	}
	if err := strictJSON(fields["sandbox"], &call.Sandbox); err != nil {
		return SandboxRef{}, nil, Errorf(CodeInvalidRequest, "%s: sandbox: %s", r.Name(), JSONReason(err))
	}
	delete(fields, "sandbox")
	rest, err := json.Marshal(fields)
	if err != nil {
		return SandboxRef{}, nil, Errorf(CodeInvalidRequest, "%s: %v", r.Name(), err)
	}
	req := r.NewRequest()
	if err := strictJSON(rest, req); err != nil {
		return SandboxRef{}, nil, misfit(r, req, fields, err)
	}
	return call.Sandbox, req, nil
}

// misfit is the error of fields that are not the request's; it names those that
// are where one that was given is unknown.
func misfit(r Row, req any, given map[string]json.RawMessage, err error) *Error {
	text := JSONReason(err)
	e := Errorf(CodeInvalidRequest, "%s: %s", r.Name(), text)
	quoted, unknown := strings.CutPrefix(text, "unknown field ")
	if !unknown {
		return e
	}
	if name, err := strconv.Unquote(quoted); err == nil && given[name] == nil {
		return e.WithSuggestion("it stands inside of another field; abi/REFERENCE.md has the fields of each type")
	}
	names := fieldNames(reflect.TypeOf(req))
	if len(names) == 0 {
		return e.WithSuggestion("%s has no fields", r.Name())
	}
	return e.WithSuggestion("the fields of %s are %s", r.Name(), strings.Join(names, ", "))
}

// splitPlain is SplitCall for what programs write: an object without repeated fields.
// It cuts "sandbox" out of the text instead of writing the rest anew. False says
// nothing of the text; SplitCall then reads it the long way, and says what is wrong.
func splitPlain(r Row, body []byte) (ref SandboxRef, req any, ok bool) {
	sandbox, rest, ok := cutField(body, "sandbox")
	if !ok || !readRef(sandbox, &ref) {
		return SandboxRef{}, nil, false
	}
	req = r.NewRequest()
	if strictJSON(rest, req) != nil {
		return SandboxRef{}, nil, false
	}
	return ref, req, true
}

// readRef reads whom a call addresses: most say binding and id and no more.
func readRef(text []byte, ref *SandboxRef) bool {
	plain := fields(text, func(key, value []byte, _, _ int) bool {
		switch {
		case len(value) < 2 || value[0] != '"' || bytes.IndexByte(value, '\\') >= 0:
			return false
		case string(key) == "binding":
			ref.Binding = string(value[1 : len(value)-1])
		case string(key) == "id":
			ref.ID = string(value[1 : len(value)-1])
		default:
			return false
		}
		for _, c := range value {
			if c < ' ' || c >= 0x7f {
				return false
			}
		}
		return true
	})
	if plain {
		return true
	}
	*ref = SandboxRef{}
	return strictJSON(text, ref) == nil
}

// maxPlain bounds the fields of an object that cutField looks at.
const maxPlain = 32

// cutField returns the value of a field of an object, and the object without that
// field. It is false if there is no such field, if two of them have the same name but
// for their case, or if the text is not what it seems; what the values are is not
// looked at.
func cutField(object []byte, name string) (value, rest []byte, ok bool) {
	var keys [maxPlain][]byte
	n, from, to := 0, -1, 0
	ok = fields(object, func(key, v []byte, start, end int) bool {
		if n == maxPlain {
			return false
		}
		for _, other := range keys[:n] {
			if bytes.EqualFold(other, key) {
				return false
			}
		}
		keys[n] = key
		n++
		if string(key) == name {
			value, from, to = v, start, end
		}
		return true
	})
	if !ok || from < 0 {
		return nil, nil, false
	}
	rest = make([]byte, 0, len(object))
	head, tail := object[:from], object[to:]
	if next := bytes.TrimLeft(tail, " \t\r\n"); next[0] == ',' { // a closing brace is there at least
		tail = next[1:]
	} else if i := bytes.LastIndexByte(head, ','); i >= 0 && len(bytes.TrimLeft(head[i+1:], " \t\r\n")) == 0 {
		head = head[:i]
	}
	return value, append(append(rest, head...), tail...), true
}

// fields calls f for each field of a JSON object: its name without the quotes, its
// value, and where in the text the field begins and ends. It is false if f is once, if
// a name has an escape, or if the text is no object as far as that shows.
func fields(object []byte, f func(key, value []byte, start, end int) bool) bool {
	i := blank(object, 0)
	if i >= len(object) || object[i] != '{' {
		return false
	}
	if i = blank(object, i+1); i < len(object) && object[i] == '}' {
		return blank(object, i+1) == len(object)
	}
	for {
		start := i
		end := skipString(object, i)
		if end < 0 || bytes.IndexByte(object[start:end], '\\') >= 0 {
			return false
		}
		key := object[start+1 : end-1]
		if i = blank(object, end); i >= len(object) || object[i] != ':' {
			return false
		}
		i = blank(object, i+1)
		end = skipValue(object, i)
		if end < 0 || !f(key, object[i:end], start, end) {
			return false
		}
		i = blank(object, end)
		switch {
		case i < len(object) && object[i] == ',':
			i = blank(object, i+1)
		case i < len(object) && object[i] == '}':
			return blank(object, i+1) == len(object)
		default:
			return false
		}
	}
}

// blank returns where the white space that begins at i ends (RFC 8259, section 2).
func blank(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// skipString returns where the string that begins at i ends, or -1.
func skipString(b []byte, i int) int {
	if i >= len(b) || b[i] != '"' {
		return -1
	}
	for i++; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return -1
}

// skipValue returns where the value that begins at i ends, or -1: for an object or a
// list by counting brackets of either kind.
func skipValue(b []byte, i int) int {
	start, depth := i, 0
	for i < len(b) {
		switch b[i] {
		case '"':
			if i = skipString(b, i); i < 0 {
				return -1
			}
			if depth == 0 {
				return i
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth < 0 { // of what the value is in
				return ended(start, i)
			}
			if depth == 0 {
				return i + 1
			}
		case ',', ' ', '\n', '\t', '\r':
			if depth == 0 {
				return ended(start, i)
			}
		}
		i++
	}
	return -1
}

// ended is the end of a value that must not be empty.
func ended(start, end int) int {
	if start == end {
		return -1
	}
	return end
}
