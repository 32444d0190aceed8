package plugins

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestSpecification wants every function that a module can import in SPEC.md, with as
// many parameters as it has.
func TestSpecification(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../abi/SPEC.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range edgeFunctions() {
		signature := regexp.MustCompile(`(?m)(?:^|[^a-z_])` + f.name + `\(([a-z0-9_ ,.]*)\)`).FindSubmatch(text)
		switch {
		case signature == nil:
			t.Errorf("SPEC.md does not have %s(...)", f.name)
		case string(signature[1]) == "...": // as the one before it
		default:
			if n := len(strings.Split(string(signature[1]), ",")); n != len(f.params) {
				t.Errorf("SPEC.md has %s with %d parameters, the host with %d", f.name, n, len(f.params))
			}
		}
	}
}
