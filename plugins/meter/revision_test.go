package meter_test

import (
	"crypto/sha256"
	"encoding/hex"
	"testing"

	"edge/plugins/meter"
)

// TestRevision fails when Rewrite makes something else of modules than it did at its
// Revision: raise that, and write down what is made now.
func TestRevision(t *testing.T) {
	t.Parallel()
	const revision, made = 2, "b5ea85fbf9ce755fd5dcf3bc368b261ec06bfcd8036aae4fb83dcccb31dc28ee"
	sum := sha256.New()
	modules := [][]byte{keeper()}
	for seed := range uint64(200) {
		modules = append(modules, generate(seed, seed%2 == 0))
	}
	for i, m := range modules {
		o := options
		o.Fuel = "fuel"
		if i%3 == 0 {
			o.Save, o.Restore = "save", "restore"
		}
		metered, err := meter.Rewrite(m, o)
		if err != nil {
			t.Fatal(err)
		}
		sum.Write(metered)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); meter.Revision != revision || got != made {
		t.Errorf("revision %d makes %s; the test knows revision %d, which made %s", meter.Revision, got, revision, made)
	}
}
