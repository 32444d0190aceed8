package certs

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	"github.com/caddyserver/certmagic"
)

// storage keeps what certmagic has in files, as its own does, with locks in memory:
// the folder belongs to one process, which a lock on disk would outlive.
type storage struct {
	files certmagic.FileStorage

	mu   sync.Mutex
	held map[string]chan struct{} // closed when the lock is given up
}

var (
	_ certmagic.Storage = (*storage)(nil)
	_ slog.LogValuer    = (*storage)(nil)
)

func newStorage(dir string) *storage {
	return &storage{files: certmagic.FileStorage{Path: dir}, held: map[string]chan struct{}{}}
}

// LogValue is the folder: certmagic logs its storage, and to print all of it would be to
// read the locks while others take them.
func (s *storage) LogValue() slog.Value { return slog.StringValue(s.files.Path) }

// Lock waits for the lock of that name.
func (s *storage) Lock(ctx context.Context, name string) error {
	for {
		s.mu.Lock()
		other, taken := s.held[name]
		if !taken {
			s.held[name] = make(chan struct{})
			s.mu.Unlock()
			return nil
		}
		s.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Unlock gives it up.
func (s *storage) Unlock(_ context.Context, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	held, ok := s.held[name]
	if !ok {
		return fmt.Errorf("nobody has the lock %q", name)
	}
	delete(s.held, name)
	close(held)
	return nil
}

// Store writes a file, whole or not at all.
func (s *storage) Store(ctx context.Context, key string, value []byte) error {
	return s.files.Store(ctx, key, value)
}

// Load reads a file.
func (s *storage) Load(ctx context.Context, key string) ([]byte, error) {
	return s.files.Load(ctx, key)
}

// Delete removes a file or a folder.
func (s *storage) Delete(ctx context.Context, key string) error { return s.files.Delete(ctx, key) }

// Exists tells whether there is one.
func (s *storage) Exists(ctx context.Context, key string) bool { return s.files.Exists(ctx, key) }

// List names what is in a folder.
func (s *storage) List(ctx context.Context, prefix string, recursive bool) ([]string, error) {
	return s.files.List(ctx, prefix, recursive)
}

// Stat tells about one.
func (s *storage) Stat(ctx context.Context, key string) (certmagic.KeyInfo, error) {
	return s.files.Stat(ctx, key)
}
