package platform

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
)

// TestAlone runs the cases of classes that Node 20 has not: each gives {got, want},
// and what is wanted is written down from the standard.
func TestAlone(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("alone/*.js")
	if err != nil || len(files) == 0 {
		t.Fatal("no cases", err)
	}
	p := serve(t, files)
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".js")
		var out map[string]struct {
			Gives  struct{ Got, Want json.RawMessage }
			Throws string
		}
		if err := ask(t, p, map[string]any{"file": name}, &out); err != nil {
			t.Fatal(err)
		}
		if len(out) == 0 {
			t.Errorf("%s has no cases", f)
		}
		for c, a := range out {
			if a.Throws != "" || string(a.Gives.Got) != string(a.Gives.Want) {
				t.Errorf("%s/%s:\n\tgot  %s %s\n\twant %s", name, c, a.Gives.Got, a.Throws, a.Gives.Want)
			}
		}
	}
}
