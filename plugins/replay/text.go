package replay

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"edge/abi"
)

// Text is bytes that are a text most of the time. In JSON it is a string; bytes
// that are no UTF-8 are {"base64": "..."}. It is read from {"json": value} too,
// which stands for that value's own text.
type Text []byte

// MarshalJSON writes a string, or an object for what is none.
func (t Text) MarshalJSON() ([]byte, error) {
	if utf8.Valid(t) {
		return marshal(string(t))
	}
	return marshal(map[string][]byte{"base64": t})
}

// UnmarshalJSON reads what MarshalJSON writes, and {"json": value}.
func (t *Text) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		var s string
		err := json.Unmarshal(b, &s)
		*t = Text(s)
		return err
	}
	if string(b) == "null" {
		*t = nil
		return nil
	}
	var o struct {
		Base64 *string         `json:"base64"`
		JSON   json.RawMessage `json:"json"`
	}
	if err := strict(b, &o); err != nil {
		return fmt.Errorf(`want a string, {"base64": "..."} or {"json": value}: %w`, err)
	}
	switch {
	case (o.Base64 == nil) == (o.JSON == nil):
		return errors.New(`want a string, {"base64": "..."} or {"json": value}`)
	case o.JSON != nil:
		*t = Text(o.JSON)
		return nil
	}
	data, err := base64.StdEncoding.DecodeString(*o.Base64)
	*t = data
	return err
}

// Headers are header lines in order. In JSON they are a list of pairs; an object
// of names with a value or a list of values is read too.
type Headers []abi.Header

// MarshalJSON writes [["name", "value"], ...].
func (hs Headers) MarshalJSON() ([]byte, error) {
	pairs := make([][2]string, len(hs))
	for i, h := range hs {
		pairs[i] = [2]string{h.Name, h.Value}
	}
	return marshal(pairs)
}

// UnmarshalJSON reads pairs, or an object.
func (hs *Headers) UnmarshalJSON(b []byte) error {
	*hs = nil
	if b = bytes.TrimSpace(b); len(b) > 0 && b[0] == '[' {
		var pairs [][2]string
		if err := json.Unmarshal(b, &pairs); err != nil {
			return err
		}
		for _, p := range pairs {
			*hs = append(*hs, abi.Header{Name: p[0], Value: p[1]})
		}
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(b)) // token by token: the order counts
	open, err := d.Token()
	if err != nil || open == nil {
		return err
	}
	if open != json.Delim('{') {
		return errors.New("headers: want an object or a list of pairs")
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return err
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return err
		}
		if err := hs.add(name.(string), value); err != nil {
			return err
		}
	}
	return nil
}

// add adds a header that has one value or a list of them; numbers are taken as
// they are written.
func (hs *Headers) add(name string, value json.RawMessage) error {
	var list []json.RawMessage
	if value[0] != '[' {
		list = []json.RawMessage{value}
	} else if err := json.Unmarshal(value, &list); err != nil {
		return err
	}
	for _, v := range list {
		s := string(v)
		if v[0] == '"' {
			if err := json.Unmarshal(v, &s); err != nil {
				return err
			}
		} else if v[0] == '{' || v[0] == '[' {
			return fmt.Errorf("headers: the value of %q is neither a string nor a list of strings", name)
		}
		*hs = append(*hs, abi.Header{Name: name, Value: s})
	}
	return nil
}

// marshal is json.Marshal that leaves <, > and & as they are: people read it.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// strict reads one JSON value into v and refuses fields that v does not have.
func strict(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if d.More() {
		return errors.New("more than one JSON value")
	}
	return nil
}

// canonical is a JSON text with its objects' keys in order and no white space;
// what is no JSON is left as it is.
func canonical(text []byte) string {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil || d.More() {
		return string(text)
	}
	b, err := marshal(v)
	if err != nil {
		return string(text)
	}
	return string(b)
}

// opcode is that of a WebSocket message (RFC 6455, section 5.2).
func (t Text) opcode() byte {
	if utf8.Valid(t) {
		return 1
	}
	return 2
}
