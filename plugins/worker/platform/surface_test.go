package platform

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the table of WORKERS.md anew")

const (
	pageFile     = "../../../WORKERS.md"
	surfaceBegin = "<!-- What follows is written by go test ./plugins/worker/platform -run TestSurface -update -->\n"
	surfaceEnd   = "<!-- end of the table -->\n"
)

// section is a part of the table: globals with the members that they have elsewhere;
// null stands for those that Node has.
type section struct {
	Title   string
	Notes   map[string]string // what to know, or to use instead
	Globals ordered
}

// ordered is a JSON object in the order in which it is written.
type ordered []global

type global struct {
	name    string
	members *[]string
}

func (o *ordered) UnmarshalJSON(b []byte) error {
	var members map[string]*[]string
	if err := json.Unmarshal(b, &members); err != nil {
		return err
	}
	names := slices.Collect(maps.Keys(members))
	at := func(name string) int { return strings.Index(string(b), fmt.Sprintf("%q:", name)) }
	slices.SortFunc(names, func(a, b string) int { return at(a) - at(b) })
	for _, name := range names {
		*o = append(*o, global{name, members[name]})
	}
	return nil
}

// found is what the engine says of a global.
type found struct {
	Members *[]string // nil: there is none
	Says    string    // when it is there by name alone
}

// TestSurface asks the running engine for every global and its members, and compares
// the table in WORKERS.md with it.
func TestSurface(t *testing.T) {
	t.Parallel()
	table := surface(t)
	page, err := os.ReadFile(pageFile)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(page), surfaceBegin)
	old, after, ok2 := strings.Cut(rest, surfaceEnd)
	if !ok || !ok2 {
		t.Fatalf("%s lacks the marks of the table", pageFile)
	}
	if old == table {
		return
	}
	if !*update {
		t.Fatalf("the table in WORKERS.md is not what the engine has: go test ./plugins/worker/platform -run TestSurface -update\n%s", firstDifference(old, table))
	}
	if err := os.WriteFile(pageFile, []byte(before+surfaceBegin+table+surfaceEnd+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

func firstDifference(old, table string) string {
	a, b := strings.Split(old, "\n"), strings.Split(table, "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("page   %s\nengine %s", a[i], b[i])
		}
	}
	return "one has more lines"
}

// surface writes the table.
func surface(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("surface.json")
	if err != nil {
		t.Fatal(err)
	}
	var sections []section
	if err := json.Unmarshal(text, &sections); err != nil {
		t.Fatal(err)
	}
	var names, inNode []string
	for _, s := range sections {
		for _, g := range s.Globals {
			names = append(names, g.name)
			if g.members == nil {
				inNode = append(inNode, g.name)
			}
		}
	}
	var elsewhere map[string]*[]string
	node(t, &elsewhere, append([]string{"node.js", "surface"}, inNode...)...)
	var here map[string]found
	if err := ask(t, serve(t, nil), map[string]any{"globals": names}, &here); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for _, s := range sections {
		fmt.Fprintf(&out, "\n| %s | there | what is missing, what to know |\n|---|---|---|\n", s.Title)
		for _, g := range s.Globals {
			wanted := g.members
			if wanted == nil {
				if wanted = elsewhere[g.name]; wanted == nil {
					t.Errorf("surface.json wants the members of %s, which Node has not", g.name)
					continue
				}
			}
			fmt.Fprintf(&out, "| `%s` | %s |\n", g.name, row(g.name, here[g.name], *wanted, s.Notes[g.name]))
		}
	}
	out.WriteString("\n## What differs from Node\n\nThe cases whose value is another here and in Node 20, and why:\n")
	last := ""
	listed := differences(t)
	for _, key := range slices.Sorted(maps.Keys(listed)) {
		file, name, _ := strings.Cut(key, "/")
		if file != last {
			fmt.Fprintf(&out, "\n**%s**\n\n", file)
			last = file
		}
		fmt.Fprintf(&out, "- `` %s ``: %s\n", name, listed[key])
	}
	out.WriteString("\n")
	return out.String()
}

// row is a global's line behind its name.
func row(name string, f found, wanted []string, note string) string {
	if f.Members == nil {
		return strings.TrimSpace("no | " + note)
	}
	if f.Says != "" {
		return "no | " + strings.TrimPrefix(f.Says, "new ")
	}
	var missing []string
	for _, m := range wanted {
		if !slices.Contains(*f.Members, m) {
			if strings.HasPrefix(m, ".") {
				m = name + m
			}
			missing = append(missing, "`"+m+"`")
		}
	}
	told := strings.Join(missing, ", ")
	if told != "" && note != "" {
		told += ": "
	}
	return strings.TrimSpace("yes | " + told + note)
}
