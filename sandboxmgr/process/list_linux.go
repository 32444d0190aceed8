package process

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"edge/sandboxmgr"
)

var _ sandboxmgr.Lister = (*Runtime)(nil)

// Machines returns the names of the machines, running or not, that carry the
// label with that value, or with any when it is empty, in order.
func (r *Runtime) Machines(_ context.Context, label, value string) ([]string, error) {
	folders, err := os.ReadDir(r.folder)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("list machines: %w", err)
	}
	var names []string
	for _, f := range folders {
		if !f.IsDir() {
			continue
		}
		labels, err := readLabels(filepath.Join(r.folder, f.Name()))
		if err != nil {
			return nil, fmt.Errorf("list machines: %w", err)
		}
		if got, ok := labels[label]; ok && (got == value || value == "") {
			names = append(names, f.Name())
		}
	}
	return names, nil
}

// readLabels returns the labels in a machine's folder, none if they are missing
// or were cut short by a power failure.
func readLabels(folder string) (labels map[string]string, err error) {
	b, err := os.ReadFile(filepath.Join(folder, labelsFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if json.Unmarshal(b, &labels) != nil {
		return nil, nil
	}
	return labels, nil
}
