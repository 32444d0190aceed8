package remote

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"

	"edge/abi"
)

// mendFailure returns the JSON of a failure whose end was cut off, with what is
// left of it: the fields that are whole, and of a message its beginning. Any
// other text is returned as it is.
func mendFailure(text []byte) []byte {
	if json.Valid(text) {
		return text
	}
	d := json.NewDecoder(bytes.NewReader(text))
	for _, want := range []json.Token{json.Delim('{'), "error", json.Delim('{')} {
		if got, err := d.Token(); err != nil || got != want {
			return text
		}
	}
	fields := map[string]json.RawMessage{}
	for {
		name, err := d.Token()
		key, ok := name.(string)
		if err != nil || !ok {
			break
		}
		at := d.InputOffset()
		var val json.RawMessage
		if err := d.Decode(&val); err != nil {
			if key == "message" && errors.Is(err, io.ErrUnexpectedEOF) {
				fields[key] = mendString(text[at:])
			}
			break
		}
		fields[key] = val
	}
	if fields["message"] == nil {
		fields["message"] = json.RawMessage(`"the edge's answer is too long to be shown"`)
	}
	mended, err := json.Marshal(map[string]any{"error": fields})
	var e struct {
		Error abi.Error `json:"error"`
	}
	if err != nil || json.Unmarshal(mended, &e) != nil {
		return text
	}
	return mended
}

// longestEscape is that of a character beyond the basic plane, in bytes.
const longestEscape = len(`\ud83d\ude00`)

// mendString ends the string of JSON, after a colon, that was cut off: before an
// escape that is not whole.
func mendString(cut []byte) json.RawMessage {
	cut = bytes.TrimLeft(cut, ": \t\r\n")
	for range longestEscape {
		if whole := append(bytes.Clone(cut), "..."+`"`...); json.Valid(whole) && whole[0] == '"' {
			return whole
		}
		if len(cut) == 0 {
			break
		}
		cut = cut[:len(cut)-1]
	}
	return nil
}
