package sandboxmgr

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"edge/abi"
)

// TestManyExpireTogether has more exposures end in one second than a disk can write
// in it: they are one write, so that none has to wait for the others.
func TestManyExpireTogether(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		e := newEdge(t, newWorld(t), newMemory(), func(c *Config) { c.StateDir = dir })
		defer e.Close()
		const boxes, ports = 10, 100
		for i := range boxes {
			for p := range ports {
				expose(t, e.sandbox(fmt.Sprint("s", i)), abi.ExposePortRequest{Port: 8000 + p, TTL: abi.Duration(time.Minute)})
			}
		}
		before := e.disk.writes()
		time.Sleep(time.Minute)
		synctest.Wait()
		if closed, wrote := len(e.conns.list()), e.disk.writes()-before; closed != boxes*ports || wrote != 1 {
			t.Errorf("%d of %d closed with %d writes, want all with 1", closed, boxes*ports, wrote)
		}
		e.exposures.mu.RLock()
		defer e.exposures.mu.RUnlock()
		if n := len(e.exposures.byLabel); n != 0 {
			t.Errorf("%d are left in the table", n)
		}
	})
}

// writes counts the writes so far.
func (m *memory) writes() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.commits
}

// TestExpiryClosesOnAFullDisk: what came through an exposure ends with it, although
// its end cannot be written.
func TestExpiryClosesOnAFullDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		e := newEdge(t, newWorld(t), newMemory(), func(c *Config) { c.StateDir = dir })
		defer e.Close()
		expose(t, e.sandbox("s"), abi.ExposePortRequest{Port: 8080, TTL: abi.Duration(time.Minute)})
		e.store.full.Store(true)
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := e.conns.list(); len(got) == 0 || got[0] != "B/s:8080 1008" {
			t.Errorf("closed %v", got)
		}
	})
}
