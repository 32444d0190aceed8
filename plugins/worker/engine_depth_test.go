package worker

import (
	"strconv"
	"testing"
	"time"
)

// TestDeep recurses in every way that there is, without end or as deep as the input
// says: it must be an exception, or a result, never the end of the instance.
func TestDeep(t *testing.T) {
	t.Parallel()
	p, log := serve(t, bare(t, evaluating), nil)
	want := 0
	for name, script := range map[string]string{
		"a function":           "const f = (n) => f(n + 1) + 1; return f(0)",
		"a constructor":        "class A { constructor() { this.a = new A() } } return new A()",
		"a getter":             "const o = { get a() { return this.a } }; return o.a",
		"toString":             "const o = { toString() { return '' + o } }; return '' + o",
		"valueOf as a number":  "const o = { valueOf: () => edge.req_get(o, 1) }; return edge.req_get(o, 1)",
		"a Proxy":              "const h = {}; let p = new Proxy({}, h); h.get = (t, k) => p[k]; return p.a",
		"Proxies of Proxies":   "let p = {}; for (let i = 0; i < 1e5; i++) p = new Proxy(p, {}); return String(p.a)",
		"prototypes":           "let p = {}; for (let i = 0; i < 1e5; i++) p = Object.create(p); return String(p.a)",
		"bound functions":      "let f = () => 1; for (let i = 0; i < 1e5; i++) f = f.bind(null); return String(f())",
		"JSON.parse":           "return JSON.parse('['.repeat(1e5) + ']'.repeat(1e5)).length",
		"JSON.parse, reviver":  "return JSON.parse('['.repeat(5e3) + ']'.repeat(5e3), (k, v) => v).length",
		"JSON.stringify":       "let a = []; for (let i = 0; i < 1e5; i++) a = [a]; return JSON.stringify(a).length",
		"toJSON":               "const o = { toJSON: () => JSON.stringify(o) }; return JSON.stringify(o)",
		"flat":                 "let a = []; for (let i = 0; i < 1e5; i++) a = [a]; return a.flat(Infinity).length",
		"join":                 "let a = []; for (let i = 0; i < 1e5; i++) a = [a]; return a.join().length",
		"sort":                 "const f = () => [2, 1].sort(f); return f()",
		"replace":              "const f = () => 'a'.replace(/a/, f); return f()",
		"map":                  "const f = () => [1].map(f); return f()",
		"apply":                "const f = () => f.apply(null, []); return f()",
		"Reflect.construct":    "const f = function () { return Reflect.construct(f, []) }; return f()",
		"instanceof":           "class A { static [Symbol.hasInstance](x) { return x instanceof A } } return 1 instanceof A",
		"generators":           "const f = function* () { yield* f() }; return [...f()].length",
		"async functions":      "const f = async () => { await f() }; f(); return 'began'",
		"eval of parentheses":  "return eval('('.repeat(1e5) + '1' + ')'.repeat(1e5))",
		"eval of arrays":       "return eval('['.repeat(1e5) + ']'.repeat(1e5)).length",
		"eval of operators":    "return eval('1' + '+1'.repeat(1e5))",
		"eval of negations":    "return String(eval('!'.repeat(1e5) + '1'))",
		"eval of functions":    "return String(eval('()=>'.repeat(1e5) + '1'))",
		"eval of blocks":       "return String(eval('{'.repeat(1e5) + '}'.repeat(1e5)))",
		"eval of ternaries":    "return String(eval('1?'.repeat(1e5) + '1' + ':1'.repeat(1e5)))",
		"eval of templates":    "return eval('`${'.repeat(1e4) + '1' + '}`'.repeat(1e4))",
		"RegExp of groups":     "return String(new RegExp('('.repeat(1e5) + ')'.repeat(1e5)))",
		"RegExp of lookaheads": "return String(new RegExp('(?='.repeat(1e5) + ')'.repeat(1e5)))",
		"RegExp of classes":    "return String(new RegExp('['.repeat(1e5) + ']'.repeat(1e5), 'v'))",
		"spread":               "return String(Math.max(...new Array(1e6).fill(1)))",
		"arguments":            "return String(String.fromCharCode.apply(null, new Array(1e6).fill(65)).length)",
		"a rope":               "let s = ''; for (let i = 0; i < 3e5; i++) s = s + i; return String(s.length)",
		"a rope to the left":   "let s = ''; for (let i = 0; i < 3e5; i++) s = i + s; return String(s.length)",
		"a list of objects":    "let l = null; for (let i = 0; i < 5e5; i++) l = { l }; l = null; return 'freed'",
		"closures":             "let f = null; for (let i = 0; i < 2e5; i++) { const g = f; f = () => g } f = null; return 'freed'",
		"BigInt":               "return String((2n ** 20000n).toString().length)",
		"errors of errors":     "let e = null; for (let i = 0; i < 1e5; i++) e = new Error('e', { cause: e }); throw e",
	} {
		begun := time.Now()
		got := evaluateIn(t, p, script)
		if len(got) > 100 {
			got = got[:100]
		}
		t.Logf("%-22s %-80s %v", name, got, time.Since(begun).Round(time.Millisecond))
		if n := ask(t, p, request("/count")); n != strconv.Itoa(want+1) {
			t.Errorf("%s: another instance answers (%s): %s", name, n, got)
			want = 1
		} else {
			want++
		}
	}
	if t.Failed() {
		t.Log(log)
	}
}
