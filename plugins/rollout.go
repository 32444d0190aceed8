package plugins

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"edge/plugins/archive"
)

// minPrefix is how much of a digest Rollback wants, in hexadecimal digits.
const minPrefix = 6

// Offer has a plugin take a module that does not come from its file: an upload,
// a registry's image, a folder's newest version. It returns when the module
// serves or, as a canary, begins to. What serves already is taken without a
// further generation. The error is ErrNoPlugin, ErrClosed, ctx's, or a
// *RefusedError: then what served before serves on. A module that was refused is
// not tried again, unless the specification changed or it is Asked for.
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
	defer p.archive.Flush()
	digest := module.Digest()
	switch {
	case p.serves(digest):
		p.refused = refused{}
		return nil
	case !module.Asked && p.refused.covers(contentOf(digest, module.Signature)):
		return fmt.Errorf("plugin %s: %w", name, p.refused.err)
	}
	if err := p.load(ctx, module, false, begun); err != nil {
		return fmt.Errorf("plugin %s: %w", name, err)
	}
	return nil
}

// Rollback has an earlier version of a plugin serve: the one whose digest begins
// with digest, at least 6 digits, or, if that is empty, the one that served
// before. While a canary serves a share, that is to end it. A version that is
// still warm serves at once; another is loaded like a new module, but without
// canary, and is not given up by itself. It leaves quarantine, and is served again
// after a restart until the content of the plugin's file changes.
func (r *Registry) Rollback(ctx context.Context, name, digest string) error {
	p := r.Plugin(name)
	if p == nil {
		return fmt.Errorf("plugin %s: %w", name, ErrNoPlugin)
	}
	if err := p.rollback(ctx, strings.ToLower(digest)); err != nil {
		return fmt.Errorf("plugin %s: %w", name, err)
	}
	return nil
}

func (p *Plugin) rollback(ctx context.Context, digest string) error {
	defer p.archive.Flush()
	if digest != "" && len(digest) < minPrefix {
		return fmt.Errorf("%w: the digest %q is too short; at least its first %d digits are needed", ErrNoVersion, digest, minPrefix)
	}
	current := p.Digest()
	if (digest == "" || current != "" && strings.HasPrefix(current, digest)) && p.reg.dropCanary(p) {
		return nil
	}
	if digest != "" && current != "" && strings.HasPrefix(current, digest) {
		return nil
	}
	// This does not wait for a load that is under way.
	if back := p.reg.bringBack(p, func(g *generation) bool { return strings.HasPrefix(g.digest, digest) }); back != nil {
		p.archive.Touch(back.digest)
		p.readmit(back)
		return nil
	}
	p.loading.Lock()
	defer p.loading.Unlock()
	target, err := p.findKept(digest)
	if err != nil {
		return err
	}
	module, err := p.archived(target)
	if err != nil {
		return err
	}
	module.Asked = true
	return p.load(ctx, module, true, time.Now())
}

// findKept returns the digest of the one kept module that begins with prefix; an
// empty prefix is the one that served last before what serves now.
func (p *Plugin) findKept(prefix string) (string, error) {
	current, found := p.Digest(), ""
	for _, kept := range p.archive.Modules() {
		if !strings.HasPrefix(kept, prefix) || kept == current {
			continue
		}
		if _, bad := p.archive.Isolated(kept); prefix == "" {
			if !bad {
				return kept, nil
			}
			continue
		}
		if found != "" {
			return "", fmt.Errorf("%w: %s names several, %s and %s", ErrNoVersion, prefix, short(found), short(kept))
		}
		found = kept
	}
	switch {
	case found != "":
		return found, nil
	case prefix == "":
		return "", fmt.Errorf("%w: no earlier one is kept that could serve", ErrNoVersion)
	}
	return "", fmt.Errorf("%w: %s is not kept; the last %d that served are", ErrNoVersion, prefix, archive.MaxModules)
}

// serves tells whether the module of a digest serves, everything or a share.
func (p *Plugin) serves(digest string) bool {
	if c := p.canary.Load(); c != nil && c.gen.digest == digest {
		return true
	}
	return p.Digest() == digest
}

// load takes a module through all steps and lets it serve; a calm one, which is
// known to be good, at once, and it is not given up when it fails. After an error
// the old one serves on. p.loading is held.
func (p *Plugin) load(ctx context.Context, module Module, calm bool, begun time.Time) error {
	p.number++
	g := newGeneration(p.reg, p.spec, p.number, module)
	g.loaded, g.origin = begun, module.Origin
	p.reg.begin(p, g)
	err := p.admit(ctx, g, module)
	if err == nil {
		p.archive.Touch(p.Digest()) // canaries alone must not push it out of the archive
		// What the source has is there after a crash anyway: no request waits for the disk.
		atOnce := g.digest == p.content
		if !atOnce {
			p.keep(g, module)
		}
		if err = p.reg.install(p, g, calm); err == nil && atOnce {
			p.keep(g, module)
		}
	}
	if err == nil {
		p.refused = refused{}
		if module.Asked {
			p.readmit(g)
		}
		return nil
	}
	p.reg.abort(p)
	g.release()
	g.close()
	if ctx.Err() == nil && !errors.Is(err, ErrClosed) {
		err = p.refuse(g, contentOf(g.digest, module.Signature), module.Asked, err)
	}
	return err
}

// keep has the archive keep what serves, or is about to. p.loading is held.
func (p *Plugin) keep(g *generation, module Module) {
	if !p.archive.Keep(g.digest, archive.Module{Bytes: module.Bytes, Signature: module.Signature}) && p.spec.Source == "" {
		p.held = &module
	}
}

// readmit takes what serves because somebody asked for it out of quarantine.
func (p *Plugin) readmit(g *generation) {
	if p.archive.Readmit(g.digest) {
		p.reg.tell(g.event(EventReadmitted, 0, nil))
	}
}

// admit takes a generation through the steps that precede its service. p.loading
// is held.
func (p *Plugin) admit(ctx context.Context, g *generation, module Module) error {
	for _, check := range []struct {
		step Step
		run  func() error
	}{
		{StepRead, func() error {
			if len(module.Bytes) > maxModule {
				return tooLarge(maxModule)
			}
			return nil
		}},
		{StepDigest, func() error { return refusal(verifyDigest(p.spec, g.digest)) }},
		{StepSignature, func() error { return refusal(verifySignature(p.spec, module)) }},
		{StepQuarantine, func() error { return refusal(p.checkQuarantine(g, module)) }},
		{StepMeter, func() error { return g.build(ctx, module.Bytes) }}, // and the steps up to the self-test
		{StepReplay, func() error { return p.replay(ctx, module) }},
	} {
		g.reach(check.step)
		if err := check.run(); err != nil {
			return err
		}
	}
	return nil
}

// checkQuarantine refuses a module that was given up before. When nothing serves
// it is better than nothing.
func (p *Plugin) checkQuarantine(g *generation, module Module) error {
	q, bad := p.archive.Isolated(g.digest)
	switch {
	case !bad || module.Asked:
		return nil
	case p.current.Load() == nil:
		g.log().Warn("plugin module is in quarantine, and is tried because nothing else can serve", "since", q.Since, "why", q.Why)
		return nil
	}
	return fmt.Errorf("it is in quarantine since %s: %s", q.Since.Format(time.RFC3339), q.Why)
}

// replay has the configured recording decided by the module, in a generation of
// its own: what a recording leaves in memory must not serve.
func (p *Plugin) replay(ctx context.Context, module Module) error {
	switch {
	case p.spec.Replay == "":
		return nil
	case p.reg.config.Replay == nil:
		return refusal(fmt.Errorf("the recording %s is to be replayed, and this edge cannot", p.spec.Replay))
	}
	trial, err := tryModule(ctx, p.reg.config, p.reg.programs, p.spec, module.Bytes)
	if err != nil {
		return err
	}
	defer trial.Close()
	if err := p.reg.config.Replay(ctx, p.spec, trial); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return refusal(fmt.Errorf("replaying %s: %w", p.spec.Replay, err))
	}
	return nil
}

// begin makes a generation known that is about to be built.
func (r *Registry) begin(p *Plugin, g *generation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	g.state = StateLoading
	p.building = g
}

// abort forgets the generation that could not be built.
func (r *Registry) abort(p *Plugin) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p.building = nil
}

// refused is the content that was refused last.
type refused struct {
	content string
	err     error
	stale   bool // the specification is another one now
}

// covers tells whether it is known that content would be refused.
func (r refused) covers(content string) bool { return !r.stale && r.content == content }

// contentOf identifies what was tried, with its signature.
func contentOf(digest string, signature []byte) string { return digest + string(signature) }

// refuse reports a module, once for each content and reason unless it was asked
// for, and returns the error with its step. p.loading is held.
func (p *Plugin) refuse(g *generation, content string, asked bool, err error) error {
	step := stepOf(err, g.step)
	var refusedErr *RefusedError
	if errors.As(err, &refusedErr) {
		refusedErr.Step = step
	}
	known := p.refused.content == content && p.refused.err.Error() == err.Error()
	p.refused = refused{content: content, err: err}
	if known && !asked {
		return err
	}
	attrs := []any{"plugin", p.name, "origin", g.origin, "digest", short(g.digest), "step", step, "serving", p.Digest() != "", "err", err}
	if trap := trapOf(err); trap != "" {
		attrs = append(attrs, "trap", trap)
	}
	p.reg.log.Error("plugin module refused", attrs...)
	p.reg.mu.Lock()
	g.step, g.why, g.state = step, err.Error(), StateRefused
	if step == StepQuarantine {
		g.state = StateQuarantined
	}
	p.remember(g.status())
	p.reg.mu.Unlock()
	p.reg.tell(g.event(EventRefused, time.Since(g.loaded), err))
	return err
}

// unreadable reports a source that cannot be read, once for each reason. p.loading
// is held.
func (p *Plugin) unreadable(begun time.Time, err error) {
	p.number++
	g := &generation{reg: p.reg, spec: p.spec, number: p.number, origin: p.spec.Source, loaded: begun, step: StepRead}
	_ = p.refuse(g, err.Error(), false, err)
}

// trapOf returns the trap with the guest's stack if err has one, for the log.
func trapOf(err error) string {
	var g *guestError
	if !errors.As(err, &g) {
		return ""
	}
	trap := trace(err)
	if !strings.Contains(trap, "\n") {
		return "" // the error's own line says it all
	}
	return trap
}
