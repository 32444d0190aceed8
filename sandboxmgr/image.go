package sandboxmgr

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"edge/abi"
)

const (
	// buildTimeout bounds the building of an image.
	buildTimeout = 30 * time.Minute
	// maxBuildLog is how much of what a build printed last an error quotes.
	maxBuildLog = 4 << 10 // bytes
)

// builds are the images that bindings have built, each once for a manager.
type builds struct {
	mu    sync.Mutex
	under map[string]*build // by binding: under way, or done well
}

type build struct {
	done  chan struct{}
	image string
	err   error
}

// image returns the binding's image, building it before its first use. All who
// wait share one build, which goes on when they go away; one that failed is
// tried again by the next who ask.
func (m *Manager) image(ctx context.Context, binding string) (string, error) {
	b := m.config.Bindings[binding]
	if b.Build == nil {
		return b.Image, nil
	}
	m.builds.mu.Lock()
	bd := m.builds.under[binding]
	if bd == nil {
		bd = &build{done: make(chan struct{})}
		if !m.spawn(func() { m.build(binding, &b, bd) }) {
			m.builds.mu.Unlock()
			return "", errShuttingDown()
		}
		m.builds.under[binding] = bd
	}
	m.builds.mu.Unlock()
	select {
	case <-bd.done:
		return bd.image, bd.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// knownImage is the binding's image as far as it is known without building one.
func (m *Manager) knownImage(binding string) string {
	m.builds.mu.Lock()
	bd := m.builds.under[binding]
	m.builds.mu.Unlock()
	if bd != nil {
		select {
		case <-bd.done:
			return bd.image
		default:
		}
	}
	return m.config.Bindings[binding].Image
}

// imageName is what a binding's image is built under.
func (m *Manager) imageName(binding string) string { return m.owner + "." + binding }

// RemoveImages removes the images that were built for bindings, and returns what they
// were called, in order. It is for who has destroyed the sandboxes: where one is left,
// or was made of it, the engine keeps what that needs.
func (m *Manager) RemoveImages(ctx context.Context) ([]string, error) {
	var (
		removed []string
		errs    []error
	)
	for _, binding := range slices.Sorted(maps.Keys(m.config.Bindings)) {
		b := m.config.Bindings[binding]
		imager, ok := b.Runtime.(Imager)
		if !ok || b.Build == nil {
			continue
		}
		switch image, err := imager.RemoveImage(ctx, m.imageName(binding)); {
		case err != nil:
			errs = append(errs, fmt.Errorf("binding %s: %w", binding, err))
		case image != "":
			removed = append(removed, image)
		}
	}
	return removed, errors.Join(errs...)
}

func (m *Manager) build(binding string, b *Binding, bd *build) {
	ctx, cancel := context.WithTimeout(m.ctx, buildTimeout)
	defer cancel()
	defer close(bd.done)
	began := time.Now()
	m.log.Info("building an image", "binding", binding, "folder", b.Build.Context)
	imager, ok := b.Runtime.(Imager)
	if !ok {
		bd.err = abi.Errorf(abi.CodeUnsupported, "binding %s: the %s runtime has no images to build", binding, b.Runtime.Name())
	} else if bd.image, bd.err = imager.BuildImage(ctx, m.imageName(binding), b.Build.Context, b.Build.Dockerfile); bd.err != nil {
		m.log.Error("cannot build an image", "binding", binding, "error", bd.err)
		bd.err = buildError(binding, b.Runtime, bd.err)
	}
	if bd.err == nil {
		m.log.Info("built an image", "binding", binding, "image", bd.image, "took", time.Since(began))
		return
	}
	m.builds.mu.Lock()
	delete(m.builds.under, binding)
	m.builds.mu.Unlock()
}

// buildError says in the words of the API why there is no image. What the build
// printed last is in the details; what else went wrong is for the log alone.
func buildError(binding string, rt Runtime, err error) error {
	var e *abi.Error
	switch {
	case errors.As(err, &e):
		return e
	case errors.Is(err, ErrRuntimeDown):
		return runtimeDown(rt)
	case errors.Is(err, context.DeadlineExceeded):
		return abi.Errorf(abi.CodeTimeout, "the image of binding %s was not built within %s", binding, buildTimeout)
	}
	for _, known := range []error{ErrNoImage, ErrBuildFailed} {
		if errors.Is(err, known) {
			_, said, _ := strings.Cut(err.Error(), known.Error()+": ") // before it are internal names
			said = strings.ToValidUTF8(said[max(0, len(said)-maxBuildLog):], "")
			return abi.Errorf(abi.CodeImageNotFound, "the image of binding %s could not be built", binding).
				WithDetails(map[string]string{"build": said}).WithSuggestion("mend what \"build\" in the details says")
		}
	}
	return abi.Errorf(abi.CodeInternal, "the image of binding %s could not be built", binding).
		WithSuggestion("the edge's log has the reason")
}

// entrypointID names the process that a binding's image runs by itself.
const entrypointID = "entrypoint"

// entrypoint returns what the image runs by itself, as a process.
func (u *unit) entrypoint(ctx context.Context) (*abi.StartProcessRequest, error) {
	imager, ok := u.binding.Runtime.(Imager)
	if !ok {
		return nil, abi.Errorf(abi.CodeUnsupported, "binding %s: the %s runtime has no images, whose entry point could run", u.key.binding, u.binding.Runtime.Name())
	}
	image, err := u.m.image(ctx, u.key.binding)
	if err != nil {
		return nil, err
	}
	argv, dir, user, err := imager.ImageCommand(ctx, image)
	if err != nil {
		return nil, u.runtimeError(err)
	}
	if len(argv) == 0 {
		return nil, abi.Errorf(abi.CodeUnsupported, "the image %q of binding %s runs nothing by itself", image, u.key.binding).
			WithSuggestion("set entrypoint to none, or give the image a command")
	}
	return &abi.StartProcessRequest{ProcessID: entrypointID, Argv: argv, Cwd: dir, User: user}, nil
}

// checkImages refuses what a binding's runtime cannot do.
func (b *Binding) checkImages(name string) error {
	if _, ok := b.Runtime.(Imager); ok {
		return nil
	}
	switch {
	case b.Entrypoint:
		return fmt.Errorf("binding %s: entrypoint: the %s runtime has no images", name, b.Runtime.Name())
	case b.Build != nil:
		return fmt.Errorf("binding %s: build: the %s runtime has no images", name, b.Runtime.Name())
	}
	return nil
}
