package worker

import (
	"strings"
	"testing"
)

// TestNames has functions and classes have the names of the source, as properties that
// are like any other's, and get them by our helper.
func TestNames(t *testing.T) {
	t.Parallel()
	source := `
class Failure { static code = 1 }
const tree = { leaf: () => 1 };
export default { fetch() {
  const inner = () => 1, Inner = class {};
  function helper() {}
  const { writable, enumerable, configurable } = Object.getOwnPropertyDescriptor(inner, "name");
  Object.prototype.get = () => "inherited";
  const later = () => 2;
  delete Object.prototype.get;
  return Response.json([Failure.name, tree.leaf.name, inner.name, Inner.name, helper.name, later.name, writable, enumerable, configurable]);
} };
`
	p, log := serve(t, build(t, source), nil)
	want := `["Failure","leaf","inner","Inner","helper","later",false,false,true]`
	if got := ask(t, p, request("/")); got != want {
		t.Errorf("got %s, want %s\n%s", got, want, log)
	}
	r, err := bundleRuntime(shim)
	if err != nil {
		t.Fatal(err)
	}
	s, err := r.bundle(write(t, "worker.ts", source))
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{s.text, r.script.Source} {
		if !strings.Contains(text, namer) {
			t.Errorf("another helper gives names:\n%.600s", text)
		}
	}
}
