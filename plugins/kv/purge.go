package kv

import (
	"bytes"
	"errors"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// purgePiece is how many values one write of the purge takes out: plugins that
// write meanwhile wait no longer than for that.
const purgePiece = 1000

// purgeLoop is the goroutine that takes back the room of what is over. Close joins
// it.
func (s *Store) purgeLoop() {
	defer s.purger.Done()
	t := time.NewTicker(purgeInterval)
	defer t.Stop()
	for {
		select {
		case <-s.quit:
			return
		case <-t.C:
		}
		if err := s.purge(); err != nil && !errors.Is(err, bolterrors.ErrDatabaseNotOpen) {
			s.log.Error("purging the plugins' key-value store", "err", err)
		}
	}
}

// purge takes out of every namespace what is over.
func (s *Store) purge() error {
	var names []string
	err := s.db.View(func(tx *bolt.Tx) error {
		now := s.now()
		return tx.ForEach(func(name []byte, _ *bolt.Bucket) error {
			if openSpace(tx, string(name), now).isStale() {
				names = append(names, string(name))
			}
			return nil
		})
	})
	for _, name := range names {
		for purged := purgePiece; err == nil && purged == purgePiece; {
			select {
			case <-s.quit:
				return nil
			default:
			}
			err = s.db.Update(func(tx *bolt.Tx) (err error) {
				purged, err = openSpace(tx, name, s.now()).purge(purgePiece)
				return err
			})
		}
	}
	return err
}

// isStale tells whether a namespace holds something that is over.
func (n *space) isStale() bool {
	if n.expiries == nil {
		return false
	}
	at, _ := n.expiries.Cursor().First()
	return at != nil && bytes.Compare(at, expiryKey(nil, n.now+1)) < 0
}
