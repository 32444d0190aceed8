package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// maxProblems is how many problems of a file are reported; the rest are
// counted.
const maxProblems = 10

// maxConfigBytes is the most that a configuration file may hold.
const maxConfigBytes = 1 << 20

// place is a place in a file that an editor can open.
type place struct {
	file      string
	line, col int // from 1; 0 for the file as a whole
}

// String is "edge.yaml:12:5".
func (p place) String() string {
	if p.line == 0 {
		return p.file
	}
	return fmt.Sprintf("%s:%d:%d", p.file, p.line, p.col)
}

// problem is something wrong with a file.
type problem struct {
	place
	text string
}

func (p problem) Error() string { return p.place.String() + ": " + p.text }

// document is one YAML file while it is read. Reading goes on after a problem,
// so that all of them are reported together.
type document struct {
	file     string
	problems []problem
}

// readDocument parses the file and returns its root, which is null for an empty
// file. Only a file that cannot be parsed is an error; what the reader of the
// values finds is kept in the document's problems.
func readDocument(file string) (*document, value, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, value{}, problem{place{file: file}, "cannot be read: " + reason(err)}
	}
	if len(content) > maxConfigBytes {
		return nil, value{}, problem{place{file: file}, "is larger than 1 MiB"}
	}
	return parseDocument(file, content)
}

// parseDocument is readDocument for content that was read already.
func parseDocument(file string, content []byte) (*document, value, error) {
	d := &document{file: file}
	content = bytes.TrimPrefix(content, []byte("\ufeff")) // the mark that some editors put first (YAML 1.2, section 5.2)
	parsed, err := parser.ParseBytes(content, 0)
	if err != nil {
		return nil, value{}, d.syntax(err)
	}
	root := value{doc: d}
	for i, doc := range parsed.Docs {
		if i > 0 {
			at := doc.Start.Position
			return nil, value{}, problem{place{file, at.Line, at.Column}, "a second document; this file holds one"}
		}
		root.node = doc.Body
		if doc.Body != nil {
			root.at = doc.Body.GetToken()
		}
	}
	return d, root, nil
}

// syntax turns the parser's error, which quotes the file over several lines,
// into one line.
func (d *document) syntax(err error) error {
	var y yaml.Error
	if errors.As(err, &y) && y.GetToken() != nil {
		at := y.GetToken().Position
		return problem{place{d.file, at.Line, at.Column}, y.GetMessage()}
	}
	return problem{place{file: d.file}, err.Error()}
}

// err returns the problems found so far as one error of several lines, in the
// order of the file, or nil.
func (d *document) err() error {
	if len(d.problems) == 0 {
		return nil
	}
	slices.SortStableFunc(d.problems, func(a, b problem) int {
		if a.line != b.line {
			return a.line - b.line
		}
		return a.col - b.col
	})
	shown := d.problems[:min(len(d.problems), maxProblems)]
	errs := make([]error, 0, len(shown)+1)
	for _, p := range shown {
		errs = append(errs, p)
	}
	if more := len(d.problems) - len(shown); more > 0 {
		errs = append(errs, problem{place{file: d.file}, fmt.Sprintf("and %d more problems", more)})
	}
	return errors.Join(errs...)
}

// value is one node of a document with the path that names it in messages.
type value struct {
	doc  *document
	node ast.Node
	// at is where messages about the value point: itself, or its key when it is
	// a block.
	at   *token.Token
	path string // "plugins.chat.memory"; empty for the root
}

// place is where messages about the value point.
func (v value) place() place {
	if v.at == nil {
		return place{file: v.doc.file}
	}
	return place{v.doc.file, v.at.Position.Line, v.at.Position.Column}
}

// fail records a problem about the value; the text follows its path.
func (v value) fail(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if v.path != "" {
		text = v.path + ": " + text
	}
	v.doc.problems = append(v.doc.problems, problem{v.place(), text})
}

// unavailable records that a documented key is not carried out by this version;
// why may be empty.
func (v value) unavailable(why string) {
	if why != "" {
		why = ": " + why
	}
	v.fail("is not available in this version%s", why)
}

// child is the value of one entry of a mapping.
func (v value) child(name string, e *ast.MappingValueNode) value {
	path := name
	if v.path != "" {
		path = v.path + "." + name
	}
	at := e.Value.GetToken()
	if m, ok := e.Value.(*ast.MappingNode); e.Value.Type() == ast.NullType || (ok && !m.IsFlowStyle) {
		at = e.Key.GetToken()
	}
	return value{v.doc, e.Value, at, path}
}

// mapping returns the entries of a mapping by name, none for null. Anything else
// is a problem, as are keys that are no plain words.
func (v value) mapping() []*ast.MappingValueNode {
	switch n := v.node.(type) {
	case nil, *ast.NullNode:
		return nil
	case *ast.MappingNode:
		return n.Values
	}
	v.fail("%s; want a mapping of keys to values", v.found())
	return nil
}

// object reads a mapping whose keys are known. An unknown key is a problem that
// names the nearest known one.
func (v value) object(fields map[string]func(value)) {
	for _, e := range v.mapping() {
		name, ok := v.key(e)
		if !ok {
			continue
		}
		if read, known := fields[name]; known {
			read(v.child(name, e))
			continue
		}
		at := v
		at.at = e.Key.GetToken()
		at.fail("unknown key %q; %s", name, meant(name, fields))
	}
}

// entries reads a mapping whose keys are names that the user chose. Each is
// called with the name and its value, in the order of the file.
func (v value) entries(each func(name string, key, val value)) {
	for _, e := range v.mapping() {
		name, ok := v.key(e)
		if !ok {
			continue
		}
		key := value{v.doc, e.Key, e.Key.GetToken(), v.path}
		each(name, key, v.child(name, e))
	}
}

// key returns the text of an entry's key.
func (v value) key(e *ast.MappingValueNode) (string, bool) {
	switch k := e.Key.(type) {
	case *ast.StringNode:
		return k.Value, true
	case *ast.IntegerNode, *ast.BoolNode, *ast.FloatNode:
		return k.GetToken().Value, true
	}
	at := v
	at.at = e.Key.GetToken()
	at.fail("a key must be a plain word; merge keys, anchors and \"?\" are not understood")
	return "", false
}

// list reads a sequence, or nothing for null.
func (v value) list(each func(i int, item value)) {
	switch n := v.node.(type) {
	case *ast.NullNode:
	case *ast.SequenceNode:
		for i, item := range n.Values {
			each(i, v.item(i, item))
		}
	default:
		v.fail("%s; want a list", v.found())
	}
}

func (v value) item(i int, n ast.Node) value {
	at := n.GetToken()
	if m, ok := n.(*ast.MappingNode); ok && !m.IsFlowStyle && len(m.Values) > 0 {
		at = m.Values[0].Key.GetToken()
	}
	return value{v.doc, n, at, fmt.Sprintf("%s[%d]", v.path, i)}
}

// found says what stands there, for messages.
func (v value) found() string {
	switch n := v.node.(type) {
	case nil, *ast.NullNode:
		return "has no value"
	case *ast.MappingNode:
		return "is a mapping"
	case *ast.SequenceNode:
		return "is a list"
	case *ast.AnchorNode, *ast.AliasNode:
		return "is an anchor or alias, which are not understood"
	case *ast.TagNode:
		return "has a tag, which is not understood"
	default:
		return fmt.Sprintf("is %q", n.GetToken().Value)
	}
}

// reason is the last link of a file error, without the path that the message
// already has.
func reason(err error) string {
	var p *os.PathError
	if errors.As(err, &p) {
		err = p.Err
	}
	return strings.ToLower(err.Error())
}
