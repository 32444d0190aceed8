package process

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"edge/sandboxmgr"
)

// Names in a machine's folder.
const (
	recordFile      = "machine.json"
	labelsFile      = "labels.json"
	logFile         = "init.log" // the init's own output at its last start
	workspaceFolder = "workspace"
)

// record says which process a machine's init is. A process id alone would soon
// be somebody else's.
type record struct {
	PID   int    `json:"pid"`
	Start uint64 `json:"start"` // clock ticks since boot
	Boot  string `json:"boot"`  // the kernel's id of this boot
	// Preset and Rootfs are what the machine was made with.
	Preset string `json:"preset,omitempty"`
	Rootfs string `json:"rootfs,omitempty"`
}

// newRecord describes the running process pid.
func newRecord(pid int) (record, error) {
	st, err := readStatus(pid)
	if err != nil {
		return record{}, err
	}
	boot, err := bootID()
	return record{PID: pid, Start: st.start, Boot: boot}, err
}

func bootID() (string, error) {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(b)), err
}

// write replaces the record in folder.
func (r record) write(folder string) error { return writeJSON(folder, recordFile, r) }

// writeJSON replaces the file name in folder.
func writeJSON(folder, name string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	next := filepath.Join(folder, name+".new")
	if err := os.WriteFile(next, b, 0o600); err != nil {
		return err
	}
	return os.Rename(next, filepath.Join(folder, name))
}

// readRecord returns the record in folder; ErrNoMachine when there is none.
func readRecord(folder string) (record, error) {
	b, err := os.ReadFile(filepath.Join(folder, recordFile))
	if errors.Is(err, os.ErrNotExist) {
		return record{}, sandboxmgr.ErrNoMachine
	}
	if err != nil {
		return record{}, err
	}
	var r record
	if err := json.Unmarshal(b, &r); err != nil || r.PID < 1 {
		// Cut short by a power failure, so that what it described is gone too.
		return record{}, fmt.Errorf("%w: %s is damaged", sandboxmgr.ErrNoMachine, recordFile)
	}
	return r, nil
}

// open holds the process that the record describes, running or ended but not
// yet reaped; ErrNoMachine when it is gone.
func (r record) open() (*process, error) {
	boot, err := bootID()
	if err != nil {
		return nil, err
	}
	if boot != r.Boot {
		return nil, sandboxmgr.ErrNoMachine
	}
	p, err := openProcess(r.PID)
	if errors.Is(err, os.ErrNotExist) {
		return nil, sandboxmgr.ErrNoMachine
	}
	if err != nil {
		return nil, err
	}
	// Read after the pidfd was opened: if the times agree, the pidfd is it.
	st, err := readStatus(r.PID)
	if err != nil || st.start != r.Start {
		p.close()
		return nil, sandboxmgr.ErrNoMachine
	}
	return p, nil
}
