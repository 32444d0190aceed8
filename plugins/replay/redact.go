package replay

import (
	"cmp"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"edge/abi"
)

// minSecret is how long a plugin's secret is that is looked for within other
// texts, in bytes: shorter ones stand in every text.
const minSecret = 4

// redactor replaces what is confidential by placeholders: "redacted:" and eight
// hexadecimal digits that are a keyed hash (HMAC-SHA-256, RFC 2104) of what stood
// there. The key is made for each recording and kept nowhere. The same value always
// has the same placeholder, so that a plugin that compares two of them comes to the
// same decision; what could stand in the URL of a preview, [a-z0-9_]{1,16},
// becomes "redacted" and the digits, which can stand there too.
//
// Replaced are, wherever they stand: the plugin's secrets, the tokens in URLs of
// previews, values of parameters, JSON fields, cookies and headers whose names say
// that they are confidential (isConfidential). A nil redactor replaces nothing.
type redactor struct {
	key     []byte
	secrets *strings.Replacer // nil: none are known
	known   []string
}

func newRedactor() *redactor {
	r := &redactor{key: make([]byte, 32)}
	_, _ = rand.Read(r.key) // never fails
	return r
}

// know has a plugin's secrets replaced, besides those that were known before.
func (r *redactor) know(secrets map[string]string) {
	if r == nil {
		return
	}
	before := len(r.known)
	for _, s := range secrets {
		if len(s) >= minSecret && !slices.Contains(r.known, s) {
			r.known = append(r.known, s)
		}
	}
	if len(r.known) == before {
		return
	}
	// Longer ones first: one may be a part of another.
	slices.SortFunc(r.known, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
	var pairs []string
	for _, s := range r.known {
		pairs = append(pairs, s, r.placeholder(s))
	}
	r.secrets = strings.NewReplacer(pairs...)
}

var urlToken = regexp.MustCompile(`^[a-z0-9_]{1,16}$`)

// placeholder is what stands for a value. A placeholder stands for itself.
func (r *redactor) placeholder(v string) string {
	if v == "" || isPlaceholder(v) {
		return v
	}
	h := hmac.New(sha256.New, r.key)
	h.Write([]byte(v))
	digits := hex.EncodeToString(h.Sum(nil)[:4])
	if urlToken.MatchString(v) {
		return "redacted" + digits
	}
	return "redacted:" + digits
}

var placeholder = regexp.MustCompile(`^redacted:?[0-9a-f]{8}$`)

func isPlaceholder(v string) bool { return placeholder.MatchString(v) }

// confidential is a part of a name, in lower case and without separators, that
// makes its value confidential.
var confidential = []string{
	"authorization", "token", "secret", "password", "passwd", "apikey", "accesskey", "privatekey", "credential", "signature", "cookie", "session", "jwt",
}

// isConfidential tells whether the value of a header, a parameter or a JSON field of
// that name is confidential.
func isConfidential(name string) bool {
	if plain, err := url.PathUnescape(name); err == nil {
		name = plain
	}
	name = strings.NewReplacer("-", "", "_", "", ".", "").Replace(strings.ToLower(name))
	switch name {
	case "auth", "sessionid", "sid", "edgelink":
		return true
	case "session", "sessions", "maxtokens", "tokens", "secwebsocketkey":
		return false // of exec and its like it is a name; the others are counts
	}
	return slices.ContainsFunc(confidential, func(part string) bool { return strings.Contains(name, part) })
}

// Patterns of what is confidential within a text. Each has the part before it, the
// value, and what follows that belongs to the match.
var (
	// //8080-box-token.localhost, in any case
	previewHost = regexp.MustCompile(`(?i)(//[0-9]{4,5}-[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?-)([a-z0-9_]{1,16})(\.)`)
	// 8080-box-token.localhost, as a Host header has it
	hostLabel = regexp.MustCompile(`(?i)^([0-9]{4,5}-[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?-)([a-z0-9_]{1,16})(\.)`)
	// /_preview/8080/box-token/
	previewPath = regexp.MustCompile(`(/_preview/[0-9]{4,5}/[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?-)([a-z0-9_]{1,16})([/?#"' ]|$)`)
	// ?token=value, and forms; the name may be escaped
	parameter = regexp.MustCompile(`((?:^|[?&;])([A-Za-z0-9_.%\-]{1,64})=)([^&;#\s"'<>]+)`)
	// "token": "value"
	field = regexp.MustCompile(`("([A-Za-z0-9_.\-]{1,64})"\s*:\s*")((?:[^"\\]|\\.)+)(")`)
)

// text replaces what is confidential within a text.
func (r *redactor) text(s string) string {
	if r == nil || s == "" {
		return s
	}
	if r.secrets != nil {
		s = r.secrets.Replace(s)
	}
	if strings.Contains(s, "//") {
		s = r.tokens(previewHost, s)
	}
	if strings.Contains(s, "/_preview/") {
		s = r.tokens(previewPath, s)
	}
	if strings.Contains(s, "=") {
		s = r.named(parameter, s)
	}
	if strings.Contains(s, `"`) {
		s = r.named(field, s)
	}
	return s
}

// tokens replaces the second group of each match.
func (r *redactor) tokens(pattern *regexp.Regexp, s string) string {
	return pattern.ReplaceAllStringFunc(s, func(match string) string {
		m := pattern.FindStringSubmatch(match)
		return m[1] + r.placeholder(m[2]) + m[3]
	})
}

// named replaces the third group of each match whose second is a confidential name.
func (r *redactor) named(pattern *regexp.Regexp, s string) string {
	return pattern.ReplaceAllStringFunc(s, func(match string) string {
		m := pattern.FindStringSubmatch(match)
		if !isConfidential(m[2]) {
			return match
		}
		return m[1] + r.placeholder(m[3]) + strings.Join(m[4:], "")
	})
}

// header replaces what is confidential of a header's value: the credentials behind
// a scheme, the values of cookies, or all of it.
func (r *redactor) header(h abi.Header) abi.Header {
	switch name := strings.ToLower(h.Name); {
	case name == "authorization" || name == "proxy-authorization":
		if scheme, credentials, ok := strings.Cut(h.Value, " "); ok {
			h.Value = scheme + " " + r.placeholder(credentials)
			break
		}
		h.Value = r.placeholder(h.Value)
	case name == "cookie":
		cookies := strings.Split(h.Value, ";")
		for i, c := range cookies {
			cookies[i] = r.cookie(c)
		}
		h.Value = strings.Join(cookies, ";")
	case name == "set-cookie":
		cookie, attributes, _ := strings.Cut(h.Value, ";")
		h.Value = r.cookie(cookie)
		if attributes != "" {
			h.Value += ";" + attributes
		}
	case isConfidential(name):
		h.Value = r.placeholder(h.Value)
	default:
		h.Value = r.text(hostLabel.ReplaceAllStringFunc(h.Value, func(s string) string { return r.tokens(hostLabel, s) }))
	}
	return h
}

func (r *redactor) cookie(c string) string {
	name, value, ok := strings.Cut(c, "=")
	if !ok {
		return c
	}
	return name + "=" + r.placeholder(value)
}

func (r *redactor) headers(hs Headers) Headers {
	if r == nil {
		return hs
	}
	out := make(Headers, len(hs))
	for i, h := range hs {
		out[i] = r.header(h)
	}
	return out
}

func (r *redactor) request(q *Request) *Request {
	if r == nil || q == nil {
		return q
	}
	out := *q
	out.URL, out.Headers, out.Body = r.text(q.URL), r.headers(q.Headers), Text(r.text(string(q.Body)))
	return &out
}

// line is l without what is confidential.
func (r *redactor) line(l *Line) *Line {
	if r == nil {
		return l
	}
	out := *l
	out.Request, out.Edited = r.request(l.Request), r.request(l.Edited)
	out.Body = Text(r.text(string(l.Body)))
	out.Calls = slices.Clone(l.Calls)
	for i := range out.Calls {
		c := &out.Calls[i]
		c.Request, c.Answer = r.json(c.Request), r.json(c.Answer)
		if c.Error != nil {
			c.Error = r.failure(c.Error)
		}
	}
	if l.Explanation != nil {
		e := *l.Explanation
		e.Verdict = r.verdict(e.Verdict)
		out.Explanation = &e
	}
	return &out
}

func (r *redactor) failure(e *abi.Error) *abi.Error {
	out := *e
	out.Message, out.Suggestion, out.Details = r.text(e.Message), r.text(e.Suggestion), r.json(e.Details)
	return &out
}

func (r *redactor) verdict(v abi.Verdict) abi.Verdict {
	text, err := marshal(v)
	if err != nil {
		return v
	}
	var out abi.Verdict
	if err := json.Unmarshal(r.json(text), &out); err != nil {
		return v
	}
	return out
}

// settings is s with placeholders for the secrets.
func (r *redactor) settings(s *Settings) *Settings {
	if r == nil {
		return s
	}
	out := *s
	if s.Secrets != nil {
		out.Secrets = make(map[string]string, len(s.Secrets))
	}
	for name, value := range s.Secrets {
		out.Secrets[name] = r.placeholder(value)
	}
	out.Config = make(map[string]json.RawMessage, len(s.Config))
	for key, value := range s.Config {
		out.Config[key] = r.json(value)
	}
	return &out
}
