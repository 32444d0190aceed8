package abi

import (
	"bytes"
	"encoding/json"
	"errors"
)

// strictJSON decodes exactly one value and refuses fields that v does not have:
// a misspelt option must not be silently a default.
func strictJSON(b []byte, v any) error {
	if len(b) == 0 {
		return errors.New("missing")
	}
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
