//go:build !wasip1

package abi

import (
	_ "embed"
	"encoding/json"
	"fmt"
)

//go:embed descriptions.json
var descriptions []byte

// Descriptions are the comments of the types that the operation table is made
// of, for documents that are written while the program runs. They are kept in
// descriptions.json, which a test of this package writes and compares.
type Descriptions struct {
	// Types holds comments by the name of the Go type: "ExecRequest".
	Types map[string]string `json:"types"`
	// Fields holds comments by Go type and JSON field: "ExecRequest.timeout".
	// Other fields are called by their JSON names in them. An embedded struct's
	// fields stand under its own name.
	Fields map[string]string `json:"fields"`
	// Values lists what fields of a type can hold, by the name of the Go type:
	// "FileType". Types that hold other texts too are left out.
	Values map[string][]string `json:"values"`
}

// Describe returns the comments. Its error means that the program was built
// from a damaged file.
func Describe() (*Descriptions, error) {
	d := new(Descriptions)
	if err := json.Unmarshal(descriptions, d); err != nil {
		return nil, fmt.Errorf("descriptions.json: %w", err)
	}
	return d, nil
}
