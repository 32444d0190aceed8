package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
	"github.com/tailscale/hujson"
)

// migrate returns what a file of wrangler's is here. With env the environment of
// that name in it counts, as wrangler deploy --env takes it.
func migrate(file, env string) (*newConfig, error) {
	root, err := readWrangler(file)
	if err != nil {
		return nil, err
	}
	m := newMigration(file, root)
	if env != "" {
		if err := m.takeEnvironment(env); err != nil {
			return nil, err
		}
	}
	_, contained := root["containers"]
	m.run()
	if err := errors.Join(m.problems...); err != nil {
		return nil, err
	}
	if env != "" && contained && len(m.made.sandboxes) == 0 {
		m.leave("env."+env, "has no sandbox: wrangler has no environment inherit containers and durable_objects, so repeat them there")
	}
	return m.made, nil
}

func newMigration(file string, root map[string]any) *migration {
	return &migration{
		made: &newConfig{file: filepath.Base(file), dir: filepath.Dir(file)},
		root: wrangled{file: filepath.ToSlash(file), v: root}, classes: map[string]string{},
	}
}

// readWrangler parses the file by the end of its name. Numbers are json.Number,
// times of TOML are texts.
func readWrangler(file string) (map[string]any, error) {
	content, err := readSmallFile(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %s", file, reason(err))
	}
	return parseWrangler(file, content)
}

func parseWrangler(file string, content []byte) (map[string]any, error) {
	content = bytes.TrimPrefix(content, []byte("\ufeff"))
	var err error
	if filepath.Ext(file) == ".toml" {
		content, err = jsonOfTOML(content)
	} else {
		content, err = hujson.Standardize(content)
	}
	if err != nil {
		var p toml.ParseError
		if errors.As(err, &p) {
			return nil, problem{place{file, p.Position.Line, p.Position.Col}, p.Message}
		}
		return nil, fmt.Errorf("%s: %s", file, strings.TrimPrefix(err.Error(), "hujson: "))
	}
	var root any
	d := json.NewDecoder(bytes.NewReader(content))
	d.UseNumber()
	if err := d.Decode(&root); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	object, ok := root.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%s: holds %s; want an object", file, kindOf(root))
	}
	return object, nil
}

func jsonOfTOML(content []byte) ([]byte, error) {
	var object map[string]any
	if err := toml.Unmarshal(content, &object); err != nil {
		return nil, err
	}
	if object == nil {
		object = map[string]any{}
	}
	return json.Marshal(object)
}

// migration is one file of wrangler's while it is taken over.
type migration struct {
	made *newConfig
	root wrangled
	// classes are the bindings of the container classes, by class.
	classes  map[string]string
	problems []error
}

// fail records what is wrong with the file.
func (m *migration) fail(w wrangled, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if w.path != "" {
		text = w.path + ": " + text
	}
	m.problems = append(m.problems, fmt.Errorf("%s: %s", w.file, text))
}

// leave records a key that is not taken over.
func (m *migration) leave(key, format string, args ...any) {
	m.made.left = append(m.made.left, leftKey{key, fmt.Sprintf(format, args...)})
}

// notInherited are the keys that an environment does not have from the rest of the
// file.
var notInherited = []string{
	"vars", "kv_namespaces", "durable_objects", "d1_databases", "r2_buckets", "queues", "services", "containers", "define", "hyperdrive", "vectorize",
	"ai", "browser", "workflows", "analytics_engine_datasets", "send_email", "mtls_certificates", "dispatch_namespaces", "secrets", "tail_consumers",
}

// takeEnvironment has the environment's keys take the place of the file's own.
func (m *migration) takeEnvironment(name string) error {
	all, _ := m.root.v.(map[string]any)["env"].(map[string]any)
	chosen, ok := all[name].(map[string]any)
	if !ok {
		return fmt.Errorf("%s: env.%s: there is no such environment; %s", m.root.file, name, meant(name, all))
	}
	own := map[string]any{}
	for key, v := range m.root.v.(map[string]any) {
		if !slices.Contains(notInherited, key) && key != "env" {
			own[key] = v
		}
	}
	maps.Copy(own, chosen)
	m.root.v = own
	return nil
}

// run takes the keys one after the other.
func (m *migration) run() {
	keys := wranglerKeys()
	object := m.root.v.(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(object)) {
		w := m.root.at(name)
		switch key, known := keys[name]; {
		case !known:
			m.leave(name, "unknown here; nothing was made of it")
		case key.take != nil:
			key.take(m, w)
		case key.why != "":
			m.leave(name, "%s", key.why)
		}
	}
	m.finish()
}

// finish is what takes more than one key, or none.
func (m *migration) finish() {
	n := m.made
	if n.source == "" && len(m.problems) == 0 {
		m.fail(m.root, "has no main; want the Worker's source")
		return
	}
	if n.plugin == "" {
		name, err := folderName(n.dir)
		if err != nil {
			m.fail(m.root, "%s", reason(err))
		}
		n.plugin = name
	}
	m.takeDurableObjects(m.root.at("durable_objects"))
	for _, class := range slices.Sorted(maps.Keys(m.classes)) {
		if m.classes[class] == "" {
			m.leave("containers", "the class %s has no name in durable_objects, so no Worker can use it", class)
		}
	}
	m.checkNames()
	m.findSecrets()
	n.previews = usesPreviews(filepath.Join(n.dir, filepath.FromSlash(n.source)))
}

// findSecrets has the names of .dev.vars, which wrangler dev reads, put in.
func (m *migration) findSecrets() {
	for _, name := range []string{workerVariables, ".env"} {
		text, err := readSmallFile(filepath.Join(m.made.dir, name))
		if err != nil {
			continue // there is none
		}
		found, err := parseVariables(name, string(text))
		if err != nil {
			m.leave(name, "is not understood, so its names are not there")
		}
		if name == workerVariables {
			for _, v := range m.made.config {
				if _, both := found[v.name]; both {
					m.leave(name, "%s is a variable, too, which takes its value from config in %s", v.name, configSource)
					delete(found, v.name)
				}
			}
			m.made.local = slices.Sorted(maps.Keys(found))
			return
		}
		m.made.addSecrets(slices.Collect(maps.Keys(found)))
		if len(found) > 0 {
			m.leave(name, "secrets come from the environment or from files: see secrets in %s", configSource)
		}
		return
	}
}

func (n *newConfig) addSecrets(names []string) {
	n.secrets = append(n.secrets, names...)
	slices.Sort(n.secrets)
	n.secrets = slices.Compact(n.secrets)
}

// wrangled is one value of wrangler's file, with the path that names it.
type wrangled struct {
	file, path string
	v          any // nil is none
}

// at is the member of that name; none if the value is no object.
func (w wrangled) at(name string) wrangled {
	object, _ := w.v.(map[string]any)
	path := name
	if w.path != "" {
		path = w.path + "." + name
	}
	return wrangled{w.file, path, object[name]}
}

// kindOf names what a value is.
func kindOf(v any) string {
	switch v.(type) {
	case nil:
		return "nothing"
	case bool:
		return "true or false"
	case string:
		return "a text"
	case json.Number:
		return "a number"
	case []any:
		return "a list"
	}
	return "an object"
}

// text returns the value if it is one, "" if there is none.
func (m *migration) text(w wrangled) string {
	s, ok := w.v.(string)
	if !ok && w.v != nil {
		m.fail(w, "is %s; want a text", kindOf(w.v))
	}
	return s
}

// number returns the value if it is a whole number from least to most, 0 if there
// is none.
func (m *migration) number(w wrangled, least, most int64) int64 {
	if w.v == nil {
		return 0
	}
	number, ok := w.v.(json.Number)
	n, err := number.Int64()
	if !ok || err != nil || n < least || n > most {
		m.fail(w, "is %s; want a whole number from %d to %d", shortJSON(w.v), least, most)
		return 0
	}
	return n
}

func shortJSON(v any) string {
	const most = 60
	text := string(jsonOf(v))
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "..."
	}
	return text
}

// items returns the members of a list.
func (m *migration) items(w wrangled) (items []wrangled) {
	list, ok := w.v.([]any)
	if !ok && w.v != nil {
		m.fail(w, "is %s; want a list", kindOf(w.v))
	}
	for i, v := range list {
		items = append(items, wrangled{w.file, fmt.Sprintf("%s[%d]", w.path, i), v})
	}
	return items
}

// members returns the members of an object, nil if the value is none.
func (m *migration) members(w wrangled) map[string]any {
	object, ok := w.v.(map[string]any)
	if !ok {
		m.fail(w, "is %s; want an object", kindOf(w.v))
	}
	return object
}

// object checks that a value is an object, and records the members that nobody
// knows as left, those in whys with their reason. A reason of "" is none: such a
// member is taken, or means nothing here.
func (m *migration) object(w wrangled, whys map[string]string) bool {
	object := m.members(w)
	for _, name := range slices.Sorted(maps.Keys(object)) {
		switch why, known := whys[name]; {
		case !known:
			m.leave(w.at(name).path, "unknown here; nothing was made of it")
		case why != "":
			m.leave(w.at(name).path, "%s", why)
		}
	}
	return object != nil
}

// folderOf is the path of a file's folder, with slashes, relative to the
// configuration.
func folderOf(path string) string { return filepath.ToSlash(filepath.Dir(filepath.FromSlash(path))) }

// isFile tells whether a path below the configuration's folder is a file.
func (m *migration) isFile(path string) bool {
	st, err := os.Stat(filepath.Join(m.made.dir, filepath.FromSlash(path)))
	return err == nil && !st.IsDir()
}
