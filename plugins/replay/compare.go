package replay

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"edge/abi"
)

// Difference is one way in which two decisions differ. An empty side is nothing at
// all.
type Difference struct {
	What string `json:"what"` // "status", "header Content-Type", "body", "call"
	Was  string `json:"was"`
	Is   string `json:"is"`
}

// outcome is a decision as it can be compared.
type outcome struct {
	verdict abi.Verdict
	// body is the answer's, if it is known.
	body  Text
	whole bool
	// request is what goes on, if the decision is one that lets it.
	request *Request
}

// compare tells how is differs from was. Where the decisions are of different kinds
// nothing else is compared.
func (was outcome) compare(is outcome) []Difference {
	var d differences
	d.text("decision", was.verdict.Decision, is.verdict.Decision)
	if d != nil {
		d[0].Was, d[0].Is = Describe(was.verdict), Describe(is.verdict)
		return d
	}
	d.text("status", number(was.verdict.Status), number(is.verdict.Status))
	d.headers("header", pairs(was.verdict.Headers), pairs(is.verdict.Headers))
	d.body(was, is)
	d.value("sandbox", was.verdict.Sandbox, is.verdict.Sandbox)
	d.text("port", number(was.verdict.Port), number(is.verdict.Port))
	d.value("stream", was.verdict.Stream, is.verdict.Stream)
	d.value("policy", was.verdict.Policy, is.verdict.Policy)
	d.text("wake", string(was.verdict.Wake), string(is.verdict.Wake))
	d.value("plan", was.verdict.Plan, is.verdict.Plan)
	d.failure(was.verdict.Error, is.verdict.Error)
	if was.request != nil && is.request != nil {
		d.text("request's method", was.request.Method, is.request.Method)
		d.text("request's URL", was.request.URL+was.request.Path, is.request.URL+is.request.Path)
		d.headers("request's header", was.request.Headers, is.request.Headers)
	}
	return d
}

// differences collects what differs.
type differences []Difference

// text compares two texts. was may hold placeholders.
func (d *differences) text(what, was, is string) {
	if !alike(was, is) {
		*d = append(*d, Difference{what, was, is})
	}
}

var anyPlaceholder = regexp.MustCompile(`redacted:?[0-9a-f]{8}`)

// alike tells whether a text is the recorded one. Where that has a placeholder, the
// text may have it too, because it came from the recording; or something else that
// is none, because the plugin made it up itself, and what it made up then is not
// known.
func alike(was, is string) bool {
	if was == is {
		return true
	}
	places := anyPlaceholder.FindAllString(was, -1)
	if len(places) == 0 {
		return false
	}
	var pattern strings.Builder
	for i, fixed := range anyPlaceholder.Split(was, -1) {
		if i > 0 {
			pattern.WriteString("(.+?)")
		}
		pattern.WriteString(regexp.QuoteMeta(fixed))
	}
	p, err := regexp.Compile("(?s)^" + pattern.String() + "$")
	if err != nil {
		return false // too many placeholders for one expression
	}
	for i, got := range p.FindStringSubmatch(is) {
		switch {
		case i == 0 && got == "":
			return false
		case i > 0 && got != places[i-1] && anyPlaceholder.MatchString(got):
			return false
		}
	}
	return p.MatchString(is)
}

// value compares two values as JSON; a nil one is nothing.
func (d *differences) value(what string, was, is any) { d.text(what, jsonText(was), jsonText(is)) }

func jsonText(v any) string {
	b, err := marshal(v)
	if err != nil || string(b) == "null" || string(b) == "{}" {
		return ""
	}
	return canonical(b)
}

func (d *differences) headers(what string, was, is Headers) {
	values := func(hs Headers, name string) string {
		var list []string
		for _, h := range hs {
			if strings.EqualFold(h.Name, name) {
				list = append(list, h.Value)
			}
		}
		return strings.Join(list, " | ")
	}
	seen := map[string]bool{}
	for _, h := range slices.Concat(was, is) {
		if name := strings.ToLower(h.Name); !seen[name] {
			seen[name] = true
			d.text(what+" "+h.Name, values(was, name), values(is, name))
		}
	}
}

// body compares the bodies, by their digests if one of them was not kept.
func (d *differences) body(was, is outcome) {
	if was.whole && is.whole {
		d.text("body", string(was.body), string(is.body))
		return
	}
	if was.verdict.Streamed != is.verdict.Streamed {
		d.text("streamed", strconv.FormatBool(was.verdict.Streamed), strconv.FormatBool(is.verdict.Streamed))
	}
	if was.verdict.Streamed {
		return // its body was not kept
	}
	d.text("body", digest(was), digest(is))
}

func digest(o outcome) string {
	sum := o.verdict.BodySHA256
	if o.whole && sum == "" {
		s := sha256.Sum256(o.body)
		sum = hex.EncodeToString(s[:])
	}
	if o.verdict.BodyBytes == 0 {
		return ""
	}
	return fmt.Sprintf("%d bytes, sha256:%.12s", o.verdict.BodyBytes, sum)
}

func (d *differences) failure(was, is *abi.Error) {
	text := func(e *abi.Error) (code, message, details string) {
		if e == nil {
			return "", "", ""
		}
		return string(e.Code), e.Message, canonical(e.Details)
	}
	code, message, details := text(was)
	code2, message2, details2 := text(is)
	d.text("error", code, code2)
	d.text("message", message, message2)
	d.text("details", details, details2)
}

// calls compares what was asked for. The order counts if ordered is true.
func (d *differences) calls(was, is []Call, ordered bool) {
	before, after := keys(was), keys(is)
	if slices.EqualFunc(before, after, alike) {
		return
	}
	left := slices.Clone(after)
	var same []string
	for _, key := range before {
		i := slices.Index(left, key)
		if i < 0 {
			i = slices.IndexFunc(left, func(k string) bool { return alike(key, k) })
		}
		if i >= 0 {
			left = slices.Delete(left, i, i+1)
			same = append(same, key)
			continue
		}
		*d = append(*d, Difference{What: "call", Was: key})
	}
	for _, key := range left {
		*d = append(*d, Difference{What: "call", Is: key})
	}
	if ordered && len(same) == len(before) && len(left) == 0 {
		*d = append(*d, Difference{What: "order of calls", Was: names(was), Is: names(is)})
	}
}

// keys are the calls as they are compared.
func keys(calls []Call) []string {
	var list []string
	for i := range calls {
		if calls[i].Name != callPreview {
			list = append(list, calls[i].key())
		}
	}
	return list
}

func names(calls []Call) string {
	var list []string
	for i := range calls {
		if calls[i].Name != callPreview {
			list = append(list, calls[i].Name)
		}
	}
	return strings.Join(list, ", ")
}

// Describe is a decision in a few words: "respond 200 text/html 17.0 kB",
// "connect Sandbox/a:8080".
func Describe(v abi.Verdict) string {
	words := []string{v.Decision}
	switch v.Decision {
	case "respond":
		words = append(words, strconv.Itoa(v.Status))
		for _, h := range v.Headers {
			if strings.EqualFold(h[0], "Content-Type") {
				words = append(words, h[1])
			}
		}
		if v.BodyBytes > 0 {
			words = append(words, bytesText(v.BodyBytes))
		}
		if v.Streamed {
			words = append(words, "streamed")
		}
	case "connect", "proxy":
		if v.Stream != nil && v.Sandbox != nil {
			words = append(words, v.Sandbox.Binding+"/"+v.Sandbox.ID, v.Stream.Name)
			break
		}
		words = append(words, targetText(v.Sandbox, v.Port))
	case "plan":
		if v.Plan != nil {
			words = append(words, "then "+v.Plan.Then, targetText(&v.Plan.Sandbox, v.Plan.Port))
		}
	}
	if v.Error != nil {
		words = append(words, string(v.Error.Code))
	}
	return strings.Join(words, " ")
}

func targetText(ref *abi.SandboxRef, port int) string {
	if ref == nil || ref.Binding == "" {
		return "to the preview"
	}
	return fmt.Sprintf("%s/%s:%d", ref.Binding, ref.ID, port)
}

func bytesText(n int) string {
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f kB", float64(n)/1000)
}

func number(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

func pairs(list [][2]string) Headers {
	var hs Headers
	for _, p := range list {
		hs = append(hs, abi.Header{Name: p[0], Value: p[1]})
	}
	return hs
}

// Short is a text in at most n characters on one line, for a terminal.
func Short(s string, n int) string {
	if !utf8.ValidString(s) {
		return fmt.Sprintf("%d bytes that are no text", len(s))
	}
	s = strings.Join(strings.Fields(s), " ")
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}
