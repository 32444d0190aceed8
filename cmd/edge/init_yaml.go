package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// newConfig is an edge.yaml that edge init writes for one Worker.
type newConfig struct {
	// file is what it was made of, and dir the folder that it belongs into, which
	// paths are relative to.
	file, dir string
	plugin    string
	source    string // with slashes
	listen    string
	domains   []string
	compute   int64 // milliseconds; 0 is the default
	sandboxes []newSandbox
	// config are the variables, in order; names are those of more bindings.
	config []newValue
	names  []newName
	kv     bool
	// secrets are names of secrets, whose values are to be put into the environment;
	// edge dev has those of local from workerVariables.
	secrets  []string
	local    []string
	previews bool
	// left are the keys that were not taken over.
	left []leftKey
}

// newSandbox is one binding.
type newSandbox struct {
	name                string
	context, dockerfile string // built if context is given
	image               string
	entrypoint          bool // the image's own runs
	memory              string
	cpus                float64 // 0 is the default
	max                 int64   // 0 is no bound
	size                string  // what memory and cpus come from, for people
}

// newValue is a variable with its value in JSON.
type newValue struct {
	name  string
	value json.RawMessage
}

// newName is a name in env for a namespace of the key-value store, by a prefix of
// keys, or for a sandbox by its binding.
type newName struct{ name, prefix, sandbox string }

// leftKey is a key that was not taken over, and why or what to do.
type leftKey struct{ key, why string }

// plainWord is what YAML reads as that text without quotes, apart from some words.
var plainWord = regexp.MustCompile(`^[A-Za-z./][A-Za-z0-9_./-]*$`)

// yamlText writes a text so that YAML reads it as one.
func yamlText(s string) string {
	switch strings.ToLower(s) {
	case "true", "false", "null", "yes", "no", "on", "off", "y", "n", ".nan", ".inf":
	default:
		if plainWord.MatchString(s) {
			return s
		}
	}
	return string(jsonOf(s))
}

// jsonOf is the value in JSON, which is YAML too, on one line.
func jsonOf(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil { // no text, and nothing that was read from JSON
		panic(err)
	}
	return bytes.TrimSpace(b.Bytes())
}

// yaml is the file.
func (n *newConfig) yaml() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# Made by edge init of %s. Paths are relative to this file; an unknown key is refused.\n", n.file)
	if n.listen != "" {
		fmt.Fprintf(&b, "listen: %s\n", jsonOf(n.listen))
	}
	if len(n.domains) > 0 {
		b.WriteString("# Previews are below these names; new URLs have the first.\n")
		fmt.Fprintf(&b, "domain: [%s]\n", yamlTexts(n.domains))
	}
	if len(n.sandboxes) > 0 {
		b.WriteString("\nsandboxes:\n")
	}
	for _, s := range n.sandboxes {
		s.write(&b)
	}
	b.WriteString("\nplugins:\n")
	n.writePlugin(&b)
	fmt.Fprintf(&b, "\nroutes:\n  - {path: \"/*\", plugin: %s}\n", yamlText(n.plugin))
	if n.previews {
		b.WriteString("\n# The Worker sees requests to previews first, and lets them in with proxyToSandbox.\n")
		fmt.Fprintf(&b, "previews: {plugin: %s}\n", yamlText(n.plugin))
	}
	return b.Bytes()
}

func yamlTexts(texts []string) string {
	var quoted []string
	for _, t := range texts {
		quoted = append(quoted, yamlText(t))
	}
	return strings.Join(quoted, ", ")
}

func (s newSandbox) write(w io.Writer) {
	var lines []string
	switch {
	case s.context != "":
		lines = append(lines, fmt.Sprintf("build: {context: %s, dockerfile: %s}", yamlText(s.context), yamlText(s.dockerfile)))
	case s.image != "":
		if !isVendorImage(s.image) { // its programs are not this machine's
			lines = append(lines, "runtime: docker   # left out, sandboxes use this machine's files where the engine lacks the image")
		}
		lines = append(lines, "image: "+yamlText(s.image))
	}
	if s.entrypoint {
		lines = append(lines, "entrypoint: image   # its own program runs at every start")
	}
	if s.memory != "" {
		lines = append(lines, fmt.Sprintf("memory: %s   # %s", s.memory, s.size))
	}
	if s.cpus > 0 {
		lines = append(lines, "cpus: "+strconv.FormatFloat(s.cpus, 'f', -1, 64))
	}
	if s.max > 0 {
		lines = append(lines, fmt.Sprintf("maxSandboxes: %d", s.max))
	}
	if s.context != "" || s.image != "" {
		lines = append(lines, "# network: egress   # what runs inside reaches the Internet; left out, it reaches nothing")
	}
	if len(lines) == 0 {
		fmt.Fprintf(w, "  %s: {}\n", yamlText(s.name))
		return
	}
	fmt.Fprintf(w, "  %s:\n    %s\n", yamlText(s.name), strings.Join(lines, "\n    "))
}

func (n *newConfig) writePlugin(w io.Writer) {
	fmt.Fprintf(w, "  %s:\n    source: %s\n", yamlText(n.plugin), yamlText(n.source))
	if n.compute > 0 {
		fmt.Fprintf(w, "    compute: %dms\n", n.compute)
	}
	if len(n.config) > 0 {
		io.WriteString(w, "    config:\n")
	}
	for _, c := range n.config {
		fmt.Fprintf(w, "      %s: %s\n", yamlText(c.name), c.value)
	}
	if len(n.names) > 0 {
		io.WriteString(w, "    bindings:\n")
	}
	for _, b := range n.names {
		if b.sandbox != "" {
			fmt.Fprintf(w, "      %s: {sandbox: %s}\n", yamlText(b.name), yamlText(b.sandbox))
		} else {
			fmt.Fprintf(w, "      %s: {kv: %s}\n", yamlText(b.name), yamlText(b.prefix))
		}
	}
	if n.kv {
		var all []string
		for _, s := range n.sandboxes {
			all = append(all, yamlText(s.name))
		}
		fmt.Fprintf(w, "    grants: {sandboxes: [%s], kv: true}   # fetch: [api.example.com] lets it call that host\n", strings.Join(all, ", "))
	} else {
		io.WriteString(w, "    # fetch reaches only what is granted, and grants name the sandboxes too:\n")
		fmt.Fprintf(w, "    # grants: {sandboxes: [%s], fetch: [api.example.com]}\n", yamlTexts(n.sandboxNames()))
	}
	n.writeSecrets(w)
}

// writeSecrets has those that nothing is known of stand behind marks, because edge does
// not start without their values.
func (n *newConfig) writeSecrets(w io.Writer) {
	missing := slices.DeleteFunc(slices.Clone(n.secrets), func(s string) bool { return slices.Contains(n.local, s) })
	if len(n.local) > 0 {
		fmt.Fprintf(w, "    # From the environment; edge dev takes from %s what is not there.\n    secrets:\n", workerVariables)
	}
	for _, s := range n.local {
		fmt.Fprintf(w, "      %s: {env: %s}\n", s, s)
	}
	if len(missing) == 0 {
		return
	}
	io.WriteString(w, "    # Put these into the environment of edge, then take the marks away:\n")
	if len(n.local) == 0 {
		io.WriteString(w, "    # secrets:\n")
	}
	for _, s := range missing {
		fmt.Fprintf(w, "    #   %s: {env: %s}\n", s, s)
	}
}

func (n *newConfig) sandboxNames() (names []string) {
	for _, s := range n.sandboxes {
		names = append(names, s.name)
	}
	return names
}

// summary is one line about what it holds.
func (n *newConfig) summary() string {
	text := fmt.Sprintf("plugin %s (%s)", n.plugin, n.source)
	for _, s := range n.sandboxes {
		text += ", sandbox " + s.name
	}
	return text
}

// tell lists the keys that were not taken over.
func (n *newConfig) tell(w io.Writer) {
	if len(n.left) == 0 {
		return
	}
	slices.SortStableFunc(n.left, func(a, b leftKey) int { return strings.Compare(a.key, b.key) })
	wide := 0
	for _, l := range n.left {
		wide = max(wide, len(l.key))
	}
	fmt.Fprintf(w, "not taken over from %s:\n", n.file)
	for _, l := range n.left {
		fmt.Fprintf(w, "  %-*s  %s\n", wide, printable(l.key), printable(l.why))
	}
}
