package remote

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"edge/abi"
)

// ago is a time as the edge writes it, so long before now.
func ago(d time.Duration) string { return time.Now().Add(-d).UTC().Format(time.RFC3339) }

// somePlugins is a list with one plugin in each state that a person meets.
func somePlugins() string {
	return fmt.Sprintf(`{"plugins":[
{"name":"auth","source":"oci://registry.example/auth:stable","sourceProblem":"the source cannot be read: the registry registry.example answers 503 Service Unavailable","digest":"aaaabbbbccccdddd","generation":1,
 "generations":[{"number":1,"digest":"aaaabbbbccccdddd","state":"serving","loadedAt":%q,"requests":123456,"failures":2,"timeouts":1,"instances":4}]},
{"name":"chat","source":"upload","digest":"111122223333444455","generation":7,"generations":[
 {"number":9,"digest":"9999888877776666","state":"loading","step":"compile","loadedAt":%q},
 {"number":8,"digest":"888877776666","state":"refused","step":"self-test","why":"edge_selftest answered 1","loadedAt":%q},
 {"number":7,"digest":"111122223333444455","state":"serving","loadedAt":%q,"requests":10,"instances":1},
 {"number":6,"digest":"6666","state":"warm","loadedAt":%q,"requests":99,"instances":2},
 {"number":5,"digest":"5555","state":"rolled-back","step":"service","why":"long ago","loadedAt":%q}]},
{"name":"new","source":"upload","generation":0,"generations":[]}]}`,
		ago(3*time.Hour), ago(4*time.Hour), ago(2*time.Minute), ago(5*time.Minute), ago(49*time.Hour), ago(50*time.Hour))
}

func TestPluginList(t *testing.T) {
	t.Parallel()
	e, s := startEdge(t), &screen{}
	e.plugins = func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, somePlugins()) }
	if err := (&pluginListCommand{}).Run(t.Context(), s.env(e)); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"PLUGIN  GEN  DIGEST        STATE             LOADED  REQUESTS  FAILED  INSTANCES  SOURCE",
		"auth      1  aaaabbbbcccc  serving               3h    123456       3          4  oci://registry.example/auth:stable",
		"  the source cannot be read: the registry registry.example answers 503 Service Unavailable",
		"chat      7  111122223333  serving               5m        10       0          1  upload",
		"          9  999988887777  loading: compile      4h         0       0          0",
		"          6  6666          warm                  2d        99       0          2",
		"  generation 8 (888877776666) was refused at self-test 2m ago: edge_selftest answered 1",
		"new       -  -             none                   -         -       -          -  upload",
		"  it has no module yet: edge plugin load new FILE",
		"",
	}
	if got := strings.Split(s.out.String(), "\n"); !slices.Equal(got, want) {
		t.Errorf("printed\n%s\nwant\n%s", s.out.String(), strings.Join(want, "\n"))
	}
	s = &screen{}
	if err := (&pluginListCommand{Output: Output{"json"}}).Run(t.Context(), s.env(e)); err != nil || !strings.Contains(s.out.String(), `"sourceProblem": "the source`) {
		t.Errorf("%v, printed %s", err, &s.out)
	}
}

// TestPluginRemarks wants a few of many failures, no control characters, and a
// pointer to the rest.
func TestPluginRemarks(t *testing.T) {
	t.Parallel()
	before := time.Now().Add(-20 * time.Hour) // as it is told for an hour
	p := plugin{Name: "p", Generation: 2, Generations: []generation{{Number: 2, State: "serving"}}}
	for n := range int64(6) {
		p.Generations = append(p.Generations, generation{Number: 10 - n, State: "quarantined", Step: "quarantine", Why: "an \x1b[31mold\nreason", LoadedAt: before})
	}
	got := p.remarks()
	if len(got) != maxRemarks+1 || got[maxRemarks] != "and 3 more before: edge plugin history p" || !strings.HasPrefix(got[0], "generation 10 was quarantined at quarantine 20h ago: ") {
		t.Errorf("%q", got)
	}
	digest := strings.Repeat("d", 64)
	p = plugin{Name: "p", Generations: []generation{{Number: 1, Digest: digest, State: "rolled-back", LoadedAt: before.Add(-time.Hour), Why: "it failed"}},
		Quarantine: []givenUp{{Digest: "other", Since: before.Add(-time.Minute)}, {Digest: digest, Since: before}}}
	if got := p.remarks(); len(got) != 1 || got[0] != "generation 1 (dddddddddddd) was rolled back 20h ago: it failed" {
		t.Errorf("%q", got)
	}
	p = plugin{Name: "p\x1b", Source: "s", SourceProblem: "an \x1b[31mold\nreason"}
	tbl := newTable("PLUGIN", "#GEN", "DIGEST", "STATE", "#LOADED", "#REQUESTS", "#FAILED", "#INSTANCES", "SOURCE")
	p.add(tbl)
	var b bytes.Buffer
	if err := tbl.write(&b); err != nil || strings.Contains(b.String(), "\x1b") || strings.Count(b.String(), "\n") != 3 {
		t.Errorf("%v: %q", err, &b)
	}
}

func TestIndented(t *testing.T) {
	t.Parallel()
	if got := indented("one two three four five", 12+2); got != "  one two\n    three four\n    five\n" && got != "  one two\n    three four five\n" {
		t.Errorf("%q", got)
	}
	if got := indented("one two", unbounded); got != "  one two\n" {
		t.Errorf("%q", got)
	}
}

func TestPluginLoad(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	signature := strings.Repeat("s", signatureBytes)
	put := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	chat, signed := put("chat.wasm", "module"), put("signed.wasm", "signed module")
	put("signed.wasm.sig", base64.StdEncoding.EncodeToString([]byte(signature))+"\n")
	raw, short := put("raw", signature), put("short", "no signature")
	for _, tt := range []struct {
		name string
		load pluginLoadCommand
		in   string
		want string // "name size signature body", or
		err  string
	}{
		{"file", pluginLoadCommand{Plugin: "chat", File: chat}, "", "chat 6  module", ""},
		{"name from the file", pluginLoadCommand{Plugin: chat}, "", "chat 6  module", ""},
		{"other name", pluginLoadCommand{Plugin: "x", File: chat}, "", "x 6  module", ""},
		{"standard input", pluginLoadCommand{Plugin: "chat", File: "-"}, "from elsewhere", "chat -1  from elsewhere", ""},
		{"signature beside it", pluginLoadCommand{Plugin: signed}, "", "signed 13 " + signature + " signed module", ""},
		{"signature", pluginLoadCommand{Plugin: chat, Signature: raw}, "", "chat 6 " + signature + " module", ""},
		{"bad signature", pluginLoadCommand{Plugin: chat, Signature: short}, "", "", "is no ed25519 signature; want its 64 bytes"},
		{"no signature", pluginLoadCommand{Plugin: chat, Signature: raw + "x"}, "", "", "no such file"},
		{"no file", pluginLoadCommand{Plugin: "chat"}, "", "", "no such file"},
		{"folder", pluginLoadCommand{Plugin: "chat", File: dir}, "", "", "is a folder"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e, s := startEdge(t), &screen{in: strings.NewReader(tt.in)}
			var got string
			e.plugins = func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				signature, _ := base64.StdEncoding.DecodeString(r.Header.Get("X-Edge-Signature"))
				name := strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, pluginsPath+"/"), "/module")
				got = fmt.Sprintf("%s %d %s %s", name, r.ContentLength, signature, body)
				io.WriteString(w, `{"name":"`+name+`","source":"upload","digest":"abcdef0123456789","generation":3,"generations":[
					{"number":4,"digest":"ffff","state":"canary","percent":10},{"number":3,"digest":"abcdef0123456789","state":"serving"},{"number":2,"digest":"2222","state":"warm"}]}`)
			}
			err := tt.load.Run(t.Context(), s.env(e))
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) || got != "" {
					t.Errorf("error %v, sent %q", err, got)
				}
				return
			}
			name, _, _ := strings.Cut(tt.want, " ")
			said := name + ": generation 3, abcdef012345, serving\n" + name + ": generation 4, ffff, canary 10%\n"
			if err != nil || got != tt.want || s.out.String() != said {
				t.Errorf("%v; sent %q, want %q; said %q", err, got, tt.want, &s.out)
			}
		})
	}
}

func TestPluginRollback(t *testing.T) {
	t.Parallel()
	e := startEdge(t)
	var asked string
	e.plugins = func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		asked = r.Method + " " + r.URL.Path + " " + string(body)
		if strings.Contains(r.URL.Path, "none") {
			refuse(w, abi.Errorf(abi.CodeNotFound, "there is no plugin %q", "none"))
			return
		}
		io.WriteString(w, `{"name":"chat","generation":5,"generations":[{"number":5,"digest":"1234567890abcdef","state":"serving"}]}`)
	}
	for _, tt := range []struct {
		rollback  pluginRollbackCommand
		asks, out string
	}{
		{pluginRollbackCommand{Plugin: "chat"}, `POST /v1/plugins/chat/rollback {"digest":""}`, "chat: generation 5, 1234567890ab, serving\n"},
		{pluginRollbackCommand{Plugin: "chat", Digest: "sha256:1234"}, `POST /v1/plugins/chat/rollback {"digest":"1234"}`, "chat: generation 5, 1234567890ab, serving\n"},
	} {
		s := &screen{}
		if err := tt.rollback.Run(t.Context(), s.env(e)); err != nil || asked != tt.asks || s.out.String() != tt.out {
			t.Errorf("%v, asked %q, printed %q", err, asked, &s.out)
		}
	}
	if err := (&pluginRollbackCommand{Plugin: "none"}).Run(t.Context(), (&screen{}).env(e)); !isCode(err, abi.CodeNotFound) {
		t.Errorf("error %v", err)
	}
}

func TestPluginHistory(t *testing.T) {
	t.Parallel()
	e, s := startEdge(t), &screen{}
	e.plugins = func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"name":"chat","history":[
			{"time":%q,"kind":"loaded","generation":1,"digest":"1234567890abcdef","origin":"upload"},
			{"time":%q,"kind":"refused","generation":2,"digest":"ffff","origin":"upload","step":"init","why":"edge_init answered 3"}]}`, ago(2*time.Hour), ago(time.Minute))
	}
	if err := (&pluginHistoryCommand{Plugin: "chat"}).Run(t.Context(), s.env(e)); err != nil {
		t.Fatal(err)
	}
	want := "AGO  EVENT    GEN  DIGEST        WHY\n 2h  loaded     1  1234567890ab  from upload\n 1m  refused    2  ffff          at init: edge_init answered 3\n"
	if s.out.String() != want {
		t.Errorf("printed\n%swant\n%s", &s.out, want)
	}
	s = &screen{}
	if err := (&pluginHistoryCommand{Plugin: "chat", Output: Output{"json"}}).Run(t.Context(), s.env(e)); err != nil || !strings.HasPrefix(s.out.String(), "{\n  \"history\": [\n") {
		t.Errorf("%v, printed %s", err, &s.out)
	}
}

func TestPluginCandidates(t *testing.T) {
	t.Parallel()
	e, s := startEdge(t), &screen{}
	e.plugins = func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, somePlugins()) }
	for _, tt := range []struct{ kind, plugin, want string }{
		{"plugin", "", "auth chat new"},
		{"loadable", "", "chat new"},
		{"generation", "chat", "999988887777 888877776666 6666 5555"},
		{"generation", "", ""},
	} {
		var got []string
		for _, c := range Candidates(t.Context(), s.env(e), Connection{}, tt.kind, "", tt.plugin) {
			got = append(got, c.Word)
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s of %q: %q, want %q", tt.kind, tt.plugin, got, tt.want)
		}
	}
	e.plugins = func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "no JSON") }
	if got := Candidates(t.Context(), s.env(e), Connection{}, "plugin", "", ""); got != nil {
		t.Errorf("%q", got)
	}
}
