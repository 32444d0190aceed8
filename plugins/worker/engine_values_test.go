package worker

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"edge/abi"
	"edge/plugins"
)

// TestArguments gives functions every kind of value as bytes and as a number.
func TestArguments(t *testing.T) {
	t.Parallel()
	p, log := serve(t, bare(t, evaluating), nil)
	for _, c := range []struct{ name, script, want string }{
		{"ASCII", "return edge.utf8_decode('abc')", "abc"},
		{"a string in UTF-8", "return hex(edge.utf8_encode('aé€😀\\0b'))", "61c3a9e282acf09f98800062"},
		{"lone surrogates", "return hex(edge.utf8_encode('a\\ud800b\\udfff')) + hex(edge.utf8_encode('\\udc00\\ud83d\\ude00\\ud83d'))", "61efbfbd62efbfbd" + "efbfbdf09f9880efbfbd"},
		{"characters near surrogates", "return hex(edge.utf8_encode('\\ud7ff\\ue000'))", "ed9fbfee8080"},
		{"a rope", "let s = ''; for (let i = 0; i < 9000; i++) s += 'ab'; return String(edge.utf8_encode(s).length)", "18000"},
		{"a number", "return edge.utf8_decode(1.5)", "1.5"},
		{"nothing", "return '<' + edge.utf8_decode(null) + edge.utf8_decode(undefined) + edge.utf8_decode() + edge.utf8_decode('') + '>'", "<>"},
		{"Uint8Array", "return edge.utf8_decode(new Uint8Array([97, 98]))", "ab"},
		{"Uint8ClampedArray", "return edge.utf8_decode(new Uint8ClampedArray([97, 98]))", "ab"},
		{"part of a buffer", "return edge.utf8_decode(new Uint8Array([97, 98, 99, 100]).subarray(1, 3))", "bc"},
		{"empty Uint8Array", "return '<' + edge.utf8_decode(new Uint8Array()) + '>'", "<>"},
		{"Int8Array", "return edge.utf8_decode(new Int8Array([97, 98]))", "ab"},
		{"Uint16Array", "return edge.utf8_decode(new Uint16Array(new Uint8Array([97, 98, 99, 100, 101, 102]).buffer, 2, 1))", "cd"},
		{"Float64Array", "return hex(edge.utf8_encode(new Float64Array([1])))", "000000000000f03f"},
		{"BigInt64Array", "return hex(edge.utf8_encode(new BigInt64Array([1n])))", "0100000000000000"},
		{"empty Int32Array", "return '<' + edge.utf8_decode(new Int32Array()) + '>'", "<>"},
		{"ArrayBuffer", "return edge.utf8_decode(new Uint8Array([97, 98]).buffer)", "ab"},
		{"empty ArrayBuffer", "return '<' + edge.utf8_decode(new ArrayBuffer()) + '>'", "<>"},
		{"DataView", "return edge.utf8_decode(new DataView(new Uint8Array([97, 98, 99, 100]).buffer, 1, 2))", "bc"},
		{"DataView that lies", "const v = new DataView(new ArrayBuffer(2)); Object.defineProperty(v, 'byteLength', { value: 1e6 }); Object.defineProperty(v, 'buffer', { get() { throw 1 } }); return hex(edge.utf8_encode(v))", "0000"},
		{"detached", "const b = new ArrayBuffer(8), u = new Uint8Array(b), w = new Uint16Array(b), d = new DataView(b); b.transfer(); return [b, u, w, d].map((x) => attempt(() => edge.utf8_decode(x).length)).map((x) => x === 0 || String(x).startsWith('throws TypeError')).join()", "true,true,true,true"},
		{"shrunk", "const b = new ArrayBuffer(16, { maxByteLength: 32 }), w = new Uint16Array(b, 8), a = new Uint8Array(b), d = new DataView(b, 8); b.resize(12); const n = [w, a, d].map((x) => attempt(() => edge.utf8_encode(x).length)); b.resize(4); return JSON.stringify([n, [a].map((x) => edge.utf8_encode(x).length), [w, d].every((x) => { const l = attempt(() => edge.utf8_encode(x).length); return l === 0 || String(l).startsWith('throws TypeError') })])", "[[4,12,4],[4],true]"},
		{"object", "return attempt(() => edge.utf8_decode({}))", "throws TypeError: not an ArrayBuffer or a view of one"},
		{"array", "return attempt(() => edge.utf8_decode([97]))", "throws TypeError: not an ArrayBuffer or a view of one"},
		{"function", "return attempt(() => edge.utf8_decode(() => 1))", "throws TypeError: not an ArrayBuffer or a view of one"},
		{"Symbol", "return attempt(() => edge.utf8_decode(Symbol())).slice(0, 16)", "throws TypeError"},
		{"BigInt", "return edge.utf8_decode(12n)", "12"},

		{"numbers", "return [req, req + 2 ** 32, String(req), { valueOf: () => req }].map((n) => edge.req_get(n, 1)).join()", "GET,GET,GET,GET"},
		{"numbers of nothing", "return [undefined, null, 0, NaN, -1, 2 ** 31, 2 ** 32 - 1].map((n) => edge.req_get(n, 1)).join()", "-9,-9,-9,-9,-9,-9,-9"},
		{"a number that throws", "return attempt(() => edge.req_get({ valueOf() { throw new RangeError('mine') } }, 1))", "throws RangeError: mine"},
		{"a number that is a Symbol", "return attempt(() => edge.req_get(Symbol(), 1)).slice(0, 16)", "throws TypeError"},
		{"a number that calls back", "return String(edge.log({ valueOf() { edge.utf8_decode('other'); return req } }, 0, 'said', null))", "0"},
		{"too few", "return String(edge.req_get())", "-9"},
		{"no such key", "return String(edge.config_get('none'))", "-2"},

		{"random into a view", "const b = new Uint16Array(8); const r = edge.random_fill(b.subarray(2, 6)); return [r, b[0], b[1], b[6], b[7], b.slice(2, 6).some((x) => x !== 0)].join()", "0,0,0,0,0,true"},
		{"random into a string", "return attempt(() => edge.random_fill('abcdefgh'))", "throws TypeError: not an ArrayBuffer or a view of one"},
		{"random into nothing", "return attempt(() => edge.random_fill(null))", "throws TypeError: not an ArrayBuffer or a view of one"},
		{"too much randomness", "return [edge.random_fill(new Uint8Array(65537)), edge.random(65537), edge.random(65536).length, edge.random(40000).length, edge.random(0).length].join()", "-1,-1,65536,40000,0"},
		{"a clock", "const ms = edge.clock(0); return String(Math.abs(ms - Date.now()) < 1000 && ms % 1 !== undefined) + edge.clock(7)", "true-1"},

		{"valid UTF-8", "return [[], [97], [0xc3, 0xa9], [0xe2, 0x82, 0xac], [0xf0, 0x9f, 0x98, 0x80], Array(33).fill(98), [0xed, 0x9f, 0xbf], [0xf4, 0x8f, 0xbf, 0xbf]].map((b) => edge.utf8_check(new Uint8Array(b)) - b.length).join()", "0,0,0,0,0,0,0,0"},
		{"invalid UTF-8", "return [[0x80], [97, 0xff], [0xc0, 0x80], [0xc3], [0xe2, 0x82], [0xe0, 0x9f, 0x80], [0xed, 0xa0, 0x80], [0xf0, 0x8f, 0x80, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xf0, 0x9f, 0x98], [0xe2, 0x28, 0xa1], [0xf0, 0x9f, 0x28, 0x80], [...Array(17).fill(97), 0xc3]].map((b) => edge.utf8_check(new Uint8Array(b))).join()", "0,1,0,0,0,0,0,0,0,0,0,0,17"},
		{"Latin-1", "const b = Uint8Array.from({ length: 256 }, (_, i) => i), s = edge.latin1_decode(b); return [s.length, s.charCodeAt(255), s.charCodeAt(128), hex(edge.latin1_encode(s)) === hex(b), edge.latin1_decode(new Uint8Array(100000).fill(0xe9)).length, edge.latin1_encode('é'.repeat(100000)).length].join()", "256,255,128,true,100000,100000"},
		{"no Latin-1", "return attempt(() => edge.latin1_encode('a€')) + attempt(() => edge.latin1_encode('Ā'))", strings.Repeat("throws TypeError: a header has a character above U+00FF", 2)},
	} {
		if got := evaluateIn(t, p, c.script); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
	if !strings.Contains(log.String(), `msg=said`) {
		t.Error("the log has nothing of", log)
	}
}

// TestResults has the edge answer with every kind of result, short ones and such as
// do not fit in the room there is.
func TestResults(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é€", 20_000)
	module := bare(t, evaluating)
	op := func(_ context.Context, name string, body json.RawMessage) (json.RawMessage, error) {
		switch name {
		case "exec":
			return body, nil
		case "readFile":
			return nil, abi.Errorf(abi.CodeFileNotFound, "there is no such file")
		}
		return bytes.Repeat([]byte("abcdefgh"), 40_000), nil
	}
	p, _ := serve(t, module, op, func(s *plugins.Spec) {
		s.Config = map[string]json.RawMessage{"long": json.RawMessage(`"` + long + `"`), "short": json.RawMessage(`"é"`)}
	})
	call := func(f string) string {
		return `return later(req, edge.op_start(req, "exec", '{"sandbox":{"binding":"Sandbox","id":"a"},"command":"aé"}'), (req, call) => ` + f + `)`
	}
	large := func(f string) string {
		return `return later(req, edge.op_start(req, "listProcesses", '{"sandbox":{"binding":"Sandbox","id":"a"}}'), (req, call) => ` + f + `)`
	}
	for _, c := range []struct{ name, script, want string }{
		{"a string", "return edge.config_get('short')", `"é"`},
		{"a long string", "const s = edge.config_get('long'); return [s.length, s.charCodeAt(1), s.charCodeAt(40000)].join()", "40002,233,8364"},
		{"all of a result", call("edge.result_text(req, call, 0).slice(-5)"), `"aé"}`},
		{"from an offset on", call("edge.result_text(req, call, 1).slice(0, 9)"), `"sandbox"`},
		{"bytes", call("hex(edge.result_bytes(req, call, 0).subarray(-5))"), "61c3a9227d"},
		{"beyond the end", call("edge.result_bytes(req, call, 1e6).length + edge.result_text(req, call, 1e6)"), "0"},
		{"JSON", call("edge.result_json(req, call).command"), "aé"},
		{"a handle", call("String(edge.result_handle(req, call))"), fmt.Sprint(0x6173227b)},
		{"a message of bytes", call("hex(edge.result_message(req, call).subarray(0, 3))"), "227361"},
		{"of a call that is not", "return [edge.result_text(req, 77, 0), edge.result_json(req, 77), edge.result_handle(req, 77), edge.result_message(req, 77)].join()", "-9,-9,-9,-9"},
		{"a large one", large("edge.result_text(req, call, 0).length + ',' + edge.result_bytes(req, call, 0).length + ',' + edge.result_text(req, call, 319990)"), "320000,320000,ghabcdefgh"},
		{"a large one as JSON", large("attempt(() => edge.result_json(req, call)).slice(0, 18)"), "throws SyntaxError"},
	} {
		got := evaluateIn(t, p, c.script)
		if got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

// TestHeaders sends header bytes both ways.
func TestHeaders(t *testing.T) {
	t.Parallel()
	p, _ := serve(t, bare(t, evaluating), nil)
	send := func(script string, headers ...abi.Header) string {
		r := request("/eval?" + script)
		r.Query = strings.NewReplacer("%", "%25").Replace(script)
		r.Headers = append(r.Headers, headers...)
		return ask(t, p, r)
	}
	for _, c := range []struct {
		name, script, want string
		headers            []abi.Header
	}{
		{"one value", "return edge.req_header(req, 'x-a')", "é", []abi.Header{{Name: "X-A", Value: "\xe9"}}},
		{"two values", "return edge.req_header(req, 'x-a').split('\\0').join('|')", "a|\u00ff", []abi.Header{{Name: "X-A", Value: "a"}, {Name: "X-A", Value: "\xff"}}},
		{"empty", "return '<' + edge.req_header(req, 'x-a') + '>'", "<>", []abi.Header{{Name: "X-A", Value: ""}}},
		{"none", "return String(edge.req_header(req, 'x-a'))", "-2", nil},
		{"a long value", "return String(edge.req_header(req, 'x-a').length)", "60000", []abi.Header{{Name: "X-A", Value: strings.Repeat("\xe9", 60_000)}}},
		{"all", "return edge.req_headers(req).split('\\0').slice(-2).join('|')", "X-A|\u00e9", []abi.Header{{Name: "X-A", Value: "\xe9"}}},
		{"very many", "const l = edge.req_headers(req).split('\\0'); return [l.length > 1200, l.at(-1)].join()", "true,599", slices.Collect(func(yield func(abi.Header) bool) {
			for i := range 600 {
				if !yield(abi.Header{Name: fmt.Sprintf("X-%0100d", i), Value: fmt.Sprint(i)}) {
					return
				}
			}
		})},
		{"set to more than Latin-1", "return attempt(() => edge.req_header_set(req, 'x-a', '€'))", "throws TypeError: a header has a character above U+00FF", nil},
		{"set", "return [edge.req_header_set(req, 'x-a', 'é'), edge.req_header_add(req, 'x-a', 'b'), edge.req_header(req, 'x-a').split('\\0').join('|'), edge.req_header_del(req, 'x-a'), edge.req_header(req, 'x-a')].join()", "0,0,é|b,0,-2", nil},
		{"an answer with more than Latin-1", "return attempt(() => edge.respond(req, 200, 'x-a\\0€\\0', ''))", "throws TypeError: a header has a character above U+00FF", nil},
		{"a name without a value", "return attempt(() => edge.respond(req, 200, 'x-a\\0', ''))", "throws TypeError: a header without a value", nil},
		{"a large block", "return String(edge.respond(0, 200, ('x-a\\0' + 'b'.repeat(100) + '\\0').repeat(900), ''))", "-9", nil},
		{"a log field", "return String(edge.log(req, 0, 'with fields', 'a\\0é€\\0b\\0c\\0'))", "0", nil},
	} {
		if got := send(c.script, c.headers...); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
	r := request("/eval")
	r.Query = "edge.respond(req, 201, 'x-a\\0\u00e9\\0x-b\\0\\0x-c\\0" + strings.Repeat("\u00ff", 30_000) + "\\0', new Uint8Array([1, 2]))"
	d, err := p.Decide(context.Background(), r)
	if err != nil {
		t.Fatal(err)
	}
	answer := d.(*abi.Respond)
	want := []abi.Header{{Name: "x-a", Value: "\xe9"}, {Name: "x-b"}, {Name: "x-c", Value: strings.Repeat("\xff", 30_000)}}
	if answer.Status != 201 || !slices.Equal(answer.Headers, want) || string(answer.Body) != "\x01\x02" {
		t.Errorf("got %d %.80q %q", answer.Status, answer.Headers, answer.Body)
	}
}

func header(name, value string) abi.Header { return abi.Header{Name: name, Value: value} }
