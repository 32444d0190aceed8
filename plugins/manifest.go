package plugins

import (
	"encoding/json"
	"fmt"

	"edge/plugins/wasmbin"
)

// manifestSection is the custom section in which a module says how it wants to be run.
// See SPEC.md.
const manifestSection = "edge1"

// manifest is what that section says, JSON. Keys that are unknown are ignored: they are
// a later edge's.
type manifest struct {
	// Optional has an import whose grant the plugin lacks answer DENIED, instead of the
	// module being refused for it.
	Optional bool `json:"optional"`
	// Open is how many requests an asynchronous instance holds at once, where
	// Spec.MaxOpen says nothing; 0 is DefaultMaxOpen.
	Open int `json:"open"`
	// PerCore is how many instances there are for each processor, where
	// Spec.MaxInstances says nothing; 0 is DefaultMaxInstances in all.
	PerCore int `json:"perCore"`
	// Made and Source are for people: what made the module, and of what.
	Made   string `json:"made"`
	Source string `json:"source"`
}

// readManifest returns what a module says of itself; nothing, if it says nothing. The
// error is one line.
func readManifest(module []byte) (m manifest, err error) {
	found := false
	for s, err := range wasmbin.Sections(module) {
		if err != nil {
			return manifest{}, nil // the compiler says what is wrong with the module
		}
		if s.ID != wasmbin.SectionCustom || s.Name != manifestSection {
			continue
		}
		if found {
			return m, fmt.Errorf("it has more than one custom section %q", manifestSection)
		}
		found = true
		if err := m.read(s.Reader().Rest()); err != nil {
			return m, fmt.Errorf("its custom section %q is malformed: %w", manifestSection, err)
		}
	}
	return m, nil
}

// maxManifest bounds the section, in bytes.
const maxManifest = 64 << 10

func (m *manifest) read(content []byte) error {
	if len(content) > maxManifest {
		return fmt.Errorf("%d bytes are more than the %d that it may have", len(content), maxManifest)
	}
	if err := json.Unmarshal(content, m); err != nil {
		return err
	}
	switch {
	case m.Open < 0 || m.Open > MaxMaxOpen:
		return fmt.Errorf("open is %d; want a number from 0 to %d", m.Open, MaxMaxOpen)
	case m.PerCore < 0 || m.PerCore > maxPerCore:
		return fmt.Errorf("perCore is %d; want a number from 0 to %d", m.PerCore, maxPerCore)
	}
	return nil
}

// maxPerCore bounds manifest.PerCore.
const maxPerCore = 64
