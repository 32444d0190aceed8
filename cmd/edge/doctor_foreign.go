package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"edge/cmd/edge/remote"
	"edge/sandboxmgr"
	"edge/sandboxmgr/state"
)

// othersName is what runtimes call the finding of machines that other edges
// made. Which those are only the owner of the state folder can tell.
const othersName = "other edges"

// askOthers has the edge that runs tell of them, because its state folder is
// locked.
func (x *examination) askOthers(ctx context.Context, client *remote.Client) {
	findings, err := client.Examined(ctx)
	x.note(err)
	for _, f := range findings {
		if f.Name == othersName {
			x.found(f.Level, f.Name, f.Mend, "%s", f.Text)
		}
	}
	x.othersTold = err == nil
}

// knowOwner finds out whose the state folder is, if an edge has used it.
func (x *examination) knowOwner(ctx context.Context, dir string) {
	file := filepath.Join(dir, stateFile)
	if _, err := os.Stat(file); err != nil || x.othersTold {
		return
	}
	store, err := state.Open(file)
	if errors.Is(err, state.ErrInUse) {
		x.found(levelNote, "state file", "", "an edge runs with this state folder and does not tell about it: which machines are other edges' is not known")
		x.othersTold = true // by nobody, but what a runtime could say is wrong
		return
	}
	if err != nil {
		x.found(levelBad, "state file", "", "%v", err)
		return
	}
	x.ownedBy(ctx, store)
	x.note(store.Close())
}

// ownedBy takes the owner from a store that is open.
func (x *examination) ownedBy(ctx context.Context, store sandboxmgr.Store) {
	owner, err := sandboxmgr.Owner(ctx, store)
	if err != nil {
		x.note(fmt.Errorf("state file: %w", err))
	}
	x.owner = owner
}
