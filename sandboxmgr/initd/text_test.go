package initd

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"edge/abi"
	"edge/sandboxmgr/initproto"
)

// FuzzOutputEvents compares the events of output that comes in pieces with what
// encoding/json makes of the whole, and of the pieces in base64 with the bytes.
func FuzzOutputEvents(f *testing.F) {
	f.Add([]byte("aä€😀\xff\xf0\x9f\x98\n\"\\\x00"), 1, false)
	f.Add([]byte("\xe2\x82"), 1, false)
	f.Add(bytes.Repeat([]byte("\x01"), 70000), 65536, false)
	f.Add(bytes.Repeat([]byte("ä"), 70000), 4097, false)
	f.Add(bytes.Repeat([]byte("x"), 70000), 65536, true)
	f.Fuzz(func(t *testing.T, in []byte, size int, binary bool) {
		o := outputEvents{typ: abi.ExecStdout}
		if binary {
			o.encoding = encodingBase64
		}
		size = min(max(1, size), 64<<10)
		var got bytes.Buffer
		take := func(event []byte) {
			if len(event) == 0 {
				return
			}
			var e abi.ExecEvent
			if err := json.Unmarshal(event, &e); err != nil || len(event) > abi.MaxStreamText || e.Type != abi.ExecStdout || e.Data == "" {
				t.Fatalf("an event of %d bytes, %+v, %v", len(event), e.Type, err)
			}
			if !utf8.ValidString(e.Data) {
				t.Fatalf("cut in a character: %q", e.Data)
			}
			if binary {
				b, err := base64.StdEncoding.DecodeString(e.Data)
				if err != nil {
					t.Fatal(err)
				}
				got.Write(b)
				return
			}
			got.WriteString(e.Data)
		}
		for p := in; len(p) > 0; {
			piece := p[:min(size, len(p))]
			p = p[len(piece):]
			for len(piece) > 0 {
				var event []byte
				event, piece = o.next(make([]byte, 0, 64<<10), piece)
				take(event)
			}
		}
		take(o.last(nil))
		want := string(in)
		if !binary {
			b, err := json.Marshal(string(in))
			if err == nil {
				err = json.Unmarshal(b, &want)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if got.String() != want {
			t.Errorf("got %q, want %q", got.String(), want)
		}
	})
}

// FuzzOutputAnswer compares what is sent in pieces with what encoding/json makes
// of the whole.
func FuzzOutputAnswer(f *testing.F) {
	f.Add([]byte("aä\xff\n"), []byte(""), 3, false)
	f.Add(bytes.Repeat([]byte("ä\x00"), 90000), []byte("x"), 7777, false)
	f.Add(bytes.Repeat([]byte("ab"), 90000), []byte("abcd"), 5, true)
	f.Fuzz(func(t *testing.T, stdout, stderr []byte, size int, binary bool) {
		size = min(max(1, size), 64<<10)
		resp := &abi.ExecResponse{ExitCode: 3, Signal: "SIGKILL", Truncated: true}
		a := outputAnswer{around: resp}
		a.stdout.add(stdout)
		for p := stderr; len(p) > 0; {
			n := min(size, len(p))
			a.stderr.add(p[:n])
			p = p[n:]
		}
		want := *resp
		want.Stdout, want.Stderr = strings.ToValidUTF8(string(stdout), "\uFFFD"), string(stderr)
		if binary {
			a.encoding = encodingBase64
			want.Stdout, want.Stderr = base64.StdEncoding.EncodeToString(stdout), base64.StdEncoding.EncodeToString(stderr)
		} else if b, err := json.Marshal([]string{string(stdout), string(stderr)}); err == nil {
			var both []string
			if err := json.Unmarshal(b, &both); err != nil {
				t.Fatal(err)
			}
			want.Stdout, want.Stderr = both[0], both[1]
		}
		var sent bytes.Buffer
		w := initproto.NewWriter(&sent)
		if err := a.send(w); err != nil {
			t.Fatal(err)
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		body, err := initproto.NewReader(&sent).Body(initproto.MaxBody, nil)
		if err != nil {
			t.Fatal(err)
		}
		var got abi.ExecResponse
		if err := json.Unmarshal(body, &got); err != nil || got != want {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
		if len(body) > a.size() {
			t.Errorf("%d bytes, said to be %d", len(body), a.size())
		}
	})
}

func TestOutputWhole(t *testing.T) {
	t.Parallel()
	tests := []struct {
		pieces []string
		want   string
	}{
		{nil, ""}, {[]string{"abc"}, "abc"}, {[]string{"ab\xc3"}, "ab"}, {[]string{"ab\xe2", "\x82"}, "ab"},
		{[]string{"\xf0", "\x9f", "\x98"}, ""}, {[]string{"ab\xe2", "\x82", "\xac"}, "ab€"}, {[]string{"ab\xff"}, "ab\xff"},
	}
	for _, tt := range tests {
		var o output
		for _, p := range tt.pieces {
			o = append(o, []byte(p))
		}
		if got := bytes.Join(o.whole(), nil); string(got) != tt.want {
			t.Errorf("%q: got %q", tt.pieces, got)
		}
	}
}

func TestRingLastLines(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "\n", "a", "a\n", "a\nb", "a\nb\n", "\n\n\n", "a\n\nb\n"} {
		for shift := range 9 { // so that the text lies in every place of the buffer
			r := &ring{budget: newBudget(0), max: 8}
			r.buf = make([]byte, 8)
			_, _ = r.Write([]byte(strings.Repeat("y", shift)))
			first := r.total
			_, _ = r.Write([]byte(text))
			for n := 1; n < 5; n++ {
				got := r.lastLines(first, n)
				want := first + int64(len(text)-len(lastLines([]byte(text), n)))
				if got != want {
					t.Errorf("%q, %d lines, shift %d: got %d, want %d", text, n, shift, got-first, want-first)
				}
			}
		}
	}
}

func TestLookupUser(t *testing.T) {
	t.Parallel()
	const passwd = "root:x:0:0:root:/root:/bin/sh\n# comment\nbroken\nann:x:1000:1001:Ann:/home/ann:/bin/sh\nno:x:x:y::/:\nbob:x:1002:1002:::\n1000:x:7:7::/seven:\nbig:x:4294967295:1::/:\n"
	const groups = "root:x:0:\nann:x:1001:\ndocker:x:50:root,ann\nwheel:x:10:ann\nagain:x:10:ann\nbad:x:z:ann\nann2:x:60:annabel\n"
	tests := []struct {
		spec string
		want identity
		fail string
	}{
		{"ann", identity{1000, 1001, []uint32{10, 50}, "ann", "/home/ann"}, ""},
		{"1002", identity{1002, 1002, nil, "bob", "/"}, ""},
		{"1000", identity{7, 7, nil, "1000", "/seven"}, ""}, // a name goes before a number
		{"ann:docker", identity{1000, 50, nil, "ann", "/home/ann"}, ""},
		{"ann:77", identity{1000, 77, nil, "ann", "/home/ann"}, ""},
		{"4711", identity{4711, 0, nil, "", "/"}, ""},
		{"4711:4712", identity{4711, 4712, nil, "", "/"}, ""},
		{"root", identity{0, 0, []uint32{50}, "root", "/root"}, ""},
		{"nobody", identity{}, "passwd"},
		{"ann:nogroup", identity{}, "group"},
		{"", identity{}, "want"}, {":", identity{}, "want"}, {":50", identity{}, "want"}, {"ann:", identity{}, "want"},
		{"-1", identity{}, "passwd"}, {"4294967295", identity{}, "passwd"}, {"4294967296", identity{}, "passwd"}, {"ann:-1", identity{}, "group"},
	}
	for _, tt := range tests {
		id, err := lookupUser(tt.spec, strings.NewReader(passwd), strings.NewReader(groups))
		if tt.fail != "" {
			if err == nil || !strings.Contains(err.Error(), tt.fail) {
				t.Errorf("%q: got %+v, %v", tt.spec, id, err)
			}
			continue
		}
		if err != nil || id.uid != tt.want.uid || id.gid != tt.want.gid || id.name != tt.want.name || id.home != tt.want.home ||
			len(id.groups) != len(tt.want.groups) || string32(id.groups) != string32(tt.want.groups) {
			t.Errorf("%q: got %+v, %v", tt.spec, id, err)
		}
	}
}

func string32(ns []uint32) string {
	var b strings.Builder
	for _, n := range ns {
		b.WriteRune(rune(n))
	}
	return b.String()
}

// FuzzLookupUser reads foreign tables.
func FuzzLookupUser(f *testing.F) {
	f.Add("ann:docker", "ann:x:1000:1001::/:\n", "docker:x:50:ann\n")
	f.Fuzz(func(t *testing.T, spec, passwd, groups string) {
		id, err := lookupUser(spec, strings.NewReader(passwd), strings.NewReader(groups))
		if err == nil && (id.uid == ^uint32(0) || id.gid == ^uint32(0) || id.home == "" || len(id.groups) > maxGroups) {
			t.Errorf("got %+v", id)
		}
	})
}

func TestVariables(t *testing.T) {
	t.Parallel()
	text := func(s string) *string { return &s }
	var v variables
	base := []string{"A=1", "B=2", "PATH=/bin"}
	for _, step := range []map[string]*string{{"A": text("x"), "C": text("3")}, {"B": nil, "C": text("4")}, {"D": nil}} {
		if err := v.change(step); err != nil {
			t.Fatal(err)
		}
	}
	got, err := v.apply(base)
	if want := "A=x C=4 PATH=/bin"; err != nil || sorted(got) != want {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	large := strings.Repeat("x", maxVariableBytes)
	for _, bad := range []map[string]*string{{"": text("x")}, {"A=B": nil}, {"A": text("\x00")}, {"A\x00": nil}, {"E": text(large)}} {
		if err := v.change(bad); err == nil {
			t.Errorf("%.20v was taken", bad)
		}
	}
	if again, err := v.apply(base); err != nil || sorted(again) != sorted(got) {
		t.Errorf("what was refused changed something: %v, %v", again, err)
	}
}

func sorted(env []string) string {
	env = slices.Clone(env)
	slices.Sort(env)
	return strings.Join(env, " ")
}
