package worker

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"

	"edge/plugins/worker/link"
)

// baseStore keeps the memory after the runtime in a file, so that a new process needs
// not evaluate it again. An empty dir keeps nothing.
type baseStore struct{ dir string }

// baseSuffix ends the names of such files. There is one: another engine or runtime
// replaces it.
const baseSuffix = ".base"

// baseKey names the memory that a runtime leaves in an engine.
func baseKey(building []byte, runtime link.Script) string {
	h := sha256.New()
	h.Write(building)
	h.Write([]byte(runtime.Name))
	h.Write([]byte{0})
	h.Write([]byte(runtime.Source))
	return hex.EncodeToString(h.Sum(nil))
}

// load returns what was kept under the key, or nil: also for a file that is damaged,
// which its first bytes, the digest of the rest, tell.
func (s baseStore) load(key string) []byte {
	if s.dir == "" {
		return nil
	}
	content, err := os.ReadFile(filepath.Join(s.dir, key+baseSuffix))
	if err != nil || len(content) <= sha256.Size {
		return nil
	}
	base := content[sha256.Size:]
	if sum := sha256.Sum256(base); string(sum[:]) != string(content[:sha256.Size]) {
		return nil
	}
	return base
}

// keep keeps the memory under the key, and nothing else.
func (s baseStore) keep(key string, base []byte) error {
	if s.dir == "" {
		return nil
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	sum := sha256.Sum256(base)
	tmp, err := os.CreateTemp(s.dir, "."+key+".*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	for _, part := range [][]byte{sum[:], base} {
		if _, err := tmp.Write(part); err != nil {
			tmp.Close()
			return err
		}
	}
	if err := tmp.Close(); err != nil {
		return err
	}
	kept, err := os.ReadDir(s.dir)
	if err != nil {
		return err
	}
	for _, old := range kept {
		if strings.HasSuffix(old.Name(), baseSuffix) {
			_ = os.Remove(filepath.Join(s.dir, old.Name())) // of another engine or runtime; one that stays takes room alone
		}
	}
	return os.Rename(tmp.Name(), filepath.Join(s.dir, key+baseSuffix))
}
